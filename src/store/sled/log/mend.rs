//! Puts right in sled's files what is certain, and makes a page with a damaged row readable again.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

use super::body::Body;
use super::files;
use super::format::{Kind, Message, RED_ZONE, SEGMENT_HEADER, SegmentHeader};
use super::inspect::{Inspection, Suspect, Suspicion};
use super::repair::{self, Fault};
use super::segments;

/// Where sled found damage, as an offset in `db`, where its error says so.
pub fn place(error: &::sled::Error) -> Option<u64> {
    match error {
        ::sled::Error::Corruption {
            at: Some(pointer), ..
        } => Some(pointer.lid()),
        _ => None,
    }
}

/// What was mended, and is on disk.
#[derive(Debug, PartialEq, Eq)]
pub enum Mended {
    /// One damaged byte was put right: the content is what was written.
    Repaired(Original),
    /// More than a byte of a page of rows was damaged, and the page got the checksum that fits what
    /// it is now. Sound are so many of its rows; the others fail their own checksums, each a row
    /// that is lost, and maybe under a key that is not its own. The caller must check all rows.
    Resealed {
        original: Original,
        sound: usize,
        damaged: usize,
    },
}

/// What was there before. To be kept: mending cannot be undone without it.
#[derive(Debug, PartialEq, Eq)]
pub struct Original {
    /// In the file, in bytes.
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum Unmendable {
    /// There is nothing to mend: the checksum fits.
    Sound,
    /// The header of the segment is damaged itself. It comes first.
    Segment,
    /// More than a byte was damaged, and it is none of the rows of a page: its bounds, its lengths,
    /// an index, a change of a page, or what is no page at all. To believe any of these might lose
    /// rows, or bring deleted ones back, without a word.
    Content,
    /// More than a byte was damaged among the last that was written. It may as well be torn.
    Tip,
    /// It is not there.
    Missing,
    Failed(io::Error),
}

impl fmt::Display for Unmendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound => f.write_str("its checksum fits"),
            Self::Segment => f.write_str("the header of its segment is damaged"),
            Self::Content => f.write_str("more than a row of it is damaged"),
            Self::Tip => f.write_str("it is among the last that was written, and may be torn"),
            Self::Missing => f.write_str("it is missing"),
            Self::Failed(error) => write!(f, "it cannot be read or written: {error}"),
        }
    }
}

impl From<io::Error> for Unmendable {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// What became of a suspect.
#[derive(Debug)]
pub struct Outcome {
    pub suspect: Suspect,
    pub mended: Result<Mended, Unmendable>,
}

/// Mends what can be mended of what an inspection suspects; sled must not have the directory open.
/// To be done again after another inspection, until nothing more is mended: a segment with a mended
/// header is read for the first time then. Blocks.
///
/// Of what is at the tip, only single bytes are put right: a torn write does not look like one.
pub fn mend_suspects(inspection: &Inspection) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for suspect in &inspection.suspects {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&suspect.file);
        let size = inspection.segment_size;
        let mended = match (suspect.what, file) {
            (Suspicion::Missing | Suspicion::Pages | Suspicion::TwoSegments, _) => {
                Err(Unmendable::Missing)
            }
            (_, Err(error)) => Err(Unmendable::Failed(error)),
            (Suspicion::Configuration, Ok(file)) => mend_file(&file, files::configuration_covers),
            (Suspicion::Snapshot, Ok(file)) => mend_file(&file, files::snapshot_covers),
            (_, Ok(file)) if suspect.at_tip => {
                mend_in_log(&file, suspect.offset, size, |_, _| Err(Unmendable::Tip))
            }
            (_, Ok(file)) => mend(&file, suspect.offset, size),
        };
        outcomes.push(Outcome {
            suspect: suspect.clone(),
            mended,
        });
    }
    outcomes
}

/// Mends the message at an offset of `db`, or the header of a segment where one begins there.
/// `database` must be open for reading and writing. sled may have it open too: nobody else writes
/// where a page is that cannot be read. Blocks until it is on disk.
///
/// What happened to one byte is undone exactly, for any kind of message and in any place of it. A
/// page of rows with more damage gets a new checksum, where it still reads as a page from its first
/// to its last byte, its keys are in order and within its bounds, and its rows explain the damage:
/// at least one of them fails its own checksum, and at least one shows that the rest is in order.
/// So does what fills the end of a segment, which holds nothing.
pub fn mend(database: &File, offset: u64, segment_size: u64) -> Result<Mended, Unmendable> {
    mend_in_log(database, offset, segment_size, reseal)
}

fn mend_in_log(
    database: &File,
    offset: u64,
    segment_size: u64,
    otherwise: impl FnOnce(&Message<'_>, u64) -> Result<Reseal, Unmendable>,
) -> Result<Mended, Unmendable> {
    let base = offset / segment_size * segment_size;
    let mut segment = Vec::new();
    segments::read(database, base, segment_size, &mut segment)?;
    let Some(header) = segment.first_chunk::<SEGMENT_HEADER>() else {
        return Err(Unmendable::Missing);
    };
    let header = SegmentHeader::read(header);
    if offset == base {
        if header.is_some() {
            return Err(Unmendable::Sound);
        }
        let fault = repair::segment_header(&segment, base, segment_size);
        let fault = fault.ok_or(Unmendable::Content)?;
        segment.truncate(SEGMENT_HEADER);
        return write_byte(database, base, segment, fault);
    }
    let lsn = header.ok_or(Unmendable::Segment)?.lsn;
    let number = lsn.unsigned_abs() / segment_size;
    // It is less than the size of a segment.
    let at = (offset - base) as usize;
    if Message::sound(&segment, at, number).is_some() {
        return Err(Unmendable::Sound);
    }
    if let Some(fault) = repair::message(&mut segment, at, number) {
        // With its right length, which the byte may give it.
        segment[fault.at] ^= fault.mask;
        let length = Message::at(&segment, at).map_or(0, |message| message.bytes.len());
        segment[fault.at] ^= fault.mask;
        let bytes = segment[at..at + length].to_vec();
        let fault = Fault {
            at: fault.at - at,
            ..fault
        };
        return write_byte(database, offset, bytes, fault);
    }
    let message = Message::at(&segment, at)
        .filter(|message| message.header.segment == number)
        .ok_or(Unmendable::Content)?;
    let Reseal { sound, damaged } = otherwise(&message, base + segment_size - offset)?;
    write(database, offset, &message.checksum().to_le_bytes())?;
    Ok(Mended::Resealed {
        original: Original {
            offset,
            bytes: message.bytes.to_vec(),
        },
        sound,
        damaged,
    })
}

struct Reseal {
    sound: usize,
    damaged: usize,
}

/// `room` is how much of the segment there is from the message on.
fn reseal(message: &Message<'_>, room: u64) -> Result<Reseal, Unmendable> {
    if message.header.kind == Kind::Cap && message.header.length + RED_ZONE as u64 == room {
        return Ok(Reseal {
            sound: 0,
            damaged: 0,
        });
    }
    let Some(Body::Leaf(leaf)) = Body::read(message.header, message.body()) else {
        return Err(Unmendable::Content);
    };
    match leaf.count_rows() {
        // All are sound: what is damaged is around them. None is: it may be what they share.
        (0, _) | (_, 0) => Err(Unmendable::Content),
        (sound, damaged) => Ok(Reseal { sound, damaged }),
    }
}

fn mend_file(file: &File, covered: impl Fn(&[u8]) -> usize) -> Result<Mended, Unmendable> {
    let mut bytes = Vec::new();
    segments::read(file, 0, u64::MAX, &mut bytes)?;
    let fault = repair::file(&bytes, covered(&bytes)).ok_or(Unmendable::Content)?;
    write_byte(file, 0, bytes, fault)
}

/// Puts one byte right of what is at `offset`, where these bytes are.
fn write_byte(
    file: &File,
    offset: u64,
    bytes: Vec<u8>,
    fault: Fault,
) -> Result<Mended, Unmendable> {
    let byte = bytes[fault.at] ^ fault.mask;
    write(file, offset + fault.at as u64, &[byte])?;
    Ok(Mended::Repaired(Original { offset, bytes }))
}

fn write(mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_data()
}

//! What is suspicious in sled's files, read as sled would read them when it opens them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::files::failed;
use super::files::{self, Snapshot};
use super::format::{Header, Kind, Message, SEGMENT_HEADER};
use super::repair;
use super::replay::{Pointer, Replay};
use super::segments::{self, Segment, Segments};
use crate::store::StoreError;

/// What disks write wholly or not at all.
const SECTOR: usize = 512;
/// How much is read again to find where the log goes on behind damage, for each segment.
const SEARCH_BYTES: usize = 64 * 1024 * 1024;

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// In the order of the log. Empty where sled may open the directory.
    pub suspects: Vec<Suspect>,
    pub tail: Tail,
    /// The size of segments, which [`super::mend`] wants to know.
    pub segment_size: u64,
    /// The snapshot file that the replay begins with.
    pub snapshot: Option<PathBuf>,
    /// How much of the log is replayed, in bytes.
    pub replayed: u64,
}

/// One thing that may be damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub file: PathBuf,
    /// In the file, in bytes.
    pub offset: u64,
    pub what: Suspicion,
    /// Whether it is among the last that was written, where a power cut may have left it: sled
    /// drops everything from here on. Elsewhere it must be damage.
    pub at_tip: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// `conf` is torn, or its checksum does not fit.
    Configuration,
    /// The newest snapshot file is torn, or its checksum does not fit. Everything else was looked
    /// at as though there were none.
    Snapshot,
    /// A segment has content and no header that fits.
    SegmentHeader,
    /// Two segments claim the same place in the log.
    TwoSegments,
    /// The checksum of a message does not fit.
    Checksum,
    /// The header of a message makes no sense here: its kind, its length or its segment.
    Header,
    /// A part of the log that something else points to, or that must have been there, is not.
    Missing,
    /// The replay leaves pages without content, which sled cannot open.
    Pages,
}

/// How the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole message.
    Whole,
    /// With bytes behind the last whole message that are no message, at this offset in `db`: a
    /// write that a kill or a power cut cut short, or what a segment held before it was used again.
    /// After a clean stop it must be the latter.
    Torn(u64),
}

/// Looks for damage in the files of a directory that sled does not have open. Changes nothing.
///
/// Suspected is, and nothing else:
/// - `conf` or the newest snapshot file, where the checksum does not fit;
/// - any segment, replayed or not, with a header that does not fit and with content;
/// - in replayed segments, each message that is followed by more of the log and does not fit; with
///   it the end of a segment that is not the newest one and does not end as sled ends one;
/// - as the last message, one that a single damaged byte explains, or one that does not fit and is
///   too small to be torn: it lies in one sector;
/// - a gap among the segments that sled insists on, or a gap among all while some segment is
///   nothing but zeros;
/// - a log that ends before the snapshot does, and a page that the replay finds at a place of which
///   the segment is not there, or that it does not find at all.
///
/// Not suspected, as an ordinary kill or power cut leaves them: zeros and torn writes behind the
/// last whole message of the newest segment ([`Tail::Torn`] tells), segments of zeros, and what a
/// segment held before it was used again. Not seen: content of messages before the snapshot, which
/// sled does not read either and whose checksum it compares when it does; a newest segment that is
/// lost with all that points to it; content that was exchanged for other sound content.
///
/// Suspicion may be wrong after a power cut, and is to be answered with a check of all rows.
/// Reads the replayed part once, in order; its memory grows with the number of pages. Takes any
/// bytes without a panic. Blocks.
pub fn inspect(sled_directory: &Path) -> Result<Inspection, StoreError> {
    let path = files::newest_snapshot(sled_directory)?;
    let Some(path) = path else {
        return inspect_from(sled_directory, None, Some(Snapshot::default()));
    };
    let bytes = fs::read(&path).map_err(failed("cannot read", &path))?;
    inspect_from(sled_directory, Some(path), files::read_snapshot(&bytes))
}

/// The same, as though there were no snapshot: the whole log is replayed. Where this suspects
/// nothing, a damaged snapshot file may be removed.
pub fn inspect_without_snapshot(sled_directory: &Path) -> Result<Inspection, StoreError> {
    inspect_from(sled_directory, None, Some(Snapshot::default()))
}

fn inspect_from(
    directory: &Path,
    path: Option<PathBuf>,
    snapshot: Option<Snapshot>,
) -> Result<Inspection, StoreError> {
    let (segment_size, sound) = files::configuration(directory)?;
    let mut suspects = Vec::new();
    let suspect = |file, what| Suspect {
        file,
        offset: 0,
        what,
        at_tip: false,
    };
    if !sound {
        let file = files::configuration_path(directory);
        suspects.push(suspect(file, Suspicion::Configuration));
    }
    if let (Some(path), None) = (&path, &snapshot) {
        suspects.push(suspect(path.clone(), Suspicion::Snapshot));
    }
    let database = directory.join("db");
    let mut inspection = Inspection {
        suspects,
        tail: Tail::Whole,
        segment_size,
        snapshot: path,
        replayed: 0,
    };
    let file = match File::open(&database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if snapshot.is_some_and(|snapshot| snapshot.stable.is_some()) {
                inspection
                    .suspects
                    .push(suspect(database, Suspicion::Missing));
            }
            return Ok(inspection);
        }
        opened => opened,
    };
    let read = || {
        let segments = Segments::scan(file?, segment_size)?;
        Inspector::new(&database, segments, &mut inspection).run(snapshot.unwrap_or_default())
    };
    read().map_err(failed("cannot read", &database))?;
    Ok(inspection)
}

struct Inspector<'a> {
    database: &'a Path,
    segments: Segments,
    /// LSNs are compared with it.
    size: i64,
    inspection: &'a mut Inspection,
    /// From which LSN on sled takes damage for the end of the log.
    tip: i64,
}

impl<'a> Inspector<'a> {
    fn new(database: &'a Path, segments: Segments, inspection: &'a mut Inspection) -> Self {
        Self {
            database,
            // Between 256 and 2^24.
            size: segments.size as i64,
            segments,
            inspection,
            tip: 0,
        }
    }

    fn run(&mut self, snapshot: Snapshot) -> io::Result<()> {
        let stable = snapshot.stable.unwrap_or(0);
        let first = self.floor(stable);
        let order = self.order(first);
        let mut replay = Replay::new(stable, snapshot.pages);
        let mut end = None;
        let newest = order.keys().next_back().copied();
        let mut buffer = Vec::new();
        for (lsn, index) in &order {
            self.segments.read(*index, &mut buffer)?;
            self.inspection.replayed += buffer.len() as u64;
            let is_newest = Some(*lsn) == newest;
            let ended = self.walk(&mut buffer, *lsn, *index, is_newest, &mut replay);
            end = Some(ended);
        }
        replay.finish(end.unwrap_or(stable));
        self.look_for_gaps(&order, first);
        match (end, snapshot.active) {
            // What the snapshot has seen of its last segment must still be there.
            (Some(end), _) if end < stable => {
                let at_end = newest
                    .and_then(|lsn| order.get(&lsn))
                    .map_or(0, |index| index * self.segments.size);
                self.suspect(at_end, Suspicion::Missing, false);
            }
            (None, Some(active)) => self.suspect(active, Suspicion::Missing, false),
            _ => {}
        }
        self.look_for_pages(&replay);
        Ok(())
    }

    fn floor(&self, lsn: i64) -> i64 {
        lsn / self.size * self.size
    }

    fn suspect(&mut self, offset: u64, what: Suspicion, at_tip: bool) {
        self.inspection.suspects.push(Suspect {
            file: self.database.to_owned(),
            offset,
            what,
            at_tip,
        });
    }

    /// The segments that are replayed, by their LSNs, and where each is.
    fn order(&mut self, first: i64) -> BTreeMap<i64, u64> {
        let mut order = BTreeMap::new();
        let mut stable = first;
        for index in 0..self.segments.found.len() as u64 {
            let offset = index * self.segments.size;
            match self.segments.header(index) {
                Some(Segment::Damaged) => self.suspect(offset, Suspicion::SegmentHeader, false),
                Some(Segment::Sound(header)) if header.lsn >= first => {
                    stable = stable.max(header.stable);
                    if order.insert(header.lsn, index).is_some() {
                        self.suspect(offset, Suspicion::TwoSegments, false);
                    }
                }
                _ => {}
            }
        }
        self.tip = self.floor(stable);
        order
    }

    /// Reads the messages of one segment; gives the LSN at which they end.
    fn walk(
        &mut self,
        segment: &mut [u8],
        lsn: i64,
        index: u64,
        is_newest: bool,
        replay: &mut Replay,
    ) -> i64 {
        let number = lsn.unsigned_abs() / self.segments.size;
        let base = index * self.segments.size;
        let at_tip = lsn >= self.tip;
        let mut search = SEARCH_BYTES;
        let mut at = SEGMENT_HEADER;
        while self.segments.has_room(at) {
            let place = at as u64;
            if let Some(message) = Message::sound(segment, at, number) {
                let pointer = Pointer {
                    lsn: lsn.saturating_add_unsigned(place),
                    offset: base + place,
                    end: base + place + message.bytes.len() as u64,
                };
                replay.take(&message, pointer);
                at += message.bytes.len();
                if message.header.kind == Kind::Cap {
                    return lsn.saturating_add(self.size);
                }
                continue;
            }
            let next = next_message(segment, at, number, &mut search);
            let what = match Header::read(&segment[at.min(segment.len())..]) {
                Some(header) if header.segment == number => Suspicion::Checksum,
                _ => Suspicion::Header,
            };
            match next {
                None if is_newest => {
                    match tail(segment, at, number) {
                        End::Ordinary => {}
                        End::Torn => self.inspection.tail = Tail::Torn(base + place),
                        End::Suspect => self.suspect(base + place, what, true),
                    }
                    return lsn.saturating_add_unsigned(place);
                }
                None => {
                    self.suspect(base + place, what, at_tip);
                    return lsn.saturating_add_unsigned(place);
                }
                Some(next) => {
                    self.suspect(base + place, what, at_tip);
                    at = next;
                }
            }
        }
        lsn.saturating_add(self.size)
    }

    fn look_for_gaps(&mut self, order: &BTreeMap<i64, u64>, first: i64) {
        let (Some(oldest), Some((newest, index))) = (order.keys().next(), order.last_key_value())
        else {
            return;
        };
        // Where sled finds a gap in the tip, it drops all that follows.
        let size = self.size;
        let segments = |from: i64| usize::try_from((newest - from) / size + 1);
        if segments(self.tip) != Ok(order.range(self.tip..).count()) {
            self.suspect(index * self.segments.size, Suspicion::Missing, true);
        }
        let oldest = if first == 0 { *oldest } else { first };
        if segments(oldest) != Ok(order.len()) {
            let empty = |segment: &Segment| *segment == Segment::Empty;
            if let Some(index) = self.segments.found.iter().position(empty) {
                self.suspect(index as u64 * self.segments.size, Suspicion::Missing, false);
            }
        }
    }

    fn look_for_pages(&mut self, replay: &Replay) {
        if replay.has_holes() {
            self.suspect(0, Suspicion::Pages, false);
        }
        let mut missing = BTreeSet::new();
        for pointer in replay.pages().flat_map(|page| page.pointers()) {
            let index = pointer.offset / self.segments.size;
            let there = match self.segments.header(index) {
                Some(Segment::Sound(header)) => {
                    header.lsn == self.floor(pointer.lsn) && pointer.end <= self.segments.length
                }
                // It is suspected already.
                Some(Segment::Damaged) => true,
                Some(Segment::Empty) | None => false,
            };
            if !there {
                missing.insert(index.saturating_mul(self.segments.size));
            }
        }
        for offset in missing {
            self.suspect(offset, Suspicion::Missing, false);
        }
    }
}

/// Where the log goes on behind a message that does not fit, if it does.
fn next_message(segment: &[u8], at: usize, number: u64, search: &mut usize) -> Option<usize> {
    let rest = segment.get(at..)?;
    if segments::is_zero(rest) {
        return None;
    }
    if let Some(message) = Message::at(segment, at) {
        let next = at + message.bytes.len();
        if Message::sound(segment, next, number).is_some() {
            return Some(next);
        }
    }
    (at + 1..segment.len()).find(|place| {
        let message = Message::at(segment, *place);
        message.is_some_and(|message| {
            if message.header.segment != number || message.bytes.len() > *search {
                return false;
            }
            *search -= message.bytes.len();
            message.syndrome() == 0
        })
    })
}

enum End {
    Ordinary,
    Torn,
    Suspect,
}

/// What is behind the last whole message of the log.
fn tail(segment: &mut [u8], at: usize, number: u64) -> End {
    if segments::is_zero(segment.get(at..).unwrap_or_default()) {
        return End::Ordinary;
    }
    if let Some(message) = Message::at(segment, at) {
        if message.syndrome() == 0 {
            // Of an earlier use of the segment.
            return End::Ordinary;
        }
        let last = at + message.bytes.len() - 1;
        if message.header.segment == number && at / SECTOR == last / SECTOR {
            return End::Suspect;
        }
    }
    match repair::message(segment, at, number) {
        Some(_) => End::Suspect,
        None => End::Torn,
    }
}

//! Finds the one damaged byte that explains why a checksum does not fit, and what it was.
//!
//! CRC-32 tells any two flipped bits of anything below 512 MB apart. Of whole bytes, another one
//! than the damaged one fits by accident with a chance of 255 for each byte over 2^32: 1 in 60,000
//! for a change of 280 bytes, 1 in 2,000 for a page of 8 KB. So a flipped bit goes before a byte,
//! several bytes that fit are none, and what comes out must read as a whole message of the same
//! segment, a page of rows with all its rows sound. What is damaged in more than a byte is taken for
//! another thing with the same small chance, and then fails the checksums of its rows.

use super::body::Body;
use super::format::{self, CHECKSUM, Header, Message, RED_ZONE, SEGMENT_HEADER, SegmentHeader};

/// The reflected polynomial of CRC-32.
const POLYNOMIAL: u32 = 0xEDB8_8320;
/// Larger files have too many bits to tell a flipped one from an accident.
const LARGEST_FILE: usize = 64 * 1024;

/// What a byte makes of a checksum that was 0, and the byte that gives each highest byte of that.
const TABLES: ([u32; 256], [u8; 256]) = {
    let mut forth = [0; 256];
    let mut back = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        forth[byte] = sum;
        back[(sum >> 24) as usize] = byte as u8;
        byte += 1;
    }
    (forth, back)
};

/// A damaged byte: where it is, and which of its bits are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub mask: u8,
}

impl Fault {
    fn is_bit(self) -> bool {
        self.mask.is_power_of_two()
    }
}

enum Place {
    InChecksum(usize),
    InCovered(usize),
}

/// The bytes, of a checksum or of the `covered` bytes before it, each of which alone makes the
/// stored checksum and the right one differ in `syndrome`; and in which bits.
fn locate(syndrome: u32, covered: usize) -> Vec<(Place, u8)> {
    let (forth, back) = &TABLES;
    let mut found = Vec::new();
    let stored = syndrome.to_le_bytes();
    let mut wrong = (0..CHECKSUM).filter(|byte| stored[*byte] != 0);
    if let (Some(byte), None) = (wrong.next(), wrong.next()) {
        found.push((Place::InChecksum(byte), stored[byte]));
    }
    // What the difference was behind each byte: it came from there where the byte explains it all.
    let mut behind = syndrome;
    for byte in (0..covered).rev() {
        let mask = back[(behind >> 24) as usize];
        let unexplained = behind ^ forth[usize::from(mask)];
        if unexplained == 0 {
            found.push((Place::InCovered(byte), mask));
        }
        behind = (unexplained << 8) | u32::from(mask);
    }
    found
}

/// The only one, or the only bit.
fn choose(mut faults: Vec<Fault>) -> Option<Fault> {
    if faults.iter().any(|fault| fault.is_bit()) {
        faults.retain(|fault| fault.is_bit());
    }
    match faults[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// The damaged byte of a segment's header. What it says then must make sense at this place.
pub fn segment_header(segment: &[u8], offset: u64, segment_size: u64) -> Option<Fault> {
    let bytes = *segment.first_chunk::<SEGMENT_HEADER>()?;
    let first = Message::at(segment, SEGMENT_HEADER).filter(|message| message.syndrome() == 0);
    let makes_sense = |fault: &Fault| {
        let mut bytes = bytes;
        bytes[fault.at] ^= fault.mask;
        SegmentHeader::read(&bytes).is_some_and(|header| {
            let lsn = header.lsn.unsigned_abs();
            // Its first message, if there is one, must agree.
            let agrees = first.is_none_or(|first| first.header.segment == lsn / segment_size);
            header.has_place(offset, segment_size) && header.stable <= header.lsn && agrees
        })
    };
    let places = locate(format::segment_syndrome(&bytes), SEGMENT_HEADER - CHECKSUM);
    let faults = places.into_iter().map(|(place, mask)| match place {
        Place::InChecksum(at) => Fault { at, mask },
        Place::InCovered(byte) => Fault {
            at: CHECKSUM + byte,
            mask,
        },
    });
    choose(faults.filter(makes_sense).collect())
}

/// The damaged byte of the message at a place in the segment of this number. `None` where no single
/// byte makes it a whole message, or where more than one does. The segment is left as it was.
pub fn message(segment: &mut [u8], at: usize, number: u64) -> Option<Fault> {
    let mut faults = located(segment, at);
    for fault in in_header(segment, at, number) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults.retain(|fault| {
        segment[fault.at] ^= fault.mask;
        let whole = Message::sound(segment, at, number).is_some_and(|message| {
            match Body::read(message.header, message.body()) {
                Some(Body::Leaf(leaf)) if !fault.is_bit() => leaf.count_rows().1 == 0,
                read => read.is_some(),
            }
        });
        segment[fault.at] ^= fault.mask;
        whole
    });
    choose(faults)
}

/// The bytes that the checksum points to, if the length in the header is right.
fn located(segment: &[u8], at: usize) -> Vec<Fault> {
    let Some(message) = Message::at(segment, at) else {
        return Vec::new();
    };
    let body = message.body().len();
    let places = locate(message.syndrome(), message.bytes.len() - CHECKSUM);
    let faults = places.into_iter().map(|(place, mask)| {
        let place = match place {
            Place::InChecksum(byte) => byte,
            // The checksum covers the body first.
            Place::InCovered(byte) if byte < body => message.header.size + byte,
            Place::InCovered(byte) => CHECKSUM + byte - body,
        };
        let at = at + place;
        Fault { at, mask }
    });
    faults.collect()
}

/// Every byte of the header that makes it one of this segment: another length is another message,
/// of which the checksum points nowhere.
fn in_header(segment: &[u8], at: usize, number: u64) -> Vec<Fault> {
    let end = segment.len().min(at.saturating_add(RED_ZONE));
    let mut bytes = segment.get(at..end).unwrap_or_default().to_vec();
    let mut faults = Vec::new();
    for place in CHECKSUM..bytes.len() {
        for mask in 1..=u8::MAX {
            bytes[place] ^= mask;
            if Header::read(&bytes).is_some_and(|header| {
                // A byte behind the header is none of the header.
                header.segment == number && place < header.size
            }) {
                let at = at + place;
                faults.push(Fault { at, mask });
            }
            bytes[place] ^= mask;
        }
    }
    faults
}

/// The flipped bit of a small file that ends with the plain checksum of its first `covered` bytes.
pub fn file(bytes: &[u8], covered: usize) -> Option<Fault> {
    if covered > LARGEST_FILE {
        return None;
    }
    let (_, stored) = bytes.split_last_chunk::<CHECKSUM>()?;
    let right = crc32fast::hash(bytes.get(..covered)?);
    let places = locate(u32::from_le_bytes(*stored) ^ right, covered);
    let faults = places.into_iter().map(|(place, mask)| match place {
        Place::InChecksum(byte) => Fault {
            at: bytes.len() - CHECKSUM + byte,
            mask,
        },
        Place::InCovered(at) => Fault { at, mask },
    });
    choose(faults.filter(|fault| fault.is_bit()).collect())
}

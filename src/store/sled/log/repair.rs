//! Finds the one flipped bit that explains why a checksum does not fit.
//!
//! CRC-32 tells every two single bits of anything below 512 MB apart, so a flipped bit is found
//! for certain and what was there is restored exactly. Where more was damaged, the chance that some
//! single bit fits by accident is the number of bits over 2^32, 1 in 33,000 for a page of 16 KB;
//! that what comes out must also read as a whole message of the same segment makes it smaller yet.

use super::body;
use super::format::{self, CHECKSUM, Header, Message, RED_ZONE, SEGMENT_HEADER, SegmentHeader};

/// The reflected polynomial of CRC-32.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// A bit: the place of its byte and its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    pub at: usize,
    pub mask: u8,
}

enum Place {
    InChecksum(usize),
    InCovered(usize),
}

/// The byte and the mask of the one bit, of a checksum or of the `covered` bytes that it covers,
/// that makes the stored checksum and the right one differ in `syndrome`.
fn locate(syndrome: u32, covered: usize) -> Option<(Place, u8)> {
    if syndrome.count_ones() == 1 {
        let bit = syndrome.trailing_zeros() as usize;
        return Some((Place::InChecksum(bit / 8), 1 << (bit % 8)));
    }
    // What the last bit of all changes, then the one before it, and so on.
    let mut change = POLYNOMIAL;
    for byte in (0..covered).rev() {
        for bit in (0..8).rev() {
            if change == syndrome {
                return Some((Place::InCovered(byte), 1 << bit));
            }
            change = (change >> 1) ^ if change & 1 == 1 { POLYNOMIAL } else { 0 };
        }
    }
    None
}

/// The flipped bit of a segment's header. What it says then must make sense at this place.
pub fn segment_header(segment: &[u8], offset: u64, segment_size: u64) -> Option<Flip> {
    let mut bytes = *segment.first_chunk::<SEGMENT_HEADER>()?;
    let syndrome = format::segment_syndrome(&bytes);
    let (place, mask) = locate(syndrome, SEGMENT_HEADER - CHECKSUM)?;
    let at = match place {
        Place::InChecksum(byte) => byte,
        Place::InCovered(byte) => CHECKSUM + byte,
    };
    bytes[at] ^= mask;
    let header = SegmentHeader::read(&bytes)?;
    let lsn = u64::try_from(header.lsn).ok()?;
    // Its first message, if there is one, must agree.
    let first = Message::at(segment, SEGMENT_HEADER).filter(|message| message.syndrome() == 0);
    let agrees = first.is_none_or(|first| first.header.segment == lsn / segment_size);
    (lsn % segment_size == 0 && lsn >= offset && header.stable <= header.lsn && agrees)
        .then_some(Flip { at, mask })
}

/// The flipped bit of the message at a place in the segment of this number. `None` where no single
/// bit makes it a whole message, or where more than one does. The segment is left as it was.
pub fn message(segment: &mut [u8], at: usize, number: u64) -> Option<Flip> {
    let mut found = None;
    for flip in located(segment, at)
        .into_iter()
        .chain(in_header(segment, at, number))
    {
        segment[flip.at] ^= flip.mask;
        let whole = Message::sound(segment, at, number)
            .is_some_and(|message| body::makes_sense(message.header, message.body()));
        segment[flip.at] ^= flip.mask;
        if whole && found.is_some_and(|other| other != flip) {
            return None;
        }
        found = if whole { Some(flip) } else { found };
    }
    found
}

/// The bit that the checksum points to, if the length in the header is right.
fn located(segment: &[u8], at: usize) -> Option<Flip> {
    let message = Message::at(segment, at)?;
    let body = message.body().len();
    let (place, mask) = locate(message.syndrome(), message.bytes.len() - CHECKSUM)?;
    let place = match place {
        Place::InChecksum(byte) => byte,
        Place::InCovered(byte) if byte < body => message.header.size + byte,
        Place::InCovered(byte) => CHECKSUM + byte - body,
    };
    let at = at + place;
    Some(Flip { at, mask })
}

/// Every bit of the header that makes it one of this segment: another length is another message,
/// of which the checksum points nowhere.
fn in_header(segment: &[u8], at: usize, number: u64) -> Vec<Flip> {
    let end = segment.len().min(at.saturating_add(RED_ZONE));
    let mut bytes = segment.get(at..end).unwrap_or_default().to_vec();
    let mut flips = Vec::new();
    for place in CHECKSUM..bytes.len() {
        for bit in 0..8 {
            let mask = 1 << bit;
            bytes[place] ^= mask;
            if Header::read(&bytes).is_some_and(|header| {
                // A bit behind the header is none of the header.
                header.segment == number && place < header.size
            }) {
                let at = at + place;
                flips.push(Flip { at, mask });
            }
            bytes[place] ^= mask;
        }
    }
    flips
}

/// The flipped bit of a file that ends with the plain checksum of its first `covered` bytes.
pub fn file(bytes: &[u8], covered: usize) -> Option<Flip> {
    let (_, stored) = bytes.split_last_chunk::<CHECKSUM>()?;
    let right = crc32fast::hash(bytes.get(..covered)?);
    let (place, mask) = locate(u32::from_le_bytes(*stored) ^ right, covered)?;
    let at = match place {
        Place::InChecksum(byte) => bytes.len() - CHECKSUM + byte,
        Place::InCovered(byte) => byte,
    };
    Some(Flip { at, mask })
}

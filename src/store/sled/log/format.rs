//! The bytes of sled's log: numbers, the headers of segments and of messages, and their checksums.

/// The length of a segment's header.
pub const SEGMENT_HEADER: usize = 20;
/// No message begins in so many last bytes of a segment; no header of one is longer.
pub const RED_ZONE: usize = 32;
/// The checksum is the first thing of a header, and does not cover itself.
pub const CHECKSUM: usize = 4;

/// Takes that many bytes from the front.
pub fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

pub fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    take(bytes, 1).map(|taken| taken[0])
}

/// Takes eight bytes that are a number of a fixed length.
pub fn take_fixed(bytes: &mut &[u8]) -> Option<i64> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*taken))
}

/// Takes a number of sled's variable length. Only the shortest form of a number is one: sled writes
/// no other.
pub fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let first = take_byte(bytes)?;
    let (number, shortest) = match first {
        0..=240 => (u64::from(first), 0),
        241..=248 => {
            let low = u64::from(take_byte(bytes)?);
            (240 + 256 * u64::from(first - 241) + low, 240)
        }
        249 => {
            let high = u64::from(take_byte(bytes)?);
            (2_288 + 256 * high + u64::from(take_byte(bytes)?), 2_288)
        }
        _ => {
            let length = u64::from(first - 247);
            let taken = take(bytes, length)?;
            let number = taken
                .iter()
                .rev()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
            let shorter = if length == 3 {
                67_824
            } else {
                1 << (8 * (length - 1))
            };
            (number, shorter)
        }
    };
    (number >= shortest).then_some(number)
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The place of its first byte in the order of all that was ever written.
    pub lsn: i64,
    /// Up to where the log was on disk when the segment was begun.
    pub stable: i64,
}

impl SegmentHeader {
    /// `None` where the checksum does not fit.
    pub fn read(bytes: &[u8; SEGMENT_HEADER]) -> Option<Self> {
        let mut rest = &bytes[CHECKSUM..];
        let lsn = take_fixed(&mut rest)? ^ i64::MAX;
        let stable = take_fixed(&mut rest)? ^ i64::MAX;
        (segment_syndrome(bytes) == 0).then_some(Self { lsn, stable })
    }

    /// Segments begin at multiples of their size, and none lies behind its place in the log.
    pub fn has_place(self, offset: u64, segment_size: u64) -> bool {
        u64::try_from(self.lsn).is_ok_and(|lsn| lsn.is_multiple_of(segment_size) && lsn >= offset)
    }
}

/// The stored checksum of a segment's header against the right one: 0 where it fits.
pub fn segment_syndrome(bytes: &[u8; SEGMENT_HEADER]) -> u32 {
    checksum_at(bytes) ^ !crc32fast::hash(&bytes[CHECKSUM..])
}

fn checksum_at(bytes: &[u8]) -> u32 {
    let stored = bytes.first_chunk::<CHECKSUM>();
    stored.map_or(0, |stored| u32::from_le_bytes(*stored))
}

/// The kinds of messages, as numbered on disk. 0 is what was never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Was given up while it was written; to be skipped.
    Canceled,
    /// Fills the rest of a segment.
    Cap,
    /// Says up to where the log must be on disk for the batch that follows to count.
    Batch,
    Free,
    Counter,
    Meta,
    Node,
    Link,
    /// Points to a file in `blobs/`, which this store never has.
    Outside,
}

impl Kind {
    fn read(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Canceled,
            2 => Self::Cap,
            3 => Self::Batch,
            4 => Self::Free,
            5 => Self::Counter,
            6 => Self::Meta,
            8 => Self::Node,
            10 => Self::Link,
            7 | 9 | 11 => Self::Outside,
            _ => return None,
        })
    }
}

/// What a message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// Of the body.
    pub length: u64,
    /// The segment's place in the log, its LSN over the segment size.
    pub segment: u64,
    pub page: u64,
    /// Its own length.
    pub size: usize,
}

impl Header {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(CHECKSUM..)?;
        let kind = Kind::read(take_byte(&mut rest)?)?;
        let length = take_number(&mut rest)?;
        let segment = take_number(&mut rest)?;
        let page = take_number(&mut rest)?;
        Some(Self {
            kind,
            length,
            segment,
            page,
            size: bytes.len() - rest.len(),
        })
    }
}

/// A message of which header and length make sense. Its checksum may not fit.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub header: Header,
    /// All of it, with its header.
    pub bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the message at a place in a segment; `None` where its header or its length is none.
    pub fn at(segment: &'a [u8], at: usize) -> Option<Self> {
        let bytes = segment.get(at..)?;
        let header = Header::read(bytes)?;
        let length = usize::try_from(header.length).ok()?;
        let bytes = bytes.get(..header.size.checked_add(length)?)?;
        Some(Self { header, bytes })
    }

    /// The same, and only where its checksum fits and it belongs to the segment of this number.
    pub fn sound(segment: &'a [u8], at: usize, number: u64) -> Option<Self> {
        Self::at(segment, at)
            .filter(|message| message.header.segment == number && message.syndrome() == 0)
    }

    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.header.size..]
    }

    /// The checksum that fits: over the body, then over the rest of the header.
    pub fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.body());
        hasher.update(&self.bytes[CHECKSUM..self.header.size]);
        !hasher.finalize()
    }

    /// The stored checksum against the right one: 0 where it fits.
    pub fn syndrome(&self) -> u32 {
        checksum_at(self.bytes) ^ self.checksum()
    }
}

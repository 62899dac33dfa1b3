//! The segments of the log: what their headers say, and their bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::format::{RED_ZONE, SEGMENT_HEADER, SegmentHeader};

/// What is at the place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    Sound(SegmentHeader),
    /// Never written, or freed: nothing but zeros.
    Empty,
    Damaged,
}

/// The log's file, cut into segments.
pub struct Segments {
    file: File,
    pub size: u64,
    /// Of the file.
    pub length: u64,
    pub found: Vec<Segment>,
}

impl Segments {
    pub fn scan(file: File, size: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        // sled does not look at the rest of a file that has no room for a header.
        let partial = length % size >= SEGMENT_HEADER as u64;
        let mut segments = Self {
            file,
            size,
            length,
            found: Vec::new(),
        };
        let mut buffer = Vec::new();
        for index in 0..length / size + u64::from(partial) {
            let found = segments.look(index, &mut buffer)?;
            segments.found.push(found);
        }
        Ok(segments)
    }

    fn look(&self, index: u64, buffer: &mut Vec<u8>) -> io::Result<Segment> {
        let offset = index * self.size;
        read(&self.file, offset, SEGMENT_HEADER as u64, buffer)?;
        let header = buffer.first_chunk::<SEGMENT_HEADER>();
        if let Some(header) = header.and_then(SegmentHeader::read) {
            return Ok(if header.has_place(offset, self.size) {
                Segment::Sound(header)
            } else {
                Segment::Damaged
            });
        }
        if is_zero(buffer) {
            read(&self.file, offset, self.size, buffer)?;
        }
        Ok(if is_zero(buffer) {
            Segment::Empty
        } else {
            Segment::Damaged
        })
    }

    /// Reads a whole segment, or what the file has of it.
    pub fn read(&self, index: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        read(&self.file, index * self.size, self.size, buffer)
    }

    pub fn header(&self, index: u64) -> Option<Segment> {
        self.found.get(usize::try_from(index).ok()?).copied()
    }

    /// Whether a message may begin at this place in a segment.
    pub fn has_room(&self, at: usize) -> bool {
        (at + RED_ZONE) as u64 <= self.size
    }
}

/// Reads up to `length` bytes, less where the file ends before.
pub fn read(mut file: &File, offset: u64, length: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    file.seek(SeekFrom::Start(offset))?;
    file.take(length).read_to_end(buffer)?;
    Ok(())
}

pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

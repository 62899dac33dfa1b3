//! The two files beside the log: what sled was configured with, and its newest snapshot of where
//! the pages are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::disk::failed;
use super::format::{CHECKSUM, take_byte, take_fixed, take_number};
use super::replay::{Page, Pointer};
use crate::store::StoreError;

/// sled's own, which this store never changes.
const SEGMENT_SIZE: u64 = 512 * 1024;
/// What sled takes, powers of two.
const SEGMENT_SIZES: std::ops::RangeInclusive<u64> = 256..=1 << 24;
const LENGTH: usize = 8;

pub fn configuration_path(directory: &Path) -> PathBuf {
    directory.join("conf")
}

/// The size of segments.
pub fn segment_size(directory: &Path) -> Result<u64, StoreError> {
    configuration(directory).map(|(size, _)| size)
}

/// The size of segments, and whether the file that says so can be believed. Where there is none,
/// sled writes a new one.
pub fn configuration(directory: &Path) -> Result<(u64, bool), StoreError> {
    let path = configuration_path(directory);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((SEGMENT_SIZE, true)),
        Err(error) => return Err(failed("cannot read", &path)(error)),
    };
    let size = read_configuration(&bytes);
    Ok((size.unwrap_or(SEGMENT_SIZE), size.is_some()))
}

fn read_configuration(bytes: &[u8]) -> Option<u64> {
    let (text, stored) = bytes.split_last_chunk::<CHECKSUM>()?;
    if crc32fast::hash(text) != u32::from_le_bytes(*stored) {
        return None;
    }
    let lines = str::from_utf8(text).ok()?.lines();
    let mut sizes = lines.filter_map(|line| line.strip_prefix("segment_size: "));
    let size: u64 = sizes.next()?.parse().ok()?;
    (size.is_power_of_two() && SEGMENT_SIZES.contains(&size)).then_some(size)
}

/// How many bytes of `conf` its checksum covers.
pub fn configuration_covers(bytes: &[u8]) -> usize {
    bytes.len().saturating_sub(CHECKSUM)
}

/// Where the pages were when sled last opened the directory.
#[derive(Default)]
pub struct Snapshot {
    /// The first LSN that it does not cover.
    pub stable: Option<i64>,
    /// Where the segment is that the log went on in.
    pub active: Option<u64>,
    pub pages: Vec<Page>,
}

/// The snapshot file that sled takes, if there is one. A half-written one is none: it is removed
/// before sled opens the directory.
pub fn newest_snapshot(directory: &Path) -> Result<Option<PathBuf>, StoreError> {
    let unreadable = || failed("cannot read", directory);
    let mut newest = None;
    for entry in directory.read_dir().map_err(unreadable())? {
        let path = entry.map_err(unreadable())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let counts = name.starts_with("snap.")
            && !name.ends_with(".generating")
            && !name.ends_with(".in___motion");
        if counts {
            newest = newest.max(Some(path));
        }
    }
    Ok(newest)
}

/// How many bytes of a snapshot file its checksum covers; the length before it counts for nothing.
pub fn snapshot_covers(bytes: &[u8]) -> usize {
    bytes.len().saturating_sub(LENGTH + CHECKSUM)
}

/// `None` where it cannot be believed.
pub fn read_snapshot(bytes: &[u8]) -> Option<Snapshot> {
    let (content, end) = bytes.split_at_checked(snapshot_covers(bytes))?;
    let (_, stored) = end.split_last_chunk::<CHECKSUM>()?;
    if content.is_empty() || crc32fast::hash(content) != u32::from_le_bytes(*stored) {
        return None;
    }
    let mut rest = content;
    // Both are one higher than what they stand for, so that 0 is none.
    let stable = match take_fixed(&mut rest)? {
        0 => None,
        shifted => Some(shifted.checked_sub(1).filter(|lsn| *lsn >= 0)?),
    };
    let active = take_number(&mut rest)?.checked_sub(1);
    let mut pages = Vec::new();
    while !rest.is_empty() {
        pages.push(take_page(&mut rest)?);
    }
    Some(Snapshot {
        stable,
        active,
        pages,
    })
}

fn take_page(bytes: &mut &[u8]) -> Option<Page> {
    let count = take_byte(bytes)?;
    if count == 0 {
        return take_pointer(bytes).map(Page::Free);
    }
    let mut pointers = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let mut pointer = take_pointer(bytes)?;
        pointer.end = pointer.offset.saturating_add(take_number(bytes)?);
        pointers.push(pointer);
    }
    Some(Page::Present(pointers))
}

fn take_pointer(bytes: &mut &[u8]) -> Option<Pointer> {
    let lsn = take_fixed(bytes)?;
    let outside = take_byte(bytes)?;
    let offset = take_number(bytes)?;
    match outside {
        0 => {}
        1 => {
            take_fixed(bytes)?;
        }
        _ => return None,
    }
    let end = offset;
    Some(Pointer { lsn, offset, end })
}

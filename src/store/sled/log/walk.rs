//! The pass over the log that an inspection makes: message by message, as sled would replay it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::files::Snapshot;
use super::format::{Header, Kind, Message, SEGMENT_HEADER};
use super::inspect::{Inspection, Suspect, Suspicion, Tail};
use super::repair;
use super::replay::{Pointer, Replay};
use super::segments::{self, Segment, Segments};

/// What disks write wholly or not at all.
const SECTOR: usize = 512;
/// How much is read again to find where the log goes on behind damage, for each segment.
const SEARCH_BYTES: usize = 64 * 1024 * 1024;

/// One pass over the log of a directory.
pub struct Walk<'a> {
    database: &'a Path,
    segments: Segments,
    /// LSNs are compared with it.
    size: i64,
    inspection: &'a mut Inspection,
    /// From which LSN on sled takes damage for the end of the log.
    tip: i64,
    /// Where the last two batches begin.
    batches: [i64; 2],
    /// Which suspects lie behind the tip, and at which LSN.
    behind_tip: Vec<(usize, i64)>,
}

impl<'a> Walk<'a> {
    pub fn new(database: &'a Path, segments: Segments, inspection: &'a mut Inspection) -> Self {
        Self {
            database,
            // Between 256 and 2^24.
            size: segments.size as i64,
            segments,
            inspection,
            tip: 0,
            batches: [0; 2],
            behind_tip: Vec::new(),
        }
    }

    /// Adds what it finds to the inspection, with a snapshot to begin at or an empty one.
    pub fn run(&mut self, snapshot: Snapshot) -> io::Result<()> {
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
        for (suspect, lsn) in &self.behind_tip {
            self.inspection.suspects[*suspect].at_tip = *lsn > self.batches[0];
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

    fn suspect_message(&mut self, segment: i64, base: u64, place: u64, what: Suspicion) {
        if segment >= self.tip {
            let suspect = self.inspection.suspects.len();
            let lsn = segment.saturating_add_unsigned(place);
            self.behind_tip.push((suspect, lsn));
        }
        self.suspect(base + place, what, false);
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
                if message.header.kind == Kind::Batch {
                    self.batches = [self.batches[1], pointer.lsn];
                }
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
                    self.suspect_message(lsn, base, place, what);
                    return lsn.saturating_add_unsigned(place);
                }
                Some(next) => {
                    self.suspect_message(lsn, base, place, what);
                    at = next;
                }
            }
        }
        lsn.saturating_add(self.size)
    }

    fn look_for_gaps(&mut self, order: &BTreeMap<i64, u64>, first: i64) {
        let Some((newest, index)) = order.last_key_value() else {
            return;
        };
        // Where sled finds a gap from the tip on, it drops all that follows.
        let size = self.size;
        let segments = |from: i64| usize::try_from((newest - from) / size + 1);
        if segments(self.tip) != Ok(order.range(self.tip..).count()) {
            self.suspect(index * self.segments.size, Suspicion::Missing, true);
        }
        // Segments that were freed and used again leave gaps, too, but no zeros.
        if segments(first) != Ok(order.len()) {
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

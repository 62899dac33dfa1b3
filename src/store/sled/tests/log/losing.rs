//! Segments that are gone, doubled or headless, and damage of the very last message.

use super::*;
use crate::store::sled::log::{Inspection, Mended, Suspicion, Tail, inspect, mend_suspects};

/// A log of several segments that was never opened again.
fn written() -> Image {
    let site = Site::new();
    site.write(0, 250);
    let image = site.image();
    assert!(image.db().len() > 4 * SEGMENT && image.snapshot().is_none());
    image
}

fn inspected(image: &Image) -> Inspection {
    let (_directory, sled) = image.lay_out();
    inspect(&sled).unwrap()
}

fn is_suspected(found: &Inspection, offset: usize, what: Suspicion) -> bool {
    let mut suspects = found.suspects.iter();
    suspects.any(|suspect| suspect.offset == offset as u64 && suspect.what == what)
}

#[test]
fn a_zeroed_header_of_a_segment_is_found() {
    let image = written();
    for base in (0..image.db().len()).step_by(SEGMENT) {
        for length in [SEGMENT_HEADER, 512, 4_096] {
            let mut damaged = image.clone();
            let bytes = &mut damaged.file("sled/db")[base..];
            let length = length.min(bytes.len() - 1);
            bytes[..length].fill(0);
            let found = inspected(&damaged);
            let is_found = is_suspected(&found, base, Suspicion::SegmentHeader);
            // The last one may hold no more than that.
            let is_empty = bytes_from(&damaged, base).iter().all(|byte| *byte == 0);
            assert!(is_found || is_empty, "{base}: {found:?}");
        }
    }
}

fn bytes_from(image: &Image, base: usize) -> &[u8] {
    let end = image.db().len().min(base + SEGMENT);
    &image.db()[base..end]
}

#[test]
fn a_zeroed_segment_is_found() {
    let image = written();
    let newest = image.messages().last().unwrap().offset / SEGMENT * SEGMENT;
    for base in (0..image.db().len()).step_by(SEGMENT) {
        let mut damaged = image.clone();
        let end = image.db().len().min(base + SEGMENT);
        damaged.file("sled/db")[base..end].fill(0);
        let found = inspected(&damaged);
        // Of the newest one nothing else knows.
        assert!(base == newest || !found.suspects.is_empty(), "{base}");
    }
}

#[test]
fn two_segments_with_one_place_in_the_log_are_found() {
    let mut image = written();
    let first = image.db()[..SEGMENT].to_vec();
    image.file("sled/db")[SEGMENT..2 * SEGMENT].copy_from_slice(&first);
    let found = inspected(&image);
    let twice = |suspect: &crate::store::sled::log::Suspect| suspect.what == Suspicion::TwoSegments;
    // A segment may not lie behind its place in the log, so it may be the header that is wrong.
    assert!(
        found.suspects.iter().any(twice) || is_suspected(&found, SEGMENT, Suspicion::SegmentHeader),
        "{found:?}"
    );
}

#[test]
fn damage_of_the_last_message_is_found() {
    let image = written();
    let messages = image.messages();
    let last = messages.last().unwrap();
    for at in last.offset..last.offset + last.length {
        let mut damaged = image.clone();
        damaged.file("sled/db")[at] ^= 0x5A;
        let (directory, sled) = damaged.lay_out();
        let found = inspect(&sled).unwrap();
        assert_eq!(found.suspects.len(), 1, "{at}: {found:?}");
        let outcomes = mend_suspects(&found);
        assert!(matches!(outcomes[0].mended, Ok(Mended::Repaired(_))));
        assert_eq!(Image::of(directory.path()).db(), image.db());
    }
    let mut damaged = image.clone();
    damaged.file("sled/db")[last.offset + 1..last.offset + last.length].fill(0x5A);
    let found = inspected(&damaged);
    assert!(!found.suspects.is_empty() || found.tail == Tail::Torn(last.offset as u64));
}

type Entry = (Tree, ::sled::IVec, ::sled::IVec);
type Rows = Vec<Entry>;

fn is_whole((tree, key, row): &Entry) -> bool {
    Key::read(*tree, key).is_some_and(|key| rows::is_whole(&key, row))
}

/// All rows of an image, as sled reads them; `None` where it refuses or says that it cannot.
fn rows_of(image: &Image) -> Option<Rows> {
    let (directory, _) = image.lay_out();
    let Ok(Opened::Existing(store)) = SledStore::open(directory.path(), &Fixed) else {
        return None;
    };
    let engine = store.inner.engine().unwrap();
    let mut rows = Vec::new();
    for tree in Tree::ALL {
        for row in engine.trees.with_prefix(tree, &[]) {
            let (key, bytes) = row.ok()?;
            rows.push((tree, key, bytes));
        }
    }
    Some(rows)
}

#[test]
fn what_is_not_suspected_is_read_as_it_was() {
    let opened = {
        let site = Site::new();
        site.write(0, 100);
        let site = site.reopen(true);
        site.write(100, 60);
        site.close();
        site.image()
    };
    let mut dice = Dice(77);
    let (mut suspected, mut sound, mut torn, mut refused) = (0, 0, 0, 0);
    for image in [written(), opened] {
        let rows = rows_of(&image).unwrap();
        let newest = image.messages().last().unwrap().offset / SEGMENT;
        for round in 0..32 {
            let mut damaged = image.clone();
            let db = damaged.file("sled/db");
            let sector = 512 << (3 * dice.below(2));
            // Whoever takes the end of the log away leaves no trace in it.
            let mut anywhere = || dice.below(db.len() / sector - 1) * sector;
            let mut at = anywhere();
            while at / SEGMENT == newest {
                at = anywhere();
            }
            match round % 4 {
                0 => db[at + dice.below(sector)] ^= 1 + dice.below(255) as u8,
                1 => db[at..at + sector].fill(0),
                2 => {
                    for byte in &mut db[at..at + sector] {
                        *byte = dice.below(256) as u8;
                    }
                }
                _ => db.truncate(at + dice.below(sector)),
            }
            let found = inspected(&damaged);
            if !found.suspects.is_empty() {
                suspected += 1;
            } else if found.tail != Tail::Whole {
                torn += 1;
            } else if let Some(read) = rows_of(&damaged) {
                sound += 1;
                // A page that could not be read was mended: then its rows say which of them are not.
                let wrong = |(read, was): (&Entry, &Entry)| read != was && is_whole(read);
                assert_eq!(read.len(), rows.len(), "{at} of kind {}", round % 4);
                let wrong = read.iter().zip(&rows).find(|both| wrong(*both));
                assert!(wrong.is_none(), "{at} of kind {}", round % 4);
            } else {
                refused += 1;
                assert!(image.snapshot().is_some());
            }
        }
    }
    println!(
        "of 64 damages {suspected} were suspected, {torn} at the very end, {refused} were told by \
         sled when it read them, {sound} changed nothing"
    );
}

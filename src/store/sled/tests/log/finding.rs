//! Sound directories are not suspected; each flipped bit, scribble and cut of a damaged one is.

use super::*;
use crate::store::sled::log::files::read_snapshot;
use crate::store::sled::log::{
    Inspection, Mended, Outcome, Suspect, Suspicion, Tail, inspect, inspect_without_snapshot,
    mend_suspects,
};

fn suspect_at(found: &Inspection, offset: usize) -> Option<&Suspect> {
    let mut suspects = found.suspects.iter();
    suspects.find(|suspect| suspect.offset == offset as u64)
}

/// Mends everything; gives what became of one suspect.
fn mend_all(found: &Inspection, suspect: &Suspect) -> Outcome {
    let mut outcomes = mend_suspects(found).into_iter();
    outcomes
        .find(|outcome| outcome.suspect == *suspect)
        .unwrap()
}

fn assert_sound(image: &Image, what: &str) {
    let (_directory, sled) = image.lay_out();
    let found = inspect(&sled).unwrap();
    assert_eq!(found.suspects, [], "{what}");
    assert_eq!(found.snapshot.is_some(), image.snapshot().is_some());
    let mut found = inspect_without_snapshot(&sled).unwrap();
    // Only the snapshot says of which segments sled made zeros.
    let is_opened = image.snapshot().is_some();
    found
        .suspects
        .retain(|suspect| !is_opened || suspect.what != Suspicion::Missing);
    assert_eq!(found.suspects, [], "{what}, without the snapshot");
}

#[test]
fn a_sound_directory_is_not_suspected() {
    let mut site = Site::new();
    for round in 0..5 {
        for step in 0..3 {
            site.write(step * 40, 60);
            assert_sound(&site.image(), &format!("killed in round {round}"));
        }
        site = site.reopen(round % 2 == 0);
        assert!(site.image().snapshot().is_some());
        assert_sound(&site.image(), &format!("opened after round {round}"));
    }
}

#[test]
fn each_flipped_bit_is_found_and_put_right() {
    put_right(300, 42, |dice| 1 << dice.below(8));
}

#[test]
fn each_changed_byte_is_found_and_put_right() {
    put_right(100, 43, |dice| 1 + dice.below(255) as u8);
}

/// Changes bytes of a log that is replayed as a whole, one at a time.
fn put_right(changes: usize, seed: u64, change: impl Fn(&mut Dice) -> u8) {
    let site = Site::new();
    site.write(0, 250);
    site.close();
    let image = site.image();
    assert!(image.snapshot().is_none());
    let (messages, db) = (image.messages(), image.db());
    let headers = (0..db.len()).step_by(SEGMENT);
    let places: Vec<(usize, usize)> = messages
        .iter()
        .map(|place| (place.offset, place.length))
        .chain(headers.map(|base| (base, SEGMENT_HEADER)))
        .collect();
    let (_directory, sled) = image.lay_out();
    let file = sled.join("db");
    let mut dice = Dice(seed);
    let (mut inside, mut restored) = (0, 0);
    for _ in 0..changes {
        let at = dice.below(db.len());
        let mut damaged = db.clone();
        damaged[at] ^= change(&mut dice);
        fs::write(&file, &damaged).unwrap();
        let found = inspect(&sled).unwrap();
        let mut places = places.iter();
        let place = places.find(|(offset, length)| (*offset..offset + length).contains(&at));
        let Some((offset, _)) = place else {
            // Dead: the rest of a segment behind its cap, or behind the end of the log.
            assert_eq!(found.suspects, []);
            continue;
        };
        inside += 1;
        let suspect = suspect_at(&found, *offset);
        let suspect = suspect.unwrap_or_else(|| panic!("{at} in {offset}: {found:?}"));
        let repaired = matches!(mend_all(&found, suspect).mended, Ok(Mended::Repaired(_)));
        assert_eq!(fs::read(&file).unwrap() == *db, repaired);
        restored += usize::from(repaired);
    }
    println!("{inside} of {changes} changes were in the log, {restored} were put right");
    assert!(inside * 3 > changes * 2);
    assert!(restored * 100 >= inside * 99);
}

#[test]
fn damage_of_many_bits_is_found_and_never_put_wrong() {
    let site = Site::new();
    site.write(0, 250);
    site.close();
    let image = site.image();
    let (messages, db) = (image.messages(), image.db());
    let (_directory, sled) = image.lay_out();
    let file = sled.join("db");
    let mut dice = Dice(7);
    let (mut resealed, mut left) = (0, 0);
    for _ in 0..200 {
        let place = &messages[dice.below(messages.len() - 1)];
        let length = 2 + dice.below(15);
        let at = place.offset + dice.below(place.length.saturating_sub(length).max(1));
        let mut damaged = db.clone();
        for byte in &mut damaged[at..at + length] {
            *byte ^= 1 + dice.below(255) as u8;
        }
        fs::write(&file, &damaged).unwrap();
        let found = inspect(&sled).unwrap();
        let suspect = suspect_at(&found, place.offset);
        let suspect = suspect.unwrap_or_else(|| panic!("{at} in {place:?}: {found:?}"));
        match mend_all(&found, suspect).mended {
            Ok(Mended::Repaired(_)) => panic!("{at} in {place:?} was taken for a flipped bit"),
            Ok(Mended::Resealed {
                original,
                sound,
                damaged: lost,
            }) => {
                let rows = sound > 0 && (1..=2).contains(&lost);
                assert!(rows != (place.kind == Kind::Cap), "{sound} {lost}");
                let end = place.offset + place.length;
                assert_eq!(original.bytes, damaged[place.offset..end]);
                assert_eq!(
                    fs::read(&file).unwrap()[place.offset + 4..end],
                    damaged[place.offset + 4..end]
                );
                assert_rows_are_named(&image, &file, lost);
                resealed += 1;
            }
            Err(_) => left += 1,
        }
    }
    println!("of 200 scribbles {resealed} were in rows or caps and resealed, {left} left");
    assert!(resealed > 0);
}

/// Opens a mended log: no more rows are damaged than were said to be, and each has its name.
fn assert_rows_are_named(image: &Image, database: &Path, lost: usize) {
    let mut mended = image.clone();
    *mended.file("sled/db") = fs::read(database).unwrap();
    let (directory, _) = mended.lay_out();
    let opened = SledStore::open(directory.path(), &Fixed);
    let Ok(Opened::Existing(store)) = opened else {
        // A row that opening needs is among them.
        return assert!(matches!(opened, Err(StoreError::Damaged(_))));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let found = runtime.unwrap().block_on(store.check()).unwrap();
    let named = found
        .iter()
        .filter(|found| found.problem.contains("checksum"));
    assert!(named.count() <= lost, "{found:?}");
}

#[test]
fn a_torn_write_is_not_taken_for_damage_of_rows() {
    let site = Site::new();
    site.write(0, 100);
    let mut dice = Dice(17);
    let mut unsuspected = 0;
    for round in 0..40 {
        let before = site.image();
        site.write(1_001 + round * 15, 1);
        let mut torn = site.image();
        let old = before.db();
        for (sector, bytes) in torn.file("sled/db").chunks_mut(512).enumerate() {
            if dice.below(2) == 0 {
                let old = old.get(sector * 512..).unwrap_or_default();
                let length = old.len().min(bytes.len());
                bytes[..length].copy_from_slice(&old[..length]);
                bytes[length..].fill(0);
            }
        }
        let (directory, sled) = torn.lay_out();
        let found = inspect(&sled).unwrap();
        unsuspected += usize::from(found.suspects.is_empty());
        for outcome in mend_suspects(&found) {
            let resealed = matches!(outcome.mended, Ok(Mended::Resealed { .. }));
            assert!(!resealed, "{outcome:?}");
        }
        let Ok(Opened::Existing(store)) = SledStore::open(directory.path(), &Fixed) else {
            panic!("{found:?}");
        };
        let found = site.runtime.block_on(store.check()).unwrap();
        assert_eq!(found, []);
    }
    println!("of 40 torn writes {unsuspected} were not suspected at all");
}

#[test]
fn a_cut_log_is_found() {
    let site = Site::new();
    site.write(0, 250);
    let before = site.image();
    let site = site.reopen(true);
    site.write(250, 50);
    let mut dice = Dice(11);
    for image in [before, site.image()] {
        let snapshot = image.snapshot().map(|name| &image.files[&name]);
        let snapshot = snapshot.map(|bytes| read_snapshot(bytes).unwrap());
        // What the snapshot has seen of the segment that it ends in.
        let (seen, stable) = snapshot.map_or((0, 0), |snapshot| {
            let stable = snapshot.stable.unwrap();
            (
                snapshot.active.unwrap_or(0) + stable as u64 % SEGMENT as u64,
                stable,
            )
        });
        let replayed = stable / SEGMENT as i64 * SEGMENT as i64;
        let (_directory, sled) = image.lay_out();
        let mut messages = image.messages();
        messages.retain(|message| message.lsn >= replayed);
        for _ in 0..80 {
            let length = dice.below(image.db().len());
            fs::write(sled.join("db"), &image.db()[..length]).unwrap();
            let found = inspect(&sled).unwrap();
            let ragged = messages
                .iter()
                .any(|place| place.offset < length && length < place.offset + place.length);
            if ragged {
                let torn = found.tail != Tail::Whole;
                assert!(torn || !found.suspects.is_empty(), "{length}: {found:?}");
            }
            if (length as u64) < seen {
                assert!(!found.suspects.is_empty(), "{length}: {found:?}");
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_or_configuration_is_found_and_put_right() {
    let site = Site::new();
    site.write(0, 30);
    let image = site.reopen(true).image();
    let snapshot = image.snapshot().unwrap();
    let mut dice = Dice(3);
    for (name, what) in [
        (snapshot.to_str().unwrap(), Suspicion::Snapshot),
        ("sled/conf", Suspicion::Configuration),
    ] {
        for _ in 0..50 {
            let mut damaged = image.clone();
            let bytes = damaged.file(name);
            // The length before the checksum of a snapshot counts for nothing.
            let at = dice.below(bytes.len() - 12);
            bytes[at] ^= 1 << dice.below(8);
            let (directory, sled) = damaged.lay_out();
            let found = inspect(&sled).unwrap();
            assert_eq!(found.suspects.len(), 1);
            assert_eq!(found.suspects[0].what, what);
            if what == Suspicion::Snapshot {
                // So it may be dropped.
                let found = inspect_without_snapshot(&sled).unwrap();
                assert_eq!(found.suspects, []);
            }
            mend_suspects(&found);
            assert_eq!(Image::of(directory.path()).files, image.files);
        }
    }
}

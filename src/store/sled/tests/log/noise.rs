//! No bytes at all make an inspection panic.

use super::*;
use crate::store::sled::log::{inspect, inspect_without_snapshot, mend, mend_suspects};

fn endure(sled: &Path) {
    let found = inspect(sled).unwrap();
    mend_suspects(&found);
    inspect_without_snapshot(sled).unwrap();
    let mut options = fs::OpenOptions::new();
    let database = options.read(true).write(true).open(sled.join("db"));
    for offset in [0, 1, 20, 100, 300, u64::MAX] {
        let _ = mend(database.as_ref().unwrap(), offset, found.segment_size);
    }
}

fn configuration(segment_size: usize) -> Vec<u8> {
    let text = format!("segment_size: {segment_size}\nuse_compression: false\nversion: 0.34\n");
    let sum = crc32fast::hash(text.as_bytes());
    [text.as_bytes(), &sum.to_le_bytes()].concat()
}

#[test]
fn files_of_noise_are_endured() {
    let mut dice = Dice(99);
    let mut noise = |length: usize, kinds: usize| -> Vec<u8> {
        (0..length).map(|_| dice.below(kinds) as u8).collect()
    };
    let directory = private_directory();
    let sled = directory.path();
    for round in 0..200 {
        let kinds = [12, 256][round % 2];
        let mut db = noise(round * 41, kinds);
        // With headers that fit, so that what is behind them is read.
        for (index, segment) in db.chunks_mut(256).enumerate() {
            if let Some(header) = segment.first_chunk_mut::<SEGMENT_HEADER>() {
                let lsn = (index as i64 * 256) ^ i64::MAX;
                header[4..12].copy_from_slice(&lsn.to_le_bytes());
                let sum = !crc32fast::hash(&header[4..]);
                header[..4].copy_from_slice(&sum.to_le_bytes());
            }
        }
        fs::write(sled.join("db"), db).unwrap();
        fs::write(sled.join("conf"), configuration(256)).unwrap();
        let mut snapshot = noise(round, kinds);
        let sum = crc32fast::hash(&snapshot).to_le_bytes();
        snapshot.extend([0; 8]);
        snapshot.extend(sum);
        fs::write(sled.join("snap.0000000000000000"), snapshot).unwrap();
        endure(sled);
        fs::write(sled.join("conf"), noise(round, 256)).unwrap();
        endure(sled);
    }
}

#[test]
fn a_directory_full_of_damage_is_endured() {
    let site = Site::new();
    site.write(0, 40);
    let site = site.reopen(true);
    site.write(20, 40);
    let image = site.image();
    let snapshot = image.snapshot().unwrap();
    let mut dice = Dice(5);
    for round in 0..60 {
        let mut damaged = image.clone();
        for name in ["sled/db", "sled/conf", snapshot.to_str().unwrap()] {
            let bytes = damaged.file(name);
            for _ in 0..round * 3 {
                let at = dice.below(bytes.len());
                bytes[at] = dice.below(256) as u8;
            }
            if round % 4 == 3 {
                bytes.truncate(dice.below(bytes.len()));
            }
        }
        let (_directory, sled) = damaged.lay_out();
        endure(&sled);
    }
}

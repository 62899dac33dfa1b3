//! Damage in the store of a stopped service, past our program.

use std::path::Path;

/// How many bytes at the end of each row are its checksum.
const CHECKSUM: usize = 4;

/// The description of a secret that makes a client too long for one row: its secrets, tags and
/// roles are rows of their own then.
pub fn long_description() -> String {
    "d".repeat(1_024)
}

/// Flips a bit in the middle of the content of the first row of a tree whose key holds these bytes.
pub fn flip(data: &Path, tree: &str, key: &[u8]) {
    change(data, tree, key, |row| (row.len() - CHECKSUM) / 2);
}

/// Flips a bit of this text within such a row.
pub fn flip_text(data: &Path, tree: &str, key: &[u8], text: &str) {
    change(data, tree, key, |row| {
        let place = find(row, text.as_bytes()).expect("the row holds the text");
        place + text.len() / 2
    });
}

fn change(data: &Path, tree: &str, key: &[u8], place: impl Fn(&[u8]) -> usize) {
    let db = open(data);
    let tree = db.open_tree(tree).unwrap();
    let mut rows = tree.iter().map(Result::unwrap);
    let row = rows.find(|(own, _)| key.is_empty() || find(own, key).is_some());
    let (key, row) = row.expect("there is such a row");
    let mut row = row.to_vec();
    let place = place(&row);
    row[place] ^= 0x10;
    tree.insert(key, row).unwrap();
    db.flush().unwrap();
}

/// Opens it. Where another test starts a process meanwhile, that holds the lock for a moment.
fn open(data: &Path) -> sled::Db {
    const ATTEMPTS: usize = 10_000;
    let open = || sled::open(data.join("sled"));
    let mut attempts = (1..ATTEMPTS).map(|_| open());
    attempts
        .find_map(|attempt| {
            std::thread::yield_now();
            attempt.ok()
        })
        .unwrap_or_else(|| open().unwrap())
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|own| own == part)
}

//! Damage that only shows when sled reads a page: what its error names is mended, and the rows are
//! there again, but for those that fail their own checksums.

use std::collections::BTreeSet;

use super::*;
use crate::store::sled::log::files::read_snapshot;
use crate::store::sled::log::replay::Page;
use crate::store::sled::log::{Mended, Original, Unmendable, inspect, mend, place};

/// A directory and the messages of one kind in it that pages need and that sled does not replay,
/// the latest one first.
fn settled(kind: Kind) -> (Image, Vec<Place>) {
    let site = Site::new();
    site.write(0, 300);
    let image = site.reopen(true).image();
    let bytes = &image.files[&image.snapshot().unwrap()];
    let snapshot = read_snapshot(bytes).unwrap();
    let replayed = snapshot.stable.unwrap() / SEGMENT as i64 * SEGMENT as i64;
    let pointers = snapshot.pages.iter().flat_map(Page::pointers);
    let needed: BTreeSet<i64> = pointers.map(|pointer| pointer.lsn).collect();
    let mut messages = image.messages();
    messages.retain(|message| {
        message.kind == kind && message.lsn < replayed && needed.contains(&message.lsn)
    });
    messages.reverse();
    (image, messages)
}

/// An opened store of which sled cannot read a page.
struct Hurt {
    store: SledStore,
    database: fs::File,
    offset: u64,
    runtime: tokio::runtime::Runtime,
    directory: TempDir,
}

impl Hurt {
    /// `None` where the page is needed to open the store.
    fn open(image: &Image, place_of_damage: &Place) -> Option<Self> {
        let (directory, sled) = image.lay_out();
        // It is not replayed.
        assert_eq!(inspect(&sled).unwrap().suspects, []);
        let Ok(Opened::Existing(store)) = SledStore::open(directory.path(), &Fixed) else {
            return None;
        };
        let error = first_error(&store)?;
        let offset = place(&error).unwrap();
        assert_eq!(offset, place_of_damage.offset as u64);
        let mut options = fs::OpenOptions::new();
        Some(Self {
            store,
            database: options
                .read(true)
                .write(true)
                .open(sled.join("db"))
                .unwrap(),
            offset,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            directory,
        })
    }

    fn mend(&self) -> Result<Mended, Unmendable> {
        mend(&self.database, self.offset, SEGMENT as u64)
    }

    fn check(&self) -> Vec<Finding> {
        self.runtime.block_on(self.store.check()).unwrap()
    }
}

/// The first error that sled gives when all rows are read.
fn first_error(store: &SledStore) -> Option<::sled::Error> {
    let read = |tree: Tree| {
        store
            .inner
            .engine()
            .unwrap()
            .trees
            .get(tree)
            .iter()
            .find_map(Result::err)
    };
    Tree::ALL.into_iter().find_map(read)
}

#[test]
fn a_flipped_bit_of_a_page_is_put_right_while_sled_is_open() {
    let mut all = 0;
    for kind in [Kind::Node, Kind::Link] {
        let (image, messages) = settled(kind);
        let mut dice = Dice(21);
        let mut mended = 0;
        for message in &messages {
            if mended == 12 {
                break;
            }
            let mut damaged = image.clone();
            let at = message.offset + dice.below(message.length);
            damaged.file("sled/db")[at] ^= 1 << dice.below(8);
            let Some(hurt) = Hurt::open(&damaged, message) else {
                continue;
            };
            let whole = message.offset..message.offset + message.length;
            let original = Original {
                offset: message.offset as u64,
                bytes: damaged.db()[whole].to_vec(),
            };
            assert_eq!(hurt.mend().unwrap(), Mended::Repaired(original));
            assert!(matches!(hurt.mend(), Err(Unmendable::Sound)));
            assert!(first_error(&hurt.store).is_none());
            assert_eq!(hurt.check(), []);
            mended += 1;
        }
        println!("{mended} messages of kind {kind:?} were put right");
        all += mended;
    }
    assert!(all > 0);
}

#[test]
fn of_a_page_with_a_damaged_row_the_other_rows_are_read_again() {
    let (image, mut messages) = settled(Kind::Node);
    messages.retain(|message| message.rows > 2);
    let (mut resealed, mut lost_rows) = (0, 0);
    for message in &messages {
        if resealed >= 8 && lost_rows > 0 {
            break;
        }
        let mut damaged = image.clone();
        let end = message.offset + message.length;
        for byte in &mut damaged.file("sled/db")[end - 4..end - 1] {
            *byte ^= 0x35;
        }
        let Some(hurt) = Hurt::open(&damaged, message) else {
            continue;
        };
        let Mended::Resealed {
            original,
            sound,
            damaged: lost,
        } = hurt.mend().unwrap()
        else {
            panic!("{message:?} was repaired");
        };
        assert_eq!((sound, lost), (message.rows - 1, 1));
        assert_eq!(original.bytes, damaged.db()[message.offset..end]);
        assert!(first_error(&hurt.store).is_none());
        let found = hurt.check();
        // A later change of the row may have replaced it: then nothing is lost at all.
        let of_checksums = found
            .iter()
            .filter(|found| found.problem.contains("checksum"))
            .count();
        assert!(of_checksums == 1 || found.is_empty(), "{found:?}");
        lost_rows += of_checksums;
        resealed += 1;
    }
    assert!(resealed > 0 && lost_rows > 0, "{resealed} {lost_rows}");
}

#[test]
fn damage_that_no_row_explains_is_left_alone() {
    let (image, mut messages) = settled(Kind::Node);
    messages.retain(|message| message.rows != 1);
    let mut left = 0;
    for message in &messages {
        if left == 8 {
            break;
        }
        let mut damaged = image.clone();
        // The page's number of the next one, or its bounds.
        let at = message.offset + message.header;
        for byte in &mut damaged.file("sled/db")[at..at + 12] {
            *byte ^= 0x03;
        }
        let Some(hurt) = Hurt::open(&damaged, message) else {
            continue;
        };
        assert!(
            matches!(hurt.mend(), Err(Unmendable::Content)),
            "{message:?}"
        );
        let now = fs::read(hurt.directory.path().join("sled/db")).unwrap();
        let end = message.offset + message.length;
        assert_eq!(now[message.offset..end], damaged.db()[message.offset..end]);
        left += 1;
    }
    assert!(left > 0, "{left}");
}

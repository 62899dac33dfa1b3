//! Mends a page while the store is open: what lies before a snapshot is read only when it is asked
//! for, and damage shows only then.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use parking_lot::Mutex;

use super::disk::{create_directory, private_file};
use super::files::DataDirectory;
use super::log::{self as sled_log, Mended, Original, Unmendable};
use crate::store::StoreError;

/// Where what was damaged is kept, in the data directory.
const KEPT: &str = "mended";

pub struct Mender {
    database: PathBuf,
    kept: PathBuf,
    segment_size: u64,
    /// How often each place was complained of. Held while one is mended, so that who comes second
    /// finds it sound.
    complaints: Mutex<BTreeMap<u64, u32>>,
}

/// How often a place is looked at: many may read one page at the same time, and no reading may go
/// on for ever.
const MOST: u32 = 16;

impl Mender {
    pub fn of(directory: &DataDirectory) -> Result<Self, StoreError> {
        Ok(Self {
            database: directory.database(),
            kept: directory.root().join(KEPT),
            segment_size: sled_log::segment_size(&directory.sled())?,
            complaints: Mutex::default(),
        })
    }

    /// Whether it makes sense to read again what gave this error.
    pub fn mend(&self, error: &::sled::Error) -> bool {
        let Some(offset) = sled_log::place(error) else {
            return false;
        };
        let mut complaints = self.complaints.lock();
        let times = complaints.entry(offset).or_default();
        *times = times.saturating_add(1);
        *times <= MOST && self.mend_at(offset, *times == 1)
    }

    fn mend_at(&self, offset: u64, is_first: bool) -> bool {
        let database = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.database);
        let mended = match database {
            Ok(database) => sled_log::mend(&database, offset, self.segment_size),
            Err(error) => Err(error.into()),
        };
        let (words, original) = match mended {
            Ok(Mended::Repaired(original)) => {
                ("is put right: one byte was damaged".to_owned(), original)
            }
            Ok(Mended::Resealed {
                original,
                sound,
                damaged,
            }) => (
                format!("can be read again: {sound} rows are whole, {damaged} are not"),
                original,
            ),
            // Another reader had it mended.
            Err(Unmendable::Sound) => return !is_first,
            Err(why) if !is_first => {
                log::debug!("db at byte {offset} still cannot be mended: {why}");
                return false;
            }
            Err(why) => {
                log::error!("damaged: db at byte {offset}: it cannot be mended: {why}");
                return false;
            }
        };
        let kept = match self.keep(&original) {
            Ok(path) => format!("what was there is kept in {}", path.display()),
            Err(error) => format!("what was there could not be kept: {error}"),
        };
        log::error!("damaged: db at byte {offset}: it {words}; {kept}");
        true
    }

    fn keep(&self, original: &Original) -> std::io::Result<PathBuf> {
        create_directory(&self.kept)?;
        let path = self.kept.join(format!("db-{}", original.offset));
        let mut file = private_file().create(true).truncate(true).open(&path)?;
        file.write_all(&original.bytes)?;
        file.sync_all()?;
        Ok(path)
    }
}

//! The data directory: its layout, its lock, its marker file, and what is synced when.
//!
//! `lock` is held as long as the directory is in use, `sled/` is sled's own directory, and
//! `marker` says, from outside, that there must be a store inside, and in which directory of sled:
//! sled alone may open a damaged directory as an empty store without a word.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{
    create_directory, failed, holds_anything, parent, private_file, remove_file, sync_directory,
};
use super::marker::{Marker, SLED, is_sled_name};
use super::permissions;
use crate::store::StoreError;

const LOCK: &str = "lock";
const MARKER: &str = "marker";
const MARKER_UNFINISHED: &str = "marker.new";
const PROBE: &str = "probe";
const WATERMARK: &str = "revision";
const RESTORING: &str = "restoring";

/// A data directory that this process, and no other one, uses. Clones share its lock.
#[derive(Clone)]
pub struct DataDirectory {
    root: PathBuf,
    /// The name of sled's directory in it.
    sled: String,
    /// Held, not read: the operating system releases it with the process.
    _lock: Arc<File>,
}

impl DataDirectory {
    /// Refuses a directory that holds anything: what a new store is about to be put into.
    pub fn refuse_used(root: &Path) -> Result<(), StoreError> {
        if holds_anything(root).map_err(failed("cannot read", root))? {
            return Err(StoreError::Failed(format!(
                "{} is not empty: name a directory that is empty or absent",
                root.display()
            )));
        }
        Ok(())
    }

    /// Creates it where it is missing, for its owner alone, and locks it. Refuses one that others
    /// can read or write.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        create_directory(root).map_err(failed("cannot create", root))?;
        permissions::require_private(root)?;
        let path = root.join(LOCK);
        let lock = private_file()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("cannot open", &path))?;
        match lock_patiently(&lock) {
            Ok(()) => {
                // For whoever finds it locked. That it cannot be written, on a full disk, is no harm.
                let _ = write_process(&lock);
                Ok(Self {
                    root: root.to_owned(),
                    sled: SLED.to_owned(),
                    _lock: Arc::new(lock),
                })
            }
            Err(TryLockError::WouldBlock) => Err(in_use(root)),
            Err(TryLockError::Error(error)) => Err(failed("cannot lock", &path)(error)),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The same directory with another directory of sled in it.
    pub fn with_sled(&self, name: &str) -> Self {
        Self {
            sled: name.to_owned(),
            ..self.clone()
        }
    }

    /// The name of sled's directory.
    pub fn sled_name(&self) -> &str {
        &self.sled
    }

    pub fn sled(&self) -> PathBuf {
        self.root.join(&self.sled)
    }

    /// sled's file of rows, the one that a commit syncs.
    pub fn database(&self) -> PathBuf {
        self.sled().join("db")
    }

    fn configuration(&self) -> PathBuf {
        self.sled().join("conf")
    }

    pub fn blobs(&self) -> PathBuf {
        self.sled().join("blobs")
    }

    pub fn marker(&self) -> PathBuf {
        self.root.join(MARKER)
    }

    /// The file that says which revision was durable last.
    pub fn watermark(&self) -> PathBuf {
        self.root.join(WATERMARK)
    }

    /// The names of all directories of sled in it.
    pub fn sled_names(&self) -> Result<Vec<String>, StoreError> {
        let unreadable = || failed("cannot read", &self.root);
        let mut names = Vec::new();
        for entry in self.root.read_dir().map_err(unreadable())? {
            let name = entry.map_err(unreadable())?.file_name();
            names.extend(name.into_string().ok().filter(|name| is_sled_name(name)));
        }
        Ok(names)
    }

    /// A name for another directory of sled, which this one does not have.
    pub fn next_sled_name(&self) -> Result<String, StoreError> {
        let number = |name: &str| {
            name.strip_prefix(SLED)?
                .strip_prefix('-')?
                .parse::<u32>()
                .ok()
        };
        let names = self.sled_names()?;
        let highest = names.iter().filter_map(|name| number(name)).max();
        Ok(format!(
            "{SLED}-{}",
            highest.map_or(1, |highest| highest.wrapping_add(1))
        ))
    }

    /// How many bytes sled's files take.
    pub fn sled_bytes(&self) -> Result<u64, StoreError> {
        let path = self.sled();
        let counted = || -> io::Result<u64> {
            let mut bytes = 0;
            for entry in path.read_dir()? {
                bytes += entry?.metadata()?.len();
            }
            Ok(bytes)
        };
        counted().map_err(failed("cannot read", &path))
    }

    /// Syncs sled's file of rows alone.
    pub fn sync_database(&self) -> Result<(), StoreError> {
        let path = self.database();
        let file = File::open(&path).map_err(failed("cannot open", &path))?;
        file.sync_data().map_err(failed("cannot sync", &path))
    }

    /// Begins to fill the directory from elsewhere: until that ended, it is nobody's store.
    pub fn begin_restoring(&self) -> Result<(), StoreError> {
        let path = self.root.join(RESTORING);
        let created = private_file().create(true).truncate(true).open(&path);
        created.map_err(failed("cannot write", &path))?;
        sync_directory(&self.root)
    }

    /// To be done when the marker is there.
    pub fn end_restoring(&self) -> Result<(), StoreError> {
        remove_file(&self.root.join(RESTORING))
    }

    /// Refuses a directory that was being filled when that was cut short.
    pub fn refuse_restoring(root: &Path) -> Result<(), StoreError> {
        if !root.join(RESTORING).exists() || Self::has_marker(root) {
            return Ok(());
        }
        Err(StoreError::Failed(format!(
            "a restore into {0} was cut short: remove the directory and restore again, with \
             `credenza restore --from BACKUP --data {0}`",
            root.display()
        )))
    }

    /// Whether sled's directory holds anything at all.
    pub fn has_sled(&self) -> Result<bool, StoreError> {
        let path = self.sled();
        holds_anything(&path).map_err(failed("cannot read", &path))
    }

    /// How many files sled keeps outside of its pages, where it never syncs them: must be 0.
    pub fn count_blobs(&self) -> Result<usize, StoreError> {
        let path = self.blobs();
        match path.read_dir() {
            Ok(entries) => Ok(entries.count()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(failed("cannot read", &path)(error)),
        }
    }

    /// Whether the directory can be written, with room for some of sled's segments: writes a file
    /// of its own to the disk, and removes it.
    pub fn probe(&self) -> Result<(), StoreError> {
        const ROOM: usize = 4 << 20;
        let path = self.root.join(PROBE);
        let written = || -> io::Result<()> {
            let mut file = private_file().create(true).truncate(true).open(&path)?;
            file.write_all(&vec![0; ROOM])?;
            file.sync_all()
        };
        let written = written();
        let removed = remove_file(&path);
        written.map_err(failed("4 MiB of room are needed: cannot write", &path))?;
        removed
    }

    pub fn create_sled(&self) -> Result<(), StoreError> {
        let path = self.sled();
        create_directory(&path).map_err(failed("cannot create", &path))
    }

    /// Removes sled's directory with everything in it.
    pub fn remove_sled(&self) -> Result<(), StoreError> {
        let path = self.sled();
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &path)(error))
            }
            _ => sync_directory(&self.root),
        }
    }

    /// sled's snapshots only save it from reading its whole log.
    pub fn remove_snapshots(&self) -> Result<(), StoreError> {
        self.remove_named(|name| name.starts_with("snap."))
    }

    fn remove_named(&self, is_meant: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let directory = self.sled();
        let unreadable = || failed("cannot read", &directory);
        for entry in directory.read_dir().map_err(unreadable())? {
            let entry = entry.map_err(unreadable())?;
            if is_meant(&entry.file_name().to_string_lossy()) {
                remove_file(&entry.path())?;
            }
        }
        Ok(())
    }

    /// A page of `conf` that was torn when it was created makes sled refuse; sled writes it anew.
    pub fn remove_configuration(&self) -> Result<(), StoreError> {
        remove_file(&self.configuration())
    }

    /// To be done before sled opens its directory: a snapshot that a kill left half-written can
    /// make every opening fail, and what is read must not be what only the page cache holds.
    pub fn prepare_for_opening(&self) -> Result<(), StoreError> {
        self.remove_named(|name| name.starts_with("snap.") && name.ends_with(".generating"))?;
        let database = self.database();
        if database.exists() {
            let file = File::open(&database).map_err(failed("cannot open", &database))?;
            file.sync_data().map_err(failed("cannot sync", &database))?;
        }
        Ok(())
    }

    /// To be done right after sled opened its directory: from here on only the file of rows needs
    /// to be synced.
    pub fn sync_everything(&self) -> Result<(), StoreError> {
        for path in [self.database(), self.configuration()] {
            let file = File::open(&path).map_err(failed("cannot open", &path))?;
            file.sync_all().map_err(failed("cannot sync", &path))?;
        }
        if self.blobs().exists() {
            sync_directory(&self.blobs())?;
        }
        sync_directory(&self.sled())?;
        sync_directory(&self.root)?;
        sync_directory(parent(&self.root))
    }

    pub fn read_marker(&self) -> Result<Option<Marker>, StoreError> {
        let path = self.root.join(MARKER);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot read", &path)(error)),
        };
        Marker::read(&bytes).map(Some).map_err(|error| match error {
            StoreError::Damaged(why) => StoreError::Damaged(format!(
                "the marker {} cannot be read: {why}",
                path.display()
            )),
            other => other,
        })
    }

    /// Whether a first start was completed in this directory, or its marker was damaged since.
    pub fn has_marker(root: &Path) -> bool {
        root.join(MARKER).exists()
    }

    /// Replaces the marker: after a power cut there is the old one or the new one, whole.
    pub fn write_marker(&self, marker: &Marker) -> Result<(), StoreError> {
        let unfinished = self.root.join(MARKER_UNFINISHED);
        let finished = self.root.join(MARKER);
        let written = || -> io::Result<()> {
            let mut file = private_file()
                .create(true)
                .truncate(true)
                .open(&unfinished)?;
            file.write_all(&serde_json::to_vec(marker)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &finished)
        };
        written().map_err(failed("cannot write", &finished))?;
        sync_directory(&self.root)
    }
}

/// A lock that was let go may be held for another moment: a process that its holder is just
/// starting has it until it runs its own program.
fn lock_patiently(lock: &File) -> Result<(), TryLockError> {
    const TRIES: usize = 25;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 1..TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            decided => return decided,
        }
    }
    lock.try_lock()
}

fn write_process(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// Another process has the directory: names it, where it has written its number.
pub fn in_use(root: &Path) -> StoreError {
    let written = std::fs::read_to_string(root.join(LOCK)).unwrap_or_default();
    let process = match written.trim().parse::<u32>() {
        Ok(process) => format!(" (process {process})"),
        Err(_) => String::new(),
    };
    StoreError::Failed(format!(
        "another process has the data directory {} open{process}: stop it first, or name another \
         directory",
        root.display()
    ))
}

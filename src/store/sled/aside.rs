//! A copy of a store's files, taken before anything is tried on them. Where it is worth keeping it
//! is `damaged-1` in the data directory, what was found first, or `damaged-2`, what was found last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{create_directory, failed, sync_directory};
use super::files::DataDirectory;
use crate::store::StoreError;

const FIRST: &str = "damaged-1";
const LAST: &str = "damaged-2";
/// Until it is known what the copy is worth. One that a kill left is all that there is of what was
/// found then, so it is only replaced where there are two others.
const NEXT: &str = "damaged-3";

/// A copy, and what it is a copy of.
pub struct Aside {
    path: PathBuf,
    directory: DataDirectory,
}

impl Aside {
    /// The first copy that was kept in a directory, if there is one.
    pub fn first(directory: &DataDirectory) -> Option<PathBuf> {
        Some(directory.root().join(FIRST)).filter(|path| path.exists())
    }

    /// Copies sled's files, the marker and the last revision, durably. Blocks.
    pub fn copy(directory: &DataDirectory) -> Result<Self, StoreError> {
        let root = directory.root();
        let mut free = [FIRST, LAST].into_iter().map(|name| root.join(name));
        let path = free.find(|path| !path.exists());
        let path = path.unwrap_or_else(|| root.join(NEXT));
        remove(&path)?;
        let copied = || -> io::Result<()> {
            copy_directory(&directory.sled(), &path.join(directory.sled_name()))?;
            for file in [directory.marker(), directory.watermark()] {
                if let Some(name) = file.file_name().filter(|_| file.is_file()) {
                    copy_file(&file, &path.join(name))?;
                }
            }
            Ok(())
        };
        if let Err(error) = copied() {
            let _ = fs::remove_dir_all(&path);
            return Err(failed("cannot copy the damaged store to", &path)(error));
        }
        sync_directory(directory.root())?;
        Ok(Self {
            path,
            directory: directory.clone(),
        })
    }

    /// Keeps it, and says where. However often a damaged store is opened, two are kept: the last
    /// one takes the place of the one before, never of the first.
    pub fn keep(self) -> Result<PathBuf, StoreError> {
        let root = self.directory.root();
        if self.path != root.join(NEXT) {
            return Ok(self.path);
        }
        let last = root.join(LAST);
        remove(&last)?;
        fs::rename(&self.path, &last).map_err(failed("cannot rename", &self.path))?;
        sync_directory(root)?;
        Ok(last)
    }

    /// Nothing was damaged after all.
    pub fn discard(self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            log::warn!("{} cannot be removed: {error}", self.path.display());
        }
    }

    /// Nothing helped: the store's files are again what they were.
    pub fn put_back(self) -> Result<(), StoreError> {
        self.directory.remove_sled()?;
        let sled = self.directory.sled();
        fs::rename(self.path.join(self.directory.sled_name()), &sled)
            .map_err(failed("cannot put back", &sled))?;
        remove(&self.path)?;
        sync_directory(self.directory.root())
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("cannot remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    create_directory(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            copy_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()
}

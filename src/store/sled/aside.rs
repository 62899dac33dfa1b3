//! A copy of a store's files, taken before anything is tried on them: in the data directory, as
//! `damaged-1`, what was found first, and `damaged-2`, what was found last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{create_directory, failed, sync_directory};
use super::files::DataDirectory;
use crate::store::StoreError;

const FIRST: &str = "damaged-1";
const LAST: &str = "damaged-2";

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

    /// Copies sled's files, the marker and the last revision, durably. However often a damaged
    /// store is opened, two copies are kept: the last one makes room for a later one. Blocks.
    pub fn copy(directory: &DataDirectory) -> Result<Self, StoreError> {
        let path = match Self::first(directory) {
            None => directory.root().join(FIRST),
            Some(_) => directory.root().join(LAST),
        };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed("cannot remove", &path))?;
        }
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

    pub fn path(&self) -> &Path {
        &self.path
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
        fs::remove_dir_all(&self.path).map_err(failed("cannot remove", &self.path))?;
        sync_directory(self.directory.root())
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

//! A copy of a store's files, taken before anything is tried on them: in the data directory, as
//! `damaged-1`, `damaged-2` and so on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{create_directory, failed, sync_directory};
use super::files::DataDirectory;
use crate::store::StoreError;

/// The name of such a copy begins with this.
const PREFIX: &str = "damaged-";

/// A copy, and what it is a copy of.
pub struct Aside {
    path: PathBuf,
    directory: DataDirectory,
}

impl Aside {
    /// Copies sled's files, the marker and the last revision, durably. Blocks.
    pub fn copy(directory: &DataDirectory) -> Result<Self, StoreError> {
        let path = free_name(directory.root());
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

fn free_name(root: &Path) -> PathBuf {
    let names = (1..).map(|number: u32| root.join(format!("{PREFIX}{number}")));
    names
        .into_iter()
        .find(|path| !path.exists())
        .unwrap_or_else(|| root.join(PREFIX))
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

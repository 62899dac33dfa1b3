//! A file that appears under its name whole and durable, or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::system::files::sync_directory;

/// An archive that is being written beside its place. Dropped before it is finished, it is removed.
pub struct ArchiveFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    finished: bool,
}

/// Behind the name of a file that is not whole.
pub const PARTIAL: &str = ".partial";

impl ArchiveFile {
    /// Begins a file for its owner alone, and refuses to write over one. What a command that was
    /// killed left behind goes; what another one is writing stays.
    pub fn create(path: &Path) -> Result<Self, String> {
        refuse_existing(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(PARTIAL);
        let partial = PathBuf::from(name);
        let cannot = |error: io::Error| format!("cannot write {}: {error}", partial.display());
        remove_abandoned(&partial)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&partial).map_err(cannot)?;
        // Tells another command that this one is at work; where there are no locks, it goes without.
        let locked = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if !(locked && is_at(&partial, &file).map_err(cannot)?) {
            return Err(is_written(&partial));
        }
        Ok(Self {
            file,
            partial,
            path: path.to_owned(),
            finished: false,
        })
    }

    /// Makes it durable and gives it its name.
    pub fn finish(mut self) -> Result<(), String> {
        let path = &self.path;
        let cannot = |error: io::Error| format!("cannot write {}: {error}", path.display());
        self.file.sync_all().map_err(cannot)?;
        refuse_existing(path)?;
        fs::rename(&self.partial, path).map_err(cannot)?;
        self.finished = true;
        sync_directory(match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        })
        .map_err(cannot)
    }
}

impl Write for ArchiveFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for ArchiveFile {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn refuse_existing(path: &Path) -> Result<(), String> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        Ok(_) => Err(format!(
            "{} is there already: name a file that is not, or remove it first",
            path.display()
        )),
    }
}

fn is_written(partial: &Path) -> String {
    format!(
        "another command is writing {}: wait for it, or name another file",
        partial.display()
    )
}

/// Whether a path still names a file: another command may have taken it for abandoned before it was
/// locked.
#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (found, own) = (fs::metadata(path), file.metadata()?);
    Ok(found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino())))
}

/// Elsewhere an open file cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &Path, _: &File) -> io::Result<bool> {
    Ok(true)
}

/// Removes a file that nobody is writing any more.
pub fn remove_abandoned(partial: &Path) -> Result<(), String> {
    let cannot = |error: io::Error| format!("cannot replace {}: {error}", partial.display());
    match File::open(partial) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(error)),
        Ok(file) => {
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(is_written(partial));
            }
        }
    }
    match fs::remove_file(partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(error)),
        _ => Ok(()),
    }
}

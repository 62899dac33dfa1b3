//! Writing the audit log: a file that only grows, synced once for all records of a batch.
//!
//! A torn last line, as a crash leaves one, is never cut off: the next record begins on a line of
//! its own. A file that was renamed or removed is opened anew under its path, so that it can be
//! rotated by renaming it.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::service::audit::{NotRecorded, Record, Sink};

/// The open audit log.
pub struct AuditFile {
    path: PathBuf,
    open: Open,
}

/// The file that lines go to now.
struct Open {
    file: File,
    /// Devices and pipes can be neither synced nor cut.
    is_regular: bool,
    /// Whether it ends in the middle of a line.
    ends_torn: bool,
    /// How long it was before an attempt that failed and may have left a piece of its lines.
    cut_back_to: Option<u64>,
}

impl AuditFile {
    /// Opens the file for appending. One that is not there is created for its owner alone, and
    /// its name made durable; its directory must exist.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            open: Open::at(path)?,
        })
    }

    /// As an attempt leaves it that failed after a piece of its lines.
    #[cfg(test)]
    pub(super) fn fail_after(&mut self, piece: &str) {
        self.open.cut_back_to = Some(self.open.file.metadata().unwrap().len());
        self.open.file.write_all(piece.as_bytes()).unwrap();
    }

    fn try_append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut lines = String::new();
        for record in records {
            lines.push_str(&record.to_line()?);
            lines.push('\n');
        }
        self.open.cut_back()?;
        if !self.open.is_still_at(&self.path)? {
            self.open = Open::at(&self.path)?;
        }
        self.open.append(&lines)
    }
}

impl Sink for AuditFile {
    fn append(&mut self, records: &[Record]) -> Result<(), NotRecorded> {
        self.try_append(records)
            .map_err(|error| NotRecorded(format!("{}: {error}", self.path.display())))
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let existed = path.exists();
        let mut file = options.open(path)?;
        let is_regular = file.metadata()?.is_file();
        let mut ends_torn = false;
        if is_regular {
            refuse_other_content(&mut file)?;
            lock(&file)?;
            ends_torn = ends_inside_a_line(&mut file)?;
            if !existed {
                sync_directory_of(path)?;
            }
        }
        Ok(Self {
            file,
            is_regular,
            ends_torn,
            cut_back_to: None,
        })
    }

    /// Removes what a failed attempt left. Not a torn line of an earlier run: that is evidence,
    /// and this is not, since the same lines are written again.
    fn cut_back(&mut self) -> io::Result<()> {
        if let Some(length) = self.cut_back_to {
            if self.file.metadata()?.len() > length {
                self.file.set_len(length)?;
            }
            self.cut_back_to = None;
        }
        Ok(())
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        if self.is_regular {
            self.cut_back_to = Some(self.file.metadata()?.len());
        }
        let start = if self.ends_torn { "\n" } else { "" };
        self.file.write_all(format!("{start}{lines}").as_bytes())?;
        if self.is_regular {
            self.file.sync_data()?;
        }
        self.cut_back_to = None;
        self.ends_torn = false;
        Ok(())
    }

    /// Whether the path still names this file.
    fn is_still_at(&self, path: &Path) -> io::Result<bool> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(is_same(&found, &self.file.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere an open file cannot be renamed.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Two services that append to one file would cut each other's lines.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::other("another process has this audit log open"))
        }
        // A file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file that holds something else is somebody's: a key, a store's rows.
fn refuse_other_content(file: &mut File) -> io::Result<()> {
    let mut first = [0];
    file.seek(SeekFrom::Start(0))?;
    match file.read(&mut first)? {
        // Zeros are what a power cut leaves of a line.
        1 if !matches!(first[0], b'{' | b'\n' | 0) => Err(io::Error::other(
            "it holds something else than an audit log; name another file",
        )),
        _ => Ok(()),
    }
}

/// Whether the last line has no end.
fn ends_inside_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}

/// Without this a power cut may forget that the file is there.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    // Of a symbolic link: the directory in which the file itself lies.
    let path = path.canonicalize()?;
    if let (true, Some(directory)) = (cfg!(unix), path.parent()) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

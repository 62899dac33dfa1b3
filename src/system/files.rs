//! Files that are there whole or not at all, whatever happens to the machine while they are
//! written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Replaces a file, or creates it, for its owner alone: after a crash or a power cut there is the
/// old content or the new one, whole; when this returns there is the new one.
///
/// The directory must exist. Beside the file its name with `.new` behind it is used meanwhile, so
/// two calls for one path must not overlap.
pub fn replace_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path
        .file_name()
        .ok_or(ErrorKind::InvalidFilename)?
        .to_owned();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    // What a process that was killed left behind may have another mode.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&unfinished, path)?;
    sync_directory_of(path)
}

/// Makes the name of a file durable.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    sync_directory(match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    })
}

/// Makes the names in a directory durable. Only Unix can open a directory as a file.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_and_replaced_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clock");
        // As a process that was killed may have left it.
        fs::write(directory.path().join("clock.new"), "half").unwrap();
        for content in ["first", "2"] {
            replace_durably(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clock");
        replace_durably(&path, b"old").unwrap();
        // A directory in the way of the temporary file.
        fs::create_dir(directory.path().join("clock.new")).unwrap();
        assert!(replace_durably(&path, b"new").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert!(replace_durably(Path::new("/"), b"new").is_err());
        assert!(replace_durably(&directory.path().join("no/file"), b"new").is_err());
    }
}

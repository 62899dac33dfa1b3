//! Who may read a data directory: its owner alone.
//!
//! The store holds names and roles, and hashes of secrets. Whoever can write in the directory can
//! put another store, or another signing key, in the place of the one that is there.

#[cfg(unix)]
pub use self::unix::{make_files_private, require_private};

#[cfg(unix)]
mod unix {
    use std::fs::{self, Metadata, Permissions};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

    use crate::store::StoreError;
    use crate::store::sled::files::failed;

    const OF_OTHERS: u32 = 0o077;
    const FILE: u32 = 0o600;
    const DIRECTORY: u32 = 0o700;

    /// Refuses a data directory that others than the user of this process can read, write or
    /// exchange, with the command that mends it. Only the directory itself is looked at, not those
    /// above it; once it is private, the files in it are. Root is no exception: what it wrote,
    /// the owner could not open any more.
    pub fn require_private(root: &Path) -> Result<(), StoreError> {
        // Without a slash at the end, which would follow a link.
        let root: &Path = root.components().as_path();
        let found = root
            .symlink_metadata()
            .map_err(failed("cannot read", root))?;
        let shown = root.display();
        if found.is_symlink() {
            return Err(StoreError::Failed(format!(
                "the data directory {shown} is a symbolic link, and whoever can change the link can \
                 exchange the store: name the directory that `readlink -f {shown}` prints"
            )));
        }
        let user = rustix::process::geteuid().as_raw();
        if found.uid() != user {
            return Err(StoreError::Failed(format!(
                "the data directory {shown} belongs to user {}, and this process runs as user \
                 {user}: run it as the owner, or make it the owner with `chown -R {user} {shown}`",
                found.uid()
            )));
        }
        if found.mode() & OF_OTHERS != 0 {
            return Err(StoreError::Failed(format!(
                "the data directory {shown} is open to others than its owner (mode {:04o}): \
                 `chmod 700 {shown}`",
                found.mode() & 0o7777
            )));
        }
        Ok(())
    }

    /// Takes from others what modes they had on these entries of a private directory, and on all
    /// below them: earlier programs left the mode of files to the umask. Follows no link.
    pub fn make_files_private(root: &Path, entries: &[&str]) -> Result<(), StoreError> {
        for entry in entries {
            let path = root.join(entry);
            make_private(&path).map_err(failed("cannot make private", &path))?;
        }
        Ok(())
    }

    fn make_private(path: &Path) -> io::Result<()> {
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if found.is_symlink() {
            return Ok(());
        }
        tighten(path, &found)?;
        if found.is_dir() {
            for entry in path.read_dir()? {
                make_private(&entry?.path())?;
            }
        }
        Ok(())
    }

    fn tighten(path: &Path, found: &Metadata) -> io::Result<()> {
        if found.mode() & OF_OTHERS == 0 {
            return Ok(());
        }
        let mode = if found.is_dir() { DIRECTORY } else { FILE };
        fs::set_permissions(path, Permissions::from_mode(mode))
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::path::Path;

    use crate::store::StoreError;

    /// Where files have no modes there is nothing to compare.
    pub fn require_private(_root: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    pub fn make_files_private(_root: &Path, _entries: &[&str]) -> Result<(), StoreError> {
        Ok(())
    }
}
#[cfg(not(unix))]
pub use self::elsewhere::{make_files_private, require_private};

//! Who may read a data directory: its owner alone.
//!
//! The store holds names and roles, and hashes of secrets. Whoever can write in the directory can
//! put another store, or another signing key, in the place of the one that is there.

#[cfg(unix)]
pub use self::unix::require_private;

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::path::Path;

    use crate::store::StoreError;
    use crate::store::sled::disk::failed;

    const OF_OTHERS: u32 = 0o077;
    const FILE: u32 = 0o600;
    const DIRECTORY: u32 = 0o700;

    /// Refuses a data directory that others than the user of this process can read, write or
    /// exchange, with the command that mends it. Of the path only its last part is looked at. Root
    /// is no exception: what it wrote, the owner could not open any more.
    ///
    /// In a private directory, takes from others what modes they have on files: earlier programs
    /// left those to the umask, and nobody could reach them.
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
        make_entries_private(root).map_err(failed("cannot make private what is in", root))
    }

    fn make_entries_private(directory: &Path) -> io::Result<()> {
        for entry in directory.read_dir()? {
            let path = entry?.path();
            // Who reads a signing key refuses one that was open: it may have been read elsewhere.
            let is_key = path.extension().is_some_and(|end| end == "pem");
            if !is_key {
                // What is gone is private.
                make_private(&path).or_else(unless_gone)?;
            }
        }
        Ok(())
    }

    fn unless_gone(error: io::Error) -> io::Result<()> {
        match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }
    }

    /// Follows no link.
    fn make_private(path: &Path) -> io::Result<()> {
        let found = path.symlink_metadata()?;
        if found.is_symlink() {
            return Ok(());
        }
        if found.mode() & OF_OTHERS != 0 {
            let mode = if found.is_dir() { DIRECTORY } else { FILE };
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        match found.is_dir() {
            true => make_entries_private(path),
            false => Ok(()),
        }
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
}
#[cfg(not(unix))]
pub use self::elsewhere::require_private;

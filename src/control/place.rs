//! Where the socket lies: in the data directory, for its owner alone. Where that path is too long
//! for the address of a socket, in a private directory among the system's temporary files, which a
//! file in the data directory names.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::domain::ports::Random;

/// The socket, in the data directory.
const SOCKET: &str = "control.sock";
/// The directory in which a socket is bound before it has the right mode and gets its name.
const UNFINISHED: &str = "control.new";
/// The file that names the private directory.
const ELSEWHERE: &str = "control";
const PRIVATE: &str = "credenza-";
/// The longest path of a socket: 108 bytes less one, on Linux; some systems have 104.
const LONGEST: usize = 103;

/// A socket that listens, and what has to be removed when it does not any more.
pub struct Place {
    data: PathBuf,
    socket: PathBuf,
    private: Option<PathBuf>,
}

impl Place {
    /// Binds the socket. What is there is left over from a service that did not stop in good order:
    /// the caller holds the lock of the data directory.
    pub fn bind(data: &Path, random: &dyn Random) -> io::Result<(UnixListener, Self)> {
        let data = data.canonicalize()?;
        remove_leftovers(&data)?;
        let here = data.join(SOCKET);
        let fits = |path: &Path| path.as_os_str().len() <= LONGEST;
        if fits(&here) && fits(&data.join(UNFINISHED).join("s")) {
            let listener = bind_here(&data, &here)?;
            let place = Self {
                data,
                socket: here,
                private: None,
            };
            return Ok((listener, place));
        }
        let name = format!("{PRIVATE}{}", random.uuid().as_simple());
        let private = std::env::temp_dir().canonicalize()?.join(name);
        create_private(&private)?;
        let place = Self {
            data,
            socket: private.join(SOCKET),
            private: Some(private),
        };
        match place.bind_elsewhere() {
            Ok(listener) => Ok((listener, place)),
            Err(error) => {
                place.remove();
                Err(error)
            }
        }
    }

    fn bind_elsewhere(&self) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(&self.socket)?;
        fs::set_permissions(&self.socket, Permissions::from_mode(0o600))?;
        let mut file = private_file(&self.data.join(ELSEWHERE))?;
        writeln!(file, "{}", self.socket.display())?;
        Ok(listener)
    }

    /// Takes the socket away. Another service may bind its own from now on.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.socket);
        if let Some(private) = &self.private {
            let _ = fs::remove_file(self.data.join(ELSEWHERE));
            let _ = fs::remove_dir(private);
        }
    }
}

/// In a directory that only its owner can enter, until the socket has its mode: whoever connected
/// before would keep the connection.
fn bind_here(data: &Path, here: &Path) -> io::Result<UnixListener> {
    let unfinished = data.join(UNFINISHED);
    create_private(&unfinished)?;
    let path = unfinished.join("s");
    let bound = UnixListener::bind(&path).and_then(|listener| {
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        fs::rename(&path, here)?;
        Ok(listener)
    });
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir(&unfinished);
    bound
}

fn remove_leftovers(data: &Path) -> io::Result<()> {
    let unfinished = data.join(UNFINISHED);
    gone(fs::remove_file(unfinished.join("s")))?;
    gone(fs::remove_dir(&unfinished))?;
    // A file that names a place which is not ours is not followed.
    if let Ok(Some(socket)) = elsewhere(data) {
        let _ = fs::remove_file(&socket);
        let _ = socket.parent().map(fs::remove_dir);
    }
    gone(fs::remove_file(data.join(ELSEWHERE)))?;
    gone(fs::remove_file(data.join(SOCKET)))
}

fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    // Whatever the umask is.
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// The socket of the service that has a data directory open, if there is one.
pub fn find(data: &Path) -> Result<Option<PathBuf>, String> {
    let Ok(data) = data.canonicalize() else {
        return Ok(None);
    };
    if let Some(socket) = elsewhere(&data)? {
        return Ok(Some(socket));
    }
    let here = data.join(SOCKET);
    match fs::symlink_metadata(&here) {
        Ok(found) if found.file_type().is_socket() => Ok(Some(here)),
        Ok(_) => Err(format!("{} is no socket: remove it", here.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", here.display())),
    }
}

/// The socket that the file in the data directory names. Refuses one that another user could have
/// put there: its directory must be private and belong to whoever owns the file.
fn elsewhere(data: &Path) -> Result<Option<PathBuf>, String> {
    let file = data.join(ELSEWHERE);
    let wrong = |why: &str| {
        format!(
            "{} names no socket of a service ({why}): remove it if no service runs on {}",
            file.display(),
            data.display()
        )
    };
    let owner = match fs::symlink_metadata(&file) {
        Ok(found) if found.is_file() && found.mode() & 0o077 == 0 => found.uid(),
        Ok(_) => return Err(wrong("it is open to others than its owner")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    let text = fs::read_to_string(&file).map_err(|error| wrong(&error.to_string()))?;
    let socket = PathBuf::from(text.trim_end_matches('\n'));
    let private = socket.parent().filter(|parent| {
        let name = parent.file_name().unwrap_or_default().to_string_lossy();
        socket.is_absolute() && socket.ends_with(SOCKET) && name.starts_with(PRIVATE)
    });
    let private = private.ok_or_else(|| wrong("it is not in a directory that Credenza made"))?;
    let found = match fs::symlink_metadata(private) {
        Ok(found) => found,
        // Temporary files do not outlive a restart of the machine.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    if !found.is_dir() || found.uid() != owner || found.mode() & 0o7777 != 0o700 {
        return Err(wrong("its directory is not private to the same owner"));
    }
    Ok(Some(socket))
}

//! The file of the signing key: PEM of PKCS#8, for the owner alone, durable before it is used.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key::{self, SigningKey};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A key has about 250 bytes; what is larger than this is something else.
const LARGEST: u64 = 16 * 1024;

/// Why there is no key from this file, and what to do; never holds anything of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileError(String);

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyFileError {}

/// The key of this file; where there is no file, a new key that is written to it first.
///
/// When this returns a key, the file is durable: a token that is signed with it can be verified
/// after a power failure. A file that is damaged, or that others than its owner can read, is an
/// error and is left as it is. The directory must exist.
pub fn load_or_create(path: &Path) -> Result<SigningKey, KeyFileError> {
    match File::open(path) {
        Ok(file) => load(path, file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(path)?;
            let file = File::open(path).map_err(|error| cannot("read", path, &error))?;
            load(path, file)
        }
        Err(error) => Err(cannot("read", path, &error)),
    }
}

/// The content of a key's file, for a backup that is to hold it. A file that holds no key is an
/// error.
pub fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let file = File::open(path).map_err(|error| cannot("read", path, &error))?;
    let mut pem = Zeroizing::new(String::with_capacity(LARGEST as usize + 1));
    file.take(LARGEST + 1)
        .read_to_string(&mut pem)
        .map_err(|error| cannot("read", path, &error))?;
    key_in(path, &*pem)?;
    Ok(pem)
}

/// Writes the file of a key that a backup held; durable when it returns. What is no key is an error.
pub fn restore(path: &Path, pem: &str) -> Result<(), KeyFileError> {
    key_in(path, pem)?;
    write(path, pem).map_err(|error| cannot("create", path, &error))
}

/// Whether a text is the file of a signing key.
pub fn holds_key(pem: &str) -> bool {
    key_in(Path::new(""), pem).is_ok()
}

fn key_in(path: &Path, pem: impl AsRef<[u8]>) -> Result<SigningKey, KeyFileError> {
    let der = decode(pem.as_ref()).ok_or_else(|| {
        damaged(
            path,
            format_args!("it is not one PEM block of the type PRIVATE KEY"),
        )
    })?;
    SigningKey::from_pkcs8(&der).map_err(|error| damaged(path, error))
}

fn load(path: &Path, file: File) -> Result<SigningKey, KeyFileError> {
    for_its_owner_alone(path, &file)?;
    let mut pem = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    (&file)
        .take(LARGEST + 1)
        .read_to_end(&mut pem)
        .map_err(|error| cannot("read", path, &error))?;
    let signing_key = key_in(path, &*pem)?;
    // Whoever wrote the file may have been killed before its name was durable.
    unless_read_only(file.sync_all())
        .and_then(|()| unless_read_only(sync_directory_of(path)))
        .map_err(|error| cannot("make durable", path, &error))?;
    Ok(signing_key)
}

/// Writes a new key beside its place and then moves it there, so that no half of one is ever read.
fn create(path: &Path) -> Result<(), KeyFileError> {
    let der = key::generate_pkcs8().map_err(|error| {
        KeyFileError(format!(
            "Cannot make a signing key for {}: {error}. Start again.",
            path.display()
        ))
    })?;
    write(path, &encode(&der)).map_err(|error| cannot("create", path, &error))
}

fn write(path: &Path, pem: &str) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    // What a start that was killed left behind was never used.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    sync_directory_of(path)
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path
        .file_name()
        .ok_or(ErrorKind::InvalidFilename)?
        .to_owned();
    name.push(".new");
    Ok(path.with_file_name(name))
}

#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory_of(_: &Path) -> io::Result<()> {
    Ok(())
}

/// What cannot be written has nothing that is not yet durable.
fn unless_read_only(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ReadOnlyFilesystem | ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

#[cfg(unix)]
fn for_its_owner_alone(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file
        .metadata()
        .map_err(|error| cannot("read", path, &error))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(KeyFileError(format!(
            "The signing key {} is open to others than its owner (mode {:04o}). If nobody read it, `chmod 600` it; else remove it, and a new key is made.",
            path.display(),
            mode & 0o7777
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn for_its_owner_alone(_: &Path, _: &File) -> Result<(), KeyFileError> {
    Ok(())
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> KeyFileError {
    KeyFileError(format!(
        "Cannot {verb} the signing key {}: {error}. Its directory must exist, and the user that runs the service must own the file and be able to write the directory.",
        path.display()
    ))
}

fn damaged(path: &Path, reason: impl fmt::Display) -> KeyFileError {
    KeyFileError(format!(
        "The signing key {} is damaged: {reason}. Restore it from a backup; or remove it, and a new key is made: tokens that were issued with the old one are then refused, and clients ask for new ones.",
        path.display()
    ))
}

fn encode(der: &[u8]) -> Zeroizing<String> {
    const LINE: usize = 64;
    let base64 = Zeroizing::new(STANDARD.encode(der));
    // Room for the line ends, so that the text never moves and leaves a copy behind.
    let room = BEGIN.len() + END.len() + base64.len() + base64.len() / LINE + 4;
    let mut pem = Zeroizing::new(String::with_capacity(room));
    pem.push_str(BEGIN);
    for (position, character) in base64.chars().enumerate() {
        if position % LINE == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push('\n');
    pem.push_str(END);
    pem.push('\n');
    pem
}

/// The bytes of the one PEM block that the file is; `None` where it is anything else.
fn decode(pem: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if pem.len() as u64 > LARGEST {
        return None;
    }
    let text = std::str::from_utf8(pem).ok()?.trim();
    let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    base64.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    STANDARD.decode(&*base64).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kid(path: &Path) -> String {
        let key = load_or_create(path).map_err(|error| error.to_string());
        key.unwrap().verification_key().kid().to_owned()
    }

    fn refused(path: &Path) -> String {
        load_or_create(path).err().unwrap().to_string()
    }

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-key.pem");
        // What a killed start left behind does not disturb.
        fs::write(directory.path().join("signing-key.pem.new"), "half").unwrap();
        let first = kid(&path);
        assert_eq!(kid(&path), first);
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        fs::remove_file(&path).unwrap();
        assert_ne!(kid(&path), first);
    }

    #[test]
    fn the_file_is_pem_of_64_columns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let first = kid(&path);
        let pem = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = pem.lines().collect();
        assert_eq!((lines[0], *lines.last().unwrap()), (BEGIN, END));
        assert!(lines.iter().all(|line| line.len() <= 64) && lines[1].len() == 64);
        // An editor on another system changes the line ends, not the key.
        fs::write(&path, pem.replace('\n', "\r\n")).unwrap();
        assert_eq!(kid(&path), first);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        kid(&path);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(refused(&path).contains("chmod 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        kid(&path);
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        kid(&path);
        let good = fs::read_to_string(&path).unwrap();
        let secret_line = good.lines().nth(1).unwrap();
        let twice = good.repeat(2);
        let other_type = good.replace("PRIVATE", "EC PRIVATE");
        let huge = good.clone() + &" ".repeat(20_000);
        let flipped = good.replacen(secret_line, &secret_line.replace('A', "B"), 1);
        let half = &good[..good.len() / 2];
        for bad in ["", "junk", half, &twice, &other_type, &huge, &flipped] {
            // Written over, so that the mode stays.
            fs::write(&path, bad).unwrap();
            let error = refused(&path);
            assert!(
                error.contains("damaged") && error.contains("backup"),
                "{error}"
            );
            assert!(!error.contains(&secret_line[..10]), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_place_that_cannot_be_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = refused(&directory.path().join("missing/key"));
        assert!(error.contains("must exist"), "{error}");
        refused(directory.path());
    }
}

//! The file of the signing key: PEM of PKCS#8, for the owner alone, durable before it is used.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key::{self, SigningKey};
use crate::system::files::{replace_durably, sync_directory_of};

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

impl KeyFileError {
    /// `verb` is what could not be done with the file.
    pub(super) fn cannot(verb: &str, path: &Path, error: &io::Error) -> Self {
        cannot(verb, path, error)
    }
}

/// The key of this file; `None` where there is no file.
///
/// When this returns a key, the file is durable: a token that is signed with it can be verified
/// after a power failure. A file that is damaged, or that others than its owner can read, is an
/// error and is left as it is.
pub fn load(path: &Path) -> Result<Option<SigningKey>, KeyFileError> {
    match File::open(path) {
        Ok(file) => load_from(path, &file).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", path, &error)),
    }
}

/// A new key, in this file from now on, whatever was there; durable when it returns. The directory
/// must exist.
pub fn create(path: &Path) -> Result<SigningKey, KeyFileError> {
    let cannot_make = |error| {
        KeyFileError(format!(
            "Cannot make a signing key for {}: {error}. Try again.",
            path.display()
        ))
    };
    let der = key::generate_pkcs8().map_err(cannot_make)?;
    let signing_key = SigningKey::from_pkcs8(&der).map_err(cannot_make)?;
    replace_durably(path, encode(&der).as_bytes())
        .map_err(|error| cannot("create", path, &error))?;
    Ok(signing_key)
}

/// The key of a file that somebody else looks after. It may be readable to its group, as files are
/// that a supervisor hands out, and is refused where everybody can read it or others can write it.
pub fn load_given(path: &Path) -> Result<SigningKey, KeyFileError> {
    let why = |reason: &dyn fmt::Display| {
        KeyFileError(format!("--signing-key {}: {reason}", path.display()))
    };
    let file = File::open(path).map_err(|error| why(&error))?;
    if let Some(mode) = mode_of(&file).map_err(|error| why(&error))?
        && mode & 0o027 != 0
    {
        return Err(why(&format_args!(
            "everybody can read it, or others than its owner can write it (mode {mode:04o}); \
             `chmod 600` it, and use another key if somebody may have read it"
        )));
    }
    let pem = content(&file).map_err(|error| why(&error))?;
    let der = decode(&pem).ok_or_else(|| why(&NOT_PEM))?;
    SigningKey::from_pkcs8(&der).map_err(|error| why(&error))
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
    replace_durably(path, pem.as_bytes()).map_err(|error| cannot("create", path, &error))
}

/// Whether a text is the file of a signing key.
pub fn holds_key(pem: &str) -> bool {
    key_in(Path::new(""), pem).is_ok()
}

fn key_in(path: &Path, pem: impl AsRef<[u8]>) -> Result<SigningKey, KeyFileError> {
    let der = decode(pem.as_ref()).ok_or_else(|| damaged(path, NOT_PEM))?;
    SigningKey::from_pkcs8(&der).map_err(|error| damaged(path, error))
}

const NOT_PEM: &str = "it is not one PEM block of the type PRIVATE KEY";

fn load_from(path: &Path, file: &File) -> Result<SigningKey, KeyFileError> {
    for_its_owner_alone(path, file)?;
    let pem = content(file).map_err(|error| cannot("read", path, &error))?;
    let signing_key = key_in(path, &*pem)?;
    // Whoever wrote the file may have been killed before its name was durable.
    unless_read_only(file.sync_all())
        .and_then(|()| unless_read_only(sync_directory_of(path)))
        .map_err(|error| cannot("make durable", path, &error))?;
    Ok(signing_key)
}

/// At most one byte more than a key's file can have.
fn content(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut pem = Zeroizing::new(Vec::with_capacity(LARGEST as usize + 1));
    file.take(LARGEST + 1).read_to_end(&mut pem)?;
    Ok(pem)
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

fn for_its_owner_alone(path: &Path, file: &File) -> Result<(), KeyFileError> {
    match mode_of(file).map_err(|error| cannot("read", path, &error))? {
        Some(mode) if mode & 0o077 != 0 => Err(KeyFileError(format!(
            "The signing key {} is open to others than its owner (mode {mode:04o}). If nobody read it, `chmod 600` it; else `credenza keys rotate --now` after it.",
            path.display(),
        ))),
        _ => Ok(()),
    }
}

/// The permissions of a file, where files have any.
#[cfg(unix)]
fn mode_of(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(Some(file.metadata()?.permissions().mode() & 0o7777))
}

#[cfg(not(unix))]
fn mode_of(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
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
    use std::fs;

    use super::*;

    /// Of the key that is there, or of a new one.
    fn kid(path: &Path) -> String {
        let key = load(path).unwrap();
        let key = key.unwrap_or_else(|| create(path).unwrap());
        key.verification_key().kid().to_owned()
    }

    fn refused(path: &Path) -> String {
        load(path).err().unwrap().to_string()
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
            // One that somebody else looks after may be its group's to read.
            assert_eq!(load_given(&path).is_ok(), mode == 0o640, "{mode:o}");
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
        let missing = directory.path().join("missing/key");
        assert!(load(&missing).unwrap().is_none());
        let error = create(&missing).err().unwrap().to_string();
        assert!(error.contains("must exist"), "{error}");
        refused(directory.path());
    }
}

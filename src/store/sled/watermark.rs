//! The file `revision`: the last revision that was durable, beside the store that has it.
//!
//! A flipped bit can roll back the tail of sled's log to a state that agrees with itself. It is
//! written after each batch and never synced: a kill does not lose it, a power cut may leave an
//! older one, and none is ever ahead of the store. So a store that ends before it has lost something.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use parking_lot::Mutex;

use super::disk::{failed, private_file};
use super::opening::Identity;
use super::rows::checksum;
use crate::domain::ids::Revision;
use crate::store::StoreError;

/// Store, epoch, revision, and a checksum over them.
const LENGTH: usize = 16 + 4 + 8 + 4;
const BODY: usize = LENGTH - 4;

pub struct Watermark {
    file: Mutex<File>,
    identity: Identity,
}

impl Watermark {
    /// What the file says of a store; `None` where it is missing, torn, or of another store.
    pub fn read(path: &Path, identity: Identity) -> Result<Option<Revision>, StoreError> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => file
                .take(LENGTH as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(failed("cannot read", path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot read", path)(error)),
        };
        let revision = bytes.get(20..BODY).and_then(|bytes| bytes.try_into().ok());
        let revision = revision.map(|bytes| Revision(u64::from_be_bytes(bytes)));
        Ok(revision.filter(|revision| bytes == written(identity, *revision)))
    }

    pub fn open(path: &Path, identity: Identity) -> Result<Self, StoreError> {
        let file = private_file()
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("cannot open", path))?;
        Ok(Self {
            file: Mutex::new(file),
            identity,
        })
    }

    /// Notes a revision that is durable. Where that fails, an older one stays, which is no harm.
    pub fn raise(&self, revision: Revision) {
        let mut file = self.file.lock();
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(&written(self.identity, revision)));
        if let Err(error) = written {
            log::debug!("the last revision cannot be noted beside the store: {error}");
        }
    }
}

fn written(identity: Identity, revision: Revision) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..16].copy_from_slice(identity.store.as_bytes());
    bytes[16..20].copy_from_slice(&identity.epoch.0.to_be_bytes());
    bytes[20..BODY].copy_from_slice(&revision.0.to_be_bytes());
    let sum = checksum("revision", &[], &bytes[..BODY]);
    bytes[BODY..].copy_from_slice(&sum.to_be_bytes());
    bytes
}

//! Who looks after the key that signs: the service, in its data directory, or somebody else, who
//! gives it a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::key::KeySet;
use super::key_file::{self, KeyFileError};
use super::key_ring::{KeyRing, Listed, Rotated, State};
use super::keys::Keys;
use crate::domain::times::Timestamp;

/// The keys of a running service.
pub enum KeyHolder {
    Directory(Box<KeyRing>),
    Given {
        path: PathBuf,
        keys: Arc<Keys>,
    },
    /// It lives as long as the process.
    Memory(Arc<Keys>),
}

impl KeyHolder {
    /// Goes by a file that somebody else looks after.
    pub fn given(path: &Path) -> Result<Self, KeyFileError> {
        let set = KeySet::new(key_file::load_given(path)?, Vec::new());
        Ok(Self::Given {
            path: path.to_owned(),
            keys: Arc::new(Keys::new(set)),
        })
    }

    pub fn keys(&self) -> Arc<Keys> {
        match self {
            Self::Directory(ring) => ring.keys(),
            Self::Given { keys, .. } | Self::Memory(keys) => keys.clone(),
        }
    }

    /// The file of the key that signs.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Directory(ring) => Some(ring.signing_file()),
            Self::Given { path, .. } => Some(path.clone()),
            Self::Memory(_) => None,
        }
    }

    /// Does what is due: see [`KeyRing::look`].
    pub fn look(&self, now: Timestamp, every: Option<Duration>) -> Option<Rotated> {
        match self {
            Self::Directory(ring) => ring.look(now, every),
            Self::Given { .. } | Self::Memory(_) => None,
        }
    }

    /// The keys as they are shown.
    pub fn list(&self, now: Timestamp) -> Vec<Listed> {
        match self {
            Self::Directory(ring) => ring.list(now),
            Self::Given { keys, .. } | Self::Memory(keys) => vec![Listed {
                kid: keys.now().signing().verification_key().kid().to_owned(),
                state: State::Signing,
                created: None,
            }],
        }
    }

    /// Rotates; `at_once` without the time that makes it smooth, and without the keys of before.
    pub fn rotate(&self, now: Timestamp, at_once: bool) -> Result<Rotated, String> {
        match self {
            Self::Directory(ring) if at_once => ring.rotate_now(now),
            Self::Directory(ring) => ring.rotate(now),
            Self::Given { path, .. } => Err(format!(
                "the signing key is given with --signing-key {0}, and not this service's to \
                 change: put another one into {0} and restart the service. Tokens of before are \
                 refused then, and clients fetch new ones",
                path.display()
            )),
            Self::Memory(_) => {
                Err("the signing key is in memory alone: a restart makes another one".to_owned())
            }
        }
    }
}

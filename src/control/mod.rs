//! What commands do with a store: on their own where it is free, and over a Unix socket in the data
//! directory where a service has it open.
//!
//! `work` does it, for both; `server` and `client` only carry requests and what comes back, in the
//! form of `frames`, and `place` is where the socket lies. Whoever can open the socket owns the data
//! directory, and can do no more over it than with the directory itself.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod frames;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod server;
mod work;

#[cfg(unix)]
pub use client::{Connection, connect};
#[cfg(unix)]
pub use server::Server;
pub use work::perform;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::domain::ids::TenantId;
use crate::service::Service;
use crate::service::archive::{Progress, Source};
use crate::tokens::key_holder::KeyHolder;
use crate::tokens::key_ring::{Listed, Rotated, State};

/// What can be asked for: one line of JSON on the socket.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Compares rows, indexes and counters. Gives a line of data for each thing that is wrong.
    Check {},
    /// Gives an archive of the whole store as data.
    Backup { with_key: bool },
    /// Gives an archive of a tenant, or of all, as data.
    Export { tenant: Option<String> },
    /// Takes an archive as data, and creates what it has of a tenant, or of all.
    Import { tenant: Option<String> },
    /// Gives the names of the signing keys.
    ListKeys {},
    /// Lets another key sign; `at_once` also takes the keys of before away.
    RotateKeys { at_once: bool },
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Checked {
        wrong: u64,
    },
    Archived {
        tenants: u64,
        clients: u64,
        bytes: u64,
        /// The time that changes after it are not in the archive.
        taken: String,
    },
    Imported {
        tenants: u64,
        clients: u64,
        created: u64,
        there: u64,
    },
    Keys {
        keys: Vec<Key>,
    },
    Rotated {
        /// The name of the key that signs now.
        signing: String,
        /// How long the one before it verifies; null where it does not any more.
        retired_until: Option<String>,
    },
}

/// A signing key, without anything that is secret of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub kid: String,
    /// `next`, `signing`, or `retired until` a time.
    pub state: String,
    /// Null where it is not known.
    pub created: Option<String>,
}

impl From<Vec<Listed>> for Answer {
    fn from(listed: Vec<Listed>) -> Self {
        let key = |key: Listed| Key {
            kid: key.kid,
            state: match key.state {
                State::Next => "next".to_owned(),
                State::Signing => "signing".to_owned(),
                State::Retired { until } => format!("retired until {}", until.whole_seconds()),
            },
            created: key
                .created
                .map(|created| created.whole_seconds().to_string()),
        };
        Self::Keys {
            keys: listed.into_iter().map(key).collect(),
        }
    }
}

impl From<Rotated> for Answer {
    fn from(rotated: Rotated) -> Self {
        Self::Rotated {
            signing: rotated.signing,
            retired_until: rotated
                .retired_until
                .map(|until| until.whole_seconds().to_string()),
        }
    }
}

/// Where data and progress go. An error ends the work: nobody wants it any more.
pub trait Output {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn progress(&mut self, progress: Progress) -> io::Result<()>;
}

/// What the work is done on.
pub struct Context {
    pub source: Source,
    /// The file of the signing key.
    pub key_path: PathBuf,
    /// The keys of a service that runs.
    pub keys: Option<Arc<KeyHolder>>,
    /// What writes; a command that only reads has none.
    pub service: Option<Arc<Service>>,
    /// The monotonic clock.
    pub now: fn() -> Instant,
}

/// A tenant's id as it was asked for.
fn tenant_id(text: Option<&str>) -> Result<Option<TenantId>, String> {
    match text {
        None => Ok(None),
        Some(text) => match TenantId::parse(text) {
            Some(id) => Ok(Some(id)),
            None => Err(format!("{text:?} is no tenant's id: that is a GUID")),
        },
    }
}

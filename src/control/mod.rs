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

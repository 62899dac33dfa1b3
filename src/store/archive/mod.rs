//! The archive: what a store holds as a text file of JSON lines, for backups and exports.
//!
//! A header, then per tenant its own line, its roles, its clients and a line with their number, and
//! a trailer with the number of lines and SHA-256 over all of them. Each line ends with a checksum
//! of its own, so that damage is named by its line. Secrets are in it as salted hashes alone.
//!
//! `lines` is the form of each line, `writer` and `reader` stream them, holding one line at a time,
//! and `restore` makes a store of them.

mod fingerprint;
mod lines;
mod reader;
pub mod restore;
mod writer;

#[cfg(test)]
mod tests;

pub use fingerprint::Fingerprint;
pub use lines::{canonical_client, canonical_role, canonical_tenant};
pub use reader::{ArchiveReader, Item, read_header};
pub use writer::ArchiveWriter;

use std::fmt;
use std::io;

use uuid::Uuid;

use crate::domain::ids::{Epoch, Revision};
use crate::domain::times::Timestamp;

/// The version of the form. A higher one is refused.
pub const FORMAT: u32 = 1;
/// The first release that reads [`FORMAT`], for whoever is refused.
const FORMAT_SINCE: &str = "0.1.0";

/// What an archive was made for. The lines are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole store, to be restored with its revisions.
    Backup,
    /// Tenants, to be imported into another store.
    Export,
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// The store that it was taken from, and the life of it that its revisions belong to.
    pub store: Uuid,
    pub epoch: Epoch,
    /// When it was begun: every change that was answered before is in it.
    pub taken: Timestamp,
    /// Whether it has the private key of tokens.
    pub has_key: bool,
}

/// What an archive held, or a part of it so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub tenants: u64,
    pub roles: u64,
    pub clients: u64,
    /// The trailer included.
    pub lines: u64,
    pub bytes: u64,
    /// The last change of any tenant.
    pub highest: Revision,
}

/// Why an archive cannot be written or believed.
#[derive(Debug)]
pub enum ArchiveError {
    Read(io::Error),
    Write(io::Error),
    /// A line that cannot be believed, counted from 1, and why. Holds nothing of a hash or a key.
    Refused {
        line: u64,
        why: String,
    },
    /// A later program wrote it.
    Later(String),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "it cannot be read: {error}"),
            Self::Write(error) => write!(f, "it cannot be written: {error}"),
            Self::Refused { line, why } => write!(f, "line {line}: {why}"),
            Self::Later(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ArchiveError {}

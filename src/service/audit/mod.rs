//! The audit of changes: what is recorded of each, and the port through which records are kept.
//!
//! The writer makes one record of each command that changes something, and answers the command
//! only when its record is durable.

mod of_change;
mod record;

pub use of_change::{Event, record};
pub use record::{Action, Changes, Object, Record, RecordedCaller};

use std::fmt;

/// Keeps records. The writer alone appends to it.
pub trait Sink: Send {
    /// Appends records in this order and makes them durable together. After an error nothing of
    /// them counts as appended, and the same records may be given again.
    fn append(&mut self, records: &[Record]) -> Result<(), NotRecorded>;
}

/// Why records could not be appended, in a line for the log.
#[derive(Debug)]
pub struct NotRecorded(pub String);

impl fmt::Display for NotRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotRecorded {}

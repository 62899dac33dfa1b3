//! The audit log as a file: a record a line, written with [`AuditFile`] and read with [`read`].

mod file;
mod reader;
#[cfg(test)]
mod tests;

pub use file::AuditFile;
pub use reader::{ReadError, Records, read};

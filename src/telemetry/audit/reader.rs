//! Reading the audit log, a record at a time, so that a log of any size fits.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::service::audit::Record;

/// The longest line that is read: far above any record.
const LONGEST: u64 = 1 << 20;

/// Opens an audit log. The records come in the order in which they were written, which within one
/// epoch is that of their revisions.
///
/// A line that ends in the middle of a record is what a crash leaves; nobody was told that its
/// change was done. It is passed over with a warning in the log, and counted. Any other line that
/// is no record is an error that names the line; after an error the iterator ends.
pub fn read(path: &Path) -> Result<Records, ReadError> {
    let failed = |cause: io::Error| ReadError {
        path: path.to_owned(),
        line: None,
        cause: cause.to_string(),
    };
    let file = File::open(path).map_err(failed)?;
    Ok(Records {
        path: path.to_owned(),
        input: Box::new(BufReader::new(file)),
        line: 0,
        torn: 0,
        ended: false,
    })
}

/// The records of an audit log.
pub struct Records {
    path: PathBuf,
    input: Box<dyn BufRead>,
    /// How many lines were read.
    line: u64,
    torn: u64,
    ended: bool,
}

/// Why an audit log cannot be read, or not further.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadError {
    path: PathBuf,
    /// Counted from 1; none where the file could not be opened.
    line: Option<u64>,
    cause: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, cause } = self;
        write!(f, "the audit log {}", path.display())?;
        match line {
            Some(line) => write!(f, ", line {line}, cannot be read: {cause}"),
            None => write!(f, " cannot be read: {cause}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl Records {
    /// How many torn lines were passed over so far.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            self.line += 1;
            let length = (&mut self.input)
                .take(LONGEST)
                .read_until(b'\n', &mut line)
                .map_err(|error| self.error(error))?;
            if length == 0 {
                return Ok(None);
            }
            if length as u64 == LONGEST {
                return Err(self.error(format_args!("it is longer than {LONGEST} bytes")));
            }
            let line = written(&line);
            if line.is_empty() {
                continue;
            }
            match Record::from_line(line) {
                Ok(record) => return Ok(Some(record)),
                Err(error) if error.is_eof() => {
                    self.torn += 1;
                    log::warn!(
                        "the audit log {}, line {}, ends too early and is passed over",
                        self.path.display(),
                        self.line
                    );
                }
                Err(error) => return Err(self.error(error)),
            }
        }
    }

    fn error(&self, cause: impl fmt::Display) -> ReadError {
        ReadError {
            path: self.path.clone(),
            line: Some(self.line),
            cause: cause.to_string(),
        }
    }
}

/// A line without its end, and without the zeros that some file systems leave after a power cut
/// where bytes were not yet written.
fn written(line: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let end = line.iter().rposition(|byte| !is_end(byte));
    end.map_or(&[], |end| &line[..=end])
}

impl Iterator for Records {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_record().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

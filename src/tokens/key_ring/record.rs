//! What is known of the keys besides themselves: since when each is what it is, and which ones of
//! before still verify. A file of JSON in the data directory; nothing in it is secret.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::KEPT;
use crate::domain::times::Timestamp;
use crate::system::files::replace_durably;
use crate::tokens::key::VerificationKey;

const FORMAT: u32 = 1;

/// The keys of a data directory, by name. Which key signs is settled by this: see `settle`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub signing: Option<Known>,
    pub next: Option<Known>,
    /// Oldest first.
    pub retired: Vec<Retired>,
}

/// A key whose private half is in a file of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    pub kid: String,
    pub created: Timestamp,
    /// Since when it is what it is: published, as the next one; or signing.
    pub since: Timestamp,
}

/// A key of which only the public half is left.
#[derive(Clone, PartialEq, Eq)]
pub struct Retired {
    pub key: VerificationKey,
    pub created: Timestamp,
    /// It verifies before this.
    pub until: Timestamp,
}

impl Known {
    pub fn new(key: &VerificationKey, now: Timestamp) -> Self {
        Self {
            kid: key.kid().to_owned(),
            created: now,
            since: now,
        }
    }
}

/// Whether it is about the key of this name.
pub fn is_of(known: Option<&Known>, kid: &str) -> bool {
    known.is_some_and(|known| known.kid == kid)
}

impl Record {
    /// What was last written; nothing where nothing was. An error is in words that follow the path.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("cannot be read: {error}")),
        };
        let content = serde_json::from_slice::<Content>(&text).ok();
        content
            .filter(|content| content.format_version == FORMAT)
            .and_then(Content::into_record)
            .ok_or_else(|| "is damaged, or of another release".to_owned())
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Content::of(self))?;
        text.push(b'\n');
        replace_durably(path, &text)
    }

    /// A clock that was ahead may have gone back: nothing waits for the time that it had reached.
    pub fn not_ahead_of(&mut self, now: Timestamp) {
        for known in self.signing.iter_mut().chain(&mut self.next) {
            known.created = known.created.min(now);
            known.since = known.since.min(now);
        }
        for retired in &mut self.retired {
            retired.created = retired.created.min(now);
            retired.until = retired.until.min(now.plus_seconds(KEPT));
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Content {
    format_version: u32,
    signing: Option<KnownContent>,
    next: Option<KnownContent>,
    retired: Vec<RetiredContent>,
}

#[derive(Serialize, Deserialize)]
struct KnownContent {
    kid: String,
    created: String,
    since: String,
}

#[derive(Serialize, Deserialize)]
struct RetiredContent {
    kid: String,
    x: String,
    y: String,
    created: String,
    until: String,
}

impl Content {
    fn of(record: &Record) -> Self {
        let known = |known: &Known| KnownContent {
            kid: known.kid.clone(),
            created: known.created.to_string(),
            since: known.since.to_string(),
        };
        let retired = |retired: &Retired| {
            let (x, y) = retired.key.coordinates();
            RetiredContent {
                kid: retired.key.kid().to_owned(),
                x,
                y,
                created: retired.created.to_string(),
                until: retired.until.to_string(),
            }
        };
        Self {
            format_version: FORMAT,
            signing: record.signing.as_ref().map(known),
            next: record.next.as_ref().map(known),
            retired: record.retired.iter().map(retired).collect(),
        }
    }

    /// `None` where a time is none, or a key is not the one of its name.
    fn into_record(self) -> Option<Record> {
        let time = |text: &str| Timestamp::parse_stored("time", text).ok();
        let known = |known: KnownContent| {
            Some(Known {
                created: time(&known.created)?,
                since: time(&known.since)?,
                kid: known.kid,
            })
        };
        let retired = |retired: RetiredContent| {
            let key = VerificationKey::from_coordinates(&retired.x, &retired.y)?;
            (key.kid() == retired.kid).then_some(Retired {
                key,
                created: time(&retired.created)?,
                until: time(&retired.until)?,
            })
        };
        let optional = |content: Option<KnownContent>| match content {
            None => Some(None),
            Some(content) => known(content).map(Some),
        };
        Some(Record {
            signing: optional(self.signing)?,
            next: optional(self.next)?,
            retired: self
                .retired
                .into_iter()
                .map(retired)
                .collect::<Option<_>>()?,
        })
    }
}

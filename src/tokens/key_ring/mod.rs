//! The signing keys of a data directory: one that signs, the next one, which is published already,
//! and those of before, which verify until their last token is dead.
//!
//! Two files hold private keys, and a third one, the record, says which of them signs. A rotation
//! is done when the record is durable: what is left of it is a rename, and whoever opens the
//! directory after a crash makes up for it. So there is no moment without a working set.

mod record;

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::key::{KeySet, SigningKey, VerificationKey};
use super::key_file::{self, KeyFileError};
use super::keys::Keys;
use crate::domain::client::TokenLifetime;
use crate::domain::times::Timestamp;
use crate::system::files::sync_directory_of;
use record::{Known, Record, Retired, is_of};

/// How long a reader may keep the published keys, in seconds.
pub const JWKS_MAX_AGE: i64 = 300;

/// How long the next key is published before it signs, in seconds: the time that readers may keep
/// the keys of before, and a minute for answers that are under way.
pub const PUBLISHED_BEFORE: i64 = JWKS_MAX_AGE + 60;

/// How long a key verifies after it has signed for the last time, in seconds: the longest life of a
/// token, and five minutes for clocks that differ.
pub const KEPT: i64 = TokenLifetime::LONGEST + 300;

/// The file of the key that signs.
pub fn signing_path(directory: &Path) -> PathBuf {
    directory.join("signing-key.pem")
}

fn next_path(directory: &Path) -> PathBuf {
    directory.join("next-key.pem")
}

fn record_path(directory: &Path) -> PathBuf {
    directory.join("keys.json")
}

/// A key as it is shown: never its private half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub kid: String,
    pub state: State,
    /// `None` of a key that is older than the record.
    pub created: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Next,
    Signing,
    Retired { until: Timestamp },
}

/// What a rotation has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the key that signs now.
    pub signing: String,
    /// How long the one before it verifies; `None` where it does not any more.
    pub retired_until: Option<Timestamp>,
}

impl fmt::Display for Rotated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} signs now, and ", self.signing)?;
        match self.retired_until {
            Some(until) => write!(
                f,
                "the key before it verifies until {}",
                until.whole_seconds()
            ),
            None => f.write_str("every token of before is refused"),
        }
    }
}

/// The keys of a directory that this process has locked. Every call but [`KeyRing::keys`] may
/// block; calls wait for each other.
pub struct KeyRing {
    keys: Arc<Keys>,
    files: Mutex<Files>,
}

struct Files {
    directory: PathBuf,
    record: Record,
    /// What is on disk for certain.
    written: Option<Record>,
    /// Whether what is in the way was told.
    told: bool,
}

impl KeyRing {
    /// The keys of a directory, in which what is missing is made, and what a crash has left undone
    /// is done. An error where there is a key that cannot be used: it stays as it is.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, KeyFileError> {
        let path = record_path(directory);
        let written = match Record::read(&path) {
            Ok(record) => Some(record),
            Err(why) => {
                log::warn!(
                    "{} {why}: keys of before are forgotten, and their tokens refused",
                    path.display()
                );
                None
            }
        };
        let mut files = Files {
            directory: directory.to_owned(),
            record: written.clone().unwrap_or_default(),
            written,
            told: false,
        };
        let set = files.settle(now)?;
        Ok(Self {
            keys: Arc::new(Keys::new(set)),
            files: Mutex::new(files),
        })
    }

    /// Where the set of now is found.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    /// The next key first, then the one that signs, then those of before, the newest first.
    pub fn list(&self, now: Timestamp) -> Vec<Listed> {
        listed(&self.files.lock().record, now)
    }

    /// Lets the next key sign. No verification fails for that: it is refused before everybody who
    /// keeps the published keys for as long as is allowed has it. The one before verifies on.
    pub fn rotate(&self, now: Timestamp) -> Result<Rotated, String> {
        let mut files = self.files.lock();
        self.rotate_locked(&mut files, now)
    }

    fn rotate_locked(&self, files: &mut Files, now: Timestamp) -> Result<Rotated, String> {
        self.look_after(files, now);
        let record = &files.record;
        let Some(next) = record.next.clone() else {
            return Err("there is no next key: the log says why it cannot be made".to_owned());
        };
        let ready = next.since.plus_seconds(PUBLISHED_BEFORE);
        if ready > now {
            return Err(format!(
                "the next key {} is published since {}, and whoever keeps the keys as long as \
                 is allowed has it at {}: rotate then. Where the key that signs may have been \
                 stolen, use --now",
                next.kid,
                next.since.whole_seconds(),
                ready.whole_seconds()
            ));
        }
        let set = self.keys.now();
        let old = set.signing().verification_key();
        let until = now.plus_seconds(KEPT);
        let mut rotated = record.clone();
        rotated.next = None;
        rotated.retired.push(Retired {
            key: old.clone(),
            created: record.signing.as_ref().map_or(now, |known| known.created),
            until,
        });
        rotated.signing = Some(Known { since: now, ..next });
        self.switch(files, rotated, now)?;
        Ok(Rotated {
            signing: self.signing(),
            retired_until: Some(until),
        })
    }

    /// Lets a new key sign, and forgets every other one at once: what they have signed is refused.
    /// For keys that were stolen: whoever could read the one could read the next one, too.
    pub fn rotate_now(&self, now: Timestamp) -> Result<Rotated, String> {
        let mut files = self.files.lock();
        // In the place of the next one, from which the rename takes it.
        let fresh = key_file::create(&next_path(&files.directory)).map_err(|e| e.to_string())?;
        let rotated = Record {
            signing: Some(Known::new(fresh.verification_key(), now)),
            ..Record::default()
        };
        self.switch(&mut files, rotated, now)?;
        Ok(Rotated {
            signing: self.signing(),
            retired_until: None,
        })
    }

    /// To be called every second or so: finishes what could not be finished, lets keys go whose
    /// time is over, and rotates where the last rotation was `every` ago. Gives what was rotated.
    pub fn look(&self, now: Timestamp, every: Option<Duration>) -> Option<Rotated> {
        let mut files = self.files.lock();
        self.look_after(&mut files, now);
        let every = i64::try_from(every?.as_secs()).unwrap_or(i64::MAX);
        let has_passed = |known: &Option<Known>, seconds: i64| {
            let since = known.as_ref().map(|known| known.since.unix_seconds());
            since.is_some_and(|since| now.unix_seconds() - since >= seconds)
        };
        // A second more than is needed: times are compared without their fractions here.
        let is_due = has_passed(&files.record.signing, every)
            && has_passed(&files.record.next, PUBLISHED_BEFORE + 1);
        if !is_due {
            return None;
        }
        match self.rotate_locked(&mut files, now) {
            Ok(rotated) => Some(rotated),
            Err(why) => {
                files.tell(&why);
                None
            }
        }
    }

    fn look_after(&self, files: &mut Files, now: Timestamp) {
        files.record.not_ahead_of(now);
        let signs = self.signing();
        let record = &files.record;
        let is_settled = files.written.as_ref() == Some(record)
            && record.next.is_some()
            && is_of(record.signing.as_ref(), &signs)
            && record.retired.iter().all(|retired| retired.until > now);
        if is_settled {
            files.told = false;
            return;
        }
        match files.settle(now) {
            Ok(set) => self.keys.replace(set),
            Err(why) => files.tell(&why.to_string()),
        }
    }

    /// Makes a record durable, and then what it says.
    fn switch(&self, files: &mut Files, record: Record, now: Timestamp) -> Result<(), String> {
        files.commit(record)?;
        let set = files.settle(now).map_err(|error| error.to_string())?;
        self.keys.replace(set);
        Ok(())
    }

    /// The file of the key that signs.
    pub fn signing_file(&self) -> PathBuf {
        signing_path(&self.files.lock().directory)
    }

    fn signing(&self) -> String {
        let set = self.keys.now();
        set.signing().verification_key().kid().to_owned()
    }
}

impl Files {
    fn commit(&mut self, record: Record) -> Result<(), String> {
        let path = record_path(&self.directory);
        // What a write that failed has left is not known.
        self.written = None;
        record
            .write(&path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        self.written = Some(record.clone());
        self.record = record;
        Ok(())
    }

    /// Makes the files what the record says, and the record what the files are, whatever a crash or
    /// a failed write has left of both. Gives the set that they come to. Only what must not be signed
    /// without is an error; the rest is told, and tried again.
    fn settle(&mut self, now: Timestamp) -> Result<KeySet, KeyFileError> {
        self.record.not_ahead_of(now);
        self.finish_switch(now)?;
        let signing = self.signing(now)?;
        let next = self.next(now);
        let kid = signing.verification_key().kid();
        let retired = &mut self.record.retired;
        retired.retain(|retired| retired.until > now && retired.key.kid() != kid);
        if self.written.as_ref() != Some(&self.record)
            && let Err(why) = self.commit(self.record.clone())
        {
            self.tell(&why);
        }
        let retired = self.record.retired.iter().rev();
        let others = next
            .into_iter()
            .chain(retired.map(|retired| retired.key.clone()));
        Ok(KeySet::new(signing, others.collect()))
    }

    /// The next key signs by the record: its file takes the place of the one before.
    fn finish_switch(&mut self, now: Timestamp) -> Result<(), KeyFileError> {
        let (from, to) = (next_path(&self.directory), signing_path(&self.directory));
        let signs =
            |key: &SigningKey| is_of(self.record.signing.as_ref(), key.verification_key().kid());
        let old = key_file::load(&to)?;
        if self.record.signing.is_none() || old.as_ref().is_some_and(signs) {
            return Ok(());
        }
        // An error is not passed over here: the key that signed may be a stolen one.
        if !key_file::load(&from)?.as_ref().is_some_and(signs) {
            return Ok(());
        }
        // It may have signed until now.
        for retired in &mut self.record.retired {
            if old
                .as_ref()
                .is_some_and(|old| retired.key == *old.verification_key())
            {
                retired.until = now.plus_seconds(KEPT);
            }
        }
        fs::rename(&from, &to)
            .and_then(|()| sync_directory_of(&to))
            .map_err(|error| KeyFileError::cannot("replace", &to, &error))
    }

    fn signing(&mut self, now: Timestamp) -> Result<SigningKey, KeyFileError> {
        let path = signing_path(&self.directory);
        let key = match key_file::load(&path)? {
            Some(key) => key,
            None => {
                // Whoever took it away may have done so because it was stolen: nothing of before
                // is believed, not even after a power cut behind the next line.
                self.forget()?;
                key_file::create(&path)?
            }
        };
        if !is_of(self.record.signing.as_ref(), key.verification_key().kid()) {
            self.record.signing = Some(Known::new(key.verification_key(), now));
        }
        Ok(key)
    }

    /// Takes the next key and what is known of others away.
    fn forget(&mut self) -> Result<(), KeyFileError> {
        let next = next_path(&self.directory);
        match fs::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(KeyFileError::cannot("remove", &next, &error));
            }
            _ => {}
        }
        if self.record == Record::default() {
            return Ok(());
        }
        let path = record_path(&self.directory);
        Record::default()
            .write(&path)
            .map_err(|error| KeyFileError::cannot("forget", &path, &error))?;
        self.record = Record::default();
        self.written = Some(Record::default());
        Ok(())
    }

    /// The next key, made where there is none that can be used: it has never signed.
    fn next(&mut self, now: Timestamp) -> Option<VerificationKey> {
        let path = next_path(&self.directory);
        let there = match key_file::load(&path) {
            Ok(there) => there,
            Err(why) => {
                log::warn!("another next key is made: {why}");
                None
            }
        };
        let key = match there.map_or_else(|| key_file::create(&path), Ok) {
            Ok(key) => key.verification_key().clone(),
            Err(why) => {
                self.record.next = None;
                self.tell(&why.to_string());
                return None;
            }
        };
        if !is_of(self.record.next.as_ref(), key.kid()) {
            self.record.next = Some(Known::new(&key, now));
        }
        Some(key)
    }

    /// Once, until all is well again.
    fn tell(&mut self, why: &str) {
        if !self.told {
            log::error!("the signing keys are not as they should be, which is tried again: {why}");
            self.told = true;
        }
    }
}

fn listed(record: &Record, now: Timestamp) -> Vec<Listed> {
    let known = |known: &Known, state| Listed {
        kid: known.kid.clone(),
        state,
        created: Some(known.created),
    };
    let next = record.next.iter().map(|next| known(next, State::Next));
    let signing = record.signing.iter();
    let signing = signing.map(|signing| known(signing, State::Signing));
    let retired = record.retired.iter().rev();
    let retired = retired
        .filter(|retired| retired.until > now)
        .map(|retired| Listed {
            kid: retired.key.kid().to_owned(),
            state: State::Retired {
                until: retired.until,
            },
            created: Some(retired.created),
        });
    next.chain(signing).chain(retired).collect()
}

/// The keys of a directory that no process has open. Changes nothing; an error where there is none.
pub fn list(directory: &Path, now: Timestamp) -> Result<Vec<Listed>, String> {
    let words = |error: KeyFileError| error.to_string();
    let kid = |key: Option<SigningKey>| key.map(|key| key.verification_key().kid().to_owned());
    let signing = kid(key_file::load(&signing_path(directory)).map_err(words)?);
    let Some(signing) = signing else {
        return Err(format!(
            "there is no signing key in {}: its service makes one at its next start, or is given \
             one with --signing-key",
            directory.display()
        ));
    };
    let mut record = Record::read(&record_path(directory)).unwrap_or_default();
    let next = kid(key_file::load(&next_path(directory)).unwrap_or_default());
    let is_known = |kid: &str| is_of(record.signing.as_ref(), kid);
    if is_known(&signing) || next.as_deref().is_some_and(is_known) {
        return Ok(listed(&record, now));
    }
    record.signing = None;
    let mut keys = listed(&record, now);
    let place = usize::from(record.next.is_some());
    keys.insert(
        place,
        Listed {
            kid: signing,
            state: State::Signing,
            created: None,
        },
    );
    Ok(keys)
}

#[cfg(test)]
mod tests;

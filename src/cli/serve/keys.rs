//! The signing keys of a service: where they come from, and the thread that looks after them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::schedule::parse_every;
use super::settings::Settings;
use crate::domain::ports::Clock;
use crate::domain::times::Timestamp;
use crate::tokens::key::{KeySet, SigningKey};
use crate::tokens::key_holder::KeyHolder;
use crate::tokens::key_ring::{self, KeyRing};
use crate::tokens::keys::Keys;

/// How often it is asked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the keys are rotated; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotateEvery(pub Option<Duration>);

/// A time with its unit, or `never`, or `0`.
pub fn parse_rotate_every(text: &str) -> Result<RotateEvery, String> {
    match text {
        "never" | "0" => Ok(RotateEvery(None)),
        _ => match parse_every(text) {
            Ok(every) => Ok(RotateEvery(Some(every))),
            Err(_) => Err(format!(
                "'{text}' is not a time such as 12h or 90d, or never"
            )),
        },
    }
}

/// The file of the key that signs, in the data directory and outside the store.
pub fn key_path(directory: &Path) -> PathBuf {
    key_ring::signing_path(directory)
}

/// The keys of a service whose data directory this process has locked. `expected`: a service ran on
/// it before, so that there should be a key. Blocks.
pub fn open(
    data: Option<&Path>,
    given: Option<&Path>,
    expected: bool,
    now: Timestamp,
) -> Result<KeyHolder, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    if let Some(path) = given {
        return KeyHolder::given(path).map_err(|error| words(&error));
    }
    let Some(directory) = data else {
        let key = SigningKey::generate().map_err(|error| words(&error))?;
        let keys = Keys::new(KeySet::new(key, Vec::new()));
        return Ok(KeyHolder::Memory(Arc::new(keys)));
    };
    let path = key_path(directory);
    if expected && !path.exists() {
        log::warn!(
            "{} is missing: a new key is made, and every token of before is refused",
            path.display()
        );
    }
    let ring = KeyRing::open(directory, now).map_err(|error| words(&error))?;
    Ok(KeyHolder::Directory(Box::new(ring)))
}

/// The thread that looks after the keys.
pub struct Rotation {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Rotation {
    pub fn start(
        keys: Arc<KeyHolder>,
        clock: Arc<dyn Clock>,
        every: RotateEvery,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || run(&keys, &*clock, every, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Blocks until the data directory is not used any more.
    pub fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

fn run(
    keys: &KeyHolder,
    clock: &dyn Clock,
    RotateEvery(every): RotateEvery,
    stopped: &Receiver<()>,
) {
    loop {
        if let Some(rotated) = keys.look(clock.now(), every) {
            log::info!("the signing keys were rotated, as is done on schedule: {rotated}");
        }
        match stopped.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

impl Settings {
    /// How often the keys are rotated where nothing else is said.
    pub const ROTATE_EVERY: RotateEvery = RotateEvery(Some(Duration::from_secs(90 * 86_400)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_rotated_in_days_or_never() {
        assert_eq!(parse_rotate_every("90d"), Ok(Settings::ROTATE_EVERY));
        for never in ["never", "0"] {
            assert_eq!(parse_rotate_every(never), Ok(RotateEvery(None)));
        }
        for text in ["", "90", "0d", "Never", "-1d"] {
            let why = parse_rotate_every(text).unwrap_err();
            assert!(why.contains("or never"), "{why}");
        }
    }
}

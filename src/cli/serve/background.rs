//! What runs beside HTTP and the writer while the service runs: the control socket, and the keys and
//! backups on their schedules.

use std::io;
use std::path::Path;
use std::sync::Arc;

#[cfg(unix)]
use super::key_path;
use super::keys::{RotateEvery, Rotation};
use super::schedule::{Schedule, Scheduled};
#[cfg(unix)]
use crate::control::{Context, Server};
use crate::domain::ports::Random;
use crate::service::Service;
use crate::service::archive::Source;
#[cfg(unix)]
use crate::system::clock::monotonic_now;
use crate::tokens::key_holder::KeyHolder;

/// What has to be stopped before the store is closed.
#[derive(Default)]
pub struct Background {
    #[cfg(unix)]
    control: Option<Server>,
    backups: Option<Scheduled>,
    keys: Option<Rotation>,
}

/// What it works on.
pub struct Parts {
    pub service: Arc<Service>,
    pub source: Source,
    pub keys: Arc<KeyHolder>,
}

impl Background {
    /// Starts it. That the socket cannot be had is no reason not to serve: the log says so. Without a
    /// thread for the backups or the keys that somebody counts on there is no start.
    pub fn start(
        data: &Path,
        parts: Parts,
        random: &dyn Random,
        schedule: Option<Schedule>,
        rotate_keys: RotateEvery,
    ) -> io::Result<Self> {
        let source = &parts.source;
        let scheduled = schedule.map(|schedule| Scheduled::start(schedule, source.clone()));
        let backups = scheduled.transpose()?;
        let keys = Rotation::start(parts.keys.clone(), source.clock.clone(), rotate_keys)?;
        #[cfg(not(unix))]
        let _ = (data, random);
        Ok(Self {
            #[cfg(unix)]
            control: control(data, parts, random),
            backups,
            keys: Some(keys),
        })
    }

    /// Ends it. Blocks until nothing of it uses the store.
    pub fn stop(self) {
        #[cfg(unix)]
        if let Some(control) = self.control {
            control.stop();
        }
        if let Some(backups) = self.backups {
            backups.stop();
        }
        if let Some(keys) = self.keys {
            keys.stop();
        }
    }
}

#[cfg(unix)]
fn control(data: &Path, parts: Parts, random: &dyn Random) -> Option<Server> {
    let context = Context {
        source: parts.source,
        key_path: parts.keys.file().unwrap_or_else(|| key_path(data)),
        keys: Some(parts.keys),
        service: Some(parts.service),
        now: monotonic_now,
    };
    match Server::start(data, context, random) {
        Ok(server) => Some(server),
        Err(error) => {
            log::warn!(
                "no control socket, so that commands must wait for the service to stop: {error}"
            );
            None
        }
    }
}

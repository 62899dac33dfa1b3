//! What runs beside HTTP and the writer while the service runs: the control socket, and backups on
//! a schedule.

use std::io;
use std::path::Path;
use std::sync::Arc;

#[cfg(unix)]
use super::key_path;
use super::schedule::{Schedule, Scheduled};
#[cfg(unix)]
use crate::control::{Context, Server};
use crate::domain::ports::Random;
use crate::service::Service;
use crate::service::archive::Source;
#[cfg(unix)]
use crate::system::clock::monotonic_now;

/// What has to be stopped before the store is closed.
#[derive(Default)]
pub struct Background {
    #[cfg(unix)]
    control: Option<Server>,
    backups: Option<Scheduled>,
}

impl Background {
    /// Starts it. That the socket cannot be had is no reason not to serve: the log says so. Without a
    /// thread for the backups that somebody counts on there is no start.
    pub fn start(
        data: &Path,
        service: Arc<Service>,
        source: Source,
        random: &dyn Random,
        schedule: Option<Schedule>,
    ) -> io::Result<Self> {
        let scheduled = schedule.map(|schedule| Scheduled::start(schedule, source.clone()));
        let backups = scheduled.transpose()?;
        #[cfg(not(unix))]
        let _ = (data, service, random);
        Ok(Self {
            #[cfg(unix)]
            control: control(data, service, source, random),
            backups,
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
    }
}

#[cfg(unix)]
fn control(
    data: &Path,
    service: Arc<Service>,
    source: Source,
    random: &dyn Random,
) -> Option<Server> {
    let context = Context {
        source,
        key_path: key_path(data),
        service: Some(service),
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

//! Keeps service time: from one run of the service to the next, and off the way of requests.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::MissedTickBehavior;

use super::settings::Settings;
use crate::domain::ports::{Clock, Monotonic};
use crate::system::clock_file::ClockFile;
use crate::system::service_clock::ServiceClock;

/// What a kill or a power cut may take from the mark.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether it is time to write: that also is when a step of the clock is
/// noticed where nobody asks for anything.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The clock of a running service, which is written to the data directory while this lives.
pub struct ClockKeeper {
    clock: Arc<ServiceClock>,
    /// `None` where nothing is kept.
    writing: Option<Writing>,
}

struct Writing {
    writer: Arc<Writer>,
    task: JoinHandle<()>,
}

struct Writer {
    clock: Arc<ServiceClock>,
    file: ClockFile,
    /// Whether the last write failed; held while one is under way, so that the last one wins.
    failed: Mutex<bool>,
}

impl ClockKeeper {
    /// Goes on from what the data directory remembers, which this process must have locked.
    /// `expected`: a service ran on it before, so that something should be remembered.
    pub fn start(settings: &Settings, expected: bool) -> Self {
        let file = settings.data.as_deref().map(ClockFile::of);
        let remembered = file.as_ref().and_then(|file| {
            let why = match file.read() {
                Ok(None) if expected => "is missing".to_owned(),
                Ok(remembered) => return remembered,
                Err(why) => why.to_string(),
            };
            log::warn!(
                "{} {why}: the service's time begins with the machine's clock. If that was set \
                 back, set it now: what has expired may work again",
                file.path().display()
            );
            None
        });
        let clock = Arc::new(ServiceClock::new(
            settings.clock.clone(),
            settings.monotonic.clone(),
            remembered,
        ));
        let writing = file.map(|file| {
            let writer = Arc::new(Writer {
                clock: clock.clone(),
                file,
                failed: Mutex::new(false),
            });
            writer.write();
            let task = keep_writing(writer.clone(), settings.monotonic.clone());
            let task = actix_web::rt::spawn(task);
            Writing { writer, task }
        });
        Self { clock, writing }
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Writes for the last time. The directory must still be locked.
    pub async fn stop(mut self) {
        if let Some(Writing { writer, task }) = self.writing.take() {
            task.abort();
            let _ = spawn_blocking(move || writer.write()).await;
        }
    }
}

/// A start that failed writes no further.
impl Drop for ClockKeeper {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            writing.task.abort();
        }
    }
}

async fn keep_writing(writer: Arc<Writer>, monotonic: Arc<dyn Monotonic>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut written = monotonic.elapsed();
    loop {
        look.tick().await;
        writer.clock.now();
        let elapsed = monotonic.elapsed();
        if elapsed.saturating_sub(written) >= WRITTEN_EVERY {
            written = elapsed;
            let writer = writer.clone();
            let _ = spawn_blocking(move || writer.write()).await;
        }
    }
}

impl Writer {
    /// A service whose clock cannot be written goes on; the log says so once.
    fn write(&self) {
        let mut failed = self.failed.lock();
        let path = self.file.path().display();
        match self.file.write(&self.clock.remembered()) {
            Err(error) if !*failed => {
                log::warn!(
                    "the service's time cannot be written to {path}: {error}. It is tried again \
                     every minute; until then a restart goes on from what is written there"
                );
                *failed = true;
            }
            Err(_) => {}
            Ok(()) if *failed => {
                log::info!("the service's time is written to {path} again");
                *failed = false;
            }
            Ok(()) => {}
        }
    }
}

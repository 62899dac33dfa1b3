//! After a failure: nothing is written until the store could be opened anew and what readers see
//! is what it holds. Tried again by itself, until it works.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::batch::BatchWriter;
use super::recording;
use super::state::Obstacle;
use super::sweep::Sweeping;
use crate::domain::ids::Revision;
use crate::service::audit::Record;
use crate::store::StoreError;

/// How long after a failure, or a try in vain, the next try comes.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause where the store is damaged: a try then reads all that sled would replay, and
/// it is not to be expected that damage goes.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// The time until the next try; none where nothing failed.
pub(super) type Pause = Option<Pin<Box<Sleep>>>;

/// The tries in vain since the failure.
#[derive(Default)]
pub(super) struct Vain {
    /// Why the last one failed that was told.
    told: String,
    /// How many found the store damaged.
    damaged: u32,
}

impl Vain {
    /// Twice as long as the one before.
    fn next_pause(&mut self) -> Duration {
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow(self.damaged));
        self.damaged = self.damaged.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }
}

/// A batch of which nobody knows whether it happened, until the store is open again.
pub(super) struct Unsure {
    pub(super) revision: Revision,
    pub(super) records: Vec<Record>,
}

impl BatchWriter {
    /// Takes no further writes. The cause goes to the log once.
    pub(super) fn fail(&mut self, error: &dyn std::fmt::Display) {
        if self.state.obstruct(Obstacle::Storage) {
            log::error!(
                "writes are not accepted: {error}. Reads and tokens go on; the store is opened \
                 anew as soon as that works"
            );
        }
        self.pause = Some(Box::pin(sleep(PAUSE)));
    }

    /// Waits until the next try is due; for ever where nothing failed.
    pub(super) async fn next_try(&mut self) {
        match &mut self.pause {
            Some(pause) => pause.as_mut().await,
            None if self.recording.is_behind() => sleep(recording::PAUSE).await,
            None => std::future::pending().await,
        }
    }

    /// Tries to mend what failed: the store, the audit log.
    pub(super) async fn try_again(&mut self) {
        if self.pause.is_some() {
            self.recover().await;
        } else {
            self.recording.record(None);
        }
    }

    /// Opens the store anew, and makes what readers see what is in it.
    pub(super) async fn recover(&mut self) {
        let Err(error) = self.try_to_recover().await else {
            self.pause = None;
            self.vain = Vain::default();
            self.state.obstruct(Obstacle::None);
            log::warn!("the store is open again; writes are accepted");
            return;
        };
        let pause = match &error {
            StoreError::Damaged(_) => self.vain.next_pause(),
            _ => PAUSE,
        };
        self.tell(&error);
        self.pause = Some(Box::pin(sleep(pause)));
    }

    /// Tells the log why it is not open yet: once for each cause.
    fn tell(&mut self, error: &StoreError) {
        let why = error.to_string();
        let is_damage = matches!(error, StoreError::Damaged(_));
        if is_damage && self.state.obstruct(Obstacle::Damage) {
            log::error!(
                "the store cannot be opened anew; reads and tokens go on from memory until the \
                 service stops: {why}"
            );
        } else if !is_damage && why != self.vain.told {
            log::warn!("the store cannot be opened anew yet: {why}");
            self.vain.told = why;
        } else {
            log::debug!("the store cannot be opened anew yet: {why}");
        }
    }

    async fn try_to_recover(&mut self) -> Result<(), StoreError> {
        let gate = self.parts.directory.close_gate().await;
        self.parts.store.reopen().await?;
        self.parts.directory.resync(&gate).await?;
        drop(gate);
        self.sweeping = Sweeping::of(&self.parts.directory.registry());
        if let Some(Unsure { revision, records }) = self.unsure.take()
            && self.parts.directory.registry().revision() >= revision
        {
            self.recording.record(records);
        }
        Ok(())
    }
}

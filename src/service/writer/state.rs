//! Whether writes are accepted, as the writer, those who ask it, and health see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;

/// Why writes are not accepted, though nobody stops the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Obstacle {
    None = 0,
    /// A batch failed, and the store has not been opened anew yet.
    Storage = 1,
    /// The writer's thread ended by a panic. Only a restart helps.
    WriterGone = 2,
    /// A batch failed, and what is on disk since is damaged. It is tried again all the same.
    Damage = 3,
}

/// Shared by the writer's thread, its watchdog and everybody who asks for a write.
pub(super) struct State {
    stopping: AtomicBool,
    obstacle: AtomicU8,
    /// How many looks of the watchdog the batch at hand has outlived; `None` where there is none.
    looks: Mutex<Option<u32>>,
    /// The store has been working on one batch for too long.
    stuck: AtomicBool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            stopping: AtomicBool::new(false),
            obstacle: AtomicU8::new(Obstacle::None as u8),
            looks: Mutex::new(None),
            stuck: AtomicBool::new(false),
        }
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Gives whether it is news.
    pub(super) fn obstruct(&self, obstacle: Obstacle) -> bool {
        self.obstacle.swap(obstacle as u8, Ordering::AcqRel) != obstacle as u8
    }

    pub(super) fn has_failed(&self) -> bool {
        self.obstacle.load(Ordering::Acquire) != Obstacle::None as u8
    }

    pub(super) fn reason(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("shutting down")
        } else if self.has_failed() {
            Some("storage not writable")
        } else if self.stuck.load(Ordering::Acquire) {
            Some("storage not answering")
        } else {
            None
        }
    }

    /// The store begins to work on a batch.
    pub(super) fn begin(&self) {
        *self.looks.lock() = Some(0);
    }

    /// The store has answered.
    pub(super) fn end(&self) {
        *self.looks.lock() = None;
        if self.stuck.swap(false, Ordering::AcqRel) {
            log::warn!("the store has answered again");
        }
    }

    /// Notes that the batch at hand, if there is one, is still not done. Gives whether it has
    /// outlived `most` looks and nobody was told yet.
    pub(super) fn look(&self, most: u32) -> bool {
        let mut looks = self.looks.lock();
        let Some(looks) = looks.as_mut() else {
            return false;
        };
        *looks = looks.saturating_add(1);
        *looks > most && !self.stuck.swap(true, Ordering::AcqRel)
    }
}

/// Says that writes have ended when the writer's thread does, in good order or by a panic.
pub(super) struct End(Arc<State>);

impl End {
    pub(super) fn of(state: Arc<State>) -> Self {
        Self(state)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        match std::thread::panicking() {
            true => _ = self.0.obstruct(Obstacle::WriterGone),
            false => self.0.stop(),
        }
    }
}

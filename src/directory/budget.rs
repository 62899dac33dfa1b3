//! The memory budget: how much the process may use, and what it uses.
//!
//! What is in use is measured, so it has in it whatever grows beside the tenants: sled's cache and
//! page table, connections, what slow readers keep. What tenants weigh only says how many of them
//! must go. A load under way counts in full until it is done, on top of what is measured: so what
//! it has read already counts twice, and the bound holds however far it is.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::domain::ids::TenantId;
use crate::domain::ports::Memory;

/// The most loads at once, on however many processors.
const LOADS: usize = 4;

/// What the process may use, and what it uses.
pub struct Budget {
    bytes: u64,
    memory: Arc<dyn Memory>,
    /// What tenants weighed when they were let go.
    weights: Mutex<HashMap<TenantId, u64>>,
    /// What the loads under way may come to use.
    reserved: AtomicU64,
    loads: Arc<Semaphore>,
    ended: Notify,
}

/// The right to load one tenant, which ends when it is dropped.
pub struct Turn {
    budget: Arc<Budget>,
    reserved: u64,
    _place: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// `bytes` bounds what `memory` says is in use.
    pub fn new(bytes: u64, memory: Arc<dyn Memory>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            bytes,
            memory,
            weights: Mutex::default(),
            reserved: AtomicU64::new(0),
            loads: Arc::new(Semaphore::new(processors.min(LOADS))),
            ended: Notify::new(),
        }
    }

    /// How many bytes must go, for `more` of them to come; `believed` is what is kept on purpose.
    pub fn missing(&self, believed: u64, more: u64) -> u64 {
        let reserved = self.reserved.load(Ordering::Relaxed);
        let wanted = self.memory.in_use(believed) + reserved + more;
        wanted.saturating_sub(self.bytes)
    }

    /// How many bytes something may come to that has `occupied` of those in use now: what all the
    /// rest leaves.
    pub fn room_of(&self, believed: u64, occupied: u64) -> u64 {
        let reserved = self.reserved.load(Ordering::Relaxed);
        let rest = (self.memory.in_use(believed) + reserved).saturating_sub(occupied);
        self.bytes.saturating_sub(rest)
    }

    /// Gives back what is free.
    pub fn give_back(&self) {
        self.memory.give_back();
    }

    /// What a load of a tenant takes while it lasts: its rows, and the snapshot that they become.
    pub fn cost_of(&self, id: TenantId, clients: u64) -> u64 {
        /// A client with a few tags, a role and a secret.
        const CLIENT: u64 = 640;
        /// What the rows of a client take until it is put together.
        const ROWS: u64 = 400;
        let known = self.weights.lock().get(&id).copied();
        known.unwrap_or(clients * CLIENT) + clients * ROWS
    }

    /// Remembers what a tenant weighs, for the time when it is loaded again.
    pub fn note_weight(&self, id: TenantId, bytes: u64) {
        self.weights.lock().insert(id, bytes);
    }

    /// Forgets a tenant that is no more.
    pub fn forget(&self, id: TenantId) {
        self.weights.lock().remove(&id);
    }

    /// Waits until one more load may go on beside the others. It has reserved nothing yet.
    pub async fn turn(self: &Arc<Self>) -> Turn {
        // Never closed, so there is always a place in the end.
        let place = self.loads.clone().acquire_owned().await.ok();
        Turn {
            budget: self.clone(),
            reserved: 0,
            _place: place,
        }
    }

    /// A turn beside all others.
    pub fn turn_at_once(self: &Arc<Self>) -> Turn {
        Turn {
            budget: self.clone(),
            reserved: 0,
            _place: None,
        }
    }

    /// Whether loads are under way.
    pub fn is_loading(&self) -> bool {
        self.reserved.load(Ordering::Relaxed) > 0
    }

    /// Done when a load that is under way at this moment ends.
    pub fn end_of_a_load(&self) -> Pin<Box<Notified<'_>>> {
        let mut ended = Box::pin(self.ended.notified());
        ended.as_mut().enable();
        ended
    }
}

impl Turn {
    /// Counts what the load may come to use.
    pub fn reserve(&mut self, bytes: u64) {
        self.budget.reserved.fetch_add(bytes, Ordering::Relaxed);
        self.reserved += bytes;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.reserved > 0 {
            let reserved = &self.budget.reserved;
            reserved.fetch_sub(self.reserved, Ordering::Relaxed);
            self.budget.ended.notify_waiters();
        }
    }
}

//! What the domain asks of the world: the time, and randomness.
//!
//! Both are given to whoever needs them, so that tests can move the one and repeat the other.
//! The real ones are in `system`; `clippy.toml` bans every other source.

use std::time::Duration;

use super::times::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Tells how much time has passed.
pub trait Monotonic: Send + Sync {
    /// Since some moment that stays the same as long as the process runs. It never steps, whatever
    /// is done to the wall clock.
    fn elapsed(&self) -> Duration;
}

/// Gives bytes that nobody can guess.
pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// A random GUID, version 4.
    fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// Tells how much memory the process uses, and gives free memory back to the machine.
pub trait Memory: Send + Sync {
    /// How many bytes the process occupies, less what its next allocations take again. `believed`
    /// is what the tenants in memory should occupy: all that is known where nothing is measured.
    fn in_use(&self, believed: u64) -> u64;

    /// Gives memory that is free back to the machine.
    fn give_back(&self);
}

/// Memory that nobody measures: what is believed is all that counts.
pub struct Unmeasured;

impl Memory for Unmeasured {
    fn in_use(&self, believed: u64) -> u64 {
        believed
    }

    fn give_back(&self) {}
}

//! What the domain asks of the world: the time, and randomness.
//!
//! Both are given to whoever needs them, so that tests can move the one and repeat the other.
//! The real ones are in `system`; `clippy.toml` bans every other source.

use super::times::Timestamp;

/// Tells the time of the wall clock.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
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

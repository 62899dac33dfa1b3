//! Clocks: the machine's, its monotonic one, and one that a test moves by hand.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::domain::ports::Clock;
use crate::domain::times::Timestamp;

/// The wall clock of the machine, in UTC. It may step in either direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// A machine whose clock stands before 1970 or past every calendar is taken to be in 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        since_1970(SystemTime::now())
    }
}

fn since_1970(time: SystemTime) -> Timestamp {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_parts(seconds, elapsed.subsec_nanos()))
        .unwrap_or_else(|| Timestamp::new(Default::default()))
}

/// The monotonic clock, for deadlines and durations: it never steps back.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the monotonic clock"
)]
pub fn monotonic_now() -> Instant {
    Instant::now()
}

/// A clock that stands still until it is moved: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    pub fn set(&self, now: Timestamp) {
        *self.0.lock() = now;
    }

    /// Moves it forward, or back where `seconds` is negative.
    pub fn advance_seconds(&self, seconds: i64) {
        let mut now = self.0.lock();
        *now = now.plus_seconds(seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_the_machine_is_kept_to_the_nanosecond() {
        let time = UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789);
        assert_eq!(since_1970(time).parts(), (1_800_000_000, 123_456_789));
    }

    #[test]
    fn a_clock_before_1970_reads_1970() {
        let time = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(since_1970(time).parts(), (0, 0));
    }

    #[test]
    fn the_clock_of_the_machine_is_past_2024() {
        assert!(SystemClock.now().unix_seconds() > 1_704_067_200);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let start = Timestamp::from_parts(1_000, 0).unwrap();
        let clock = ManualClock::at(start);
        assert_eq!(clock.now(), start);
        clock.advance_seconds(60);
        assert_eq!(clock.now().unix_seconds(), 1_060);
        clock.advance_seconds(-120);
        assert_eq!(clock.now().unix_seconds(), 940);
        clock.set(start);
        assert_eq!(clock.now(), start);
    }
}

//! Clocks: the machine's, its monotonic one, and one that a test moves by hand.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::domain::ports::{Clock, Monotonic};
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

/// The time that has passed on this machine. On Linux it counts suspended time too: to a device
/// that slept, the wall clock does not seem to step.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMonotonic;

impl Monotonic for SystemMonotonic {
    #[cfg(target_os = "linux")]
    fn elapsed(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    #[cfg(not(target_os = "linux"))]
    fn elapsed(&self) -> Duration {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        monotonic_now().saturating_duration_since(*START.get_or_init(monotonic_now))
    }
}

/// A clock that stands still until it is moved: for tests and simulations. It is both the wall
/// clock and the monotonic one.
#[derive(Debug)]
pub struct ManualClock(Mutex<Hands>);

#[derive(Debug)]
struct Hands {
    wall: Timestamp,
    elapsed: Duration,
}

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(Hands {
            wall: now,
            elapsed: Duration::ZERO,
        }))
    }

    /// Time passes until `now`. Where that is past already, the wall clock alone is set back.
    pub fn set(&self, now: Timestamp) {
        let mut hands = self.0.lock();
        let passed = between(hands.wall, now);
        hands.elapsed += passed;
        hands.wall = now;
    }

    /// Time passes; where `seconds` is negative, the wall clock alone is set back.
    pub fn advance_seconds(&self, seconds: i64) {
        let mut hands = self.0.lock();
        let passed = u64::try_from(seconds).unwrap_or_default();
        hands.elapsed += Duration::from_secs(passed);
        hands.wall = hands.wall.plus_seconds(seconds);
    }

    /// Somebody sets the wall clock, in either direction: no time passes.
    pub fn set_wall(&self, now: Timestamp) {
        self.0.lock().wall = now;
    }
}

/// How long it is from one time to a later one; nothing where the second is not later.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    let nanoseconds = |time: Timestamp| {
        let (seconds, nanoseconds) = time.parts();
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
    };
    let difference = (nanoseconds(end) - nanoseconds(start)).max(0);
    Duration::from_nanos(u64::try_from(difference).unwrap_or(u64::MAX))
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().wall
    }
}

impl Monotonic for ManualClock {
    fn elapsed(&self) -> Duration {
        self.0.lock().elapsed
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
    fn the_monotonic_clock_of_the_machine_goes_on() {
        let before = SystemMonotonic.elapsed();
        while SystemMonotonic.elapsed() == before {}
        assert!(SystemMonotonic.elapsed() > before);
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let start = Timestamp::from_parts(1_000, 0).unwrap();
        let clock = ManualClock::at(start);
        let reads = |wall, elapsed| {
            assert_eq!(clock.now().unix_seconds(), wall);
            assert_eq!(clock.elapsed(), Duration::from_secs(elapsed));
        };
        reads(1_000, 0);
        clock.advance_seconds(60);
        reads(1_060, 60);
        clock.advance_seconds(-120);
        reads(940, 60);
        clock.set(start);
        reads(1_000, 120);
        clock.set(Timestamp::from_parts(10, 0).unwrap());
        reads(10, 120);
        clock.set_wall(Timestamp::from_parts(5_000, 0).unwrap());
        reads(5_000, 120);
    }
}

//! The clock that the service goes by: the rule of `timeline`, fed with the machine's clocks.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::timeline::{Event, Remembered, Timeline};
use crate::domain::ports::{Clock, Monotonic};
use crate::domain::times::Timestamp;

/// Tells service time, to 2 milliseconds: the later of the wall clock and a mark that never goes
/// back (see `timeline` for the steps of a wall clock). Where the wall clock is far from what was expected
/// the log says so, once a step.
pub struct ServiceClock {
    wall: Arc<dyn Clock>,
    monotonic: Arc<dyn Monotonic>,
    /// Held for two readings and some additions, never while anything is written or logged.
    timeline: Mutex<Timeline>,
    /// What was last told. Readers at about the same time are told the same, without the lock.
    last: ArcSwap<Told>,
}

/// The service time that belongs to two readings of the machine's clocks.
struct Told {
    wall: Timestamp,
    elapsed: Duration,
    now: Timestamp,
}

/// For how long after its readings the same time is told.
const SAME: Duration = Duration::from_millis(2);

impl Told {
    /// Whether it is still the time at these readings: both clocks went on, and by little.
    fn holds_at(&self, wall: Timestamp, elapsed: Duration) -> bool {
        let since = [elapsed.checked_sub(self.elapsed), wall.since(self.wall)];
        since
            .iter()
            .all(|since| since.is_some_and(|since| since < SAME))
    }
}

impl ServiceClock {
    /// Goes on from what was remembered; without it, from the wall clock.
    pub fn new(
        wall: Arc<dyn Clock>,
        monotonic: Arc<dyn Monotonic>,
        remembered: Option<Remembered>,
    ) -> Self {
        let (now, elapsed) = (wall.now(), monotonic.elapsed());
        let timeline = Timeline::resume(remembered, now, elapsed);
        let told = Told {
            wall: now,
            elapsed,
            now,
        };
        let clock = Self {
            wall,
            monotonic,
            timeline: Mutex::new(timeline),
            last: ArcSwap::from_pointee(told),
        };
        clock.look();
        clock
    }

    /// What the next run of the service has to go on from.
    pub fn remembered(&self) -> Remembered {
        self.look();
        self.timeline.lock().remembered()
    }

    /// Reads the machine's clocks, and has the rule say what time it is.
    fn look(&self) -> Timestamp {
        let (now, events) = {
            let mut timeline = self.timeline.lock();
            // Read within the lock: a reading that waited for it would look like a step back.
            let (wall, elapsed) = (self.wall.now(), self.monotonic.elapsed());
            let (now, events) = timeline.observe(wall, elapsed);
            self.last.store(Arc::new(Told { wall, elapsed, now }));
            (now, events)
        };
        for event in &events {
            log(event);
        }
        now
    }
}

impl Clock for ServiceClock {
    fn now(&self) -> Timestamp {
        let last = self.last.load();
        if last.holds_at(self.wall.now(), self.monotonic.elapsed()) {
            return last.now;
        }
        drop(last);
        self.look()
    }
}

#[cold]
fn log(event: &Event) {
    match event {
        Event::Behind { wall, time } => log::warn!(
            "the machine's clock says {wall}, and the service's time is {time} already: it goes on \
             from there, so that what has expired stays expired. Set the machine's clock; if it is \
             right, stop the service and run `credenza clock accept`"
        ),
        Event::Ahead { wall, expected } => log::warn!(
            "the machine's clock says {wall}, where {expected} was expected: it is used, and \
             remembered for good after 24 hours of running with it. After a stop of that length \
             this is as it should be; otherwise set the machine's clock"
        ),
        Event::Back { wall, step } => log::warn!(
            "the machine's clock is back from {step} and says {wall}: the time in between is \
             forgotten"
        ),
        Event::Believed { time } => log::info!(
            "the service ran for 24 hours with the machine's clock as it was set: {time} is \
             remembered for good"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::{ManualClock, SystemClock, SystemMonotonic};

    #[test]
    fn many_threads_see_a_time_that_never_goes_back() {
        let start = Timestamp::from_parts(1_900_000_000, 0).unwrap();
        let hands = Arc::new(ManualClock::at(start));
        let clock = ServiceClock::new(hands.clone(), hands.clone(), None);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = start;
                    for _ in 0..2_000 {
                        let now = clock.now();
                        assert!(now >= last);
                        last = now;
                    }
                });
            }
            scope.spawn(|| {
                for step in 0..2_000_i64 {
                    hands.advance_seconds(if step % 3 == 0 { -5 } else { 4 });
                }
            });
        });
        assert!(clock.now() > start);
    }

    #[test]
    fn it_goes_on_from_what_is_remembered() {
        let start = Timestamp::from_parts(1_900_000_000, 123_456_000).unwrap();
        let hands = Arc::new(ManualClock::at(start));
        let clock = ServiceClock::new(hands.clone(), hands.clone(), None);
        assert_eq!(clock.now(), start);
        hands.advance_seconds(60);
        let remembered = clock.remembered();
        assert_eq!(remembered.mark, start.plus_seconds(60));
        hands.set_wall(Timestamp::from_parts(0, 0).unwrap());
        let again = ServiceClock::new(hands.clone(), hands, Some(remembered));
        assert_eq!(again.now(), start.plus_seconds(60));
    }

    #[test]
    fn on_this_machine_it_is_the_wall_clock() {
        let clock = ServiceClock::new(Arc::new(SystemClock), Arc::new(SystemMonotonic), None);
        let before = SystemClock.now();
        let now = clock.now();
        assert!(now.plus_seconds(1) >= before);
        assert!(now <= SystemClock.now().plus_seconds(1));
        let spent = SystemMonotonic.elapsed();
        assert!(SystemMonotonic.elapsed() - spent < Duration::from_secs(60));
    }
}

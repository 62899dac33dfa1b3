//! The clock that the service goes by: the rule of `timeline`, fed with the machine's clocks.

use std::sync::Arc;

use parking_lot::Mutex;

use super::timeline::{Event, Remembered, Timeline};
use crate::domain::ports::{Clock, Monotonic};
use crate::domain::times::Timestamp;

/// Tells service time: the later of the wall clock and a mark that never goes back (see
/// `timeline` for the steps of a wall clock). Where the wall clock is far from what was expected
/// the log says so, once a step.
pub struct ServiceClock {
    wall: Arc<dyn Clock>,
    monotonic: Arc<dyn Monotonic>,
    /// Held for two readings and some additions, never while anything is written or logged.
    timeline: Mutex<Timeline>,
}

impl ServiceClock {
    /// Goes on from what was remembered; without it, from the wall clock.
    pub fn new(
        wall: Arc<dyn Clock>,
        monotonic: Arc<dyn Monotonic>,
        remembered: Option<Remembered>,
    ) -> Self {
        let timeline = Timeline::resume(remembered, wall.now(), monotonic.elapsed());
        let clock = Self {
            wall,
            monotonic,
            timeline: Mutex::new(timeline),
        };
        clock.now();
        clock
    }

    /// What the next run of the service has to go on from.
    pub fn remembered(&self) -> Remembered {
        self.now();
        self.timeline.lock().remembered()
    }
}

impl Clock for ServiceClock {
    fn now(&self) -> Timestamp {
        let (now, events) = {
            let mut timeline = self.timeline.lock();
            // Read within the lock: a reading that waited for it would look like a step back.
            timeline.observe(self.wall.now(), self.monotonic.elapsed())
        };
        for event in &events {
            log(event);
        }
        now
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
    use std::time::Duration;

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

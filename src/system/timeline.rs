//! The rule of the service's own time: what it makes of a wall clock that steps. Pure.
//!
//! The *mark* is the time that is believed. It moves on with the monotonic clock, and takes over
//! the wall clock where that is at most an hour ahead. Service time is the later of the two, so
//! what has expired stays expired when the wall clock is set back.
//!
//! A wall clock that is further ahead is used at once, since nobody can tell a wrong clock from a
//! machine that was switched off for a week. But the mark stays: beside it a *step* moves on, and
//! the mark takes it over only after 24 hours of running with it. Until then
//!
//! - a wall clock that goes back to where it would have been takes the step back, and nothing of
//!   it remains;
//! - one that goes back a little is held by the step, as it is by the mark: otherwise a device that
//!   was switched off over night would lose that protection for the next day. A little is at most
//!   half of the step and at most a day;
//! - one that is years behind, as on a device that has no battery for its clock, says nothing of
//!   the step: the step stays, and is used.
//!
//! Steps may follow each other (a device that is switched off every night): each one counts its own
//! hours of running.
//!
//! Where service time is up to an hour ahead of the wall clock it runs a tenth slower until they
//! meet: it never goes back, and a clock that was a few minutes fast for a moment does not leave
//! every later token with an `iat` in the future.

use std::time::Duration;

use crate::domain::times::Timestamp;

/// Whole microseconds since 1970: cheap to calculate with on the way of every token.
type Micros = i64;

const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3_600 * SECOND;
const DAY: Micros = 24 * HOUR;

/// How far the wall clock may be ahead and be believed at once.
const BELIEVED: Micros = HOUR;
/// How long the service has to run with a step before it is believed.
const PROBATION: Duration = Duration::from_secs(24 * 3_600);
/// A wall clock this far behind is not that of a step that was taken back: it is not set at all.
const NOT_SET: Micros = 30 * DAY;
/// Service time that is ahead by at most this runs slower.
const SLOWED: Micros = HOUR;
const SLOWER_BY: Micros = 10;
/// Less than this behind is not worth a line in the log, and no doubt about a step.
const NOTICED: Micros = 60 * SECOND;
/// A wall clock that jumps about cannot fill the memory with steps.
const MOST_STEPS: usize = 8;
/// The last second of the year 9999, the latest that a `Timestamp` may hold.
const LATEST: Micros = 253_402_300_799 * SECOND;

/// What is remembered from one run of the service to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub mark: Timestamp,
    /// Steps that are not believed yet, and how long the service ran with each.
    pub steps: Vec<(Timestamp, Duration)>,
}

/// What is worth a line in the log, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The wall clock is behind service time, which goes on.
    Behind { wall: Timestamp, time: Timestamp },
    /// The wall clock is far ahead of what was expected, and is used.
    Ahead {
        wall: Timestamp,
        expected: Timestamp,
    },
    /// The wall clock is back from a step.
    Back { wall: Timestamp, step: Timestamp },
    /// A step is believed from now on.
    Believed { time: Timestamp },
}

/// Service time, as it was when both clocks were last read.
#[derive(Debug)]
pub struct Timeline {
    read_at: Duration,
    mark: Micros,
    /// Each later than the one before, and the first later than the mark.
    steps: Vec<Step>,
    /// How far behind the wall clock is known to be: the log has it already.
    reported_behind: Micros,
}

#[derive(Debug)]
struct Step {
    time: Micros,
    ran: Duration,
}

impl Timeline {
    /// Goes on from what is remembered, or begins with the wall clock. `elapsed` is the monotonic
    /// clock's reading.
    pub fn resume(remembered: Option<Remembered>, wall: Timestamp, elapsed: Duration) -> Self {
        let (mark, steps) = match remembered {
            Some(Remembered { mark, steps }) => (micros(mark), steps),
            None => (micros(wall), Vec::new()),
        };
        let mut steps: Vec<Step> = steps
            .into_iter()
            .map(|(time, ran)| Step {
                time: micros(time),
                ran,
            })
            .filter(|step| step.time > mark)
            .collect();
        steps.sort_by_key(|step| step.time);
        steps.truncate(MOST_STEPS);
        Self {
            read_at: elapsed,
            mark,
            steps,
            reported_behind: 0,
        }
    }

    pub fn remembered(&self) -> Remembered {
        Remembered {
            mark: timestamp(self.mark),
            steps: self
                .steps
                .iter()
                .map(|step| (timestamp(step.time), step.ran))
                .collect(),
        }
    }

    /// The time of the service when the clocks read this; never earlier than the one before, to
    /// the microsecond, but where a step is taken back. Events are rare: an empty list of them costs nothing.
    pub fn observe(&mut self, clock: Timestamp, elapsed: Duration) -> (Timestamp, Vec<Event>) {
        let wall = micros(clock);
        let passed = elapsed.saturating_sub(self.read_at);
        self.read_at += passed;
        let passed_micros = Micros::try_from(passed.as_micros()).unwrap_or(LATEST);
        self.mark = later(self.mark, passed_micros);
        for step in &mut self.steps {
            step.time = later(step.time, passed_micros);
        }

        let mut events = Vec::new();
        self.take_steps_back(wall, &mut events);
        let time = self.newest();
        let behind = time - wall;
        if behind > NOTICED.saturating_add(self.reported_behind) {
            events.push(Event::Behind {
                wall: timestamp(wall).whole_seconds(),
                time: timestamp(time).whole_seconds(),
            });
            self.reported_behind = behind;
        }
        self.reported_behind = self.reported_behind.min(behind.max(0));
        if behind <= NOTICED {
            self.serve_probation(passed, &mut events);
        }
        if behind < -BELIEVED {
            events.push(Event::Ahead {
                wall: timestamp(wall).whole_seconds(),
                expected: timestamp(time).whole_seconds(),
            });
            self.step_to(wall);
        } else if behind < 0 {
            self.set_newest(wall);
        } else if behind <= SLOWED {
            self.set_newest(time - behind.min(passed_micros / SLOWER_BY));
        }
        let now = match self.newest() {
            // As nearly always: not calculated anew, which is half of what this costs.
            newest if newest == wall && is_exact(wall) => clock,
            newest => timestamp(newest),
        };
        (now, events)
    }

    fn newest(&self) -> Micros {
        self.steps.last().map_or(self.mark, |step| step.time)
    }

    fn set_newest(&mut self, time: Micros) {
        match self.steps.last_mut() {
            Some(step) => step.time = time,
            None => self.mark = time,
        }
    }

    fn step_to(&mut self, wall: Micros) {
        // The one before it is the least certain.
        self.steps.truncate(MOST_STEPS - 1);
        self.steps.push(Step {
            time: wall,
            ran: Duration::ZERO,
        });
    }

    fn take_steps_back(&mut self, wall: Micros, events: &mut Vec<Event>) {
        if wall < self.mark - NOT_SET {
            return;
        }
        let before = self.newest();
        while let [rest @ .., newest] = &self.steps[..] {
            let below = rest.last().map_or(self.mark, |step| step.time);
            if wall >= newest.time - ((newest.time - below) / 2).min(DAY) {
                break;
            }
            self.steps.pop();
        }
        if self.newest() != before {
            events.push(Event::Back {
                wall: timestamp(wall).whole_seconds(),
                step: timestamp(before).whole_seconds(),
            });
            self.reported_behind = 0;
        }
    }

    fn serve_probation(&mut self, passed: Duration, events: &mut Vec<Event>) {
        for step in &mut self.steps {
            step.ran += passed;
        }
        let believed = self.steps.iter().rposition(|step| step.ran >= PROBATION);
        if let Some(index) = believed {
            self.mark = self.steps[index].time;
            self.steps.drain(..=index);
            events.push(Event::Believed {
                time: timestamp(self.mark).whole_seconds(),
            });
        }
    }
}

fn later(time: Micros, by: Micros) -> Micros {
    time.saturating_add(by).min(LATEST)
}

fn micros(time: Timestamp) -> Micros {
    let (seconds, nanoseconds) = time.parts();
    let seconds = seconds.clamp(0, LATEST / SECOND - 1);
    seconds * SECOND + Micros::from(nanoseconds / 1_000)
}

/// Whether no time outside of the calendar became this one.
fn is_exact(micros: Micros) -> bool {
    (SECOND..LATEST - SECOND).contains(&micros)
}

fn timestamp(micros: Micros) -> Timestamp {
    let nanoseconds = u32::try_from(micros % SECOND).unwrap_or_default() * 1_000;
    // Every time from 1970 to the year 9999 has these parts.
    Timestamp::from_parts(micros / SECOND, nanoseconds)
        .unwrap_or_else(|| Timestamp::new(Default::default()))
}

#[cfg(test)]
mod tests;

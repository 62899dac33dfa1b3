//! The rule of service time, step by step.

use super::*;

const NOON: i64 = 1_906_545_600;
const H: i64 = 3_600;
const D: i64 = 24 * H;
const TEN_YEARS: i64 = 3_653 * D;

/// Both clocks in seconds: the true time since noon, and how wrong the wall clock is.
struct World {
    timeline: Timeline,
    passed: i64,
    wrong: i64,
    /// The time of the service since noon, when it was last asked.
    now: i64,
    events: Vec<Event>,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0).unwrap()
}

impl World {
    fn new() -> Self {
        Self {
            timeline: Timeline::resume(None, at(NOON), Duration::ZERO),
            passed: 0,
            wrong: 0,
            now: 0,
            events: Vec::new(),
        }
    }

    fn wall(&self) -> Timestamp {
        at(NOON + self.passed + self.wrong)
    }

    fn observe(&mut self) {
        let elapsed = Duration::from_secs(self.passed.try_into().unwrap());
        let (now, events) = self.timeline.observe(self.wall(), elapsed);
        self.now = now.unix_seconds() - NOON;
        self.events.extend(events);
    }

    /// Time passes, and the service asks for it every ten minutes.
    fn pass(&mut self, seconds: i64) {
        let end = self.passed + seconds;
        while self.passed < end {
            self.passed = (self.passed + 600).min(end);
            self.observe();
        }
    }

    fn set_wrong_by(&mut self, seconds: i64) {
        self.wrong = seconds;
        self.observe();
    }

    /// The service is stopped, and the machine with it, for so long.
    fn switch_off(&mut self, seconds: i64) {
        let remembered = self.timeline.remembered();
        let elapsed = Duration::from_secs(self.passed.try_into().unwrap());
        // The machine's monotonic clock begins anew at each start.
        let gap = Duration::from_secs(seconds.try_into().unwrap());
        self.passed += seconds;
        self.timeline = Timeline::resume(Some(remembered), self.wall(), elapsed + gap);
        self.observe();
    }

    fn mark(&self) -> i64 {
        self.timeline.remembered().mark.unix_seconds() - NOON
    }

    fn told(&mut self, told: impl Fn(&Event) -> bool) -> usize {
        let count = self.events.iter().filter(|event| told(event)).count();
        self.events.clear();
        count
    }
}

fn behind(event: &Event) -> bool {
    matches!(event, Event::Behind { .. })
}

fn ahead(event: &Event) -> bool {
    matches!(event, Event::Ahead { .. })
}

fn any(_: &Event) -> bool {
    true
}

#[test]
fn a_good_clock_is_followed_and_nothing_is_told() {
    let mut world = World::new();
    world.pass(3 * D);
    assert_eq!((world.now, world.mark()), (3 * D, 3 * D));
    // Fast by at most an hour is believed.
    world.set_wrong_by(H);
    assert_eq!((world.now, world.mark()), (3 * D + H, 3 * D + H));
    assert_eq!(world.told(any), 0);
}

#[test]
fn a_clock_that_is_set_back_stops_nothing_and_brings_nothing_back() {
    let mut world = World::new();
    world.pass(H);
    world.set_wrong_by(-2 * H);
    assert_eq!(world.now, H);
    world.pass(10 * H);
    assert_eq!((world.now, world.mark()), (11 * H, 11 * H));
    assert_eq!(world.told(behind), 1, "once, not at each reading");
    // Also across a restart, where it is told again.
    world.switch_off(60);
    assert_eq!(world.now, 11 * H);
    assert_eq!(world.told(behind), 1);
    world.pass(H);
    assert_eq!(world.now, 12 * H);
    // Further back is another step; right again is none.
    world.set_wrong_by(-5 * H);
    assert_eq!(world.told(behind), 1);
    world.set_wrong_by(0);
    assert_eq!((world.now, world.told(any)), (12 * H + 60, 0));
    world.set_wrong_by(-2 * H);
    assert_eq!(world.told(behind), 1);
}

#[test]
fn a_little_behind_is_made_up_for_without_going_back() {
    let mut world = World::new();
    world.set_wrong_by(1_800);
    world.set_wrong_by(0);
    assert_eq!(world.now, 1_800);
    let mut last = world.now;
    for _ in 0..30 {
        world.pass(600);
        assert_eq!(world.now - last, 540);
        last = world.now;
    }
    assert_eq!((world.now, world.passed), (5 * H, 5 * H));
    world.pass(D);
    assert_eq!((world.now, world.mark()), (5 * H + D, 5 * H + D));
    // A second back is not worth a line.
    world.events.clear();
    world.set_wrong_by(-1);
    assert_eq!((world.now, world.told(any)), (5 * H + D, 0));
}

#[test]
fn ten_years_ahead_and_back_leaves_nothing() {
    for (off, back_by) in [(0, 0), (0, -300), (H, 0), (9 * D, 2 * D)] {
        let mut world = World::new();
        world.pass(D);
        world.set_wrong_by(TEN_YEARS);
        assert_eq!((world.now, world.mark()), (D + TEN_YEARS, D));
        world.pass(23 * H);
        assert_eq!(
            (world.now, world.mark()),
            (D + 23 * H + TEN_YEARS, D + 23 * H)
        );
        assert_eq!(world.told(ahead), 1, "once, not at each reading");
        if off > 0 {
            world.wrong = back_by;
            world.switch_off(off);
        } else {
            world.set_wrong_by(back_by);
        }
        assert_eq!(world.now, world.passed + back_by.max(0));
        world.pass(30 * D);
        assert!((world.now - world.passed - back_by).abs() <= 300);
        assert!(world.mark() <= world.passed + back_by.max(0));
    }
}

#[test]
fn a_step_is_believed_after_a_day_of_running_with_it() {
    let mut world = World::new();
    world.set_wrong_by(TEN_YEARS);
    world.pass(12 * H);
    // A restart does not begin the count anew, nor does the time that it was off count.
    world.switch_off(1_800);
    world.pass(12 * H - 600);
    assert_eq!(world.mark(), world.passed - 1_800);
    world.pass(600);
    assert_eq!(world.mark(), world.passed + TEN_YEARS);
    assert_eq!(
        world.told(|event| matches!(event, Event::Believed { .. })),
        1
    );
    // From here on it is the true time: back is behind.
    world.set_wrong_by(0);
    assert_eq!(world.now, world.passed + TEN_YEARS);
    assert_eq!(world.told(behind), 1);
}

#[test]
fn the_count_begins_anew_with_another_step() {
    let mut world = World::new();
    world.set_wrong_by(TEN_YEARS);
    world.pass(20 * H);
    world.set_wrong_by(0);
    world.pass(H);
    world.set_wrong_by(TEN_YEARS);
    world.pass(23 * H);
    assert_eq!(world.mark(), world.passed);
    world.pass(H);
    assert_eq!(world.mark(), world.passed + TEN_YEARS);
}

#[test]
fn after_a_stop_the_clock_is_used_and_still_protected() {
    let mut world = World::new();
    world.pass(H);
    world.switch_off(3 * D);
    assert_eq!((world.now, world.told(ahead)), (world.passed, 1));
    world.pass(2 * H);
    // Set back two hours within the first day.
    world.set_wrong_by(-2 * H);
    assert_eq!((world.now, world.told(behind)), (world.passed, 1));
    world.pass(H);
    assert_eq!(world.now, world.passed);
    world.switch_off(0);
    assert_eq!(world.now, world.passed);
}

#[test]
fn a_step_holds_what_goes_back_by_less_than_half_of_it_and_less_than_a_day() {
    for (step, back, held) in [
        (4 * H, 2 * H, true),
        (4 * H, 2 * H + 1, false),
        (10 * D, D, true),
        (10 * D, D + 1, false),
        (TEN_YEARS, 365 * D, false),
    ] {
        let mut world = World::new();
        world.set_wrong_by(step);
        world.set_wrong_by(step - back);
        assert_eq!(
            world.now,
            if held { step } else { step - back },
            "{step}, {back}"
        );
        assert_eq!(world.mark(), 0);
    }
}

#[test]
fn each_step_counts_its_own_hours() {
    let mut world = World::new();
    world.set_wrong_by(2 * D);
    world.pass(10 * H);
    world.set_wrong_by(4 * D);
    world.pass(14 * H);
    assert_eq!(world.mark(), D + 2 * D);
    world.pass(10 * H - 1);
    assert_eq!(world.mark(), world.passed + 2 * D);
    world.pass(1);
    assert_eq!(world.mark(), world.passed + 4 * D);
    // Where nobody looked for days, the last of them is.
    let mut world = World::new();
    world.set_wrong_by(2 * D);
    world.pass(H);
    world.set_wrong_by(4 * D);
    world.passed += 30 * H;
    world.observe();
    assert_eq!(world.mark(), world.passed + 4 * D);
    assert_eq!(world.timeline.steps.len(), 0);
}

#[test]
fn there_are_only_so_many_steps() {
    let mut world = World::new();
    for number in 1..=20 {
        world.set_wrong_by(number * 2 * H);
        assert_eq!(world.now, number * 2 * H);
    }
    assert_eq!(world.timeline.steps.len(), MOST_STEPS);
    world.pass(D);
    assert_eq!(world.mark(), D + 40 * H);
}

#[test]
fn a_device_that_is_switched_off_every_night_gets_a_mark_that_follows() {
    let mut world = World::new();
    for _ in 0..60 {
        world.pass(10 * H);
        world.switch_off(14 * H);
        assert_eq!(world.now, world.passed);
    }
    assert!(world.passed - world.mark() < 4 * D, "{}", world.mark());
    assert!(world.timeline.steps.len() <= 4);
}

#[test]
fn a_device_without_a_battery_goes_on_from_the_latest_time_that_it_knows() {
    let mut world = World::new();
    world.pass(2 * D);
    world.switch_off(3 * D);
    world.pass(H);
    let known = world.now;
    world.events.clear();
    // It boots in 1970.
    world.wrong = -NOON - world.passed;
    world.switch_off(0);
    assert_eq!((world.now, world.told(behind)), (known, 1));
    world.pass(2 * D);
    assert_eq!((world.now, world.told(any)), (known + 2 * D, 0));
    // Its clock is set at last.
    world.set_wrong_by(0);
    assert_eq!(world.now, world.passed);
}

#[test]
fn the_first_start_may_be_in_1970_too() {
    let mut world = World::new();
    world.timeline = Timeline::resume(None, at(30), Duration::ZERO);
    world.wrong = 30 - NOON;
    world.observe();
    assert_eq!(world.now, 30 - NOON);
    world.pass(60);
    world.set_wrong_by(0);
    assert_eq!((world.now, world.told(ahead)), (60, 1));
    world.switch_off(30);
    assert_eq!((world.now, world.told(any)), (90, 0));
    world.pass(D);
    assert_eq!(world.mark(), world.passed);
}

#[test]
fn a_clock_that_jumps_about_makes_few_steps_and_never_breaks() {
    let mut world = World::new();
    let mut draw: u64 = 7;
    for _ in 0..20_000 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let amount = i64::try_from(draw >> 33).unwrap();
        match amount % 5 {
            0 => world.wrong = -(amount % (40 * D)),
            1 => world.wrong = amount % TEN_YEARS,
            2 => world.wrong += amount % (3 * H) - H,
            3 => world.wrong = 0,
            _ => world.passed += amount % (2 * D),
        }
        let before = world.timeline.remembered();
        world.observe();
        let after = world.timeline.remembered();
        assert!(after.mark >= before.mark);
        assert!(world.timeline.steps.len() <= MOST_STEPS);
        let mut times = vec![after.mark];
        times.extend(after.steps.iter().map(|(time, _)| *time));
        assert!(times.is_sorted());
        assert!(*times.last().unwrap() >= world.wall().min(timestamp(LATEST)));
    }
}

#[test]
fn the_ends_of_the_calendar_are_times_like_others() {
    for seconds in [-62_000_000_000, 0, 253_402_300_799, 8_000_000_000_000] {
        let wall = Timestamp::from_parts(seconds, 999_999_999).unwrap();
        let mut timeline = Timeline::resume(None, wall, Duration::ZERO);
        for days in 0..1_000 {
            let (now, _) = timeline.observe(wall, Duration::from_secs(days * 86_400));
            let written = now.to_string();
            assert!(Timestamp::parse("now", &written).is_ok(), "{written}");
        }
        let remembered = timeline.remembered();
        let again = Timeline::resume(Some(remembered.clone()), wall, Duration::ZERO);
        assert_eq!(again.remembered(), remembered);
    }
    let mut timeline = Timeline::resume(None, at(0), Duration::ZERO);
    timeline.observe(at(0), Duration::MAX);
    timeline.observe(at(0), Duration::ZERO);
}

#[test]
fn what_was_remembered_wrongly_is_put_in_order() {
    let remembered = Remembered {
        mark: at(NOON),
        steps: (0..20)
            .rev()
            .map(|day| (at(NOON + day * D), Duration::ZERO))
            .collect(),
    };
    let timeline = Timeline::resume(Some(remembered), at(NOON), Duration::ZERO);
    let steps = timeline.remembered().steps;
    assert_eq!(steps.len(), MOST_STEPS);
    assert!(steps.is_sorted() && steps[0].0 > at(NOON));
}

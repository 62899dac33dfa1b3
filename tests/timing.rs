//! Finding a secret takes as long whatever is found (H02), by the method of dudect: two classes of
//! calls in random turns, and Welch's t between their times. A control that returns early must be
//! caught. `CREDENZA_TIMINGS` is how many calls; below [`ENOUGH`] nothing is concluded from them.

#[path = "common/dice.rs"]
mod dice;

use std::hint::black_box;

use credenza::domain::ids::SecretId;
use credenza::domain::secret::{Salt, Secret, SecretSet};
use credenza::domain::times::Timestamp;
use credenza::system::clock::monotonic_now;
use credenza::tokens::secret::{NOBODY, find, hash};
use dice::Dice;

/// Fewer calls say nothing.
const ENOUGH: usize = 1_000_000;
/// Above it two classes differ, as dudect has it.
const LEAKS: f64 = 4.5;
/// The share of the calls, the slowest, that were interrupted and not measured.
const INTERRUPTED: f64 = 0.1;
/// The secret that has expired when all calls are made, at 50.
const EXPIRED: usize = 5;
const NOW: i64 = 50;
/// Calls are timed in so many at once, since one takes little longer than reading the clock.
const AT_ONCE: usize = 16;

fn calls() -> usize {
    match std::env::var("CREDENZA_TIMINGS") {
        Ok(text) => text.parse().expect("CREDENZA_TIMINGS is a number"),
        Err(_) => 1_000,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0).unwrap()
}

/// A value of the usual length.
fn value(number: usize) -> String {
    format!("crdz_{number:049}")
}

fn with_secrets(count: usize) -> SecretSet {
    let salt = Salt([7; 16]);
    let secrets = (1..=count).map(|number| Secret {
        id: SecretId(number as i32),
        hash: hash(&salt, &value(number)),
        description: None,
        expiration: Some(at(if number == EXPIRED { 40 } else { 100 })),
    });
    SecretSet {
        salt,
        last_id: count as i32,
        secrets: secrets.collect(),
        damaged: Vec::new(),
    }
}

/// What one class of calls asks for.
struct Class<'a> {
    set: &'a SecretSet,
    given: String,
    now: Timestamp,
}

type Way = fn(&SecretSet, &str, Timestamp) -> bool;

fn as_it_is(set: &SecretSet, given: &str, now: Timestamp) -> bool {
    find(set, given, now).is_some()
}

/// What must be caught: it ends with the first secret that matches.
fn early(set: &SecretSet, given: &str, now: Timestamp) -> bool {
    let given = hash(&set.salt, given);
    let mut all = set.secrets.iter();
    all.any(|secret| secret.hash == given && secret.lives_at(now))
}

/// Nanoseconds of the calls of each class, in random turns.
fn times(way: Way, classes: &[Class<'_>; 2], calls: usize) -> [Vec<f64>; 2] {
    let mut dice = Dice(2);
    let mut times = [Vec::new(), Vec::new()];
    // Both classes are read from one place: where a text lies is no difference between them.
    let mut text = String::with_capacity(64);
    for _ in 0..calls / AT_ONCE {
        let which = dice.below(2) as usize;
        let Class { set, given, now } = &classes[which];
        text.clear();
        text.push_str(given);
        let begun = monotonic_now();
        for _ in 0..AT_ONCE {
            black_box(way(black_box(set), black_box(&text), black_box(*now)));
        }
        times[which].push(begun.elapsed().as_nanos() as f64 / AT_ONCE as f64);
    }
    times
}

/// Welch's t of two samples without their slowest, and the median of each.
fn compare(mut times: [Vec<f64>; 2]) -> (f64, [f64; 2]) {
    let [one, other] = times.each_mut().map(|times| {
        times.sort_by(f64::total_cmp);
        let kept = times.len() as f64 * (1.0 - INTERRUPTED);
        times.truncate(kept as usize);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares = times.iter().map(|time| (time - mean).powi(2));
        let variance = squares.sum::<f64>() / (count - 1.0);
        (mean, variance / count, times[times.len() / 2])
    });
    let t = (one.0 - other.0) / (one.1 + other.1).sqrt();
    (t, [one.2, other.2])
}

fn class(set: &SecretSet, number: usize) -> Class<'_> {
    Class {
        set,
        given: value(number),
        now: at(NOW),
    }
}

/// Compares two classes and tells the figures.
fn told(what: &str, way: Way, classes: [Class<'_>; 2]) -> (f64, [f64; 2]) {
    let (t, medians) = compare(times(way, &classes, calls()));
    let [one, other] = medians;
    println!("{what}: t {t:.2}, medians {one:.1} and {other:.1} ns");
    (t, medians)
}

#[test]
fn h02_the_time_of_finding_a_secret_says_nothing() {
    let ten = with_secrets(10);
    let of = |number| class(&ten, number);
    // Which wrong one it was, that it was right once, and which of the ten it was.
    for (what, classes) in [
        ("wrong, wrong", [of(98), of(99)]),
        ("wrong, expired", [of(99), of(EXPIRED)]),
        ("first, last", [of(1), of(10)]),
    ] {
        let (t, _) = told(what, as_it_is, classes);
        if calls() >= ENOUGH {
            assert!(t.abs() < LEAKS, "{what}: {t}");
        }
    }
    let (t, _) = told("control", early, [of(1), of(10)]);
    if calls() >= ENOUGH {
        assert!(t.abs() > LEAKS, "an early return is not caught: {t}");
    }
}

#[test]
fn h03_ten_secrets_take_little_longer_than_one_and_than_none() {
    let (one, ten) = (with_secrets(1), with_secrets(10));
    for (what, few) in [("ten, one", &one), ("ten, nobody", &NOBODY)] {
        let classes = [class(&ten, 99), class(few, 99)];
        let (_, [of_ten, of_few]) = told(what, as_it_is, classes);
        if calls() >= ENOUGH {
            assert!(of_few > 0.8 * of_ten, "{what}");
        }
    }
}

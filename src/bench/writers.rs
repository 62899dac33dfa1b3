//! How much longer reads take while others write: the same steady reads in turns, alone and beside
//! steady writes.

use std::time::Duration;

use super::Failure;
use super::contest::{Effort, Measure, median, turn};
use super::load::{self, Driven, Pace, Work};
use super::rows::{Latencies, Row, Servers};

pub const NAME: &str = "beside_writers";
pub const TITLE: &str = "p99 of lists alone against beside 1,000 updates/s of 64 callers";

/// The part of the highest rate at which reads are due.
const PART: f64 = 0.2;
/// How many updates are due in a second, and of how many callers.
const UPDATES: f64 = 1_000.0;
const CALLERS: usize = 64;
/// Beside writers p99 may be twice as long.
const AIM: f64 = 0.5;

/// Measures it; the ratio is p99 alone over p99 beside the writers.
pub fn measure(
    servers: &Servers<'_>,
    effort: Effort,
    tell: &mut dyn FnMut(),
) -> Result<Row, Failure> {
    let reads = servers.asking.list();
    let writes = servers.asking.over(CALLERS).update();
    let contender = servers.asked_for(reads.clone());
    let rate = turn(&contender, Measure::Answers, effort, 3)?.rate * PART;
    let (mut alone, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let seed = 11 + round as u64;
        let reading = || read(&reads, rate, effort.turn, seed);
        let (first, second) = (reading()?, while_writing(&writes, effort, seed, reading)?);
        tell();
        ratios.push(p99(&first) / p99(&second));
        alone.push(first);
        beside.push(second);
        tell();
    }
    ratios.sort_by(f64::total_cmp);
    let middle = |turns: &[Driven], part| {
        let values = turns
            .iter()
            .map(|turn| turn.latencies.value_at_quantile(part));
        median(values.map(|nanoseconds| nanoseconds as f64 / 1e3).collect())
    };
    Ok(Row {
        name: NAME.to_owned(),
        title: TITLE.to_owned(),
        rate: median(beside.iter().map(Driven::rate).collect()),
        other_rate: median(alone.iter().map(Driven::rate).collect()),
        megabytes: None,
        ratio: median(ratios.clone()),
        lowest_ratio: ratios.first().copied().unwrap_or_default(),
        highest_ratio: ratios.last().copied().unwrap_or_default(),
        aim: AIM,
        server_microseconds: 0.0,
        other_server_microseconds: 0.0,
        server_busy: 0.0,
        other_server_busy: 0.0,
        load_busy: 0.0,
        latencies: Latencies {
            rate,
            p50: middle(&beside, 0.5),
            p90: middle(&beside, 0.9),
            p99: middle(&beside, 0.99),
            p999: middle(&beside, 0.999),
        },
    })
}

fn read(reads: &Work, rate: f64, time: Duration, seed: u64) -> Result<Driven, Failure> {
    load::drive(reads, Pace::Open { rate, exact: true }, time, 1, seed)
}

/// What reads come to while updates are due all the time.
fn while_writing(
    writes: &Work,
    effort: Effort,
    seed: u64,
    reading: impl FnOnce() -> Result<Driven, Failure>,
) -> Result<Driven, Failure> {
    let pace = Pace::Open {
        rate: UPDATES,
        exact: false,
    };
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| load::drive(writes, pace, effort.turn, 1, seed));
        let read = reading();
        let written = writing.join();
        written.map_err(|_| Failure::new("the thread that writes ended"))??;
        read
    })
}

fn p99(driven: &Driven) -> f64 {
    driven.latencies.value_at_quantile(0.99) as f64
}

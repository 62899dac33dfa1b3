//! A contest: two servers under the same load in turns, so that what a machine does beside it falls
//! on both, and what comes out is their ratio.

use std::time::Duration;

use super::Failure;
use super::load::{self, Pace, Work};
use crate::system::clock::monotonic_now;
use crate::system::cores::Cores;
use crate::system::machine;

/// A server and what it is asked for.
#[derive(Clone)]
pub struct Contender {
    /// The process, where it runs on this machine.
    pub process: Option<u32>,
    pub work: Work,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Answers,
    /// Of answers so large that only few end in a turn.
    Bytes,
}

/// How a load is given.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often each contender has its turn.
    pub rounds: usize,
    pub turn: Duration,
    /// How long latencies are measured.
    pub latencies: Duration,
    pub threads: usize,
    /// The load has processors of its own, so it may stay awake.
    pub awake: bool,
}

impl Effort {
    /// The same from the processors of the load.
    pub fn on(self, cores: &Cores) -> Self {
        Self {
            threads: cores.of_load(),
            awake: cores.are_divided(),
            ..self
        }
    }
}

/// What a contender did in one turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Answers, or bytes, in a second.
    pub rate: f64,
    pub answers_rate: f64,
    /// Time of processors that the server took for each answer, in microseconds; 0 where unknown.
    pub server_time: f64,
    /// The part of the turn that the busiest could have been: the server's time over that of the
    /// turn. Near the number of its processors, the server was the limit.
    pub server_busy: f64,
    pub load_busy: f64,
}

/// Lets a contender have a turn.
pub fn turn(
    contender: &Contender,
    measure: Measure,
    effort: Effort,
    seed: u64,
) -> Result<Turn, Failure> {
    let used = |process: Option<u32>| {
        process
            .and_then(machine::processor_time_of)
            .unwrap_or_default()
    };
    let own = Some(std::process::id());
    let (started, server, load) = (monotonic_now(), used(contender.process), used(own));
    let driven = load::drive(
        &contender.work,
        Pace::Closed {
            awake: effort.awake,
        },
        effort.turn,
        effort.threads,
        seed,
    )?;
    let seconds = monotonic_now()
        .saturating_duration_since(started)
        .as_secs_f64();
    let server = (used(contender.process).saturating_sub(server)).as_secs_f64();
    let load = (used(own).saturating_sub(load)).as_secs_f64();
    Ok(Turn {
        rate: match measure {
            Measure::Answers => driven.rate(),
            Measure::Bytes => driven.bytes_rate(),
        },
        answers_rate: driven.rate(),
        server_time: server * 1e6 / (driven.latencies.len().max(1)) as f64,
        server_busy: server / seconds,
        load_busy: load / seconds,
    })
}

/// All turns of both.
pub struct Contest {
    pub ours: Vec<Turn>,
    pub other: Vec<Turn>,
}

impl Contest {
    /// Holds one: first a short turn of each that does not count, then both in turns, and who begins
    /// changes each time.
    pub fn hold(
        ours: &Contender,
        other: &Contender,
        measure: Measure,
        effort: Effort,
        mut after_turn: impl FnMut(),
    ) -> Result<Self, Failure> {
        let warm = Effort {
            turn: effort.turn / 4,
            ..effort
        };
        turn(ours, measure, warm, 0)?;
        turn(other, measure, warm, 0)?;
        let mut contest = Self {
            ours: Vec::new(),
            other: Vec::new(),
        };
        for round in 0..effort.rounds {
            let seed = 1 + round as u64;
            let mut order = [(&mut contest.ours, ours), (&mut contest.other, other)];
            if round % 2 == 1 {
                order.reverse();
            }
            for (turns, contender) in order {
                turns.push(turn(contender, measure, effort, seed << 32)?);
                after_turn();
            }
        }
        Ok(contest)
    }

    /// Ours over the other, of each round, the lowest first.
    pub fn ratios(&self) -> Vec<f64> {
        let pairs = self.ours.iter().zip(&self.other);
        let mut ratios: Vec<_> = pairs.map(|(ours, other)| ours.rate / other.rate).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    pub fn ratio(&self) -> f64 {
        median(self.ratios())
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The middle of what some turns say of something.
pub fn median_of(turns: &[Turn], what: impl Fn(&Turn) -> f64) -> f64 {
    median(turns.iter().map(what).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(rates: &[f64]) -> Vec<Turn> {
        let turn = |rate: &f64| Turn {
            rate: *rate,
            answers_rate: *rate,
            server_time: 0.0,
            server_busy: 0.0,
            load_busy: 0.0,
        };
        rates.iter().map(turn).collect()
    }

    #[test]
    fn each_round_is_a_ratio_of_its_own() {
        // The machine was half as fast in the second round: the ratio does not see it.
        let contest = Contest {
            ours: turns(&[90.0, 45.0, 80.0]),
            other: turns(&[100.0, 50.0, 100.0]),
        };
        assert_eq!(contest.ratios(), [0.8, 0.9, 0.9]);
        assert!((contest.ratio() - 0.9).abs() < 1e-9);
        assert!((median_of(&contest.ours, |turn| turn.rate) - 80.0).abs() < 1e-9);
    }
}

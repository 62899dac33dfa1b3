//! What a benchmark came to: a table for people, JSON for programs, and the comparison with ratios
//! that were recorded before.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::contest::Effort;
use super::rows::{Latencies, Row};
use crate::system::cores::Cores;
use crate::system::machine;

/// Everything that was measured, and on what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub version: String,
    pub machine: String,
    pub tenants: u64,
    pub clients_per_tenant: u64,
    pub connections: usize,
    pub rounds: usize,
    pub turn_seconds: f64,
    /// Processors that the server had for itself; 0 where it shared them with the load.
    pub server_processors: usize,
    pub rows: Vec<Row>,
    pub memory: Memory,
}

/// What of the service's process was in memory, in bytes; 0 where the machine does not tell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// New and idle.
    pub empty: u64,
    /// After the last row.
    pub now: u64,
    /// At most.
    pub most: u64,
}

/// Ratios that were recorded before: the name of a row, and its ratio.
pub type Recorded = BTreeMap<String, f64>;

/// What a ratio may have lost before it counts as worse, as a part of the recorded one.
const ALLOWED: f64 = 0.8;

impl Report {
    pub(super) fn new(
        plan: &Plan,
        effort: Effort,
        cores: &Cores,
        rows: Vec<Row>,
        memory: Memory,
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine::description(),
            tenants: plan.population.tenants,
            clients_per_tenant: plan.population.clients,
            connections: plan.connections,
            rounds: effort.rounds,
            turn_seconds: effort.turn.as_secs_f64(),
            server_processors: cores.of_server(),
            rows,
            memory,
        }
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let mut text = format!(
            "credenza {} on {}\n{} tenants of {} clients; {} connections; {} rounds of {} s; {}\n\n",
            self.version,
            self.machine,
            self.tenants,
            self.clients_per_tenant,
            self.connections,
            self.rounds,
            self.turn_seconds,
            match self.server_processors {
                0 => "server and load share their processors".to_owned(),
                1 => "the server has a processor of its own".to_owned(),
                many => format!("the server has {many} processors of its own"),
            }
        );
        text.push_str(HEAD);
        for row in &self.rows {
            write_row(row, &mut text);
        }
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let _ = write!(
            text,
            "\nMemory (RSS) of the service: {:.1} MiB new and idle, {:.0} MiB at the end, {:.0} MiB at most.\n",
            mebibytes(self.memory.empty),
            mebibytes(self.memory.now),
            mebibytes(self.memory.most),
        );
        text
    }

    /// What is worse than it was recorded, a line each: a ratio below 0.8 of the recorded one, or one
    /// that was not measured.
    pub fn worse_than(&self, recorded: &Recorded) -> Vec<String> {
        let measured = |name: &str| self.rows.iter().find(|row| row.name == name);
        let worse = recorded.iter().filter_map(|(name, before)| match measured(name) {
            None => Some(format!("{name} was recorded with {before:.2} and not measured")),
            Some(row) if row.ratio < before * ALLOWED => Some(format!(
                "{name} came to {:.2} ({:.2} … {:.2}); {before:.2} is recorded, and {:.2} is allowed",
                row.ratio,
                row.lowest_ratio,
                row.highest_ratio,
                before * ALLOWED
            )),
            Some(_) => None,
        });
        worse.collect()
    }
}

const HEAD: &str = "\
| work | answers/s | floor | ratio | from … to | aim | p50, p90, p99, p99.9 at half the rate | processor time, floor's | busy: server, load |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
";

fn write_row(row: &Row, text: &mut String) {
    let Latencies {
        p50,
        p90,
        p99,
        p999,
        ..
    } = row.latencies;
    let megabytes = row
        .megabytes
        .map_or(String::new(), |rate| format!(" ({rate:.0} MB/s)"));
    let _ = writeln!(
        text,
        "| {} | {:.0}{megabytes} | {:.0} | {:.2} | {:.2} … {:.2} | {:.2}{} | {}, {}, {}, {} | {:.1}, {:.1} µs | {:.2}, {:.2} |",
        row.title,
        row.rate,
        row.other_rate,
        row.ratio,
        row.lowest_ratio,
        row.highest_ratio,
        row.aim,
        if row.ratio < row.aim { " missed" } else { "" },
        duration(p50),
        duration(p90),
        duration(p99),
        duration(p999),
        row.server_microseconds,
        row.other_server_microseconds,
        row.server_busy,
        row.load_busy,
    );
}

/// Microseconds, for people.
fn duration(microseconds: f64) -> String {
    match microseconds {
        short if short < 1e3 => format!("{short:.0} µs"),
        middle if middle < 1e6 => format!("{:.2} ms", middle / 1e3),
        long => format!("{:.2} s", long / 1e6),
    }
}

/// What was measured of a server that ran already.
#[derive(Clone, Debug, Serialize)]
pub struct Plain {
    /// Answers in a second.
    pub rate: f64,
    pub latencies: Latencies,
}

impl Plain {
    pub fn text(&self) -> String {
        let Latencies {
            p50,
            p90,
            p99,
            p999,
            ..
        } = self.latencies;
        format!(
            "{:.0} answers/s; at half of that p50 {}, p90 {}, p99 {}, p99.9 {}",
            self.rate,
            duration(p50),
            duration(p90),
            duration(p99),
            duration(p999)
        )
    }
}

//! `credenza bench`: how fast the service answers, as ratios to what an HTTP server can do at all.
//!
//! It starts the service and the floor as processes of this same program, on half of the machine's
//! processors, and loads them from the other half. `mixes` is what is asked for, `load` asks it,
//! `contest` lets two servers have their turns, `rows` is the table, `report` and `figure` show it.

mod contest;
pub mod draw;
mod exchange;
mod figure;
pub mod floor;
mod growth;
mod load;
mod mixes;
mod process;
mod report;
mod rows;
pub mod seed;
mod writers;

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use contest::{Effort, median};
pub use growth::{Column, draw as draw_figures, tables as growth_tables};
pub use report::{Recorded, Report};
pub use seed::Population;

use crate::system::cores::Cores;
use exchange::token;
use mixes::Asking;
use process::{OPERATOR, OPERATOR_SECRET, ServerProcess};

/// Why a benchmark came to no end, in one line for a person.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What a benchmark is.
pub struct Plan {
    pub population: Population,
    /// Connections of the load, but for whole lists.
    pub connections: usize,
    pub effort: Effort,
    /// Where the store and the files beside it are while it lasts.
    pub directory: PathBuf,
    /// What the service is started with besides.
    pub more: Vec<String>,
    /// Leaves out what needs long turns.
    pub quick: bool,
    /// The rows whose names hold this text; all of them where it is empty.
    pub only: String,
}

/// Who is told how far a benchmark is.
pub trait Audience {
    fn step(&mut self, what: &str);
    /// How much of it is done, from 0 to 1.
    fn progress(&mut self, part: f64);
}

/// Runs a benchmark of this program on this machine.
pub fn run(plan: &Plan, audience: &mut dyn Audience) -> Result<Report, Failure> {
    let cores = Cores::divide();
    let effort = plan.effort.on(&cores);
    let data = plan.directory.join("data");
    audience.step("starting the service");
    let service = start(plan, &data, &cores)?;
    let empty = service.memory().0;
    audience.step("making clients");
    fill(plan.population, &plan.directory, &data)?;
    let floor = ServerProcess::floor(&cores)?;
    let asking = Asking {
        address: service.address,
        token: token(service.address, OPERATOR, OPERATOR_SECRET)?,
        population: plan.population,
        connections: plan.connections,
    };
    let servers = rows::Servers {
        service: &service,
        floor: &floor,
        asking: &asking,
    };
    let rows = rows::measure(&servers, plan, effort, audience)?;
    let memory = service.memory();
    service.stop()?;
    Ok(Report::new(
        plan,
        effort,
        &cores,
        rows,
        report::Memory {
            empty,
            now: memory.0,
            most: memory.1,
        },
    ))
}

/// Measures whether speed depends on how much there is.
pub fn grow(plan: &Plan, audience: &mut dyn Audience) -> Result<Vec<Column>, Failure> {
    let cores = Cores::divide();
    let effort = plan.effort.on(&cores);
    growth::measure(plan, effort, &cores, audience)
}

/// Starts the service as users do; it is new and empty.
fn start(plan: &Plan, data: &Path, cores: &Cores) -> Result<ServerProcess, Failure> {
    let mut more = vec![
        "--max-clients-per-tenant".to_owned(),
        "100000000".to_owned(),
    ];
    more.extend_from_slice(&plan.more);
    ServerProcess::service(data, &more, cores)
}

/// Has the running service import a population.
fn fill(population: Population, directory: &Path, data: &Path) -> Result<(), Failure> {
    let path = directory.join("population.export");
    let file = io::BufWriter::new(File::create(&path)?);
    seed::write(population, file)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    process::import(data, &path)
}

/// Measures one path of a server that runs already, of whatever make: rate and latencies, without a
/// floor to compare them with.
pub fn measure_path(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    connections: usize,
    effort: Effort,
) -> Result<report::Plain, Failure> {
    let work = mixes::path(address, path, token, connections);
    let contender = contest::Contender {
        process: None,
        work,
    };
    contest::turn(
        &contender,
        contest::Measure::Answers,
        Effort {
            turn: effort.turn / 4,
            ..effort
        },
        0,
    )?;
    let turn = contest::turn(&contender, contest::Measure::Answers, effort, 1)?;
    let latencies = rows::latencies(&contender.work, turn.answers_rate, effort)?;
    Ok(report::Plain {
        rate: turn.rate,
        latencies,
    })
}

/// How long a quick benchmark has for each part, and a whole one.
pub fn effort(quick: bool, rounds: usize) -> Effort {
    let (turn, latencies) = match quick {
        true => (Duration::from_millis(350), Duration::from_millis(500)),
        false => (Duration::from_secs(2), Duration::from_secs(5)),
    };
    Effort {
        rounds,
        turn,
        latencies,
        threads: 1,
        awake: false,
    }
}

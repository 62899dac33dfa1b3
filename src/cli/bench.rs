//! `credenza bench`: measures this program on this machine, or a server that runs already.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{fail, say, tell};
use crate::bench::{self, Audience, Plan, Population, Recorded};

/// Starts the service with a store of its own, which is removed at the end, and a bare HTTP server
/// that answers with as many bytes, each as a process on half of the processors; loads the two in
/// turns from the other half, and prints a table. What counts are the ratios: rates of two machines
/// cannot be compared. Touches no store that is there. Exits with 1 where a ratio is worse than
/// --recorded says.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many clients each tenant has.
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    clients: u64,

    /// How many tenants there are.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    tenants: u64,

    /// Shorter turns: under a minute.
    #[arg(long)]
    quick: bool,

    /// How often each has its turn.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,

    /// How many connections stay open, each with one request at a time.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    connections: u64,

    /// Only the rows whose names in --json hold this text.
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    only: String,

    /// Measure instead whether lists get slower further back, with more clients, and with more
    /// tenants. Makes up to a million clients at a time; with --quick a few thousand, to see that it
    /// works.
    #[arg(long, conflicts_with_all = ["clients", "tenants", "only", "recorded", "target"])]
    growth: bool,

    /// Draw what --growth measured into this directory, as SVG.
    #[arg(long, value_name = "DIR", requires = "growth")]
    figures: Option<PathBuf>,

    /// Write everything that was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Compare the ratios with those in this file, a JSON object of names and ratios: below 0.8 of a
    /// recorded one is a failure.
    #[arg(long, value_name = "FILE")]
    recorded: Option<PathBuf>,

    /// Where the store of the benchmark is made [default: the system's place for temporary files].
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// What the service under test may use, such as 512MiB; see `serve`.
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// Start nothing: measure a path of a server that runs, by GET. Takes `http` and a path.
    #[arg(long, value_name = "URL", conflicts_with_all = ["clients", "tenants", "only", "recorded", "memory", "directory"])]
    target: Option<String>,

    /// The file with the bearer token for --target.
    #[arg(long, value_name = "FILE", requires = "target")]
    token_file: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let measured = match &arguments.target {
        Some(url) => measure_target(arguments, url),
        None => measure(arguments),
    };
    match measured {
        Ok(worse) if worse.is_empty() => ExitCode::SUCCESS,
        Ok(worse) => {
            worse.iter().for_each(|line| tell(line));
            fail(&"slower than recorded")
        }
        Err(why) => fail(&why),
    }
}

/// Gives what is worse than recorded.
fn measure(arguments: &Arguments) -> Result<Vec<String>, String> {
    let recorded = match &arguments.recorded {
        Some(path) => read_recorded(path)?,
        None => Recorded::new(),
    };
    let place = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let place = place.map_err(|error| format!("no place for the benchmark's store: {error}"))?;
    let memory = arguments.memory.iter();
    let plan = Plan {
        population: Population {
            tenants: arguments.tenants,
            clients: arguments.clients,
        },
        connections: number(arguments.connections),
        effort: bench::effort(arguments.quick, number(arguments.rounds)),
        directory: place.path().to_owned(),
        more: memory
            .flat_map(|size| ["--memory".to_owned(), size.clone()])
            .collect(),
        quick: arguments.quick,
        only: arguments.only.clone(),
    };
    let mut line = Line::new();
    if arguments.growth {
        let columns = bench::grow(&plan, &mut line);
        line.clear();
        show_growth(arguments, &columns.map_err(|failure| failure.to_string())?)?;
        return Ok(Vec::new());
    }
    let report = bench::run(&plan, &mut line);
    line.clear();
    let report = report.map_err(|failure| failure.to_string())?;
    say(&report.table().trim_end());
    write_json(arguments, &report)?;
    Ok(report.worse_than(&recorded))
}

fn show_growth(arguments: &Arguments, columns: &[bench::Column]) -> Result<(), String> {
    say(&bench::growth_tables(columns).trim());
    write_json(arguments, &columns)?;
    if let Some(directory) = &arguments.figures {
        bench::draw_figures(columns, directory)
            .map_err(|failure| format!("--figures {}: {failure}", directory.display()))?;
    }
    Ok(())
}

fn measure_target(arguments: &Arguments, url: &str) -> Result<Vec<String>, String> {
    let (address, path) = parse_target(url)?;
    let token = match &arguments.token_file {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .map_err(|error| format!("--token-file {}: {error}", path.display()))?,
        ),
        None => None,
    };
    let token = token.as_deref().map(str::trim);
    let effort = bench::effort(arguments.quick, number(arguments.rounds));
    let connections = number(arguments.connections);
    let plain = bench::measure_path(address, &path, token, connections, effort);
    let plain = plain.map_err(|failure| failure.to_string())?;
    say(&plain.text());
    write_json(arguments, &plain)?;
    Ok(Vec::new())
}

fn write_json(arguments: &Arguments, value: &impl serde::Serialize) -> Result<(), String> {
    let Some(path) = &arguments.json else {
        return Ok(());
    };
    let text = serde_json::to_vec_pretty(value).map_err(|error| error.to_string())?;
    std::fs::write(path, text).map_err(|error| format!("--json {}: {error}", path.display()))
}

fn read_recorded(path: &std::path::Path) -> Result<Recorded, String> {
    let said = |error: &dyn std::fmt::Display| format!("--recorded {}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| said(&error))?;
    serde_json::from_slice(&text).map_err(|error| said(&error))
}

/// The address and the path of a URL.
fn parse_target(url: &str) -> Result<(SocketAddr, String), String> {
    let takes = "--target takes a URL such as http://127.0.0.1:8080/health/live";
    let rest = url.strip_prefix("http://").ok_or(takes)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let with_port = match authority.rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => authority.to_owned(),
        _ => format!("{authority}:80"),
    };
    let found = with_port.to_socket_addrs();
    let mut found = found.map_err(|error| format!("--target {url}: {error}"))?;
    let address = found.next().ok_or(takes)?;
    let path = if path.is_empty() { "/" } else { path };
    Ok((address, path.to_owned()))
}

/// A number whose range fits.
fn number(given: u64) -> usize {
    usize::try_from(given).unwrap_or(usize::MAX)
}

/// What `bench` measures against; no command for people.
pub fn run_floor() -> ExitCode {
    actix_web::rt::System::new().block_on(async {
        let served = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((address, bench::floor::serve(listener)?))
        });
        match served {
            Ok((address, server)) => {
                tell(&format_args!("listening on http://{address}"));
                match server.await {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => fail(&error),
                }
            }
            Err(error) => fail(&error),
        }
    })
}

/// A line on standard error that says how far it is: only where a person sees it.
struct Line {
    seen: bool,
    what: String,
}

impl Line {
    fn new() -> Self {
        Self {
            seen: io::stderr().is_terminal(),
            what: String::new(),
        }
    }

    fn clear(&self) {
        self.write(format_args!(""));
    }

    fn write(&self, text: std::fmt::Arguments<'_>) {
        if self.seen {
            let _ = write!(io::stderr(), "\r{text}\x1b[K");
        }
    }
}

impl Audience for Line {
    fn step(&mut self, what: &str) {
        self.what = what.to_owned();
        self.write(format_args!("{what}"));
    }

    fn progress(&mut self, part: f64) {
        const WIDTH: usize = 30;
        let filled = ((part * WIDTH as f64) as usize).min(WIDTH);
        self.write(format_args!(
            "[{}{}] {}",
            "#".repeat(filled),
            "-".repeat(WIDTH - filled),
            self.what
        ));
    }
}

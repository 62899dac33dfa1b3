//! The processes that are measured: the service and the floor, started as users start them, on
//! processors of their own, and ended with the benchmark.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use super::Failure;
use crate::system::cores::Cores;
use crate::system::{machine, process};

/// The tenant and the client of the first start.
const TENANT: &str = "0b1e55ed-0000-4000-8000-000000000001";
pub const OPERATOR: &str = "bench-operator";
pub const OPERATOR_SECRET: &str = "crdz_bench-operator-secret-known-to-everybody";

/// A server in a process of its own; killed when it is let go.
pub struct ServerProcess {
    child: Child,
    pub address: SocketAddr,
}

impl ServerProcess {
    /// Starts the service of this program on a data directory, and waits until it is ready.
    pub fn service(data: &Path, more: &[String], cores: &Cores) -> Result<Self, Failure> {
        let mut command = this_program()?;
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .env("CREDENZA_BOOTSTRAP_TENANT_ID", TENANT)
            .env("CREDENZA_BOOTSTRAP_CLIENT_ID", OPERATOR)
            .env("CREDENZA_BOOTSTRAP_CLIENT_SECRET", OPERATOR_SECRET);
        Self::start(command, cores)
    }

    /// Starts the floor.
    pub fn floor(cores: &Cores) -> Result<Self, Failure> {
        let mut command = this_program()?;
        command.arg("bench-floor");
        Self::start(command, cores)
    }

    fn start(mut command: Command, cores: &Cores) -> Result<Self, Failure> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // A process takes the processors of the thread that starts it.
        let started = cores.server(|| command.spawn());
        let mut child =
            started.map_err(|error| Failure::new(format!("cannot start a server: {error}")))?;
        match child.stderr.take().and_then(listening) {
            Some(address) => Ok(Self { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(Failure::new(
                    "a server did not start; what it said stands above",
                ))
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What of it is in memory, in bytes, now and at most; 0 where the machine does not tell.
    pub fn memory(&self) -> (u64, u64) {
        machine::memory_of(self.id()).unwrap_or_default()
    }

    /// Ends it as an operator does, and waits until it has ended.
    pub fn stop(mut self) -> Result<(), Failure> {
        process::terminate(self.id());
        let ended = self.child.wait();
        match ended {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Failure::new(
                "a server ended badly; what it said stands above",
            )),
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program, without what the environment says to it.
fn this_program() -> Result<Command, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("this program cannot be found: {error}")))?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CREDENZA_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Reads until a server says where it listens; what else it says is passed on, now and later, so
/// that it never waits for whoever reads its log.
fn listening(errors: ChildStderr) -> Option<SocketAddr> {
    let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
    let address = lines.by_ref().find_map(|line| {
        let address = line.strip_prefix("listening on http://");
        if address.is_none() {
            say_if_it_matters(&line);
        }
        address?.parse().ok()
    });
    std::thread::spawn(move || lines.for_each(|line| say_if_it_matters(&line)));
    address
}

/// Warnings, errors, and the line that says why a server did not start.
fn say_if_it_matters(line: &str) {
    if !line.contains(" INFO ") {
        eprintln!("{line}");
    }
}

/// Fills the store of a running service by its own import.
pub fn import(data: &Path, file: &Path) -> Result<(), Failure> {
    let mut command = this_program()?;
    command
        .arg("import")
        .arg("--data")
        .arg(data)
        .arg("--from")
        .arg(file);
    let done = command.stdin(Stdio::null()).output();
    let done = done.map_err(|error| Failure::new(format!("cannot start the import: {error}")))?;
    let _ = fs::remove_file(file);
    match done.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&done.stderr);
            Err(Failure::new(format!("the import failed: {}", why.trim())))
        }
    }
}

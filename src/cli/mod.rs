//! The command line: one file a command.
//!
//! `serve` also is what tests start the service with, so that they run what people run.

mod archive_file;
mod backup;
mod bench;
mod check;
mod clock;
mod compact;
mod export;
mod import;
mod keys;
mod offline;
mod reach;
mod recover;
mod restore;
pub mod serve;
mod transfer;

use std::fmt::Display;
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::store::StoreError;
use crate::store::sled::SledStore;
use crate::system::process;

/// An identity service for machines: client credentials, short-lived tokens, one binary.
#[derive(Parser)]
#[command(name = "credenza", version, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service. Creates and sets up the data directory at the first start.
    Serve(serve::Arguments),
    /// Read every row of the store, of a running or a stopped service, and compare rows, indexes
    /// and counters. Changes no row. Exits with 1 and a list if anything is wrong.
    Check(check::Arguments),
    /// Write everything that the store holds to a file, from which `restore` makes a store. Changes
    /// nothing in the store; a running service goes on meanwhile.
    Backup(backup::Arguments),
    /// Make a store of a backup, in a directory that is empty or absent. Writes nothing before the
    /// whole file was read and found whole. Tokens of before are refused afterwards.
    Restore(restore::Arguments),
    /// Write a tenant, or all of them, to a file for `import` into another store: secrets as salted
    /// hashes alone. Changes nothing in the store; a running service goes on meanwhile.
    Export(export::Arguments),
    /// Create what an export, or a backup, holds: in the store of a running or a stopped service.
    /// Changes and deletes nothing that is there; what is there and differs stops it.
    Import(import::Arguments),
    /// Create a new client with Cluster Operator in the store of a stopped service, for when every
    /// operator is locked out, and print its secret once.
    Recover(recover::Arguments),
    /// Show the keys that tokens are signed with, or let another one sign: of a running or a stopped
    /// service. Touches no row of the store.
    Keys(keys::Arguments),
    /// Show or reset the time that the service goes on from.
    Clock(clock::Arguments),
    /// Copy the store of a stopped service without the space of deleted rows, and put the copy in
    /// its place. No row changes. Needs room for the copy; a cut at any moment leaves a whole store.
    Compact(compact::Arguments),
    /// Measure how fast this program is on this machine, as ratios to a bare HTTP server; or a server
    /// that runs already.
    Bench(bench::Arguments),
    /// What `bench` measures against.
    #[command(hide = true)]
    BenchFloor,
    /// Print the version.
    Version,
}

/// Where the store is; the same for every command.
#[derive(clap::Args)]
struct DataArgument {
    /// The data directory.
    #[arg(
        long,
        env = "CREDENZA_DATA",
        default_value = "data/store",
        value_name = "DIR"
    )]
    data: PathBuf,
}

impl DataArgument {
    /// The data directory, where a store was set up in it: a command that only looks at one, or
    /// mends it, makes none.
    fn with_store(&self) -> Result<&Path, StoreError> {
        SledStore::refuse_unfinished(&self.data)?;
        if SledStore::was_set_up(&self.data) {
            return Ok(&self.data);
        }
        Err(StoreError::Failed(format!(
            "there is no store in {} (it has no marker); name the data directory with --data",
            self.data.display()
        )))
    }
}

/// Runs a command to its end.
pub fn run(command_line: CommandLine) -> ExitCode {
    // Before the first file is made.
    if let Err(error) = process::prepare() {
        return fail(&error);
    }
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("info,actix_server=warn,actix_http=off"),
    )
    // At its finer levels sled writes rows into the log, hashes of secrets among them; its errors
    // are told once, by us, and by it many times.
    .filter_module("sled", log::LevelFilter::Off)
    .init();
    panic::set_hook(Box::new(tell_panic));
    match command_line.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Clock(arguments) => clock::run(&arguments),
        Command::Compact(arguments) => compact::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::BenchFloor => bench::run_floor(),
        Command::Version => {
            say(&concat!("credenza ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
    }
}

/// Says where the program panicked.
fn tell_panic(panic: &panic::PanicHookInfo<'_>) {
    log::error!("{}", what_is_told(panic));
}

/// The place alone: what a panic says of itself may hold anything that was sent, secrets among it,
/// and stays out of the log.
fn what_is_told(panic: &panic::PanicHookInfo<'_>) -> String {
    let place = panic.location().map(ToString::to_string);
    format!(
        "panicked at {}; this is a mistake in Credenza",
        place.unwrap_or_default()
    )
}

/// Tells the person in front why a command ended, in one line.
fn fail(why: &dyn Display) -> ExitCode {
    tell(&format_args!("credenza: {why}"));
    ExitCode::FAILURE
}

/// Writes a line to standard output. That nobody reads it, as behind `| head`, is no failure.
fn say(line: &dyn Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes a line to standard error, likewise.
fn tell(line: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn h33_of_a_panic_its_place_is_told_and_nothing_that_it_says() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            telling.lock().push(what_is_told(panic))
        }));
        let outcome = panic::catch_unwind(|| panic!("a secret: crdz_canary"));
        panic::set_hook(usual);
        assert!(outcome.is_err());
        let told = told.lock();
        assert!(told.iter().any(|line| line.contains("src/cli/mod.rs:")));
        assert!(!told.iter().any(|line| line.contains("canary")));
    }
}

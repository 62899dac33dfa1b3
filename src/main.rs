//! Command line to command, nothing else.

use std::process::ExitCode;

use clap::Parser;
use credenza::cli::{CommandLine, run};

fn main() -> ExitCode {
    run(CommandLine::parse())
}

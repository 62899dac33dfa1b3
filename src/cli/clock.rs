//! `credenza clock`: the time that the service goes on from.

use std::process::ExitCode;

use clap::Subcommand;

use super::{DataArgument, fail, say};
use crate::domain::ports::Clock as _;
use crate::store::StoreError;
use crate::store::sled::SledStore;
use crate::system::clock::SystemClock;
use crate::system::clock_file::ClockFile;
use crate::system::timeline::Remembered;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Subcommand)]
enum Deed {
    /// Show the machine's clock and what a stopped service goes on from, or a running one has last
    /// written (every minute).
    Show {
        #[command(flatten)]
        data: DataArgument,
    },
    /// Take the machine's clock for the right one, also where that is earlier than what the service
    /// remembers: secrets that expired in between work again. The service must be stopped.
    Accept {
        #[command(flatten)]
        data: DataArgument,
    },
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.deed {
        Deed::Show { data } => show(data),
        Deed::Accept { data } => accept(data),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn show(data: &DataArgument) -> Result<(), StoreError> {
    let file = ClockFile::of(data.with_store()?);
    say(&format_args!(
        "machine     {}",
        SystemClock.now().whole_seconds()
    ));
    say_remembered("remembered", &file);
    Ok(())
}

fn accept(data: &DataArgument) -> Result<(), StoreError> {
    let directory = data.with_store()?;
    // A running service would write over it.
    let _lock = SledStore::lock(directory)?;
    let file = ClockFile::of(directory);
    say_remembered("before", &file);
    let accepted = Remembered {
        mark: SystemClock.now(),
        steps: Vec::new(),
    };
    file.write(&accepted).map_err(|error| {
        StoreError::Failed(format!("cannot write {}: {error}", file.path().display()))
    })?;
    say_remembered("now", &file);
    Ok(())
}

fn say_remembered(label: &str, file: &ClockFile) {
    match file.read() {
        Ok(None) => say(&format_args!("{label:<11} nothing")),
        Ok(Some(remembered)) => {
            say(&format_args!(
                "{label:<11} {}",
                remembered.mark.whole_seconds()
            ));
            for (time, ran) in remembered.steps {
                let hours = ran.as_secs_f64() / 3_600.0;
                say(&format_args!(
                    "  ahead     {}, {hours:.1} of 24 hours of running until it is believed",
                    time.whole_seconds()
                ));
            }
        }
        Err(why) => say(&format_args!("{label:<11} {} {why}", file.path().display())),
    }
}

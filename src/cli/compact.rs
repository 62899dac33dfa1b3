//! `credenza compact`: gives the space of deleted rows back to the file system.

use std::process::ExitCode;

use super::{DataArgument, fail, say};
use crate::store::StoreError;
use crate::store::sled::{Compacted, compact};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match run_on(&arguments.data) {
        Ok(done) => {
            say(&format_args!(
                "{} rows copied; the store took {:.1} MiB and takes {:.1} MiB now.",
                done.rows,
                mebibytes(done.before),
                mebibytes(done.after)
            ));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn run_on(data: &DataArgument) -> Result<Compacted, StoreError> {
    compact(data.with_store()?, |rows| log::debug!("{rows} rows copied"))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

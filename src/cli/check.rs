//! `credenza check`: is everything in the store as it should be?

use std::process::ExitCode;

use super::{DataArgument, fail, say};
use crate::store::sled::{Opened, SledStore};
use crate::store::{Finding, Store, StoreError};
use crate::system::random::SystemRandom;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(check(arguments)) {
        Ok(findings) if findings.is_empty() => {
            say(&"All rows, indexes and counters agree.");
            ExitCode::SUCCESS
        }
        Ok(findings) => {
            for finding in &findings {
                say(finding);
            }
            fail(&format_args!("{} things are wrong", findings.len()))
        }
        Err(error) => fail(&error),
    }
}

async fn check(arguments: &Arguments) -> Result<Vec<Finding>, StoreError> {
    // Opening would set up an empty store, or begin a first start that was cut short anew.
    let path = arguments.data.with_store()?;
    let (Opened::Fresh(store) | Opened::Existing(store)) = SledStore::open(path, &SystemRandom)?;
    let findings = store.check().await?;
    Ok(findings)
}

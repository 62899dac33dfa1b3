//! `credenza export`: a tenant, or all of them, in a file for another store.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{DataArgument, fail, say, transfer};
use crate::control::Request;

/// Secrets are in it as salted hashes alone, and go on working where it is imported. The file is for
/// its owner alone (mode 0600), appears under its name when it is whole and durable, and is never
/// written over another one. Give it to `credenza import`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// The tenant to export [default: all].
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let request = Request::Export {
        tenant: arguments.tenant.clone(),
    };
    match transfer::archive(&arguments.data, &request, &arguments.to) {
        Ok(archived) => {
            say(&format_args!(
                "Export of {} taken: {}.",
                archived.taken, archived.summary
            ));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

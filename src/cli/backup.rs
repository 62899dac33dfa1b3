//! `credenza backup`: everything that the store holds, in a file.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{DataArgument, fail, say, transfer};
use crate::control::Request;

/// Each tenant is in it at one revision, as it was when its turn came; what was changed before the
/// command was started is in it for certain. Secrets are in it as salted hashes alone. The file is
/// for its owner alone (mode 0600), appears under its name when it is whole and durable, and is
/// never written over another one. Give it to `credenza restore`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,

    /// The file to write.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Also put the private key of tokens into it: whoever has the file can then make tokens.
    #[arg(long)]
    with_keys: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let request = Request::Backup {
        with_key: arguments.with_keys,
    };
    match transfer::archive(&arguments.data, &request, &arguments.to) {
        Ok(archived) => {
            say(&format_args!(
                "Backup of {} taken: {}.",
                archived.taken, archived.summary
            ));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

//! `credenza check`: is everything in the store as it should be?

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::{DataArgument, fail, reach, say};
use crate::control::{Answer, Output, Request};
use crate::service::archive::Progress;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match reach::perform(&arguments.data, &Request::Check {}, &mut Lines) {
        Ok(Answer::Checked { wrong: 0 }) => {
            say(&"All rows, indexes and counters agree.");
            ExitCode::SUCCESS
        }
        Ok(Answer::Checked { wrong: 1 }) => fail(&"1 thing is wrong"),
        Ok(Answer::Checked { wrong }) => fail(&format_args!("{wrong} things are wrong")),
        Ok(_) => fail(&"the service answered something else than was asked"),
        Err(error) => fail(&error),
    }
}

/// What is wrong, a line each, to standard output. That nobody reads it is no failure.
struct Lines;

impl Output for Lines {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        let _ = io::stdout().write_all(bytes);
        Ok(())
    }

    fn progress(&mut self, _: Progress) -> io::Result<()> {
        Ok(())
    }
}

//! `credenza keys`: the keys that tokens are signed with.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use super::{DataArgument, fail, say};
use crate::control::{Answer, Key, Output, Request};
use crate::domain::ports::Clock as _;
use crate::domain::times::Timestamp;
use crate::service::archive::Progress;
use crate::store::sled::SledStore;
use crate::system::clock::{SystemClock, SystemMonotonic};
use crate::system::clock_file::ClockFile;
use crate::system::service_clock::ServiceClock;
use crate::tokens::key_ring::{self, JWKS_MAX_AGE, KeyRing};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Subcommand)]
enum Deed {
    /// Show the name (kid), the creation and the state of each key: the next one, which is published
    /// and does not sign yet, the one that signs, and those that only verify. Never a key itself.
    List {
        #[command(flatten)]
        data: DataArgument,
    },
    /// Let the next key sign. No token is refused for that: the key before goes on verifying for as
    /// long as its tokens live. Refused for six minutes after the next key was made, until everybody
    /// who verifies tokens can have it. `serve --rotate-keys-every` does the same by itself.
    Rotate {
        #[command(flatten)]
        data: DataArgument,

        /// For a key that was stolen: a new key signs at once, every other one is forgotten, and
        /// every token of before is refused.
        #[arg(long)]
        now: bool,
    },
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.deed {
        Deed::List { data } => perform(data, &Request::ListKeys {}),
        Deed::Rotate { data, now } => perform(data, &Request::RotateKeys { at_once: *now }),
    };
    match done {
        Ok(Answer::Keys { keys }) => show(&keys),
        Ok(Answer::Rotated {
            signing,
            retired_until,
        }) => tell_of_rotation(&signing, retired_until.as_deref()),
        Ok(_) => return fail(&"the service answered something else than was asked"),
        Err(error) => return fail(&error),
    }
    ExitCode::SUCCESS
}

/// Over the socket of the service that has the directory open; else on the files themselves, for
/// which the store need not be sound.
fn perform(data: &DataArgument, request: &Request) -> Result<Answer, String> {
    #[cfg(unix)]
    if let Some(connection) = crate::control::connect(&data.data)? {
        return connection.perform(request, &mut io::empty(), &mut Nothing);
    }
    let words = |error: crate::store::StoreError| error.to_string();
    let directory = data.with_store().map_err(words)?;
    let _lock = SledStore::lock(directory).map_err(words)?;
    let now = service_time(directory);
    // First, for a rotation too: where there is no key, none is made, since one may be given.
    let listed = key_ring::list(directory, now)?;
    let Request::RotateKeys { at_once } = request else {
        return Ok(listed.into());
    };
    let ring = KeyRing::open(directory, now).map_err(|error| error.to_string())?;
    let rotated = match at_once {
        true => ring.rotate_now(now),
        false => ring.rotate(now),
    };
    rotated.map(Answer::from)
}

/// The time that the stopped service would have now.
fn service_time(directory: &Path) -> Timestamp {
    let remembered = ClockFile::of(directory).read().unwrap_or_default();
    ServiceClock::new(Arc::new(SystemClock), Arc::new(SystemMonotonic), remembered).now()
}

fn show(keys: &[Key]) {
    say(&format_args!("{:<43}  {:<20}  state", "kid", "created"));
    for key in keys {
        let created = key.created.as_deref().unwrap_or("-");
        say(&format_args!(
            "{:<43}  {created:<20}  {}",
            key.kid, key.state
        ));
    }
}

fn tell_of_rotation(signing: &str, retired_until: Option<&str>) {
    say(&format_args!("{signing} signs now."));
    match retired_until {
        Some(until) => say(&format_args!(
            "The key before it verifies until {until}; no token is refused."
        )),
        None => say(&format_args!(
            "Every token of before is refused here: clients fetch new ones. Who verifies tokens \
             elsewhere may believe the old keys for {JWKS_MAX_AGE} seconds more, until the keys are \
             fetched again."
        )),
    }
}

/// Neither data nor progress comes of it.
struct Nothing;

impl Output for Nothing {
    fn data(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: Progress) -> io::Result<()> {
        Ok(())
    }
}

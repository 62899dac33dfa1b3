//! `credenza restore`: makes a store of a backup.
//!
//! The marker comes last: a restore that was cut short leaves a directory that is refused.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::serve::key_path;
use super::transfer::{self, Bar};
use super::{DataArgument, fail, say};
use crate::service::archive::Progress;
use crate::store::Store;
use crate::store::archive::Kind;
use crate::store::archive::restore::{self, Verified};
use crate::store::sled::{Identity, SledStore};
use crate::system::clock::monotonic_now;
use crate::system::random::SystemRandom;
use crate::tokens::key_file;

/// In a data directory whose restore has not ended.
const UNFINISHED: &str = "restoring";

/// Refuses a directory that a restore was cut short in: what it holds is no store of anybody's.
pub fn refuse_unfinished(data: &Path) -> Result<(), String> {
    match data.join(UNFINISHED).exists() {
        false => Ok(()),
        true => Err(format!(
            "a restore into {} was cut short: remove the directory and restore again",
            data.display()
        )),
    }
}

/// The file is read to its end and found whole before anything is written. Ids, secrets and
/// revisions are those of the backup; the store gets an epoch of its own, so that every token and
/// every entity tag of before is refused. What happened after the backup is undone: deletions,
/// disablings and removed secrets among it. A restore that was cut short leaves a directory that is
/// refused; remove it and restore again.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,

    /// The backup to read.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match restored(&arguments.data.data, &arguments.from) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn restored(data: &Path, from: &Path) -> Result<(), String> {
    let started = monotonic_now();
    let verified = verified(from)?;
    let store = SledStore::create(data, Identity::draw(&SystemRandom));
    let store = store.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    let unfinished = data.join(UNFINISHED);
    let written = File::create(&unfinished).and_then(|file| file.sync_all());
    written.map_err(|error| format!("cannot write {}: {error}", unfinished.display()))?;
    let filled = runtime.block_on(fill(&store, data, from, &verified));
    filled.map_err(|why| {
        format!(
            "{why}. {} holds a part of the backup: remove it and restore again",
            data.display()
        )
    })?;

    let totals = &verified.totals;
    say(&format_args!(
        "Restored {}.",
        transfer::summary(totals.tenants, totals.clients, totals.bytes, started)
    ));
    for passed in &verified.passed_on {
        say(&format_args!("Note: {passed}."));
    }
    say(&format_args!(
        "Changes after {taken} are not in this backup, revocations among them: clients, secrets and \
         roles that were deleted, disabled or taken away since then are valid again.",
        taken = verified.header.taken
    ));
    say(&match verified.key {
        Some(_) => "The signing key is the backup's; tokens of before are refused all the same.",
        None => "The next start makes a new signing key; tokens of before are refused.",
    });
    Ok(())
}

/// Reads all of a backup and finds it whole.
fn verified(from: &Path) -> Result<Verified, String> {
    let why =
        |error: &dyn std::fmt::Display| format!("{} cannot be restored: {error}", from.display());
    let verified = restore::verify(open(from)?).map_err(|error| why(&error))?;
    if verified.header.kind != Kind::Backup {
        return Err(why(&"it is an export; give it to `credenza import`"));
    }
    if verified
        .key
        .as_ref()
        .is_some_and(|pem| !key_file::holds_key(pem))
    {
        return Err(why(&"its signing key is none"));
    }
    Ok(verified)
}

fn open(from: &Path) -> Result<BufReader<File>, String> {
    const BUFFER: usize = 128 * 1024;
    match File::open(from) {
        Ok(file) => Ok(BufReader::with_capacity(BUFFER, file)),
        Err(error) => Err(format!("cannot read {}: {error}", from.display())),
    }
}

/// Writes everything, compares it, and marks the store as complete, in this order.
async fn fill(
    store: &SledStore,
    data: &Path,
    from: &Path,
    verified: &Verified,
) -> Result<(), String> {
    let mut bar = Bar::new();
    let mut progress = |clients| {
        bar.show(Progress {
            tenants: 0,
            of_tenants: 1,
            clients,
            of_clients: verified.totals.clients,
        });
    };
    let written = restore::write(open(from)?, verified, store, &SystemRandom, &mut progress).await;
    bar.clear();
    written.map_err(|error| error.to_string())?;
    let findings = store.check().await.map_err(|error| error.to_string())?;
    if let Some(first) = findings.first() {
        return Err(format!("{} things are wrong: {first}", findings.len()));
    }
    if let Some(pem) = &verified.key {
        key_file::restore(&key_path(data), pem).map_err(|error| error.to_string())?;
    }
    store.mark_complete().map_err(|error| error.to_string())?;
    let unfinished = data.join(UNFINISHED);
    std::fs::remove_file(&unfinished)
        .map_err(|error| format!("cannot remove {}: {error}", unfinished.display()))?;
    store.close().await.map_err(|error| error.to_string())
}

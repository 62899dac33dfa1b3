//! `credenza restore`: makes a store of a backup.
//!
//! The marker comes last: a restore that was cut short leaves a directory that is refused.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::serve::key_path;
use super::transfer::{self, Bar};
use super::{DataArgument, fail, say};
use crate::domain::client::ClientRecord;
use crate::domain::ports::Clock as _;
use crate::domain::role::ClusterRole;
use crate::domain::tenant::TenantState;
use crate::domain::times::Timestamp;
use crate::service::archive::Progress;
use crate::service::revoke::{Base, Revocations, Revoked};
use crate::store::archive::Kind;
use crate::store::archive::restore::{self, Verified};
use crate::store::sled::{Identity, SledStore};
use crate::store::{Store, StoreError, TenantRows};
use crate::system::clock::{SystemClock, monotonic_now};
use crate::system::clock_file::ClockFile;
use crate::system::random::SystemRandom;
use crate::system::timeline::Remembered;
use crate::telemetry::audit;
use crate::tokens::key_file;

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

    /// Take away again what was taken away after the backup, by the audit log of the service that it
    /// was taken of: clients, secrets, roles and tenants that were deleted, clients that were
    /// disabled, roles that were taken from clients, expirations that were moved earlier. For a log
    /// that was rotated, give each file.
    #[arg(long, value_name = "AUDIT.jsonl")]
    then_revoke: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match restored(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn restored(arguments: &Arguments) -> Result<(), String> {
    let (data, from) = (&*arguments.data.data, &*arguments.from);
    let started = monotonic_now();
    let mut verified = verified(from)?;
    // Before anything is written: a log that cannot be read is better known now.
    let revocations = match arguments.then_revoke.is_empty() {
        true => None,
        false => Some(read_log(&arguments.then_revoke, &mut verified)?),
    };
    let store = SledStore::create(data, Identity::draw(&SystemRandom));
    let store = store.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| error.to_string())?;
    let filled = runtime.block_on(fill(&store, data, from, &verified, revocations));
    let filled = filled.map_err(|why| {
        format!(
            "{why}. {} holds a part of the backup: remove it and restore again",
            data.display()
        )
    })?;
    tell_what_was_done(&verified, &filled, started);
    Ok(())
}

/// What the person in front has to know.
fn tell_what_was_done(verified: &Verified, filled: &Filled, started: Instant) {
    let totals = &verified.totals;
    say(&format_args!(
        "Restored {}.",
        transfer::summary(totals.tenants, totals.clients, totals.bytes, started)
    ));
    for passed in &verified.passed_on {
        say(&format_args!("Note: {passed}."));
    }
    let taken = verified.header.taken;
    match &filled.revoked {
        None => say(&format_args!(
            "Changes after {taken} are not in this backup, revocations among them: clients, secrets \
             and roles that were deleted, disabled or taken away since then are valid again."
        )),
        Some(revoked) => {
            say(&format_args!(
                "Changes after {taken} are not in this backup. What the audit log says was taken \
                 away since then is taken away again: {revoked}."
            ));
            for note in &revoked.notes {
                say(&format_args!("Note: {note}."));
            }
            for what in &revoked.could_not {
                say(&format_args!("Could not be done: {what}."));
            }
        }
    }
    if !filled.in_charge {
        say(&"No Cluster Operator is left with a living secret: `credenza recover` creates one.");
    }
    say(&match verified.key {
        Some(_) => "The signing key is the backup's; tokens of before are refused all the same.",
        None => "The next start makes a new signing key; tokens of before are refused.",
    });
}

/// What was taken away after the backup, by the audit logs of the service.
fn read_log(paths: &[PathBuf], verified: &mut Verified) -> Result<Revocations, String> {
    let taken = verified.header.taken;
    let mut revocations = Revocations::since(Base {
        epoch: verified.header.epoch,
        taken,
        revisions: std::mem::take(&mut verified.revisions),
    });
    let mut first = None;
    for path in paths {
        for record in audit::read(path).map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            first = first.or(Some(record.time));
            revocations.add(&record);
        }
    }
    match first {
        Some(first) if first <= taken => {}
        Some(first) => say(&format_args!(
            "Note: the audit log begins at {first}, and the backup was taken at {taken}: what was \
             taken away in between is valid again."
        )),
        None => say(&"Note: the audit log is empty."),
    }
    Ok(revocations)
}

/// What became of a store that was filled.
struct Filled {
    revoked: Option<Revoked>,
    /// Whether an operator can still come in.
    in_charge: bool,
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
    revocations: Option<Revocations>,
) -> Result<Filled, String> {
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
    let now = SystemClock.now();
    let revoked = match revocations {
        Some(revocations) => Some(revocations.apply(store, &SystemRandom, now).await?),
        None => None,
    };
    let findings = store.check().await.map_err(|error| error.to_string())?;
    if let Some(first) = findings.first() {
        return Err(format!("{} things are wrong: {first}", findings.len()));
    }
    if let Some(pem) = &verified.key {
        key_file::restore(&key_path(data), pem).map_err(|error| error.to_string())?;
    }
    // Time goes on from the backup: a clock that was set back revives nothing that had expired.
    let clock = ClockFile::of(data);
    let mark = verified.header.taken;
    let remembered = Remembered {
        mark,
        steps: Vec::new(),
    };
    clock
        .write(&remembered)
        .map_err(|error| format!("cannot write {}: {error}", clock.path().display()))?;
    let in_charge = is_in_charge(store, now.max(mark)).await?;
    store.mark_complete().map_err(|error| error.to_string())?;
    store.close().await.map_err(|error| error.to_string())?;
    Ok(Filled { revoked, in_charge })
}

/// Whether some operator is enabled and has a secret that lives at a time.
async fn is_in_charge(store: &SledStore, now: Timestamp) -> Result<bool, String> {
    let words = |error: StoreError| error.to_string();
    let mut loaded: Option<TenantRows> = None;
    for (tenant, client) in store.cluster_role_holders().await.map_err(words)? {
        if loaded.as_ref().is_none_or(|rows| rows.tenant.id != tenant) {
            loaded = store.load(tenant).await.map_err(words)?;
        }
        let Some(rows) = &loaded else { continue };
        let active = rows.tenant.state == TenantState::Active;
        let operates = |record: &Arc<ClientRecord>| {
            record.client.id == client
                && record.client.enabled
                && record.client.role_ids.contains(&ClusterRole::Operator.id())
                && record.secrets.any_lives_at(now)
        };
        if active && rows.clients.iter().any(operates) {
            return Ok(true);
        }
    }
    Ok(false)
}

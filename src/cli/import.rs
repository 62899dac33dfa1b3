//! `credenza import`: what an export holds, created in another store.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::offline::{self, AuditArgument};
use super::serve::key_path;
use super::transfer::{self, Bar};
use super::{DataArgument, fail, say};
use crate::control::{self, Answer, Context, Output, Request};
use crate::service::archive::{Progress, Source};
use crate::service::decide::Limits;
use crate::store::archive::restore;
use crate::system::clock::monotonic_now;

/// The file is read to its end and found whole before anything is created. Ids and secrets are those
/// of the file, revisions those of the store. What is there already and is the same is skipped, so
/// an import that was cut short can be run again; what differs stops it and is named. Nothing that
/// is there is changed or deleted, and the limits of the store hold.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,

    /// The export, or the backup, to read.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The tenant to import [default: all that are in the file].
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,

    /// How many clients a tenant may hold, where no service has the store open.
    #[arg(
        long,
        env = "CREDENZA_MAX_CLIENTS_PER_TENANT",
        default_value_t = 50_000,
        value_name = "N"
    )]
    max_clients_per_tenant: usize,

    #[command(flatten)]
    audit: AuditArgument,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    match imported(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn imported(arguments: &Arguments) -> Result<(), String> {
    let started = monotonic_now();
    let from = &arguments.from;
    let verified = restore::verify(open(from)?)
        .map_err(|error| format!("{} cannot be imported: {error}", from.display()))?;
    let request = Request::Import {
        tenant: arguments.tenant.clone(),
    };
    let mut bar = Shown {
        bar: Bar::new(),
        of_clients: verified.totals.clients,
    };
    let answer = perform(arguments, &request, open(from)?, &mut bar);
    bar.bar.clear();
    let Answer::Imported {
        tenants,
        clients,
        created,
        there,
    } = answer?
    else {
        return Err("the service answered something else than was asked".to_owned());
    };
    let bytes = verified.totals.bytes;
    say(&format_args!(
        "Imported: {}; {created} objects created, {there} there already.",
        transfer::summary(tenants, clients, bytes, started)
    ));
    Ok(())
}

fn open(from: &Path) -> Result<BufReader<File>, String> {
    match File::open(from) {
        Ok(file) => Ok(BufReader::with_capacity(128 * 1024, file)),
        Err(error) => Err(format!("cannot read {}: {error}", from.display())),
    }
}

fn perform(
    arguments: &Arguments,
    request: &Request,
    mut input: BufReader<File>,
    output: &mut dyn Output,
) -> Result<Answer, String> {
    let data = &arguments.data;
    #[cfg(unix)]
    if let Some(connection) = control::connect(&data.data)? {
        return connection.perform(request, &mut input, output);
    }
    let limits = Limits {
        clients_per_tenant: arguments.max_clients_per_tenant,
        ..Limits::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let (service, store) = offline::start(data, limits, &arguments.audit).await?;
        let service = Arc::new(service);
        let context = Context {
            source: Source {
                id: store.identity().store,
                store,
                directory: Some(service.directory.clone()),
                clock: service.clock.clone(),
            },
            key_path: key_path(&data.data),
            keys: None,
            service: Some(service.clone()),
            now: monotonic_now,
        };
        let answer = control::perform(&context, request, &mut input, output).await;
        let stopped = service.stop().await;
        let answer = answer?;
        stopped.map_err(|error| error.to_string())?;
        Ok(answer)
    })
}

struct Shown {
    bar: Bar,
    of_clients: u64,
}

impl Output for Shown {
    fn data(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn progress(&mut self, progress: Progress) -> io::Result<()> {
        self.bar.show(Progress {
            tenants: 0,
            of_tenants: 1,
            clients: progress.clients,
            of_clients: self.of_clients,
        });
        Ok(())
    }
}

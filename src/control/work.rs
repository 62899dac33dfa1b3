//! What each request does. The same function serves a command that opened the store itself and one
//! that speaks over the socket.

use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use super::{Answer, Context, Output, Request, tenant_id};
use crate::service::archive::{self, Progress, Wanted};
use crate::service::import::import;
use crate::store::archive::Kind;
use crate::tokens::key_file;
use crate::tokens::key_holder::KeyHolder;

/// How often a word goes out while nothing else does, so that it is noticed when nobody listens.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Does what was asked for. May block the thread that runs it: never called on one that answers
/// HTTP or that writes. `input` is what the request takes as data.
pub async fn perform(
    context: &Context,
    request: &Request,
    input: &mut dyn BufRead,
    output: &mut dyn Output,
) -> Result<Answer, String> {
    match request {
        Request::Check {} => check(context, output).await,
        Request::Backup { with_key } => {
            let key = match with_key {
                true => Some(key_file::read(&context.key_path).map_err(|e| e.to_string())?),
                false => None,
            };
            let wanted = Wanted {
                kind: Kind::Backup,
                tenant: None,
                key,
            };
            take(context, wanted, output).await
        }
        Request::Export { tenant } => {
            let wanted = Wanted {
                kind: Kind::Export,
                tenant: tenant_id(tenant.as_deref())?,
                key: None,
            };
            take(context, wanted, output).await
        }
        Request::ListKeys {} => Ok(keys(context)?.list(context.source.clock.now()).into()),
        Request::RotateKeys { at_once } => {
            let rotated = keys(context)?.rotate(context.source.clock.now(), *at_once)?;
            log::info!("the signing keys were rotated: {rotated}");
            Ok(rotated.into())
        }
        Request::Import { tenant } => {
            let tenant = tenant_id(tenant.as_deref())?;
            let Some(service) = &context.service else {
                return Err("nothing can be written here".to_owned());
            };
            let mut progress = |progress| output.progress(progress);
            let imported = import(service, input, tenant, context.now, &mut progress).await?;
            Ok(Answer::Imported {
                tenants: imported.tenants,
                clients: imported.clients,
                created: imported.created,
                there: imported.there,
            })
        }
    }
}

fn keys(context: &Context) -> Result<&KeyHolder, String> {
    let keys = context.keys.as_deref();
    keys.ok_or_else(|| "there are no keys here".to_owned())
}

async fn check(context: &Context, output: &mut dyn Output) -> Result<Answer, String> {
    let checking = context.source.store.check();
    tokio::pin!(checking);
    let findings = loop {
        tokio::select! {
            found = &mut checking => break found.map_err(|error| error.to_string())?,
            () = tokio::time::sleep(HEARTBEAT) => {
                output.progress(Progress::default()).map_err(gone)?;
            }
        }
    };
    for finding in &findings {
        let line = format!("{finding}\n");
        output.data(line.as_bytes()).map_err(gone)?;
    }
    Ok(Answer::Checked {
        wrong: findings.len() as u64,
    })
}

async fn take(
    context: &Context,
    wanted: Wanted,
    output: &mut dyn Output,
) -> Result<Answer, String> {
    // The archive and the words of progress go the same way, in turn.
    let output = RefCell::new(output);
    let data = io::BufWriter::with_capacity(CHUNK, Data(&output));
    let mut progress = |progress| output.borrow_mut().progress(progress);
    let taken = archive::take(&context.source, wanted, data, &mut progress).await?;
    Ok(Answer::Archived {
        tenants: taken.totals.tenants,
        clients: taken.totals.clients,
        bytes: taken.totals.bytes,
        taken: taken.at.to_string(),
    })
}

const CHUNK: usize = 64 * 1024;

struct Data<'a, 'b>(&'a RefCell<&'b mut dyn Output>);

impl Write for Data<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().data(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gone(error: io::Error) -> String {
    format!("whoever asked for it has gone: {error}")
}

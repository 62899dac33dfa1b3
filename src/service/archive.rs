//! Taking an archive of a store in use: each tenant at one revision, while writes go on.
//!
//! A tenant in memory is taken from its snapshot, which never changes, so nobody waits. Any other
//! is read from the store and let go again, so that a backup pushes nobody out of memory.

use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::directory::{Directory, TenantContent};
use crate::domain::ids::{ClientId, TenantId};
use crate::domain::ports::{Clock, Unmeasured};
use crate::domain::times::Timestamp;
use crate::store::archive::{ArchiveError, ArchiveWriter, Header, Kind, Totals};
use crate::store::{Store, StoreError};

/// What an archive is taken from.
#[derive(Clone)]
pub struct Source {
    pub store: Arc<dyn Store>,
    /// A running service's; a command that opened the store itself has none.
    pub directory: Option<Arc<Directory>>,
    pub clock: Arc<dyn Clock>,
    /// The id of the store.
    pub id: Uuid,
}

impl Source {
    async fn directory(&self) -> Result<Arc<Directory>, StoreError> {
        match &self.directory {
            Some(directory) => Ok(directory.clone()),
            // Nothing that is read is kept.
            None => {
                let directory = Directory::open(self.store.clone(), u64::MAX, Arc::new(Unmeasured));
                directory.await.map(Arc::new)
            }
        }
    }
}

/// What is to be in it.
pub struct Wanted {
    pub kind: Kind,
    /// One tenant; `None` is all of them.
    pub tenant: Option<TenantId>,
    /// The file of the signing key, if that is to be in it.
    pub key: Option<Zeroizing<String>>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub tenants: u64,
    pub of_tenants: u64,
    /// In the tenant at hand.
    pub clients: u64,
    pub of_clients: u64,
}

/// Told now and then how far the work is; an error of it ends the work.
pub type OnProgress<'a> = dyn FnMut(Progress) -> io::Result<()> + 'a;

/// What was taken.
pub struct Taken {
    pub totals: Totals,
    pub at: Timestamp,
}

/// How many clients are written between two words of progress.
const STEP: u64 = 1_000;

/// Writes an archive of the tenants that there are now, in the order of their ids. One that is
/// deleted before its turn is left out. Holds at most one tenant that was not in memory.
pub async fn take(
    source: &Source,
    wanted: Wanted,
    out: impl Write,
    on_progress: &mut OnProgress<'_>,
) -> Result<Taken, String> {
    let at = source.clock.now();
    let directory = source.directory().await;
    let directory = directory.map_err(|error| error.to_string())?;
    let registry = directory.registry();
    let tenants: Vec<TenantId> = match wanted.tenant {
        None if !registry.damaged().is_empty() => {
            return Err(unreadable(registry.damaged()[0], &"its row is damaged"));
        }
        Some(id) if registry.is_damaged(id) => return Err(unreadable(id, &"its row is damaged")),
        None => registry.tenants().iter().map(|tenant| tenant.id).collect(),
        Some(id) if registry.active(id).is_some() => vec![id],
        Some(id) => return Err(format!("there is no tenant {id}")),
    };
    drop(registry);
    let header = Header {
        kind: wanted.kind,
        store: source.id,
        epoch: source.store.epoch(),
        taken: at,
        has_key: wanted.key.is_some(),
    };
    let mut writer = ArchiveWriter::new(out, &header).map_err(words)?;
    if let Some(pem) = &wanted.key {
        writer.key(pem).map_err(words)?;
    }
    let mut progress = Progress {
        of_tenants: tenants.len() as u64,
        ..Progress::default()
    };
    for id in tenants {
        on_progress(progress).map_err(ended)?;
        let content = directory.content(id).await;
        if let Some(content) = content.map_err(|error| unreadable(id, &error))? {
            write_tenant(&mut writer, &content, progress, on_progress)?;
        }
        progress.tenants += 1;
    }
    on_progress(progress).map_err(ended)?;
    let totals = writer.finish().map_err(words)?;
    Ok(Taken { totals, at })
}

fn write_tenant(
    writer: &mut ArchiveWriter<impl Write>,
    content: &TenantContent,
    mut progress: Progress,
    on_progress: &mut OnProgress<'_>,
) -> Result<(), String> {
    let id = content.tenant().id;
    let damaged = |client: &ClientId| unreadable(id, &format_args!("client '{client}' is damaged"));
    if let Some(client) = content.damaged().first() {
        return Err(damaged(client));
    }
    writer
        .tenant(content.tenant(), content.revision())
        .map_err(words)?;
    for role in content.roles() {
        writer.role(role).map_err(words)?;
    }
    progress.of_clients = content.client_count() as u64;
    for client in content.clients() {
        if progress.clients.is_multiple_of(STEP) {
            on_progress(progress).map_err(ended)?;
        }
        if !client.secrets.damaged.is_empty() {
            return Err(damaged(&client.client.id));
        }
        writer.client(client).map_err(words)?;
        progress.clients += 1;
    }
    writer.end_of_tenant().map_err(words)
}

fn words(error: ArchiveError) -> String {
    error.to_string()
}

fn ended(error: io::Error) -> String {
    format!("whoever asked for it has gone: {error}")
}

fn unreadable(tenant: TenantId, why: &dyn std::fmt::Display) -> String {
    format!(
        "tenant {tenant} cannot be read: {why}. Nothing was written; `credenza check` lists what is \
         wrong"
    )
}

//! Importing an archive into a store in use: through the writer, with its rules and limits, an
//! object a command. What is there already and is the same is skipped; at the end of each tenant
//! what is there is compared with what was read.

use std::io::BufRead;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::Service;
use super::archive::{OnProgress, Progress};
use super::bootstrap::PATIENCE;
use super::command::{Asker, Command, Import, Outcome};
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, RoleId, TenantId};
use crate::domain::role::Role;
use crate::domain::tenant::Tenant;
use crate::store::archive::{
    ArchiveReader, Fingerprint, Item, canonical_client, canonical_role, canonical_tenant,
};

/// How many objects wait for the writer at one time: enough to fill its batches.
const AT_ONCE: usize = 128;
/// How many clients are imported between two words of progress.
const STEP: u64 = 1_000;

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub tenants: u64,
    pub clients: u64,
    /// Tenants, roles and clients that were created, and those that were there already.
    pub created: u64,
    pub there: u64,
}

/// Imports all tenants of an archive, or one of them. `now` is the monotonic clock.
///
/// What was imported before an error stays; the import can be run again. Holds the ids of one
/// tenant's clients, not the clients.
pub async fn import(
    service: &Arc<Service>,
    input: impl BufRead,
    only: Option<TenantId>,
    now: fn() -> Instant,
    on_progress: &mut OnProgress<'_>,
) -> Result<Imported, String> {
    let mut importing = Importing {
        service,
        now,
        writing: JoinSet::new(),
        result: Imported::default(),
    };
    let mut reader = ArchiveReader::new(input).map_err(|error| error.to_string())?;
    let mut current: Option<Current> = None;
    loop {
        let item = reader.next_item().map_err(|error| error.to_string())?;
        match item {
            Item::Key(_) => {}
            Item::Tenant(tenant, _) => {
                let wanted = only.is_none_or(|only| only == tenant.id);
                current = wanted.then(|| Current::new(tenant));
            }
            Item::End(_) => break,
            _ if current.is_none() => {}
            Item::Role(role) => {
                if let Some(current) = &mut current {
                    current.roles.push(Arc::new(role));
                }
            }
            Item::Client(record) => {
                let Some(current) = &mut current else {
                    continue;
                };
                importing.begin(current).await?;
                current.read.add(&canonical_client(&record));
                current.clients.push(record.client.id.clone());
                if importing.result.clients.is_multiple_of(STEP) {
                    let progress = importing.progress();
                    on_progress(progress).map_err(|error| error.to_string())?;
                }
                importing.result.clients += 1;
                let record = Arc::new(record);
                let tenant = current.tenant.id;
                importing.write(Import::Client { tenant, record }).await?;
            }
            Item::EndOfTenant => {
                let Some(mut current) = current.take() else {
                    continue;
                };
                importing.begin(&mut current).await?;
                importing.settle().await?;
                importing.compare(&current).await?;
                importing.result.tenants += 1;
            }
        }
    }
    match only {
        Some(tenant) if importing.result.tenants == 0 => {
            Err(format!("there is no tenant {tenant} in the file"))
        }
        _ => Ok(importing.result),
    }
}

/// The tenant that is being imported.
struct Current {
    tenant: Tenant,
    roles: Vec<Arc<Role>>,
    begun: bool,
    clients: Vec<ClientId>,
    role_ids: Vec<RoleId>,
    /// Over everything that was read of it.
    read: Fingerprint,
}

impl Current {
    fn new(tenant: Tenant) -> Self {
        let mut read = Fingerprint::default();
        read.add(&canonical_tenant(&tenant));
        Self {
            tenant,
            roles: Vec::new(),
            begun: false,
            clients: Vec::new(),
            role_ids: Vec::new(),
            read,
        }
    }
}

struct Importing<'a> {
    service: &'a Arc<Service>,
    now: fn() -> Instant,
    writing: JoinSet<Result<Outcome, Refusal>>,
    result: Imported,
}

impl Importing<'_> {
    /// How many tenants and clients so far; who sent the archive knows of how many.
    fn progress(&self) -> Progress {
        Progress {
            tenants: self.result.tenants,
            clients: self.result.clients,
            ..Progress::default()
        }
    }

    /// The tenant and its roles, before the first client that may hold one.
    async fn begin(&mut self, current: &mut Current) -> Result<(), String> {
        if std::mem::replace(&mut current.begun, true) {
            return Ok(());
        }
        let roles = std::mem::take(&mut current.roles);
        for role in &roles {
            current.read.add(&canonical_role(role));
            current.role_ids.push(role.id);
        }
        let (built_in, own) = roles.into_iter().partition(|role| role.built_in.is_some());
        let tenant = Arc::new(current.tenant.clone());
        self.write(Import::Tenant { tenant, built_in }).await?;
        self.settle().await?;
        let own: Vec<Arc<Role>> = own;
        for role in own {
            let tenant = current.tenant.id;
            self.write(Import::Role { tenant, role }).await?;
        }
        self.settle().await
    }

    /// Gives an object to the writer; waits where enough are under way.
    async fn write(&mut self, import: Import) -> Result<(), String> {
        if self.writing.len() >= AT_ONCE {
            self.next().await?;
        }
        let service = self.service.clone();
        let deadline = (self.now)() + PATIENCE;
        self.writing.spawn(async move {
            let command = Command::Import(import);
            service.write(Asker::Service, command, deadline).await
        });
        Ok(())
    }

    /// Waits for everything that is under way.
    async fn settle(&mut self) -> Result<(), String> {
        while !self.writing.is_empty() {
            self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<(), String> {
        match self.writing.join_next().await {
            Some(Ok(Ok(Outcome::Imported { created: true }))) => self.result.created += 1,
            Some(Ok(Ok(_))) => self.result.there += 1,
            Some(Ok(Err(refusal))) => {
                return Err(format!(
                    "the import stopped: {} {} What was imported before stays and is skipped when \
                     the import is run again",
                    refusal.reason, refusal.resolution
                ));
            }
            Some(Err(_)) => return Err("the import was stopped".to_owned()),
            None => {}
        }
        Ok(())
    }

    /// Whether the store now has what was read, object by object.
    async fn compare(&self, current: &Current) -> Result<(), String> {
        let id = current.tenant.id;
        let snapshot = self.service.snapshot(id).await;
        let snapshot = snapshot.map_err(|refusal| refusal.reason)?;
        let mut found = Fingerprint::default();
        if let Some(snapshot) = snapshot {
            found.add(&canonical_tenant(snapshot.tenant()));
            for role in current.role_ids.iter().filter_map(|id| snapshot.role(id)) {
                found.add(&canonical_role(role));
            }
            for record in current.clients.iter().filter_map(|id| snapshot.client(id)) {
                found.add(&canonical_client(record));
            }
        }
        match found == current.read {
            true => Ok(()),
            false => Err(format!(
                "tenant {id} is not what the file says: it was changed while it was imported. Run \
                 the import again to see what differs"
            )),
        }
    }
}

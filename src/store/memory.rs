//! A store in memory: what `serve --dev` uses, and the model that other backends are compared with.
//!
//! It keeps the typed values themselves and derives every answer from them, so that it shares
//! neither rows nor counters, and no mistake, with a backend that has some.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use parking_lot::Mutex;

use super::batch::{Batch, Change};
use super::{CommitError, Finding, Store, StoreError, StoreFuture, TenantEntry, TenantRows};
use crate::domain::client::ClientRecord;
use crate::domain::ids::{ClientId, Epoch, Revision, RoleId, TenantId};
use crate::domain::role::{ClusterRole, Role};
use crate::domain::tenant::Tenant;

/// Keeps everything in memory, and loses it with the last reference.
///
/// Closing it ends nothing: whoever kept a reference goes on, as after a restart.
pub struct MemoryStore {
    epoch: Epoch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revision: Revision,
    tenants: BTreeMap<TenantId, Kept>,
}

struct Kept {
    tenant: Arc<Tenant>,
    revision: Revision,
    clients: BTreeMap<ClientId, Arc<ClientRecord>>,
    roles: BTreeMap<RoleId, Arc<Role>>,
}

impl MemoryStore {
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            state: Mutex::default(),
        }
    }
}

impl State {
    fn commit(&mut self, batch: Batch) -> Result<(), CommitError> {
        for moved in &batch.tenants {
            let current = self.tenants.get(&moved.tenant);
            if current.map_or(Revision::ZERO, |kept| kept.revision) != moved.decided_on {
                return Err(CommitError::Conflict(moved.tenant));
            }
        }
        self.refuse_nonsense(&batch)
            .map_err(|why| CommitError::DidNotHappen(StoreError::Failed(why)))?;
        for change in batch.changes {
            self.apply(change);
        }
        for moved in &batch.tenants {
            if let Some(kept) = self.tenants.get_mut(&moved.tenant) {
                kept.revision = moved.after;
            }
        }
        self.revision = batch.revision;
        Ok(())
    }

    fn refuse_nonsense(&self, batch: &Batch) -> Result<(), String> {
        if batch.revision <= self.revision {
            return Err(format!(
                "revision {} does not come after {}",
                batch.revision, self.revision
            ));
        }
        let mut known: BTreeSet<TenantId> = self.tenants.keys().copied().collect();
        for change in &batch.changes {
            let tenant = change.tenant();
            if !batch.tenants.iter().any(|moved| moved.tenant == tenant) {
                return Err(format!("the batch does not say that it moves {tenant}"));
            }
            let there = known.contains(&tenant);
            match change {
                Change::PutTenant { created: true, .. } if there => {
                    return Err(format!("tenant {tenant} is there already"));
                }
                Change::PutTenant { created: true, .. } => _ = known.insert(tenant),
                _ if !there => return Err(format!("there is no tenant {tenant}")),
                Change::RemoveTenant { .. } => _ = known.remove(&tenant),
                _ => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        let id = change.tenant();
        match change {
            Change::PutTenant { tenant, .. } => match self.tenants.get_mut(&id) {
                Some(kept) => kept.tenant = tenant,
                None => {
                    let kept = Kept {
                        tenant,
                        revision: Revision::ZERO,
                        clients: BTreeMap::new(),
                        roles: BTreeMap::new(),
                    };
                    self.tenants.insert(id, kept);
                }
            },
            Change::RemoveTenant { .. } => _ = self.tenants.remove(&id),
            other => {
                if let Some(kept) = self.tenants.get_mut(&id) {
                    kept.apply(other);
                }
            }
        }
    }
}

impl Kept {
    fn apply(&mut self, change: Change) {
        match change {
            Change::PutClient { new, .. } => {
                self.clients.insert(new.client.id.clone(), new);
            }
            Change::DeleteClient { old, .. } => {
                self.clients.remove(&old.client.id);
            }
            Change::PutRole { role, .. } => {
                self.roles.insert(role.id, role);
            }
            Change::DeleteRole { role, .. } => {
                self.roles.remove(&role.id);
            }
            Change::PutTenant { .. } | Change::RemoveTenant { .. } => {}
        }
    }

    fn rows(&self) -> TenantRows {
        TenantRows {
            tenant: self.tenant.clone(),
            revision: self.revision,
            clients: self.clients.values().cloned().collect(),
            damaged: Vec::new(),
            roles: self.roles.values().cloned().collect(),
        }
    }

    /// Roles that a client holds and that do not exist.
    fn findings(&self) -> impl Iterator<Item = Finding> {
        let tenant = self.tenant.id;
        self.clients.values().flat_map(move |record| {
            let client = &record.client;
            client
                .role_ids
                .iter()
                .filter(|role| ClusterRole::of(**role).is_none() && !self.roles.contains_key(role))
                .map(move |role| Finding {
                    place: format!("client {} of tenant {tenant}", client.id),
                    problem: format!("it holds role {role}, which does not exist"),
                })
        })
    }
}

fn holds_cluster_role(record: &ClientRecord) -> bool {
    let roles = &record.client.role_ids;
    roles.iter().any(|role| ClusterRole::of(*role).is_some())
}

impl Store for MemoryStore {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn revision(&self) -> StoreFuture<'_, Result<Revision, StoreError>> {
        Box::pin(ready(Ok(self.state.lock().revision)))
    }

    fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TenantEntry>, StoreError>> {
        let state = self.state.lock();
        let from = after.map_or(Unbounded, Excluded);
        let page = state.tenants.range((from, Unbounded)).take(limit);
        let page = page.map(|(_, kept)| TenantEntry::Whole(kept.tenant.clone()));
        let page = page.collect();
        Box::pin(ready(Ok(page)))
    }

    fn load(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<TenantRows>, StoreError>> {
        let rows = self.state.lock().tenants.get(&tenant).map(Kept::rows);
        Box::pin(ready(Ok(rows)))
    }

    fn tenant_revision(
        &self,
        tenant: TenantId,
    ) -> StoreFuture<'_, Result<Option<Revision>, StoreError>> {
        let state = self.state.lock();
        let revision = state.tenants.get(&tenant).map(|kept| kept.revision);
        Box::pin(ready(Ok(revision)))
    }

    fn clients_of(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<u64>, StoreError>> {
        let state = self.state.lock();
        let clients = state.tenants.get(&tenant);
        Box::pin(ready(Ok(clients.map(|kept| kept.clients.len() as u64))))
    }

    fn tenants_with(&self, client: ClientId) -> StoreFuture<'_, Result<Vec<TenantId>, StoreError>> {
        let state = self.state.lock();
        let having = state.tenants.iter();
        let having = having.filter(|(_, kept)| kept.clients.contains_key(&client));
        let having = having.map(|(id, _)| *id).collect();
        Box::pin(ready(Ok(having)))
    }

    fn cluster_role_holders(
        &self,
    ) -> StoreFuture<'_, Result<Vec<(TenantId, ClientId)>, StoreError>> {
        let state = self.state.lock();
        let mut holders = Vec::new();
        for (tenant, kept) in &state.tenants {
            let holding = kept.clients.iter();
            let holding = holding.filter(|(_, record)| holds_cluster_role(record));
            holders.extend(holding.map(|(client, _)| (*tenant, client.clone())));
        }
        Box::pin(ready(Ok(holders)))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.state.lock().commit(batch) })
    }

    fn reopen(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(Ok(())))
    }

    fn check(&self) -> StoreFuture<'_, Result<Vec<Finding>, StoreError>> {
        let state = self.state.lock();
        let findings = state.tenants.values().flat_map(Kept::findings).collect();
        Box::pin(ready(Ok(findings)))
    }

    fn close(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(Ok(())))
    }
}

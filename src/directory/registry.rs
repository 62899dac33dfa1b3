//! Which tenants exist, and who holds a cluster role: small, always in memory, read at start.
//!
//! A tenant's row costs about 300 bytes here; what the tenant holds is loaded when it is asked for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ordered::{Keyed, OrderedList};
use crate::domain::client::ClientRecord;
use crate::domain::ids::{ClientId, Revision, TenantId};
use crate::domain::role::ClusterRole;
use crate::domain::tenant::{Tenant, TenantState};
use crate::store::batch::Change;
use crate::store::{Store, StoreError, TenantEntry};

impl Keyed for Arc<Tenant> {
    type Key = TenantId;
    fn key(&self) -> &TenantId {
        &self.id
    }
    fn beginning(key: &TenantId) -> u128 {
        u128::from_be_bytes(*key.as_bytes())
    }
}

/// The tenants of the store at one revision. A clone shares everything.
#[derive(Clone)]
pub struct Registry {
    revision: Revision,
    active: OrderedList<Arc<Tenant>>,
    /// Tenants whose row cannot be believed, in the order of their ids.
    damaged: Arc<[TenantId]>,
    /// Deleted, and not yet swept.
    deleting: Arc<HashMap<TenantId, Arc<Tenant>>>,
    /// Aliases in use, folded.
    aliases: Arc<HashMap<String, TenantId>>,
    /// The clients that hold a cluster role.
    holders: Arc<BTreeSet<(TenantId, ClientId)>>,
}

impl Registry {
    pub async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        const PAGE: usize = 1_000;
        let mut active = Vec::new();
        let mut damaged = Vec::new();
        let mut deleting = HashMap::new();
        let mut aliases = HashMap::new();
        let mut after = None;
        loop {
            let page = store.tenants(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            for entry in page {
                let tenant = match entry {
                    TenantEntry::Whole(tenant) => tenant,
                    TenantEntry::Damaged(id) => {
                        damaged.push(id);
                        continue;
                    }
                };
                if let Some(alias) = &tenant.alias {
                    aliases.insert(alias.folded(), tenant.id);
                }
                match tenant.state {
                    TenantState::Active => active.push(tenant),
                    TenantState::Deleting => {
                        deleting.insert(tenant.id, tenant);
                    }
                }
            }
        }
        Ok(Self {
            revision: store.revision().await?,
            active: OrderedList::from_sorted(active),
            damaged: damaged.into(),
            deleting: Arc::new(deleting),
            aliases: Arc::new(aliases),
            holders: Arc::new(store.cluster_role_holders().await?.into_iter().collect()),
        })
    }

    /// The last change anywhere in the store.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The tenants in use, in the order of their ids.
    pub fn tenants(&self) -> &OrderedList<Arc<Tenant>> {
        &self.active
    }

    pub fn active(&self, id: TenantId) -> Option<&Arc<Tenant>> {
        self.active.get(&id)
    }

    /// The tenants that are in the store and cannot be believed.
    pub fn damaged(&self) -> &[TenantId] {
        &self.damaged
    }

    pub fn is_damaged(&self, id: TenantId) -> bool {
        self.damaged.binary_search(&id).is_ok()
    }

    /// The tenants that are deleted and not yet swept.
    pub fn deleting(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.deleting.values()
    }

    pub fn is_deleting(&self, id: TenantId) -> bool {
        self.deleting.contains_key(&id)
    }

    /// The tenant that has an alias, compared without regard to case.
    pub fn with_alias(&self, folded: &str) -> Option<TenantId> {
        self.aliases.get(folded).copied()
    }

    /// The clients of tenants in use that hold a cluster role.
    pub fn cluster_role_holders(&self) -> impl Iterator<Item = &(TenantId, ClientId)> {
        self.holders
            .iter()
            .filter(|(tenant, _)| self.active(*tenant).is_some())
    }

    /// Makes one change, which brings the store to `revision`.
    pub fn apply(&mut self, change: &Change, revision: Revision) {
        self.revision = revision;
        match change {
            Change::PutTenant { tenant, .. } => self.put(tenant),
            Change::RemoveTenant { tenant, .. } => {
                Arc::make_mut(&mut self.deleting).remove(&tenant.id);
            }
            Change::PutClient { tenant, old, new } => {
                let held = old.as_deref().is_some_and(holds_cluster_role);
                match (held, holds_cluster_role(new)) {
                    (false, true) => {
                        Arc::make_mut(&mut self.holders).insert((*tenant, new.client.id.clone()));
                    }
                    (true, false) => self.release(*tenant, &new.client.id),
                    _ => {}
                }
            }
            Change::DeleteClient { tenant, old } => {
                if holds_cluster_role(old) {
                    self.release(*tenant, &old.client.id);
                }
            }
            Change::PutRole { .. } | Change::DeleteRole { .. } => {}
        }
    }

    fn put(&mut self, tenant: &Arc<Tenant>) {
        let aliases = Arc::make_mut(&mut self.aliases);
        if let Some(alias) = self
            .active
            .get(&tenant.id)
            .and_then(|old| old.alias.as_ref())
        {
            aliases.remove(&alias.folded());
        }
        if let Some(alias) = &tenant.alias {
            aliases.insert(alias.folded(), tenant.id);
        }
        match tenant.state {
            TenantState::Active => {
                self.active.insert(tenant.clone());
            }
            TenantState::Deleting => {
                self.active.remove(&tenant.id);
                Arc::make_mut(&mut self.deleting).insert(tenant.id, tenant.clone());
            }
        }
    }

    fn release(&mut self, tenant: TenantId, client: &ClientId) {
        Arc::make_mut(&mut self.holders).remove(&(tenant, client.clone()));
    }
}

fn holds_cluster_role(record: &ClientRecord) -> bool {
    record
        .client
        .role_ids
        .iter()
        .any(|role| ClusterRole::of(*role).is_some())
}

//! Sweeping: what a deleted tenant held is removed behind its deletion, a batch at a time, between
//! the batches of those who wait. Cut short, it goes on at the next start.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::{BatchWriter, Draft};
use crate::directory::registry::Registry;
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::ids::TenantId;
use crate::store::batch::Change;
use crate::store::{CommitError, StoreError};

/// The tenants that are still to be swept.
#[derive(Default)]
pub(super) struct Sweeping {
    waiting: VecDeque<TenantId>,
    /// The one at hand, as far as it is swept.
    current: Option<TenantSnapshot>,
}

impl Sweeping {
    /// What an earlier run left.
    pub(super) fn of(registry: &Registry) -> Self {
        let waiting = registry.deleting().map(|tenant| tenant.id).collect();
        Self {
            waiting,
            current: None,
        }
    }

    pub(super) fn add(&mut self, tenants: &[TenantId]) {
        self.waiting.extend(tenants);
    }

    fn is_pending(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }
}

impl BatchWriter {
    pub(super) fn has_sweeping_to_do(&self) -> bool {
        self.sweeping.is_pending() && !self.has_failed()
    }

    /// One batch of sweeping, if there is any to do.
    pub(super) async fn sweep(&mut self) {
        if !self.has_sweeping_to_do() {
            return;
        }
        match self.next_tenant().await {
            Ok(Some(tenant)) => self.sweep_some(tenant).await,
            Ok(None) => {}
            Err(error) => log::error!("a deleted tenant cannot be swept: {error}"),
        }
    }

    async fn next_tenant(&mut self) -> Result<Option<TenantSnapshot>, StoreError> {
        if let Some(current) = self.sweeping.current.take() {
            return Ok(Some(current));
        }
        let Some(next) = self.sweeping.waiting.pop_front() else {
            return Ok(None);
        };
        let rows = self.parts.store.load(next).await?;
        if let Some(damaged) = rows.as_ref().and_then(|rows| rows.damaged.first()) {
            let why = format!("client {damaged} of tenant {next}");
            return Err(StoreError::Damaged(why));
        }
        Ok(rows.map(TenantSnapshot::from_rows))
    }

    async fn sweep_some(&mut self, tenant: TenantSnapshot) {
        let id = tenant.tenant().id;
        let mut draft = self.draft();
        draft.world.tenants.insert(id, tenant.clone());
        let last = !take_clients(&mut draft, &tenant);
        let swept = draft.world.tenants.get(&id).cloned();
        match self.commit(draft).await {
            Ok(()) => {}
            // What is left of it does no harm, and stays for whoever mends the store.
            Err(CommitError::DidNotHappen(error @ StoreError::Damaged(_))) => {
                log::error!("deleted tenant {id} cannot be swept: {error}");
                return;
            }
            Err(error) => return self.fail(&error),
        }
        // The commit notes a tenant that is being deleted as one to sweep: this one is at hand.
        self.sweeping.waiting.retain(|waiting| *waiting != id);
        self.sweeping.current = swept.filter(|_| !last);
    }
}

/// Removes as many clients as fit a batch, or the tenant itself once none is left. Gives whether
/// anything is left after that.
fn take_clients(draft: &mut Draft, tenant: &TenantSnapshot) -> bool {
    let id = tenant.tenant().id;
    let revision = draft.world.registry.revision().next();
    for record in tenant.clients().iter() {
        if draft.is_full() {
            return true;
        }
        let change = Change::DeleteClient {
            tenant: id,
            old: Arc::clone(record),
        };
        draft.add(vec![change], revision, None);
    }
    if tenant.clients().is_empty() {
        let roles = tenant.roles().iter().cloned().collect();
        let tenant = tenant.tenant().clone();
        draft.add(vec![Change::RemoveTenant { tenant, roles }], revision, None);
        return false;
    }
    true
}

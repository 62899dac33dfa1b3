//! Tenants that were let go and that somebody still reads: they stay in memory until the last
//! reader is done, and until then they can be had back without being loaded.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::snapshot::TenantSnapshot;
use crate::domain::ids::TenantId;

/// What was let go and may still be read.
#[derive(Default)]
pub struct LetGo {
    snapshots: Mutex<Vec<(TenantId, Weak<TenantSnapshot>)>>,
}

impl LetGo {
    pub fn add(&self, snapshot: &Arc<TenantSnapshot>) {
        let mut snapshots = self.snapshots.lock();
        snapshots.retain(|(_, snapshot)| snapshot.strong_count() > 0);
        snapshots.push((snapshot.tenant().id, Arc::downgrade(snapshot)));
    }

    /// What was last let go of a tenant, if somebody still reads it.
    pub fn get(&self, id: TenantId) -> Option<Arc<TenantSnapshot>> {
        let snapshots = self.snapshots.lock();
        let mut of_tenant = snapshots.iter().rev().filter(|(tenant, _)| *tenant == id);
        of_tenant.find_map(|(_, snapshot)| snapshot.upgrade())
    }

    /// It is back: it counts no longer as let go.
    pub fn remove(&self, snapshot: &Arc<TenantSnapshot>) {
        let mut snapshots = self.snapshots.lock();
        snapshots.retain(|(_, other)| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(snapshot)));
    }

    /// What those that are still read weigh together.
    pub fn weight(&self) -> u64 {
        let snapshots = self.snapshots.lock();
        let read = snapshots
            .iter()
            .filter_map(|(_, snapshot)| snapshot.upgrade());
        read.map(|snapshot| snapshot.weight() as u64).sum()
    }
}

//! Which tenants have a client of some id, as far as it was asked: a bounded memory in front of the
//! store's client-id index, for the token endpoint, where a client names no tenant.
//!
//! Absent ids are remembered too, so that asking again for one costs what a present one costs.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::ids::{ClientId, TenantId};

/// The most ids that each of the two halves remembers.
const HALF: usize = 65_536;

type Known = HashMap<ClientId, Arc<[TenantId]>>;

/// Two halves: when the young one is full it becomes the old one, and the old one is dropped. So
/// it stays bounded, and what is asked often survives.
#[derive(Default)]
pub struct ClientIndex {
    halves: RwLock<Halves>,
}

#[derive(Default)]
struct Halves {
    young: Known,
    old: Known,
}

impl ClientIndex {
    /// What is remembered of an id; an empty list means that no tenant has it.
    pub fn get(&self, client: &ClientId) -> Option<Arc<[TenantId]>> {
        {
            let halves = self.halves.read();
            if let Some(tenants) = halves.young.get(client) {
                return Some(tenants.clone());
            }
            halves.old.get(client)?;
        }
        let mut halves = self.halves.write();
        let tenants = halves.old.remove(client)?;
        halves.insert(client.clone(), tenants.clone());
        Some(tenants)
    }

    pub fn remember(&self, client: ClientId, tenants: Arc<[TenantId]>) {
        self.halves.write().insert(client, tenants);
    }

    /// What was remembered may not be true any more.
    pub fn forget_all(&self) {
        *self.halves.write() = Halves::default();
    }

    /// A client was created in a tenant, or deleted from it. An id that is not remembered stays so:
    /// the store knows.
    pub fn update(&self, client: &ClientId, tenant: TenantId, exists: bool) {
        let mut halves = self.halves.write();
        let Halves { young, old } = &mut *halves;
        let Some(tenants) = young.get_mut(client).or_else(|| old.get_mut(client)) else {
            return;
        };
        let mut next: Vec<_> = tenants
            .iter()
            .copied()
            .filter(|known| *known != tenant)
            .collect();
        if exists {
            next.push(tenant);
            next.sort_unstable();
        }
        *tenants = next.into();
    }
}

impl Halves {
    fn insert(&mut self, client: ClientId, tenants: Arc<[TenantId]>) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, tenants);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ClientId {
        ClientId::parse(&format!("client-{number}")).unwrap()
    }

    #[test]
    fn it_stays_bounded_and_keeps_what_is_asked_often() {
        let index = ClientIndex::default();
        index.remember(id(0), Arc::from([]));
        for number in 1..3 * HALF {
            index.remember(id(number), Arc::from([]));
            if number % 1_000 == 0 {
                assert!(index.get(&id(0)).is_some());
            }
        }
        let halves = index.halves.read();
        assert!(halves.young.len() + halves.old.len() <= 2 * HALF);
    }

    #[test]
    fn a_change_reaches_what_is_remembered_and_nothing_else() {
        let index = ClientIndex::default();
        let tenant = TenantId::from_bytes([7; 16]);
        index.remember(id(1), Arc::from([]));
        index.update(&id(1), tenant, true);
        index.update(&id(2), tenant, true);
        assert_eq!(index.get(&id(1)).as_deref(), Some(&[tenant][..]));
        assert_eq!(index.get(&id(2)), None);
        index.update(&id(1), tenant, false);
        assert_eq!(index.get(&id(1)).as_deref(), Some(&[][..]));
    }
}

//! A long sequence of random changes from one seed, with restarts, compared with the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use credenza::domain::client::ClientRecord;
use credenza::domain::ids::{ClientId, Revision, RoleId, TenantId};
use credenza::domain::role::{ClusterRole, Role};
use credenza::domain::tenant::Tenant;
use credenza::store::batch::Change;

use crate::support::*;

const BATCHES: usize = 900;
const MOST_CHANGES: u64 = 7;
const NAMES: [&str; 12] = [
    "a", "b", "aa", "ab", "pump", "pump-1", "Pump", "~", "x.y", "0", "00", "zz",
];
const TAGS: [&str; 9] = [
    // More bytes than keys hold as they are.
    "long: 🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭🏭",
    "a",
    "b",
    "A",
    "line 1",
    "line 2",
    "🏭",
    "é",
    "e",
];

/// Repeats itself for the same seed: xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        let place = self.below(items.len().max(1) as u64) as usize;
        items.get(place).cloned()
    }

    fn some<T: Clone>(&mut self, items: &[T], most: u64) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).filter_map(|_| self.pick(items)).collect()
    }
}

/// The state that the next change is decided on.
#[derive(Default)]
struct Working(BTreeMap<TenantId, Kept>);

struct Kept {
    tenant: Arc<Tenant>,
    clients: BTreeMap<ClientId, Arc<ClientRecord>>,
    roles: BTreeMap<RoleId, Arc<Role>>,
}

/// Says with which seed a test failed, when it does.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {:#x}", self.0);
        }
    }
}

pub fn run(mut world: World, seed: u64) {
    let seed = Seed(seed);
    let mut dice = Dice(seed.0);
    let mut model = World::new(Memory::new());
    let mut working = Working::default();
    for number in 1..=BATCHES {
        let mut changes = Vec::new();
        for _ in 0..=dice.below(MOST_CHANGES) {
            changes.extend(working.change(&mut dice, Revision(number as u64)));
        }
        if changes.is_empty() {
            changes.extend(working.create_tenant(1));
        }
        world.commit(changes.clone());
        model.commit(changes);
        if dice.below(60) == 0 {
            world.restart();
        }
        if number % 30 == 0 {
            compare(&world, &model);
        }
        if number % 300 == 0 {
            assert_eq!(world.check(), []);
        }
    }
    compare(&world, &model);
    world.finish();
}

fn compare(world: &World, model: &World) {
    let tenants = world.tenants(None, usize::MAX);
    assert_eq!(tenants, model.tenants(None, usize::MAX));
    for number in 1..=4 {
        let tenant = tenant_id(number);
        assert_eq!(world.tenant_revision(tenant), model.tenant_revision(tenant));
        match (world.load(tenant), model.load(tenant)) {
            (None, None) => {}
            (Some(loaded), Some(expected)) => {
                assert_eq!(loaded.tenant, expected.tenant);
                assert_eq!(loaded.revision, expected.revision);
                assert_eq!(loaded.roles, expected.roles);
                assert_eq!(loaded.clients.len(), expected.clients.len());
                for (loaded, expected) in loaded.clients.iter().zip(&expected.clients) {
                    assert_eq!(loaded.client, expected.client);
                    assert!(loaded == expected, "secrets of {}", loaded.client.id);
                }
            }
            (loaded, _) => panic!("tenant {tenant} is loaded: {}", loaded.is_some()),
        }
    }
    for name in NAMES {
        assert_eq!(world.tenants_with(name), model.tenants_with(name), "{name}");
    }
    assert_eq!(world.holders(), model.holders());
}

impl Working {
    fn change(&mut self, dice: &mut Dice, revision: Revision) -> Vec<Change> {
        let number = dice.below(4) as u8 + 1;
        let id = tenant_id(number);
        let Some(kept) = self.0.get_mut(&id) else {
            return self.create_tenant(number);
        };
        match dice.below(40) {
            0..=11 => kept.put_client(dice, revision, true),
            12..=22 => kept.put_client(dice, revision, false),
            23..=28 => kept.delete_client(dice),
            29..=34 => kept.put_role(dice),
            35..=36 => kept.delete_role(dice),
            37..=38 => {
                let mut tenant = (*kept.tenant).clone();
                tenant.company_name = name(&format!("Company {}", revision.0));
                tenant.changed = revision;
                kept.tenant = Arc::new(tenant);
                vec![put_tenant(&kept.tenant, false)]
            }
            _ => self.remove_tenant(id),
        }
    }

    fn create_tenant(&mut self, number: u8) -> Vec<Change> {
        let tenant = Arc::new(tenant(number));
        let change = put_tenant(&tenant, !self.0.contains_key(&tenant.id));
        self.0.entry(tenant.id).or_insert_with(|| Kept {
            tenant: tenant.clone(),
            clients: BTreeMap::new(),
            roles: BTreeMap::new(),
        });
        vec![change]
    }

    fn remove_tenant(&mut self, id: TenantId) -> Vec<Change> {
        let Some(kept) = self.0.remove(&id) else {
            return Vec::new();
        };
        let clients = kept.clients.values();
        let mut changes: Vec<Change> = clients.map(|old| delete_client(id, old)).collect();
        changes.push(Change::RemoveTenant {
            tenant: kept.tenant,
            roles: kept.roles.into_values().collect(),
        });
        changes
    }
}

impl Kept {
    fn put_client(&mut self, dice: &mut Dice, revision: Revision, created: bool) -> Vec<Change> {
        let Some(id) = dice.pick(&NAMES) else {
            return Vec::new();
        };
        let old = self.clients.get(&client_id(id)).cloned();
        if old.is_none() != created {
            return Vec::new();
        }
        let tags = dice.some(&TAGS, 5);
        let mut secrets = dice.some(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 5);
        secrets.sort_unstable();
        secrets.dedup();
        let mut roles: Vec<RoleId> = self.roles.keys().copied().collect();
        roles.extend(ClusterRole::ALL.map(ClusterRole::id));
        let roles = dice.some(&roles, 4);
        let mut new = with_role_ids(with(client(id), &tags, &[], &secrets), &roles);
        new.client.enabled = dice.below(2) == 0;
        new.client.changed = revision;
        self.clients.insert(client_id(id), Arc::new(new.clone()));
        vec![put_client(self.tenant.id, old.as_deref(), &new)]
    }

    fn delete_client(&mut self, dice: &mut Dice) -> Vec<Change> {
        let ids: Vec<ClientId> = self.clients.keys().cloned().collect();
        let removed = dice.pick(&ids).and_then(|id| self.clients.remove(&id));
        let removed = removed.map(|old| delete_client(self.tenant.id, &old));
        removed.into_iter().collect()
    }

    fn put_role(&mut self, dice: &mut Dice) -> Vec<Change> {
        let number = dice.below(8) as u8;
        let text = (dice.below(2) == 0).then_some("a role");
        let role = Arc::new(role(number, text));
        self.roles.insert(role.id, role.clone());
        let tenant = self.tenant.id;
        vec![Change::PutRole { tenant, role }]
    }

    fn delete_role(&mut self, dice: &mut Dice) -> Vec<Change> {
        let held = |id: &RoleId| {
            let mut clients = self.clients.values();
            clients.any(|record| record.client.role_ids.contains(id))
        };
        let free: Vec<RoleId> = self.roles.keys().copied().filter(|id| !held(id)).collect();
        let tenant = self.tenant.id;
        let removed = dice.pick(&free).and_then(|id| self.roles.remove(&id));
        let removed = removed.map(|role| Change::DeleteRole { tenant, role });
        removed.into_iter().collect()
    }
}

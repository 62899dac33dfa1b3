//! Runs a simulation: draws, decides, commits, fails, restarts, and compares at every step.

use std::collections::HashMap;
use std::sync::Arc;

use credenza::directory::registry::Registry;
use credenza::directory::snapshot::TenantSnapshot;
use credenza::domain::ids::{Epoch, Revision, TenantId};
use credenza::domain::ports::Random;
use credenza::domain::role::BuiltInRole;
use credenza::domain::text::Tag;
use credenza::service::decide::{Given, Limits, World, decide};
use credenza::store::Store;
use credenza::store::batch::{Batch, Change, TenantRevisions};
use credenza::store::memory::MemoryStore;
use credenza::system::random::SeededRandom;

use super::commands::{asker, client_id, command, name, tags, tenant_id, time};
use super::draw::Dice;
use super::model::{CLIENTS, Model, ROLES, Step, Who};

pub struct Simulation {
    pub seed: u64,
    pub commands: usize,
    /// Lets the model believe in another client limit, to see that differences are noticed.
    pub misunderstand_the_limit: bool,
}

#[derive(Default)]
pub struct Count {
    pub accepted: usize,
    pub refused: usize,
}

pub const EPOCH: Epoch = Epoch(7);

struct State {
    store: Arc<MemoryStore>,
    world: World,
    model: Model,
    random: SeededRandom,
    now: i64,
}

/// Runs to the end, or to the first difference.
pub fn simulate(simulation: Simulation) -> Result<Count, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(run(&simulation))
}

async fn run(simulation: &Simulation) -> Result<Count, String> {
    let dice = Dice(SeededRandom::new(simulation.seed));
    let store = Arc::new(MemoryStore::new(EPOCH));
    let client_limit = CLIENTS + usize::from(simulation.misunderstand_the_limit);
    let mut state = State {
        world: reopen(&store).await,
        store,
        model: Model {
            client_limit,
            ..Model::default()
        },
        random: SeededRandom::new(simulation.seed + 1),
        now: 1_900_000_000,
    };
    let mut count = Count::default();
    while count.accepted + count.refused < simulation.commands {
        state.now += dice.below(10) as i64;
        let before = state.model.clone();
        let mut changes = Vec::new();
        let mut touched = HashMap::new();
        for _ in 0..1 + dice.below(5) {
            let (who, step) = (dice.who(), dice.step(&state.model, state.now));
            match state.step(&who, &step, &mut changes, &mut touched)? {
                true => count.accepted += 1,
                false => count.refused += 1,
            }
        }
        // A commit that fails is lost, or kept without our knowing: the store says which.
        let lost = dice.one_in(30);
        if lost {
            state.model = before;
        } else {
            state.commit(changes, &touched).await?;
        }
        if lost || dice.one_in(30) {
            state.world = reopen(&state.store).await;
        }
        if dice.one_in(20) {
            state.sweep().await?;
        }
        state.compare()?;
    }
    Ok(count)
}

/// The world as a restart finds it.
async fn reopen(store: &MemoryStore) -> World {
    let registry = Registry::load(store).await.unwrap();
    let mut tenants = HashMap::new();
    for tenant in registry.tenants().iter() {
        let rows = store.load(tenant.id).await.unwrap().unwrap();
        tenants.insert(tenant.id, TenantSnapshot::from_rows(rows));
    }
    let limits = Limits {
        clients_per_tenant: CLIENTS,
        roles_per_tenant: ROLES,
    };
    World {
        epoch: EPOCH,
        limits,
        registry,
        tenants,
    }
}

impl State {
    /// Decides a step on both sides. Gives whether it was accepted.
    fn step(
        &mut self,
        who: &Who,
        step: &Step,
        changes: &mut Vec<Change>,
        touched: &mut HashMap<TenantId, Revision>,
    ) -> Result<bool, String> {
        let (operation, command) = command(&self.world, step);
        let asker = asker(&self.world, who, operation);
        let missing = self.world.missing(&asker, &command);
        if !missing.is_empty() {
            return Err(format!("the world lacks {missing:?}"));
        }
        let revision = self.world.registry.revision().next();
        let given = Given {
            now: time(self.now),
            random: &self.random,
            revision,
        };
        let decided = decide(&self.world, &asker, command, &given);
        let expected = self.model.take(who, step, self.now);
        match (decided, expected) {
            (Err(refusal), Err(kind)) if refusal.kind == kind => Ok(false),
            (Ok(decision), Ok(())) => {
                for change in &decision.changes {
                    let tenant = change.tenant();
                    let before = self.world.tenants.get(&tenant).map(|t| t.revision());
                    touched
                        .entry(tenant)
                        .or_insert(before.unwrap_or(Revision::ZERO));
                }
                if !decision.changes.is_empty() {
                    self.world.apply(&decision.changes, revision);
                    self.learn(&decision.changes);
                    changes.extend(decision.changes);
                }
                Ok(true)
            }
            (decided, expected) => {
                let decided = decided
                    .map(|_| ())
                    .map_err(|refusal| (refusal.kind, refusal.reason));
                Err(format!(
                    "{who:?} {step:?}: decided {decided:?}, expected {expected:?}"
                ))
            }
        }
    }

    /// Tells the model which ids were drawn.
    fn learn(&mut self, changes: &[Change]) {
        for change in changes {
            let Change::PutRole { tenant, role } = change else {
                continue;
            };
            let known = self
                .model
                .tenants
                .iter_mut()
                .find(|(id, _)| tenant_id(**id) == *tenant);
            let Some((_, tenant)) = known else { continue };
            match role.built_in {
                Some(BuiltInRole::Member) => tenant.member = Some(role.id),
                Some(BuiltInRole::Administrator) => tenant.administrator = Some(role.id),
                _ => {}
            }
            let number = (0..6).find(|n| name(*n).folded() == role.name.folded());
            tenant
                .roles
                .insert(role.id, number.filter(|_| role.built_in.is_none()));
        }
    }

    async fn commit(
        &mut self,
        changes: Vec<Change>,
        touched: &HashMap<TenantId, Revision>,
    ) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        let revision = self.world.registry.revision();
        let tenants = touched.iter().map(|(tenant, before)| TenantRevisions {
            tenant: *tenant,
            decided_on: *before,
            after: self
                .world
                .tenants
                .get(tenant)
                .map_or(revision, |t| t.revision()),
        });
        let tenants = tenants.collect();
        let batch = Batch {
            operation: self.random.uuid(),
            revision,
            tenants,
            changes,
        };
        let committed = self.store.commit(batch).await;
        self.world
            .tenants
            .retain(|id, _| self.world.registry.active(*id).is_some());
        committed.map_err(|error| error.to_string())
    }

    /// Removes what deleted tenants left.
    async fn sweep(&mut self) -> Result<(), String> {
        let deleting: Vec<TenantId> = self
            .world
            .registry
            .deleting()
            .map(|tenant| tenant.id)
            .collect();
        for id in deleting {
            let rows = self.store.load(id).await.unwrap().unwrap();
            let tenant = rows.tenant.clone();
            let mut changes: Vec<Change> = rows
                .clients
                .iter()
                .map(|old| Change::DeleteClient {
                    tenant: id,
                    old: old.clone(),
                })
                .collect();
            changes.push(Change::RemoveTenant {
                tenant,
                roles: rows.roles.clone(),
            });
            let revision = self.world.registry.revision().next();
            let touched = HashMap::from([(id, rows.revision)]);
            self.world.apply(&changes, revision);
            self.commit(changes, &touched).await?;
        }
        self.model.deleting.clear();
        Ok(())
    }

    /// Whether both sides hold the same.
    fn compare(&self) -> Result<(), String> {
        let ids: Vec<TenantId> = self.world.registry.tenants().iter().map(|t| t.id).collect();
        let expected: Vec<TenantId> = self.model.tenants.keys().map(|t| tenant_id(*t)).collect();
        if ids != expected {
            return Err(format!("the tenants are {ids:?}, expected {expected:?}"));
        }
        for (id, tenant) in &self.model.tenants {
            let snapshot = &self.world.tenants[&tenant_id(*id)];
            let clients: Vec<_> = snapshot
                .clients()
                .iter()
                .map(|r| r.client.id.clone())
                .collect();
            let expected: Vec<_> = tenant.clients.keys().map(|c| client_id(*c)).collect();
            if clients != expected {
                return Err(format!(
                    "the clients are {clients:?}, expected {expected:?}"
                ));
            }
            for (client, expected) in &tenant.clients {
                let record = snapshot.client(&client_id(*client)).unwrap();
                let secrets: Vec<_> = record
                    .secrets
                    .secrets
                    .iter()
                    .map(|s| (s.id.0, s.expiration.map(|at| at.unix_seconds())))
                    .collect();
                let same = record.client.enabled == expected.enabled
                    && record.client.tags == tags(&expected.tags)
                    && record.client.role_ids[..] == expected.roles[..]
                    && record.secrets.last_id == expected.last_secret
                    && secrets.iter().copied().eq(expected.secrets.clone());
                if !same {
                    return Err(format!(
                        "{client} is {:?}, expected {expected:?}",
                        record.client
                    ));
                }
            }
            for tag in 0..4 {
                let held = snapshot.with_tag(&Tag::parse("Tags", &tag.to_string()).unwrap());
                let expected = tenant
                    .clients
                    .values()
                    .filter(|c| c.tags.contains(&tag))
                    .count();
                if held.map_or(0, |list| list.len()) != expected {
                    return Err(format!("tag {tag} counts otherwise than {expected}"));
                }
            }
            for role in tenant.roles.keys() {
                let held = snapshot.with_role(role).map_or(0, |list| list.len());
                let expected = tenant
                    .clients
                    .values()
                    .filter(|c| c.roles.contains(role))
                    .count();
                if held != expected {
                    return Err(format!(
                        "role {role} is held by {held}, expected {expected}"
                    ));
                }
            }
        }
        Ok(())
    }
}

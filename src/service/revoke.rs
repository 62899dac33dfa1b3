//! What was taken away after a backup was taken, read from the audit log and done again in the
//! store that was restored from it.
//!
//! Only what takes away is done again: nothing is created, enabled, given or extended. It is the
//! net effect: a client that was disabled and enabled again stays as it is.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::audit::{Action, Record};
use crate::domain::client::{ClientRecord, RoleIds};
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, Epoch, Revision, RoleId, SecretId, TenantId};
use crate::domain::ports::Random;
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::times::Timestamp;
use crate::store::batch::{Batch, Change, TenantRevisions};
use crate::store::{Store, TenantRows};

/// The most changes of one batch, and when it takes nothing further: as the writer's.
const MOST: usize = 128;
const WEIGHT: usize = 120_000;

/// What the backup holds, so that a record of the log is known to come after it.
pub struct Base {
    pub epoch: Epoch,
    /// When it was begun.
    pub taken: Timestamp,
    /// The last change of each tenant that is in it.
    pub revisions: HashMap<TenantId, Revision>,
}

/// What was taken away since.
pub struct Revocations {
    base: Base,
    /// What came after the backup, as it was given.
    records: Vec<Record>,
    /// The revisions of the backup's own life that the log has a record of.
    recorded: BTreeSet<u64>,
    /// How many records of another life were dated before the backup.
    passed_over: u64,
}

#[derive(Default)]
struct OfTenant {
    deleted: bool,
    clients: BTreeMap<ClientId, OfClient>,
    /// Roles that were deleted.
    roles: BTreeSet<RoleId>,
}

/// What became of a client of the backup. For roles, secrets and being enabled the last word counts.
#[derive(Default)]
struct OfClient {
    /// What comes after it is about another life of the same id.
    gone: bool,
    enabled: Option<bool>,
    holds: BTreeMap<RoleId, bool>,
    secrets_gone: BTreeSet<SecretId>,
    expirations: BTreeMap<SecretId, Option<Timestamp>>,
}

/// How much was done again, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    pub tenants_deleted: u64,
    pub clients_deleted: u64,
    pub clients_disabled: u64,
    pub roles_taken_away: u64,
    pub secrets_deleted: u64,
    pub expirations_moved: u64,
    pub roles_deleted: u64,
    pub could_not: Vec<String>,
    /// What the person in front should know of the log.
    pub notes: Vec<String>,
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tenants deleted, {} clients deleted, {} clients disabled, {} roles taken away, \
             {} secrets deleted, {} expirations moved earlier, {} roles deleted",
            self.tenants_deleted,
            self.clients_deleted,
            self.clients_disabled,
            self.roles_taken_away,
            self.secrets_deleted,
            self.expirations_moved,
            self.roles_deleted,
        )
    }
}

impl Revocations {
    pub fn since(base: Base) -> Self {
        Self {
            base,
            records: Vec::new(),
            recorded: BTreeSet::new(),
            passed_over: 0,
        }
    }

    /// Takes a record in, in whatever order; one that is given twice counts once. One of before the
    /// backup, or of a tenant that is not in it, says nothing.
    pub fn add(&mut self, record: &Record) {
        if record.epoch == self.base.epoch {
            self.recorded.insert(record.revision.0);
        }
        let Some(revision) = self.base.revisions.get(&record.tenant) else {
            return;
        };
        // Of another life of the store revisions say nothing, and the time has to do.
        let after = match record.epoch == self.base.epoch {
            true => record.revision > *revision,
            false => record.time > self.base.taken,
        };
        if after {
            self.records.push(record.clone());
        } else if record.epoch != self.base.epoch {
            self.passed_over += 1;
        }
    }

    /// What cannot be right about the log, as far as it can be seen.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.recorded.is_empty() {
            notes.push(
                "no record of the log belongs to the life of the store that the backup was taken \
                 of: is it the log of that service?"
                    .to_owned(),
            );
        }
        if self.passed_over > 0 {
            notes.push(format!(
                "{} records of another life of the store are dated before the backup and were \
                 passed over: if they came after it, what they took away is valid again",
                self.passed_over
            ));
        }
        let highest = self.base.revisions.values().max().map_or(0, |last| last.0);
        let mut since = (highest + 1..).zip(self.recorded.range(highest + 1..));
        if let Some((missing, next)) = since.find(|(expected, revision)| expected != *revision) {
            notes.push(format!(
                "the log has no record of revisions {missing} to {}: what is left of a deleted \
                 tenant is removed without one, and a missing file of the log looks the same",
                next - 1
            ));
        }
        notes
    }

    /// By tenant, in the order in which it happened: revisions order the records of one life, and
    /// the lives follow each other by the time of their first record.
    fn by_tenant(mut records: Vec<Record>) -> BTreeMap<TenantId, OfTenant> {
        let mut begun: HashMap<Epoch, Timestamp> = HashMap::new();
        for record in &records {
            let first = begun.entry(record.epoch).or_insert(record.time);
            *first = record.time.min(*first);
        }
        let place = |record: &Record| {
            let begun = begun.get(&record.epoch).copied();
            (begun, record.epoch.0, record.revision)
        };
        records.sort_by_key(place);
        records.dedup_by_key(|record| (record.epoch, record.revision));
        let mut tenants: BTreeMap<TenantId, OfTenant> = BTreeMap::new();
        for record in &records {
            tenants.entry(record.tenant).or_default().add(record);
        }
        tenants
    }

    /// Does it again, tenant by tenant. Each batch is whole; after an error the rest is not done.
    pub async fn apply(
        self,
        store: &dyn Store,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Revoked, String> {
        let mut revoked = Revoked {
            notes: self.notes(),
            ..Revoked::default()
        };
        for (id, of_tenant) in Self::by_tenant(self.records) {
            let rows = store.load(id).await.map_err(|error| error.to_string())?;
            let Some(rows) = rows else { continue };
            let decided_on = rows.revision;
            let plan = of_tenant
                .plan(&rows, now, &mut revoked)
                .map_err(|refusal| refusal.reason)?;
            commit(store, random, id, decided_on, plan).await?;
        }
        Ok(revoked)
    }
}

impl OfTenant {
    fn add(&mut self, record: &Record) {
        let object = &record.object;
        match record.action {
            // What has the id now is not what the backup has.
            Action::TenantDelete | Action::TenantCreate | Action::TenantImport => {
                self.deleted = true;
            }
            Action::RoleDelete => self.roles.extend(object.role),
            _ => {
                if let Some(client) = &object.client {
                    let client = self.clients.entry(client.clone()).or_default();
                    client.add(record);
                }
            }
        }
    }

    fn plan(
        &self,
        rows: &TenantRows,
        now: Timestamp,
        revoked: &mut Revoked,
    ) -> Result<Vec<Planned>, Refusal> {
        if self.deleted {
            revoked.tenants_deleted += 1;
            let tenant = Tenant {
                state: TenantState::Deleting,
                alias: None,
                last_updated: now,
                ..Tenant::clone(&rows.tenant)
            };
            return Ok(vec![Planned::Tenant(tenant)]);
        }
        let mut plan = Vec::new();
        let mut held: HashMap<RoleId, u64> = HashMap::new();
        for old in &rows.clients {
            let become_of = self.clients.get(&old.client.id);
            let kept = match become_of {
                Some(client) if client.gone => {
                    revoked.clients_deleted += 1;
                    plan.push(Planned::ClientGone(old.clone()));
                    continue;
                }
                Some(client) => client.apply(old, revoked)?,
                None => None,
            };
            let current = kept.as_ref().unwrap_or(old);
            for role in current.client.role_ids.iter() {
                *held.entry(*role).or_default() += 1;
            }
            if let Some(new) = kept {
                plan.push(Planned::Client(old.clone(), new));
            }
        }
        let own = |role: &RoleId| {
            let mut roles = rows.roles.iter().filter(|known| known.id == *role);
            roles.next().filter(|role| role.built_in.is_none()).cloned()
        };
        for role in self.roles.iter().filter_map(own) {
            match held.get(&role.id) {
                None => {
                    revoked.roles_deleted += 1;
                    plan.push(Planned::RoleGone(role));
                }
                Some(clients) => revoked.could_not.push(format!(
                    "role '{}' ({}) of tenant {} was deleted, and {clients} clients hold it here",
                    role.name, role.id, rows.tenant.id
                )),
            }
        }
        Ok(plan)
    }
}

impl OfClient {
    fn add(&mut self, record: &Record) {
        if self.gone {
            return;
        }
        let changes = &record.changes;
        match (record.action, record.object.secret) {
            // One that was created under the id has taken the place of the backup's.
            (
                Action::ClientDelete
                | Action::ClientCreate
                | Action::ClientImport
                | Action::Bootstrap,
                _,
            ) => self.gone = true,
            (Action::SecretDelete, Some(secret)) => _ = self.secrets_gone.insert(secret),
            (Action::SecretUpdate, Some(secret)) => {
                if let Some(expiration) = changes.expiration {
                    self.expirations.insert(secret, expiration);
                }
            }
            (Action::ClientUpdate | Action::ClientRolesReplace, _) => {
                self.enabled = changes.enabled.or(self.enabled);
                let added = changes.roles_added.iter().map(|role| (*role, true));
                let removed = changes.roles_removed.iter().map(|role| (*role, false));
                self.holds.extend(added.chain(removed));
            }
            _ => {}
        }
    }

    /// The client with less, if it has less.
    fn apply(
        &self,
        old: &Arc<ClientRecord>,
        revoked: &mut Revoked,
    ) -> Result<Option<Arc<ClientRecord>>, Refusal> {
        let mut new = ClientRecord::clone(old);
        if self.enabled == Some(false) && new.client.enabled {
            new.client.enabled = false;
            revoked.clients_disabled += 1;
        }
        let kept = |role: &&RoleId| self.holds.get(role) != Some(&false);
        let roles: Vec<RoleId> = old.client.role_ids.iter().filter(kept).copied().collect();
        revoked.roles_taken_away += (old.client.role_ids.len() - roles.len()) as u64;
        new.client.role_ids = RoleIds::new(roles)?;
        let secrets = &mut new.secrets.secrets;
        secrets.retain(|secret| !self.secrets_gone.contains(&secret.id));
        revoked.secrets_deleted += (old.secrets.secrets.len() - secrets.len()) as u64;
        for secret in secrets {
            let Some(Some(moved)) = self.expirations.get(&secret.id) else {
                continue;
            };
            if secret
                .expiration
                .is_none_or(|expiration| *moved < expiration)
            {
                secret.expiration = Some(*moved);
                revoked.expirations_moved += 1;
            }
        }
        Ok((new != **old).then(|| Arc::new(new)))
    }
}

/// A change whose revision is not known yet.
enum Planned {
    Tenant(Tenant),
    ClientGone(Arc<ClientRecord>),
    Client(Arc<ClientRecord>, Arc<ClientRecord>),
    RoleGone(Arc<crate::domain::role::Role>),
}

impl Planned {
    fn change(self, tenant: TenantId, revision: Revision) -> Change {
        match self {
            Self::Tenant(changed) => Change::PutTenant {
                tenant: Arc::new(Tenant {
                    changed: revision,
                    ..changed
                }),
                created: false,
            },
            Self::ClientGone(old) => Change::DeleteClient { tenant, old },
            Self::Client(old, new) => {
                let mut new = ClientRecord::clone(&new);
                if new.client != old.client {
                    new.client.changed = revision;
                }
                Change::PutClient {
                    tenant,
                    old: Some(old),
                    new: Arc::new(new),
                }
            }
            Self::RoleGone(role) => Change::DeleteRole { tenant, role },
        }
    }
}

async fn commit(
    store: &dyn Store,
    random: &dyn Random,
    tenant: TenantId,
    mut decided_on: Revision,
    plan: Vec<Planned>,
) -> Result<(), String> {
    let mut plan = plan.into_iter().peekable();
    while plan.peek().is_some() {
        let last = store.revision().await.map_err(|error| error.to_string())?;
        let revision = last.next();
        let (mut changes, mut weight) = (Vec::new(), 0);
        while changes.len() < MOST && weight < WEIGHT {
            let Some(planned) = plan.next() else { break };
            let change = planned.change(tenant, revision);
            weight += change.weight();
            changes.push(change);
        }
        let moved = TenantRevisions {
            tenant,
            decided_on,
            after: revision,
        };
        let batch = Batch {
            operation: random.uuid(),
            revision,
            tenants: vec![moved],
            changes,
        };
        let committed = store.commit(batch).await;
        committed.map_err(|error| error.to_string())?;
        decided_on = revision;
    }
    Ok(())
}

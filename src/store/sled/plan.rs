//! From typed changes to rows: what a batch writes, worked out before any transaction begins.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::client_row::ClientRow;
use super::keys::{Key, TagKey};
use super::parts;
use super::rows::{self, DescriptionRow, EntryRow, RoleRow, Row, RowFault, TenantRow};
use crate::domain::client::ClientRecord;
use crate::domain::ids::{Revision, TenantId};
use crate::domain::role::{ClusterRole, Role};
use crate::store::batch::{Batch, Change};

/// What must have been under a key before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Nothing,
    Something,
    Either,
}

/// A row that is put, or removed where `value` is absent.
pub struct Write {
    pub key: Key,
    /// The bytes of the key.
    pub place: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub before: Before,
    /// What else is written where it takes the place of the row of a client.
    pub beside: Option<Box<Beside>>,
}

/// What becomes of the rows that a client has beside its own. Which of both it is, the row that is
/// replaced says.
pub struct Beside {
    /// Where they are apart.
    pub if_apart: Vec<Write>,
    /// Where they are inside the client's row.
    pub if_inside: Vec<Write>,
}

impl Write {
    pub fn put<R: Row>(key: Key, row: &R) -> Result<Self, Unplannable> {
        let place = key.bytes();
        match rows::seal_at(key.tree(), &place, row) {
            Ok(value) => Ok(Self {
                key,
                place,
                value: Some(value),
                before: Before::Either,
                beside: None,
            }),
            Err(why) => Err(Unplannable::Row(key, why)),
        }
    }

    pub fn put_if<R: Row>(key: Key, row: Result<R, RowFault>) -> Result<Self, Unplannable> {
        match row {
            Ok(row) => Self::put(key, &row),
            Err(why) => Err(Unplannable::Row(key, why)),
        }
    }

    pub fn remove(key: Key) -> Self {
        Self {
            place: key.bytes(),
            key,
            value: None,
            before: Before::Either,
            beside: None,
        }
    }

    fn where_there_is(self, before: Before) -> Self {
        Self { before, ..self }
    }

    fn with(self, beside: Beside) -> Self {
        Self {
            beside: Some(Box::new(beside)),
            ..self
        }
    }
}

/// How one tenant moves on.
pub struct Move {
    pub decided_on: Revision,
    pub after: Revision,
    /// By how much the number of clients changes.
    pub clients: i64,
    pub removed: bool,
}

/// Everything that a batch does to the store.
pub struct Plan {
    pub revision: Revision,
    pub operation: Uuid,
    /// In the order of the changes: of two for one key the last one counts.
    pub writes: Vec<Write>,
    pub tenants: BTreeMap<TenantId, Move>,
    /// By how much each counter of a tag or role changes, over the whole batch.
    pub counters: BTreeMap<Key, i64>,
}

/// Why a batch cannot be planned.
pub enum Unplannable {
    /// It changes a tenant that it does not say it moves.
    Unmoved(TenantId),
    Row(Key, RowFault),
}

impl Plan {
    pub fn of(batch: &Batch) -> Result<Self, Unplannable> {
        let mut plan = Self {
            revision: batch.revision,
            operation: batch.operation,
            writes: Vec::new(),
            tenants: BTreeMap::new(),
            counters: BTreeMap::new(),
        };
        for moved in &batch.tenants {
            let moving = Move {
                decided_on: moved.decided_on,
                after: moved.after,
                clients: 0,
                removed: false,
            };
            plan.tenants.insert(moved.tenant, moving);
        }
        for change in &batch.changes {
            plan.change(change)?;
        }
        Ok(plan)
    }

    fn change(&mut self, change: &Change) -> Result<(), Unplannable> {
        let id = change.tenant();
        self.moving(id)?;
        match change {
            Change::PutTenant { tenant, created } => {
                if *created {
                    self.moving(id)?.removed = false;
                }
                let before = if *created {
                    Before::Nothing
                } else {
                    Before::Something
                };
                self.put(Key::Tenant(id), &TenantRow::of(tenant), before)
            }
            Change::RemoveTenant { roles, .. } => {
                for role in roles {
                    self.delete_role(id, role);
                }
                self.moving(id)?.removed = true;
                self.remove(Key::Tenant(id), Before::Something);
                Ok(())
            }
            Change::PutClient { old, new, .. } => self.put_client(id, old.as_deref(), new),
            Change::DeleteClient { old, .. } => self.delete_client(id, old),
            Change::PutRole { role, .. } => self.put_role(id, role),
            Change::DeleteRole { role, .. } => {
                self.delete_role(id, role);
                Ok(())
            }
        }
    }

    fn moving(&mut self, tenant: TenantId) -> Result<&mut Move, Unplannable> {
        self.tenants
            .get_mut(&tenant)
            .ok_or(Unplannable::Unmoved(tenant))
    }

    fn put_client(
        &mut self,
        tenant: TenantId,
        old: Option<&ClientRecord>,
        new: &ClientRecord,
    ) -> Result<(), Unplannable> {
        if old == Some(new) {
            return Ok(());
        }
        let id = &new.client.id;
        let key = Key::Client(tenant, id.clone());
        let row = match ClientRow::of(new) {
            Ok(row) => row,
            Err(why) => return Err(Unplannable::Row(key, why)),
        };
        let apart = row.is_apart().then_some(new);
        let write = Write::put(key, &row)?;
        match old {
            None => {
                self.moving(tenant)?.clients += 1;
                let entry = Key::ClientId(id.clone(), tenant);
                self.put(entry, &EntryRow {}, Before::Either)?;
                self.writes.push(write.where_there_is(Before::Nothing));
                self.writes.extend(parts::between(tenant, None, apart)?);
            }
            Some(_) => {
                let write = write.where_there_is(Before::Something);
                self.writes.push(write.with(Beside {
                    if_apart: parts::between(tenant, old, apart)?,
                    if_inside: parts::between(tenant, None, apart)?,
                }));
            }
        }
        self.count_groups(tenant, old, Some(new))
    }

    fn delete_client(&mut self, tenant: TenantId, old: &ClientRecord) -> Result<(), Unplannable> {
        let id = &old.client.id;
        self.moving(tenant)?.clients -= 1;
        let write = Write::remove(Key::Client(tenant, id.clone()));
        let write = write.where_there_is(Before::Something);
        self.writes.push(write.with(Beside {
            if_apart: parts::between(tenant, Some(old), None)?,
            if_inside: Vec::new(),
        }));
        self.remove(Key::ClientId(id.clone(), tenant), Before::Either);
        self.count_groups(tenant, Some(old), None)
    }

    /// Moves the counters of tags and roles that a client comes to or leaves, and the index of those
    /// who hold cluster roles.
    fn count_groups(
        &mut self,
        tenant: TenantId,
        old: Option<&ClientRecord>,
        new: Option<&ClientRecord>,
    ) -> Result<(), Unplannable> {
        for (from, to, by) in [(old, new, -1), (new, old, 1)] {
            let Some(from) = from else { continue };
            for tag in from.client.tags.iter() {
                if !to.is_some_and(|to| to.client.tags.contains(tag)) {
                    self.count(Key::TagCount(tenant, TagKey::of(tag)), by);
                }
            }
            for role in from.client.role_ids.iter() {
                if to.is_some_and(|to| to.client.role_ids.contains(role)) {
                    continue;
                }
                self.count(Key::RoleCount(tenant, *role), by);
                if ClusterRole::of(*role).is_some() {
                    let holder = Key::Holder(*role, tenant, from.client.id.clone());
                    match by {
                        1 => self.put(holder, &EntryRow {}, Before::Either)?,
                        _ => self.remove(holder, Before::Either),
                    }
                }
            }
        }
        Ok(())
    }

    fn put_role(&mut self, tenant: TenantId, role: &Role) -> Result<(), Unplannable> {
        self.put(
            Key::Role(tenant, role.id),
            &RoleRow::of(role),
            Before::Either,
        )?;
        let key = Key::RoleDescription(tenant, role.id);
        match &role.description {
            Some(text) => self.put(key, &DescriptionRow::of(text), Before::Either),
            None => {
                self.remove(key, Before::Either);
                Ok(())
            }
        }
    }

    fn delete_role(&mut self, tenant: TenantId, role: &Role) {
        self.remove(Key::Role(tenant, role.id), Before::Either);
        self.remove(Key::RoleDescription(tenant, role.id), Before::Either);
    }

    fn put<R: Row>(&mut self, key: Key, row: &R, before: Before) -> Result<(), Unplannable> {
        self.writes
            .push(Write::put(key, row)?.where_there_is(before));
        Ok(())
    }

    fn remove(&mut self, key: Key, before: Before) {
        self.writes.push(Write::remove(key).where_there_is(before));
    }

    fn count(&mut self, counter: Key, by: i64) {
        *self.counters.entry(counter).or_default() += by;
    }
}

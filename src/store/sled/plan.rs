//! From typed changes to rows: what a batch writes, worked out before any transaction begins.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::keys::{Key, TagKey};
use super::rows::{
    self, ClientRow, DescriptionRow, EntryRow, PositionRow, RoleRow, Row, RowFault, SecretRow,
    TagRow, TenantRow,
};
use crate::domain::client::ClientRecord;
use crate::domain::ids::{Revision, RoleId, TenantId};
use crate::domain::role::{ClusterRole, Role};
use crate::domain::text::Tag;
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
    pub value: Option<Vec<u8>>,
    pub before: Before,
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
        let id = &new.client.id;
        let key = Key::Client(tenant, id.clone());
        let row = |record| ClientRow::of(record).map_err(|why| Unplannable::Row(key.clone(), why));
        let new_row = row(new)?;
        match old {
            None => {
                self.moving(tenant)?.clients += 1;
                self.put(
                    Key::ClientId(id.clone(), tenant),
                    &EntryRow {},
                    Before::Either,
                )?;
                self.put(key, &new_row, Before::Nothing)?;
            }
            Some(old) => {
                if row(old)? != new_row {
                    self.put(key, &new_row, Before::Something)?;
                }
            }
        }
        self.put_secrets(tenant, old, new)?;
        self.put_tags(tenant, old, new)?;
        self.put_roles_held(tenant, old, new)
    }

    fn put_secrets(
        &mut self,
        tenant: TenantId,
        old: Option<&ClientRecord>,
        new: &ClientRecord,
    ) -> Result<(), Unplannable> {
        let key = |secret| Key::Secret(tenant, new.client.id.clone(), secret);
        for secret in old.map_or(&[][..], |old| &old.secrets.secrets) {
            if new.secrets.get(secret.id).is_none() {
                self.remove(key(secret.id), Before::Either);
            }
        }
        for damaged in old.map_or(&[][..], |old| &old.secrets.damaged) {
            if !new.secrets.damaged.contains(damaged) {
                self.remove(key(*damaged), Before::Either);
            }
        }
        for secret in &new.secrets.secrets {
            if old.and_then(|old| old.secrets.get(secret.id)) != Some(secret) {
                self.put(key(secret.id), &SecretRow::of(secret), Before::Either)?;
            }
        }
        Ok(())
    }

    fn put_tags(
        &mut self,
        tenant: TenantId,
        old: Option<&ClientRecord>,
        new: &ClientRecord,
    ) -> Result<(), Unplannable> {
        let id = &new.client.id;
        let old_tags = old.map_or(&[][..], |old| &old.client.tags);
        for tag in old_tags.iter().filter(|tag| !new.client.tags.contains(tag)) {
            self.remove_tag(tenant, tag, new);
        }
        for (position, tag) in new.client.tags.iter().enumerate() {
            let before = old_tags.iter().position(|old| old == tag);
            if before.is_none() {
                self.count(Key::TagCount(tenant, TagKey::of(tag)), 1);
            }
            if before != Some(position) {
                let key = Key::Tag(tenant, TagKey::of(tag), id.clone());
                self.put_if(key, TagRow::of(tag, position))?;
            }
        }
        Ok(())
    }

    fn put_roles_held(
        &mut self,
        tenant: TenantId,
        old: Option<&ClientRecord>,
        new: &ClientRecord,
    ) -> Result<(), Unplannable> {
        let id = &new.client.id;
        let old_roles = old.map_or(&[][..], |old| &old.client.role_ids);
        for role in old_roles
            .iter()
            .filter(|role| !new.client.role_ids.contains(role))
        {
            self.remove_role_held(tenant, *role, new);
        }
        for (position, role) in new.client.role_ids.iter().enumerate() {
            let before = old_roles.iter().position(|old| old == role);
            if before.is_none() {
                self.count(Key::RoleCount(tenant, *role), 1);
                if ClusterRole::of(*role).is_some() {
                    let holder = Key::Holder(*role, tenant, id.clone());
                    self.put(holder, &EntryRow {}, Before::Either)?;
                }
            }
            if before != Some(position) {
                let key = Key::Assignment(tenant, *role, id.clone());
                self.put_if(key, PositionRow::of(position))?;
            }
        }
        Ok(())
    }

    fn delete_client(&mut self, tenant: TenantId, old: &ClientRecord) -> Result<(), Unplannable> {
        let id = &old.client.id;
        self.moving(tenant)?.clients -= 1;
        self.remove(Key::Client(tenant, id.clone()), Before::Something);
        self.remove(Key::ClientId(id.clone(), tenant), Before::Either);
        let secrets = old.secrets.secrets.iter().map(|secret| secret.id);
        for secret in secrets.chain(old.secrets.damaged.iter().copied()) {
            self.remove(Key::Secret(tenant, id.clone(), secret), Before::Either);
        }
        for tag in old.client.tags.iter() {
            self.remove_tag(tenant, tag, old);
        }
        for role in old.client.role_ids.iter() {
            self.remove_role_held(tenant, *role, old);
        }
        Ok(())
    }

    fn remove_tag(&mut self, tenant: TenantId, tag: &Tag, record: &ClientRecord) {
        let key = Key::Tag(tenant, TagKey::of(tag), record.client.id.clone());
        self.remove(key, Before::Either);
        self.count(Key::TagCount(tenant, TagKey::of(tag)), -1);
    }

    fn remove_role_held(&mut self, tenant: TenantId, role: RoleId, record: &ClientRecord) {
        let id = &record.client.id;
        self.remove(Key::Assignment(tenant, role, id.clone()), Before::Either);
        self.count(Key::RoleCount(tenant, role), -1);
        if ClusterRole::of(role).is_some() {
            self.remove(Key::Holder(role, tenant, id.clone()), Before::Either);
        }
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

    fn put_if<R: Row>(&mut self, key: Key, row: Result<R, RowFault>) -> Result<(), Unplannable> {
        match row {
            Ok(row) => self.put(key, &row, Before::Either),
            Err(why) => Err(Unplannable::Row(key, why)),
        }
    }

    fn put<R: Row>(&mut self, key: Key, row: &R, before: Before) -> Result<(), Unplannable> {
        match rows::seal(&key, row) {
            Ok(value) => {
                let value = Some(value);
                self.writes.push(Write { key, value, before });
                Ok(())
            }
            Err(why) => Err(Unplannable::Row(key, why)),
        }
    }

    fn remove(&mut self, key: Key, before: Before) {
        let value = None;
        self.writes.push(Write { key, value, before });
    }

    fn count(&mut self, counter: Key, by: i64) {
        *self.counters.entry(counter).or_default() += by;
    }
}

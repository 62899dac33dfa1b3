//! The rows that a client has beside its own where it does not fit one: its secrets, its tags and
//! its roles.

use super::keys::{Key, TagKey};
use super::plan::{Unplannable, Write};
use super::rows::{PositionRow, SecretRow, TagRow};
use crate::domain::client::ClientRecord;
use crate::domain::ids::TenantId;

/// What leads from the rows of one state of a client to those of another: `None` is one without
/// any.
pub fn between(
    tenant: TenantId,
    old: Option<&ClientRecord>,
    new: Option<&ClientRecord>,
) -> Result<Vec<Write>, Unplannable> {
    let mut writes = Vec::new();
    secrets(tenant, old, new, &mut writes)?;
    tags(tenant, old, new, &mut writes)?;
    roles(tenant, old, new, &mut writes)?;
    Ok(writes)
}

fn secrets(
    tenant: TenantId,
    old: Option<&ClientRecord>,
    new: Option<&ClientRecord>,
    writes: &mut Vec<Write>,
) -> Result<(), Unplannable> {
    let key = |of: &ClientRecord, secret| Key::Secret(tenant, of.client.id.clone(), secret);
    if let Some(old) = old {
        for secret in &old.secrets.secrets {
            if new.is_none_or(|new| new.secrets.get(secret.id).is_none()) {
                writes.push(Write::remove(key(old, secret.id)));
            }
        }
        for damaged in &old.secrets.damaged {
            if new.is_none_or(|new| !new.secrets.damaged.contains(damaged)) {
                writes.push(Write::remove(key(old, *damaged)));
            }
        }
    }
    for new in new.into_iter() {
        for secret in &new.secrets.secrets {
            if old.and_then(|old| old.secrets.get(secret.id)) != Some(secret) {
                writes.push(Write::put(key(new, secret.id), &SecretRow::of(secret))?);
            }
        }
    }
    Ok(())
}

fn tags(
    tenant: TenantId,
    old: Option<&ClientRecord>,
    new: Option<&ClientRecord>,
    writes: &mut Vec<Write>,
) -> Result<(), Unplannable> {
    let old_tags = old.map_or(&[][..], |old| &old.client.tags);
    let new_tags = new.map_or(&[][..], |new| &new.client.tags);
    let Some(record) = new.or(old) else {
        return Ok(());
    };
    let key = |tag| Key::Tag(tenant, TagKey::of(tag), record.client.id.clone());
    for tag in old_tags.iter().filter(|tag| !new_tags.contains(tag)) {
        writes.push(Write::remove(key(tag)));
    }
    for (position, tag) in new_tags.iter().enumerate() {
        if old_tags.get(position) != Some(tag) {
            writes.push(Write::put_if(key(tag), TagRow::of(tag, position))?);
        }
    }
    Ok(())
}

fn roles(
    tenant: TenantId,
    old: Option<&ClientRecord>,
    new: Option<&ClientRecord>,
    writes: &mut Vec<Write>,
) -> Result<(), Unplannable> {
    let old_roles = old.map_or(&[][..], |old| &old.client.role_ids);
    let new_roles = new.map_or(&[][..], |new| &new.client.role_ids);
    let Some(record) = new.or(old) else {
        return Ok(());
    };
    let key = |role| Key::Assignment(tenant, role, record.client.id.clone());
    for role in old_roles.iter().filter(|role| !new_roles.contains(role)) {
        writes.push(Write::remove(key(*role)));
    }
    for (position, role) in new_roles.iter().enumerate() {
        if old_roles.get(position) != Some(role) {
            writes.push(Write::put_if(key(*role), PositionRow::of(position))?);
        }
    }
    Ok(())
}

//! The one transaction of a batch: checks what it was decided on, writes its rows, moves its
//! counters.

use std::cell::Cell;
use std::collections::BTreeMap;

use ::sled::IVec;
use ::sled::transaction::{
    ConflictableTransactionError, ConflictableTransactionResult, TransactionError,
    TransactionalTree, UnabortableTransactionError,
};

use super::client_row::ClientRow;
use super::digest::Digest;
use super::keys::Key;
use super::plan::{Before, Move, Plan, Unplannable, Write};
use super::rows::{self, CountRow, Holdings, LastRow, Row, TenantCountRow};
use super::trees::{Trees, damaged, sled_error};
use crate::domain::ids::{Revision, TenantId};
use crate::store::batch::Batch;
use crate::store::{CommitError, StoreError};

/// Writes a batch, wholly or not at all. It is not durable before what it logged was synced.
pub fn write(trees: &Trees, batch: &Batch) -> Result<(), CommitError> {
    let plan = Plan::of(batch).map_err(|unplannable| {
        CommitError::DidNotHappen(StoreError::Failed(match unplannable {
            Unplannable::Unmoved(tenant) => {
                format!("the batch changes tenant {tenant} without saying that it moves it")
            }
            Unplannable::Row(key, why) => format!("{key} cannot be stored: {why}"),
        }))
    })?;
    let planned = Cell::new(false);
    loop {
        let outcome = trees.transaction(|views| {
            planned.set(false);
            apply(&Views(views), &plan)?;
            planned.set(true);
            Ok(())
        });
        match outcome {
            Ok(()) => return Ok(()),
            Err(TransactionError::Abort(refused)) => return Err(refused),
            // Reading failed, before anything was written.
            Err(TransactionError::Storage(error)) if !planned.get() => {
                if !trees.mend(&error) {
                    return Err(CommitError::DidNotHappen(sled_error(
                        "reading for a batch",
                        &error,
                    )));
                }
            }
            Err(TransactionError::Storage(error)) => {
                return Err(CommitError::MayHaveHappened(sled_error(
                    "writing a batch",
                    &error,
                )));
            }
        }
    }
}

type Step<T> = ConflictableTransactionResult<T, CommitError>;

/// The trees as one transaction sees them, its own writes included.
struct Views<'a>(&'a [TransactionalTree]);

impl Views<'_> {
    fn tree(&self, key: &Key) -> &TransactionalTree {
        &self.0[key.tree() as usize]
    }

    fn get<R: Row>(&self, key: &Key) -> Step<Option<R>> {
        match self.tree(key).get(key.bytes())? {
            None => Ok(None),
            Some(bytes) => match rows::open(key, &bytes) {
                Ok(row) => Ok(Some(row)),
                Err(why) => refuse(damaged(key, why)),
            },
        }
    }

    /// Puts or removes, and gives what was there.
    fn write(
        &self,
        key: &Key,
        place: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<IVec>, UnabortableTransactionError> {
        match value {
            Some(value) => self.tree(key).insert(place, value),
            None => self.tree(key).remove(place),
        }
    }

    fn put<R: Row>(&self, key: &Key, row: &R) -> Step<()> {
        match rows::seal(key, row) {
            Ok(value) => {
                self.write(key, &key.bytes(), Some(&value))?;
                Ok(())
            }
            Err(why) => refuse(damaged(key, why)),
        }
    }

    /// Puts or removes a row, and notes what that does to the digests.
    fn replace<R: Row>(&self, key: &Key, row: Option<&R>, effects: &mut Effects) -> Step<()> {
        let new = match row.map(|row| rows::seal(key, row)).transpose() {
            Ok(new) => new,
            Err(why) => return refuse(damaged(key, why)),
        };
        let old = self.write(key, &key.bytes(), new.as_deref())?;
        effects.note(key, old.as_deref(), new.as_deref());
        Ok(())
    }
}

fn refuse<T>(why: StoreError) -> Step<T> {
    Err(ConflictableTransactionError::Abort(
        CommitError::DidNotHappen(why),
    ))
}

/// What writing rows did beside the rows themselves.
#[derive(Default)]
struct Effects {
    tenants: BTreeMap<TenantId, TenantEffects>,
    /// By how much the number of tenants changed.
    tenants_by: i64,
    /// What came to the indexes that belong to no tenant.
    entries: Digest,
}

#[derive(Default)]
struct TenantEffects {
    /// By how much the number of roles changed.
    roles_by: i64,
    digest: Digest,
}

impl Effects {
    fn note(&mut self, key: &Key, old: Option<&[u8]>, new: Option<&[u8]>) {
        let by = i64::from(new.is_some()) - i64::from(old.is_some());
        let digest = match key.counted_in() {
            Some(tenant) => {
                let effects = self.tenants.entry(tenant).or_default();
                if let Key::Role(..) = key {
                    effects.roles_by += by;
                }
                &mut effects.digest
            }
            None => &mut self.entries,
        };
        if let Some(old) = old {
            digest.remove(old);
        }
        if let Some(new) = new {
            digest.add(new);
        }
        if let Key::Tenant(_) = key {
            self.tenants_by += by;
        }
    }
}

fn apply(views: &Views, plan: &Plan) -> Step<()> {
    let last: Option<LastRow> = views.get(&Key::Last)?;
    let (reached, holdings) = last.map_or((0, None), |row| (row.revision, row.holdings));
    let mut counts = Vec::with_capacity(plan.tenants.len());
    for (tenant, moving) in &plan.tenants {
        let count = views.get(&Key::TenantCount(*tenant))?;
        let revision = count
            .as_ref()
            .map_or(Revision::ZERO, |row: &TenantCountRow| {
                Revision(row.revision)
            });
        if revision != moving.decided_on {
            return Err(ConflictableTransactionError::Abort(CommitError::Conflict(
                *tenant,
            )));
        }
        counts.push((*tenant, moving, count));
    }
    if plan.revision.0 <= reached {
        return refuse(StoreError::Failed(format!(
            "revision {} does not come after {reached}",
            plan.revision
        )));
    }
    let mut effects = Effects::default();
    for write in &plan.writes {
        apply_write(views, write, &mut effects)?;
    }
    for (counter, by) in plan.counters.iter().filter(|(_, by)| **by != 0) {
        move_counter(views, counter, *by, &mut effects)?;
    }
    for (tenant, moving, count) in counts {
        move_tenant(views, tenant, moving, count, &mut effects)?;
    }
    let last = LastRow {
        revision: plan.revision.0,
        operation: *plan.operation.as_bytes(),
        holdings: move_holdings(holdings, &effects)?,
    };
    views.put(&Key::Last, &last)
}

fn apply_write(views: &Views, write: &Write, effects: &mut Effects) -> Step<()> {
    let old = views.write(&write.key, &write.place, write.value.as_deref())?;
    match (write.before, old.is_some()) {
        (Before::Nothing, true) => return refuse(damaged(&write.key, "it is there already")),
        (Before::Something, false) => return refuse(damaged(&write.key, "it is missing")),
        _ => {}
    }
    effects.note(&write.key, old.as_deref(), write.value.as_deref());
    let (Some(beside), Some(old)) = (&write.beside, old) else {
        return Ok(());
    };
    let writes = match rows::open::<ClientRow>(&write.key, &old) {
        Ok(row) if row.is_apart() => &beside.if_apart,
        Ok(_) => &beside.if_inside,
        Err(why) => return refuse(damaged(&write.key, why)),
    };
    for write in writes {
        apply_write(views, write, effects)?;
    }
    Ok(())
}

fn move_holdings(holdings: Option<Holdings>, effects: &Effects) -> Step<Option<Holdings>> {
    let Some(holdings) = holdings else {
        return Ok(None);
    };
    match holdings.tenants.checked_add_signed(effects.tenants_by) {
        Some(tenants) => Ok(Some(Holdings {
            tenants,
            entries: Digest(holdings.entries).plus(effects.entries).0,
        })),
        None => refuse(damaged(Key::Last, "its count would fall below zero")),
    }
}

fn move_tenant(
    views: &Views,
    tenant: TenantId,
    moving: &Move,
    count: Option<TenantCountRow>,
    effects: &mut Effects,
) -> Step<()> {
    let key = Key::TenantCount(tenant);
    let by = effects.tenants.remove(&tenant).unwrap_or_default();
    let count = count.unwrap_or(TenantCountRow {
        clients: 0,
        roles: 0,
        revision: 0,
        digest: Some(0),
    });
    let moved = (
        count.clients.checked_add_signed(moving.clients),
        count.roles.checked_add_signed(by.roles_by),
    );
    match (moving.removed, moved) {
        (_, (None, _) | (_, None)) => refuse(damaged(&key, "it would fall below zero")),
        (true, (Some(0), Some(0))) => views.replace::<TenantCountRow>(&key, None, effects),
        (true, _) => refuse(StoreError::Failed(format!(
            "tenant {tenant} cannot be removed: it still holds something"
        ))),
        (false, (Some(clients), Some(roles))) => {
            let digest = count.digest.map(Digest);
            let row = TenantCountRow {
                clients,
                roles,
                revision: moving.after.0,
                digest: digest.map(|digest| digest.plus(by.digest).0),
            };
            views.replace(&key, Some(&row), effects)
        }
    }
}

fn move_counter(views: &Views, key: &Key, by: i64, effects: &mut Effects) -> Step<()> {
    let count: Option<CountRow> = views.get(key)?;
    match count.map_or(0, |row| row.clients).checked_add_signed(by) {
        None => refuse(damaged(key, "it would fall below zero")),
        Some(0) => views.replace::<CountRow>(key, None, effects),
        Some(clients) => views.replace(key, Some(&CountRow { clients }), effects),
    }
}

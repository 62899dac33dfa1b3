//! The one transaction of a batch: checks what it was decided on, writes its rows, moves its
//! counters.

use ::sled::IVec;
use ::sled::transaction::{
    ConflictableTransactionError, ConflictableTransactionResult, TransactionError,
    TransactionalTree, UnabortableTransactionError,
};

use super::keys::Key;
use super::plan::{Before, Move, Plan, Unplannable};
use super::rows::{self, CountRow, LastRow, Row, TenantCountRow};
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
    let outcome = trees.transaction(|views| apply(&Views(views), &plan));
    outcome.map_err(|error| match error {
        TransactionError::Abort(refused) => refused,
        TransactionError::Storage(error) => {
            CommitError::MayHaveHappened(sled_error("writing a batch", &error))
        }
    })
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
        value: Option<&[u8]>,
    ) -> Result<Option<IVec>, UnabortableTransactionError> {
        match value {
            Some(value) => self.tree(key).insert(key.bytes(), value),
            None => self.tree(key).remove(key.bytes()),
        }
    }

    fn put<R: Row>(&self, key: &Key, row: &R) -> Step<()> {
        match rows::seal(key, row) {
            Ok(value) => {
                self.write(key, Some(&value))?;
                Ok(())
            }
            Err(why) => refuse(damaged(key, why)),
        }
    }
}

fn refuse<T>(why: StoreError) -> Step<T> {
    Err(ConflictableTransactionError::Abort(
        CommitError::DidNotHappen(why),
    ))
}

fn apply(views: &Views, plan: &Plan) -> Step<()> {
    let last: Option<LastRow> = views.get(&Key::Last)?;
    let last = last.map_or(Revision::ZERO, |row| Revision(row.revision));
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
    if plan.revision <= last {
        return refuse(StoreError::Failed(format!(
            "revision {} does not come after {last}",
            plan.revision
        )));
    }
    let roles = apply_writes(views, plan)?;
    for (tenant, moving, count) in counts {
        let roles = roles.iter().filter(|(of, _)| *of == tenant);
        move_tenant(views, tenant, moving, count, roles.map(|(_, by)| by).sum())?;
    }
    for (counter, by) in plan.counters.iter().filter(|(_, by)| **by != 0) {
        move_counter(views, counter, *by)?;
    }
    Ok(())
}

/// Gives by how much the number of roles of which tenant changed, one entry for each change.
fn apply_writes(views: &Views, plan: &Plan) -> Step<Vec<(TenantId, i64)>> {
    let mut roles = Vec::new();
    for write in &plan.writes {
        let was_there = views.write(&write.key, write.value.as_deref())?.is_some();
        match (write.before, was_there) {
            (Before::Nothing, true) => {
                return refuse(damaged(&write.key, "it is there already"));
            }
            (Before::Something, false) => return refuse(damaged(&write.key, "it is missing")),
            _ => {}
        }
        if let Key::Role(tenant, _) = write.key {
            match (was_there, write.value.is_some()) {
                (false, true) => roles.push((tenant, 1)),
                (true, false) => roles.push((tenant, -1)),
                _ => {}
            }
        }
    }
    Ok(roles)
}

fn move_tenant(
    views: &Views,
    tenant: TenantId,
    moving: &Move,
    count: Option<TenantCountRow>,
    roles_by: i64,
) -> Step<()> {
    let key = Key::TenantCount(tenant);
    let (clients, roles) = count.map_or((0, 0), |row| (row.clients, row.roles));
    let moved = (
        clients.checked_add_signed(moving.clients),
        roles.checked_add_signed(roles_by),
    );
    match (moving.removed, moved) {
        (_, (None, _) | (_, None)) => refuse(damaged(&key, "it would fall below zero")),
        (true, (Some(0), Some(0))) => {
            views.write(&key, None)?;
            Ok(())
        }
        (true, _) => refuse(StoreError::Failed(format!(
            "tenant {tenant} cannot be removed: it still holds something"
        ))),
        (false, (Some(clients), Some(roles))) => {
            let revision = moving.after.0;
            let row = TenantCountRow {
                clients,
                roles,
                revision,
            };
            views.put(&key, &row)
        }
    }
}

fn move_counter(views: &Views, key: &Key, by: i64) -> Step<()> {
    let count: Option<CountRow> = views.get(key)?;
    match count.map_or(0, |row| row.clients).checked_add_signed(by) {
        None => refuse(damaged(key, "it would fall below zero")),
        Some(0) => {
            views.write(key, None)?;
            Ok(())
        }
        Some(clients) => views.put(key, &CountRow { clients }),
    }
}

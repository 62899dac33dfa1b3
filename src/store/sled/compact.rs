//! Gives the space of deleted rows back: every row is copied, as it is stored, into a new directory
//! of sled beside the old one, and the marker then names the new one.
//!
//! Until the marker is replaced the old directory is the store, from then on the new one is: a cut
//! at any moment leaves a whole store, and at most a directory that nobody names.

use std::path::Path;

use super::check;
use super::engine::Engine;
use super::files::DataDirectory;
use super::keys::{Key, Tree, place};
use super::marker::{Marker, Seal};
use super::opening::{self, Foundation};
use super::rows;
use super::trees::{damaged, sled_error};
use crate::store::StoreError;

/// As little log between two syncs as a batch of the service writes.
const BATCH_BYTES: usize = 120_000;

/// What it came to, in bytes of files.
#[derive(Clone, Copy, Debug)]
pub struct Compacted {
    pub before: u64,
    pub after: u64,
    pub rows: u64,
}

/// Compacts the store of a directory that no service has open. Refuses one with a damaged row, and
/// changes nothing then. `progress` hears of rows copied. Blocks.
pub fn compact(root: &Path, mut progress: impl FnMut(u64)) -> Result<Compacted, StoreError> {
    let found = opening::marked(root)?;
    let (identity, last, old) = (found.identity, found.last, found.directory.clone());
    let new = old.with_sled(&old.next_sled_name()?);
    remove_unnamed(&old)?;
    let engine = Engine::of(found)?;
    let copied = copy_into(&engine, &new, &mut progress).and_then(|(rows, copy)| {
        refuse_findings(Engine::of(Foundation { last, ..copy })?)?;
        Ok(rows)
    });
    let rows = match copied {
        Ok(rows) => rows,
        Err(error) => {
            drop(engine);
            new.remove_sled()?;
            return Err(advised(root, error));
        }
    };
    let before = old.sled_bytes()?;
    drop(engine);
    // The snapshot lies beside the rows when the marker says that it does.
    opening::write_snapshot(&new);
    new.write_marker(&Marker::new(
        identity.store,
        identity.epoch,
        new.sled_name(),
        Some(Seal { revision: last.0 }),
    ))?;
    old.remove_sled()?;
    Ok(Compacted {
        before,
        after: new.sled_bytes()?,
        rows,
    })
}

/// Names the command that says what else is damaged.
fn advised(root: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(what) => StoreError::Damaged(format!(
            "{what}. Nothing was changed; `credenza check --data {}` lists what is wrong",
            root.display()
        )),
        other => other,
    }
}

/// The copy is the store from now on: it has to be whole.
fn refuse_findings(copy: Engine) -> Result<(), StoreError> {
    match check::everything(&copy)?.first() {
        None => Ok(()),
        Some(finding) => Err(StoreError::Damaged(finding.to_string())),
    }
}

/// Directories of sled that the marker does not name: what an earlier try left.
fn remove_unnamed(named: &DataDirectory) -> Result<(), StoreError> {
    for name in named.sled_names()? {
        if name != named.sled_name() {
            named.with_sled(&name).remove_sled()?;
        }
    }
    Ok(())
}

fn copy_into(
    engine: &Engine,
    directory: &DataDirectory,
    progress: &mut impl FnMut(u64),
) -> Result<(u64, Foundation), StoreError> {
    let target = opening::empty(directory, engine.identity)?;
    let mut copied = 0;
    for tree in Tree::ALL {
        let mut batch = ::sled::Batch::default();
        let mut bytes = 0;
        for entry in engine.trees.with_prefix(tree, &[]) {
            let (key, row) = entry?;
            refuse_damage(tree, &key, &row)?;
            bytes += key.len() + row.len();
            batch.insert(key, row);
            copied += 1;
            if bytes >= BATCH_BYTES {
                write(&target, tree, std::mem::take(&mut batch))?;
                bytes = 0;
                progress(copied);
            }
        }
        write(&target, tree, batch)?;
    }
    progress(copied);
    Ok((copied, target))
}

fn write(target: &Foundation, tree: Tree, batch: ::sled::Batch) -> Result<(), StoreError> {
    let failed = |error| sled_error("copying rows", &error);
    target.trees.get(tree).apply_batch(batch).map_err(failed)?;
    target.db.flush().map_err(failed)?;
    target.directory.sync_database()
}

/// Copies keep what a row says, so a row must be worth it.
fn refuse_damage(tree: Tree, key: &[u8], row: &[u8]) -> Result<(), StoreError> {
    let Some(read) = Key::read(tree, key) else {
        return Err(damaged(place(tree, key), "its key makes no sense"));
    };
    if rows::is_whole(&read, row) {
        return Ok(());
    }
    Err(damaged(read, rows::RowFault::Checksum))
}

//! The default store: sled 0.34.7 in a data directory of its own.
//!
//! `files`, `permissions` and `opening` are the directory, `keys` and `rows` what lies in it, `plan` and `commit`
//! how it changes, `load` and `check` how it is read. Why each step of durability is as it is was
//! measured: `docs/architecture.md`.

mod check;
mod check_tenant;
mod commit;
mod files;
mod keys;
mod load;
mod opening;
mod permissions;
mod plan;
mod rows;
mod trees;

#[cfg(test)]
mod tests;

pub use self::opening::Identity;

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Bound::{Excluded, Unbounded};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::files::{DataDirectory, Marker, Seal};
use self::keys::{Key, Tree};
use self::opening::Foundation;
use self::rows::{EntryRow, TenantCountRow, TenantRow};
use self::trees::{Trees, sled_error, until_error};
use super::batch::Batch;
use super::{CommitError, Finding, Store, StoreError, StoreFuture, TenantRows};
use crate::domain::ids::{ClientId, Epoch, Revision, TenantId};
use crate::domain::ports::Random;
use crate::domain::tenant::Tenant;
use ::sled::Db;
use parking_lot::{Mutex, RwLock};

/// Keeps everything in a data directory, which it locks for as long as it lives.
pub struct SledStore {
    inner: Arc<Inner>,
}

/// What [`SledStore::open`] found.
pub enum Opened {
    /// Nothing, or a first start that was cut short: an empty store. The caller commits the
    /// bootstrap batch at revision 1, shows the secret, then calls [`SledStore::mark_complete`].
    Fresh(SledStore),
    /// A store whose first start was completed.
    Existing(SledStore),
}

struct Inner {
    trees: Trees,
    db: Db,
    /// Our own descriptor of sled's file of rows: sled's flush does not sync it.
    database: File,
    /// Held by a commit until its batch is durable, and by reads that must see only durable rows.
    gate: RwLock<()>,
    condition: Mutex<Condition>,
    /// The revision of the last batch that is durable.
    durable: AtomicU64,
    identity: Identity,
    complete: AtomicBool,
    /// Last, so that its lock outlives sled.
    directory: DataDirectory,
}

/// Whether batches are taken.
enum Condition {
    Open,
    /// The store failed, with these words: what it holds in memory and what is on disk may differ.
    Poisoned(String),
    Closed,
}

impl SledStore {
    /// Opens a data directory, creating it where it is missing. Refuses a directory that another
    /// process has open, one that a later program wrote, and one that cannot be believed.
    ///
    /// `random` gives a new store its id and epoch. Blocks.
    pub fn open(directory: &Path, random: &dyn Random) -> Result<Opened, StoreError> {
        let store = Self::of(opening::open(directory, random)?)?;
        Ok(if store.inner.complete.load(Ordering::Acquire) {
            Opened::Existing(store)
        } else {
            Opened::Fresh(store)
        })
    }

    /// Begins a store in a directory that is empty or absent: for what is restored or imported. It
    /// begins anew when it is opened again, unless [`SledStore::mark_complete`] ended it. Blocks.
    pub fn create(directory: &Path, identity: Identity) -> Result<Self, StoreError> {
        Self::of(opening::create(directory, identity)?)
    }

    fn of(found: Foundation) -> Result<Self, StoreError> {
        let path = found.directory.database();
        let database = File::open(&path).map_err(files::failed("cannot open", &path))?;
        Ok(Self {
            inner: Arc::new(Inner {
                trees: found.trees,
                db: found.db,
                database,
                gate: RwLock::new(()),
                condition: Mutex::new(Condition::Open),
                durable: AtomicU64::new(found.last.0),
                identity: found.identity,
                complete: AtomicBool::new(found.complete),
                directory: found.directory,
            }),
        })
    }

    /// Which store it is.
    pub fn identity(&self) -> Identity {
        self.inner.identity
    }

    /// Whether a first start was completed in this directory. Opens nothing and creates nothing.
    pub fn was_set_up(directory: &Path) -> bool {
        DataDirectory::has_marker(directory)
    }

    /// Ends a first start: from now on the directory must hold this store. To be called when the
    /// bootstrap batch is durable and its secret was shown. Blocks.
    pub fn mark_complete(&self) -> Result<(), StoreError> {
        self.inner.write_marker(None)?;
        self.inner.complete.store(true, Ordering::Release);
        Ok(())
    }

    /// Runs work that reads files away from the thread that awaits it.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.inner.clone();
        let working = tokio::task::spawn_blocking(move || {
            let outcome = work(&inner);
            // Before the answer: who has it may drop the store and open the directory again.
            drop(inner);
            outcome
        });
        match working.await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Failed(
                "work on the store was stopped".to_owned(),
            )),
        }
    }
}

impl Inner {
    fn write_marker(&self, sealed: Option<Seal>) -> Result<(), StoreError> {
        self.directory.write_marker(&Marker::new(
            self.identity.store,
            self.identity.epoch,
            self.directory.sled_name(),
            sealed,
        ))
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut condition = self.condition.lock();
        let refused = match &*condition {
            Condition::Open => None,
            Condition::Poisoned(why) => Some(format!("it takes nothing since it failed: {why}")),
            Condition::Closed => Some("it is closed".to_owned()),
        };
        if let Some(why) = refused {
            return Err(CommitError::DidNotHappen(StoreError::Failed(why)));
        }
        // Should sled panic, nobody knows what it wrote.
        *condition = Condition::Poisoned("its last batch did not end".to_owned());
        let _gate = self.gate.write();
        let outcome = commit::write(&self.trees, batch)
            .and_then(|()| self.sync().map_err(CommitError::MayHaveHappened));
        if outcome.is_ok() {
            self.durable.store(batch.revision.0, Ordering::Release);
        }
        *condition = match &outcome {
            Err(CommitError::MayHaveHappened(error)) => Condition::Poisoned(error.to_string()),
            _ => Condition::Open,
        };
        outcome
    }

    /// Makes durable what was written: sled's flush hands it to the operating system, the sync of
    /// our own descriptor to the disk.
    fn sync(&self) -> Result<(), StoreError> {
        self.db
            .flush()
            .map_err(|error| sled_error("flushing a batch", &error))?;
        let path = self.directory.database();
        self.database
            .sync_data()
            .map_err(files::failed("cannot sync", &path))
    }

    fn close(&self) -> Result<(), StoreError> {
        let mut condition = self.condition.lock();
        match &*condition {
            Condition::Open => {}
            Condition::Poisoned(why) => return Err(StoreError::Failed(why.clone())),
            Condition::Closed => return Ok(()),
        }
        let _gate = self.gate.write();
        self.sync()?;
        // A first start that was not completed leaves no marker, and begins anew.
        if self.complete.load(Ordering::Acquire) {
            let revision = self.durable.load(Ordering::Acquire);
            self.write_marker(Some(Seal { revision }))?;
        }
        *condition = Condition::Closed;
        Ok(())
    }

    /// Runs scans that must see one revision of a tenant. Scans of several trees are no snapshot,
    /// so they are made again when the tenant moved on meanwhile; where it never rests, the writer
    /// waits for the last try.
    fn at_one_revision<T>(
        &self,
        tenant: TenantId,
        scans: impl Fn(&Trees) -> T,
    ) -> Result<T, StoreError> {
        const TRIES: usize = 4;
        for _ in 0..TRIES {
            let before = self.tenant_count(tenant)?;
            let outcome = scans(&self.trees);
            if self.tenant_count(tenant)? == before {
                return Ok(outcome);
            }
        }
        let _gate = self.gate.read();
        Ok(scans(&self.trees))
    }

    /// The durable row that each change of a tenant changes, as it is stored.
    fn tenant_count(&self, tenant: TenantId) -> Result<Option<::sled::IVec>, StoreError> {
        let _gate = self.gate.read();
        self.trees.bytes(&Key::TenantCount(tenant))
    }

    fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<Arc<Tenant>>, StoreError> {
        let _gate = self.gate.read();
        let from = after.map(|tenant| Key::Tenant(tenant).bytes());
        let from = from.map_or(Unbounded, Excluded);
        let rows = self.trees.get(Tree::Tenants).range((from, Unbounded));
        let tenants = until_error(Tree::Tenants, rows).take(limit).map(|entry| {
            let (key, bytes) = entry?;
            match trees::read(Tree::Tenants, &key, &bytes)? {
                (Key::Tenant(id), row) => load::stored_tenant(id, row).map(Arc::new),
                (key, _) => Err(trees::damaged(key, "it is no tenant")),
            }
        });
        tenants.collect()
    }

    fn tenant_revision(&self, tenant: TenantId) -> Result<Option<Revision>, StoreError> {
        let _gate = self.gate.read();
        let count: Option<TenantCountRow> = self.trees.row(&Key::TenantCount(tenant))?;
        let row: Option<TenantRow> = self.trees.row(&Key::Tenant(tenant))?;
        match (row, count) {
            (Some(_), None) => Err(trees::damaged(Key::TenantCount(tenant), "they are missing")),
            (None, Some(_)) => Err(trees::damaged(Key::Tenant(tenant), "it is missing")),
            (_, count) => Ok(count.map(|row| Revision(row.revision))),
        }
    }

    fn tenants_with(&self, client: &ClientId) -> Result<Vec<TenantId>, StoreError> {
        let _gate = self.gate.read();
        let mut tenants = Vec::new();
        let prefix = keys::tenants_of(client);
        for entry in self.trees.with_prefix(Tree::ClientIds, &prefix) {
            let (key, bytes) = entry?;
            if let (Key::ClientId(_, tenant), EntryRow {}) =
                trees::read(Tree::ClientIds, &key, &bytes)?
            {
                tenants.push(tenant);
            }
        }
        Ok(tenants)
    }

    fn cluster_role_holders(&self) -> Result<Vec<(TenantId, ClientId)>, StoreError> {
        let _gate = self.gate.read();
        // A client that holds both roles has two entries.
        let mut holders = BTreeSet::new();
        for entry in self.trees.with_prefix(Tree::Holders, &[]) {
            let (key, bytes) = entry?;
            if let (Key::Holder(_, tenant, client), EntryRow {}) =
                trees::read(Tree::Holders, &key, &bytes)?
            {
                holders.insert((tenant, client));
            }
        }
        Ok(holders.into_iter().collect())
    }
}

impl Store for SledStore {
    fn epoch(&self) -> Epoch {
        self.inner.identity.epoch
    }

    fn revision(&self) -> StoreFuture<'_, Result<Revision, StoreError>> {
        let revision = Revision(self.inner.durable.load(Ordering::Acquire));
        Box::pin(std::future::ready(Ok(revision)))
    }

    fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Arc<Tenant>>, StoreError>> {
        Box::pin(self.aside(move |inner| inner.tenants(after, limit)))
    }

    fn load(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<TenantRows>, StoreError>> {
        Box::pin(self.aside(move |inner| {
            inner.at_one_revision(tenant, |trees| load::tenant(trees, tenant))?
        }))
    }

    fn tenant_revision(
        &self,
        tenant: TenantId,
    ) -> StoreFuture<'_, Result<Option<Revision>, StoreError>> {
        Box::pin(self.aside(move |inner| inner.tenant_revision(tenant)))
    }

    fn tenants_with(&self, client: ClientId) -> StoreFuture<'_, Result<Vec<TenantId>, StoreError>> {
        Box::pin(self.aside(move |inner| inner.tenants_with(&client)))
    }

    fn cluster_role_holders(
        &self,
    ) -> StoreFuture<'_, Result<Vec<(TenantId, ClientId)>, StoreError>> {
        Box::pin(self.aside(Inner::cluster_role_holders))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.inner.commit(&batch) })
    }

    fn check(&self) -> StoreFuture<'_, Result<Vec<Finding>, StoreError>> {
        Box::pin(self.aside(check::everything))
    }

    fn close(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.aside(Inner::close))
    }
}

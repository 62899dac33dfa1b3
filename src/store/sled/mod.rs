//! The default store: sled 0.34.7 in a data directory of its own.
//!
//! `files`, `permissions` and `opening` are the directory, `log`, `rescue` and `mender` what is done
//! about damage in sled's own files, `engine` is sled as it is opened once, `keys`, `rows` and
//! `client_row` what lies in it, `plan`, `parts` and `commit` how it changes, `load` and `check` how
//! it is read. Why each step of durability is as it is was measured: `docs/architecture.md`.

mod aside;
mod check;
mod check_tenant;
mod client_row;
mod collected;
mod commit;
mod compact;
mod digest;
mod disk;
mod engine;
mod files;
mod keys;
mod load;
#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "opening does not ask it yet")
)]
mod log;
mod marker;
mod mender;
mod opening;
mod panics;
mod parts;
mod permissions;
mod plan;
mod rescue;
mod rows;
mod trees;
mod watermark;

#[cfg(test)]
mod tests;

pub use self::compact::{Compacted, compact};
pub use self::opening::Identity;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use self::engine::Engine;
use self::files::DataDirectory;
use self::marker::{Marker, Seal};
use self::opening::Foundation;
use super::batch::Batch;
use super::{CommitError, Finding, Store, StoreError, StoreFuture, TenantEntry, TenantRows};
use crate::domain::ids::{ClientId, Epoch, Revision, TenantId};
use crate::domain::ports::Random;

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
    /// None after an error, until the store is opened anew: what the failed one holds in memory
    /// and what is on disk may differ, so nobody may read it.
    engine: RwLock<Option<Arc<Engine>>>,
    condition: Mutex<Condition>,
    /// The revision of the last batch that is known to be durable.
    durable: AtomicU64,
    identity: Identity,
    complete: AtomicBool,
    /// Last, so that its lock outlives sled.
    directory: DataDirectory,
}

/// Whether batches are taken.
enum Condition {
    Open,
    /// The store failed, with these words.
    Failed(String),
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
        let (identity, last) = (found.identity, found.last);
        let (complete, directory) = (found.complete, found.directory.clone());
        let engine = Engine::of(found)?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine: RwLock::new(Some(Arc::new(engine))),
                condition: Mutex::new(Condition::Open),
                durable: AtomicU64::new(last.0),
                identity,
                complete: AtomicBool::new(complete),
                directory,
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

    /// Refuses a directory that was being restored into when that was cut short: what it holds is
    /// nobody's store. Opens nothing.
    pub fn refuse_unfinished(directory: &Path) -> Result<(), StoreError> {
        DataDirectory::refuse_restoring(directory)
    }

    /// Keeps every other process out of a directory for as long as the guard lives, without
    /// opening the store in it. An error where another one has it open.
    pub fn lock(directory: &Path) -> Result<impl Sized + use<>, StoreError> {
        DataDirectory::open(directory)
    }

    /// Ends a first start: from now on the directory must hold this store. To be called when the
    /// bootstrap batch is durable and its secret was shown. Blocks.
    pub fn mark_complete(&self) -> Result<(), StoreError> {
        self.inner.write_marker(None)?;
        self.inner.directory.end_restoring()?;
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
            let outcome = panics::caught(|| work(&inner));
            // Before the answer: who has it may drop the store and open the directory again.
            drop(inner);
            outcome
        });
        match working.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(StoreError::Damaged(
                "its files make no sense where they were read".to_owned(),
            )),
            Err(_) => Err(StoreError::Failed(
                "work on the store was stopped".to_owned(),
            )),
        }
    }

    /// The same, of what sled holds.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.aside(move |inner| work(&*inner.engine()?)).await
    }
}

impl Inner {
    /// sled as it is open now.
    fn engine(&self) -> Result<Arc<Engine>, StoreError> {
        let engine = self.engine.read().clone();
        engine.ok_or(StoreError::Closed)
    }

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
        if !matches!(*condition, Condition::Open) {
            return Err(CommitError::DidNotHappen(StoreError::Closed));
        }
        let engine = self.engine().map_err(CommitError::DidNotHappen)?;
        // Should sled panic, nobody knows what it wrote.
        let outcome = panics::caught(|| engine.commit(batch)).unwrap_or_else(|| {
            Err(CommitError::MayHaveHappened(StoreError::Damaged(
                "its files make no sense where a batch was written".to_owned(),
            )))
        });
        match &outcome {
            Ok(()) => self.durable.store(batch.revision.0, Ordering::Release),
            Err(CommitError::MayHaveHappened(error)) => {
                *condition = Condition::Failed(error.to_string());
                drop(engine);
                // sled syncs when it is let go, and panics where that fails.
                panics::caught(|| drop(self.engine.write().take()));
            }
            Err(CommitError::DidNotHappen(_) | CommitError::Conflict(_)) => {}
        }
        outcome
    }

    /// Opens anew after a failure, where the directory can be written again.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut condition = self.condition.lock();
        match &*condition {
            Condition::Open => return Ok(()),
            Condition::Closed => return Err(StoreError::Closed),
            Condition::Failed(_) => {}
        }
        self.directory.probe()?;
        let found = opening::again(&self.directory)?;
        let durable = self.durable.load(Ordering::Acquire);
        if found.last.0 < durable {
            return Err(StoreError::Damaged(format!(
                "it ends with revision {}, and revision {durable} was made durable",
                found.last
            )));
        }
        self.durable.store(found.last.0, Ordering::Release);
        *self.engine.write() = Some(Arc::new(Engine::of(found)?));
        *condition = Condition::Open;
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        let mut condition = self.condition.lock();
        match &*condition {
            Condition::Open => {}
            Condition::Failed(why) => return Err(StoreError::Failed(why.clone())),
            Condition::Closed => return Ok(()),
        }
        let engine = self.engine()?;
        let revision = {
            let _gate = engine.gate.write();
            engine.sync()?;
            engine.durable()
        };
        let has_changed = engine.has_changed();
        drop(engine);
        *condition = Condition::Closed;
        let engine = self.engine.write().take().and_then(Arc::into_inner);
        // Who still reads keeps it open: then the next start reads the log, as after a kill.
        if let Some(engine) = engine {
            panics::caught(|| drop(engine));
            if has_changed {
                opening::write_snapshot(&self.directory);
            }
        }
        // A first start that was not completed leaves no marker, and begins anew.
        if self.complete.load(Ordering::Acquire) {
            self.write_marker(Some(Seal {
                revision: revision.0,
            }))?;
        }
        Ok(())
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
    ) -> StoreFuture<'_, Result<Vec<TenantEntry>, StoreError>> {
        Box::pin(self.read(move |engine| engine.tenants(after, limit)))
    }

    fn load(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<TenantRows>, StoreError>> {
        Box::pin(self.read(move |engine| {
            let suspicious = engine.suspicious;
            engine.at_one_revision(tenant, |trees| load::tenant(trees, tenant, suspicious))?
        }))
    }

    fn tenant_revision(
        &self,
        tenant: TenantId,
    ) -> StoreFuture<'_, Result<Option<Revision>, StoreError>> {
        Box::pin(self.read(move |engine| engine.tenant_revision(tenant)))
    }

    fn clients_of(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<u64>, StoreError>> {
        Box::pin(self.read(move |engine| engine.clients_of(tenant)))
    }

    fn tenants_with(&self, client: ClientId) -> StoreFuture<'_, Result<Vec<TenantId>, StoreError>> {
        Box::pin(self.read(move |engine| engine.tenants_with(&client)))
    }

    fn cluster_role_holders(
        &self,
    ) -> StoreFuture<'_, Result<Vec<(TenantId, ClientId)>, StoreError>> {
        Box::pin(self.read(Engine::cluster_role_holders))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.inner.commit(&batch) })
    }

    fn reopen(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.aside(Inner::reopen))
    }

    fn check(&self) -> StoreFuture<'_, Result<Vec<Finding>, StoreError>> {
        Box::pin(self.read(check::everything))
    }

    fn close(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.aside(Inner::close))
    }
}

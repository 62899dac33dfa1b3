//! A store that fails on demand, before or after doing its work: what tests put in front of a
//! real one.

use std::collections::VecDeque;
use std::sync::Arc;

use credenza::domain::ids::{ClientId, Epoch, Revision, TenantId};
use credenza::store::batch::Batch;
use credenza::store::{
    CommitError, Finding, Store, StoreError, StoreFuture, TenantEntry, TenantRows,
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What the next commit comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: it is passed on.
    Passes,
    /// It fails, and nothing was written.
    Before,
    /// Nothing was written, and nobody can know.
    BeforeUnknown,
    /// Everything was written, and nobody can know.
    AfterUnknown,
    /// It finds a row that is damaged; nothing was written.
    Damaged,
    /// It waits until [`Faults::go_on`], then is done.
    Hangs,
    /// It panics.
    Panics,
}

/// The switches of a [`Faulty`] store, for the test.
pub struct Faults {
    commits: Mutex<VecDeque<Fault>>,
    /// Those from the first batch on that has several changes.
    crowd: Mutex<Vec<Fault>>,
    /// How many times opening anew fails before it works.
    reopenings: Mutex<usize>,
    /// Reads fail too.
    reads: Mutex<bool>,
    /// The loading of tenants panics.
    panics: Mutex<bool>,
    /// The tenant that is found damaged when it is loaded, and how often it was loaded.
    damaged: Mutex<(Option<TenantId>, usize)>,
    hanging: Semaphore,
    hangs: Mutex<bool>,
}

impl Faults {
    pub fn none() -> Arc<Self> {
        Arc::new(Self {
            commits: Mutex::default(),
            crowd: Mutex::default(),
            reopenings: Mutex::new(0),
            reads: Mutex::new(false),
            panics: Mutex::new(false),
            damaged: Mutex::default(),
            hanging: Semaphore::new(0),
            hangs: Mutex::new(false),
        })
    }

    /// The next commit has this fault.
    pub fn plant(&self, fault: Fault) {
        self.commits.lock().push_back(fault);
    }

    /// From the first batch on that has several changes, commits have these faults in turn.
    pub fn plant_in_a_crowd(&self, faults: &[Fault]) {
        *self.crowd.lock() = faults.to_vec();
    }

    /// Whether such a batch has come.
    pub fn met_a_crowd(&self) -> bool {
        self.crowd.lock().is_empty()
    }

    /// Whether a commit hangs.
    pub fn is_hanging(&self) -> bool {
        *self.hangs.lock()
    }

    fn next(&self, batch: &Batch) -> Option<Fault> {
        let mut commits = self.commits.lock();
        if batch.changes.len() > 1 {
            commits.extend(self.crowd.lock().drain(..));
        }
        commits.pop_front()
    }

    /// Opening anew fails this often.
    pub fn keep_closed(&self, times: usize) {
        *self.reopenings.lock() = times;
    }

    pub fn fail_reads(&self, fail: bool) {
        *self.reads.lock() = fail;
    }

    pub fn panic_at_loads(&self, panic: bool) {
        *self.panics.lock() = panic;
    }

    /// From now on this tenant is damaged in the store.
    pub fn damage(&self, tenant: &str) {
        self.damaged.lock().0 = TenantId::parse(tenant);
    }

    /// How often the damaged tenant was loaded.
    pub fn loads_of_damaged(&self) -> usize {
        self.damaged.lock().1
    }

    /// Lets a commit that hangs go on.
    pub fn go_on(&self) {
        self.hanging.add_permits(1);
    }

    /// Puts these faults in front of a store.
    pub fn before(self: &Arc<Self>, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Faulty {
            store,
            faults: self.clone(),
        })
    }

    fn read(&self) -> Result<(), StoreError> {
        match *self.reads.lock() {
            true => Err(failure()),
            false => Ok(()),
        }
    }
}

struct Faulty {
    store: Arc<dyn Store>,
    faults: Arc<Faults>,
}

fn failure() -> StoreError {
    StoreError::Failed("Input/output error (planted by a test)".to_owned())
}

/// Passes a read on, unless reads fail.
macro_rules! read {
    ($self:ident, $read:expr) => {
        Box::pin(async move {
            $self.faults.read()?;
            $read.await
        })
    };
}

impl Store for Faulty {
    fn epoch(&self) -> Epoch {
        self.store.epoch()
    }

    fn revision(&self) -> StoreFuture<'_, Result<Revision, StoreError>> {
        self.store.revision()
    }

    fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TenantEntry>, StoreError>> {
        read!(self, self.store.tenants(after, limit))
    }

    fn load(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<TenantRows>, StoreError>> {
        Box::pin(async move {
            self.faults.read()?;
            assert!(!*self.faults.panics.lock(), "planted by a test");
            {
                let mut damaged = self.faults.damaged.lock();
                if damaged.0 == Some(tenant) {
                    damaged.1 += 1;
                    let why = "a row (planted by a test)".to_owned();
                    return Err(StoreError::Damaged(why));
                }
            }
            self.store.load(tenant).await
        })
    }

    fn tenant_revision(
        &self,
        tenant: TenantId,
    ) -> StoreFuture<'_, Result<Option<Revision>, StoreError>> {
        read!(self, self.store.tenant_revision(tenant))
    }

    fn clients_of(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<u64>, StoreError>> {
        read!(self, self.store.clients_of(tenant))
    }

    fn tenants_with(&self, client: ClientId) -> StoreFuture<'_, Result<Vec<TenantId>, StoreError>> {
        read!(self, self.store.tenants_with(client))
    }

    fn cluster_role_holders(
        &self,
    ) -> StoreFuture<'_, Result<Vec<(TenantId, ClientId)>, StoreError>> {
        read!(self, self.store.cluster_role_holders())
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            match self.faults.next(&batch) {
                None | Some(Fault::Passes) => self.store.commit(batch).await,
                Some(Fault::Before) => Err(CommitError::DidNotHappen(failure())),
                Some(Fault::BeforeUnknown) => Err(CommitError::MayHaveHappened(failure())),
                Some(Fault::AfterUnknown) => {
                    self.store.commit(batch).await?;
                    Err(CommitError::MayHaveHappened(failure()))
                }
                Some(Fault::Damaged) => Err(CommitError::DidNotHappen(StoreError::Damaged(
                    "a row (planted by a test)".to_owned(),
                ))),
                Some(Fault::Panics) => panic!("planted by a test"),
                Some(Fault::Hangs) => {
                    *self.faults.hangs.lock() = true;
                    self.faults.hanging.acquire().await.unwrap().forget();
                    *self.faults.hangs.lock() = false;
                    self.store.commit(batch).await
                }
            }
        })
    }

    fn reopen(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            {
                let mut left = self.faults.reopenings.lock();
                if *left > 0 {
                    *left -= 1;
                    return Err(failure());
                }
            }
            self.store.reopen().await
        })
    }

    fn check(&self) -> StoreFuture<'_, Result<Vec<Finding>, StoreError>> {
        self.store.check()
    }

    fn close(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }
}

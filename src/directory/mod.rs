//! The memory: what is known of each tenant, as immutable snapshots that readers share.
//!
//! A read takes a snapshot and needs nothing else: no lock, no store, no wait behind a write. A
//! tenant is loaded on first use, once however many ask, and kept while the memory budget allows.
//! The writer publishes new snapshots in commit order, and only what is durable.

mod budget;
pub mod client_index;
mod common;
pub mod ordered;
pub mod registry;
mod rendered;
pub mod snapshot;
pub mod spare;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::domain::client::ClientRecord;
use crate::domain::ids::{ClientId, Revision, TenantId};
use crate::domain::role::Role;
use crate::domain::tenant::{Tenant, TenantState};
use crate::store::{Store, StoreError, TenantRows};
use client_index::ClientIndex;
use registry::Registry;
use snapshot::TenantSnapshot;
use spare::Spare;

/// One tenant in memory: its current snapshot, and when it was last asked for.
struct Resident {
    snapshot: ArcSwap<TenantSnapshot>,
    /// The directory's tick at the last use; ticks move when a tenant is loaded.
    last_used: AtomicU64,
}

type Residents = HashMap<TenantId, Arc<Resident>>;

/// What is known, for readers and for the writer.
pub struct Directory {
    store: Arc<dyn Store>,
    registry: ArcSwap<Registry>,
    residents: ArcSwap<Residents>,
    tick: AtomicU64,
    /// Tenants that were read and found damaged, and what is: they are read no second time.
    damaged: Mutex<HashMap<TenantId, String>>,
    /// Loads under way, so that each happens once.
    loading: Mutex<HashMap<TenantId, Arc<OnceCell<Arc<TenantSnapshot>>>>>,
    clients: ClientIndex,
    /// Held by the writer from before a commit until it is published, and by a load while it
    /// compares revisions and installs: so what is installed is durable and current.
    gate: tokio::sync::Mutex<()>,
    budget_bytes: usize,
    /// What the residents weigh together; moves only with the gate closed.
    weight: AtomicUsize,
    spare: Arc<Spare>,
}

/// Held while a batch is made durable and published.
pub struct CommitGate<'a>(
    #[expect(dead_code, reason = "held, never read")] tokio::sync::MutexGuard<'a, ()>,
);

impl Directory {
    /// Reads the registry of tenants; the tenants themselves come when they are asked for.
    ///
    /// `budget_bytes` bounds what the snapshots weigh together, with what is kept ready of them;
    /// the tenant in use stays, however large.
    pub async fn open(store: Arc<dyn Store>, budget_bytes: usize) -> Result<Self, StoreError> {
        let registry = Registry::load(&*store).await?;
        let spare = Arc::new(Spare::default());
        spare.set_room(budget_bytes);
        Ok(Self {
            store,
            registry: ArcSwap::from_pointee(registry),
            residents: ArcSwap::default(),
            tick: AtomicU64::new(1),
            damaged: Mutex::default(),
            loading: Mutex::default(),
            clients: ClientIndex::default(),
            gate: tokio::sync::Mutex::new(()),
            budget_bytes,
            weight: AtomicUsize::new(0),
            spare,
        })
    }

    /// What the snapshots leave of the budget, for what is made of them.
    pub fn spare(&self) -> &Arc<Spare> {
        &self.spare
    }

    /// The tenants that exist, and who holds cluster roles.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// The current snapshot of a tenant, loaded if it is not in memory. `None` where there is no
    /// such tenant, or it is being deleted.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
        if let Some(resident) = self.residents.load().get(&id) {
            self.touch(resident);
            return Ok(Some(resident.snapshot.load_full()));
        }
        let registry = self.registry.load();
        if registry.is_damaged(id) {
            return Err(StoreError::Damaged(format!("tenant {id}")));
        }
        if registry.active(id).is_none() {
            return Ok(None);
        }
        drop(registry);
        if let Some(what) = self.damaged.lock().get(&id) {
            return Err(StoreError::Damaged(what.clone()));
        }
        self.load_once(id).await
    }

    /// The same, where it is in memory already: costs no wait.
    pub fn resident(&self, id: TenantId) -> Option<Guard<Arc<TenantSnapshot>>> {
        let residents = self.residents.load();
        let resident = residents.get(&id)?;
        self.touch(resident);
        Some(resident.snapshot.load())
    }

    /// All of a tenant at one revision, for an archive: what is in memory as it is, and else from
    /// the store, without keeping it and without making anybody wait.
    pub async fn content(&self, id: TenantId) -> Result<Option<TenantContent>, StoreError> {
        if let Some(resident) = self.residents.load().get(&id) {
            let snapshot = resident.snapshot.load_full();
            return Ok(Some(TenantContent::Snapshot(snapshot)));
        }
        let rows = self.store.load(id).await?;
        let active = rows.filter(|rows| rows.tenant.state == TenantState::Active);
        Ok(active.map(TenantContent::Rows))
    }

    /// The tenants that have a client of this id.
    pub async fn tenants_with(&self, client: &ClientId) -> Result<Arc<[TenantId]>, StoreError> {
        if let Some(known) = self.clients.get(client) {
            return Ok(known);
        }
        // In the gate no commit is under way, so what is remembered is durable and complete.
        let _gate = self.gate.lock().await;
        let found: Arc<[TenantId]> = self.store.tenants_with(client.clone()).await?.into();
        self.clients.remember(client.clone(), found.clone());
        Ok(found)
    }

    /// The tenants in memory that have a client of this id: what is known without the store.
    pub fn residents_with(&self, client: &ClientId) -> Arc<[TenantId]> {
        let residents = self.residents.load();
        let having = residents
            .iter()
            .filter(|(_, resident)| resident.snapshot.load().client(client).is_some());
        having.map(|(id, _)| *id).collect()
    }

    /// Closes the gate for a commit. Nothing is loaded or remembered until it is dropped.
    pub async fn close_gate(&self) -> CommitGate<'_> {
        CommitGate(self.gate.lock().await)
    }

    /// Shows what a batch made: called by the writer, in commit order, when it is durable.
    pub fn publish(&self, _gate: &CommitGate<'_>, news: News) {
        self.registry.store(Arc::new(news.registry));
        for (client, tenant, exists) in news.client_ids {
            self.clients.update(&client, tenant, exists);
        }
        for snapshot in news.tenants {
            self.install(Arc::new(snapshot));
        }
        for tenant in news.gone {
            self.forget(tenant);
        }
    }

    /// Makes what is shown what the store holds, after the outcome of a batch was not known. Wholly
    /// or, where the store cannot be read, not at all; until then readers see what was durable.
    pub async fn resync(&self, _gate: &CommitGate<'_>) -> Result<(), StoreError> {
        let registry = Registry::load(&*self.store).await?;
        let mut changed = Vec::new();
        let mut gone = Vec::new();
        let mut damaged = HashMap::new();
        for (id, resident) in self.residents.load().iter() {
            let shown = resident.snapshot.load().revision();
            match self.if_changed(*id, &registry, shown).await {
                Ok(Now::Same) => {}
                Ok(Now::Changed(snapshot)) => changed.push(snapshot),
                Ok(Now::Gone) => gone.push(*id),
                // It costs the tenant, not all the others.
                Err(StoreError::Damaged(what)) => {
                    log::error!("tenant {id} cannot be served: {what}");
                    gone.push(*id);
                    damaged.insert(*id, what);
                }
                Err(error) => return Err(error),
            }
        }
        self.registry.store(Arc::new(registry));
        self.clients.forget_all();
        *self.damaged.lock() = damaged;
        for snapshot in changed {
            self.install(Arc::new(*snapshot));
        }
        for tenant in gone {
            self.forget(tenant);
        }
        Ok(())
    }

    /// What became of a tenant that is shown at a revision.
    async fn if_changed(
        &self,
        id: TenantId,
        registry: &Registry,
        shown: Revision,
    ) -> Result<Now, StoreError> {
        if registry.active(id).is_none() {
            return Ok(Now::Gone);
        }
        if self.store.tenant_revision(id).await? == Some(shown) {
            return Ok(Now::Same);
        }
        Ok(match self.store.load(id).await? {
            Some(rows) => Now::Changed(Box::new(TenantSnapshot::from_rows(rows))),
            None => Now::Gone,
        })
    }

    fn touch(&self, resident: &Resident) {
        let tick = self.tick.load(Ordering::Relaxed);
        if resident.last_used.load(Ordering::Relaxed) != tick {
            resident.last_used.store(tick, Ordering::Relaxed);
        }
    }

    async fn load_once(&self, id: TenantId) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
        let cell = self.loading.lock().entry(id).or_default().clone();
        let loaded = cell.get_or_try_init(|| self.load(id)).await.cloned();
        let mut loading = self.loading.lock();
        if loading
            .get(&id)
            .is_some_and(|current| Arc::ptr_eq(current, &cell))
        {
            loading.remove(&id);
        }
        match loaded {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(LoadEnd::Absent) => Ok(None),
            Err(LoadEnd::Failed(error)) => {
                if let StoreError::Damaged(what) = &error {
                    log::error!("tenant {id} cannot be served: {error}");
                    self.damaged.lock().insert(id, what.clone());
                }
                Err(error)
            }
        }
    }

    /// Loads a tenant and installs it, unless it changed meanwhile: then it is loaded again.
    async fn load(&self, id: TenantId) -> Result<Arc<TenantSnapshot>, LoadEnd> {
        loop {
            let rows = self.store.load(id).await?.ok_or(LoadEnd::Absent)?;
            let revision = rows.revision;
            let loaded = Arc::new(TenantSnapshot::from_rows(rows));
            let _gate = self.gate.lock().await;
            if self.registry.load().active(id).is_none() {
                return Err(LoadEnd::Absent);
            }
            if let Some(resident) = self.residents.load().get(&id) {
                return Ok(resident.snapshot.load_full());
            }
            if self.store.tenant_revision(id).await? == Some(revision) {
                self.install(loaded.clone());
                return Ok(loaded);
            }
        }
    }

    /// Only with the gate closed.
    fn install(&self, snapshot: Arc<TenantSnapshot>) {
        let id = snapshot.tenant().id;
        let residents = self.residents.load();
        if let Some(resident) = residents.get(&id) {
            let old = resident.snapshot.swap(snapshot.clone());
            let grown = self.weight.load(Ordering::Relaxed) + snapshot.weight() - old.weight();
            self.weigh(grown);
            if grown > self.budget_bytes {
                self.keep_within_budget(Residents::clone(&residents), id);
            }
            return;
        }
        let mut next = Residents::clone(&residents);
        let tick = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
        next.insert(
            id,
            Arc::new(Resident {
                snapshot: ArcSwap::new(snapshot),
                last_used: AtomicU64::new(tick),
            }),
        );
        self.keep_within_budget(next, id);
    }

    /// Shows these residents, less those that the budget has no room for. `keep` stays.
    fn keep_within_budget(&self, mut residents: Residents, keep: TenantId) {
        let weight = budget::keep_within(&mut residents, self.budget_bytes, keep);
        self.weigh(weight);
        self.residents.store(Arc::new(residents));
    }

    /// Notes what the residents weigh together.
    fn weigh(&self, weight: usize) {
        self.weight.store(weight, Ordering::Relaxed);
        self.spare
            .set_room(self.budget_bytes.saturating_sub(weight));
    }

    /// Only with the gate closed.
    fn forget(&self, id: TenantId) {
        let mut next = Residents::clone(&self.residents.load());
        if let Some(gone) = next.remove(&id) {
            let weight = self.weight.load(Ordering::Relaxed);
            self.weigh(weight - gone.snapshot.load().weight());
        }
        self.residents.store(Arc::new(next));
    }
}

/// All of a tenant at one revision, wherever it was found.
pub enum TenantContent {
    Snapshot(Arc<TenantSnapshot>),
    Rows(TenantRows),
}

impl TenantContent {
    pub fn tenant(&self) -> &Arc<Tenant> {
        match self {
            Self::Snapshot(snapshot) => snapshot.tenant(),
            Self::Rows(rows) => &rows.tenant,
        }
    }

    pub fn revision(&self) -> Revision {
        match self {
            Self::Snapshot(snapshot) => snapshot.revision(),
            Self::Rows(rows) => rows.revision,
        }
    }

    /// The clients that are in the store and cannot be believed.
    pub fn damaged(&self) -> &[ClientId] {
        match self {
            Self::Snapshot(snapshot) => snapshot.damaged(),
            Self::Rows(rows) => &rows.damaged,
        }
    }

    /// In the order of their ids.
    pub fn roles(&self) -> Box<dyn Iterator<Item = &Arc<Role>> + '_> {
        match self {
            Self::Snapshot(snapshot) => Box::new(snapshot.roles().iter()),
            Self::Rows(rows) => Box::new(rows.roles.iter()),
        }
    }

    pub fn client_count(&self) -> usize {
        match self {
            Self::Snapshot(snapshot) => snapshot.clients().len(),
            Self::Rows(rows) => rows.clients.len(),
        }
    }

    /// In the order of their ids.
    pub fn clients(&self) -> Box<dyn Iterator<Item = &Arc<ClientRecord>> + '_> {
        match self {
            Self::Snapshot(snapshot) => Box::new(snapshot.clients().iter()),
            Self::Rows(rows) => Box::new(rows.clients.iter()),
        }
    }
}

/// What a batch made, to be shown at once.
pub struct News {
    pub registry: Registry,
    /// The tenants that changed.
    pub tenants: Vec<TenantSnapshot>,
    /// The tenants that nobody may see any more.
    pub gone: Vec<TenantId>,
    /// Clients that were created (`true`) or deleted (`false`).
    pub client_ids: Vec<(ClientId, TenantId, bool)>,
}

/// What became of a tenant.
enum Now {
    Same,
    Changed(Box<TenantSnapshot>),
    Gone,
}

enum LoadEnd {
    Absent,
    Failed(StoreError),
}

impl From<StoreError> for LoadEnd {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

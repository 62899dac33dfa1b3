//! The memory: what is known of each tenant, as immutable snapshots that readers share.
//!
//! A read takes a snapshot and needs nothing else: no lock, no store, no wait behind a write. A
//! tenant is loaded on first use, once however many ask, and kept while the memory budget allows.
//! The writer publishes new snapshots in commit order, and only what is durable.

mod budget;
pub mod client_index;
mod common;
mod let_go;
mod loading;
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
use crate::domain::ports::Memory;
use crate::domain::role::Role;
use crate::domain::tenant::{Tenant, TenantState};
use crate::store::{Store, StoreError, TenantRows};
use budget::Budget;
use client_index::ClientIndex;
use let_go::LetGo;
use loading::Purpose;
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
    budget: Arc<Budget>,
    /// What the residents weigh together; moves only with the gate closed.
    weight: AtomicUsize,
    /// By how much commits let the residents grow since it was last looked whether they fit.
    grown: AtomicUsize,
    let_go: LetGo,
    spare: Arc<Spare>,
}

/// Growth by commits that is not looked at: measuring costs some microseconds.
const GROWTH: usize = 1 << 20;

/// Held while a batch is made durable and published.
pub struct CommitGate<'a>(
    #[expect(dead_code, reason = "held, never read")] tokio::sync::MutexGuard<'a, ()>,
);

impl Directory {
    /// Reads the registry of tenants; the tenants themselves come when they are asked for.
    ///
    /// What is kept ready of tenants, and then tenants, are let go where `memory` says that more than `budget_bytes` are in use.
    pub async fn open(
        store: Arc<dyn Store>,
        budget_bytes: u64,
        memory: Arc<dyn Memory>,
    ) -> Result<Self, StoreError> {
        let registry = Registry::load(&*store).await?;
        let directory = Self {
            store,
            registry: ArcSwap::from_pointee(registry),
            residents: ArcSwap::default(),
            tick: AtomicU64::new(1),
            damaged: Mutex::default(),
            loading: Mutex::default(),
            clients: ClientIndex::default(),
            gate: tokio::sync::Mutex::new(()),
            budget: Arc::new(Budget::new(budget_bytes, memory)),
            weight: AtomicUsize::new(0),
            grown: AtomicUsize::new(0),
            let_go: LetGo::default(),
            spare: Arc::default(),
        };
        directory.fit_spare();
        Ok(directory)
    }

    /// What tenants leave of the budget, for what is made of them.
    pub fn spare(&self) -> &Arc<Spare> {
        &self.spare
    }

    /// The tenants that exist, and who holds cluster roles.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// The current snapshot of a tenant, loaded if it is not in memory and there is room. `None`
    /// where there is no such tenant, or it is being deleted. Whoever holds the snapshot of another
    /// tenant may wait for himself.
    pub async fn tenant(&self, id: TenantId) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
        self.tenant_for(id, Purpose::Reading).await
    }

    /// The same for the writer, who needs several tenants for one command and all of whose callers
    /// wait: it goes without the room that readers keep.
    pub async fn tenant_to_write(
        &self,
        id: TenantId,
    ) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
        self.tenant_for(id, Purpose::Writing).await
    }

    async fn tenant_for(
        &self,
        id: TenantId,
        purpose: Purpose,
    ) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
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
        self.load_once(id, purpose).await
    }

    /// The same, where it is in memory already: costs no wait.
    pub fn resident(&self, id: TenantId) -> Option<Guard<Arc<TenantSnapshot>>> {
        let residents = self.residents.load();
        let resident = residents.get(&id)?;
        self.touch(resident);
        Some(resident.snapshot.load())
    }

    /// Whether [`Directory::tenant`] would have to read the store.
    pub fn must_load(&self, id: TenantId) -> bool {
        !self.residents.load().contains_key(&id) && self.registry.load().active(id).is_some()
    }

    /// All of a tenant at one revision, for an archive: what is in memory as it is, and else from
    /// the store, when there is room for it, without keeping it and without making a write wait.
    pub async fn content(&self, id: TenantId) -> Result<Option<TenantContent>, StoreError> {
        if let Some(resident) = self.residents.load().get(&id) {
            let snapshot = resident.snapshot.load_full();
            return Ok(Some(TenantContent::Snapshot(snapshot)));
        }
        let (rows, _) = self
            .read(id, self.room_for(id, Purpose::Archiving).await)
            .await?;
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
        let mut shown = None;
        for snapshot in news.tenants {
            shown = Some(snapshot.tenant().id);
            self.install(Arc::new(snapshot));
        }
        for tenant in news.gone {
            self.forget(tenant);
            self.budget.forget(tenant);
        }
        if let Some(tenant) = shown
            && self.grown.load(Ordering::Relaxed) > GROWTH
        {
            self.make_room(tenant);
        }
    }

    /// Lets tenants go where more memory is in use than may be, however that came; the one that was
    /// used last stays. To be called now and then.
    pub async fn keep_within_budget(&self) {
        let _gate = self.gate.lock().await;
        let residents = self.residents.load();
        let last = residents
            .iter()
            .max_by_key(|(_, resident)| resident.last_used.load(Ordering::Relaxed));
        if let Some((id, _)) = last {
            self.make_room(*id);
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

    /// Shows a snapshot. Only with the gate closed.
    fn install(&self, snapshot: Arc<TenantSnapshot>) {
        let id = snapshot.tenant().id;
        let weight = snapshot.weight();
        let residents = self.residents.load();
        let old = if let Some(resident) = residents.get(&id) {
            resident.snapshot.swap(snapshot).weight()
        } else {
            let tick = self.tick.fetch_add(1, Ordering::Relaxed) + 1;
            let resident = Resident {
                snapshot: ArcSwap::new(snapshot),
                last_used: AtomicU64::new(tick),
            };
            let mut next = Residents::clone(&residents);
            next.insert(id, Arc::new(resident));
            self.residents.store(Arc::new(next));
            0
        };
        self.weight.fetch_add(weight, Ordering::Relaxed);
        self.weight.fetch_sub(old, Ordering::Relaxed);
        let grown = weight.saturating_sub(old);
        self.grown.fetch_add(grown, Ordering::Relaxed);
    }

    /// Gives what is kept ready of tenants the room that everything else leaves; of what has no room
    /// there, all that can go goes.
    fn fit_spare(&self) {
        let occupied = self.spare.occupied() as u64;
        self.shrink_spare(self.budget.room_of(self.believed(), occupied));
    }

    /// Sets what may be kept ready of tenants, in bytes.
    fn shrink_spare(&self, room: u64) {
        let before = self.spare.occupied();
        self.spare
            .set_room(usize::try_from(room).unwrap_or(usize::MAX));
        if self.spare.occupied() < before {
            self.budget.give_back();
        }
    }

    /// Lets tenants go until the budget holds, all but `keep`. Only with the gate closed.
    fn make_room(&self, keep: TenantId) {
        self.grown.store(0, Ordering::Relaxed);
        self.fit_spare();
        loop {
            let missing = self.budget.missing(self.believed(), 0);
            if missing == 0 || self.let_some_go(missing, Some(keep)).is_empty() {
                return;
            }
            self.budget.give_back();
        }
    }

    /// What is kept in memory on purpose, in bytes, as far as it is known without measuring: the
    /// tenants, those that were let go and are still read, and what is kept ready of them. Whatever
    /// else is kept and counted belongs here.
    fn believed(&self) -> u64 {
        let tenants = self.weight.load(Ordering::Relaxed) as u64;
        tenants + self.let_go.weight() + self.spare.occupied() as u64
    }

    /// Takes tenants that weigh so much together out of those that are shown, beginning with the
    /// least recently used, and gives them; all but `keep`. Only with the gate closed.
    fn let_some_go(&self, bytes: u64, keep: Option<TenantId>) -> Vec<Arc<Resident>> {
        let mut residents = Residents::clone(&self.residents.load());
        let mut by_use: Vec<_> = residents
            .iter()
            .filter(|(id, _)| Some(**id) != keep)
            .map(|(id, resident)| (resident.last_used.load(Ordering::Relaxed), *id))
            .collect();
        by_use.sort_unstable();
        let mut gone = Vec::new();
        let mut freed = 0;
        for (_, id) in by_use {
            if freed >= bytes {
                break;
            }
            let Some(resident) = residents.remove(&id) else {
                continue;
            };
            let snapshot = resident.snapshot.load_full();
            let weight = snapshot.weight();
            self.let_go.add(&snapshot);
            self.budget.note_weight(id, weight as u64);
            self.weight.fetch_sub(weight, Ordering::Relaxed);
            freed += weight as u64;
            gone.push(resident);
        }
        self.residents.store(Arc::new(residents));
        gone
    }

    /// Only with the gate closed.
    fn forget(&self, id: TenantId) {
        let mut next = Residents::clone(&self.residents.load());
        if let Some(gone) = next.remove(&id) {
            self.weight
                .fetch_sub(gone.snapshot.load().weight(), Ordering::Relaxed);
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

//! How a tenant comes into memory: once however many ask, when there is room for it, and never an
//! older state of it than what was committed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::budget::Turn;
use super::snapshot::TenantSnapshot;
use super::{Directory, Resident};
use crate::domain::ids::TenantId;
use crate::store::{StoreError, TenantRows};

/// How often it is looked whether readers are done with what was let go.
const LOOK: Duration = Duration::from_millis(50);

/// What a tenant is loaded for, which says what the load waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request that only reads: it waits for its turn, for other loads, and for those who read
    /// tenants that were let go.
    Reading,
    /// The writer, for whom all writes wait: its turn is at once, and it goes without the room that
    /// readers keep.
    Writing,
    /// An archive: it goes without that room, too.
    Archiving,
}

/// Whether a load may begin.
enum Room {
    Found,
    /// There will be some when another load or a reader ends.
    Awaited,
}

/// Why a load gave nothing.
pub(super) enum LoadEnd {
    Absent,
    Failed(StoreError),
}

impl From<StoreError> for LoadEnd {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Directory {
    pub(super) async fn load_once(
        &self,
        id: TenantId,
        purpose: Purpose,
    ) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
        // The writer joins nobody who may be waiting for readers.
        if purpose == Purpose::Writing {
            return self.outcome(id, self.load(id, purpose).await);
        }
        let cell = self.loading.lock().entry(id).or_default().clone();
        let loaded = cell
            .get_or_try_init(|| self.load(id, purpose))
            .await
            .cloned();
        let mut loading = self.loading.lock();
        if loading
            .get(&id)
            .is_some_and(|current| Arc::ptr_eq(current, &cell))
        {
            loading.remove(&id);
        }
        drop(loading);
        self.outcome(id, loaded)
    }

    /// What a load came to, for who asked; damage goes to the log and is remembered.
    fn outcome(
        &self,
        id: TenantId,
        loaded: Result<Arc<TenantSnapshot>, LoadEnd>,
    ) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
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
    async fn load(&self, id: TenantId, purpose: Purpose) -> Result<Arc<TenantSnapshot>, LoadEnd> {
        loop {
            if let Some(snapshot) = self.taken_back(id).await? {
                return Ok(snapshot);
            }
            let turn = self.room_for(id, purpose).await;
            let (rows, turn) = self.read(id, turn).await?;
            let rows = rows.ok_or(LoadEnd::Absent)?;
            let revision = rows.revision;
            let loaded = aside(move || Arc::new(TenantSnapshot::from_rows(rows))).await?;
            let _gate = self.gate.lock().await;
            // What was reserved is in use now, and measured.
            drop(turn);
            if self.registry.load().active(id).is_none() {
                return Err(LoadEnd::Absent);
            }
            if let Some(resident) = self.residents.load().get(&id) {
                return Ok(resident.snapshot.load_full());
            }
            if self.store.tenant_revision(id).await? == Some(revision) {
                self.install(loaded.clone());
                self.make_room(id);
                return Ok(loaded);
            }
        }
    }

    /// A tenant that was let go, where somebody still reads it as it is in the store.
    async fn taken_back(&self, id: TenantId) -> Result<Option<Arc<TenantSnapshot>>, StoreError> {
        let Some(snapshot) = self.let_go.get(id) else {
            return Ok(None);
        };
        let _gate = self.gate.lock().await;
        if let Some(resident) = self.residents.load().get(&id) {
            return Ok(Some(resident.snapshot.load_full()));
        }
        let is_active = self.registry.load().active(id).is_some();
        let revision = self.store.tenant_revision(id).await?;
        if !is_active || revision != Some(snapshot.revision()) {
            return Ok(None);
        }
        self.let_go.remove(&snapshot);
        self.install(snapshot.clone());
        Ok(Some(snapshot))
    }

    /// Waits until there is room to load a tenant; those that were not used for the longest time go
    /// for it. What others are loading or reading is waited for. A tenant for which there can be no
    /// room is loaded alone.
    pub(super) async fn room_for(&self, id: TenantId, purpose: Purpose) -> Turn {
        // A counter that cannot be read is found again by the load itself.
        let clients = self.store.clients_of(id).await.ok().flatten();
        let bytes = self.budget.cost_of(id, clients.unwrap_or(0));
        loop {
            let end_of_a_load = self.budget.end_of_a_load();
            {
                // Given back before it waits, so that others have their turn.
                let mut turn = match purpose {
                    Purpose::Writing => self.budget.turn_at_once(),
                    Purpose::Reading | Purpose::Archiving => self.budget.turn().await,
                };
                let _gate = self.gate.lock().await;
                if let Room::Found = self.find_room(bytes, purpose).await {
                    turn.reserve(bytes);
                    self.fit_spare();
                    return turn;
                }
            }
            let _ = tokio::time::timeout(LOOK, end_of_a_load).await;
        }
    }

    /// Only with the gate closed.
    async fn find_room(&self, bytes: u64, purpose: Purpose) -> Room {
        let mut missing = self.budget.missing(self.believed(), bytes);
        if missing > 0 {
            // What can be made again goes first.
            let occupied = self.spare.occupied() as u64;
            self.shrink_spare(occupied.saturating_sub(missing));
            missing = self.budget.missing(self.believed(), bytes);
        }
        let is_awaited = |missing| {
            let is_read = purpose == Purpose::Reading && missing <= self.let_go.weight();
            missing > 0 && (self.budget.is_loading() || is_read)
        };
        // Where others cannot leave room enough, none of them goes in vain.
        let resident = self.weight.load(Ordering::Relaxed) as u64;
        if is_awaited(missing.saturating_sub(resident)) {
            return Room::Awaited;
        }
        while missing > 0 {
            let gone = self.let_some_go(missing, None);
            if gone.is_empty() {
                break;
            }
            self.free(gone).await;
            missing = self.budget.missing(self.believed(), bytes);
        }
        match is_awaited(missing) {
            true => Room::Awaited,
            false => Room::Found,
        }
    }

    /// Frees tenants, away from the thread that answers requests: a large one has many parts.
    async fn free(&self, gone: Vec<Arc<Resident>>) {
        let budget = self.budget.clone();
        let freed = aside(move || {
            drop(gone);
            budget.give_back();
        });
        // It ends early only with the process.
        let _ = freed.await;
    }

    /// Reads a tenant's rows. What is reserved for that stays so until they are read, even where who
    /// asked has gone.
    pub(super) async fn read(
        &self,
        id: TenantId,
        turn: Turn,
    ) -> Result<(Option<TenantRows>, Turn), StoreError> {
        let store = self.store.clone();
        let reading = tokio::spawn(async move {
            let rows = store.load(id).await;
            (rows, turn)
        });
        let (rows, turn) = reading.await.map_err(|_| stopped())?;
        self.budget.give_back();
        Ok((rows?, turn))
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let working = tokio::task::spawn_blocking(work);
    working.await.map_err(|_| stopped())
}

fn stopped() -> StoreError {
    StoreError::Failed("reading was stopped".to_owned())
}

//! The directory over a store that counts and waits: a tenant is loaded once however many ask, the
//! budget holds while tenants are loaded and read, and what was let go comes back as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use credenza::directory::Directory;
use credenza::directory::snapshot::TenantSnapshot;
use credenza::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use credenza::domain::ids::{ClientId, Epoch, Revision, TenantId};
use credenza::domain::ports::{Memory, Unmeasured};
use credenza::domain::secret::{Salt, SecretSet};
use credenza::domain::tenant::{Tenant, TenantState};
use credenza::domain::text::Name;
use credenza::domain::times::Timestamp;
use credenza::store::batch::{Batch, Change, TenantRevisions};
use credenza::store::memory::MemoryStore;
use credenza::store::{
    CommitError, Finding, Store, StoreError, StoreFuture, TenantEntry, TenantRows,
};
use uuid::Uuid;

/// A store that counts loads, and holds each back until it is told to go on.
struct Watched {
    inner: MemoryStore,
    loads: AtomicUsize,
    may_load: tokio::sync::Semaphore,
    /// How many clients it says that a tenant has.
    clients: AtomicU64,
}

impl Store for Watched {
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    fn revision(&self) -> StoreFuture<'_, Result<Revision, StoreError>> {
        self.inner.revision()
    }

    fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TenantEntry>, StoreError>> {
        self.inner.tenants(after, limit)
    }

    fn load(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<TenantRows>, StoreError>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let _permit = self.may_load.acquire().await.unwrap();
            self.inner.load(tenant).await
        })
    }

    fn tenant_revision(
        &self,
        tenant: TenantId,
    ) -> StoreFuture<'_, Result<Option<Revision>, StoreError>> {
        self.inner.tenant_revision(tenant)
    }

    fn clients_of(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<u64>, StoreError>> {
        let counted = self.clients.load(Ordering::Relaxed);
        Box::pin(async move {
            let has_some = self.inner.clients_of(tenant).await?.is_some();
            Ok(has_some.then_some(counted))
        })
    }

    fn tenants_with(&self, client: ClientId) -> StoreFuture<'_, Result<Vec<TenantId>, StoreError>> {
        self.inner.tenants_with(client)
    }

    fn cluster_role_holders(
        &self,
    ) -> StoreFuture<'_, Result<Vec<(TenantId, ClientId)>, StoreError>> {
        self.inner.cluster_role_holders()
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Result<(), CommitError>> {
        self.inner.commit(batch)
    }

    fn reopen(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        self.inner.reopen()
    }

    fn check(&self) -> StoreFuture<'_, Result<Vec<Finding>, StoreError>> {
        self.inner.check()
    }

    fn close(&self) -> StoreFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}

fn tenant_id(number: u64) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(u128::from(number)))
}

/// A client as the store gives it.
fn client(number: usize) -> Arc<ClientRecord> {
    Arc::new(ClientRecord {
        client: Client {
            id: ClientId::parse(&format!("client-{number:06}")).unwrap(),
            name: Name::parse("Name", "A client").unwrap(),
            enabled: true,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::none(),
            role_ids: RoleIds::new([]).unwrap(),
            created: Revision(1),
            changed: Revision(1),
        },
        secrets: SecretSet {
            salt: Salt([0; 16]),
            last_id: 0,
            secrets: Vec::new(),
            damaged: Vec::new(),
        },
    })
}

/// Creates clients in a tenant of a store, all at a revision.
async fn create(store: &Watched, tenant: u64, clients: usize, revision: u64) {
    let changes = (0..clients).map(|number| Change::PutClient {
        tenant: tenant_id(tenant),
        old: None,
        new: client(number),
    });
    let batch = Batch {
        operation: Uuid::from_u128(u128::from(revision)),
        revision: Revision(revision),
        tenants: vec![TenantRevisions {
            tenant: tenant_id(tenant),
            decided_on: Revision(tenant),
            after: Revision(revision),
        }],
        changes: changes.collect(),
    };
    store.inner.commit(batch).await.unwrap();
}

/// A store with so many empty tenants, in which as many loads may go on at once.
async fn store(tenants: u64, may_load: usize) -> Arc<Watched> {
    let inner = MemoryStore::new(Epoch(1));
    for number in 1..=tenants {
        let revision = Revision(number);
        let now = Timestamp::parse("now", "2030-01-01T00:00:00Z").unwrap();
        let tenant = Arc::new(Tenant {
            id: tenant_id(number),
            company_name: Name::parse("CompanyName", "Company").unwrap(),
            alias: None,
            state: TenantState::Active,
            created: now,
            last_updated: now,
            changed: revision,
        });
        let moved = TenantRevisions {
            tenant: tenant.id,
            decided_on: Revision::ZERO,
            after: revision,
        };
        let changes = vec![Change::PutTenant {
            tenant,
            created: true,
        }];
        let operation = Uuid::from_u128(u128::from(number));
        let batch = Batch {
            operation,
            revision,
            tenants: vec![moved],
            changes,
        };
        inner.commit(batch).await.unwrap();
    }
    let may_load = tokio::sync::Semaphore::new(may_load);
    Arc::new(Watched {
        inner,
        loads: AtomicUsize::new(0),
        may_load,
        clients: AtomicU64::new(0),
    })
}

/// A directory that goes by what its tenants should weigh.
async fn open(store: Arc<dyn Store>, budget_bytes: u64) -> Result<Directory, StoreError> {
    Directory::open(store, budget_bytes, Arc::new(Unmeasured)).await
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn a_tenant_is_loaded_once_however_many_ask() {
    run(async {
        let store = store(1, 0).await;
        let directory = Arc::new(open(store.clone(), 1 << 20).await.unwrap());
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let directory = directory.clone();
            asking.spawn(async move { directory.tenant(tenant_id(1)).await.unwrap().unwrap() });
        }
        tokio::task::yield_now().await;
        store.may_load.add_permits(1);
        let snapshots = asking.join_all().await;
        assert_eq!(store.loads.load(Ordering::Relaxed), 1);
        assert!(
            snapshots
                .iter()
                .all(|snapshot| Arc::ptr_eq(snapshot, &snapshots[0]))
        );
    });
}

#[test]
fn who_goes_away_while_loading_leaves_the_others_served() {
    run(async {
        let store = store(1, 0).await;
        let directory = Arc::new(open(store.clone(), 1 << 20).await.unwrap());
        let ask = |directory: Arc<Directory>| async move {
            directory.tenant(tenant_id(1)).await.unwrap().unwrap()
        };
        let first = tokio::spawn(ask(directory.clone()));
        let second = tokio::spawn(ask(directory.clone()));
        tokio::task::yield_now().await;
        first.abort();
        tokio::task::yield_now().await;
        store.may_load.add_permits(1);
        assert_eq!(second.await.unwrap().tenant().id, tenant_id(1));
    });
}

#[test]
fn the_least_recently_used_goes_when_the_budget_is_full() {
    run(async {
        let store = store(10, 1).await;
        // An empty tenant weighs a little over 4 KB: three fit.
        let directory = open(store.clone(), 14_000).await.unwrap();
        let loads = || store.loads.load(Ordering::Relaxed);
        for number in [1, 2, 3] {
            directory.tenant(tenant_id(number)).await.unwrap().unwrap();
        }
        assert!(directory.resident(tenant_id(1)).is_some());
        assert_eq!(loads(), 3);
        // 2 was used longest ago.
        directory.tenant(tenant_id(4)).await.unwrap().unwrap();
        assert!(directory.resident(tenant_id(2)).is_none());
        for number in [1, 3, 4] {
            assert!(directory.resident(tenant_id(number)).is_some(), "{number}");
        }
        // What was let go comes back.
        directory.tenant(tenant_id(2)).await.unwrap().unwrap();
        assert_eq!(loads(), 5);
    });
}

#[test]
fn snapshots_and_what_is_rendered_of_them_share_the_budget() {
    const TENANTS: u64 = 6;
    const CLIENTS: usize = 1_000;
    const LINE: usize = 300;
    run(async {
        let store = store(TENANTS, 1).await;
        for tenant in 1..=TENANTS {
            create(&store, tenant, CLIENTS, TENANTS + tenant).await;
        }
        // All snapshots fit, and the renderings of two tenants.
        let budget = 6 * CLIENTS * 340 + 2 * CLIENTS * (LINE + 10);
        let directory = open(store.clone(), budget as u64).await.unwrap();
        let mut most = 0;
        for tenant in (1..=TENANTS).chain(1..=TENANTS) {
            let snapshot = directory.tenant(tenant_id(tenant)).await.unwrap().unwrap();
            for part in snapshot.clients().parts(0..CLIENTS) {
                let line = |_: &_, bytes: &mut Vec<u8>| bytes.extend([b'x'; LINE]);
                let bytes = part.rendered(directory.spare(), line);
                assert_eq!(bytes.len(), part.len() * LINE);
                drop(bytes);
                let weights = (1..=TENANTS).filter_map(|other| {
                    let resident = directory.resident(tenant_id(other))?;
                    Some(resident.weight())
                });
                let together = weights.sum::<usize>() + directory.spare().occupied();
                assert!(together <= budget, "{together} of {budget}");
                most = most.max(together);
            }
        }
        assert_eq!(store.loads.load(Ordering::Relaxed), TENANTS as usize);
        assert!(most > budget * 9 / 10, "{most} of {budget}");
    });
}

#[test]
fn what_does_not_exist_is_not_loaded() {
    run(async {
        let store = store(1, 1).await;
        let directory = open(store.clone(), 1 << 20).await.unwrap();
        assert!(directory.tenant(tenant_id(2)).await.unwrap().is_none());
        assert_eq!(store.loads.load(Ordering::Relaxed), 0);
    });
}

/// Lets everything go on that does not wait for the test.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn ask(directory: &Arc<Directory>, number: u64) -> tokio::task::JoinHandle<Arc<TenantSnapshot>> {
    let directory = directory.clone();
    tokio::spawn(async move { directory.tenant(tenant_id(number)).await.unwrap().unwrap() })
}

#[test]
fn a_load_that_has_no_room_beside_another_waits_for_its_end() {
    run(async {
        let store = store(2, 0).await;
        let directory = Arc::new(open(store.clone(), 1 << 20).await.unwrap());
        let loads = || store.loads.load(Ordering::Relaxed);
        // One of them fits, two do not.
        store.clients.store(700, Ordering::Relaxed);
        let first = ask(&directory, 1);
        let second = ask(&directory, 2);
        settle().await;
        assert_eq!(loads(), 1);
        store.may_load.add_permits(1);
        for (number, asking) in [(1, first), (2, second)] {
            assert_eq!(asking.await.unwrap().tenant().id, tenant_id(number));
        }
        assert_eq!(loads(), 2);
    });
}

#[test]
fn a_tenant_that_is_larger_than_the_budget_is_loaded_alone() {
    run(async {
        let store = store(2, 1).await;
        let directory = Arc::new(open(store.clone(), 10_000).await.unwrap());
        store.clients.store(50_000, Ordering::Relaxed);
        for number in [1, 2, 1] {
            assert_eq!(
                ask(&directory, number).await.unwrap().tenant().id,
                tenant_id(number)
            );
        }
        assert!(directory.resident(tenant_id(2)).is_none());
    });
}

#[test]
fn what_was_let_go_and_is_still_read_comes_back_without_being_loaded() {
    run(async {
        let store = store(3, 1).await;
        // Two empty tenants fit.
        let directory = Arc::new(open(store.clone(), 10_000).await.unwrap());
        let loads = || store.loads.load(Ordering::Relaxed);
        let read = ask(&directory, 1).await.unwrap();
        for number in [2, 3] {
            ask(&directory, number).await.unwrap();
        }
        assert!(directory.resident(tenant_id(1)).is_none());
        assert_eq!(loads(), 3);
        let again = ask(&directory, 1).await.unwrap();
        assert!(Arc::ptr_eq(&read, &again));
        assert_eq!(loads(), 3);
    });
}

#[test]
fn what_is_still_read_counts_until_its_reader_is_done() {
    run(async {
        let store = store(10, 1).await;
        // Not one fits, so the first is loaded alone.
        let directory = Arc::new(open(store.clone(), 4_000).await.unwrap());
        let loads = || store.loads.load(Ordering::Relaxed);
        let read = ask(&directory, 1).await.unwrap();
        // More than may load at once, none of which keeps what it gets.
        let mut waiting = tokio::task::JoinSet::new();
        for number in 2..10 {
            let directory = directory.clone();
            waiting.spawn(async move {
                let found = directory.tenant(tenant_id(number)).await;
                assert_eq!(found.unwrap().unwrap().tenant().id, tenant_id(number));
            });
        }
        settle().await;
        assert_eq!(loads(), 1);
        // The writer has no time for that.
        let written = directory.tenant_to_write(tenant_id(10)).await;
        assert_eq!(written.unwrap().unwrap().tenant().id, tenant_id(10));
        assert_eq!(loads(), 2);
        drop(read);
        waiting.join_all().await;
        assert_eq!(loads(), 10);
    });
}

#[test]
fn whatever_else_grows_lets_tenants_go_all_but_one() {
    /// What something else in the process uses.
    struct Beside(AtomicU64);
    impl Memory for Beside {
        fn in_use(&self, believed: u64) -> u64 {
            self.0.load(Ordering::Relaxed) + believed
        }
        fn give_back(&self) {}
    }
    run(async {
        let store = store(3, 1).await;
        let beside = Arc::new(Beside(AtomicU64::new(0)));
        let directory = Directory::open(store.clone(), 1 << 20, beside.clone()).await;
        let directory = Arc::new(directory.unwrap());
        for number in [1, 2, 3] {
            ask(&directory, number).await.unwrap();
        }
        directory.keep_within_budget().await;
        assert!(directory.resident(tenant_id(1)).is_some());
        beside.0.store(2 << 20, Ordering::Relaxed);
        directory.keep_within_budget().await;
        let left = [1, 2, 3].map(|number| directory.resident(tenant_id(number)).is_some());
        assert_eq!(left.iter().filter(|stays| **stays).count(), 1, "{left:?}");
    });
}

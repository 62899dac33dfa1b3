//! The stores under test, a world that drives one, and short ways to make things.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use credenza::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use credenza::domain::ids::{ClientId, Epoch, Revision, RoleId, SecretId, TenantId};
use credenza::domain::ports::Random;
use credenza::domain::role::{BuiltInRole, Role};
use credenza::domain::secret::{Salt, Secret, SecretHash, SecretSet};
use credenza::domain::tenant::{Tenant, TenantState};
use credenza::domain::text::{Alias, Description, Name, Tag};
use credenza::domain::times::Timestamp;
use credenza::store::batch::{Batch, Change, TenantRevisions};
use credenza::store::memory::MemoryStore;
use credenza::store::sled::{Opened, SledStore};
use credenza::store::{CommitError, Finding, Store, StoreError, TenantEntry, TenantRows};
use tempfile::TempDir;
use uuid::Uuid;

/// A store that can be opened again.
pub trait Backend {
    fn store(&self) -> Arc<dyn Store>;
    /// Gives up the store, in good order or not, and opens what it left.
    fn restart(&mut self, runtime: &tokio::runtime::Runtime, in_good_order: bool);
}

pub struct Memory(Arc<MemoryStore>);

impl Memory {
    pub fn new() -> Self {
        Self(Arc::new(MemoryStore::new(Epoch(7))))
    }
}

impl Backend for Memory {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn restart(&mut self, _: &tokio::runtime::Runtime, _: bool) {}
}

pub struct Sled {
    store: Option<Arc<SledStore>>,
    directory: TempDir,
}

impl Sled {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = fresh(&directory.path().join("data"));
        store.mark_complete().unwrap();
        Self {
            store: Some(Arc::new(store)),
            directory,
        }
    }
}

impl Backend for Sled {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().unwrap()
    }

    fn restart(&mut self, runtime: &tokio::runtime::Runtime, in_good_order: bool) {
        if in_good_order {
            runtime.block_on(self.store().close()).unwrap();
        }
        drop(self.store.take());
        self.store = Some(Arc::new(existing(&self.directory.path().join("data"))));
    }
}

/// Random bytes that are none: the next ones of a counter.
pub struct Counting(AtomicU64);

impl Counting {
    pub const fn new() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

pub fn open(directory: &Path) -> Result<Opened, StoreError> {
    SledStore::open(directory, &Counting::new())
}

pub fn fresh(directory: &Path) -> SledStore {
    match open(directory).unwrap() {
        Opened::Fresh(store) => store,
        Opened::Existing(_) => panic!("a store was there already"),
    }
}

pub fn existing(directory: &Path) -> SledStore {
    match open(directory).unwrap() {
        Opened::Existing(store) => store,
        Opened::Fresh(_) => panic!("the store was not believed to be complete"),
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// A store with the revisions that its writer would know.
pub struct World {
    backend: Box<dyn Backend>,
    runtime: tokio::runtime::Runtime,
    revision: Revision,
    revisions: BTreeMap<TenantId, Revision>,
    restarts: usize,
}

impl World {
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self {
            backend: Box::new(backend),
            runtime: runtime(),
            revision: Revision::ZERO,
            revisions: BTreeMap::new(),
            restarts: 0,
        }
    }

    /// What the writer would commit for these changes.
    pub fn batch(&self, changes: impl IntoIterator<Item = Change>) -> Batch {
        let changes: Vec<Change> = changes.into_iter().collect();
        let after = self.revision.next();
        let mut tenants: Vec<TenantId> = changes.iter().map(Change::tenant).collect();
        tenants.sort();
        tenants.dedup();
        let moved = |tenant| TenantRevisions {
            tenant,
            decided_on: self.revisions.get(&tenant).copied().unwrap_or_default(),
            after,
        };
        Batch {
            operation: Uuid::from_u128(after.0.into()),
            revision: after,
            tenants: tenants.into_iter().map(moved).collect(),
            changes,
        }
    }

    pub fn commit(&mut self, changes: impl IntoIterator<Item = Change>) {
        let batch = self.batch(changes);
        let moved = batch.tenants.clone();
        let mut removed = BTreeSet::new();
        for change in &batch.changes {
            match change {
                Change::RemoveTenant { tenant, .. } => _ = removed.insert(tenant.id),
                Change::PutTenant { tenant, .. } => _ = removed.remove(&tenant.id),
                _ => {}
            }
        }
        self.revision = batch.revision;
        self.try_commit(batch).unwrap();
        self.revisions
            .extend(moved.iter().map(|moved| (moved.tenant, moved.after)));
        for tenant in removed {
            self.revisions.remove(&tenant);
        }
        assert_eq!(self.run(|store| store.revision()).unwrap(), self.revision);
    }

    pub fn try_commit(&self, batch: Batch) -> Result<(), CommitError> {
        let store = self.backend.store();
        self.runtime.block_on(store.commit(batch))
    }

    fn run<T>(
        &self,
        work: impl for<'a> FnOnce(&'a dyn Store) -> credenza::store::StoreFuture<'a, T>,
    ) -> T {
        let store = self.backend.store();
        self.runtime.block_on(work(&*store))
    }

    pub fn load(&self, tenant: TenantId) -> Option<TenantRows> {
        self.run(|store| store.load(tenant)).unwrap()
    }

    pub fn tenants(&self, after: Option<TenantId>, limit: usize) -> Vec<Arc<Tenant>> {
        let entries = self.run(|store| store.tenants(after, limit)).unwrap();
        let whole = entries.into_iter().map(|entry| match entry {
            TenantEntry::Whole(tenant) => tenant,
            TenantEntry::Damaged(id) => panic!("tenant {id} is damaged"),
        });
        whole.collect()
    }

    pub fn tenant_revision(&self, tenant: TenantId) -> Option<Revision> {
        self.run(|store| store.tenant_revision(tenant)).unwrap()
    }

    pub fn tenants_with(&self, client: &str) -> Vec<TenantId> {
        self.run(|store| store.tenants_with(client_id(client)))
            .unwrap()
    }

    pub fn holders(&self) -> Vec<(TenantId, ClientId)> {
        let mut holders = self.run(|store| store.cluster_role_holders()).unwrap();
        holders.sort();
        holders
    }

    pub fn check(&self) -> Vec<Finding> {
        self.run(|store| store.check()).unwrap()
    }

    /// Every second time in good order.
    pub fn restart(&mut self) {
        let epoch = self.backend.store().epoch();
        self.restarts += 1;
        self.backend
            .restart(&self.runtime, self.restarts.is_multiple_of(2));
        assert_eq!(self.backend.store().epoch(), epoch);
        assert_eq!(self.run(|store| store.revision()).unwrap(), self.revision);
    }

    /// Every test ends with a store in which all agrees.
    pub fn finish(mut self) {
        assert_eq!(self.check(), []);
        self.restart();
        assert_eq!(self.check(), []);
    }
}

pub fn tenant_id(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

pub fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub fn role_id(number: u8) -> RoleId {
    RoleId::from_bytes([number; 16])
}

pub fn name(text: &str) -> Name {
    Name::parse("Name", text).unwrap()
}

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse("Time", text).unwrap()
}

pub fn tenant(number: u8) -> Tenant {
    Tenant {
        id: tenant_id(number),
        company_name: name(&format!("Company {number}")),
        alias: Some(Alias::parse("Alias", &format!("Company-{number}")).unwrap()),
        state: TenantState::Active,
        created: time("2026-01-02T03:04:05.5Z"),
        last_updated: time("2026-01-02T03:04:05.5Z"),
        changed: Revision(1),
    }
}

pub fn client(id: &str) -> ClientRecord {
    ClientRecord {
        client: Client {
            id: client_id(id),
            name: name(id),
            enabled: true,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::none(),
            role_ids: RoleIds::new([]).unwrap(),
            created: Revision(2),
            changed: Revision(3),
        },
        secrets: SecretSet {
            salt: Salt([3; 16]),
            last_id: 9,
            secrets: Vec::new(),
            damaged: Vec::new(),
        },
    }
}

pub fn secret(number: i32) -> Secret {
    Secret {
        id: SecretId(number),
        hash: SecretHash([number as u8; 32]),
        description: (number % 2 == 0).then(|| description("a secret")),
        expiration: (number % 3 == 0).then(|| time("2027-01-01T00:00:00.000000001Z")),
    }
}

pub fn description(text: &str) -> Description {
    Description::parse("Description", text).unwrap()
}

pub fn tags(texts: &[&str]) -> Tags {
    Tags::new(texts.iter().map(|text| Tag::parse("Tags", text).unwrap())).unwrap()
}

pub fn with(
    mut record: ClientRecord,
    texts: &[&str],
    roles: &[u8],
    secrets: &[i32],
) -> ClientRecord {
    record.client.tags = tags(texts);
    record.client.role_ids = RoleIds::new(roles.iter().copied().map(role_id)).unwrap();
    record.secrets.secrets = secrets.iter().copied().map(secret).collect();
    record
}

pub fn with_role_ids(mut record: ClientRecord, roles: &[RoleId]) -> ClientRecord {
    record.client.role_ids = RoleIds::new(roles.iter().copied()).unwrap();
    record
}

/// A client with as much of everything as a client can have, its roles being those of the cluster.
pub fn largest_client() -> ClientRecord {
    let mut record = client(&"x".repeat(64));
    record.client.name = name(&"🏭".repeat(256));
    record.client.enabled = false;
    record.client.token_lifetime = TokenLifetime::new(60).unwrap();
    let tag = |number| Tag::parse("Tags", &format!("{number:02}{}", "🏭".repeat(126))).unwrap();
    record.client.tags = Tags::new((0..50).rev().map(tag)).unwrap();
    record.client.changed = Revision(u64::MAX);
    record.secrets.last_id = i32::MAX;
    record.secrets.secrets = (0..10)
        .map(|number| Secret {
            description: Some(description(&"d".repeat(1_024))),
            expiration: Some(time("9999-12-31T23:59:59.999999999Z")),
            ..secret(i32::MAX - 9 + number)
        })
        .collect();
    record
}

pub fn role(number: u8, text: Option<&str>) -> Role {
    Role {
        id: role_id(number),
        name: name(&format!("Role {number}")),
        description: text.map(description),
        built_in: BuiltInRole::ALL.get(usize::from(number)).copied(),
    }
}

pub fn largest_role(number: u8) -> Role {
    Role {
        name: name(&"🏭".repeat(256)),
        ..role(number, Some(&"d".repeat(1_024)))
    }
}

pub fn put_tenant(tenant: &Tenant, created: bool) -> Change {
    Change::PutTenant {
        tenant: Arc::new(tenant.clone()),
        created,
    }
}

pub fn put_client(tenant: TenantId, old: Option<&ClientRecord>, new: &ClientRecord) -> Change {
    Change::PutClient {
        tenant,
        old: old.map(|old| Arc::new(old.clone())),
        new: Arc::new(new.clone()),
    }
}

pub fn delete_client(tenant: TenantId, old: &ClientRecord) -> Change {
    Change::DeleteClient {
        tenant,
        old: Arc::new(old.clone()),
    }
}

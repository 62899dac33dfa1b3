//! Tests of what no other room can see: keys, rows, and damage planted in the trees. Here, what
//! they share.

mod damage;
mod forms;
mod log;
mod short_clients;

use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use super::client_row::{ClientRow, LARGEST_WHOLE};
use super::keys::{Key, LONGEST_KEY, TagKey, Tree};
use super::plan::Plan;
use super::rows::{
    self, CountRow, DescriptionRow, EntryRow, LastRow, ManifestRow, PositionRow, RoleRow, Row,
    RowFault, SecretRow, TagRow, TenantCountRow, TenantRow,
};
use super::{Opened, SledStore};
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::ids::{ClientId, Revision, RoleId, SecretId, TenantId};
use crate::domain::ports::Random;
use crate::domain::role::{BuiltInRole, ClusterRole, Role};
use crate::domain::secret::{Salt, Secret, SecretHash, SecretSet};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Alias, Description, Name, Tag};
use crate::domain::times::Timestamp;
use crate::store::batch::{Batch, Change, TenantRevisions};
use crate::store::{CommitError, Finding, Store, StoreError, TenantRows};

/// A directory that a store may be opened in: one that is open to others is refused.
fn private_directory() -> TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().unwrap()
}

struct Fixed;

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn tenant_id(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

fn role_id(number: u8) -> RoleId {
    RoleId::from_bytes([number; 16])
}

fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::parse("Tags", text).unwrap()
}

fn tag_key(text: &str) -> TagKey {
    TagKey::of(&tag(text))
}

fn time() -> Timestamp {
    Timestamp::parse("Time", "9999-12-31T23:59:59.999999999Z").unwrap()
}

fn tenant(number: u8, alias: &str) -> Tenant {
    Tenant {
        id: tenant_id(number),
        company_name: Name::parse("Name", &"🏭".repeat(256)).unwrap(),
        alias: Some(Alias::parse("Alias", alias).unwrap()),
        state: TenantState::Active,
        created: time(),
        last_updated: time(),
        changed: Revision(u64::MAX),
    }
}

fn role(number: u8, name: &str) -> Role {
    Role {
        id: role_id(number),
        name: Name::parse("Name", name).unwrap(),
        description: Some(description()),
        built_in: Some(BuiltInRole::Member),
    }
}

fn description() -> Description {
    Description::parse("Description", &"d".repeat(1_024)).unwrap()
}

fn secret(number: i32) -> Secret {
    Secret {
        id: SecretId(number),
        hash: SecretHash([number as u8; 32]),
        description: Some(description()),
        expiration: Some(time()),
    }
}

fn record(id: &str, tags: Vec<Tag>, roles: Vec<RoleId>, secrets: Vec<Secret>) -> ClientRecord {
    ClientRecord {
        client: Client {
            id: client_id(id),
            name: Name::parse("Name", &"🏭".repeat(256)).unwrap(),
            enabled: true,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::new(tags).unwrap(),
            role_ids: RoleIds::new(roles).unwrap(),
            created: Revision(u64::MAX),
            changed: Revision(u64::MAX),
        },
        secrets: SecretSet {
            salt: Salt([9; 16]),
            last_id: i32::MAX,
            secrets,
            damaged: Vec::new(),
        },
    }
}

/// The same client with a name and descriptions that are short enough for one row.
fn short(mut record: ClientRecord) -> ClientRecord {
    record.client.name = Name::parse("Name", "Short").unwrap();
    for secret in &mut record.secrets.secrets {
        secret.description = None;
    }
    record
}

fn largest() -> ClientRecord {
    let tags = (0..50).map(|number| tag(&format!("{number:02}{}", "🏭".repeat(126))));
    let roles = (0..49).map(role_id).chain([ClusterRole::Operator.id()]);
    let secrets = (0..10).map(|number| secret(i32::MAX - 9 + number));
    record(
        &"x".repeat(64),
        tags.collect(),
        roles.collect(),
        secrets.collect(),
    )
}

fn put_tenant(tenant: Tenant) -> Change {
    Change::PutTenant {
        tenant: Arc::new(tenant),
        created: true,
    }
}

fn put_role(role: Role) -> Change {
    Change::PutRole {
        tenant: tenant_id(1),
        role: Arc::new(role),
    }
}

fn put_client(new: ClientRecord) -> Change {
    Change::PutClient {
        tenant: tenant_id(1),
        old: None,
        new: Arc::new(new),
    }
}

fn batch(revision: u64, tenants: &[u8], changes: Vec<Change>) -> Batch {
    let moved = |number: &u8| TenantRevisions {
        tenant: tenant_id(*number),
        decided_on: Revision(revision - 1),
        after: Revision(revision),
    };
    Batch {
        operation: Uuid::from_u128(revision.into()),
        revision: Revision(revision),
        tenants: tenants.iter().map(moved).collect(),
        changes,
    }
}

/// A store with two tenants; the first has two roles and two clients, one of them an operator. What
/// belongs to the clients lies in rows of their own.
struct House {
    store: SledStore,
    runtime: tokio::runtime::Runtime,
    _directory: TempDir,
}

impl House {
    fn new() -> Self {
        let operator = vec![role_id(1), ClusterRole::Operator.id()];
        let tags = vec![tag("north"), tag("south")];
        Self::with(
            record("a", tags, operator, vec![secret(1)]),
            record("b", vec![tag("north")], vec![role_id(2)], vec![secret(4)]),
        )
    }

    /// The same with clients that are one row each.
    fn of_short_clients() -> Self {
        let operator = vec![role_id(1), ClusterRole::Operator.id()];
        let tags = vec![tag("north"), tag("south")];
        Self::with(
            short(record("a", tags, operator, vec![secret(1)])),
            short(record(
                "b",
                vec![tag("north")],
                vec![role_id(2)],
                vec![secret(4)],
            )),
        )
    }

    fn with(a: ClientRecord, b: ClientRecord) -> Self {
        let directory = private_directory();
        let Opened::Fresh(store) = SledStore::open(directory.path(), &Fixed).unwrap() else {
            panic!("an empty directory held a store");
        };
        let house = Self {
            store,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            _directory: directory,
        };
        let changes = vec![
            put_tenant(tenant(1, "one")),
            put_tenant(tenant(2, "two")),
            put_role(role(1, "First")),
            put_role(role(2, "Second")),
            put_client(a),
            put_client(b),
        ];
        house.commit(batch(1, &[1, 2], changes)).unwrap();
        assert_eq!(house.check(), []);
        assert!(house.load().is_ok());
        house
    }

    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.runtime.block_on(self.store.commit(batch))
    }

    fn check(&self) -> Vec<Finding> {
        self.runtime.block_on(self.store.check()).unwrap()
    }

    fn rows(&self) -> Result<TenantRows, StoreError> {
        let loaded = self.runtime.block_on(self.store.load(tenant_id(1)));
        loaded.map(|rows| rows.expect("the tenant is there"))
    }

    fn client(&self, id: &str) -> Arc<ClientRecord> {
        let rows = self.rows().unwrap();
        let found = rows
            .clients
            .iter()
            .find(|record| record.client.id.as_str() == id);
        found.unwrap().clone()
    }

    /// Whether all of the first tenant can be believed.
    fn load(&self) -> Result<(), StoreError> {
        let rows = self.rows()?;
        let secrets = rows
            .clients
            .iter()
            .map(|client| client.secrets.damaged.len());
        match rows.damaged.len() + secrets.sum::<usize>() {
            0 => Ok(()),
            damaged => Err(StoreError::Damaged(format!("{damaged} things"))),
        }
    }

    fn tree(&self, key: &Key) -> ::sled::Tree {
        let engine = self.store.inner.engine().unwrap();
        engine.trees.get(key.tree()).clone()
    }

    fn bytes(&self, key: &Key) -> Vec<u8> {
        let row = self.tree(key).get(key.bytes()).unwrap();
        row.unwrap_or_else(|| panic!("{key} is missing")).to_vec()
    }

    fn put(&self, key: &Key, bytes: Vec<u8>) {
        self.tree(key).insert(key.bytes(), bytes).unwrap();
    }

    fn put_row<R: Row>(&self, key: &Key, row: &R) {
        self.put(key, rows::seal(key, row).unwrap());
    }

    fn remove(&self, key: &Key) {
        assert!(self.tree(key).remove(key.bytes()).unwrap().is_some());
    }

    fn flip(&self, key: &Key) {
        let mut bytes = self.bytes(key);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.put(key, bytes);
    }

    fn assert_found(&self, key: &Key, problem: &str) {
        let findings = self.check();
        let place = key.to_string();
        assert!(
            findings
                .iter()
                .any(|finding| finding.place == place && finding.problem.contains(problem)),
            "{place}: {problem} is not among {findings:?}"
        );
    }
}

/// One key of each kind, all with a row in the house.
fn one_of_each() -> Vec<Key> {
    let (id, a) = (tenant_id(1), client_id("a"));
    vec![
        Key::Tenant(id),
        Key::Client(id, a.clone()),
        Key::Secret(id, a.clone(), SecretId(1)),
        Key::Tag(id, tag_key("north"), a.clone()),
        Key::Assignment(id, role_id(1), a.clone()),
        Key::Role(id, role_id(1)),
        Key::RoleDescription(id, role_id(1)),
        Key::ClientId(a.clone(), id),
        Key::Holder(ClusterRole::Operator.id(), id, a),
        Key::TenantCount(id),
        Key::TagCount(id, tag_key("north")),
        Key::RoleCount(id, role_id(1)),
        Key::Manifest,
        Key::Last,
    ]
}

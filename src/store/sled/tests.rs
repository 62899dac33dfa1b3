//! Tests of what no other room can see: keys, rows, and damage planted in the trees.

use std::collections::HashMap;
use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;

use super::keys::{Key, LONGEST_KEY, TagKey, Tree};
use super::plan::Plan;
use super::rows::{
    self, ClientRow, CountRow, DescriptionRow, EntryRow, LastRow, ManifestRow, PositionRow,
    RoleRow, Row, RowFault, SecretRow, TagRow, TenantCountRow, TenantRow,
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
use crate::store::{CommitError, Finding, Store, StoreError};

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
        },
    }
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

/// A store with two tenants; the first has two roles and two clients, one of them an operator.
struct House {
    store: SledStore,
    runtime: tokio::runtime::Runtime,
    _directory: TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
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
        let roles = vec![role_id(1), ClusterRole::Operator.id()];
        let a = record(
            "a",
            vec![tag("north"), tag("south")],
            roles,
            vec![secret(1)],
        );
        let b = record("b", vec![tag("north")], vec![role_id(2)], vec![secret(4)]);
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

    fn load(&self) -> Result<(), StoreError> {
        let loaded = self.runtime.block_on(self.store.load(tenant_id(1)));
        loaded.map(|rows| assert!(rows.is_some()))
    }

    fn tree(&self, key: &Key) -> &::sled::Tree {
        self.store.inner.trees.get(key.tree())
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
fn keys() -> Vec<Key> {
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

/// Whether [`SledStore::load`] reads rows of this kind.
fn is_loaded(key: &Key) -> bool {
    Tree::OF_TENANTS.contains(&key.tree())
}

#[test]
fn a_flipped_bit_of_any_row_is_named() {
    for key in keys() {
        let house = House::new();
        house.flip(&key);
        house.assert_found(&key, "checksum");
        assert_eq!(house.check().len(), 1, "{:?}", house.check());
        match house.load() {
            Err(StoreError::Damaged(what)) => {
                assert!(is_loaded(&key) && what.contains(&key.to_string()), "{what}");
            }
            other => assert!(!is_loaded(&key) && other.is_ok(), "{key}"),
        }
    }
}

#[test]
fn a_missing_row_of_any_kind_is_named() {
    for key in keys() {
        let house = House::new();
        house.remove(&key);
        let findings = house.check();
        assert!(!findings.is_empty(), "{key}");
        match key {
            // It is missing from what counts it.
            Key::Secret(..) => {
                let client = Key::Client(tenant_id(1), client_id("a"));
                house.assert_found(&client, "counts 1 secrets, and there are 0");
            }
            Key::Tag(..) => {
                let client = Key::Client(tenant_id(1), client_id("a"));
                house.assert_found(&client, "counts 2 tags, and there are 1");
                let counter = Key::TagCount(tenant_id(1), tag_key("north"));
                house.assert_found(&counter, "counts 2 clients, and there are 1");
            }
            Key::Assignment(..) => {
                let client = Key::Client(tenant_id(1), client_id("a"));
                house.assert_found(&client, "counts 2 roles, and there are 1");
                let counter = Key::RoleCount(tenant_id(1), role_id(1));
                house.assert_found(&counter, "counts 1 clients, and there are 0");
            }
            Key::Client(..) => {
                let secret = Key::Secret(tenant_id(1), client_id("a"), SecretId(1));
                house.assert_found(&secret, "its client is missing");
                let entry = Key::ClientId(client_id("a"), tenant_id(1));
                house.assert_found(&entry, "there is no such client");
                let counter = Key::TenantCount(tenant_id(1));
                house.assert_found(&counter, "counts 2 clients, and there are 1");
            }
            Key::Role(..) => {
                let assignment = Key::Assignment(tenant_id(1), role_id(1), client_id("a"));
                house.assert_found(&assignment, "there is no such role");
            }
            ref key => house.assert_found(key, "missing"),
        }
        assert_eq!(house.load().is_err(), is_loaded(&key), "{key}");
    }
}

#[test]
fn a_row_under_another_key_is_named() {
    let house = House::new();
    let from = Key::Secret(tenant_id(1), client_id("a"), SecretId(1));
    let to = Key::Secret(tenant_id(1), client_id("b"), SecretId(4));
    house.put(&to, house.bytes(&from));
    house.assert_found(&to, "checksum");
    assert!(house.load().is_err());
}

#[test]
fn a_row_that_belongs_to_nothing_is_named() {
    let (id, stranger) = (tenant_id(1), client_id("stranger"));
    let position = PositionRow { position: 0 };
    let house = House::new();
    let key = Key::Tag(id, tag_key("north"), stranger.clone());
    house.put_row(&key, &TagRow::of(&tag("north"), 0).unwrap());
    house.assert_found(&key, "its client is missing");
    let key = Key::Assignment(id, role_id(1), stranger.clone());
    house.put_row(&key, &position);
    house.assert_found(&key, "its client is missing");
    let secret_key = Key::Secret(id, stranger.clone(), SecretId(1));
    house.put_row(&secret_key, &SecretRow::of(&secret(1)));
    house.assert_found(&secret_key, "its client is missing");
    let entry = Key::ClientId(stranger.clone(), id);
    house.put_row(&entry, &EntryRow {});
    house.assert_found(&entry, "there is no such client");
    let holder = Key::Holder(ClusterRole::Support.id(), id, stranger);
    house.put_row(&holder, &EntryRow {});
    house.assert_found(&holder, "the client does not hold it");
    let nobody = Key::TagCount(tenant_id(3), tag_key("x"));
    house.put_row(&nobody, &CountRow { clients: 1 });
    house.assert_found(&nobody, "counts 1 clients, and there are 0");
    house.assert_found(&Key::Tenant(tenant_id(3)), "it is missing");
    assert!(house.load().is_err());
}

#[test]
fn a_counter_that_disagrees_is_named() {
    let house = House::new();
    let key = Key::TagCount(tenant_id(1), tag_key("south"));
    house.put_row(&key, &CountRow { clients: 2 });
    house.assert_found(&key, "counts 2 clients, and there are 1");
    assert!(house.load().is_err());
    let house = House::new();
    let key = Key::TenantCount(tenant_id(1));
    let row = TenantCountRow {
        clients: 3,
        roles: 1,
        revision: 2,
    };
    house.put_row(&key, &row);
    house.assert_found(&key, "counts 3 clients, and there are 2");
    house.assert_found(&key, "counts 1 roles, and there are 2");
    house.assert_found(&key, "revision 2 comes after the store's last one, 1");
    assert!(house.load().is_err());
}

#[test]
fn an_unknown_order_is_named() {
    let house = House::new();
    let key = Key::Tag(tenant_id(1), tag_key("south"), client_id("a"));
    house.put_row(&key, &TagRow::of(&tag("south"), 0).unwrap());
    let client = Key::Client(tenant_id(1), client_id("a"));
    house.assert_found(&client, "the order of its tags is not known");
    assert!(house.load().is_err());
}

#[test]
fn a_long_tag_with_another_text_is_named() {
    let house = House::new();
    let long = "🏭".repeat(128);
    let client = record("c", vec![tag(&long)], vec![], vec![]);
    house
        .commit(batch(2, &[1], vec![put_client(client)]))
        .unwrap();
    assert_eq!(house.check(), []);
    assert!(house.load().is_ok());
    let key = Key::Tag(tenant_id(1), tag_key(&long), client_id("c"));
    for other in ["short".to_owned(), "é".repeat(128)] {
        house.put_row(&key, &TagRow::of(&tag(&other), 0).unwrap());
        house.assert_found(&key, "makes no sense");
        assert!(house.load().is_err());
    }
}

#[test]
fn names_that_must_differ_and_do_not_are_named() {
    let house = House::new();
    let second = Key::Role(tenant_id(1), role_id(2));
    house.put_row(&second, &RoleRow::of(&role(2, "FIRST")));
    house.assert_found(&second, "its name is also that of role");
    let other = Key::Tenant(tenant_id(2));
    house.put_row(&other, &TenantRow::of(&tenant(2, "ONE")));
    house.assert_found(&other, "its alias is also that of tenant");
    let deleting = Tenant {
        state: TenantState::Deleting,
        ..tenant(2, "ONE")
    };
    house.put_row(&other, &TenantRow::of(&deleting));
    let findings = house.check();
    assert!(!findings.iter().any(|found| found.problem.contains("alias")));
}

#[test]
fn keys_that_make_no_sense_are_named() {
    for tree in Tree::ALL {
        let house = House::new();
        let junk = house.store.inner.trees.get(tree);
        junk.insert([1; 3], b"").unwrap();
        junk.insert([[1; 16], [255; 16]].concat(), b"").unwrap();
        let findings = house.check();
        assert!(findings.len() >= 2, "{tree:?}: {findings:?}");
    }
}

#[test]
fn a_file_outside_of_pages_is_named() {
    let house = House::new();
    let blob = house.store.inner.directory.blobs().join("1");
    std::fs::write(blob, b"x").unwrap();
    let findings = house.check();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].problem.contains("must be empty"));
}

#[test]
fn a_change_of_a_damaged_row_is_refused_and_changes_nothing() {
    let house = House::new();
    house.flip(&Key::TagCount(tenant_id(1), tag_key("north")));
    let more = || put_client(record("c", vec![tag("north")], vec![], vec![]));
    match house.commit(batch(2, &[1], vec![more()])) {
        Err(CommitError::DidNotHappen(StoreError::Damaged(_))) => {}
        other => panic!("{other:?}"),
    }
    assert!(
        house
            .store
            .inner
            .trees
            .bytes(&Key::Client(tenant_id(1), client_id("c")))
            .unwrap()
            .is_none()
    );
    let there_already = put_client(record("a", vec![], vec![], vec![]));
    match house.commit(batch(2, &[1], vec![there_already])) {
        Err(CommitError::DidNotHappen(StoreError::Damaged(_))) => {}
        other => panic!("{other:?}"),
    }
    // It is no failure of the store: other batches are still taken.
    house.commit(batch(2, &[], vec![])).unwrap();
}

#[test]
fn a_failed_store_takes_nothing_more() {
    let house = House::new();
    *house.store.inner.condition.lock() = super::Condition::Poisoned("disk full".to_owned());
    match house.commit(batch(2, &[1], vec![])) {
        Err(CommitError::DidNotHappen(StoreError::Failed(why))) => {
            assert!(why.contains("disk full"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert!(house.load().is_ok());
    assert!(house.runtime.block_on(house.store.close()).is_err());
}

#[test]
fn no_row_outgrows_two_kilobytes() {
    let mut longest = role(1, "x");
    longest.name = Name::parse("Name", &"🏭".repeat(256)).unwrap();
    let alias = "a".repeat(64);
    let changes = vec![
        put_tenant(tenant(1, &alias)),
        put_role(longest),
        put_client(largest()),
    ];
    let plan = Plan::of(&batch(u64::MAX, &[1], changes)).ok().unwrap();
    assert_eq!(plan.writes.len(), 1 + 2 + 2 + 10 + 50 + 50 + 1 + 1);
    for write in &plan.writes {
        let size = write.key.bytes().len() + write.value.as_ref().unwrap().len();
        assert!(size < 2_048, "{} takes {size} bytes", write.key);
    }
    let weight: usize = batch(1, &[1], vec![put_client(largest())])
        .changes
        .iter()
        .map(Change::weight)
        .sum();
    let size =
        |key: &Key, value: &Option<Vec<u8>>| key.bytes().len() + value.as_ref().unwrap().len();
    let client = plan
        .writes
        .iter()
        .filter(|write| write.key.tree() != Tree::Roles);
    let written: usize = client.map(|write| size(&write.key, &write.value)).sum();
    assert!(
        written < 2 * weight,
        "{written} bytes for a weight of {weight}"
    );
}

#[test]
fn an_unchanged_client_writes_nothing() {
    let old = Arc::new(largest());
    let change = Change::PutClient {
        tenant: tenant_id(1),
        old: Some(old.clone()),
        new: old,
    };
    let plan = Plan::of(&batch(2, &[1], vec![change])).ok().unwrap();
    let keys: Vec<&Key> = plan.writes.iter().map(|write| &write.key).collect();
    assert_eq!(keys, [&Key::Last]);
    assert!(plan.counters.is_empty());
}

#[test]
fn many_creations_touch_a_counter_once() {
    let clients = (0..64).map(|number| {
        put_client(record(
            &format!("c{number}"),
            vec![tag("t")],
            vec![],
            vec![],
        ))
    });
    let plan = Plan::of(&batch(2, &[1], clients.collect())).ok().unwrap();
    let key = Key::TagCount(tenant_id(1), tag_key("t"));
    assert_eq!(plan.counters.into_iter().collect::<Vec<_>>(), [(key, 64)]);
    assert_eq!(plan.tenants[&tenant_id(1)].clients, 64);
}

#[test]
fn keys_are_read_as_they_were_written_and_no_two_are_alike() {
    let tenants = [[0; 16], [1; 16], [255; 16]].map(TenantId::from_bytes);
    let roles = [[0; 16], [255; 16]].map(RoleId::from_bytes);
    let clients = ["a", "aa", "ab", "~", "A", &"x".repeat(64)].map(client_id);
    let tags = ["a", "aa", "a a", "🏭", &"a".repeat(128), &"🏭".repeat(128)].map(tag_key);
    let secrets = [1, 2, 256, i32::MAX].map(SecretId);
    let mut all = vec![Key::Manifest, Key::Last];
    for tenant in tenants {
        all.extend([Key::Tenant(tenant), Key::TenantCount(tenant)]);
        all.extend(tags.iter().map(|tag| Key::TagCount(tenant, tag.clone())));
        for role in roles {
            all.extend([
                Key::Role(tenant, role),
                Key::RoleDescription(tenant, role),
                Key::RoleCount(tenant, role),
            ]);
        }
        for client in &clients {
            all.extend([
                Key::Client(tenant, client.clone()),
                Key::ClientId(client.clone(), tenant),
            ]);
            all.extend(secrets.map(|secret| Key::Secret(tenant, client.clone(), secret)));
            all.extend(
                tags.iter()
                    .map(|tag| Key::Tag(tenant, tag.clone(), client.clone())),
            );
            for role in roles {
                all.extend([
                    Key::Assignment(tenant, role, client.clone()),
                    Key::Holder(role, tenant, client.clone()),
                ]);
            }
        }
    }
    let mut written: HashMap<(&str, Vec<u8>), Key> = HashMap::new();
    for key in &all {
        let bytes = key.bytes();
        assert!(bytes.len() <= LONGEST_KEY, "{key}");
        assert_eq!(Key::read(key.tree(), &bytes).as_ref(), Some(key));
        assert_eq!(Key::read(key.tree(), &bytes[..bytes.len() - 1]), None);
        assert_eq!(Key::read(key.tree(), &[&bytes[..], &[0]].concat()), None);
        let name = key.tree().name();
        let other = written.insert((name, bytes), key.clone());
        assert_eq!(other, None);
    }
    // No key is the beginning of another one of its tree: what a scan of a prefix gives is meant.
    for (tree, long) in written.keys() {
        for length in 0..long.len() {
            assert!(!written.contains_key(&(*tree, long[..length].to_vec())));
        }
    }
}

#[test]
fn a_scan_of_one_tenant_never_gives_another_ones_rows() {
    let house = House::new();
    let second = tenant_id(2);
    for tree in Tree::OF_TENANTS {
        for entry in house.store.inner.trees.of_tenant(tree, second) {
            let (key, _) = entry.unwrap();
            assert_eq!(super::keys::tenant_of(&key), Some(second));
        }
        let rows = house.store.inner.trees.of_tenant(tree, tenant_id(1));
        assert!(rows.count() > 0, "{tree:?}");
    }
    let short = super::keys::tenants_of(&client_id("a"));
    let long = Key::ClientId(client_id("ab"), second).bytes();
    assert!(!long.starts_with(&short));
}

/// Reads bytes as the kind of row that lies under a key.
fn reads(key: &Key, bytes: &[u8]) -> Result<(), RowFault> {
    fn as_row<R: Row>(key: &Key, bytes: &[u8]) -> Result<(), RowFault> {
        rows::open::<R>(key, bytes).map(drop)
    }
    match key {
        Key::Tenant(..) => as_row::<TenantRow>(key, bytes),
        Key::Client(..) => as_row::<ClientRow>(key, bytes),
        Key::Secret(..) => as_row::<SecretRow>(key, bytes),
        Key::Tag(..) => as_row::<TagRow>(key, bytes),
        Key::Assignment(..) => as_row::<PositionRow>(key, bytes),
        Key::Role(..) => as_row::<RoleRow>(key, bytes),
        Key::RoleDescription(..) => as_row::<DescriptionRow>(key, bytes),
        Key::ClientId(..) | Key::Holder(..) => as_row::<EntryRow>(key, bytes),
        Key::TenantCount(..) => as_row::<TenantCountRow>(key, bytes),
        Key::TagCount(..) | Key::RoleCount(..) => as_row::<CountRow>(key, bytes),
        Key::Manifest => as_row::<ManifestRow>(key, bytes),
        Key::Last => as_row::<LastRow>(key, bytes),
    }
}

#[test]
fn no_flipped_bit_and_no_cut_is_read_as_valid() {
    let house = House::new();
    for key in keys() {
        let whole = house.bytes(&key);
        assert_eq!(reads(&key, &whole), Ok(()));
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(reads(&key, &flipped).is_err(), "bit {bit} of {key}");
        }
        for length in 0..whole.len() {
            assert!(reads(&key, &whole[..length]).is_err(), "{length} of {key}");
        }
    }
}

#[test]
fn content_that_makes_no_sense_is_an_error_whatever_its_checksum_says() {
    for key in keys() {
        for content in [
            vec![],
            vec![1],
            vec![255; 40],
            // A length of 2^64 - 1: nothing may be allocated for it.
            [&[1, 253][..], &[255; 60]].concat(),
            [&[1, 252][..], &[127; 60]].concat(),
            [vec![1], vec![0; 5_000]].concat(),
        ] {
            let mut bytes = content.clone();
            let sum = rows::checksum(key.tree().name(), &key.bytes(), &content);
            bytes.extend_from_slice(&sum.to_be_bytes());
            let outcome = reads(&key, &bytes);
            let entry = matches!(key, Key::ClientId(..) | Key::Holder(..));
            assert!(outcome.is_err() || (entry && content == [1]), "{key}");
        }
    }
}

#[test]
fn a_later_version_is_told_apart_from_damage() {
    let key = Key::Last;
    let content = [9, 1, 1];
    let sum = rows::checksum(key.tree().name(), &key.bytes(), &content);
    let bytes = [&content[..], &sum.to_be_bytes()].concat();
    assert_eq!(reads(&key, &bytes), Err(RowFault::UnknownVersion(9)));
}

//! What comes after a backup, what is done again, and what cannot be.

use super::*;
use crate::domain::client::{Client, Tags, TokenLifetime};
use crate::domain::role::Role;
use crate::domain::secret::{Salt, SecretSet};
use crate::domain::text::Name;
use crate::service::audit::{Changes, Object};
use crate::store::memory::MemoryStore;
use crate::system::random::SeededRandom;

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const ROLE: RoleId = RoleId::from_bytes([9; 16]);
const EPOCH: Epoch = Epoch(7);

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0).unwrap()
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn client(name: &str) -> Arc<ClientRecord> {
    Arc::new(ClientRecord {
        client: Client {
            id: id(name),
            name: Name::from_stored(name),
            enabled: true,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::none(),
            role_ids: RoleIds::new([ROLE]).unwrap(),
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

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

/// A store that was restored: a tenant at revision 10 with clients that hold a role.
fn store(clients: impl IntoIterator<Item = String>) -> MemoryStore {
    let store = MemoryStore::new(Epoch(8));
    let tenant = Tenant {
        id: TENANT,
        company_name: Name::from_stored("Plant"),
        alias: None,
        state: TenantState::Active,
        created: time(0),
        last_updated: time(0),
        changed: Revision(1),
    };
    let role = Role {
        id: ROLE,
        name: Name::from_stored("Writer"),
        description: None,
        built_in: None,
    };
    let mut changes = vec![
        Change::PutTenant {
            tenant: Arc::new(tenant),
            created: true,
        },
        Change::PutRole {
            tenant: TENANT,
            role: Arc::new(role),
        },
    ];
    changes.extend(clients.into_iter().map(|name| Change::PutClient {
        tenant: TENANT,
        old: None,
        new: client(&name),
    }));
    let batch = Batch {
        operation: uuid::Uuid::nil(),
        revision: Revision(11),
        tenants: vec![TenantRevisions {
            tenant: TENANT,
            decided_on: Revision::ZERO,
            after: Revision(10),
        }],
        changes,
    };
    run(store.commit(batch)).unwrap();
    store
}

fn record(revision: u64, action: Action, client: Option<&str>) -> Record {
    Record {
        time: time(1_000),
        operation_id: None,
        epoch: EPOCH,
        revision: Revision(revision),
        tenant: TENANT,
        caller: None,
        action,
        object: Object {
            client: client.map(id),
            role: (action == Action::RoleDelete).then_some(ROLE),
            ..Object::default()
        },
        changes: Changes::default(),
    }
}

fn revoked(store: &MemoryStore, records: &[Record]) -> Revoked {
    let mut revocations = Revocations::since(Base {
        epoch: EPOCH,
        taken: time(500),
        revisions: HashMap::from([(TENANT, Revision(10))]),
    });
    records.iter().for_each(|record| revocations.add(record));
    run(revocations.apply(store, &SeededRandom::new(1), time(2_000))).unwrap()
}

#[test]
fn what_the_backup_has_already_is_not_done_again() {
    let store = store(["a".to_owned()]);
    let gone = |revision| record(revision, Action::ClientDelete, Some("a"));
    let elsewhere = Record {
        tenant: TenantId::from_bytes([2; 16]),
        ..gone(20)
    };
    let of_another_life = Record {
        epoch: Epoch(6),
        time: time(500),
        ..gone(20)
    };
    let records = [gone(10), elsewhere, of_another_life];
    let nothing = revoked(&store, &records);
    assert_eq!(nothing.clients_deleted, 0);
    assert!(
        nothing.notes[0].contains("1 records of another life"),
        "{nothing:?}"
    );
    let later = Record {
        epoch: Epoch(6),
        time: time(501),
        ..gone(1)
    };
    assert_eq!(revoked(&store, &[later]).clients_deleted, 1);
    assert!(run(store.load(TENANT)).unwrap().unwrap().clients.is_empty());
}

#[test]
fn files_in_any_order_and_twice_come_to_the_same() {
    let enable = |revision, enabled| Record {
        changes: Changes {
            enabled: Some(enabled),
            ..Changes::default()
        },
        ..record(revision, Action::ClientUpdate, Some("a"))
    };
    let newest_first = [enable(13, false), enable(11, false), enable(12, true)];
    let first_again = [
        enable(11, false),
        enable(12, true),
        enable(13, false),
        enable(12, true),
    ];
    for records in [&newest_first[..], &first_again] {
        let store = store(["a".to_owned()]);
        assert_eq!(revoked(&store, records).clients_disabled, 1);
    }
    let store = store(["a".to_owned()]);
    let last_enabled = [enable(12, true), enable(11, false)];
    assert_eq!(revoked(&store, &last_enabled).clients_disabled, 0);
}

#[test]
fn a_log_that_cannot_be_the_right_one_or_lacks_something_is_told_of() {
    let gone = |revision| record(revision, Action::ClientDelete, Some("a"));
    let store = store(["a".to_owned()]);
    let of_another_store = Record {
        epoch: Epoch(99),
        ..gone(11)
    };
    let notes = revoked(&store, &[of_another_store]).notes;
    assert!(
        notes[0].contains("is it the log of that service?"),
        "{notes:?}"
    );
    let notes = revoked(&store, &[gone(11), gone(14)]).notes;
    assert!(notes[0].contains("revisions 12 to 13"), "{notes:?}");
    assert!(revoked(&store, &[gone(11), gone(12)]).notes.is_empty());
}

#[test]
fn a_role_that_is_still_held_stays_and_is_named() {
    let store = store(["a".to_owned(), "b".to_owned()]);
    let deleted = record(20, Action::RoleDelete, None);
    let revoked = revoked(&store, &[deleted]);
    assert_eq!(revoked.roles_deleted, 0);
    let could_not = &revoked.could_not[0];
    assert!(could_not.contains("'Writer'") && could_not.contains("2 clients hold it"));
}

#[test]
fn an_id_that_was_given_again_is_another_client() {
    let store = store(["a".to_owned(), "b".to_owned()]);
    // The deletion of `b` itself is in no log.
    let records = [
        record(20, Action::ClientDelete, Some("a")),
        record(21, Action::ClientCreate, Some("a")),
        record(22, Action::ClientCreate, Some("b")),
    ];
    assert_eq!(revoked(&store, &records).clients_deleted, 2);
}

#[test]
fn more_than_fits_into_a_batch_is_done_in_several() {
    let names = (0..300).map(|number| format!("client-{number:03}"));
    let store = store(names.clone());
    let mut records: Vec<_> = (20..)
        .zip(names)
        .map(|(revision, name)| record(revision, Action::ClientDelete, Some(&name)))
        .collect();
    records.push(record(400, Action::RoleDelete, None));
    let revoked = revoked(&store, &records);
    assert_eq!((revoked.clients_deleted, revoked.roles_deleted), (300, 1));
    let rows = run(store.load(TENANT)).unwrap().unwrap();
    assert!(rows.clients.is_empty() && rows.roles.is_empty());
    assert_eq!(rows.revision, Revision(14));
}

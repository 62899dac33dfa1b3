//! Clients that are one row: what lies in it, and what damage of it costs.

use super::*;

fn row_of(record: &ClientRecord) -> (Key, Vec<u8>) {
    let key = Key::Client(tenant_id(1), record.client.id.clone());
    let row = ClientRow::of(record).unwrap();
    let bytes = rows::seal(&key, &row).unwrap();
    (key, bytes)
}

#[test]
fn a_client_is_one_row_up_to_a_kilobyte_and_never_above() {
    let (mut inside, mut apart) = (0, 0);
    for tags in 0..=50 {
        for secrets in 0..=10 {
            let tags = (0..tags).map(|number| tag(&format!("{number:02}{}", "x".repeat(20))));
            let secrets = (0..secrets).map(|number| secret(i32::MAX - 9 + number));
            let mut record = short(record(
                &"x".repeat(64),
                tags.collect(),
                (0..10).map(role_id).collect(),
                secrets.collect(),
            ));
            record.client.name = Name::parse("Name", &"n".repeat(100)).unwrap();
            let (key, bytes) = row_of(&record);
            let size = key.bytes().len() + bytes.len();
            assert!(size <= LARGEST_WHOLE, "{size}");
            let row: ClientRow = rows::open(&key, &bytes).unwrap();
            assert!(row == ClientRow::of(&record).unwrap());
            match row.inside(|tag| tag) {
                None => apart += 1,
                Some(read) => {
                    let read = read.unwrap();
                    assert!(read.tags == record.client.tags);
                    assert!(read.role_ids == record.client.role_ids);
                    assert!(read.secrets == record.secrets.secrets);
                    inside += 1;
                }
            }
        }
    }
    assert!(inside > 20 && apart > 20, "{inside} {apart}");
    // A creation writes its row and its entry in the index of ids.
    let client = short(record(
        "a",
        vec![tag("t")],
        vec![role_id(1)],
        vec![secret(1)],
    ));
    let plan = Plan::of(&batch(2, &[1], vec![put_client(client)]));
    assert_eq!(plan.ok().unwrap().writes.len(), 2);
}

#[test]
fn a_secret_that_cannot_be_believed_keeps_the_rows_apart() {
    let mut record = short(record("a", vec![], vec![], vec![secret(1)]));
    assert!(!ClientRow::of(&record).unwrap().is_apart());
    record.secrets.damaged.push(SecretId(2));
    assert!(ClientRow::of(&record).unwrap().is_apart());
}

#[test]
fn a_row_of_the_first_version_has_everything_apart() {
    let key = Key::Client(tenant_id(1), client_id("a"));
    // Name, enabled, lifetime, salt, last secret's id, revisions, numbers of tags, roles, secrets.
    let mut bytes = vec![1, 1, b'x', 1, 60];
    bytes.extend([9; 16]);
    bytes.extend([6, 1, 2, 3, 2, 1]);
    let sum = rows::checksum(key.tree().name(), &key.bytes(), &bytes);
    bytes.extend(sum.to_be_bytes());
    let row: ClientRow = rows::open(&key, &bytes).unwrap();
    assert!(row.is_apart());
    assert_eq!((row.name.as_str(), row.last_secret_id), ("x", 3));
    let apart = row.apart();
    assert_eq!((apart.tags, apart.roles, apart.secrets), (3, 2, 1));
}

#[test]
fn what_lies_in_a_row_is_read_as_it_was_and_bits_that_flip_are_noticed() {
    let house = House::of_short_clients();
    let a = house.client("a");
    assert_eq!(a.client.tags.len(), 2);
    assert_eq!(a.client.role_ids.len(), 2);
    assert_eq!(a.secrets.secrets.len(), 1);
    let (key, bytes) = row_of(&a);
    assert_eq!(house.bytes(&key), bytes);
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(rows::open::<ClientRow>(&key, &flipped).is_err(), "{bit}");
    }
}

#[test]
fn a_flipped_bit_costs_the_client_and_no_more() {
    let house = House::of_short_clients();
    let key = Key::Client(tenant_id(1), client_id("a"));
    house.flip(&key);
    let rows = house.rows().unwrap();
    assert_eq!(rows.damaged, [client_id("a")]);
    assert_eq!(rows.clients.len(), 1);
    // Counters that count what the row may have held are not wrong for that.
    let findings = house.check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    house.assert_found(&key, "checksum");
    // Nobody knows what lay in it, so nothing is put in its place.
    let a = Arc::new(short(record("a", vec![], vec![], vec![])));
    let (tenant, old) = (tenant_id(1), a.clone());
    for change in [
        Change::DeleteClient {
            tenant,
            old: a.clone(),
        },
        Change::PutClient {
            tenant,
            old: Some(old),
            new: Arc::new(short(record("a", vec![tag("x")], vec![], vec![]))),
        },
    ] {
        match house.commit(batch(2, &[1], vec![change])) {
            Err(CommitError::DidNotHappen(StoreError::Damaged(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_missing_row_is_named_and_no_client_is_left_out_without_a_word() {
    let house = House::of_short_clients();
    house.remove(&Key::Client(tenant_id(1), client_id("a")));
    assert!(house.load().is_err());
    let counter = Key::RoleCount(tenant_id(1), role_id(1));
    house.assert_found(&counter, "counts 1 clients, and there are 0");
    let holder = Key::Holder(ClusterRole::Operator.id(), tenant_id(1), client_id("a"));
    house.assert_found(&holder, "the client does not hold it");
}

#[test]
fn a_row_beside_a_client_that_has_all_in_its_own_is_named() {
    let house = House::of_short_clients();
    let key = Key::Secret(tenant_id(1), client_id("a"), SecretId(2));
    house.put_row(&key, &SecretRow::of(&secret(2)));
    let client = Key::Client(tenant_id(1), client_id("a"));
    house.assert_found(&client, "counts 0 secrets, and there are 1");
    assert!(house.load().is_err());
}

#[test]
fn what_lies_in_a_row_is_compared_with_roles_counters_and_ids_given_out() {
    let house = House::of_short_clients();
    let mut a = (*house.client("a")).clone();
    a.secrets.last_id = 0;
    a.client.role_ids = RoleIds::new([role_id(9)]).unwrap();
    let (key, bytes) = row_of(&a);
    house.put(&key, bytes);
    let secret = Key::Secret(tenant_id(1), client_id("a"), SecretId(1));
    house.assert_found(&secret, "never had one of this number");
    let role = Key::Assignment(tenant_id(1), role_id(9), client_id("a"));
    house.assert_found(&role, "there is no such role");
    let counter = Key::RoleCount(tenant_id(1), role_id(1));
    house.assert_found(&counter, "counts 1 clients, and there are 0");
    let holder = Key::Holder(ClusterRole::Operator.id(), tenant_id(1), client_id("a"));
    house.assert_found(&holder, "the client does not hold it");
    assert!(house.load().is_err());
}

//! Whatever is damaged is named by `check`, refused by a load, and never believed.

use super::*;
use crate::store::sled::Condition;

/// Whether [`SledStore::load`] reads rows of this kind.
fn is_loaded(key: &Key) -> bool {
    Tree::OF_TENANTS.contains(&key.tree())
}

#[test]
fn a_flipped_bit_of_any_row_is_named() {
    for key in one_of_each() {
        let house = House::new();
        house.flip(&key);
        house.assert_found(&key, "checksum");
        // Nothing else, but for the digest where the flip hit the row's own checksum.
        for finding in house.check() {
            let named = finding.place == key.to_string() || finding.problem.contains("digest");
            assert!(named, "{finding}");
        }
    }
}

#[test]
fn a_flipped_bit_costs_what_the_row_belongs_to_and_no_more() {
    let (a, b) = (client_id("a"), client_id("b"));
    for key in one_of_each() {
        let house = House::new();
        house.flip(&key);
        let rows = house.rows();
        match key {
            Key::Tenant(_) | Key::Role(..) | Key::RoleDescription(..) | Key::TenantCount(_) => {
                assert!(matches!(rows, Err(StoreError::Damaged(_))), "{key}");
            }
            Key::Client(..) | Key::Tag(..) | Key::Assignment(..) => {
                let rows = rows.unwrap();
                assert_eq!(rows.damaged, std::slice::from_ref(&a), "{key}");
                assert_eq!(rows.clients.len(), 1, "{key}");
                assert_eq!(rows.clients[0].client.id, b, "{key}");
            }
            Key::Secret(_, _, id) => {
                let rows = rows.unwrap();
                assert_eq!(rows.damaged, []);
                let client = rows.clients.iter().find(|record| record.client.id == a);
                let secrets = &client.unwrap().secrets;
                assert_eq!(secrets.damaged, [id]);
                assert!(secrets.get(id).is_none());
            }
            // What a counter counts was counted anew; the others belong to no tenant.
            _ => {
                house.load().unwrap();
            }
        }
    }
}

#[test]
fn a_row_of_an_earlier_time_is_noticed_though_it_is_in_order() {
    let house = House::new();
    let key = Key::Client(tenant_id(1), client_id("a"));
    let earlier = house.bytes(&key);
    let a = house.client("a");
    let mut disabled = (*a).clone();
    disabled.client.enabled = false;
    let change = Change::PutClient {
        tenant: tenant_id(1),
        old: Some(a),
        new: Arc::new(disabled),
    };
    house.commit(batch(2, &[1], vec![change])).unwrap();
    assert_eq!(house.check(), []);
    house.load().unwrap();
    house.put(&key, earlier);
    house.assert_found(&Key::TenantCount(tenant_id(1)), "of an earlier time");
    assert!(house.load().is_err());
}

#[test]
fn a_missing_row_of_any_kind_is_named() {
    for key in one_of_each() {
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
        digest: None,
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
        let engine = house.store.inner.engine().unwrap();
        let junk = engine.trees.get(tree);
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
            .engine()
            .unwrap()
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
fn a_failed_store_takes_and_shows_nothing_until_it_is_opened_anew() {
    let house = House::new();
    house.store.mark_complete().unwrap();
    *house.store.inner.condition.lock() = Condition::Failed("disk full".to_owned());
    *house.store.inner.engine.write() = None;
    match house.commit(batch(2, &[1], vec![])) {
        Err(CommitError::DidNotHappen(StoreError::Closed)) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(house.load(), Err(StoreError::Closed)));
    assert!(house.runtime.block_on(house.store.close()).is_err());
    house.runtime.block_on(house.store.reopen()).unwrap();
    house.commit(batch(2, &[], vec![])).unwrap();
    assert!(house.load().is_ok());
}

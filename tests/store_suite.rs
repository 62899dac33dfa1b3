//! One suite over all stores: what is committed is what is loaded, also after a restart.

#[path = "common/dice.rs"]
mod dice;
#[path = "store_suite/directory.rs"]
mod directory;
#[path = "store_suite/flips.rs"]
mod flips;
#[path = "store_suite/sequence.rs"]
mod sequence;
#[path = "store_suite/support.rs"]
mod support;

use std::sync::Arc;

use credenza::domain::client::ClientRecord;
use credenza::domain::ids::{Revision, TenantId};
use credenza::domain::role::ClusterRole;
use credenza::domain::tenant::{Tenant, TenantState};
use credenza::store::CommitError;
use credenza::store::batch::{Batch, Change, TenantRevisions};
use support::*;

macro_rules! over_all_stores {
    ($($body:ident,)*) => {
        mod memory {
            $(#[test] fn $body() { super::$body(super::World::new(super::Memory::new())); })*
        }
        mod sled {
            $(#[test] fn $body() { super::$body(super::World::new(super::Sled::new())); })*
        }
    };
}

over_all_stores! {
    an_empty_store_holds_nothing,
    a_tenant_is_created_changed_and_removed,
    a_client_is_kept_field_by_field,
    a_change_of_a_client_leaves_nothing_behind,
    a_client_grows_and_shrinks_and_leaves_nothing_behind,
    a_deleted_client_can_be_created_anew_in_one_batch,
    roles_are_created_changed_and_deleted,
    tenants_are_given_in_pages,
    tenants_with_a_client_id_are_found,
    holders_of_cluster_roles_are_found,
    a_batch_decided_on_another_revision_changes_nothing,
    nonsense_is_refused_and_changes_nothing,
    a_batch_of_two_tenants_moves_both,
    a_seeded_sequence_is_kept,
}

fn a_seeded_sequence_is_kept(world: World) {
    sequence::run(world, 0x5EED_0001);
}

fn an_empty_store_holds_nothing(mut world: World) {
    for _ in 0..2 {
        assert!(world.tenants(None, 10).is_empty());
        assert!(world.load(tenant_id(1)).is_none());
        assert_eq!(world.tenant_revision(tenant_id(1)), None);
        assert!(world.tenants_with("a").is_empty());
        assert!(world.holders().is_empty());
        world.restart();
    }
    world.finish();
}

fn a_tenant_is_created_changed_and_removed(mut world: World) {
    let id = tenant_id(1);
    let created = tenant(1);
    world.commit([put_tenant(&created, true)]);
    let loaded = world.load(id).unwrap();
    assert_eq!(*loaded.tenant, created);
    assert_eq!(loaded.revision, Revision(1));

    let changed = Tenant {
        company_name: name("Renamed"),
        alias: None,
        state: TenantState::Deleting,
        last_updated: time("2027-01-31T08:00:00.123456789Z"),
        changed: Revision(2),
        ..created
    };
    world.commit([put_tenant(&changed, false)]);
    world.restart();
    let loaded = world.load(id).unwrap();
    assert_eq!(*loaded.tenant, changed);
    assert_eq!(loaded.revision, Revision(2));
    assert_eq!(world.tenant_revision(id), Some(Revision(2)));

    let roles = vec![Arc::new(role(1, Some("kept to the end")))];
    let put = Change::PutRole {
        tenant: id,
        role: roles[0].clone(),
    };
    world.commit([put]);
    world.commit([Change::RemoveTenant {
        tenant: Arc::new(changed),
        roles,
    }]);
    for _ in 0..2 {
        assert!(world.load(id).is_none());
        assert_eq!(world.tenant_revision(id), None);
        assert!(world.tenants(None, 10).is_empty());
        world.restart();
    }
    world.commit([put_tenant(&tenant(1), true)]);
    assert!(world.load(id).unwrap().roles.is_empty());
    world.finish();
}

fn a_client_is_kept_field_by_field(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let largest = largest_client();
    let smallest = client("~");
    world.commit([
        put_client(id, None, &largest),
        put_client(id, None, &smallest),
    ]);
    for _ in 0..2 {
        let loaded = world.load(id).unwrap();
        assert_eq!(loaded.clients.len(), 2);
        // "~" comes after every letter.
        assert_eq!(loaded.clients[0].client, largest.client);
        assert!(*loaded.clients[0] == largest);
        assert_eq!(loaded.clients[1].client, smallest.client);
        assert!(*loaded.clients[1] == smallest);
        world.restart();
    }
    world.finish();
}

fn a_change_of_a_client_leaves_nothing_behind(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let mut current = client("pump");
    world.commit([put_client(id, None, &current)]);
    let forms: [(&[&str], &[u8], &[i32]); 6] = [
        (&["a", "b", "c"], &[1, 2], &[1]),
        (&["c", "b", "a"], &[2, 1], &[1, 2]),
        (&["c"], &[2, 3, 1], &[2, 3]),
        (&[], &[1], &[]),
        (&["A", "a"], &[], &[4]),
        (&["A", "a"], &[], &[4]),
    ];
    for (tags, roles, secrets) in forms {
        let new = with(client("pump"), tags, roles, secrets);
        for role_number in roles {
            let role = Arc::new(role(*role_number, None));
            world.commit([Change::PutRole { tenant: id, role }]);
        }
        world.commit([put_client(id, Some(&current), &new)]);
        assert!(*world.load(id).unwrap().clients[0] == new);
        assert!(world.check().is_empty(), "{:?}", world.check());
        current = new;
    }
    world.restart();
    assert!(*world.load(id).unwrap().clients[0] == current);
    world.commit([delete_client(id, &current)]);
    assert!(world.load(id).unwrap().clients.is_empty());
    assert!(world.tenants_with("pump").is_empty());
    world.finish();
}

/// A backend may keep a client in one row while it is short: it leaves nothing behind either way.
fn a_client_grows_and_shrinks_and_leaves_nothing_behind(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let role = Arc::new(role(1, None));
    world.commit([Change::PutRole { tenant: id, role }]);
    let short = with(client("pump"), &["a", "b"], &[1], &[1, 2]);
    let mut long = with(client("pump"), &["b", "c"], &[1], &[2, 3]);
    long.secrets.secrets[0].description = Some(description(&"d".repeat(1_024)));
    let mut current = short.clone();
    world.commit([put_client(id, None, &current)]);
    // Three times in one batch, then in batches of their own.
    for steps in [&[&long, &short, &long][..], &[&short], &[&long]] {
        let changes = steps.iter().map(|next| {
            let change = put_client(id, Some(&current), next);
            current = ClientRecord::clone(next);
            change
        });
        let changes: Vec<_> = changes.collect();
        world.commit(changes);
        assert!(*world.load(id).unwrap().clients[0] == current);
        assert!(world.check().is_empty(), "{:?}", world.check());
    }
    let changes = [
        delete_client(id, &long),
        put_client(id, None, &short),
        put_client(id, Some(&short), &long),
        delete_client(id, &long),
    ];
    world.commit(changes);
    assert!(world.load(id).unwrap().clients.is_empty());
    world.finish();
}

fn a_deleted_client_can_be_created_anew_in_one_batch(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let old = with(client("pump"), &["a", "b"], &[], &[1, 2]);
    world.commit([put_client(id, None, &old)]);
    let new = with(client("pump"), &["b"], &[], &[7]);
    world.commit([delete_client(id, &old), put_client(id, None, &new)]);
    assert!(*world.load(id).unwrap().clients[0] == new);
    assert_eq!(world.tenants_with("pump"), [id]);
    world.finish();
}

fn roles_are_created_changed_and_deleted(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let first = Arc::new(largest_role(1));
    let second = Arc::new(role(2, None));
    let put = |role: &Arc<_>| Change::PutRole {
        tenant: id,
        role: Arc::clone(role),
    };
    world.commit([put(&second), put(&first)]);
    world.restart();
    assert_eq!(
        world.load(id).unwrap().roles,
        [first.clone(), second.clone()]
    );

    let first_changed = Arc::new(role(1, None));
    let second_changed = Arc::new(role(2, Some("new")));
    world.commit([put(&first_changed), put(&second_changed)]);
    assert_eq!(
        world.load(id).unwrap().roles,
        [first_changed.clone(), second_changed.clone()]
    );
    for role in [first_changed, second_changed] {
        world.commit([Change::DeleteRole { tenant: id, role }]);
    }
    assert!(world.load(id).unwrap().roles.is_empty());
    world.finish();
}

fn tenants_are_given_in_pages(mut world: World) {
    let ids: Vec<TenantId> = (1..=7).map(tenant_id).collect();
    for number in [4, 7, 1, 3, 6, 2, 5] {
        world.commit([put_tenant(&tenant(number), true)]);
    }
    let mut seen = Vec::new();
    loop {
        let page = world.tenants(seen.last().copied(), 3);
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        seen.extend(page.iter().map(|tenant| tenant.id));
    }
    assert_eq!(seen, ids);
    assert!(world.tenants(None, 0).is_empty());
    world.finish();
}

fn tenants_with_a_client_id_are_found(mut world: World) {
    for number in 1..=3 {
        world.commit([put_tenant(&tenant(number), true)]);
    }
    for (number, id) in [(3, "pump"), (1, "pump"), (2, "pump-1"), (2, "pum")] {
        world.commit([put_client(tenant_id(number), None, &client(id))]);
    }
    world.restart();
    assert_eq!(world.tenants_with("pump"), [tenant_id(1), tenant_id(3)]);
    assert_eq!(world.tenants_with("pump-1"), [tenant_id(2)]);
    assert!(world.tenants_with("pu").is_empty());
    world.finish();
}

fn holders_of_cluster_roles_are_found(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let [operator, support] = ClusterRole::ALL.map(ClusterRole::id);
    let both = with_role_ids(client("both"), &[support, operator]);
    let one = with_role_ids(client("one"), &[support]);
    world.commit([
        put_client(id, None, &both),
        put_client(id, None, &one),
        put_client(id, None, &client("none")),
    ]);
    let holder = |name| (id, client_id(name));
    assert_eq!(world.holders(), [holder("both"), holder("one")]);
    let less = with_role_ids(client("both"), &[operator]);
    world.commit([put_client(id, Some(&both), &less), delete_client(id, &one)]);
    world.restart();
    assert_eq!(world.holders(), [holder("both")]);
    world.commit([put_client(id, Some(&less), &client("both"))]);
    assert!(world.holders().is_empty());
    world.finish();
}

fn a_batch_decided_on_another_revision_changes_nothing(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    world.commit([put_client(id, None, &client("a"))]);
    for decided_on in [Revision::ZERO, Revision(1), Revision(3)] {
        let moved = TenantRevisions {
            tenant: id,
            decided_on,
            after: Revision(3),
        };
        let batch = Batch {
            operation: uuid::Uuid::from_u128(9),
            revision: Revision(3),
            tenants: vec![moved],
            changes: vec![put_client(id, None, &client("b"))],
        };
        match world.try_commit(batch) {
            Err(CommitError::Conflict(tenant)) => assert_eq!(tenant, id),
            other => panic!("{other:?}"),
        }
    }
    world.restart();
    let loaded = world.load(id).unwrap();
    assert_eq!(loaded.clients.len(), 1);
    assert_eq!(loaded.revision, Revision(2));
    world.commit([put_client(id, None, &client("b"))]);
    world.finish();
}

fn nonsense_is_refused_and_changes_nothing(mut world: World) {
    let id = tenant_id(1);
    world.commit([put_tenant(&tenant(1), true)]);
    let batch = |revision, tenants, changes| Batch {
        operation: uuid::Uuid::from_u128(9),
        revision: Revision(revision),
        tenants,
        changes,
    };
    let moved = TenantRevisions {
        tenant: id,
        decided_on: Revision(1),
        after: Revision(2),
    };
    let put = put_client(id, None, &client("a"));
    let other = put_client(tenant_id(2), None, &client("a"));
    for nonsense in [
        batch(2, vec![], vec![put.clone()]),
        batch(1, vec![moved], vec![put.clone()]),
        batch(2, vec![moved], vec![put.clone(), other]),
        batch(2, vec![moved], vec![put, put_tenant(&tenant(1), true)]),
    ] {
        match world.try_commit(nonsense) {
            Err(CommitError::DidNotHappen(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(world.load(id).unwrap().clients.is_empty());
    assert_eq!(world.tenant_revision(id), Some(Revision(1)));
    world.finish();
}

fn a_batch_of_two_tenants_moves_both(mut world: World) {
    world.commit([put_tenant(&tenant(1), true), put_tenant(&tenant(2), true)]);
    world.commit([
        put_client(tenant_id(1), None, &client("a")),
        put_client(tenant_id(2), None, &client("a")),
    ]);
    world.restart();
    for number in 1..=2 {
        let loaded = world.load(tenant_id(number)).unwrap();
        assert_eq!(loaded.revision, Revision(2));
        assert_eq!(loaded.clients.len(), 1);
    }
    world.finish();
}

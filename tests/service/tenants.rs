//! Tenants: one for its members, all for the operators; and what ends when one is deleted.

use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{ADMINISTRATOR, Caller, MEMBER, NOON, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";
const TENANTS: &str = "/api/v1/Tenants";
const GUID: &str = "5f0c2a7e-9f7b-4b1e-8d3e-0a1b2c3d4e5f";
const MEMBERS: [&str; 6] = [
    "Alias",
    "CompanyName",
    "Created",
    "Id",
    "LastUpdated",
    "State",
];

#[test]
fn a_member_sees_its_tenant_and_hears_with_204_that_it_exists() {
    let server = Server::start();
    let member = server.member(TENANT);
    let got = member.get(&member.v1("")).expect(200);
    let tenant = got.json();
    assert_eq!(keys(&tenant), MEMBERS);
    assert_eq!(
        (&tenant["Id"], &tenant["State"]),
        (&json!(TENANT), &json!(1))
    );
    assert_eq!(tenant["Created"], NOON);
    let head = member.head(&member.v1("")).expect(204);
    assert!(head.body.is_empty());
    assert_eq!(head.header("etag"), got.header("etag"));
    for id in [TENANT.replace('-', ""), TENANT.to_uppercase()] {
        let path = member.in_tenant(&id).v1("/");
        assert_eq!(member.get(&path).expect(200).json(), tenant);
    }
}

#[test]
fn an_update_changes_what_it_names() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let path = admin.v1("");
    let before = admin.get(&path).expect(200);
    server.clock.advance_seconds(5);
    let nulls = json!({ "CompanyName": null, "Alias": null });
    for body in [json!({}), nulls, before.json()] {
        let same = admin.put(&path, &body).expect(200);
        assert_eq!(same.json(), before.json(), "not even LastUpdated");
        assert_eq!(same.header("etag"), before.header("etag"));
    }
    let mut expected = before.json();
    for (member, value) in [
        ("CompanyName", "Ötzi & Søn"),
        ("Alias", "Otzi-1"),
        ("Alias", "OTZI-1"),
    ] {
        expected[member] = json!(value);
        expected["LastUpdated"] = json!("2030-06-01T12:00:05Z");
        let updated = admin.put(&path, &json!({ member: value })).expect(200);
        assert_eq!(updated.json(), expected);
        let got = admin.get(&path).expect(200);
        assert_eq!(got.json(), expected);
        assert_eq!(got.header("etag"), updated.header("etag"));
        assert_ne!(got.header("etag"), before.header("etag"));
    }
    admin
        .put(&path, &json!({ "Id": GUID }))
        .refused_because(400, GUID);
    admin
        .put(&path, &json!({ "Id": TENANT.to_uppercase() }))
        .expect(200);
    // What the server sets is not read from a body.
    let claims = json!({ "State": 7, "Created": "2000-01-01T00:00:00Z" });
    assert_eq!(admin.put(&path, &claims).expect(200).json(), expected);
}

#[test]
fn a_company_has_a_name_and_an_alias_of_letters_digits_and_hyphens() {
    let server = Server::start();
    let operator = server.operator();
    let own = operator.v1("");
    operator
        .post(TENANTS, &json!({}))
        .refused_because(400, "CompanyName");
    for (member, value) in [
        ("CompanyName", json!("")),
        ("CompanyName", json!("\t")),
        ("CompanyName", json!("é".repeat(257))),
        ("CompanyName", json!(1)),
        ("Alias", json!("")),
        ("Alias", json!("a b")),
        ("Alias", json!("a_b")),
        ("Alias", json!("é")),
        ("Alias", json!("a".repeat(65))),
        ("Alias", json!(1)),
        ("Id", json!("no-guid")),
        ("Id", json!(format!("{{{GUID}}}"))),
        ("Id", json!(1)),
    ] {
        let mut body = json!({ "CompanyName": "Other" });
        body[member] = value;
        operator.post(TENANTS, &body).refused_because(400, member);
        operator.put(&own, &body).refused_because(400, member);
    }
    let body = json!({ "CompanyName": "é".repeat(256), "Alias": "a".repeat(64) });
    operator.put(&own, &body).expect(200);
    assert_eq!(operator.head(TENANTS).expect(200).total(), 1);
}

#[test]
fn a_created_tenant_is_found_where_location_says() {
    let server = Server::start();
    let operator = server.operator();
    server.clock.advance_seconds(3);
    let bare = GUID.replace('-', "").to_uppercase();
    let body = json!({ "id": bare, "companyName": "New", "ALIAS": "new-1" });
    let created = operator.post(TENANTS, &body).expect(201);
    let expected = json!({
        "Id": GUID, "CompanyName": "New", "State": 1, "Alias": "new-1",
        "Created": "2030-06-01T12:00:03Z", "LastUpdated": "2030-06-01T12:00:03Z",
    });
    assert_eq!(created.json(), expected);
    let location = created.header("location").unwrap();
    assert_eq!(location, format!("{TENANTS}/{GUID}"));
    assert_eq!(operator.get(location).expect(200).json(), expected);
    operator.post(TENANTS, &body).refused_because(409, GUID);

    // Without an id it gets one of its own, and no alias.
    let random = operator
        .post(TENANTS, &json!({ "CompanyName": "New" }))
        .expect(201)
        .json();
    assert_eq!(random["Id"].as_str().unwrap().len(), 36);
    assert_eq!(random["Alias"], Value::Null);
    let inside = operator.in_tenant(GUID);
    assert_eq!(inside.head(&inside.v1(CLIENTS)).expect(200).total(), 0);
    assert_eq!(inside.head(&inside.v1("/Roles")).expect(200).total(), 5);
}

#[test]
fn an_alias_is_unique_without_regard_to_case() {
    let server = Server::start();
    let operator = server.operator();
    operator
        .put(&operator.v1(""), &json!({ "Alias": "Acme" }))
        .expect(200);
    let other = operator.in_tenant(&server.new_tenant("Other"));
    for alias in ["Acme", "ACME", "acme"] {
        let body = json!({ "CompanyName": "Third", "Alias": alias });
        operator.post(TENANTS, &body).refused_because(409, alias);
        other.put(&other.v1(""), &body).refused_because(409, alias);
    }
    // One that is given up is free.
    operator
        .put(&operator.v1(""), &json!({ "Alias": "Acme-2" }))
        .expect(200);
    other
        .put(&other.v1(""), &json!({ "Alias": "aCME" }))
        .expect(200);
}

#[test]
fn operators_and_support_list_every_tenant_in_order() {
    let server = Server::start();
    let mut ids: Vec<String> = (0..4).map(|_| server.new_tenant("Other")).collect();
    ids.push(TENANT.into());
    ids.sort();
    for caller in [server.operator(), server.support()] {
        let listed = caller.get(TENANTS).expect(200);
        assert_eq!((listed.ids(), listed.total()), (ids.clone(), 5));
        for tenant in listed.json().as_array().unwrap() {
            assert_eq!(keys(tenant), MEMBERS);
            let inside = caller.in_tenant(tenant["Id"].as_str().unwrap());
            assert_eq!(&inside.get(&inside.v1("")).expect(200).json(), tenant);
        }
        let head = caller.head(TENANTS).expect(200);
        assert_eq!((head.total(), head.header("content-length")), (5, None));
        let page = caller
            .get(&format!("{TENANTS}/?skip=1&count=2"))
            .expect(200);
        assert_eq!((page.ids(), page.total()), (ids[1..3].to_vec(), 5));
        let next = "</api/v1/Tenants?skip=3&count=2>; rel=\"next\"";
        assert_eq!(page.header("link"), Some(next));
    }
}

#[test]
fn who_is_no_operator_neither_lists_creates_nor_deletes_tenants() {
    let server = Server::start();
    let other = server.new_tenant("Other");
    for (caller, lists) in [
        (server.member(TENANT), false),
        (server.administrator(TENANT), false),
        (server.support(), true),
    ] {
        if !lists {
            caller.get(TENANTS).refused(403);
            caller.head(TENANTS).expect(403);
        }
        caller
            .post(TENANTS, &json!({ "CompanyName": "New" }))
            .refused(403);
        caller.delete(&caller.v1("")).refused(403);
        caller.delete(&caller.in_tenant(&other).v1("")).refused(403);
    }
    server
        .member(TENANT)
        .put(&format!("{TENANTS}/{TENANT}"), &json!({}))
        .refused(403);
    assert_eq!(server.operator().head(TENANTS).expect(200).total(), 2);
}

#[test]
fn a_tenant_that_does_not_exist_is_not_found_by_operators_and_forbidden_to_others() {
    let server = Server::start();
    let other = server.new_tenant("Other");
    let (operator, member) = (server.operator(), server.member(TENANT));
    for id in [GUID, "no-guid", "%7Bx%7D"] {
        let path = format!("{TENANTS}/{id}");
        operator.get(&path).refused(404);
        operator.head(&path).expect(404);
        operator.put(&path, &json!({})).refused(404);
        operator.delete(&path).refused(404);
        let forbidden = member.get(&path).refused(403);
        let elsewhere = member.get(&format!("{TENANTS}/{other}")).refused(403);
        assert_eq!(
            forbidden["Reason"], elsewhere["Reason"],
            "nothing tells the two apart"
        );
    }
}

/// The lists of a tenant, in all generations.
fn lists(caller: &Caller) -> [String; 5] {
    [
        caller.v1(CLIENTS),
        caller.v1("/Roles"),
        caller.v1(""),
        caller.preview(CLIENTS),
        caller.legacy("/ClientCredentialClient/"),
    ]
}

#[test]
fn deleting_a_tenant_ends_everything_in_it_at_once() {
    let mut server = Server::start();
    let operator = server.operator();
    let body = json!({ "Id": GUID, "CompanyName": "Doomed", "Alias": "doomed" });
    operator.post(TENANTS, &body).expect(201);
    let admin = server.administrator(GUID);
    for number in 0..300 {
        let body = json!({ "Id": format!("c{number}"), "Tags": ["t"] });
        operator.post(&admin.v1(CLIENTS), &body).expect(201);
    }
    admin
        .post(&admin.v1("/Roles"), &json!({ "Name": "Own" }))
        .expect(201);
    let old_role = server.role(GUID, ADMINISTRATOR);

    assert!(operator.delete(&admin.v1("")).expect(204).body.is_empty());
    for path in lists(&admin) {
        admin.get(&path).refused(403);
        operator.get(&path).refused(404);
        operator.head(&path).expect(404);
    }
    operator.post(&admin.v1(CLIENTS), &json!({})).refused(404);
    operator.delete(&admin.v1("")).refused(404);
    admin.token_answer().expect(401);
    assert_eq!(operator.get(TENANTS).expect(200).ids(), [TENANT]);
    // Its alias is free at once, its id as soon as it is swept, which also a restart goes on with.
    operator
        .put(&operator.v1(""), &json!({ "Alias": "Doomed" }))
        .expect(200);
    server.restart();
    let operator = operator.moved_to(server.address());
    let admin = admin.moved_to(server.address());
    let body = json!({ "Id": GUID, "CompanyName": "Reborn" });
    let reborn = (0..10_000).find_map(|_| {
        let answer = operator.post(TENANTS, &body);
        match answer.status {
            201 => Some(answer.json()),
            _ => {
                answer.refused_because(409, "still being deleted");
                None
            }
        }
    });
    assert_eq!(reborn.expect("it is swept")["CompanyName"], "Reborn");

    let inside = operator.in_tenant(GUID);
    assert_eq!(
        inside.get(&inside.v1(CLIENTS)).expect(200).json(),
        json!([])
    );
    assert_eq!(
        inside
            .head(&inside.v1(&format!("{CLIENTS}?tag=t")))
            .expect(200)
            .total(),
        0
    );
    let roles = inside.get(&inside.v1("/Roles")).expect(200).ids();
    assert_eq!(roles.len(), 5);
    assert!(!roles.contains(&old_role), "its roles are new ones");
    admin.get(&admin.v1("")).refused(403);
    admin.token_answer().expect(401);
    let member = server.role(GUID, MEMBER);
    let again = json!({ "Id": admin.id, "RoleIds": [member, server.role(GUID, ADMINISTRATOR)] });
    operator.post(&inside.v1(CLIENTS), &again).expect(201);
    admin.get(&admin.v1("")).refused(403);
}

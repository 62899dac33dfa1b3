//! Clients of v1: what can be said of one, what is filled in, what is refused.

use credenza::service::decide::Limits;
use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{Caller, Choices, MEMBER, Response, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";
const GUID: &str = "5f0c2a7e-9f7b-4b1e-8d3e-0a1b2c3d4e5f";
const MEMBERS: [&str; 6] = [
    "AccessTokenLifetime",
    "Enabled",
    "Id",
    "Name",
    "RoleIds",
    "Tags",
];

fn create(caller: &Caller, body: &Value) -> Response {
    caller.post(&caller.v1(CLIENTS), body)
}

fn path(caller: &Caller, id: &str) -> String {
    caller.v1(&format!("{CLIENTS}/{id}"))
}

fn get(caller: &Caller, id: &str) -> Value {
    caller.get(&path(caller, id)).expect(200).json()
}

/// Each value, as this member of a new client and of an update, is refused and changes nothing.
fn refuses(member: &str, values: &[Value]) {
    let server = Server::start();
    let operator = server.operator();
    create(&operator, &json!({ "Id": "victim" })).expect(201);
    let before = get(&operator, "victim");
    for value in values {
        let body = json!({ member: value });
        create(&operator, &body).refused_because(400, member);
        let update = operator.put(&path(&operator, "victim"), &body);
        update.refused_because(400, member);
    }
    assert_eq!(get(&operator, "victim"), before);
    let count = operator.head(&operator.v1(CLIENTS)).expect(200).total();
    assert_eq!(count, 2, "the operator and the victim");
}

/// Each value is kept as this member, at creation and at an update.
fn keeps(member: &str, values: &[Value]) {
    let server = Server::start();
    let operator = server.operator();
    create(&operator, &json!({ "Id": "other" })).expect(201);
    for value in values {
        let body = json!({ member: value });
        let created = create(&operator, &body).expect(201).json();
        assert_eq!(&created["Client"][member], value);
        let id = created["Client"]["Id"].as_str().unwrap();
        assert_eq!(&get(&operator, id)[member], value);
        let updated = operator.put(&path(&operator, "other"), &body).expect(200);
        assert_eq!(&updated.json()[member], value);
        assert_eq!(&get(&operator, "other")[member], value);
    }
}

#[test]
fn a_client_that_is_given_nothing_gets_the_defaults() {
    let server = Server::start();
    let operator = server.operator();
    let nulls = json!({
        "Id": null, "Name": null, "Enabled": null, "AccessTokenLifetime": null, "Tags": null,
        "RoleIds": null, "SecretDescription": null, "SecretExpirationDate": null,
    });
    for body in [json!({}), nulls] {
        let answer = create(&operator, &body).expect(201);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let created = answer.json();
        assert_eq!(
            keys(&created),
            ["Client", "Description", "ExpirationDate", "Id", "Secret"]
        );
        assert_eq!(created["Id"], 1);
        assert_eq!(created["Description"], Value::Null);
        assert_eq!(created["ExpirationDate"], Value::Null);

        let client = &created["Client"];
        assert_eq!(keys(client), MEMBERS);
        let id = client["Id"].as_str().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id, id.to_lowercase());
        assert_eq!(client["Name"], id);
        assert_eq!(client["Enabled"], true);
        assert_eq!(client["AccessTokenLifetime"], 3600);
        assert_eq!(client["Tags"], json!([]));
        assert_eq!(client["RoleIds"], json!([server.role(TENANT, MEMBER)]));

        let location = answer.header("location").unwrap();
        assert_eq!(location, path(&operator, id));
        let got = operator.get(location).expect(200);
        assert_eq!(&got.json(), client);
        let head = operator.head(location).expect(200);
        assert_eq!(head.header("etag"), got.header("etag"));
        assert!(head.body.is_empty());
    }
}

#[test]
fn what_is_given_is_kept_and_member_names_have_no_case() {
    let server = Server::start();
    let operator = server.operator();
    let body = json!({
        "id": "pump-1", "NAME": "Pump № 1", "enabled": false, "accessTokenLifetime": 60,
        "tags": ["b", "a"], "roleids": [server.role(TENANT, MEMBER)],
        "secretDescription": "first", "secretexpirationdate": "2031-01-01T00:00:00Z",
        "Unknown": [1],
    });
    let created = create(&operator, &body).expect(201).json();
    assert_eq!(created["Description"], "first");
    assert_eq!(created["ExpirationDate"], "2031-01-01T00:00:00Z");
    let expected = json!({
        "Id": "pump-1", "Name": "Pump № 1", "Enabled": false, "AccessTokenLifetime": 60,
        "Tags": ["b", "a"], "RoleIds": [server.role(TENANT, MEMBER)],
    });
    assert_eq!(created["Client"], expected);
    assert_eq!(get(&operator, "pump-1"), expected);
}

#[test]
fn every_spelling_of_a_guid_names_the_same_client() {
    let server = Server::start();
    let operator = server.operator();
    let bare = GUID.replace('-', "");
    let spellings = [
        GUID.to_owned(),
        GUID.to_uppercase(),
        bare.to_uppercase(),
        bare,
    ];
    for spelling in &spellings {
        let created = create(&operator, &json!({ "Id": spelling })).expect(201);
        assert_eq!(created.json()["Client"]["Id"], GUID);
        assert_eq!(created.header("location"), Some(&*path(&operator, GUID)));
        for other in &spellings {
            create(&operator, &json!({ "Id": other })).refused_because(409, GUID);
            assert_eq!(get(&operator, other)["Id"], GUID);
            let update = operator.put(&path(&operator, spelling), &json!({ "Id": other }));
            update.expect(200);
        }
        let tenant = operator.in_tenant(&TENANT.replace('-', ""));
        tenant.delete(&path(&tenant, spelling)).expect(204);
    }
}

#[test]
fn an_id_may_be_64_of_the_unreserved_characters() {
    let server = Server::start();
    let operator = server.operator();
    for id in ["a", "...", "A.b_c~d-9", "-", &"x".repeat(64)] {
        let created = create(&operator, &json!({ "Id": id })).expect(201);
        let location = created.header("location").unwrap();
        assert_eq!(operator.get(location).expect(200).json()["Id"], id);
    }
    // Only a GUID is without case.
    create(&operator, &json!({ "Id": "Pump" })).expect(201);
    operator.get(&path(&operator, "pump")).refused(404);
    create(&operator, &json!({ "Id": "pump" })).expect(201);
}

#[test]
fn an_id_that_no_client_can_have_is_refused_in_a_body() {
    let braced = format!("{{{GUID}}}");
    let long = "x".repeat(65);
    let ids = [
        "", ".", "..", " ", "a b", "a/b", "é", "a%20b", &braced, &long,
    ];
    let mut values: Vec<Value> = ids.iter().map(|id| json!(id)).collect();
    values.extend([json!(7), json!(["a"])]);
    refuses("Id", &values);
}

#[test]
fn a_name_is_1_to_256_characters_and_not_only_white_space() {
    keeps("Name", &[json!("x"), json!(" x "), json!("é".repeat(256))]);
    refuses(
        "Name",
        &[
            json!(""),
            json!("  \u{a0}"),
            json!("é".repeat(257)),
            json!(7),
        ],
    );
}

#[test]
fn a_token_lives_60_to_3600_seconds() {
    keeps("AccessTokenLifetime", &[json!(60), json!(61), json!(3600)]);
    refuses(
        "AccessTokenLifetime",
        &[
            json!(59),
            json!(3601),
            json!(0),
            json!(-60),
            json!(60.5),
            json!(u64::MAX),
            json!("60"),
            json!(true),
        ],
    );
}

#[test]
fn enabled_is_true_or_false() {
    keeps("Enabled", &[json!(false), json!(true)]);
    refuses("Enabled", &[json!("true"), json!(1), json!([])]);
}

#[test]
fn tags_are_at_most_50_of_1_to_128_characters_in_the_order_given() {
    let fifty: Vec<String> = (0..50).rev().map(|number| format!("t{number}")).collect();
    let long = "🏭".repeat(128);
    keeps(
        "Tags",
        &[
            json!([]),
            json!(["z", "A", "a"]),
            json!(fifty),
            json!([long]),
        ],
    );
    let more: Vec<String> = (0..51).map(|number| format!("t{number}")).collect();
    let too_long = "🏭".repeat(129);
    refuses(
        "Tags",
        &[
            json!(more),
            json!([""]),
            json!([too_long]),
            json!("a"),
            json!([1]),
            json!([null]),
        ],
    );
}

#[test]
fn a_repeated_tag_counts_once() {
    let server = Server::start();
    let operator = server.operator();
    let mut tags: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    tags.extend(tags.clone());
    let created = create(&operator, &json!({ "Id": "c", "Tags": tags })).expect(201);
    assert_eq!(created.json()["Client"]["Tags"], json!(tags[..50]));
    let body = json!({ "Tags": ["b", "a", "b"] });
    let updated = operator.put(&path(&operator, "c"), &body).expect(200);
    assert_eq!(updated.json()["Tags"], json!(["b", "a"]));
}

#[test]
fn h14_the_roles_of_a_client_exist_and_member_is_among_them() {
    let server = Server::start();
    let operator = server.operator();
    let member = server.role(TENANT, MEMBER);
    let own: Vec<String> = (0..50)
        .map(|number| {
            let body = json!({ "Name": format!("Role {number}") });
            let created = operator.post(&operator.v1("/Roles"), &body).expect(201);
            created.text("Id")
        })
        .collect();
    create(&operator, &json!({ "Id": "c" })).expect(201);
    let client = path(&operator, "c");
    let both = |roles: Value, status: u16, words: &str| {
        let body = json!({ "RoleIds": roles });
        create(&operator, &body).refused_because(status, words);
        operator.put(&client, &body).refused_because(status, words);
    };
    both(json!([]), 400, "Member");
    both(json!([own[0]]), 400, "Member");
    both(json!([member, GUID]), 400, GUID);
    both(json!([member, "no-guid"]), 400, "no-guid");
    both(json!([member, 1]), 400, "RoleIds");
    both(json!(member), 400, "RoleIds");
    // A role of another tenant is unknown here, built in or not.
    let other = server.new_tenant("Other");
    let foreign = server.role(&other, MEMBER);
    both(json!([member, foreign]), 400, &foreign);

    // Fifty, the repeated ones counted once, in the order given.
    let mut fifty: Vec<String> = own[..49].iter().rev().cloned().collect();
    fifty.push(member.clone());
    let mut given = fifty.clone();
    given.extend([member.to_uppercase(), own[3].replace('-', "")]);
    let created = create(&operator, &json!({ "RoleIds": given })).expect(201);
    assert_eq!(created.json()["Client"]["RoleIds"], json!(fifty));
    let updated = operator
        .put(&client, &json!({ "RoleIds": given }))
        .expect(200);
    assert_eq!(updated.json()["RoleIds"], json!(fifty));
    fifty.push(own[49].clone());
    both(json!(fifty), 400, "51");
}

#[test]
fn an_update_changes_what_it_names_and_leaves_the_rest() {
    let server = Server::start();
    let operator = server.operator();
    let body = json!({ "Id": "c", "Name": "n", "Enabled": false, "AccessTokenLifetime": 100,
        "Tags": ["t"] });
    let mut expected = create(&operator, &body).expect(201).json()["Client"].clone();
    let put = |body: &Value| {
        let updated = operator.put(&path(&operator, "c"), body).expect(200);
        assert_eq!(updated.json(), get(&operator, "c"));
        updated.json()
    };
    let nulls = json!({ "Id": null, "Name": null, "Enabled": null, "AccessTokenLifetime": null,
        "Tags": null, "RoleIds": null });
    assert_eq!(put(&nulls), expected);
    assert_eq!(put(&json!({})), expected);
    assert_eq!(put(&expected), expected, "an honest echo");
    for (member, value) in [
        ("Name", json!("other")),
        ("Enabled", json!(true)),
        ("AccessTokenLifetime", json!(200)),
        ("Tags", json!([])),
    ] {
        expected[member] = value.clone();
        assert_eq!(put(&json!({ member: value })), expected);
    }
    assert_eq!(keys(&expected), MEMBERS);
}

#[test]
fn an_id_cannot_change() {
    let server = Server::start();
    let operator = server.operator();
    create(&operator, &json!({ "Id": "a" })).expect(201);
    let renamed = operator.put(&path(&operator, "a"), &json!({ "Id": "b", "Name": "new" }));
    renamed.refused_because(400, "'b'");
    assert_eq!(get(&operator, "a")["Name"], "a");
    operator.get(&path(&operator, "b")).refused(404);
}

#[test]
fn a_body_is_one_json_object_with_each_member_once() {
    let server = Server::start();
    let operator = server.operator();
    create(&operator, &json!({ "Id": "c" })).expect(201);
    for body in [
        "",
        "null",
        "[]",
        "\"c\"",
        "{",
        "{} {}",
        "{'Name': 'n'}",
        r#"{"Name": "n", "name": "n"}"#,
        r#"{"Enabled": true, "Enabled": true}"#,
        r#"{"Other": 1, "OTHER": 2}"#,
    ] {
        operator.post_text(&operator.v1(CLIENTS), body).refused(400);
        operator.put_text(&path(&operator, "c"), body).refused(400);
    }
    assert_eq!(operator.head(&operator.v1(CLIENTS)).expect(200).total(), 2);
}

#[test]
fn the_first_secret_expires_in_the_future_or_never() {
    let server = Server::start();
    let operator = server.operator();
    for past in [
        "2030-06-01T12:00:00Z",
        "2030-06-01T11:59:59.999999999Z",
        "0001-01-01T00:00:00Z",
    ] {
        let body = json!({ "SecretExpirationDate": past });
        create(&operator, &body).refused_because(400, "SecretExpirationDate");
    }
    let body = json!({ "Id": "c", "SecretExpirationDate": "2030-06-01T12:00:00.000000001Z" });
    let created = create(&operator, &body).expect(201).json();
    assert_eq!(created["ExpirationDate"], "2030-06-01T12:00:00.000000001Z");
    for (member, value) in [
        ("SecretDescription", json!("é".repeat(513))),
        ("SecretDescription", json!(1)),
        ("SecretExpirationDate", json!("tomorrow")),
        ("SecretExpirationDate", json!(1_900_000_000)),
    ] {
        create(&operator, &json!({ member: value })).refused_because(400, member);
    }
}

#[test]
fn what_does_not_exist_is_not_found_and_bad_input_is_told_first() {
    let server = Server::start();
    let operator = server.operator();
    for id in ["nobody", GUID, "a%20b", "%7Bbraced%7D", &"x".repeat(65)] {
        let path = path(&operator, id);
        operator.get(&path).refused(404);
        assert!(operator.head(&path).expect(404).body.is_empty());
        operator.put(&path, &json!({})).refused(404);
        operator.delete(&path).refused(404);
        operator.put(&path, &json!({ "Name": "" })).refused(400);
    }
    let nobody = path(&operator, "nobody");
    operator
        .put(&nobody, &json!({ "RoleIds": [] }))
        .refused(400);
}

#[test]
fn a_deleted_client_is_gone_and_its_id_begins_a_new_life() {
    let server = Server::start();
    let operator = server.operator();
    let admin = server.administrator(TENANT);
    let before = admin.get(&path(&admin, &admin.id)).expect(200).json();
    let deleted = operator.delete(&path(&operator, &admin.id)).expect(204);
    assert!(deleted.body.is_empty());
    operator.get(&path(&operator, &admin.id)).refused(404);
    operator.delete(&path(&operator, &admin.id)).refused(404);
    admin.get(&path(&admin, &admin.id)).refused(403);
    admin.token_answer().expect(401);

    let body = json!({ "Id": admin.id, "RoleIds": before["RoleIds"] });
    let created = create(&operator, &body).expect(201).json();
    assert_eq!(created["Id"], 1, "its secrets count from one");
    // Neither the token nor the secret of the first life counts in the second.
    admin.get(&path(&admin, &admin.id)).refused(403);
    admin.token_answer().expect(401);
}

#[test]
fn a_tenant_that_is_full_takes_no_further_client() {
    let limits = Limits {
        clients_per_tenant: 3,
        ..Limits::default()
    };
    let server = Server::with(Choices {
        limits,
        ..Choices::default()
    });
    let operator = server.operator();
    create(&operator, &json!({ "Id": "a" })).expect(201);
    create(&operator, &json!({ "Id": "b" })).expect(201);
    let full = create(&operator, &json!({ "Id": "c" })).refused_because(400, "3");
    assert_eq!(full["Error"], "Client limit exceeded.");
    create(&operator, &json!({ "Id": "a" })).refused(409);
    operator
        .put(&path(&operator, "a"), &json!({ "Name": "n" }))
        .expect(200);
    operator.delete(&path(&operator, "b")).expect(204);
    create(&operator, &json!({ "Id": "c" })).expect(201);
}

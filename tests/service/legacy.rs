//! The oldest generation: its views, and that they are views of the one stored client.

use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{Caller, MEMBER, Response, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";
const LEGACY: &str = "/ClientCredentialClient/";
const MEMBERS: [&str; 4] = ["ClientId", "Enabled", "Name", "RoleIds"];
const CREATED: [&str; 8] = [
    "ClientId",
    "ClientSecret",
    "Enabled",
    "Name",
    "RoleIds",
    "SecretDescription",
    "SecretExpirationDate",
    "SecretId",
];

fn create(caller: &Caller, body: &Value) -> Response {
    caller.post(&caller.legacy(LEGACY), body)
}

fn client(caller: &Caller, id: &str) -> String {
    caller.legacy(&format!("{LEGACY}{id}"))
}

#[test]
fn a_created_client_is_shown_flat_with_its_secret() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let answer = create(&admin, &json!({})).expect(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let created = answer.json();
    assert_eq!(keys(&created), CREATED);
    let id = created["ClientId"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        (&created["Name"], &created["Enabled"]),
        (&json!(id), &json!(true))
    );
    assert_eq!(created["RoleIds"], json!([server.role(TENANT, MEMBER)]));
    assert_eq!(created["SecretId"], 1, "a number");
    assert_eq!(created["SecretDescription"], Value::Null);
    assert_eq!(created["SecretExpirationDate"], Value::Null);
    let location = answer.header("location").unwrap();
    assert_eq!(location, client(&admin, id));

    let got = admin.get(location).expect(200);
    assert_eq!(keys(&got.json()), MEMBERS);
    for member in MEMBERS {
        assert_eq!(got.json()[member], created[member]);
    }
    assert_eq!(
        admin.head(location).expect(200).header("etag"),
        got.header("etag")
    );
    let listed = admin.get(&admin.legacy(LEGACY)).expect(200);
    assert_eq!(
        admin.head(&admin.legacy(LEGACY)).expect(200).total(),
        listed.total()
    );
    let listed = listed.json();
    let mine = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|client| client["ClientId"] == id);
    assert_eq!(mine, Some(&got.json()));
    let v1 = admin
        .get(&admin.v1(&format!("{CLIENTS}/{id}")))
        .expect(200)
        .json();
    assert_eq!(
        (&v1["AccessTokenLifetime"], &v1["Tags"]),
        (&json!(3600), &json!([]))
    );
    let mut fetching = admin.without_token();
    fetching.id = id.into();
    fetching.secret = created["ClientSecret"].as_str().unwrap().into();
    fetching.token_answer().expect(200);
}

#[test]
fn what_is_given_at_creation_is_kept() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let body = json!({
        "ClientId": "c", "Name": "n", "Enabled": false, "Tags": ["t"], "AccessTokenLifetime": 60,
        "RoleIds": [server.role(TENANT, MEMBER)], "SecretDescription": "description",
        "SecretExpirationDate": "2031-02-20T01:57:32.9770889-05:00",
    });
    let created = create(&admin, &body).expect(201).json();
    assert_eq!(created["SecretDescription"], "description");
    assert_eq!(
        created["SecretExpirationDate"],
        "2031-02-20T06:57:32.9770889Z"
    );
    for member in MEMBERS {
        assert_eq!(created[member], body[member]);
    }
    let v1 = admin
        .get(&admin.v1(&format!("{CLIENTS}/c")))
        .expect(200)
        .json();
    // What this generation cannot name has the default.
    assert_eq!(
        (&v1["AccessTokenLifetime"], &v1["Tags"]),
        (&json!(3600), &json!([]))
    );
}

#[test]
fn an_update_leaves_what_this_generation_cannot_name() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let v1 = admin.v1(&format!("{CLIENTS}/c"));
    let body = json!({ "Id": "c", "AccessTokenLifetime": 77, "Tags": ["t"] });
    let mut expected = admin.post(&admin.v1(CLIENTS), &body).expect(201).json()["Client"].clone();
    let mut echo = admin.get(&client(&admin, "c")).expect(200).json();
    assert_eq!(
        admin.put(&client(&admin, "c"), &echo).expect(200).json(),
        echo
    );
    assert_eq!(admin.get(&v1).expect(200).json(), expected);

    echo["Name"] = json!("new");
    echo["Tags"] = json!([]);
    echo["AccessTokenLifetime"] = json!(99);
    let updated = admin.put(&client(&admin, "c"), &echo).expect(200).json();
    assert_eq!(keys(&updated), MEMBERS);
    expected["Name"] = json!("new");
    assert_eq!(admin.get(&v1).expect(200).json(), expected);
    admin
        .put(
            &client(&admin, "c"),
            &json!({ "Enabled": false, "Name": null }),
        )
        .expect(200);
    expected["Enabled"] = json!(false);
    assert_eq!(admin.get(&v1).expect(200).json(), expected);
}

#[test]
fn the_rules_of_v1_hold_here_too() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    create(&admin, &json!({ "ClientId": "c" })).expect(201);
    create(&admin, &json!({ "ClientId": "c" })).refused_because(409, "'c'");
    for (member, value) in [
        ("Name", json!(" ")),
        ("Enabled", json!("yes")),
        ("RoleIds", json!([])),
        ("RoleIds", json!(["x"])),
        ("ClientId", json!("a b")),
    ] {
        let body = json!({ member: value });
        create(&admin, &body).refused_because(400, member);
        admin
            .put(&client(&admin, "c"), &body)
            .refused_because(400, member);
    }
    let past = json!({ "SecretExpirationDate": "2030-06-01T12:00:00Z" });
    create(&admin, &past).refused_because(400, "past");
    admin
        .put(&client(&admin, "c"), &json!({ "ClientId": "d" }))
        .refused_because(400, "'d'");
    let nobody = client(&admin, "nobody");
    admin.get(&nobody).refused(404);
    admin.head(&nobody).expect(404);
    admin.put(&nobody, &json!({})).refused(404);
    admin.delete(&nobody).refused(404);
    // There are no secrets, roles or PATCH here.
    admin
        .get(&format!("{}/Secrets", client(&admin, "c")))
        .refused(404);
    let refused = admin.send("PATCH", &client(&admin, "c"), &[], None);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT, DELETE"));
    refused.refused(405);
}

#[test]
fn a_deletion_is_one_for_every_generation() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    create(&admin, &json!({ "ClientId": "c" })).expect(201);
    assert!(
        admin
            .delete(&client(&admin, "c"))
            .expect(204)
            .body
            .is_empty()
    );
    admin.get(&client(&admin, "c")).refused(404);
    admin.get(&admin.v1(&format!("{CLIENTS}/c"))).refused(404);
    admin
        .get(&admin.preview(&format!("{CLIENTS}/c")))
        .refused(404);
}

#[test]
fn members_neither_read_nor_write_here_but_operators_and_support_read() {
    let server = Server::start();
    let member = server.member(TENANT);
    let own = client(&member, &member.id);
    for path in [member.legacy(LEGACY), own.clone()] {
        member.get(&path).refused(403);
        member.head(&path).expect(403);
        server.support().get(&path).expect(200);
        server.operator().get(&path).expect(200);
        server.administrator(TENANT).get(&path).expect(200);
    }
    for caller in [&member, &server.support()] {
        create(caller, &json!({})).refused(403);
        caller.put(&own, &json!({ "Name": "n" })).refused(403);
        caller.delete(&own).refused(403);
    }
    server.operator().delete(&own).expect(204);
}

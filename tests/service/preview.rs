//! The middle generation, v1-preview: its views, and that they are views of the one stored client.

use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{Caller, MEMBER, Response, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";
const MEMBERS: [&str; 6] = ["ClientId", "Enabled", "Id", "Name", "RoleIds", "Tags"];
const CREATED: [&str; 10] = [
    "ClientId",
    "ClientSecret",
    "Enabled",
    "Id",
    "Name",
    "RoleIds",
    "SecretDescription",
    "SecretExpirationDate",
    "SecretId",
    "Tags",
];
const SECRET: [&str; 5] = ["Description", "Expiration", "Expires", "Id", "SecretId"];

fn create(caller: &Caller, body: &Value) -> Response {
    caller.post(&caller.preview(CLIENTS), body)
}

fn client(caller: &Caller, id: &str) -> String {
    caller.preview(&format!("{CLIENTS}/{id}"))
}

#[test]
fn a_created_client_is_shown_flat_with_its_secret() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let answer = create(&admin, &json!({})).expect(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let created = answer.json();
    assert_eq!(keys(&created), CREATED);
    let id = created["Id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(
        (&created["ClientId"], &created["Name"]),
        (&json!(id), &json!(id))
    );
    assert_eq!(
        (&created["Enabled"], &created["Tags"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(created["RoleIds"], json!([server.role(TENANT, MEMBER)]));
    assert_eq!(created["SecretId"], "1", "a string");
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
    let listed = admin.get(&admin.preview(CLIENTS)).expect(200);
    let listed = listed.json();
    let mine = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|client| client["Id"] == id);
    assert_eq!(mine, Some(&got.json()));
    // The same in v1, with what preview cannot name.
    let v1 = admin
        .get(&admin.v1(&format!("{CLIENTS}/{id}")))
        .expect(200)
        .json();
    assert_eq!(v1["AccessTokenLifetime"], 3600);
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
        "RoleIds": [server.role(TENANT, MEMBER)], "SecretDescription": "d",
        "SecretExpirationDate": "2031-02-20T01:57:32.9770889-05:00",
    });
    let created = create(&admin, &body).expect(201).json();
    assert_eq!(created["SecretDescription"], "d");
    assert_eq!(
        created["SecretExpirationDate"],
        "2031-02-20T06:57:32.9770889Z"
    );
    let v1 = admin
        .get(&admin.v1(&format!("{CLIENTS}/c")))
        .expect(200)
        .json();
    assert_eq!(v1["AccessTokenLifetime"], 3600, "preview cannot name it");
    for member in ["Name", "Enabled", "Tags", "RoleIds"] {
        assert_eq!(v1[member], body[member]);
        assert_eq!(created[member], body[member]);
    }
}

#[test]
fn id_and_client_id_name_the_client_and_must_agree() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let guid = "5f0c2a7e-9f7b-4b1e-8d3e-0a1b2c3d4e5f";
    for (body, id) in [
        (json!({ "Id": "a" }), "a"),
        (json!({ "ClientId": "b" }), "b"),
        (json!({ "Id": "c", "ClientId": "c" }), "c"),
        (json!({ "Id": null, "clientid": "d" }), "d"),
        (
            json!({ "Id": guid.to_uppercase(), "ClientId": guid.replace('-', "") }),
            guid,
        ),
    ] {
        let created = create(&admin, &body).expect(201).json();
        assert_eq!(
            (&created["Id"], &created["ClientId"]),
            (&json!(id), &json!(id))
        );
        admin.put(&client(&admin, id), &body).expect(200);
    }
    create(&admin, &json!({ "Id": "x", "ClientId": "y" })).refused_because(400, "ClientId");
    create(&admin, &json!({ "Id": "x", "ClientId": "a b" })).refused_because(400, "ClientId");
    create(&admin, &json!({ "ClientId": "a" })).refused_because(409, "'a'");
    for body in [
        json!({ "Id": "b" }),
        json!({ "ClientId": "b" }),
        json!({ "Id": "a", "ClientId": "b" }),
        json!({ "Id": "b", "ClientId": "a" }),
    ] {
        let mut body = body;
        body["Name"] = json!("new");
        admin.put(&client(&admin, "a"), &body).refused(400);
    }
    assert_eq!(
        admin.get(&client(&admin, "a")).expect(200).text("Name"),
        "a"
    );
}

#[test]
fn an_update_leaves_what_preview_cannot_name() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    let v1 = admin.v1(&format!("{CLIENTS}/c"));
    let body = json!({ "Id": "c", "AccessTokenLifetime": 77, "Tags": ["t"] });
    let before = admin.post(&admin.v1(CLIENTS), &body).expect(201).json()["Client"].clone();
    let mut echo = admin.get(&client(&admin, "c")).expect(200).json();
    assert_eq!(
        admin.put(&client(&admin, "c"), &echo).expect(200).json(),
        echo
    );
    assert_eq!(admin.get(&v1).expect(200).json(), before);

    echo["Name"] = json!("new");
    echo["Tags"] = json!(["u"]);
    echo["AccessTokenLifetime"] = json!(99);
    let updated = admin.put(&client(&admin, "c"), &echo).expect(200).json();
    assert_eq!(keys(&updated), MEMBERS);
    let mut expected = before;
    expected["Name"] = json!("new");
    expected["Tags"] = json!(["u"]);
    assert_eq!(admin.get(&v1).expect(200).json(), expected);
    admin
        .put(&client(&admin, "c"), &json!({ "Enabled": false }))
        .expect(200);
    expected["Enabled"] = json!(false);
    assert_eq!(admin.get(&v1).expect(200).json(), expected);
}

#[test]
fn the_rules_of_v1_hold_here_too() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    create(&admin, &json!({ "Id": "c" })).expect(201);
    for (member, value) in [
        ("Name", json!(" ")),
        ("Enabled", json!("yes")),
        ("Tags", json!([""])),
        ("RoleIds", json!([])),
        ("RoleIds", json!(["x"])),
    ] {
        let body = json!({ member: value });
        create(&admin, &body).refused_because(400, member);
        admin
            .put(&client(&admin, "c"), &body)
            .refused_because(400, member);
    }
    let past = json!({ "SecretExpirationDate": "2030-06-01T12:00:00Z" });
    create(&admin, &past).refused_because(400, "past");
    let nobody = client(&admin, "nobody");
    admin.get(&nobody).refused(404);
    admin.head(&nobody).expect(404);
    admin.put(&nobody, &json!({})).refused(404);
    let refused = admin.delete(&client(&admin, "c"));
    assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT"));
    refused.refused(405);
}

#[test]
fn a_secret_has_two_ids_that_are_one_and_two_values_that_are_one() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    create(&admin, &json!({ "Id": "c" })).expect(201);
    let secrets = admin.preview(&format!("{CLIENTS}/c/Secrets"));
    let body = json!({ "Description": "d", "Expiration": "2031-01-01T00:00:00Z" });
    let added = admin.post(&secrets, &body).expect(201);
    assert_eq!(added.header("location"), Some(&*format!("{secrets}/2")));
    assert_eq!(added.header("cache-control"), Some("no-store"));
    let added = added.json();
    let mut members = [&SECRET[..], &["ClientSecret", "Secret"]].concat();
    members.sort_unstable();
    assert_eq!(keys(&added), members);
    assert_eq!(
        (&added["Id"], &added["SecretId"]),
        (&json!("2"), &json!("2"))
    );
    assert_eq!(added["ClientSecret"], added["Secret"]);
    assert!(added["Secret"].as_str().unwrap().starts_with("crdz_"));

    let got = admin.get(&format!("{secrets}/2")).expect(200).json();
    assert_eq!(keys(&got), SECRET);
    for member in SECRET {
        assert_eq!(got[member], added[member]);
    }
    admin.head(&format!("{secrets}/2")).expect(200);
    let listed = admin.get(&secrets).expect(200);
    assert_eq!(
        (listed.total(), listed.ids()),
        (2, vec!["1".into(), "2".into()])
    );
    assert_eq!(listed.json()[1], got);
    assert_eq!(admin.head(&secrets).expect(200).total(), 2);
    // v1 shows the same secret with a number.
    let v1 = admin
        .get(&admin.v1(&format!("{CLIENTS}/c/Secrets/2")))
        .expect(200)
        .json();
    assert_eq!(v1["Id"], 2);
    assert_eq!(v1["Expiration"], got["Expiration"]);

    assert_eq!(
        admin.put(&format!("{secrets}/2"), &got).expect(200).json(),
        got
    );
    let never = admin
        .put(&format!("{secrets}/2"), &json!({ "Expires": false }))
        .expect(200)
        .json();
    assert_eq!(keys(&never), SECRET);
    assert_eq!(
        (&never["Expires"], &never["Expiration"]),
        (&json!(false), &Value::Null)
    );
    for body in [
        json!({ "Id": "1" }),
        json!({ "SecretId": 1 }),
        json!({ "Id": 2, "SecretId": "1" }),
    ] {
        admin.put(&format!("{secrets}/2"), &body).refused(400);
    }
    admin
        .put(&format!("{secrets}/2"), &json!({ "Expires": true }))
        .refused(400);
    admin.post(&secrets, &json!({})).refused(400);
    let page = admin.get(&format!("{secrets}?count=1")).expect(200);
    let next = format!("<{secrets}?skip=1&count=1>; rel=\"next\"");
    assert_eq!(page.header("link"), Some(&*next));

    admin.delete(&format!("{secrets}/2")).expect(204);
    for path in [
        format!("{secrets}/2"),
        secrets.replace("/c/", "/nobody/") + "/1",
    ] {
        admin.get(&path).refused(404);
        admin.put(&path, &json!({})).refused(404);
        admin.delete(&path).refused(404);
    }
    admin
        .post(
            &secrets.replace("/c/", "/nobody/"),
            &json!({ "Expires": false }),
        )
        .refused(404);
}

#[test]
fn self_counts_for_nothing_here() {
    let server = Server::start();
    let member = server.member(TENANT);
    let own = client(&member, &member.id);
    member.get(&own).expect(200);
    member.put(&own, &json!({})).refused(403);
    for path in [format!("{own}/Secrets"), format!("{own}/Secrets/1")] {
        member.get(&path).refused(403);
        member.head(&path).expect(403);
    }
    member
        .post(&format!("{own}/Secrets"), &json!({ "Expires": false }))
        .refused(403);
    member
        .put(&format!("{own}/Secrets/1"), &json!({}))
        .refused(403);
    member.delete(&format!("{own}/Secrets/1")).refused(403);
    create(&member, &json!({})).refused(403);
}

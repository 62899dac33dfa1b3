//! A damaged secret: it is named, never authenticates, and can be deleted.

use serde_json::json;

use super::*;
use crate::harness::findings;

/// A client with four secrets, of which the second and the third are damaged; all values.
fn ground() -> (Ground, Vec<String>) {
    let mut ground = Ground::whole();
    let path = format!("{}/Secrets", ground.client("pump-a"));
    let mut values = vec![ground.pumps[0].secret.clone()];
    for number in 2..=4 {
        let body = json!({ "Expires": false, "Description": format!("Secret number {number}") });
        let added = ground.operator.post(&path, &body).expect(201);
        values.push(added.text("Secret"));
    }
    ground.damage(|data| {
        for id in [2, 3] {
            flip(
                data,
                "secrets",
                &[b"pump-a\0\0\0".as_slice(), &[id]].concat(),
            );
        }
    });
    ground
        .server
        .expect_damage(&["secret 2 of client pump-a", "secret 3 of client pump-a"]);
    (ground, values)
}

#[test]
fn the_list_has_the_rest_and_names_the_damaged_ones() {
    let (ground, _) = ground();
    // The client itself may read them, too.
    for caller in [&ground.operator, &ground.pumps[0]] {
        let path = caller.v1("/ClientCredentialClients/pump-a/Secrets");
        let answer = caller.get(&path);
        let (data, children) = partial(&answer, &path);
        let ids: Vec<_> = data.iter().map(|secret| &secret["Id"]).collect();
        assert_eq!(ids, [1, 4]);
        assert_eq!(children, damaged(&["pump-a", "pump-a"]));
        let body = answer.json();
        for (place, id) in [(0, "2"), (1, "3")] {
            let error = &body["ChildErrors"][place];
            let reason = error["Reason"].as_str().unwrap();
            assert!(reason.contains(&format!("Secret {id} of client 'pump-a'")));
            assert!(error["Resolution"].as_str().unwrap().contains("Delete"));
        }
        assert_eq!(answer.total(), 4);
        assert_eq!(caller.head(&path).expect(207).total(), 4);
    }
    let path = ground
        .operator
        .preview("/ClientCredentialClients/pump-a/Secrets");
    let answer = ground.operator.get(&path);
    let (data, children) = partial(&answer, &path);
    assert_eq!(members(&data, "SecretId"), ["1", "4"]);
    assert_eq!(children.len(), 2);
    // The pages are of those that are whole.
    let answer = ground.operator.get(&format!("{path}?skip=1&count=1"));
    let (data, children) = partial(&answer, &path);
    assert_eq!(members(&data, "Id"), ["4"]);
    assert_eq!((children.len(), answer.total()), (2, 4));
    assert_eq!(answer.header("link"), None);
    let answer = ground.operator.get(&format!("{path}?count=1"));
    assert!(answer.header("link").unwrap().contains("skip=1&count=1"));
    // The client itself is whole.
    ground.operator.get(&ground.client("pump-a")).expect(200);
    assert_eq!(
        ground
            .operator
            .get(&ground.operator.v1(CLIENTS))
            .expect(200)
            .total(),
        5
    );
}

#[test]
fn a_damaged_secret_is_refused_until_it_is_deleted() {
    let (mut ground, _) = ground();
    let operator = &ground.operator;
    let path = format!("{}/Secrets", ground.client("pump-a"));
    let preview = operator.preview("/ClientCredentialClients/pump-a/Secrets");
    for path in [format!("{path}/2"), format!("{preview}/2")] {
        let error = operator.get(&path).refused_because(500, "Secret 2");
        assert!(error["Resolution"].as_str().unwrap().contains("Delete"));
        assert_eq!(operator.head(&path).status, 500);
        let body = json!({ "Description": "mended" });
        operator.put(&path, &body).refused_because(500, "Secret 2");
    }
    // A change of the client, or of another secret, leaves it as it is.
    operator
        .put(&ground.client("pump-a"), &json!({ "Name": "new" }))
        .expect(200);
    let body = json!({ "Description": "changed" });
    operator.put(&format!("{path}/1"), &body).expect(200);
    assert_eq!(operator.get(&path).expect(207).total(), 4);

    operator.delete(&format!("{path}/2")).expect(204);
    operator.get(&format!("{path}/2")).refused(404);
    operator.delete(&format!("{path}/2")).refused(404);
    let listed = operator.get(&path);
    assert_eq!(partial(&listed, &path).1.len(), 1);
    ground.server.stop();
    let found = findings(&ground.server.data());
    assert_eq!(found.len(), 1, "{found:?}");
    ground.server.expect_damage(&["secret 3 of client pump-a"]);

    ground.server.run();
    let operator = ground.operator.moved_to(ground.server.address());
    operator.delete(&format!("{preview}/3")).expect(204);
    let listed = operator.get(&path).expect(200);
    assert_eq!(listed.total(), 2);
    assert!(listed.header("etag").is_some());
    // Its id is never used again.
    let added = operator
        .post(&path, &json!({ "Expires": false }))
        .expect(201);
    assert_eq!(added.json()["Id"], 5);
    ground.server.expect_damage(&[]);
}

#[test]
fn it_never_authenticates_while_the_others_do() {
    let (ground, values) = ground();
    for (value, status) in values.iter().zip([200, 401, 401, 200]) {
        let client = ground.pumps[0].known_as("pump-a", value);
        client.token_answer().expect(status);
    }
}

#[test]
fn it_counts_as_one_of_ten_and_goes_with_its_client() {
    let (mut ground, _) = ground();
    let operator = &ground.operator;
    let path = format!("{}/Secrets", ground.client("pump-a"));
    let secret = json!({ "Expires": false });
    for _ in 5..=10 {
        operator.post(&path, &secret).expect(201);
    }
    operator
        .post(&path, &secret)
        .refused_because(400, "10 secrets");
    operator.delete(&ground.client("pump-a")).expect(204);
    operator.get(&ground.client("pump-a")).refused(404);
    ground.server.expect_damage(&[]);
}

#[test]
fn an_operator_whose_other_secret_is_damaged_keeps_the_last_one() {
    let mut server = Server::start();
    let operator = server.operator();
    let path = operator.v1("/ClientCredentialClients/operator/Secrets");
    let body = json!({ "Expires": false, "Description": long_description() });
    operator.post(&path, &body).expect(201);
    server.stop();
    flip(&server.data(), "secrets", b"operator\0\0\0\x02");
    server.run();
    let operator = operator.moved_to(server.address());
    operator.delete(&format!("{path}/1")).refused(409);
    operator.delete(&format!("{path}/2")).expect(204);
}

#[test]
fn the_client_itself_deletes_its_damaged_secrets_with_one_that_works() {
    let (mut ground, _) = ground();
    let own = &ground.pumps[0];
    for id in [2, 3] {
        let path = own.v1(&format!("{CLIENTS}/pump-a/Secrets/{id}"));
        own.get(&path).refused_because(500, &format!("Secret {id}"));
        own.delete(&path).expect(204);
    }
    let left = own.get(&own.v1(&format!("{CLIENTS}/pump-a/Secrets")));
    assert_eq!(left.expect(200).total(), 2);
    ground.server.expect_damage(&[]);
}

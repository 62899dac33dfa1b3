//! A restart shows the same rows, byte for byte, and old tokens still work.

use serde_json::json;

use crate::harness::{Caller, Server};

#[test]
fn a_restart_changes_nothing() {
    let mut server = Server::start();
    let operator = server.operator();
    for number in 0..40 {
        let body = json!({
            "Id": format!("device-{number:02}"),
            "Name": format!("Device № {number}"),
            "Enabled": number % 3 > 0,
            "AccessTokenLifetime": 60 + number,
            "Tags": ["z", "a", format!("n:{number}")],
            "SecretExpirationDate": "2031-01-01T00:00:00.1234567Z",
        });
        operator
            .post(&operator.v1("/ClientCredentialClients"), &body)
            .expect(201);
    }
    let secrets = operator.v1("/ClientCredentialClients/device-07/Secrets");
    operator
        .post(
            &secrets,
            &json!({ "Description": "second", "Expires": false }),
        )
        .expect(201);
    operator.delete(&format!("{secrets}/1")).expect(204);
    operator
        .post(&operator.v1("/Roles"), &json!({ "Name": "Own role" }))
        .expect(201);
    server.new_tenant("Other");

    let shown = |caller: &Caller| {
        [
            caller.v1("/ClientCredentialClients?count=1000"),
            caller.v1("/ClientCredentialClients?tag=a&tag=n:7"),
            caller.v1("/ClientCredentialClients/device-07/Secrets"),
            caller.v1("/Roles"),
            caller.v1(""),
            caller.preview("/ClientCredentialClients"),
            caller.legacy("/ClientCredentialClient/"),
            "/api/v1/Tenants".to_owned(),
        ]
        .map(|path| {
            let answer = caller.get(&path).expect(200);
            (answer.header("etag").map(str::to_owned), answer.body)
        })
    };
    let before = shown(&operator);
    server.restart();
    // The token of before the restart still works.
    let after = shown(&operator.moved_to(server.address()));
    assert!(before == after);
}

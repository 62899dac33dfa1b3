//! Writes in a tenant of which clients are damaged.

use serde_json::json;

use super::*;
use crate::harness::Choices;

/// Everything that the tenant shows of its clients, and how much is not shown.
fn shown(ground: &Ground) -> (Vec<Value>, Vec<(u64, String)>) {
    let path = ground.operator.v1(CLIENTS);
    partial(&ground.operator.get(&path), &path)
}

#[test]
fn healthy_clients_are_created_updated_and_deleted() {
    let mut ground = Ground::new();
    let operator = &ground.operator;
    let (preview, legacy) = (operator.preview(CLIENTS), operator.legacy(LEGACY));
    for (path, member) in [
        (operator.v1(CLIENTS), "Id"),
        (preview, "Id"),
        (legacy, "ClientId"),
    ] {
        operator.post(&path, &json!({ member: "new" })).expect(201);
        let one = format!("{}/new", path.trim_end_matches('/'));
        operator.put(&one, &json!({ "Name": "newer" })).expect(200);
        operator.delete(&ground.client("new")).expect(204);
    }
    let tags = json!({ "Tags": ["all", "more"], "Name": "changed" });
    operator.put(&ground.client("pump-c"), &tags).expect(200);
    operator.delete(&ground.client("pump-e")).expect(204);
    let secrets = format!("{}/Secrets", ground.client("pump-a"));
    operator
        .post(&secrets, &json!({ "Expires": false }))
        .expect(201);

    let before = shown(&ground);
    assert_eq!(members(&before.0, "Id"), ["pump-a", "pump-c"]);
    assert_eq!(members(&before.0, "Name"), [&name("pump-a"), "changed"]);
    assert_eq!(before.1, damaged(&DAMAGED));
    ground.damage(|_| {});
    assert_eq!(shown(&ground), before);
}

#[test]
fn a_damaged_client_is_neither_changed_nor_replaced() {
    let mut ground = Ground::new();
    let operator = &ground.operator;
    let before = shown(&ground);
    let client = ground.client("pump-b");
    let mut refused = vec![
        operator.delete(&client),
        operator.delete(&operator.legacy(&format!("{LEGACY}pump-b"))),
        operator.put(
            &format!("{client}/Roles"),
            &json!([ground.server.role(&operator.tenant, crate::harness::MEMBER)]),
        ),
        operator.post(&format!("{client}/Secrets"), &json!({ "Expires": false })),
        operator.put(
            &format!("{client}/Secrets/1"),
            &json!({ "Description": "x" }),
        ),
        operator.delete(&format!("{client}/Secrets/1")),
    ];
    for (path, one, member) in [
        (operator.v1(CLIENTS), client.clone(), "Id"),
        (
            operator.preview(CLIENTS),
            operator.preview(&format!("{CLIENTS}/pump-b")),
            "Id",
        ),
        (
            operator.legacy(LEGACY),
            operator.legacy(&format!("{LEGACY}pump-b")),
            "ClientId",
        ),
    ] {
        refused.push(operator.post(&path, &json!({ member: "pump-b" })));
        refused.push(operator.put(&one, &json!({ "Name": "mended" })));
    }
    for answer in refused {
        let error = answer.refused_because(500, "'pump-b'");
        let resolution = error["Resolution"].as_str().unwrap();
        assert!(resolution.contains("credenza check"), "{resolution}");
    }
    assert_eq!(shown(&ground), before);
    ground.damage(|_| {});
    assert_eq!(shown(&ground), before);
}

#[test]
fn what_a_damaged_client_may_hold_stays() {
    let ground = Ground::new();
    let operator = &ground.operator;
    let role = operator.v1(&format!("/Roles/{}", ground.role));
    let unheld = operator.post(&operator.v1("/Roles"), &json!({ "Name": "Unheld" }));
    let unheld = operator.v1(&format!("/Roles/{}", unheld.expect(201).text("Id")));
    // Held by somebody who is whole: as always.
    operator.delete(&role).refused_because(409, "3 clients");
    operator.delete(&unheld).refused_because(500, "'pump-b'");
    operator.get(&unheld).expect(200);
    operator
        .put(&unheld, &json!({ "Name": "Renamed" }))
        .expect(200);
    // Nor is the tenant deleted: what belongs to a damaged client could not be swept.
    operator
        .delete(&operator.v1(""))
        .refused_because(500, "'pump-b'");
    operator
        .put(&operator.v1(""), &json!({ "CompanyName": "Renamed" }))
        .expect(200);
    let ready = operator.without_token().get("/health/ready");
    assert_eq!(ready.expect(200).text("Status"), "ready");
}

#[test]
fn damaged_clients_count_to_the_limit() {
    let limits = credenza::service::decide::Limits {
        clients_per_tenant: 3,
        ..Default::default()
    };
    let mut server = Server::with(Choices {
        limits,
        ..Choices::default()
    });
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    for id in ["one", "two"] {
        operator.post(&path, &json!({ "Id": id })).expect(201);
    }
    server.stop();
    flip(&server.data(), "clients", b"one");
    server.run();
    server.expect_damage(&["client one"]);
    let operator = operator.moved_to(server.address());
    operator
        .post(&path, &json!({}))
        .refused_because(400, "3 clients");
    operator.delete(&format!("{path}/two")).expect(204);
    operator.post(&path, &json!({})).expect(201);
}

#[test]
fn a_damaged_counter_refuses_only_the_changes_that_move_it() {
    let mut ground = Ground::whole();
    ground.damage(|data| flip(data, "counters", b"pump-c"));
    ground.server.expect_damage(&["counter of tag 'pump-c'"]);
    let operator = &ground.operator;
    let path = operator.v1(CLIENTS);
    assert_eq!(operator.get(&path).expect(200).total(), 5);
    let body = json!({ "Id": "new", "Tags": ["pump-c"] });
    let error = operator.post(&path, &body).refused(500);
    assert!(error["Resolution"].as_str().unwrap().contains("check"));
    operator.get(&format!("{path}/new")).refused(404);
    let tagged = format!("{path}?tag=pump-c");
    assert_eq!(operator.get(&tagged).expect(200).ids(), ["pump-c"]);
    operator
        .post(&path, &json!({ "Id": "new", "Tags": ["pump-a"] }))
        .expect(201);
}

//! The order of the checks: of several things that are wrong, the first of contract section 4 is
//! told.

use serde_json::json;

use super::{CLIENTS, Ground, unknown};
use crate::harness::TENANT;

const TEXT: [(&str, &str); 1] = [("Content-Type", "text/plain")];
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
const JUNK: [(&str, &str); 2] = [
    ("Content-Type", "application/json"),
    ("Request-Timeout", "x"),
];

#[test]
fn route_then_method_then_token_then_body_then_tenant_then_role() {
    let ground = Ground::new();
    let member = ground.server.member(TENANT);
    let stranger = ground.server.member(&ground.server.new_tenant("Stranger"));
    let nobody = member.without_token();
    let clients = member.v1(CLIENTS);
    let nowhere = ground.operator.in_tenant(unknown()).v1(CLIENTS);
    let large = vec![b' '; 1_048_577];
    for (caller, method, path, headers, body, status) in [
        (&nobody, "PATCH", "/api/v1/Nothing", &TEXT, &b"x"[..], 404),
        (&nobody, "PATCH", clients.as_str(), &TEXT, b"x", 405),
        (&nobody, "POST", &clients, &TEXT, b"x", 401),
        (&nobody, "POST", &clients, &JSON, &large, 401),
        (&stranger, "POST", &clients, &TEXT, &large, 413),
        (&stranger, "POST", &clients, &TEXT, b"x", 415),
        (&ground.operator, "POST", &nowhere, &TEXT, b"x", 415),
        (&stranger, "POST", &clients, &JSON, b"x", 403),
        (&ground.operator, "POST", &nowhere, &JSON, b"x", 404),
        (&member, "POST", &clients, &JSON, b"x", 403),
        (&ground.operator, "POST", &clients, &JSON, b"x", 400),
    ] {
        ground.refused(status, |_| caller.send(method, path, headers, Some(body)));
    }
    // A malformed header is input, and comes after whether the caller may.
    for (caller, path, status) in [
        (&nobody, &clients, 401),
        (&member, &clients, 403),
        (&ground.operator, &nowhere, 404),
        (&ground.operator, &clients, 400),
    ] {
        ground.refused(status, |_| caller.send("POST", path, &JUNK, Some(b"{}")));
    }
}

#[test]
fn what_is_wrong_with_the_input_is_told_before_that_the_object_does_not_exist() {
    let ground = Ground::new();
    let caller = &ground.operator;
    for client in ["no-such-client", "a%20b"] {
        let v1 = caller.v1(&format!("{CLIENTS}/{client}"));
        let alias = caller.v1(&format!("/Clients/{client}/Roles"));
        let preview = caller.preview(&format!("{CLIENTS}/{client}"));
        let legacy = caller.legacy(&format!("/ClientCredentialClient/{client}"));
        for path in [
            format!("{v1}/Roles"),
            alias.clone(),
            format!("{v1}/Secrets"),
            format!("{preview}/Secrets"),
            caller.v1(&format!("/Roles/{}{CLIENTS}", unknown())),
            caller.v1(&format!("/Roles/{client}{CLIENTS}")),
        ] {
            ground.refused(400, |caller| caller.get(&format!("{path}?skip=-1")));
            ground.refused(400, |caller| caller.get(&format!("{path}?count=x")));
            caller.head(&format!("{path}?count=x")).expect(400);
            ground.refused(404, |caller| caller.get(&path));
        }
        let name = json!({ "Name": "" });
        for path in [&v1, &preview, &legacy] {
            ground.refused(400, |caller| caller.put(path, &name));
            ground.refused(404, |caller| caller.put(path, &json!({ "Name": "x" })));
        }
        for path in [&format!("{v1}/Roles"), &alias] {
            ground.refused(400, |caller| caller.put(path, &json!(["x"])));
            ground.refused(404, |caller| caller.put(path, &json!([ground.member])));
        }
        for path in [&v1, &preview] {
            let secrets = format!("{path}/Secrets");
            let described = json!({ "Expires": false, "Description": "\0" });
            ground.refused(400, |caller| caller.post(&secrets, &described));
            ground.refused(404, |caller| {
                caller.post(&secrets, &json!({ "Expires": false }))
            });
            let secret = format!("{secrets}/1");
            ground.refused(400, |caller| {
                caller.put(&secret, &json!({ "Description": 7 }))
            });
            ground.refused(404, |caller| {
                caller.put(&secret, &json!({ "Description": "x" }))
            });
        }
    }
    for role in [unknown(), "no-role"] {
        let role = caller.v1(&format!("/Roles/{role}"));
        ground.refused(400, |caller| caller.put(&role, &json!({ "Name": "" })));
        ground.refused(404, |caller| caller.put(&role, &json!({ "Name": "Kept" })));
    }
}

#[test]
fn what_is_wrong_with_the_input_by_the_state_of_the_tenant_is_told_before_it_too() {
    let ground = Ground::new();
    let v1 = ground.operator.v1(&format!("{CLIENTS}/no-such-client"));
    let preview = ground
        .operator
        .preview(&format!("{CLIENTS}/no-such-client"));
    for role_ids in [json!([ground.member, unknown()]), json!([])] {
        let named = json!({ "RoleIds": role_ids });
        for path in [&v1, &preview] {
            ground.refused(400, |caller| caller.put(path, &named));
        }
        ground.refused(400, |caller| caller.put(&format!("{v1}/Roles"), &role_ids));
    }
    for path in [v1, preview] {
        for body in [
            json!({ "Expires": true }),
            json!({ "Expires": false, "Expiration": "2031-01-01T00:00:00Z" }),
            json!({ "Expiration": "2020-01-01T00:00:00Z" }),
        ] {
            ground.refused(400, |caller| caller.post(&format!("{path}/Secrets"), &body));
        }
    }
}

#[test]
fn that_the_object_does_not_exist_is_told_before_preconditions_and_conflicts() {
    let ground = Ground::new();
    let path = ground.operator.v1(&format!("{CLIENTS}/no-such-client"));
    let headers = [JSON[0], ("If-Match", "\"old\"")];
    ground.refused(404, |caller| {
        caller.send("PUT", &path, &headers, Some(b"{}"))
    });
    ground.refused(404, |caller| caller.send("DELETE", &path, &headers, None));
    let there = ground.client();
    ground.refused(412, |caller| {
        caller.send("PUT", &there, &headers, Some(b"{}"))
    });
    ground.refused(412, |caller| caller.send("DELETE", &there, &headers, None));
    ground.refused(400, |caller| {
        caller.send("PUT", &there, &headers, Some(br#"{"Name":""}"#))
    });
}

//! `Request-Timeout`: past it the answer is 408, and 408 means that nothing was done.

use super::{CLIENTS, Ground};
use crate::harness::Response;
use serde_json::json;

const AT_ONCE: (&str, &str) = ("Request-Timeout", "0.000000001");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn reasons(answer: Response) {
    let error = answer.refused_because(408, "nothing was done");
    assert!(
        error["Resolution"]
            .as_str()
            .unwrap()
            .contains("Request-Timeout")
    );
}

#[test]
fn a_read_that_is_out_of_time_is_408() {
    let ground = Ground::new();
    for path in ground.readable() {
        // What anybody may ask for has a deadline as everything has.
        reasons(ground.operator.send("GET", &path, &[AT_ONCE], None));
        let head = ground
            .operator
            .send("HEAD", &path, &[AT_ONCE], None)
            .expect(408);
        assert!(head.body.is_empty() && head.header("content-type").is_none());
    }
}

#[test]
fn a_write_that_is_out_of_time_is_408_and_not_done() {
    let ground = Ground::new();
    let operator = &ground.operator;
    let client = operator.v1("/ClientCredentialClients/pump");
    let role = operator.v1(&format!("/Roles/{}", ground.role));
    let shown = || {
        ground
            .readable()
            .into_iter()
            .filter(|path| path.starts_with("/api"))
            .map(|path| operator.get(&path).expect(200).body)
            .collect::<Vec<_>>()
    };
    let before = shown();
    let name = json!({ "Name": "Late" });
    let company = json!({ "CompanyName": "Late" });
    let secret = json!({ "Expires": false, "Description": "Late" });
    for (method, path, body) in [
        ("POST", operator.v1(CLIENTS), Some(&name)),
        ("POST", operator.preview(CLIENTS), Some(&name)),
        (
            "POST",
            operator.legacy("/ClientCredentialClient"),
            Some(&name),
        ),
        ("PUT", client.clone(), Some(&name)),
        ("DELETE", client.clone(), None),
        ("POST", format!("{client}/Secrets"), Some(&secret)),
        ("PUT", format!("{client}/Secrets/1"), Some(&secret)),
        ("DELETE", format!("{client}/Secrets/1"), None),
        ("POST", operator.v1("/Roles"), Some(&name)),
        ("PUT", role.clone(), Some(&name)),
        ("DELETE", role, None),
        ("PUT", operator.v1(""), Some(&company)),
        ("POST", "/api/v1/Tenants".into(), Some(&company)),
    ] {
        let body = body.map(|body| body.to_string());
        let body = body.as_ref().map(|body| body.as_bytes());
        reasons(operator.send(method, &path, &[AT_ONCE, JSON], body));
    }
    assert!(shown() == before, "something was done");
}

#[test]
fn a_token_that_is_out_of_time_is_408_in_the_oauth_form() {
    let ground = Ground::new();
    let form = "grant_type=client_credentials&client_id=x&client_secret=y";
    let headers = [
        AT_ONCE,
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let nobody = ground.operator.without_token();
    let answer = nobody.send(
        "POST",
        "/identity/connect/token",
        &headers,
        Some(form.as_bytes()),
    );
    assert!(answer.expect(408).json()["error"].is_string());
}

#[test]
fn who_may_not_ask_is_told_that_first() {
    let ground = Ground::new();
    let nobody = ground.operator.without_token();
    let path = ground.operator.v1(CLIENTS);
    nobody.send("GET", &path, &[AT_ONCE], None).refused(401);
    nobody
        .send("GET", "/nothing", &[AT_ONCE], None)
        .refused(404);
    nobody.send("PATCH", &path, &[AT_ONCE], None).refused(405);
}

//! Which paths are which routes, and the answers to those that are none and to methods that a
//! route does not have.

use credenza::http::routes::Route;

use super::wire::{Wire, request};
use super::{CLIENTS, Ground};
use crate::harness::{Response, TENANT};
use serde_json::json;

/// Spellings of a path that name the same.
fn spellings(path: &str) -> Vec<String> {
    let keeps_case = |word: &str| word == "pump";
    let cased = |change: fn(&str) -> String| -> String {
        let words = path.split('/');
        let words = words.map(|word| {
            if keeps_case(word) {
                word.into()
            } else {
                change(word)
            }
        });
        words.collect::<Vec<_>>().join("/")
    };
    let encoded: String = path
        .bytes()
        .map(|byte| match byte {
            b'/' => "/".into(),
            _ if byte % 3 == 0 => format!("%{byte:02x}"),
            _ if byte % 3 == 1 => format!("%{byte:02X}"),
            _ => char::from(byte).to_string(),
        })
        .collect();
    vec![
        cased(str::to_lowercase),
        cased(str::to_uppercase),
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        path.replace('/', "//"),
        path.replace('/', "///"),
        format!("{path}?"),
        format!("{path}/?query=x"),
        encoded,
    ]
}

#[test]
fn case_slashes_and_percent_encoding_make_no_difference_on_any_route() {
    let ground = Ground::new();
    for path in ground.readable() {
        let plain = ground.operator.get(&path).expect(200);
        for spelled in spellings(&path) {
            let answer = ground.operator.get(&spelled).expect(200);
            assert_eq!(answer.body, plain.body, "{spelled}");
            ground.operator.head(&spelled);
        }
    }
    let operator = &ground.operator;
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        operator.id, operator.secret
    );
    for path in [
        "/identity/connect/token/",
        "//IDENTITY//Connect/TOKEN",
        "/identity/connect/%74oken",
    ] {
        operator.without_token().form(path, &form).expect(200);
    }
}

#[test]
fn a_client_id_keeps_its_case_in_a_path() {
    let ground = Ground::new();
    ground
        .operator
        .get(&ground.operator.v1(&format!("{CLIENTS}/PUMP")))
        .refused(404);
}

#[test]
fn what_is_no_route_is_404_for_everybody_and_the_reason_names_it() {
    let ground = Ground::new();
    for (path, shown) in [
        ("/", "'/'"),
        ("/api", "'/api'"),
        ("/api/v1", "'/api/v1'"),
        ("/api/v2/Tenants", "'/api/v2/Tenants'"),
        ("/api/v1-preview/Tenants", "v1-preview"),
        ("/api/Tenants", "'/api/Tenants'"),
        (
            "/api/v1/Tenants/x/ClientCredentialClient",
            "ClientCredentialClient'",
        ),
        (
            "/api/Tenants/x/ClientCredentialClients",
            "ClientCredentialClients'",
        ),
        ("/api/v1/Tenants/x/Clients", "Clients'"),
        ("/api/v1/Tenants/x/Clients/y", "y'"),
        ("/api/v1/Tenants/x/Clients/y/Secrets", "Secrets'"),
        ("/api/v1/Tenants/x/Roles/y/z", "z'"),
        (
            "/api/v1/Tenants/x/ClientCredentialClients/y/Secrets/1/more",
            "more'",
        ),
        ("/api/v1/Roles/x", "x'"),
        ("/identity", "'/identity'"),
        ("/identity/connect", "'/identity/connect'"),
        ("/identity/connect/authorize", "authorize'"),
        ("/health", "'/health'"),
        ("/a/b/c/d/e/f/g/h/i/j", "j'"),
        ("/%zz", "'/%zz'"),
        ("/api/v1/Tenants/%", "%'"),
        ("/%0d%0aX-Evil:%20y", "'/%0d%0aX-Evil:%20y'"),
    ] {
        for caller in [&ground.operator, &ground.operator.without_token()] {
            for method in ["GET", "POST", "DELETE", "PATCH"] {
                let body = (method == "POST").then_some(&b"{}"[..]);
                let error = caller.send(method, path, &[], body).refused(404);
                let reason = error["Reason"].as_str().unwrap();
                assert!(reason.contains(shown), "{method} {path}: {reason}");
            }
            let head = caller.head(path).expect(404);
            assert!(head.body.is_empty() && head.header("operation-id").is_some());
            assert_eq!(head.header("content-type"), None);
        }
    }
}

/// What `Allow` says of each path, written by hand.
fn allowed(ground: &Ground) -> Vec<(String, &'static str)> {
    let all = "GET, HEAD, PUT, DELETE";
    let collection = "GET, HEAD, POST";
    let read = "GET, HEAD";
    let update = "GET, HEAD, PUT";
    let allow = [
        collection, all, update, update, collection, all, collection, all, read, all, read,
        collection, collection, update, collection, all, collection, all, read, read, read, read,
        read,
    ];
    let mut paths: Vec<_> = ground.readable().into_iter().zip(allow).collect();
    paths.push(("/identity/connect/token".into(), "POST"));
    paths
}

#[test]
fn a_method_that_a_route_does_not_have_is_405_with_allow() {
    let ground = Ground::new();
    let paths = allowed(&ground);
    assert_eq!(paths.len(), Route::ALL.len(), "a path for every route");
    let token = ground.operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get",
        "FOO",
    ];
    for (path, allow) in &paths {
        let has: Vec<_> = allow.split(", ").collect();
        for method in methods.into_iter().filter(|method| !has.contains(method)) {
            for token in [Some(token.as_str()), None] {
                wire.send(request(method, path, token, ""));
                let answer = wire.answer(method).unwrap();
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(answer.header("allow"), Some(*allow), "{method} {path}");
                assert!(answer.header("operation-id").is_some());
                let body = String::from_utf8(answer.body.clone()).unwrap();
                match (method, path.as_str()) {
                    ("HEAD", _) => assert_eq!(answer.header("content-type"), None),
                    (_, "/identity/connect/token") => assert!(body.contains("invalid_request")),
                    _ => assert!(body.contains(&format!("'{method}'")), "{body}"),
                }
                // TRACE sends nothing back of what came.
                assert!(!body.contains("Bearer"), "{body}");
            }
        }
    }
}

#[test]
fn every_answer_has_an_operation_id_of_its_own() {
    let ground = Ground::new();
    let mut seen = std::collections::HashSet::new();
    let nobody = ground.operator.without_token();
    for path in ground.readable() {
        for answer in [
            ground.operator.get(&path),
            ground.operator.head(&path),
            nobody.get(&path),
            nobody.send("PATCH", &path, &[], None),
            nobody.get(&format!("{path}/a/b/c/d/e")),
            // What a caller sends is not taken over.
            ground
                .operator
                .send("GET", &path, &[("Operation-Id", "mine")], None),
        ] {
            let id = answer
                .header("operation-id")
                .expect("Operation-Id")
                .to_owned();
            assert!(seen.insert(id), "{path}");
        }
    }
    assert!(!seen.contains("mine"));
    let token = nobody.form("/identity/connect/token", "");
    assert!(seen.insert(token.header("operation-id").unwrap().to_owned()));
}

#[test]
fn json_is_called_exactly_application_json() {
    let ground = Ground::new();
    for path in ground.readable() {
        for accept in [
            "*/*",
            "text/html",
            "application/xml",
            "application/json;charset=utf-16",
        ] {
            let answer = ground
                .operator
                .send("GET", &path, &[("Accept", accept)], None);
            assert_eq!(
                answer.expect(200).header("content-type"),
                Some("application/json")
            );
        }
    }
}

#[test]
fn get_head_and_delete_may_come_with_a_content_type_and_no_body() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    for length in [
        "",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let headers = format!("Content-Type: application/json\r\n{length}");
        // A chunked body that is empty has an end of its own.
        let end = if length.starts_with('T') {
            "0\r\n\r\n"
        } else {
            ""
        };
        for path in ground.readable() {
            wire.send(request("GET", &path, Some(&token), &headers) + end);
            assert_eq!(wire.answer("GET").unwrap().status, 200, "{path} {length}");
            wire.send(request("HEAD", &path, Some(&token), &headers) + end);
            let status = wire.answer("HEAD").unwrap().status;
            assert!(matches!(status, 200 | 204), "{path} {length}");
        }
        let made = ground.operator.post_text(
            &format!("/api/v1/Tenants/{TENANT}{CLIENTS}"),
            r#"{"Id":"made"}"#,
        );
        let path = made.expect(201).header("location").unwrap().to_owned();
        wire.send(request("DELETE", &path, Some(&token), &headers) + end);
        assert_eq!(wire.answer("DELETE").unwrap().status, 204, "{length}");
    }
}

#[track_caller]
fn guarded(answer: &Response, cache_control: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", cache_control),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
}

#[test]
fn every_answer_tells_browsers_and_caches_what_they_may_not_do() {
    let ground = Ground::new();
    let (operator, nobody) = (&ground.operator, ground.operator.without_token());
    for path in ground.readable() {
        let read = operator.get(&path).expect(200);
        let kept = match read.header("etag") {
            Some(_) if path.contains("/.well-known/") => "public, max-age=300",
            Some(_) => "private, no-cache",
            None => "no-store",
        };
        guarded(&read, kept);
        if let Some(tag) = read.header("etag") {
            let known = operator.send("GET", &path, &[("If-None-Match", tag)], None);
            guarded(&known.expect(304), kept);
        }
        guarded(
            &nobody.send("PATCH", &path, &[], None).expect(405),
            "no-store",
        );
        guarded(
            &nobody.get(&format!("{path}/a/b/c/d/e")).expect(404),
            "no-store",
        );
        if path.starts_with("/api") {
            guarded(&nobody.get(&path).expect(401), "no-store");
        }
    }
    let made = operator.post_text(&operator.v1(CLIENTS), r#"{"Id":"made"}"#);
    let client = made.header("location").unwrap().to_owned();
    let missing = format!("{}?id=none", operator.v1(CLIENTS));
    for answer in [
        made.expect(201),
        operator.token_answer().expect(200),
        nobody.form("/identity/connect/token", "").expect(401),
        nobody.get("/identity/connect/token").expect(405),
        operator.get(&missing).expect(207),
        operator.head(&missing).expect(404),
        operator.put(&client, &json!({ "Name": 1 })).expect(400),
        operator.delete(&client).expect(204),
    ] {
        guarded(&answer, "no-store");
    }
}

//! HEAD answers as GET does, without a body; 204 and 304 have none either.

use super::wire::{Answer, Wire, request};
use super::{CLIENT, CLIENTS, Ground};
use crate::harness::TENANT;

/// The headers that must be the same, in order.
fn comparable(answer: &Answer) -> Vec<(&str, &str)> {
    let differs = |name: &str| {
        matches!(
            name,
            "date" | "operation-id" | "content-length" | "transfer-encoding"
        )
    };
    let headers = answer.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut headers: Vec<_> = headers.filter(|(name, _)| !differs(name)).collect();
    headers.sort_unstable();
    headers
}

fn ask(wire: &mut Wire, method: &str, path: &str, token: Option<&str>, headers: &str) -> Answer {
    wire.send(request(method, path, token, headers));
    wire.answer(method).unwrap()
}

#[test]
fn head_has_the_status_and_headers_of_get_on_every_route() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    let tenant = format!("/api/v1/Tenants/{TENANT}");
    let mut paths = ground.readable();
    paths.extend([
        format!("{tenant}{CLIENTS}?count=1"),
        format!("{tenant}{CLIENTS}?skip=1&count=1&tag=a"),
        format!("{tenant}{CLIENTS}?id={CLIENT}&tag=a"),
        format!("{tenant}/Roles?count=2"),
    ]);
    for path in &paths {
        let get = ask(&mut wire, "GET", path, Some(&token), "");
        let head = ask(&mut wire, "HEAD", path, Some(&token), "");
        let expected = if *path == tenant { 204 } else { 200 };
        assert_eq!((get.status, head.status), (200, expected), "{path}");
        let mut headers = comparable(&get);
        if expected == 204 {
            headers.retain(|(name, _)| *name != "content-type");
        }
        assert_eq!(comparable(&head), headers, "{path}");
        let length = head.header("content-length");
        assert!(
            length.is_none() || length == get.header("content-length"),
            "{path}"
        );
        if head.header("total-count").is_some() {
            assert_eq!(length, None, "{path}");
        }
    }
}

#[test]
fn an_error_to_head_is_that_of_get_without_body_and_content_type() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let member = ground.server.member(TENANT).token.unwrap();
    let mut wire = Wire::open(ground.server.address());
    let tenant = format!("/api/v1/Tenants/{TENANT}");
    for (path, token, headers, status) in [
        ("/nothing".to_owned(), None, "", 404),
        (tenant.clone(), None, "", 401),
        (tenant.clone(), Some("garbage"), "", 401),
        ("/api/v1/Tenants".into(), Some(member.as_str()), "", 403),
        (format!("{tenant}{CLIENTS}/none"), Some(&operator), "", 404),
        (
            format!("{tenant}{CLIENTS}?skip=x"),
            Some(&operator),
            "",
            400,
        ),
        (
            format!("{tenant}{CLIENTS}"),
            Some(&operator),
            "Request-Timeout: 0\r\n",
            400,
        ),
        (
            format!("{tenant}{CLIENTS}"),
            Some(&operator),
            "Request-Timeout: 1e-9\r\n",
            408,
        ),
    ] {
        let get = ask(&mut wire, "GET", &path, token, headers);
        let head = ask(&mut wire, "HEAD", &path, token, headers);
        assert_eq!((get.status, head.status), (status, status), "{path}");
        let mut expected = comparable(&get);
        expected.retain(|(name, _)| *name != "content-type");
        assert_eq!(comparable(&head), expected, "{path}");
        let length = head.header("content-length");
        assert!(
            length.is_none() || length == get.header("content-length"),
            "{path}"
        );
    }
}

#[test]
fn head_of_a_list_by_ids_is_404_where_some_are_missing_with_the_count_of_those_found() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    let path = format!("/api/v1/Tenants/{TENANT}{CLIENTS}?id={CLIENT}&id=none&id=none-either");
    assert_eq!(ask(&mut wire, "GET", &path, Some(&token), "").status, 207);
    let head = ask(&mut wire, "HEAD", &path, Some(&token), "");
    assert_eq!((head.status, head.header("total-count")), (404, Some("1")));
    assert_eq!(head.header("content-type"), None);
}

#[test]
fn what_has_no_body_leaves_no_byte_before_the_next_answer() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let operator = &ground.operator;
    let path = operator.v1(&format!("{CLIENTS}/{CLIENT}"));
    let tag = operator
        .get(&path)
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    let known = format!("If-None-Match: {tag}\r\n");
    let with = |method: &str, path: &str, headers: &str| {
        (
            method.to_owned(),
            request(method, path, Some(&token), headers),
        )
    };
    let tenant = operator.v1("");
    let many = operator.v1(&format!("{CLIENTS}?count=100000"));
    let steps = [
        (with("HEAD", &many, ""), 200),
        (with("GET", &path, &known), 304),
        (with("HEAD", &path, &known), 304),
        (with("HEAD", &tenant, ""), 204),
        (with("HEAD", &path, ""), 200),
        (with("GET", &path, ""), 200),
        (with("HEAD", "/nothing", ""), 404),
        (with("HEAD", &operator.v1("/nothing"), ""), 404),
        (with("PATCH", &path, ""), 405),
        (with("HEAD", "/identity/connect/token", ""), 405),
        (
            with("HEAD", "/identity/.well-known/openid-configuration", ""),
            200,
        ),
        (with("GET", &many, ""), 200),
        (
            with("DELETE", &operator.v1(&format!("{CLIENTS}/none")), ""),
            404,
        ),
        (with("GET", &path, ""), 200),
        (with("DELETE", &path, ""), 204),
        (with("GET", &path, ""), 404),
    ];
    let mut wire = Wire::open(ground.server.address());
    // One after the other on one connection: a byte too many, and the next status line is none.
    for ((method, text), status) in &steps {
        wire.send(text);
        let answer = wire
            .answer(method)
            .unwrap_or_else(|| panic!("no answer to {text}"));
        assert_eq!(answer.status, *status, "{text}");
        if matches!(status, 204 | 304) {
            assert_eq!(answer.header("content-type"), None, "{text}");
            assert!(
                matches!(answer.header("content-length"), None | Some("0")),
                "{text}"
            );
            assert_eq!(answer.header("transfer-encoding"), None, "{text}");
        }
    }
}

/// Without HEAD among others: actix-http 3.20 answers each as it would the last that it has read,
/// so that a GET before a HEAD would lose its body. No HTTP client sends such a row.
#[test]
fn requests_that_come_in_one_piece_are_answered_one_after_the_other() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let operator = &ground.operator;
    let path = operator.v1(&format!("{CLIENTS}/{CLIENT}"));
    let tag = operator
        .get(&path)
        .expect(200)
        .header("etag")
        .unwrap()
        .to_owned();
    let known = format!("If-None-Match: {tag}\r\n");
    let list = operator.v1(CLIENTS);
    let body = r#"{"Id":"in-line"}"#;
    let json = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let none = operator.v1(&format!("{CLIENTS}/none"));
    let with = |method: &str, path: &str, headers: &str, body: &str| {
        let text = request(method, path, Some(&token), headers) + body;
        (method.to_owned(), text)
    };
    let steps = [
        (with("GET", &list, "", ""), 200),
        (with("GET", &path, &known, ""), 304),
        (with("DELETE", &none, "", ""), 404),
        (with("POST", &list, &json, body), 201),
        (with("POST", &list, &json, body), 409),
        (with("POST", "/nothing", &json, body), 404),
        (with("PATCH", &list, &json, body), 405),
        (with("POST", "/identity/connect/token", &json, body), 400),
        (with("DELETE", &path, "", ""), 204),
        (with("GET", &path, "", ""), 404),
        (with("GET", "/health/live", "", ""), 200),
    ];
    let mut wire = Wire::open(ground.server.address());
    wire.send(
        steps
            .iter()
            .map(|((_, text), _)| text.as_str())
            .collect::<String>(),
    );
    for ((method, text), status) in &steps {
        let answer = wire
            .answer(method)
            .unwrap_or_else(|| panic!("no answer to {text}"));
        assert_eq!(answer.status, *status, "{text}");
    }
    // And of HEAD alone.
    wire.send(request("HEAD", &list, Some(&token), "").repeat(5));
    for _ in 0..5 {
        assert_eq!(wire.answer("HEAD").unwrap().status, 200);
    }
}

#[test]
fn a_long_list_ends_where_the_next_answer_begins() {
    let ground = Ground::new();
    let operator = &ground.operator;
    for number in 0..1_100 {
        let body = format!(r#"{{"Id":"n{number}"}}"#);
        operator.post_text(&operator.v1(CLIENTS), &body).expect(201);
    }
    let token = operator.token.clone().unwrap();
    let query = format!("{CLIENTS}?count=2000");
    // The newest form says how long it is; the others are written while they are sent.
    for (path, says_its_length) in [
        (operator.v1(&query), true),
        (operator.preview(&query), false),
    ] {
        let mut wire = Wire::open(ground.server.address());
        wire.send(
            request("GET", &path, Some(&token), "") + &request("GET", "/health/live", None, ""),
        );
        let list = wire.answer("GET").unwrap();
        let listed: Vec<serde_json::Value> = serde_json::from_slice(&list.body).unwrap();
        assert_eq!(listed.len(), 1_102);
        let length = list.body.len().to_string();
        let expected = says_its_length.then_some(&*length);
        assert_eq!(list.header("content-length"), expected);
        assert_eq!(wire.answer("GET").unwrap().status, 200);
        let head = ask(&mut wire, "HEAD", &path, Some(&token), "");
        assert_eq!(comparable(&head), comparable(&list));
        assert_eq!(ask(&mut wire, "GET", "/health/live", None, "").status, 200);
    }
}

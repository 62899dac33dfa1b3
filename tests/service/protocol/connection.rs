//! A connection is kept after a refusal, and what was sent as a body is never read as a request.

use super::wire::{Wire, request};
use super::{CLIENTS, Ground};
use crate::harness::TENANT;
use credenza::system::clock::monotonic_now;

/// What must never be answered: it stands where a body does.
const HIDDEN: &str = "DELETE /hidden HTTP/1.1\r\nHost: x\r\n\r\n";

fn with_body(method: &str, path: &str, token: Option<&str>, headers: &str, body: &str) -> String {
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    request(method, path, token, &headers) + body
}

fn chunked(method: &str, path: &str, token: Option<&str>, headers: &str, body: &str) -> String {
    let headers = format!("{headers}Transfer-Encoding: chunked\r\n");
    let head = request(method, path, token, &headers);
    format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn a_connection_is_kept_after_a_body_that_nobody_wanted() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let member = ground.server.member(TENANT).token.unwrap();
    let clients = format!("/api/v1/Tenants/{TENANT}{CLIENTS}");
    let json = "Content-Type: application/json\r\n";
    let body = HIDDEN.repeat(200);
    let mut wire = Wire::open(ground.server.address());
    for write in [with_body, chunked] {
        for (method, path, token, headers, status) in [
            ("POST", clients.as_str(), None, json, 401),
            ("POST", &clients, Some("garbage"), json, 401),
            ("POST", &clients, Some(member.as_str()), json, 403),
            (
                "POST",
                &clients,
                Some(&operator),
                "Content-Type: text/plain\r\n",
                415,
            ),
            ("POST", &clients, Some(&operator), json, 400),
            ("PUT", "/nothing", None, json, 404),
            ("PATCH", &clients, None, json, 405),
            ("PUT", "/identity/connect/token", None, "", 405),
            ("POST", "/identity/connect/token", None, "", 400),
            ("GET", &clients, Some(&operator), json, 200),
            ("GET", "/health/live", None, "", 200),
            ("DELETE", &clients, Some(&operator), json, 405),
            ("HEAD", &clients, Some(&operator), json, 200),
        ] {
            wire.send(write(method, path, token, headers, &body));
            let answer = wire
                .answer(method)
                .unwrap_or_else(|| panic!("{method} {path}: closed"));
            assert_eq!(answer.status, status, "{method} {path}");
            wire.send(request("GET", &clients, Some(&operator), ""));
            let next = wire
                .answer("GET")
                .unwrap_or_else(|| panic!("after {method} {path}: closed"));
            assert_eq!(next.status, 200, "after {method} {path}");
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_never_read_as_requests() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let clients = format!("/api/v1/Tenants/{TENANT}{CLIENTS}");
    let json = "Content-Type: application/json\r\n";
    let body = HIDDEN.repeat(60_000);
    for write in [with_body, chunked] {
        for (token, status) in [(Some(operator.as_str()), 413), (None, 401)] {
            let mut wire = Wire::open(ground.server.address());
            // The other side may close before it has read all.
            let sent = wire.try_send(write("POST", &clients, token, json, &body));
            if let Some(answer) = wire.answer("POST") {
                assert_eq!(answer.status, status);
            } else {
                assert!(sent.is_err(), "closed without an answer");
            }
            let asked = wire.try_send(request("GET", "/health/live", None, ""));
            if asked.is_ok()
                && let Some(next) = wire.answer("GET")
            {
                assert_eq!(next.status, 200, "a part of the body was read as a request");
                assert!(String::from_utf8_lossy(&next.body).contains("live"));
            }
        }
    }
}

#[test]
fn a_body_that_is_only_announced_to_be_too_large_is_refused_before_it_comes() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let clients = format!("/api/v1/Tenants/{TENANT}{CLIENTS}");
    for length in ["1048577", "4294967296", "9223372036854775807"] {
        let headers = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        let mut wire = Wire::open(ground.server.address());
        wire.send(request("POST", &clients, Some(&operator), &headers));
        assert_eq!(wire.answer("POST").unwrap().status, 413, "{length}");
    }
}

#[test]
fn h24_requests_whose_length_can_be_read_in_two_ways_are_refused_and_hide_no_other() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let clients = format!("/api/v1/Tenants/{TENANT}{CLIENTS}");
    let before = ground.operator.get(&clients).expect(200).body;
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ] {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        let mut wire = Wire::open(ground.server.address());
        let hidden = request("DELETE", &format!("{clients}/pump"), Some(&operator), "");
        wire.send(request("POST", &clients, Some(&operator), &headers) + "0\r\n\r\n" + &hidden);
        let Some(answer) = wire.answer("POST") else {
            continue;
        };
        assert!(
            matches!(answer.status, 400 | 413 | 501),
            "{headers}: {}",
            answer.status
        );
        if let Some(next) = wire.answer("DELETE") {
            assert!(next.status >= 400, "{headers}: {}", next.status);
        }
    }
    assert_eq!(ground.operator.get(&clients).expect(200).body, before);
}

#[test]
fn a_body_that_is_asked_to_be_wanted_comes_after_100() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let clients = format!("/api/v1/Tenants/{TENANT}{CLIENTS}");
    let mut wire = Wire::open(ground.server.address());
    let headers = "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n";
    wire.send(request("POST", &clients, Some(&operator), headers));
    assert_eq!(wire.answer("POST").unwrap().status, 100);
    wire.send("{}");
    assert_eq!(wire.answer("POST").unwrap().status, 201);
    wire.send(request("GET", "/health/live", None, ""));
    assert_eq!(wire.answer("GET").unwrap().status, 200);
}

#[test]
fn an_offer_to_upgrade_is_passed_over_at_once() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let clients = format!("/api/v1/Tenants/{TENANT}{CLIENTS}");
    // As the HTTP client of Java offers HTTP/2 with its first request; and what nobody should.
    for offer in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\n",
    ] {
        let begun = monotonic_now();
        let mut wire = Wire::open(ground.server.address());
        wire.send(request("GET", &clients, Some(&operator), offer));
        assert_eq!(wire.answer("GET").unwrap().status, 200, "{offer}");
        let mut wire = Wire::open(ground.server.address());
        wire.send(request(
            "DELETE",
            &format!("{clients}/none"),
            Some(&operator),
            offer,
        ));
        assert_eq!(wire.answer("DELETE").unwrap().status, 404, "{offer}");
        let mut wire = Wire::open(ground.server.address());
        let json = format!("{offer}Content-Type: application/json\r\n");
        wire.send(with_body("POST", &clients, Some(&operator), &json, "{}"));
        let status = wire.answer("POST").unwrap().status;
        assert!(matches!(status, 201 | 400), "{offer}: {status}");
        let mut wire = Wire::open(ground.server.address());
        wire.send(request("POST", &clients, Some(&operator), &json));
        assert_eq!(wire.answer("POST").unwrap().status, 400, "{offer}");
        let waited = monotonic_now().duration_since(begun);
        assert!(waited.as_secs() < 10, "{offer}: {waited:?}");
    }
}

#[test]
fn http_1_0_is_answered_and_its_connection_closed() {
    let ground = Ground::new();
    let mut wire = Wire::open(ground.server.address());
    wire.send("GET /health/live HTTP/1.0\r\n\r\n");
    assert_eq!(wire.answer("GET").unwrap().status, 200);
    assert!(wire.answer("GET").is_none());
}

#[test]
fn requests_in_other_forms_of_the_target_get_no_5xx() {
    let ground = Ground::new();
    let operator = ground.operator.token.clone().unwrap();
    let tenant = format!("/api/v1/Tenants/{TENANT}");
    let mut wire = Wire::open(ground.server.address());
    // The absolute form names the same (RFC 9112 section 3.2.2), whatever host it names.
    let absolute = format!("http://evil.example:1{tenant}");
    wire.send(request("GET", &absolute, Some(&operator), ""));
    assert_eq!(wire.answer("GET").unwrap().status, 200);
    for (method, target) in [
        ("OPTIONS", "*"),
        ("GET", "*"),
        ("CONNECT", "evil.example:443"),
        ("GET", "evil.example"),
        ("GET", ""),
        ("GET", "?x"),
        ("GET", "http://"),
    ] {
        let mut wire = Wire::open(ground.server.address());
        wire.send(request(method, target, Some(&operator), ""));
        if let Some(answer) = wire.answer(method) {
            assert!(
                (400..500).contains(&answer.status),
                "{method} {target}: {}",
                answer.status
            );
        }
    }
}

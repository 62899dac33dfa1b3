//! What the HTTP parser takes and what it refuses: its bare 400 or 431, and never a 5xx.

use super::wire::{Wire, request};
use super::{CLIENT, CLIENTS, Ground};
use crate::harness::TENANT;

/// Sends what the parser must refuse.
#[track_caller]
fn refused_by_the_parser(ground: &Ground, what: &str, text: &str) {
    let mut wire = Wire::open(ground.server.address());
    // It may be refused before all of it is read.
    let sent = wire.try_send(text);
    match wire.answer("GET") {
        Some(answer) => assert!(
            matches!(answer.status, 400 | 414 | 431),
            "{what}: {}",
            answer.status
        ),
        None => assert!(sent.is_err(), "{what}: closed without an answer"),
    }
    // And it is of no consequence to anybody else.
    ground.operator.get(&ground.operator.v1("")).expect(200);
}

#[test]
fn a_url_of_nearly_64_kib_with_1_000_ids_works() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let ids: String = (0..999).map(|n| format!("&id={n:060}")).collect();
    let path = format!("/api/v1/Tenants/{TENANT}{CLIENTS}?id={CLIENT}{ids}");
    assert!((64_000..65_000).contains(&path.len()), "{}", path.len());
    let mut wire = Wire::open(ground.server.address());
    wire.send(request("GET", &path, Some(&token), ""));
    let answer = wire.answer("GET").unwrap();
    assert_eq!(
        (answer.status, answer.header("total-count")),
        (207, Some("1"))
    );
    wire.send(request("HEAD", &path, Some(&token), ""));
    let answer = wire.answer("HEAD").unwrap();
    assert_eq!(
        (answer.status, answer.header("total-count")),
        (404, Some("1"))
    );
    // All of them found.
    for n in 0..999 {
        let body = format!(r#"{{"Id":"{n:060}"}}"#);
        ground
            .operator
            .post_text(&ground.operator.v1(CLIENTS), &body)
            .expect(201);
    }
    wire.send(request("GET", &path, Some(&token), ""));
    let answer = wire.answer("GET").unwrap();
    assert_eq!(
        (answer.status, answer.header("total-count")),
        (200, Some("1000"))
    );
    let found: Vec<serde_json::Value> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(found.len(), 1_000);
}

#[test]
fn urls_and_headers_beyond_measure_are_the_parsers_400_or_431() {
    let ground = Ground::new();
    let long = |length: usize| "x".repeat(length);
    for length in [65_536, 70_000, 130_000, 1_000_000] {
        let text = request(
            "GET",
            &format!("/api/v1/Tenants/{}", long(length)),
            None,
            "",
        );
        refused_by_the_parser(&ground, &format!("a path of {length}"), &text);
        let text = request("GET", &format!("/health/live?{}", long(length)), None, "");
        refused_by_the_parser(&ground, &format!("a query of {length}"), &text);
    }
    for length in [140_000, 1_000_000] {
        let header = format!("X-Long: {}\r\n", long(length));
        let text = request("GET", "/health/live", None, &header);
        refused_by_the_parser(&ground, &format!("a header of {length}"), &text);
        let header = format!("{}: x\r\n", long(length));
        let text = request("GET", "/health/live", None, &header);
        refused_by_the_parser(&ground, &format!("a name of {length}"), &text);
    }
    let many: String = (0..1_000).map(|n| format!("X-{n}: x\r\n")).collect();
    refused_by_the_parser(
        &ground,
        "1,000 headers",
        &request("GET", "/health/live", None, &many),
    );
}

#[test]
fn what_is_no_http_is_refused() {
    let ground = Ground::new();
    for text in [
        "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost x\r\n\r\n",
        "GET / HTTP/1.1\r\nA\0B: x\r\n\r\n",
        "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nX : a\r\n\r\n",
        "G\u{e9}T / HTTP/1.1\r\n\r\n",
        "{}\r\n\r\n",
    ] {
        refused_by_the_parser(&ground, text, text);
    }
}

#[test]
fn long_tokens_and_long_segments_are_read_and_refused_for_what_they_are() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let mut wire = Wire::open(ground.server.address());
    for length in [1_000, 15_000, 60_000] {
        let long = "x".repeat(length);
        wire.send(request("GET", &ground.operator.v1(""), Some(&long), ""));
        assert_eq!(wire.answer("GET").unwrap().status, 401, "{length}");
        for path in [
            format!("/api/v1/Tenants/{long}"),
            ground.operator.v1(&format!("{CLIENTS}/{long}")),
            format!("/{long}"),
        ] {
            wire.send(request("GET", &path, Some(&token), ""));
            let answer = wire.answer("GET").unwrap();
            assert_eq!(answer.status, 404, "{length}");
            assert!(answer.body.len() < 1_000, "the error repeats it all");
        }
    }
    let headers: String = (0..80).map(|n| format!("X-{n}: x\r\n")).collect();
    wire.send(request(
        "GET",
        &ground.operator.v1(""),
        Some(&token),
        &headers,
    ));
    assert_eq!(wire.answer("GET").unwrap().status, 200);
}

#[test]
fn a_bearer_token_is_found_however_the_header_is_written_and_two_are_refused() {
    let ground = Ground::new();
    let token = ground.operator.token.clone().unwrap();
    let path = ground.operator.v1("");
    let mut wire = Wire::open(ground.server.address());
    let good = format!("Authorization: Bearer {token}\r\n");
    for (headers, status) in [
        (format!("authorization: bEaReR {token}\r\n"), 200),
        (format!("AUTHORIZATION:\tBearer   {token}  \r\n"), 200),
        (good.clone(), 200),
        (good.repeat(2), 401),
        (format!("{good}Authorization: Bearer x\r\n"), 401),
        (format!("Authorization: Bearer x\r\n{good}"), 401),
        (format!("Authorization: {token}\r\n"), 401),
        (format!("Authorization: Bearer {token} x\r\n"), 401),
        (format!("Authorization: Bearer \"{token}\"\r\n"), 401),
        (format!("Authorization: Bearer {token}=\r\n"), 401),
        (format!("Authorization: Basic {token}\r\n"), 401),
        ("Authorization: Bearer\r\n".into(), 401),
        ("Authorization:\r\n".into(), 401),
        ("Authorization: Bearer \u{e9}\r\n".into(), 401),
    ] {
        wire.send(request("GET", &path, None, &headers));
        let answer = wire.answer("GET").unwrap();
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    }
    // Nor is it taken from elsewhere (RS21).
    wire.send(request(
        "GET",
        &format!("{path}?access_token={token}"),
        None,
        "",
    ));
    assert_eq!(wire.answer("GET").unwrap().status, 401);
}

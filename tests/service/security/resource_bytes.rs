//! The management API against tokens that are broken in their bytes, sent in the wrong place, or
//! whose client or key is gone (RS16 to RS27 of the checklist).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::jwt::{self, Forger};
use crate::harness::{Caller, Server, TENANT, anonymous, wire};

const CLIENTS: &str = "/ClientCredentialClients";

/// The three parts of a caller's token, decoded.
fn parts(caller: &Caller) -> [Vec<u8>; 3] {
    let token = caller.token.as_ref().unwrap();
    let parts: Vec<_> = token.split('.').collect();
    [0, 1, 2].map(|part| URL_SAFE_NO_PAD.decode(parts[part]).unwrap())
}

fn join(parts: &[Vec<u8>; 3]) -> String {
    parts
        .each_ref()
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".")
}

#[track_caller]
fn refused(caller: &Caller, token: &str) {
    let answer = caller.with_token(token).get(&caller.v1(CLIENTS));
    answer.refused(401);
}

#[test]
fn rs16_every_single_bit_counts() {
    let server = Server::start();
    let operator = server.operator();
    let good = parts(&operator);
    let mut flips = Vec::new();
    for (part, bytes) in good.iter().enumerate() {
        flips.extend((0..bytes.len() * 8).map(|bit| (part, bit)));
    }
    assert!(flips.len() > 4_000);
    std::thread::scope(|scope| {
        for share in flips.chunks(flips.len().div_ceil(4)) {
            let (good, operator) = (&good, &operator);
            scope.spawn(move || {
                for (part, bit) in share {
                    let mut flipped = good.clone();
                    flipped[*part][bit / 8] ^= 1 << (bit % 8);
                    refused(operator, &join(&flipped));
                }
            });
        }
    });
    operator.get(&operator.v1(CLIENTS)).expect(200);
}

#[test]
fn rs17_a_signature_is_two_numbers_of_32_bytes_below_the_order() {
    let server = Server::start();
    let operator = server.operator();
    let good = parts(&operator);
    let (r, s) = good[2].split_at(32);
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let integer = |number: &[u8]| [&[0x02, 33, 0][..], number].concat();
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    let all = [
        vec![],
        vec![0; 64],
        vec![0xff; 64],
        [r, &order].concat(),
        [&order, s].concat(),
        [r, &[0; 32]].concat(),
        [&[0; 32], s].concat(),
        [s, r].concat(),
        good[2][..63].to_vec(),
        [&good[2][..], &[0]].concat(),
        [&[0], &good[2][..]].concat(),
        der,
    ];
    for signature in all {
        let token = join(&[good[0].clone(), good[1].clone(), signature]);
        refused(&operator, &token);
    }
}

#[test]
fn rs18_a_token_has_one_spelling() {
    let server = Server::start();
    let operator = server.operator();
    let good = operator.token.clone().unwrap();
    for padding in ["=", "==", "%3D", "A", "AA"] {
        refused(&operator, &format!("{good}{padding}"));
        refused(&operator, &good.replacen('.', &format!("{padding}."), 1));
    }
    for space in [" .", "\t."] {
        refused(&operator, &good.replacen('.', space, 1));
    }
    // 64 bytes are 85 characters and a third: the last one's four low bits must be zero.
    let last = good.chars().last().unwrap();
    assert!("AQgw".contains(last));
    for other in ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['-', '_'])
    {
        if other != last {
            refused(&operator, &format!("{}{other}", &good[..good.len() - 1]));
        }
    }
    // The other alphabet: a token that has a character of this one is soon found.
    let odd = std::iter::repeat_with(|| server.operator().token.unwrap())
        .find(|token| token.contains('-') && token.contains('_'))
        .unwrap();
    refused(&operator, &odd.replace('-', "+"));
    refused(&operator, &odd.replace('_', "/"));
}

#[test]
fn rs19_header_and_claims_are_strict_json() {
    let server = Server::start();
    let operator = server.operator();
    let forger = Forger::with_key_of(&server);
    let header = forger.header().to_string();
    let claims = jwt::decode(operator.token.as_ref().unwrap())
        .claims
        .to_string();
    let good = forger.sign(&header, &claims);
    let answer = operator.with_token(&good).get(&operator.v1(CLIENTS));
    answer.expect(200);
    let inside = |text: &str, extra: &[u8]| {
        let end = text.len() - 1;
        [&text.as_bytes()[..end], b",", extra, b"}"].concat()
    };
    let deep = [b"\"x\":".to_vec(), vec![b'['; 5_000], vec![b']'; 5_000]].concat();
    let bodies: [&[u8]; 3] = [br#""exp":4102444800"#, b"\"x\":\"\xff\"", &deep];
    for extra in bodies {
        refused(&operator, &forger.sign(&header, inside(&claims, extra)));
    }
    let in_header: [&[u8]; 3] = [br#""alg":"ES256""#, br#""kid":"x""#, b"\"x\":\"\xff\""];
    for extra in in_header {
        refused(&operator, &forger.sign(inside(&header, extra), &claims));
    }
    for text in [
        format!("\u{feff}{claims}"),
        format!("{claims}{claims}"),
        format!("{claims}x"),
        format!("[{claims}]"),
        "null".to_owned(),
        String::new(),
    ] {
        refused(&operator, &forger.sign(&header, text));
    }
    for text in [
        format!("\u{feff}{header}"),
        "{}".to_owned(),
        "[]".to_owned(),
    ] {
        refused(&operator, &forger.sign(text, &claims));
    }
}

#[test]
fn rs20_only_the_compact_form_of_three_parts_is_a_token() {
    let server = Server::start();
    let operator = server.operator();
    let forger = Forger::with_key_of(&server);
    let good = operator.token.clone().unwrap();
    let [header, claims, signature] = [0, 1, 2].map(|part| good.split('.').nth(part).unwrap());
    let nested = forger.sign(forger.header().to_string(), &good);
    for token in [
        format!("{header}.{claims}"),
        format!("{good}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}..{signature}"),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
        nested,
    ] {
        refused(&operator, &token);
    }
}

#[test]
fn rs21_a_token_counts_in_the_header_alone() {
    let server = Server::start();
    let operator = server.operator();
    let token = operator.token.clone().unwrap();
    let nobody = anonymous(server.address());
    let path = operator.v1(&format!("{CLIENTS}?access_token={token}"));
    nobody.get(&path).refused(401);
    nobody
        .form(&operator.v1(CLIENTS), &format!("access_token={token}"))
        .refused(401);
    operator.get(&path).refused_because(400, "access_token");
    operator
        .get(&operator.v1(&format!("{CLIENTS}?Access%5Ftoken=")))
        .refused(400);
}

#[test]
fn rs22_a_missing_role_is_insufficient_scope_with_an_operation_id() {
    let server = Server::start();
    let member = server.member(TENANT);
    for answer in [
        member.post(&member.v1(CLIENTS), &json!({})),
        member.delete(&member.v1(&format!("{CLIENTS}/operator"))),
        member.get("/api/v1/Tenants"),
        member.get(&member.legacy("/ClientCredentialClient")),
    ] {
        let challenge = r#"Bearer realm="credenza", error="insufficient_scope""#;
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
        // With the operation's id, the same as in the header.
        answer.refused(403);
    }
}

#[test]
fn rs24_rights_end_at_once_with_the_client_or_its_tenant() {
    let server = Server::start();
    let operator = server.operator();
    let tenant = server.new_tenant("Short-lived");
    let caller = server.administrator(&tenant);
    let other = server.administrator(&tenant);
    let path = caller.v1(CLIENTS);
    caller.get(&path).expect(200);
    let own = format!("{path}/{}", caller.id);
    operator.put(&own, &json!({ "Enabled": false })).expect(200);
    caller.get(&path).refused(403);
    caller.get(&own).refused(403);
    operator.put(&own, &json!({ "Enabled": true })).expect(200);
    caller.get(&path).expect(200);
    operator.delete(&own).expect(204);
    caller.get(&path).refused(403);
    other.get(&path).expect(200);
    operator
        .delete(&format!("/api/v1/Tenants/{tenant}"))
        .expect(204);
    other.get(&path).refused(403);
}

#[test]
fn rs25_a_token_of_a_key_that_was_taken_away_is_refused() {
    let mut server = Server::start();
    let before = server.operator();
    let kid = jwt::published_keys(&server)[0]["kid"].clone();
    server.stop();
    std::fs::remove_file(server.data().join("signing-key.pem")).unwrap();
    server.run();
    assert_ne!(jwt::published_keys(&server)[0]["kid"], kid);
    let before = before.moved_to(server.address());
    refused(&before, before.token.as_ref().unwrap());
    let after = server.operator();
    after.get(&after.v1(CLIENTS)).expect(200);
}

#[test]
fn rs26_head_is_get_without_a_body() {
    let server = Server::start();
    let operator = server.operator();
    let member = server.member(TENANT);
    let nobody = anonymous(server.address());
    let garbage = operator.with_token("a.b.c");
    let missing = operator.v1(&format!("{CLIENTS}/nobody"));
    let secrets = operator.v1(&format!("{CLIENTS}/operator/Secrets"));
    let one = operator.v1(&format!("{CLIENTS}/operator"));
    for (caller, path, status) in [
        (&operator, &one, 200),
        (&operator, &missing, 404),
        (&member, &one, 200),
        (&member, &secrets, 403),
        (&nobody, &one, 401),
        (&garbage, &one, 401),
    ] {
        let get = caller.get(path).expect(status);
        let head = caller.head(path).expect(status);
        assert!(head.body.is_empty());
        for name in ["www-authenticate", "etag", "cache-control", "total-count"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        let kind = get.header("content-type").filter(|_| status == 200);
        assert_eq!(head.header("content-type"), kind);
    }
}

#[test]
fn rs27_the_scheme_is_read_in_any_case() {
    let server = Server::start();
    let operator = server.operator();
    let token = operator.token.as_ref().unwrap();
    for (name, scheme) in [
        ("authorization", "bEaReR"),
        ("AUTHORIZATION", "BEARER"),
        ("Authorization", "bearer"),
    ] {
        let value = format!("{scheme} {token}");
        operator
            .send("GET", &operator.v1(CLIENTS), &[(name, &value)], None)
            .expect(200);
    }
}

#[test]
fn rs28_tokens_and_headers_beyond_measure_are_refused_and_never_5xx() {
    let server = Server::start();
    let operator = server.operator();
    let ask = |headers: &str| {
        let path = operator.v1(CLIENTS);
        let close = "Host: x\r\nConnection: close";
        let request = format!("GET {path} HTTP/1.1\r\n{close}\r\n{headers}\r\n\r\n");
        wire::exchange(server.address(), request.as_bytes())
    };
    let good = format!("Authorization: Bearer {}", operator.token.as_ref().unwrap());
    for length in [15 * 1024, 60 * 1024] {
        let long = format!("Authorization: Bearer {}", "x".repeat(length));
        assert_eq!(ask(&long)[0].status, 401, "{length}");
        let claims = format!("{good}{}", "A".repeat(length));
        assert_eq!(ask(&claims)[0].status, 401, "{length}");
    }
    let more = |count: usize| {
        (0..count)
            .map(|n| format!("\r\nX-{n}: x"))
            .collect::<String>()
    };
    assert_eq!(ask(&format!("{good}{}", more(90)))[0].status, 200);
    let large = format!("{good}\r\nX-Large: {}", "x".repeat(130 * 1024));
    for headers in [format!("{good}{}", more(100)), large] {
        // The parser may also close the connection before it has read so much.
        let replies = ask(&headers);
        let refused = |reply: &wire::Reply| matches!(reply.status, 400 | 431);
        assert!(replies.iter().all(refused), "{replies:?}");
    }
    operator.get(&operator.v1(CLIENTS)).expect(200);
}

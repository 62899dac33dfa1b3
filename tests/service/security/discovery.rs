//! Discovery and keys (D01 to D10 and D12 of the checklist).

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::harness::jwt::{self, Forger, point, published_keys, thumbprint};
use crate::harness::response::keys;
use crate::harness::{OPERATOR, OPERATOR_SECRET, Server, anonymous, wire};

const ISSUER: &str = "http://credenza.test/identity";
const OPENID: &str = "/identity/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/identity";
const JWKS: &str = "/identity/.well-known/openid-configuration/jwks";
const DOCUMENTS: [&str; 3] = [OPENID, OAUTH, JWKS];

#[test]
fn d01_the_document_names_the_issuer_that_it_lies_under() {
    let server = Server::start();
    let openid = anonymous(server.address()).get(OPENID).expect(200);
    assert_eq!(openid.header("content-type"), Some("application/json"));
    assert_eq!(openid.json()["issuer"], ISSUER);
}

#[test]
fn d02_both_places_say_the_same() {
    let server = Server::start();
    let caller = anonymous(server.address());
    let openid = caller.get(OPENID).expect(200);
    let oauth = caller.get(OAUTH).expect(200);
    assert_eq!(oauth.header("content-type"), Some("application/json"));
    assert_eq!(openid.json(), oauth.json());
}

#[test]
fn d04_the_values_are_those_of_a_client_credentials_server() {
    let server = Server::start();
    let metadata = anonymous(server.address()).get(OPENID).expect(200).json();
    let expected = json!({
        "issuer": ISSUER,
        "token_endpoint": format!("{ISSUER}/connect/token"),
        "jwks_uri": format!("{ISSUER}/.well-known/openid-configuration/jwks"),
        "scopes_supported": ["ocsapi"],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    });
    assert_eq!(metadata, expected);
}

#[test]
fn d03_the_urls_lead_where_they_say() {
    let server = Server::start();
    let caller = anonymous(server.address());
    let metadata = caller.get(OPENID).expect(200).json();
    let path = |name: &str| {
        let url = metadata[name].as_str().unwrap();
        url.strip_prefix("http://credenza.test").unwrap().to_owned()
    };
    caller.get(&path("jwks_uri")).expect(200);
    let form = format!(
        "grant_type=client_credentials&client_id={OPERATOR}&client_secret={OPERATOR_SECRET}"
    );
    caller.form(&path("token_endpoint"), &form).expect(200);
}

#[test]
fn d05_each_listed_way_to_authenticate_works() {
    let server = Server::start();
    let caller = anonymous(server.address());
    let metadata = caller.get(OPENID).expect(200).json();
    let grant = "grant_type=client_credentials";
    let path = "/identity/connect/token";
    for method in metadata["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap()
    {
        let answer = match method.as_str().unwrap() {
            "client_secret_post" => {
                let form = format!("{grant}&client_id={OPERATOR}&client_secret={OPERATOR_SECRET}");
                caller.form(path, &form)
            }
            "client_secret_basic" => {
                let user = STANDARD.encode(format!("{OPERATOR}:{OPERATOR_SECRET}"));
                let headers = [
                    ("Content-Type", "application/x-www-form-urlencoded"),
                    ("Authorization", &format!("Basic {user}")),
                ];
                caller.send("POST", path, &headers, Some(grant.as_bytes()))
            }
            other => panic!("{other} is listed and has no test"),
        };
        answer.expect(200);
    }
}

#[test]
fn d06_nothing_is_empty_or_null() {
    let server = Server::start();
    for path in [OPENID, OAUTH] {
        let metadata = anonymous(server.address()).get(path).expect(200).json();
        for (name, value) in metadata.as_object().unwrap() {
            assert!(!value.is_null(), "{name}");
            assert!(
                value.as_array().is_none_or(|list| !list.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn d07_no_header_changes_the_issuer() {
    let server = Server::start();
    let caller = anonymous(server.address());
    let expected = caller.get(OPENID).expect(200).body;
    let request = |line: &str, headers: &str| {
        let request = format!("{line} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        wire::exchange(server.address(), request.as_bytes()).remove(0)
    };
    for headers in [
        "Host: evil.example",
        "Host: evil.example:443\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https",
        "Host: credenza.test\r\nForwarded: host=evil.example;proto=https",
    ] {
        let reply = request(&format!("GET {OPENID}"), headers);
        assert_eq!((reply.status, &reply.body), (200, &expected), "{headers}");
    }
    let absolute = request(
        &format!("GET http://evil.example{OPENID}"),
        "Host: evil.example",
    );
    assert_eq!((absolute.status, &absolute.body), (200, &expected));
}

#[test]
fn d08_the_documents_are_open_and_can_be_kept() {
    let server = Server::start();
    let caller = anonymous(server.address());
    for path in DOCUMENTS {
        let answer = caller.get(path).expect(200);
        let kept = answer.header("cache-control").unwrap();
        assert!(kept.starts_with("public, max-age="), "{kept}");
        let etag = answer.header("etag").unwrap().to_owned();
        for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let again = caller.send("GET", path, &[("If-None-Match", &known)], None);
            let again = again.expect(304);
            assert!(again.body.is_empty());
            assert_eq!(again.header("etag"), Some(etag.as_str()));
        }
        let other = caller.send("GET", path, &[("If-None-Match", "\"x\"")], None);
        other.expect(200);
        let head = caller.head(path).expect(200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("etag"), Some(etag.as_str()));
        assert_eq!(head.header("content-type"), Some("application/json"));
        for method in ["POST", "PUT", "DELETE"] {
            let refused = caller.send(method, path, &[], None);
            let allow = refused.header("allow").unwrap().to_owned();
            assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
            refused.refused(405);
        }
        // A bad token does not matter where none is asked for.
        let bad = caller.send("GET", path, &[("Authorization", "Bearer x")], None);
        bad.expect(200);
    }
}

#[test]
fn d09_the_keys_are_public_and_named_by_their_thumbprint() {
    let server = Server::start();
    let answer = anonymous(server.address()).get(JWKS).expect(200);
    assert_eq!(keys(&answer.json()), ["keys"]);
    let published = published_keys(&server);
    assert!(!published.is_empty());
    let mut kids = HashSet::new();
    for key in &published {
        assert_eq!(keys(key), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(key["kty"], "EC");
        assert_eq!(key["crv"], "P-256");
        assert_eq!(key["alg"], "ES256");
        assert_eq!(key["use"], "sig");
        assert_eq!(key["kid"], thumbprint(key));
        assert_eq!(point(key).len(), 65);
        assert!(kids.insert(key["kid"].clone()));
    }
}

#[test]
fn d10_a_coordinate_that_begins_with_zero_keeps_its_32_bytes() {
    // One key in 128 has an x or a y that begins with a zero byte.
    let key = std::iter::repeat_with(Forger::new_key)
        .find(|key| {
            let point = point(&Forger::from_der(key).jwk());
            point[1] == 0 || point[33] == 0
        })
        .unwrap();
    let mut server = Server::start();
    server.stop();
    let base64 = STANDARD.encode(&key);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    // Written over, so that its mode stays.
    std::fs::write(server.data().join("signing-key.pem"), pem).unwrap();
    server.run();
    let published = published_keys(&server);
    assert_eq!(point(&published[0]), point(&Forger::from_der(&key).jwk()));
    let token = server.operator().token.unwrap();
    assert!(jwt::decode(&token).is_signed_by(&published[0]));
}

#[test]
fn d12_the_keys_survive_a_restart() {
    let mut server = Server::start();
    let operator = server.operator();
    let published = published_keys(&server);
    server.restart();
    assert_eq!(published_keys(&server), published);
    let operator = operator.moved_to(server.address());
    operator
        .get(&operator.v1("/ClientCredentialClients"))
        .expect(200);
    let token = server.operator().token.unwrap();
    assert!(jwt::decode(&token).is_signed_by(&published[0]));
}

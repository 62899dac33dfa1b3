//! What is in an access token (J01 to J11 of the checklist), read as any other service reads it.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credenza::domain::times::Timestamp;
use credenza::system::random::SystemRandom;
use serde_json::{Value, json};

use super::token_endpoint::{form_and, post};
use crate::harness::jwt::{self, Jwt, published_keys, thumbprint};
use crate::harness::response::keys;
use crate::harness::{
    ADMINISTRATOR, CLUSTER_OPERATOR, Caller, Choices, MEMBER, NOON, OPERATOR, Server, TENANT,
    how_many,
};

const ISSUER: &str = "http://credenza.test/identity";

fn token_of(caller: &Caller) -> Jwt {
    jwt::decode(&caller.token_answer().expect(200).text("access_token"))
}

#[test]
fn j01_the_header_is_alg_typ_and_kid_alone() {
    let server = Server::start();
    let token = token_of(&server.operator());
    assert_eq!(keys(&token.header), ["alg", "kid", "typ"]);
    assert_eq!(token.header["alg"], "ES256");
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(token.header["kid"], published_keys(&server)[0]["kid"]);
}

#[test]
fn j02_the_claims_are_those_of_the_contract() {
    let server = Server::start();
    let claims = token_of(&server.operator()).claims;
    let names = [
        "aud",
        "client_id",
        "exp",
        "gen",
        "iat",
        "iss",
        "jti",
        "nbf",
        "role_types",
        "roles",
        "scope",
        "sub",
        "tid",
    ];
    assert_eq!(keys(&claims), names);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["client_id"], OPERATOR);
    for name in ["exp", "iat", "nbf"] {
        assert!(claims[name].is_u64(), "{name}");
    }
}

#[test]
fn j03_the_subject_is_the_client_in_its_tenant() {
    let server = Server::start();
    let claims = token_of(&server.operator()).claims;
    assert_eq!(claims["sub"], format!("{TENANT}/{OPERATOR}"));
    assert_eq!(claims["tid"], TENANT);
}

#[test]
fn j04_the_audience_is_the_default_whatever_resource_is_named() {
    let server = Server::start();
    for rest in ["", "&audience=https://other.example", "&audience="] {
        let answer = post(&server, &[], &form_and(rest)).expect(200);
        let claims = jwt::decode(&answer.text("access_token")).claims;
        assert_eq!(claims["aud"], "ocsapi", "{rest}");
    }
}

#[test]
fn j06_the_scope_is_a_claim() {
    let server = Server::start();
    for rest in ["", "&scope=ocsapi"] {
        let answer = post(&server, &[], &form_and(rest)).expect(200);
        let claims = jwt::decode(&answer.text("access_token")).claims;
        assert_eq!(claims["scope"], "ocsapi", "{rest}");
    }
}

#[test]
fn j09_a_token_is_good_from_now_for_its_lifetime() {
    let server = Server::start();
    let noon = Timestamp::parse("NOON", NOON).unwrap().unix_seconds();
    for after in [0, 86_399] {
        server.clock.advance_seconds(after);
        let claims = token_of(&server.operator()).claims;
        assert_eq!(claims["iat"], json!(noon + after));
        assert_eq!(claims["nbf"], json!(noon + after));
        assert_eq!(claims["exp"], json!(noon + after + 3_600));
    }
}

#[test]
fn j05_roles_are_ids_and_role_types_the_built_in_among_them() {
    let server = Server::start();
    let sorted = |value: &Value| {
        let texts = value.as_array().unwrap().iter();
        let mut texts: Vec<_> = texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect();
        texts.sort();
        texts
    };
    let claims = token_of(&server.operator()).claims;
    let mut held = vec![
        server.role(TENANT, MEMBER),
        server.role(TENANT, ADMINISTRATOR),
        CLUSTER_OPERATOR.to_owned(),
    ];
    held.sort();
    assert_eq!(sorted(&claims["roles"]), held);
    let mut types = [MEMBER, ADMINISTRATOR, CLUSTER_OPERATOR];
    types.sort_unstable();
    assert_eq!(sorted(&claims["role_types"]), types);

    let operator = server.operator();
    let own = operator.post(&operator.v1("/Roles"), &json!({ "Name": "Own" }));
    let own = own.expect(201).text("Id");
    let caller = server.caller_with(TENANT, std::slice::from_ref(&own));
    let claims = token_of(&caller).claims;
    let mut held = [server.role(TENANT, MEMBER), own];
    held.sort();
    assert_eq!(sorted(&claims["roles"]), held);
    assert_eq!(claims["role_types"], json!([MEMBER]));
}

#[test]
fn j07_every_token_has_a_name_of_128_bits_of_its_own() {
    // Drawn from the machine's own source, as in earnest.
    let random = Arc::new(SystemRandom);
    let server = Server::with(Choices {
        random: Some(random),
        ..Choices::default()
    });
    let operator = server.operator();
    let tokens = how_many("CREDENZA_TOKENS", 1_000);
    let names: Vec<HashSet<[u8; 16]>> = std::thread::scope(|scope| {
        let fetchers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..tokens / 4).map(|_| name_of_token(&operator)).collect()))
            .collect();
        let names = fetchers.into_iter().map(|fetcher| fetcher.join().unwrap());
        names.collect()
    });
    let distinct: HashSet<_> = names.iter().flatten().collect();
    assert_eq!(distinct.len() as u64, tokens / 4 * 4);
    // Each of the bits is set in about half of them: no time, no counter, no fixed version of a UUID.
    for bit in 0..128 {
        let set = distinct
            .iter()
            .filter(|name| name[bit / 8] >> (bit % 8) & 1 == 1);
        let share = set.count() as f64 / distinct.len() as f64;
        assert!((0.35..0.65).contains(&share), "bit {bit} is set in {share}");
    }
}

/// The `jti` of a new token: 22 characters, 16 bytes.
fn name_of_token(client: &Caller) -> [u8; 16] {
    let name = token_of(client).claims["jti"].as_str().unwrap().to_owned();
    URL_SAFE_NO_PAD.decode(name).unwrap().try_into().unwrap()
}

#[test]
fn j08_the_signature_is_64_bytes_and_verifies_with_the_published_key() {
    let server = Server::start();
    let published = published_keys(&server);
    let stranger = jwt::Forger::stranger().jwk();
    for _ in 0..50 {
        let token = token_of(&server.operator());
        assert_eq!(token.signature.len(), 64);
        assert!(token.is_signed_by(&published[0]));
        assert!(!token.is_signed_by(&stranger));
    }
    assert_eq!(published[0]["kid"], thumbprint(&published[0]));
}

#[test]
fn j11_with_fifty_roles_a_token_fits_into_four_kibibytes() {
    let server = Server::start();
    let operator = server.operator();
    let mut roles = vec![server.role(TENANT, ADMINISTRATOR)];
    for number in 0..48 {
        let body = json!({ "Name": format!("Role {number}") });
        roles.push(
            operator
                .post(&operator.v1("/Roles"), &body)
                .expect(201)
                .text("Id"),
        );
    }
    let caller = server.caller_with(TENANT, &roles);
    let token = caller.token.unwrap();
    assert_eq!(
        jwt::decode(&token).claims["roles"]
            .as_array()
            .unwrap()
            .len(),
        50
    );
    assert!(token.len() <= 4_096, "{}", token.len());
}

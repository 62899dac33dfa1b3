//! The management API against tokens that it must not accept (RS01 to RS28 of the checklist).
//! Where a token is odd in what it says, it is signed with the service's own key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::jwt::{self, Forger};
use crate::harness::{Caller, Response, Server, anonymous, wire};

/// A service, a good token of its operator, and its key in the hands of a forger.
struct Scene {
    server: Server,
    operator: Caller,
    forger: Forger,
    claims: Value,
    path: String,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start();
        let operator = server.operator();
        Self {
            forger: Forger::with_key_of(&server),
            claims: jwt::decode(operator.token.as_ref().unwrap()).claims,
            path: operator.v1("/ClientCredentialClients?count=1"),
            operator,
            server,
        }
    }

    fn good(&self) -> &str {
        self.operator.token.as_ref().unwrap()
    }

    fn ask(&self, token: &str) -> Response {
        self.operator.with_token(token).get(&self.path)
    }

    #[track_caller]
    fn accepts(&self, token: &str) {
        self.ask(token).expect(200);
    }

    #[track_caller]
    fn refuses(&self, token: &str) {
        invalid_token(self.ask(token));
    }

    /// A token whose claims were changed.
    fn with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        self.forger.claims(&claims)
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        self.with(|claims| claims[name] = value)
    }

    fn without_claim(&self, name: &str) -> String {
        self.with(|claims| {
            claims.as_object_mut().unwrap().remove(name).unwrap();
        })
    }

    /// A token with one claim as raw text.
    fn with_raw_claim(&self, name: &str, text: &str) -> String {
        let mut claims = self.claims.clone();
        claims[name] = json!("RAW");
        let claims = claims.to_string().replace("\"RAW\"", text);
        self.forger.sign(self.forger.header().to_string(), claims)
    }

    /// A token whose header was changed.
    fn with_header(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut header = self.forger.header();
        change(&mut header);
        self.forger
            .sign(header.to_string(), self.claims.to_string())
    }

    fn now(&self) -> i64 {
        self.claims["iat"].as_i64().unwrap()
    }
}

#[track_caller]
fn invalid_token(answer: Response) {
    let challenge = answer.header("www-authenticate").map(str::to_owned);
    answer.refused(401);
    let expected = r#"Bearer realm="credenza", error="invalid_token""#;
    assert_eq!(challenge.as_deref(), Some(expected));
}

#[track_caller]
fn no_token(answer: Response) {
    let challenge = answer.header("www-authenticate").map(str::to_owned);
    answer.refused(401);
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="credenza""#));
}

#[test]
fn a_forged_token_that_says_what_a_good_one_says_is_accepted() {
    // The positive control: what the other tests change is what is refused.
    let scene = Scene::new();
    scene.accepts(&scene.forger.claims(&scene.claims));
}

#[test]
fn rs01_without_a_token_there_is_a_challenge_without_an_error() {
    let scene = Scene::new();
    let caller = anonymous(scene.server.address());
    no_token(caller.get(&scene.path));
    for other in ["Basic b3BlcmF0b3I6eA==", "Negotiate x", "Bearerx y"] {
        no_token(caller.send("GET", &scene.path, &[("Authorization", other)], None));
    }
}

#[test]
fn rs02_what_has_not_the_form_of_a_token_is_invalid_token() {
    let scene = Scene::new();
    let good = scene.good().to_owned();
    let caller = anonymous(scene.server.address());
    let texts = [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer a b".to_owned(),
        format!("Bearer {good} {good}"),
        format!("Bearer {good},{good}"),
        format!("Bearer \"{good}\""),
        "Bearer %00".to_owned(),
    ];
    for text in texts {
        invalid_token(caller.send("GET", &scene.path, &[("Authorization", &text)], None));
    }
    let twice = format!("Bearer {good}");
    let headers = [("Authorization", twice.as_str()), ("Authorization", &twice)];
    invalid_token(caller.send("GET", &scene.path, &headers, None));
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close",
        scene.path
    );
    let latin = [head.as_bytes(), b"\r\nAuthorization: Bearer \xe9\r\n\r\n"].concat();
    let replies = wire::exchange(scene.server.address(), &latin);
    assert_eq!(replies[0].status, 401);
    assert!(
        replies[0]
            .head
            .to_ascii_lowercase()
            .contains("www-authenticate: bearer")
    );
}

#[test]
fn rs03_garbage_and_parts_of_a_token_are_invalid_token() {
    let scene = Scene::new();
    for garbage in ["garbage", "a.b.c", "..", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA"] {
        scene.refuses(garbage);
    }
    let good = scene.good();
    for length in (1..good.len()).step_by(7) {
        scene.refuses(&good[..length]);
        scene.refuses(&good[length..]);
    }
}

#[test]
fn rs04_a_token_ends_with_the_second_of_its_exp() {
    let scene = Scene::new();
    let now = scene.now();
    scene.accepts(&scene.with_claim("exp", json!(now + 1)));
    scene.refuses(&scene.with_claim("exp", json!(now)));
    scene.refuses(&scene.with_claim("exp", json!(now - 1)));
    // The same for one that was verified before and is remembered.
    scene.server.clock.advance_seconds(3_599);
    scene.accepts(scene.good());
    scene.server.clock.advance_seconds(1);
    scene.refuses(scene.good());
}

#[test]
fn rs05_exp_is_an_integer_or_the_token_is_refused() {
    let scene = Scene::new();
    scene.refuses(&scene.without_claim("exp"));
    for text in [
        "\"1956571200\"",
        "-1",
        "-9223372036854775808",
        "1e308",
        "1e400",
        "NaN",
        "Infinity",
        "9223372036854775808",
        "18446744073709551616",
        "null",
        "true",
        "[1956571200]",
        "{}",
        "01956571200",
        "+1956571200",
    ] {
        scene.refuses(&scene.with_raw_claim("exp", text));
    }
}

#[test]
fn rs06_a_token_of_the_future_is_refused() {
    let scene = Scene::new();
    let now = scene.now();
    scene.refuses(&scene.with_claim("nbf", json!(now + 1)));
    scene.accepts(&scene.with_claim("nbf", json!(now)));
    scene.accepts(&scene.without_claim("nbf"));
    scene.refuses(&scene.with_claim("nbf", json!("now")));
    scene.refuses(&scene.with_claim("iat", json!(now + 61)));
    scene.accepts(&scene.with_claim("iat", json!(now + 60)));
    scene.refuses(&scene.without_claim("iat"));
}

#[test]
fn rs07_none_is_no_algorithm() {
    let scene = Scene::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let token = scene.with_header(|header| header["alg"] = json!(alg));
        scene.refuses(&token);
        let (signed, _) = token.rsplit_once('.').unwrap();
        scene.refuses(&format!("{signed}."));
        scene.refuses(signed);
    }
}

#[test]
fn rs08_the_public_key_is_no_shared_secret() {
    let scene = Scene::new();
    let jwk = &jwt::published_keys(&scene.server)[0];
    let point = jwt::point(jwk);
    // The DER of a SubjectPublicKeyInfo of P-256 is this and the point.
    let mut der = vec![
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    der.extend(&point);
    let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
        &base64[..64],
        &base64[64..]
    );
    let header = scene.with_header(|header| header["alg"] = json!("HS256"));
    let (signed, _) = header.rsplit_once('.').unwrap();
    for secret in [
        pem.as_bytes(),
        pem.trim_end().as_bytes(),
        &der,
        &point,
        jwk.to_string().as_bytes(),
        b"",
    ] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let mac = ring::hmac::sign(&key, signed.as_bytes());
        scene.refuses(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)));
    }
}

#[test]
fn rs09_one_key_has_one_algorithm() {
    let scene = Scene::new();
    for alg in [
        "ES384", "ES512", "EdDSA", "RS256", "PS256", "es256", "ES256K",
    ] {
        scene.refuses(&scene.with_header(|header| header["alg"] = json!(alg)));
    }
    scene.refuses(&scene.with_header(|header| header["alg"] = json!(["ES256"])));
    scene.refuses(&scene.with_header(|header| {
        header.as_object_mut().unwrap().remove("alg");
    }));
}

#[test]
fn rs10_a_key_is_found_by_its_name_alone() {
    let scene = Scene::new();
    let own = scene.forger.header()["kid"].as_str().unwrap().to_owned();
    for kid in [
        json!("unknown"),
        json!(""),
        json!(7),
        json!(null),
        json!([own]),
        json!("../../etc/passwd"),
        json!("' OR 1=1 --"),
        json!(format!("{own}\0")),
        json!(own.to_ascii_uppercase()),
        json!("k".repeat(8_000)),
    ] {
        scene.refuses(&scene.with_header(|header| header["kid"] = kid));
    }
    scene.refuses(&scene.with_header(|header| {
        header.as_object_mut().unwrap().remove("kid");
    }));
}

#[test]
fn rs11_a_key_that_the_token_brings_along_is_not_used() {
    let scene = Scene::new();
    let stranger = Forger::stranger();
    let url = "http://127.0.0.1:9/keys.json";
    for (name, value) in [
        ("jwk", stranger.jwk()),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["AAAA"])),
    ] {
        for kid in [&scene.forger, &stranger].map(|forger| forger.header()["kid"].clone()) {
            let mut header = stranger.header();
            header["kid"] = kid;
            header[name] = value.clone();
            let claims = scene.claims.to_string();
            scene.refuses(&stranger.sign(header.to_string(), claims));
        }
    }
    scene.refuses(&stranger.claims(&scene.claims));
    let claims = scene.claims.to_string();
    scene.refuses(&stranger.sign(scene.forger.header().to_string(), claims));
}

#[test]
fn rs12_what_changes_the_meaning_of_a_token_is_refused() {
    let scene = Scene::new();
    for (name, value) in [
        ("crit", json!(["x"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("x", json!("y")),
    ] {
        scene.refuses(&scene.with_header(|header| header[name] = value));
    }
}

#[test]
fn rs13_only_access_tokens_are_access_tokens() {
    let scene = Scene::new();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        scene.accepts(&scene.with_header(|header| header["typ"] = json!(typ)));
    }
    for typ in [
        "JWT",
        "",
        "dpop+jwt",
        "client-authentication+jwt",
        "at+jwt ",
    ] {
        scene.refuses(&scene.with_header(|header| header["typ"] = json!(typ)));
    }
    scene.refuses(&scene.with_header(|header| {
        header.as_object_mut().unwrap().remove("typ");
    }));
}

#[test]
fn rs14_the_issuer_is_compared_byte_for_byte() {
    let scene = Scene::new();
    for issuer in [
        "http://credenza.test/identity/",
        "http://credenza.test/Identity",
        "http://Credenza.test/identity",
        "https://credenza.test/identity",
        "http://credenza.test:80/identity",
        "http://credenza.test",
        "",
    ] {
        scene.refuses(&scene.with_claim("iss", json!(issuer)));
    }
    scene.refuses(&scene.with_claim("iss", json!(["http://credenza.test/identity"])));
    scene.refuses(&scene.without_claim("iss"));
}

#[test]
fn rs15_the_audience_is_ours_or_among_others() {
    let scene = Scene::new();
    for aud in [
        json!("ocsapi"),
        json!(["other", "ocsapi"]),
        json!(["ocsapi"]),
    ] {
        scene.accepts(&scene.with_claim("aud", aud));
    }
    for aud in [
        json!("other"),
        json!("ocsap"),
        json!("ocsapi2"),
        json!("OCSAPI"),
        json!("ocsapi other"),
        json!([]),
        json!(["other"]),
        json!([["ocsapi"]]),
        json!({ "ocsapi": true }),
        json!(null),
    ] {
        scene.refuses(&scene.with_claim("aud", aud));
    }
    scene.refuses(&scene.without_claim("aud"));
}

#[test]
fn what_else_a_token_must_say_and_agree_on() {
    let scene = Scene::new();
    for name in ["sub", "client_id", "tid", "jti", "gen"] {
        scene.refuses(&scene.without_claim(name));
        scene.refuses(&scene.with_claim(name, json!("")));
        scene.refuses(&scene.with_claim(name, json!(1)));
    }
    scene.refuses(&scene.with_claim("client_id", json!("other")));
    scene.refuses(&scene.with_claim("sub", json!("operator")));
    // Roles in a token give no rights.
    let unknown = scene.with(|claims| {
        claims["client_id"] = json!("nobody");
        claims["sub"] = json!(format!("{}/nobody", claims["tid"].as_str().unwrap()));
    });
    scene.ask(&unknown).refused(403);
}

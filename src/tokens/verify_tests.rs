//! Tests of the verifier: RS03 to RS20, each way to forge or bend a token, one by one.

use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::domain::client::TokenLifetime;
use crate::domain::ids::{Epoch, Revision};
use crate::domain::ports::Clock;
use crate::system::clock::ManualClock;
use crate::system::random::SeededRandom;
use crate::tokens::jwt::{Issuer, Subject};
use crate::tokens::key::SigningKey;

const ISSUER: &str = "https://id.example/identity";
const NOW: i64 = 1_800_000_000;
const TID: &str = "11111111-1111-1111-1111-111111111111";

struct World {
    keys: Arc<KeySet>,
    verifier: Verifier,
}

impl World {
    fn new() -> Self {
        Self::with(KeySet::new(SigningKey::generate().unwrap(), vec![]))
    }

    fn with(keys: KeySet) -> Self {
        let keys = Arc::new(keys);
        let verifier = Verifier::new(ISSUER.into(), "ocsapi".into(), keys.clone());
        Self { keys, verifier }
    }

    fn issue(&self) -> String {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(at(NOW)));
        let random = Arc::new(SeededRandom::new(3));
        let issuer = Issuer::new(
            ISSUER.into(),
            "ocsapi".into(),
            self.keys.clone(),
            clock,
            random,
        );
        let subject = Subject {
            tenant: TenantId::from_bytes([0x11; 16]),
            client: &ClientId::parse("pump-1").unwrap(),
            generation: generation(),
            roles: &[],
            role_types: &[],
            lifetime: TokenLifetime::DEFAULT,
        };
        issuer.issue(&subject).unwrap().token
    }

    fn kid(&self) -> &str {
        self.keys.signing().verification_key().kid()
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": self.kid()})
    }

    /// A token with our signature over whatever header and claims.
    fn forge(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.keys.signing().sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature))
    }

    fn verify(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        self.verifier.verify(token, at(NOW))
    }

    /// The good token with one member of its header or claims set, or taken away where null.
    fn changed(
        &self,
        of_header: bool,
        member: &str,
        value: Value,
    ) -> Result<VerifiedToken, TokenError> {
        let (mut header, mut claims) = (self.header(), claims());
        let object = if of_header { &mut header } else { &mut claims };
        match value {
            Value::Null => {
                object.as_object_mut().unwrap().remove(member);
            }
            value => object[member] = value,
        }
        self.verify(&self.forge(header.to_string(), claims.to_string()))
    }

    fn header_with(&self, member: &str, value: Value) -> Result<VerifiedToken, TokenError> {
        self.changed(true, member, value)
    }

    fn claims_with(&self, member: &str, value: Value) -> Result<VerifiedToken, TokenError> {
        self.changed(false, member, value)
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0).unwrap()
}

fn generation() -> Generation {
    Generation {
        epoch: Epoch(0xab),
        created: Revision(7),
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "ocsapi", "sub": format!("{TID}/pump-1"), "client_id": "pump-1",
        "tid": TID, "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "x", "gen": "000000ab-7",
    })
}

#[test]
fn an_issued_token_verifies_until_it_expires() {
    let world = World::new();
    let token = world.issue();
    let verified = world.verify(&token).unwrap();
    let expected = VerifiedToken {
        tenant: TenantId::from_bytes([0x11; 16]),
        client: ClientId::parse("pump-1").unwrap(),
        generation: generation(),
        expires: NOW + 3_600,
    };
    assert_eq!(verified, expected);
    let just_before = Timestamp::from_parts(NOW + 3_599, 999_999_999).unwrap();
    assert!(world.verifier.verify(&token, just_before).is_ok());
    let at_the_end = world.verifier.verify(&token, at(NOW + 3_600));
    assert_eq!(at_the_end, Err(TokenError::Expired));
    let before_its_time = world.verifier.verify(&token, at(NOW - 1));
    assert_eq!(before_its_time, Err(TokenError::NotYetValid));
}

#[test]
fn no_flip_of_a_single_bit_verifies() {
    let world = World::new();
    let token = world.issue();
    // Of the text, which also reaches the trailing bits of base64url.
    for position in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            let flipped = String::from_utf8(bytes).unwrap();
            assert!(world.verify(&flipped).is_err(), "{position} {bit}");
        }
    }
    // Of the bytes that are written in it.
    let parts: Vec<Vec<u8>> = token.split('.').map(|part| decode(part).unwrap()).collect();
    for number in 0..3 {
        for position in 0..parts[number].len() * 8 {
            let mut flipped = parts.clone();
            flipped[number][position / 8] ^= 1 << (position % 8);
            let encoded: Vec<_> = flipped.iter().map(encode).collect();
            assert!(
                world.verify(&encoded.join(".")).is_err(),
                "{number} {position}"
            );
        }
    }
}

#[test]
fn no_part_of_a_token_verifies_and_nothing_added_to_one() {
    let world = World::new();
    let token = world.issue();
    for length in 0..token.len() {
        assert!(world.verify(&token[..length]).is_err(), "{length}");
    }
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    for bad in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}..{claims}.{signature}"),
        format!("{token}="),
        format!("{token}=="),
        format!("{header}=.{claims}.{signature}"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{header}. {claims}.{signature}"),
        token.replace('.', "..."),
        json!({"protected": header, "payload": claims, "signature": signature}).to_string(),
        "é.é.é".into(),
        "\0.\0.\0".into(),
    ] {
        assert!(world.verify(&bad).is_err(), "{bad}");
    }
    let long = "a".repeat(LONGEST + 1);
    assert_eq!(world.verify(&long), Err(TokenError::TooLong));
    assert!(world.verify(&"a.".repeat(LONGEST / 2)).is_err());
}

#[test]
fn a_second_spelling_of_base64url_is_refused() {
    let world = World::new();
    let token = world.issue();
    // 64 bytes leave four trailing bits in the last character: each of the other 15 is refused.
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = ALPHABET
        .iter()
        .position(|c| *c == last.as_bytes()[0])
        .unwrap();
    for other in &ALPHABET[value + 1..value + 16] {
        let respelled = format!("{rest}{}", char::from(*other));
        assert_eq!(world.verify(&respelled), Err(TokenError::Malformed));
    }
    let standard = token.replace('-', "+").replace('_', "/");
    assert!(standard == token || world.verify(&standard).is_err());
}

#[test]
fn only_es256_is_an_algorithm() {
    let world = World::new();
    for alg in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES384", "RS256", "EdDSA", "HS256",
    ] {
        let refused = world.header_with("alg", json!(alg));
        assert_eq!(refused, Err(TokenError::Header), "{alg}");
        let mut header = world.header();
        header["alg"] = json!(alg);
        let unsigned = format!(
            "{}.{}.",
            encode(header.to_string()),
            encode(claims().to_string())
        );
        assert!(world.verify(&unsigned).is_err(), "{alg}");
    }
    for value in [Value::Null, json!(1), json!(["ES256"])] {
        assert_eq!(world.header_with("alg", value), Err(TokenError::Header));
    }
    // HMAC with what everybody knows: our public key.
    let mut header = world.header();
    header["alg"] = json!("HS256");
    let signed = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims().to_string())
    );
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, world.keys.jwks()),
        signed.as_bytes(),
    );
    assert!(world.verify(&format!("{signed}.{}", encode(tag))).is_err());
}

#[test]
fn only_an_access_token_is_a_type() {
    let world = World::new();
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+jwt",
    ] {
        assert!(world.header_with("typ", json!(typ)).is_ok(), "{typ}");
    }
    for typ in [
        json!("JWT"),
        json!("dpop+jwt"),
        json!(""),
        json!("at+jwt "),
        json!("at+jw\u{2126}"),
        json!("client-authentication+jwt"),
        json!(["at+jwt"]),
        Value::Null,
    ] {
        assert_eq!(
            world.header_with("typ", typ.clone()),
            Err(TokenError::Header),
            "{typ}"
        );
    }
}

#[test]
fn a_key_is_one_of_ours_by_its_exact_name() {
    let world = World::new();
    for kid in [
        "",
        "../../etc/passwd",
        "' OR 1=1",
        "\0",
        &world.kid().to_lowercase(),
        &"k".repeat(5_000),
    ] {
        assert_eq!(
            world.header_with("kid", json!(kid)),
            Err(TokenError::UnknownKey),
            "{kid}"
        );
    }
    for kid in [Value::Null, json!(7), json!([world.kid()]), json!({})] {
        assert_eq!(world.header_with("kid", kid), Err(TokenError::Header));
    }
    let stranger = World::new();
    assert_eq!(world.verify(&stranger.issue()), Err(TokenError::UnknownKey));
    let forged = stranger.forge(world.header().to_string(), claims().to_string());
    assert_eq!(world.verify(&forged), Err(TokenError::Signature));
}

#[test]
fn a_key_in_overlap_verifies_and_a_removed_one_does_not() {
    let old = World::new();
    let token = old.issue();
    let old_key = old.keys.signing().verification_key().clone();
    let overlap = World::with(KeySet::new(SigningKey::generate().unwrap(), vec![old_key]));
    assert!(overlap.verify(&token).is_ok());
    assert!(overlap.verify(&overlap.issue()).is_ok());
    assert_eq!(World::new().verify(&token), Err(TokenError::UnknownKey));
}

#[test]
fn no_other_member_of_a_header_is_accepted() {
    let world = World::new();
    let jwks: Value = serde_json::from_slice(world.keys.jwks()).unwrap();
    for (name, value) in [
        ("crit", json!(["x"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jwk", jwks["keys"][0].clone()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MII"])),
        ("cty", json!("JWT")),
    ] {
        assert_eq!(
            world.header_with(name, value),
            Err(TokenError::Header),
            "{name}"
        );
    }
}

#[test]
fn a_signature_is_64_bytes_of_one_form() {
    let world = World::new();
    let token = world.issue();
    let (signed, good) = token.rsplit_once('.').unwrap();
    let good = decode(good).unwrap();
    // The order of P-256: r and s must be below it.
    let mut order = vec![
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    order.extend([
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25,
        0x51,
    ]);
    let mut der = vec![0x30, 68, 2, 32];
    der.extend(&good[..32]);
    der.extend([2, 32]);
    der.extend(&good[32..]);
    for bad in [
        vec![0; 64],
        vec![0xff; 64],
        good[..63].to_vec(),
        [&good[..], &[0]].concat(),
        [&order, &good[32..]].concat(),
        [&good[..32], &order].concat(),
        [&good[..32], &[0; 32]].concat(),
        [&good[32..], &good[..32]].concat(),
        der,
    ] {
        let refused = world.verify(&format!("{signed}.{}", encode(&bad)));
        assert_eq!(refused, Err(TokenError::Signature), "{bad:?}");
    }
}

#[test]
fn times_are_integers_and_there_is_no_leeway() {
    let world = World::new();
    assert!(world.claims_with("exp", json!(NOW + 1)).is_ok());
    assert!(world.claims_with("exp", json!(i64::MAX)).is_ok());
    for exp in [NOW, NOW - 1, 0, -1, i64::MIN] {
        assert_eq!(
            world.claims_with("exp", json!(exp)),
            Err(TokenError::Expired),
            "{exp}"
        );
    }
    for exp in [
        Value::Null,
        json!("9999999999"),
        json!(1e308),
        json!(9_999_999_999.0),
        json!(1_u64 << 63),
        json!(true),
        json!([NOW + 60]),
    ] {
        assert_eq!(
            world.claims_with("exp", exp.clone()),
            Err(TokenError::Claims),
            "{exp}"
        );
    }
    for exp in ["NaN", "1e999", "null", "-0", "9999999999999999999999"] {
        let claims = claims().to_string().replace(&(NOW + 60).to_string(), exp);
        let forged = world.forge(world.header().to_string(), claims);
        assert!(world.verify(&forged).is_err(), "{exp}");
    }
    assert!(world.claims_with("nbf", Value::Null).is_ok());
    assert_eq!(
        world.claims_with("nbf", json!(NOW + 1)),
        Err(TokenError::NotYetValid)
    );
    assert_eq!(
        world.claims_with("nbf", json!("0")),
        Err(TokenError::Claims)
    );
    assert!(world.claims_with("iat", json!(NOW + 60)).is_ok());
    assert_eq!(
        world.claims_with("iat", json!(NOW + 61)),
        Err(TokenError::NotYetValid)
    );
    assert_eq!(
        world.claims_with("iat", Value::Null),
        Err(TokenError::Claims)
    );
}

#[test]
fn the_issuer_is_ours_byte_for_byte() {
    let world = World::new();
    for iss in [
        json!("https://id.example/identity/"),
        json!("HTTPS://id.example/identity"),
        json!("http://id.example/identity"),
        json!(""),
        json!([ISSUER]),
        Value::Null,
    ] {
        assert_eq!(
            world.claims_with("iss", iss.clone()),
            Err(TokenError::Issuer),
            "{iss}"
        );
    }
}

#[test]
fn the_audience_is_or_holds_ours() {
    let world = World::new();
    for aud in [
        json!("ocsapi"),
        json!(["ocsapi"]),
        json!(["other", "ocsapi"]),
        json!([1, "ocsapi"]),
    ] {
        assert!(world.claims_with("aud", aud.clone()).is_ok(), "{aud}");
    }
    for aud in [
        json!("other"),
        json!("ocs"),
        json!("ocsapi2"),
        json!("OCSAPI"),
        json!([]),
        json!(["ocs"]),
        json!([["ocsapi"]]),
        json!({"ocsapi": 1}),
        json!(1),
        Value::Null,
    ] {
        assert_eq!(
            world.claims_with("aud", aud.clone()),
            Err(TokenError::Audience),
            "{aud}"
        );
    }
}

#[test]
fn the_subject_is_named_consistently() {
    let world = World::new();
    let upper = "2DC742AB-39EA-4FC0-A39E-2BCB71C26A5F";
    for (name, value) in [
        ("sub", json!("pump-1")),
        ("sub", json!(format!("{TID}/pump-2"))),
        ("sub", json!(format!("{TID}/pump-1/"))),
        ("client_id", json!("pump-2")),
        ("client_id", json!("a/b")),
        ("client_id", json!(upper)),
        ("tid", json!("22222222-2222-2222-2222-222222222222")),
        ("tid", json!("11111111111111111111111111111111")),
        ("gen", json!("ab-7")),
        ("gen", json!(7)),
        ("jti", json!("")),
        ("jti", json!(1)),
    ] {
        assert_eq!(
            world.claims_with(name, value.clone()),
            Err(TokenError::Claims),
            "{name} {value}"
        );
    }
    for name in ["sub", "client_id", "tid", "gen", "jti"] {
        assert_eq!(
            world.claims_with(name, Value::Null),
            Err(TokenError::Claims),
            "{name}"
        );
    }
}

#[test]
fn what_json_leaves_open_is_refused_in_header_and_claims() {
    let world = World::new();
    let (header, claims) = (world.header().to_string(), claims().to_string());
    assert!(world.verify(&world.forge(&header, &claims)).is_ok());
    let spoil = |good: &str| -> Vec<Vec<u8>> {
        let inside = good.strip_suffix('}').unwrap();
        let mut invalid = format!("{inside},\"x\":\"").into_bytes();
        invalid.extend(b"\xff\"}");
        let deep = format!(
            "{inside},\"x\":{}{}}}",
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        vec![
            format!("\u{feff}{good}").into_bytes(),
            format!("{good}{good}").into_bytes(),
            format!("[{good}]").into_bytes(),
            b"null".to_vec(),
            invalid,
            deep.into_bytes(),
        ]
    };
    for bad in spoil(&header) {
        assert_eq!(
            world.verify(&world.forge(bad, &claims)),
            Err(TokenError::Header)
        );
    }
    for bad in spoil(&claims) {
        let refused = world.verify(&world.forge(&header, bad));
        assert_eq!(refused, Err(TokenError::Claims));
    }
    let twice = header.replacen('{', r#"{"alg":"ES256","#, 1);
    assert_eq!(
        world.verify(&world.forge(twice, &claims)),
        Err(TokenError::Header)
    );
    let twice = claims.replacen('{', r#"{"\u0074id":"x","#, 1);
    assert_eq!(
        world.verify(&world.forge(&header, twice)),
        Err(TokenError::Claims)
    );
}

//! Tests of the verifier: the form of a token and its signature; below, its header and its claims.

mod claims;
mod header;

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
    keys: Arc<Keys>,
    verifier: Verifier,
}

impl World {
    fn new() -> Self {
        Self::with(KeySet::new(SigningKey::generate().unwrap(), vec![]))
    }

    fn with(keys: KeySet) -> Self {
        let keys = Arc::new(Keys::new(keys));
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

    fn kid(&self) -> String {
        let keys = self.keys.now();
        keys.signing().verification_key().kid().to_owned()
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": self.kid()})
    }

    /// A token with our signature over whatever header and claims.
    fn forge(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.keys.now().signing().sign(signed.as_bytes()).unwrap();
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
        begins: NOW,
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

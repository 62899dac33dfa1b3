//! Tests of the verifier: the algorithm, the type and the key that a header names.

use ring::hmac;

use super::*;

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
        &hmac::Key::new(hmac::HMAC_SHA256, world.keys.now().jwks()),
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
    let old_key = old.keys.now().signing().verification_key().clone();
    let overlap = World::with(KeySet::new(SigningKey::generate().unwrap(), vec![old_key]));
    assert!(overlap.verify(&token).is_ok());
    assert!(overlap.verify(&overlap.issue()).is_ok());
    assert_eq!(World::new().verify(&token), Err(TokenError::UnknownKey));
}

#[test]
fn no_other_member_of_a_header_is_accepted() {
    let world = World::new();
    let jwks: Value = serde_json::from_slice(world.keys.now().jwks()).unwrap();
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

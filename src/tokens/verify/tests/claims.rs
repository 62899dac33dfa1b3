//! Tests of the verifier: times, issuer, audience and subject.

use super::*;

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

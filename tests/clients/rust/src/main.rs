//! The crate jsonwebtoken against a running Credenza, as its users use it.

use std::env::var;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

fn variable(name: &str) -> String {
    var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn get(url: &str) -> Value {
    ureq::get(url)
        .call()
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap()
}

fn fetch_token(endpoint: &str) -> String {
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", variable("CREDENZA_CLIENT_ID")),
        ("client_secret", variable("CREDENZA_CLIENT_SECRET")),
    ];
    let mut answer = ureq::post(endpoint).send_form(form).unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn j10_jsonwebtoken_verifies(token: &str, keys: &JwkSet, issuer: &str) {
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let key = DecodingKey::from_jwk(key).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&["ocsapi"]);
    validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    validation.validate_nbf = true;
    let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
    let client = variable("CREDENZA_CLIENT_ID");
    assert_eq!(claims["client_id"], client);
    assert_eq!(
        claims["sub"],
        format!("{}/{client}", variable("CREDENZA_TENANT"))
    );
    validation.set_audience(&["other"]);
    assert!(decode::<Value>(token, &key, &validation).is_err());
}

fn main() {
    let issuer = format!("{}/identity", variable("CREDENZA_URL"));
    let metadata = get(&format!("{issuer}/.well-known/openid-configuration"));
    let url = |name: &str| metadata[name].as_str().unwrap();
    let keys: JwkSet = serde_json::from_value(get(url("jwks_uri"))).unwrap();
    j10_jsonwebtoken_verifies(&fetch_token(url("token_endpoint")), &keys, &issuer);
    println!("ok jsonwebtoken");
}

//! Tokens taken apart, and tokens made as an attacker, or a careless service, would make them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde_json::{Value, json};

use super::{Server, anonymous};

/// A token in its parts.
pub struct Jwt {
    pub header: Value,
    pub claims: Value,
    pub signature: Vec<u8>,
    /// What is signed.
    pub signed: String,
}

/// Takes a token apart; fails the test where it is not three parts of base64url and JSON.
#[track_caller]
pub fn decode(token: &str) -> Jwt {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "a JWT has three parts");
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    Jwt {
        header: serde_json::from_slice(&bytes(parts[0])).unwrap(),
        claims: serde_json::from_slice(&bytes(parts[1])).unwrap(),
        signature: bytes(parts[2]),
        signed: format!("{}.{}", parts[0], parts[1]),
    }
}

impl Jwt {
    /// Whether a key of a JWK Set made the signature.
    pub fn is_signed_by(&self, jwk: &Value) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(jwk))
            .verify(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}

pub const JWKS: &str = "/identity/.well-known/openid-configuration/jwks";

/// The keys that a service publishes, the one that signs first.
pub fn published_keys(server: &Server) -> Vec<Value> {
    let keys = anonymous(server.address()).get(JWKS).expect(200).json();
    keys["keys"].as_array().unwrap().clone()
}

/// Their names.
pub fn published_kids(server: &Server) -> Vec<String> {
    let keys = published_keys(server);
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    keys.iter().map(kid).collect()
}

/// The uncompressed point of a JWK; both coordinates have 32 bytes.
pub fn point(jwk: &Value) -> Vec<u8> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        assert_eq!(coordinate.len(), 32, "{name}");
        point.extend(coordinate);
    }
    point
}

/// The thumbprint of RFC 7638 of a P-256 key, made from the text that the RFC lays down.
pub fn thumbprint(jwk: &Value) -> String {
    let required = format!(
        r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#,
        jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
    );
    URL_SAFE_NO_PAD.encode(digest(&SHA256, required.as_bytes()))
}

/// Somebody who signs tokens of his own making.
pub struct Forger {
    pair: EcdsaKeyPair,
}

impl Forger {
    /// With the service's own key: what it signs is refused for what it says alone.
    pub fn with_key_of(server: &Server) -> Self {
        let pem = std::fs::read_to_string(server.data().join("signing-key.pem")).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        Self::from_der(&STANDARD.decode(base64).unwrap())
    }

    /// With a key that the service does not know.
    pub fn stranger() -> Self {
        Self::from_der(&Self::new_key())
    }

    /// The PKCS#8 of a new key.
    pub fn new_key() -> Vec<u8> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        der.as_ref().to_vec()
    }

    pub fn from_der(der: &[u8]) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new()).unwrap();
        Self { pair }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    /// The header of a good token of this key.
    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": thumbprint(&self.jwk()) })
    }

    /// A token of these bytes, JSON or not, signed.
    pub fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        self.sign_parts(&encode(header.as_ref()), &encode(claims.as_ref()))
    }

    /// The same, where the first two parts are given as they are to be written.
    pub fn sign_parts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with a good header and these claims.
    pub fn claims(&self, claims: &Value) -> String {
        self.sign(self.header().to_string(), claims.to_string())
    }
}

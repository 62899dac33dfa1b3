//! Keys: the one that signs, those that verify, and their public form as a JWK Set (RFC 7517).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use zeroize::Zeroizing;

/// The length of an ES256 signature: R and S, 32 bytes each (RFC 7518, section 3.4).
pub const SIGNATURE_LENGTH: usize = 64;

/// Why a key cannot be had; never holds anything of a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The system gave no randomness.
    NoRandomness,
    /// Not the PKCS#8 form of a P-256 key pair; the reason is ring's word for it.
    Rejected(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRandomness => f.write_str("the system gave no randomness"),
            Self::Rejected(reason) => write!(
                f,
                "it is not a private key of P-256 with its public key, in PKCS#8 ({reason})"
            ),
        }
    }
}

impl std::error::Error for KeyError {}

/// A private key of P-256 that signs ES256. Has no `Debug` and no way to text.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: VerificationKey,
    encoded_header: String,
}

impl SigningKey {
    /// A new key that lives in memory alone: its tokens die with the process.
    pub fn generate() -> Result<Self, KeyError> {
        Self::from_pkcs8(&generate_pkcs8()?)
    }

    /// Reads the DER of PKCS#8, version 1, with the public key in it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
            .map_err(|rejected| KeyError::Rejected(rejected.to_string()))?;
        let public = VerificationKey::from_point(pair.public_key().as_ref()).ok_or_else(|| {
            KeyError::Rejected("its public key is not an uncompressed point".into())
        })?;
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, public.kid);
        Ok(Self {
            pair,
            random,
            encoded_header: URL_SAFE_NO_PAD.encode(header),
            public,
        })
    }

    /// The signature of a message: R and S, 32 bytes each.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], KeyError> {
        // Only randomness can fail: the message is hashed, whatever its length.
        let signature = self
            .pair
            .sign(&self.random, message)
            .map_err(|_| KeyError::NoRandomness)?;
        signature
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::NoRandomness)
    }

    pub fn verification_key(&self) -> &VerificationKey {
        &self.public
    }

    /// The header of every access token that this key signs, in base64url.
    pub fn encoded_header(&self) -> &str {
        &self.encoded_header
    }
}

/// The DER of a new key pair in PKCS#8.
pub(super) fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, KeyError> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
        .map_err(|_| KeyError::NoRandomness)
}

/// A public key of P-256 that verifies ES256 and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationKey {
    kid: String,
    point: [u8; Self::POINT_LENGTH],
}

impl VerificationKey {
    /// An uncompressed point: 4, then x and y with 32 bytes each.
    const POINT_LENGTH: usize = 65;

    /// Reads the uncompressed form of a point; `None` for any other.
    pub fn from_point(point: &[u8]) -> Option<Self> {
        let point: [u8; Self::POINT_LENGTH] = point.try_into().ok()?;
        if point[0] != 4 {
            return None;
        }
        let (x, y) = coordinates(&point);
        let required = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumbprint = digest::digest(&digest::SHA256, required.as_bytes());
        Some(Self {
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            point,
        })
    }

    /// The name of the key: its thumbprint of RFC 7638.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether it is the signature of this message by this key; 64 bytes or nothing.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
            .verify(message, signature)
            .is_ok()
    }

    /// The key with these coordinates, in base64url of 32 bytes each.
    pub(super) fn from_coordinates(x: &str, y: &str) -> Option<Self> {
        let mut point = vec![4];
        for coordinate in [x, y] {
            URL_SAFE_NO_PAD.decode_vec(coordinate, &mut point).ok()?;
        }
        Self::from_point(&point)
    }

    /// x and y in base64url, always of 32 bytes.
    pub(super) fn coordinates(&self) -> (String, String) {
        coordinates(&self.point)
    }

    fn jwk(&self) -> String {
        let (x, y) = coordinates(&self.point);
        format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","use":"sig","alg":"ES256","kid":"{}"}}"#,
            self.kid
        )
    }
}

/// x and y in base64url, always of 32 bytes.
fn coordinates(point: &[u8; VerificationKey::POINT_LENGTH]) -> (String, String) {
    let (x, y) = point[1..].split_at(32);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

/// The key that signs, and all that verify: it, the one before it and the one after it.
pub struct KeySet {
    signing: Arc<SigningKey>,
    others: Vec<VerificationKey>,
    jwks: Vec<u8>,
    edition: u64,
}

impl KeySet {
    /// `others` verify and are published but do not sign: the next key, and those whose last token
    /// still lives. The signing key need not be among them.
    pub fn new(signing: impl Into<Arc<SigningKey>>, others: Vec<VerificationKey>) -> Self {
        let signing = signing.into();
        let mut different: Vec<VerificationKey> = Vec::with_capacity(others.len());
        for key in others {
            if key != signing.public && !different.contains(&key) {
                different.push(key);
            }
        }
        let published: Vec<String> = std::iter::once(&signing.public)
            .chain(&different)
            .map(VerificationKey::jwk)
            .collect();
        Self {
            jwks: format!(r#"{{"keys":[{}]}}"#, published.join(",")).into_bytes(),
            signing,
            others: different,
            edition: 0,
        }
    }

    pub(super) fn in_edition(self, edition: u64) -> Self {
        Self { edition, ..self }
    }

    /// Another number for each set that replaces one: what was verified with one set holds in its
    /// edition alone.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The verification key of this name.
    pub fn find(&self, kid: &str) -> Option<&VerificationKey> {
        std::iter::once(&self.signing.public)
            .chain(&self.others)
            .find(|key| key.kid == kid)
    }

    /// The JWK Set as it is published: JSON, public members only.
    pub fn jwks(&self) -> &[u8] {
        &self.jwks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_verifies_what_it_signed_and_nothing_else() {
        let (key, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let signature = key.sign(b"message").unwrap();
        let public = key.verification_key();
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"messagE", &signature));
        assert!(!other.verification_key().verifies(b"message", &signature));
        for length in [0, 63] {
            assert!(!public.verifies(b"message", &signature[..length]));
        }
        assert!(!public.verifies(b"message", &[0; 64]));
        assert!(!public.verifies(b"message", &[0xff; 64]));
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        let public = SigningKey::generate().unwrap().public;
        let jwk: serde_json::Value = serde_json::from_str(&public.jwk()).unwrap();
        // serde_json's map is sorted by name, as the RFC wants the members.
        let required = serde_json::json!({
            "crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"],
        });
        let digest = digest::digest(&digest::SHA256, required.to_string().as_bytes());
        assert_eq!(public.kid(), URL_SAFE_NO_PAD.encode(digest));
        assert_eq!(public.kid().len(), 43);
    }

    #[test]
    fn coordinates_have_32_bytes_even_with_leading_zeros() {
        let mut point = [1; 65];
        point[..9].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0, 0]);
        let key = VerificationKey::from_point(&point).unwrap();
        let jwk: serde_json::Value = serde_json::from_str(&key.jwk()).unwrap();
        for name in ["x", "y"] {
            let bytes = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
            assert_eq!(bytes.len(), 32);
        }
        point[0] = 2;
        assert!(VerificationKey::from_point(&point).is_none());
        assert!(VerificationKey::from_point(&point[..64]).is_none());
    }

    #[test]
    fn the_jwks_publishes_each_key_once_and_nothing_private() {
        let signing = SigningKey::generate().unwrap();
        let old = SigningKey::generate().unwrap().public;
        let kids = [signing.public.kid.clone(), old.kid.clone()];
        let others = vec![old.clone(), signing.public.clone(), old];
        let keys = KeySet::new(signing, others);
        let jwks: serde_json::Value = serde_json::from_slice(keys.jwks()).unwrap();
        let published = jwks["keys"].as_array().unwrap();
        assert_eq!(published.len(), 2);
        for (key, kid) in published.iter().zip(&kids) {
            let members: Vec<_> = key.as_object().unwrap().keys().collect();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
            assert_eq!(key["kid"].as_str(), Some(kid.as_str()));
            assert!(keys.find(kid).is_some());
        }
        assert!(keys.find("../../etc/passwd").is_none());
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_repeating_it() {
        let der = generate_pkcs8().unwrap();
        let shortened = SigningKey::from_pkcs8(&der[..der.len() - 1]).err().unwrap();
        assert!(matches!(shortened, KeyError::Rejected(_)));
        assert!(SigningKey::from_pkcs8(b"").is_err());
        let error = SigningKey::from_pkcs8(b"hunter2").err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
    }
}

//! Verifying access tokens: JWTs of RFC 9068 that this service issued, and nothing else.
//!
//! Everything that a foreign token could leave open is closed: one algorithm, one type, keys by
//! name from the key set alone, one spelling of base64url and of JSON, and no leeway.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::{KeySet, SIGNATURE_LENGTH};
use super::keys::Keys;
use crate::domain::ids::{ClientId, Generation, TenantId};
use crate::domain::times::Timestamp;
use crate::json::{Json, Names, Object};

/// The longest token that is looked at, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// How far in the future a token may have been issued: clocks of nodes differ, in seconds.
const ISSUED_AHEAD: i64 = 60;

/// Checks the tokens of one issuer for one audience.
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: Arc<Keys>,
}

/// Whom a good token speaks of. What that client may do is looked up, not read from the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    pub tenant: TenantId,
    pub client: ClientId,
    pub generation: Generation,
    /// Before this second since 1970 it is refused.
    pub begins: i64,
    /// From this second since 1970 on it is refused.
    pub expires: i64,
}

impl VerifiedToken {
    /// Whether its time is now. It may have been verified at another time, and the clock may have
    /// gone back since: a token of a clock that was years ahead must not live for years.
    pub fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        let now = now.unix_seconds();
        if self.expires <= now {
            Err(TokenError::Expired)
        } else if self.begins > now {
            Err(TokenError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// Why a token is refused. The text is for the log and the answer; it repeats nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenError {
    TooLong,
    /// Not three parts of base64url.
    Malformed,
    /// A header other than the one of our access tokens.
    Header,
    UnknownKey,
    Signature,
    /// A claim is missing, of the wrong type, or disagrees with another.
    Claims,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the token is too long",
            Self::Malformed => "the token is not a JWT in its compact form",
            Self::Header => "the header is not that of an access token with ES256",
            Self::UnknownKey => "the token was signed with a key that is not, or no longer, known",
            Self::Signature => "the signature is wrong",
            Self::Claims => "the claims are not those of an access token of this service",
            Self::Issuer => "the token is from another issuer",
            Self::Audience => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
        })
    }
}

impl std::error::Error for TokenError {}

impl Verifier {
    /// Accepts tokens whose `iss` is exactly `issuer` and whose `aud` is or holds `audience`.
    pub fn new(issuer: String, audience: String, keys: Arc<Keys>) -> Self {
        Self {
            issuer,
            audience,
            keys,
        }
    }

    /// The keys that tokens are verified with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Checks a token in its compact form. Nothing of its claims is read before its signature is
    /// known to be good.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        self.verify_with(&self.keys.now(), token, now)
    }

    /// The same with a set that was taken before.
    pub(super) fn verify_with(
        &self,
        keys: &KeySet,
        token: &str,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        // A fourth part leaves a dot in the second, which is not base64url.
        let header = decode(header)?;
        let claims = decode(claims)?;
        let signature = decode(signature)?;
        if signature.len() != SIGNATURE_LENGTH {
            return Err(TokenError::Signature);
        }
        let kid = kid_of(&header)?;
        let key = keys.find(&kid).ok_or(TokenError::UnknownKey)?;
        if !key.verifies(signed.as_bytes(), &signature) {
            return Err(TokenError::Signature);
        }
        let claims = Json::read(&claims, Names::Exact).map_err(|_| TokenError::Claims)?;
        self.check(claims.as_object().ok_or(TokenError::Claims)?, now)
    }

    fn check(&self, claims: &Object, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        if text(claims, "iss") != Some(&self.issuer) {
            return Err(TokenError::Issuer);
        }
        let for_us = |value: &Json| value.as_str() == Some(&self.audience);
        match claims.get("aud") {
            Some(Json::Array(items)) if items.iter().any(for_us) => {}
            Some(value) if for_us(value) => {}
            _ => return Err(TokenError::Audience),
        }
        let expires = integer(claims, "exp")?;
        let mut begins = integer(claims, "iat")?.saturating_sub(ISSUED_AHEAD);
        if claims.get("nbf").is_some() {
            begins = begins.max(integer(claims, "nbf")?);
        }
        let verified = subject(claims, begins, expires).ok_or(TokenError::Claims)?;
        verified.check_time(now)?;
        Ok(verified)
    }
}

/// Reads whom the claims name; `None` where they do not all name the same, in its one spelling.
fn subject(claims: &Object, begins: i64, expires: i64) -> Option<VerifiedToken> {
    let (tid, client_id) = (text(claims, "tid")?, text(claims, "client_id")?);
    let tenant = TenantId::parse(tid).filter(|tenant| tenant.to_string() == tid)?;
    let client = ClientId::parse(client_id).filter(|client| client.as_str() == client_id)?;
    let named_twice = text(claims, "sub")?.split_once('/') == Some((tid, client_id));
    let has_name = !text(claims, "jti")?.is_empty();
    (named_twice && has_name).then_some(VerifiedToken {
        tenant,
        client,
        generation: Generation::parse(text(claims, "gen")?)?,
        begins,
        expires,
    })
}

/// The name of the key in the header of an access token: `alg`, `typ` and `kid`, and no more.
///
/// We write no other member, so none is accepted: not `crit`, `b64` or `zip`, which would change
/// what is verified, nor `jwk`, `jku`, `x5u` or `x5c`, which would change with what.
fn kid_of(header: &[u8]) -> Result<String, TokenError> {
    let header = Json::read(header, Names::Exact).map_err(|_| TokenError::Header)?;
    let mut kid = None;
    let (mut is_es256, mut is_access_token) = (false, false);
    for (name, value) in header.as_object().ok_or(TokenError::Header)?.iter() {
        let value = value.as_str().ok_or(TokenError::Header)?;
        match name {
            "alg" => is_es256 = value == "ES256",
            "typ" => is_access_token = is_type_of_access_tokens(value),
            "kid" => kid = Some(value.to_owned()),
            _ => return Err(TokenError::Header),
        }
    }
    match kid {
        Some(kid) if is_es256 && is_access_token => Ok(kid),
        _ => Err(TokenError::Header),
    }
}

fn is_type_of_access_tokens(typ: &str) -> bool {
    ["at+jwt", "application/at+jwt"]
        .iter()
        .any(|accepted| accepted.eq_ignore_ascii_case(typ))
}

/// Base64url without padding, in its one spelling: trailing bits are zero. Never empty.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(TokenError::Malformed),
    }
}

fn text<'a>(claims: &'a Object, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

fn integer(claims: &Object, name: &str) -> Result<i64, TokenError> {
    claims
        .get(name)
        .and_then(Json::as_integer)
        .ok_or(TokenError::Claims)
}

#[cfg(test)]
mod tests;

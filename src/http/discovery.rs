//! The documents that anybody may read: discovery in both places where libraries look (OpenID
//! Connect Discovery, RFC 8414), made once, at start, and the keys of now (RFC 7517).

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, IF_NONE_MATCH};
use actix_web::web::Bytes;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::answer::Answer;
use crate::tokens::jwt::SCOPE;
use crate::tokens::key_ring::JWKS_MAX_AGE;
use crate::tokens::keys::Keys;

/// RFC 8414 section 2. What a server without an authorization endpoint cannot say is left out:
/// `docs/divergences.md`.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 2],
}

/// A document, ready to send.
struct Document {
    body: Bytes,
    etag: String,
}

impl Document {
    fn new(body: Vec<u8>) -> Self {
        let digest = digest(&SHA256, &body);
        let etag = digest.as_ref()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            body: body.into(),
            etag,
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Answer {
        let quoted = format!("\"{}\"", self.etag);
        let known = headers.get_all(IF_NONE_MATCH).any(|value| {
            let value = value.to_str().unwrap_or_default();
            value
                .split(',')
                .any(|tag| matches!(tag.trim(), "*") || tag.trim().ends_with(&quoted))
        });
        let mut answer = match known {
            true => Answer::empty(StatusCode::NOT_MODIFIED),
            false => Answer::json_bytes(StatusCode::OK, self.body.clone()),
        };
        // For both: who has found the keys by a document may keep it as long as them.
        if let Ok(kept) = HeaderValue::try_from(format!("public, max-age={JWKS_MAX_AGE}")) {
            answer.header(CACHE_CONTROL, kept);
        }
        answer.with_etag(&self.etag)
    }
}

/// Discovery and keys.
pub struct Documents {
    discovery: Document,
    keys: Arc<Keys>,
}

impl Documents {
    /// `issuer` is the issuer identifier, `{base}/identity`.
    pub fn new(issuer: &str, keys: Arc<Keys>) -> Self {
        let metadata = Metadata {
            issuer,
            token_endpoint: format!("{issuer}/connect/token"),
            jwks_uri: format!("{issuer}/.well-known/openid-configuration/jwks"),
            scopes_supported: [SCOPE],
            grant_types_supported: ["client_credentials"],
            token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        };
        Self {
            discovery: Document::new(serde_json::to_vec(&metadata).unwrap_or_default()),
            keys,
        }
    }

    pub fn discovery(&self, headers: &HeaderMap) -> Answer {
        self.discovery.answer(headers)
    }

    /// Made anew for each reader, who comes once in its max-age.
    pub fn keys(&self, headers: &HeaderMap) -> Answer {
        Document::new(self.keys.now().jwks().to_vec()).answer(headers)
    }
}

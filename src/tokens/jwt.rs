//! Issuing access tokens: JWTs of RFC 9068, signed with ES256 in the compact form of RFC 7515.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use super::key::SIGNATURE_LENGTH;
use super::keys::Keys;
use crate::domain::client::TokenLifetime;
use crate::domain::ids::{ClientId, Generation, RoleId, RoleTypeId, TenantId};
use crate::domain::ports::{Clock, Random};

/// The one scope that there is.
pub const SCOPE: &str = "ocsapi";

/// Makes access tokens in the name of one issuer, for one audience.
pub struct Issuer {
    issuer: String,
    audience: String,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Who a token speaks of, as the client is at this moment.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub tenant: TenantId,
    pub client: &'a ClientId,
    pub generation: Generation,
    pub roles: &'a [RoleId],
    /// The types of the built-in roles among them.
    pub role_types: &'a [RoleTypeId],
    pub lifetime: TokenLifetime,
}

/// A token that was made, and what is said of it in the answer and in the audit.
pub struct IssuedToken {
    /// The compact serialisation. Whoever has it is the client: it belongs in no log.
    pub token: String,
    /// Seconds from its making to its end.
    pub expires_in: u16,
    /// Its name, for the audit: `jti`.
    pub id: String,
}

/// The system gave no randomness to sign with, or the claims could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueError(String);

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot issue a token: {}", self.0)
    }
}

impl std::error::Error for IssueError {}

impl Issuer {
    /// `issuer` and `audience` are written to `iss` and `aud` byte for byte.
    pub fn new(
        issuer: String,
        audience: String,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            issuer,
            audience,
            keys,
            clock,
            random,
        }
    }

    /// A new token that is valid from this second on, for as long as the subject's lifetime says.
    pub fn issue(&self, subject: &Subject<'_>) -> Result<IssuedToken, IssueError> {
        let mut bits = [0; 16];
        self.random.fill(&mut bits);
        let id = URL_SAFE_NO_PAD.encode(bits);
        let now = self.clock.now().unix_seconds();
        let expires_in = subject.lifetime.seconds();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: Text(format_args!("{}/{}", subject.tenant, subject.client)),
            client_id: subject.client.as_str(),
            tid: Text(subject.tenant),
            roles: Texts(subject.roles),
            scope: SCOPE,
            iat: now,
            nbf: now,
            exp: now + i64::from(expires_in),
            jti: &id,
            generation: Text(subject.generation),
            role_types: Texts(subject.role_types),
        };
        Ok(IssuedToken {
            token: self.sign(&claims, subject.roles.len() + subject.role_types.len())?,
            expires_in,
            id,
        })
    }

    fn sign(&self, claims: &Claims<'_>, ids: usize) -> Result<String, IssueError> {
        const WITHOUT_IDS: usize = 512;
        const QUOTED_ID: usize = 39;
        let mut json = Vec::with_capacity(WITHOUT_IDS + QUOTED_ID * ids);
        serde_json::to_writer(&mut json, claims).map_err(|error| IssueError(error.to_string()))?;

        let keys = self.keys.now();
        let key = keys.signing();
        let encoded = |bytes: usize| bytes.div_ceil(3) * 4;
        let mut token = String::with_capacity(
            key.encoded_header().len() + encoded(json.len()) + encoded(SIGNATURE_LENGTH) + 2,
        );
        token.push_str(key.encoded_header());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&json, &mut token);
        let signature = key
            .sign(token.as_bytes())
            .map_err(|error| IssueError(error.to_string()))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Text<fmt::Arguments<'a>>,
    client_id: &'a str,
    tid: Text<TenantId>,
    roles: Texts<'a, RoleId>,
    scope: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
    #[serde(rename = "gen")]
    generation: Text<Generation>,
    role_types: Texts<'a, RoleTypeId>,
}

/// Written as the text that it displays as, without a copy of it.
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Written as an array of such texts.
struct Texts<'a, T>(&'a [T]);

impl<T: fmt::Display> Serialize for Texts<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::{Epoch, Revision};
    use crate::domain::role::BuiltInRole;
    use crate::domain::times::Timestamp;
    use crate::system::clock::ManualClock;
    use crate::system::random::SeededRandom;
    use crate::tokens::key::{KeySet, SigningKey};

    const TENANT: TenantId = TenantId::from_bytes([0x11; 16]);

    fn issuer() -> Issuer {
        let now = Timestamp::from_parts(1_800_000_000, 999_999_999).unwrap();
        Issuer::new(
            "https://id.example/identity".into(),
            "ocsapi".into(),
            Arc::new(Keys::new(KeySet::new(
                SigningKey::generate().unwrap(),
                vec![],
            ))),
            Arc::new(ManualClock::at(now)),
            Arc::new(SeededRandom::new(1)),
        )
    }

    fn issue(issuer: &Issuer, roles: &[RoleId], role_types: &[RoleTypeId]) -> IssuedToken {
        let subject = Subject {
            tenant: TENANT,
            client: &ClientId::parse("pump-1").unwrap(),
            generation: Generation {
                epoch: Epoch(0xab),
                created: Revision(7),
            },
            roles,
            role_types,
            lifetime: TokenLifetime::new(900).unwrap(),
        };
        issuer.issue(&subject).unwrap()
    }

    fn part(token: &str, number: usize) -> Vec<u8> {
        let part = token.split('.').nth(number).unwrap();
        URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    #[test]
    fn a_token_says_what_the_contract_says() {
        let issuer = issuer();
        let member = BuiltInRole::Member.type_id();
        let issued = issue(&issuer, &[RoleId::from_bytes([0x22; 16])], &[member]);
        let keys = issuer.keys.now();
        let kid = keys.signing().verification_key().kid();
        assert_eq!(
            String::from_utf8(part(&issued.token, 0)).unwrap(),
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#)
        );
        let claims: serde_json::Value = serde_json::from_slice(&part(&issued.token, 1)).unwrap();
        let tenant = "11111111-1111-1111-1111-111111111111";
        let expected = json!({
            "iss": "https://id.example/identity",
            "aud": "ocsapi",
            "sub": format!("{tenant}/pump-1"),
            "client_id": "pump-1",
            "tid": tenant,
            "roles": ["22222222-2222-2222-2222-222222222222"],
            "scope": "ocsapi",
            "iat": 1_800_000_000_i64,
            "nbf": 1_800_000_000_i64,
            "exp": 1_800_000_900_i64,
            "jti": issued.id,
            "gen": "000000ab-7",
            "role_types": ["7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977"],
        });
        assert_eq!(claims, expected);
        assert_eq!(issued.expires_in, 900);
        assert_eq!(URL_SAFE_NO_PAD.decode(&issued.id).unwrap().len(), 16);
    }

    #[test]
    fn the_signature_is_64_bytes_over_header_and_claims() {
        let issuer = issuer();
        let token = issue(&issuer, &[], &[]).token;
        let (signed, _) = token.rsplit_once('.').unwrap();
        let signature = part(&token, 2);
        assert_eq!(signature.len(), SIGNATURE_LENGTH);
        let keys = issuer.keys.now();
        let key = keys.signing().verification_key();
        assert!(key.verifies(signed.as_bytes(), &signature));
        assert!(
            token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        );
    }

    #[test]
    fn no_two_tokens_have_one_name() {
        let issuer = issuer();
        let ids: std::collections::HashSet<_> =
            (0..200).map(|_| issue(&issuer, &[], &[]).id).collect();
        assert_eq!(ids.len(), 200);
    }

    #[test]
    fn j11_with_the_most_roles_it_fits_into_four_kibibytes() {
        let roles: Vec<_> = (0..50).map(|i| RoleId::from_bytes([i; 16])).collect();
        let types = BuiltInRole::ALL.map(BuiltInRole::type_id);
        let issued = issue(&issuer(), &roles, &types);
        assert!(issued.token.len() <= 4_096, "{}", issued.token.len());
    }
}

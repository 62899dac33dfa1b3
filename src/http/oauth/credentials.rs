//! The credentials of a token request: HTTP Basic or the form, never both (RFC 6749 section 2.3).

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::OauthError;
use super::form::Form;
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, TenantId};
use crate::http::request::Deadline;
use crate::http::urlencoded::decode_value;
use crate::service::Service;
use crate::service::tokens::Authenticated;
use crate::tokens::secret::PlainSecret;

/// What a client says that it is, and the proof.
pub struct Credentials {
    /// `None` for an id that no client can have.
    client: Option<ClientId>,
    secret: PlainSecret,
}

impl Credentials {
    pub async fn authenticate(
        &self,
        service: &Service,
        tenant: Option<TenantId>,
        deadline: &Deadline,
    ) -> Result<Option<Authenticated>, Refusal> {
        let client = self.client.as_ref();
        deadline
            .wait_for(service.authenticate(client, self.secret.expose(), tenant))
            .await
    }
}

/// Reads the credentials of a request.
pub fn read(headers: &HeaderMap, form: &Form) -> Result<Credentials, OauthError> {
    let mut values = headers.get_all(AUTHORIZATION);
    let header = values.next();
    if values.next().is_some() {
        return Err(OauthError::invalid_request(
            "There is more than one Authorization header.",
        ));
    }
    let (id, secret) = (form.one("client_id"), form.one("client_secret"));
    let Some(header) = header else {
        return match (id, secret) {
            (Some(id), Some(secret)) => Ok(credentials(id, secret.to_owned())),
            _ => Err(OauthError::invalid_client()),
        };
    };
    if secret.is_some() {
        return Err(OauthError::invalid_request(
            "There is a client_secret beside an Authorization header; send one of them.",
        ));
    }
    let (user, password) = header
        .to_str()
        .ok()
        .and_then(basic)
        .ok_or(OauthError::invalid_client())?;
    let basic = credentials(&user, password);
    let named = id.map(ClientId::parse);
    if named.is_some_and(|named| named != basic.client) {
        return Err(OauthError::invalid_request(
            "The client_id of the form is not the one of the Authorization header.",
        ));
    }
    Ok(basic)
}

fn credentials(id: &str, secret: String) -> Credentials {
    Credentials {
        client: ClientId::parse(id),
        secret: PlainSecret::from_given(secret),
    }
}

/// User and password of HTTP Basic. Some libraries percent-encode them as RFC 6749 section 2.3.1
/// says, others do not; our ids and secrets hold nothing that would tell the difference.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let user = decode_value(user)?.into_owned();
    let password = decode_value(password)?.into_owned();
    (!user.is_empty() && !password.is_empty()).then_some((user, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[test]
    fn basic_is_read_encoded_and_raw_and_in_any_case() {
        let expected = Some(("a-b".to_owned(), "c_d".to_owned()));
        assert_eq!(basic(&format!("bAsIC {}", encoded("a-b:c_d"))), expected);
        assert_eq!(
            basic(&format!("Basic {}", encoded("a%2Db:c%5Fd"))),
            expected
        );
    }

    #[test]
    fn what_is_not_basic_is_none() {
        for text in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Bearer YTpi",
            "Basic YQ==",
            "Basic Og==",
        ] {
            assert_eq!(basic(text), None, "{text}");
        }
        assert_eq!(
            basic(&format!("Basic {}", STANDARD.encode(b"a:\xff"))),
            None
        );
        assert_eq!(basic(&format!("Basic {}", encoded("a:%zz"))), None);
    }
}

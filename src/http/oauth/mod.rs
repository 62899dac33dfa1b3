//! The token endpoint (RFC 6749 sections 4.4, 5.1 and 5.2): a form in, a token or an OAuth error
//! out. It never repeats what was sent.

mod credentials;
mod form;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, HeaderMap, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde::Serialize;

use super::answer::Answer;
use super::errors::status;
use super::request::{Body, Deadline};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::TenantId;
use crate::service::Service;
use crate::service::tokens::Authenticated;
use crate::tokens::jwt::SCOPE;
use form::Form;

/// An error of RFC 6749 section 5.2. The description is of the characters that the RFC allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl OauthError {
    const fn bad(error: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description,
        }
    }

    const fn invalid_request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    /// One and the same for an unknown client, a wrong or expired secret, and a disabled client.
    const fn invalid_client() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_client",
            description: "The client is unknown or disabled, or its secret is wrong or expired.",
        }
    }
}

impl From<Refusal> for OauthError {
    /// What went wrong on the way to the endpoint's own rules.
    fn from(refusal: Refusal) -> Self {
        let (error, description) = match refusal.kind {
            Kind::TooLarge => ("invalid_request", "The form is larger than 16384 bytes."),
            Kind::TimedOut => (
                "temporarily_unavailable",
                "The request timed out; try again.",
            ),
            Kind::Unavailable => ("temporarily_unavailable", "Try again in a moment."),
            Kind::Invalid => ("invalid_request", "The request could not be read."),
            _ => (
                "server_error",
                "The service failed; the cause is in its log.",
            ),
        };
        Self {
            status: status(refusal.kind),
            error,
            description,
        }
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: &'static str,
}

fn render(error: &OauthError) -> Answer {
    let body = ErrorBody {
        error: error.error,
        error_description: error.description,
    };
    let mut answer = Answer::json(error.status, &body);
    if error.status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2 wants it on every 401.
        answer.header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Basic realm="credenza""#),
        );
    }
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        answer.header(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    not_kept(answer)
}

fn not_kept(mut answer: Answer) -> Answer {
    answer.header(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.header(PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

/// The answer to a method other than POST.
pub fn refused_method() -> Answer {
    render(&OauthError {
        status: StatusCode::METHOD_NOT_ALLOWED,
        error: "invalid_request",
        description: "The token endpoint takes POST.",
    })
}

/// The answer while the service starts.
pub fn unavailable() -> Answer {
    render(&OauthError::from(super::errors::starting()))
}

/// The answer where the service made a mistake of its own.
pub fn failed() -> Answer {
    render(&OauthError::from(Refusal::internal()))
}

/// The answer to a token request.
pub async fn token(
    service: &Service,
    headers: &HeaderMap,
    body: &mut Body,
    deadline: &Deadline,
) -> Answer {
    match respond(service, headers, body, deadline).await {
        Ok(answer) => answer,
        Err(error) => render(&error),
    }
}

#[derive(Serialize)]
struct TokenBody<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u16,
    scope: &'static str,
    /// When the secret that was used expires: the word of RFC 7591 section 3.2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
}

/// Form and its syntax, the client, the grant type, the scope: in this order.
async fn respond(
    service: &Service,
    headers: &HeaderMap,
    body: &mut Body,
    deadline: &Deadline,
) -> Result<Answer, OauthError> {
    let bytes = body.read(form::LARGEST, deadline).await?;
    deadline.check()?;
    let form = Form::read(headers, &bytes)?;
    let credentials = credentials::read(headers, &form)?;
    let tenant = named_tenant(form.one("acr_values"));
    let authenticated = match tenant {
        // A tenant that no client can be in.
        Some(None) => None,
        Some(tenant @ Some(_)) => credentials.authenticate(service, tenant, deadline).await?,
        None => credentials.authenticate(service, None, deadline).await?,
    };
    let authenticated = authenticated.ok_or(OauthError::invalid_client())?;
    check_grant_type(form.one("grant_type"))?;
    check_scope(form.one("scope"))?;
    issue(service, &authenticated)
}

fn issue(service: &Service, authenticated: &Authenticated) -> Result<Answer, OauthError> {
    let issued = service.issue(authenticated)?;
    let expires_at = authenticated
        .secret_expiration
        .map(|time| time.unix_seconds());
    let body = TokenBody {
        access_token: &issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: SCOPE,
        client_secret_expires_at: expires_at,
    };
    Ok(not_kept(Answer::json(StatusCode::OK, &body)))
}

/// The tenant that `acr_values` names as `tenant:{id}`; other values in it are ignored.
fn named_tenant(acr_values: Option<&str>) -> Option<Option<TenantId>> {
    let named = acr_values?
        .split(' ')
        .find_map(|value| value.strip_prefix("tenant:"))?;
    Some(TenantId::parse(named))
}

fn check_grant_type(grant_type: Option<&str>) -> Result<(), OauthError> {
    match grant_type {
        Some("client_credentials") => Ok(()),
        None => Err(OauthError::invalid_request("grant_type is missing.")),
        Some(_) => Err(OauthError::bad(
            "unsupported_grant_type",
            "The only grant type is client_credentials.",
        )),
    }
}

/// Granted by default; otherwise words of RFC 6749 section 3.3, each of them the only scope.
fn check_scope(scope: Option<&str>) -> Result<(), OauthError> {
    match scope {
        None => Ok(()),
        Some(scope) if scope.split(' ').all(|word| word == SCOPE) => Ok(()),
        Some(_) => Err(OauthError::bad(
            "invalid_scope",
            "The only scope is ocsapi.",
        )),
    }
}

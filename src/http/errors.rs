//! From refusals to answers: the one mapping of kinds to statuses, and the error body.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::answer::Answer;
use super::routes::Route;
use crate::domain::error::{Kind, Refusal, Shown};
use crate::tokens::secret::PREFIX;

/// The status of each kind of refusal.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid | Kind::LimitExceeded => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated | Kind::InvalidToken => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::TimedOut => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The platform's ErrorResponse.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorResponse<'a> {
    operation_id: &'a str,
    error: &'a str,
    reason: &'a str,
    resolution: &'a str,
}

/// The answer to what was refused.
pub fn render(refusal: &Refusal, operation_id: &str) -> Answer {
    let body = ErrorResponse {
        operation_id,
        error: refusal.error,
        reason: &refusal.reason,
        resolution: &refusal.resolution,
    };
    let mut answer = Answer::json(status(refusal.kind), &body);
    for (name, value) in headers(refusal.kind) {
        answer.header(name.clone(), HeaderValue::from_static(value));
    }
    answer
}

/// The headers that a kind of refusal always has (RFC 6750 section 3, RFC 9110 section 10.2.3).
fn headers(kind: Kind) -> &'static [(HeaderName, &'static str)] {
    match kind {
        Kind::Unauthenticated => const { &[(WWW_AUTHENTICATE, r#"Bearer realm="credenza""#)] },
        Kind::InvalidToken => {
            const {
                &[(
                    WWW_AUTHENTICATE,
                    r#"Bearer realm="credenza", error="invalid_token""#,
                )]
            }
        }
        Kind::Forbidden => {
            const {
                &[(
                    WWW_AUTHENTICATE,
                    r#"Bearer realm="credenza", error="insufficient_scope""#,
                )]
            }
        }
        Kind::Unavailable => const { &[(RETRY_AFTER, "5")] },
        _ => &[],
    }
}

/// A path as it may be told and logged: a secret that somebody put into it is masked, up to the end
/// of its segment, since the rest of it may be encoded in any way.
pub fn without_secrets(path: &str) -> Cow<'_, str> {
    if secret_in(path).is_none() {
        return Cow::Borrowed(path);
    }
    let segments = path.split('/').map(|segment| match secret_in(segment) {
        Some(start) => format!("{}{PREFIX}…", &segment[..start]),
        None => segment.to_owned(),
    });
    Cow::Owned(segments.collect::<Vec<_>>().join("/"))
}

/// Where a secret begins: its prefix in any case, also with its last character encoded.
fn secret_in(text: &str) -> Option<usize> {
    let word = PREFIX.trim_end_matches('_').as_bytes();
    let begins = |start: &usize| {
        let (head, rest) = text.as_bytes()[*start..].split_at(word.len());
        let encoded = rest
            .get(..3)
            .is_some_and(|end| end.eq_ignore_ascii_case(b"%5F"));
        head.eq_ignore_ascii_case(word) && (rest.starts_with(b"_") || encoded)
    };
    (0..text.len().saturating_sub(word.len())).find(begins)
}

/// A path that the service does not have.
pub fn no_route(path: &str) -> Refusal {
    Refusal::new(
        Kind::NotFound,
        "Unknown route.",
        format!("There is nothing at {}.", Shown(&without_secrets(path))),
        "The routes begin with /api/v1/Tenants, /api/v1-preview/Tenants, /api/Tenants or /identity.",
    )
}

/// A method that a route does not have.
pub fn method_not_allowed(route: Route, method: &str) -> Refusal {
    Refusal::new(
        Kind::MethodNotAllowed,
        "Method not allowed.",
        format!("This route does not have the method {}.", Shown(method)),
        format!("It has {}.", route.allow()),
    )
}

/// Adds `Allow` to the answer to [`method_not_allowed`].
pub fn with_allow(mut answer: Answer, route: Route) -> Answer {
    if let Ok(value) = HeaderValue::from_str(&route.allow()) {
        answer.header(ALLOW, value);
    }
    answer
}

/// The service is still starting.
pub fn starting() -> Refusal {
    Refusal::new(
        Kind::Unavailable,
        "The service is starting.",
        "The store is being opened.",
        "Try again in a moment.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_path_is_masked_to_the_end_of_its_segment() {
        for (path, told) in [
            ("", ""),
            ("/", "/"),
            ("/api/v1/crdz", "/api/v1/crdz"),
            ("/crdz-x/acrdzy/crdz%5", "/crdz-x/acrdzy/crdz%5"),
            ("/crdz_", "/crdz_…"),
            ("/crdz_abc-DEF_9/x", "/crdz_…/x"),
            ("/a;crdz_abc%2Fd;e//crdz_f", "/a;crdz_…//crdz_…"),
            ("/a/CRDZ_abc", "/a/crdz_…"),
            ("/crdz%5Fabc/crdz%5fabc/é", "/crdz_…/crdz_…/é"),
            ("/écrdz_abcé/é", "/écrdz_…/é"),
        ] {
            assert_eq!(without_secrets(path), told);
        }
    }
}

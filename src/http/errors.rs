//! From refusals to answers: the one mapping of kinds to statuses, and the error body.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::answer::Answer;
use super::routes::Route;
use crate::domain::error::{Kind, Refusal, Shown};

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

/// A path that the service does not have.
pub fn no_route(path: &str) -> Refusal {
    Refusal::new(
        Kind::NotFound,
        "Unknown route.",
        format!("There is nothing at {}.", Shown(path)),
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

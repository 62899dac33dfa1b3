//! Reading a request: its deadline, its bearer token, its body.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING,
};
use actix_web::web::{Bytes, BytesMut};
use futures_core::Stream;

use crate::domain::error::{Kind, Refusal, Shown};
use crate::service::writer::timed_out;
use crate::system::clock::monotonic_now;
use crate::tokens::verify::TokenError;

/// The largest JSON body.
pub const LARGEST_JSON: usize = 1024 * 1024;

/// How much of a body that nobody wants is read, to keep the connection.
const DRAINED: usize = 64 * 1024;

const DEFAULT_SECONDS: f64 = 30.0;
const MOST_SECONDS: f64 = 300.0;

/// When a request is given up.
pub struct Deadline {
    pub at: Instant,
    /// Whether the request says it; then it may be so short that it is over already.
    given: bool,
    /// What is wrong with `Request-Timeout`, told with the rest of the input; the default holds
    /// meanwhile.
    malformed: Option<Refusal>,
}

impl Deadline {
    /// From `Request-Timeout`: seconds, fractions count, above 300 means 300.
    pub fn read(headers: &HeaderMap, arrived: Instant) -> Self {
        let header = headers.get("request-timeout");
        let given = header.map(|value| {
            let text = value.to_str().unwrap_or_default().trim();
            match text.parse::<f64>() {
                Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
                _ => Err(Refusal::invalid(
                    format!("Request-Timeout is {}.", Shown(text)),
                    "Request-Timeout takes a positive number of seconds; above 300 means 300.",
                )),
            }
        });
        let (seconds, malformed) = match given {
            None => (DEFAULT_SECONDS, None),
            Some(Ok(seconds)) => (seconds.min(MOST_SECONDS), None),
            Some(Err(refusal)) => (DEFAULT_SECONDS, Some(refusal)),
        };
        Self {
            given: header.is_some(),
            at: arrived + Duration::from_secs_f64(seconds),
            malformed,
        }
    }

    /// Whether the header was well formed, and there is time left. Of the default there is, outside
    /// of what waits and looks by itself.
    pub fn check(&self) -> Result<(), Refusal> {
        match &self.malformed {
            Some(refusal) => Err(refusal.clone()),
            None if self.given && monotonic_now() >= self.at => Err(timed_out()),
            None => Ok(()),
        }
    }

    /// Waits for something until then. What is done at once costs no timer.
    pub async fn wait_for<T>(
        &self,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let mut work = pin!(work);
        let at_once = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        if let Poll::Ready(done) = at_once {
            return done;
        }
        tokio::time::timeout_at(self.at.into(), work)
            .await
            .map_err(|_| timed_out())?
    }
}

/// The token of `Authorization: Bearer`. Any other scheme is as good as none (RFC 6750 section 3.1).
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Err(no_token());
    };
    if values.next().is_some() {
        return Err(invalid_token("it is given more than once"));
    }
    // Faster than `to_str`, which looks at each character of a token alone. That those are base64url
    // is seen where it is verified.
    let value =
        std::str::from_utf8(value.as_bytes()).map_err(|_| invalid_token("it is not text"))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(no_token());
    }
    Ok(token.trim_matches(' '))
}

fn no_token() -> Refusal {
    Refusal::new(
        Kind::Unauthenticated,
        "Unauthorized.",
        "The request has no bearer token.",
        "Fetch a token from /identity/connect/token and send it as 'Authorization: Bearer <token>'.",
    )
}

fn invalid_token(why: &str) -> Refusal {
    Refusal::new(
        Kind::InvalidToken,
        "Unauthorized.",
        format!("The bearer token cannot be accepted: {why}."),
        "Fetch a new token from /identity/connect/token.",
    )
}

/// The refusal of a token that did not verify.
pub fn refused_token(error: TokenError) -> Refusal {
    invalid_token(&error.to_string())
}

/// The body of a request, which is read at most once.
pub struct Body {
    payload: Payload,
    /// How long it is said to be; `None` where it tells its end itself.
    announced: Option<u64>,
    read: usize,
    ended: bool,
}

impl Body {
    /// Its length is that of RFC 9112 section 6.3. The payload beneath may be longer: to CONNECT,
    /// and to an offer of WebSocket, it is all that the connection still brings.
    pub fn new(payload: Payload, headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH);
        let announced = match headers.contains_key(TRANSFER_ENCODING) {
            true => None,
            false => length.map_or(Some(0), |value| value.to_str().ok()?.parse().ok()),
        };
        Self {
            payload,
            announced,
            read: 0,
            ended: announced == Some(0),
        }
    }

    /// The next piece of it.
    async fn next(&mut self) -> Option<Result<Bytes, PayloadError>> {
        if self.ended {
            return None;
        }
        let chunk = poll_fn(|context| Pin::new(&mut self.payload).poll_next(context)).await;
        if let Some(Ok(chunk)) = &chunk {
            self.read += chunk.len();
        }
        self.ended = chunk.is_none() || self.announced.is_some_and(|all| self.read as u64 >= all);
        chunk
    }

    /// Reads it whole.
    pub async fn read(&mut self, largest: usize, deadline: &Deadline) -> Result<Bytes, Refusal> {
        if self.announced.is_some_and(|bytes| bytes > largest as u64) {
            return Err(too_large(largest));
        }
        let mut body = BytesMut::new();
        let whole = async {
            while let Some(chunk) = self.next().await {
                let chunk = chunk.map_err(|_| broken_off())?;
                if body.len() + chunk.len() > largest {
                    return Err(too_large(largest));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(())
        };
        deadline.wait_for(whole).await?;
        Ok(body.freeze())
    }

    /// Reads what is left of a small body, so that the connection can serve the next request.
    pub async fn drain(mut self, deadline: Instant) {
        if self.ended || self.announced.is_some_and(|bytes| bytes > DRAINED as u64) {
            return;
        }
        let rest = async {
            while let Some(Ok(_)) = self.next().await {
                if self.read > DRAINED {
                    return;
                }
            }
        };
        // Past the deadline the connection is closed, which is all that draining avoids.
        let _ = tokio::time::timeout_at(deadline.into(), rest).await;
    }
}

fn too_large(largest: usize) -> Refusal {
    Refusal::new(
        Kind::TooLarge,
        "The body is too large.",
        "The body is larger than this route takes.",
        format!("Send at most {largest} bytes."),
    )
}

fn broken_off() -> Refusal {
    Refusal::invalid(
        "The body broke off.",
        "Send the whole body, as long as Content-Length says.",
    )
}

/// Whether the body says that it is JSON. Its own word for it must be one that a client of the
/// platform uses; a charset, if any, must be UTF-8.
pub fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |what: String| {
        Err(Refusal::new(
            Kind::UnsupportedMediaType,
            "The body is not JSON.",
            what,
            "Send the body with 'Content-Type: application/json', uncompressed.",
        ))
    };
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return refuse("Content-Encoding names a compression.".into());
    }
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return refuse("There is no Content-Type.".into());
    };
    let text = value.to_str().unwrap_or_default();
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let kind = kind.trim().to_ascii_lowercase();
    let json = matches!(kind.as_str(), "application/json" | "text/json")
        || (kind.starts_with("application/") && kind.ends_with("+json"));
    if !json {
        return refuse(format!("Content-Type is {}.", Shown(text)));
    }
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => {
            refuse(format!("The charset is {}.", Shown(charset)))
        }
        _ => Ok(()),
    }
}

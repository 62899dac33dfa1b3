//! Reading a request: its deadline, its bearer token, its body.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING,
};
use actix_web::web::{Bytes, BytesMut};
use futures_core::Stream;

use super::connections::Connection;
use super::limits::{BODY, BODY_BYTES_A_SECOND};
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
    /// Until when it may take, however slowly it comes.
    due: Instant,
    connection: Option<Rc<Connection>>,
}

impl Body {
    /// Its length is that of RFC 9112 section 6.3. The payload beneath may be longer: to CONNECT,
    /// and to an offer of WebSocket, it is all that the connection still brings.
    pub fn new(payload: Payload, request: &HttpRequest, due: Instant) -> Self {
        let headers = request.headers();
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
            due,
            connection: match announced {
                // There is nothing to wait for.
                Some(0) => None,
                _ => request.conn_data::<Rc<Connection>>().cloned(),
            },
        }
    }

    /// The next piece of it. One that is there already costs no timer.
    async fn next(&mut self, deadline: Instant) -> Result<Option<Bytes>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let mut piece = poll_fn(|context| Pin::new(&mut self.payload).poll_next(context));
        let at_once = poll_fn(|context| Poll::Ready(Pin::new(&mut piece).poll(context))).await;
        let piece = match at_once {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                let connection = self.connection.as_ref();
                let _wanting = connection.map(Connection::wanting_body);
                let earned = Duration::from_secs(self.read as u64 / BODY_BYTES_A_SECOND);
                let due = self.due + earned;
                match tokio::time::timeout_at(due.min(deadline).into(), piece).await {
                    Ok(piece) => piece,
                    Err(_) => {
                        self.ended = true;
                        return Err(if due < deadline {
                            too_slow()
                        } else {
                            timed_out()
                        });
                    }
                }
            }
        };
        let piece = piece.transpose().map_err(|_| broken_off())?;
        self.read += piece.as_ref().map_or(0, Bytes::len);
        self.ended = piece.is_none() || self.announced.is_some_and(|all| self.read as u64 >= all);
        Ok(piece)
    }

    /// Reads it whole.
    pub async fn read(&mut self, largest: usize, deadline: &Deadline) -> Result<Bytes, Refusal> {
        if self.announced.is_some_and(|bytes| bytes > largest as u64) {
            return Err(too_large(largest));
        }
        let mut body = BytesMut::new();
        while let Some(piece) = self.next(deadline.at).await? {
            if body.len() + piece.len() > largest {
                return Err(too_large(largest));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// Reads what is left of a small body, so that the connection can serve the next request.
    pub async fn drain(mut self, deadline: Instant) {
        if self.ended || self.announced.is_some_and(|bytes| bytes > DRAINED as u64) {
            return;
        }
        // Past the deadline the connection is closed, which is all that draining avoids.
        while let Ok(Some(_)) = self.next(deadline).await {
            if self.read > DRAINED {
                return;
            }
        }
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

fn too_slow() -> Refusal {
    Refusal::new(
        Kind::TimedOut,
        "The body came too slowly.",
        "The body was not there in time; nothing was done.",
        format!(
            "Send it within {} seconds, or at {BODY_BYTES_A_SECOND} bytes a second.",
            BODY.as_secs()
        ),
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

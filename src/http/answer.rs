//! What a handler answers with, and how it goes onto the wire: HEAD, 204 and 304 included.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LINK, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use serde::Serialize;

pub static OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");
pub static TOTAL_COUNT: HeaderName = HeaderName::from_static("total-count");
static JSON: HeaderValue = HeaderValue::from_static("application/json");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The caller's own cache alone may keep it, and asks with the tag before it is used again.
static ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// A status, headers, and a body.
pub struct Answer {
    pub status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
}

/// As many headers as a page of a list has before those of every answer.
const USUAL_HEADERS: usize = 4;

enum Body {
    None,
    Whole(Bytes),
    /// Given piece by piece while it is sent.
    Pieces(BoxBody),
}

impl Answer {
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::with_capacity(USUAL_HEADERS),
            body: Body::None,
        }
    }

    /// A JSON body. Our own types always serialise; should one not, the answer has no body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self::json_bytes(status, serde_json::to_vec(body).unwrap_or_default().into())
    }

    pub fn json_bytes(status: StatusCode, body: Bytes) -> Self {
        let mut answer = Self::empty(status);
        answer.header(CONTENT_TYPE, JSON.clone());
        answer.body = Body::Whole(body);
        answer
    }

    /// A JSON body that is given piece by piece while it is sent.
    pub fn json_pieces(status: StatusCode, body: impl MessageBody + 'static) -> Self {
        let mut answer = Self::empty(status);
        answer.header(CONTENT_TYPE, JSON.clone());
        answer.body = Body::Pieces(BoxBody::new(body));
        answer
    }

    pub fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.push((name, value));
    }

    /// A header of text that we made. Text that no header can hold is left out.
    fn text_header(mut self, name: HeaderName, value: String) -> Self {
        if value.is_ascii()
            && let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value))
        {
            self.header(name, value);
        }
        self
    }

    pub fn with_location(self, path: &str) -> Self {
        self.text_header(LOCATION, path.to_owned())
    }

    /// `tag` without its quotes.
    pub fn with_etag(self, tag: &str) -> Self {
        self.text_header(ETAG, ["\"", tag, "\""].concat())
    }

    /// `link` is the whole value of the header.
    pub fn with_next(self, link: Option<String>) -> Self {
        match link {
            Some(link) => self.text_header(LINK, link),
            None => self,
        }
    }

    pub fn with_total(mut self, total: usize) -> Self {
        self.header(TOTAL_COUNT.clone(), HeaderValue::from(total as u64));
        self
    }

    /// For what must not be kept by anybody on the way: secrets and tokens.
    pub fn never_stored(mut self) -> Self {
        self.header(CACHE_CONTROL, NO_STORE.clone());
        self
    }

    /// How caches may keep it where the handler did not say: with a tag to ask by, else not.
    fn kept(&self) -> Option<HeaderValue> {
        let has = |name| self.headers.iter().any(|(own, _)| *own == name);
        match (has(CACHE_CONTROL), has(ETAG)) {
            (true, _) => None,
            (false, true) => Some(ASK_AGAIN.clone()),
            (false, false) => Some(NO_STORE.clone()),
        }
    }

    /// The answer on the wire, with the headers that every answer has. To a HEAD it has no body, and
    /// an error no `Content-Type` either: the platform's own client would parse the body that is not
    /// there.
    pub fn into_response(self, method: &Method, operation_id: &str) -> HttpResponse {
        let to_head = method == Method::HEAD;
        let without_type =
            to_head && (self.status.is_client_error() || self.status.is_server_error());
        let kept = self.kept();
        let counted = self.headers.iter().any(|(name, _)| *name == TOTAL_COUNT);
        let bodyless = matches!(
            self.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        let body = match self.body {
            Body::Whole(bytes) if to_head && !counted && !without_type => {
                BoxBody::new(HeadBody(BodySize::Sized(bytes.len() as u64)))
            }
            _ if to_head || bodyless => BoxBody::new(HeadBody(BodySize::None)),
            Body::None => BoxBody::new(()),
            Body::Whole(bytes) => BoxBody::new(bytes),
            Body::Pieces(body) => body,
        };
        let mut response = HttpResponse::with_body(self.status, body);
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            if !(without_type && name == CONTENT_TYPE) {
                headers.append(name, value);
            }
        }
        if let Some(kept) = kept {
            headers.append(CACHE_CONTROL, kept);
        }
        headers.append(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
        headers.append(REFERRER_POLICY, NO_REFERRER.clone());
        if let Ok(value) = HeaderValue::from_str(operation_id) {
            headers.append(OPERATION_ID.clone(), value);
        }
        response
    }
}

/// A body of which only the length is told.
struct HeadBody(BodySize);

impl MessageBody for HeadBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

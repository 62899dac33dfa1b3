//! What pages of other origins may do: nothing, unless their origin was named at start.
//!
//! The service knows no cookies, so it never allows credentials: a page sends its token itself. An
//! answer then says by `Vary` that it depends on the origin, whether it allows it or not.

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};

use super::answer::Answer;

static METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
/// `Authorization` has to be named: to browsers `*` does not hold it.
static HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, If-Match, If-None-Match, Request-Timeout",
);
static EXPOSED: HeaderValue = HeaderValue::from_static(
    "Operation-Id, Total-Count, ETag, Link, Location, WWW-Authenticate, Retry-After",
);
/// How long a browser may go by the answer to a preflight, in seconds: the most that they take.
static MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
static VARY_BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// An origin, as browsers write it: scheme, host, and the port where it is not the scheme's own.
pub fn parse_origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = |why: &str| Err(format!("'{text}' {why}, such as https://app.example.com"));
    let rest = text.strip_prefix("https://").map(|rest| (rest, ":443"));
    let rest = rest.or_else(|| text.strip_prefix("http://").map(|rest| (rest, ":80")));
    let Some((rest, own_port)) = rest else {
        return wrong("is no origin; every one is named by scheme and host");
    };
    let in_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c);
    if rest.is_empty() || rest.starts_with(':') || !rest.chars().all(in_host) {
        return wrong(
            "is no origin; it is a scheme and a host in small letters, with nothing behind",
        );
    }
    if rest.ends_with(own_port) {
        return wrong("names the scheme's own port, which browsers leave out; write the origin");
    }
    HeaderValue::from_str(text).or_else(|_| wrong("is no origin"))
}

/// The origin of a request, where it is one of those that were named.
fn allowed<'a>(headers: &'a HeaderMap, origins: &[HeaderValue]) -> Option<&'a HeaderValue> {
    headers
        .get(ORIGIN)
        .filter(|origin| origins.contains(origin))
}

/// The answer to a preflight (Fetch, "CORS-preflight request") of an allowed origin; whatever else
/// is asked goes its way.
pub fn preflight(method: &Method, headers: &HeaderMap, origins: &[HeaderValue]) -> Option<Answer> {
    if *method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    allowed(headers, origins)?;
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    answer.header(ACCESS_CONTROL_ALLOW_METHODS, METHODS.clone());
    answer.header(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS.clone());
    answer.header(ACCESS_CONTROL_MAX_AGE, MAX_AGE.clone());
    Some(answer)
}

/// Says on an answer whether a page of the request's origin may read it. To be called where any
/// origins were named, for every answer.
pub fn mark(request: &HeaderMap, response: &mut HeaderMap, origins: &[HeaderValue]) {
    response.append(VARY, VARY_BY_ORIGIN.clone());
    if let Some(origin) = allowed(request, origins) {
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_as_browsers_write_it() {
        for text in [
            "https://app.example.com",
            "http://localhost:3000",
            "https://app.example.com:8443",
            "http://[::1]:3000",
            "http://127.0.0.1",
        ] {
            assert_eq!(parse_origin(text).unwrap(), text);
        }
        for text in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://:443",
            "https://App.example.com",
            "https://app.example.com/",
            "https://app.example.com/page",
            "https://*.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://user@app.example.com",
            "ftp://app.example.com",
            "https://app.example.com https://b.example.com",
        ] {
            assert!(parse_origin(text).is_err(), "{text}");
        }
    }
}

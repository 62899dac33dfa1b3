//! What the service knows of what lies between it and its clients: trusted proxies, pages of other
//! origins, and whether it does TLS itself.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderValue, STRICT_TRANSPORT_SECURITY};
use actix_web::{HttpRequest, HttpResponse};

use super::answer::Answer;
use super::cors;
use super::source::{Network, source_of};

/// A browser that was here once does not come by plain HTTP again, for a year.
static A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What was said of it at start. By default nobody is trusted, and nothing is allowed.
#[derive(Clone, Default)]
pub struct Edge {
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whose pages may read answers.
    pub origins: Vec<HeaderValue>,
    /// Whether the service itself does TLS. Behind a proxy it is the proxy that knows whether its
    /// host is never reached otherwise.
    pub is_tls: bool,
}

impl Edge {
    /// The address that a request comes from; `None` where its peer has gone already.
    pub fn source(&self, request: &HttpRequest) -> Option<IpAddr> {
        source_of(request, &self.trusted_proxies)
    }

    /// The answer to a browser that asks what a page may do.
    pub fn preflight(&self, request: &HttpRequest) -> Option<Answer> {
        match self.origins.is_empty() {
            true => None,
            false => cors::preflight(request.method(), request.headers(), &self.origins),
        }
    }

    /// What every answer says besides its own.
    pub fn mark(&self, request: &HeaderMap, response: &mut HttpResponse) {
        if self.is_tls {
            let headers = response.headers_mut();
            headers.insert(STRICT_TRANSPORT_SECURITY, A_YEAR.clone());
        }
        if !self.origins.is_empty() {
            cors::mark(request, response.headers_mut(), &self.origins);
        }
    }
}

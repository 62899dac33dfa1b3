//! Somebody who calls the service, with or without a token.

use std::net::SocketAddr;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use super::response::Response;

/// A caller: its identity, its token, its connections.
#[derive(Clone)]
pub struct Caller {
    agent: Agent,
    address: SocketAddr,
    pub tenant: String,
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// Somebody without a token.
pub fn anonymous(address: SocketAddr) -> Caller {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .build();
    Caller {
        agent: config.into(),
        address,
        tenant: String::new(),
        id: String::new(),
        secret: String::new(),
        token: None,
    }
}

impl Caller {
    /// A client that has fetched its token.
    pub fn authenticated(address: SocketAddr, tenant: &str, id: &str, secret: &str) -> Self {
        let mut caller = Self {
            tenant: tenant.into(),
            id: id.into(),
            secret: secret.into(),
            ..anonymous(address)
        };
        caller.fetch_token();
        caller
    }

    /// Fetches a new token.
    pub fn fetch_token(&mut self) {
        let answer = self.token_answer().expect(200);
        self.token = Some(answer.text("access_token"));
    }

    /// What the token endpoint says to this client, whatever it is.
    pub fn token_answer(&self) -> Response {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&acr_values=tenant:{}",
            self.id, self.secret, self.tenant
        );
        self.without_token().form("/identity/connect/token", &form)
    }

    /// The same client, without a token.
    pub fn without_token(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    /// Another client, which has fetched no token.
    pub fn known_as(&self, id: &str, secret: &str) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            token: None,
            ..self.clone()
        }
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// The same client at the port that a restarted service got.
    pub fn moved_to(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    /// The same client over connections that nobody else uses.
    pub fn with_connections_of_its_own(&self) -> Self {
        Self {
            agent: anonymous(self.address).agent,
            ..self.clone()
        }
    }

    /// The same client, whose paths name another tenant.
    pub fn in_tenant(&self, tenant: &str) -> Self {
        Self {
            tenant: tenant.into(),
            ..self.clone()
        }
    }

    /// A path of v1 in the caller's tenant.
    pub fn v1(&self, rest: &str) -> String {
        format!("/api/v1/Tenants/{}{rest}", self.tenant)
    }

    pub fn preview(&self, rest: &str) -> String {
        format!("/api/v1-preview/Tenants/{}{rest}", self.tenant)
    }

    pub fn legacy(&self, rest: &str) -> String {
        format!("/api/Tenants/{}{rest}", self.tenant)
    }

    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], None)
    }

    pub fn head(&self, path: &str) -> Response {
        self.send("HEAD", path, &[], None)
    }

    pub fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.post_text(path, &body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.put_text(path, &body.to_string())
    }

    /// A body as it is, broken or not, called JSON.
    pub fn post_text(&self, path: &str, body: &str) -> Response {
        self.send(
            "POST",
            path,
            &[("Content-Type", "application/json")],
            Some(body.as_bytes()),
        )
    }

    pub fn put_text(&self, path: &str, body: &str) -> Response {
        self.send(
            "PUT",
            path,
            &[("Content-Type", "application/json")],
            Some(body.as_bytes()),
        )
    }

    pub fn form(&self, path: &str, body: &str) -> Response {
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &kind, Some(body.as_bytes()))
    }

    /// Any request. An `Authorization` among the headers takes the place of the token's.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Response {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same, where the answer may not come, or not whole.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Response, ureq::Error> {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(&uri);
        let own = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let (Some(token), false) = (&self.token, own) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        Response::try_read(format!("{method} {path}"), answer?)
    }
}

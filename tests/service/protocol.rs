//! HTTP/1.1 as it goes over the wire: routes, methods, HEAD, connections that are kept, hostile
//! paths, limits of the parser, and deadlines.

mod connection;
mod head;
mod hostile;
mod limits;
mod routes;
mod timeouts;
mod wire;

use serde_json::json;

use crate::harness::{Caller, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";

/// A client of the first tenant; its secret is 1.
const CLIENT: &str = "pump";

/// A service with one of everything.
struct Ground {
    server: Server,
    operator: Caller,
    role: String,
}

impl Ground {
    fn new() -> Self {
        let server = Server::start();
        let operator = server.operator();
        let client = json!({ "Id": CLIENT, "Tags": ["a"] });
        operator.post(&operator.v1(CLIENTS), &client).expect(201);
        let role = operator.post(&operator.v1("/Roles"), &json!({ "Name": "Own" }));
        Self {
            role: role.expect(201).text("Id"),
            operator,
            server,
        }
    }

    /// Every path that has GET, one a route.
    fn readable(&self) -> Vec<String> {
        let role = &self.role;
        let v1 = |rest: &str| format!("/api/v1/Tenants/{TENANT}{rest}");
        let preview = |rest: &str| format!("/api/v1-preview/Tenants/{TENANT}{rest}");
        let legacy = |rest: &str| format!("/api/Tenants/{TENANT}{rest}");
        vec![
            v1("/ClientCredentialClients"),
            v1("/ClientCredentialClients/pump"),
            v1("/ClientCredentialClients/pump/Roles"),
            v1("/Clients/pump/Roles"),
            v1("/ClientCredentialClients/pump/Secrets"),
            v1("/ClientCredentialClients/pump/Secrets/1"),
            v1("/Roles"),
            v1(&format!("/Roles/{role}")),
            v1(&format!("/Roles/{role}/ClientCredentialClients")),
            v1(""),
            "/api/v1/Roles".into(),
            "/api/v1/Tenants".into(),
            preview("/ClientCredentialClients"),
            preview("/ClientCredentialClients/pump"),
            preview("/ClientCredentialClients/pump/Secrets"),
            preview("/ClientCredentialClients/pump/Secrets/1"),
            legacy("/ClientCredentialClient/"),
            legacy("/ClientCredentialClient/pump"),
            "/identity/.well-known/openid-configuration".into(),
            "/.well-known/oauth-authorization-server/identity".into(),
            "/identity/.well-known/openid-configuration/jwks".into(),
            "/health/live".into(),
            "/health/ready".into(),
        ]
    }
}

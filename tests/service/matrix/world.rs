//! The two tenants and all the callers of the matrix, and the request of each of its cells.

use std::cell::Cell;

use credenza::http::routes::Route;
use serde_json::{Value, json};

use super::table::Row;
use crate::harness::{
    ADMINISTRATOR, Caller, MEMBER, OPERATOR, OPERATOR_SECRET, Response, Server, TENANT, anonymous,
};

const VIEWER: &str = "e6cbf91e-0be8-4858-92b5-f88ecafd5574";
const NOWHERE: &str = "99999999-9999-4999-8999-999999999999";
/// Self A; tenant B has another client of the same id.
const PUMP: &str = "pump";
/// A client of tenant A that calls nobody.
const SIBLING: &str = "sibling";
/// A client that tenant B alone has.
const ONLY_IN_B: &str = "only-in-b";

pub struct World {
    pub operator: Caller,
    /// In the order of `table::CALLERS`.
    pub callers: [Caller; 7],
    /// Nobody, garbage, and an Administrator of A whose token has expired.
    pub without_token: [(&'static str, Caller); 3],
    pub a: Tenant,
    pub b: Tenant,
    /// The operator's tenant.
    home: Tenant,
    drawn: Cell<u32>,
    server: Server,
}

pub struct Tenant {
    pub id: String,
    /// A role of its own.
    role: String,
    member: String,
    viewer: String,
}

/// What a cell asks for.
pub struct Request {
    pub path: String,
    body: Option<Value>,
    form: Option<String>,
    /// Who asks, where it is not the caller of the column itself.
    twin: Option<Caller>,
    /// What was made for this cell alone, and is in the way of others when it stays.
    leftover: Option<String>,
}

impl World {
    pub fn new() -> Self {
        let server = Server::start();
        let a = Tenant::new(&server, "Acme");
        let b = Tenant::new(&server, "Bolts");
        let expired = server.administrator(&a.id);
        server.clock.advance_seconds(3_600);
        let operator = server.operator();
        create_client(&operator, &b.id, PUMP);
        create_client(&operator, &b.id, ONLY_IN_B);
        create_client(&operator, &a.id, SIBLING);
        let secret = create_client(&operator, &a.id, PUMP);
        let callers = [
            server.member(&a.id),
            server.administrator(&a.id),
            Caller::authenticated(server.address(), &a.id, PUMP, &secret),
            server.caller_with(&a.id, &[server.role(&a.id, VIEWER)]),
            server.caller_with(&b.id, &[server.role(&b.id, ADMINISTRATOR)]),
            operator.clone(),
            server.support(),
        ];
        let nobody = anonymous(server.address());
        let without_token = [
            ("nobody", nobody.clone()),
            ("garbage", nobody.with_token("garbage")),
            ("an expired token", expired),
        ];
        Self {
            operator,
            callers,
            without_token,
            a,
            b,
            home: Tenant::of(&server, TENANT),
            drawn: Cell::new(0),
            server,
        }
    }

    /// A word that was not used before.
    fn draw(&self) -> String {
        self.drawn.set(self.drawn.get() + 1);
        format!("drawn-{}", self.drawn.get())
    }

    /// Changes with every change in one of the tenants, or of which tenants there are.
    pub fn state(&self) -> [String; 4] {
        let revision = |tenant: &Tenant| {
            let path = format!("/api/v1/Tenants/{}/ClientCredentialClients", tenant.id);
            let answer = self.operator.head(&path).expect(200);
            answer.header("etag").unwrap().to_owned()
        };
        let tenants = self.operator.get("/api/v1/Tenants?count=1000").expect(200);
        [
            revision(&self.a),
            revision(&self.b),
            revision(&self.home),
            tenants.json().to_string(),
        ]
    }

    fn tenant(&self, object: &str, asker: Option<&Caller>) -> &Tenant {
        let all = [&self.a, &self.b, &self.home];
        match (object, asker) {
            ("b", _) => &self.b,
            ("own", Some(asker)) => all.into_iter().find(|own| own.id == asker.tenant).unwrap(),
            _ => &self.a,
        }
    }

    /// The request of a cell, for the caller of its column. One that will be done gets an object of
    /// its own where it would otherwise take away what other cells need.
    pub fn request(&self, route: Route, row: &Row, asker: Option<&Caller>, done: bool) -> Request {
        let tenant = self.tenant(&row.object, asker);
        let mut tenant_id = match row.object.as_str() {
            "nowhere" => NOWHERE.to_owned(),
            _ => tenant.id.clone(),
        };
        let changes = done && matches!(row.method.as_str(), "PUT" | "DELETE");
        if changes && route == Route::Tenant && row.method == "DELETE" {
            tenant_id = self.new_tenant();
        }
        let changes_a_client = changes && route.names_a_client() && !names_a_secret(route);
        let twin = asker
            .filter(|_| changes_a_client && row.object == "own")
            .map(|asker| self.twin(asker));
        let client = match &twin {
            Some(twin) => twin.id.clone(),
            None => self.client(route, row, asker, changes_a_client),
        };
        let role = match row.object.as_str() {
            "gone" => self.b.role.clone(),
            _ if changes && route == Route::Role => {
                create_role(&self.operator, &tenant.id, &self.draw())
            }
            _ => tenant.role.clone(),
        };
        let (secret, leftover) = self.secret(route, row, &tenant.id, &client);
        let path = path(route, &tenant_id, &client, &role, &secret);
        Request {
            path,
            body: self.body(route, &row.method, tenant),
            form: (route == Route::Token).then(|| {
                format!(
                    "grant_type=client_credentials&client_id={OPERATOR}&client_secret={OPERATOR_SECRET}"
                )
            }),
            twin,
            leftover,
        }
    }

    /// A caller with the roles of another one, for what would end that one's rights.
    fn twin(&self, of: &Caller) -> Caller {
        let path = format!(
            "/api/v1/Tenants/{}/ClientCredentialClients/{}",
            of.tenant, of.id
        );
        let roles = self.operator.get(&path).expect(200).json()["RoleIds"].clone();
        let roles: Vec<String> = serde_json::from_value(roles).unwrap();
        self.server.caller_with(&of.tenant, &roles)
    }

    fn client(&self, route: Route, row: &Row, asker: Option<&Caller>, changes: bool) -> String {
        match row.object.as_str() {
            "orphan" => ONLY_IN_B.into(),
            "gone" if !names_a_secret(route) => ONLY_IN_B.into(),
            "own" => asker.map_or(PUMP, |asker| &asker.id).into(),
            "a" | "b" | "sibling" if changes => {
                let id = self.draw();
                let tenant = &self.tenant(&row.object, asker).id;
                create_client(&self.operator, tenant, &id);
                id
            }
            "sibling" => SIBLING.into(),
            _ => PUMP.into(),
        }
    }

    /// The id of the secret, and the path of the one that was made for a deletion.
    fn secret(
        &self,
        route: Route,
        row: &Row,
        tenant: &str,
        client: &str,
    ) -> (String, Option<String>) {
        let there = matches!(row.object.as_str(), "a" | "b" | "sibling" | "own");
        if names_a_secret(route) && row.method == "DELETE" && there {
            let secrets =
                format!("/api/v1/Tenants/{tenant}/ClientCredentialClients/{client}/Secrets");
            let body = json!({ "Expires": false });
            let made = self.operator.post(&secrets, &body).expect(201).json();
            let id = made["Id"].to_string();
            let path = format!("{secrets}/{id}");
            return (id, Some(path));
        }
        match row.object.as_str() {
            "gone" => ("77".into(), None),
            _ => ("1".into(), None),
        }
    }

    fn new_tenant(&self) -> String {
        let body = json!({ "CompanyName": self.draw() });
        let made = self.operator.post("/api/v1/Tenants", &body).expect(201);
        made.text("Id")
    }

    /// A body that changes something, whenever it is taken.
    fn body(&self, route: Route, method: &str, tenant: &Tenant) -> Option<Value> {
        if !matches!(method, "POST" | "PUT") || route == Route::Token {
            return None;
        }
        let word = self.draw();
        Some(match route {
            Route::ClientRoles | Route::ClientRolesAlias => json!([tenant.member, tenant.viewer]),
            Route::Secrets | Route::PreviewSecrets => {
                json!({ "Description": word, "Expires": false })
            }
            Route::Secret | Route::PreviewSecret => json!({ "Description": word }),
            Route::Tenant | Route::Tenants => json!({ "CompanyName": word }),
            _ => json!({ "Name": word }),
        })
    }

    pub fn send(&self, caller: &Caller, method: &str, request: &Request) -> Response {
        let caller = request.twin.as_ref().unwrap_or(caller);
        if let Some(form) = &request.form {
            return caller.form(&request.path, form);
        }
        match &request.body {
            Some(body) => caller.send(
                method,
                &request.path,
                &[("Content-Type", "application/json")],
                Some(body.to_string().as_bytes()),
            ),
            None => caller.send(method, &request.path, &[], None),
        }
    }

    /// Takes away what a cell left: what was there for a deletion that was refused (and must still
    /// be there), and a secret that was added, since a client holds only ten.
    pub fn clear(&self, route: Route, request: &Request, answer: Option<&Response>) {
        let done = answer.filter(|answer| answer.status < 300);
        if let Some(twin) = &request.twin {
            self.operator
                .delete(&twin.v1(&format!("/ClientCredentialClients/{}", twin.id)));
        }
        if let Some(path) = &request.leftover {
            let expected = if done.is_some() { 404 } else { 204 };
            self.operator.delete(path).expect(expected);
        }
        if let Some(answer) = done
            && answer.status == 201
            && matches!(route, Route::Secrets | Route::PreviewSecrets)
        {
            let location = answer.header("location").unwrap();
            self.operator.delete(location).expect(204);
        }
    }
}

impl Request {
    /// The same at another path.
    pub fn at(&self, path: &str) -> Self {
        Self {
            path: path.into(),
            body: self.body.clone(),
            form: self.form.clone(),
            twin: None,
            leftover: None,
        }
    }
}

fn names_a_secret(route: Route) -> bool {
    matches!(route, Route::Secret | Route::PreviewSecret)
}

impl Tenant {
    fn new(server: &Server, name: &str) -> Self {
        Self::of(server, &server.new_tenant(name))
    }

    fn of(server: &Server, id: &str) -> Self {
        Self {
            role: create_role(&server.operator(), id, "Own"),
            member: server.role(id, MEMBER),
            viewer: server.role(id, VIEWER),
            id: id.into(),
        }
    }
}

/// Gives the secret.
fn create_client(operator: &Caller, tenant: &str, id: &str) -> String {
    let path = format!("/api/v1/Tenants/{tenant}/ClientCredentialClients");
    let made = operator.post(&path, &json!({ "Id": id })).expect(201);
    made.text("Secret")
}

fn create_role(operator: &Caller, tenant: &str, name: &str) -> String {
    let path = format!("/api/v1/Tenants/{tenant}/Roles");
    let made = operator.post(&path, &json!({ "Name": name })).expect(201);
    made.text("Id")
}

fn path(route: Route, tenant: &str, client: &str, role: &str, secret: &str) -> String {
    let v1 = format!("/api/v1/Tenants/{tenant}");
    let clients = format!("{v1}/ClientCredentialClients");
    let preview = format!("/api/v1-preview/Tenants/{tenant}/ClientCredentialClients");
    let legacy = format!("/api/Tenants/{tenant}/ClientCredentialClient/");
    match route {
        Route::Clients => clients,
        Route::Client => format!("{clients}/{client}"),
        Route::ClientRoles => format!("{clients}/{client}/Roles"),
        Route::ClientRolesAlias => format!("{v1}/Clients/{client}/Roles"),
        Route::Secrets => format!("{clients}/{client}/Secrets"),
        Route::Secret => format!("{clients}/{client}/Secrets/{secret}"),
        Route::Roles => format!("{v1}/Roles"),
        Route::Role => format!("{v1}/Roles/{role}"),
        Route::RoleHolders => format!("{v1}/Roles/{role}/ClientCredentialClients"),
        Route::ClusterRoles => "/api/v1/Roles".into(),
        Route::Tenant => v1,
        Route::Tenants => "/api/v1/Tenants".into(),
        Route::PreviewClients => preview,
        Route::PreviewClient => format!("{preview}/{client}"),
        Route::PreviewSecrets => format!("{preview}/{client}/Secrets"),
        Route::PreviewSecret => format!("{preview}/{client}/Secrets/{secret}"),
        Route::LegacyClients => legacy,
        Route::LegacyClient => format!("{legacy}{client}"),
        Route::Discovery => "/identity/.well-known/openid-configuration".into(),
        Route::DiscoveryOauth => "/.well-known/oauth-authorization-server/identity".into(),
        Route::Token => "/identity/connect/token".into(),
        Route::Keys => "/identity/.well-known/openid-configuration/jwks".into(),
        Route::Live => "/health/live".into(),
        Route::Ready => "/health/ready".into(),
    }
}

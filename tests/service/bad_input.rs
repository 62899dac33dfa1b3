//! Input that cannot be accepted: the status and the words of the contract, and nothing changes.

mod bodies;
mod fields;
mod identifiers;
mod order;
mod queries;
mod values;

use serde_json::{Value, json};

use crate::harness::{Caller, MEMBER, Response, Server, TENANT};

/// A client that exists, its secret 1, and a role of its tenant.
const CLIENT: &str = "2dc742ab-0000-4fc0-a39e-2bcb71c26a5f";
const CLIENTS: &str = "/ClientCredentialClients";

/// A service with one of everything.
struct Ground {
    operator: Caller,
    member: String,
    role: String,
    server: Server,
}

/// A route that takes a body.
struct Taker {
    method: &'static str,
    path: String,
    /// A body that it takes.
    good: Value,
    done: u16,
}

impl Ground {
    fn new() -> Self {
        let server = Server::start();
        let operator = server.operator();
        let client = json!({ "Id": CLIENT, "Tags": ["kept"], "Name": "Kept" });
        operator.post(&operator.v1(CLIENTS), &client).expect(201);
        let role = operator.post(&operator.v1("/Roles"), &json!({ "Name": "Kept" }));
        Self {
            role: role.expect(201).text("Id"),
            member: server.role(TENANT, MEMBER),
            operator,
            server,
        }
    }

    fn client(&self) -> String {
        self.operator.v1(&format!("{CLIENTS}/{CLIENT}"))
    }

    fn preview_client(&self) -> String {
        self.operator.preview(&format!("{CLIENTS}/{CLIENT}"))
    }

    fn legacy_client(&self) -> String {
        self.operator
            .legacy(&format!("/ClientCredentialClient/{CLIENT}"))
    }

    fn role_path(&self) -> String {
        self.operator.v1(&format!("/Roles/{}", self.role))
    }

    /// Every route that takes a JSON body.
    fn takers(&self) -> Vec<Taker> {
        let (caller, client, preview) = (&self.operator, self.client(), self.preview_client());
        let secret = json!({ "Expires": false });
        let name = json!({ "Name": "Fine" });
        let company = json!({ "CompanyName": "Fine" });
        let roles = json!([self.member]);
        let post = |path: String, good: &Value| Taker {
            method: "POST",
            path,
            good: good.clone(),
            done: 201,
        };
        let put = |path: String, good: &Value| Taker {
            method: "PUT",
            path,
            good: good.clone(),
            done: 200,
        };
        vec![
            post(caller.v1(CLIENTS), &name),
            post(caller.preview(CLIENTS), &name),
            post(caller.legacy("/ClientCredentialClient/"), &name),
            put(client.clone(), &name),
            put(preview.clone(), &name),
            put(self.legacy_client(), &name),
            post(format!("{client}/Secrets"), &secret),
            post(format!("{preview}/Secrets"), &secret),
            put(format!("{client}/Secrets/1"), &secret),
            put(format!("{preview}/Secrets/1"), &secret),
            post(caller.v1("/Roles"), &name),
            put(self.role_path(), &name),
            put(caller.v1(""), &company),
            post("/api/v1/Tenants".into(), &company),
            put(format!("{client}/Roles"), &roles),
            put(caller.v1(&format!("/Clients/{CLIENT}/Roles")), &roles),
        ]
    }

    /// All that there is, as it is shown.
    fn everything(&self) -> Vec<Vec<u8>> {
        [
            self.operator.v1(&format!("{CLIENTS}?count=10000")),
            format!("{}/Secrets", self.client()),
            self.operator.v1("/Roles?count=10000"),
            self.operator.v1(""),
            "/api/v1/Tenants?count=10000".into(),
        ]
        .map(|path| self.operator.get(&path).expect(200).body)
        .to_vec()
    }

    /// Sends what must be refused, and sees that it changes nothing and that its words could
    /// break no line. Gives the error.
    #[track_caller]
    fn refused(&self, status: u16, send: impl FnOnce(&Caller) -> Response) -> Value {
        let before = self.everything();
        let body = send(&self.operator).refused(status);
        assert!(self.everything() == before, "something changed: {body}");
        for (name, value) in body.as_object().unwrap() {
            let text = value.as_str().unwrap();
            let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            assert!(!text.contains(breaks), "{name} is {text:?}");
            assert!(text.len() < 600, "{name} has {} bytes", text.len());
        }
        body
    }
}

/// A GUID that names nothing.
fn unknown() -> &'static str {
    "99999999-9999-4999-8999-999999999999"
}

//! The error statuses that the platform's pages list, on every operation of every generation; and
//! what is the same for all routes: HEAD, case and slashes of a path, the id of an operation.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::{Caller, MEMBER, Response, Server, TENANT, anonymous};

const NO_TENANT: &str = "5f0c2a7e-9f7b-4b1e-8d3e-0a1b2c3d4e5f";
/// A tenant that is there to be deleted.
const DOOMED: &str = "6a1d3b8f-a08c-4c2f-9e4f-1b2c3d4e5f60";

/// An operation: its method, its path, and a body that it accepts.
struct Operation {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

impl Operation {
    fn send(&self, caller: &Caller, headers: &[(&str, &str)]) -> Response {
        let body = self.body.as_ref().map(Value::to_string);
        let mut headers = headers.to_vec();
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "Content-Type") {
            headers.push(("Content-Type", "application/json"));
        }
        caller.send(
            self.method,
            &self.path,
            &headers,
            body.as_deref().map(str::as_bytes),
        )
    }

    /// The same in another tenant.
    fn in_tenant(&self, tenant: &str) -> Self {
        Self {
            method: self.method,
            path: self.path.replace(TENANT, tenant),
            body: self.body.clone(),
        }
    }

    fn is_of_a_tenant(&self) -> bool {
        self.path.contains(TENANT)
    }
}

/// An error, in the form that goes with the method: to HEAD without a body and its type.
#[track_caller]
fn refused(operation: &Operation, answer: Response, status: u16) {
    if operation.method != "HEAD" {
        answer.refused(status);
        return;
    }
    let answer = answer.expect(status);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("content-type"), None);
    assert!(answer.header("operation-id").is_some());
}

/// Every operation of the table, on things that exist, in an order in which all succeed; with the
/// status of its success.
fn operations(server: &Server) -> Vec<(Operation, u16)> {
    let operator = server.operator();
    operator
        .post(
            &operator.v1("/ClientCredentialClients"),
            &json!({ "Id": "c" }),
        )
        .expect(201);
    for (path, body) in [
        (
            operator.v1("/ClientCredentialClients"),
            json!({ "Id": "d" }),
        ),
        (
            "/api/v1/Tenants".into(),
            json!({ "Id": DOOMED, "CompanyName": "Doomed" }),
        ),
    ] {
        operator.post(&path, &body).expect(201);
    }
    let role = operator.post(&operator.v1("/Roles"), &json!({ "Name": "Own" }));
    let role = role.expect(201).text("Id");
    let v1 = |rest: &str| operator.v1(rest);
    let clients = v1("/ClientCredentialClients");
    let preview = operator.preview("/ClientCredentialClients");
    let legacy = operator.legacy("/ClientCredentialClient");
    let tenants = "/api/v1/Tenants".to_owned();
    let role_ids = json!([server.role(TENANT, MEMBER)]);
    let never = json!({ "Expires": false });
    let nothing = json!({});

    let mut all = Vec::new();
    let mut add = |method, path: &str, body: Option<&Value>, status| {
        let path = path.to_owned();
        all.push((
            Operation {
                method,
                path,
                body: body.cloned(),
            },
            status,
        ));
    };
    // What is read, which HEAD is of as well.
    for path in [
        &clients,
        &format!("{clients}/c"),
        &format!("{clients}/c/Roles"),
        &v1("/Clients/c/Roles"),
        &format!("{clients}/c/Secrets"),
        &format!("{clients}/c/Secrets/1"),
        &v1("/Roles"),
        &v1(&format!("/Roles/{role}")),
        &v1(&format!("/Roles/{role}/ClientCredentialClients")),
        "/api/v1/Roles",
        &tenants,
        &preview,
        &format!("{preview}/c"),
        &format!("{preview}/c/Secrets"),
        &format!("{preview}/c/Secrets/1"),
        &format!("{legacy}/"),
        &format!("{legacy}/c"),
    ] {
        add("GET", path, None, 200);
        add("HEAD", path, None, 200);
    }
    add("GET", &v1(""), None, 200);
    add("HEAD", &v1(""), None, 204);
    // What is written.
    add("POST", &clients, Some(&nothing), 201);
    add("POST", &preview, Some(&nothing), 201);
    add("POST", &format!("{legacy}/"), Some(&nothing), 201);
    add("PUT", &format!("{clients}/c"), Some(&nothing), 200);
    add("PUT", &format!("{preview}/c"), Some(&nothing), 200);
    add("PUT", &format!("{legacy}/c"), Some(&nothing), 200);
    add("PUT", &format!("{clients}/c/Roles"), Some(&role_ids), 200);
    add("PUT", &v1("/Clients/c/Roles"), Some(&role_ids), 200);
    add("POST", &format!("{clients}/c/Secrets"), Some(&never), 201);
    add("POST", &format!("{preview}/c/Secrets"), Some(&never), 201);
    add(
        "PUT",
        &format!("{clients}/c/Secrets/2"),
        Some(&nothing),
        200,
    );
    add(
        "PUT",
        &format!("{preview}/c/Secrets/2"),
        Some(&nothing),
        200,
    );
    add("DELETE", &format!("{clients}/c/Secrets/2"), None, 204);
    add("DELETE", &format!("{preview}/c/Secrets/3"), None, 204);
    add(
        "POST",
        &v1("/Roles"),
        Some(&json!({ "Name": "Other" })),
        201,
    );
    add("PUT", &v1(&format!("/Roles/{role}")), Some(&nothing), 200);
    add("DELETE", &v1(&format!("/Roles/{role}")), None, 204);
    add("PUT", &v1(""), Some(&nothing), 200);
    let company = json!({ "CompanyName": "New" });
    add("POST", &tenants, Some(&company), 201);
    add("DELETE", &format!("{tenants}/{DOOMED}"), None, 204);
    add("DELETE", &format!("{clients}/c"), None, 204);
    add("DELETE", &format!("{legacy}/d"), None, 204);
    all
}

#[test]
fn every_operation_succeeds_with_its_status_and_an_id_of_its_own() {
    let server = Server::start();
    let operator = server.operator();
    let mut ids = HashSet::new();
    for (operation, status) in operations(&server) {
        // The platform's own client always says JSON, and sends these two.
        let headers = [
            ("Content-Type", "application/json"),
            ("Accept-Verbosity", "verbose"),
            ("Community-id", "any"),
        ];
        let answer = operation.send(&operator, &headers).expect(status);
        assert!(ids.insert(answer.header("operation-id").unwrap().to_owned()));
    }
}

#[test]
fn without_a_token_that_holds_every_operation_is_401() {
    let server = Server::start();
    let nobody = anonymous(server.address());
    let impostor = nobody.with_token("no.such.token");
    for (operation, _) in operations(&server) {
        let answer = operation.send(&nobody, &[]);
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"credenza\"")
        );
        refused(&operation, answer, 401);
        let answer = operation.send(&impostor, &[]);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""));
        refused(&operation, answer, 401);
    }
}

#[test]
fn to_a_caller_of_another_tenant_every_operation_is_403() {
    let server = Server::start();
    let stranger = server.administrator(&server.new_tenant("Other"));
    for (operation, _) in operations(&server) {
        let answer = operation.send(&stranger, &[]);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\""));
        refused(&operation, answer, 403);
    }
}

#[test]
fn in_a_tenant_that_does_not_exist_every_operation_is_404_to_an_operator() {
    let server = Server::start();
    let operator = server.operator();
    for (operation, _) in operations(&server) {
        if operation.is_of_a_tenant() {
            let elsewhere = operation.in_tenant(NO_TENANT);
            refused(&operation, elsewhere.send(&operator, &[]), 404);
        }
    }
}

#[test]
fn past_its_request_timeout_every_operation_is_408_and_does_nothing() {
    let server = Server::start();
    let operator = server.operator();
    let operations = operations(&server);
    let shown = || {
        let paths = [
            operator.v1("/ClientCredentialClients?count=1000"),
            operator.v1("/ClientCredentialClients/c/Secrets"),
            operator.v1("/Roles"),
            "/api/v1/Tenants".to_owned(),
        ];
        paths.map(|path| operator.get(&path).expect(200).body)
    };
    let before = shown();
    for (operation, _) in &operations {
        let answer = operation.send(&operator, &[("Request-Timeout", "0.000000001")]);
        refused(operation, answer, 408);
    }
    assert!(shown() == before);
    for (operation, _) in &operations {
        for value in ["0", "-1", "soon", "NaN", "inf", ""] {
            let answer = operation.send(&operator, &[("Request-Timeout", value)]);
            refused(operation, answer, 400);
        }
    }
    assert!(shown() == before);
    for (operation, status) in &operations {
        let answer = operation.send(&operator, &[("Request-Timeout", "1e300")]);
        answer.expect(*status);
    }
}

#[test]
fn a_method_that_a_route_does_not_have_is_405_with_those_that_it_has() {
    let server = Server::start();
    let operator = server.operator();
    let routes = [
        (operator.v1(""), "GET, HEAD, PUT, DELETE"),
        (operator.v1("/ClientCredentialClients"), "GET, HEAD, POST"),
        (
            operator.v1("/ClientCredentialClients/c"),
            "GET, HEAD, PUT, DELETE",
        ),
        (
            operator.v1("/ClientCredentialClients/c/Roles"),
            "GET, HEAD, PUT",
        ),
        (operator.v1("/Clients/c/Roles"), "GET, HEAD, PUT"),
        (
            operator.v1("/ClientCredentialClients/c/Secrets"),
            "GET, HEAD, POST",
        ),
        (
            operator.v1("/ClientCredentialClients/c/Secrets/1"),
            "GET, HEAD, PUT, DELETE",
        ),
        (operator.v1("/Roles"), "GET, HEAD, POST"),
        (operator.v1("/Roles/r"), "GET, HEAD, PUT, DELETE"),
        (operator.v1("/Roles/r/ClientCredentialClients"), "GET, HEAD"),
        ("/api/v1/Roles".into(), "GET, HEAD"),
        ("/api/v1/Tenants".into(), "GET, HEAD, POST"),
        (
            operator.preview("/ClientCredentialClients"),
            "GET, HEAD, POST",
        ),
        (
            operator.preview("/ClientCredentialClients/c"),
            "GET, HEAD, PUT",
        ),
        (
            operator.preview("/ClientCredentialClients/c/Secrets"),
            "GET, HEAD, POST",
        ),
        (
            operator.preview("/ClientCredentialClients/c/Secrets/1"),
            "GET, HEAD, PUT, DELETE",
        ),
        (
            operator.legacy("/ClientCredentialClient/"),
            "GET, HEAD, POST",
        ),
        (
            operator.legacy("/ClientCredentialClient/c"),
            "GET, HEAD, PUT, DELETE",
        ),
    ];
    // Told before anything is asked about the caller.
    for caller in [operator, anonymous(server.address())] {
        for (path, allow) in &routes {
            for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"] {
                if allow.split(", ").any(|own| own == method) {
                    continue;
                }
                let answer = caller.send(method, path, &[], None);
                assert_eq!(answer.header("allow"), Some(*allow), "{method} {path}");
                answer.refused_because(405, method);
            }
        }
    }
}

#[test]
fn every_write_takes_only_json_of_at_most_a_mebibyte() {
    let server = Server::start();
    let operator = server.operator();
    for (operation, _) in operations(&server).iter().filter(|(o, _)| o.body.is_some()) {
        let send = |kind: &str, body: &[u8]| {
            let headers = [("Content-Type", kind)];
            operator.send(operation.method, &operation.path, &headers, Some(body))
        };
        send("application/json", b"{").refused(400);
        send("application/json", b"").refused(400);
        send("application/json", b"7").refused(400);
        send("text/plain", b"{}").refused(415);
        send("application/x-www-form-urlencoded", b"a=b").refused(415);
        send("application/json; charset=latin1", b"{}").refused(415);
        let large = vec![b' '; (1 << 20) + 1];
        send("application/json", &large).refused(413);
        let valid = operation.body.as_ref().unwrap().to_string();
        let mut largest = vec![b' '; (1 << 20) - valid.len()];
        largest.extend_from_slice(valid.as_bytes());
        let status = send("application/json; charset=utf-8", &largest).status;
        assert!(
            (200..300).contains(&status),
            "{} {}",
            operation.path,
            status
        );
    }
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start();
    let operator = server.operator();
    let reads = operations(&server);
    for (get, _) in reads
        .iter()
        .filter(|(operation, _)| operation.method == "GET")
    {
        let (got, head) = (operator.get(&get.path), operator.head(&get.path));
        assert!(head.body.is_empty());
        if get.path != operator.v1("") {
            assert_eq!((got.status, head.status), (200, 200));
            assert_eq!(head.header("content-type"), Some("application/json"));
        }
        for name in ["etag", "total-count", "link"] {
            assert_eq!(
                got.header(name),
                head.header(name),
                "{name} of {}",
                get.path
            );
        }
        match (head.header("content-length"), head.header("total-count")) {
            (Some(length), None) => assert_eq!(length, got.body.len().to_string()),
            (length, _) => assert_eq!(length, None, "{}", get.path),
        }
    }
}

#[test]
fn case_and_slashes_of_a_path_make_no_difference() {
    let server = Server::start();
    let operator = server.operator();
    let reads = operations(&server);
    for (get, _) in reads
        .iter()
        .filter(|(operation, _)| operation.method == "GET")
    {
        let expected = operator.get(&get.path).expect(200);
        // The id 'c' has case; all else, GUIDs included, has none.
        let upper = get.path.to_uppercase().replace("/C/", "/c/");
        let upper = upper
            .strip_suffix("/C")
            .map_or(upper.clone(), |path| format!("{path}/c"));
        let trimmed = get.path.trim_end_matches('/');
        for path in [
            get.path.to_lowercase(),
            upper,
            trimmed.to_owned(),
            format!("{trimmed}/"),
            format!("/{}", trimmed.replace('/', "//")),
            get.path.replace("Tenants", "%54enants"),
        ] {
            assert_eq!(
                operator.get(&path).expect(200).body,
                expected.body,
                "{path}"
            );
        }
    }
}

#[test]
fn an_unknown_route_is_404_in_the_form_of_every_error() {
    let server = Server::start();
    for caller in [server.operator(), anonymous(server.address())] {
        for path in [
            "/",
            "/api",
            "/api/v2/Tenants",
            "/api/v1/Tenants/t/Users",
            "/a%zz",
            "/api/v1/Tenants%2Ft",
        ] {
            for method in ["GET", "POST", "DELETE", "PATCH"] {
                caller.send(method, path, &[], None).refused(404);
            }
            let head = caller.head(path).expect(404);
            assert!(head.body.is_empty());
            assert_eq!(head.header("content-type"), None);
        }
    }
}

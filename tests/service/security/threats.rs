//! Threats of this service (H of the checklist) that have no better place: oracles, leftovers,
//! replayed tokens, panics.

use std::sync::Arc;

use credenza::system::random::SeededRandom;
use serde_json::{Value, json};

use super::token_endpoint::{refused, with_authorization};
use crate::harness::process::{Service, serve};
use crate::harness::{
    ADMINISTRATOR, Caller, Choices, Fault, Faults, MEMBER, OPERATOR, Response, Server, TENANT,
    anonymous, jwt,
};

const CLIENTS: &str = "/ClientCredentialClients";

/// An answer without what differs from request to request, and without what was asked for itself.
fn shape(answer: &Response, words: &[&str]) -> (u16, Vec<(String, String)>, String) {
    let mut headers = answer.headers.clone();
    headers
        .retain(|(name, _)| !matches!(name.as_str(), "operation-id" | "date" | "content-length"));
    headers.sort();
    let mut body = String::from_utf8(answer.body.clone()).unwrap();
    if let Some(id) = answer.header("operation-id") {
        body = body.replace(id, "");
    }
    for word in words {
        body = body.replace(word, "…");
    }
    (answer.status, headers, body)
}

/// Creates a client and gives it with its first secret.
fn create(operator: &Caller, body: &Value) -> Caller {
    let made = operator.post(&operator.v1(CLIENTS), body).expect(201);
    let id = made.json()["Client"]["Id"].as_str().unwrap().to_owned();
    operator.known_as(&id, &made.text("Secret"))
}

#[test]
fn h02_every_reason_to_refuse_a_client_has_one_answer() {
    let server = Server::start();
    let operator = server.operator();
    let disabled = create(&operator, &json!({ "Enabled": false }));
    let date = "2030-06-01T12:00:01Z";
    let expired = create(&operator, &json!({ "SecretExpirationDate": date }));
    let deleted = create(&operator, &json!({}));
    let gone = operator.v1(&format!("{CLIENTS}/{}", deleted.id));
    operator.delete(&gone).expect(204);
    let without = create(&operator, &json!({}));
    let secret = operator.v1(&format!("{CLIENTS}/{}/Secrets/1", without.id));
    operator.delete(&secret).expect(204);
    let tenant = server.new_tenant("Other");
    let lost = server.new_tenant("Lost");
    let swept = create(&operator.in_tenant(&lost), &json!({}));
    operator
        .delete(&format!("/api/v1/Tenants/{lost}"))
        .expect(204);
    server.clock.advance_seconds(1);
    let callers = [
        ("a wrong secret", operator.known_as(OPERATOR, "wrong")),
        ("unknown", operator.known_as("nobody", "wrong")),
        (
            "unknown, another's secret",
            operator.known_as("nobody", &operator.secret),
        ),
        ("no possible id", operator.known_as("%2F..", "wrong")),
        ("disabled", disabled.clone()),
        ("disabled, wrong", disabled.known_as(&disabled.id, "wrong")),
        ("expired", expired),
        ("deleted", deleted),
        ("without a secret", without),
        ("in another tenant", operator.in_tenant(&tenant)),
        ("in a deleted tenant", swept.in_tenant(&lost)),
        ("too long", operator.known_as(OPERATOR, &"x".repeat(300))),
    ];
    let expected = shape(&callers[0].1.token_answer(), &[]);
    for (who, caller) in &callers {
        let answer = refused(caller.token_answer(), 401, "invalid_client");
        assert_eq!(shape(&answer, &[]), expected, "{who}");
    }
    operator.token_answer().expect(200);
}

#[test]
fn h10_what_another_tenant_has_looks_like_what_nobody_has() {
    let server = Server::start();
    let tenant = server.new_tenant("Other");
    let there = server.operator().in_tenant(&tenant);
    let body = json!({ "Id": "theirs", "Tags": ["theirs"] });
    there.post(&there.v1(CLIENTS), &body).expect(201);
    let role = there.post(&there.v1("/Roles"), &json!({ "Name": "Theirs" }));
    let role = role.expect(201).text("Id");
    let none = "99999999-9999-4999-8999-999999999999";
    let administrator = server.administrator(TENANT);
    let member = server.role(TENANT, MEMBER);
    // Each question once with what tenant B has and once with what nobody has.
    let ask = |client: &str, role: &str| -> Vec<Response> {
        let v1 = administrator.v1(&format!("{CLIENTS}/{client}"));
        let preview = administrator.preview(&format!("{CLIENTS}/{client}"));
        let legacy = administrator.legacy(&format!("/ClientCredentialClient/{client}"));
        let of_role = administrator.v1(&format!("/Roles/{role}"));
        let name = json!({ "Name": "x" });
        let held = json!({ "RoleIds": [&member, role] });
        let mut answers = Vec::new();
        for path in [&v1, &preview, &legacy] {
            answers.push(administrator.get(path));
            answers.push(administrator.head(path));
            answers.push(administrator.put(path, &name));
        }
        for path in [&v1, &legacy, &of_role] {
            answers.push(administrator.delete(path));
        }
        for rest in ["/Roles", "/Secrets", "/Secrets/1"] {
            answers.push(administrator.get(&format!("{v1}{rest}")));
        }
        let secret = json!({ "Expires": false });
        answers.push(administrator.post(&format!("{v1}/Secrets"), &secret));
        answers.push(administrator.put(&format!("{v1}/Roles"), &json!([&member])));
        for rest in ["", CLIENTS] {
            answers.push(administrator.get(&format!("{of_role}{rest}")));
        }
        answers.push(administrator.put(&of_role, &name));
        answers.push(administrator.post(&administrator.v1(CLIENTS), &held));
        let own = administrator.v1(&format!("{CLIENTS}/{}", administrator.id));
        answers.push(administrator.put(&own, &held));
        answers.push(administrator.put(&format!("{own}/Roles"), &json!([&member, role])));
        for query in [format!("?id={client}"), format!("?tag={client}")] {
            answers.push(administrator.get(&administrator.v1(&format!("{CLIENTS}{query}"))));
            answers.push(administrator.head(&administrator.v1(&format!("{CLIENTS}{query}"))));
        }
        answers.push(administrator.get(&administrator.v1(&format!("/Roles?roleTypeId={role}"))));
        answers
    };
    let (theirs, nobodys) = (ask("theirs", &role), ask("nobody", none));
    assert!(theirs.len() > 25);
    for (theirs, nobodys) in theirs.iter().zip(&nobodys) {
        assert!(!(200..204).contains(&theirs.status) || theirs.total() == 0);
        assert_eq!(
            without_tag(shape(theirs, &["theirs", &role])),
            without_tag(shape(nobodys, &["nobody", none]))
        );
    }
    // And the id is free here, in both cases.
    for id in ["theirs", "nobody"] {
        let body = json!({ "Id": id });
        administrator
            .post(&administrator.v1(CLIENTS), &body)
            .expect(201);
    }
}

/// A list's entity tag says which state of the tenant it is of, and nothing of another one.
fn without_tag(
    (status, mut headers, body): (u16, Vec<(String, String)>, String),
) -> (u16, Vec<(String, String)>, String) {
    headers.retain(|(name, _)| name != "etag");
    (status, headers, body)
}

#[test]
fn h15_a_tenant_created_anew_inherits_nothing() {
    let server = Server::start();
    let operator = server.operator();
    let id = "33333333-3333-4333-8333-333333333333";
    let named = json!({ "Id": id, "CompanyName": "Phoenix", "Alias": "phoenix" });
    operator.post("/api/v1/Tenants", &named).expect(201);
    let there = operator.in_tenant(id);
    let tagged = json!({ "Id": "left-over", "Tags": ["old"] });
    let mut old = create(&there, &tagged).in_tenant(id);
    old.fetch_token();
    let role = json!({ "Name": "Old role" });
    there.post(&there.v1("/Roles"), &role).expect(201);
    let administrator = server.administrator(id);
    operator.delete(&there.v1("")).expect(204);
    created_once_it_is_swept(&operator, &named);
    assert_eq!(there.get(&there.v1(CLIENTS)).expect(200).total(), 0);
    let by_tag = there.v1(&format!("{CLIENTS}?tag=old"));
    assert_eq!(there.head(&by_tag).expect(200).total(), 0);
    assert_eq!(there.head(&there.v1("/Roles")).expect(200).total(), 5);
    for path in ["", CLIENTS, "/Roles"] {
        old.get(&old.v1(path)).refused(403);
        administrator.get(&administrator.v1(path)).refused(403);
    }
    refused(old.token_answer(), 401, "invalid_client");
    let mut new = create(&there, &tagged).in_tenant(id);
    refused(old.token_answer(), 401, "invalid_client");
    old.get(&old.v1("")).refused(403);
    new.fetch_token();
    new.get(&new.v1("")).expect(200);
}

#[test]
fn h15_a_sweep_that_is_killed_goes_on_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let operator = service.first_client();
    let id = "33333333-3333-4333-8333-333333333333";
    let named = json!({ "Id": id, "CompanyName": "Doomed" });
    operator.post("/api/v1/Tenants", &named).expect(201);
    let there = operator.in_tenant(id);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let there = &there;
            scope.spawn(move || {
                for number in 0..50 {
                    let body =
                        json!({ "Id": format!("doomed-{writer}-{number}"), "Tags": ["old"] });
                    there.post(&there.v1(CLIENTS), &body).expect(201);
                }
            });
        }
    });
    let lost = create(&there, &json!({}));
    operator.delete(&there.v1("")).expect(204);
    service.kill();
    let service = Service::start(serve(&data));
    let operator = service.again(&operator);
    let there = operator.in_tenant(id);
    let lost = lost.in_tenant(id).moved_to(service.address);
    refused(lost.token_answer(), 401, "invalid_client");
    created_once_it_is_swept(&operator, &named);
    assert_eq!(there.head(&there.v1(CLIENTS)).expect(200).total(), 0);
    refused(lost.token_answer(), 401, "invalid_client");
    service.terminate();
    assert_eq!(crate::harness::findings(&data), Vec::<String>::new());
}

/// Creates a tenant whose id a deleted one has had: until that is swept away, 409.
fn created_once_it_is_swept(operator: &Caller, body: &Value) {
    loop {
        let answer = operator.post("/api/v1/Tenants", body);
        match answer.status {
            201 => return,
            _ => answer.refused(409),
        };
    }
}

#[test]
fn h21_a_replayed_token_is_good_for_its_life_and_at_its_own_service_alone() {
    let server = Server::start();
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    let claims = jwt::decode(operator.token.as_ref().unwrap()).claims;
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!(life <= 3_600);
    // Another service of the same issuer, with another key.
    let mut other = Server::with(Choices {
        random: Some(Arc::new(SeededRandom::new(2))),
        ..Choices::default()
    });
    let there = operator.moved_to(other.address());
    there.get(&path).refused(401);
    // Even with the same key, tenant and client it is a store of its own, in which the client of
    // the token never lived.
    other.stop();
    let key = "signing-key.pem";
    std::fs::copy(server.data().join(key), other.data().join(key)).unwrap();
    other.run();
    let there = operator.moved_to(other.address());
    there.get(&path).refused(403);
    // As a client's proof it is worth nothing.
    let token = operator.token.as_ref().unwrap();
    let grant = "grant_type=client_credentials";
    let answer = with_authorization(&server, &format!("Bearer {token}"), grant);
    refused(answer, 401, "invalid_client");
    operator.get(&path).expect(200);
    server.clock.advance_seconds(life);
    operator.get(&path).refused(401);
}

#[test]
fn h33_a_panic_costs_one_request_and_nobody_else() {
    let faults = Faults::none();
    let mut server = Server::with(Choices {
        faults: Some(faults.clone()),
        ..Choices::default()
    });
    let tenant = server.new_tenant("Other");
    server.restart();
    // The operator's own tenant is in memory now; the other one has to be loaded.
    let operator = server.operator();
    operator.get(&operator.v1(CLIENTS)).expect(200);
    let there = operator.in_tenant(&tenant);
    faults.panic_at_loads(true);
    for _ in 0..20 {
        let answer = there.get(&there.v1(CLIENTS));
        let error = answer.refused(500);
        assert!(!error.to_string().contains("planted"), "{error}");
        operator.get(&operator.v1(CLIENTS)).expect(200);
        anonymous(server.address()).get("/health/live").expect(200);
    }
    faults.panic_at_loads(false);
    there.get(&there.v1(CLIENTS)).expect(200);
    let body = json!({ "Id": "afterwards" });
    there.post(&there.v1(CLIENTS), &body).expect(201);
}

#[test]
fn h33_without_its_writer_the_service_reads_gives_tokens_and_says_that_it_is_not_ready() {
    let faults = Faults::none();
    let mut server = Server::with(Choices {
        faults: Some(faults.clone()),
        ..Choices::default()
    });
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    faults.plant(Fault::Panics);
    for _ in 0..3 {
        let error = operator.post(&path, &json!({ "Id": "lost" })).refused(503);
        assert!(!error.to_string().contains("planted"), "{error}");
    }
    let ready = anonymous(server.address()).get("/health/ready").expect(503);
    assert_eq!(ready.text("Status"), "storage not writable");
    assert_eq!(operator.get(&path).expect(200).ids(), [OPERATOR]);
    operator.token_answer().expect(200);
    server.abandon();
    server.run();
    let operator = operator.moved_to(server.address());
    operator.post(&path, &json!({ "Id": "lost" })).expect(201);
}

#[test]
fn h33_nothing_that_is_sent_makes_it_panic() {
    let server = Server::start();
    let administrator = server.administrator(TENANT);
    let path = administrator.v1(CLIENTS);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        "null",
        "[]",
        "{",
        "\"\\ud800\"",
        "{\"Name\":\"\\ud800\"}",
        "{\"Name\":1e999}",
        "{\"AccessTokenLifetime\":-0}",
        "{\"AccessTokenLifetime\":99999999999999999999999}",
        "{\"SecretExpirationDate\":\"+999999-12-31T23:59:60.999999999Z\"}",
        "{\"SecretExpirationDate\":\"0000-00-00T00:00:00Z\"}",
        &deep,
    ] {
        let answer = administrator.post_text(&path, body);
        assert!(answer.status < 500, "{body:.60}");
    }
    for query in [
        "skip=18446744073709551616&count=18446744073709551616",
        "skip=18446744073709551615&count=18446744073709551615",
        "count=99999999999999999999999999999999999999",
        "id=%00&tag=%00",
    ] {
        let answer = administrator.get(&format!("{path}?{query}"));
        assert!(answer.status < 500, "{query}");
    }
    let roles = [server.role(TENANT, ADMINISTRATOR)];
    server.caller_with(TENANT, &roles);
}

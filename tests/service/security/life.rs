//! Clients and secrets that come and go, and the tokens that follow them (L01 to L19 of the
//! checklist, but for limits, which are in `concurrency`, and kills, which are in `kill`).

use credenza::domain::times::Timestamp;
use serde_json::{Value, json};

use super::token_endpoint::{form_and, post, refused};
use crate::harness::response::keys;
use crate::harness::{ADMINISTRATOR, Caller, MEMBER, NOON, Response, Server, TENANT, jwt};

const CLIENTS: &str = "/ClientCredentialClients";

/// Creates a client and gives it with its first secret.
fn create(operator: &Caller, body: &Value) -> Caller {
    let created = operator
        .post(&operator.v1(CLIENTS), body)
        .expect(201)
        .json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    operator.known_as(&text(&created["Client"]["Id"]), &text(&created["Secret"]))
}

fn path_of(client: &Caller, rest: &str) -> String {
    client.v1(&format!("{CLIENTS}/{}{rest}", client.id))
}

#[track_caller]
fn locked_out(client: &Caller) {
    refused(client.token_answer(), 401, "invalid_client");
}

fn claims(answer: &Response) -> Value {
    jwt::decode(&answer.text("access_token")).claims
}

#[test]
fn l01_a_disabled_client_gets_no_token_from_the_next_request_on() {
    let server = Server::start();
    let operator = server.operator();
    let client = create(&operator, &json!({}));
    client.token_answer().expect(200);
    let path = path_of(&client, "");
    operator
        .put(&path, &json!({ "Enabled": false }))
        .expect(200);
    locked_out(&client);
    let born_disabled = create(&operator, &json!({ "Enabled": false }));
    locked_out(&born_disabled);
}

#[test]
fn l02_a_client_that_is_enabled_again_gets_tokens_from_the_next_request_on() {
    let server = Server::start();
    let operator = server.operator();
    let client = create(&operator, &json!({ "Enabled": false }));
    let path = path_of(&client, "");
    for _ in 0..3 {
        operator.put(&path, &json!({ "Enabled": true })).expect(200);
        client.token_answer().expect(200);
        operator
            .put(&path, &json!({ "Enabled": false }))
            .expect(200);
        locked_out(&client);
    }
}

#[test]
fn l03_a_secret_lives_until_the_second_of_its_expiration() {
    let server = Server::start();
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    let past = json!({ "SecretExpirationDate": "2030-06-01T11:59:59Z" });
    operator.post(&path, &past).refused(400);
    let client = create(
        &operator,
        &json!({ "SecretExpirationDate": "2030-06-01T12:01:00Z" }),
    );
    server.clock.advance_seconds(59);
    client.token_answer().expect(200);
    server.clock.advance_seconds(1);
    locked_out(&client);
    // A new secret opens the door again, and the old one stays dead.
    let added = operator.post(&path_of(&client, "/Secrets"), &json!({ "Expires": false }));
    let second = operator.known_as(&client.id, &added.expect(201).text("Secret"));
    second.token_answer().expect(200);
    locked_out(&client);
}

#[test]
fn l04_expiration_and_expires_may_not_contradict() {
    let server = Server::start();
    let operator = server.operator();
    let client = create(&operator, &json!({}));
    let path = path_of(&client, "/Secrets");
    let date = "2031-01-01T00:00:00Z";
    for body in [
        json!({ "Expires": false, "Expiration": date }),
        json!({ "Expires": false, "Expiration": "2030-01-01T00:00:00Z" }),
        json!({ "Expires": true }),
        json!({}),
    ] {
        operator.post(&path, &body).refused(400);
    }
    operator
        .post(&path, &json!({ "Expires": true, "Expiration": date }))
        .expect(201);
}

/// A client and itself with a second secret.
fn with_two_secrets(operator: &Caller) -> [Caller; 2] {
    let first = create(operator, &json!({}));
    let added = operator.post(&path_of(&first, "/Secrets"), &json!({ "Expires": false }));
    let second = operator.known_as(&first.id, &added.expect(201).text("Secret"));
    [first, second]
}

#[test]
fn l05_a_deleted_secret_is_dead_and_the_other_one_lives() {
    let server = Server::start();
    let operator = server.operator();
    let [first, second] = with_two_secrets(&operator);
    operator.delete(&path_of(&first, "/Secrets/1")).expect(204);
    locked_out(&first);
    second.token_answer().expect(200);
    operator.delete(&path_of(&first, "/Secrets/2")).expect(204);
    locked_out(&second);
}

#[test]
fn l06_a_deleted_client_is_locked_out_and_its_tokens_are_good_elsewhere_alone() {
    let server = Server::start();
    let operator = server.operator();
    let mut client = create(&operator, &json!({}));
    client.fetch_token();
    let own = path_of(&client, "");
    client.get(&own).expect(200);
    operator.delete(&own).expect(204);
    locked_out(&client);
    client.get(&own).refused(403);
    client.get(&client.v1(CLIENTS)).refused(403);
    // Whoever goes by the signature takes the token until it expires.
    let token = jwt::decode(client.token.as_ref().unwrap());
    assert!(token.is_signed_by(&jwt::published_keys(&server)[0]));
}

#[test]
fn l07_a_client_created_anew_inherits_nothing() {
    let server = Server::start();
    let operator = server.operator();
    let mut old = create(&operator, &json!({ "Id": "phoenix" }));
    old.fetch_token();
    let own = path_of(&old, "");
    operator.delete(&own).expect(204);
    let mut new = create(&operator, &json!({ "Id": "phoenix" }));
    locked_out(&old);
    // The clock stands still: the tokens of both have the same `iat`.
    old.get(&own).refused(403);
    new.fetch_token();
    new.get(&own).expect(200);
    old.get(&own).refused(403);
    let claim = |caller: &Caller, name: &str| {
        let token = caller.token.as_deref().unwrap();
        jwt::decode(token).claims[name].clone()
    };
    assert_ne!(claim(&old, "gen"), claim(&new, "gen"));
    assert_eq!(claim(&old, "iat"), claim(&new, "iat"));
}

#[test]
fn l13_two_secrets_live_side_by_side() {
    let server = Server::start();
    let operator = server.operator();
    for client in with_two_secrets(&operator) {
        client.token_answer().expect(200);
    }
}

#[test]
fn l10_a_secret_is_shown_once_and_never_again() {
    let server = Server::start();
    let operator = server.operator();
    let created = operator
        .post(&operator.v1(CLIENTS), &json!({ "Id": "shown" }))
        .expect(201);
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let client = operator.known_as("shown", &created.text("Secret"));
    let secrets = path_of(&client, "/Secrets");
    let added = operator
        .post(&secrets, &json!({ "Expires": false }))
        .expect(201);
    assert_eq!(added.header("cache-control"), Some("no-store"));
    let values = [client.secret.clone(), added.text("Secret")];
    for value in &values {
        let rest = value.strip_prefix("crdz_").unwrap();
        assert_eq!(rest.len(), 49);
        let url_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(rest.chars().all(url_safe), "{value}");
    }
    let second = format!("{secrets}/2");
    for answer in [
        operator.get(&secrets),
        operator.get(&second),
        operator.put(&second, &json!({ "Description": "new" })),
        operator.get(&operator.preview(&format!("{CLIENTS}/shown/Secrets"))),
        operator.get(&operator.preview(&format!("{CLIENTS}/shown/Secrets/2"))),
        operator.get(&path_of(&client, "")),
        operator.get(&operator.v1(CLIENTS)),
        operator.get(&operator.legacy("/ClientCredentialClient/shown")),
    ] {
        let answer = answer.expect(200);
        let shown = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!values.iter().any(|value| shown.contains(&value[5..])));
        let word = shown.to_ascii_lowercase();
        assert!(!word.contains("hash") && !word.contains("salt"), "{shown}");
        assert!(!word.contains("\"secret\"") && !word.contains("clientsecret"));
    }
    let listed = operator.get(&secrets).expect(200).json();
    assert_eq!(
        keys(&listed[0]),
        ["Description", "Expiration", "Expires", "Id"]
    );
}

#[test]
fn l11_the_lifetime_of_tokens_is_that_of_the_client() {
    let server = Server::start();
    let operator = server.operator();
    for wrong in [
        json!(59),
        json!(3_601),
        json!(-1),
        json!(0),
        json!(2_147_483_648_u64),
        json!(u64::MAX),
        json!(60.5),
        json!("60"),
    ] {
        let body = json!({ "AccessTokenLifetime": wrong });
        operator.post(&operator.v1(CLIENTS), &body).refused(400);
    }
    for (given, seconds) in [(json!(60), 60), (json!(3_600), 3_600), (json!(null), 3_600)] {
        let client = create(&operator, &json!({ "AccessTokenLifetime": given }));
        let answer = client.token_answer().expect(200);
        assert_eq!(answer.json()["expires_in"], seconds);
        let claims = claims(&answer);
        let (iat, exp) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        assert_eq!(exp.unwrap() - iat.unwrap(), seconds);
    }
    let client = create(&operator, &json!({}));
    let body = json!({ "AccessTokenLifetime": 120 });
    operator.put(&path_of(&client, ""), &body).expect(200);
    assert_eq!(client.token_answer().expect(200).json()["expires_in"], 120);
}

#[test]
fn l12_a_role_taken_away_is_gone_from_tokens_and_from_rights() {
    let server = Server::start();
    let operator = server.operator();
    let administrator = server.administrator(TENANT);
    administrator
        .post(&administrator.v1(CLIENTS), &json!({}))
        .expect(201);
    let types = |caller: &Caller| claims(&caller.token_answer().expect(200))["role_types"].clone();
    assert!(
        types(&administrator)
            .as_array()
            .unwrap()
            .contains(&json!(ADMINISTRATOR))
    );
    let member = server.role(TENANT, MEMBER);
    let body = json!({ "RoleIds": [member] });
    operator
        .put(&path_of(&administrator, ""), &body)
        .expect(200);
    administrator
        .post(&administrator.v1(CLIENTS), &json!({}))
        .refused(403);
    assert_eq!(types(&administrator), json!([MEMBER]));
}

#[test]
fn l18_one_id_in_two_tenants_is_told_apart_by_its_secret() {
    let server = Server::start();
    let operator = server.operator();
    let tenants = [TENANT.to_owned(), server.new_tenant("Second")];
    let both = tenants.each_ref().map(|tenant| {
        let client = create(&operator.in_tenant(tenant), &json!({ "Id": "twin" }));
        client.in_tenant(tenant)
    });
    for client in &both {
        let form = format!(
            "grant_type=client_credentials&client_id=twin&client_secret={}",
            client.secret
        );
        let claims = claims(&post(&server, &[], &form).expect(200));
        assert_eq!(claims["tid"], client.tenant.as_str());
        assert_eq!(claims["sub"], format!("{}/twin", client.tenant));
        // It names its own tenant, or another one.
        client.token_answer().expect(200);
        let other = tenants.iter().find(|tenant| **tenant != client.tenant);
        locked_out(&client.in_tenant(other.unwrap()));
        for nowhere in ["22222222-2222-4222-8222-222222222222", "x", ""] {
            locked_out(&client.in_tenant(nowhere));
        }
    }
    let path = path_of(&both[0], "");
    operator.delete(&path).expect(204);
    locked_out(&both[0]);
    both[1].token_answer().expect(200);
}

#[test]
fn acr_values_may_hold_other_words() {
    let server = Server::start();
    let upper = TENANT.to_ascii_uppercase();
    for words in ["idp:x", "", &format!("level:2+tenant:{upper}"), "tenant"] {
        let form = form_and(&format!("&acr_values={words}"));
        post(&server, &[], &form).expect(200);
    }
}

#[test]
fn l19_a_guid_is_one_client_in_whatever_spelling() {
    let server = Server::start();
    let operator = server.operator();
    let guid = "b1c2c7a0-4a1b-4f5e-9a34-0c2f4c1fabcd";
    let client = create(&operator, &json!({ "Id": guid.to_ascii_uppercase() }));
    assert_eq!(client.id, guid);
    for spelling in [
        guid.to_owned(),
        guid.to_ascii_uppercase(),
        guid.replace('-', ""),
    ] {
        let same = client.known_as(&spelling, &client.secret);
        assert_eq!(claims(&same.token_answer().expect(200))["client_id"], guid);
        let body = json!({ "Id": spelling });
        operator.post(&operator.v1(CLIENTS), &body).refused(409);
    }
    let braces = format!("{{{guid}}}");
    let body = json!({ "Id": braces });
    operator.post(&operator.v1(CLIENTS), &body).refused(400);
    locked_out(&client.known_as(&format!("%7B{guid}%7D"), &client.secret));
    // An id that is also a tenant's, or a role's, is a client's like any other.
    let member = server.role(TENANT, MEMBER);
    for taken in [TENANT, member.as_str()] {
        let client = create(&operator, &json!({ "Id": taken }));
        let claims = claims(&client.token_answer().expect(200));
        assert_eq!(claims["sub"], format!("{TENANT}/{taken}"));
    }
    // No GUID: the case counts.
    let named = create(&operator, &json!({ "Id": "Pump" }));
    locked_out(&named.known_as("pump", &named.secret));
}

#[test]
fn the_answer_says_when_the_secret_that_was_used_expires() {
    let server = Server::start();
    let operator = server.operator();
    let noon = Timestamp::parse("NOON", NOON).unwrap().unix_seconds();
    let client = create(
        &operator,
        &json!({ "SecretExpirationDate": "2030-06-01T13:00:00.5Z" }),
    );
    let said = |client: &Caller| {
        let answer = client.token_answer().expect(200).json();
        answer.get("client_secret_expires_at").cloned()
    };
    assert_eq!(said(&client), Some(json!(noon + 3_600)));
    let added = operator.post(&path_of(&client, "/Secrets"), &json!({ "Expires": false }));
    let second = client.known_as(&client.id, &added.expect(201).text("Secret"));
    assert_eq!(said(&second), None);
    let later = json!({ "Expiration": "2030-06-02T12:00:00Z" });
    operator
        .put(&path_of(&client, "/Secrets/1"), &later)
        .expect(200);
    assert_eq!(said(&client), Some(json!(noon + 86_400)));
    let never = json!({ "Expires": false });
    operator
        .put(&path_of(&client, "/Secrets/1"), &never)
        .expect(200);
    assert_eq!(said(&client), None);
}

#[test]
fn a_deleted_tenant_takes_its_clients_along_and_no_others() {
    let mut server = Server::start();
    let tenant = server.new_tenant("Gone");
    let operator = server.operator();
    let mut lost = create(&operator.in_tenant(&tenant), &json!({ "Id": "twin" }));
    lost.fetch_token();
    let kept = create(&operator, &json!({ "Id": "twin" }));
    operator
        .delete(&format!("/api/v1/Tenants/{tenant}"))
        .expect(204);
    locked_out(&lost);
    lost.get(&path_of(&lost, "")).refused(403);
    kept.token_answer().expect(200);
    server.restart();
    locked_out(&lost.moved_to(server.address()));
    kept.moved_to(server.address()).token_answer().expect(200);
}

//! Entity tags and the requests that depend on them.

use serde_json::{Value, json};

use crate::harness::{Caller, Response, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";

/// A client's path in each generation.
fn paths(caller: &Caller, id: &str) -> [String; 3] {
    [
        caller.v1(&format!("{CLIENTS}/{id}")),
        caller.preview(&format!("{CLIENTS}/{id}")),
        caller.legacy(&format!("/ClientCredentialClient/{id}")),
    ]
}

fn etag(answer: &Response) -> String {
    answer.header("etag").expect("ETag").to_owned()
}

/// A client's tag, which is strong and the same in every generation and for HEAD.
#[track_caller]
fn tag_of(caller: &Caller, id: &str) -> String {
    let mut tags = Vec::new();
    for path in paths(caller, id) {
        tags.push(etag(&caller.get(&path).expect(200)));
        tags.push(etag(&caller.head(&path).expect(200)));
    }
    tags.dedup();
    assert_eq!(tags.len(), 1, "{tags:?}");
    let tag = tags.remove(0);
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2,
        "{tag}"
    );
    tag
}

fn get_if_none_match(caller: &Caller, method: &str, path: &str, tags: &str) -> Response {
    caller.send(method, path, &[("If-None-Match", tags)], None)
}

fn send_if_match(caller: &Caller, method: &str, path: &str, tags: &str, body: &Value) -> Response {
    let headers = [("If-Match", tags), ("Content-Type", "application/json")];
    let body = body.to_string();
    let body = (method == "PUT").then_some(body.as_bytes());
    caller.send(method, path, &headers, body)
}

fn server_with_client() -> (Server, Caller) {
    let server = Server::start();
    let operator = server.operator();
    let created = operator
        .post(&operator.v1(CLIENTS), &json!({ "Id": "c" }))
        .expect(201);
    assert_eq!(etag(&created), tag_of(&operator, "c"));
    (server, operator)
}

#[test]
fn a_clients_tag_changes_with_every_change_of_it_in_any_generation() {
    let (_server, operator) = server_with_client();
    let mut seen = vec![tag_of(&operator, "c")];
    for (generation, path) in paths(&operator, "c").iter().enumerate() {
        let body = json!({ "Name": format!("name {generation}") });
        let updated = operator.put(path, &body).expect(200);
        assert_eq!(etag(&updated), tag_of(&operator, "c"));
        assert!(!seen.contains(&etag(&updated)));
        seen.push(etag(&updated));
    }
    operator.delete(&paths(&operator, "c")[0]).expect(204);
    let body = json!({ "Id": "c" });
    let again = operator.post(&operator.v1(CLIENTS), &body).expect(201);
    assert!(
        !seen.contains(&etag(&again)),
        "another life has another tag"
    );
}

#[test]
fn a_clients_tag_stays_when_only_its_secrets_or_others_change() {
    let (server, operator) = server_with_client();
    let before = tag_of(&operator, "c");
    let secrets = operator.v1(&format!("{CLIENTS}/c/Secrets"));
    operator
        .post(&secrets, &json!({ "Expires": false }))
        .expect(201);
    let body = json!({ "Description": "d" });
    operator.put(&format!("{secrets}/2"), &body).expect(200);
    operator.delete(&format!("{secrets}/1")).expect(204);
    server.member(TENANT);
    for path in paths(&operator, "c") {
        let same = operator.get(&path).expect(200).json();
        let updated = operator.put(&path, &same).expect(200);
        assert_eq!(etag(&updated), before, "a PUT that changes nothing");
        operator.put(&path, &json!({})).expect(200);
    }
    let roles = operator.v1(&format!("{CLIENTS}/c/Roles"));
    let held = operator.get(&roles).expect(200).json();
    operator.put(&roles, &held).expect(200);
    assert_eq!(tag_of(&operator, "c"), before);
}

#[test]
fn a_client_that_has_not_changed_is_not_sent_again() {
    let (_server, operator) = server_with_client();
    let tag = tag_of(&operator, "c");
    for path in paths(&operator, "c") {
        for method in ["GET", "HEAD"] {
            for named in [
                tag.clone(),
                "*".into(),
                format!("W/{tag}"),
                format!("\"other\", {tag}"),
                format!("\"other\" ,W/{tag},\"third\""),
            ] {
                let answer = get_if_none_match(&operator, method, &path, &named).expect(304);
                assert_eq!(etag(&answer), tag);
                assert!(answer.body.is_empty());
            }
            let unquoted = tag.trim_matches('"');
            for named in ["\"other\"", unquoted, ""] {
                get_if_none_match(&operator, method, &path, named).expect(200);
            }
        }
        operator.put(&path, &json!({})).expect(200);
    }
    let path = &paths(&operator, "c")[0];
    operator.put(path, &json!({ "Name": "new" })).expect(200);
    let answer = get_if_none_match(&operator, "GET", path, &tag).expect(200);
    assert_eq!(answer.json()["Name"], "new");
}

#[test]
fn a_list_or_a_count_that_has_not_changed_is_not_sent_again() {
    let (_server, operator) = server_with_client();
    let paths = [
        operator.v1(CLIENTS),
        operator.v1(&format!("{CLIENTS}?tag=t&count=0")),
        operator.v1(&format!("{CLIENTS}?id=c")),
        operator.preview(CLIENTS),
        operator.legacy("/ClientCredentialClient/"),
        operator.v1("/Roles"),
        operator.v1(&format!("{CLIENTS}/c/Roles")),
        operator.v1("/Clients/c/Roles"),
        operator.v1(&format!("{CLIENTS}/c/Secrets")),
        operator.preview(&format!("{CLIENTS}/c/Secrets")),
        operator.v1(""),
        "/api/v1/Tenants".to_owned(),
        "/api/v1/Roles".to_owned(),
    ];
    for path in &paths {
        let got = operator.get(path).expect(200);
        for method in ["GET", "HEAD"] {
            let answer = get_if_none_match(&operator, method, path, &etag(&got)).expect(304);
            assert_eq!(etag(&answer), etag(&got));
            assert_eq!(answer.header("total-count"), got.header("total-count"));
            assert!(answer.body.is_empty());
        }
    }
    let before: Vec<String> = paths[..9]
        .iter()
        .map(|path| etag(&operator.get(path).expect(200)))
        .collect();
    // One change that each of the first nine shows.
    let role = operator
        .post(&operator.v1("/Roles"), &json!({ "Name": "New" }))
        .expect(201)
        .text("Id");
    let client = operator.v1(&format!("{CLIENTS}/c"));
    let mut roles = operator.get(&client).expect(200).json()["RoleIds"].clone();
    roles.as_array_mut().unwrap().push(json!(role));
    let body = json!({ "Tags": ["t"], "RoleIds": roles });
    operator.put(&client, &body).expect(200);
    operator
        .post(&format!("{client}/Secrets"), &json!({ "Expires": false }))
        .expect(201);
    for (path, tag) in paths.iter().zip(&before) {
        get_if_none_match(&operator, "GET", path, tag).expect(200);
    }
}

#[test]
fn an_update_for_another_state_of_the_client_is_refused() {
    let (_server, operator) = server_with_client();
    for (round, path) in paths(&operator, "c").iter().enumerate() {
        let stale = tag_of(&operator, "c");
        operator
            .put(path, &json!({ "Name": format!("between {round}") }))
            .expect(200);
        let current = tag_of(&operator, "c");
        let body = json!({ "Name": format!("mine {round}") });
        for named in [
            stale.clone(),
            format!("\"x\", {stale}"),
            "\"\"".into(),
            "".into(),
            // If-Match compares strongly (RFC 9110 section 13.1.1).
            format!("W/{current}"),
        ] {
            send_if_match(&operator, "PUT", path, &named, &body).refused_because(412, &current);
        }
        assert_eq!(tag_of(&operator, "c"), current, "nothing was done");
        send_if_match(&operator, "PUT", path, &format!("\"x\", {current}"), &body).expect(200);
        send_if_match(&operator, "PUT", path, "*", &json!({ "Name": "star" })).expect(200);
    }
}

#[test]
fn a_deletion_for_another_state_of_the_client_is_refused() {
    let (_server, operator) = server_with_client();
    let [v1, _, legacy] = paths(&operator, "c");
    let none = Value::Null;
    for path in [v1, legacy] {
        let stale = tag_of(&operator, "c");
        operator
            .put(&path, &json!({ "Name": "between" }))
            .expect(200);
        send_if_match(&operator, "DELETE", &path, &stale, &none).refused(412);
        let current = tag_of(&operator, "c");
        send_if_match(&operator, "DELETE", &path, &current, &none).expect(204);
        send_if_match(&operator, "DELETE", &path, &current, &none).refused(404);
        send_if_match(&operator, "DELETE", &path, "*", &none).refused(404);
        operator
            .post(&operator.v1(CLIENTS), &json!({ "Id": "c" }))
            .expect(201);
        send_if_match(&operator, "DELETE", &path, &current, &none).refused(412);
    }
}

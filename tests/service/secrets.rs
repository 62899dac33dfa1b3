//! Secrets of v1: when they expire, how many there are, and that their value is shown once.

use credenza::domain::times::Timestamp;
use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{Caller, NOON, Response, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";
const MEMBERS: [&str; 4] = ["Description", "Expiration", "Expires", "Id"];
const PAST: &str = "2030-06-01T11:59:59Z";
const SOON: &str = "2030-06-02T00:00:00Z";
const LATER: &str = "2031-01-01T00:00:00Z";

/// A server with a client that has one secret, which never expires; and the path of its secrets.
fn server_with_client() -> (Server, Caller, String) {
    let server = Server::start();
    let operator = server.operator();
    let body = json!({ "Id": "c" });
    operator.post(&operator.v1(CLIENTS), &body).expect(201);
    let secrets = operator.v1(&format!("{CLIENTS}/c/Secrets"));
    (server, operator, secrets)
}

/// A client of the caller's tenant with one of its secrets.
fn with_secret(caller: &Caller, id: &str, secret: &str) -> Caller {
    let mut client = caller.without_token();
    client.id = id.into();
    client.secret = secret.into();
    client
}

/// A body with those of the two members that are given.
fn terms(expires: Option<Value>, expiration: Option<Value>) -> Value {
    let mut body = json!({});
    if let Some(expires) = expires {
        body["Expires"] = expires;
    }
    if let Some(expiration) = expiration {
        body["Expiration"] = expiration;
    }
    body
}

/// Asserts an accepted secret's terms: a date, or none for one that never expires.
#[track_caller]
fn says(secret: &Value, expiration: Option<&str>) {
    assert_eq!(secret["Expires"], expiration.is_some());
    assert_eq!(secret["Expiration"], json!(expiration));
}

#[test]
fn a_secret_is_shown_with_its_value_once() {
    let (_server, operator, secrets) = server_with_client();
    let body = json!({ "Description": "for the pump", "Expiration": LATER });
    let added = operator.post(&secrets, &body).expect(201);
    assert_eq!(added.header("location"), Some(&*format!("{secrets}/2")));
    assert_eq!(added.header("cache-control"), Some("no-store"));
    let created = added.json();
    assert_eq!(
        keys(&created),
        ["Description", "Expiration", "Expires", "Id", "Secret"]
    );
    assert_eq!(
        (&created["Id"], &created["Description"]),
        (&json!(2), &json!("for the pump"))
    );
    says(&created, Some(LATER));
    let value = created["Secret"].as_str().unwrap();

    let got = operator.get(&format!("{secrets}/2")).expect(200);
    assert_eq!(keys(&got.json()), MEMBERS);
    let listed = operator.get(&secrets).expect(200);
    assert_eq!(listed.total(), 2);
    assert_eq!(listed.json()[1], got.json());
    says(&listed.json()[0], None);
    let put = operator.put(&format!("{secrets}/2"), &json!({ "Description": "new" }));
    let put = put.expect(200);
    assert_eq!(keys(&put.json()), MEMBERS);
    assert_eq!(put.json()["Description"], "new");
    let client = operator
        .get(&operator.v1(&format!("{CLIENTS}/c")))
        .expect(200);
    for answer in [got, listed, put, client] {
        let body = String::from_utf8(answer.body).unwrap();
        assert!(!body.contains(value), "{body}");
    }
    let head = operator.head(&format!("{secrets}/2")).expect(200);
    assert!(head.body.is_empty());
    assert_eq!(operator.head(&secrets).expect(200).total(), 2);
}

#[test]
fn a_value_has_its_prefix_256_bits_and_a_checksum_in_characters_that_nothing_mangles() {
    let (_server, operator, secrets) = server_with_client();
    let mut seen = Vec::new();
    for _ in 0..9 {
        let added = operator.post(&secrets, &json!({ "Expires": false }));
        let value = added.expect(201).text("Secret");
        assert_eq!(value.len(), 5 + 43 + 6, "{value}");
        let random = value.strip_prefix("crdz_").expect("the prefix");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(random.chars().all(plain), "{value}");
        let client = with_secret(&operator, "c", &value);
        client.token_answer().expect(200);
        seen.push(value);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 9, "no two are the same");
}

#[test]
fn a_new_secret_expires_unless_it_says_that_it_does_not() {
    let (_server, operator, secrets) = server_with_client();
    let (yes, no, null) = (json!(true), json!(false), Value::Null);
    let later = Some(json!(LATER));
    for (expires, expiration, accepted) in [
        (None, None, None),
        (Some(null.clone()), Some(null.clone()), None),
        (Some(yes.clone()), None, None),
        (Some(yes.clone()), Some(null.clone()), None),
        (None, later.clone(), Some(Some(LATER))),
        (Some(null.clone()), later.clone(), Some(Some(LATER))),
        (Some(yes.clone()), later.clone(), Some(Some(LATER))),
        (Some(no.clone()), None, Some(None)),
        (Some(no.clone()), Some(null), Some(None)),
        (Some(no.clone()), later, None),
        (Some(no), Some(json!(PAST)), None),
        (Some(yes), Some(json!(PAST)), None),
        (None, Some(json!(NOON)), None),
        (Some(json!("true")), Some(json!(LATER)), None),
        (None, Some(json!(1)), None),
        (None, Some(json!("2031-01-01")), None),
    ] {
        let body = terms(expires, expiration);
        let answer = operator.post(&secrets, &body);
        match accepted {
            None => drop(answer.refused_because(400, "Expir")),
            Some(expiration) => {
                let added = answer.expect(201).json();
                says(&added, expiration);
                let own = format!("{secrets}/{}", added["Id"]);
                says(&operator.get(&own).expect(200).json(), expiration);
            }
        }
    }
}

#[test]
fn an_update_of_the_terms_obeys_the_same_rule_with_what_is_stored() {
    let (_server, operator, secrets) = server_with_client();
    let (yes, no, null) = (json!(true), json!(false), Value::Null);
    let (later, past) = (Some(json!(LATER)), Some(json!(PAST)));
    // What is said; what comes of it for a secret that expires soon; and for one that never does.
    for (expires, expiration, from_soon, from_never) in [
        (None, None, Some(Some(SOON)), Some(None)),
        (
            Some(null.clone()),
            Some(null.clone()),
            Some(Some(SOON)),
            Some(None),
        ),
        (Some(yes.clone()), None, Some(Some(SOON)), None),
        (
            Some(yes.clone()),
            Some(null.clone()),
            Some(Some(SOON)),
            None,
        ),
        (Some(no.clone()), None, Some(None), Some(None)),
        (Some(no.clone()), Some(null.clone()), Some(None), Some(None)),
        (None, later.clone(), Some(Some(LATER)), Some(Some(LATER))),
        (
            Some(null),
            later.clone(),
            Some(Some(LATER)),
            Some(Some(LATER)),
        ),
        (
            Some(yes.clone()),
            later.clone(),
            Some(Some(LATER)),
            Some(Some(LATER)),
        ),
        (Some(no.clone()), later, None, None),
        (Some(no), past.clone(), None, None),
        (Some(yes), past.clone(), None, None),
        (None, past, None, None),
        (None, Some(json!(SOON)), Some(Some(SOON)), Some(Some(SOON))),
        (None, Some(json!("soon")), None, None),
        // No leap second can be there.
        (None, Some(json!("2031-01-01T12:34:60Z")), None, None),
    ] {
        let update = terms(expires, expiration);
        for (begin, stored, outcome) in [
            (json!({ "Expiration": SOON }), Some(SOON), from_soon),
            (json!({ "Expires": false }), None, from_never),
        ] {
            let id = operator.post(&secrets, &begin).expect(201).json()["Id"].clone();
            let own = format!("{secrets}/{id}");
            let answer = operator.put(&own, &update);
            match outcome {
                None => drop(answer.refused_because(400, "Expir")),
                Some(expiration) => says(&answer.expect(200).json(), expiration),
            }
            says(
                &operator.get(&own).expect(200).json(),
                outcome.unwrap_or(stored),
            );
            operator.delete(&own).expect(204);
        }
    }
}

#[test]
fn the_stored_date_may_be_repeated_even_when_it_is_past() {
    let (server, operator, secrets) = server_with_client();
    operator
        .post(&secrets, &json!({ "Expiration": SOON }))
        .expect(201);
    let own = format!("{secrets}/2");
    server.clock.set(Timestamp::parse("now", SOON).unwrap());
    let operator = server.operator();
    let echo = operator.get(&own).expect(200).json();
    says(&echo, Some(SOON));
    assert_eq!(operator.put(&own, &echo).expect(200).json(), echo);
    let body = json!({ "Description": "old", "Expiration": "2030-06-02T02:00:00+02:00" });
    says(&operator.put(&own, &body).expect(200).json(), Some(SOON));
    let moved = operator.put(&own, &json!({ "Expiration": "2030-06-01T23:59:59Z" }));
    moved.refused_because(400, "past");
    says(
        &operator
            .put(&own, &json!({ "Expiration": LATER }))
            .expect(200)
            .json(),
        Some(LATER),
    );
}

#[test]
fn a_secret_works_until_it_expires_or_is_deleted() {
    let (server, operator, secrets) = server_with_client();
    let add = |body: Value| {
        let value = operator.post(&secrets, &body).expect(201).text("Secret");
        with_secret(&operator, "c", &value)
    };
    let expiring = add(json!({ "Expiration": SOON }));
    let lasting = add(json!({ "Expires": false }));
    expiring.token_answer().expect(200);
    operator.delete(&format!("{secrets}/3")).expect(204);
    lasting.token_answer().expect(401);
    server.clock.set(Timestamp::parse("now", SOON).unwrap());
    expiring.token_answer().expect(401);
}

#[test]
fn a_description_is_at_most_1024_bytes_and_absent_changes_nothing() {
    let (_server, operator, secrets) = server_with_client();
    let own = format!("{secrets}/1");
    let longest = "é".repeat(512);
    for description in [&*longest, "", "two\nlines"] {
        let body = json!({ "Description": description });
        assert_eq!(
            operator.put(&own, &body).expect(200).text("Description"),
            description
        );
        let unchanged = operator
            .put(&own, &json!({ "Description": null }))
            .expect(200);
        assert_eq!(unchanged.text("Description"), description);
    }
    for description in [json!(format!("{longest}x")), json!(1), json!("bell\u{7}")] {
        let body = json!({ "Description": description, "Expires": false });
        operator
            .put(&own, &body)
            .refused_because(400, "Description");
        operator
            .post(&secrets, &body)
            .refused_because(400, "Description");
    }
    let none = operator
        .post(&secrets, &json!({ "Expires": false }))
        .expect(201);
    assert_eq!(none.json()["Description"], Value::Null);
}

#[test]
fn ids_count_up_and_are_never_used_again() {
    let (mut server, operator, secrets) = server_with_client();
    let add = |caller: &Caller| {
        let added = caller.post(&secrets, &json!({ "Expires": false }));
        added.expect(201).json()["Id"].as_i64().unwrap()
    };
    assert_eq!((add(&operator), add(&operator)), (2, 3));
    operator.delete(&format!("{secrets}/3")).expect(204);
    operator.delete(&format!("{secrets}/3")).refused(404);
    assert_eq!(add(&operator), 4);
    for id in [1, 2, 4] {
        operator.delete(&format!("{secrets}/{id}")).expect(204);
    }
    let none = operator.get(&secrets).expect(200);
    assert_eq!((none.json(), none.total()), (json!([]), 0));
    server.restart();
    let operator = operator.moved_to(server.address());
    assert_eq!(add(&operator), 5);
}

#[test]
fn a_client_has_at_most_ten_secrets() {
    let (_server, operator, secrets) = server_with_client();
    let body = json!({ "Expires": false });
    for _ in 1..10 {
        operator.post(&secrets, &body).expect(201);
    }
    operator.post(&secrets, &body).refused_because(400, "10");
    operator
        .post(&secrets, &json!({}))
        .refused_because(400, "Expires");
    operator.delete(&format!("{secrets}/4")).expect(204);
    let eleventh = operator.post(&secrets, &body).expect(201);
    assert_eq!(eleventh.json()["Id"], 11, "the refused ones used no id");
    let page = operator
        .get(&format!("{secrets}?skip=3&count=2"))
        .expect(200);
    let ids: Vec<_> = page
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["Id"].clone())
        .collect();
    assert_eq!(ids, [5, 6]);
    assert_eq!(page.total(), 10);
    let next = format!("<{secrets}?skip=5&count=2>; rel=\"next\"");
    assert_eq!(page.header("link"), Some(&*next));
}

#[test]
fn times_are_kept_to_the_digit_and_written_in_utc() {
    let (_server, operator, secrets) = server_with_client();
    for (given, written) in [
        (
            "2031-02-20T01:57:32.9770889-05:00",
            "2031-02-20T06:57:32.9770889Z",
        ),
        (
            "2031-02-20T01:57:32.123456789Z",
            "2031-02-20T01:57:32.123456789Z",
        ),
        (
            "2031-02-20T01:57:32.000000001+00:00",
            "2031-02-20T01:57:32.000000001Z",
        ),
        ("2031-02-20T01:57:32.500", "2031-02-20T01:57:32.5Z"),
        ("2031-02-20T01:57:32.000Z", "2031-02-20T01:57:32Z"),
        ("2031-02-20T01:57:32", "2031-02-20T01:57:32Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ] {
        let updated = operator.put(&format!("{secrets}/1"), &json!({ "Expiration": given }));
        assert_eq!(updated.expect(200).text("Expiration"), written);
        let listed = operator.get(&secrets).expect(200).json();
        assert_eq!(listed[0]["Expiration"], written);
    }
    for given in [
        "2031-02-20T01:57:32.1234567890Z",
        "2031-02-30T00:00:00Z",
        "",
        "9999-12-31T23:59:59-01:00",
    ] {
        let updated = operator.put(&format!("{secrets}/1"), &json!({ "Expiration": given }));
        updated.refused_because(400, "Expiration");
    }
}

#[test]
fn a_client_minds_its_own_secrets_but_does_not_rewrite_them() {
    let server = Server::start();
    let (member, other) = (server.member(TENANT), server.member(TENANT));
    let own = member.v1(&format!("{CLIENTS}/{}/Secrets", member.id));
    let added = member.post(&own, &json!({ "Expires": false })).expect(201);
    let first = format!("{own}/1");
    assert_eq!(member.get(&own).expect(200).total(), 2);
    member.get(&first).expect(200);
    member
        .put(&first, &json!({ "Description": "d" }))
        .refused(403);
    member.delete(&first).expect(204);
    member.token_answer().expect(401);
    let rotated = with_secret(&member, &member.id, &added.text("Secret"));
    rotated.token_answer().expect(200);

    // To another member all of that is forbidden, to an administrator nothing.
    let second = format!("{own}/2");
    let refused = |answer: Response| answer.refused(403);
    refused(other.get(&own));
    refused(other.get(&second));
    refused(other.post(&own, &json!({ "Expires": false })));
    refused(other.put(&second, &json!({})));
    refused(other.delete(&second));
    let admin = server.administrator(TENANT);
    admin
        .put(&second, &json!({ "Description": "d" }))
        .expect(200);
    admin.delete(&second).expect(204);
}

#[test]
fn what_does_not_exist_is_not_found_and_an_id_cannot_change() {
    let (_server, operator, secrets) = server_with_client();
    let nobody = operator.v1(&format!("{CLIENTS}/nobody/Secrets"));
    for path in [
        format!("{nobody}/1"),
        format!("{secrets}/2"),
        format!("{secrets}/01"),
        format!("{secrets}/x"),
        format!("{secrets}/-1"),
        format!("{secrets}/4294967297"),
    ] {
        operator.get(&path).refused(404);
        operator.head(&path).expect(404);
        operator.put(&path, &json!({})).refused(404);
        operator.put(&path, &json!({ "Expires": 1 })).refused(400);
        operator.delete(&path).refused(404);
    }
    operator.get(&nobody).refused(404);
    operator.head(&nobody).expect(404);
    operator
        .post(&nobody, &json!({ "Expires": false }))
        .refused(404);
    operator.post(&nobody, &json!({})).refused(400);
    for id in [json!(2), json!("2"), json!("01")] {
        let renamed = operator.put(&format!("{secrets}/1"), &json!({ "Id": id }));
        renamed.refused_because(400, "Id");
    }
    for id in [json!(1), json!("1"), json!(null)] {
        operator
            .put(&format!("{secrets}/1"), &json!({ "Id": id }))
            .expect(200);
    }
}

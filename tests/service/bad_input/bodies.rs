//! Bodies that are no JSON, not the right JSON, or not said to be JSON: on every route that takes
//! one.

use serde_json::{Value, json};

use super::{CLIENTS, Ground, Taker};
use crate::harness::{Caller, Response};

const JSON: &str = "application/json";

fn send(caller: &Caller, taker: &Taker, kind: &str, body: &[u8]) -> Response {
    caller.send(
        taker.method,
        &taker.path,
        &[("Content-Type", kind)],
        Some(body),
    )
}

#[test]
fn what_is_not_json_is_refused_and_the_reason_says_so() {
    let ground = Ground::new();
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(32), "]".repeat(32));
    for taker in ground.takers() {
        for (body, words) in [
            (&b""[..], "empty"),
            (b" ", "cannot be read as JSON"),
            (b"{", "cannot be read as JSON"),
            (b"{}x", "cannot be read as JSON"),
            (b"[]]", "cannot be read as JSON"),
            (b"{'Name':'a'}", "cannot be read as JSON"),
            (b"{\"Name\":}", "cannot be read as JSON"),
            (b"{\"Name\":\"a\",}", "cannot be read as JSON"),
            (b"Name=a", "cannot be read as JSON"),
            (b"<Name>a</Name>", "cannot be read as JSON"),
            (b"\xef\xbb\xbf{}", "cannot be read as JSON"),
            (b"{\"Name\":\"\xff\"}", "cannot be read as JSON"),
            (b"{\"Name\":\"a\0\"}", "cannot be read as JSON"),
            (b"{\"Name\":\"\\ud800\"}", "cannot be read as JSON"),
            (b"{\"AccessTokenLifetime\":NaN}", "cannot be read as JSON"),
            (b"\x1f\x8b\x08\0", "cannot be read as JSON"),
            (deep.as_bytes(), "more than 32"),
        ] {
            let error = ground.refused(400, |caller| send(caller, &taker, JSON, body));
            let reason = error["Reason"].as_str().unwrap();
            assert!(
                reason.contains(words),
                "{} {} {body:?}: {reason}",
                taker.method,
                taker.path
            );
        }
    }
}

#[test]
fn a_body_of_another_sort_is_refused_and_the_reason_says_which() {
    let ground = Ground::new();
    for taker in ground.takers() {
        let (other, other_word) = match taker.good.is_array() {
            true => ("{}", "an object"),
            false => ("[]", "an array"),
        };
        for (body, words) in [
            ("null", "null"),
            ("7", "the number 7"),
            ("\"x\\ny\"", "the string 'x\\u{a}y'"),
            ("true", "true"),
            (other, other_word),
        ] {
            let error = ground.refused(400, |caller| send(caller, &taker, JSON, body.as_bytes()));
            let reason = error["Reason"].as_str().unwrap();
            assert!(reason.contains(words), "{} {body}: {reason}", taker.path);
        }
    }
}

#[test]
fn a_member_given_twice_is_refused_also_where_only_the_case_differs() {
    let ground = Ground::new();
    for taker in ground.takers() {
        for pair in [
            r#""Name":"a","Name":"a""#,
            r#""Name":"a","nAME":"b""#,
            r#""Enabled":true,"enabled":false"#,
            r#""unknown":1,"UNKNOWN":2"#,
            r#""deep":[{"a":1,"A":1}]"#,
            r#""Id":"\u0061","\u0049d":"b""#,
        ] {
            let body = match taker.good.is_array() {
                true => format!("[{{{pair}}}]"),
                false => format!("{{{pair}}}"),
            };
            let error = ground.refused(400, |caller| send(caller, &taker, JSON, body.as_bytes()));
            let reason = error["Reason"].as_str().unwrap();
            assert!(
                reason.contains("is given twice"),
                "{} {body}: {reason}",
                taker.path
            );
        }
    }
}

#[test]
fn what_is_not_said_to_be_json_is_415_whatever_it_is() {
    let ground = Ground::new();
    for taker in ground.takers() {
        let good = taker.good.to_string();
        for kind in [
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "json",
            "",
            "*/*",
            "application/json; charset=iso-8859-1",
            "application/json; charset=utf-16",
        ] {
            let error = ground.refused(415, |caller| send(caller, &taker, kind, good.as_bytes()));
            let resolution = error["Resolution"].as_str().unwrap();
            assert!(resolution.contains("application/json"), "{resolution}");
            let named = kind.rsplit('=').next().unwrap();
            let reason = error["Reason"].as_str().unwrap();
            assert!(
                kind.contains("form-data") || reason.contains(named),
                "{kind}: {reason}"
            );
        }
        ground.refused(415, |caller| {
            caller.send(taker.method, &taker.path, &[], Some(good.as_bytes()))
        });
        for encoding in ["gzip", "br", "deflate", "identity, gzip", "x"] {
            let headers = [("Content-Type", JSON), ("Content-Encoding", encoding)];
            ground.refused(415, |caller| {
                caller.send(taker.method, &taker.path, &headers, Some(good.as_bytes()))
            });
        }
    }
}

#[test]
fn json_may_be_called_by_the_names_that_clients_use() {
    let ground = Ground::new();
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; odata=verbose",
        "application/merge-patch+json",
        "text/json",
    ] {
        for taker in ground.takers().iter().filter(|taker| taker.method == "PUT") {
            let good = taker.good.to_string();
            send(&ground.operator, taker, kind, good.as_bytes()).expect(taker.done);
        }
    }
}

#[test]
fn a_body_over_one_mebibyte_is_413_and_one_of_exactly_that_is_read() {
    let ground = Ground::new();
    for taker in ground.takers() {
        let padded = |bytes: usize| {
            let mut body = taker.good.to_string();
            body.push_str(&" ".repeat(bytes - body.len()));
            body
        };
        let error = ground.refused(413, |caller| {
            send(caller, &taker, JSON, padded(1_048_577).as_bytes())
        });
        let resolution = error["Resolution"].as_str().unwrap();
        assert!(resolution.contains("1048576"), "{resolution}");
        let exact = padded(1_048_576);
        send(&ground.operator, &taker, JSON, exact.as_bytes()).expect(taker.done);
        if taker.done == 201 && taker.path.ends_with("/Roles") {
            // The other takers create roles of the same name.
            return;
        }
    }
}

#[test]
fn members_are_read_in_any_case_and_unknown_ones_are_not_looked_at() {
    let ground = Ground::new();
    let (caller, client) = (&ground.operator, ground.client());
    let body = json!({
        "nAME": "Renamed",
        "ENABLED": true,
        "accesstokenlifetime": 61,
        "tags": ["t"],
        "Secret": 7,
        "Description": [],
        "x": { "y": [null] },
        "__proto__": { "Enabled": false },
    });
    let changed = caller.put(&client, &body).expect(200).json();
    assert_eq!(changed["Name"], "Renamed");
    assert_eq!(changed["AccessTokenLifetime"], 61);
    assert_eq!(changed["Tags"], json!(["t"]));
    // What a narrow view cannot name is unknown to it, whatever it holds.
    let narrow = json!({ "AccessTokenLifetime": "x", "Tags": 7, "Id": 7, "Name": "Narrow" });
    let legacy = ground.legacy_client();
    caller.put(&legacy, &narrow).expect(200);
    let narrow = json!({ "AccessTokenLifetime": "x", "Name": "Narrow" });
    caller.put(&ground.preview_client(), &narrow).expect(200);
    let shown = caller.get(&client).expect(200).json();
    assert_eq!(shown["AccessTokenLifetime"], 61);
    assert_eq!(shown["Tags"], json!(["t"]));
}

#[test]
fn null_is_as_good_as_absent() {
    let ground = Ground::new();
    let before = ground.everything();
    let nothing = json!({
        "Id": null, "ClientId": null, "Name": null, "Enabled": null, "AccessTokenLifetime": null,
        "Tags": null, "RoleIds": null, "SecretId": null, "Description": null, "Expires": null,
        "Expiration": null, "CompanyName": null, "Alias": null,
    });
    for taker in ground.takers() {
        if taker.method == "PUT" && !taker.good.is_array() {
            for body in [&nothing, &Value::Object(Default::default())] {
                ground.operator.put(&taker.path, body).expect(200);
            }
        }
    }
    assert!(ground.everything() == before, "something changed");
    let made = ground
        .operator
        .post(&ground.operator.v1(CLIENTS), &nothing)
        .expect(201)
        .json();
    let client = &made["Client"];
    assert_eq!(client["Name"], client["Id"]);
    assert_eq!(client["Enabled"], true);
    assert_eq!(client["AccessTokenLifetime"], 3_600);
    assert_eq!(client["Tags"], json!([]));
    assert_eq!(client["RoleIds"], json!([ground.member]));
    assert_eq!(made["ExpirationDate"], Value::Null);
}

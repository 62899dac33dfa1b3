//! Identifiers in paths: a GUID in another spelling is the same one, what cannot be one is not
//! found. And `Request-Timeout`.

use serde_json::json;

use super::{CLIENT, CLIENTS, Ground};
use crate::harness::TENANT;

/// The spellings of a GUID that name the same thing, as they stand in a path.
fn spellings(id: &str) -> [String; 4] {
    [
        id.to_uppercase(),
        id.replace('-', ""),
        id.replace('-', "").to_uppercase(),
        id.replace('-', "%2D"),
    ]
}

#[test]
fn a_guid_in_another_spelling_names_the_same_object() {
    let ground = Ground::new();
    let caller = &ground.operator;
    for path in [
        ground.client(),
        ground.preview_client(),
        ground.legacy_client(),
        format!("{}/Secrets/1", ground.client()),
        caller.v1(&format!("/Clients/{CLIENT}/Roles")),
        ground.role_path(),
        caller.v1(""),
    ] {
        let plain = caller.get(&path).expect(200);
        for id in [CLIENT, ground.role.as_str(), TENANT] {
            for spelled in spellings(id) {
                let path = path.replace(id, &spelled);
                let answer = caller.get(&path).expect(200);
                assert_eq!(answer.body, plain.body, "{path}");
            }
        }
    }
    for spelled in spellings(CLIENT) {
        let list = caller.v1(&format!("{CLIENTS}?id={spelled}"));
        assert_eq!(caller.get(&list).expect(200).ids(), [CLIENT]);
    }
    // So it is no second client either.
    for id in [CLIENT.to_uppercase(), CLIENT.replace('-', "")] {
        let error = ground.refused(409, |caller| {
            caller.post(&caller.v1(CLIENTS), &json!({ "Id": id }))
        });
        assert!(error["Reason"].as_str().unwrap().contains(CLIENT));
    }
    for id in [TENANT.to_uppercase(), TENANT.replace('-', "")] {
        let body = json!({ "Id": id, "CompanyName": "Again" });
        ground.refused(409, |caller| caller.post("/api/v1/Tenants", &body));
    }
}

#[test]
fn an_id_that_nothing_can_have_is_not_found_in_a_path_and_the_reason_shows_it() {
    let ground = Ground::new();
    let long = "x".repeat(65);
    for (spelled, shown) in [
        ("%7B2dc742ab-0000-4fc0-a39e-2bcb71c26a5f%7D", "{2dc742ab"),
        ("a%20b", "a b"),
        ("a%00", "a\\u{0}"),
        ("a%0d%0aSet-Cookie:%20x", "a\\u{d}\\u{a}Set-Cookie"),
        ("a%E2%80%A8b", "a\\u{2028}b"),
        ("%2F", "/"),
        ("..%2F..", "../.."),
        ("%252e%252e", "%2e%2e"),
        ("a;b", "a;b"),
        ("*", "*"),
        (long.as_str(), "xxx"),
    ] {
        for path in [
            ground.operator.v1(&format!("{CLIENTS}/{spelled}")),
            ground.operator.v1(&format!("{CLIENTS}/{spelled}/Roles")),
            ground.operator.v1(&format!("{CLIENTS}/{spelled}/Secrets")),
            ground.operator.preview(&format!("{CLIENTS}/{spelled}")),
            ground
                .operator
                .legacy(&format!("/ClientCredentialClient/{spelled}")),
            ground.operator.v1(&format!("/Roles/{spelled}")),
            format!("{}/Secrets/{spelled}", ground.client()),
        ] {
            let error = ground.refused(404, |caller| caller.get(&path));
            let reason = error["Reason"].as_str().unwrap();
            assert!(reason.contains(shown), "{path}: {reason}");
        }
        for path in [
            ground.operator.v1(&format!("{CLIENTS}/{spelled}")),
            ground.operator.v1(&format!("/Roles/{spelled}")),
        ] {
            ground.refused(404, |caller| caller.put(&path, &json!({ "Name": "x" })));
            ground.refused(404, |caller| caller.delete(&path));
        }
        ground.refused(404, |caller| {
            caller.get(&format!("/api/v1/Tenants/{spelled}{CLIENTS}"))
        });
        let list = ground
            .operator
            .v1(&format!("{CLIENTS}?id={spelled}&id={CLIENT}"));
        let answer = ground.operator.get(&list).expect(207).json();
        let child = &answer["ChildErrors"][0];
        assert_eq!(child["StatusCode"], 404);
        assert!(child["Reason"].as_str().unwrap().contains(shown), "{child}");
        assert_eq!(answer["Data"][0]["Id"], CLIENT);
    }
}

#[test]
fn a_secret_id_has_one_spelling() {
    let ground = Ground::new();
    for spelled in [
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "0x1",
        "2147483648",
        "%201",
        "1%20",
        "one",
    ] {
        for client in [ground.client(), ground.preview_client()] {
            let path = format!("{client}/Secrets/{spelled}");
            ground.refused(404, |caller| caller.get(&path));
            ground.refused(404, |caller| caller.delete(&path));
            ground.refused(404, |caller| {
                caller.put(&path, &json!({ "Description": "x" }))
            });
        }
    }
}

#[test]
fn request_timeout_takes_a_positive_number_of_seconds() {
    let ground = Ground::new();
    for junk in [
        "", "0", "-0", "-1", "0.0", "abc", "NaN", "inf", "-inf", "1,5", "1 s", "0x1", "1;2",
    ] {
        let header = [("Request-Timeout", junk)];
        for path in [
            ground.client(),
            ground.operator.v1(CLIENTS),
            "/api/v1/Tenants".into(),
            "/identity/.well-known/openid-configuration".into(),
            "/identity/.well-known/openid-configuration/jwks".into(),
        ] {
            let error = ground.refused(400, |caller| caller.send("GET", &path, &header, None));
            let reason = error["Reason"].as_str().unwrap();
            assert!(
                reason.contains(&format!("Request-Timeout is '{junk}'")),
                "{path}: {reason}"
            );
            let resolution = error["Resolution"].as_str().unwrap();
            assert!(
                resolution.contains("positive number of seconds"),
                "{resolution}"
            );
        }
        for taker in ground.takers() {
            let headers = [header[0], ("Content-Type", "application/json")];
            let good = taker.good.to_string();
            ground.refused(400, |caller| {
                caller.send(taker.method, &taker.path, &headers, Some(good.as_bytes()))
            });
        }
        ground.refused(400, |caller| {
            caller.send("DELETE", &ground.client(), &header, None)
        });
        let form = "grant_type=client_credentials&client_id=x&client_secret=y";
        let headers = [
            header[0],
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let nobody = ground.operator.without_token();
        let token = nobody.send(
            "POST",
            "/identity/connect/token",
            &headers,
            Some(form.as_bytes()),
        );
        assert_eq!(
            token.expect(400).json()["error"],
            "invalid_request",
            "{junk}"
        );
    }
    for fine in ["1", "0.5", "5e0", "300", "301", "1e300", "00030"] {
        let header = [("Request-Timeout", fine)];
        ground
            .operator
            .send("GET", &ground.client(), &header, None)
            .expect(200);
    }
}

#[test]
fn the_headers_of_the_platform_are_ignored_whatever_they_hold() {
    let ground = Ground::new();
    for value in ["verbose", "non-verbose", "", "x;y,z", "-1"] {
        let headers = [
            ("Accept-Verbosity", value),
            ("Community-id", value),
            ("Accept", "text/html"),
        ];
        let answer = ground
            .operator
            .send("GET", &ground.client(), &headers, None)
            .expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    // The service still runs as it should after all that.
    assert_eq!(
        ground
            .server
            .operator()
            .get(&ground.client())
            .expect(200)
            .text("Id"),
        CLIENT
    );
}

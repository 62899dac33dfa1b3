//! Query parameters, on every list: what they do not take, and the words that say so.

use super::{CLIENT, CLIENTS, Ground};

const BEYOND_ALL: &str = "99999999999999999999999999999999999999999999999999";

/// Every list of the service.
fn lists(ground: &Ground) -> Vec<String> {
    let caller = &ground.operator;
    vec![
        caller.v1(CLIENTS),
        caller.preview(CLIENTS),
        caller.legacy("/ClientCredentialClient/"),
        format!("{}/Roles", ground.client()),
        caller.v1(&format!("/Clients/{CLIENT}/Roles")),
        format!("{}/Secrets", ground.client()),
        format!("{}/Secrets", ground.preview_client()),
        caller.v1("/Roles"),
        format!("{}/ClientCredentialClients", ground.role_path()),
        "/api/v1/Roles".into(),
        "/api/v1/Tenants".into(),
    ]
}

#[test]
fn skip_and_count_take_whole_numbers_from_0_up_on_every_list() {
    let ground = Ground::new();
    for list in lists(&ground) {
        for name in ["skip", "count"] {
            for (value, shown) in [
                ("", "''"),
                ("-1", "'-1'"),
                ("-0", "'-0'"),
                ("1.5", "'1.5'"),
                ("1e3", "'1e3'"),
                ("0x10", "'0x10'"),
                ("ten", "'ten'"),
                ("+1", "' 1'"),
                ("1%20", "'1 '"),
                ("%D9%A1", "'١'"),
                ("null", "'null'"),
                ("1%0d%0aX:%20y", "'1\\u{d}\\u{a}X: y'"),
            ] {
                let path = format!("{list}?{name}={value}");
                let error = ground.refused(400, |caller| caller.get(&path));
                let reason = error["Reason"].as_str().unwrap();
                assert!(
                    reason.contains(name) && reason.contains(shown),
                    "{path}: {reason}"
                );
                let resolution = error["Resolution"].as_str().unwrap();
                assert!(
                    resolution.contains("whole number from 0 up"),
                    "{resolution}"
                );
                let head = ground.operator.head(&path).expect(400);
                assert!(head.body.is_empty() && head.header("content-type").is_none());
            }
            let twice = format!("{list}?{name}=1&{}=1", name.to_uppercase());
            let error = ground.refused(400, |caller| caller.get(&twice));
            assert!(error["Reason"].as_str().unwrap().contains("more than once"));
        }
    }
}

#[test]
fn skip_and_count_may_be_as_large_as_one_likes() {
    let ground = Ground::new();
    for list in lists(&ground) {
        let total = ground.operator.get(&list).expect(200).total();
        for large in [
            "10000",
            "9223372036854775808",
            "18446744073709551616",
            BEYOND_ALL,
        ] {
            let all = ground
                .operator
                .get(&format!("{list}?count={large}"))
                .expect(200);
            assert_eq!(
                all.json().as_array().unwrap().len(),
                total,
                "{list} {large}"
            );
            let none = ground
                .operator
                .get(&format!("{list}?skip={large}&count={large}"));
            let none = none.expect(200);
            assert_eq!((none.body.as_slice(), none.total()), (&b"[]"[..], total));
            assert_eq!(none.header("link"), None);
        }
        let none = ground.operator.get(&format!("{list}?count=0")).expect(200);
        assert_eq!((none.body.as_slice(), none.total()), (&b"[]"[..], total));
        assert_eq!(none.header("link"), None);
        let first = ground
            .operator
            .get(&format!("{list}?COUNT=00001"))
            .expect(200);
        assert_eq!(first.total(), total);
        assert!(first.json().as_array().unwrap().len() <= 1);
    }
}

#[test]
fn a_query_that_is_not_percent_encoded_utf_8_is_refused_everywhere() {
    let ground = Ground::new();
    let mut paths = lists(&ground);
    paths.extend([
        ground.client(),
        ground.preview_client(),
        ground.legacy_client(),
        format!("{}/Secrets/1", ground.client()),
        ground.role_path(),
        ground.operator.v1(""),
    ]);
    for path in paths {
        for query in [
            "tag=%",
            "query=%4",
            "x=%zz",
            "%ff=1",
            "tag=%c3%28",
            "id=%u0041",
            "skip=%+1",
        ] {
            let path = format!("{path}?{query}");
            let error = ground.refused(400, |caller| caller.get(&path));
            let reason = error["Reason"].as_str().unwrap();
            assert!(reason.contains("percent-encoded"), "{path}: {reason}");
        }
    }
    for taker in ground.takers() {
        let path = format!("{}?x=%zz", taker.path);
        ground.refused(400, |caller| match taker.method {
            "POST" => caller.post(&path, &taker.good),
            _ => caller.put(&path, &taker.good),
        });
    }
    for path in [
        ground.client(),
        format!("{}/Secrets/1", ground.client()),
        ground.role_path(),
    ] {
        ground.refused(400, |caller| caller.delete(&format!("{path}?x=%zz")));
    }
}

#[test]
fn a_tag_is_1_to_128_characters_and_no_control_characters() {
    let ground = Ground::new();
    let long = "x".repeat(129);
    for list in [
        ground.operator.v1(CLIENTS),
        ground.operator.preview(CLIENTS),
    ] {
        for (value, shown) in [
            ("", "''"),
            (long.as_str(), "'xxx"),
            ("a%0d%0ab", "'a\\u{d}\\u{a}b'"),
            ("%00", "'\\u{0}'"),
            ("%1b[31m", "'\\u{1b}[31m'"),
        ] {
            let path = format!("{list}?tag=kept&tag={value}");
            let error = ground.refused(400, |caller| caller.get(&path));
            let reason = error["Reason"].as_str().unwrap();
            assert!(
                reason.contains("tag") && reason.contains(shown),
                "{path}: {reason}"
            );
            let resolution = error["Resolution"].as_str().unwrap();
            assert!(resolution.contains("1 to 128 characters"), "{resolution}");
        }
        assert_eq!(
            ground
                .operator
                .get(&format!("{list}?TAG=kept"))
                .expect(200)
                .total(),
            1
        );
        assert_eq!(
            ground
                .operator
                .get(&format!("{list}?tag=Kept"))
                .expect(200)
                .total(),
            0
        );
    }
}

#[test]
fn at_most_1_000_ids_are_taken_without_blank_and_repeated_ones() {
    let ground = Ground::new();
    let list = ground.operator.v1(CLIENTS);
    let many = |number: usize| {
        let ids: String = (0..number).map(|n| format!("&id=n{n}")).collect();
        format!("{list}?id=&id=+&ID=n0&id=N0&id={CLIENT}{ids}")
    };
    // N0 and the client itself count, n0 once.
    let answer = ground.operator.get(&many(998)).expect(207).json();
    assert_eq!(answer["ChildErrors"].as_array().unwrap().len(), 999);
    assert_eq!(answer["Data"][0]["Id"], CLIENT);
    let error = ground.refused(400, |caller| caller.get(&many(999)));
    assert!(
        error["Reason"].as_str().unwrap().contains("1001"),
        "{error}"
    );
    assert!(
        error["Resolution"].as_str().unwrap().contains("1000"),
        "{error}"
    );
    ground.operator.head(&many(999)).expect(400);
    // What is ignored is still read.
    for page in ["skip=-1", "count=x"] {
        ground.refused(400, |caller| {
            caller.get(&format!("{list}?id={CLIENT}&{page}"))
        });
    }
    ground.refused(400, |caller| {
        caller.get(&format!("{list}?id={CLIENT}&tag="))
    });
    let ignored = format!("{list}?id={CLIENT}&skip=5&count=0&query=x");
    assert_eq!(ground.operator.get(&ignored).expect(200).ids(), [CLIENT]);
}

#[test]
fn a_role_type_is_a_guid_and_given_once() {
    let ground = Ground::new();
    let list = ground.operator.v1("/Roles");
    let member = "7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977";
    for (value, shown) in [
        ("x", "'x'"),
        ("1", "'1'"),
        ("%7B7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977%7D", "'{7ad2"),
        ("Tenant%20Member", "'Tenant Member'"),
        ("a%0ab", "'a\\u{a}b'"),
    ] {
        let error = ground.refused(400, |caller| {
            caller.get(&format!("{list}?roleTypeId={value}"))
        });
        let reason = error["Reason"].as_str().unwrap();
        assert!(
            reason.contains("roleTypeId") && reason.contains(shown),
            "{reason}"
        );
        assert!(error["Resolution"].as_str().unwrap().contains("GUID"));
    }
    let twice = format!("{list}?roleTypeId={member}&roletypeid={member}");
    ground.refused(400, |caller| caller.get(&twice));
    for spelled in [
        member.to_owned(),
        member.to_uppercase(),
        member.replace('-', ""),
    ] {
        let found = ground
            .operator
            .get(&format!("{list}?roletypeid={spelled}"))
            .expect(200);
        assert_eq!(found.ids(), [ground.member.as_str()]);
    }
}

#[test]
fn query_is_accepted_and_ignored_on_every_list() {
    let ground = Ground::new();
    for list in lists(&ground) {
        let plain = ground.operator.get(&list).expect(200);
        for query in [
            "query=x",
            "query=",
            "Query=a&query=b",
            "unknown=%20",
            "api-version=1",
            "&&",
        ] {
            let answer = ground.operator.get(&format!("{list}?{query}")).expect(200);
            assert_eq!(answer.body, plain.body, "{list}?{query}");
        }
    }
}

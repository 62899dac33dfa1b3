//! Every member of every body, with every sort of value that it does not take.

use serde_json::{Value, json};

use super::values::Sort::{self, Alias, Boolean, Description, Lifetime, Name, RoleIds, Tags, Time};
use super::values::{guids, refused, shown};
use super::{CLIENT, CLIENTS, Ground, unknown};

/// Tries every value that a member does not take. `rest` is what the body needs besides.
#[track_caller]
fn try_members(ground: &Ground, method: &str, path: &str, rest: &Value, members: &[(&str, Sort)]) {
    for (member, sort) in members {
        let (values, allowed) = refused(*sort, ground);
        for value in values.as_array().unwrap() {
            let mut body = rest.clone();
            body[*member] = value.clone();
            let case = format!("{method} {path} {member} = {value:.80}");
            let error = ground.refused(400, |caller| match method {
                "POST" => caller.post(path, &body),
                _ => caller.put(path, &body),
            });
            let (reason, resolution) = (&error["Reason"], &error["Resolution"]);
            let reason = reason.as_str().unwrap();
            let resolution = resolution.as_str().unwrap();
            assert!(
                allowed.iter().any(|words| resolution.contains(words)),
                "{case}: the resolution is {resolution}"
            );
            if let Some(shown) = shown(value) {
                assert!(reason.contains(&shown), "{case}: the reason is {reason}");
                assert!(reason.contains(member), "{case}: the reason is {reason}");
            }
        }
    }
}

const CLIENT_MEMBERS: [(&str, Sort); 3] =
    [("Name", Name), ("Enabled", Boolean), ("RoleIds", RoleIds)];
const FIRST_SECRET: [(&str, Sort); 2] = [
    ("SecretDescription", Description),
    ("SecretExpirationDate", Time),
];
const SECRET: [(&str, Sort); 2] = [("Description", Description), ("Expires", Boolean)];

#[test]
fn a_client_of_v1_takes_no_bad_member() {
    let ground = Ground::new();
    let own = [
        ("Id", Sort::ClientId),
        ("Tags", Tags),
        ("AccessTokenLifetime", Lifetime),
    ];
    let path = ground.operator.v1(CLIENTS);
    for members in [&CLIENT_MEMBERS[..], &own, &FIRST_SECRET] {
        try_members(&ground, "POST", &path, &json!({}), members);
    }
    for members in [&CLIENT_MEMBERS[..], &own] {
        try_members(&ground, "PUT", &ground.client(), &json!({}), members);
    }
}

#[test]
fn a_client_of_v1_preview_takes_no_bad_member() {
    let ground = Ground::new();
    let own = [
        ("Id", Sort::ClientId),
        ("ClientId", Sort::ClientId),
        ("Tags", Tags),
    ];
    let path = ground.operator.preview(CLIENTS);
    for members in [&CLIENT_MEMBERS[..], &own, &FIRST_SECRET] {
        try_members(&ground, "POST", &path, &json!({}), members);
    }
    for members in [&CLIENT_MEMBERS[..], &own] {
        try_members(
            &ground,
            "PUT",
            &ground.preview_client(),
            &json!({}),
            members,
        );
    }
}

#[test]
fn a_legacy_client_takes_no_bad_member() {
    let ground = Ground::new();
    let own = [("ClientId", Sort::ClientId)];
    let path = ground.operator.legacy("/ClientCredentialClient/");
    for members in [&CLIENT_MEMBERS[..], &own, &FIRST_SECRET] {
        try_members(&ground, "POST", &path, &json!({}), members);
    }
    for members in [&CLIENT_MEMBERS[..], &own] {
        try_members(&ground, "PUT", &ground.legacy_client(), &json!({}), members);
    }
}

#[test]
fn a_secret_takes_no_bad_member_in_either_generation() {
    let ground = Ground::new();
    let dated = [("Expiration", Time)];
    for client in [ground.client(), ground.preview_client()] {
        let secrets = format!("{client}/Secrets");
        let expires = json!({ "Expires": false });
        try_members(&ground, "POST", &secrets, &expires, &SECRET);
        try_members(&ground, "POST", &secrets, &json!({}), &dated);
        let secret = format!("{secrets}/1");
        try_members(&ground, "PUT", &secret, &json!({}), &SECRET);
        try_members(&ground, "PUT", &secret, &json!({}), &dated);
        try_members(
            &ground,
            "PUT",
            &secret,
            &json!({}),
            &[("Id", Sort::SecretId)],
        );
    }
    let secret = format!("{}/Secrets/1", ground.preview_client());
    try_members(
        &ground,
        "PUT",
        &secret,
        &json!({}),
        &[("SecretId", Sort::SecretId)],
    );
}

#[test]
fn expires_and_expiration_must_agree() {
    let ground = Ground::new();
    let date = "2031-01-01T00:00:00Z";
    for client in [ground.client(), ground.preview_client()] {
        let secrets = format!("{client}/Secrets");
        for body in [
            json!({}),
            json!({ "Expires": null, "Expiration": null }),
            json!({ "Expires": true }),
            json!({ "Expires": false, "Expiration": date }),
        ] {
            let error = ground.refused(400, |caller| caller.post(&secrets, &body));
            assert!(error["Reason"].as_str().unwrap().contains("Expires"));
        }
        let secret = format!("{secrets}/1");
        for body in [
            json!({ "Expires": false, "Expiration": date }),
            // It never expired, and no date is given.
            json!({ "Expires": true }),
        ] {
            ground.refused(400, |caller| caller.put(&secret, &body));
        }
    }
}

#[test]
fn a_role_takes_no_bad_member() {
    let ground = Ground::new();
    let members = [("Name", Name), ("Description", Description)];
    let path = ground.operator.v1("/Roles");
    try_members(&ground, "POST", &path, &json!({ "Name": "Fine" }), &members);
    try_members(&ground, "PUT", &ground.role_path(), &json!({}), &members);
    for body in [json!({}), json!({ "Name": null })] {
        let error = ground.refused(400, |caller| caller.post(&path, &body));
        assert!(error["Reason"].as_str().unwrap().contains("Name"));
    }
}

#[test]
fn a_tenant_takes_no_bad_member() {
    let ground = Ground::new();
    let members = [
        ("CompanyName", Name),
        ("Alias", Alias),
        ("Id", Sort::TenantId),
    ];
    let rest = json!({ "CompanyName": "Fine" });
    try_members(&ground, "POST", "/api/v1/Tenants", &rest, &members);
    try_members(
        &ground,
        "PUT",
        &ground.operator.v1(""),
        &json!({}),
        &members,
    );
    let error = ground.refused(400, |caller| caller.post("/api/v1/Tenants", &json!({})));
    assert!(error["Reason"].as_str().unwrap().contains("CompanyName"));
}

#[test]
fn the_roles_of_a_client_are_an_array_of_roles_with_member_among_them() {
    let ground = Ground::new();
    for path in [
        format!("{}/Roles", ground.client()),
        ground.operator.v1(&format!("/Clients/{CLIENT}/Roles")),
    ] {
        for body in [
            json!({}),
            json!("x"),
            json!(7),
            json!(null),
            json!(true),
            json!([]),
            json!({ "RoleIds": [ground.member] }),
            json!([null]),
            json!([7]),
            json!([[]]),
            json!([{}]),
            json!([{ "Id": null }]),
            json!([{ "Id": 7 }]),
            json!([{ "Id": "" }]),
            json!([{ "Name": "Tenant Member" }]),
            json!([ground.role]),
            json!([{ "Id": ground.member }, { "Id": unknown() }]),
            json!([ground.member, "a\r\nb"]),
            guids(51),
        ] {
            ground.refused(400, |caller| caller.put(&path, &body));
        }
    }
}

#[test]
fn an_unknown_role_is_named() {
    let ground = Ground::new();
    let ids = json!([ground.member, unknown()]);
    for error in [
        ground.refused(400, |caller| {
            caller.post(&caller.v1(CLIENTS), &json!({ "RoleIds": ids }))
        }),
        ground.refused(400, |caller| {
            caller.put(&ground.client(), &json!({ "RoleIds": ids }))
        }),
        ground.refused(400, |caller| {
            caller.put(&format!("{}/Roles", ground.client()), &ids)
        }),
    ] {
        assert!(
            error["Reason"].as_str().unwrap().contains(unknown()),
            "{error}"
        );
    }
}

#[test]
fn a_body_that_names_another_object_than_the_path_is_refused() {
    let ground = Ground::new();
    for (path, body) in [
        (ground.client(), json!({ "Id": "other" })),
        (ground.preview_client(), json!({ "Id": "other" })),
        (ground.preview_client(), json!({ "ClientId": "other" })),
        (
            ground.preview_client(),
            json!({ "Id": CLIENT, "ClientId": "other" }),
        ),
        (ground.legacy_client(), json!({ "ClientId": "other" })),
        (ground.operator.v1(""), json!({ "Id": unknown() })),
    ] {
        ground.refused(400, |caller| caller.put(&path, &body));
    }
    let two = json!({ "Id": "one", "ClientId": "two" });
    ground.refused(400, |caller| caller.post(&caller.preview(CLIENTS), &two));
    // In another spelling it is the same.
    let same = json!({ "Id": CLIENT.to_uppercase(), "ClientId": CLIENT.replace('-', "") });
    ground
        .operator
        .put(&ground.preview_client(), &same)
        .expect(200);
}

#[test]
fn the_longest_and_shortest_values_are_taken() {
    let ground = Ground::new();
    let body = json!({
        "Id": "x".repeat(64),
        "Name": "🏭".repeat(256),
        "Tags": (0..50).map(|n| format!("{n:0128}")).collect::<Vec<_>>(),
        "AccessTokenLifetime": 60,
        "RoleIds": [ground.member.to_uppercase(), ground.member.replace('-', "")],
        "SecretDescription": "é".repeat(512),
        "SecretExpirationDate": "2030-06-01T12:00:00.000000001Z",
    });
    let made = ground
        .operator
        .post(&ground.operator.v1(CLIENTS), &body)
        .expect(201)
        .json();
    assert_eq!(made["Client"]["RoleIds"], json!([ground.member]));
    assert_eq!(made["Client"]["Tags"], body["Tags"]);
    assert_eq!(made["Client"]["Name"], body["Name"]);
    let tags = json!({ "Tags": vec!["same"; 60], "AccessTokenLifetime": 3_600 });
    let changed = ground
        .operator
        .put(&ground.client(), &tags)
        .expect(200)
        .json();
    assert_eq!(changed["Tags"], json!(["same"]));
}

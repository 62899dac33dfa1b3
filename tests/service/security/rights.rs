//! Rights are what the caller's client holds now: whatever its token says, they end at once with
//! the role, the client or its tenant, and nobody can give himself more.

use serde_json::{Value, json};

use crate::harness::{
    ADMINISTRATOR, CLUSTER_OPERATOR, CLUSTER_SUPPORT, Caller, MEMBER, OPERATOR, Server, TENANT,
};

const CLIENTS: &str = "/ClientCredentialClients";

fn path_of(client: &Caller) -> String {
    client.v1(&format!("{CLIENTS}/{}", client.id))
}

/// A read, a write and a secret of its own: what an administrator may do, and nothing of it done.
#[track_caller]
fn may_nothing(caller: &Caller, because: &str) {
    let refused = [
        caller.get(&caller.v1(CLIENTS)),
        caller.get(&path_of(caller)),
        caller.post(&caller.v1(CLIENTS), &json!({ "Id": "made-without-rights" })),
        caller.put(&path_of(caller), &json!({ "Name": "Renamed" })),
        caller.get(&format!("{}/Secrets", path_of(caller))),
        caller.post(
            &format!("{}/Secrets", path_of(caller)),
            &json!({ "Expires": false }),
        ),
        caller.delete(&path_of(caller)),
    ];
    for answer in refused {
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="credenza", error="insufficient_scope""#)
        );
        answer.refused_because(403, because);
    }
}

#[test]
fn rs24_a_deleted_client_has_no_rights_and_neither_has_its_token_once_it_is_created_anew() {
    let server = Server::start();
    let operator = server.operator();
    let administrator = server.administrator(TENANT);
    administrator.get(&administrator.v1(CLIENTS)).expect(200);

    operator.delete(&path_of(&administrator)).expect(204);
    may_nothing(&administrator, "does not exist any more");

    let body = json!({
        "Id": administrator.id,
        "RoleIds": [server.role(TENANT, MEMBER), server.role(TENANT, ADMINISTRATOR)],
    });
    let made = operator.post(&operator.v1(CLIENTS), &body).expect(201);
    may_nothing(&administrator, "created anew");
    let anew = Caller::authenticated(
        server.address(),
        TENANT,
        &administrator.id,
        &made.text("Secret"),
    );
    anew.get(&anew.v1(CLIENTS)).expect(200);
    operator
        .get(&operator.v1(&format!("{CLIENTS}/made-without-rights")))
        .refused(404);
}

#[test]
fn rs24_a_disabled_client_has_no_rights_until_it_is_enabled_again() {
    let server = Server::start();
    let operator = server.operator();
    let administrator = server.administrator(TENANT);
    let path = path_of(&administrator);

    operator
        .put(&path, &json!({ "Enabled": false }))
        .expect(200);
    may_nothing(&administrator, "is disabled");
    let shown = operator.get(&path).expect(200).json();
    assert_ne!(shown["Name"], "Renamed");

    operator.put(&path, &json!({ "Enabled": true })).expect(200);
    administrator.get(&path).expect(200);
}

#[test]
fn rs24_the_clients_of_a_deleted_tenant_have_no_rights() {
    let server = Server::start();
    let tenant = server.new_tenant("Gone tomorrow");
    let administrator = server.administrator(&tenant);
    server.operator().delete(&administrator.v1("")).expect(204);
    may_nothing(&administrator, "does not exist any more");
    // Nor when there is a tenant of that id again.
    let body = json!({ "Id": tenant, "CompanyName": "Back" });
    let operator = server.operator();
    loop {
        // Until what the tenant held is swept away.
        match operator.post("/api/v1/Tenants", &body).status {
            201 => break,
            status => assert_eq!(status, 409),
        }
    }
    may_nothing(&administrator, "does not exist any more");
}

#[test]
fn rs24_a_role_that_is_taken_away_counts_at_once_on_every_way_to_take_it() {
    let server = Server::start();
    let operator = server.operator();
    let member = server.role(TENANT, MEMBER);
    let v1 = json!({ "RoleIds": [&member] });
    let roles = json!([{ "Id": &member }]);
    let ways: [(&str, &str, &Value); 5] = [
        ("v1", "", &v1),
        ("preview", "", &v1),
        ("legacy", "", &v1),
        ("v1", "/Roles", &roles),
        ("alias", "/Roles", &roles),
    ];
    for (generation, rest, body) in ways {
        let administrator = server.administrator(TENANT);
        let id = &administrator.id;
        let path = match generation {
            "preview" => operator.preview(&format!("{CLIENTS}/{id}{rest}")),
            "legacy" => operator.legacy(&format!("/ClientCredentialClient/{id}{rest}")),
            "alias" => operator.v1(&format!("/Clients/{id}{rest}")),
            _ => operator.v1(&format!("{CLIENTS}/{id}{rest}")),
        };
        let rename = json!({ "Name": "Renamed" });
        administrator
            .put(&path_of(&administrator), &rename)
            .expect(200);
        operator.put(&path, body).expect(200);
        let refused = administrator.put(&path_of(&administrator), &rename);
        refused.refused_because(403, "do not allow this");
        // What the role gave is gone, the rest is not.
        administrator.get(&path_of(&administrator)).expect(200);
    }
}

#[test]
fn a_role_that_is_given_counts_at_once_with_the_old_token() {
    let server = Server::start();
    let member = server.member(TENANT);
    let role = json!({ "Name": "Mine" });
    member.post(&member.v1("/Roles"), &role).refused(403);
    let both = [
        server.role(TENANT, MEMBER),
        server.role(TENANT, ADMINISTRATOR),
    ];
    server
        .operator()
        .put(&path_of(&member), &json!({ "RoleIds": both }))
        .expect(200);
    member.post(&member.v1("/Roles"), &role).expect(201);
}

#[test]
fn h11_an_administrator_cannot_hand_out_cluster_roles_nor_those_of_another_tenant() {
    let server = Server::start();
    let other = server.new_tenant("Other");
    let foreign = server.role(&other, ADMINISTRATOR);
    let administrator = server.administrator(TENANT);
    let member = server.role(TENANT, MEMBER);
    let id = &server.member(TENANT).id;
    let client = format!("{CLIENTS}/{id}");
    let (a, p, l) = (
        |rest: &str| administrator.v1(rest),
        |rest: &str| administrator.preview(rest),
        |rest: &str| administrator.legacy(rest),
    );
    let before = administrator.get(&a(&client)).expect(200).body;
    let count = administrator.head(&a(CLIENTS)).expect(200).total();
    for (role, status) in [
        (CLUSTER_OPERATOR, 403),
        (CLUSTER_SUPPORT, 403),
        ("89BE951BEEC944D7871062C42B4E2740", 403),
        (foreign.as_str(), 400),
        // A type is no role.
        (ADMINISTRATOR, 400),
    ] {
        let ids = json!([&member, role]);
        let named = json!({ "RoleIds": ids });
        for path in [a(CLIENTS), p(CLIENTS), l("/ClientCredentialClient")] {
            administrator.post(&path, &named).refused(status);
        }
        for path in [
            a(&client),
            p(&client),
            l(&format!("/ClientCredentialClient/{id}")),
        ] {
            administrator.put(&path, &named).refused(status);
        }
        for path in [
            a(&format!("{client}/Roles")),
            a(&format!("/Clients/{id}/Roles")),
        ] {
            administrator.put(&path, &ids).refused(status);
        }
    }
    assert_eq!(administrator.get(&a(&client)).expect(200).body, before);
    assert_eq!(administrator.head(&a(CLIENTS)).expect(200).total(), count);
}

#[test]
fn an_administrator_cannot_touch_an_operator_of_his_tenant_nor_its_secrets() {
    let server = Server::start();
    let administrator = server.administrator(TENANT);
    let support = server.support();
    for id in [OPERATOR, support.id.as_str()] {
        let v1 = administrator.v1(&format!("{CLIENTS}/{id}"));
        let preview = administrator.preview(&format!("{CLIENTS}/{id}"));
        let legacy = administrator.legacy(&format!("/ClientCredentialClient/{id}"));
        let before = administrator.get(&v1).expect(200).body;
        let rename = json!({ "Name": "Mine now" });
        let secret = json!({ "Expires": false });
        for path in [&v1, &preview, &legacy] {
            administrator.put(path, &rename).refused(403);
        }
        for path in [&v1, &legacy] {
            administrator.delete(path).refused(403);
        }
        for path in [&v1, &preview] {
            administrator
                .post(&format!("{path}/Secrets"), &secret)
                .refused(403);
            let one = format!("{path}/Secrets/1");
            administrator
                .put(&one, &json!({ "Description": "x" }))
                .refused(403);
            administrator.delete(&one).refused(403);
        }
        let roles = json!([server.role(TENANT, MEMBER)]);
        administrator
            .put(&format!("{v1}/Roles"), &roles)
            .refused(403);
        assert_eq!(administrator.get(&v1).expect(200).body, before);
        let secrets = administrator.get(&format!("{v1}/Secrets")).expect(200);
        assert_eq!(secrets.total(), 1);
    }
    // Itself it may still give and take secrets.
    let own = support.v1(&format!("{CLIENTS}/{}/Secrets", support.id));
    let made = support.post(&own, &json!({ "Expires": false })).expect(201);
    let made = made.header("location").unwrap().to_owned();
    support.delete(&made).expect(204);
}

#[test]
fn h12_a_role_of_ones_own_gives_no_rights_whatever_its_name_and_body_say() {
    let server = Server::start();
    let operator = server.operator();
    for (number, name) in [
        "Administrator",
        "Tenant Administrator ",
        "Tenant\u{a0}Administrator",
        "Tenant Аdministrator",
        "Cluster Operator",
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({
            "Name": name,
            "Id": ADMINISTRATOR,
            "RoleTypeId": ADMINISTRATOR,
            "RoleScope": 3,
            "TenantId": "22222222-2222-4222-8222-222222222222",
            "CommunityId": "33333333-3333-4333-8333-333333333333",
            "BuiltIn": "Administrator",
        });
        let made = operator
            .post(&operator.v1("/Roles"), &body)
            .expect(201)
            .json();
        assert_eq!(made["RoleTypeId"], Value::Null, "{number}");
        assert_eq!(made["RoleScope"], 1);
        assert_eq!(made["TenantId"], TENANT);
        assert_eq!(made["CommunityId"], Value::Null);
        assert_ne!(made["Id"], ADMINISTRATOR);
        let path = operator.v1(&format!("/Roles/{}", made["Id"].as_str().unwrap()));
        let changed = operator.put(&path, &body).expect(200).json();
        assert_eq!(changed, made);

        let held = [made["Id"].as_str().unwrap().to_owned()];
        let caller = server.caller_with(TENANT, &held);
        caller
            .post(&caller.v1("/Roles"), &json!({ "Name": "x" }))
            .refused(403);
        caller.get("/api/v1/Tenants").refused(403);
    }
}

#[test]
fn h13_a_client_cannot_widen_itself() {
    let server = Server::start();
    let member = server.member(TENANT);
    let path = path_of(&member);
    let roles = json!([
        server.role(TENANT, MEMBER),
        server.role(TENANT, ADMINISTRATOR)
    ]);
    let before = member.get(&path).expect(200).body;
    let made = member
        .post(
            &format!("{path}/Secrets"),
            &json!({ "Expires": false, "RoleIds": roles }),
        )
        .expect(201);
    let secret = made.header("location").unwrap().to_owned();
    for (target, body) in [
        (path.clone(), json!({ "RoleIds": roles })),
        (path.clone(), json!({ "AccessTokenLifetime": 3_600 })),
        (path.clone(), json!({})),
        (format!("{path}/Roles"), roles.clone()),
        (
            member.v1(&format!("/Clients/{}/Roles", member.id)),
            roles.clone(),
        ),
        (
            member.preview(&format!("{CLIENTS}/{}", member.id)),
            json!({ "RoleIds": roles }),
        ),
        (
            member.legacy(&format!("/ClientCredentialClient/{}", member.id)),
            json!({ "RoleIds": roles }),
        ),
        (secret, json!({ "Expiration": "2040-01-01T00:00:00Z" })),
    ] {
        member.put(&target, &body).refused(403);
    }
    assert_eq!(member.get(&path).expect(200).body, before);
}

#[test]
fn a_client_of_the_same_id_in_another_tenant_is_not_oneself() {
    let server = Server::start();
    let support = server.support();
    let operator = server.operator();
    let other = server.new_tenant("Other");
    let elsewhere = operator.in_tenant(&other);
    let body = json!({ "Id": support.id });
    elsewhere.post(&elsewhere.v1(CLIENTS), &body).expect(201);
    let twin = elsewhere.v1(&format!("{CLIENTS}/{}", support.id));
    let secrets = format!("{twin}/Secrets");
    support.get(&twin).expect(200);
    support.get(&secrets).refused(403);
    support.head(&format!("{secrets}/1")).expect(403);
    support
        .post(&secrets, &json!({ "Expires": false }))
        .refused(403);
    support.delete(&format!("{secrets}/1")).refused(403);
    assert_eq!(operator.head(&secrets).expect(200).total(), 1);
}

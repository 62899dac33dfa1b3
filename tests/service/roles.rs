//! Roles: those of a tenant, those of a client, those of the cluster, and who holds one.

use credenza::service::decide::Limits;
use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{
    ADMINISTRATOR, CLUSTER_OPERATOR, CLUSTER_SUPPORT, Caller, Choices, MEMBER, OPERATOR, Server,
    TENANT,
};

const CLIENTS: &str = "/ClientCredentialClients";
const NO_ROLE: &str = "5f0c2a7e-9f7b-4b1e-8d3e-0a1b2c3d4e5f";
const MEMBERS: [&str; 7] = [
    "CommunityId",
    "Description",
    "Id",
    "Name",
    "RoleScope",
    "RoleTypeId",
    "TenantId",
];
const BUILT_IN: [(&str, &str); 5] = [
    ("Tenant Administrator", ADMINISTRATOR),
    ("Tenant Contributor", "f1439595-e5a2-487f-8a4f-0627fefe75df"),
    (
        "Tenant Data Steward",
        "45b66433-5f57-420b-bbdf-8bbd60c1cd9d",
    ),
    ("Tenant Member", MEMBER),
    ("Tenant Viewer", "e6cbf91e-0be8-4858-92b5-f88ecafd5574"),
];

fn create_role(caller: &Caller, name: &str) -> String {
    let body = json!({ "Name": name });
    caller
        .post(&caller.v1("/Roles"), &body)
        .expect(201)
        .text("Id")
}

fn create_client(caller: &Caller, id: &str, roles: &[&str]) {
    let body = json!({ "Id": id, "RoleIds": roles });
    caller.post(&caller.v1(CLIENTS), &body).expect(201);
}

/// The two paths of the roles of a client.
fn held(caller: &Caller, client: &str) -> [String; 2] {
    [
        caller.v1(&format!("{CLIENTS}/{client}/Roles")),
        caller.v1(&format!("/Clients/{client}/Roles")),
    ]
}

#[test]
fn a_tenant_is_born_with_five_roles_of_its_own() {
    let server = Server::start();
    let other = server.new_tenant("Other");
    let operator = server.operator();
    let mut ids = Vec::new();
    for tenant in [TENANT, &other] {
        let caller = operator.in_tenant(tenant);
        let listed = caller.get(&caller.v1("/Roles")).expect(200);
        assert_eq!((listed.total(), listed.ids().len()), (5, 5));
        assert!(listed.ids().is_sorted());
        assert_eq!(caller.head(&caller.v1("/Roles")).expect(200).total(), 5);
        for role in listed.json().as_array().unwrap() {
            assert_eq!(keys(role), MEMBERS);
            assert_eq!(role["RoleScope"], 1);
            assert_eq!(role["TenantId"], tenant);
            assert_eq!(role["CommunityId"], Value::Null);
            let named = (
                role["Name"].as_str().unwrap(),
                role["RoleTypeId"].as_str().unwrap(),
            );
            assert!(BUILT_IN.contains(&named), "{named:?}");
            let own = caller.v1(&format!("/Roles/{}", role["Id"].as_str().unwrap()));
            assert_eq!(&caller.get(&own).expect(200).json(), role);
            assert!(caller.head(&own).expect(200).body.is_empty());
        }
        ids.extend(listed.ids());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "each tenant's role has an id of its own");
}

#[test]
fn role_type_id_finds_the_built_in_role_of_that_type() {
    let server = Server::start();
    let operator = server.operator();
    create_role(&operator, "Own");
    for (name, kind) in BUILT_IN {
        for spelling in [kind.to_owned(), kind.to_uppercase(), kind.replace('-', "")] {
            let path = operator.v1(&format!("/Roles?ROLETYPEID={spelling}"));
            let found = operator.get(&path).expect(200);
            assert_eq!(found.total(), 1);
            assert_eq!(found.json()[0]["Name"], name);
            assert_eq!(operator.head(&path).expect(200).total(), 1);
        }
    }
    for (kind, total) in [(NO_ROLE, 0), (CLUSTER_OPERATOR, 0), ("", 6)] {
        let path = operator.v1(&format!("/Roles?roleTypeId={kind}"));
        assert_eq!(operator.get(&path).expect(200).total(), total);
    }
    operator
        .get(&operator.v1("/Roles?roleTypeId=member"))
        .refused_because(400, "member");
}

#[test]
fn a_role_has_the_name_it_is_given_and_the_rest_from_the_server() {
    let server = Server::start();
    let operator = server.operator();
    let body = json!({
        "Id": NO_ROLE, "Name": "Night shift", "Description": "two\nlines", "RoleScope": 3,
        "TenantId": NO_ROLE, "CommunityId": NO_ROLE, "RoleTypeId": ADMINISTRATOR,
    });
    let answer = operator.post(&operator.v1("/Roles"), &body).expect(201);
    let role = answer.json();
    assert_eq!(keys(&role), MEMBERS);
    let id = role["Id"].as_str().unwrap();
    assert_ne!(id, NO_ROLE);
    let expected = json!({
        "Id": id, "Name": "Night shift", "Description": "two\nlines", "RoleScope": 1,
        "TenantId": TENANT, "CommunityId": null, "RoleTypeId": null,
    });
    assert_eq!(role, expected);
    let location = answer.header("location").unwrap();
    assert_eq!(location, operator.v1(&format!("/Roles/{id}")));
    assert_eq!(operator.get(location).expect(200).json(), expected);
    let bare = operator.v1(&format!("/Roles/{}", id.replace('-', "").to_uppercase()));
    assert_eq!(operator.get(&bare).expect(200).json(), expected);

    // An update changes what it names, and never what the server sets.
    for body in [
        json!({}),
        json!({ "Name": null, "Description": null }),
        body,
    ] {
        assert_eq!(operator.put(location, &body).expect(200).json(), expected);
    }
    let renamed = operator
        .put(location, &json!({ "Name": "Day shift" }))
        .expect(200)
        .json();
    assert_eq!(
        (&renamed["Name"], &renamed["Description"]),
        (&json!("Day shift"), &json!("two\nlines"))
    );
    assert_eq!(operator.get(location).expect(200).json(), renamed);

    assert!(operator.delete(location).expect(204).body.is_empty());
    operator.get(location).refused(404);
    operator.delete(location).refused(404);
}

#[test]
fn a_role_has_a_name_and_at_most_1024_bytes_of_description() {
    let server = Server::start();
    let operator = server.operator();
    let own = operator.v1(&format!("/Roles/{}", create_role(&operator, "Own")));
    operator
        .post(&operator.v1("/Roles"), &json!({}))
        .refused_because(400, "Name");
    operator
        .post(&operator.v1("/Roles"), &json!({ "Name": null }))
        .refused_because(400, "Name");
    for (member, value) in [
        ("Name", json!("")),
        ("Name", json!(" ")),
        ("Name", json!("é".repeat(257))),
        ("Name", json!(7)),
        ("Description", json!("é".repeat(513))),
        ("Description", json!([])),
    ] {
        let mut body = json!({ "Name": "Other" });
        body[member] = value;
        operator
            .post(&operator.v1("/Roles"), &body)
            .refused_because(400, member);
        operator.put(&own, &body).refused_because(400, member);
    }
    let longest = json!({ "Name": "é".repeat(256), "Description": "é".repeat(512) });
    operator.put(&own, &longest).expect(200);
    assert_eq!(operator.head(&operator.v1("/Roles")).expect(200).total(), 6);
}

#[test]
fn a_roles_name_is_unique_in_its_tenant_without_regard_to_case() {
    let server = Server::start();
    let operator = server.operator();
    create_role(&operator, "Ärzte");
    let own = operator.v1(&format!("/Roles/{}", create_role(&operator, "Own")));
    for name in ["Ärzte", "ÄRZTE", "ärzte", "tenant member"] {
        let body = json!({ "Name": name });
        operator
            .post(&operator.v1("/Roles"), &body)
            .refused_because(409, name);
        operator.put(&own, &body).refused_because(409, name);
    }
    operator.put(&own, &json!({ "Name": "OWN" })).expect(200);
    let other = operator.in_tenant(&server.new_tenant("Other"));
    create_role(&other, "Ärzte");
}

#[test]
fn h14_a_built_in_role_is_neither_changed_nor_deleted() {
    let server = Server::start();
    let operator = server.operator();
    for (_, kind) in BUILT_IN {
        let own = operator.v1(&format!("/Roles/{}", server.role(TENANT, kind)));
        let before = operator.get(&own).expect(200).json();
        operator
            .put(&own, &json!({ "Name": "New" }))
            .refused_because(400, "built-in");
        operator
            .put(&own, &json!({ "Description": "New" }))
            .refused_because(400, "built-in");
        operator.delete(&own).refused_because(400, "built-in");
        assert_eq!(operator.get(&own).expect(200).json(), before);
    }
}

#[test]
fn a_role_that_is_held_is_not_deleted_and_the_refusal_counts_its_holders() {
    let server = Server::start();
    let operator = server.operator();
    let role = create_role(&operator, "Held");
    let own = operator.v1(&format!("/Roles/{role}"));
    let member = server.role(TENANT, MEMBER);
    for id in ["c", "a", "b"] {
        create_client(&operator, id, &[&member, &role]);
    }
    operator.delete(&own).refused_because(409, "3 clients");
    let holders = operator.v1(&format!("/Roles/{role}{CLIENTS}"));
    let listed = operator.get(&holders).expect(200);
    assert_eq!(
        (listed.ids(), listed.total()),
        (vec!["a".into(), "b".into(), "c".into()], 3)
    );
    let client = operator
        .get(&operator.v1(&format!("{CLIENTS}/a")))
        .expect(200);
    assert_eq!(listed.json()[0], client.json());
    assert_eq!(operator.head(&holders).expect(200).total(), 3);
    let page = operator
        .get(&format!("{holders}?skip=1&count=1"))
        .expect(200);
    assert_eq!((page.ids(), page.total()), (vec!["b".into()], 3));
    let next = format!("<{holders}?skip=2&count=1>; rel=\"next\"");
    assert_eq!(page.header("link"), Some(&*next));

    operator
        .put(&held(&operator, "a")[0], &json!([member]))
        .expect(200);
    operator
        .delete(&operator.v1(&format!("{CLIENTS}/b")))
        .expect(204);
    operator.delete(&own).refused_because(409, "1 client ");
    operator
        .delete(&operator.v1(&format!("{CLIENTS}/c")))
        .expect(204);
    let nobody = operator.get(&holders).expect(200);
    assert_eq!((nobody.json(), nobody.total()), (json!([]), 0));
    operator.delete(&own).expect(204);
    operator.get(&holders).refused(404);
}

#[test]
fn a_tenant_takes_no_more_roles_than_its_limit() {
    let limits = Limits {
        roles_per_tenant: 6,
        ..Limits::default()
    };
    let server = Server::with(Choices {
        limits,
        ..Choices::default()
    });
    let operator = server.operator();
    let own = create_role(&operator, "Sixth");
    operator
        .post(&operator.v1("/Roles"), &json!({ "Name": "Seventh" }))
        .refused_because(400, "6");
    operator
        .post(&operator.v1("/Roles"), &json!({ "Name": "sixth" }))
        .refused(409);
    operator
        .delete(&operator.v1(&format!("/Roles/{own}")))
        .expect(204);
    create_role(&operator, "Seventh");
}

#[test]
fn what_is_no_role_of_this_tenant_is_not_found() {
    let server = Server::start();
    let operator = server.operator();
    let other = server.new_tenant("Other");
    let foreign = create_role(&operator.in_tenant(&other), "Foreign");
    for id in [NO_ROLE, "member", CLUSTER_OPERATOR, MEMBER, &foreign] {
        let path = operator.v1(&format!("/Roles/{id}"));
        operator.get(&path).refused(404);
        operator.head(&path).expect(404);
        operator.put(&path, &json!({ "Name": "n" })).refused(404);
        operator.delete(&path).refused(404);
        operator.get(&format!("{path}{CLIENTS}")).refused(404);
        operator.head(&format!("{path}{CLIENTS}")).expect(404);
        operator.put(&path, &json!({ "Name": "" })).refused(400);
    }
    for path in held(&operator, "nobody") {
        operator.get(&path).refused(404);
        operator.head(&path).expect(404);
        operator
            .put(&path, &json!([server.role(TENANT, MEMBER)]))
            .refused(404);
    }
}

#[test]
fn the_roles_of_a_client_are_listed_on_both_paths_with_those_of_the_cluster() {
    let server = Server::start();
    let operator = server.operator();
    let mut expected = vec![
        CLUSTER_OPERATOR.to_owned(),
        server.role(TENANT, MEMBER),
        server.role(TENANT, ADMINISTRATOR),
    ];
    expected.sort();
    for path in held(&operator, OPERATOR) {
        let listed = operator.get(&path).expect(200);
        assert_eq!((listed.ids(), listed.total()), (expected.clone(), 3));
        for role in listed.json().as_array().unwrap() {
            assert_eq!(keys(role), MEMBERS);
            match role["Id"] == CLUSTER_OPERATOR {
                true => assert_eq!(
                    (&role["RoleScope"], &role["TenantId"]),
                    (&json!(3), &json!(null))
                ),
                false => assert_eq!(
                    (&role["RoleScope"], &role["TenantId"]),
                    (&json!(1), &json!(TENANT))
                ),
            }
        }
        assert_eq!(operator.head(&path).expect(200).total(), 3);
        let page = operator
            .get(&format!("{path}?skip=1&count=1&query=x"))
            .expect(200);
        assert_eq!((page.ids(), page.total()), (expected[1..2].to_vec(), 3));
        let next = format!("<{path}?query=x&skip=2&count=1>; rel=\"next\"");
        assert_eq!(page.header("link"), Some(&*next));
        operator.get(&format!("{path}?count=-1")).refused(400);
    }
}

#[test]
fn the_roles_of_a_client_are_replaced_by_objects_or_plain_ids() {
    let server = Server::start();
    let operator = server.operator();
    let member = server.role(TENANT, MEMBER);
    let admin = server.role(TENANT, ADMINISTRATOR);
    create_client(&operator, "c", &[&member]);
    for path in held(&operator, "c") {
        for body in [
            json!([admin, member]),
            json!([{ "Id": member }, { "id": admin.to_uppercase(), "Name": "ignored", "RoleScope": 9 }]),
            json!([member, { "Id": admin }, admin.replace('-', "")]),
        ] {
            operator.put(&path, &json!([member])).expect(200);
            let replaced = operator.put(&path, &body).expect(200);
            let mut expected = vec![admin.clone(), member.clone()];
            expected.sort();
            assert_eq!(replaced.ids(), expected);
            let listed = operator.get(&path).expect(200);
            assert_eq!(listed.json(), replaced.json());
            // What was read may be sent back as it is.
            assert_eq!(
                operator.put(&path, &listed.json()).expect(200).json(),
                listed.json()
            );
        }
        for (body, words) in [
            (json!([]), "Member"),
            (json!([admin]), "Member"),
            (json!([member, NO_ROLE]), NO_ROLE),
            (json!([member, "x"]), "'x'"),
            (json!([member, {}]), "Id"),
            (json!([{ "Id": null }]), "Id"),
            (json!([member, 1]), "1"),
            (json!({ "RoleIds": [member] }), "object"),
            (json!(null), "null"),
        ] {
            operator.put(&path, &body).refused_because(400, words);
        }
        assert_eq!(
            operator.head(&path).expect(200).total(),
            2,
            "nothing was done"
        );
        operator.put_text(&path, "").refused(400);
        let twice = format!(r#"[{{"Id": "{member}", "ID": "{member}"}}]"#);
        operator.put_text(&path, &twice).refused(400);
    }
    // Also an operator's own roles, cluster role included.
    let own = &held(&operator, OPERATOR)[1];
    let roles = operator.get(own).expect(200).json();
    assert_eq!(operator.put(own, &roles).expect(200).json(), roles);
}

#[test]
fn a_role_that_is_taken_away_gives_no_rights_from_that_moment() {
    let server = Server::start();
    let admin = server.administrator(TENANT);
    create_role(&admin, "One");
    let [path, _] = held(&admin, &admin.id);
    let member = server.role(TENANT, MEMBER);
    // An administrator may also take it from itself.
    assert_eq!(
        admin.put(&path, &json!([member])).expect(200).ids(),
        [member]
    );
    admin
        .post(&admin.v1("/Roles"), &json!({ "Name": "Two" }))
        .refused(403);
    admin
        .put(&path, &json!([server.role(TENANT, ADMINISTRATOR)]))
        .refused(403);
    assert_eq!(admin.get(&path).expect(200).total(), 1, "Self still reads");
}

#[test]
fn the_two_cluster_roles_belong_to_no_tenant() {
    let server = Server::start();
    let operator = server.operator();
    for caller in [&operator, &server.support()] {
        let listed = caller.get("/api/v1/Roles").expect(200);
        assert_eq!(listed.ids(), [CLUSTER_OPERATOR, CLUSTER_SUPPORT]);
        assert_eq!(listed.total(), 2);
        for role in listed.json().as_array().unwrap() {
            assert_eq!(keys(role), MEMBERS);
            assert_eq!(
                (&role["RoleScope"], &role["TenantId"]),
                (&json!(3), &json!(null))
            );
        }
        assert_eq!(listed.json()[0]["Name"], "Cluster Operator");
        assert_eq!(listed.json()[1]["Name"], "Cluster Support");
        assert_eq!(caller.head("/api/v1/Roles").expect(200).total(), 2);
    }
    let page = operator.get("/api/v1/roles/?count=1").expect(200);
    assert_eq!(page.ids(), [CLUSTER_OPERATOR]);
    assert_eq!(
        page.header("link"),
        Some("</api/v1/Roles?skip=1&count=1>; rel=\"next\"")
    );
    server
        .administrator(TENANT)
        .get("/api/v1/Roles")
        .refused(403);
    operator
        .post("/api/v1/Roles", &json!({ "Name": "n" }))
        .refused(405);
}

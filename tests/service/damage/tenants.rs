//! Tenants that cannot be believed.

use serde_json::json;

use super::*;
use crate::harness::TENANT;

/// With the tenant's own row damaged.
fn ground() -> Ground {
    let mut ground = Ground::whole();
    let tenant = ground.operator.tenant.clone();
    ground.damage(|data| flip(data, "tenants", &tenant_key(&tenant)));
    ground.server.expect_damage(&[&format!("tenant {tenant}")]);
    ground
}

#[test]
fn the_list_of_tenants_has_the_rest_and_names_the_damaged_one() {
    let ground = ground();
    let operator = ground.server.operator();
    let path = "/api/v1/Tenants";
    let answer = operator.get(path);
    let (data, children) = partial(&answer, path);
    assert_eq!(members(&data, "Id"), [TENANT]);
    assert_eq!(children, damaged(&[&ground.operator.tenant]));
    assert_eq!(answer.total(), 2);
    assert_eq!(operator.head(path).expect(207).total(), 2);
    let answer = operator.send("GET", path, &[("If-None-Match", "*")], None);
    assert_eq!(partial(&answer, path).1.len(), 1);
    let answer = operator.get(&format!("{path}?skip=1"));
    let (data, children) = partial(&answer, path);
    assert_eq!((data.len(), children.len()), (0, 1));
    assert_eq!(answer.header("link"), None);
}

#[test]
fn everything_in_a_damaged_tenant_is_refused_and_the_others_go_on() {
    let ground = ground();
    let operator = &ground.operator;
    for path in [
        operator.v1(""),
        operator.v1(CLIENTS),
        operator.v1("/Roles"),
        operator.preview(CLIENTS),
        operator.legacy(LEGACY),
        ground.client("pump-a"),
        ground.client("nobody"),
    ] {
        operator.get(&path).refused(500);
        assert_eq!(operator.head(&path).status, 500);
    }
    operator
        .post(&operator.v1(CLIENTS), &json!({}))
        .refused(500);
    operator
        .put(&operator.v1(""), &json!({ "CompanyName": "x" }))
        .refused(500);
    operator.delete(&operator.v1("")).refused(500);
    let again = json!({ "Id": operator.tenant, "CompanyName": "Again" });
    operator
        .post("/api/v1/Tenants", &again)
        .refused_because(500, &operator.tenant);
    ground.pumps[0].get(&ground.client("pump-a")).refused(500);
    // Nobody can say whether the secret is wrong.
    ground.pumps[0].token_answer().expect(500);

    let elsewhere = ground.server.operator();
    elsewhere.get(&elsewhere.v1(CLIENTS)).expect(200);
    elsewhere
        .post(&elsewhere.v1(CLIENTS), &json!({}))
        .expect(201);
    let body = json!({ "CompanyName": "Another" });
    elsewhere.post("/api/v1/Tenants", &body).expect(201);
}

#[test]
fn a_damaged_role_refuses_its_tenant_alone() {
    let mut ground = Ground::whole();
    let tenant = ground.operator.tenant.clone();
    ground.damage(|data| flip(data, "roles", &tenant_key(&tenant)));
    ground.server.expect_damage(&["role "]);
    let operator = &ground.operator;
    operator.get(&operator.v1(CLIENTS)).refused(500);
    operator.get(&operator.v1("")).refused(500);
    let elsewhere = ground.server.operator();
    elsewhere.get(&elsewhere.v1(CLIENTS)).expect(200);
    // The tenant's own row is whole.
    let listed = elsewhere.get("/api/v1/Tenants").expect(200);
    assert_eq!(listed.total(), 2);
}

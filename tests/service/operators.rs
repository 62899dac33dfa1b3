//! The operators' rights stay with the operators, and somebody stays in charge.

use credenza::domain::times::Timestamp;
use serde_json::{Value, json};

use crate::harness::{
    ADMINISTRATOR, CLUSTER_OPERATOR, CLUSTER_SUPPORT, Caller, MEMBER, OPERATOR, Response, Server,
    TENANT,
};

const CLIENTS: &str = "/ClientCredentialClients";

fn client(caller: &Caller, id: &str) -> String {
    caller.v1(&format!("{CLIENTS}/{id}"))
}

/// The same client in each generation that can change one.
fn generations(caller: &Caller, id: &str) -> [String; 3] {
    [
        client(caller, id),
        caller.preview(&format!("{CLIENTS}/{id}")),
        caller.legacy(&format!("/ClientCredentialClient/{id}")),
    ]
}

/// A second operator, in the tenant of the first or in another.
fn second_operator(server: &Server, tenant: &str) -> Caller {
    server.caller_with(tenant, &[CLUSTER_OPERATOR.into()])
}

/// Refused because nobody would be left in charge.
#[track_caller]
fn refused_the_last(answer: Response) {
    let body = answer.refused(409);
    assert_eq!(
        body["Error"],
        "The last Cluster Operator cannot be removed."
    );
}

#[test]
fn only_an_operator_grants_cluster_roles_or_takes_them_away() {
    let server = Server::start();
    let (operator, admin) = (server.operator(), server.administrator(TENANT));
    let member = server.role(TENANT, MEMBER);
    operator
        .post(&operator.v1(CLIENTS), &json!({ "Id": "plain" }))
        .expect(201);
    for role in [CLUSTER_OPERATOR, CLUSTER_SUPPORT] {
        let roles = json!([member, role]);
        let body = json!({ "Id": format!("new-{role}"), "RoleIds": roles });
        admin
            .post(&admin.v1(CLIENTS), &body)
            .refused_because(403, role);
        let legacy = json!({ "ClientId": format!("new-{role}"), "RoleIds": roles });
        admin.post(&admin.preview(CLIENTS), &legacy).refused(403);
        admin
            .post(&admin.legacy("/ClientCredentialClient/"), &legacy)
            .refused(403);
        for id in ["plain", &admin.id] {
            for path in generations(&admin, id) {
                admin
                    .put(&path, &json!({ "RoleIds": roles }))
                    .refused_because(403, role);
            }
            for collection in [CLIENTS, "/Clients"] {
                let path = admin.v1(&format!("{collection}/{id}/Roles"));
                admin.put(&path, &roles).refused_because(403, role);
            }
        }
        let path = client(&operator, "plain");
        operator
            .put(&path, &json!({ "RoleIds": roles }))
            .expect(200);
        admin
            .put(&path, &json!({ "RoleIds": [member] }))
            .refused(403);
        admin
            .put(&format!("{path}/Roles"), &json!([member]))
            .refused(403);
        // Not even what leaves everything as it is.
        admin.put(&format!("{path}/Roles"), &roles).refused(403);
        operator
            .put(&format!("{path}/Roles"), &json!([member]))
            .expect(200);
        admin
            .put(&path, &json!({ "Name": "plain again" }))
            .expect(200);
    }
}

#[test]
fn only_an_operator_changes_a_client_that_holds_a_cluster_role_or_its_secrets() {
    let server = Server::start();
    let (operator, admin) = (server.operator(), server.administrator(TENANT));
    let expires = json!({ "Expires": false });
    for holder in [server.support(), second_operator(&server, TENANT)] {
        let secrets = format!("{}/Secrets", client(&operator, &holder.id));
        let preview = operator.preview(&format!("{CLIENTS}/{}/Secrets", holder.id));
        for path in generations(&admin, &holder.id) {
            admin
                .put(&path, &json!({ "Name": "mine" }))
                .refused_because(403, "cluster role");
            admin.put(&path, &json!({ "Enabled": false })).refused(403);
        }
        let [v1, _, legacy] = generations(&admin, &holder.id);
        admin.delete(&v1).refused_because(403, "cluster role");
        admin.delete(&legacy).refused(403);
        for secrets in [&secrets, &preview] {
            admin
                .post(secrets, &expires)
                .refused_because(403, "cluster role");
            admin
                .put(&format!("{secrets}/1"), &json!({ "Description": "d" }))
                .refused(403);
            admin.delete(&format!("{secrets}/1")).refused(403);
            // What it may see, it still sees.
            admin.get(secrets).expect(200);
        }
        holder.token_answer().expect(200);

        // That client itself adds and deletes its own; an operator does everything.
        holder.post(&secrets, &expires).expect(201);
        holder.delete(&format!("{secrets}/2")).expect(204);
        operator.post(&secrets, &expires).expect(201);
        operator
            .put(&format!("{secrets}/3"), &json!({ "Description": "d" }))
            .expect(200);
        operator.delete(&format!("{secrets}/3")).expect(204);
        operator.put(&v1, &json!({ "Name": "renamed" })).expect(200);
        operator.delete(&v1).expect(204);
    }
}

#[test]
fn cluster_support_may_not_help_itself_to_more() {
    let server = Server::start();
    let support = server.support();
    let roles = json!([server.role(TENANT, MEMBER), CLUSTER_OPERATOR]);
    support
        .put(&format!("{}/Roles", client(&support, &support.id)), &roles)
        .refused(403);
    support
        .put(&client(&support, &support.id), &json!({ "RoleIds": roles }))
        .refused(403);
    support
        .put(&client(&support, OPERATOR), &json!({ "Enabled": false }))
        .refused(403);
    support
        .get(&format!("{}/Secrets", client(&support, OPERATOR)))
        .refused(403);
}

#[test]
fn h14_the_last_operator_cannot_be_removed_by_any_way() {
    let server = Server::start();
    let operator = server.operator();
    let without = json!([
        server.role(TENANT, MEMBER),
        server.role(TENANT, ADMINISTRATOR)
    ]);
    let before = operator
        .get(&client(&operator, OPERATOR))
        .expect(200)
        .json();
    for path in generations(&operator, OPERATOR) {
        refused_the_last(operator.put(&path, &json!({ "Enabled": false })));
        refused_the_last(operator.put(&path, &json!({ "RoleIds": without })));
    }
    let [v1, preview, legacy] = generations(&operator, OPERATOR);
    refused_the_last(operator.delete(&v1));
    refused_the_last(operator.delete(&legacy));
    refused_the_last(operator.put(&format!("{v1}/Roles"), &without));
    let alias = operator.v1(&format!("/Clients/{OPERATOR}/Roles"));
    refused_the_last(operator.put(&alias, &without));
    refused_the_last(operator.delete(&format!("{v1}/Secrets/1")));
    refused_the_last(operator.delete(&format!("{preview}/Secrets/1")));
    refused_the_last(operator.delete(&operator.v1("")));
    assert_eq!(operator.get(&v1).expect(200).json(), before);
    operator.token_answer().expect(200);
    // What does not end its rights it may do to itself.
    operator
        .put(&v1, &json!({ "Name": "boss", "Enabled": true }))
        .expect(200);
    operator
        .post(&format!("{v1}/Secrets"), &json!({ "Expires": false }))
        .expect(201);
    operator.delete(&format!("{v1}/Secrets/1")).expect(204);
    refused_the_last(operator.delete(&format!("{v1}/Secrets/2")));
}

#[test]
fn with_another_living_operator_the_first_may_go_in_every_way() {
    type Way = fn(&Caller, Value) -> Response;
    let ways: [(Way, u16); 5] = [
        (|by, _| by.delete(&client(by, OPERATOR)), 204),
        (
            |by, _| by.put(&client(by, OPERATOR), &json!({ "Enabled": false })),
            200,
        ),
        (
            |by, roles| by.put(&format!("{}/Roles", client(by, OPERATOR)), &roles),
            200,
        ),
        (
            |by, _| by.delete(&format!("{}/Secrets/1", client(by, OPERATOR))),
            204,
        ),
        (|by, _| by.delete(&by.v1("")), 204),
    ];
    for (way, status) in ways {
        let server = Server::start();
        let other = server.new_tenant("Other");
        let second = second_operator(&server, &other);
        let roles = json!([server.role(TENANT, MEMBER)]);
        way(&second.in_tenant(TENANT), roles).expect(status);
        // Now the second is the last.
        refused_the_last(second.delete(&client(&second, &second.id)));
        refused_the_last(second.delete(&second.v1("")));
        second.get("/api/v1/Tenants").expect(200);
    }
}

#[test]
fn an_operator_that_is_disabled_or_has_no_living_secret_does_not_count() {
    let server = Server::start();
    let operator = server.operator();
    let first = client(&operator, OPERATOR);
    let second = second_operator(&server, TENANT);
    let path = client(&operator, &second.id);
    let disable = json!({ "Enabled": false });

    operator.put(&path, &disable).expect(200);
    refused_the_last(operator.delete(&first));
    operator.put(&path, &json!({ "Enabled": true })).expect(200);

    let expiring = json!({ "Expiration": "2030-06-01T12:00:10Z" });
    operator
        .put(&format!("{path}/Secrets/1"), &expiring)
        .expect(200);
    server
        .clock
        .set(Timestamp::parse("now", "2030-06-01T12:00:10Z").unwrap());
    refused_the_last(operator.put(&first, &disable));
    // A dead secret may be deleted, and a new one brings its client back to life.
    operator.delete(&format!("{path}/Secrets/1")).expect(204);
    refused_the_last(operator.put(&first, &disable));
    operator
        .post(&format!("{path}/Secrets"), &json!({ "Expires": false }))
        .expect(201);
    operator.put(&first, &disable).expect(200);
    operator.get(&first).refused(403);
}

#[test]
fn h14_two_operators_that_remove_each_other_at_once_leave_one() {
    let server = Server::start();
    let operator = server.operator();
    for round in 0..20 {
        let second = second_operator(&server, TENANT);
        let (its_path, path) = (client(&operator, &second.id), client(&second, OPERATOR));
        let disable = json!({ "Enabled": false });
        let statuses = std::thread::scope(|scope| {
            let one = scope.spawn(|| operator.delete(&its_path).status);
            let other = scope.spawn(|| second.put(&path, &disable).status);
            [one.join().unwrap(), other.join().unwrap()]
        });
        match statuses {
            [204, 403 | 409] => operator.get("/api/v1/Tenants").expect(200),
            [403 | 409, 200] => break,
            other => panic!("round {round}: {other:?}"),
        };
    }
}

//! Damage in the store, as callers see it: what is damaged is refused and named, everything else
//! goes on, and nothing is ever answered with damaged content.

mod lists;
mod secrets;
mod tenants;
mod tokens;
mod writes;

use credenza::cli::serve::DataSet;
use serde_json::{Value, json};

use crate::harness::damage::{flip, flip_text, long_description};
use crate::harness::response::keys;
use crate::harness::{Caller, Choices, Response, Server};

const CLIENTS: &str = "/ClientCredentialClients";
const LEGACY: &str = "/ClientCredentialClient/";
/// The clients of the tenant, in the order of their ids; the second and the fourth are damaged.
const ALL: [&str; 5] = ["pump-a", "pump-b", "pump-c", "pump-d", "pump-e"];
const WHOLE: [&str; 3] = ["pump-a", "pump-c", "pump-e"];
const DAMAGED: [&str; 2] = ["pump-b", "pump-d"];
/// Those that are too long for one row; all that belongs to the others lies in their rows.
const MANY_ROWS: [&str; 3] = ["pump-a", "pump-b", "pump-c"];

/// A service with a tenant of which some clients are damaged.
struct Ground {
    /// A Cluster Operator of another tenant, whose paths name this one.
    operator: Caller,
    /// A role of the tenant that clients hold.
    role: String,
    /// Of the clients, in their order, with tokens of before the damage.
    pumps: Vec<Caller>,
    server: Server,
}

impl Ground {
    fn whole() -> Self {
        let server = Server::start();
        let tenant = server.new_tenant("Damaged");
        let operator = server.operator().in_tenant(&tenant);
        let role = json!({ "Name": "Pumps" });
        let role = operator.post(&operator.v1("/Roles"), &role).expect(201);
        let role = role.text("Id");
        let member = server.role(&tenant, crate::harness::MEMBER);
        let mut pumps = Vec::new();
        for id in ALL {
            let mut body = json!({
                "Id": id, "Name": name(id), "Tags": ["all", id], "RoleIds": [member, role],
            });
            if MANY_ROWS.contains(&id) {
                body["SecretDescription"] = long_description().into();
            }
            let created = operator.post(&operator.v1(CLIENTS), &body).expect(201);
            let secret = created.text("Secret");
            pumps.push(Caller::authenticated(
                server.address(),
                &tenant,
                id,
                &secret,
            ));
        }
        Self {
            operator,
            role,
            pumps,
            server,
        }
    }

    /// With a flip in the name of each damaged client.
    fn new() -> Self {
        let mut ground = Self::whole();
        ground.damage(|data| {
            for id in DAMAGED {
                flip_text(data, "clients", id.as_bytes(), &name(id));
            }
        });
        ground.server.expect_damage(&DAMAGED);
        ground
    }

    /// Damages the store between a stop and a start.
    fn damage(&mut self, damage: impl FnOnce(&std::path::Path)) {
        self.server.stop();
        damage(&self.server.data());
        self.server.run();
        let address = self.server.address();
        self.operator = self.operator.moved_to(address);
        for pump in &mut self.pumps {
            *pump = pump.moved_to(address);
        }
    }

    fn client(&self, id: &str) -> String {
        self.operator.v1(&format!("{CLIENTS}/{id}"))
    }

    /// The lists of clients, each with the member that holds the id.
    fn lists(&self) -> [(String, &'static str); 4] {
        let operator = &self.operator;
        let holders = format!("/Roles/{}/ClientCredentialClients", self.role);
        [
            (operator.v1(CLIENTS), "Id"),
            (operator.v1(&holders), "Id"),
            (operator.preview(CLIENTS), "Id"),
            (operator.legacy(LEGACY), "ClientId"),
        ]
    }
}

fn name(id: &str) -> String {
    format!("The name of {id} is long enough")
}

/// The bytes of a tenant in keys.
fn tenant_key(tenant: &str) -> Vec<u8> {
    let id = credenza::domain::ids::TenantId::parse(tenant).unwrap();
    id.as_bytes().to_vec()
}

/// A 207: its `Data`, and of each child error its status and what it is about. The members are
/// those of the generation that was asked, all words are there.
#[track_caller]
fn partial(answer: &Response, path: &str) -> (Vec<Value>, Vec<(u64, String)>) {
    let body = answer.clone().expect(207).json();
    assert_eq!(answer.header("etag"), None);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        keys(&body),
        ["ChildErrors", "Data", "Error", "OperationId", "Reason"]
    );
    assert_eq!(answer.header("operation-id"), body["OperationId"].as_str());
    let errors = body["ChildErrors"].as_array().unwrap();
    let children = errors.iter().map(|error| {
        for member in ["Error", "Reason", "Resolution"] {
            assert!(!error[member].as_str().unwrap().is_empty());
        }
        assert_eq!(error["OperationId"], body["OperationId"]);
        (
            error["StatusCode"].as_u64().unwrap(),
            model_id(error, path).to_owned(),
        )
    });
    let children = children.collect();
    (body["Data"].as_array().unwrap().clone(), children)
}

/// What a child error is about, in the form of the generation that the path belongs to.
#[track_caller]
fn model_id<'a>(error: &'a Value, path: &str) -> &'a str {
    let mut members = vec![
        "Error",
        "ModelId",
        "OperationId",
        "Reason",
        "Resolution",
        "StatusCode",
    ];
    let id = if path.starts_with("/api/Tenants/") {
        members.push("TenantId");
        assert!(path.contains(error["TenantId"].as_str().unwrap()));
        assert_eq!(keys(&error["ModelId"]), ["ClientId"]);
        &error["ModelId"]["ClientId"]
    } else {
        if path.starts_with("/api/v1-preview/") {
            members.insert(0, "DynamicProperties");
            assert_eq!(error["DynamicProperties"], json!({}));
        }
        &error["ModelId"]
    };
    assert_eq!(keys(error), members);
    id.as_str().unwrap()
}

/// The child errors of damaged things.
fn damaged(ids: &[&str]) -> Vec<(u64, String)> {
    ids.iter().map(|id| (500, (*id).to_owned())).collect()
}

fn members(entries: &[Value], member: &str) -> Vec<String> {
    let texts = entries.iter().map(|entry| entry[member].as_str().unwrap());
    texts.map(str::to_owned).collect()
}

#[test]
fn one_damaged_client_is_refused_in_every_generation_and_the_others_are_served() {
    let ground = Ground::new();
    let operator = &ground.operator;
    for id in ALL {
        let paths = [
            ground.client(id),
            operator.preview(&format!("{CLIENTS}/{id}")),
            operator.legacy(&format!("{LEGACY}{id}")),
        ];
        for path in paths {
            if DAMAGED.contains(&id) {
                let error = operator.get(&path).refused_because(500, id);
                assert!(error["Resolution"].as_str().unwrap().contains("check"));
                assert_eq!(operator.head(&path).status, 500);
            } else {
                assert_eq!(operator.get(&path).expect(200).text("Name"), name(id));
            }
        }
        for below in ["Roles", "Secrets", "Secrets/1"] {
            let path = format!("{}/{below}", ground.client(id));
            let status = if DAMAGED.contains(&id) { 500 } else { 200 };
            operator.get(&path).expect(status);
        }
    }
}

#[test]
fn a_flip_in_any_row_of_a_client_costs_that_client_alone() {
    for tree in ["clients", "tags", "assignments"] {
        let mut ground = Ground::whole();
        ground.damage(|data| flip(data, tree, b"\x06pump-c"));
        ground.server.expect_damage(&["pump-c"]);
        let operator = &ground.operator;
        let path = operator.v1(CLIENTS);
        let (data, children) = partial(&operator.get(&path), &path);
        assert_eq!(
            members(&data, "Id"),
            ["pump-a", "pump-b", "pump-d", "pump-e"],
            "{tree}"
        );
        assert_eq!(children, damaged(&["pump-c"]), "{tree}");
        // Another tenant is as it was.
        let elsewhere = ground.server.operator();
        elsewhere.get(&elsewhere.v1(CLIENTS)).expect(200);
    }
}

#[test]
fn the_demo_set_is_loaded_but_for_what_is_damaged() {
    let mut server = Server::with(Choices {
        data_set: DataSet::Demo,
        ..Choices::default()
    });
    let operator = server.operator();
    let tenants = operator.get("/api/v1/Tenants").expect(200).ids();
    let (first, second) = (&tenants[1], &tenants[2]);
    let count = |tenant: &str| {
        let there = operator.in_tenant(tenant);
        there.head(&there.v1(CLIENTS)).expect(200).total()
    };
    let in_first = count(first);
    assert!(in_first > 0 && count(second) > 0);
    let there = operator.in_tenant(first);
    let one = there.get(&there.v1(CLIENTS)).expect(200).ids().remove(0);
    server.stop();
    flip(&server.data(), "clients", one.as_bytes());
    flip(&server.data(), "tenants", &tenant_key(second));
    server.run();
    server.expect_damage(&[&one, &format!("tenant {second}")]);
    let operator = operator.moved_to(server.address());
    let there = operator.in_tenant(first);
    let counted = there.head(&there.v1(CLIENTS)).expect(207);
    assert_eq!(counted.total(), in_first);
    assert_eq!(operator.get("/api/v1/Tenants").expect(207).total(), 3);
}

#[test]
fn a_damaged_index_costs_nobody_anything() {
    for (tree, key) in [
        ("client_ids", "pump-c"),
        ("holders", crate::harness::OPERATOR),
    ] {
        let mut ground = Ground::whole();
        ground.damage(|data| flip(data, tree, key.as_bytes()));
        ground.server.expect_damage(&[key]);
        let operator = &ground.operator;
        assert_eq!(operator.get(&operator.v1(CLIENTS)).expect(200).total(), 5);
        operator.get("/api/v1/Tenants").expect(200);
        for pump in &ground.pumps {
            pump.token_answer().expect(200);
            pump.get(&pump.v1(&format!("{CLIENTS}/{}", pump.id)))
                .expect(200);
        }
        let name = json!({ "Name": "changed" });
        operator.put(&ground.client("pump-c"), &name).expect(200);
    }
}

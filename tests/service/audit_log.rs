//! `--audit-log`: each change is one record, on disk before its answer is given, and nothing else
//! is one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use credenza::cli::serve::DataSet;
use credenza::telemetry::audit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::response::keys;
use crate::harness::{
    ADMINISTRATOR, Caller, Choices, MEMBER, NOON, OPERATOR, OPERATOR_SECRET, Response, Server,
    TENANT,
};

const CLIENTS: &str = "/ClientCredentialClients";
const LEGACY: &str = "/ClientCredentialClient";

/// A service with an audit log.
struct Audited {
    server: Server,
    place: TempDir,
    /// How many records were looked at.
    seen: usize,
}

impl Audited {
    fn start() -> Self {
        Self::with(Choices::default())
    }

    fn with(choices: Choices) -> Self {
        let place = tempfile::tempdir().unwrap();
        let server = Server::with(Choices {
            audit_log: Some(place.path().join("audit.jsonl")),
            ..choices
        });
        Self {
            server,
            place,
            seen: 0,
        }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("audit.jsonl")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn records(&self) -> Vec<Value> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with('\n'));
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The one record since the last look.
    #[track_caller]
    fn next(&mut self) -> Value {
        let records = self.records();
        assert_eq!(records.len(), self.seen + 1, "{:#?}", &records[self.seen..]);
        self.seen += 1;
        records[self.seen - 1].clone()
    }

    /// The record of a change that was answered. Gives what it says of the change.
    #[track_caller]
    fn recorded(
        &mut self,
        answer: &Response,
        caller: &Caller,
        action: &str,
        object: Value,
    ) -> Value {
        assert!((200..300).contains(&answer.status), "{answer:?}");
        let record = self.next();
        let members = [
            "Action",
            "Caller",
            "Changes",
            "Epoch",
            "Object",
            "OperationId",
            "Revision",
            "Tenant",
            "Time",
        ];
        assert_eq!(keys(&record), members);
        assert_eq!(record["Action"], action);
        assert_eq!(record["Object"], object, "{action}");
        assert_eq!(
            record["OperationId"].as_str(),
            answer.header("operation-id"),
            "{action}"
        );
        let asked = json!({ "Tenant": caller.tenant, "Client": caller.id });
        assert_eq!(record["Caller"], asked, "{action}");
        assert_eq!(record["Time"], NOON);
        let records = self.records();
        if let [.., before, last] = &records[..self.seen] {
            assert!(before["Revision"].as_u64() < last["Revision"].as_u64());
            assert_eq!(before["Epoch"], last["Epoch"]);
        }
        record["Changes"].clone()
    }

    #[track_caller]
    fn nothing_new(&self) {
        assert_eq!(self.records().len(), self.seen);
    }
}

#[test]
fn the_first_start_is_a_record_of_the_service_itself() {
    let mut audited = Audited::start();
    let record = audited.next();
    assert_eq!(record["Action"], "bootstrap");
    assert_eq!(
        (&record["Caller"], &record["OperationId"]),
        (&Value::Null, &Value::Null)
    );
    let object = json!({ "Tenant": TENANT, "Client": OPERATOR, "Secret": 1 });
    assert_eq!(record["Object"], object);
    assert_eq!(record["Revision"], 1);
    assert_eq!(record["Changes"]["RolesAdded"].as_array().unwrap().len(), 3);
    audited.server.restart();
    audited.nothing_new();
}

#[test]
fn each_write_of_v1_leaves_one_record() {
    let mut audited = Audited::start();
    audited.next();
    let operator = audited.server.operator();
    let member = audited.server.role(TENANT, MEMBER);

    let body = json!({ "Name": "Writer", "Description": "May write." });
    let made = operator.post(&operator.v1("/Roles"), &body);
    let role = made.text("Id");
    let object = json!({ "Role": role });
    let changes = audited.recorded(&made, &operator, "role.create", object.clone());
    assert_eq!(changes, body);
    let path = operator.v1(&format!("/Roles/{role}"));
    let changed = operator.put(&path, &json!({ "Name": "Reader" }));
    let changes = audited.recorded(&changed, &operator, "role.update", object.clone());
    assert_eq!(changes, json!({ "Name": "Reader" }));

    let body = json!({
        "Id": "press-1", "Name": "Press 1", "Enabled": true, "Tags": ["a"],
        "AccessTokenLifetime": 60, "SecretDescription": "first",
        "SecretExpirationDate": "2031-01-01T00:00:00Z",
    });
    let made = operator.post(&operator.v1(CLIENTS), &body);
    let both = json!({ "Client": "press-1", "Secret": 1 });
    let changes = audited.recorded(&made, &operator, "client.create", both.clone());
    let expected = json!({
        "Name": "Press 1", "Enabled": true, "Tags": ["a"], "AccessTokenLifetime": 60,
        "RolesAdded": [member], "Description": "first", "Expiration": "2031-01-01T00:00:00Z",
    });
    assert_eq!(changes, expected);

    let press = operator.v1(&format!("{CLIENTS}/press-1"));
    let client = json!({ "Client": "press-1" });
    let disabled = operator.put(&press, &json!({ "Enabled": false, "Name": "Press 1" }));
    let changes = audited.recorded(&disabled, &operator, "client.update", client.clone());
    assert_eq!(changes, json!({ "Enabled": false }));
    for path in ["Roles", "roles"] {
        let roles = operator.put(&format!("{press}/{path}"), &json!([member, role]));
        if path == "roles" {
            // It holds them already.
            roles.expect(200);
            audited.nothing_new();
            continue;
        }
        let action = "client.roles.replace";
        let changes = audited.recorded(&roles, &operator, action, client.clone());
        assert_eq!(changes, json!({ "RolesAdded": [role] }));
    }
    let alias = operator.v1("/Clients/press-1/Roles");
    let roles = operator.put(&alias, &json!([member]));
    let changes = audited.recorded(&roles, &operator, "client.roles.replace", client.clone());
    assert_eq!(changes, json!({ "RolesRemoved": [role] }));

    let secrets = format!("{press}/Secrets");
    let added = operator.post(&secrets, &json!({ "Expires": false }));
    let second = json!({ "Client": "press-1", "Secret": 2 });
    let changes = audited.recorded(&added, &operator, "secret.add", second.clone());
    assert_eq!(changes, json!({ "Expiration": null }));
    let time = "2030-07-01T00:00:00Z";
    let body = json!({ "Expiration": time, "Description": "second" });
    let changed = operator.put(&format!("{secrets}/2"), &body);
    let changes = audited.recorded(&changed, &operator, "secret.update", second.clone());
    assert_eq!(changes, body);
    let gone = operator.delete(&format!("{secrets}/2"));
    let changes = audited.recorded(&gone, &operator, "secret.delete", second);
    assert_eq!(changes, json!({}));

    let gone = operator.delete(&press);
    audited.recorded(&gone, &operator, "client.delete", client);
    let gone = operator.delete(&path);
    audited.recorded(&gone, &operator, "role.delete", object);

    let made = operator.post(
        "/api/v1/Tenants",
        &json!({ "CompanyName": "Plant", "Alias": "p" }),
    );
    let tenant = made.text("Id");
    let object = json!({ "Tenant": tenant });
    let changes = audited.recorded(&made, &operator, "tenant.create", object.clone());
    assert_eq!(changes, json!({ "CompanyName": "Plant", "Alias": "p" }));
    let path = format!("/api/v1/Tenants/{tenant}");
    let changed = operator.put(&path, &json!({ "CompanyName": "Works" }));
    let changes = audited.recorded(&changed, &operator, "tenant.update", object.clone());
    assert_eq!(changes, json!({ "CompanyName": "Works" }));
    for id in ["a", "b"] {
        let clients = format!("{path}{CLIENTS}");
        let made = operator.post(&clients, &json!({ "Id": id }));
        let object = json!({ "Client": id, "Secret": 1 });
        audited.recorded(&made, &operator, "client.create", object);
        assert_eq!(audited.records().last().unwrap()["Tenant"], *tenant);
    }
    let gone = operator.delete(&path);
    audited.recorded(&gone, &operator, "tenant.delete", object);
    // What is swept behind it are no changes that somebody asked for.
    audited.server.restart();
    audited.nothing_new();
}

#[test]
fn each_write_of_the_older_generations_leaves_one_record() {
    let mut audited = Audited::start();
    audited.next();
    let operator = audited.server.operator();

    let made = operator.post(&operator.preview(CLIENTS), &json!({ "Id": "p" }));
    let object = json!({ "Client": "p", "Secret": 1 });
    audited.recorded(&made, &operator, "client.create", object);
    let path = operator.preview(&format!("{CLIENTS}/p"));
    let changed = operator.put(&path, &json!({ "Tags": ["t"] }));
    let object = json!({ "Client": "p" });
    let changes = audited.recorded(&changed, &operator, "client.update", object);
    assert_eq!(changes, json!({ "Tags": ["t"] }));
    let added = operator.post(&format!("{path}/Secrets"), &json!({ "Expires": false }));
    let object = json!({ "Client": "p", "Secret": 2 });
    audited.recorded(&added, &operator, "secret.add", object.clone());
    let body = json!({ "Description": "d" });
    let changed = operator.put(&format!("{path}/Secrets/2"), &body);
    let changes = audited.recorded(&changed, &operator, "secret.update", object.clone());
    assert_eq!(changes, body);
    let gone = operator.delete(&format!("{path}/Secrets/2"));
    audited.recorded(&gone, &operator, "secret.delete", object);

    let made = operator.post(&operator.legacy(LEGACY), &json!({ "ClientId": "l" }));
    let object = json!({ "Client": "l", "Secret": 1 });
    audited.recorded(&made, &operator, "client.create", object);
    let path = operator.legacy(&format!("{LEGACY}/l"));
    let changed = operator.put(&path, &json!({ "Enabled": false }));
    let object = json!({ "Client": "l" });
    let changes = audited.recorded(&changed, &operator, "client.update", object.clone());
    assert_eq!(changes, json!({ "Enabled": false }));
    let gone = operator.delete(&path);
    audited.recorded(&gone, &operator, "client.delete", object);
}

#[test]
fn who_asked_is_in_the_record() {
    let mut audited = Audited::start();
    let administrator = audited.server.administrator(TENANT);
    audited.seen = audited.records().len();
    // A client adds a secret to itself.
    let secrets = format!("{CLIENTS}/{}/Secrets", administrator.id);
    let added = administrator.post(&administrator.v1(&secrets), &json!({ "Expires": false }));
    let object = json!({ "Client": administrator.id, "Secret": 2 });
    audited.recorded(&added, &administrator, "secret.add", object);
    // An operator of another tenant.
    let tenant = audited.server.new_tenant("Plant");
    audited.next();
    let operator = audited.server.operator();
    let path = format!("/api/v1/Tenants/{tenant}{CLIENTS}");
    let made = operator.post(&path, &json!({ "Id": "x" }));
    audited.recorded(
        &made,
        &operator,
        "client.create",
        json!({ "Client": "x", "Secret": 1 }),
    );
}

#[test]
fn what_changes_nothing_leaves_no_record() {
    let mut audited = Audited::start();
    audited.next();
    let operator = audited.server.operator();
    let member = audited.server.member(TENANT);
    let administrator = audited.server.role(TENANT, ADMINISTRATOR);
    audited.next();
    let clients = operator.v1(CLIENTS);
    let own = operator.v1(&format!("{CLIENTS}/{}", member.id));

    member.delete(&own).refused(403);
    operator
        .post(&clients, &json!({ "Id": "a b" }))
        .refused(400);
    operator.post_text(&clients, "{").refused(400);
    operator
        .post(&clients, &json!({ "Id": member.id }))
        .refused(409);
    operator
        .delete(&operator.v1(&format!("{CLIENTS}/nobody")))
        .refused(404);
    operator
        .delete(&operator.v1(&format!("{CLIENTS}/{OPERATOR}")))
        .refused(409);
    operator
        .delete(&operator.v1(&format!("/Roles/{administrator}")))
        .refused(400);
    operator
        .send("DELETE", &own, &[("If-Match", "\"other\"")], None)
        .refused(412);
    operator.without_token().delete(&own).refused(401);
    // A PUT of what is there already.
    operator.put(&own, &json!({})).expect(200);
    operator.put(&own, &json!({ "Enabled": true })).expect(200);
    operator
        .put(&format!("{own}/Secrets/1"), &json!({ "Expires": false }))
        .expect(200);
    operator.put(&operator.v1(""), &json!({})).expect(200);
    // Reads and tokens.
    operator.get(&clients).expect(200);
    member.token_answer().expect(200);
    audited.nothing_new();
}

#[test]
fn no_secret_and_nothing_undocumented_is_in_the_log() {
    let audited = Audited::start();
    let operator = audited.server.operator();
    let mut values = vec![OPERATOR_SECRET.to_owned()];
    let made = operator.post(&operator.v1(CLIENTS), &json!({ "Id": "x" }));
    values.push(made.text("Secret"));
    let secrets = operator.v1(&format!("{CLIENTS}/x/Secrets"));
    let added = operator.post(&secrets, &json!({ "Expires": false }));
    values.push(added.text("Secret"));
    operator
        .put(&format!("{secrets}/2"), &json!({ "Description": "d" }))
        .expect(200);
    operator.delete(&format!("{secrets}/2")).expect(204);
    let text = audited.text();
    for value in &values {
        assert!(!text.contains(&value[5..]), "a secret is in the log");
    }
    assert!(!text.contains(operator.token.as_deref().unwrap()));
    let documented = BTreeSet::from([
        "CompanyName",
        "Alias",
        "Name",
        "Description",
        "Enabled",
        "AccessTokenLifetime",
        "Tags",
        "RolesAdded",
        "RolesRemoved",
        "Expiration",
    ]);
    let objects = BTreeSet::from(["Tenant", "Role", "Client", "Secret"]);
    for record in audited.records() {
        assert!(
            keys(&record["Changes"])
                .iter()
                .all(|name| documented.contains(name))
        );
        assert!(
            keys(&record["Object"])
                .iter()
                .all(|name| objects.contains(name))
        );
    }
}

#[test]
fn h23_texts_cannot_break_or_turn_a_line_of_the_audit_log() {
    let audited = Audited::start();
    let operator = audited.server.operator();
    let (name, description) = ("a\u{202e}b\u{2028}c\u{2066}é工", "x\ny\tz\r\u{2029}");
    let body = json!({ "Name": name, "Description": description });
    operator.post(&operator.v1("/Roles"), &body).expect(201);
    let records = audited.records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1]["Changes"], body);
    let text = audited.text();
    assert!(text.contains(r"a\u202eb\u2028c\u2066é工") && text.contains(r"x\ny\tz\r\u2029"));
}

#[test]
fn of_64_writers_every_record_is_there_with_the_answer_and_in_order() {
    let audited = Audited::start();
    let operator = audited.server.operator();
    std::thread::scope(|scope| {
        for writer in 0..64 {
            let (operator, audited) = (&operator, &audited);
            scope.spawn(move || {
                for number in 0..4 {
                    let body = json!({ "Id": format!("w-{writer}-{number}") });
                    let made = operator.post(&operator.v1(CLIENTS), &body).expect(201);
                    let operation = made.header("operation-id").unwrap();
                    assert!(audited.text().contains(operation), "answered, not recorded");
                }
            });
        }
    });
    let log: Vec<_> = audit::read(&audited.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(log.len(), 1 + 64 * 4);
    for pair in log.windows(2) {
        assert_eq!(pair[0].revision.next(), pair[1].revision);
    }
    let ids: BTreeSet<_> = log
        .iter()
        .map(|record| record.object.client.clone())
        .collect();
    assert_eq!(ids.len(), log.len());
}

#[test]
fn what_the_demo_set_creates_is_recorded_once() {
    let mut audited = Audited::with(Choices {
        data_set: DataSet::Demo,
        ..Choices::default()
    });
    let records = audited.records();
    let count = |action: &str| {
        records
            .iter()
            .filter(|record| record["Action"] == action)
            .count()
    };
    assert_eq!(count("bootstrap"), 1);
    assert_eq!(count("tenant.create"), 2);
    assert_eq!(count("client.create"), 1_000);
    assert!(records.iter().all(|record| record["Caller"].is_null()));
    audited.seen = records.len();
    audited.server.restart();
    audited.nothing_new();
}

//! `credenza restore --then-revoke`: what was taken away after the backup stays taken away.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::backup::{backup, restore};
use crate::harness::process::{Ended, Service, credenza, run, serve};
use crate::harness::{CLUSTER_OPERATOR, Caller, Choices, MEMBER, OPERATOR, OPERATOR_SECRET};
use crate::harness::{Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";

fn restore_with(from: &Path, data: &Path, logs: &[&Path]) -> Ended {
    let mut command = credenza(["restore", "--from"]);
    command.arg(from).arg("--data").arg(data);
    for log in logs {
        command.arg("--then-revoke").arg(log);
    }
    run(command)
}

/// A service with an audit log, the place of the log, and that of its backup.
fn audited() -> (Server, PathBuf, PathBuf, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("audit.jsonl");
    let server = Server::with(Choices {
        audit_log: Some(log.clone()),
        ..Choices::default()
    });
    let file = place.path().join("a.backup");
    (server, log, file, place)
}

/// Somebody who does things to clients of one tenant.
struct Hand(Caller);

impl Hand {
    fn path(&self, id: &str) -> String {
        self.0.v1(&format!("{CLIENTS}/{id}"))
    }

    fn create(&self, body: Value) {
        self.0.post(&self.0.v1(CLIENTS), &body).expect(201);
    }

    fn change(&self, id: &str, body: Value) {
        self.0.put(&self.path(id), &body).expect(200);
    }

    fn delete(&self, id: &str) {
        self.0.delete(&self.path(id)).expect(204);
    }

    fn secret(&self, id: &str, secret: u8, body: Value) {
        let path = format!("{}/Secrets/{secret}", self.path(id));
        self.0.put(&path, &body).expect(200);
    }

    fn client(&self, id: &str) -> Value {
        self.0.get(&self.path(id)).expect(200).json()
    }

    fn secrets(&self, id: &str) -> Value {
        let path = format!("{}/Secrets", self.path(id));
        self.0.get(&path).expect(200).json()
    }
}

#[test]
fn what_was_taken_away_after_the_backup_is_taken_away_again_and_no_more() {
    let (mut server, log, file, _place) = audited();
    let doomed = server.new_tenant("Doomed");
    let hand = Hand(server.operator());
    let role = |name: &str| {
        let body = json!({ "Name": name });
        hand.0
            .post(&hand.0.v1("/Roles"), &body)
            .expect(201)
            .text("Id")
    };
    let (writer, old) = (role("Writer"), role("Old"));
    let member = server.role(TENANT, MEMBER);
    for id in [
        "gone", "anew", "off", "on", "taken", "given", "secrets", "sooner", "later", "old",
    ] {
        hand.create(json!({ "Id": id, "RoleIds": [member, writer] }));
    }
    hand.change("old", json!({ "RoleIds": [member, old] }));
    // Before the backup: what it holds is what counts.
    hand.change("on", json!({ "Enabled": false }));
    hand.change("on", json!({ "Enabled": true }));
    let expiring = json!({ "Expiration": "2031-01-01T00:00:00Z" });
    for id in ["secrets", "later"] {
        hand.0
            .post(&format!("{}/Secrets", hand.path(id)), &expiring)
            .expect(201);
    }
    backup(&server.data(), &file).succeeded();

    hand.delete("gone");
    hand.delete("anew");
    hand.create(json!({ "Id": "anew" }));
    hand.change("anew", json!({ "Enabled": false }));
    hand.change("off", json!({ "Enabled": false, "Name": "Renamed" }));
    hand.change("on", json!({ "Enabled": false }));
    hand.change("on", json!({ "Enabled": true }));
    hand.change("taken", json!({ "RoleIds": [member] }));
    hand.change("given", json!({ "RoleIds": [member] }));
    hand.change("given", json!({ "RoleIds": [writer, member] }));
    hand.change("old", json!({ "RoleIds": [member] }));
    hand.0
        .delete(&hand.0.v1(&format!("/Roles/{old}")))
        .expect(204);
    hand.0
        .delete(&format!("{}/Secrets/1", hand.path("secrets")))
        .expect(204);
    hand.secret("sooner", 1, json!({ "Expiration": "2030-07-01T00:00:00Z" }));
    hand.secret("later", 2, json!({ "Expiration": "2032-01-01T00:00:00Z" }));
    hand.create(json!({ "Id": "new" }));
    hand.delete("new");
    hand.0
        .delete(&format!("/api/v1/Tenants/{doomed}"))
        .expect(204);
    server.stop();
    std::fs::rename(server.data(), server.directory.path().join("before")).unwrap();

    let ended = restore_with(&file, &server.data(), &[&log]).succeeded();
    let words = "1 tenants deleted, 2 clients deleted, 1 clients disabled, 2 roles taken away, \
                 1 secrets deleted, 1 expirations moved earlier, 1 roles deleted.";
    assert!(ended.stdout.contains(words), "{ended:?}");
    for words in ["Could not", "Note:", "recover", "revocations among them"] {
        assert!(!ended.stdout.contains(words), "{ended:?}");
    }
    assert_eq!(
        crate::harness::findings(&server.data()),
        Vec::<String>::new()
    );
    server.run();
    let hand = Hand(server.operator());
    for id in ["gone", "anew", "new"] {
        hand.0.get(&hand.path(id)).expect(404);
    }
    assert_eq!(hand.client("off")["Enabled"], json!(false));
    assert_eq!(
        hand.client("off")["Name"],
        json!("off"),
        "a name is no revocation"
    );
    assert_eq!(hand.client("on")["Enabled"], json!(true));
    assert_eq!(hand.client("taken")["RoleIds"], json!([member]));
    assert_eq!(hand.client("given")["RoleIds"], json!([member, writer]));
    assert_eq!(hand.client("old")["RoleIds"], json!([member]));
    hand.0.get(&hand.0.v1(&format!("/Roles/{old}"))).expect(404);
    assert_eq!(hand.secrets("secrets").as_array().unwrap().len(), 1);
    assert_eq!(
        hand.secrets("sooner")[0]["Expiration"],
        json!("2030-07-01T00:00:00Z")
    );
    assert_eq!(
        hand.secrets("later")[1]["Expiration"],
        json!("2031-01-01T00:00:00Z")
    );
    hand.0.get(&format!("/api/v1/Tenants/{doomed}")).expect(404);
    server.restart();
}

#[test]
fn without_the_log_it_is_all_valid_again() {
    let (mut server, log, file, _place) = audited();
    let hand = Hand(server.operator());
    hand.create(json!({ "Id": "leaked" }));
    backup(&server.data(), &file).succeeded();
    hand.delete("leaked");
    server.stop();
    for (logs, status) in [(&[][..], 200), (&[&*log][..], 404)] {
        std::fs::remove_dir_all(server.data()).unwrap();
        restore_with(&file, &server.data(), logs).succeeded();
        server.run();
        let hand = Hand(server.operator());
        hand.0.get(&hand.path("leaked")).expect(status);
        server.stop();
    }
}

#[test]
fn the_log_of_a_store_that_was_restored_before_counts_by_its_time() {
    let (mut server, _log, file, place) = audited();
    let hand = Hand(server.operator());
    hand.create(json!({ "Id": "leaked" }));
    server.clock.advance_seconds(60);
    backup(&server.data(), &file).succeeded();
    server.stop();
    let (first, second) = (place.path().join("1"), place.path().join("2"));
    restore(&file, &first).succeeded();
    let log = place.path().join("second.jsonl");
    let mut command = serve(&first);
    command.arg("--audit-log").arg(&log);
    let service = Service::start(command);
    let operator = Caller::authenticated(service.address, TENANT, OPERATOR, OPERATOR_SECRET);
    Hand(operator).delete("leaked");
    service.terminate();

    let ended = restore_with(&file, &second, &[&log]).succeeded();
    assert!(ended.stdout.contains(" 1 clients deleted"), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("Note: the audit log begins at 2030-06-01T12:01:0"),
        "{ended:?}"
    );
}

#[test]
fn a_log_that_cannot_be_read_is_known_before_anything_is_written() {
    let (mut server, log, file, place) = audited();
    backup(&server.data(), &file).succeeded();
    server.stop();
    let data = place.path().join("restored");
    let missing = place.path().join("missing");
    restore_with(&file, &data, &[&missing]).refused_because("cannot be read");
    let text = std::fs::read_to_string(&log).unwrap();
    let broken = place.path().join("broken");
    std::fs::write(&broken, format!("{text}nonsense\n{text}")).unwrap();
    restore_with(&file, &data, &[&broken]).refused_because("line 2");
    assert!(!data.exists());
    // What a crash leaves at the end is passed over.
    std::fs::write(&broken, &text[..text.len() - 10]).unwrap();
    restore_with(&file, &data, &[&log, &broken]).succeeded();
}

#[test]
fn when_no_operator_is_left_it_says_so() {
    let (mut server, log, file, place) = audited();
    backup(&server.data(), &file).succeeded();
    let operator = server.operator();
    let heir = server.caller_with(TENANT, &[CLUSTER_OPERATOR.into()]);
    operator
        .delete(&operator.v1(&format!("{CLIENTS}/{OPERATOR}")))
        .expect(204);
    heir.get("/api/v1/Tenants").expect(200);
    server.stop();
    let data = place.path().join("restored");
    let ended = restore_with(&file, &data, &[&log]).succeeded();
    assert!(
        ended.stdout.contains("No Cluster Operator is left"),
        "{ended:?}"
    );
}

//! `credenza compact`: the space of deleted rows comes back, and nothing else changes.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::Server;
use crate::harness::process::{credenza, run};

const CLIENTS: &str = "/ClientCredentialClients";

fn compact(data: &Path) -> crate::harness::process::Ended {
    let mut command = credenza(["compact", "--data"]);
    command.arg(data);
    run(command)
}

fn size(directory: &Path) -> u64 {
    let entries = directory.read_dir().unwrap();
    let entries = entries.map(|entry| entry.unwrap().metadata().unwrap().len());
    entries.sum()
}

#[test]
fn what_was_deleted_gives_its_space_back_and_nothing_else_changes() {
    let mut server = Server::start();
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    for number in 0..400 {
        let body = json!({ "Id": format!("c{number:03}"), "Tags": ["a", "b"] });
        operator.post(&path, &body).expect(201);
    }
    for number in 20..400 {
        operator.delete(&format!("{path}/c{number:03}")).expect(204);
    }
    let before = operator.get(&path).expect(200);
    let one = operator.get(&format!("{path}/c001")).expect(200);
    let taken = size(&server.data().join("sled"));
    server.stop();

    let ended = compact(&server.data()).succeeded();
    assert!(ended.stdout.contains("rows copied"), "{ended:?}");
    assert!(!server.data().join("sled").exists());
    let takes = size(&server.data().join("sled-1"));
    assert!(takes < taken, "{takes} of {taken} bytes");
    let again = compact(&server.data()).succeeded();
    assert!(again.stdout.contains("rows copied"), "{again:?}");
    assert!(server.data().join("sled-2").exists());

    server.run();
    let operator = operator.moved_to(server.address());
    let after = operator.get(&path).expect(200);
    assert_eq!(after.json(), before.json());
    assert_eq!(after.header("ETag"), before.header("ETag"));
    let same = operator.get(&format!("{path}/c001")).expect(200);
    assert_eq!(same.header("ETag"), one.header("ETag"));
    operator.post(&path, &json!({ "Id": "new" })).expect(201);
}

#[test]
fn a_cut_before_the_marker_is_replaced_leaves_the_old_store() {
    let mut server = Server::start();
    let operator = server.operator();
    operator
        .post(&operator.v1(CLIENTS), &json!({ "Id": "kept" }))
        .expect(201);
    server.stop();
    // As a kill in the middle of the copy leaves it.
    let unfinished = server.data().join("sled-1");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("db"), b"half").unwrap();
    server.run();
    let operator = operator.moved_to(server.address());
    operator
        .get(&operator.v1("/ClientCredentialClients/kept"))
        .expect(200);
    server.stop();
    compact(&server.data()).succeeded();
    assert!(!unfinished.exists());
    assert!(server.data().join("sled-2").exists());
}

#[test]
fn a_running_service_and_an_empty_directory_are_refused() {
    let server = Server::start();
    compact(&server.data()).refused_because("another process has the data directory");
    let empty = tempfile::tempdir().unwrap();
    compact(empty.path()).refused_because("no marker");
    assert_eq!(empty.path().read_dir().unwrap().count(), 0);
}

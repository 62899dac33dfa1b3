//! `credenza check`: clean stores, and stores that were damaged behind the service's back.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::Server;
use crate::harness::damage::{flip, long_description};
use crate::harness::process::{Ended, Service, credenza, run, serve};

const CLIENTS: &str = "/ClientCredentialClients";

fn check(data: &Path) -> Ended {
    let mut command = credenza(["check", "--data"]);
    command.arg(data);
    run(command)
}

/// The directory of a stopped service that holds some clients with tags; every second one is too
/// long for one row.
fn stopped() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let operator = service.first_client();
    for number in 0..5 {
        let mut body = json!({ "Id": format!("pump-{number}"), "Tags": ["line:1", "red"] });
        if number % 2 == 0 {
            body["SecretDescription"] = long_description().into();
        }
        operator.post(&operator.v1(CLIENTS), &body).expect(201);
    }
    service.terminate();
    (directory, data)
}

#[test]
fn a_clean_store_is_clean_however_often_it_is_checked() {
    let (_directory, data) = stopped();
    for _ in 0..2 {
        let ended = check(&data).succeeded();
        assert_eq!(ended.stdout, "All rows, indexes and counters agree.\n");
    }
    let service = Service::start(serve(&data));
    assert_eq!(service.printed(), "");
    service.terminate();
}

#[test]
fn every_kind_of_damaged_row_is_named() {
    for (tree, holding, words) in [
        ("clients", &b"pump-3"[..], "client pump-3"),
        ("counters", b"line:1", "counter of tag"),
        ("counters", b"red", "counter of tag"),
        ("tags", b"pump-2", "pump-2"),
        ("client_ids", b"pump-1", "for client id pump-1"),
        ("secrets", b"pump-4", "of client pump-4"),
        ("assignments", b"pump-0", "held by client pump-0"),
        ("tenants", b"", "tenant"),
        ("roles", b"", "role"),
    ] {
        let (_directory, data) = stopped();
        flip(&data, tree, holding);
        let ended = check(&data);
        ended.refused_because("wrong");
        assert!(ended.stdout.contains(words), "{tree}: {ended:?}");
    }
}

#[test]
fn nobody_has_to_read_the_list() {
    let (_directory, data) = stopped();
    flip(&data, "clients", b"pump-3");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = credenza(["check", "--data"]);
    command.arg(&data).stdout(writer);
    run(command).refused_because("wrong");
}

#[test]
fn a_row_that_is_missing_is_found_from_every_side() {
    for tree in ["clients", "tags", "client_ids", "counters", "secrets"] {
        let (_directory, data) = stopped();
        let db = sled::open(data.join("sled")).unwrap();
        let rows = db.open_tree(tree).unwrap();
        let (key, _) = rows.last().unwrap().unwrap();
        rows.remove(key).unwrap();
        db.flush().unwrap();
        drop((rows, db));
        check(&data).refused_because("wrong");
    }
}

#[test]
fn a_row_that_was_moved_to_another_key_is_not_believed() {
    let (_directory, data) = stopped();
    let db = sled::open(data.join("sled")).unwrap();
    let rows = db.open_tree("clients").unwrap();
    let entries: Vec<_> = rows.iter().map(Result::unwrap).collect();
    let (one, other) = (&entries[0], &entries[1]);
    rows.insert(&one.0, &other.1).unwrap();
    rows.insert(&other.0, &one.1).unwrap();
    db.flush().unwrap();
    drop((rows, db));
    let ended = check(&data);
    ended.refused_because("wrong");
    assert!(ended.stdout.lines().count() >= 2, "{ended:?}");
}

#[test]
fn a_running_service_is_checked_over_its_socket() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let ended = check(&data).succeeded();
    assert_eq!(ended.stdout, "All rows, indexes and counters agree.\n");
    let operator = service.first_client();
    operator.get(&operator.v1(CLIENTS)).expect(200);
    service.terminate();
    check(&directory.path().join("store")).succeeded();
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let directory = tempfile::tempdir().unwrap();
    check(directory.path()).refused_because("no store");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    let missing = directory.path().join("missing");
    check(&missing).refused_because("no store");
    assert!(!missing.exists());
    // Nor is a first start that was cut short begun anew: its rows stay.
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    service.kill();
    let marker = data.join("marker");
    let saved = std::fs::read(&marker).unwrap();
    std::fs::remove_file(&marker).unwrap();
    check(&data).refused_because("no store");
    std::fs::write(&marker, saved).unwrap();
    check(&data).succeeded();
}

#[test]
fn damage_in_one_row_does_not_stop_the_rest() {
    let mut server = Server::start();
    let tenant = server.new_tenant("Damaged");
    let operator = server.operator().in_tenant(&tenant);
    operator
        .post(&operator.v1(CLIENTS), &json!({ "Id": "broken" }))
        .expect(201);
    let other = server.operator();
    server.stop();
    flip(&server.data(), "clients", b"broken");
    assert_eq!(crate::harness::findings(&server.data()).len(), 1);
    server.run();
    let other = other.moved_to(server.address());
    other.get(&other.v1(CLIENTS)).expect(200);
    server.operator().token_answer().expect(200);
    // Mended, so that the harness finds nothing when the test ends.
    server.stop();
    flip(&server.data(), "clients", b"broken");
}

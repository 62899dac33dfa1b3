//! `credenza backup`: of a running and of a stopped service, whole or not there at all.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::damage::{flip, long_description};
use crate::harness::process::{Ended, Service, credenza, run, serve};
use crate::harness::{OPERATOR_SECRET, Server};

const CLIENTS: &str = "/ClientCredentialClients";

pub fn backup_with(data: &Path, to: &Path, flags: &[&str]) -> Ended {
    let mut command = credenza(["backup", "--data"]);
    command.arg(data).arg("--to").arg(to).args(flags);
    run(command)
}

pub fn backup(data: &Path, to: &Path) -> Ended {
    backup_with(data, to, &[])
}

pub fn restore(from: &Path, data: &Path) -> Ended {
    let mut command = credenza(["restore", "--from"]);
    command.arg(from).arg("--data").arg(data);
    run(command)
}

/// The lines of an archive.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn file(server: &Server, name: &str) -> PathBuf {
    server.directory.path().join(name)
}

#[test]
fn under_full_load_each_tenant_is_at_one_revision() {
    const WRITERS: usize = 8;
    const BACKUPS: usize = 4;
    let server = Server::start();
    let mut tenants = vec![server.operator().tenant.clone()];
    tenants.extend(["Second", "Third"].map(|name| server.new_tenant(name)));
    let operator = server.operator();
    let done = AtomicBool::new(false);
    let created = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let operator = operator.in_tenant(&tenants[writer % tenants.len()]);
            let (done, created) = (&done, &created);
            scope.spawn(move || {
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("writer-{writer}-{number:06}");
                    let body = json!({ "Id": id, "Tags": [format!("writer:{writer}")] });
                    operator.post(&operator.v1(CLIENTS), &body).expect(201);
                    created.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..BACKUPS {
            // Each one begins in the midst of writing.
            let before = created.load(Ordering::Relaxed);
            while created.load(Ordering::Relaxed) < before + 50 {
                std::thread::yield_now();
            }
            backup(&server.data(), &file(&server, &format!("{number}.backup"))).succeeded();
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut sizes = Vec::new();
    for number in 0..BACKUPS {
        let from = file(&server, &format!("{number}.backup"));
        let to = file(&server, &format!("restored-{number}"));
        restore(&from, &to).succeeded();
        assert_eq!(crate::harness::findings(&to), Vec::<String>::new());
        sizes.push(without_gaps(&lines(&from), tenants.len()));
    }
    assert!(sizes.is_sorted() && sizes[0] > 0, "{sizes:?}");
}

/// Each writer numbered its clients, one after the other: a tenant at one revision has all up to
/// some number, and its revision is that of the last change in it.
fn without_gaps(lines: &[Value], tenants: usize) -> usize {
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    let (mut found, mut revision, mut newest, mut clients) = (0, 0, 0, 0);
    for line in lines {
        if let Some(tenant) = line.get("tenant") {
            found += 1;
            (revision, newest) = (tenant["revision"].as_u64().unwrap(), 0);
        } else if let Some(client) = line.get("client") {
            newest = newest.max(client["changed"].as_u64().unwrap());
            let id = client["id"].as_str().unwrap();
            if let Some((writer, number)) = id.rsplit_once('-').filter(|_| id.starts_with("writer"))
            {
                let expected = next.entry(writer.to_owned()).or_default();
                assert_eq!(number.parse::<u64>().unwrap(), *expected, "{id}");
                *expected += 1;
                clients += 1;
            }
        } else if line.get("end_of_tenant").is_some() {
            assert_eq!(newest, revision, "the last change is in it");
        }
    }
    assert_eq!(found, tenants);
    clients
}

#[test]
fn a_running_and_a_stopped_service_give_the_same_backup() {
    let mut server = Server::start();
    server.new_tenant("Second");
    let operator = server.operator();
    let body = json!({ "Id": "pump", "Name": "Pümp \"1\"", "Tags": ["a", "b"] });
    operator.post(&operator.v1(CLIENTS), &body).expect(201);
    let (running, stopped) = (file(&server, "running"), file(&server, "stopped"));
    let ended = backup(&server.data(), &running).succeeded();
    let words = ": 2 tenants, 2 clients, ";
    assert!(
        ended.stdout.contains(words) && ended.stdout.contains("MB/s"),
        "{ended:?}"
    );
    assert_eq!(ended.stdout.lines().count(), 1);
    assert_eq!(ended.stderr, "");
    server.stop();
    let marker = std::fs::read(server.data().join("marker")).unwrap();
    backup(&server.data(), &stopped).succeeded();
    assert_eq!(std::fs::read(server.data().join("marker")).unwrap(), marker);
    let (running, stopped) = (lines(&running), lines(&stopped));
    let rows = |lines: &[Value]| lines[1..lines.len() - 1].to_vec();
    assert_eq!(rows(&running), rows(&stopped));
    assert_eq!(running[0]["credenza"], "backup");
    assert_eq!(running[0]["taken"], crate::harness::NOON);
}

#[test]
fn a_backup_holds_no_secret_and_is_for_its_owner_alone() {
    let mut server = Server::start();
    let operator = server.operator();
    let created = operator.post(&operator.v1(CLIENTS), &json!({})).expect(201);
    let secret = created.text("Secret");
    let to = file(&server, "a.backup");
    backup(&server.data(), &to).succeeded();
    let text = std::fs::read_to_string(&to).unwrap();
    for word in [&secret[..], OPERATOR_SECRET, "crdz_", "PRIVATE KEY"] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    server.stop();
}

#[test]
fn no_file_is_written_over() {
    let server = Server::start();
    let to = file(&server, "mine");
    std::fs::write(&to, "precious").unwrap();
    backup(&server.data(), &to).refused_because("is there already");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "precious");
    backup(&server.data(), &file(&server, "missing/a")).refused_because("cannot write");
    let nowhere = file(&server, "nowhere");
    backup(&nowhere, &file(&server, "b")).refused_because("no store");
    assert!(!nowhere.exists() && !file(&server, "b").exists());
    assert!(!file(&server, "b.partial").exists());
}

#[test]
fn two_commands_do_not_write_one_file() {
    let server = Server::start();
    let to = file(&server, "a");
    let other = std::fs::File::create(file(&server, "a.partial")).unwrap();
    other.lock().unwrap();
    backup(&server.data(), &to).refused_because("another command is writing");
    drop(other);
    backup(&server.data(), &to).succeeded();
    assert!(!file(&server, "a.partial").exists());
}

#[test]
fn a_tenant_that_is_not_in_memory_is_taken_while_others_are_written_to() {
    let mut server = Server::start();
    let tenant = server.new_tenant("Cold");
    let cold = server.operator().in_tenant(&tenant);
    for number in 0..20 {
        let body = json!({ "Id": format!("cold-{number:02}") });
        cold.post(&cold.v1(CLIENTS), &body).expect(201);
    }
    server.restart();
    let operator = server.operator();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (done, operator) = (&done, &operator);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                operator.post(&operator.v1(CLIENTS), &json!({})).expect(201);
            }
        });
        let to = file(&server, "a");
        backup(&server.data(), &to).succeeded();
        done.store(true, Ordering::Relaxed);
        let text = std::fs::read_to_string(&to).unwrap();
        assert_eq!(
            text.matches("\"cold-").count(),
            2 * 20,
            "an id and a name each"
        );
    });
}

#[test]
fn a_tenant_that_is_deleted_is_not_in_it() {
    let server = Server::start();
    let tenant = server.new_tenant("Gone");
    let operator = server.operator();
    operator
        .delete(&format!("/api/v1/Tenants/{tenant}"))
        .expect(204);
    let to = file(&server, "a");
    backup(&server.data(), &to).succeeded();
    assert!(!std::fs::read_to_string(&to).unwrap().contains(&tenant));
}

#[test]
fn damaged_rows_are_in_no_backup_and_their_tenant_is_named() {
    for (tree, words) in [
        ("clients", "client 'broken' is damaged"),
        ("secrets", "client 'broken' is damaged"),
    ] {
        let mut server = Server::start();
        let tenant = server.new_tenant("Damaged");
        let operator = server.operator().in_tenant(&tenant);
        let body = json!({ "Id": "broken", "SecretDescription": long_description() });
        operator.post(&operator.v1(CLIENTS), &body).expect(201);
        server.stop();
        flip(&server.data(), tree, b"broken");
        let to = file(&server, "a");
        backup(&server.data(), &to).refused_because(&format!("tenant {tenant} cannot be read"));
        server.run();
        let ended = backup(&server.data(), &to);
        ended.refused_because(words);
        ended.refused_because("`credenza check` lists");
        assert!(!to.exists());
        // Mended, so that the harness finds nothing when the test ends.
        server.stop();
        flip(&server.data(), tree, b"broken");
        backup(&server.data(), &to).succeeded();
    }
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_of_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut command = serve(&data);
    command.arg("--demo");
    let service = Service::start(command);
    let mut cut_short = 0;
    for attempt in 0..50 {
        let to = directory.path().join(format!("{attempt}.backup"));
        let partial = directory.path().join(format!("{attempt}.backup.partial"));
        let mut command = credenza(["backup", "--data"]);
        let mut child = command.arg(&data).arg("--to").arg(&to).spawn().unwrap();
        while !partial.exists() && !to.exists() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        match to.exists() {
            // It was whole before it was killed.
            true => _ = restore(&to, &directory.path().join(format!("{attempt}"))).succeeded(),
            false => {
                cut_short += 1;
                backup(&data, &to).succeeded();
                assert!(!partial.exists(), "what was left behind is gone");
            }
        }
        if cut_short == 3 {
            break;
        }
    }
    assert_eq!(cut_short, 3);
    service.terminate();
}

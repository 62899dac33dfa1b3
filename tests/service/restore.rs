//! `credenza restore`: what comes back, what does not, and what is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;

use crate::backup::{backup, backup_with, restore};
use crate::harness::process::{Service, credenza, run, serve};
use crate::harness::{Caller, OPERATOR, OPERATOR_SECRET, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";

/// A service with some things in it, and a place for its backup.
pub fn plant() -> (Server, PathBuf) {
    let server = Server::start();
    let operator = server.operator();
    let tenant = server.new_tenant("Second \"plant\"");
    for tenant in [TENANT, &tenant] {
        let operator = operator.in_tenant(tenant);
        let role = json!({ "Name": "Writer", "Description": "two\nlines" });
        let role = operator
            .post(&operator.v1("/Roles"), &role)
            .expect(201)
            .text("Id");
        let member = server.role(tenant, crate::harness::MEMBER);
        for number in 0..3 {
            let body = json!({
                "Id": format!("pump-{number}"), "Name": "Pümp", "Tags": ["z", "a"],
                "RoleIds": [role, member], "Enabled": number != 1, "AccessTokenLifetime": 90,
            });
            operator.post(&operator.v1(CLIENTS), &body).expect(201);
        }
        let secret = json!({ "Description": "second", "Expiration": "2031-01-01T00:00:00.5Z" });
        let path = operator.v1(&format!("{CLIENTS}/pump-0/Secrets"));
        operator.post(&path, &secret).expect(201);
    }
    let file = server.directory.path().join("plant.backup");
    (server, file)
}

/// Everything that people can read of a service.
pub fn seen(operator: &Caller) -> Vec<serde_json::Value> {
    let tenants = operator.get("/api/v1/Tenants").expect(200).json();
    let mut seen = vec![tenants.clone()];
    for tenant in tenants.as_array().unwrap() {
        let there = operator.in_tenant(tenant["Id"].as_str().unwrap());
        let clients = there.get(&there.v1(CLIENTS)).expect(200).json();
        for client in clients.as_array().unwrap() {
            let id = client["Id"].as_str().unwrap();
            let path = there.v1(&format!("{CLIENTS}/{id}/Secrets"));
            seen.push(there.get(&path).expect(200).json());
        }
        seen.push(clients);
        seen.push(there.get(&there.v1("/Roles")).expect(200).json());
    }
    seen
}

#[test]
fn h31_everything_comes_back_and_what_was_issued_before_is_dead() {
    for flags in [&[][..], &["--with-keys"][..]] {
        let (mut server, file) = plant();
        let operator = server.operator();
        let before = seen(&operator);
        let path = operator.v1(&format!("{CLIENTS}/pump-0"));
        let etag = operator
            .get(&path)
            .expect(200)
            .header("ETag")
            .unwrap()
            .to_owned();
        backup_with(&server.data(), &file, flags).succeeded();
        operator.delete(&path).expect(204);
        server.stop();
        std::fs::rename(server.data(), server.directory.path().join("old")).unwrap();

        let ended = restore(&file, &server.data()).succeeded();
        for words in [
            "Restored 2 tenants, 7 clients, ",
            "Changes after 2030-06-01T12:00:00Z are not in this backup, revocations among them",
        ] {
            assert!(ended.stdout.contains(words), "{ended:?}");
        }
        server.run();
        // The issuer is the same one: with the key a token is still well signed, and has no rights.
        let old = operator.moved_to(server.address());
        old.get(&path)
            .expect(if flags.is_empty() { 401 } else { 403 });
        let operator = server.operator();
        assert_eq!(seen(&operator), before);
        let again = operator.get(&path).expect(200);
        assert_ne!(again.header("ETag").unwrap(), etag);
        // It goes on from there, and a restart finds it in order.
        operator
            .post(&operator.v1(CLIENTS), &json!({ "Id": "new" }))
            .expect(201);
        server.restart();
        let operator = server.operator();
        operator
            .get(&operator.v1(&format!("{CLIENTS}/new")))
            .expect(200);
    }
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_written() {
    let (mut server, file) = plant();
    server.stop();
    backup_with(&server.data(), &file, &["--with-keys"]).succeeded();
    let good = std::fs::read(&file).unwrap();
    let (broken, data) = (file.with_extension("broken"), file.with_extension("data"));
    // A generator of its own: the same places in every run.
    let mut state = 0x5EED_u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for number in 0..200 {
        let mut bytes = good.clone();
        let place = draw(bytes.len());
        match number % 2 {
            0 => bytes.truncate(place),
            _ => bytes[place] ^= 1 << draw(8),
        }
        std::fs::write(&broken, &bytes).unwrap();
        restore(&broken, &data).refused_because("cannot be restored");
        assert!(!data.exists());
    }
    restore(&file, &data).succeeded();
}

#[test]
fn only_an_empty_or_an_absent_directory_is_restored_into() {
    let (mut server, file) = plant();
    backup(&server.data(), &file).succeeded();
    restore(&file, &server.data()).refused_because("is not empty");
    let mine = server.directory.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    restore(&file, &mine).refused_because("open to others than its owner");
    std::fs::set_permissions(&mine, PermissionsExt::from_mode(0o700)).unwrap();
    restore(&file, &mine).succeeded();
    restore(&file, &mine).refused_because("is not empty");
    server.operator().get("/api/v1/Tenants").expect(200);
    server.stop();
    let missing = file.with_extension("missing");
    restore(&missing, &mine).refused_because("cannot read");
}

#[test]
fn an_export_and_a_later_format_are_no_backup() {
    let (server, file) = plant();
    let data = server.directory.path().join("new");
    let mut command = credenza(["export", "--data"]);
    command.arg(server.data()).arg("--to").arg(&file);
    run(command).succeeded();
    restore(&file, &data).refused_because("it is an export");
    std::fs::write(
        &file,
        "{\"credenza\":\"backup\",\"format\":2,\"needs\":\"1.5.0\"}\n",
    )
    .unwrap();
    restore(&file, &data).refused_because("use Credenza 1.5.0 or later");
    assert!(!data.exists());
}

#[test]
fn a_restore_that_is_killed_leaves_a_directory_that_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut command = serve(&data);
    command.arg("--demo");
    Service::start(command).terminate();
    let file = directory.path().join("demo.backup");
    backup(&data, &file).succeeded();
    let mut cut_short = 0;
    for attempt in 0..50 {
        let data = directory.path().join(format!("{attempt}"));
        let mut command = credenza(["restore", "--from"]);
        let mut child = command.arg(&file).arg("--data").arg(&data).spawn().unwrap();
        let begun = data.join("restoring");
        while !begun.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if begun.exists() {
            cut_short += 1;
            let words = "was cut short: remove the directory and restore again";
            run(serve(&data)).refused_because(words);
            backup(&data, &file.with_extension("other")).refused_because(words);
            restore(&file, &data).refused_because("is not empty");
            std::fs::remove_dir_all(&data).unwrap();
            restore(&file, &data).succeeded();
        }
        if cut_short == 3 {
            break;
        }
    }
    assert_eq!(cut_short, 3);
}

#[test]
fn secrets_of_the_backup_work_on_another_machine() {
    let (server, file) = plant();
    backup(&server.data(), &file).succeeded();
    let data = server.directory.path().join("elsewhere");
    restore(&file, &data).succeeded();
    let service = Service::start(serve(&data));
    let operator = Caller::authenticated(service.address, TENANT, OPERATOR, OPERATOR_SECRET);
    operator.get(&operator.v1(CLIENTS)).expect(200);
    assert_eq!(service.printed(), "", "it is no first start");
    service.terminate();
}

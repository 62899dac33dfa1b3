//! `credenza export` and `credenza import`: tenants on their way from one store to another.

use std::path::Path;

use credenza::service::decide::Limits;
use serde_json::{Value, json};

use crate::backup::{backup, lines};
use crate::harness::process::{Ended, Service, credenza, run, serve};
use crate::harness::{Choices, OPERATOR, Server, TENANT};
use crate::restore::{plant, seen};

const CLIENTS: &str = "/ClientCredentialClients";

fn export(data: &Path, to: &Path, flags: &[&str]) -> Ended {
    let mut command = credenza(["export", "--data"]);
    command.arg(data).arg("--to").arg(to).args(flags);
    run(command)
}

fn import(from: &Path, data: &Path, flags: &[&str]) -> Ended {
    let mut command = credenza(["import", "--from"]);
    command.arg(from).arg("--data").arg(data).args(flags);
    run(command)
}

/// A store with one tenant of its own and an operator in it.
fn target() -> Server {
    let mut server = Server::with(Choices {
        print_first: true,
        ..Choices::default()
    });
    server.restart();
    server
}

/// The lines of an archive without what is a store's own: revisions, and checksums over them.
fn contents(path: &Path) -> Vec<Value> {
    let lines = lines(path);
    let mut contents = lines[1..lines.len() - 1].to_vec();
    for line in &mut contents {
        line.as_object_mut().unwrap().remove("sum");
        for kind in ["tenant", "client"] {
            if let Some(object) = line.get_mut(kind).and_then(Value::as_object_mut) {
                for member in ["created", "changed", "revision"] {
                    object.remove(member);
                }
            }
        }
    }
    contents
}

/// The second tenant of [`plant`].
fn second(server: &Server) -> String {
    let tenants = server.operator().get("/api/v1/Tenants").expect(200).json();
    let mut ids = tenants
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| tenant["Id"].as_str().unwrap());
    ids.find(|id| *id != TENANT).unwrap().to_owned()
}

#[test]
fn what_is_imported_is_what_was_exported() {
    // Into a running service, and into the store of a stopped one.
    for running in [true, false] {
        let (source, file) = plant();
        let mut target = target();
        export(&source.data(), &file, &[]).succeeded();
        if !running {
            target.stop();
        }
        let ended = import(&file, &target.data(), &[]).succeeded();
        let words = "Imported: 2 tenants, 7 clients, ";
        assert!(ended.stdout.contains(words), "{ended:?}");
        assert!(
            ended
                .stdout
                .contains("; 11 objects created, 0 there already."),
            "{ended:?}"
        );
        // Again: nothing is left to do.
        let ended = import(&file, &target.data(), &[]).succeeded();
        assert!(
            ended
                .stdout
                .contains("; 0 objects created, 11 there already."),
            "{ended:?}"
        );
        for tenant in [TENANT, &second(&source)] {
            let (from, to) = (file.with_extension("from"), file.with_extension("to"));
            for (data, path) in [(source.data(), &from), (target.data(), &to)] {
                export(&data, path, &["--tenant", tenant]).succeeded();
            }
            assert_eq!(contents(&from), contents(&to));
            std::fs::remove_file(from).unwrap();
            std::fs::remove_file(to).unwrap();
        }
        if !running {
            target.run();
        }
        // Secrets work, tokens of the source do not; what was there before is still there.
        let operator = target.operator();
        assert_eq!(operator.id, OPERATOR);
        let all = seen(&operator);
        assert_eq!(all[0].as_array().unwrap().len(), 3);
        let path = operator.v1(CLIENTS);
        source
            .operator()
            .moved_to(target.address())
            .get(&path)
            .expect(401);
        target.restart();
        assert_eq!(seen(&target.operator()), all);
    }
}

#[test]
fn one_tenant_of_a_file_can_be_imported_also_from_a_backup() {
    let (source, file) = plant();
    let target = target();
    backup(&source.data(), &file).succeeded();
    let tenant = second(&source);
    let ended = import(&file, &target.data(), &["--tenant", &tenant]).succeeded();
    assert!(ended.stdout.contains("1 tenant, 3 clients"), "{ended:?}");
    let absent = "99999999-9999-4999-8999-999999999999";
    import(&file, &target.data(), &["--tenant", absent]).refused_because("there is no tenant 9999");
    import(&file, &target.data(), &["--tenant", "plant"]).refused_because("is no tenant's id");
}

#[test]
fn what_is_there_and_differs_is_a_conflict_that_is_named() {
    let (source, file) = plant();
    let target = target();
    let tenant = second(&source);
    export(&source.data(), &file, &[]).succeeded();
    import(&file, &target.data(), &[]).succeeded();
    let there = target.operator().in_tenant(&tenant);

    let pump = there.v1(&format!("{CLIENTS}/pump-2"));
    there.put(&pump, &json!({ "Name": "Another" })).expect(200);
    import(&file, &target.data(), &[]).refused_because(&format!(
        "client 'pump-2' of tenant {tenant} already, and it is not"
    ));
    there.put(&pump, &json!({ "Name": "Pümp" })).expect(200);
    import(&file, &target.data(), &[]).succeeded();

    let secrets = there.v1(&format!("{CLIENTS}/pump-1/Secrets"));
    there
        .post(&secrets, &json!({ "Expires": false }))
        .expect(201);
    import(&file, &target.data(), &[]).refused_because("client 'pump-1' of tenant");
    there
        .delete(&there.v1(&format!("{CLIENTS}/pump-1")))
        .expect(204);
    let ended = import(&file, &target.data(), &[]).succeeded();
    assert!(
        ended
            .stdout
            .contains("; 1 objects created, 10 there already"),
        "{ended:?}"
    );

    let path = format!("/api/v1/Tenants/{tenant}");
    there
        .put(&path, &json!({ "CompanyName": "Renamed" }))
        .expect(200);
    import(&file, &target.data(), &[]).refused_because(&format!("tenant {tenant} already"));
    there.delete(&path).expect(204);
}

#[test]
fn the_limits_of_the_store_hold() {
    let (source, file) = plant();
    let limits = Limits {
        clients_per_tenant: 2,
        ..Limits::default()
    };
    let mut target = Server::with(Choices {
        limits,
        print_first: true,
        ..Choices::default()
    });
    export(&source.data(), &file, &["--tenant", &second(&source)]).succeeded();
    import(&file, &target.data(), &[]).refused_because("A tenant holds at most 2 clients");
    target.stop();
    let flags = ["--max-clients-per-tenant", "2"];
    import(&file, &target.data(), &flags).refused_because("A tenant holds at most 2 clients");
    let ended = import(&file, &target.data(), &[]).succeeded();
    assert!(ended.stdout.contains("; 1 objects created, "), "{ended:?}");
}

#[test]
fn an_alias_that_is_taken_is_a_conflict() {
    let (source, file) = plant();
    let target = target();
    let operator = source.operator();
    let body = json!({ "CompanyName": "Aliased", "Alias": "Plant-7" });
    operator.post("/api/v1/Tenants", &body).expect(201);
    export(&source.data(), &file, &[]).succeeded();
    // The source's operator comes with the file, and takes the alias first.
    import(&file, &target.data(), &["--tenant", TENANT]).succeeded();
    let body = json!({ "CompanyName": "Here", "Alias": "plant-7" });
    target.operator().post("/api/v1/Tenants", &body).expect(201);
    import(&file, &target.data(), &[]).refused_because("the alias 'Plant-7'");
}

#[test]
fn a_damaged_file_creates_nothing() {
    let (source, file) = plant();
    let target = target();
    export(&source.data(), &file, &[]).succeeded();
    let text = std::fs::read_to_string(&file).unwrap();
    let broken = file.with_extension("broken");
    std::fs::write(&broken, text.replacen("pump-2", "pump-3", 1)).unwrap();
    import(&broken, &target.data(), &[]).refused_because("cannot be imported: line ");
    std::fs::write(&broken, &text[..text.len() - 1]).unwrap();
    import(&broken, &target.data(), &[]).refused_because("it was cut short");
    let before = export(&target.data(), &file.with_extension("after"), &[]).succeeded();
    assert!(before.stdout.contains("1 tenant, 1 client,"), "{before:?}");
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let (source, file) = plant();
    export(&source.data(), &file, &[]).succeeded();
    let missing = file.with_extension("missing");
    import(&file, &missing, &[]).refused_because("no store");
    assert!(!missing.exists());
    import(&missing, &source.data(), &[]).refused_because("cannot read");
}

#[test]
fn an_import_that_stops_early_tells_why_however_much_was_still_to_come() {
    let directory = tempfile::tempdir().unwrap();
    let demo = |name: &str| {
        let data = directory.path().join(name);
        let mut command = serve(&data);
        command.arg("--demo");
        (Service::start(command), data)
    };
    let (source, from) = demo("from");
    let (target, to) = demo("to");
    let file = directory.path().join("file");
    export(&from, &file, &[]).succeeded();
    assert!(
        file.metadata().unwrap().len() > 300_000,
        "more than a socket buffers"
    );
    // Each store drew ids of its own for the built-in roles.
    import(&file, &to, &[]).refused_because("the built-in role '");
    let operator = target.first_client();
    operator.get(&operator.v1(CLIENTS)).expect(200);
    source.terminate();
    target.terminate();
}

#[test]
fn what_is_imported_is_in_the_audit_log_of_whoever_writes_it() {
    let (source, file) = plant();
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("audit.jsonl");
    let mut target = Server::with(Choices {
        print_first: true,
        audit_log: Some(log.clone()),
        ..Choices::default()
    });
    let actions = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let actions = lines.map(|line: Value| line["Action"].as_str().unwrap().to_owned());
        actions.collect::<Vec<_>>()
    };
    let tenant = second(&source);
    export(&source.data(), &file, &[]).succeeded();
    import(&file, &target.data(), &["--tenant", &tenant]).succeeded();
    let mut clients = vec!["client.import".to_owned(); 3];
    let mut expected = vec![
        "bootstrap".to_owned(),
        "tenant.import".into(),
        "role.import".into(),
    ];
    expected.append(&mut clients);
    assert_eq!(actions(), expected);
    target.stop();
    let named = ["--tenant", TENANT, "--audit-log", log.to_str().unwrap()];
    import(&file, &target.data(), &named).succeeded();
    let mut recover = credenza(["recover", "--audit-log"]);
    recover.arg(&log).arg("--data").arg(target.data());
    run(recover).succeeded();
    let actions = actions();
    assert_eq!(actions.len(), expected.len() + 1 + 1 + 4 + 1, "{actions:?}");
    assert_eq!(actions.last().unwrap(), "client.create");
}

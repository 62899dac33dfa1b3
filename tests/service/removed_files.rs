//! The store's file is removed under a running service: nothing more is acknowledged that would
//! end with the process, and what is in memory can still be saved.

use serde_json::json;

use crate::harness::process::{Service, credenza, run, serve};

#[test]
fn nothing_is_acknowledged_that_has_no_file_and_a_backup_saves_what_is_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let operator = service.first_client();
    let path = operator.v1("/ClientCredentialClients");
    operator.post(&path, &json!({ "Id": "kept" })).expect(201);

    std::fs::remove_file(data.join("sled/db")).unwrap();
    operator.post(&path, &json!({ "Id": "lost" })).refused(503);
    let ready = service.anonymous().get("/health/ready").expect(503);
    assert_eq!(ready.text("Status"), "storage not writable");
    operator.get(&format!("{path}/kept")).expect(200);

    let file = directory.path().join("saved.backup");
    let mut backup = credenza(["backup", "--to"]);
    run({
        backup.arg(&file).arg("--data").arg(&data);
        backup
    })
    .succeeded();
    service.signal("TERM");
    let ended = service.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("was removed while it was open"),
        "{ended:?}"
    );

    let restored = directory.path().join("restored");
    let mut restore = credenza(["restore", "--from"]);
    run({
        restore.arg(&file).arg("--data").arg(&restored);
        restore
    })
    .succeeded();
    let service = Service::start(serve(&restored));
    let operator = service.again(&operator);
    operator.get(&format!("{path}/kept")).expect(200);
    service.terminate();
}

//! Stores that earlier releases wrote, and this one: each is opened, answers what it answered
//! then, and goes on being written. `tests/fixtures/make` makes one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::Caller;
use crate::harness::process::{Service, credenza, run, serve};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut stores: Vec<_> = files
        .filter(|path| path.to_string_lossy().ends_with(".tar.gz"))
        .collect();
    stores.sort();
    stores
}

fn unpack(archive: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(directory.path());
    assert!(tar.status().unwrap().success());
    directory
}

fn expected(archive: &Path) -> Value {
    let text = archive.to_string_lossy().replace(".tar.gz", ".json");
    serde_json::from_str(&std::fs::read_to_string(text).unwrap()).unwrap()
}

/// Everything that the store answered when it was made, it answers now.
fn compare(service: &Service, expected: &Value) -> Caller {
    let mut operator = None;
    for credential in expected["credentials"].as_array().unwrap() {
        let text = |place: usize| credential[place].as_str().unwrap().to_owned();
        let anyone = service.anonymous().in_tenant(&text(0));
        let known = anyone.known_as(&text(1), &text(2));
        let works = credential[3].as_bool().unwrap();
        known.token_answer().expect(if works { 200 } else { 401 });
        if operator.is_none() {
            let operators = Caller::authenticated(service.address, &text(0), &text(1), &text(2));
            operator = Some(operators);
        }
    }
    let operator = operator.expect("the first one is the operator");
    for (path, answer) in expected["answers"].as_object().unwrap() {
        assert_eq!(&operator.get(path).expect(200).json(), answer, "{path}");
    }
    operator
}

fn succeed(words: &[&str], data: &Path) -> String {
    let mut command = credenza(words);
    command.arg("--data").arg(data);
    run(command).succeeded().stdout
}

#[test]
fn every_store_that_was_ever_written_is_read_and_written_for_ever() {
    let stores = fixtures();
    let release = format!("store-{}.tar.gz", env!("CARGO_PKG_VERSION"));
    let own = stores.iter().any(|path| path.ends_with(&release));
    assert!(own, "this release keeps a store: tests/fixtures/make");
    for archive in stores {
        let directory = unpack(&archive);
        let data = directory.path().join("store");
        let expected = expected(&archive);
        let agree = "All rows, indexes and counters agree.\n";
        assert_eq!(succeed(&["check"], &data), agree, "{archive:?}");

        let service = Service::start(serve(&data));
        let operator = compare(&service, &expected);
        service.terminate();
        succeed(&["compact"], &data);
        let service = Service::start(serve(&data));
        compare(&service, &expected);

        let operator = service.again(&operator);
        let path = operator.v1("/ClientCredentialClients");
        let changed = json!({ "Name": "Changed", "Tags": ["press", "new"] });
        operator
            .put(&format!("{path}/client-02"), &changed)
            .expect(200);
        operator
            .put(&format!("{path}/client-05"), &json!({ "Enabled": false }))
            .expect(200);
        operator.delete(&format!("{path}/everything")).expect(204);
        operator
            .post(&path, &json!({ "Id": "everything" }))
            .expect(201);
        service.terminate();
        assert_eq!(succeed(&["check"], &data), agree, "{archive:?}");
    }
}

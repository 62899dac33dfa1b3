//! `--audit-log` where things go wrong, with the real program: a full disk and its end, kill -9, a
//! torn line, rotation, and files that cannot be used.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use credenza::service::audit::{Action, Record};
use credenza::system::clock::monotonic_now;
use credenza::telemetry::audit;
use serde_json::json;

use crate::harness::Caller;
use crate::harness::process::{Service, run, serve};

const CLIENTS: &str = "/ClientCredentialClients";
const REASON: &str = "audit log not writable";

fn audited(data: &Path, log: &Path) -> Command {
    let mut command = serve(data);
    command.arg("--audit-log").arg(log);
    command
}

fn read(log: &Path) -> Vec<Record> {
    audit::read(log).unwrap().map(Result::unwrap).collect()
}

fn ready(service: &Service) -> (u16, String) {
    let answer = service.anonymous().get("/health/ready");
    (answer.status, answer.text("Status"))
}

/// Asks until the service is ready.
fn await_ready(service: &Service) {
    let patience = monotonic_now() + Duration::from_secs(30);
    while ready(service).0 != 200 {
        assert!(
            monotonic_now() < patience,
            "it is not ready: {:?}",
            ready(service)
        );
        std::thread::yield_now();
    }
}

fn create(operator: &Caller, id: &str) -> crate::harness::Response {
    operator.post(&operator.v1(CLIENTS), &json!({ "Id": id }))
}

/// A store that is set up, and its first client.
fn set_up(data: &Path) -> Caller {
    let service = Service::start(serve(data));
    let operator = service.first_client();
    service.terminate();
    operator
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_writes_are_refused_until_there_is_space_and_no_record_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("store");
    let operator = set_up(&data);
    let (log, file) = (place.path().join("log"), place.path().join("audit.jsonl"));
    std::os::unix::fs::symlink("/dev/full", &log).unwrap();

    let service = Service::start(audited(&data, &log));
    let operator = service.again(&operator);
    assert_eq!(ready(&service).0, 200);
    create(&operator, "a").refused_because(503, REASON);
    assert_eq!(ready(&service), (503, REASON.to_owned()));
    create(&operator, "b").refused_because(503, REASON);
    // The first change is made; nobody was told so. What came later was not begun.
    let listed = operator.get(&operator.v1(CLIENTS)).expect(200).ids();
    assert!(listed.contains(&"a".into()) && !listed.contains(&"b".into()));
    operator.token_answer().expect(200);

    // Space is found: elsewhere.
    let new = place.path().join("new");
    std::os::unix::fs::symlink(&file, &new).unwrap();
    std::fs::rename(&new, &log).unwrap();
    await_ready(&service);
    create(&operator, "c").expect(201);
    let recorded = read(&file);
    let ids = recorded
        .iter()
        .filter_map(|record| record.object.client.as_ref());
    assert_eq!(ids.map(|id| id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let said = service.terminate().stderr;
    assert_eq!(said.matches("ERROR credenza::service").count(), 1, "{said}");
    assert!(
        said.contains("until the audit log can be written"),
        "{said}"
    );
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("writes are accepted again"), "{said}");
}

/// The program, where no file can grow beyond some length. What fits of a line is written.
#[cfg(target_os = "linux")]
fn with_files_up_to(length: u64, program: &Command) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", length / 512);
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_that_did_not_fit_is_taken_back_and_goes_into_the_file_after_a_rotation() {
    const LIMIT: u64 = 32 << 20;
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("store");
    let operator = set_up(&data);
    let log = place.path().join("audit.jsonl");
    let old = place.path().join("audit.jsonl.1");
    // Empty lines, up to a place that the next record does not fit behind.
    let filled = LIMIT as usize - 100;
    std::fs::write(&log, vec![b'\n'; filled]).unwrap();

    let service = Service::start(with_files_up_to(LIMIT, &audited(&data, &log)));
    let operator = service.again(&operator);
    create(&operator, "a").refused_because(503, REASON);
    assert_eq!(ready(&service), (503, REASON.to_owned()));
    std::fs::rename(&log, &old).unwrap();
    await_ready(&service);
    create(&operator, "b").expect(201);
    assert_eq!(std::fs::metadata(&old).unwrap().len(), filled as u64);
    let recorded = read(&log);
    let ids = recorded
        .iter()
        .filter_map(|record| record.object.client.as_ref());
    assert_eq!(ids.map(|id| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let said = service.terminate().stderr;
    assert!(said.contains("File too large"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_without_space_puts_the_missing_records_into_the_log() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("store");
    let operator = set_up(&data);
    let service = Service::start(audited(&data, Path::new("/dev/full")));
    let operator = service.again(&operator);
    create(&operator, "a").refused_because(503, REASON);
    service.signal("TERM");
    let ended = service.wait();
    ended.refused_because("whose record is not in the audit log: 1");
    let line = ended
        .stderr
        .lines()
        .find_map(|line| line.split_once("not in the audit log: "));
    let record = Record::from_line(line.unwrap().1.as_bytes()).unwrap();
    assert_eq!(record.action, Action::ClientCreate);
    // The store itself was closed in good order.
    Service::start(serve(&data)).terminate();
}

#[cfg(target_os = "linux")]
#[test]
fn a_first_start_that_cannot_be_recorded_shows_no_secret_and_begins_anew() {
    let place = tempfile::tempdir().unwrap();
    let (data, log) = (place.path().join("store"), place.path().join("audit.jsonl"));
    let ended = Service::try_start(audited(&data, Path::new("/dev/full")));
    let ended = ended.err().expect("it starts");
    ended.refused_because(REASON);
    assert_eq!(ended.stdout, "");
    let service = Service::start(audited(&data, &log));
    service.first_client();
    assert_eq!(read(&log)[0].action, Action::Bootstrap);
    service.terminate();
}

#[test]
fn a_file_that_cannot_be_used_is_refused_before_anything_is_created() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("store");
    for log in [
        place.path().join("nowhere").join("audit.jsonl"),
        place.path().to_owned(),
    ] {
        let ended = Service::try_start(audited(&data, &log))
            .err()
            .expect("it starts");
        ended.refused_because("--audit-log");
        assert!(!data.exists());
    }
    let log = place.path().join("audit.jsonl");
    let service = Service::start(audited(&data, &log));
    let other = place.path().join("other");
    let second = run(audited(&other, &log));
    second.refused_because("another process has this audit log open");
    service.terminate();
}

#[test]
fn the_log_comes_from_the_environment_and_is_its_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("audit.jsonl");
    let mut command = serve(&place.path().join("store"));
    command.env("CREDENZA_AUDIT_LOG", &log);
    Service::start(command).terminate();
    assert_eq!(read(&log).len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&log).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_renamed_log_goes_on_in_a_new_file() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("audit.jsonl");
    let old = place.path().join("audit.jsonl.1");
    let service = Service::start(audited(&place.path().join("store"), &log));
    let operator = service.first_client();
    create(&operator, "a").expect(201);
    std::fs::rename(&log, &old).unwrap();
    create(&operator, "b").expect(201);
    assert_eq!((read(&old).len(), read(&log).len()), (2, 1));
    service.terminate();
}

#[test]
fn h28_what_was_acknowledged_before_kill_9_has_its_record() {
    let place = tempfile::tempdir().unwrap();
    let (data, log) = (place.path().join("store"), place.path().join("audit.jsonl"));
    let mut service = Service::start(audited(&data, &log));
    let mut operator = service.first_client();
    let mut acknowledged = BTreeSet::new();
    for kill in 0..4 {
        let (sender, answers) = channel();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (sender, operator) = (sender.clone(), &operator);
                scope.spawn(move || {
                    for number in 0.. {
                        let body = json!({ "Id": format!("k-{kill}-{writer}-{number}") });
                        let body = body.to_string();
                        let json = [("Content-Type", "application/json")];
                        let path = operator.v1(CLIENTS);
                        let answer = operator.try_send("POST", &path, &json, Some(body.as_bytes()));
                        let Ok(answer) = answer else { return };
                        let answer = answer.expect(201);
                        let operation = answer.header("operation-id").unwrap().to_owned();
                        let _ = sender.send(operation);
                    }
                });
            }
            drop(sender);
            acknowledged.extend(answers.iter().take(40 + 37 * kill));
            service.kill();
            acknowledged.extend(answers.iter());
        });
        // As if the kill had come in the middle of a line.
        let mut text = std::fs::read(&log).unwrap();
        text.extend_from_slice(b"{\"Time\":\"2030-06-01T1");
        std::fs::write(&log, text).unwrap();

        service = Service::start(audited(&data, &log));
        operator = service.again(&operator);
        create(&operator, &format!("after-{kill}")).expect(201);
        let mut records = audit::read(&log).unwrap();
        let found: Vec<Record> = records.by_ref().map(Result::unwrap).collect();
        assert_eq!(records.torn(), kill as u64 + 1);
        let recorded: BTreeSet<String> = found
            .iter()
            .filter_map(|record| record.operation_id.clone())
            .collect();
        let missing: Vec<_> = acknowledged.difference(&recorded).collect();
        assert!(missing.is_empty(), "{missing:?}");
        // And nothing is recorded that was not made.
        let list = operator.get(&operator.v1(&format!("{CLIENTS}?count=1000000")));
        let listed: BTreeSet<String> = list.expect(200).ids().into_iter().collect();
        let ids = found
            .iter()
            .filter_map(|record| record.object.client.as_ref());
        assert!(ids.into_iter().all(|id| listed.contains(id.as_str())));
        assert!(
            found
                .windows(2)
                .all(|pair| pair[0].revision < pair[1].revision)
        );
    }
    service.terminate();
}

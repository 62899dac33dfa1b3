//! A limit of a file's size (`ulimit -f`, `LimitFSIZE`) stops writes, not the service.
#![cfg(unix)]

use std::process::Command;

use serde_json::json;

use crate::harness::process::{Service, credenza, run, serve};

const CLIENTS: &str = "/ClientCredentialClients";

#[test]
fn h29_a_write_beyond_the_limit_of_a_file_is_answered_with_503_and_reads_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let program = serve(&data);
    let mut command = Command::new("sh");
    // In blocks of 512 bytes: 2 MiB.
    command.args(["-c", "ulimit -f 4096; exec \"$0\" \"$@\""]);
    command.arg(program.get_program()).args(program.get_args());
    let service = Service::start(command);
    let operator = service.first_client();
    let create = |number: usize| {
        let body = json!({ "Id": format!("limit-{number}"), "Tags": ["x".repeat(100)] });
        let answer = operator.post(&operator.v1(CLIENTS), &body);
        assert!(matches!(answer.status, 201 | 503), "{}", answer.status);
        answer.status == 201
    };
    // Each takes far more than 100 bytes.
    let made = (0..20_000).take_while(|number| create(*number)).count();
    assert!((1..20_000).contains(&made), "{made}");
    let total = operator.get(&operator.v1(CLIENTS)).expect(200).total();
    assert_eq!(total, made + 1);
    assert_eq!(operator.token_answer().status, 200);
    service.anonymous().get("/health/live").expect(200);
    service.anonymous().get("/health/ready").expect(503);
    let ended = service.kill();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let service = Service::start(serve(&data));
    let operator = service.again(&operator);
    let total = operator.get(&operator.v1(CLIENTS)).expect(200).total();
    // The one that got 503 is there or not.
    assert!((made + 1..=made + 2).contains(&total), "{total} of {made}");
    service.terminate();
    let mut check = credenza(["check", "--data"]);
    check.arg(&data);
    run(check).succeeded();
}

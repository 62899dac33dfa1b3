//! The store fails: writes are refused, reads and tokens go on, and the service heals by itself.
//! Whatever was answered 503 is wholly there or wholly absent, in memory as on disk.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Choices, Fault, Faults, OPERATOR, OPERATOR_SECRET, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";

fn server_with(faults: &Arc<Faults>) -> Server {
    Server::with(Choices {
        faults: Some(faults.clone()),
        patience: Duration::from_millis(200),
        ..Choices::default()
    })
}

/// What health says, once it says what is awaited.
fn await_ready(server: &Server, status: u16) -> String {
    let anyone = crate::harness::anonymous(server.address());
    for _ in 0..6_000 {
        let ready = anyone.get("/health/ready");
        if ready.status == status {
            return ready.text("Status");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never said {status}");
}

/// Has one write fail, and checks what everybody sees meanwhile and afterwards.
fn one_write_fails(fault: Fault, is_there_afterwards: bool) {
    let faults = Faults::none();
    let mut server = server_with(&faults);
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    operator.post(&path, &json!({ "Id": "before" })).expect(201);

    faults.keep_closed(1);
    faults.plant(fault);
    let refused = operator.post(&path, &json!({ "Id": "unsure" }));
    assert_eq!(refused.header("Retry-After"), Some("5"));
    let error = refused.refused(503);
    let resolution = error["Resolution"].as_str().unwrap();
    assert!(resolution.starts_with("Read the object"), "{resolution}");

    assert_eq!(await_ready(&server, 503), "storage not writable");
    // What was not durable when it failed is not shown; what was is served, tokens too.
    assert_eq!(operator.get(&path).expect(200).ids(), ["before", OPERATOR]);
    operator.get(&format!("{path}/unsure")).refused(404);
    operator.token_answer().expect(200);
    operator.post(&path, &json!({})).refused(503);

    assert_eq!(await_ready(&server, 200), "ready");
    let healed = operator.get(&path).expect(200).ids();
    let there = healed.contains(&"unsure".to_owned());
    assert_eq!(there, is_there_afterwards, "{healed:?}");
    if there {
        operator.get(&format!("{path}/unsure")).expect(200);
        let secrets = operator.get(&format!("{path}/unsure/Secrets")).expect(200);
        assert_eq!(secrets.total(), 1);
    } else {
        operator.post(&path, &json!({ "Id": "unsure" })).expect(201);
    }
    operator.post(&path, &json!({ "Id": "later" })).expect(201);

    let shown = operator.get(&path).expect(200).json();
    server.restart();
    let operator = operator.moved_to(server.address());
    assert_eq!(operator.get(&path).expect(200).json(), shown);
}

#[test]
fn h29_a_write_that_did_not_happen_is_absent_once_the_store_is_open_again() {
    one_write_fails(Fault::Before, false);
}

#[test]
fn h29_a_write_of_unknown_outcome_that_did_not_happen_is_absent() {
    one_write_fails(Fault::BeforeUnknown, false);
}

#[test]
fn h29_a_write_of_unknown_outcome_that_happened_is_wholly_there() {
    one_write_fails(Fault::AfterUnknown, true);
}

#[test]
fn a_deletion_of_unknown_outcome_that_happened_is_in_force_once_writes_are_accepted() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    let created = operator.post(&path, &json!({ "Id": "gone" })).expect(201);
    let gone = operator.known_as("gone", &created.text("Secret"));
    gone.token_answer().expect(200);
    faults.plant(Fault::AfterUnknown);
    operator.delete(&format!("{path}/gone")).refused(503);
    await_ready(&server, 200);
    gone.token_answer().expect(401);
    operator.get(&format!("{path}/gone")).refused(404);
}

#[test]
fn the_deletion_of_a_tenant_of_unknown_outcome_is_swept_afterwards() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    let tenant = server.new_tenant("Gone");
    let there = operator.in_tenant(&tenant);
    there.post(&there.v1(CLIENTS), &json!({})).expect(201);
    faults.plant(Fault::AfterUnknown);
    operator
        .delete(&format!("/api/v1/Tenants/{tenant}"))
        .refused(503);
    await_ready(&server, 200);
    operator
        .get(&format!("/api/v1/Tenants/{tenant}"))
        .refused(404);
    // What remained of it is removed behind it: `check` at the end finds no row of it either.
}

#[test]
fn while_the_store_cannot_be_read_clients_in_memory_get_tokens_and_nobody_is_called_unknown() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    faults.fail_reads(true);
    operator
        .known_as(OPERATOR, OPERATOR_SECRET)
        .token_answer()
        .expect(200);
    let answer = operator.known_as("nobody", "wrong").token_answer();
    assert_eq!(answer.header("Retry-After"), Some("5"));
    assert_eq!(answer.expect(503).text("error"), "temporarily_unavailable");
    operator
        .get(&format!("/api/v1/Tenants/{TENANT}"))
        .expect(200);
    faults.fail_reads(false);
    operator
        .known_as("nobody", "wrong")
        .token_answer()
        .expect(401);
}

#[test]
fn a_write_of_unknown_outcome_has_its_record_if_it_happened_and_none_if_not() {
    for (fault, happened) in [(Fault::AfterUnknown, true), (Fault::BeforeUnknown, false)] {
        let faults = Faults::none();
        let directory = tempfile::tempdir().unwrap();
        let audit_log = directory.path().join("audit.jsonl");
        let server = Server::with(Choices {
            faults: Some(faults.clone()),
            audit_log: Some(audit_log.clone()),
            ..Choices::default()
        });
        let operator = server.operator();
        faults.plant(fault);
        let body = json!({ "Id": "unsure" });
        operator.post(&operator.v1(CLIENTS), &body).refused(503);
        await_ready(&server, 200);
        let log = std::fs::read_to_string(&audit_log).unwrap();
        assert_eq!(log.contains(r#""unsure""#), happened, "{log}");
    }
}

#[test]
fn a_damaged_row_refuses_the_command_that_needs_it_and_no_other() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    faults.plant(Fault::Damaged);
    faults.plant(Fault::Damaged);
    let error = operator
        .post(&path, &json!({ "Id": "refused" }))
        .refused(500);
    assert_eq!(error["Error"], "Stored data is damaged.");
    operator.post(&path, &json!({ "Id": "next" })).expect(201);
    await_ready(&server, 200);
    assert_eq!(operator.get(&path).expect(200).ids(), ["next", OPERATOR]);
}

/// Creations that wait together behind one that hangs, so that they are one batch, with these
/// faults from it on. Gives what each was answered.
fn a_crowd(server: &Server, faults: &Faults, planted: &[Fault]) -> Vec<(String, u16)> {
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    let mut answers = Vec::new();
    faults.plant_in_a_crowd(planted);
    // Whether they came in time to be one batch is only known afterwards.
    for attempt in 0.. {
        assert!(attempt < 1_000, "they never were one batch");
        if faults.met_a_crowd() {
            break;
        }
        faults.plant(Fault::Hangs);
        answers = std::thread::scope(|scope| {
            let create = |number: usize| {
                let (operator, path) = (operator.clone(), path.clone());
                scope.spawn(move || {
                    let id = format!("c{attempt}-{number}");
                    let status = operator.post(&path, &json!({ "Id": id })).status;
                    (id, status)
                })
            };
            let first = create(0);
            while !faults.is_hanging() {
                std::thread::yield_now();
            }
            let others: Vec<_> = (1..5).map(create).collect();
            for _ in 0..20 {
                operator.get(&path).expect(200);
            }
            faults.go_on();
            let answers = std::iter::once(first).chain(others);
            answers.map(|answer| answer.join().unwrap()).collect()
        });
    }
    answers
}

#[test]
fn of_a_batch_with_a_damaged_row_every_other_command_is_done() {
    let faults = Faults::none();
    let server = Server::with(Choices {
        faults: Some(faults.clone()),
        ..Choices::default()
    });
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    let answers = a_crowd(&server, &faults, &[Fault::Damaged, Fault::Damaged]);
    let refused = answers.iter().filter(|(_, status)| *status == 500);
    assert_eq!(refused.count(), 1, "{answers:?}");
    for (id, status) in answers {
        let found = operator.get(&format!("{path}/{id}")).status;
        assert_eq!(found == 200, status == 201, "{id}");
    }
}

#[test]
fn what_is_durable_and_cannot_be_shown_is_not_told_as_done() {
    let faults = Faults::none();
    let server = Server::with(Choices {
        faults: Some(faults.clone()),
        ..Choices::default()
    });
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    faults.keep_closed(1);
    // The batch is refused; of its parts the first is written, the next one ends all.
    let planted = [Fault::Damaged, Fault::Passes, Fault::BeforeUnknown];
    let answers = a_crowd(&server, &faults, &planted);
    for (id, status) in &answers {
        // Whatever was told as done was there to be seen at that moment, and is.
        if *status == 201 {
            operator.get(&format!("{path}/{id}")).expect(200);
        }
    }
    let unsure = answers.iter().filter(|(_, status)| *status == 503);
    assert!(unsure.count() >= 2, "{answers:?}");
    await_ready(&server, 200);
    operator.post(&path, &json!({ "Id": "later" })).expect(201);
}

#[test]
fn a_deleted_tenant_that_cannot_be_swept_is_left_and_writes_go_on() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    let tenant = server.new_tenant("Gone");
    faults.plant(Fault::Passes);
    faults.plant(Fault::Damaged);
    let path = format!("/api/v1/Tenants/{tenant}");
    operator.delete(&path).expect(204);
    operator.post(&operator.v1(CLIENTS), &json!({})).expect(201);
    await_ready(&server, 200);
    operator.get(&path).refused(404);
}

#[test]
fn a_damaged_tenant_is_read_once_and_keeps_nobody_else_from_being_written_again() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    let tenant = server.new_tenant("Damaged");
    let there = operator.in_tenant(&tenant);
    let path = there.v1(CLIENTS);
    there.get(&path).expect(200);
    faults.damage(&tenant);
    // It is in memory still; the outcome is not known, so it has to be read again.
    faults.plant(Fault::AfterUnknown);
    there.post(&path, &json!({})).refused(503);
    await_ready(&server, 200);
    for _ in 0..3 {
        there.get(&path).refused(500);
    }
    assert_eq!(faults.loads_of_damaged(), 1);
    operator.get(&operator.v1(CLIENTS)).expect(200);
    operator.post(&operator.v1(CLIENTS), &json!({})).expect(201);
}

#[test]
fn a_store_that_does_not_answer_makes_it_not_ready_until_it_does() {
    let faults = Faults::none();
    let server = server_with(&faults);
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    faults.plant(Fault::Hangs);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| operator.post(&path, &json!({ "Id": "slow" })));
        assert_eq!(await_ready(&server, 503), "storage not answering");
        // Nobody waits in vain: a further write is refused at once.
        operator
            .post(&path, &json!({ "Id": "refused" }))
            .refused(503);
        operator.get(&path).expect(200);
        faults.go_on();
        hanging.join().unwrap().expect(201);
    });
    assert_eq!(await_ready(&server, 200), "ready");
    assert_eq!(operator.get(&path).expect(200).ids(), [OPERATOR, "slow"]);
}

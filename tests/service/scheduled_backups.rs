//! Backups that the service takes by itself: when, how many, and what they leave alone.

use std::path::Path;
use std::time::Duration;

use credenza::system::clock::monotonic_now;
use serde_json::json;

use crate::backup::{backup, restore};
use crate::harness::process::{Service, credenza, run, serve};
use crate::harness::{Choices, Server};

const HOUR: u64 = 3_600;

/// The names in a directory, in order.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Waits until a directory holds just these, whole.
#[track_caller]
fn until(directory: &Path, expected: &[&str]) {
    let deadline = monotonic_now() + Duration::from_secs(20);
    while names(directory) != expected {
        assert!(
            monotonic_now() < deadline,
            "{:?}, not {expected:?}",
            names(directory)
        );
        std::thread::yield_now();
    }
}

fn with_backups(every: u64, keep: usize) -> Server {
    Server::with(Choices {
        backups: Some((every, keep)),
        ..Choices::default()
    })
}

#[test]
fn names_of_a_time_that_is_to_come_go_first_and_never_the_one_just_taken() {
    let mut server = with_backups(6 * HOUR, 2);
    let backups = server.backups();
    until(&backups, &["credenza-20300601T120000Z.backup"]);
    server.stop();
    // As a clock that was a year ahead had them named.
    let of_now = backups.join("credenza-20300601T120000Z.backup");
    for name in [
        "credenza-20310601T120000Z.backup",
        "credenza-20310602T120000Z.backup",
    ] {
        std::fs::copy(&of_now, backups.join(name)).unwrap();
    }
    server.clock.advance_seconds(7 * 3_600);
    server.run();
    let both = [
        "credenza-20300601T120000Z.backup",
        "credenza-20300601T190000Z.backup",
    ];
    until(&backups, &both);
}

#[test]
fn one_is_taken_at_each_turn_and_the_newest_are_kept() {
    let server = with_backups(6 * HOUR, 2);
    let backups = server.backups();
    let first = "credenza-20300601T120000Z.backup";
    until(&backups, &[first]);
    // What a schedule did not name is nobody's business, nor is another store's backup.
    for mine in [
        "credenza-mine.backup",
        "credenza-20000101T000000Z.backup",
        "zz.partial",
    ] {
        std::fs::write(backups.join(mine), "mine").unwrap();
    }
    let foreign = server.directory.path().join("foreign");
    Service::start(serve(&foreign)).terminate();
    let other = "credenza-20010101T000000Z.backup";
    backup(&foreign, &backups.join(other)).succeeded();
    // A killed service's half goes.
    std::fs::write(
        backups.join("credenza-20020101T000000Z.backup.partial"),
        "half",
    )
    .unwrap();
    let operator = server.operator();
    operator
        .post(
            &operator.v1("/ClientCredentialClients"),
            &json!({ "Id": "late" }),
        )
        .expect(201);
    let kept = ["credenza-20000101T000000Z.backup", other];
    let rest = ["credenza-mine.backup", "zz.partial"];
    server.clock.advance_seconds(6 * HOUR as i64);
    let second = "credenza-20300601T180000Z.backup";
    until(&backups, &[&kept[..], &[first, second], &rest[..]].concat());
    server.clock.advance_seconds(7 * HOUR as i64);
    let third = "credenza-20300602T010000Z.backup";
    until(&backups, &[&kept[..], &[second, third], &rest[..]].concat());
    let to = server.directory.path().join("restored");
    let ended = restore(&backups.join(second), &to).succeeded();
    assert!(ended.stdout.contains("1 tenant, 2 clients"), "{ended:?}");
}

#[test]
fn a_restart_puts_nothing_off_and_takes_none_early() {
    let mut server = with_backups(6 * HOUR, 9);
    let first = "credenza-20300601T120000Z.backup";
    until(&server.backups(), &[first]);
    server.clock.advance_seconds(5 * HOUR as i64);
    server.restart();
    server.clock.advance_seconds(HOUR as i64 - 1);
    server.restart();
    server.clock.advance_seconds(1);
    let second = "credenza-20300601T180000Z.backup";
    until(&server.backups(), &[first, second]);
}

#[test]
fn a_failure_is_told_and_tried_again_at_the_next_turn() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backups) = (
        directory.path().join("store"),
        directory.path().join("backups"),
    );
    let mut command = serve(&data);
    command.args(["--backup-every", "1s", "--backup-keep", "1", "--backup-dir"]);
    command.arg(&backups);
    let service = Service::start(command);
    let deadline = monotonic_now() + Duration::from_secs(30);
    let whole = || names(&backups).iter().any(|name| name.ends_with(".backup"));
    let wait = |condition: &dyn Fn() -> bool| {
        while !condition() {
            assert!(monotonic_now() < deadline);
            std::thread::yield_now();
        }
    };
    wait(&whole);
    // Its directory goes away: the service goes on, and says so.
    let away = directory.path().join("away");
    std::fs::rename(&backups, &away).unwrap();
    wait(&|| service.said().contains("no backup was taken"));
    service.first_client().get("/api/v1/Tenants").expect(200);
    std::fs::create_dir(&backups).unwrap();
    wait(&whole);
    service.terminate();
}

#[test]
fn what_cannot_work_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut command = serve(&directory.path().join("store"));
    command.arg("--backup-dir").arg(&file);
    run(command).refused_because("--backup-dir");
    let mut command = credenza(["serve", "--dev", "--backup-dir"]);
    command.arg(directory.path());
    run(command).refused_because("leave out --backup-dir");
    for (flag, value) in [("--backup-every", "soon"), ("--backup-keep", "0")] {
        let ended = run(credenza(["serve", flag, value]));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
}

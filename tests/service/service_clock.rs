//! The clock that the service goes by, where the machine's steps (L14, L15 and H27 of the
//! checklist). The rule alone, with more cases, is tested in `src/system/timeline`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use credenza::domain::ports::Clock as _;
use credenza::domain::times::Timestamp;
use credenza::system::clock::{SystemClock, monotonic_now};
use serde_json::{Value, json};

use crate::harness::process::{Ended, Service, credenza, run, serve};
use crate::harness::{Caller, OPERATOR, OPERATOR_SECRET, Response, Server, TENANT, jwt};

const CLIENTS: &str = "/ClientCredentialClients";
/// 2030-06-01T12:00:00Z, when the harness begins.
const NOON: i64 = 1_906_545_600;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3_653 * DAY;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0).unwrap()
}

/// Creates a client whose secret expires at some time.
fn expiring(server: &Server, seconds: i64) -> Caller {
    let operator = server.operator();
    let body = json!({ "SecretExpirationDate": at(seconds).to_string() });
    let created = operator.post(&operator.v1(CLIENTS), &body).expect(201);
    let created = created.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    operator.known_as(&text(&created["Client"]["Id"]), &text(&created["Secret"]))
}

#[track_caller]
fn issued_at(answer: Response) -> i64 {
    let claims = jwt::decode(&answer.expect(200).text("access_token")).claims;
    claims["iat"].as_i64().unwrap()
}

/// The `iat` of a new token of the first client.
#[track_caller]
fn now(server: &Server) -> i64 {
    let operator = crate::harness::anonymous(server.address()).known_as(OPERATOR, OPERATOR_SECRET);
    issued_at(operator.in_tenant(TENANT).token_answer())
}

fn file(data: &Path) -> PathBuf {
    data.join("clock")
}

fn remembered(data: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file(data)).unwrap()).unwrap()
}

/// Waits for what the service does on its own, once a second.
#[track_caller]
fn soon(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = monotonic_now() + Duration::from_secs(30);
    while !happened() {
        assert!(monotonic_now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn l14_a_clock_set_back_revives_no_secret_and_no_token_is_issued_earlier() {
    let mut server = Server::start();
    let client = expiring(&server, NOON + HOUR);
    client.token_answer().expect(200);
    server.clock.advance_seconds(HOUR);
    client.token_answer().expect(401);
    let token = server.operator();

    server.clock.set_wall(at(NOON - HOUR));
    client.token_answer().expect(401);
    assert_eq!(now(&server), NOON + HOUR);
    // Time goes on meanwhile, so that others expire when they should.
    let later = expiring(&server, NOON + 2 * HOUR);
    server.clock.advance_seconds(HOUR - 1);
    later.token_answer().expect(200);
    token.get(&token.v1("")).expect(200);
    server.clock.advance_seconds(1);
    later.token_answer().expect(401);
    token.get(&token.v1("")).refused(401);
    assert_eq!(now(&server), NOON + 2 * HOUR);

    server.restart();
    for client in [&client, &later] {
        client.moved_to(server.address()).token_answer().expect(401);
    }
    assert_eq!(now(&server), NOON + 2 * HOUR);
    // The clock is right again: nothing happens.
    server.clock.set_wall(at(NOON + 2 * HOUR));
    assert_eq!(now(&server), NOON + 2 * HOUR);
}

#[test]
fn l14_a_clock_set_back_while_the_service_is_stopped_revives_none_either() {
    let mut server = Server::start();
    let client = expiring(&server, NOON + HOUR);
    server.clock.advance_seconds(HOUR);
    client.token_answer().expect(401);
    server.stop();
    server.clock.set_wall(at(NOON - HOUR));
    server.run();
    client.moved_to(server.address()).token_answer().expect(401);
    assert_eq!(now(&server), NOON + HOUR);
    // Nor after a weekend, on the first day of which the mark is still that of Friday.
    server.stop();
    server.clock.set_wall(at(NOON + 3 * DAY));
    server.run();
    let weekend = expiring(&server, NOON + 3 * DAY + HOUR);
    server.clock.advance_seconds(HOUR);
    server.clock.set_wall(at(NOON + 3 * DAY - HOUR));
    weekend.token_answer().expect(401);
    server.restart();
    let weekend = weekend.moved_to(server.address());
    weekend.token_answer().expect(401);
    assert_eq!(now(&server), NOON + 3 * DAY + HOUR);
}

#[test]
fn l15_ten_years_ahead_and_back_does_no_lasting_damage() {
    for restarted in [false, true] {
        let mut server = Server::start();
        let next_year = expiring(&server, NOON + 365 * DAY);
        let operator = server.operator();
        let path = operator.v1(CLIENTS);
        let before = operator.get(&path).expect(200).body;

        server.clock.set_wall(at(NOON + TEN_YEARS));
        next_year.token_answer().expect(401);
        assert_eq!(now(&server), NOON + TEN_YEARS);
        let of_the_jump = server.operator();
        of_the_jump.get(&path).expect(200);
        if restarted {
            server.restart();
            let next_year = next_year.moved_to(server.address());
            next_year.token_answer().expect(401);
        }
        server.clock.advance_seconds(23 * HOUR);
        assert_eq!(now(&server), NOON + 23 * HOUR + TEN_YEARS);
        if restarted {
            server.stop();
            server.clock.set_wall(at(NOON + 23 * HOUR));
            server.run();
        } else {
            server.clock.set_wall(at(NOON + 23 * HOUR));
        }
        let next_year = next_year.moved_to(server.address());
        next_year.token_answer().expect(200);
        assert_eq!(now(&server), NOON + 23 * HOUR);
        // A token of the jump, which lives for ten years elsewhere, is dead here.
        of_the_jump
            .moved_to(server.address())
            .get(&path)
            .refused(401);
        // Nothing was deleted by the jump.
        let operator = server.operator();
        assert_eq!(operator.get(&path).expect(200).body, before);
        server.clock.advance_seconds(3 * DAY);
        assert_eq!(now(&server), NOON + 23 * HOUR + 3 * DAY);
    }
}

#[test]
fn l15_after_a_day_of_running_with_it_the_jump_is_the_truth() {
    let mut server = Server::start();
    let next_year = expiring(&server, NOON + 365 * DAY);
    server.clock.set_wall(at(NOON + TEN_YEARS));
    next_year.token_answer().expect(401);
    server.clock.advance_seconds(12 * HOUR);
    // A restart neither ends the count nor begins it anew.
    server.restart();
    server.clock.advance_seconds(12 * HOUR);
    assert_eq!(now(&server), NOON + DAY + TEN_YEARS);
    server.clock.set_wall(at(NOON + DAY));
    let next_year = next_year.moved_to(server.address());
    next_year.token_answer().expect(401);
    server.restart();
    next_year
        .moved_to(server.address())
        .token_answer()
        .expect(401);
    assert_eq!(now(&server), NOON + DAY + TEN_YEARS);
}

#[test]
fn h27_a_device_that_boots_in_1970_goes_on_from_the_mark() {
    let mut server = Server::start();
    let expired = expiring(&server, NOON + HOUR);
    server.clock.advance_seconds(HOUR);
    server.stop();
    server.clock.set_wall(at(12));
    server.run();
    assert_eq!(now(&server), NOON + HOUR);
    expired
        .moved_to(server.address())
        .token_answer()
        .expect(401);
    // Writes go by the same time.
    let operator = server.operator();
    let past = json!({ "SecretExpirationDate": at(NOON + HOUR).to_string() });
    operator
        .post(&operator.v1(CLIENTS), &past)
        .refused_because(400, "past");
    expiring(&server, NOON + HOUR + 1)
        .token_answer()
        .expect(200);
    server.clock.advance_seconds(DAY);
    assert_eq!(now(&server), NOON + HOUR + DAY);
    // The network is there at last, and with it the time.
    server.clock.set_wall(at(NOON + 2 * DAY));
    assert_eq!(now(&server), NOON + 2 * DAY);
}

#[test]
fn h27_the_very_first_start_may_be_in_1970() {
    let mut server = Server::start();
    server.stop();
    std::fs::remove_file(file(&server.data())).unwrap();
    server.clock.set_wall(at(12));
    server.run();
    assert_eq!(now(&server), 12);
    server.clock.set_wall(at(NOON));
    assert_eq!(now(&server), NOON);
    server.restart();
    assert_eq!(now(&server), NOON);
}

#[test]
fn the_mark_is_written_every_minute_and_at_a_stop() {
    let mut server = Server::start();
    let data = server.data();
    assert_eq!(remembered(&data)["mark"], at(NOON).to_string());
    server.clock.advance_seconds(60);
    let minute = at(NOON + 60).to_string();
    soon("it is written", || remembered(&data)["mark"] == *minute);
    server.clock.advance_seconds(5);
    server.stop();
    assert_eq!(remembered(&data)["mark"], at(NOON + 65).to_string());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file(&data)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_damaged_or_missing_file_is_no_reason_not_to_start() {
    let (_server, data) = stopped();
    for content in [
        None,
        Some(&b""[..]),
        Some(b"\0\xff{"),
        Some(b"{\"mark\":1}"),
    ] {
        match content {
            None => std::fs::remove_file(file(&data)).unwrap(),
            Some(content) => std::fs::write(file(&data), content).unwrap(),
        }
        let service = Service::start(serve(&data));
        let issued = issued_at(first_client(&service).token_answer());
        assert!((machine() - issued).abs() < 60);
        let ended = service.terminate();
        let told: Vec<_> = warnings(&ended);
        assert_eq!(told.len(), 1, "{ended:?}");
        assert!(told[0].contains("begins with the machine's clock"));
        assert_eq!(remembered(&data)["format_version"], 1);
    }
    // Nor is one that cannot be written.
    std::fs::remove_file(file(&data)).unwrap();
    std::fs::create_dir_all(file(&data).join("in-the-way")).unwrap();
    let service = Service::start(serve(&data));
    first_client(&service).token_answer().expect(200);
    let ended = service.terminate();
    let told = warnings(&ended);
    let unwritten = told
        .iter()
        .filter(|line| line.contains("cannot be written"));
    assert_eq!(unwritten.count(), 1, "{ended:?}");
    std::fs::remove_dir_all(file(&data)).unwrap();
}

fn remember(data: &Path, mark: Timestamp) {
    let line = json!({ "format_version": 1, "mark": mark.to_string() });
    std::fs::write(file(data), line.to_string()).unwrap();
}

/// The directory of a stopped service, for the real program.
fn stopped() -> (Server, PathBuf) {
    let mut server = Server::start();
    server.stop();
    let data = server.data();
    (server, data)
}

fn first_client(service: &Service) -> Caller {
    let caller = service.anonymous().known_as(OPERATOR, OPERATOR_SECRET);
    caller.in_tenant(TENANT)
}

/// The wall clock of the machine that runs the tests.
fn machine() -> i64 {
    SystemClock.now().unix_seconds()
}

fn warnings(ended: &Ended) -> Vec<&str> {
    let lines = ended.stderr.lines();
    lines.filter(|line| line.contains("WARN")).collect()
}

fn clock(deed: &str, data: &Path) -> Ended {
    let mut command = credenza(["clock", deed, "--data"]);
    command.arg(data);
    run(command)
}

#[test]
fn accept_makes_the_machines_clock_the_right_one() {
    let (_server, data) = stopped();
    let next_year = at(machine() + 400 * DAY);
    remember(&data, next_year);
    let service = Service::start(serve(&data));
    let client = first_client(&service);
    for _ in 0..20 {
        assert!(issued_at(client.token_answer()) >= next_year.unix_seconds());
    }
    clock("accept", &data).refused_because("another process has the data directory");
    let ended = service.terminate();
    let told = warnings(&ended);
    assert_eq!(told.len(), 1, "one line, not one a request: {ended:?}");
    let date = next_year.to_string()[..10].to_owned();
    assert!(told[0].contains(&date), "{told:?}");
    assert!(told[0].contains("credenza clock accept"), "{told:?}");

    let shown = clock("show", &data).succeeded().stdout;
    assert!(shown.contains(&format!("remembered  {date}")), "{shown}");
    let said = clock("accept", &data).succeeded().stdout;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].starts_with(&format!("before      {date}")),
        "{said}"
    );
    let after = lines[1].strip_prefix("now").unwrap().trim();
    let after = Timestamp::parse("now", after).unwrap();
    assert!((machine() - after.unix_seconds()).abs() < 60);

    let service = Service::start(serve(&data));
    let issued = issued_at(first_client(&service).token_answer());
    assert!((machine() - issued).abs() < 60);
    assert_eq!(warnings(&service.terminate()), Vec::<&str>::new());
}

#[test]
fn a_jump_ahead_is_told_once_and_shown() {
    let (_server, data) = stopped();
    remember(
        &data,
        Timestamp::parse("mark", "2020-01-01T00:00:00Z").unwrap(),
    );
    let service = Service::start(serve(&data));
    let client = first_client(&service);
    for _ in 0..20 {
        assert!((machine() - issued_at(client.token_answer())).abs() < 60);
    }
    let ended = service.terminate();
    let told = warnings(&ended);
    assert_eq!(told.len(), 1, "{ended:?}");
    assert!(told[0].contains("2020-01-01T00:00:00"), "{told:?}");
    let mark = remembered(&data)["mark"].as_str().unwrap().to_owned();
    assert!(mark.starts_with("2020-01-01T00:0"), "{mark}");
    let shown = clock("show", &data).succeeded().stdout;
    assert!(shown.contains("0.0 of 24 hours"), "{shown}");
    // It is known now, and not told again.
    let ended = Service::start(serve(&data)).terminate();
    assert_eq!(warnings(&ended), Vec::<&str>::new());
    clock("accept", &data).succeeded();
    assert_eq!(remembered(&data)["steps"], json!([]));
}

#[test]
fn where_there_is_no_store_no_clock_is_made() {
    let directory = tempfile::tempdir().unwrap();
    for deed in ["show", "accept"] {
        clock(deed, directory.path()).refused_because("no store");
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

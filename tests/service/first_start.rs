//! The first start of the real program: what it shows, to whom, and how often.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::TENANT;
use crate::harness::process::{Ended, Service, run, serve};

const CLIENTS: &str = "/ClientCredentialClients";
const SECRET: &str = "crdz_a-given-secret-of-the-tests_0123456789";

/// The commands that the first start printed, in one script.
fn printed_commands(printed: &str) -> String {
    let start = printed.find("  TOKEN=").unwrap();
    printed[start..]
        .lines()
        .filter(|line| line.starts_with("  "))
        .collect::<Vec<_>>()
        .join("\n")
}

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A start that printed a first client: its id and its secret.
fn shown(service: &Service) -> (String, String) {
    (
        service.printed_value("client id"),
        service.printed_value("client secret"),
    )
}

fn bootstrap(data: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = serve(data);
    for (name, value) in variables {
        command.env(format!("CREDENZA_BOOTSTRAP_{name}"), value);
    }
    command
}

#[track_caller]
fn refused(command: Command, words: &str) -> Ended {
    let ended = Service::try_start(command).err().expect("it starts");
    ended.refused_because(words);
    ended
}

#[test]
fn h20_the_secret_is_shown_once_on_standard_output_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("not/yet/there");
    let mut command = serve(&data);
    command.env("RUST_LOG", "trace");
    let service = Service::start(command);
    let (_, secret) = shown(&service);
    let printed = service.printed();
    assert!(secret.starts_with("crdz_") && secret.len() == 54);
    assert!(printed.contains("shown once"));
    let operator = service.first_client();
    let roles = operator.v1(&format!("{CLIENTS}/{}/Roles", operator.id));
    let names: Vec<_> = operator
        .get(&roles)
        .expect(200)
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["Name"].as_str().unwrap().to_owned())
        .collect();
    for name in ["Tenant Member", "Tenant Administrator", "Cluster Operator"] {
        assert!(names.iter().any(|held| held == name), "{names:?}");
    }
    let ended = service.terminate();
    assert!(!ended.stderr.contains(&secret[5..]), "the secret is logged");
    assert!(!ended.stderr.contains("PRIVATE KEY"));

    let again = Service::start(serve(&data));
    assert_eq!(again.printed(), "");
    operator.moved_to(again.address).token_answer().expect(200);
    let ended = again.terminate();
    assert_eq!(ended.stdout, "");
}

#[test]
fn the_printed_commands_work() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(serve(&directory.path().join("store")));
    let (id, secret) = shown(&service);
    let script = printed_commands(&service.printed());
    assert!(script.contains(&secret));
    let listed: serde_json::Value = serde_json::from_str(&sh(&script)).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["Id"], id.as_str());
    service.terminate();
}

#[test]
fn a_start_that_was_cut_short_begins_anew_and_prints_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = &directory.path().join("store");
    let with_one_issuer = || {
        let mut command = serve(data);
        command.args(["--issuer-base", "http://credenza.test"]);
        command
    };
    let first = Service::start(with_one_issuer());
    let (old_id, old_secret) = shown(&first);
    let old = first.first_client();
    first.kill();
    // As if it had been killed between its secret and its marker.
    std::fs::remove_file(data.join("marker")).unwrap();
    let second = Service::start(with_one_issuer());
    let (id, secret) = shown(&second);
    assert_ne!((&id, &secret), (&old_id, &old_secret));
    let old = old.moved_to(second.address);
    assert_eq!(old.token_answer().status, 401);
    // Its token is of the same key, and has no rights in the new store.
    old.get(&old.v1(CLIENTS)).refused(403);
    let operator = second.first_client();
    operator.get(&operator.v1(CLIENTS)).expect(200);
    second.terminate();
    assert!(data.join("marker").is_file());
}

#[test]
fn a_store_that_lost_its_marker_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let data = &directory.path().join("store");
    let service = Service::start(serve(data));
    let operator = service.first_client();
    let created = operator.post(&operator.v1(CLIENTS), &json!({ "Id": "precious" }));
    created.expect(201);
    service.terminate();
    let marker = std::fs::read(data.join("marker")).unwrap();
    std::fs::remove_file(data.join("marker")).unwrap();
    let ended = refused(serve(data), "marker is missing");
    assert_eq!(ended.stdout, "");
    // Nothing was lost by trying.
    std::fs::write(data.join("marker"), marker).unwrap();
    let service = Service::start(serve(data));
    let operator = service.again(&operator);
    operator
        .get(&operator.v1(&format!("{CLIENTS}/precious")))
        .expect(200);
    service.terminate();
}

#[test]
fn h20_the_environment_sets_the_first_client_up_without_printing_its_secret() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let variables = [
        ("TENANT_ID", "11111111111141118111111111111111"),
        ("CLIENT_ID", "given.client"),
        ("CLIENT_SECRET", SECRET),
    ];
    let mut command = bootstrap(&data, &variables);
    command.env("RUST_LOG", "trace");
    let service = Service::start(command);
    let operator = service
        .anonymous()
        .in_tenant(TENANT)
        .known_as("given.client", SECRET);
    operator.token_answer().expect(200);
    assert!(service.printed().contains(TENANT));
    let ended = service.terminate();
    assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET));

    // On the first start alone: other values change nothing afterwards, and none is looked at.
    let other = "another-secret-that-is-long-enough-0123456789";
    let later = [
        ("CLIENT_ID", "other"),
        ("CLIENT_SECRET_FILE", "/nonexistent/secret"),
        ("TENANT_ID", "no guid"),
    ];
    for variables in [&[("CLIENT_SECRET", other)][..], &later] {
        let service = Service::start(bootstrap(&data, variables));
        assert_eq!(service.printed(), "");
        let operator = operator.moved_to(service.address);
        operator.token_answer().expect(200);
        assert_eq!(operator.known_as("other", other).token_answer().status, 401);
        service.terminate();
    }
}

#[test]
fn the_secret_can_come_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    for end in ["", "\n", "\r\n"] {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(&file, format!("{SECRET}{end}")).unwrap();
        let variables = [
            ("CLIENT_ID", "given"),
            ("CLIENT_SECRET_FILE", file.to_str().unwrap()),
        ];
        let service = Service::start(bootstrap(&data.path().join("store"), &variables));
        let printed = service.printed();
        let (_, tenant) = printed.split_once("with tenant ").unwrap();
        let (tenant, _) = tenant.split_once(' ').unwrap();
        let operator = service
            .anonymous()
            .in_tenant(tenant)
            .known_as("given", SECRET);
        operator.token_answer().expect(200);
        let ended = service.terminate();
        assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET));
    }
}

#[test]
fn ids_alone_are_taken_and_the_secret_is_drawn_and_printed() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("TENANT_ID", TENANT), ("CLIENT_ID", "given")];
    let service = Service::start(bootstrap(&directory.path().join("store"), &variables));
    let operator = service.first_client();
    assert_eq!(
        (operator.tenant.as_str(), operator.id.as_str()),
        (TENANT, "given")
    );
    service.terminate();
}

#[test]
fn unfit_bootstrap_values_are_refused_without_showing_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let missing = directory.path().join("missing");
    let missing = missing.to_str().unwrap();
    let short = "x".repeat(31);
    let long = "x".repeat(257);
    for (variables, words) in [
        (vec![("CLIENT_SECRET", short.as_str())], "32 to 256"),
        (vec![("CLIENT_SECRET", &long)], "32 to 256"),
        (
            vec![("CLIENT_SECRET", "spaces are not allowed in a secret here")],
            "A-Z a-z 0-9",
        ),
        (
            vec![("TENANT_ID", "11111111-1111-4111-8111-11111111111")],
            "GUID",
        ),
        (vec![("TENANT_ID", "my-tenant")], "GUID"),
        (vec![("CLIENT_ID", "a client")], "1 to 64"),
        (vec![("CLIENT_ID", "..")], "1 to 64"),
        (
            vec![("CLIENT_SECRET", SECRET), ("CLIENT_SECRET_FILE", missing)],
            "set one",
        ),
        (vec![("CLIENT_SECRET_FILE", missing)], missing),
    ] {
        let ended = refused(bootstrap(&data, &variables), words);
        for (name, value) in variables {
            if name == "CLIENT_SECRET" {
                assert!(!ended.stderr.contains(value), "{}", ended.stderr);
            }
        }
    }
    // Nothing of that is in the way of a good start.
    let service = Service::start(serve(&data));
    service.first_client();
    service.terminate();
    let ended = run({
        let mut command = crate::harness::process::credenza(["check", "--data"]);
        command.arg(&data);
        command
    });
    ended.succeeded();
}

#[test]
fn a_secret_that_could_not_be_shown_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = serve(&directory.path().join("store"));
    command.stdout(writer);
    run(command).refused_because("could not be shown");
    let service = Service::start(serve(&directory.path().join("store")));
    service.first_client();
    service.terminate();
}

#[cfg(unix)]
#[test]
fn everything_in_the_data_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut command = Command::new("sh");
    let program = serve(&data);
    let arguments: Vec<_> = program
        .get_args()
        .map(|argument| argument.to_str().unwrap().to_owned())
        .collect();
    let program = program.get_program().to_str().unwrap().to_owned();
    // Whatever the umask of whoever starts it.
    command.args(["-c", "umask 000; exec \"$0\" \"$@\"", &program]);
    command.args(arguments);
    let service = Service::start(command);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("signing-key.pem")), 0o600);
    service.terminate();
    assert_eq!(mode(&data.join("marker")), 0o600);
}

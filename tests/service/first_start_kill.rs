//! kill -9 in the middle of a first start: the next start begins anew and prints again, or goes on
//! with what the first one had printed. There is no third way.

use std::path::Path;
use std::process::Stdio;

use crate::harness::Caller;
use crate::harness::process::{Service, credenza, run, serve};

const CLIENTS: &str = "/ClientCredentialClients";

/// Starts a service and kills it as soon as something is there. Gives what it had printed.
fn kill_as_soon_as(data: &Path, is_there: impl Fn(&str) -> bool) -> String {
    let stdout = tempfile::NamedTempFile::new().unwrap();
    let mut command = serve(data);
    command.args(["--issuer-base", "http://credenza.test"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout.reopen().unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let printed = || std::fs::read_to_string(stdout.path()).unwrap();
    while !is_there(&printed()) {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    printed()
}

fn value(printed: &str, label: &str) -> String {
    let mut lines = printed.lines();
    let value = lines.find_map(|line| line.trim_start().strip_prefix(label));
    value.expect(label).trim().to_owned()
}

/// The client that was printed, at the service that runs now.
fn printed_client(service: &Service, printed: &str) -> Caller {
    service
        .anonymous()
        .in_tenant(&value(printed, "tenant"))
        .known_as(
            &value(printed, "client id"),
            &value(printed, "client secret"),
        )
}

#[test]
fn a_first_start_killed_at_any_moment_is_made_good_by_the_next() {
    let files = [
        "",
        "lock",
        "sled",
        "sled/conf",
        "sled/db",
        "signing-key.pem.new",
        "signing-key.pem",
        "printed",
        "marker.new",
        "marker",
    ];
    for file in files {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("store");
        let before = kill_as_soon_as(&data, |printed| match file {
            "printed" => !printed.is_empty(),
            // These two are there for a moment only.
            "signing-key.pem.new" | "marker.new" => {
                let (name, _) = file.rsplit_once('.').unwrap();
                data.join(file).exists() || data.join(name).exists()
            }
            _ => data.join(file).exists(),
        });
        let complete = data.join("marker").exists();
        let service = Service::start(serve(&data));
        let printed = service.printed();
        assert_eq!(printed.is_empty(), complete, "killed at {file}");
        let mut client = match complete {
            true => printed_client(&service, &before),
            false => {
                if before.contains("curl") {
                    let forgotten = printed_client(&service, &before);
                    assert_eq!(forgotten.token_answer().status, 401);
                }
                printed_client(&service, &printed)
            }
        };
        client.fetch_token();
        let listed = client.get(&client.v1(CLIENTS)).expect(200);
        assert_eq!(listed.ids(), [client.id.as_str()], "killed at {file}");
        service.terminate();
        let mut check = credenza(["check", "--data"]);
        check.arg(&data);
        run(check).succeeded();
    }
}

//! The control socket: whose it is, where it lies, and what strangers on it come to.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::backup::{backup, lines};
use crate::harness::process::{Service, credenza, run, serve};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_socket_is_its_owners_and_gone_after_a_clean_stop() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let socket = data.join("control.sock");
    let service = Service::start(serve(&data));
    assert!(socket.metadata().unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o600);
    assert!(!data.join("control.new").exists());
    service.terminate();
    assert!(!socket.exists());
}

#[test]
fn a_stale_socket_is_replaced_and_stops_no_command() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let socket = data.join("control.sock");
    Service::start(serve(&data)).kill();
    assert!(socket.exists(), "a kill leaves it behind");
    backup(&data, &directory.path().join("1")).succeeded();
    let service = Service::start(serve(&data));
    backup(&data, &directory.path().join("2")).succeeded();
    service.terminate();
    // Somebody else's, who listens on it and is no service.
    drop(UnixListener::bind(&socket).unwrap());
    let service = Service::start(serve(&data));
    backup(&data, &directory.path().join("3")).succeeded();
    service.terminate();
    assert!(!socket.exists());
}

#[test]
fn where_the_path_is_too_long_the_socket_lies_in_a_private_directory() {
    let directory = tempfile::tempdir().unwrap();
    let temporary = directory.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let data = directory.path().join("d".repeat(60)).join("e".repeat(60));
    let start = || {
        let mut command = serve(&data);
        command.env("TMPDIR", &temporary);
        Service::start(command)
    };
    let made = || {
        let entries = temporary.read_dir().unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let killed = start();
    assert_eq!(made().len(), 1);
    killed.kill();
    backup(&data, &directory.path().join("1")).succeeded();

    let service = start();
    let private = made();
    assert_eq!(private.len(), 1, "what the kill left behind is gone");
    assert_eq!(mode(&private[0]), 0o700);
    assert_eq!(mode(&private[0].join("control.sock")), 0o600);
    assert_eq!(mode(&data.join("control")), 0o600);
    assert!(!data.join("control.sock").exists());
    backup(&data, &directory.path().join("2")).succeeded();
    // A directory that others can enter is not believed.
    std::fs::set_permissions(&private[0], PermissionsExt::from_mode(0o755)).unwrap();
    backup(&data, &directory.path().join("3")).refused_because("is not private");
    std::fs::set_permissions(&private[0], PermissionsExt::from_mode(0o700)).unwrap();
    service.terminate();
    assert!(made().is_empty() && !data.join("control").exists());

    // Nor is a socket anywhere else.
    std::fs::write(data.join("control"), "/tmp/control.sock\n").unwrap();
    std::fs::set_permissions(data.join("control"), PermissionsExt::from_mode(0o600)).unwrap();
    backup(&data, &directory.path().join("4")).refused_because("names no socket of a service");
}

#[test]
fn strangers_on_the_socket_get_a_reason_and_harm_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let socket = data.join("control.sock");
    for text in [
        "GET / HTTP/1.1\r\n\r\n",
        "{}\n",
        "{\"do\":\"everything\"}\n",
        "\n",
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("does not know this request"), "{answer}");
    }
    // One that asks and hangs up, and one that is cut off in its request.
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"{\"do\":\"backup\",\"with_key\":false}\n")
        .unwrap();
    drop(stream);
    drop(UnixStream::connect(&socket).unwrap());
    let operator = service.first_client();
    operator.get("/api/v1/Tenants").expect(200);
    // As many as may work at one time say nothing: the next one is told, and a stop waits for none.
    let silent: Vec<_> = (0..4).map(|_| connected(&socket)).collect();
    let to = directory.path().join("a");
    backup(&data, &to).refused_because("commands are under way");
    service.terminate();
    drop(silent);
}

#[test]
fn a_stop_does_not_wait_for_whoever_reads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut command = serve(&data);
    command.arg("--demo");
    let service = Service::start(command);
    let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
    stream
        .write_all(b"{\"do\":\"backup\",\"with_key\":false}\n")
        .unwrap();
    // The rest is more than a socket buffers.
    stream.read_exact(&mut [0; 1_000]).unwrap();
    let ended = service.terminate();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!data.join("control.sock").exists());
}

/// A connection that is being served: those of before may take a moment to end.
fn connected(socket: &Path) -> UnixStream {
    loop {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_millis(200)))
            .unwrap();
        if stream
            .read_exact(&mut [0])
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        {
            return stream;
        }
    }
}

#[test]
fn one_tenant_can_be_exported_and_its_id_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut command = serve(&data);
    command.arg("--demo");
    let service = Service::start(command);
    let export = |tenant: &str, to: &Path| {
        let mut command = credenza(["export", "--data"]);
        command
            .arg(&data)
            .arg("--to")
            .arg(to)
            .args(["--tenant", tenant]);
        run(command)
    };
    let first = service.first_client().tenant;
    let to = directory.path().join("one");
    export(&first, &to).succeeded();
    let found = lines(&to);
    assert_eq!(found[0]["credenza"], "export");
    assert_eq!(
        found
            .iter()
            .filter(|line| line.get("tenant").is_some())
            .count(),
        1
    );
    let to = directory.path().join("none");
    export("plant", &to).refused_because("is no tenant's id");
    let absent = "99999999-9999-4999-8999-999999999999";
    export(absent, &to).refused_because("there is no tenant 9999");
    service.terminate();
    export(absent, &to).refused_because("there is no tenant 9999");
    assert!(!to.exists());
}

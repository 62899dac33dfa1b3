//! The real program on its command line: where it listens, `--dev` and `--demo`, one process a
//! directory, and how it ends.

use std::io::{Read as _, Write as _};
use std::process::Command;

use serde_json::json;

use crate::harness::process::{Service, credenza, run, serve};
use crate::harness::{Caller, jwt, wire};

const CLIENTS: &str = "/ClientCredentialClients";
const DEV_SECRET: &str = "crdz_dev-secret-for-writing-programs-on-this-machine";

/// `serve` with these flags, in a directory that must not be touched.
#[track_caller]
fn refused(flags: &[&str], words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let mut command = credenza(["serve", "--data"]);
    command.arg(&data).args(flags);
    let ended = Service::try_start(command).err().expect("it starts");
    ended.refused_because(words);
    assert_eq!(ended.stdout, "");
    assert!(!data.exists(), "{flags:?} left something behind");
}

fn dev() -> Command {
    credenza(["serve", "--dev", "--listen", "127.0.0.1:0"])
}

#[test]
fn t36_plain_http_beyond_loopback_is_refused() {
    let words = "--behind-tls-proxy";
    refused(&["--listen", "192.0.2.1:0"], words);
    refused(&["--listen", "0.0.0.0:0"], words);
    refused(&["--listen", "[::]:0"], words);
    let given = ["--listen", "0.0.0.0:0", "--issuer-base", "https://a.test"];
    refused(&given, words);
}

#[test]
fn without_an_issuer_where_none_is_known_the_line_to_add_is_named() {
    for listen in ["0.0.0.0:0", "127.0.0.1:0", "[::]:0"] {
        let flags = ["--behind-tls-proxy", "--listen", listen];
        refused(&flags, "add --issuer-base");
    }
    refused(&["--issuer-base", "id.example.com"], "--issuer-base");
    refused(&["--issuer-base", "https://a.test?x=y"], "--issuer-base");
}

#[test]
fn behind_a_proxy_the_issuer_is_what_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = credenza(["serve", "--listen", "0.0.0.0:0", "--data"]);
    command.arg(directory.path().join("store"));
    command.env("CREDENZA_BEHIND_TLS_PROXY", "true");
    command.env("CREDENZA_ISSUER_BASE", "https://id.example.com/");
    let service = Service::start(command);
    assert!(service.address.ip().is_unspecified());
    let printed = service.printed();
    let token = "curl -s https://id.example.com/identity/connect/token";
    assert!(printed.contains(token), "{printed}");
    let near = ([127, 0, 0, 1], service.address.port()).into();
    let metadata = service
        .anonymous()
        .moved_to(near)
        .get("/.well-known/oauth-authorization-server/identity");
    let issuer = metadata.expect(200).text("issuer");
    assert_eq!(issuer, "https://id.example.com/identity");
    service.terminate();
}

#[test]
fn port_0_is_a_free_port_and_the_issuer_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(serve(&directory.path().join("store")));
    assert_ne!(service.address.port(), 0);
    let metadata = service
        .anonymous()
        .get("/identity/.well-known/openid-configuration")
        .expect(200);
    assert_eq!(
        metadata.text("issuer"),
        format!("http://{}/identity", service.address)
    );
    let anonymous = service.anonymous();
    anonymous.get("/health/ready").expect(200);
    // The port is taken: another service says so, and leaves no half of a store.
    let taken = service.address.to_string();
    refused(&["--listen", &taken], "cannot listen on");
    service.terminate();
}

fn dev_client(service: &Service) -> Caller {
    let tenant = service.printed_value("tenant");
    Caller::authenticated(service.address, &tenant, "dev", DEV_SECRET)
}

#[test]
fn dev_has_a_fixed_secret_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = dev();
    command.current_dir(directory.path());
    command.env("CREDENZA_DATA", directory.path().join("store"));
    let service = Service::start(command);
    let client = dev_client(&service);
    let created = client.post(&client.v1(CLIENTS), &json!({ "Id": "new" }));
    created.expect(201);
    service.terminate();
    let left: Vec<_> = directory.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // The next one begins anew, with the same client and the same tenant.
    let service = Service::start(dev());
    let again = dev_client(&service);
    assert_eq!(again.tenant, client.tenant);
    again.get(&again.v1(&format!("{CLIENTS}/new"))).refused(404);
    service.terminate();
}

#[test]
fn dev_listens_on_loopback_only() {
    for rest in [
        &[][..],
        &["--behind-tls-proxy"],
        &["--issuer-base", "http://x"],
    ] {
        let flags = [&["--dev", "--listen", "0.0.0.0:0"], rest].concat();
        refused(&flags, "loopback");
    }
}

#[test]
fn demo_has_a_thousand_clients_in_two_tenants_however_often_it_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let demo = || {
        let mut command = serve(&directory.path().join("store"));
        command.arg("--demo");
        command
    };
    let service = Service::start(demo());
    let operator = service.first_client();
    let sizes = |operator: &Caller| {
        let tenants = operator.get("/api/v1/Tenants").expect(200).ids();
        assert!(tenants.contains(&operator.tenant));
        let count = |tenant: &String| {
            let inside = operator.in_tenant(tenant);
            inside.head(&inside.v1(CLIENTS)).expect(200).total()
        };
        let mut sizes: Vec<_> = tenants.iter().map(count).collect();
        sizes.sort_unstable();
        sizes
    };
    // The first client is one of the first tenant's.
    assert_eq!(sizes(&operator), [400, 601]);
    let page = operator.get(&operator.v1(&format!("{CLIENTS}?count=1000")));
    let page = page.expect(200).json();
    let tag = page
        .as_array()
        .unwrap()
        .iter()
        .find_map(|client| client["Tags"][0].as_str())
        .unwrap();
    let tagged = operator.v1(&format!("{CLIENTS}?tag={tag}&count=1000"));
    let tagged = operator.get(&tagged).expect(200);
    assert_eq!(tagged.total(), tagged.ids().len());
    assert!(tagged.total() > 0);
    service.terminate();

    let service = Service::start(demo());
    assert_eq!(service.printed(), "");
    assert_eq!(sizes(&service.again(&operator)), [400, 601]);
    service.terminate();
}

#[test]
fn dev_and_demo_exclude_each_other() {
    let mut both = dev();
    both.arg("--demo");
    run(both).refused_because("leave out --demo");
}

#[test]
fn every_flag_can_come_from_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("elsewhere");
    let mut command = credenza(["serve"]);
    for (name, value) in [
        ("LISTEN", "127.0.0.1:0"),
        ("DATA", data.to_str().unwrap()),
        ("ISSUER_BASE", "https://id.example.com"),
        ("BEHIND_TLS_PROXY", "1"),
        ("AUDIENCE", "our-apis"),
        ("MAX_CLIENTS_PER_TENANT", "2"),
        ("MEMORY", "256MiB"),
        ("DEMO", "off"),
        ("DEV", "false"),
    ] {
        command.env(format!("CREDENZA_{name}"), value);
    }
    let service = Service::start(command);
    assert!(data.join("marker").is_file());
    let operator = service.first_client();
    let claims = jwt::decode(operator.token.as_ref().unwrap()).claims;
    assert_eq!(claims["aud"], "our-apis");
    assert_eq!(claims["iss"], "https://id.example.com/identity");
    let create = || operator.post(&operator.v1(CLIENTS), &json!({}));
    create().expect(201);
    create().refused_because(400, "2");
    service.terminate();
    for word in ["1", "yes", "on", "TRUE"] {
        let mut command = credenza(["serve", "--listen", "127.0.0.1:0"]);
        command.env("CREDENZA_DEV", word).env("CREDENZA_DEMO", "0");
        let service = Service::start(command);
        dev_client(&service);
        service.terminate();
    }
    // A word that is neither is not taken for either.
    let mut command = dev();
    command.env("CREDENZA_BEHIND_TLS_PROXY", "flase");
    assert_eq!(run(command).status.code(), Some(2));
}

#[test]
fn h31_a_second_process_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(serve(&directory.path().join("store")));
    let operator = service.first_client();
    let second = Service::try_start(serve(&directory.path().join("store"))).err();
    second
        .expect("it starts")
        .refused_because("another process has the data directory");
    operator.get(&operator.v1(CLIENTS)).expect(200);
    service.terminate();
}

#[test]
fn sigterm_and_sigint_end_it_well() {
    for signal in ["TERM", "INT"] {
        let directory = tempfile::tempdir().unwrap();
        let service = Service::start(serve(&directory.path().join("store")));
        // Its connection stays open and idle.
        let operator = service.first_client();
        let body = json!({ "Id": "last" });
        operator.post(&operator.v1(CLIENTS), &body).expect(201);
        let began = credenza::system::clock::monotonic_now();
        service.signal(signal);
        let ended = service.wait().succeeded();
        assert!(began.elapsed().as_secs() < 10, "an idle connection held it");
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
        let service = Service::start(serve(&directory.path().join("store")));
        let operator = service.again(&operator);
        let last = operator.v1(&format!("{CLIENTS}/last"));
        operator.get(&last).expect(200);
        service.terminate();
    }
}

#[test]
fn what_is_in_flight_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(serve(&directory.path().join("store")));
    let operator = service.first_client();
    let mut socket = wire::connect(service.address);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n",
        operator.v1(CLIENTS),
        operator.token.as_ref().unwrap()
    );
    socket.write_all(head.as_bytes()).unwrap();
    // The service asks for the body: the request is in its hands.
    let mut asked = [0; 25];
    socket.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    service.signal("TERM");
    // It has begun to stop when nobody new is let in.
    while std::net::TcpStream::connect(service.address).is_ok() {
        std::thread::yield_now();
    }
    socket.write_all(br#"{"Id":"inflight"}"#).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    service.wait().succeeded();
    let service = Service::start(serve(&directory.path().join("store")));
    let operator = service.again(&operator);
    let path = operator.v1(&format!("{CLIENTS}/inflight"));
    operator.get(&path).expect(200);
    service.terminate();
}

#[test]
fn secrets_and_tokens_never_reach_the_log() {
    let mut command = dev();
    command.env("RUST_LOG", "trace");
    let service = Service::start(command);
    let client = dev_client(&service);
    let canary = "crdz_canary-0123456789-0123456789-0123456789";
    let created = client
        .post(&client.v1(CLIENTS), &json!({ "Id": "seen" }))
        .expect(201);
    let secret = created.text("Secret");
    let form = |secret: &str| {
        format!("grant_type=client_credentials&client_id=seen&client_secret={secret}")
    };
    let anonymous = service.anonymous();
    let token_path = "/identity/connect/token";
    anonymous.form(token_path, &form(&secret)).expect(200);
    anonymous.form(token_path, &form(canary)).expect(401);
    let query = format!("{token_path}?{}", form(canary));
    anonymous.form(&query, "").expect(401);
    client
        .with_token(canary)
        .get(&client.v1(CLIENTS))
        .expect(401);
    let query = client.v1(&format!("{CLIENTS}?access_token={canary}"));
    anonymous.get(&query).expect(401);
    let secrets = client.v1(&format!("{CLIENTS}/seen/Secrets"));
    for path in [
        format!("/{canary}"),
        format!("/identity/token;{canary}/x"),
        format!("/crdz%5f{0}%2F{0}", &canary[5..]),
    ] {
        let error = client.get(&path).refused_because(404, "crdz_…");
        assert!(!error.to_string().contains(&canary[5..]), "{error}");
    }
    client.get(&format!("{secrets}/{canary}")).refused(404);
    let path = client.v1(&format!("{CLIENTS}/{canary}"));
    client.get(&path).refused(404);
    let token = client.token.clone().unwrap();
    let log = service.terminate().stderr;
    assert!(log.contains("connect/token"), "the log is there");
    assert!(log.contains("/identity/token;crdz_…/x"), "and the path");
    for (name, value) in [
        ("canary", &canary[5..]),
        ("secret", &secret[5..]),
        ("token", token.rsplit('.').next().unwrap()),
    ] {
        let line = log.lines().find(|line| line.contains(value));
        assert_eq!(line, None, "{name}");
    }
}

#[test]
fn h23_no_text_breaks_or_turns_a_line_of_the_log() {
    let mut command = dev();
    command.env("RUST_LOG", "trace");
    let service = Service::start(command);
    let client = dev_client(&service);
    // Line ends, the escape of terminals, line ends of Unicode, and what turns the direction.
    let odd = "a\r\n2030-01-01 ERROR forged\u{1b}[31m\u{2028}\u{2029}\u{202e}\u{85}b";
    let encoded: String = odd.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = json!({ "Id": "odd", "Name": odd, "Tags": ["a"], "SecretDescription": odd });
    client.post(&client.v1(CLIENTS), &body);
    client.post(
        &client.v1("/Roles"),
        &json!({ "Name": odd, "Description": odd }),
    );
    client.put(&client.v1(""), &json!({ "CompanyName": odd, "Alias": odd }));
    for path in [
        format!("/{encoded}"),
        client.v1(&format!("{CLIENTS}/{encoded}")),
        client.v1(&format!(
            "{CLIENTS}?id={encoded}&tag={encoded}&skip={encoded}"
        )),
        client.v1(&format!("/Roles/{encoded}")),
        format!("/api/v1/Tenants/{encoded}"),
    ] {
        client.get(&path);
    }
    let form = format!("grant_type={encoded}&client_id={encoded}&client_secret={encoded}");
    service.anonymous().form("/identity/connect/token", &form);
    let header = "a\u{1b}[31m\u{2028}";
    for name in ["User-Agent", "Request-Timeout", "Content-Type", "Accept"] {
        let path = client.v1(CLIENTS);
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: {header}");
        wire::exchange(service.address, format!("{head}\r\n\r\n").as_bytes());
    }
    let log = service.terminate().stderr;
    assert!(log.contains("connect/token"), "the log is there");
    for line in log.lines() {
        assert!(
            !line.contains("ERROR forged") || line.starts_with('['),
            "{line}"
        );
        let bad = |c: char| {
            c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')
        };
        assert!(!line.contains(bad), "{line:?}");
    }
}

#[test]
fn rows_of_the_store_never_reach_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = serve(&directory.path().join("store"));
    command.env("RUST_LOG", "trace,sled=trace");
    let log = Service::start(command).terminate().stderr;
    assert!(log.contains("TRACE"), "the log is there");
    let line = log.lines().find(|line| line.contains("sled::"));
    assert_eq!(line, None);
}

#[test]
fn version_says_name_and_number() {
    let ended = run(credenza(["version"])).succeeded();
    let expected = format!("credenza {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(ended.stdout, expected);
    assert_eq!(ended.stderr, "");
}

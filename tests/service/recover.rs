//! `credenza recover`: a way back in when every operator is locked out.

use std::path::Path;

use credenza::domain::ids::Epoch;
use credenza::domain::times::Timestamp;
use credenza::store::archive::{ArchiveWriter, Header, Kind};
use serde_json::json;

use crate::backup::restore;
use crate::harness::process::{Ended, Service, credenza, run, serve};
use crate::harness::{ADMINISTRATOR, CLUSTER_OPERATOR, Caller, OPERATOR, Server, TENANT};

const CLIENTS: &str = "/ClientCredentialClients";

fn recover(data: &Path, flags: &[&str]) -> Ended {
    let mut command = credenza(["recover", "--data"]);
    command.arg(data).args(flags);
    run(command)
}

/// The client that was printed.
fn printed(ended: &Ended, server: &Server) -> Caller {
    let value = |label: &str| {
        let mut lines = ended.stdout.lines();
        let line = lines.find_map(|line| line.trim_start().strip_prefix(label));
        line.unwrap().trim().to_owned()
    };
    let (tenant, id, secret) = (value("tenant"), value("client id"), value("client secret"));
    assert!(!ended.stderr.contains(&secret));
    Caller::authenticated(server.address(), &tenant, &id, &secret)
}

#[test]
fn h14_when_the_last_operators_secret_has_expired_there_is_a_way_back() {
    let mut server = Server::start();
    let operator = server.operator();
    let path = operator.v1(&format!("{CLIENTS}/{OPERATOR}/Secrets/1"));
    let expiration = json!({ "Expiration": "2030-06-01T12:30:00Z" });
    operator.put(&path, &expiration).expect(200);
    server.clock.advance_seconds(3_600);
    operator.token_answer().expect(401);
    server.stop();

    let ended = recover(&server.data(), &[]).succeeded();
    server.run();
    let recovered = printed(&ended, &server);
    assert_eq!(recovered.tenant, TENANT, "where an operator is");
    recovered.get("/api/v1/Tenants").expect(200);
    let own = recovered.v1(&format!("{CLIENTS}/{}", recovered.id));
    let client = recovered.get(&own).expect(200).json();
    let roles = client["RoleIds"].as_array().unwrap();
    assert_eq!(roles.len(), 3);
    assert!(roles.contains(&json!(CLUSTER_OPERATOR)));
    assert!(roles.contains(&json!(roles_of(&recovered, ADMINISTRATOR))));
    // It can give the one of before a new secret.
    let path = recovered.v1(&format!("{CLIENTS}/{OPERATOR}/Secrets"));
    let secret = recovered
        .post(&path, &json!({ "Expires": false }))
        .expect(201)
        .text("Secret");
    let operator = operator
        .moved_to(server.address())
        .known_as(OPERATOR, &secret);
    operator.token_answer().expect(200);
}

fn roles_of(caller: &Caller, kind: &str) -> String {
    let path = caller.v1(&format!("/Roles?roleTypeId={kind}"));
    let roles = caller.get(&path).expect(200).json();
    roles[0]["Id"].as_str().unwrap().to_owned()
}

#[test]
fn a_tenant_can_be_named_and_must_be_there() {
    let mut server = Server::start();
    let tenant = server.new_tenant("Second");
    let words = "another process has the data directory";
    recover(&server.data(), &[]).refused_because(words);
    server.stop();
    let absent = "99999999-9999-4999-8999-999999999999";
    recover(&server.data(), &["--tenant", absent]).refused_because("There is no tenant 9999");
    let ended = recover(&server.data(), &["--tenant", &tenant]).succeeded();
    server.run();
    let recovered = printed(&ended, &server);
    assert_eq!(recovered.tenant, tenant);
    recovered.get("/api/v1/Tenants").expect(200);
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("missing");
    recover(&data, &[]).refused_because("no store");
    assert!(!data.exists());
}

#[test]
fn a_store_without_a_tenant_gets_one() {
    let directory = tempfile::tempdir().unwrap();
    let (file, data) = (directory.path().join("a"), directory.path().join("store"));
    let header = Header {
        kind: Kind::Backup,
        store: uuid::Uuid::nil(),
        epoch: Epoch(1),
        taken: Timestamp::parse("taken", crate::harness::NOON).unwrap(),
        has_key: false,
    };
    let out = std::fs::File::create(&file).unwrap();
    ArchiveWriter::new(out, &header).unwrap().finish().unwrap();
    restore(&file, &data).succeeded();
    let ended = recover(&data, &[]).succeeded();
    assert!(ended.stdout.contains("client secret  crdz_"));
    let mut check = credenza(["check", "--data"]);
    check.arg(&data);
    run(check).succeeded();
    let service = Service::start(serve(&data));
    assert_eq!(service.printed(), "", "it is no first start");
    service.terminate();
}

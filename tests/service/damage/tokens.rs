//! Tokens and callers where clients are damaged.

use super::*;
use crate::harness::process::{Service, serve};

/// What the token endpoint says to credentials, with a tenant or without.
fn token(caller: &Caller, id: &str, secret: &str, tenant: Option<&str>) -> Response {
    let tenant = tenant.map_or(String::new(), |id| format!("&acr_values=tenant:{id}"));
    let form =
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{tenant}");
    caller
        .without_token()
        .form("/identity/connect/token", &form)
}

#[test]
fn a_damaged_client_is_as_good_as_unknown_at_the_token_endpoint() {
    let ground = Ground::new();
    for tenant in [Some(ground.operator.tenant.as_str()), None] {
        let (whole, broken) = (&ground.pumps[0], &ground.pumps[1]);
        token(whole, "pump-a", &whole.secret, tenant).expect(200);
        let unknown = token(broken, "nobody", &broken.secret, tenant).expect(401);
        let refused = token(broken, "pump-b", &broken.secret, tenant).expect(401);
        assert_eq!(refused.text("error"), "invalid_client");
        assert_eq!(refused.json(), unknown.json());
        let names = |answer: &Response| -> Vec<String> {
            answer
                .headers
                .iter()
                .map(|(name, _)| name.clone())
                .collect()
        };
        assert_eq!(names(&refused), names(&unknown));
    }
}

#[test]
fn a_caller_whose_own_client_is_damaged_is_refused_and_the_others_go_on() {
    let ground = Ground::new();
    for pump in &ground.pumps {
        let broken = DAMAGED.contains(&pump.id.as_str());
        let paths = [
            pump.v1(CLIENTS),
            pump.v1(&format!("{CLIENTS}/pump-a")),
            pump.v1(&format!("{CLIENTS}/{}", pump.id)),
            pump.v1("/Roles"),
            pump.v1(""),
        ];
        for path in paths {
            let answer = pump.get(&path);
            if broken {
                let error = answer.refused_because(500, &pump.id);
                assert!(error["Resolution"].as_str().unwrap().contains("check"));
            } else {
                let list = path.ends_with(CLIENTS);
                answer.expect(if list { 207 } else { 200 });
            }
        }
        if broken {
            let own = pump.v1(&format!("{CLIENTS}/{}/Secrets", pump.id));
            pump.post(&own, &json!({ "Expires": false })).refused(500);
        }
    }
}

#[test]
fn the_log_names_each_damaged_thing_once_however_often_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let service = Service::start(serve(&data));
    let operator = service.first_client();
    let path = operator.v1(CLIENTS);
    let mut secrets = Vec::new();
    for id in ["pump-a", "pump-b"] {
        let mut body = json!({ "Id": id });
        if id == "pump-b" {
            body["SecretDescription"] = long_description().into();
        }
        let created = operator.post(&path, &body).expect(201);
        secrets.push(created.text("Secret"));
    }
    service.terminate();
    flip(&data, "clients", b"pump-a");
    flip(&data, "secrets", b"pump-b\0\0\0\x01");
    let service = Service::start(serve(&data));
    let operator = service.again(&operator);
    for _ in 0..20 {
        for (id, secret) in ["pump-a", "pump-b"].iter().zip(&secrets) {
            operator.known_as(id, secret).token_answer().expect(401);
        }
        operator.get(&path).expect(207);
    }
    let log = service.terminate().stderr;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("amaged")).collect();
    for words in [
        "damaged: client pump-a of tenant",
        "damaged: secret 1 of client pump-b of tenant",
    ] {
        assert!(lines.iter().any(|line| line.contains(words)), "{log}");
    }
    // The client's row, what it means for the client, and the secret.
    assert_eq!(lines.len(), 3, "{log}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()));
    }
}

//! Tokens and callers where clients are damaged.

use super::*;

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

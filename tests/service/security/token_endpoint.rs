//! The token endpoint: how a client shows who it is (T01 to T16 and T38 of the checklist).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::response::keys;
use crate::harness::{Caller, OPERATOR, OPERATOR_SECRET, Response, Server, anonymous, jwt, wire};

pub const TOKEN: &str = "/identity/connect/token";
pub const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
/// Nearly the secret of the first client.
const WRONG: [&str; 4] = [
    "crdz_operator-secret-of-the-tests-0123456780",
    "crdz_operator-secret-of-the-tests-01234567890",
    "crdz_operator-secret-of-the-tests-012345678",
    "CRDZ_operator-secret-of-the-tests-0123456789",
];
const GRANT: &str = "grant_type=client_credentials";

/// Posts a form with headers of its own.
pub fn post(server: &Server, headers: &[(&str, &str)], form: &str) -> Response {
    let headers = [&[FORM], headers].concat();
    anonymous(server.address()).send("POST", TOKEN, &headers, Some(form.as_bytes()))
}

/// The form of the first client, with something behind it.
pub fn form_and(rest: &str) -> String {
    format!("{GRANT}&client_id={OPERATOR}&client_secret={OPERATOR_SECRET}{rest}")
}

/// Fails the test unless this is an OAuth error as RFC 6749 section 5.2 has it, which repeats
/// nothing that a test sends as an id or a secret.
#[track_caller]
pub fn refused(answer: Response, status: u16, error: &str) -> Response {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let body = answer.json();
    assert_eq!(keys(&body), ["error", "error_description"]);
    assert_eq!(body["error"], error);
    let description = body["error_description"].as_str().unwrap();
    let allowed = |c: char| matches!(c, '\x20'..='\x7e') && c != '"' && c != '\\';
    assert!(!description.is_empty() && description.chars().all(allowed));
    assert!(!description.contains("operator") && !description.contains("crdz"));
    assert!(answer.header("operation-id").is_some());
    let challenge = (status == 401).then_some(r#"Basic realm="credenza""#);
    assert_eq!(answer.header("www-authenticate"), challenge);
    answer
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

pub fn with_authorization(server: &Server, value: &str, form: &str) -> Response {
    post(server, &[("Authorization", value)], form)
}

/// Percent-encodes everything but letters and digits, as the strictest libraries do.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// A client whose id has every character that needs thought.
fn odd_client(server: &Server) -> Caller {
    let operator = server.operator();
    let clients = operator.v1("/ClientCredentialClients");
    let body = json!({ "Id": "Pump-1_a.b~c", "AccessTokenLifetime": 600 });
    let created = operator.post(&clients, &body).expect(201);
    operator.known_as("Pump-1_a.b~c", &created.text("Secret"))
}

#[test]
fn t01_a_form_gets_a_bearer_token() {
    let server = Server::start();
    let client = odd_client(&server);
    let answer = client.token_answer().expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert!(answer.header("operation-id").is_some());
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], Value::from(600));
    assert_eq!(body["scope"], "ocsapi");
    let claims = jwt::decode(&answer.text("access_token")).claims;
    assert_eq!(claims["client_id"], client.id.as_str());
}

#[test]
fn t02_there_is_no_refresh_token() {
    let server = Server::start();
    let body = post(&server, &[], &form_and("")).expect(200).json();
    let members = ["access_token", "expires_in", "scope", "token_type"];
    assert_eq!(keys(&body), members);
}

#[test]
fn t03_basic_takes_the_place_of_a_secret_in_the_body() {
    let server = Server::start();
    let header = basic(OPERATOR, OPERATOR_SECRET);
    let answer = with_authorization(&server, &header, GRANT).expect(200);
    let claims = jwt::decode(&answer.text("access_token")).claims;
    assert_eq!(claims["client_id"], OPERATOR);
}

#[test]
fn t05_basic_is_taken_with_raw_characters() {
    let server = Server::start();
    let client = odd_client(&server);
    let header = basic(&client.id, &client.secret);
    with_authorization(&server, &header, GRANT).expect(200);
}

#[test]
fn t04_basic_is_taken_percent_encoded() {
    let server = Server::start();
    let client = odd_client(&server);
    let header = basic(&encoded(&client.id), &encoded(&client.secret));
    with_authorization(&server, &header, GRANT).expect(200);
    let lower = basic(
        &encoded(&client.id).replace("%2D", "%2d"),
        &encoded(&client.secret).replace("%5F", "%5f"),
    );
    with_authorization(&server, &lower, GRANT).expect(200);
}

#[test]
fn t06_the_scheme_is_read_in_any_case() {
    let server = Server::start();
    for scheme in ["bAsIC", "basic", "BASIC"] {
        let header = basic(OPERATOR, OPERATOR_SECRET).replace("Basic", scheme);
        with_authorization(&server, &header, GRANT).expect(200);
    }
}

#[test]
fn t07_broken_basic_is_invalid_client() {
    let server = Server::start();
    let encode = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes));
    let broken = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!!".to_owned(),
        "Basic YQ".to_owned(),
        encode(b"no colon"),
        encode(b":"),
        encode(b"operator:"),
        encode(b":secret"),
        encode(b"operator:\xff\xfe"),
        encode(b"operator:%zz"),
        encode(b"operator:%"),
        encode(b"operator:\0"),
        encode(&[0; 3_000]),
    ];
    for header in broken {
        refused(
            with_authorization(&server, &header, GRANT),
            401,
            "invalid_client",
        );
    }
}

#[test]
fn t08_a_wrong_secret_in_basic_is_invalid_client_with_a_challenge() {
    let server = Server::start();
    for wrong in WRONG {
        let header = basic(OPERATOR, wrong);
        let answer = with_authorization(&server, &header, GRANT);
        refused(answer, 401, "invalid_client");
    }
}

#[test]
fn t09_a_wrong_secret_in_the_body_is_invalid_client_with_a_challenge() {
    let server = Server::start();
    for wrong in WRONG {
        let form = format!("{GRANT}&client_id={OPERATOR}&client_secret={wrong}");
        refused(post(&server, &[], &form), 401, "invalid_client");
    }
}

#[test]
fn t10_an_unknown_client_is_answered_as_a_wrong_secret_is() {
    let server = Server::start();
    let shown = |id: &str, in_basic: bool| {
        let mut answer = match in_basic {
            true => with_authorization(&server, &basic(id, "wrong"), GRANT),
            false => {
                let form = format!("{GRANT}&client_id={id}&client_secret=wrong");
                post(&server, &[], &form)
            }
        };
        answer.headers.retain(|(name, _)| {
            !name.eq_ignore_ascii_case("date") && !name.eq_ignore_ascii_case("operation-id")
        });
        answer.headers.sort();
        (answer.status, answer.headers, answer.body)
    };
    let wrong_secret = shown(OPERATOR, false);
    assert_eq!(shown(OPERATOR, true), wrong_secret);
    assert_eq!(wrong_secret.0, 401);
    let none_can_have_it = "%2E%2E%2F%00";
    for id in [
        "nobody",
        "b1c2c7a0-4a1b-4f5e-9a34-0c2f4c1f1111",
        none_can_have_it,
    ] {
        assert_eq!(shown(id, false), wrong_secret, "{id}");
        assert_eq!(shown(id, true), wrong_secret, "{id}");
    }
}

#[test]
fn t11_missing_credentials_are_invalid_client() {
    let server = Server::start();
    let (id, secret) = (OPERATOR, OPERATOR_SECRET);
    for form in [
        GRANT.to_owned(),
        format!("{GRANT}&client_id={id}"),
        format!("{GRANT}&client_id={id}&client_secret="),
        format!("{GRANT}&client_id={id}&client_secret"),
        format!("{GRANT}&client_secret={secret}"),
        format!("{GRANT}&client_id=&client_secret={secret}"),
    ] {
        refused(post(&server, &[], &form), 401, "invalid_client");
    }
}

#[test]
fn t12_basic_and_a_body_secret_is_invalid_request() {
    let server = Server::start();
    let header = basic(OPERATOR, OPERATOR_SECRET);
    for secret in [OPERATOR_SECRET, "other"] {
        let form = format!("{GRANT}&client_secret={secret}");
        refused(
            with_authorization(&server, &header, &form),
            400,
            "invalid_request",
        );
    }
    // A parameter without a value is as if it were not there.
    let form = format!("{GRANT}&client_secret=");
    with_authorization(&server, &header, &form).expect(200);
}

#[test]
fn t13_the_same_client_id_may_stand_beside_basic() {
    let server = Server::start();
    let header = basic(OPERATOR, OPERATOR_SECRET);
    let same = format!("{GRANT}&client_id={OPERATOR}");
    with_authorization(&server, &header, &same).expect(200);
}

#[test]
fn t14_another_client_id_beside_basic_is_invalid_request() {
    let server = Server::start();
    let header = basic(OPERATOR, OPERATOR_SECRET);
    for other in ["other", "Operator", "..", "%20operator"] {
        let form = format!("{GRANT}&client_id={other}");
        refused(
            with_authorization(&server, &header, &form),
            400,
            "invalid_request",
        );
    }
}

#[test]
fn t15_two_ways_to_authenticate_are_invalid_request() {
    let server = Server::start();
    let header = basic(OPERATOR, OPERATOR_SECRET);
    let twice = [
        ("Authorization", header.as_str()),
        ("Authorization", header.as_str()),
    ];
    refused(post(&server, &twice, GRANT), 400, "invalid_request");
    let bearer = format!("Bearer {}", server.operator().token.unwrap());
    refused(
        with_authorization(&server, &bearer, &form_and("")),
        400,
        "invalid_request",
    );
    refused(
        with_authorization(&server, &bearer, GRANT),
        401,
        "invalid_client",
    );
}

#[test]
fn t16_credentials_in_the_query_count_for_nothing() {
    let server = Server::start();
    let path = format!("{TOKEN}?{}", form_and(""));
    for body in ["", GRANT] {
        let answer =
            anonymous(server.address()).send("POST", &path, &[FORM], Some(body.as_bytes()));
        refused(answer, 401, "invalid_client");
    }
}

#[test]
fn t38_each_of_a_thousand_pipelined_answers_belongs_to_its_request() {
    let server = Server::start();
    let operator = server.operator();
    let clients: Vec<(String, String)> = (0..10)
        .map(|number| {
            let id = format!("mixed-{number}");
            let path = operator.v1("/ClientCredentialClients");
            let created = operator.post(&path, &json!({ "Id": id })).expect(201);
            (id, created.text("Secret"))
        })
        .collect();
    let request = |number: usize| {
        let (id, secret) = &clients[number * 7 % 10];
        // Every ninth is refused: the answers differ in kind, too.
        let secret = if number % 9 == 8 { "wrong" } else { secret };
        let last = if number == 249 {
            "Connection: close\r\n"
        } else {
            ""
        };
        let form = format!("{GRANT}&client_id={id}&client_secret={secret}");
        format!(
            "POST {TOKEN} HTTP/1.1\r\nHost: credenza.test\r\n{last}Content-Type: {}\r\nContent-Length: {}\r\n\r\n{form}",
            FORM.1,
            form.len()
        )
    };
    let requests: String = (0..250).map(request).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let replies = wire::exchange(server.address(), requests.as_bytes());
                assert_eq!(replies.len(), 250);
                for (number, reply) in replies.iter().enumerate() {
                    if number % 9 == 8 {
                        assert_eq!(reply.status, 401, "{number}");
                        continue;
                    }
                    assert_eq!(reply.status, 200, "{number}");
                    let body: Value = serde_json::from_slice(&reply.body).unwrap();
                    let claims = jwt::decode(body["access_token"].as_str().unwrap()).claims;
                    assert_eq!(claims["client_id"], clients[number * 7 % 10].0.as_str());
                }
            });
        }
    });
}

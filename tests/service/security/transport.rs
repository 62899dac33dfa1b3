//! What lies between a client and the service: pages of other origins (T37), proxies (H25), and more
//! connections than there are files (H06).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use credenza::http::cors::parse_origin;
use credenza::http::edge::Edge;
use credenza::http::source::Network;
use serde_json::json;

use crate::harness::process::{Service, serve};
use crate::harness::{Caller, Choices, Response, Server, anonymous};

const CLIENTS: &str = "/ClientCredentialClients";
const PAGE: &str = "https://app.example.com";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const CORS: [&str; 6] = [
    ALLOW_ORIGIN,
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "access-control-max-age",
];

fn has_no_cors(answer: &Response) {
    for name in CORS {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

/// What a browser asks before it lets a page of an origin send a request.
fn preflight(origin: &str) -> [(&str, &str); 3] {
    [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization,content-type",
        ),
    ]
}

#[test]
fn t37_pages_of_other_origins_get_nothing_by_default() {
    let server = Server::start();
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    let answer = operator.send("GET", &path, &[("Origin", PAGE)], None);
    has_no_cors(&answer.expect(200));
    let answer = operator.send("OPTIONS", &path, &preflight(PAGE), None);
    has_no_cors(&answer.expect(405));
    let token = "/identity/connect/token";
    let answer = operator.send("OPTIONS", token, &preflight(PAGE), None);
    has_no_cors(&answer.expect(405));
}

#[test]
fn t37_pages_of_a_named_origin_may_read_answers_and_no_others() {
    let origins = [PAGE, "http://localhost:3000"];
    let server = Server::with(Choices {
        edge: Edge {
            origins: origins.map(|origin| parse_origin(origin).unwrap()).into(),
            ..Edge::default()
        },
        ..Choices::default()
    });
    let operator = server.operator();
    let nobody = anonymous(server.address());
    let path = operator.v1(CLIENTS);
    let varies = |answer: &Response| {
        let vary = answer.header("vary").unwrap_or_default();
        assert!(vary.split(", ").any(|name| name == "Origin"), "{vary}");
    };
    for origin in origins {
        // Without a token: a browser sends none with it.
        let answer = nobody.send("OPTIONS", &path, &preflight(origin), None);
        let answer = answer.expect(204);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header(ALLOW_ORIGIN), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let allowed = |name: &str| answer.header(name).unwrap().to_ascii_lowercase();
        let headers = allowed("access-control-allow-headers");
        for name in [
            "authorization",
            "content-type",
            "if-match",
            "if-none-match",
            "request-timeout",
        ] {
            assert!(headers.split(", ").any(|own| own == name), "{headers}");
        }
        let methods = allowed("access-control-allow-methods");
        for name in ["get", "head", "post", "put", "delete"] {
            assert!(methods.split(", ").any(|own| own == name), "{methods}");
        }
        varies(&answer);
        for (caller, status) in [(&operator, 200), (&nobody, 401)] {
            let answer = caller.send("GET", &path, &[("Origin", origin)], None);
            let answer = answer.expect(status);
            assert_eq!(answer.header(ALLOW_ORIGIN), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let exposed = answer.header("access-control-expose-headers").unwrap();
            for name in [
                "Operation-Id",
                "Total-Count",
                "ETag",
                "Link",
                "Location",
                "WWW-Authenticate",
                "Retry-After",
            ] {
                assert!(exposed.split(", ").any(|own| own == name), "{exposed}");
            }
            varies(&answer);
        }
    }
    for origin in [
        "null",
        "*",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil.example",
        "https://APP.example.com",
    ] {
        let answer = operator.send("GET", &path, &[("Origin", origin)], None);
        let answer = answer.expect(200);
        has_no_cors(&answer);
        varies(&answer);
        let answer = operator.send("OPTIONS", &path, &preflight(origin), None);
        has_no_cors(&answer.expect(405));
    }
    // A cache must not give a page what it kept for somebody else.
    varies(&operator.get(&path).expect(200));
    // No preflight: nothing is asked of the browser's.
    let plain = operator.send("OPTIONS", &path, &[("Origin", PAGE)], None);
    plain.expect(405);
}

/// What the service says of the source of a request with these headers.
fn source_told(flags: &[&str], headers: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut command = serve(&directory.path().join("store"));
    command.args(flags).env("RUST_LOG", "info,credenza=debug");
    let service = Service::start(command);
    let path = "/identity/.well-known/openid-configuration";
    let answer = service.anonymous().send("GET", path, headers, None);
    // Nothing else hears of them (D07).
    let issuer = format!("http://{}/identity", service.address);
    assert_eq!(answer.expect(200).text("issuer"), issuer);
    let said = service.terminate().stderr;
    let line = said.lines().find(|line| line.contains(path)).unwrap();
    line.rsplit(" for ").next().unwrap().to_owned()
}

#[test]
fn h25_a_forwarded_address_is_believed_from_a_trusted_proxy_alone() {
    let forged = [
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=203.0.113.8;host=evil.example;proto=https"),
    ];
    assert_eq!(source_told(&[], &forged), "127.0.0.1");
    let another = ["--trusted-proxy", "10.0.0.0/8,192.0.2.1"];
    assert_eq!(source_told(&another, &forged), "127.0.0.1");
    let ours = [
        "--trusted-proxy",
        "10.0.0.0/8",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    assert_eq!(source_told(&ours, &forged), "203.0.113.7");
    let behind = [("X-Forwarded-For", "127.0.0.1, 203.0.113.7, 10.0.0.2")];
    assert_eq!(source_told(&ours, &behind), "203.0.113.7");
    assert!(Network::parse("10.0.0.1/8").is_err());
}

/// Opens so many connections, or as many as there can be, that ask for nothing.
fn idle(address: SocketAddr, many: usize) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect(address);
    (0..many).map_while(|number| connect(number).ok()).collect()
}

/// The service, where two workers may have about a hundred connections together.
fn with_few_files(directory: &std::path::Path) -> Service {
    let program = serve(&directory.join("store"));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 192; exec \"$0\" \"$@\""]);
    command.arg(program.get_program()).args(program.get_args());
    Service::start(command)
}

/// Everybody who comes now is served, and the store takes what he writes.
fn newcomers_are_served(service: &Service, operator: &Caller) {
    let began = credenza::system::clock::monotonic_now();
    for _ in 0..20 {
        let newcomer = service.again(operator);
        newcomer.get("/health/ready").expect(200);
        newcomer.post(&newcomer.v1(CLIENTS), &json!({})).expect(201);
    }
    // Nobody waited until a slow body was given up.
    let waited = began.elapsed();
    assert!(waited < credenza::http::limits::BODY, "{waited:?}");
}

fn ended_without_want(service: Service) {
    let said = service.terminate().stderr;
    assert!(!said.contains("Too many open files"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn h06_idle_connections_make_room_for_a_client_that_asks() {
    let directory = tempfile::tempdir().unwrap();
    let service = with_few_files(directory.path());
    let operator = service.first_client();
    let idle = idle(service.address, 600);
    assert_eq!(idle.len(), 600);
    newcomers_are_served(&service, &operator);
    // Those that had to go were closed in good order.
    let closed = idle.iter().filter(|one| is_closed(one)).count();
    assert!(closed > 400, "{closed}");
    ended_without_want(service);
}

/// Whether the other side has closed a connection, without waiting for it.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0; 1]), Ok(0))
}

#[cfg(target_os = "linux")]
#[test]
fn h06_requests_that_wait_for_their_client_make_room_too() {
    let directory = tempfile::tempdir().unwrap();
    let service = with_few_files(directory.path());
    let operator = service.first_client();
    let token = operator.token.clone().unwrap();
    // Ten bytes that never come, and answers that nobody reads.
    let body = format!(
        "POST /api/v1/Tenants/{}{CLIENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 10\r\n\r\n",
        operator.tenant
    );
    let half_a_head = "GET /health/live HTTP/1.1\r\nHost:";
    for request in [body.as_str(), half_a_head] {
        let slow = idle(service.address, 300);
        assert_eq!(slow.len(), 300);
        for mut one in &slow {
            let _ = one.write_all(request.as_bytes());
        }
        newcomers_are_served(&service, &operator);
    }
    ended_without_want(service);
}

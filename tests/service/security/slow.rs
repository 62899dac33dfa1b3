//! Clients that are slow on purpose (H05): each step has a time, after which the connection is closed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use credenza::http::limits::Deadlines;
use credenza::http::listen::Transport;
use serde_json::json;

use crate::harness::{Choices, Server, wire};

const CLIENTS: &str = "/ClientCredentialClients";

/// One step has a second, and the others more than any test waits.
fn with(deadlines: Deadlines) -> Server {
    Server::with(Choices {
        transport: Transport {
            deadlines,
            ..Transport::default()
        },
        ..Choices::default()
    })
}

const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(600);
const NEVER: Deadlines = Deadlines {
    handshake: LATE,
    head: LATE,
    body: LATE,
    answer: LATE,
    idle: LATE,
};

/// Everything that comes until the service closes the connection, which it has to.
fn until_closed(mut stream: &TcpStream) -> String {
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the service does not close the connection: {error}"),
    }
    String::from_utf8(received).unwrap()
}

const WHOLE: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn h05_a_head_that_does_not_end_is_given_up() {
    let server = with(Deadlines {
        head: SOON,
        ..NEVER
    });
    let mut first = wire::connect(server.address());
    first
        .write_all(b"GET /health/live HTTP/1.1\r\nHost:")
        .unwrap();
    let answer = until_closed(&first);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // A later one of a connection, which the HTTP library has no time for.
    let mut second = wire::connect(server.address());
    second.write_all(WHOLE.as_bytes()).unwrap();
    let mut answer = [0; 12];
    second.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    second
        .write_all(b"GET /health/live HTTP/1.1\r\nHost:")
        .unwrap();
    let rest = until_closed(&second);
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
}

#[test]
fn h05_a_connection_without_a_request_is_closed() {
    let server = with(Deadlines {
        idle: SOON,
        ..NEVER
    });
    let silent = wire::connect(server.address());
    let mut kept = wire::connect(server.address());
    kept.write_all(WHOLE.as_bytes()).unwrap();
    assert!(until_closed(&kept).starts_with("HTTP/1.1 200 "));
    assert_eq!(until_closed(&silent), "");
}

#[test]
fn h05_a_body_that_does_not_come_is_408_and_nothing_is_done() {
    let server = with(Deadlines {
        body: SOON,
        ..NEVER
    });
    let operator = server.operator();
    let token = operator.token.as_ref().unwrap();
    let path = operator.v1(CLIENTS);
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (method, path, token, kind, status) in [
        (
            "POST",
            path.as_str(),
            token.as_str(),
            "Content-Type: application/json",
            "408",
        ),
        ("POST", "/identity/connect/token", "", form, "408"),
        // What nobody wants to read: the answer does not wait longer for it either.
        ("GET", &path, token, "X: x", "200"),
        ("POST", &path, "", "X: x", "401"),
    ] {
        // The longest deadline that a client may ask for does not help him.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{kind}\r\n\
             Request-Timeout: 300\r\nContent-Length: 20\r\n\r\n{{\"Id\":"
        );
        let mut stream = wire::connect(server.address());
        stream.write_all(request.as_bytes()).unwrap();
        let answer = until_closed(&stream);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{method} {path}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(operator.get(&path).expect(200).total(), 1);
}

#[test]
fn h05_an_answer_that_nobody_takes_is_given_up() {
    let server = with(Deadlines {
        answer: SOON,
        ..NEVER
    });
    let operator = server.operator();
    let path = operator.v1(CLIENTS);
    // A list of far more bytes, asked for often enough, than sockets hold.
    for number in 0..200 {
        let body = json!({ "Id": format!("slow-{number}"), "Tags": ["x".repeat(100)] });
        operator.post(&path, &body).expect(201);
    }
    let token = operator.token.as_ref().unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut stream = wire::connect(server.address());
    stream
        .set_write_timeout(Some(Duration::from_secs(12)))
        .unwrap();
    let refused = loop {
        // The service stops reading while it cannot write, and then closes.
        if let Err(error) = stream.write_all(request.repeat(16).as_bytes()) {
            break error;
        }
    };
    let closed = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(closed.contains(&refused.kind()), "{refused}");
}

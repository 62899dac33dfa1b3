//! The time of a refusal says nothing of its reason (H02), over loopback: requests of each kind in
//! turn on one connection, and their medians. A request that is dearer must be noticed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use credenza::system::clock::monotonic_now;
use serde_json::json;

use super::token_endpoint::{FORM, TOKEN};
use crate::harness::{Server, how_many, wire};

/// From so many rounds on the medians say something.
const ENOUGH: u64 = 50_000;
const LARGEST: Duration = Duration::from_micros(1);

/// One connection, on which every answer has the same length.
struct Line {
    socket: TcpStream,
    length: usize,
}

impl Line {
    fn open(server: &Server, first: &[u8]) -> Self {
        let mut socket = wire::connect(server.address());
        socket.set_nodelay(true).unwrap();
        socket.write_all(first).unwrap();
        let mut answer = vec![0; 16 * 1024];
        let length = socket.read(&mut answer).unwrap();
        Self { socket, length }
    }

    fn ask(&mut self, request: &[u8]) -> Duration {
        let mut answer = [0; 16 * 1024];
        let answer = &mut answer[..self.length];
        let begun = monotonic_now();
        self.socket.write_all(request).unwrap();
        self.socket.read_exact(answer).unwrap();
        let taken = begun.elapsed();
        assert!(answer.starts_with(b"HTTP/1.1 401 "));
        taken
    }
}

fn request(id: &str, secret: &str, rest: &str) -> Vec<u8> {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{rest}");
    let (name, kind) = FORM;
    let length = form.len();
    let head = format!("POST {TOKEN} HTTP/1.1\r\nHost: x\r\n{name}: {kind}");
    format!("{head}\r\nContent-Length: {length}\r\n\r\n{form}").into_bytes()
}

#[test]
fn h02_medians_of_every_refusal_lie_together() {
    let server = Server::start();
    let operator = server.operator();
    let create = |body| {
        let path = operator.v1("/ClientCredentialClients");
        operator.post(&path, &body).expect(201).text("Secret")
    };
    let right = create(json!({ "Id": "client-a" }));
    let of_disabled = create(json!({ "Id": "client-b", "Enabled": false }));
    let date = "2030-06-01T12:00:01Z";
    let of_expired = create(json!({ "Id": "client-c", "SecretExpirationDate": date }));
    server.clock.advance_seconds(1);
    let wrong = format!("{}{}", &right[..right.len() - 6], "AAAAAA");
    let kinds = [
        ("wrong", request("client-a", &wrong, "")),
        ("wrong again", request("client-a", &wrong, "")),
        ("unknown", request("client-z", &wrong, "")),
        ("disabled", request("client-b", &of_disabled, "")),
        ("expired", request("client-c", &of_expired, "")),
        (
            "dearer",
            request(
                "client-a",
                &wrong,
                &"&another-parameter=of-some-length".repeat(95),
            ),
        ),
    ];
    let rounds = how_many("CREDENZA_REFUSALS", 100);
    let mut line = Line::open(&server, &kinds[0].1);
    let mut times = kinds.each_ref().map(|_| Vec::new());
    for round in 0..rounds as usize {
        for turn in 0..kinds.len() {
            let which = (turn + round) % kinds.len();
            times[which].push(line.ask(&kinds[which].1));
        }
    }
    let medians = times.each_mut().map(|times| {
        times.sort();
        times[times.len() / 2]
    });
    for ((kind, _), median) in kinds.iter().zip(medians) {
        let difference = median.abs_diff(medians[0]);
        println!("{kind}: median {median:?}, {difference:?} from the first");
        if rounds >= ENOUGH {
            assert_eq!(difference > LARGEST, *kind == "dearer", "{kind}");
        }
    }
}

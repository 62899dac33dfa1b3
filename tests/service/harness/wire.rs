//! HTTP as bytes on a socket, for what no HTTP library sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

/// How long the service may be silent before a test fails. Below its keep-alive: a connection that
/// it should close and does not is noticed.
const PATIENCE: Duration = Duration::from_secs(12);

/// Sends bytes and reads answers until the service closes the connection. The last request must
/// ask for that, or be such that the service has to close.
pub fn exchange(address: SocketAddr, requests: &[u8]) -> Vec<Reply> {
    let mut socket = connect(address);
    let mut sender = socket.try_clone().unwrap();
    let mut received = Vec::new();
    std::thread::scope(|scope| {
        // Beside the reading: who pipelines must read while he writes. The service may close
        // before it has read everything.
        scope.spawn(move || {
            let _ = sender.write_all(requests);
        });
        match socket.read_to_end(&mut received) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the service does not close the connection: {error}"),
        }
    });
    replies(&received)
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("half an answer: {}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap());
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let (body, rest) = bytes[end + 4..].split_at(length);
        replies.push(Reply {
            status,
            head,
            body: body.to_vec(),
        });
        bytes = rest;
    }
    replies
}

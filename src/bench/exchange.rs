//! One request and its answer, waited for: what a benchmark asks before and beside its load.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

use super::{Failure, mixes};

/// Sends a request over a connection of its own and gives the status and the body of the answer.
/// `line` is method and path.
pub fn exchange(
    address: SocketAddr,
    line: &str,
    content_type: &str,
    body: &str,
) -> Result<(u16, Vec<u8>), Failure> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let status = answer
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    match (end, status.and_then(|digits| digits.parse().ok())) {
        (Some(end), Some(status)) => Ok((status, answer.split_off(end + 4))),
        _ => Err(Failure::new(format!(
            "{address} gave no answer of HTTP/1.1"
        ))),
    }
}

/// Fetches a token.
pub fn token(address: SocketAddr, client: &str, secret: &str) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
    }
    let (status, body) = exchange(
        address,
        "POST /identity/connect/token",
        "application/x-www-form-urlencoded",
        &mixes::token_form(client, secret),
    )?;
    match serde_json::from_slice::<Granted>(&body) {
        Ok(granted) if status == 200 => Ok(granted.access_token),
        _ => Err(Failure::new(format!(
            "{address} gave {client} no token: status {status}"
        ))),
    }
}

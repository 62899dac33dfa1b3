//! Load on the release binary: connections that stay open, one thread a caller, and what was measured.

#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each benchmark uses a part of it, and all of them measure time"
)]

pub mod service;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    authorization: String,
    answer: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr, token: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let authorization = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        Ok(Self {
            stream,
            address,
            authorization,
            answer: Vec::new(),
        })
    }

    /// Sends a request, reads its answer to the end, and gives its body. Any other status than the
    /// expected one is an error that quotes the answer.
    pub fn call(
        &mut self,
        request: &str,
        content_type: &str,
        body: &str,
        expected: u16,
    ) -> io::Result<&[u8]> {
        let (address, authorization, length) = (self.address, &self.authorization, body.len());
        let request = format!(
            "{request} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer.clear();
        let head = loop {
            let ended = self.answer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = ended {
                break end + 4;
            }
            self.read()?;
        };
        let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
        let status = text.get(9..12).and_then(|digits| digits.parse().ok());
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(Ok(0), |digits| digits.trim().parse::<usize>());
        let length = length.map_err(io::Error::other)?;
        while self.answer.len() < head + length {
            self.read()?;
        }
        if status != Some(expected) {
            let answer = String::from_utf8_lossy(&self.answer);
            return Err(io::Error::other(format!("not {expected}: {answer}")));
        }
        Ok(&self.answer[head..])
    }

    pub fn call_json(&mut self, request: &str, body: &str, expected: u16) -> io::Result<&[u8]> {
        self.call(request, "application/json", body, expected)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut part = [0; 4096];
        match self.stream.read(&mut part)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.answer.extend_from_slice(&part[..length]);
                Ok(())
            }
        }
    }
}

/// How fast some callers were.
pub struct Measured {
    /// Operations in a second.
    pub rate: f64,
    pub operations: usize,
    /// How long each took.
    pub times: Vec<Duration>,
}

/// Lets callers work at once, each on a thread of its own, until the time is over. `caller` makes
/// what one of them does, again and again, before the time begins.
pub fn measure<C, F>(callers: usize, time: Duration, caller: C) -> Measured
where
    C: Fn() -> F + Sync,
    F: FnMut(),
{
    let ready = Barrier::new(callers);
    let started = Instant::now();
    let results: Vec<(Instant, Instant, Vec<Duration>)> = std::thread::scope(|scope| {
        let work = || {
            let mut operation = caller();
            let mut times = Vec::new();
            ready.wait();
            let first = Instant::now();
            let mut before = first;
            while before - first < time {
                operation();
                let after = Instant::now();
                times.push(after - before);
                before = after;
            }
            (first, before, times)
        };
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no caller fails"))
            .collect()
    });
    let first = results.iter().map(|(first, ..)| *first).min();
    let last = results.iter().map(|(_, last, _)| *last).max();
    let seconds = (last.unwrap_or(started) - first.unwrap_or(started)).as_secs_f64();
    let times: Vec<_> = results.into_iter().flat_map(|(.., times)| times).collect();
    Measured {
        rate: times.len() as f64 / seconds,
        operations: times.len(),
        times,
    }
}

/// What this part of them is not longer than, in milliseconds.
pub fn quantile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    let place = (times.len() as f64 * part) as usize;
    times[place.min(times.len() - 1)].as_secs_f64() * 1e3
}

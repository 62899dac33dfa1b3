//! A connection of the load that stays open: one request at a time, sent and its answer read without
//! waiting.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::answer::Answer;

/// A connection, and what is under way on it.
pub struct Connection {
    stream: TcpStream,
    /// The request, and how much of it is sent.
    request: Vec<u8>,
    sent: usize,
    answer: Answer,
    /// When the request under way was due; `None` where there is none.
    due: Option<Instant>,
}

/// What a look at a connection came to.
pub enum Progress {
    /// The answer is not complete; so many bytes more of it are here.
    Waiting(u64),
    /// The answer is complete, with its last bytes.
    Answered { bytes: u64, due: Instant },
}

impl Connection {
    pub fn open(
        address: SocketAddr,
        registry: &Registry,
        token: Token,
        bodyless: bool,
    ) -> io::Result<Self> {
        // Waits until it is there: a connection that is refused is told of here.
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            request: Vec::new(),
            sent: 0,
            answer: Answer::new(bodyless),
            due: None,
        })
    }

    pub fn is_idle(&self) -> bool {
        self.due.is_none()
    }

    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Sends a request that was due at a time. `write` appends it to an empty buffer.
    pub fn send(&mut self, due: Instant, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.request.clear();
        write(&mut self.request);
        self.sent = 0;
        self.answer.restart();
        self.due = Some(due);
        self.send_on()
    }

    /// Sends what is left of the request, as far as the connection takes it.
    fn send_on(&mut self) -> io::Result<()> {
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on after the connection has become readable or writable.
    pub fn go_on(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        self.send_on()?;
        let mut bytes = 0;
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) if self.is_idle() => return Err(closed("between two requests")),
                Ok(0) => return Err(closed("in the middle of an answer")),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Waiting(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            bytes += length as u64;
            let complete = self.answer.feed(&buffer[..length]);
            if complete.map_err(|malformed| io::Error::other(malformed.to_string()))?
                && let Some(due) = self.due.take()
            {
                return Ok(Progress::Answered { bytes, due });
            }
            // Less than there was room for: there is no more, as epoll(7) says.
            if length < buffer.len() {
                return Ok(Progress::Waiting(bytes));
            }
        }
    }
}

fn closed(when: &str) -> io::Error {
    io::Error::other(format!("the server closed a connection {when}"))
}

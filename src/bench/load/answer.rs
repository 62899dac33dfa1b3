//! An HTTP/1.1 answer as it comes in: where it ends, its status, and its size. Its body is not kept.

use std::fmt;

/// Why what came in is no answer, or none that the load understands.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer makes no sense: {}", self.0)
    }
}

/// One answer, fed with what comes in until it is complete.
pub struct Answer {
    /// To a HEAD: no body follows, whatever the headers say.
    bodyless: bool,
    state: State,
    head: Vec<u8>,
    status: u16,
    /// How many bytes came in so far, the head included.
    bytes: u64,
}

enum State {
    Head,
    Sized(u64),
    Chunked(Chunked),
    Complete,
}

/// Where in a chunked body (RFC 9112 section 7.1) the next byte belongs.
enum Chunked {
    /// The digits of a size, read so far.
    Size(u64),
    /// The rest of the line of a size; a size of 0 is the last one.
    AfterSize(u64),
    Data(u64),
    AfterData,
    /// A line of the trailer; ends with an empty one.
    Trailer {
        empty: bool,
    },
}

/// The longest head that is taken, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 64;

impl Answer {
    pub fn new(bodyless: bool) -> Self {
        Self {
            bodyless,
            state: State::Head,
            head: Vec::with_capacity(1_024),
            status: 0,
            bytes: 0,
        }
    }

    /// Forgets what came in, for the next answer of the same connection.
    pub fn restart(&mut self) {
        self.state = State::Head;
        self.head.clear();
        self.bytes = 0;
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The names and values of its headers, once it is complete.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        if parsed.parse(&self.head).is_err() {
            return Vec::new();
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = parsed.headers.iter();
        headers
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect()
    }

    /// How many bytes its head has, once it is complete.
    pub fn head_bytes(&self) -> u64 {
        self.head.len() as u64
    }

    /// Takes what came in; whether the answer is complete. Nothing may come behind its end: requests
    /// are sent one at a time.
    pub fn feed(&mut self, input: &[u8]) -> Result<bool, Malformed> {
        self.bytes += input.len() as u64;
        let rest = match self.state {
            State::Head => self.feed_head(input)?,
            _ => input,
        };
        match &mut self.state {
            State::Head => return Ok(false),
            State::Sized(left) => {
                let taken = rest.len() as u64;
                *left = left
                    .checked_sub(taken)
                    .ok_or(Malformed("bytes behind its end"))?;
                if *left > 0 {
                    return Ok(false);
                }
            }
            State::Chunked(chunked) => {
                if !chunked.feed(rest)? {
                    return Ok(false);
                }
            }
            State::Complete => return Err(Malformed("bytes without a request")),
        }
        self.state = State::Complete;
        Ok(true)
    }

    /// Takes bytes of the head, and gives those behind it.
    fn feed_head<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let before = self.head.len();
        self.head.extend_from_slice(input);
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = match parsed.parse(&self.head) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.head.len() > LONGEST_HEAD => {
                return Err(Malformed("a head without end"));
            }
            Ok(httparse::Status::Partial) => return Ok(&[]),
            Err(_) => return Err(Malformed("no head of HTTP/1.1")),
        };
        self.status = parsed.code.unwrap_or_default();
        self.state = body_of(parsed.headers, self.bodyless || self.status == 304)?;
        self.head.truncate(length);
        Ok(&input[length - before..])
    }
}

fn body_of(headers: &[httparse::Header<'_>], bodyless: bool) -> Result<State, Malformed> {
    if bodyless {
        return Ok(State::Sized(0));
    }
    let value = |name: &str| {
        let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        headers.iter().find(named).map(|header| header.value)
    };
    if value("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        return Ok(State::Chunked(Chunked::Size(0)));
    }
    let length = value("content-length").ok_or(Malformed("neither a length nor chunks"))?;
    let length = std::str::from_utf8(length).ok();
    let length = length.and_then(|digits| digits.parse().ok());
    length
        .map(State::Sized)
        .ok_or(Malformed("a length that is no number"))
}

impl Chunked {
    /// Takes bytes of the body; whether they end it.
    fn feed(&mut self, mut input: &[u8]) -> Result<bool, Malformed> {
        while let Some((&byte, behind)) = input.split_first() {
            *self = match *self {
                Self::Data(left) => {
                    let taken = left.min(input.len() as u64);
                    input = &input[taken as usize..];
                    *self = match left - taken {
                        0 => Self::AfterData,
                        left => Self::Data(left),
                    };
                    continue;
                }
                Self::Size(size) => match (byte as char).to_digit(16) {
                    Some(digit) if size < 1 << 40 => Self::Size(size * 16 + u64::from(digit)),
                    Some(_) => return Err(Malformed("a chunk that is too long")),
                    None => Self::AfterSize(size).behind(byte),
                },
                Self::AfterSize(size) => Self::AfterSize(size).behind(byte),
                Self::AfterData if byte == b'\n' => Self::Size(0),
                Self::AfterData => Self::AfterData,
                Self::Trailer { empty: true } if byte == b'\n' => {
                    return match behind.is_empty() {
                        true => Ok(true),
                        false => Err(Malformed("bytes behind its end")),
                    };
                }
                Self::Trailer { empty } => Self::Trailer {
                    empty: byte == b'\n' || (empty && byte == b'\r'),
                },
            };
            input = behind;
        }
        Ok(false)
    }

    /// What follows a byte of the line of a size.
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::AfterSize(0), b'\n') => Self::Trailer { empty: true },
            (Self::AfterSize(size), b'\n') => Self::Data(size),
            (line, _) => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fed whole, and byte by byte: the same comes out.
    fn read(bodyless: bool, text: &str) -> Result<(u16, u64), Malformed> {
        let mut whole = Answer::new(bodyless);
        let complete = whole.feed(text.as_bytes())?;
        let mut slowly = Answer::new(bodyless);
        let mut ended = false;
        for byte in text.as_bytes().chunks(1) {
            assert!(!ended, "it ended early: {text:?}");
            ended = slowly.feed(byte)?;
        }
        assert_eq!(
            (complete, whole.status(), whole.bytes()),
            (ended, slowly.status(), slowly.bytes())
        );
        assert!(ended, "it did not end: {text:?}");
        Ok((whole.status(), whole.bytes()))
    }

    #[test]
    fn a_length_and_chunks_say_where_it_ends() {
        for (bodyless, text) in [
            (false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            (false, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            (true, "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"),
            (true, "HTTP/1.1 200 OK\r\n\r\n"),
            (
                false,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n",
            ),
            (
                false,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nAge: 1\r\n\r\n",
            ),
        ] {
            assert_eq!(
                read(bodyless, text),
                Ok((200, text.len() as u64)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_has_no_end_or_goes_on_behind_it_is_told() {
        for (text, why) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "neither a length nor chunks"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
                "bytes behind its end",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                "a length that is no number",
            ),
            ("SSH-2.0-OpenSSH\r\n", "no head of HTTP/1.1"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP",
                "bytes behind its end",
            ),
        ] {
            let fed = Answer::new(false).feed(text.as_bytes());
            assert_eq!(fed, Err(Malformed(why)), "{text:?}");
        }
    }

    #[test]
    fn a_connection_is_used_again() {
        let mut answer = Answer::new(false);
        for status in [200, 404] {
            answer.restart();
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\nA: b\r\n\r\nok");
            assert_eq!(answer.feed(text.as_bytes()), Ok(true));
            assert_eq!(answer.status(), status);
            let headers = answer.headers();
            assert_eq!(headers[1], ("A".to_owned(), "b".to_owned()));
            assert_eq!(answer.bytes() - answer.head_bytes(), 2);
        }
    }
}

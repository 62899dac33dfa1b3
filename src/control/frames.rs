//! The form of what goes over the socket behind the line of the request: frames of one byte for the
//! kind, four for the length (big-endian), and the content.

use std::io::{self, BufRead, Read, Write};

/// The longest content of a frame.
const LONGEST: u32 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    /// JSON.
    Progress,
    /// The end of a request, with an answer in JSON; from a client, the end of its data.
    Done,
    /// The end of a request that failed, with the reason.
    Failed,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Data, Self::Progress, Self::Done, Self::Failed];

    const fn byte(self) -> u8 {
        match self {
            Self::Data => b'd',
            Self::Progress => b'p',
            Self::Done => b'o',
            Self::Failed => b'e',
        }
    }
}

pub fn write(out: &mut impl Write, kind: Kind, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len())
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut frame = Vec::with_capacity(content.len() + 5);
    frame.push(kind.byte());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(content);
    out.write_all(&frame)
}

/// The next frame. A stream that ends before one is an error: each has its last frame.
pub fn read(input: &mut impl Read) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let kind = Kind::ALL.into_iter().find(|known| known.byte() == kind);
    let length = u32::from_be_bytes(length);
    match kind {
        Some(kind) if length <= LONGEST => {
            let mut content = vec![0; length as usize];
            input.read_exact(&mut content)?;
            Ok((kind, content))
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no frame of the control socket",
        )),
    }
}

/// The data of a client, as one stream that ends where the client says.
pub struct DataReader<R> {
    input: R,
    chunk: Vec<u8>,
    start: usize,
    ended: bool,
}

impl<R: Read> DataReader<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            chunk: Vec::new(),
            start: 0,
            ended: false,
        }
    }
}

impl<R: Read> BufRead for DataReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start == self.chunk.len() && !self.ended {
            (self.chunk, self.start) = match read(&mut self.input)? {
                (Kind::Data, content) => (content, 0),
                (Kind::Done, _) => {
                    self.ended = true;
                    (Vec::new(), 0)
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
        }
        Ok(&self.chunk[self.start..])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.chunk.len());
    }
}

impl<R: Read> Read for DataReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        for kind in Kind::ALL {
            write(&mut bytes, kind, format!("{kind:?}").as_bytes()).unwrap();
        }
        let mut input = &bytes[..];
        for kind in Kind::ALL {
            let (read, content) = read(&mut input).unwrap();
            assert_eq!((read, content), (kind, format!("{kind:?}").into_bytes()));
        }
        assert!(read(&mut input).is_err());
        assert!(read(&mut &b"d\xff\xff\xff\xff"[..]).is_err());
        assert!(read(&mut &b"GET / HTTP/1.1\r\n"[..]).is_err());
    }

    #[test]
    fn data_ends_where_the_client_says_and_nowhere_else() {
        let mut bytes = Vec::new();
        for part in [&b"one "[..], b"", b"two"] {
            write(&mut bytes, Kind::Data, part).unwrap();
        }
        let cut = bytes.clone();
        write(&mut bytes, Kind::Done, b"").unwrap();
        let mut text = String::new();
        DataReader::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "one two");
        assert!(DataReader::new(&cut[..]).read_to_string(&mut text).is_err());
    }
}

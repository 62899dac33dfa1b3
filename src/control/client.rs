//! A command's end of the socket.

use std::io::{self, BufReader, ErrorKind, Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::frames::{self, Kind};
use super::{Answer, Output, Request, place};

/// A connection to the service that has a data directory open.
pub struct Connection(UnixStream);

/// Connects to the service that has a data directory open; `None` where none has, and the command
/// can open the store itself.
pub fn connect(data: &Path) -> Result<Option<Connection>, String> {
    let Some(socket) = place::find(data)? else {
        return Ok(None);
    };
    match UnixStream::connect(&socket) {
        Ok(stream) => Ok(Some(Connection(stream))),
        // Left over from a service that did not stop in good order, or just removed.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionRefused | ErrorKind::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(format!(
            "cannot speak to the service over {}: {error}",
            socket.display()
        )),
    }
}

impl Connection {
    /// Has a request done. What it takes as data comes from `input`; data and progress go to
    /// `output` as they come.
    pub fn perform(
        mut self,
        request: &Request,
        input: &mut (dyn Read + Send),
        output: &mut dyn Output,
    ) -> Result<Answer, String> {
        let mut line = serde_json::to_vec(request).map_err(|error| error.to_string())?;
        line.push(b'\n');
        // Why it was refused, if it was, is still to be read.
        let _ = self.0.write_all(&line);
        let sending = &self.0;
        std::thread::scope(|scope| {
            // Beside the reading: else both ends could wait for the other to read.
            scope.spawn(move || send(sending, input));
            let answer = receive(&mut BufReader::new(&self.0), output);
            let _ = self.0.shutdown(Shutdown::Both);
            answer
        })
    }
}

/// Sends what a request takes as data. An error is no business of the sender: it shows in what the
/// service answers.
fn send(mut stream: &UnixStream, input: &mut dyn Read) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match input.read(&mut chunk)? {
            0 => return frames::write(&mut stream, Kind::Done, b""),
            length => frames::write(&mut stream, Kind::Data, &chunk[..length])?,
        }
    }
}

fn receive(input: &mut impl Read, output: &mut dyn Output) -> Result<Answer, String> {
    let broken = |error: io::Error| format!("the service ended the connection: {error}");
    loop {
        let (kind, content) = frames::read(input).map_err(broken)?;
        match kind {
            Kind::Data => output.data(&content).map_err(|error| error.to_string())?,
            Kind::Progress => {
                let progress = serde_json::from_slice(&content).unwrap_or_default();
                output
                    .progress(progress)
                    .map_err(|error| error.to_string())?;
            }
            Kind::Done => {
                return serde_json::from_slice(&content).map_err(|_| {
                    "the service answered in another form than this command knows: both must be \
                     of the same release"
                        .to_owned()
                });
            }
            Kind::Failed => return Err(String::from_utf8_lossy(&content).into_owned()),
        }
    }
}

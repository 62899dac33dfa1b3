//! The service's end of the socket: a thread that accepts, and one for each connection, so that no
//! request of it keeps HTTP or the writer waiting.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::UnixListener;
use tokio::sync::Notify;

use super::frames::{self, DataReader, Kind};
use super::place::Place;
use super::{Answer, Context, Output, Request, perform};
use crate::domain::ports::Random;
use crate::service::archive::Progress;

/// How many requests are worked on at one time.
const MOST: usize = 4;
/// The longest line of a request.
const LONGEST_REQUEST: u64 = 64 * 1024;
/// How long a connection may take to send that line.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket that is being served.
pub struct Server {
    shared: Arc<Shared>,
    place: Place,
    thread: JoinHandle<()>,
}

struct Shared {
    context: Context,
    stopping: AtomicBool,
    stop: Notify,
    /// The connections, so that a stop can end them.
    connections: Mutex<HashMap<u64, UnixStream>>,
}

impl Server {
    /// Binds the socket of a data directory, whose lock the caller holds, and serves it.
    pub fn start(data: &Path, context: Context, random: &dyn Random) -> io::Result<Self> {
        let (listener, place) = Place::bind(data, random)?;
        let shared = Arc::new(Shared {
            context,
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            connections: Mutex::default(),
        });
        let serving = shared.clone();
        let started = executor().and_then(|runtime| {
            listener.set_nonblocking(true)?;
            std::thread::Builder::new()
                .name("control".into())
                .spawn(move || runtime.block_on(accept(serving, listener)))
        });
        match started {
            Ok(thread) => Ok(Self {
                shared,
                place,
                thread,
            }),
            Err(error) => {
                place.remove();
                Err(error)
            }
        }
    }

    /// Ends what is under way and removes the socket. Blocks until no thread uses the service.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stop.notify_one();
        for connection in self.shared.connections.lock().values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let _ = self.thread.join();
        self.place.remove();
    }
}

fn executor() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn accept(shared: Arc<Shared>, listener: std::os::unix::net::UnixListener) {
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return log::error!("the control socket cannot be served: {error}"),
    };
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for number in 0.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.notified() => break,
        };
        let stream = accepted.and_then(|(stream, _)| {
            let stream = stream.into_std()?;
            stream.set_nonblocking(false)?;
            Ok(stream)
        });
        threads.retain(|thread| !thread.is_finished());
        match stream {
            Ok(stream) => match connection(&shared, number, stream) {
                Ok(thread) => threads.extend(thread),
                Err(error) => log::warn!("a control connection was not served: {error}"),
            },
            Err(error) => {
                log::warn!("a control connection was not accepted: {error}");
                // Out of descriptors, likely: some are given back meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Gives a connection a thread of its own, unless too many have one.
fn connection(
    shared: &Arc<Shared>,
    number: u64,
    mut stream: UnixStream,
) -> io::Result<Option<JoinHandle<()>>> {
    {
        let mut connections = shared.connections.lock();
        if connections.len() >= MOST {
            let words = format!("{MOST} commands are under way on this service; try again later");
            frames::write(&mut stream, Kind::Failed, words.as_bytes())?;
            return Ok(None);
        }
        connections.insert(number, stream.try_clone()?);
    }
    // Behind the insertion: either the stop sees the connection, or this sees the stop.
    if shared.stopping.load(Ordering::Acquire) {
        stream.shutdown(Shutdown::Both)?;
    }
    let serving = shared.clone();
    let spawned = std::thread::Builder::new()
        .name("control-work".into())
        .spawn(move || {
            // A command that hung up has ended; there is nobody to tell.
            if let Err(error) = serve(&serving.context, stream) {
                log::debug!("a control connection ended: {error}");
            }
            serving.connections.lock().remove(&number);
        });
    if spawned.is_err() {
        shared.connections.lock().remove(&number);
    }
    spawned.map(Some)
}

fn serve(context: &Context, stream: UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut input = BufReader::new(stream.try_clone()?);
    let mut line = Vec::new();
    (&mut input)
        .take(LONGEST_REQUEST)
        .read_until(b'\n', &mut line)?;
    stream.set_read_timeout(None)?;
    let mut output = Frames(stream);
    let outcome = match serde_json::from_slice::<Request>(&line) {
        Ok(request) => {
            log::info!("control socket: {request:?}");
            work(context, &request, &mut DataReader::new(input), &mut output)?
        }
        Err(_) => Err(
            "the service does not know this request: the command and the service must be of \
             the same release"
                .to_owned(),
        ),
    };
    match outcome {
        Ok(answer) => {
            let answer = serde_json::to_vec(&answer)?;
            frames::write(&mut output.0, Kind::Done, &answer)
        }
        Err(why) => frames::write(&mut output.0, Kind::Failed, why.as_bytes()),
    }
}

fn work(
    context: &Context,
    request: &Request,
    input: &mut dyn BufRead,
    output: &mut Frames,
) -> io::Result<Result<Answer, String>> {
    let runtime = executor()?;
    let outcome = runtime.block_on(perform(context, request, input, output));
    // What reads the store aside may go on for a moment; nobody waits for it.
    runtime.shutdown_background();
    Ok(outcome)
}

struct Frames(UnixStream);

impl Output for Frames {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        frames::write(&mut self.0, Kind::Data, bytes)
    }

    fn progress(&mut self, progress: Progress) -> io::Result<()> {
        let progress = serde_json::to_vec(&progress)?;
        frames::write(&mut self.0, Kind::Progress, &progress)
    }
}

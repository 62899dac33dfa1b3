//! The load generator: connections that stay open, driven by few threads that never wait on one.
//!
//! *Closed*: each connection sends its next request as soon as the last one is answered; that is how
//! a rate is found. *Open*: requests are due at a steady rate whether or not the server keeps up, and
//! a latency counts from the moment that a request was due, so that a server that stalls is charged
//! for those that had to wait meanwhile (what is called coordinated omission otherwise hides them).

mod answer;
mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::Failure;
use super::draw::Draw;
use crate::system::clock::monotonic_now;
use connection::{Connection, Progress};

/// Writes a whole request, head and body, into an empty buffer.
pub type WriteRequest = Arc<dyn Fn(&mut Draw, &mut Vec<u8>) + Send + Sync>;

/// What a server is asked for.
#[derive(Clone)]
pub struct Work {
    pub address: SocketAddr,
    pub request: WriteRequest,
    /// Requests are HEAD: their answers have no body.
    pub bodyless: bool,
    /// What every answer has to be.
    pub status: u16,
    pub connections: usize,
}

/// How requests follow each other.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as the last one is answered. One that is awake looks for answers all the time, and so
    /// needs a processor: a server then spends nothing on waking it, which a slower one would do more
    /// often than a faster one.
    Closed { awake: bool },
    /// So many are due in a second. An exact one is awake for the last milliseconds before each, and
    /// so needs a processor; else requests may be sent a millisecond late.
    Open { rate: f64, exact: bool },
}

/// What came of a load.
pub struct Driven {
    /// Answers that were complete before the end, and the bytes that came in until then.
    pub answers: u64,
    pub bytes: u64,
    /// How long it was.
    pub time: Duration,
    /// From the moment that each request was due until its answer was complete, in nanoseconds;
    /// under an open load those that ended after the end are among them.
    pub latencies: Histogram<u64>,
}

impl Driven {
    /// Answers in a second.
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.time.as_secs_f64()
    }

    /// Bytes in a second.
    pub fn bytes_rate(&self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64()
    }

    fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.time = self.time.max(other.time);
        // Both keep any value: neither has a highest one.
        let _ = self.latencies.add(&other.latencies);
    }
}

/// How long answers may take after the end before the server counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// Drives a load from some threads for a time. Every answer has to have the expected status.
pub fn drive(
    work: &Work,
    pace: Pace,
    time: Duration,
    threads: usize,
    seed: u64,
) -> Result<Driven, Failure> {
    let threads = threads.clamp(1, work.connections.max(1));
    let ready = Barrier::new(threads);
    let share = |thread: usize| {
        work.connections * (thread + 1) / threads - work.connections * thread / threads
    };
    let pace = match pace {
        Pace::Open { rate, exact } => Pace::Open {
            rate: rate / threads as f64,
            exact,
        },
        closed => closed,
    };
    let driven = std::thread::scope(|scope| {
        let ready = &ready;
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                let draw = Draw::new(seed.wrapping_add(thread as u64));
                scope.spawn(move || {
                    let opened = Thread::open(work, share(thread), draw);
                    ready.wait();
                    opened?.drive(pace, time)
                })
            })
            .collect();
        let ended = started.into_iter().map(|thread| thread.join());
        ended
            .map(|ended| ended.unwrap_or_else(|_| Err(Failure::new("a thread of the load ended"))))
            .collect::<Result<Vec<Driven>, Failure>>()
    })?;
    let mut driven = driven.into_iter();
    let mut sum = driven
        .next()
        .ok_or_else(|| Failure::new("a load needs a connection"))?;
    driven.for_each(|other| sum.add(&other));
    Ok(sum)
}

/// Drives a load that counts what it has asked for, until that are so many.
pub fn visit(all: u64, work: impl FnOnce(Arc<AtomicU64>) -> Work) -> Result<(), Failure> {
    const TURN: Duration = Duration::from_millis(100);
    let visited = Arc::new(AtomicU64::new(0));
    let work = work(visited.clone());
    while visited.load(Ordering::Relaxed) < all {
        drive(&work, Pace::Closed { awake: false }, TURN, 1, 0)?;
    }
    Ok(())
}

/// Sends one request and gives the headers of its answer, and how many bytes its body has.
pub fn sample(work: &Work) -> Result<(Vec<(String, String)>, u64), Failure> {
    let mut thread = Thread::open(work, 1, Draw::new(0))?;
    thread.drive(Pace::Closed { awake: false }, Duration::ZERO)?;
    let answer = thread.connections[0].answer();
    Ok((answer.headers(), answer.bytes() - answer.head_bytes()))
}

/// A thread of the load, and its connections.
struct Thread<'a> {
    work: &'a Work,
    poll: Poll,
    connections: Vec<Connection>,
    /// Those without a request under way.
    idle: Vec<usize>,
    draw: Draw,
    buffer: Vec<u8>,
}

impl<'a> Thread<'a> {
    fn open(work: &'a Work, connections: usize, draw: Draw) -> Result<Self, Failure> {
        /// A read that fills it is followed by another one.
        const BUFFER: usize = 256 * 1024;
        let poll = Poll::new()?;
        let open = |number| {
            Connection::open(work.address, poll.registry(), Token(number), work.bodyless).map_err(
                |error| Failure::new(format!("cannot connect to {}: {error}", work.address)),
            )
        };
        let connections = (0..connections).map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            work,
            poll,
            idle: (0..connections.len()).collect(),
            connections,
            draw,
            buffer: vec![0; BUFFER],
        })
    }

    /// Sends what is due until the end, then waits for the last answers.
    fn drive(&mut self, pace: Pace, time: Duration) -> Result<Driven, Failure> {
        let start = monotonic_now();
        let end = start + time;
        let mut driven = Driven {
            answers: 0,
            bytes: 0,
            time,
            latencies: Histogram::new(3).map_err(|error| Failure::new(error.to_string()))?,
        };
        let mut due = Due::new(pace, start);
        let mut events = Events::with_capacity(1_024);
        let mut now = start;
        loop {
            self.send_due(&mut due, now, end)?;
            if self.idle.len() == self.connections.len() && !due.any_before(end) {
                return Ok(driven);
            }
            if now > end + PATIENCE {
                return Err(Failure::new(format!(
                    "no answer in {} s",
                    PATIENCE.as_secs()
                )));
            }
            let wait = due.wait(now, self.idle.is_empty());
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
            now = monotonic_now();
            for event in &events {
                self.receive(event.token().0, now, end, &mut driven)?;
            }
        }
    }

    fn send_due(&mut self, due: &mut Due, now: Instant, end: Instant) -> Result<(), Failure> {
        while let Some(&number) = self.idle.last() {
            let Some(at) = due.next(now, end) else {
                return Ok(());
            };
            self.idle.pop();
            let (write, draw) = (&self.work.request, &mut self.draw);
            self.connections[number].send(at, |request| write(draw, request))?;
        }
        Ok(())
    }

    fn receive(
        &mut self,
        number: usize,
        now: Instant,
        end: Instant,
        driven: &mut Driven,
    ) -> Result<(), Failure> {
        let connection = &mut self.connections[number];
        let in_time = now <= end;
        match connection.go_on(&mut self.buffer)? {
            Progress::Waiting(bytes) => driven.bytes += if in_time { bytes } else { 0 },
            Progress::Answered { bytes, due } => {
                let status = connection.answer().status();
                if status != self.work.status {
                    return Err(Failure::new(format!(
                        "{} answered {status} instead of {}",
                        self.work.address, self.work.status
                    )));
                }
                if in_time {
                    driven.bytes += bytes;
                    driven.answers += 1;
                }
                let nanoseconds = now.saturating_duration_since(due).as_nanos();
                // It grows with what it is given, up to any number.
                let _ = driven.latencies.record(nanoseconds as u64);
                self.idle.push(number);
            }
        }
        Ok(())
    }
}

/// When requests are due.
enum Due {
    /// Whenever a connection is free; the first one even if there is no time.
    Always { first: bool, awake: bool },
    At {
        next: Instant,
        step: Duration,
        exact: bool,
    },
}

impl Due {
    fn new(pace: Pace, start: Instant) -> Self {
        match pace {
            Pace::Closed { awake } => Self::Always { first: true, awake },
            Pace::Open { rate, exact } => Self::At {
                exact,
                next: start,
                step: Duration::from_secs_f64(1.0 / rate.max(0.1)),
            },
        }
    }

    /// When the next request was due, if it is by now and that is before the end.
    fn next(&mut self, now: Instant, end: Instant) -> Option<Instant> {
        match self {
            Self::Always { first, .. } => {
                let due = std::mem::take(first) || now < end;
                due.then_some(now)
            }
            Self::At { next, step, .. } => {
                let due = *next;
                if due > now || due >= end {
                    return None;
                }
                *next += *step;
                Some(due)
            }
        }
    }

    /// Whether requests will be due before the end that are not yet sent.
    fn any_before(&self, end: Instant) -> bool {
        match self {
            Self::Always { .. } => false,
            Self::At { next, .. } => *next < end,
        }
    }

    /// How long there is nothing to do but to wait for answers.
    fn wait(&self, now: Instant, all_busy: bool) -> Duration {
        /// The system's waits are in milliseconds: what is due sooner is waited for awake.
        const AWAKE: Duration = Duration::from_millis(2);
        const LONG: Duration = Duration::from_millis(100);
        match self {
            Self::At { next, exact, .. } if !all_busy => {
                let left = next.saturating_duration_since(now).min(LONG);
                left.saturating_sub(if *exact { AWAKE } else { Duration::ZERO })
            }
            Self::Always { awake: true, .. } => Duration::ZERO,
            _ => LONG,
        }
    }
}

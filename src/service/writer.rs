//! The one writer: one queue, one thread. It takes what is queued, decides each command on the
//! newest state, commits all changes as one atomic batch, makes them durable, publishes the new
//! snapshots, records the changes in the audit log, and then answers.
//!
//! So one disk sync serves many writers, nothing is visible before it is durable, and nothing is
//! answered before it is both. After a failure it takes nothing until the store could be opened
//! anew, and tries that by itself.

mod batch;
mod finish;
mod recording;
mod recovery;
mod state;
mod sweep;
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::audit::Sink;
use super::command::{Asker, Command, Outcome};
use super::decide::Limits;
use crate::directory::Directory;
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::Epoch;
use crate::domain::ports::{Clock, Random};
use crate::store::{Store, StoreError};
use batch::BatchWriter;
use recording::{Behind, Recording};
use state::{End, Obstacle, State};

/// How many commands may wait. More are refused at once.
const QUEUE: usize = 4_096;

/// What the writer works with.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub directory: Arc<Directory>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub limits: Limits,
    pub epoch: Epoch,
    /// How long the store may take for a batch before the service says that it is not ready.
    pub patience: Duration,
    /// Where changes are recorded; `None` records nothing.
    pub audit: Option<Box<dyn Sink>>,
}

/// The way to the writer's thread.
pub struct Writer {
    queue: mpsc::Sender<Message>,
    state: Arc<State>,
    behind: Arc<Behind>,
}

enum Message {
    Command(Queued),
    Stop(oneshot::Sender<Result<(), StoreError>>),
}

/// A command that waits.
struct Queued {
    asker: Asker,
    command: Command,
    reply: Reply,
}

/// Where the answer to a command goes.
struct Reply {
    ticket: Arc<Ticket>,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// Settles the race between a deadline and the writer: whoever takes it first decides whether a
/// command is begun or given up.
#[derive(Default)]
struct Ticket(AtomicU8);

impl Ticket {
    const WAITING: u8 = 0;
    const TAKEN: u8 = 1;

    fn take(&self) -> bool {
        self.0
            .compare_exchange(
                Self::WAITING,
                Self::TAKEN,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }
}

impl Writer {
    /// Starts the writer's thread.
    pub fn start(mut parts: Parts) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| StoreError::Failed(format!("no executor for the writer: {error}")))?;
        let (queue, inbox) = mpsc::channel(QUEUE);
        let state = Arc::new(State::new());
        let writing = state.clone();
        let patience = parts.patience;
        let behind = Arc::new(Behind::default());
        let recording = Recording::new(parts.audit.take(), behind.clone());
        std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                let _end = End::of(writing.clone());
                runtime.block_on(run(BatchWriter::new(parts, writing, recording), inbox));
            })
            .map_err(|error| StoreError::Failed(format!("no thread for the writer: {error}")))?;
        watchdog::start(&state, patience)?;
        Ok(Self {
            queue,
            state,
            behind,
        })
    }

    pub fn not_writable(&self) -> Option<&'static str> {
        self.state.reason().or_else(|| self.behind.reason())
    }

    pub async fn submit(
        &self,
        asker: Asker,
        command: Command,
        deadline: Instant,
    ) -> Result<Outcome, Refusal> {
        if let Some(reason) = self.not_writable() {
            return Err(unavailable(reason));
        }
        let ticket = Arc::new(Ticket::default());
        let (answer, mut result) = oneshot::channel();
        let reply = Reply {
            ticket: ticket.clone(),
            answer,
        };
        let queued = Queued {
            asker,
            command,
            reply,
        };
        self.queue
            .try_send(Message::Command(queued))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => unavailable("too many writes are waiting"),
                mpsc::error::TrySendError::Closed(_) => unavailable("shutting down"),
            })?;
        let in_time = tokio::time::timeout_at(deadline.into(), &mut result).await;
        let outcome = match in_time {
            Ok(outcome) => outcome,
            Err(_) if ticket.take() => return Err(timed_out()),
            Err(_) => result.await,
        };
        outcome.unwrap_or_else(|_| {
            // The writer panicked: nobody is told of it before health says so, too.
            self.state.obstruct(Obstacle::WriterGone);
            Err(unavailable("storage not writable"))
        })
    }

    /// Ends the writer once what is queued is written.
    pub async fn stop(&self) -> Result<(), StoreError> {
        let gone = || StoreError::Failed("the writer ended before its time".to_owned());
        let (done, end) = oneshot::channel();
        match self.queue.send(Message::Stop(done)).await {
            Ok(()) => end.await.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(gone()),
        }
    }
}

async fn run(mut writer: BatchWriter, mut inbox: mpsc::Receiver<Message>) {
    loop {
        // Sweeping fills the time in which nobody waits, and goes on between batches.
        let message = if writer.has_sweeping_to_do() {
            inbox.try_recv().ok()
        } else {
            tokio::select! {
                biased;
                () = writer.next_try() => {
                    writer.try_again().await;
                    None
                }
                message = inbox.recv() => match message {
                    Some(message) => Some(message),
                    None => return,
                },
            }
        };
        let end = match message {
            Some(Message::Command(first)) => writer.write(first, &mut inbox).await,
            Some(Message::Stop(done)) => Some(done),
            None => None,
        };
        if let Some(done) = end {
            writer.refuse_the_rest(inbox).await;
            let closed = writer.close().await;
            // Before the word goes out, so that whoever hears it finds the store free.
            drop(writer);
            let _ = done.send(closed);
            return;
        }
        writer.sweep().await;
    }
}

impl Reply {
    /// The asker may have gone away; then nobody hears it.
    fn give(self, outcome: Result<Outcome, Refusal>) {
        let _ = self.answer.send(outcome);
    }
}

/// The refusal of a write that cannot be made at the moment. Whether a write that was under way
/// happened is not known.
fn unavailable(reason: &str) -> Refusal {
    Refusal::new(
        Kind::Unavailable,
        "The service cannot write at the moment.",
        format!("Writes are not accepted: {reason}."),
        "Read the object to see whether the change is there, then try again after Retry-After.",
    )
}

/// The refusal of what was not begun in time.
pub fn timed_out() -> Refusal {
    Refusal::new(
        Kind::TimedOut,
        "The operation timed out.",
        "The time of Request-Timeout passed before the operation began; nothing was done.",
        "Try again, with a longer Request-Timeout (seconds, at most 300) if need be.",
    )
}

//! The watch over a worker's connections: a client that is too slow is let go, and where there are
//! too many, the one that has kept the service waiting for longest.
//!
//! HTTP beneath has a time for the first head alone. This stands between the socket and it, and sees
//! bytes come and go; the handler tells it when a request is being answered. One look a second goes
//! over all of them, so a request costs no timer.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::{ANSWER_BYTES_A_SECOND, Deadlines, crowded_from};

/// The connections of one worker.
pub struct Connections {
    open: RefCell<Vec<Rc<Connection>>>,
    /// How many of them were told to end.
    ending: Cell<usize>,
    /// From how many on some are closed for others.
    crowded: usize,
    deadlines: Deadlines,
    /// Looks so far: the watch's clock, in seconds.
    now: Cell<u64>,
    /// Counts openings and requests, so that they have an order.
    uses: Cell<u64>,
}

/// What is known of one connection. Times are those of the watch.
pub struct Connection {
    watch: Rc<Connections>,
    /// Where it stands among the open ones.
    place: Cell<usize>,
    last_use: Cell<u64>,
    /// Requests that are being answered.
    answering: Cell<usize>,
    /// Whether they wait for bytes of a body.
    wants_body: Cell<bool>,
    /// When it was opened, or a request was last answered.
    quiet_since: Cell<u64>,
    /// When the first byte of a head came, until the request is being answered.
    head_since: Cell<Option<u64>>,
    /// What its client has yet to take.
    unsent: Cell<Option<Unsent>>,
    ending: Cell<bool>,
    /// Who waits for bytes to come.
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy)]
struct Unsent {
    since: u64,
    /// How many bytes were taken since.
    taken: u64,
}

impl Connections {
    /// For a worker that may have so many.
    pub fn new(limit: usize, deadlines: Deadlines) -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            ending: Cell::new(0),
            crowded: crowded_from(limit),
            deadlines,
            now: Cell::new(0),
            uses: Cell::new(0),
        })
    }

    /// Takes a new connection under watch. Where it is crowded, others have to go for it.
    pub fn watch<S>(self: &Rc<Self>, stream: S) -> Watched<S> {
        if self.open.borrow().len() - self.ending.get() >= self.crowded {
            self.make_room();
        }
        let mut open = self.open.borrow_mut();
        let connection = Rc::new(Connection {
            watch: self.clone(),
            place: Cell::new(open.len()),
            last_use: Cell::new(self.next_use()),
            answering: Cell::new(0),
            wants_body: Cell::new(false),
            quiet_since: Cell::new(self.now.get()),
            head_since: Cell::new(None),
            unsent: Cell::new(None),
            ending: Cell::new(false),
            waker: RefCell::new(None),
        });
        open.push(connection.clone());
        Watched { stream, connection }
    }

    fn next_use(&self) -> u64 {
        self.uses.replace(self.uses.get() + 1)
    }

    /// Ends those that were not used for longest, of those that wait for their client: some at a
    /// time, since looking for them takes a look at all.
    fn make_room(&self) {
        let open = self.open.borrow();
        let mut waiting: Vec<_> = open.iter().filter(|one| one.waits()).collect();
        let some = (open.len() / 32 + 1).min(waiting.len());
        if some == 0 {
            return;
        }
        waiting.select_nth_unstable_by_key(some - 1, |one| one.last_use.get());
        for connection in &waiting[..some] {
            connection.end();
        }
    }

    /// Ends what is out of time. To be called once a second.
    pub fn look(&self) {
        self.now.set(self.now.get() + 1);
        for connection in self.open.borrow().iter() {
            if connection.is_out_of_time() {
                connection.end();
            }
        }
    }

    /// Looks once a second, as long as the worker runs.
    pub async fn keep_looking(self: Rc<Self>) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        seconds.tick().await;
        loop {
            seconds.tick().await;
            self.look();
        }
    }
}

impl Connection {
    /// To be held while a request of it is being answered.
    pub fn answering(self: &Rc<Self>) -> Answering {
        self.answering.set(self.answering.get() + 1);
        self.last_use.set(self.watch.next_use());
        self.head_since.set(None);
        Answering(self.clone())
    }

    /// To be held while a request of it waits for its body.
    pub fn wanting_body(self: &Rc<Self>) -> WantingBody {
        self.wants_body.set(true);
        WantingBody(self.clone())
    }

    /// Whether it was told to end.
    pub fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Whether it is the client's turn: to ask, to send a body, or to take an answer.
    fn waits(&self) -> bool {
        let is_worked_on =
            self.answering.get() > 0 && !self.wants_body.get() && self.unsent.get().is_none();
        !is_worked_on && !self.ending.get()
    }

    fn is_out_of_time(&self) -> bool {
        let now = self.watch.now.get();
        let deadlines = &self.watch.deadlines;
        // A second that has begun counts: nobody gets less than his time.
        let over = |since: u64, time: Duration| now - since > time.as_secs();
        if let Some(unsent) = self.unsent.get() {
            let earned = Duration::from_secs(unsent.taken / ANSWER_BYTES_A_SECOND);
            return over(unsent.since, deadlines.answer + earned);
        }
        if self.answering.get() > 0 {
            // A body has a time of its own, which is answered when it is over.
            return false;
        }
        match self.head_since.get() {
            Some(since) => over(since, deadlines.head),
            None => over(self.quiet_since.get(), deadlines.idle),
        }
    }

    /// Has whoever waits on it find it closed.
    fn end(&self) {
        if !self.ending.replace(true) {
            self.watch.ending.set(self.watch.ending.get() + 1);
        }
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn received(&self) {
        if self.answering.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(self.watch.now.get()));
        }
    }

    fn wait(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|own| own.will_wake(context.waker()))
        {
            *waker = Some(context.waker().clone());
        }
    }

    /// What came of a write of so many bytes.
    fn sent(&self, wanted: usize, outcome: &Poll<io::Result<usize>>) {
        let taken = match outcome {
            Poll::Ready(Ok(taken)) if *taken == wanted => return self.unsent.set(None),
            Poll::Ready(Ok(taken)) => *taken as u64,
            Poll::Ready(Err(_)) => return,
            Poll::Pending => 0,
        };
        let fresh = Unsent {
            since: self.watch.now.get(),
            taken: 0,
        };
        let mut unsent = self.unsent.get().unwrap_or(fresh);
        unsent.taken += taken;
        self.unsent.set(Some(unsent));
    }
}

/// A request of a connection that is being answered.
pub struct Answering(Rc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.answering.set(connection.answering.get() - 1);
        connection.quiet_since.set(connection.watch.now.get());
    }
}

/// A request of a connection that waits for its body.
pub struct WantingBody(Rc<Connection>);

impl Drop for WantingBody {
    fn drop(&mut self) {
        self.0.wants_body.set(false);
    }
}

/// A stream under watch.
pub struct Watched<S> {
    stream: S,
    connection: Rc<Connection>,
}

impl<S> Watched<S> {
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Why nothing more is written: its client did not take what was.
    fn given_up(&self) -> Option<io::Error> {
        let ends = self.connection.ending.get() && self.connection.unsent.get().is_some();
        ends.then(|| io::ErrorKind::TimedOut.into())
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        let watch = &self.connection.watch;
        if self.connection.ending.get() {
            watch.ending.set(watch.ending.get() - 1);
        }
        let place = self.connection.place.get();
        let mut open = watch.open.borrow_mut();
        open.swap_remove(place);
        if let Some(moved) = open.get(place) {
            moved.place.set(place);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connection.ending.get() {
            // As if the client had closed it, so that it ends in good order.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &outcome {
            Poll::Pending => self.connection.wait(context),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => self.connection.received(),
            Poll::Ready(_) => {}
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.given_up() {
            return Poll::Ready(Err(error));
        }
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.connection.sent(bytes.len(), &outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.given_up() {
            return Poll::Ready(Err(error));
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        let wanted = pieces.iter().map(|piece| piece.len()).sum();
        self.connection.sent(wanted, &outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

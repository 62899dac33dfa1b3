//! A connection under TLS: its handshake, within its time and among few others, and an end that the
//! client can tell from a connection that was cut.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connections::{Connection, Watched};
use super::limits::HANDSHAKES;

/// What a worker does handshakes with.
#[derive(Clone)]
pub struct Handshakes {
    acceptor: TlsAcceptor,
    places: Rc<Semaphore>,
    time: Duration,
}

impl Handshakes {
    /// Each may take so long, the wait for its turn among them.
    pub fn new(acceptor: TlsAcceptor, time: Duration) -> Self {
        let places = Rc::new(Semaphore::new(HANDSHAKES));
        Self {
            acceptor,
            places,
            time,
        }
    }

    pub async fn shake(self, socket: Watched<TcpStream>) -> io::Result<Secured> {
        let handshake = async {
            let _place = self.places.acquire().await.map_err(io::Error::other)?;
            self.acceptor.accept(socket).await
        };
        let done = timeout(self.time, handshake).await;
        let stream = done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(Secured(stream))
    }
}

/// A stream whose handshake is done.
pub struct Secured(TlsStream<Watched<TcpStream>>);

impl Secured {
    pub fn connection(&self) -> &Rc<Connection> {
        self.0.get_ref().0.connection()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.0).poll_read(context, buffer);
        match outcome {
            // It is the watch that ends it, and not the client that cut it: HTTP ends it in good
            // order, with a last word to the client.
            Poll::Ready(Err(error))
                if error.kind() == io::ErrorKind::UnexpectedEof
                    && self.connection().is_ending() =>
            {
                Poll::Ready(Ok(()))
            }
            outcome => outcome,
        }
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

//! The server beneath HTTP: workers that accept connections, with or without TLS, each under the
//! watch of its worker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connections::{Connection, Connections, Watched};
use super::dispatch::{self, Site, Worker};
use super::limits::{self, Deadlines};
use super::secured::{Handshakes, Secured};
use super::tls::Certificate;
use super::{SHUTDOWN_SECONDS, WRITE_BUFFER};

/// How the service is reached.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// The certificate that it does TLS with; `None` is plain HTTP.
    pub certificate: Option<Arc<Certificate>>,
    pub deadlines: Deadlines,
    /// How many threads answer; `None` is one a processor.
    pub workers: Option<usize>,
    /// How many files the process may have open, connections among them; `None` is no limit.
    pub files: Option<u64>,
}

impl Transport {
    /// How the URLs of the service begin.
    pub fn scheme(&self) -> &'static str {
        match self.certificate {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// Serves a site on a listener until it is stopped.
pub fn serve(site: Arc<Site>, listener: TcpListener, transport: Transport) -> io::Result<Server> {
    let processors = || std::thread::available_parallelism().map_or(2, Into::into);
    let workers = transport.workers.unwrap_or_else(processors);
    let limit = limits::connections_of_a_worker(transport.files.unwrap_or(u64::MAX), workers);
    let deadlines = transport.deadlines;
    let builder = ServerBuilder::new()
        .workers(workers)
        .max_concurrent_connections(limit)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    // Called once by each worker, on its own thread.
    let watch = move || {
        let connections = Connections::new(limit, deadlines);
        actix_web::rt::spawn(connections.clone().keep_looking());
        connections
    };
    let builder = match transport.certificate {
        None => builder.listen("http", listener, move || {
            let connections = watch();
            fn_service(move |socket: TcpStream| {
                let peer = socket.peer_addr().ok();
                let socket = connections.watch(socket);
                async move { Ok::<_, DispatchError>((socket, Protocol::Http1, peer)) }
            })
            .and_then(http(site.clone(), deadlines, stopping.clone()))
        })?,
        Some(certificate) => {
            let acceptor = certificate.acceptor().map_err(io::Error::other)?;
            actix_web::rt::spawn(certificate.follow());
            builder.listen("https", listener, move || {
                let connections = watch();
                let handshakes = Handshakes::new(acceptor.clone(), deadlines.handshake);
                fn_service(move |socket: TcpStream| {
                    let peer = socket.peer_addr().ok();
                    // A handshake ends, and an answer begins, with small writes.
                    let _ = socket.set_nodelay(true);
                    let handshake = handshakes.clone().shake(connections.watch(socket));
                    async move {
                        let stream = handshake.await.map_err(DispatchError::Io)?;
                        Ok((stream, Protocol::Http1, peer))
                    }
                })
                .and_then(http(site.clone(), deadlines, stopping.clone()))
            })?
        }
    };
    Ok(builder.run())
}

type Peer = Option<SocketAddr>;

/// HTTP/1.1 over streams of one kind.
fn http<S>(
    site: Arc<Site>,
    deadlines: Deadlines,
    stopping: GracefulShutdownSignal,
) -> impl ServiceFactory<
    (S, Protocol, Peer),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
>
where
    S: AsyncRead + AsyncWrite + Underneath + Unpin + 'static,
{
    let worker = Rc::new(Worker::new(site, deadlines.body));
    let app = App::new().default_service(fn_service(move |request: ServiceRequest| {
        let worker = worker.clone();
        async move {
            let (request, payload) = request.into_parts();
            let answering = request
                .conn_data::<Rc<Connection>>()
                .map(Connection::answering);
            let response = dispatch::answer(&worker, &request, payload).await;
            drop(answering);
            Ok(ServiceResponse::new(request, response))
        }
    }));
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        // The watch closes idle connections, without a timer for each request.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(deadlines.head)
        .client_disconnect_timeout(limits::CLOSING)
        .h1_write_buffer_size(WRITE_BUFFER)
        .on_connect_ext(|stream: &S, data| {
            data.insert(stream.connection().clone());
        })
        .finish::<_, actix_http::body::BoxBody>(map_config(
            app.into_factory()
                .map_err(|error: actix_web::Error| error.error_response()),
            |_| AppConfig::default(),
        ))
}

/// A stream that knows the connection beneath it.
trait Underneath {
    fn connection(&self) -> &Rc<Connection>;
}

impl Underneath for Watched<TcpStream> {
    fn connection(&self) -> &Rc<Connection> {
        Self::connection(self)
    }
}

impl Underneath for Secured {
    fn connection(&self) -> &Rc<Connection> {
        Self::connection(self)
    }
}

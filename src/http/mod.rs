//! HTTP: from requests to calls of the service, and from its answers to bytes.
//!
//! `dispatch` is the one way in; `routes` is the table of paths. A generation of the API holds no
//! logic: it converts in, calls what the newest calls, and converts out. To add an operation: a
//! line in `domain::access`, one in `routes`, one in `dispatch`, and its handler.

mod answer;
mod call;
mod client_list;
mod clients;
pub mod discovery;
pub mod dispatch;
mod errors;
mod health;
mod legacy;
mod members;
mod multi_status;
mod oauth;
mod preview;
mod query;
mod request;
pub mod routes;
mod urlencoded;
mod v1;
mod views;

use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer};

use crate::tokens::cache::VerifiedCache;
use dispatch::{Site, Worker};

/// How long a connection without a request stays open.
pub const KEEP_ALIVE: KeepAlive = KeepAlive::Timeout(Duration::from_secs(75));

/// How long requests in flight may take to finish when the service stops, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;

/// How many bytes of an answer are gathered before they are written to the connection: a page of a
/// hundred clients goes out with one write.
pub const WRITE_BUFFER: usize = 64 * 1024;

/// Serves a site on a listener until it is stopped. `workers` is the number of threads that
/// answer; `None` is one a processor.
pub fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    workers: Option<usize>,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let worker = Rc::new(Worker {
            site: site.clone(),
            verified: RefCell::new(VerifiedCache::default()),
        });
        App::new().default_service(fn_service(move |request: ServiceRequest| {
            let worker = worker.clone();
            async move {
                let (request, payload) = request.into_parts();
                let response = dispatch::answer(&worker, &request, payload).await;
                Ok(ServiceResponse::new(request, response))
            }
        }))
    })
    .keep_alive(KEEP_ALIVE)
    .h1_write_buffer_size(WRITE_BUFFER)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals();
    let server = match workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    Ok(server.listen(listener)?.run())
}

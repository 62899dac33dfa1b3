//! HTTP: from requests to calls of the service, and from its answers to bytes.
//!
//! `dispatch` is the one way in; `routes` is the table of paths. A generation of the API holds no
//! logic: it converts in, calls what the newest calls, and converts out. To add an operation: a
//! line in `domain::access`, one in `routes`, one in `dispatch`, and its handler.

mod answer;
mod call;
mod client_list;
mod clients;
mod connections;
pub mod cors;
pub mod discovery;
pub mod dispatch;
pub mod edge;
mod errors;
mod health;
mod legacy;
pub mod limits;
pub mod listen;
mod members;
mod multi_status;
mod oauth;
mod preview;
mod query;
mod request;
pub mod routes;
mod secured;
pub mod source;
pub mod tls;
mod urlencoded;
mod v1;
mod views;

/// How long requests in flight may take to finish when the service stops, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;

/// How many bytes of an answer are gathered before they are written to the connection: a page of a
/// hundred clients goes out with one write.
pub const WRITE_BUFFER: usize = 64 * 1024;

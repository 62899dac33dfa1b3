//! What keeps strangers out, line by line: a test for each rule of the protocol and each threat,
//! named by its number. `tests/security.rs` sees that none is missing.

mod discovery;
mod keys;
mod life;
mod long_lists;
mod refusal_times;
mod resource_bytes;
mod resource_side;
mod rights;
mod slow;
mod threats;
mod tls;
mod token_content;
mod token_endpoint;
mod token_requests;
mod transport;

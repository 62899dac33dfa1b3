//! The words of Credenza: tenants, clients, secrets, roles, ids, times, errors and who may do what.
//!
//! Pure: no I/O, no clock, no randomness, no framework, and no crate but std, serde's derives,
//! uuid and chrono. A value of these types is valid: it was parsed once, at the edge.
//! What is done with them lives in `service`; how they are stored, in `store`.

pub mod access;
mod as_text;
pub mod client;
pub mod error;
pub mod ids;
pub mod page;
pub mod ports;
pub mod role;
pub mod secret;
pub mod tenant;
pub mod text;
pub mod times;

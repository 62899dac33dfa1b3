//! Secrets and tokens: how a secret's value is made and checked, the signing keys, and the
//! access tokens (RFC 9068, ES256) that are issued and verified with them.
//!
//! Knows `domain` and `json`, and of `system` how files are made durable. Who gets a token, and what it may do, is decided in `service`.

pub mod cache;
pub mod jwt;
pub mod key;
pub mod key_file;
pub mod key_holder;
pub mod key_ring;
pub mod keys;
pub mod secret;
pub mod verify;

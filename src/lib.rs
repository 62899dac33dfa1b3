//! Credenza: an identity service for machines. The map of its rooms, one line a module.

/// The words: tenants, clients, secrets, roles, ids, times, errors, and who may do what.
pub mod domain;
/// Strict JSON: bodies, JOSE headers and claims, read once, with no member twice.
pub mod json;
/// The disk: the seam, and the backends behind it.
pub mod store;
/// The machine: its clock, its randomness, its memory.
pub mod system;
/// Secrets and tokens: values, keys, signing, verifying.
pub mod tokens;

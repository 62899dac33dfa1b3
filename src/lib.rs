//! Credenza: an identity service for machines. The map of its rooms, one line a module.

/// The words: tenants, clients, secrets, roles, ids, times, errors, and who may do what.
pub mod domain;
/// The disk: the seam, and the backends behind it.
pub mod store;

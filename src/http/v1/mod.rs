//! The newest generation, `/api/v1`.

pub mod clients;
pub mod roles;
pub mod secrets;
pub mod tenants;

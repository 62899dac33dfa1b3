//! The middle generation, `/api/v1-preview`: converts in and out, and holds no logic.

pub mod clients;
pub mod secrets;

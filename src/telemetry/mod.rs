//! What is told of the service to those who run it.

pub mod audit;

//! The service, tested over HTTP as people use it: one file a capability. `harness` starts it as
//! `main` does, on a free port, in a directory of its own, with a clock that the test moves.

mod harness;

mod clients;
mod concurrency;
mod conditional;
mod legacy;
mod lists;
mod operators;
mod preview;
mod restart;
mod roles;
mod secrets;
mod statuses;
mod tenants;

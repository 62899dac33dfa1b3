//! The service, tested over HTTP as people use it: one file a capability. `harness` starts it as
//! `main` does, on a free port, in a directory of its own, with a clock that the test moves.

mod harness;

mod access;
mod bad_input;
mod concurrency;
mod matrix;
mod protocol;
mod restart;
mod rights;

//! The service, tested over HTTP as people use it: one file a capability. `harness` starts it as
//! `main` does, on a free port, in a directory of its own, with a clock that the test moves.

mod harness;

mod check_command;
mod command_line;
mod concurrency;
mod discovery;
mod first_start;
mod first_start_kill;
mod kill;
mod resource_bytes;
mod resource_side;
mod restart;
mod token_content;
mod token_endpoint;
mod token_life;
mod token_requests;

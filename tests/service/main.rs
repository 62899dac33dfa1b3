//! The service, tested over HTTP as people use it: one file a capability. `harness` starts it as
//! `main` does, on a free port, in a directory of its own, with a clock that the test moves.

mod harness;

mod access;
mod audit_log;
mod audit_log_failures;
mod backup;
mod bad_input;
mod check_command;
mod clients;
mod command_line;
mod compact;
mod concurrency;
mod conditional;
mod control;
mod damage;
mod file_limit;
mod first_start;
mod first_start_kill;
mod fixtures;
mod kill;
mod legacy;
mod lists;
mod matrix;
mod operators;
mod permissions;
mod preview;
mod protocol;
mod ready_lists;
mod recover;
mod removed_files;
mod restart;
mod restore;
mod roles;
mod scheduled_backups;
mod secrets;
mod security;
mod service_clock;
mod statuses;
mod storage_faults;
mod tenants;
mod then_revoke;
mod transfer;

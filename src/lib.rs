//! Credenza: an identity service for machines. The map of its rooms, one line a module.

// `credenza bench`: the load, the floor, and what they measure.
pub mod bench;
// The command line: one file a command, and what starts the service.
pub mod cli;
// What commands do with a store, over a Unix socket where a service has it open.
pub mod control;
// The memory: immutable snapshots of tenants, the registry, the memory budget.
pub mod directory;
// The words: tenants, clients, secrets, roles, ids, times, errors, and who may do what.
pub mod domain;
// HTTP: routes, three generations of the API, the token endpoint.
pub mod http;
// Strict JSON: bodies, JOSE headers and claims, read once, with no member twice.
pub mod json;
// The deeds: one file a resource, the pure decisions, and the one writer.
pub mod service;
// The disk: the seam, and the backends behind it.
pub mod store;
// The machine: its clock, its randomness, its memory, and this process on it.
pub mod system;
// What is told of the service: the audit log.
pub mod telemetry;
// Secrets and tokens: values, keys, signing, verifying.
pub mod tokens;

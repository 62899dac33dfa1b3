//! The machine underneath: the one room that asks it for the time, for randomness and for memory,
//! with the service's own time, the small files that must survive a power cut, and how it treats
//! this process.
//!
//! Everything else is given a `Clock` and a `Random` (see `domain::ports`); `clippy.toml` bans
//! every other source.

pub mod clock;
pub mod clock_file;
pub mod cores;
pub mod files;
pub mod machine;
pub mod memory;
pub mod process;
pub mod random;
pub mod service_clock;
pub mod timeline;

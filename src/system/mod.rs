//! The machine underneath: the one room that asks it for the time, for randomness and for memory,
//! and that tells it how to treat this process.
//!
//! Everything else is given a `Clock` and a `Random` (see `domain::ports`); `clippy.toml` bans
//! every other source.

pub mod clock;
pub mod machine;
pub mod process;
pub mod random;

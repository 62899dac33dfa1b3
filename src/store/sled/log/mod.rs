//! Reads sled's files before sled does: what is damaged is found, and mended where that is certain.
//!
//! sled 0.34.7 replays its log from the newest snapshot on. There, it takes a damaged message for
//! the end of the segment, or of the whole log, and goes on without the later ones and without a
//! word; then it overwrites them. [`inspect()`] reads the same part and says what it suspects.
//! [`mend_suspects`] and [`mend()`] put right what happened to one byte, exactly as it was, and make a
//! page with a damaged row readable again, so that the row's own checksum can name it.
//!
//! `format` is the bytes of the log, `body` what messages hold, `files` the two files beside it,
//! `segments`, `walk` and `replay` what sled would make of it, `repair` the search for the damaged
//! byte.

pub(super) mod body;
pub(super) mod files;
pub(super) mod format;
mod inspect;
mod mend;
mod repair;
pub(super) mod replay;
mod segments;
mod walk;

pub use files::segment_size;
pub use inspect::{Inspection, Suspect, Suspicion, Tail, inspect, inspect_without_snapshot};
pub use mend::{Mended, Original, Outcome, Unmendable, mend, mend_suspects, place};

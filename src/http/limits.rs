//! How long a client may take, and how many may be connected: what one that is slow, idle, or many
//! can take from the others.

use std::time::Duration;

/// How long a client may take for each step. All but `body` are counted in whole seconds, and hold
/// to within one.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// The handshake of TLS, from the connection on.
    pub handshake: Duration,
    /// The head of a request, from its first byte on; of the first request from the connection on.
    pub head: Duration,
    /// The body of a request, from its head on. A body that comes well gets a second more for each
    /// [`BODY_BYTES_A_SECOND`].
    pub body: Duration,
    /// An answer that its client does not take whole at once. One that it takes slowly gets a second
    /// more for each [`ANSWER_BYTES_A_SECOND`].
    pub answer: Duration,
    /// A connection without a request.
    pub idle: Duration,
}

/// The least rate of a body that is still coming when its time is over.
pub const BODY_BYTES_A_SECOND: u64 = 16 * 1024;

/// The least rate at which an answer is taken.
pub const ANSWER_BYTES_A_SECOND: u64 = 4 * 1024;

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(5),
            body: BODY,
            answer: Duration::from_secs(20),
            idle: IDLE,
        }
    }
}

/// How long a body may take.
pub const BODY: Duration = Duration::from_secs(15);

/// How long a connection without a request stays open.
pub const IDLE: Duration = Duration::from_secs(15);

/// How long a connection may take to end, once the service has said its last word.
pub const CLOSING: Duration = Duration::from_secs(1);

/// How many handshakes of TLS a worker does at a time; others wait, within their time.
pub const HANDSHAKES: usize = 256;

/// Open files that are not connections: the store, its backups, the log, the control socket, and the
/// workers' own.
const RESERVED_FILES: u64 = 64;

/// The most connections of the whole process, however many files it may open: each takes some
/// 11 KB, and under TLS more.
const MOST_CONNECTIONS: usize = 16_384;

/// How many connections one of `workers` may have at a time, where the process may have `files` open
/// files. The accepting thread goes one beyond, and a worker holds some files of its own.
pub fn connections_of_a_worker(files: u64, workers: usize) -> usize {
    let workers = workers.max(1);
    let files = usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
    let most = files.min(MOST_CONNECTIONS) / workers;
    most.saturating_sub(OF_A_WORKER).max(FEWEST)
}

/// The files of a worker that are not connections.
const OF_A_WORKER: usize = 8;

/// What a worker always may have.
const FEWEST: usize = 8;

/// From how many connections on a worker closes some that wait for their client: a part of the limit
/// is kept free, so that a new one finds a place at once.
pub fn crowded_from(limit: usize) -> usize {
    limit - (limit / 16).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_below_the_limit_of_files_and_of_memory() {
        assert_eq!(connections_of_a_worker(256, 2), 88);
        assert_eq!(connections_of_a_worker(1_024, 4), 232);
        assert_eq!(connections_of_a_worker(1 << 20, 4), 4_088);
        assert_eq!(connections_of_a_worker(u64::MAX, 1), 16_376);
        // Less than this is no limit that the store could be opened under.
        assert_eq!(connections_of_a_worker(0, 64), 8);
        for (files, workers) in [(256, 2), (1_024, 8), (4_096, 3), (65_536, 16)] {
            let connections = connections_of_a_worker(files, workers) * workers;
            assert!(connections as u64 + RESERVED_FILES <= files);
        }
    }

    #[test]
    fn some_places_are_kept_free() {
        for limit in [8, 88, 10_000] {
            let from = crowded_from(limit);
            assert!((limit / 2..limit - 1).contains(&from), "{limit}: {from}");
        }
    }
}

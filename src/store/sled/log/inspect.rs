//! What is suspicious in sled's files, read as sled would read them when it opens them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::disk::failed;
use super::files::{self, Snapshot};
use super::segments::Segments;
use super::walk::Walk;
use crate::store::StoreError;

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// In the order of the log. Empty where sled may open the directory.
    pub suspects: Vec<Suspect>,
    pub tail: Tail,
    /// The size of segments, which [`super::mend()`] wants to know.
    pub segment_size: u64,
    /// The snapshot file that the replay begins with.
    pub snapshot: Option<PathBuf>,
    /// How much of the log is replayed, in bytes.
    pub replayed: u64,
}

/// One thing that may be damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub file: PathBuf,
    /// In the file, in bytes.
    pub offset: u64,
    pub what: Suspicion,
    /// Whether it is among the last that was written, where a power cut may have left it: not two
    /// batches follow it, and a batch begins when the one before it is on disk. Elsewhere it must
    /// be damage.
    pub at_tip: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// `conf` is torn, or its checksum does not fit.
    Configuration,
    /// The newest snapshot file is torn, or its checksum does not fit. Everything else was looked
    /// at as though there were none.
    Snapshot,
    /// A segment has content and no header that fits.
    SegmentHeader,
    /// Two segments claim the same place in the log.
    TwoSegments,
    /// The checksum of a message does not fit.
    Checksum,
    /// The header of a message makes no sense here: its kind, its length or its segment.
    Header,
    /// A part of the log that something else points to, or that must have been there, is not.
    Missing,
    /// The replay leaves pages without content, which sled cannot open.
    Pages,
}

/// How the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole message.
    Whole,
    /// With bytes behind the last whole message that are no message, at this offset in `db`: a
    /// write that a kill or a power cut cut short, or what a segment held before it was used again.
    /// After a clean stop it must be the latter.
    Torn(u64),
}

/// Looks for damage in the files of a directory that sled does not have open. Changes nothing.
///
/// Suspected is, and nothing else:
/// - `conf` or the newest snapshot file, where the checksum does not fit;
/// - any segment, replayed or not, with content and a header that does not fit, or not there;
/// - in replayed segments, each message that is followed by more of the log and does not fit; with
///   it the end of a segment that is not the newest one and does not end as sled ends one;
/// - as the last message, one that a single damaged byte explains, or one that does not fit and is
///   too small to be torn: it lies in one sector;
/// - two segments that claim one place in the log;
/// - a gap among the segments that sled insists on, or a gap among all while some segment is
///   nothing but zeros;
/// - a log that ends before the snapshot does, and a page that the replay finds at a place of which
///   the segment is not there, or that it does not find at all.
///
/// Not suspected, as an ordinary kill or power cut leaves them: zeros and torn writes behind the
/// last whole message of the newest segment ([`Tail::Torn`] tells), segments of zeros, and what a
/// segment held before it was used again. Not seen: content of messages before the snapshot, which
/// sled does not read either and whose checksum it compares when it does; a newest segment that is
/// lost with all that points to it; content that was exchanged for other sound content.
///
/// Suspicion may be wrong after a power cut, and is to be answered with a check of all rows. That
/// check cannot see everything: where sled takes damage for an end, it drops whole changes, and
/// what is left may agree with itself. So a suspect that is not at the tip and is not mended should
/// keep sled from opening the directory: opening it overwrites what is left there.
///
/// Reads the replayed part once, in order; its memory grows with the number of pages. Takes any
/// bytes without a panic. Blocks.
pub fn inspect(sled_directory: &Path) -> Result<Inspection, StoreError> {
    let path = files::newest_snapshot(sled_directory)?;
    let Some(path) = path else {
        return inspect_from(sled_directory, None, Some(Snapshot::default()));
    };
    let bytes = fs::read(&path).map_err(failed("cannot read", &path))?;
    inspect_from(sled_directory, Some(path), files::read_snapshot(&bytes))
}

/// The same, as though there were no snapshot: the whole log is replayed. Where this suspects
/// nothing, a damaged snapshot file may be removed. Segments of zeros are suspected more often, as
/// sled frees them when it opens a directory, and only its snapshot says so: where nothing but
/// [`Suspicion::Missing`] is found, a check of all rows has to decide.
pub fn inspect_without_snapshot(sled_directory: &Path) -> Result<Inspection, StoreError> {
    inspect_from(sled_directory, None, Some(Snapshot::default()))
}

fn inspect_from(
    directory: &Path,
    path: Option<PathBuf>,
    snapshot: Option<Snapshot>,
) -> Result<Inspection, StoreError> {
    let (segment_size, sound) = files::configuration(directory)?;
    let mut suspects = Vec::new();
    let suspect = |file, what| Suspect {
        file,
        offset: 0,
        what,
        at_tip: false,
    };
    if !sound {
        let file = files::configuration_path(directory);
        suspects.push(suspect(file, Suspicion::Configuration));
    }
    if let (Some(path), None) = (&path, &snapshot) {
        suspects.push(suspect(path.clone(), Suspicion::Snapshot));
    }
    let database = directory.join("db");
    let mut inspection = Inspection {
        suspects,
        tail: Tail::Whole,
        segment_size,
        snapshot: path,
        replayed: 0,
    };
    let file = match File::open(&database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if snapshot.is_some_and(|snapshot| snapshot.stable.is_some()) {
                inspection
                    .suspects
                    .push(suspect(database, Suspicion::Missing));
            }
            return Ok(inspection);
        }
        opened => opened,
    };
    let read = || {
        let segments = Segments::scan(file?, segment_size)?;
        Walk::new(&database, segments, &mut inspection).run(snapshot.unwrap_or_default())
    };
    read().map_err(failed("cannot read", &database))?;
    Ok(inspection)
}

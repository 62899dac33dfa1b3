//! What is done about files of sled that look damaged: they are copied aside, mended where that is
//! certain, and opened only after. What cannot be opened is left as it was found.

use std::path::Path;

use ::sled::Db;

use super::aside::Aside;
use super::check;
use super::engine::Engine;
use super::files::DataDirectory;
use super::keys::Key;
use super::log::{self as sled_log, Inspection, Mended, Suspect};
use super::opening::open_sled;
use super::panics;
use crate::store::{Finding, StoreError};

/// sled, opened, and how its files looked before.
pub struct Rescued {
    pub db: Db,
    pub suspicion: Suspicion,
}

/// How sled's files looked before it opened them.
pub enum Suspicion {
    None,
    /// The end of the log may be torn, as a power cut leaves it and as sled is made for. With a
    /// copy, where that costs little.
    Tail(Option<Aside>),
    /// They looked damaged: every row has to be checked. Without a copy where there is no room for
    /// one and an earlier one is kept.
    Damage(Option<Aside>),
}

impl Suspicion {
    /// What was opened cannot be believed: the files are again what they were. sled must have been
    /// let go.
    pub fn put_back(self) -> Result<(), StoreError> {
        match self.aside() {
            Some(aside) => aside.put_back(),
            None => Ok(()),
        }
    }

    /// Something is lost: what was found is kept.
    pub fn keep(self) -> Result<(), StoreError> {
        if let Some(aside) = self.aside() {
            let kept = aside.keep()?;
            log::error!(
                "the store's files as they were found are in {}",
                kept.display()
            );
        }
        Ok(())
    }

    /// Nothing was damaged after all.
    pub fn discard(self) {
        if let Some(aside) = self.aside() {
            aside.discard();
        }
    }

    fn aside(self) -> Option<Aside> {
        match self {
            Self::None => None,
            Self::Tail(aside) | Self::Damage(aside) => aside,
        }
    }
}

/// Looks at sled's files before sled does, and opens them.
pub fn open(directory: &DataDirectory) -> Result<Rescued, StoreError> {
    directory.prepare_for_opening()?;
    let sled = directory.sled();
    let inspection = sled_log::inspect(&sled)?;
    if inspection.suspects.is_empty() {
        match open_sled(directory) {
            Err(StoreError::Damaged(_)) => {}
            opened => {
                return opened.map(|db| Rescued {
                    db,
                    suspicion: Suspicion::None,
                });
            }
        }
    }
    let mut suspects = inspection.suspects.iter();
    let torn = !inspection.suspects.is_empty() && suspects.all(|suspect| suspect.at_tip);
    let suspicion = match torn {
        true if directory.sled_bytes()? > COPIED_WITHOUT_NEED => Suspicion::Tail(None),
        true => Suspicion::Tail(Aside::copy(directory).ok()),
        false => Suspicion::Damage(copied(directory)?),
    };
    report(&sled, &inspection, &suspicion);
    mend(&sled, inspection);
    match open_somehow(directory) {
        Ok(db) => Ok(Rescued { db, suspicion }),
        Err(error) => {
            suspicion.put_back()?;
            Err(error)
        }
    }
}

/// A torn end costs a copy of a store up to this size, in bytes.
const COPIED_WITHOUT_NEED: u64 = 64 << 20;

/// A copy; none where it cannot be made and an earlier one is there, which was nearer to the damage.
fn copied(directory: &DataDirectory) -> Result<Option<Aside>, StoreError> {
    match Aside::copy(directory) {
        Ok(aside) => Ok(Some(aside)),
        Err(error) => match Aside::first(directory) {
            Some(first) => {
                log::warn!("{error}. What was found first is in {}", first.display());
                Ok(None)
            }
            None => Err(error),
        },
    }
}

fn report(sled: &Path, inspection: &Inspection, suspicion: &Suspicion) {
    const MOST: usize = 20;
    let Suspicion::Damage(_) = suspicion else {
        log::info!("the end of the store's log looks torn, as after a power cut");
        return;
    };
    for suspect in inspection.suspects.iter().take(MOST) {
        let at = place(sled, suspect);
        log::warn!("{at} looks damaged: {:?}", suspect.what);
    }
    let suspects = inspection.suspects.len();
    log::warn!("{suspects} places of the store look damaged");
}

fn place(sled: &Path, suspect: &Suspect) -> String {
    let file = suspect.file.strip_prefix(sled).unwrap_or(&suspect.file);
    format!("{} at byte {}", file.display(), suspect.offset)
}

/// Mends what is certain; what is mended may show more that can be.
fn mend(sled: &Path, mut inspection: Inspection) {
    const ROUNDS: usize = 8;
    for _ in 0..ROUNDS {
        let mut mended = 0;
        for outcome in sled_log::mend_suspects(&inspection) {
            let at = place(sled, &outcome.suspect);
            match outcome.mended {
                Ok(Mended::Repaired(_)) => {
                    mended += 1;
                    log::warn!("{at} is put right: one byte was damaged");
                }
                Ok(Mended::Resealed { sound, damaged, .. }) => {
                    mended += 1;
                    log::warn!("{at} can be read again: {sound} rows are whole, {damaged} are not");
                }
                Err(why) => log::warn!("{at} cannot be mended: {why}"),
            }
        }
        if mended == 0 {
            return;
        }
        match sled_log::inspect(sled) {
            Ok(next) if !next.suspects.is_empty() => inspection = next,
            _ => return,
        }
    }
}

/// Checks a store whose files were suspicious. What is whole is served; where the indexes over all
/// tenants do not fit, nothing is, since nobody can tell then who is unknown.
///
/// Of damage every row is checked; of a torn end only what no tenant's own digest covers, since
/// each tenant is compared with its digest when it is loaded.
pub fn settle(engine: &Engine, suspicion: &Suspicion) -> Result<Settled, StoreError> {
    const MOST: usize = 20;
    let findings = match suspicion {
        Suspicion::None => return Ok(Settled::Whole),
        Suspicion::Tail(_) => checked(|| Ok(check::of_no_tenant(engine)))?,
        Suspicion::Damage(_) => checked(|| check::everything(engine))?,
    };
    if findings.is_empty() {
        if let Suspicion::Damage(_) = suspicion {
            log::warn!("every row of the store was checked and is whole; no copy is kept");
        }
        return Ok(Settled::Whole);
    }
    for finding in findings.iter().take(MOST) {
        log::error!("damaged: {finding}");
    }
    // Of a torn end nothing else was looked at.
    let is_tail = matches!(suspicion, Suspicion::Tail(_));
    let refusing = |finding: &&Finding| is_tail || is_of_all(finding);
    if let Some(finding) = findings.iter().find(refusing) {
        return Err(StoreError::Damaged(finding.to_string()));
    }
    log::error!(
        "{} things of the store are damaged, and what is whole is served; `credenza check` lists \
         them",
        findings.len()
    );
    Ok(Settled::Damaged)
}

fn checked(
    check: impl FnOnce() -> Result<Vec<Finding>, StoreError>,
) -> Result<Vec<Finding>, StoreError> {
    panics::caught(check).unwrap_or_else(|| {
        let why = "its files make no sense where they were read".to_owned();
        Err(StoreError::Damaged(why))
    })
}

/// What came of a suspicion.
pub enum Settled {
    Whole,
    Damaged,
}

fn is_of_all(finding: &Finding) -> bool {
    finding.place == Key::Last.to_string()
}

/// Opens it as it is, else without the snapshot, which sled can do without, else with a new
/// configuration, which always says the same.
fn open_somehow(directory: &DataDirectory) -> Result<Db, StoreError> {
    let first = match open_sled(directory) {
        Err(error @ StoreError::Damaged(_)) => error,
        opened => return opened,
    };
    directory.remove_snapshots()?;
    if let Ok(db) = open_sled(directory) {
        return Ok(db);
    }
    directory.remove_configuration()?;
    open_sled(directory).map_err(|_| first)
}

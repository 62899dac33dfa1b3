//! How a data directory is opened: what is begun, what is believed, and what is refused.
//!
//! A first start ends with the marker, after its secret was shown. So a directory without a marker
//! that holds no more than the bootstrap batch is a start that was cut short, and begins anew; one
//! that holds more has lost its marker. A directory with a marker must hold the store that the
//! marker names: sled opens some damaged directories as empty stores, or rolled back, silently.

use std::path::Path;
use std::time::Duration;

use ::sled::Db;
use ::sled::transaction::TransactionError;
use uuid::Uuid;

use super::files::{self, DataDirectory};
use super::keys::{Key, Tree};
use super::marker::{self, FORMAT, Marker};
use super::panics;
use super::rescue::{self, Rescued, Suspicion};
use super::rows::{self, Holdings, LastRow, ManifestRow};
use super::trees::{Trees, damaged, sled_error};
use super::watermark::Watermark;
use crate::domain::ids::{Epoch, Revision};
use crate::domain::ports::Random;
use crate::store::StoreError;

/// The directory of tenants is the cache of the service; this one only serves loading.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// sled reclaims space in its flusher alone.
const FLUSH_EVERY_MS: u64 = 500;
/// The bootstrap batch is the first of a store.
const BOOTSTRAP: Revision = Revision(1);

/// Which store it is, and which life of it: revisions and tokens belong to one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub store: Uuid,
    pub epoch: Epoch,
}

impl Identity {
    pub fn draw(random: &dyn Random) -> Self {
        let store = random.uuid();
        let mut epoch = [0; 4];
        random.fill(&mut epoch);
        Self {
            store,
            epoch: Epoch(u32::from_be_bytes(epoch)),
        }
    }
}

/// A directory that was opened and found in order.
pub struct Foundation {
    pub trees: Trees,
    pub db: Db,
    pub identity: Identity,
    pub last: Revision,
    /// How its files looked.
    pub suspicion: Suspicion,
    /// Whether the first start was completed.
    pub complete: bool,
    /// Last, so that its lock outlives sled.
    pub directory: DataDirectory,
}

pub fn open(root: &Path, random: &dyn Random) -> Result<Foundation, StoreError> {
    let directory = DataDirectory::open(root)?;
    DataDirectory::refuse_restoring(root)?;
    match directory.read_marker() {
        Ok(Some(marker)) => existing(directory.with_sled(&marker.directory), &marker),
        Ok(None) => unmarked(directory, random),
        Err(error) => Err(error),
    }
    .map_err(|error| within(root, error))
}

/// Opens a directory whose first start was completed; one without a marker is refused, and
/// nothing is created in it.
pub fn marked(root: &Path) -> Result<Foundation, StoreError> {
    if !DataDirectory::has_marker(root) {
        return Err(StoreError::Failed(format!(
            "there is no store in {} (it has no marker)",
            root.display()
        )));
    }
    again(&DataDirectory::open(root)?)
}

/// Opens a directory that this process has had open all the time, and whose sled was let go.
pub fn again(directory: &DataDirectory) -> Result<Foundation, StoreError> {
    match directory.read_marker() {
        Ok(Some(marker)) => existing(directory.with_sled(&marker.directory), &marker),
        Ok(None) => Err(StoreError::Failed(
            "its first start was not completed".to_owned(),
        )),
        Err(error) => Err(error),
    }
    .map_err(|error| within(directory.root(), error))
}

/// Begins a store in a directory that is empty or absent.
pub fn create(root: &Path, identity: Identity) -> Result<Foundation, StoreError> {
    DataDirectory::refuse_used(root)?;
    let directory = DataDirectory::open(root)?;
    directory.begin_restoring()?;
    fresh(directory, identity).map_err(|error| within(root, error))
}

/// Names the directory, and what to do where it is damaged.
fn within(root: &Path, error: StoreError) -> StoreError {
    let root = root.display();
    match error {
        StoreError::Damaged(what) => StoreError::Damaged(format!(
            "{root}: {what}. Copy the directory before anything else is tried (`cp -a`), then make a \
             store of the last backup: `credenza restore --from BACKUP --data EMPTY_DIR`"
        )),
        StoreError::Failed(why) => StoreError::Failed(format!("{root}: {why}")),
        StoreError::Closed => StoreError::Closed,
    }
}

fn existing(directory: DataDirectory, marker: &Marker) -> Result<Foundation, StoreError> {
    if !directory.database().is_file() {
        return Err(StoreError::Damaged(
            "the marker says that there is a store, and its files are missing".to_owned(),
        ));
    }
    let Rescued { db, suspicion } = rescue::open(&directory)?;
    match believed(&directory, marker, db) {
        Ok((trees, db, identity, last)) => Ok(Foundation {
            trees,
            db,
            identity,
            last,
            suspicion,
            complete: true,
            directory,
        }),
        Err(error) => {
            suspicion.put_back()?;
            Err(error)
        }
    }
}

/// Compares what sled found with what is known of the store from outside.
fn believed(
    directory: &DataDirectory,
    marker: &Marker,
    db: Db,
) -> Result<(Trees, Db, Identity, Revision), StoreError> {
    if !db.was_recovered() {
        return Err(StoreError::Damaged(
            "the marker says that there is a store, and its files hold nothing".to_owned(),
        ));
    }
    let names = db.tree_names();
    if let Some(tree) = Tree::ALL
        .iter()
        .find(|tree| !names.iter().any(|name| name == tree.name().as_bytes()))
    {
        return Err(damaged(
            format!("`{}`", tree.name()),
            "all of it is missing",
        ));
    }
    let trees = Trees::open(&db, directory)?;
    let Some((manifest, last)) = identity(&trees)? else {
        return Err(damaged(Key::Manifest, "it is missing"));
    };
    let identity = manifest.identity();
    if (identity.store, identity.epoch.0) != (marker.store_id, marker.epoch) {
        return Err(StoreError::Damaged(
            "the marker belongs to another store than the one that is there".to_owned(),
        ));
    }
    if let Some(seal) = marker.sealed
        && last.0 < seal.revision
    {
        return Err(StoreError::Damaged(format!(
            "the store ends with revision {last}, and was closed with {}",
            seal.revision
        )));
    }
    if let Some(durable) = Watermark::read(&directory.watermark(), identity)?
        && last < durable
    {
        return Err(StoreError::Damaged(format!(
            "the store ends with revision {last}, and revision {durable} was on disk"
        )));
    }
    Ok((trees, db, identity, last))
}

fn unmarked(directory: DataDirectory, random: &dyn Random) -> Result<Foundation, StoreError> {
    if directory.has_sled()? {
        let db = match open_sled(&directory) {
            // Creation is when a power cut tears `conf`, and what it holds is always the same.
            Err(StoreError::Damaged(_)) => {
                directory.remove_configuration()?;
                open_sled(&directory)?
            }
            opened => opened?,
        };
        let trees = Trees::open(&db, &directory)?;
        refuse_unmarked_data(&trees)?;
        drop(trees);
        drop(db);
        directory.remove_sled()?;
    }
    fresh(directory, Identity::draw(random))
}

/// Refuses a store that holds more than a first start writes before its marker.
fn refuse_unmarked_data(trees: &Trees) -> Result<(), StoreError> {
    let unmarked = |what: String| {
        StoreError::Damaged(format!(
            "the marker is missing, and the store holds more than a first start: {what}"
        ))
    };
    let most = match identity(trees)? {
        Some((_, last)) if last > BOOTSTRAP => {
            return Err(unmarked(format!("it ends with revision {last}")));
        }
        Some(_) => 1,
        None => 0,
    };
    for tree in [Tree::Tenants, Tree::Clients] {
        let rows = trees.with_prefix(tree, &[]).take(most + 1);
        if rows.collect::<Result<Vec<_>, _>>()?.len() > most {
            return Err(unmarked(format!("`{}` has rows", tree.name())));
        }
    }
    Ok(())
}

/// sled's directory with all trees, and nothing in them.
pub fn empty(directory: &DataDirectory, identity: Identity) -> Result<Foundation, StoreError> {
    directory.create_sled()?;
    let db = open_sled(directory)?;
    let trees = Trees::open(&db, directory)?;
    Ok(Foundation {
        trees,
        db,
        identity,
        last: Revision::ZERO,
        suspicion: Suspicion::None,
        complete: false,
        directory: directory.clone(),
    })
}

fn fresh(directory: DataDirectory, identity: Identity) -> Result<Foundation, StoreError> {
    let empty = empty(&directory, identity)?;
    let manifest = ManifestRow {
        format: FORMAT,
        store: *identity.store.as_bytes(),
        epoch: identity.epoch.0,
    };
    begin(&empty.trees, &manifest)?;
    let flushed = empty.db.flush();
    flushed.map_err(|error| sled_error("creating the store", &error))?;
    directory.sync_everything()?;
    Ok(empty)
}

fn begin(trees: &Trees, manifest: &ManifestRow) -> Result<(), StoreError> {
    let last = LastRow {
        revision: 0,
        operation: [0; 16],
        holdings: Some(Holdings::default()),
    };
    let unfit = |key: Key| move |why| damaged(key, why);
    let manifest = rows::seal(&Key::Manifest, manifest).map_err(unfit(Key::Manifest))?;
    let last = rows::seal(&Key::Last, &last).map_err(unfit(Key::Last))?;
    let written = trees.transaction(|views| {
        let meta = &views[Tree::Meta as usize];
        meta.insert(Key::Manifest.bytes(), &manifest[..])?;
        meta.insert(Key::Last.bytes(), &last[..])?;
        Ok(())
    });
    written.map_err(|error| match error {
        TransactionError::Abort(()) => StoreError::Failed("creating the store".to_owned()),
        TransactionError::Storage(error) => sled_error("creating the store", &error),
    })
}

/// What a store says of itself; `None` for one that was not begun.
fn identity(trees: &Trees) -> Result<Option<(ManifestRow, Revision)>, StoreError> {
    let manifest: Option<ManifestRow> = trees.row(&Key::Manifest)?;
    let last: Option<LastRow> = trees.row(&Key::Last)?;
    match (manifest, last) {
        (Some(manifest), Some(last)) => {
            marker::refuse_later_format(manifest.format.into(), None)?;
            Ok(Some((manifest, Revision(last.revision))))
        }
        (None, None) => Ok(None),
        (None, Some(_)) => Err(damaged(Key::Manifest, "it is missing")),
        (Some(_), None) => Err(damaged(Key::Last, "it is missing")),
    }
}

/// Opens sled with everything that has to be done right before and right after.
pub fn open_sled(directory: &DataDirectory) -> Result<Db, StoreError> {
    directory.prepare_for_opening()?;
    let config = ::sled::Config::new()
        .path(directory.sled())
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let db = patiently(directory, || config.open())?;
    directory.sync_everything()?;
    Ok(db)
}

/// Has sled write a snapshot, which it does when it opens, and only then. What lies before a
/// snapshot is not replayed, and a damaged byte there is an error where it is read; in what is
/// replayed it may be the end of everything. That it cannot be written is no failure.
pub fn write_snapshot(directory: &DataDirectory) {
    if let Err(error) = open_sled(directory) {
        log::debug!("no snapshot was written: {error}");
    }
}

/// sled's own lock may outlive the last use of a store in this process by a moment.
fn patiently(
    directory: &DataDirectory,
    open: impl Fn() -> ::sled::Result<Db>,
) -> Result<Db, StoreError> {
    const TRIES: usize = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        match panics::caught(&open) {
            Some(Ok(db)) => return Ok(db),
            Some(Err(error)) if is_lock(&error) => std::thread::sleep(PAUSE),
            // What it says to a `conf` that makes no sense.
            Some(Err(::sled::Error::Unsupported(why))) => {
                return Err(StoreError::Damaged(format!("opening the store: {why}")));
            }
            Some(Err(error)) => return Err(sled_error("opening the store", &error)),
            None => {
                return Err(StoreError::Damaged(
                    "the store's files cannot be read: they end too early or were changed"
                        .to_owned(),
                ));
            }
        }
    }
    Err(files::in_use(directory.root()))
}

fn is_lock(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

//! Data directories of the default store: begun, refused, and opened again.

use std::fs;
use std::path::{Path, PathBuf};

use credenza::domain::ids::Revision;
use credenza::store::batch::{Batch, Change, TenantRevisions};
use credenza::store::sled::{Opened, SledStore};
use credenza::store::{CommitError, Store, StoreError};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::*;

struct Directory {
    path: PathBuf,
    _parent: TempDir,
}

impl Directory {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/data");
        Self {
            path,
            _parent: parent,
        }
    }

    /// One whose first start was completed, and that was closed after `batches` batches.
    fn filled(batches: u64) -> Self {
        let directory = Self::new();
        let store = fresh(&directory.path);
        for revision in 1..=batches {
            commit(&store, revision).unwrap();
        }
        store.mark_complete().unwrap();
        runtime().block_on(store.close()).unwrap();
        directory
    }

    fn marker(&self) -> PathBuf {
        self.path.join("marker")
    }

    fn change_marker(&self, from: &str, to: &str) {
        let marker = fs::read_to_string(self.marker()).unwrap();
        assert!(marker.contains(from), "{marker}");
        fs::write(self.marker(), marker.replace(from, to)).unwrap();
    }

    fn refusal(&self) -> StoreError {
        refusal(&self.path)
    }

    fn assert_damaged(&self, words: &str) {
        match self.refusal() {
            StoreError::Damaged(what) => assert!(what.contains(words), "{what}"),
            other => panic!("{other}"),
        }
    }
}

fn refusal(path: &Path) -> StoreError {
    match open(path) {
        Ok(_) => panic!("the directory was opened"),
        Err(error) => error,
    }
}

/// The first batch creates a tenant, each later one a client.
fn commit(store: &SledStore, revision: u64) -> Result<(), CommitError> {
    let id = tenant_id(1);
    let change = match revision {
        1 => put_tenant(&tenant(1), true),
        _ => put_client(id, None, &client(&format!("c{revision}"))),
    };
    runtime().block_on(store.commit(batch(revision, vec![change])))
}

/// A batch that moves the one tenant from the revision before.
fn batch(revision: u64, changes: Vec<Change>) -> Batch {
    Batch {
        operation: Uuid::from_u128(revision.into()),
        revision: Revision(revision),
        tenants: vec![TenantRevisions {
            tenant: tenant_id(1),
            decided_on: Revision(revision - 1),
            after: Revision(revision),
        }],
        changes,
    }
}

fn clients(store: &SledStore) -> usize {
    let rows = runtime().block_on(store.load(tenant_id(1))).unwrap();
    rows.unwrap().clients.len()
}

#[test]
fn a_first_start_that_was_cut_short_begins_anew() {
    let directory = Directory::new();
    let first = fresh(&directory.path);
    let epoch = first.epoch();
    drop(first);
    let second = fresh(&directory.path);
    commit(&second, 1).unwrap();
    runtime().block_on(second.close()).unwrap();
    drop(second);
    assert!(!directory.marker().exists());
    let other = Counting::new();
    credenza::domain::ports::Random::fill(&other, &mut [0; 80]);
    let third = match SledStore::open(&directory.path, &other).unwrap() {
        Opened::Fresh(store) => store,
        Opened::Existing(_) => panic!("a start that was cut short was believed"),
    };
    assert_ne!(third.epoch(), epoch);
    assert!(
        runtime()
            .block_on(third.tenants(None, 1))
            .unwrap()
            .is_empty()
    );
    commit(&third, 1).unwrap();
    third.mark_complete().unwrap();
    drop(third);
    assert_eq!(clients(&existing(&directory.path)), 0);
}

#[test]
fn a_first_start_that_left_an_empty_or_torn_directory_begins_anew() {
    let directory = Directory::new();
    drop(fresh(&directory.path));
    fs::remove_dir_all(directory.path.join("sled")).unwrap();
    fs::create_dir(directory.path.join("sled")).unwrap();
    drop(fresh(&directory.path));
    fs::write(directory.path.join("sled/conf"), [0; 100]).unwrap();
    drop(fresh(&directory.path));
}

#[test]
fn data_without_a_marker_is_refused() {
    let directory = Directory::filled(2);
    fs::remove_file(directory.marker()).unwrap();
    directory.assert_damaged("the marker is missing");
    directory.assert_damaged("revision 2");
}

#[test]
fn a_marker_without_its_store_is_refused() {
    let directory = Directory::filled(2);
    fs::remove_file(directory.path.join("sled/db")).unwrap();
    directory.assert_damaged("files are missing");
    fs::remove_dir_all(directory.path.join("sled")).unwrap();
    directory.assert_damaged("files are missing");
    fs::create_dir(directory.path.join("sled")).unwrap();
    fs::write(directory.path.join("sled/db"), []).unwrap();
    directory.assert_damaged("hold nothing");
}

#[test]
fn a_marker_of_another_store_is_refused() {
    let one = Directory::filled(2);
    one.change_marker(r#""epoch":"#, r#""epoch":1"#);
    one.assert_damaged("another store");
}

#[test]
fn a_store_that_ends_before_its_seal_is_refused() {
    let directory = Directory::filled(2);
    directory.change_marker(r#""revision":2"#, r#""revision":3"#);
    directory.assert_damaged("ends with revision 2, and was closed with 3");
}

#[test]
fn a_marker_that_cannot_be_read_is_refused() {
    let directory = Directory::filled(1);
    fs::write(directory.marker(), "{").unwrap();
    directory.assert_damaged("cannot be read");
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let directory = Directory::filled(1);
    directory.change_marker(r#""format_version":1"#, r#""format_version":2,"more":[]"#);
    let words = directory.refusal().to_string();
    assert!(words.contains("version 2"), "{words}");
}

#[test]
fn a_second_opener_is_told_that_the_directory_is_in_use() {
    let directory = Directory::filled(1);
    let store = existing(&directory.path);
    let words = directory.refusal().to_string();
    assert!(
        words.contains("another process has the data directory"),
        "{words}"
    );
    drop(store);
    drop(existing(&directory.path));
}

#[test]
fn a_snapshot_that_a_kill_left_unfinished_is_harmless() {
    let directory = Directory::filled(3);
    let unfinished = directory.path.join("sled/snap.0000000000000001.generating");
    fs::write(&unfinished, b"half").unwrap();
    assert_eq!(clients(&existing(&directory.path)), 2);
    assert!(!unfinished.exists());
}

#[test]
fn a_closed_store_takes_nothing_and_is_sealed() {
    let directory = Directory::filled(2);
    let store = existing(&directory.path);
    commit(&store, 3).unwrap();
    runtime().block_on(store.close()).unwrap();
    match commit(&store, 4) {
        Err(CommitError::DidNotHappen(_)) => {}
        other => panic!("{other:?}"),
    }
    let marker = fs::read_to_string(directory.marker()).unwrap();
    assert!(marker.contains(r#""revision":3"#), "{marker}");
    drop(store);
    // Damage before a snapshot is an error where it is read, not the end of the log.
    let files = fs::read_dir(directory.path.join("sled")).unwrap();
    let mut names = files.map(|entry| entry.unwrap().file_name());
    assert!(names.any(|name| name.to_string_lossy().starts_with("snap.")));
    assert_eq!(clients(&existing(&directory.path)), 2);
}

#[test]
fn nothing_is_kept_outside_of_pages() {
    let directory = Directory::new();
    let store = fresh(&directory.path);
    commit(&store, 1).unwrap();
    for revision in 2..150 {
        let mut record = largest_client();
        record.client.id = client_id(&format!("c{revision}"));
        let change = put_client(tenant_id(1), None, &record);
        runtime()
            .block_on(store.commit(batch(revision, vec![change])))
            .unwrap();
    }
    let blobs = fs::read_dir(directory.path.join("sled/blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
    assert_eq!(clients(&store), 148);
    assert_eq!(runtime().block_on(store.check()).unwrap(), []);
}

#[test]
fn a_tenant_that_changes_meanwhile_is_loaded_at_one_revision() {
    let directory = Directory::filled(1);
    let store = existing(&directory.path);
    let id = tenant_id(1);
    let ended = std::sync::atomic::AtomicBool::new(false);
    let acquire = std::sync::atomic::Ordering::Acquire;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut old = None;
            for revision in 2..400 {
                let texts = [["a", "b"], ["b", "c"], ["c", "a"]][revision as usize % 3];
                let mut new = with(client("pump"), &texts, &[], &[1]);
                new.client.changed = Revision(revision);
                let change = put_client(id, old.as_ref(), &new);
                old = Some(new);
                runtime()
                    .block_on(store.commit(batch(revision, vec![change])))
                    .unwrap();
            }
            ended.store(true, std::sync::atomic::Ordering::Release);
        });
        while !ended.load(acquire) {
            let rows = runtime().block_on(store.load(id)).unwrap().unwrap();
            let changed = rows.clients.first().map(|record| record.client.changed);
            assert_eq!(changed.unwrap_or(Revision(1)), rows.revision);
            assert_eq!(runtime().block_on(store.check()).unwrap(), []);
        }
    });
    assert_eq!(runtime().block_on(store.revision()).unwrap(), Revision(399));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_enter() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::filled(1);
    for (path, mode) in [
        (directory.path.clone(), 0o700),
        (directory.path.join("sled"), 0o700),
        (directory.marker(), 0o600),
    ] {
        let permissions = fs::metadata(&path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{}", path.display());
    }
}

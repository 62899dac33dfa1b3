//! The audit log on a real file: torn lines, rotation, failed attempts, and what a reader makes of
//! all that.

use std::path::{Path, PathBuf};

use super::{AuditFile, read};
use crate::domain::ids::{ClientId, Epoch, Revision, TenantId};
use crate::domain::times::Timestamp;
use crate::service::audit::{Action, Changes, Object, Record, Sink as _};

fn record(revision: u64) -> Record {
    Record {
        time: Timestamp::from_parts(1_900_000_000, 0).unwrap(),
        operation_id: Some(format!("operation {revision}")),
        epoch: Epoch(1),
        revision: Revision(revision),
        tenant: TenantId::from_bytes([1; 16]),
        caller: None,
        action: Action::ClientDelete,
        object: Object {
            client: ClientId::parse("press-1"),
            ..Object::default()
        },
        changes: Changes::default(),
    }
}

fn records(revisions: std::ops::RangeInclusive<u64>) -> Vec<Record> {
    revisions.map(record).collect()
}

/// A directory, and the path of a log in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    (directory, path)
}

/// The revisions in a log, and how many lines are torn.
fn revisions(path: &Path) -> (Vec<u64>, u64) {
    let mut log = read(path).unwrap();
    let found = log.by_ref().map(|record| record.unwrap().revision.0);
    let found = found.collect();
    (found, log.torn())
}

#[test]
fn what_is_appended_is_read_in_order_also_over_two_runs() {
    let (_directory, path) = place();
    AuditFile::open(&path)
        .unwrap()
        .append(&records(1..=3))
        .unwrap();
    AuditFile::open(&path)
        .unwrap()
        .append(&records(4..=4))
        .unwrap();
    let found: Vec<Record> = read(&path).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, records(1..=4));
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (_directory, path) = place();
    drop(AuditFile::open(&path).unwrap());
    assert_eq!(mode(&path), 0o600);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    drop(AuditFile::open(&path).unwrap());
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn a_torn_last_line_stays_and_the_next_record_begins_on_its_own() {
    let (_directory, path) = place();
    AuditFile::open(&path)
        .unwrap()
        .append(&records(1..=2))
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in [1, 2, whole.len() / 4] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        AuditFile::open(&path)
            .unwrap()
            .append(&records(3..=3))
            .unwrap();
        let text = std::fs::read(&path).unwrap();
        assert!(text.starts_with(&whole[..whole.len() - cut]));
        // Without its line end alone, the record is whole.
        let expected = match cut {
            1 => (vec![1, 2, 3], 0),
            _ => (vec![1, 3], 1),
        };
        assert_eq!(revisions(&path), expected, "cut by {cut}");
    }
}

#[test]
fn a_failed_attempt_is_cut_back_before_the_next() {
    let (_directory, path) = place();
    let mut file = AuditFile::open(&path).unwrap();
    file.append(&records(1..=1)).unwrap();
    let line = record(2).to_line().unwrap();
    file.fail_after(&line[..40]);
    file.append(&records(2..=3)).unwrap();
    assert_eq!(revisions(&path), (vec![1, 2, 3], 0));
}

#[cfg(unix)]
#[test]
fn a_renamed_or_removed_file_is_opened_anew() {
    let (directory, path) = place();
    let old = directory.path().join("audit.1");
    let mut file = AuditFile::open(&path).unwrap();
    file.append(&records(1..=1)).unwrap();
    std::fs::rename(&path, &old).unwrap();
    file.append(&records(2..=2)).unwrap();
    assert_eq!(revisions(&old), (vec![1], 0));
    assert_eq!(revisions(&path), (vec![2], 0));
    std::fs::remove_file(&path).unwrap();
    file.append(&records(3..=3)).unwrap();
    assert_eq!(revisions(&path), (vec![3], 0));
}

#[test]
fn a_second_writer_and_a_missing_directory_are_refused() {
    let (directory, path) = place();
    let _first = AuditFile::open(&path).unwrap();
    let error = AuditFile::open(&path).err().unwrap().to_string();
    assert!(error.contains("another process has"), "{error}");
    let nowhere = directory.path().join("nowhere").join("audit.jsonl");
    assert!(AuditFile::open(&nowhere).is_err());
}

#[test]
fn a_file_that_holds_something_else_is_refused_and_stays_as_it_is() {
    let (_directory, path) = place();
    let key = "-----BEGIN PRIVATE KEY-----\n";
    std::fs::write(&path, key).unwrap();
    let error = AuditFile::open(&path).err().unwrap().to_string();
    assert!(
        error.contains("something else than an audit log"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), key);
    // What a power cut may have left of the first line.
    std::fs::write(&path, [0; 16]).unwrap();
    assert!(AuditFile::open(&path).is_ok());
}

#[test]
fn a_line_that_is_no_record_is_named_and_ends_the_reading() {
    let (_directory, path) = place();
    let line = |revision| record(revision).to_line().unwrap();
    let damaged = line(2).replace("Epoch", "Epoche");
    for middle in [damaged, "{\"Time\":1}".into(), "x".into(), "7".into()] {
        std::fs::write(&path, format!("{}\n{middle}\n{}\n", line(1), line(3))).unwrap();
        let mut log = read(&path).unwrap();
        assert_eq!(log.next().unwrap().unwrap(), record(1));
        let error = log.next().unwrap().unwrap_err().to_string();
        assert!(
            error.contains("audit.jsonl, line 2, cannot be read"),
            "{error}"
        );
        assert!(log.next().is_none());
    }
    let endless = vec![b' '; 3 << 20];
    std::fs::write(&path, endless).unwrap();
    let error = read(&path).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[test]
fn zeros_of_a_power_cut_and_empty_lines_are_passed_over() {
    let (_directory, path) = place();
    let line = |revision| record(revision).to_line().unwrap();
    let text = format!("{}\n\0\0\0\n\n{}\0\0\n{}", line(1), &line(2)[..30], line(3));
    std::fs::write(&path, text).unwrap();
    assert_eq!(revisions(&path), (vec![1, 3], 1));
    std::fs::write(&path, "").unwrap();
    assert_eq!(revisions(&path), (vec![], 0));
    assert!(read(Path::new("/nowhere/audit.jsonl")).is_err());
}

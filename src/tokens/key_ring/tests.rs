//! Tests of the key ring: rotation, its times, and what a crash between any two of its steps leaves.

use tempfile::TempDir;

use super::*;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(1_900_000_000 + seconds, 0).unwrap()
}

fn open(directory: &TempDir, seconds: i64) -> KeyRing {
    KeyRing::open(directory.path(), at(seconds)).unwrap()
}

/// The kids of a list, by state: next, signing, retired.
fn kids(listed: &[Listed]) -> [Vec<&str>; 3] {
    let of = |wanted: fn(&State) -> bool| {
        let some = listed.iter().filter(|key| wanted(&key.state));
        some.map(|key| key.kid.as_str()).collect()
    };
    [
        of(|state| *state == State::Next),
        of(|state| *state == State::Signing),
        of(|state| matches!(state, State::Retired { .. })),
    ]
}

/// The one key that is next, and the one that signs.
fn next_and_signing(ring: &KeyRing, seconds: i64) -> [String; 2] {
    let listed = ring.list(at(seconds));
    let [next, signing, _] = kids(&listed);
    assert_eq!((next.len(), signing.len()), (1, 1), "{listed:?}");
    [next[0].to_owned(), signing[0].to_owned()]
}

fn published(ring: &KeyRing) -> Vec<String> {
    let jwks: serde_json::Value = serde_json::from_slice(ring.keys().now().jwks()).unwrap();
    let keys = jwks["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_next_key_signs_once_everybody_has_it_and_the_last_one_verifies_on() {
    let directory = tempfile::tempdir().unwrap();
    let ring = open(&directory, 0);
    let [next, first] = next_and_signing(&ring, 0);
    assert_eq!(published(&ring), [first.as_str(), &next]);
    let early = ring.rotate(at(PUBLISHED_BEFORE - 1)).unwrap_err();
    assert!(early.contains("rotate then"), "{early}");
    let now = PUBLISHED_BEFORE;
    let rotated = ring.rotate(at(now)).unwrap();
    assert_eq!(rotated.signing, next);
    assert_eq!(rotated.retired_until, Some(at(now + KEPT)));
    let [after_next, signing] = next_and_signing(&ring, now);
    assert_eq!(signing, next);
    assert_eq!(published(&ring), [signing, after_next, first.clone()]);
    assert!(ring.look(at(now + KEPT - 1), None).is_none());
    assert!(published(&ring).contains(&first));
    assert!(ring.look(at(now + KEPT), None).is_none());
    assert!(!published(&ring).contains(&first));
    assert_eq!(ring.list(at(now + KEPT)).len(), 2);
}

#[test]
fn the_schedule_counts_from_the_last_rotation_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let every = |days: u64| Some(Duration::from_secs(days * DAY as u64));
    let ring = open(&directory, 0);
    let [next, first] = next_and_signing(&ring, 0);
    assert!(ring.look(at(90 * DAY - 1), every(90)).is_none());
    assert!(ring.look(at(900 * DAY), None).is_none());
    drop(ring);
    let ring = open(&directory, 90 * DAY - 1);
    assert_eq!(next_and_signing(&ring, 0)[1], first);
    let rotated = ring.look(at(90 * DAY), every(90)).unwrap();
    assert_eq!(rotated.signing, next);
    // However often: each key is published long enough before.
    let often = Some(Duration::from_secs(1));
    let rotated_at: Vec<i64> = (90 * DAY..90 * DAY + 1_000)
        .filter(|now| ring.look(at(*now), often).is_some())
        .collect();
    assert_eq!(rotated_at.len(), 2);
    assert!(rotated_at[1] - rotated_at[0] >= PUBLISHED_BEFORE);
}

#[test]
fn of_stolen_keys_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let ring = open(&directory, 0);
    ring.rotate(at(DAY)).unwrap();
    let before = published(&ring);
    assert_eq!(before.len(), 3);
    let edition = ring.keys().now().edition();
    let rotated = ring.rotate_now(at(DAY)).unwrap();
    assert_eq!(rotated.retired_until, None);
    let after = published(&ring);
    assert!(after.iter().all(|kid| !before.contains(kid)), "{after:?}");
    assert_eq!((after.len(), &after[0]), (2, &rotated.signing));
    assert!(ring.keys().now().edition() > edition);
    drop(ring);
    assert_eq!(published(&open(&directory, DAY)), after);
}

#[test]
fn a_crash_between_any_two_steps_leaves_a_working_set() {
    // How far each came: before the record was written, behind it, and behind the rename.
    for (stolen, step) in [false, true]
        .into_iter()
        .flat_map(|stolen| (0..3).map(move |step| (stolen, step)))
    {
        let directory = tempfile::tempdir().unwrap();
        let ring = open(&directory, 0);
        let [mut next, first] = next_and_signing(&ring, 0);
        if stolen {
            let fresh = key_file::create(&next_path(directory.path())).unwrap();
            next = fresh.verification_key().kid().to_owned();
        }
        let mut files = ring.files.into_inner();
        let mut rotated = Record {
            signing: Some(Known {
                kid: next.clone(),
                created: at(0),
                since: at(DAY),
            }),
            ..Record::default()
        };
        if !stolen {
            rotated.retired.push(Retired {
                key: ring.keys.now().signing().verification_key().clone(),
                created: at(0),
                until: at(DAY + KEPT),
            });
        }
        if step >= 1 {
            files.commit(rotated).unwrap();
        }
        if step >= 2 {
            let to = signing_path(directory.path());
            fs::rename(next_path(directory.path()), to).unwrap();
        }
        drop(files);
        // What signed until the crash verifies for as long, whenever the next start is.
        let started = DAY + 600;
        let shown = list(directory.path(), at(started)).unwrap();
        let ring = open(&directory, started);
        let [new_next, signing] = next_and_signing(&ring, started);
        let context = format!("stolen: {stolen}, step {step}");
        let listed = ring.list(at(started));
        match step {
            0 => assert_eq!([&new_next, &signing], [&next, &first], "{context}"),
            _ => assert_eq!(signing, next, "{context}"),
        }
        assert_eq!(kids(&shown)[1], [signing.as_str()], "{context}");
        let kept = listed.iter().find(|key| key.kid == first);
        let kept = kept.map(|key| key.state.clone());
        let until = |seconds| Some(State::Retired { until: at(seconds) });
        match (stolen, step) {
            (_, 0) => assert_eq!(kept, Some(State::Signing), "{context}"),
            (true, _) => assert_eq!(kept, None, "{context}"),
            (false, 1) => assert_eq!(kept, until(started + KEPT), "{context}"),
            (false, _) => assert_eq!(kept, until(DAY + KEPT), "{context}"),
        }
        // And it goes on from there.
        let ready = started + PUBLISHED_BEFORE;
        assert_eq!(ring.rotate(at(ready)).unwrap().signing, new_next);
    }
}

#[test]
fn a_directory_of_before_gets_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let key = key_file::create(&signing_path(directory.path())).unwrap();
    let first = key.verification_key().kid();
    let shown = list(directory.path(), at(0)).unwrap();
    assert_eq!((shown.len(), shown[0].created), (1, None));
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    let ring = open(&directory, 0);
    assert_eq!(next_and_signing(&ring, 0)[1], first);
    // Nobody knows since when it signs: the schedule begins now.
    assert!(
        ring.look(at(DAY - 1), Some(Duration::from_secs(86_400)))
            .is_none()
    );
    assert!(
        ring.look(at(DAY), Some(Duration::from_secs(86_400)))
            .is_some()
    );
}

#[test]
fn what_is_lost_costs_no_more_than_it_must() {
    let directory = tempfile::tempdir().unwrap();
    let ring = open(&directory, 0);
    ring.rotate(at(DAY)).unwrap();
    let [next, signing] = next_and_signing(&ring, DAY);
    // The next key has signed nothing.
    fs::write(next_path(directory.path()), "damaged").unwrap();
    let ring = open(&directory, DAY + 1);
    let [other, same] = next_and_signing(&ring, DAY + 1);
    assert!(other != next && same == signing);
    assert_eq!(published(&ring).len(), 3);
    assert!(
        ring.rotate(at(DAY + PUBLISHED_BEFORE)).is_err(),
        "it is new"
    );
    // Without the record, keys of before are forgotten, and the next one counts as new.
    for damaged in ["", "{}", "{\"format_version\":2}"] {
        fs::write(record_path(directory.path()), damaged).unwrap();
        let ring = open(&directory, 2 * DAY);
        assert_eq!(
            next_and_signing(&ring, 2 * DAY),
            [other.clone(), signing.clone()]
        );
        assert_eq!(published(&ring).len(), 2);
        assert!(ring.rotate(at(2 * DAY + 1)).is_err());
    }
    // Who takes the key away may do so because it was stolen, and the next one with it.
    fs::remove_file(signing_path(directory.path())).unwrap();
    assert!(list(directory.path(), at(3 * DAY)).is_err());
    // Before another one is there: a power cut brings none of them back.
    let in_the_way = directory.path().join("signing-key.pem.new");
    fs::create_dir(&in_the_way).unwrap();
    assert!(KeyRing::open(directory.path(), at(3 * DAY)).is_err());
    assert!(!next_path(directory.path()).exists());
    assert!(Record::read(&record_path(directory.path())).unwrap() == Record::default());
    fs::remove_dir(&in_the_way).unwrap();
    let anew = published(&open(&directory, 3 * DAY));
    assert!(!anew.contains(&signing) && !anew.contains(&other) && anew.len() == 2);
}

#[test]
fn a_failed_write_leaves_the_set_as_it_was_and_is_made_up_for() {
    let directory = tempfile::tempdir().unwrap();
    let ring = open(&directory, 0);
    let before = published(&ring);
    // A directory in the way of the temporary file.
    let in_the_way = directory.path().join("keys.json.new");
    fs::create_dir(&in_the_way).unwrap();
    assert!(ring.rotate(at(DAY)).is_err());
    assert!(ring.rotate_now(at(DAY)).is_err());
    assert_eq!(published(&ring)[0], before[0]);
    fs::remove_dir(&in_the_way).unwrap();
    ring.look(at(DAY + 1), None);
    assert_eq!(next_and_signing(&ring, DAY + 1)[1], before[0]);
    assert_eq!(published(&open(&directory, DAY + 1)), published(&ring));
    // The next key cannot be made: the one that signs is changed all the same.
    let in_the_way = directory.path().join("next-key.pem.new");
    let ready = DAY + 1 + PUBLISHED_BEFORE;
    fs::create_dir(&in_the_way).unwrap();
    let rotated = ring.rotate(at(ready)).unwrap();
    assert_eq!(published(&ring), [rotated.signing.as_str(), &before[0]]);
    assert!(
        ring.rotate(at(2 * DAY))
            .unwrap_err()
            .contains("no next key")
    );
    fs::remove_dir(&in_the_way).unwrap();
    ring.look(at(2 * DAY), None);
    assert_eq!(next_and_signing(&ring, 2 * DAY)[1], rotated.signing);
}

#[test]
fn a_clock_that_was_ahead_delays_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let years = 3_000 * DAY;
    let ring = open(&directory, years);
    ring.rotate(at(years + DAY)).unwrap();
    assert!(ring.look(at(0), None).is_none());
    let until = State::Retired { until: at(KEPT) };
    assert_eq!(ring.list(at(0))[2].state, until);
    assert!(ring.look(at(KEPT), Some(Duration::from_secs(60))).is_some());
}

#[test]
fn the_record_holds_no_private_key_and_all_files_are_their_owners() {
    let directory = tempfile::tempdir().unwrap();
    let ring = open(&directory, 0);
    ring.rotate(at(DAY)).unwrap();
    let record = fs::read_to_string(record_path(directory.path())).unwrap();
    for path in [signing_path(directory.path()), next_path(directory.path())] {
        let pem = fs::read_to_string(path).unwrap();
        for line in pem.lines().filter(|line| !line.starts_with('-')) {
            assert!(!record.contains(line));
        }
    }
    #[cfg(unix)]
    for entry in directory.path().read_dir().unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
    }
}

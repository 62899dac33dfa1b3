//! Damage anywhere in a data directory: what is served is what was stored, or it is named as
//! damaged, or the start is refused. Nothing wrong, no panic, no hang.
//!
//! `CREDENZA_FLIPS` sets how many directories are damaged (200), `CREDENZA_SEED` repeats a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use credenza::domain::client::ClientRecord;
use credenza::domain::ids::{ClientId, Revision, TenantId};
use credenza::store::batch::{Batch, Change, TenantRevisions};
use credenza::store::sled::{Opened, SledStore};
use credenza::store::{Store, TenantEntry, TenantRows};
use tempfile::TempDir;
use uuid::Uuid;

use crate::dice::Dice;
use crate::support::*;

const TENANTS: u8 = 4;
/// Enough for several segments of the log.
const CLIENTS: u64 = 250;

/// What a store holds.
struct Truth {
    tenants: BTreeMap<TenantId, TenantRows>,
    having: BTreeMap<ClientId, Vec<TenantId>>,
}

/// Fills a store: creations, updates, a disabling, deletions.
fn fill(store: &SledStore) {
    let mut revision = 0;
    let mut at = BTreeMap::new();
    let mut commit = |number: u8, changes: Vec<Change>| {
        revision += 1;
        let tenant = tenant_id(number);
        let decided_on = at
            .insert(tenant, Revision(revision))
            .unwrap_or(Revision::ZERO);
        let batch = Batch {
            operation: Uuid::from_u128(revision.into()),
            revision: Revision(revision),
            tenants: vec![TenantRevisions {
                tenant,
                decided_on,
                after: Revision(revision),
            }],
            changes,
        };
        runtime().block_on(store.commit(batch)).unwrap();
    };
    for number in 1..=TENANTS {
        commit(number, vec![put_tenant(&tenant(number), true)]);
        let role = Change::PutRole {
            tenant: tenant_id(number),
            role: Arc::new(role(1, Some("The role of all"))),
        };
        commit(number, vec![role]);
    }
    for round in 0..CLIENTS {
        for number in 1..=TENANTS {
            let id = tenant_id(number);
            let new = full_client(&format!("c{round}"), round);
            commit(number, vec![put_client(id, None, &new)]);
            let mut disabled = new.clone();
            disabled.client.enabled = false;
            match round % 5 {
                0 => commit(number, vec![put_client(id, Some(&new), &disabled)]),
                1 => commit(number, vec![delete_client(id, &new)]),
                _ => {}
            }
        }
    }
}

fn full_client(id: &str, number: u64) -> ClientRecord {
    let secrets: Vec<i32> = (1..=1 + (number % 3) as i32).collect();
    let line = format!("line-{}", number % 7);
    let mut record = with(client(id), &["line", &line], &[1], &secrets);
    // Half of them do not fit one row of the store.
    // Every second one is too long for one row of the store.
    let filler = "🏭".repeat(220 * (number % 2) as usize);
    record.client.name = name(&format!("The name of client {id}{filler}"));
    record
}

fn truth(store: &SledStore) -> Truth {
    let mut truth = Truth {
        tenants: BTreeMap::new(),
        having: BTreeMap::new(),
    };
    for number in 1..=TENANTS {
        let id = tenant_id(number);
        let rows = runtime().block_on(store.load(id)).unwrap().unwrap();
        assert!(rows.damaged.is_empty());
        for record in &rows.clients {
            let having = truth.having.entry(record.client.id.clone());
            having.or_default().push(id);
        }
        truth.tenants.insert(id, rows);
    }
    truth
}

/// A store that was closed in good order, and one as a kill leaves it.
fn originals() -> (TempDir, [PathBuf; 2], Truth) {
    let parent = tempfile::tempdir().unwrap();
    let closed = parent.path().join("closed");
    let killed = parent.path().join("killed");
    let store = fresh(&closed);
    store.mark_complete().unwrap();
    fill(&store);
    let truth = truth(&store);
    copy(&closed, &killed);
    runtime().block_on(store.close()).unwrap();
    (parent, [closed, killed], truth)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
    private(to);
}

#[cfg(unix)]
fn private(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

#[cfg(not(unix))]
fn private(_: &Path) {}

/// Damages a file, and says what it did.
fn damage(directory: &Path, dice: &mut Dice) -> String {
    let sled = directory.join("sled");
    let mut files = vec![directory.join("marker"), directory.join("revision")];
    for entry in sled.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let path = match dice.below(10) {
        0 => files[dice.below(files.len() as u64) as usize].clone(),
        _ => sled.join("db"),
    };
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len() as u64;
    let at = dice.below(length);
    let done = match dice.below(20) {
        0..12 => {
            bytes[at as usize] ^= 1 << dice.below(8);
            format!("a bit at {at}")
        }
        12..17 => {
            let end = length.min(at + 1 + dice.below(64));
            for byte in &mut bytes[at as usize..end as usize] {
                *byte = dice.below(256) as u8;
            }
            format!("the bytes {at} to {end}")
        }
        _ => {
            bytes.truncate(at as usize);
            format!("all from {at} on")
        }
    };
    fs::write(&path, bytes).unwrap();
    format!("{done} of {length} in {}", path.display())
}

#[derive(Default)]
struct Counts {
    whole: AtomicUsize,
    partly: AtomicUsize,
    refused: AtomicUsize,
}

/// Opens a damaged directory and compares all it gives with the truth.
fn examine(directory: &Path, truth: &Truth, counts: &Counts) -> Result<(), String> {
    let store = match open(directory) {
        Ok(Opened::Existing(store)) => store,
        Ok(Opened::Fresh(_)) => return Err("it was opened as an empty store".to_owned()),
        Err(error) => {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            return match error.to_string().contains("panicked") {
                true => Err(error.to_string()),
                false => Ok(()),
            };
        }
    };
    let runtime = runtime();
    let mut whole = true;
    let entries = match runtime.block_on(store.tenants(None, 100)) {
        Ok(entries) => entries,
        Err(_) => {
            counts.partly.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
    };
    let listed: Vec<TenantId> = entries.iter().map(TenantEntry::id).collect();
    if listed != truth.tenants.keys().copied().collect::<Vec<_>>() {
        return Err("other tenants are listed".to_owned());
    }
    for entry in entries {
        let id = entry.id();
        let expected = &truth.tenants[&id];
        match entry {
            TenantEntry::Damaged(_) => whole = false,
            TenantEntry::Whole(tenant) if tenant == expected.tenant => {}
            TenantEntry::Whole(_) => return Err("a tenant has other content".to_owned()),
        }
        match runtime.block_on(store.load(id)) {
            Err(_) => whole = false,
            Ok(None) => return Err("a tenant is missing".to_owned()),
            Ok(Some(rows)) => whole &= compare(&rows, expected)?,
        }
    }
    for (client, expected) in &truth.having {
        match runtime.block_on(store.tenants_with(client.clone())) {
            Err(_) => whole = false,
            Ok(having) if having == *expected => {}
            Ok(_) => return Err(format!("other tenants have client {client}")),
        }
    }
    let counted = if whole { &counts.whole } else { &counts.partly };
    counted.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Gives whether nothing is damaged.
fn compare(rows: &TenantRows, expected: &TenantRows) -> Result<bool, String> {
    if rows.revision != expected.revision || rows.roles != expected.roles {
        return Err("a tenant has another revision or other roles".to_owned());
    }
    let given = rows.clients.iter();
    let given: BTreeMap<_, _> = given
        .map(|record| (record.client.id.clone(), record))
        .collect();
    let mut whole = rows.damaged.is_empty();
    for record in &expected.clients {
        let id = &record.client.id;
        match given.get(id) {
            Some(_) if rows.damaged.contains(id) => return Err(format!("{id} is both")),
            Some(found) => {
                let mut visible = ClientRecord::clone(record);
                let damaged = &found.secrets.damaged;
                whole &= damaged.is_empty();
                visible.secrets.damaged.clone_from(damaged);
                let secrets = &mut visible.secrets.secrets;
                secrets.retain(|secret| !damaged.contains(&secret.id));
                if visible != ***found {
                    return Err(format!("client {id} has other content"));
                }
            }
            None if rows.damaged.contains(id) => {}
            None => return Err(format!("client {id} is missing without a word")),
        }
    }
    let strangers = given.keys().find(|id| {
        let known = expected.clients.iter().map(|record| &record.client.id);
        !known.into_iter().any(|known| known == *id)
    });
    match strangers {
        Some(id) => Err(format!("client {id} came back, or never was")),
        None => Ok(whole),
    }
}

#[test]
fn h30_nothing_damaged_is_ever_believed() {
    let number = |name: &str, default| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let flips: u64 = number("CREDENZA_FLIPS", 200);
    let seed = number("CREDENZA_SEED", 1);
    let (_parent, originals, truth) = originals();
    let (truth, originals) = (&truth, &originals);
    let counts = [Counts::default(), Counts::default()];
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if round >= flips {
                        return;
                    }
                    let mut dice = Dice(seed << 32 | round);
                    let kind = (round % 2) as usize;
                    let parent = tempfile::tempdir().unwrap();
                    let directory = parent.path().join("store");
                    copy(&originals[kind], &directory);
                    let done = damage(&directory, &mut dice);
                    if let Err(wrong) = within_a_minute(&directory, truth, &counts[kind]) {
                        let kept = parent.keep();
                        panic!("round {round} of seed {seed}, {done}, kept in {kept:?}: {wrong}");
                    }
                }
            });
        }
    });
    for (what, counts) in ["closed", "killed"].iter().zip(&counts) {
        let [whole, partly, refused] = [&counts.whole, &counts.partly, &counts.refused]
            .map(|count| count.load(Ordering::Relaxed));
        println!("{what}: {whole} served whole, {partly} in part, {refused} refused");
        let all = whole + partly + refused;
        assert!(2 * (whole + partly) > all, "most are served");
    }
}

/// Examines it on a thread of its own, which must neither panic nor hang.
fn within_a_minute(directory: &Path, truth: &Truth, counts: &Counts) -> Result<(), String> {
    std::thread::scope(|scope| {
        let (done, outcome) = std::sync::mpsc::channel();
        let worker = scope.spawn(move || done.send(examine(directory, truth, counts)));
        match outcome.recv_timeout(Duration::from_secs(60)) {
            Ok(outcome) => outcome,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                eprintln!("it hangs: {}", directory.display());
                std::process::abort();
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                let _ = worker.join();
                Err("it panicked".to_owned())
            }
        }
    })
}

/// How many copies of what was damaged are kept.
fn copies(directory: &Path) -> usize {
    let names = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let copies = names.filter(|name| name.to_string_lossy().starts_with("damaged-"));
    copies.count()
}

#[test]
fn what_is_refused_is_left_as_it_was_found_and_what_is_served_leaves_a_copy_of_what_was() {
    /// Where sled put what differs from store to store: where one of the two outcomes does not come
    /// up, there is another store.
    const STORES: usize = 10;
    const TRIES: usize = 100;
    let (mut refused, mut served) = (0, 0);
    let mut dice = Dice(5);
    for _ in 0..STORES {
        let (_parent, [_, killed], _) = originals();
        for _ in 0..TRIES {
            match damaged_and_opened(&killed, &mut dice) {
                Some(true) => served += 1,
                Some(false) => refused += 1,
                None => {}
            }
            if refused > 0 && served > 0 {
                return;
            }
        }
    }
    panic!("{refused} were refused and {served} served");
}

/// Damages a copy of a store and opens it. Gives whether it is served; `None` where nothing that
/// counts was damaged.
fn damaged_and_opened(killed: &Path, dice: &mut Dice) -> Option<bool> {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("store");
    copy(killed, &directory);
    let database = directory.join("sled/db");
    let mut damaged = fs::read(&database).unwrap();
    // More than a byte, and far from the end of the log: it cannot be put right.
    let at = dice.below(damaged.len() as u64 / 4) as usize;
    damaged[at..at + 40]
        .iter_mut()
        .for_each(|byte| *byte ^= 0x55);
    fs::write(&database, &damaged).unwrap();
    let opened = open(&directory);
    let copies = copies(&directory);
    match opened {
        Err(_) => {
            assert!(fs::read(&database).unwrap() == damaged, "at {at}");
            assert_eq!(copies, 0);
            Some(false)
        }
        Ok(opened) if copies > 0 => {
            drop(opened);
            let kept = fs::read(directory.join("damaged-1/sled/db")).unwrap();
            assert!(kept == damaged, "at {at}");
            // However often it is opened.
            for _ in 0..4 {
                drop(open(&directory));
            }
            assert!(self::copies(&directory) <= 2);
            Some(true)
        }
        Ok(_) => None,
    }
}

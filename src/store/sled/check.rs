//! Reads every row of the store and names what does not agree, tenant by tenant.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Bound;

use super::check_tenant;
use super::client_row::ClientRow;
use super::digest::Digest;
use super::engine::Engine;
use super::keys::{self, Key, Tree};
use super::load::{STALE, disagreement};
use super::marker;
use super::rows::{self, EntryRow, LastRow, ManifestRow, Row};
use super::trees::Trees;
use crate::domain::ids::TenantId;
use crate::store::{Finding, StoreError};

/// What was found so far.
#[derive(Default)]
pub struct Findings {
    found: Vec<Finding>,
    /// Over the rows passed on that a tenant's digest counts.
    pub digest: Digest,
    /// Over those that belong to no tenant.
    entries: Digest,
}

impl Findings {
    pub fn add(&mut self, place: impl Display, problem: impl Display) {
        self.found.push(Finding {
            place: place.to_string(),
            problem: problem.to_string(),
        });
    }

    /// Passes each row on whose key makes sense, as `None` where the row itself does not. Goes on
    /// behind a damaged row; a tree that cannot be read on is one finding.
    pub fn each<R: Row>(
        &mut self,
        tree: Tree,
        entries: impl Iterator<Item = Result<(::sled::IVec, ::sled::IVec), StoreError>>,
        mut visit: impl FnMut(&mut Self, Key, Option<R>),
    ) {
        for entry in entries {
            match entry {
                Err(error) => self.add(format!("`{}`", tree.name()), error),
                Ok((bytes, row)) => match Key::read(tree, &bytes) {
                    None => self.add(keys::place(tree, &bytes), "its key makes no sense"),
                    Some(key) => {
                        match key.counted_in() {
                            Some(_) => self.digest.add(&row),
                            None => self.entries.add(&row),
                        }
                        let row = self.row(&key, &row);
                        visit(self, key, row);
                    }
                },
            }
        }
    }

    /// Reads a row, or adds what is wrong with it.
    pub fn row<R: Row>(&mut self, key: &Key, bytes: &[u8]) -> Option<R> {
        match rows::open(key, bytes) {
            Ok(row) => Some(row),
            Err(why) => {
                self.add(key, why);
                None
            }
        }
    }

    /// The row of a key that must be there.
    pub fn expect<R: Row>(&mut self, trees: &Trees, key: &Key) -> Option<R> {
        match trees.bytes(key) {
            Ok(Some(bytes)) => self.row(key, &bytes),
            Ok(None) => {
                self.add(key, "it is missing");
                None
            }
            Err(error) => {
                self.add(key, error);
                None
            }
        }
    }
}

/// Checks the whole store. While a service writes to it, each tenant is checked as of one revision.
pub fn everything(engine: &Engine) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Findings::default();
    meta(engine, &mut findings);
    let mut aliases = HashMap::new();
    let mut after = None;
    while let Some(tenant) = next_tenant(&engine.trees, after, &mut findings) {
        let (found, alias) =
            engine.at_one_revision(tenant, |trees| check_tenant::check(trees, tenant))?;
        findings.found.extend(found.found);
        if let Some(alias) = alias
            && let Some(other) = aliases.insert(alias, tenant)
        {
            let problem = format!("its alias is also that of tenant {other}");
            findings.add(Key::Tenant(tenant), problem);
        }
        after = Some(tenant);
    }
    all_entries(engine, &mut findings);
    let blobs = engine.directory.count_blobs()?;
    if blobs > 0 {
        findings.add(
            engine.directory.blobs().display(),
            format!("it must be empty, and holds {blobs} files: a power cut can lose their rows"),
        );
    }
    findings.found.sort();
    findings.found.dedup();
    Ok(findings.found)
}

/// The same, of what belongs to no tenant.
pub fn of_no_tenant(engine: &Engine) -> Vec<Finding> {
    let mut findings = Findings::default();
    meta(engine, &mut findings);
    all_entries(engine, &mut findings);
    findings.found
}

/// Compares the indexes over all tenants with what they point to, and with what the store says it
/// holds. That says it of one revision: where a service goes on writing it cannot be compared.
fn all_entries(engine: &Engine, findings: &mut Findings) {
    let last = engine.trees.row::<LastRow>(&Key::Last).ok().flatten();
    findings.entries = Digest::default();
    entries(engine, Tree::ClientIds, findings);
    entries(engine, Tree::Holders, findings);
    let tenants = tenant_counts(engine, findings);
    let still = engine.trees.row::<LastRow>(&Key::Last).ok().flatten();
    let Some(LastRow {
        holdings: Some(holdings),
        ..
    }) = last.filter(|last| still.as_ref() == Some(last))
    else {
        return;
    };
    if holdings.tenants != tenants {
        findings.add(
            Key::Last,
            disagreement("tenants", holdings.tenants, tenants),
        );
    }
    if holdings.entries != findings.entries.0 {
        findings.add(Key::Last, STALE);
    }
}

/// Adds the counts of all tenants to the digest; gives how many tenants there are.
fn tenant_counts(engine: &Engine, findings: &mut Findings) -> u64 {
    let mut tenants = 0;
    for (key, _) in engine.trees.with_prefix(Tree::Tenants, &[]).flatten() {
        tenants += 1;
        let count = keys::tenant_of(&key).map(Key::TenantCount);
        let count = count.and_then(|key| engine.trees.bytes(&key).ok().flatten());
        if let Some(count) = count {
            findings.entries.add(&count);
        }
    }
    tenants
}

fn meta(engine: &Engine, findings: &mut Findings) {
    if let Some(manifest) = findings.expect::<ManifestRow>(&engine.trees, &Key::Manifest) {
        if let Err(error) = marker::refuse_later_format(manifest.format.into(), None) {
            findings.add(Key::Manifest, error);
        }
        if manifest.identity() != engine.identity {
            findings.add(Key::Manifest, "it belongs to another store");
        }
    }
    for entry in engine.trees.with_prefix(Tree::Meta, &[]) {
        match entry {
            Err(error) => findings.add(format!("`{}`", Tree::Meta.name()), error),
            Ok((key, _)) if Key::read(Tree::Meta, &key).is_none() => {
                findings.add(keys::place(Tree::Meta, &key), "its key makes no sense");
            }
            Ok(_) => {}
        }
    }
    // Its absence is damage, its own checksum is all that can be compared.
    let _: Option<LastRow> = findings.expect(&engine.trees, &Key::Last);
}

/// The next tenant that any tree has a row of.
fn next_tenant(
    trees: &Trees,
    after: Option<TenantId>,
    findings: &mut Findings,
) -> Option<TenantId> {
    let from = match after {
        None => [0; 16],
        Some(tenant) => u128::from_be_bytes(*tenant.as_bytes())
            .checked_add(1)?
            .to_be_bytes(),
    };
    // From the very beginning, so that keys too short for a tenant are seen too.
    let from = if after.is_some() { &from[..] } else { &[] };
    let mut next: Option<TenantId> = None;
    for tree in Tree::OF_TENANTS {
        for entry in trees.from(tree, Bound::Included(from.to_vec())) {
            match entry.map(|(key, _)| (keys::tenant_of(&key), key)) {
                Ok((Some(tenant), _)) => {
                    next = Some(next.map_or(tenant, |next| next.min(tenant)));
                    break;
                }
                Ok((None, key)) => findings.add(keys::place(tree, &key), "its key makes no sense"),
                Err(error) => findings.add(format!("`{}`", tree.name()), error),
            }
        }
    }
    next
}

/// Compares the entries of an index over all tenants with what they point to.
fn entries(engine: &Engine, tree: Tree, findings: &mut Findings) {
    let entries = engine.trees.with_prefix(tree, &[]);
    findings.each(tree, entries, |findings, key, row: Option<EntryRow>| {
        let problem = match &key {
            Key::ClientId(..) => "there is no such client",
            Key::Holder(..) => "the client does not hold it",
            _ => return,
        };
        if row.is_none() || matches!(points_to_something(&engine.trees, &key), Ok(true)) {
            return;
        }
        // Both may have gone since the scan began: only what no commit is changing counts.
        let _gate = engine.gate.read();
        match (
            engine.trees.bytes(&key),
            points_to_something(&engine.trees, &key),
        ) {
            (Ok(Some(_)), Ok(false)) => findings.add(key, problem),
            (Err(error), _) | (_, Err(error)) => findings.add(key, error),
            _ => {}
        }
    });
}

/// Whether there is what an entry of such an index says. A client's row that cannot be believed may
/// have it.
fn points_to_something(trees: &Trees, entry: &Key) -> Result<bool, StoreError> {
    match entry {
        Key::Holder(role, tenant, client) => {
            let row = Key::Client(*tenant, client.clone());
            let inside = match trees.row::<ClientRow>(&row) {
                Ok(row) => row.and_then(|row| row.inside(|tag| tag)),
                Err(StoreError::Damaged(_)) => return Ok(true),
                Err(error) => return Err(error),
            };
            match inside {
                Some(Ok(inside)) => Ok(inside.role_ids.contains(role)),
                Some(Err(_)) => Ok(true),
                None => {
                    let apart = Key::Assignment(*tenant, *role, client.clone());
                    Ok(trees.bytes(&apart)?.is_some())
                }
            }
        }
        Key::ClientId(client, tenant) => {
            let row = Key::Client(*tenant, client.clone());
            Ok(trees.bytes(&row)?.is_some())
        }
        _ => Ok(true),
    }
}

//! All rows of one tenant, put together and compared with each other, with the counters and with
//! the tenant's digest.
//!
//! A row that cannot be read costs no more than what it belongs to: a secret, or a client with all
//! its rows. Where every row can be read and one is missing, or is of an earlier time, nobody can
//! say which: then nothing of the tenant is believed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::client_row::ClientRow;
use super::collected::Collected;
use super::digest::Digest;
use super::keys::{Key, TagKey, Tree, place};
use super::rows::{
    self, CountRow, DescriptionRow, PositionRow, RoleRow, Row, RowFault, SecretRow, TagRow,
    TenantCountRow, TenantRow,
};
use super::trees::{Trees, damaged};
use crate::domain::ids::{Revision, RoleId, TenantId};
use crate::domain::role::Role;
use crate::domain::tenant::Tenant;
use crate::domain::text::Tag;
use crate::store::{StoreError, TenantRows};

/// Reads a tenant in several scans: who calls sees to it that nothing is committed to it meanwhile.
///
/// Where rows of an earlier time may be there (`suspicious`), rows that cannot be read excuse no
/// difference between the digest and what is there.
pub fn tenant(
    trees: &Trees,
    id: TenantId,
    suspicious: bool,
) -> Result<Option<TenantRows>, StoreError> {
    let tenant: Option<TenantRow> = trees.row(&Key::Tenant(id))?;
    let count: Option<TenantCountRow> = trees.row(&Key::TenantCount(id))?;
    let (tenant, count) = match (tenant, count) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(damaged(Key::Tenant(id), "it is missing")),
        (Some(_), None) => return Err(damaged(Key::TenantCount(id), "they are missing")),
        (Some(tenant), Some(count)) => (tenant, count),
    };
    let mut loading = Loading {
        trees,
        id,
        digest: Digest::default(),
        mended: Digest::default(),
        unreadable: 0,
        faults: Vec::new(),
        clients: Collected::default(),
    };
    if let Some(bytes) = trees.bytes(&Key::Tenant(id))? {
        loading.count(&Key::Tenant(id), &bytes, true);
    }
    loading.client_rows()?;
    loading.secrets()?;
    let tags = loading.tags()?;
    let holders = loading.assignments()?;
    loading.counters(tags, holders)?;
    let roles = loading.roles()?;
    loading
        .finish(stored_tenant(id, tenant)?, &count, roles, suspicious)
        .map(Some)
}

/// The domain's form of a tenant's row.
pub fn stored_tenant(id: TenantId, row: TenantRow) -> Result<Tenant, StoreError> {
    row.tenant(id).map_err(|why| damaged(Key::Tenant(id), why))
}

/// The words for a digest that does not agree with the rows.
pub const STALE: &str = "its digest does not fit its rows: one is missing, or of an earlier time";

/// The words for a counter that does not agree with the rows.
pub fn disagreement(what: &str, counted: u64, found: u64) -> String {
    format!("it counts {counted} {what}, and there are {found}")
}

struct Loading<'a> {
    trees: &'a Trees,
    id: TenantId,
    digest: Digest,
    /// The same, with the checksums that the rows should have.
    mended: Digest,
    /// How many rows could not be read.
    unreadable: u64,
    /// What does not agree so far, in words.
    faults: Vec<String>,
    clients: Collected,
}

impl Loading<'_> {
    /// Visits the rows of a tree, with what is wrong with those that cannot be believed.
    fn each<R: Row>(
        &mut self,
        tree: Tree,
        mut visit: impl FnMut(&mut Self, &Key, Result<R, RowFault>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for entry in self.trees.of_tenant(tree, self.id) {
            let (key, bytes) = entry?;
            match Key::read(tree, &key) {
                None => self.unreadable(place(tree, &key), "its key makes no sense"),
                Some(key) => {
                    let row = rows::open(&key, &bytes);
                    self.count(&key, &bytes, row.is_ok());
                    if let Err(why) = &row {
                        self.unreadable(&key, why);
                    }
                    visit(self, &key, row)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, key: &Key, bytes: &[u8], readable: bool) {
        if key.counted_in().is_some() {
            self.digest.add(bytes);
            match readable {
                true => self.mended.add(bytes),
                false => self.mended.add(&rows::resealed(key, bytes)),
            }
        }
    }

    fn unreadable(&mut self, place: impl std::fmt::Display, why: impl std::fmt::Display) {
        self.unreadable += 1;
        self.fault(place, why);
    }

    fn fault(&mut self, place: impl std::fmt::Display, why: impl std::fmt::Display) {
        self.faults.push(format!("{place}: {why}"));
    }

    fn client_rows(&mut self) -> Result<(), StoreError> {
        self.each(Tree::Clients, |loading, key, row: Result<ClientRow, _>| {
            if let Key::Client(_, id) = key {
                loading.clients.client(id, row.ok());
            }
            Ok(())
        })
    }

    fn secrets(&mut self) -> Result<(), StoreError> {
        self.each(Tree::Secrets, |loading, key, row: Result<SecretRow, _>| {
            let Key::Secret(_, client, id) = key else {
                return Ok(());
            };
            let secret = row.ok().and_then(|row| row.secret(*id).ok());
            loading.clients.of(client).add_secret(*id, secret);
            Ok(())
        })
    }

    /// Gives how many clients have each tag.
    fn tags(&mut self) -> Result<HashMap<TagKey, u64>, StoreError> {
        let inside = self.clients.tags.iter();
        let mut counts: HashMap<TagKey, u64> = inside
            .map(|(tag, count)| (TagKey::of(tag), *count))
            .collect();
        let mut shared: Option<Tag> = None;
        self.each(Tree::Tags, |loading, key, row: Result<TagRow, _>| {
            let Key::Tag(_, tag_key, client) = key else {
                return Ok(());
            };
            *counts.entry(tag_key.clone()).or_default() += 1;
            let parts = loading.clients.of(client);
            match row.and_then(|row| Ok((row.position, row.tag(tag_key)?))) {
                Err(_) => parts.cannot_be_believed(),
                Ok((position, tag)) => {
                    // The scan gives a tag's clients one after the other: they share its text.
                    let tag = match shared.take() {
                        Some(last) if last == tag => last,
                        _ => tag,
                    };
                    parts.tags.push((position, tag.clone()));
                    shared = Some(tag);
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// Gives how many clients hold each role.
    fn assignments(&mut self) -> Result<HashMap<RoleId, u64>, StoreError> {
        let mut counts = std::mem::take(&mut self.clients.roles);
        self.each(
            Tree::Assignments,
            |loading, key, row: Result<PositionRow, _>| {
                let Key::Assignment(_, role, client) = key else {
                    return Ok(());
                };
                *counts.entry(*role).or_default() += 1;
                let parts = loading.clients.of(client);
                match row {
                    Ok(row) => parts.roles.push((row.position, *role)),
                    Err(_) => parts.cannot_be_believed(),
                }
                Ok(())
            },
        )?;
        Ok(counts)
    }

    /// A counter that cannot be read is no loss: what it counts was counted.
    fn counters(
        &mut self,
        mut tags: HashMap<TagKey, u64>,
        mut roles: HashMap<RoleId, u64>,
    ) -> Result<(), StoreError> {
        for entry in self.trees.of_tenant(Tree::Counters, self.id) {
            let (key, bytes) = entry?;
            let (key, found) = match Key::read(Tree::Counters, &key) {
                None => {
                    self.unreadable(place(Tree::Counters, &key), "its key makes no sense");
                    continue;
                }
                Some(Key::TenantCount(_)) => continue,
                Some(Key::TagCount(tenant, tag)) => {
                    let found = tags.remove(&tag);
                    (Key::TagCount(tenant, tag), found)
                }
                Some(Key::RoleCount(tenant, role)) => {
                    (Key::RoleCount(tenant, role), roles.remove(&role))
                }
                Some(key) => (key, None),
            };
            let row = rows::open::<CountRow>(&key, &bytes);
            self.count(&key, &bytes, row.is_ok());
            let found = found.unwrap_or(0);
            match row {
                Err(why) => self.unreadable(key, why),
                // A client's row that cannot be believed may have held it.
                Ok(row) if !(found..=found + self.clients.lost).contains(&row.clients) => {
                    self.fault(key, disagreement("clients", row.clients, found));
                }
                Ok(_) => {}
            }
        }
        let uncounted = tags.into_keys().map(|tag| Key::TagCount(self.id, tag));
        let uncounted =
            uncounted.chain(roles.into_keys().map(|role| Key::RoleCount(self.id, role)));
        if let Some(key) = uncounted.min() {
            self.fault(key, "it is missing");
        }
        Ok(())
    }

    /// Rights hang on roles: one that cannot be believed is damage of the tenant.
    fn roles(&mut self) -> Result<Vec<Arc<Role>>, StoreError> {
        let mut roles = Vec::new();
        let mut described = HashSet::new();
        self.each(Tree::Roles, |_, key, row: Result<RoleRow, _>| {
            let Key::Role(_, id) = key else {
                return Ok(());
            };
            let row = row.map_err(|why| damaged(key, why))?;
            if row.described {
                described.insert(*id);
            }
            roles.push(row.role(*id).map_err(|why| damaged(key, why))?);
            Ok(())
        })?;
        self.each(
            Tree::RoleDescriptions,
            |_, key, row: Result<DescriptionRow, _>| {
                let Key::RoleDescription(_, id) = key else {
                    return Ok(());
                };
                let row = row.map_err(|why| damaged(key, why))?;
                let place = roles.binary_search_by_key(id, |role| role.id);
                match place.ok().and_then(|place| roles.get_mut(place)) {
                    Some(role) if described.remove(id) => {
                        role.description = Some(row.description());
                        Ok(())
                    }
                    _ => Err(damaged(key, "its role has none")),
                }
            },
        )?;
        match described.into_iter().min() {
            Some(id) => Err(damaged(Key::RoleDescription(self.id, id), "it is missing")),
            None => Ok(roles.into_iter().map(Arc::new).collect()),
        }
    }

    fn finish(
        mut self,
        tenant: Tenant,
        count: &TenantCountRow,
        roles: Vec<Arc<Role>>,
        suspicious: bool,
    ) -> Result<TenantRows, StoreError> {
        let key = Key::TenantCount(self.id);
        if count.roles != roles.len() as u64 {
            let problem = disagreement("roles", count.roles, roles.len() as u64);
            return Err(damaged(key, problem));
        }
        let (clients, damaged_clients) = self.clients.finish(self.id, &mut self.faults);
        let found = (clients.len() + damaged_clients.len()) as u64;
        if count.clients.abs_diff(found) > self.unreadable {
            return Err(damaged(key, disagreement("clients", count.clients, found)));
        }
        let fits = |digest| digest == self.digest.0 || digest == self.mended.0;
        let stale = !count.digest.is_none_or(fits);
        if stale {
            self.faults.push(format!("{key}: {STALE}"));
        }
        // Rows that cannot be read explain a difference, unless there may be another reason for it.
        let excused = self.unreadable > 0 && !(stale && suspicious);
        if !(self.faults.is_empty() || excused) {
            self.faults.truncate(NAMED);
            return Err(StoreError::Damaged(self.faults.join("; ")));
        }
        report(self.id, &self.faults);
        Ok(TenantRows {
            tenant: Arc::new(tenant),
            revision: Revision(count.revision),
            clients,
            damaged: damaged_clients,
            roles,
        })
    }
}

/// How many faults are named, so that they fill neither an error nor the log; `check` names all.
const NAMED: usize = 20;

fn report(tenant: TenantId, faults: &[String]) {
    for fault in faults.iter().take(NAMED) {
        log::error!("damaged: {fault}");
    }
    if let Some(more) = faults.len().checked_sub(NAMED).filter(|more| *more > 0) {
        log::error!(
            "damaged: {more} further things of tenant {tenant}; `credenza check` names all"
        );
    }
}

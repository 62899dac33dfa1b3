//! All rows of one tenant, put together and compared with each other and with the counters.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::keys::{Key, TagKey, Tree};
use super::rows::{
    ClientRow, CountRow, DescriptionRow, PositionRow, RoleRow, SecretRow, TagRow, TenantCountRow,
    TenantRow,
};
use super::trees::{Trees, damaged, read};
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags};
use crate::domain::ids::{ClientId, Revision, RoleId, TenantId};
use crate::domain::role::Role;
use crate::domain::secret::{Secret, SecretSet};
use crate::domain::tenant::Tenant;
use crate::domain::text::{Name, Tag};
use crate::store::{StoreError, TenantRows};

/// Reads a tenant in several scans: who calls sees to it that nothing is committed to it meanwhile.
pub fn tenant(trees: &Trees, id: TenantId) -> Result<Option<TenantRows>, StoreError> {
    let tenant: Option<TenantRow> = trees.row(&Key::Tenant(id))?;
    let count: Option<TenantCountRow> = trees.row(&Key::TenantCount(id))?;
    let (tenant, count) = match (tenant, count) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(damaged(Key::Tenant(id), "it is missing")),
        (Some(_), None) => return Err(damaged(Key::TenantCount(id), "they are missing")),
        (Some(tenant), Some(count)) => (tenant, count),
    };
    let mut clients = clients(trees, id)?;
    agree(
        &Key::TenantCount(id),
        "clients",
        count.clients,
        clients.parts.len(),
    )?;
    secrets(trees, id, &mut clients)?;
    let tags = tags(trees, id, &mut clients)?;
    let holders = assignments(trees, id, &mut clients)?;
    counters(trees, id, tags, holders)?;
    let roles = roles(trees, id)?;
    agree(&Key::TenantCount(id), "roles", count.roles, roles.len())?;
    Ok(Some(TenantRows {
        tenant: Arc::new(stored_tenant(id, tenant)?),
        revision: Revision(count.revision),
        clients: clients.finish(id)?,
        roles,
    }))
}

/// The domain's form of a tenant's row.
pub fn stored_tenant(id: TenantId, row: TenantRow) -> Result<Tenant, StoreError> {
    row.tenant(id).map_err(|why| damaged(Key::Tenant(id), why))
}

/// A client whose rows are being collected.
struct Parts {
    id: ClientId,
    row: ClientRow,
    secrets: Vec<Secret>,
    tags: Vec<(u8, Tag)>,
    roles: Vec<(u8, RoleId)>,
}

struct Collected {
    parts: Vec<Parts>,
    places: HashMap<ClientId, usize>,
}

impl Collected {
    fn of(&mut self, client: &ClientId, satellite: &Key) -> Result<&mut Parts, StoreError> {
        let place = self.places.get(client);
        place
            .and_then(|place| self.parts.get_mut(*place))
            .ok_or_else(|| damaged(satellite, "its client is missing"))
    }

    fn finish(self, tenant: TenantId) -> Result<Vec<Arc<ClientRecord>>, StoreError> {
        let mut parts = self.parts;
        parts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let records = parts.into_iter().map(|parts| parts.finish(tenant));
        records.collect()
    }
}

impl Parts {
    fn finish(self, tenant: TenantId) -> Result<Arc<ClientRecord>, StoreError> {
        let key = Key::Client(tenant, self.id.clone());
        let row = self.row;
        agree(&key, "secrets", row.secrets.into(), self.secrets.len())?;
        agree(&key, "tags", row.tags.into(), self.tags.len())?;
        agree(&key, "roles", row.roles.into(), self.roles.len())?;
        let tags = in_order(&key, "tags", self.tags)?;
        let roles = in_order(&key, "roles", self.roles)?;
        let too_many = |_| damaged(&key, "it has more tags or roles than a client can have");
        let token_lifetime = row.token_lifetime().map_err(|why| damaged(&key, why))?;
        Ok(Arc::new(ClientRecord {
            secrets: SecretSet {
                salt: row.salt(),
                last_id: row.last_secret_id,
                secrets: self.secrets,
            },
            client: Client {
                id: self.id,
                name: Name::from_stored(&row.name),
                enabled: row.enabled,
                token_lifetime,
                tags: Tags::new(tags).map_err(too_many)?,
                role_ids: RoleIds::new(roles).map_err(too_many)?,
                created: Revision(row.created),
                changed: Revision(row.changed),
            },
        }))
    }
}

fn in_order<T>(key: &Key, what: &str, mut items: Vec<(u8, T)>) -> Result<Vec<T>, StoreError> {
    items.sort_unstable_by_key(|(position, _)| *position);
    if !are_positions(items.iter().map(|(position, _)| *position)) {
        return Err(damaged(
            key,
            format!("the order of its {what} is not known"),
        ));
    }
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// Whether sorted positions are 0, 1, 2 and so on.
pub fn are_positions(sorted: impl IntoIterator<Item = u8>) -> bool {
    sorted
        .into_iter()
        .enumerate()
        .all(|(place, position)| place == usize::from(position))
}

fn agree(key: &Key, what: &str, counted: u64, found: usize) -> Result<(), StoreError> {
    if counted == found as u64 {
        return Ok(());
    }
    Err(damaged(key, disagreement(what, counted, found as u64)))
}

/// The words for a counter that does not agree with the rows.
pub fn disagreement(what: &str, counted: u64, found: u64) -> String {
    format!("it counts {counted} {what}, and there are {found}")
}

fn clients(trees: &Trees, tenant: TenantId) -> Result<Collected, StoreError> {
    let mut parts = Vec::new();
    let mut places = HashMap::new();
    for entry in trees.of_tenant(Tree::Clients, tenant) {
        let (key, bytes) = entry?;
        if let (Key::Client(_, id), row) = read(Tree::Clients, &key, &bytes)? {
            places.insert(id.clone(), parts.len());
            parts.push(Parts {
                id,
                row,
                secrets: Vec::new(),
                tags: Vec::new(),
                roles: Vec::new(),
            });
        }
    }
    Ok(Collected { parts, places })
}

fn secrets(trees: &Trees, tenant: TenantId, clients: &mut Collected) -> Result<(), StoreError> {
    for entry in trees.of_tenant(Tree::Secrets, tenant) {
        let (key, bytes) = entry?;
        let (key, row): (_, SecretRow) = read(Tree::Secrets, &key, &bytes)?;
        if let Key::Secret(_, client, id) = &key {
            let secret = row.secret(*id).map_err(|why| damaged(&key, why))?;
            clients.of(client, &key)?.secrets.push(secret);
        }
    }
    Ok(())
}

/// Gives how many clients have each tag.
fn tags(
    trees: &Trees,
    tenant: TenantId,
    clients: &mut Collected,
) -> Result<HashMap<TagKey, u64>, StoreError> {
    let mut counts: HashMap<TagKey, u64> = HashMap::new();
    let mut shared: Option<Tag> = None;
    for entry in trees.of_tenant(Tree::Tags, tenant) {
        let (key, bytes) = entry?;
        let (key, row): (_, TagRow) = read(Tree::Tags, &key, &bytes)?;
        if let Key::Tag(_, tag_key, client) = &key {
            let tag = row.tag(tag_key).map_err(|why| damaged(&key, why))?;
            // The scan gives a tag's clients one after the other: they share its text in memory.
            let tag = match shared.take() {
                Some(last) if last == tag => last,
                _ => tag,
            };
            let parts = clients.of(client, &key)?;
            parts.tags.push((row.position, tag.clone()));
            *counts.entry(tag_key.clone()).or_default() += 1;
            shared = Some(tag);
        }
    }
    Ok(counts)
}

/// Gives how many clients hold each role.
fn assignments(
    trees: &Trees,
    tenant: TenantId,
    clients: &mut Collected,
) -> Result<HashMap<RoleId, u64>, StoreError> {
    let mut counts: HashMap<RoleId, u64> = HashMap::new();
    for entry in trees.of_tenant(Tree::Assignments, tenant) {
        let (key, bytes) = entry?;
        let (key, row): (_, PositionRow) = read(Tree::Assignments, &key, &bytes)?;
        if let Key::Assignment(_, role, client) = &key {
            clients.of(client, &key)?.roles.push((row.position, *role));
            *counts.entry(*role).or_default() += 1;
        }
    }
    Ok(counts)
}

fn counters(
    trees: &Trees,
    tenant: TenantId,
    mut tags: HashMap<TagKey, u64>,
    mut roles: HashMap<RoleId, u64>,
) -> Result<(), StoreError> {
    for entry in trees.of_tenant(Tree::Counters, tenant) {
        let (key, bytes) = entry?;
        let found = match Key::read(Tree::Counters, &key) {
            Some(Key::TenantCount(_)) => continue,
            Some(Key::TagCount(_, tag)) => tags.remove(&tag),
            Some(Key::RoleCount(_, role)) => roles.remove(&role),
            _ => None,
        };
        let (key, row): (_, CountRow) = read(Tree::Counters, &key, &bytes)?;
        let found = found.unwrap_or(0);
        if row.clients != found {
            return Err(damaged(key, disagreement("clients", row.clients, found)));
        }
    }
    let uncounted = tags.into_keys().map(|tag| Key::TagCount(tenant, tag));
    let uncounted = uncounted.chain(roles.into_keys().map(|role| Key::RoleCount(tenant, role)));
    match uncounted.min() {
        Some(key) => Err(damaged(key, "it is missing")),
        None => Ok(()),
    }
}

fn roles(trees: &Trees, tenant: TenantId) -> Result<Vec<Arc<Role>>, StoreError> {
    let mut roles = Vec::new();
    let mut described = HashSet::new();
    for entry in trees.of_tenant(Tree::Roles, tenant) {
        let (key, bytes) = entry?;
        let (key, row): (_, RoleRow) = read(Tree::Roles, &key, &bytes)?;
        if let Key::Role(_, id) = key {
            if row.described {
                described.insert(id);
            }
            roles.push(row.role(id).map_err(|why| damaged(&key, why))?);
        }
    }
    for entry in trees.of_tenant(Tree::RoleDescriptions, tenant) {
        let (key, bytes) = entry?;
        let (key, row): (_, DescriptionRow) = read(Tree::RoleDescriptions, &key, &bytes)?;
        if let Key::RoleDescription(_, id) = key {
            let place = roles.binary_search_by_key(&id, |role| role.id);
            match place.ok().and_then(|place| roles.get_mut(place)) {
                Some(role) if described.remove(&id) => role.description = Some(row.description()),
                _ => return Err(damaged(&key, "its role has none")),
            }
        }
    }
    match described.into_iter().min() {
        Some(id) => Err(damaged(Key::RoleDescription(tenant, id), "it is missing")),
        None => Ok(roles.into_iter().map(Arc::new).collect()),
    }
}

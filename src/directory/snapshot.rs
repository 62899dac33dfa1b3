//! A tenant at one revision: its clients in order, the same per tag and per role, and its roles.
//!
//! Immutable once published. The writer works on a clone, applies changes to it, and publishes it;
//! what did not change is shared between the two.

use std::sync::Arc;

use super::common::Common;
use super::ordered::{Keyed, OrderedList, beginning_of_text};
use super::spare::Spare;
use crate::domain::access::Rights;
use crate::domain::client::{Client, ClientRecord};
use crate::domain::ids::{ClientId, Revision, RoleId};
use crate::domain::role::{BuiltInRole, ClusterRole, Role};
use crate::domain::tenant::Tenant;
use crate::domain::text::Tag;
use crate::store::TenantRows;
use crate::store::batch::Change;

/// Clients in the order of their ids.
pub type ClientList = OrderedList<Arc<ClientRecord>>;

impl Keyed for Arc<ClientRecord> {
    type Key = ClientId;
    fn key(&self) -> &ClientId {
        &self.client.id
    }
    fn beginning(key: &ClientId) -> u128 {
        beginning_of_text(key.as_str())
    }
}

impl Keyed for Arc<Role> {
    type Key = RoleId;
    fn key(&self) -> &RoleId {
        &self.id
    }
    fn beginning(key: &RoleId) -> u128 {
        u128::from_be_bytes(*key.as_bytes())
    }
}

/// The clients that have one tag, or hold one role.
#[derive(Clone)]
struct Group<K> {
    key: K,
    clients: ClientList,
    /// Of this version: whoever changes the clients begins a new one.
    common: Arc<Common>,
}

impl Keyed for Group<Tag> {
    type Key = Tag;
    fn key(&self) -> &Tag {
        &self.key
    }
    fn beginning(key: &Tag) -> u128 {
        beginning_of_text(key.as_str())
    }
}

impl Keyed for Group<RoleId> {
    type Key = RoleId;
    fn key(&self) -> &RoleId {
        &self.key
    }
    fn beginning(key: &RoleId) -> u128 {
        u128::from_be_bytes(*key.as_bytes())
    }
}

/// A tenant at one revision.
#[derive(Clone)]
pub struct TenantSnapshot {
    tenant: Arc<Tenant>,
    revision: Revision,
    clients: ClientList,
    by_tag: OrderedList<Group<Tag>>,
    by_role: OrderedList<Group<RoleId>>,
    roles: OrderedList<Arc<Role>>,
    /// Clients that are in the store and cannot be believed, in the order of their ids.
    damaged: Arc<[ClientId]>,
    weight: usize,
}

impl TenantSnapshot {
    /// A tenant that has just been created and holds nothing.
    pub fn empty(tenant: Arc<Tenant>, revision: Revision) -> Self {
        Self {
            tenant,
            revision,
            clients: OrderedList::default(),
            by_tag: OrderedList::default(),
            by_role: OrderedList::default(),
            roles: OrderedList::default(),
            damaged: Arc::from([]),
            weight: 0,
        }
    }

    /// From what the store holds: everything in the order of its ids.
    pub fn from_rows(rows: TenantRows) -> Self {
        let mut by_tag = std::collections::BTreeMap::<Tag, Vec<_>>::new();
        let mut by_role = std::collections::BTreeMap::<RoleId, Vec<_>>::new();
        let mut weight = 0;
        for record in &rows.clients {
            weight += record_weight(record);
            for tag in record.client.tags.iter() {
                by_tag.entry(tag.clone()).or_default().push(record.clone());
            }
            for role in record.client.role_ids.iter() {
                by_role.entry(*role).or_default().push(record.clone());
            }
        }
        Self {
            tenant: rows.tenant,
            revision: rows.revision,
            clients: OrderedList::from_sorted(rows.clients),
            by_tag: groups(by_tag),
            by_role: groups(by_role),
            roles: OrderedList::from_sorted(rows.roles),
            damaged: rows.damaged.into(),
            weight,
        }
    }

    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The last change in this tenant.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// All clients.
    pub fn clients(&self) -> &ClientList {
        &self.clients
    }

    pub fn client(&self, id: &ClientId) -> Option<&Arc<ClientRecord>> {
        self.clients.get(id)
    }

    /// The clients that are in the store and cannot be believed, in the order of their ids.
    pub fn damaged(&self) -> &[ClientId] {
        &self.damaged
    }

    pub fn is_damaged(&self, id: &ClientId) -> bool {
        self.damaged.binary_search(id).is_ok()
    }

    /// The clients that have a tag.
    pub fn with_tag(&self, tag: &Tag) -> Option<&ClientList> {
        self.by_tag.get(tag).map(|group| &group.clients)
    }

    /// The clients that have every one of these tags, each named once; all without tags.
    pub fn with_tags(&self, tags: &[Tag], spare: &Spare) -> ClientList {
        let groups: Option<Vec<_>> = tags.iter().map(|tag| self.by_tag.get(tag)).collect();
        let Some(mut groups) = groups else {
            return ClientList::default();
        };
        // In one order, whatever that of the tags is; the rarest first.
        groups.sort_unstable_by_key(|group| (group.clients.len(), Arc::as_ptr(&group.common)));
        let Some((rarest, others)) = groups.split_first() else {
            return self.clients.clone();
        };
        if others.is_empty() {
            return rarest.clients.clone();
        }
        let versions: Vec<_> = others.iter().map(|group| &group.common).collect();
        // Walk the rarest, test the others.
        rarest.common.with(&versions, spare, || {
            let has_all = |record: &&Arc<ClientRecord>| {
                others
                    .iter()
                    .all(|other| record.client.tags.contains(&other.key))
            };
            let common = rarest.clients.iter().filter(has_all).cloned();
            OrderedList::from_sorted(common.collect())
        })
    }

    /// The clients that hold a role.
    pub fn with_role(&self, role: &RoleId) -> Option<&ClientList> {
        self.by_role.get(role).map(|group| &group.clients)
    }

    /// The roles of the tenant; the cluster roles are not among them.
    pub fn roles(&self) -> &OrderedList<Arc<Role>> {
        &self.roles
    }

    pub fn role(&self, id: &RoleId) -> Option<&Arc<Role>> {
        self.roles.get(id)
    }

    /// This tenant's role of a built-in kind.
    pub fn built_in_role(&self, kind: BuiltInRole) -> Option<&Arc<Role>> {
        self.roles.iter().find(|role| role.built_in == Some(kind))
    }

    /// What the roles of a client give it.
    pub fn rights_of(&self, client: &Client) -> Rights {
        let mut rights = Rights::default();
        for id in client.role_ids.iter() {
            if let Some(cluster) = ClusterRole::of(*id) {
                rights.grant_cluster(cluster);
            } else if let Some(kind) = self.role(id).and_then(|role| role.built_in) {
                rights.grant_built_in(kind);
            }
        }
        rights
    }

    /// About how many bytes it occupies, rather more than less: `tests/weight.rs` compares.
    pub fn weight(&self) -> usize {
        const BASE: usize = 4_096;
        const ROLE: usize = 400;
        /// A tag or a role that somebody has, with the tag's text, which its clients share.
        const GROUP: usize = 380;
        let groups = self.by_tag.len() + self.by_role.len();
        BASE + self.weight + self.roles.len() * ROLE + groups * GROUP
    }

    /// Makes one change of this tenant, which brings it to `revision`.
    pub fn apply(&mut self, change: &Change, revision: Revision) {
        self.revision = revision;
        match change {
            Change::PutTenant { tenant, .. } | Change::RemoveTenant { tenant, .. } => {
                self.tenant = tenant.clone();
            }
            Change::PutClient { old, new, .. } => {
                self.leave_groups(old.as_ref(), Some(new));
                self.clients.insert(new.clone());
                self.weight += record_weight(new);
                self.join_groups(new);
            }
            Change::DeleteClient { old, .. } => {
                self.leave_groups(Some(old), None);
                self.clients.remove(&old.client.id);
            }
            Change::PutRole { role, .. } => {
                self.roles.insert(role.clone());
            }
            Change::DeleteRole { role, .. } => {
                self.roles.remove(&role.id);
            }
        }
    }

    fn join_groups(&mut self, record: &Arc<ClientRecord>) {
        for tag in record.client.tags.iter() {
            join(&mut self.by_tag, tag, record);
        }
        for role in record.client.role_ids.iter() {
            join(&mut self.by_role, role, record);
        }
    }

    /// Leaves the groups that `new` will not be in; in the others it takes the old one's place.
    fn leave_groups(&mut self, old: Option<&Arc<ClientRecord>>, new: Option<&Arc<ClientRecord>>) {
        let Some(old) = old else { return };
        self.weight -= record_weight(old);
        for tag in old.client.tags.iter() {
            if !new.is_some_and(|new| new.client.tags.contains(tag)) {
                leave(&mut self.by_tag, tag, &old.client.id);
            }
        }
        for role in old.client.role_ids.iter() {
            if !new.is_some_and(|new| new.client.role_ids.contains(role)) {
                leave(&mut self.by_role, role, &old.client.id);
            }
        }
    }
}

fn groups<K>(
    members: std::collections::BTreeMap<K, Vec<Arc<ClientRecord>>>,
) -> OrderedList<Group<K>>
where
    Group<K>: Keyed + Clone,
{
    let groups = members
        .into_iter()
        .map(|(key, clients)| Group {
            key,
            clients: OrderedList::from_sorted(clients),
            common: Arc::default(),
        })
        .collect();
    OrderedList::from_sorted(groups)
}

/// Changes the group in its place: a copy of it would share every chunk, and each change copy one.
fn join<K: Clone>(groups: &mut OrderedList<Group<K>>, key: &K, record: &Arc<ClientRecord>)
where
    Group<K>: Keyed<Key = K> + Clone,
{
    if let Some(group) = groups.get_mut(key) {
        group.clients.insert(record.clone());
        group.common = Arc::default();
        return;
    }
    groups.insert(Group {
        key: key.clone(),
        clients: ClientList::from_sorted(vec![record.clone()]),
        common: Arc::default(),
    });
}

fn leave<K>(groups: &mut OrderedList<Group<K>>, key: &K, client: &ClientId)
where
    Group<K>: Keyed<Key = K> + Clone,
{
    let Some(group) = groups.get_mut(key) else {
        return;
    };
    group.clients.remove(client);
    group.common = Arc::default();
    if group.clients.is_empty() {
        groups.remove(key);
    }
}

/// About how many bytes a client occupies, its places in the lists included.
fn record_weight(record: &ClientRecord) -> usize {
    const CLIENT: usize = 292;
    const MEMBERSHIP: usize = 64;
    const SECRET: usize = 72;
    let client = &record.client;
    let secrets = &record.secrets.secrets;
    let descriptions = secrets
        .iter()
        .filter_map(|secret| secret.description.as_ref())
        .map(|description| text_weight(description.as_str()));
    CLIENT
        + text_weight(client.id.as_str())
        + text_weight(client.name.as_str())
        + (client.tags.len() + client.role_ids.len()) * MEMBERSHIP
        + secrets.len() * SECRET
        + descriptions.sum::<usize>()
}

/// A shared text with its two counts, in the sizes that an allocator has: four between powers of two.
fn text_weight(text: &str) -> usize {
    let bytes = 16 + text.len();
    bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(16))
}

//! A tenant at one revision: its clients in order, the same per tag and per role, and its roles.
//!
//! Immutable once published. The writer works on a clone, applies changes to it, and publishes it;
//! what did not change is shared between the two.

use std::sync::Arc;

use super::ordered::{Keyed, OrderedList};
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
}

impl Keyed for Arc<Role> {
    type Key = RoleId;
    fn key(&self) -> &RoleId {
        &self.id
    }
}

/// The clients that have one tag, or hold one role.
#[derive(Clone)]
struct Group<K> {
    key: K,
    clients: ClientList,
}

impl<K: Ord + Clone> Keyed for Group<K> {
    type Key = K;
    fn key(&self) -> &K {
        &self.key
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
        const GROUP: usize = 240;
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

fn groups<K: Ord + Clone>(
    members: std::collections::BTreeMap<K, Vec<Arc<ClientRecord>>>,
) -> OrderedList<Group<K>> {
    let groups = members
        .into_iter()
        .map(|(key, clients)| Group {
            key,
            clients: OrderedList::from_sorted(clients),
        })
        .collect();
    OrderedList::from_sorted(groups)
}

fn join<K: Ord + Clone>(groups: &mut OrderedList<Group<K>>, key: &K, record: &Arc<ClientRecord>) {
    let mut group = groups.get(key).cloned().unwrap_or_else(|| Group {
        key: key.clone(),
        clients: ClientList::default(),
    });
    group.clients.insert(record.clone());
    groups.insert(group);
}

fn leave<K: Ord + Clone>(groups: &mut OrderedList<Group<K>>, key: &K, client: &ClientId) {
    let Some(mut group) = groups.get(key).cloned() else {
        return;
    };
    group.clients.remove(client);
    if group.clients.is_empty() {
        groups.remove(key);
    } else {
        groups.insert(group);
    }
}

/// About how many bytes a client occupies, its places in the lists included.
fn record_weight(record: &ClientRecord) -> usize {
    const CLIENT: usize = 244;
    const MEMBERSHIP: usize = 28;
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

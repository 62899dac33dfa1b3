//! Reading clients: lists by tag, by role and by id, counts, and one client.

use std::ops::Range;
use std::sync::Arc;

use super::decide::{client_of, damaged_client, no_client};
use crate::directory::ordered::Found;
use crate::directory::snapshot::{ClientList, TenantSnapshot};
use crate::domain::client::ClientRecord;
use crate::domain::error::Refusal;
use crate::domain::ids::ClientId;
use crate::domain::text::Tag;

/// The clients that match some filter, in the order of their ids, at one revision.
#[derive(Clone)]
pub enum Selection {
    /// A list of the directory: the whole tenant, those of some tags, of a role.
    Kept(ClientList),
    /// What was asked for by id.
    Found(Arc<[Arc<ClientRecord>]>),
}

impl Selection {
    /// How many match. Costs nothing: no row is read for it.
    pub fn len(&self) -> usize {
        match self {
            Self::Kept(list) => list.len(),
            Self::Found(records) => records.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those at some positions.
    pub fn slice(&self, range: Range<usize>) -> Vec<Arc<ClientRecord>> {
        match self {
            Self::Kept(list) => list.slice(range).cloned().collect(),
            Self::Found(records) => {
                let range = range.start.min(records.len())..range.end.min(records.len());
                records[range].to_vec()
            }
        }
    }
}

fn has_all(record: &ClientRecord, tags: &[Tag]) -> bool {
    tags.iter().all(|tag| record.client.tags.contains(tag))
}

/// What a list by ids comes to.
pub struct ById {
    /// Those that exist and have every tag asked for, in the order of their ids.
    pub found: Selection,
    /// Ids that no client of the tenant has, as they were given, in the order given.
    pub missing: Vec<String>,
    /// Those that exist and cannot be believed, each once.
    pub damaged: Vec<ClientId>,
}

/// The clients of these ids. Two spellings of one id count once; one that exists but lacks a tag
/// is simply not in the result.
pub fn by_ids(snapshot: &TenantSnapshot, ids: &[String], tags: &[Tag]) -> ById {
    let mut found = std::collections::BTreeMap::new();
    let mut missing = Vec::new();
    let mut damaged = std::collections::BTreeSet::new();
    for id in ids {
        let parsed = ClientId::parse(id);
        if let Some(id) = parsed.as_ref().filter(|id| snapshot.is_damaged(id)) {
            damaged.insert(id.clone());
            continue;
        }
        match parsed.and_then(|id| snapshot.client(&id)) {
            Some(record) if has_all(record, tags) => {
                found.insert(record.client.id.clone(), record.clone());
            }
            Some(_) => {}
            None => missing.push(id.clone()),
        }
    }
    ById {
        found: Selection::Found(found.into_values().collect()),
        missing,
        damaged: damaged.into_iter().collect(),
    }
}

/// One client, and where it lies in the list of all.
pub fn find<'a>(
    snapshot: &'a TenantSnapshot,
    id: &ClientId,
) -> Result<Found<'a, Arc<ClientRecord>>, Refusal> {
    if snapshot.is_damaged(id) {
        return Err(damaged_client(id));
    }
    snapshot.clients().find(id).ok_or_else(|| no_client(id))
}

/// One client.
pub fn get<'a>(
    snapshot: &'a TenantSnapshot,
    id: &ClientId,
) -> Result<&'a Arc<ClientRecord>, Refusal> {
    client_of(snapshot, id)
}

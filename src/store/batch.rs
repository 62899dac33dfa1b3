//! What the writer asks a store to make durable: typed changes, at one revision, all or nothing.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::client::ClientRecord;
use crate::domain::ids::{Revision, TenantId};
use crate::domain::role::Role;
use crate::domain::tenant::Tenant;

/// One change of one thing. A change carries what was there before wherever a backend needs it to
/// remove index entries and to move counters, so that no backend has to read first.
#[derive(Clone)]
pub enum Change {
    /// A tenant is created (`created` true) or its row changes.
    PutTenant {
        tenant: Arc<Tenant>,
        created: bool,
    },
    /// The row of a tenant that holds nothing any more goes away, with its counters and its
    /// remaining roles.
    RemoveTenant {
        tenant: Arc<Tenant>,
        roles: Vec<Arc<Role>>,
    },
    /// A client is created (`old` absent) or changes, its secrets included.
    PutClient {
        tenant: TenantId,
        old: Option<Arc<ClientRecord>>,
        new: Arc<ClientRecord>,
    },
    /// A client goes away with its secrets, tags and role assignments.
    DeleteClient {
        tenant: TenantId,
        old: Arc<ClientRecord>,
    },
    PutRole {
        tenant: TenantId,
        role: Arc<Role>,
    },
    DeleteRole {
        tenant: TenantId,
        role: Arc<Role>,
    },
}

impl Change {
    /// The tenant that it belongs to.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::PutTenant { tenant, .. } | Self::RemoveTenant { tenant, .. } => tenant.id,
            Self::PutClient { tenant, .. }
            | Self::DeleteClient { tenant, .. }
            | Self::PutRole { tenant, .. }
            | Self::DeleteRole { tenant, .. } => *tenant,
        }
    }

    /// About how many bytes of rows it writes, on the safe side.
    pub fn weight(&self) -> usize {
        match self {
            Self::PutTenant { .. } => 1_500,
            Self::RemoveTenant { roles, .. } => 500 + 100 * roles.len(),
            Self::PutClient { old, new, .. } => {
                old.as_deref().map_or(0, record_weight) + record_weight(new)
            }
            Self::DeleteClient { old, .. } => record_weight(old),
            Self::PutRole { .. } | Self::DeleteRole { .. } => 2_500,
        }
    }
}

/// Rows, index entries and counters of one client.
fn record_weight(record: &ClientRecord) -> usize {
    const ROW: usize = 150;
    let client = &record.client;
    let tags: usize = client
        .tags
        .iter()
        .map(|tag| 2 * (tag.as_str().len() + ROW))
        .sum();
    let secrets: usize = record
        .secrets
        .secrets
        .iter()
        .map(|secret| {
            ROW + secret
                .description
                .as_ref()
                .map_or(0, |text| text.as_str().len())
        })
        .sum();
    2 * ROW + client.name.as_str().len() + tags + client.role_ids.len() * 2 * ROW + secrets
}

/// Changes that become durable together or not at all.
pub struct Batch {
    /// Names this batch, for a backend that must find out after an unknown outcome.
    pub operation: Uuid,
    /// The revision that the store has when this batch is in it.
    pub revision: Revision,
    /// Each tenant that the batch changes: its revision when the batch was decided
    /// ([`Revision::ZERO`] for one that is created), and after it.
    pub tenants: Vec<TenantRevisions>,
    pub changes: Vec<Change>,
}

/// How a batch moves one tenant on.
#[derive(Clone, Copy)]
pub struct TenantRevisions {
    pub tenant: TenantId,
    pub decided_on: Revision,
    pub after: Revision,
}

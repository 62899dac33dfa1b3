//! A tenant: who the clients and roles belong to.

use super::ids::{Revision, TenantId};
use super::text::{Alias, Name};
use super::times::Timestamp;

/// Whether a tenant is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantState {
    Active,
    /// Deleted for everybody who asks; what it held is being removed. Ends with the tenant's row.
    Deleting,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub company_name: Name,
    pub alias: Option<Alias>,
    pub state: TenantState,
    pub created: Timestamp,
    pub last_updated: Timestamp,
    /// When the tenant's own row last changed, in the order of all changes.
    pub changed: Revision,
}

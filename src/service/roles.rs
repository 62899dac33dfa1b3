//! Reading roles: those of a tenant, those of a client, those of the cluster.

use super::command::HeldRole;
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::client::Client;
use crate::domain::error::Refusal;
use crate::domain::ids::{RoleId, RoleTypeId};
use crate::domain::role::ClusterRole;

/// The roles of a tenant, in the order of their ids; with `kind`, the built-in one of that type.
pub fn of_tenant(snapshot: &TenantSnapshot, kind: Option<RoleTypeId>) -> Vec<HeldRole> {
    snapshot
        .roles()
        .iter()
        .filter(|role| kind.is_none() || role.built_in.map(|built_in| built_in.type_id()) == kind)
        .cloned()
        .map(HeldRole::Tenant)
        .collect()
}

/// The roles that a client holds, in the order of their ids.
pub fn held_by(snapshot: &TenantSnapshot, client: &Client) -> Vec<HeldRole> {
    let mut held: Vec<HeldRole> = client
        .role_ids
        .iter()
        .filter_map(|id| match ClusterRole::of(*id) {
            Some(cluster) => Some(HeldRole::Cluster(cluster)),
            None => snapshot.role(id).cloned().map(HeldRole::Tenant),
        })
        .collect();
    held.sort_by_key(HeldRole::id);
    held
}

/// The two roles of the cluster, in the order of their ids.
pub fn of_cluster() -> Vec<HeldRole> {
    ClusterRole::ALL.map(HeldRole::Cluster).to_vec()
}

/// The refusal for a role that does not exist.
pub fn no_role(id: RoleId) -> Refusal {
    Refusal::not_found(format_args!("role {id} in this tenant"))
}

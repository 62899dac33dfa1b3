//! The rules that keep the operators' rights with the operators, and somebody in charge.
//!
//! Without the first, an administrator of the operator's tenant could give himself the operator's
//! rights; without the second, the last operator could lock himself out (contract section 4).

use super::Case;
use crate::domain::client::{ClientRecord, RoleIds};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{RoleId, TenantId};
use crate::domain::role::ClusterRole;

impl Case<'_> {
    /// Only an operator may change a client that holds a cluster role.
    pub(super) fn may_change(&self, record: &ClientRecord) -> Result<(), Refusal> {
        if self.rights.operator || !holds_any_cluster_role(&record.client.role_ids) {
            return Ok(());
        }
        Err(Refusal::forbidden(
            format!("Client '{}' holds a cluster role.", record.client.id),
            "Only a Cluster Operator may change it, delete it, or manage its secrets.",
        ))
    }

    /// Only an operator may grant or take away cluster roles.
    pub(super) fn may_assign(&self, before: &[RoleId], after: &[RoleId]) -> Result<(), Refusal> {
        if self.rights.operator {
            return Ok(());
        }
        let moved = ClusterRole::ALL
            .into_iter()
            .find(|role| before.contains(&role.id()) != after.contains(&role.id()));
        match moved {
            None => Ok(()),
            Some(role) => Err(Refusal::forbidden(
                format!("{} is a cluster role.", role.id()),
                "Only a Cluster Operator may grant cluster roles or take them away.",
            )),
        }
    }

    /// A change from `before` to `after` (`None`: deleted) must not end the last living operator.
    pub(super) fn somebody_stays_in_charge(
        &self,
        tenant: TenantId,
        before: &ClientRecord,
        after: Option<&ClientRecord>,
    ) -> Result<(), Refusal> {
        let ends = self.operates(before) && !after.is_some_and(|after| self.operates(after));
        let changed = (tenant, before.client.id.clone());
        if !ends || self.any_operator(|holder| *holder != changed) {
            return Ok(());
        }
        Err(last_operator(format!(
            "Client '{}' is the last enabled client with the Cluster Operator role and a living secret.",
            before.client.id
        )))
    }

    /// The deletion of a tenant must not end the last living operator.
    pub(super) fn somebody_stays_in_charge_without(&self, tenant: TenantId) -> Result<(), Refusal> {
        let ends = self.any_operator(|holder| holder.0 == tenant);
        if !ends || self.any_operator(|holder| holder.0 != tenant) {
            return Ok(());
        }
        Err(last_operator(format!(
            "The last Cluster Operator is a client of tenant {tenant}."
        )))
    }

    fn any_operator(
        &self,
        wanted: impl Fn(&(TenantId, crate::domain::ids::ClientId)) -> bool,
    ) -> bool {
        self.world
            .registry
            .cluster_role_holders()
            .filter(|holder| wanted(holder))
            .any(|(tenant, client)| {
                let snapshot = self.world.tenant(*tenant);
                snapshot
                    .and_then(|snapshot| snapshot.client(client))
                    .is_some_and(|record| self.operates(record))
            })
    }

    fn operates(&self, record: &ClientRecord) -> bool {
        record.client.enabled
            && record.client.role_ids.contains(&ClusterRole::Operator.id())
            && record.secrets.any_lives_at(self.given.now)
    }
}

fn holds_any_cluster_role(role_ids: &RoleIds) -> bool {
    role_ids.iter().any(|id| ClusterRole::of(*id).is_some())
}

fn last_operator(reason: String) -> Refusal {
    Refusal::new(
        Kind::Conflict,
        "The last Cluster Operator cannot be removed.",
        reason,
        "Give the Cluster Operator role to another enabled client with a living secret first.",
    )
}

//! Deciding about the roles of a tenant.

use std::sync::Arc;

use super::{Case, Decision};
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{RoleId, TenantId};
use crate::domain::role::Role;
use crate::domain::text::{Description, Name};
use crate::service::command::Outcome;
use crate::service::failures::damaged;
use crate::service::roles::no_role;
use crate::store::batch::Change;

impl Case<'_> {
    pub(super) fn create_role(
        &self,
        tenant: TenantId,
        name: Name,
        description: Option<Description>,
    ) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        name_is_free(snapshot, &name, None)?;
        self.has_room_for_a_role(snapshot)?;
        let id = RoleId::from_uuid(self.given.random.uuid());
        Ok(put(
            tenant,
            Role {
                id,
                name,
                description,
                built_in: None,
            },
        ))
    }

    pub(super) fn has_room_for_a_role(&self, snapshot: &TenantSnapshot) -> Result<(), Refusal> {
        let most = self.world.limits.roles_per_tenant;
        if snapshot.roles().len() < most {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::LimitExceeded,
            "Role limit exceeded.",
            format!("This tenant has {} roles.", snapshot.roles().len()),
            format!("A tenant has at most {most} roles; delete one first."),
        ))
    }

    pub(super) fn update_role(
        &self,
        tenant: TenantId,
        id: RoleId,
        name: Option<Name>,
        description: Option<Description>,
    ) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        let current = changeable(snapshot, id)?;
        if let Some(name) = &name {
            name_is_free(snapshot, name, Some(id))?;
        }
        let role = Role {
            id,
            name: name.unwrap_or_else(|| current.name.clone()),
            description: description.or_else(|| current.description.clone()),
            built_in: None,
        };
        if role == **current {
            return Ok(Decision::unchanged(Outcome::Role(current.clone())));
        }
        Ok(put(tenant, role))
    }

    pub(super) fn delete_role(&self, tenant: TenantId, id: RoleId) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        let role = changeable(snapshot, id)?;
        let holders = snapshot.with_role(&id).map_or(0, |clients| clients.len());
        if holders > 0 {
            let clients = match holders {
                1 => "1 client holds".to_owned(),
                _ => format!("{holders} clients hold"),
            };
            return Err(Refusal::new(
                Kind::Conflict,
                "The role is in use.",
                format!("{clients} the role '{}'.", role.name),
                "Take it from them first; GET …/Roles/{roleId}/ClientCredentialClients lists them.",
            ));
        }
        // What a damaged client holds cannot be known.
        if let Some(client) = snapshot.damaged().first() {
            return Err(damaged(format_args!(
                "Client '{client}', which may hold the role '{}',",
                role.name
            )));
        }
        Ok(Decision {
            changes: vec![Change::DeleteRole {
                tenant,
                role: role.clone(),
            }],
            outcome: Outcome::Done,
        })
    }
}

fn put(tenant: TenantId, role: Role) -> Decision {
    let role = Arc::new(role);
    Decision {
        changes: vec![Change::PutRole {
            tenant,
            role: role.clone(),
        }],
        outcome: Outcome::Role(role),
    }
}

/// The role, if it exists and is not built in.
fn changeable(snapshot: &TenantSnapshot, id: RoleId) -> Result<&Arc<Role>, Refusal> {
    let role = snapshot.role(&id).ok_or_else(|| no_role(id))?;
    if role.built_in.is_some() {
        return Err(Refusal::invalid(
            format!("'{}' is a built-in role.", role.name),
            "Built-in roles can be neither changed nor deleted; create a role of your own.",
        ));
    }
    Ok(role)
}

pub(super) fn name_is_free(
    snapshot: &TenantSnapshot,
    name: &Name,
    except: Option<RoleId>,
) -> Result<(), Refusal> {
    let folded = name.folded();
    let taken = snapshot
        .roles()
        .iter()
        .any(|role| Some(role.id) != except && role.name.folded() == folded);
    if taken {
        return Err(Refusal::new(
            Kind::Conflict,
            "The role already exists.",
            format!("This tenant has a role named '{name}' already, in this or another case."),
            "Choose another Name.",
        ));
    }
    Ok(())
}

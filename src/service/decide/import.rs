//! Deciding about what is imported: it must not be there yet. What is there already and is the same
//! is left as it is, so that an import that was cut short can be run again; what differs is a
//! conflict that names it.

use std::sync::Arc;

use super::clients::roles_exist;
use super::roles::name_is_free;
use super::{Case, Decision, damaged, damaged_client};
use crate::domain::client::{Client, ClientRecord};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::TenantId;
use crate::domain::role::{BuiltInRole, Role};
use crate::domain::tenant::{Tenant, TenantState};
use crate::service::command::{Import, Outcome};
use crate::store::batch::Change;

impl Case<'_> {
    pub(super) fn import(&self, import: Import) -> Result<Decision, Refusal> {
        match import {
            Import::Tenant { tenant, built_in } => self.import_tenant(&tenant, built_in),
            Import::Role { tenant, role } => self.import_role(tenant, role),
            Import::Client { tenant, record } => self.import_client(tenant, &record),
        }
    }

    fn import_tenant(
        &self,
        tenant: &Tenant,
        built_in: Vec<Arc<Role>>,
    ) -> Result<Decision, Refusal> {
        let id = tenant.id;
        if self.world.registry.is_deleting(id) {
            return Err(conflict(
                format!("Tenant {id} is still being deleted."),
                "Import it again a little later.",
            ));
        }
        if self.world.registry.is_damaged(id) {
            return Err(damaged(format_args!("Tenant {id}")));
        }
        if let Some(snapshot) = self.world.tenant(id) {
            let there = snapshot.tenant();
            if (&there.company_name, &there.alias) != (&tenant.company_name, &tenant.alias) {
                return Err(differs(format_args!("tenant {id}")));
            }
            for role in built_in {
                if snapshot.role(&role.id) != Some(&role) {
                    return Err(differs(format_args!(
                        "the built-in role '{}' of tenant {id}",
                        role.name
                    )));
                }
            }
            return Ok(there_already());
        }
        if let Some(alias) = &tenant.alias {
            self.alias_is_free(alias, None)?;
        }
        let one_of_each = BuiltInRole::ALL.into_iter().all(|kind| {
            let of_kind = built_in.iter().filter(|role| role.built_in == Some(kind));
            of_kind.count() == 1
        });
        if !one_of_each || built_in.len() != BuiltInRole::ALL.len() {
            return Err(Refusal::invalid(
                format!("Tenant {id} has not one of each built-in role."),
                "Import what `credenza export` wrote.",
            ));
        }
        let tenant = Arc::new(Tenant {
            state: TenantState::Active,
            changed: self.given.revision,
            ..tenant.clone()
        });
        let mut changes = vec![Change::PutTenant {
            tenant,
            created: true,
        }];
        changes.extend(
            built_in
                .into_iter()
                .map(|role| Change::PutRole { tenant: id, role }),
        );
        Ok(imported(changes))
    }

    fn import_role(&self, tenant: TenantId, role: Arc<Role>) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        match snapshot.role(&role.id) {
            Some(there) if *there == role => return Ok(there_already()),
            Some(_) => {
                return Err(differs(format_args!("role {} of tenant {tenant}", role.id)));
            }
            None => {}
        }
        if role.built_in.is_some() {
            return Err(differs(format_args!(
                "the built-in role '{}' of tenant {tenant}",
                role.name
            )));
        }
        name_is_free(snapshot, &role.name, None)?;
        self.has_room_for_a_role(snapshot)?;
        Ok(imported(vec![Change::PutRole { tenant, role }]))
    }

    fn import_client(&self, tenant: TenantId, record: &ClientRecord) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        let id = &record.client.id;
        if snapshot.is_damaged(id) {
            return Err(damaged_client(id));
        }
        if let Some(there) = snapshot.client(id) {
            let given = ClientRecord {
                client: Client {
                    created: there.client.created,
                    changed: there.client.changed,
                    ..record.client.clone()
                },
                secrets: record.secrets.clone(),
            };
            return match given == **there {
                true => Ok(there_already()),
                false => Err(differs(format_args!("client '{id}' of tenant {tenant}"))),
            };
        }
        roles_exist(snapshot, &record.client.role_ids)?;
        self.has_room_for_a_client(snapshot)?;
        let new = Arc::new(ClientRecord {
            client: Client {
                created: self.given.revision,
                changed: self.given.revision,
                ..record.client.clone()
            },
            secrets: record.secrets.clone(),
        });
        let put = Change::PutClient {
            tenant,
            old: None,
            new,
        };
        Ok(imported(vec![put]))
    }
}

fn imported(changes: Vec<Change>) -> Decision {
    Decision {
        changes,
        outcome: Outcome::Imported { created: true },
    }
}

fn there_already() -> Decision {
    Decision::unchanged(Outcome::Imported { created: false })
}

fn differs(what: impl std::fmt::Display) -> Refusal {
    conflict(
        format!("This store has {what} already, and it is not the same."),
        "Delete one of the two, or make them the same, and import again.",
    )
}

fn conflict(reason: String, resolution: &str) -> Refusal {
    Refusal::new(
        Kind::Conflict,
        "The object already exists.",
        reason,
        resolution,
    )
}

//! Deciding about tenants: creation with the built-in roles, update, deletion, and the first one.

use std::sync::Arc;

use super::{Case, Decision, damaged_client, damaged_tenant};
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{RoleId, TenantId};
use crate::domain::role::{BuiltInRole, ClusterRole, Role};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Alias, Name};
use crate::service::built_in_roles;
use crate::service::command::{Bootstrap, NewTenant, Outcome};
use crate::store::batch::Change;
use crate::tokens::secret::PlainSecret;

impl Case<'_> {
    pub(super) fn create_tenant(&self, new: NewTenant) -> Result<Decision, Refusal> {
        let id = new
            .id
            .unwrap_or_else(|| TenantId::from_uuid(self.given.random.uuid()));
        let registry = &self.world.registry;
        if registry.is_damaged(id) {
            return Err(damaged_tenant(id));
        }
        if registry.active(id).is_some() || registry.is_deleting(id) {
            let reason = match registry.is_deleting(id) {
                true => format!("Tenant {id} is still being deleted."),
                false => format!("There is a tenant {id} already."),
            };
            return Err(Refusal::new(
                Kind::Conflict,
                "The tenant already exists.",
                reason,
                "Choose another Id, or leave it out to get a random one.",
            ));
        }
        if let Some(alias) = &new.alias {
            self.alias_is_free(alias, None)?;
        }
        let (tenant, changes) = self.new_tenant(id, new.company_name, new.alias);
        Ok(Decision {
            changes,
            outcome: Outcome::Tenant(tenant),
        })
    }

    /// A tenant and its five built-in roles, each with an id of its own.
    fn new_tenant(
        &self,
        id: TenantId,
        company_name: Name,
        alias: Option<Alias>,
    ) -> (Arc<Tenant>, Vec<Change>) {
        let tenant = Arc::new(Tenant {
            id,
            company_name,
            alias,
            state: TenantState::Active,
            created: self.given.now,
            last_updated: self.given.now,
            changed: self.given.revision,
        });
        let mut changes = vec![Change::PutTenant {
            tenant: tenant.clone(),
            created: true,
        }];
        changes.extend(BuiltInRole::ALL.map(|kind| {
            let described = built_in_roles::describe(kind);
            let role = Role {
                id: RoleId::from_uuid(self.given.random.uuid()),
                name: described.name.clone(),
                description: Some(described.description.clone()),
                built_in: Some(kind),
            };
            Change::PutRole {
                tenant: id,
                role: Arc::new(role),
            }
        }));
        (tenant, changes)
    }

    pub(super) fn update_tenant(
        &self,
        id: TenantId,
        company_name: Option<Name>,
        alias: Option<Alias>,
    ) -> Result<Decision, Refusal> {
        let current = self.tenant(id)?.tenant();
        if let Some(alias) = &alias {
            self.alias_is_free(alias, Some(id))?;
        }
        let mut tenant = Tenant::clone(current);
        tenant.company_name = company_name.unwrap_or(tenant.company_name);
        tenant.alias = alias.or(tenant.alias);
        if tenant == **current {
            return Ok(Decision::unchanged(Outcome::Tenant(current.clone())));
        }
        tenant.last_updated = self.given.now;
        tenant.changed = self.given.revision;
        let tenant = Arc::new(tenant);
        Ok(Decision {
            changes: vec![Change::PutTenant {
                tenant: tenant.clone(),
                created: false,
            }],
            outcome: Outcome::Tenant(tenant),
        })
    }

    /// Flips the tenant's state, which ends every right in it at once; the writer sweeps behind.
    pub(super) fn delete_tenant(&self, id: TenantId) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(id)?;
        let current = snapshot.tenant();
        // What belongs to a damaged client cannot be known, so it could not be swept.
        if let Some(client) = snapshot.damaged().first() {
            return Err(damaged_client(client));
        }
        self.somebody_stays_in_charge_without(id)?;
        let tenant = Arc::new(Tenant {
            state: TenantState::Deleting,
            alias: None,
            last_updated: self.given.now,
            changed: self.given.revision,
            ..Tenant::clone(current)
        });
        Ok(Decision {
            changes: vec![Change::PutTenant {
                tenant,
                created: false,
            }],
            outcome: Outcome::Done,
        })
    }

    pub(super) fn bootstrap(&self, first: Bootstrap) -> Result<Decision, Refusal> {
        if !self.world.registry.tenants().is_empty() {
            return Err(Refusal::new(
                Kind::Conflict,
                "The store is set up already.",
                "It holds a tenant.",
                "Use the client that was printed at the first start.",
            ));
        }
        let (tenant, mut changes) = self.new_tenant(first.tenant, first.company_name, first.alias);
        let mut role_ids: Vec<RoleId> = changes.iter().filter_map(first_clients_role).collect();
        role_ids.push(ClusterRole::Operator.id());
        let client = Client {
            name: Name::from_stored(first.client.as_str()),
            id: first.client,
            enabled: true,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::none(),
            role_ids: RoleIds::new(role_ids)?,
            created: self.given.revision,
            changed: self.given.revision,
        };
        let value = first
            .secret
            .unwrap_or_else(|| PlainSecret::generate(self.given.random));
        let mut secrets = self.no_secrets();
        self.push_secret(&mut secrets, &value, None, None)?;
        let record = Arc::new(ClientRecord { client, secrets });
        changes.push(Change::PutClient {
            tenant: tenant.id,
            old: None,
            new: record.clone(),
        });
        Ok(Decision {
            changes,
            outcome: Outcome::ClientCreated { record, value },
        })
    }

    pub(super) fn alias_is_free(
        &self,
        alias: &Alias,
        except: Option<TenantId>,
    ) -> Result<(), Refusal> {
        match self.world.registry.with_alias(&alias.folded()) {
            Some(holder) if Some(holder) != except => Err(Refusal::new(
                Kind::Conflict,
                "The alias is taken.",
                format!("Another tenant has the alias '{alias}', in this or another case."),
                "Choose another Alias.",
            )),
            _ => Ok(()),
        }
    }
}

/// The id of a role that the first client holds: Member and Administrator.
fn first_clients_role(change: &Change) -> Option<RoleId> {
    match change {
        Change::PutRole { role, .. } => matches!(
            role.built_in,
            Some(BuiltInRole::Member | BuiltInRole::Administrator)
        )
        .then_some(role.id),
        _ => None,
    }
}

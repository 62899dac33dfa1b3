//! The rules of every write, as one pure function: the newest state, a command, the time and
//! randomness in; an answer and changes out, or a refusal. No disk, no network, no clock.
//!
//! The writer applies the changes of one command to its working copy before it decides the next,
//! so limits and uniqueness are exact under any concurrency.

mod clients;
mod import;
mod operators;
mod roles;
mod secrets;
mod tenants;

pub use secrets::{damaged_secret, secret_of};

use std::collections::HashMap;
use std::sync::Arc;

use super::admission;
use super::command::{Asker, Command, Import, Outcome};
use super::failures::damaged;
use crate::directory::registry::Registry;
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::access::Rights;
use crate::domain::client::ClientRecord;
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, Epoch, Revision, TenantId};
use crate::domain::ports::Random;
use crate::domain::times::Timestamp;
use crate::store::batch::Change;

/// How much a tenant may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub clients_per_tenant: usize,
    pub roles_per_tenant: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients_per_tenant: 50_000,
            roles_per_tenant: 1_000,
        }
    }
}

/// The state that commands are decided on: the newest, ahead of what readers see until it is
/// durable.
pub struct World {
    pub epoch: Epoch,
    pub limits: Limits,
    pub registry: Registry,
    /// The tenants that the commands at hand need; a missing one does not exist.
    pub tenants: HashMap<TenantId, TenantSnapshot>,
}

/// What a decision may use besides the state.
pub struct Given<'a> {
    pub now: Timestamp,
    pub random: &'a dyn Random,
    /// The revision that the store has once this command is in it.
    pub revision: Revision,
}

/// What a command comes to. Without changes nothing is written, and the revision is not used.
pub struct Decision {
    pub outcome: Outcome,
    pub changes: Vec<Change>,
}

impl Decision {
    fn unchanged(outcome: Outcome) -> Self {
        Self {
            outcome,
            changes: Vec::new(),
        }
    }
}

/// Decides one command. Order: the asker's rights, its input, the object, what protects it, then
/// conflicts, then limits (contract section 4).
pub fn decide(
    world: &World,
    asker: &Asker,
    command: Command,
    given: &Given<'_>,
) -> Result<Decision, Refusal> {
    let rights = match asker {
        Asker::Service => Rights {
            operator: true,
            ..Rights::default()
        },
        Asker::Caller(request) => {
            let caller = &request.caller;
            let home = world.tenant(caller.tenant);
            let rights = admission::rights_of(home, caller, world.epoch)?;
            let tenant = command.tenant();
            admission::admit(
                request.operation,
                caller,
                rights,
                tenant,
                tenant.is_some_and(|id| world.registry.active(id).is_some()),
                command.client(),
            )?;
            rights
        }
    };
    let case = Case {
        world,
        asker,
        rights,
        given,
    };
    if let Some(tenant) = command.tenant() {
        case.tenant(tenant)?;
    }
    match command {
        Command::CreateTenant(new) => case.create_tenant(new),
        Command::UpdateTenant {
            tenant,
            company_name,
            alias,
        } => case.update_tenant(tenant, company_name, alias),
        Command::DeleteTenant { tenant } => case.delete_tenant(tenant),
        Command::CreateRole {
            tenant,
            name,
            description,
        } => case.create_role(tenant, name, description),
        Command::UpdateRole {
            tenant,
            role,
            name,
            description,
        } => case.update_role(tenant, role, name, description),
        Command::DeleteRole { tenant, role } => case.delete_role(tenant, role),
        Command::CreateClient { tenant, new } => case.create_client(tenant, new),
        Command::UpdateClient {
            tenant,
            client,
            update,
            condition,
        } => case.update_client(tenant, &client, update, &condition),
        Command::DeleteClient {
            tenant,
            client,
            condition,
        } => case.delete_client(tenant, &client, &condition),
        Command::ReplaceClientRoles {
            tenant,
            client,
            role_ids,
        } => case.replace_client_roles(tenant, &client, role_ids),
        Command::AddSecret {
            tenant,
            client,
            new,
        } => case.add_secret(tenant, &client, new),
        Command::UpdateSecret {
            tenant,
            client,
            secret,
            update,
        } => case.update_secret(tenant, &client, secret, update),
        Command::DeleteSecret {
            tenant,
            client,
            secret,
        } => case.delete_secret(tenant, &client, secret),
        Command::Bootstrap(first) => case.bootstrap(first),
        Command::Import(import) => case.import(import),
    }
}

impl World {
    /// A tenant in use. One that an earlier command of the batch deleted is none.
    pub fn tenant(&self, id: TenantId) -> Option<&TenantSnapshot> {
        self.tenants
            .get(&id)
            .filter(|_| self.registry.active(id).is_some())
    }

    /// Makes the changes of a command, which bring the store to `revision`.
    pub fn apply(&mut self, changes: &[Change], revision: Revision) {
        for change in changes {
            self.registry.apply(change, revision);
            if let Change::PutTenant {
                tenant,
                created: true,
            } = change
            {
                self.tenants
                    .insert(tenant.id, TenantSnapshot::empty(tenant.clone(), revision));
            } else if let Some(snapshot) = self.tenants.get_mut(&change.tenant()) {
                snapshot.apply(change, revision);
            }
        }
    }

    /// The tenants that a command needs to be decided and that are not here yet.
    pub fn missing(&self, asker: &Asker, command: &Command) -> Vec<TenantId> {
        let mut needed: Vec<TenantId> = command.tenant().into_iter().collect();
        if let Asker::Caller(request) = asker {
            needed.push(request.caller.tenant);
        }
        if let Command::Import(Import::Tenant { tenant, .. }) = command {
            needed.push(tenant.id);
        }
        if self.may_end_an_operator(command) {
            needed.extend(
                self.registry
                    .cluster_role_holders()
                    .map(|(tenant, _)| *tenant),
            );
        }
        needed.retain(|id| self.registry.active(*id).is_some() && !self.tenants.contains_key(id));
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// Whether a command is about a client that holds a cluster role, or a tenant that has one.
    fn may_end_an_operator(&self, command: &Command) -> bool {
        let Some(tenant) = command.tenant() else {
            return false;
        };
        match command {
            Command::DeleteTenant { .. } => true,
            _ => command.client().is_some_and(|client| {
                self.registry
                    .cluster_role_holders()
                    .any(|(t, c)| *t == tenant && c == client)
            }),
        }
    }
}

/// One command being decided.
struct Case<'a> {
    world: &'a World,
    asker: &'a Asker,
    rights: Rights,
    given: &'a Given<'a>,
}

impl Case<'_> {
    fn tenant(&self, id: TenantId) -> Result<&TenantSnapshot, Refusal> {
        self.world
            .tenant(id)
            .ok_or_else(|| Refusal::not_found(format_args!("tenant {id}")))
    }

    fn client(&self, tenant: TenantId, id: &ClientId) -> Result<&Arc<ClientRecord>, Refusal> {
        client_of(self.tenant(tenant)?, id)
    }

    /// Whether the asker is this client itself.
    fn is_self(&self, tenant: TenantId, id: &ClientId) -> bool {
        match self.asker {
            Asker::Caller(request) => {
                request.caller.tenant == tenant && request.caller.client == *id
            }
            Asker::Service => false,
        }
    }
}

/// One client of a tenant.
pub fn client_of<'a>(
    tenant: &'a TenantSnapshot,
    id: &ClientId,
) -> Result<&'a Arc<ClientRecord>, Refusal> {
    if tenant.is_damaged(id) {
        return Err(damaged_client(id));
    }
    tenant.client(id).ok_or_else(|| no_client(id))
}

/// The refusal for a client that cannot be believed.
pub fn damaged_client(id: &ClientId) -> Refusal {
    damaged(format_args!("Client '{id}'"))
}

/// The refusal for a tenant that cannot be believed.
pub fn damaged_tenant(id: TenantId) -> Refusal {
    damaged(format_args!("Tenant {id}"))
}

/// The refusal for a client that does not exist.
pub fn no_client(id: &ClientId) -> Refusal {
    Refusal::not_found(format_args!("client '{id}' in this tenant"))
}

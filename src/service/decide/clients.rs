//! Deciding about clients: creation, update, deletion, and the roles they hold.

use std::sync::Arc;

use super::{Case, Decision, damaged_client};
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{ClientId, TenantId};
use crate::domain::role::{BuiltInRole, ClusterRole};
use crate::domain::secret::{Salt, SecretSet};
use crate::domain::text::Name;
use crate::service::command::{ClientUpdate, Condition, NewClient, Outcome};
use crate::service::{entity_tag, roles};
use crate::store::batch::Change;
use crate::tokens::secret::PlainSecret;

impl Case<'_> {
    pub(super) fn create_client(
        &self,
        tenant: TenantId,
        new: NewClient,
    ) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        let role_ids = match new.role_ids {
            Some(role_ids) => role_ids,
            None => RoleIds::new([member_role(snapshot)?])?,
        };
        self.may_assign(&[], &role_ids)?;
        roles_exist(snapshot, &role_ids)?;
        self.is_in_the_future("SecretExpirationDate", new.secret_expiration)?;

        let id = new
            .id
            .unwrap_or_else(|| ClientId::from_uuid(self.given.random.uuid()));
        if snapshot.is_damaged(&id) {
            return Err(damaged_client(&id));
        }
        if snapshot.client(&id).is_some() {
            return Err(Refusal::new(
                Kind::Conflict,
                "The client already exists.",
                format!("This tenant has a client '{id}' already."),
                "Choose another Id, or leave it out to get a random one.",
            ));
        }
        self.has_room_for_a_client(snapshot)?;

        let client = Client {
            name: new.name.unwrap_or_else(|| Name::from_stored(id.as_str())),
            id,
            enabled: new.enabled.unwrap_or(true),
            token_lifetime: new.token_lifetime.unwrap_or(TokenLifetime::DEFAULT),
            tags: new.tags.unwrap_or_else(Tags::none),
            role_ids,
            created: self.given.revision,
            changed: self.given.revision,
        };
        let value = PlainSecret::generate(self.given.random);
        let mut secrets = self.no_secrets();
        self.push_secret(
            &mut secrets,
            &value,
            new.secret_description,
            new.secret_expiration,
        )?;
        let record = Arc::new(ClientRecord { client, secrets });
        Ok(Decision {
            changes: vec![Change::PutClient {
                tenant,
                old: None,
                new: record.clone(),
            }],
            outcome: Outcome::ClientCreated { record, value },
        })
    }

    pub(super) fn has_room_for_a_client(&self, snapshot: &TenantSnapshot) -> Result<(), Refusal> {
        let most = self.world.limits.clients_per_tenant;
        let holds = snapshot.clients().len() + snapshot.damaged().len();
        if holds < most {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::LimitExceeded,
            "Client limit exceeded.",
            format!("This tenant has {holds} clients."),
            format!("A tenant holds at most {most} clients; delete one first."),
        ))
    }

    /// The secrets of a client that is being created: none, and a salt of its own.
    pub(super) fn no_secrets(&self) -> SecretSet {
        let mut salt = [0; 16];
        self.given.random.fill(&mut salt);
        SecretSet {
            salt: Salt(salt),
            last_id: 0,
            secrets: Vec::new(),
            damaged: Vec::new(),
        }
    }

    pub(super) fn update_client(
        &self,
        tenant: TenantId,
        id: &ClientId,
        update: ClientUpdate,
        condition: &Condition,
    ) -> Result<Decision, Refusal> {
        let snapshot = self.tenant(tenant)?;
        if let Some(role_ids) = &update.role_ids {
            roles_exist(snapshot, role_ids)?;
        }
        let old = self.client(tenant, id)?;
        self.may_change(old)?;
        if let Some(role_ids) = &update.role_ids {
            self.may_assign(&old.client.role_ids, role_ids)?;
        }
        self.holds(condition, &old.client)?;

        let current = &old.client;
        let mut client = Client {
            id: current.id.clone(),
            name: update.name.unwrap_or_else(|| current.name.clone()),
            enabled: update.enabled.unwrap_or(current.enabled),
            token_lifetime: update.token_lifetime.unwrap_or(current.token_lifetime),
            tags: update.tags.unwrap_or_else(|| current.tags.clone()),
            role_ids: update.role_ids.unwrap_or_else(|| current.role_ids.clone()),
            created: current.created,
            changed: current.changed,
        };
        if client == *current {
            return Ok(Decision::unchanged(Outcome::Client(old.clone())));
        }
        client.changed = self.given.revision;
        let new = Arc::new(ClientRecord {
            client,
            secrets: old.secrets.clone(),
        });
        self.somebody_stays_in_charge(tenant, old, Some(&new))?;
        Ok(Decision {
            changes: vec![Change::PutClient {
                tenant,
                old: Some(old.clone()),
                new: new.clone(),
            }],
            outcome: Outcome::Client(new),
        })
    }

    pub(super) fn replace_client_roles(
        &self,
        tenant: TenantId,
        id: &ClientId,
        role_ids: RoleIds,
    ) -> Result<Decision, Refusal> {
        let update = ClientUpdate {
            role_ids: Some(role_ids),
            ..ClientUpdate::default()
        };
        let decision = self.update_client(tenant, id, update, &Condition::Always)?;
        let Outcome::Client(record) = &decision.outcome else {
            return Ok(decision);
        };
        let held = roles::held_by(self.tenant(tenant)?, &record.client);
        Ok(Decision {
            outcome: Outcome::ClientRoles(held),
            ..decision
        })
    }

    pub(super) fn delete_client(
        &self,
        tenant: TenantId,
        id: &ClientId,
        condition: &Condition,
    ) -> Result<Decision, Refusal> {
        let old = self.client(tenant, id)?;
        self.may_change(old)?;
        self.holds(condition, &old.client)?;
        self.somebody_stays_in_charge(tenant, old, None)?;
        Ok(Decision {
            changes: vec![Change::DeleteClient {
                tenant,
                old: old.clone(),
            }],
            outcome: Outcome::Done,
        })
    }

    /// Whether `If-Match` holds of a client as it is.
    fn holds(&self, condition: &Condition, client: &Client) -> Result<(), Refusal> {
        let Condition::OneOf(expected) = condition else {
            return Ok(());
        };
        let current = entity_tag(self.world.epoch, client.changed);
        if expected.contains(&current) {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::PreconditionFailed,
            "The client has changed.",
            format!("If-Match does not name the client's ETag, which is \"{current}\"."),
            "Get the client again, apply the change to what it is now, and repeat with its ETag.",
        ))
    }
}

fn member_role(snapshot: &TenantSnapshot) -> Result<crate::domain::ids::RoleId, Refusal> {
    snapshot
        .built_in_role(BuiltInRole::Member)
        .map(|role| role.id)
        .ok_or_else(Refusal::internal)
}

/// Each role must be one of the tenant's or a cluster role, and Member must be among them.
pub(super) fn roles_exist(snapshot: &TenantSnapshot, role_ids: &RoleIds) -> Result<(), Refusal> {
    let unknown = role_ids
        .iter()
        .find(|id| ClusterRole::of(**id).is_none() && snapshot.role(id).is_none());
    if let Some(id) = unknown {
        return Err(Refusal::invalid(
            format!("RoleIds names {id}, which is no role of this tenant."),
            "Use the Id of a role that GET …/Roles lists.",
        ));
    }
    let member = member_role(snapshot)?;
    if !role_ids.contains(&member) {
        return Err(Refusal::invalid(
            "RoleIds does not contain the Member role.",
            format!("The Member role is always required: add {member}."),
        ));
    }
    Ok(())
}

//! From the typed changes of one command to its record. Pure: what was there before is given.

use super::record::{Action, Changes, Object, Record, RecordedCaller};
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::client::ClientRecord;
use crate::domain::ids::{Epoch, Revision, RoleId, SecretId, TenantId};
use crate::domain::role::Role;
use crate::domain::secret::{Secret, SecretSet};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::times::Timestamp;
use crate::service::command::Asker;
use crate::store::batch::Change;

/// Which command it was, and when.
pub struct Event<'a> {
    pub asker: &'a Asker,
    pub action: Action,
    pub time: Timestamp,
    pub epoch: Epoch,
    /// The revision that the command brings the store to.
    pub revision: Revision,
}

/// The record of a command's changes; none where nothing changed. `before` gives the tenant as it
/// was before the command, if there was one.
///
/// Neither the value of a secret nor its hash or salt is looked at.
pub fn record<'t>(
    event: &Event<'_>,
    changes: &[Change],
    before: impl FnOnce(TenantId) -> Option<&'t TenantSnapshot>,
) -> Option<Record> {
    let tenant = changes.first()?.tenant();
    let before = before(tenant);
    let mut found = Found::default();
    for change in changes {
        found.add(change, before);
    }
    let (operation_id, caller) = match event.asker {
        Asker::Service => (None, None),
        Asker::Caller(request) => (
            Some(request.operation_id.clone()),
            Some(RecordedCaller {
                tenant: request.caller.tenant,
                client: request.caller.client.clone(),
            }),
        ),
    };
    Some(Record {
        time: event.time,
        operation_id,
        epoch: event.epoch,
        revision: event.revision,
        tenant,
        caller,
        action: event.action,
        object: found.object,
        changes: found.changes,
    })
}

/// What the changes of one command come to.
#[derive(Default)]
struct Found {
    object: Object,
    changes: Changes,
}

impl Found {
    fn add(&mut self, change: &Change, before: Option<&TenantSnapshot>) {
        match change {
            Change::PutTenant { tenant, .. } => {
                self.put_tenant(before.map(|before| &**before.tenant()), tenant);
            }
            Change::RemoveTenant { tenant, .. } => self.object.tenant = Some(tenant.id),
            // Roles that a tenant is born with are no change of their own.
            Change::PutRole { role, .. } if role.built_in.is_some() => {}
            Change::PutRole { role, .. } => {
                let old = before.and_then(|before| before.role(&role.id));
                self.put_role(old.map(|old| &**old), role);
            }
            Change::DeleteRole { role, .. } => self.object.role = Some(role.id),
            Change::PutClient { old, new, .. } => self.put_client(old.as_deref(), new),
            Change::DeleteClient { old, .. } => self.object.client = Some(old.client.id.clone()),
        }
    }

    fn put_tenant(&mut self, old: Option<&Tenant>, new: &Tenant) {
        self.object.tenant = Some(new.id);
        if new.state == TenantState::Deleting {
            return;
        }
        let (name, alias) = (&new.company_name, &new.alias);
        if old.is_none_or(|old| old.company_name != *name) {
            self.changes.company_name = Some(name.to_string());
        }
        if old.is_none_or(|old| old.alias != *alias) {
            self.changes.alias = alias.as_ref().map(ToString::to_string);
        }
    }

    fn put_role(&mut self, old: Option<&Role>, new: &Role) {
        self.object.role = Some(new.id);
        if old.is_none_or(|old| old.name != new.name) {
            self.changes.name = Some(new.name.to_string());
        }
        if old.is_none_or(|old| old.description != new.description) {
            self.changes.description = new.description.as_ref().map(ToString::to_string);
        }
    }

    fn put_client(&mut self, old: Option<&ClientRecord>, new: &ClientRecord) {
        let client = &new.client;
        let before = old.map(|old| &old.client);
        self.object.client = Some(client.id.clone());
        let changes = &mut self.changes;
        if before.is_none_or(|before| before.name != client.name) {
            changes.name = Some(client.name.to_string());
        }
        if before.is_none_or(|before| before.enabled != client.enabled) {
            changes.enabled = Some(client.enabled);
        }
        if before.is_none_or(|before| before.token_lifetime != client.token_lifetime) {
            changes.access_token_lifetime = Some(client.token_lifetime.seconds());
        }
        if before.is_none_or(|before| before.tags != client.tags) {
            changes.tags = Some(client.tags.iter().map(ToString::to_string).collect());
        }
        let held: &[RoleId] = before.map_or(&[], |before| &before.role_ids);
        changes.roles_added = without(&client.role_ids, held);
        changes.roles_removed = without(held, &client.role_ids);

        for secret in &new.secrets.secrets {
            self.put_secret(old.and_then(|old| old.secrets.get(secret.id)), secret);
        }
        if let Some(gone) = old.and_then(|old| gone(&old.secrets, &new.secrets)) {
            self.object.secret = Some(gone);
        }
    }

    fn put_secret(&mut self, old: Option<&Secret>, new: &Secret) {
        if old == Some(new) {
            return;
        }
        self.object.secret = Some(new.id);
        if old.is_none_or(|old| old.description != new.description) {
            self.changes.description = new.description.as_ref().map(ToString::to_string);
        }
        if old.is_none_or(|old| old.expiration != new.expiration) {
            self.changes.expiration = Some(new.expiration);
        }
    }
}

fn without(roles: &[RoleId], others: &[RoleId]) -> Vec<RoleId> {
    let missing = roles.iter().filter(|role| !others.contains(role));
    missing.copied().collect()
}

/// The secret that was there and is not any more; one that was damaged counts too.
fn gone(old: &SecretSet, new: &SecretSet) -> Option<SecretId> {
    let kept = old
        .secrets
        .iter()
        .find(|secret| new.get(secret.id).is_none());
    let damaged = old.damaged.iter().find(|id| !new.damaged.contains(id));
    kept.map(|secret| secret.id).or(damaged.copied())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::access::Operation;
    use crate::domain::client::{Client, RoleIds, Tags, TokenLifetime};
    use crate::domain::ids::{ClientId, Generation, SecretId};
    use crate::domain::role::BuiltInRole;
    use crate::domain::secret::{Salt, SecretHash, SecretSet};
    use crate::domain::text::{Alias, Description, Name, Tag};
    use crate::service::command::{Caller, Request};

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);

    fn role(number: u8) -> RoleId {
        RoleId::from_bytes([number; 16])
    }

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0).unwrap()
    }

    fn client(change: impl FnOnce(&mut ClientRecord)) -> Arc<ClientRecord> {
        let mut record = ClientRecord {
            client: Client {
                id: ClientId::parse("press-1").unwrap(),
                name: Name::from_stored("Press"),
                enabled: true,
                token_lifetime: TokenLifetime::DEFAULT,
                tags: Tags::new([Tag::from_stored("a")]).unwrap(),
                role_ids: RoleIds::new([role(1), role(2)]).unwrap(),
                created: Revision(2),
                changed: Revision(2),
            },
            secrets: SecretSet {
                salt: Salt([7; 16]),
                last_id: 1,
                secrets: vec![secret(1, None)],
                damaged: Vec::new(),
            },
        };
        change(&mut record);
        Arc::new(record)
    }

    fn secret(id: i32, expiration: Option<Timestamp>) -> Secret {
        Secret {
            id: SecretId(id),
            hash: SecretHash([9; 32]),
            description: Some(Description::from_stored("for the line")),
            expiration,
        }
    }

    fn tenant(state: TenantState, alias: Option<&str>) -> Arc<Tenant> {
        Arc::new(Tenant {
            id: TENANT,
            company_name: Name::from_stored("Plant"),
            alias: alias.map(Alias::from_stored),
            state,
            created: time(0),
            last_updated: time(0),
            changed: Revision(1),
        })
    }

    fn recorded(changes: &[Change], before: Option<&TenantSnapshot>) -> Option<(Object, Changes)> {
        let event = Event {
            asker: &Asker::Service,
            action: Action::ClientUpdate,
            time: time(0),
            epoch: Epoch(1),
            revision: Revision(3),
        };
        let record = record(&event, changes, |_| before)?;
        assert_eq!(record.tenant, TENANT);
        Some((record.object, record.changes))
    }

    /// What is recorded when a client becomes another.
    fn becomes(change: impl FnOnce(&mut ClientRecord)) -> (Object, Changes) {
        let put = Change::PutClient {
            tenant: TENANT,
            old: Some(client(|_| {})),
            new: client(change),
        };
        recorded(&[put], None).unwrap()
    }

    fn of_client(secret: Option<i32>) -> Object {
        Object {
            client: ClientId::parse("press-1"),
            secret: secret.map(SecretId),
            ..Object::default()
        }
    }

    #[test]
    fn who_asked_and_for_which_request_is_recorded() {
        let asker = Asker::Caller(Box::new(Request {
            caller: Caller {
                tenant: callers_tenant(),
                client: ClientId::parse("operator").unwrap(),
                generation: Generation {
                    epoch: Epoch(1),
                    created: Revision(1),
                },
            },
            operation: Operation::DeleteClient,
            operation_id: "3f6c".into(),
        }));
        let event = Event {
            asker: &asker,
            action: Action::ClientDelete,
            time: time(5),
            epoch: Epoch(1),
            revision: Revision(3),
        };
        let gone = Change::DeleteClient {
            tenant: TENANT,
            old: client(|_| {}),
        };
        let record = record(&event, &[gone], |_| None).unwrap();
        assert_eq!(record.operation_id.as_deref(), Some("3f6c"));
        let caller = record.caller.unwrap();
        assert_eq!(caller.tenant, callers_tenant());
        assert_eq!(caller.client.as_str(), "operator");
        assert_eq!(record.object, of_client(None));
        assert_eq!(record.changes, Changes::default());
        assert_eq!((record.time, record.revision), (time(5), Revision(3)));
    }

    /// A tenant other than the one that changes.
    fn callers_tenant() -> TenantId {
        TenantId::from_bytes([2; 16])
    }

    #[test]
    fn without_a_change_there_is_no_record() {
        assert!(recorded(&[], None).is_none());
    }

    #[test]
    fn of_a_client_only_what_changed_is_recorded() {
        let (object, changes) = becomes(|record| record.client.enabled = false);
        assert_eq!(object, of_client(None));
        let disabled = Changes {
            enabled: Some(false),
            ..Changes::default()
        };
        assert_eq!(changes, disabled);
        let (_, changes) = becomes(|record| {
            record.client.role_ids = RoleIds::new([role(3), role(2)]).unwrap();
        });
        assert_eq!(changes.roles_added, [role(3)]);
        assert_eq!(changes.roles_removed, [role(1)]);
        let (_, changes) = becomes(|record| {
            record.client.name = Name::from_stored("Other");
            record.client.tags = Tags::none();
            record.client.token_lifetime = TokenLifetime::new(60).unwrap();
        });
        assert_eq!(changes.name.as_deref(), Some("Other"));
        assert_eq!(changes.tags, Some(vec![]));
        assert_eq!(changes.access_token_lifetime, Some(60));
        assert_eq!(changes.enabled, None);
    }

    #[test]
    fn of_a_secret_its_id_and_its_expiration_are_recorded() {
        let (object, changes) = becomes(|record| {
            record.secrets.secrets.push(secret(2, Some(time(9))));
        });
        assert_eq!(object, of_client(Some(2)));
        assert_eq!(changes.expiration, Some(Some(time(9))));
        assert_eq!(changes.description.as_deref(), Some("for the line"));

        let (object, changes) = becomes(|record| {
            record.secrets.secrets[0].expiration = Some(time(4));
        });
        assert_eq!(object, of_client(Some(1)));
        assert_eq!(changes.expiration, Some(Some(time(4))));
        assert_eq!(changes.description, None);

        let (object, changes) = becomes(|record| record.secrets.secrets.clear());
        assert_eq!(object, of_client(Some(1)));
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn of_a_new_client_everything_is_recorded_with_its_first_secret() {
        let put = Change::PutClient {
            tenant: TENANT,
            old: None,
            new: client(|_| {}),
        };
        let (object, changes) = recorded(&[put], None).unwrap();
        assert_eq!(object, of_client(Some(1)));
        assert_eq!(changes.enabled, Some(true));
        assert_eq!(changes.roles_added, [role(1), role(2)]);
        assert_eq!(changes.expiration, Some(None));
        assert_eq!(changes.access_token_lifetime, Some(3_600));
    }

    #[test]
    fn of_tenants_and_roles_what_differs_from_before_is_recorded() {
        let before = tenant(TenantState::Active, Some("plant"));
        let mut snapshot = TenantSnapshot::empty(before.clone(), Revision(1));
        let put = |tenant, created| Change::PutTenant { tenant, created };
        let built_in = Change::PutRole {
            tenant: TENANT,
            role: Arc::new(Role {
                id: role(1),
                name: Name::from_stored("Tenant Member"),
                description: None,
                built_in: Some(BuiltInRole::Member),
            }),
        };
        let (object, changes) = recorded(&[put(before, true), built_in], None).unwrap();
        assert_eq!((object.tenant, object.role), (Some(TENANT), None));
        assert_eq!(changes.company_name.as_deref(), Some("Plant"));
        assert_eq!(changes.alias.as_deref(), Some("plant"));

        let renamed = put(tenant(TenantState::Active, Some("works")), false);
        let (_, changes) = recorded(&[renamed], Some(&snapshot)).unwrap();
        assert_eq!(changes.company_name, None);
        assert_eq!(changes.alias.as_deref(), Some("works"));

        let deleted = put(tenant(TenantState::Deleting, None), false);
        let (object, changes) = recorded(&[deleted], Some(&snapshot)).unwrap();
        assert_eq!(object.tenant, Some(TENANT));
        assert_eq!(changes, Changes::default());

        let own = |name: &str| {
            let own = Role {
                id: role(9),
                name: Name::from_stored(name),
                description: Some(Description::from_stored("d")),
                built_in: None,
            };
            Change::PutRole {
                tenant: TENANT,
                role: Arc::new(own),
            }
        };
        snapshot.apply(&own("Writer"), Revision(2));
        let (object, changes) = recorded(&[own("Reader")], Some(&snapshot)).unwrap();
        assert_eq!(object.role, Some(role(9)));
        assert_eq!(changes.name.as_deref(), Some("Reader"));
        assert_eq!(changes.description, None);
    }
}

//! Turns the model's small words into commands of the service.

use credenza::domain::access::Operation;
use credenza::domain::client::{RoleIds, Tags};
use credenza::domain::ids::{ClientId, Generation, Revision, SecretId, TenantId};
use credenza::domain::text::{Alias, Name, Tag};
use credenza::domain::times::Timestamp;
use credenza::service::command::{
    Asker, Caller, ClientUpdate, Command, Condition, NewClient, NewSecret, NewTenant, Request,
    SecretUpdate,
};
use credenza::service::decide::World;
use uuid::Uuid;

use super::model::{Step, Who};
use super::run::EPOCH;

pub fn tenant_id(tenant: u8) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(u128::from(tenant) + 1))
}

pub fn client_id(client: u8) -> ClientId {
    ClientId::parse(&format!("client-{client}")).unwrap()
}

pub fn time(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0).unwrap()
}

pub fn name(number: u8) -> Name {
    // The case differs now and then: it makes no difference.
    Name::parse(
        "Name",
        if number.is_multiple_of(2) {
            ["A", "C", "E"]
        } else {
            ["b", "D", "f"]
        }[usize::from(number) / 2],
    )
    .unwrap()
}

pub fn alias(number: u8) -> Alias {
    Alias::parse("Alias", ["one", "Two", "three"][usize::from(number)]).unwrap()
}

pub fn tags(numbers: &[u8]) -> Tags {
    Tags::new(
        numbers
            .iter()
            .map(|n| Tag::parse("Tags", &n.to_string()).unwrap()),
    )
    .unwrap()
}

pub fn asker(world: &World, who: &Who, operation: Operation) -> Asker {
    let Who::Client {
        tenant,
        client,
        stale,
    } = who
    else {
        return Asker::Service;
    };
    let (tenant, client) = (tenant_id(*tenant), client_id(*client));
    let record = world.tenants.get(&tenant).and_then(|t| t.client(&client));
    let mut created = record.map_or(Revision::ZERO, |record| record.client.created);
    created.0 += u64::from(*stale);
    let generation = Generation {
        epoch: EPOCH,
        created,
    };
    Asker::Caller(Box::new(Request {
        caller: Caller {
            tenant,
            client,
            generation,
        },
        operation,
        operation_id: "of-the-simulation".into(),
    }))
}

fn condition(world: &World, tenant: u8, client: u8, stale: bool) -> Condition {
    let record = world
        .tenants
        .get(&tenant_id(tenant))
        .and_then(|t| t.client(&client_id(client)));
    match (record, stale) {
        (Some(_), true) => Condition::OneOf(vec!["stale".into()]),
        (Some(record), false) => {
            let tag = credenza::service::entity_tag(EPOCH, record.client.changed);
            Condition::OneOf(vec!["other".into(), tag])
        }
        (None, _) => Condition::Always,
    }
}

pub fn command(world: &World, step: &Step) -> (Operation, Command) {
    use Operation as O;
    let at = |tenant: &u8| tenant_id(*tenant);
    match step.clone() {
        Step::CreateTenant { tenant, alias: a } => (
            O::CreateTenant,
            Command::CreateTenant(NewTenant {
                id: Some(at(&tenant)),
                company_name: name(0),
                alias: a.map(alias),
            }),
        ),
        Step::UpdateTenant { tenant, alias: a } => (
            O::UpdateTenant,
            Command::UpdateTenant {
                tenant: at(&tenant),
                company_name: None,
                alias: a.map(alias),
            },
        ),
        Step::DeleteTenant { tenant } => (
            O::DeleteTenant,
            Command::DeleteTenant {
                tenant: at(&tenant),
            },
        ),
        Step::CreateRole { tenant, name: n } => (
            O::CreateRole,
            Command::CreateRole {
                tenant: at(&tenant),
                name: name(n),
                description: None,
            },
        ),
        Step::UpdateRole {
            tenant,
            role,
            name: n,
        } => (
            O::UpdateRole,
            Command::UpdateRole {
                tenant: at(&tenant),
                role,
                name: Some(name(n)),
                description: None,
            },
        ),
        Step::DeleteRole { tenant, role } => (
            O::DeleteRole,
            Command::DeleteRole {
                tenant: at(&tenant),
                role,
            },
        ),
        Step::CreateClient {
            tenant,
            client,
            tags: t,
            roles,
            expiration,
        } => {
            let new = NewClient {
                id: Some(client_id(client)),
                name: None,
                enabled: None,
                token_lifetime: None,
                tags: Some(tags(&t)),
                role_ids: roles.map(|roles| RoleIds::new(roles).unwrap()),
                secret_description: None,
                secret_expiration: expiration.map(time),
            };
            (
                O::CreateClient,
                Command::CreateClient {
                    tenant: at(&tenant),
                    new,
                },
            )
        }
        Step::UpdateClient {
            tenant,
            client,
            enabled,
            tags: t,
            roles,
            stale_tag,
        } => {
            let update = ClientUpdate {
                enabled,
                tags: t.map(|t| tags(&t)),
                role_ids: roles.map(|roles| RoleIds::new(roles).unwrap()),
                ..ClientUpdate::default()
            };
            let condition = condition(world, tenant, client, stale_tag);
            let (tenant, client) = (at(&tenant), client_id(client));
            (
                O::UpdateClient,
                Command::UpdateClient {
                    tenant,
                    client,
                    update,
                    condition,
                },
            )
        }
        Step::DeleteClient {
            tenant,
            client,
            stale_tag,
        } => {
            let condition = condition(world, tenant, client, stale_tag);
            let (tenant, client) = (at(&tenant), client_id(client));
            (
                O::DeleteClient,
                Command::DeleteClient {
                    tenant,
                    client,
                    condition,
                },
            )
        }
        Step::AddSecret {
            tenant,
            client,
            expires,
            expiration,
        } => {
            let expiration = expiration.map(time);
            let new = NewSecret {
                description: None,
                expiration,
                expires,
            };
            let (tenant, client) = (at(&tenant), client_id(client));
            (
                O::AddSecret,
                Command::AddSecret {
                    tenant,
                    client,
                    new,
                },
            )
        }
        Step::UpdateSecret {
            tenant,
            client,
            secret,
            expires,
            expiration,
        } => {
            let expiration = expiration.map(time);
            let update = SecretUpdate {
                description: None,
                expiration,
                expires,
            };
            let (tenant, client) = (at(&tenant), client_id(client));
            let secret = SecretId(secret);
            (
                O::UpdateSecret,
                Command::UpdateSecret {
                    tenant,
                    client,
                    secret,
                    update,
                },
            )
        }
        Step::DeleteSecret {
            tenant,
            client,
            secret,
        } => {
            let (tenant, client) = (at(&tenant), client_id(client));
            let secret = SecretId(secret);
            (
                O::DeleteSecret,
                Command::DeleteSecret {
                    tenant,
                    client,
                    secret,
                },
            )
        }
    }
}

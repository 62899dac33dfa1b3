//! The demo set of `data/demo.json`: two tenants of a plant with a thousand clients, for a first
//! look and for writing programs against.
//!
//! It goes through the writer like everything else. Loading it again creates what is missing and
//! leaves what is there.

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use tokio::task::JoinSet;

use super::Service;
use super::bootstrap::PATIENCE;
use super::command::{Asker, Command, NewClient, NewTenant};
use crate::domain::client::{RoleIds, Tags, TokenLifetime};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{ClientId, RoleId, TenantId};
use crate::domain::role::BuiltInRole;
use crate::domain::text::{Alias, Description, Name, Tag};

/// How many creations wait for the writer at one time: enough to fill its batches.
const AT_ONCE: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DemoTenant {
    id: String,
    company_name: String,
    alias: String,
    roles: Vec<DemoRole>,
    fleets: Vec<Fleet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DemoRole {
    name: String,
    description: String,
}

/// Devices of one kind, on each line of a site.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Fleet {
    site: String,
    lines: Vec<String>,
    kind: String,
    name: String,
    per_line: usize,
    access_token_lifetime: i64,
    roles: Vec<String>,
}

fn read() -> Vec<DemoTenant> {
    serde_json::from_str(include_str!("../../data/demo.json"))
        .expect("data/demo.json is part of the program, and a test reads it")
}

/// The id of the first demo tenant, which `serve --dev` and the printed commands use.
pub fn first_tenant() -> TenantId {
    let tenants = read();
    let first = tenants
        .first()
        .and_then(|tenant| TenantId::parse(&tenant.id));
    first.expect("data/demo.json has a tenant with a GUID, and a test reads it")
}

/// The company name and the alias of the first demo tenant.
pub fn first_names() -> Result<(Name, Alias), Refusal> {
    let tenants = read();
    let first = tenants.first().ok_or_else(Refusal::internal)?;
    Ok((
        Name::parse("CompanyName", &first.company_name)?,
        Alias::parse("Alias", &first.alias)?,
    ))
}

/// Makes sure that the demo set is there, but for what is damaged, which can be neither read nor
/// created anew. Gives how many clients were created.
pub async fn load(service: &Arc<Service>, started: Instant) -> Result<usize, Refusal> {
    let mut created = 0;
    for tenant in read() {
        created += load_tenant(service, &tenant, started).await?;
    }
    Ok(created)
}

async fn load_tenant(
    service: &Arc<Service>,
    demo: &DemoTenant,
    started: Instant,
) -> Result<usize, Refusal> {
    let deadline = started + PATIENCE;
    let id = TenantId::parse(&demo.id).ok_or_else(Refusal::internal)?;
    if service.directory.registry().is_damaged(id) {
        return Ok(0);
    }
    let new = NewTenant {
        id: Some(id),
        company_name: Name::parse("CompanyName", &demo.company_name)?,
        alias: Some(Alias::parse("Alias", &demo.alias)?),
    };
    unless_there(
        service
            .write(Asker::Service, Command::CreateTenant(new), deadline)
            .await,
    )?;
    for role in &demo.roles {
        let command = Command::CreateRole {
            tenant: id,
            name: Name::parse("Name", &role.name)?,
            description: Some(Description::parse("Description", &role.description)?),
        };
        unless_there(service.write(Asker::Service, command, deadline).await)?;
    }

    let clients = clients_of(service, id, demo).await?;
    let mut created = 0;
    let mut writing = JoinSet::new();
    for new in clients {
        if writing.len() >= AT_ONCE {
            created += count_next(&mut writing).await?;
        }
        let service = service.clone();
        writing.spawn(async move {
            let command = Command::CreateClient { tenant: id, new };
            unless_there(service.write(Asker::Service, command, deadline).await)
        });
    }
    while !writing.is_empty() {
        created += count_next(&mut writing).await?;
    }
    Ok(created)
}

async fn count_next(writing: &mut JoinSet<Result<bool, Refusal>>) -> Result<usize, Refusal> {
    match writing.join_next().await {
        Some(Ok(created)) => Ok(usize::from(created?)),
        Some(Err(_)) => Err(Refusal::internal()),
        None => Ok(0),
    }
}

/// Whether it was created; that it was there already is no failure.
fn unless_there<T>(outcome: Result<T, Refusal>) -> Result<bool, Refusal> {
    match outcome {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.kind == Kind::Conflict => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

async fn clients_of(
    service: &Service,
    tenant: TenantId,
    demo: &DemoTenant,
) -> Result<Vec<NewClient>, Refusal> {
    let snapshot = service
        .snapshot(tenant)
        .await?
        .ok_or_else(Refusal::internal)?;
    let member = snapshot
        .built_in_role(BuiltInRole::Member)
        .ok_or_else(Refusal::internal)?
        .id;
    let role_named = |name: &String| {
        let role = snapshot
            .roles()
            .iter()
            .find(|role| role.name.as_str() == name);
        role.map(|role| role.id).ok_or_else(Refusal::internal)
    };
    let mut clients = Vec::new();
    for fleet in &demo.fleets {
        let mut role_ids = vec![member];
        for name in &fleet.roles {
            role_ids.push(role_named(name)?);
        }
        for line in &fleet.lines {
            for number in 1..=fleet.per_line {
                let new = fleet.client(line, number, &role_ids)?;
                if !new.id.as_ref().is_some_and(|id| snapshot.is_damaged(id)) {
                    clients.push(new);
                }
            }
        }
    }
    Ok(clients)
}

impl Fleet {
    fn client(&self, line: &str, number: usize, role_ids: &[RoleId]) -> Result<NewClient, Refusal> {
        let id = format!("{}-{line}-{}-{number:02}", self.site, self.kind);
        let name = format!("{} {number:02}, {line}, {}", self.name, self.site);
        let tags = [
            format!("site:{}", self.site),
            format!("line:{line}"),
            format!("kind:{}", self.kind),
        ];
        let tags: Result<Vec<Tag>, Refusal> =
            tags.iter().map(|tag| Tag::parse("Tags", tag)).collect();
        Ok(NewClient {
            id: Some(ClientId::parse(&id).ok_or_else(Refusal::internal)?),
            name: Some(Name::parse("Name", &name)?),
            enabled: None,
            token_lifetime: TokenLifetime::new(self.access_token_lifetime),
            tags: Some(Tags::new(tags?)?),
            role_ids: Some(RoleIds::new(role_ids.iter().copied())?),
            secret_description: Some(Description::from_stored("demo")),
            secret_expiration: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_holds_two_tenants_and_a_thousand_clients_with_ids_of_their_own() {
        let tenants = read();
        assert_eq!(tenants.len(), 2);
        let mut ids = std::collections::HashSet::new();
        for tenant in &tenants {
            assert!(TenantId::parse(&tenant.id).is_some());
            for fleet in &tenant.fleets {
                assert!(TokenLifetime::new(fleet.access_token_lifetime).is_some());
                for line in &fleet.lines {
                    for number in 1..=fleet.per_line {
                        let new = fleet.client(line, number, &[]).unwrap();
                        assert!(ids.insert((tenant.id.clone(), new.id.unwrap())));
                    }
                }
            }
        }
        assert_eq!(ids.len(), 1_000);
    }
}

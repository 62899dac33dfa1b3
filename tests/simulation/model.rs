//! The rules of every write, said once more and as simply as can be: maps and vectors, no sharing,
//! no indexes. It is slow and obvious, and has no line in common with what it checks.

use std::collections::BTreeMap;

use credenza::domain::error::Kind;
use credenza::domain::ids::RoleId;
use credenza::domain::role::ClusterRole;

pub const CLIENTS: usize = 6;
pub const ROLES: usize = 9;
pub const SECRETS: usize = 10;

/// Who asks, for what: names are small numbers, times are seconds.
#[derive(Clone, Debug)]
pub enum Who {
    Service,
    /// A client of a tenant; stale: with a token of an earlier life.
    Client {
        tenant: u8,
        client: u8,
        stale: bool,
    },
}

#[derive(Clone, Debug)]
pub enum Step {
    CreateTenant {
        tenant: u8,
        alias: Option<u8>,
    },
    UpdateTenant {
        tenant: u8,
        alias: Option<u8>,
    },
    DeleteTenant {
        tenant: u8,
    },
    CreateRole {
        tenant: u8,
        name: u8,
    },
    UpdateRole {
        tenant: u8,
        role: RoleId,
        name: u8,
    },
    DeleteRole {
        tenant: u8,
        role: RoleId,
    },
    CreateClient {
        tenant: u8,
        client: u8,
        tags: Vec<u8>,
        roles: Option<Vec<RoleId>>,
        expiration: Option<i64>,
    },
    UpdateClient {
        tenant: u8,
        client: u8,
        enabled: Option<bool>,
        tags: Option<Vec<u8>>,
        roles: Option<Vec<RoleId>>,
        stale_tag: bool,
    },
    DeleteClient {
        tenant: u8,
        client: u8,
        stale_tag: bool,
    },
    AddSecret {
        tenant: u8,
        client: u8,
        expires: Option<bool>,
        expiration: Option<i64>,
    },
    UpdateSecret {
        tenant: u8,
        client: u8,
        secret: i32,
        expires: Option<bool>,
        expiration: Option<i64>,
    },
    DeleteSecret {
        tenant: u8,
        client: u8,
        secret: i32,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub tenants: BTreeMap<u8, Tenant>,
    pub deleting: Vec<u8>,
    pub client_limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Tenant {
    pub alias: Option<u8>,
    pub clients: BTreeMap<u8, Client>,
    /// Names; `None` for a built-in role.
    pub roles: BTreeMap<RoleId, Option<u8>>,
    pub member: Option<RoleId>,
    pub administrator: Option<RoleId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    pub enabled: bool,
    pub tags: Vec<u8>,
    pub roles: Vec<RoleId>,
    pub last_secret: i32,
    pub secrets: BTreeMap<i32, Option<i64>>,
}

impl Client {
    fn operates(&self, now: i64) -> bool {
        self.enabled
            && self.roles.contains(&ClusterRole::Operator.id())
            && self
                .secrets
                .values()
                .any(|expiration| expiration.is_none_or(|at| now < at))
    }

    fn in_cluster(&self) -> bool {
        self.roles
            .iter()
            .any(|role| ClusterRole::of(*role).is_some())
    }
}

impl Step {
    pub fn tenant(&self) -> u8 {
        match self {
            Self::CreateTenant { tenant, .. }
            | Self::UpdateTenant { tenant, .. }
            | Self::DeleteTenant { tenant }
            | Self::CreateRole { tenant, .. }
            | Self::UpdateRole { tenant, .. }
            | Self::DeleteRole { tenant, .. }
            | Self::CreateClient { tenant, .. }
            | Self::UpdateClient { tenant, .. }
            | Self::DeleteClient { tenant, .. }
            | Self::AddSecret { tenant, .. }
            | Self::UpdateSecret { tenant, .. }
            | Self::DeleteSecret { tenant, .. } => *tenant,
        }
    }
}

fn once(items: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(item) {
            seen.push(*item);
        }
    }
    seen
}

fn ensure(holds: bool, otherwise: Kind) -> Result<(), Kind> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// What `Expires` and `Expiration` come to.
fn agreed(expires: bool, expiration: Option<i64>) -> Result<Option<i64>, Kind> {
    ensure(expires == expiration.is_some(), Kind::Invalid)?;
    Ok(expiration)
}

impl Model {
    fn somebody_operates(&self, now: i64) -> bool {
        self.tenants
            .values()
            .any(|tenant| tenant.clients.values().any(|client| client.operates(now)))
    }

    /// Takes a step, or says of what kind the refusal is; then nothing has changed. The ids
    /// that the service draws for roles are told to the model afterwards.
    pub fn take(&mut self, who: &Who, step: &Step, now: i64) -> Result<(), Kind> {
        let operator = self.admit(who, step)?;
        let mut next = self.clone();
        next.apply(who, step, now, operator)?;
        // Whoever operated before, somebody operates after: time alone may end that.
        ensure(
            !self.somebody_operates(now) || next.somebody_operates(now),
            Kind::Conflict,
        )?;
        *self = next;
        Ok(())
    }

    /// Whether the asker may, and whether it is an operator.
    fn admit(&self, who: &Who, step: &Step) -> Result<bool, Kind> {
        let Who::Client {
            tenant: home,
            client: id,
            stale,
        } = who
        else {
            return Ok(true);
        };
        let home_tenant = self.tenants.get(home).ok_or(Kind::Forbidden)?;
        let client = home_tenant.clients.get(id).ok_or(Kind::Forbidden)?;
        ensure(client.enabled && !stale, Kind::Forbidden)?;
        let operator = client.roles.contains(&ClusterRole::Operator.id());
        let own = *home == step.tenant();
        let administrator = own
            && home_tenant
                .administrator
                .is_some_and(|role| client.roles.contains(&role));
        if let Step::CreateTenant { .. } = step {
            return ensure(operator, Kind::Forbidden).map(|()| operator);
        }
        ensure(own || client.in_cluster(), Kind::Forbidden)?;
        ensure(self.tenants.contains_key(&step.tenant()), Kind::NotFound)?;
        let may = match step {
            Step::DeleteTenant { .. } => operator,
            Step::AddSecret { client, .. } | Step::DeleteSecret { client, .. } => {
                (own && client == id) || administrator || operator
            }
            _ => administrator || operator,
        };
        ensure(may, Kind::Forbidden)?;
        Ok(operator)
    }

    fn apply(&mut self, who: &Who, step: &Step, now: i64, operator: bool) -> Result<(), Kind> {
        let limit = self.client_limit;
        let alias_taken = |model: &Self, alias: Option<u8>, but: u8| {
            model
                .tenants
                .iter()
                .any(|(id, t)| alias.is_some() && t.alias == alias && *id != but)
        };
        if let Step::CreateTenant { tenant, alias } = step {
            let there = self.tenants.contains_key(tenant) || self.deleting.contains(tenant);
            ensure(
                !there && !alias_taken(self, *alias, *tenant),
                Kind::Conflict,
            )?;
            self.tenants.insert(
                *tenant,
                Tenant {
                    alias: *alias,
                    ..Tenant::default()
                },
            );
            return Ok(());
        }
        ensure(self.tenants.contains_key(&step.tenant()), Kind::NotFound)?;
        if let Step::UpdateTenant { tenant, alias } = step {
            ensure(!alias_taken(self, *alias, *tenant), Kind::Conflict)?;
        }
        let is_self = |id: u8| matches!(who, Who::Client { tenant, client, .. } if *tenant == step.tenant() && *client == id);
        let tenant = self.tenants.get_mut(&step.tenant()).ok_or(Kind::NotFound)?;
        match step {
            Step::CreateTenant { .. } => {}
            Step::UpdateTenant { alias, .. } => tenant.alias = alias.or(tenant.alias),
            Step::DeleteTenant { tenant } => {
                self.tenants.remove(tenant);
                self.deleting.push(*tenant);
            }
            Step::CreateRole { name, .. } => {
                ensure(
                    !tenant.roles.values().any(|own| *own == Some(*name)),
                    Kind::Conflict,
                )?;
                ensure(tenant.roles.len() < ROLES, Kind::LimitExceeded)?;
            }
            Step::UpdateRole { role, name, .. } => {
                let current = tenant.roles.get(role).ok_or(Kind::NotFound)?;
                ensure(current.is_some(), Kind::Invalid)?;
                let taken = tenant
                    .roles
                    .iter()
                    .any(|(id, own)| id != role && *own == Some(*name));
                ensure(!taken, Kind::Conflict)?;
                tenant.roles.insert(*role, Some(*name));
            }
            Step::DeleteRole { role, .. } => {
                let current = tenant.roles.get(role).ok_or(Kind::NotFound)?;
                ensure(current.is_some(), Kind::Invalid)?;
                let held = tenant
                    .clients
                    .values()
                    .any(|client| client.roles.contains(role));
                ensure(!held, Kind::Conflict)?;
                tenant.roles.remove(role);
            }
            Step::CreateClient {
                client,
                tags,
                roles,
                expiration,
                ..
            } => {
                let roles = roles
                    .clone()
                    .unwrap_or_else(|| tenant.member.into_iter().collect());
                let cluster = roles.iter().any(|role| ClusterRole::of(*role).is_some());
                ensure(operator || !cluster, Kind::Forbidden)?;
                tenant.roles_fit(&roles)?;
                ensure(expiration.is_none_or(|at| at > now), Kind::Invalid)?;
                ensure(!tenant.clients.contains_key(client), Kind::Conflict)?;
                ensure(tenant.clients.len() < limit, Kind::LimitExceeded)?;
                let created = Client {
                    enabled: true,
                    tags: once(tags),
                    roles,
                    last_secret: 1,
                    secrets: BTreeMap::from([(1, *expiration)]),
                };
                tenant.clients.insert(*client, created);
            }
            Step::UpdateClient {
                client,
                enabled,
                tags,
                roles,
                stale_tag,
                ..
            } => {
                if let Some(roles) = roles {
                    tenant.roles_fit(roles)?;
                }
                let current = tenant.clients.get_mut(client).ok_or(Kind::NotFound)?;
                ensure(operator || !current.in_cluster(), Kind::Forbidden)?;
                if let Some(roles) = roles {
                    let cluster = roles.iter().any(|role| ClusterRole::of(*role).is_some());
                    ensure(operator || !cluster, Kind::Forbidden)?;
                }
                ensure(!stale_tag, Kind::PreconditionFailed)?;
                current.enabled = enabled.unwrap_or(current.enabled);
                current.tags = tags.as_deref().map_or(current.tags.clone(), once);
                current.roles = roles.clone().unwrap_or(current.roles.clone());
            }
            Step::DeleteClient {
                client, stale_tag, ..
            } => {
                let current = tenant.clients.get(client).ok_or(Kind::NotFound)?;
                ensure(operator || !current.in_cluster(), Kind::Forbidden)?;
                ensure(!stale_tag, Kind::PreconditionFailed)?;
                tenant.clients.remove(client);
            }
            Step::AddSecret {
                client,
                expires,
                expiration,
                ..
            } => {
                let expiration = agreed(expires.unwrap_or(true), *expiration)?;
                ensure(expiration.is_none_or(|at| at > now), Kind::Invalid)?;
                let current = tenant.clients.get_mut(client).ok_or(Kind::NotFound)?;
                let may = operator || is_self(*client) || !current.in_cluster();
                ensure(may, Kind::Forbidden)?;
                ensure(current.secrets.len() < SECRETS, Kind::LimitExceeded)?;
                current.last_secret += 1;
                current.secrets.insert(current.last_secret, expiration);
            }
            Step::UpdateSecret {
                client,
                secret,
                expires,
                expiration,
                ..
            } => {
                ensure(
                    !(*expires == Some(false) && expiration.is_some()),
                    Kind::Invalid,
                )?;
                let current = tenant.clients.get_mut(client).ok_or(Kind::NotFound)?;
                let stored = *current.secrets.get(secret).ok_or(Kind::NotFound)?;
                ensure(operator || !current.in_cluster(), Kind::Forbidden)?;
                let next = match (expires, expiration) {
                    (None, None) => stored,
                    (Some(false), None) => None,
                    (Some(true), None) => agreed(true, stored)?,
                    (_, Some(at)) => Some(*at),
                };
                let past = next.is_some_and(|at| at <= now);
                ensure(next == stored || !past, Kind::Invalid)?;
                current.secrets.insert(*secret, next);
            }
            Step::DeleteSecret { client, secret, .. } => {
                let current = tenant.clients.get_mut(client).ok_or(Kind::NotFound)?;
                ensure(current.secrets.contains_key(secret), Kind::NotFound)?;
                let may = operator || is_self(*client) || !current.in_cluster();
                ensure(may, Kind::Forbidden)?;
                current.secrets.remove(secret);
            }
        }
        Ok(())
    }
}

impl Tenant {
    fn roles_fit(&self, roles: &[RoleId]) -> Result<(), Kind> {
        let known = roles
            .iter()
            .all(|role| ClusterRole::of(*role).is_some() || self.roles.contains_key(role));
        ensure(known, Kind::Invalid)?;
        ensure(
            self.member.is_some_and(|member| roles.contains(&member)),
            Kind::Invalid,
        )
    }
}

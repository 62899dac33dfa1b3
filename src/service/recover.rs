//! A new operator for a store whose operators are all locked out.

use std::time::Instant;

use super::Service;
use super::bootstrap::FirstClient;
use super::command::{Asker, Command, NewClient, NewTenant, Outcome};
use crate::domain::client::RoleIds;
use crate::domain::error::Refusal;
use crate::domain::ids::TenantId;
use crate::domain::role::{BuiltInRole, ClusterRole};
use crate::domain::text::Name;

impl Service {
    /// Creates a client with Member, Administrator and Cluster Operator: in `tenant`, else where an
    /// operator is, else in the first tenant, else in a new one. Changes nothing else.
    pub async fn recover(
        &self,
        tenant: Option<TenantId>,
        deadline: Instant,
    ) -> Result<FirstClient, Refusal> {
        let tenant = match tenant {
            Some(tenant) => tenant,
            None => self.tenant_for_an_operator(deadline).await?,
        };
        let snapshot = self.snapshot(tenant).await?;
        let snapshot =
            snapshot.ok_or_else(|| Refusal::not_found(format_args!("tenant {tenant}")))?;
        let mut role_ids = vec![ClusterRole::Operator.id()];
        for kind in [BuiltInRole::Member, BuiltInRole::Administrator] {
            let role = snapshot.built_in_role(kind);
            role_ids.push(role.ok_or_else(Refusal::internal)?.id);
        }
        let new = NewClient {
            id: None,
            name: Some(Name::parse("Name", "Recovered operator")?),
            enabled: None,
            token_lifetime: None,
            tags: None,
            role_ids: Some(RoleIds::new(role_ids)?),
            secret_description: None,
            secret_expiration: None,
        };
        let command = Command::CreateClient { tenant, new };
        match self.write(Asker::Service, command, deadline).await? {
            Outcome::ClientCreated { record, value } => Ok(FirstClient {
                tenant,
                client: record.client.id.clone(),
                secret: value,
            }),
            _ => Err(Refusal::internal()),
        }
    }

    async fn tenant_for_an_operator(&self, deadline: Instant) -> Result<TenantId, Refusal> {
        let registry = self.directory.registry();
        for (tenant, client) in registry.cluster_role_holders() {
            // A tenant that is damaged is no place for an operator.
            let snapshot = self.snapshot(*tenant).await.ok().flatten();
            let record = snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.client(client));
            let operates = record
                .is_some_and(|record| record.client.role_ids.contains(&ClusterRole::Operator.id()));
            if operates {
                return Ok(*tenant);
            }
        }
        for tenant in registry.tenants().iter() {
            if self
                .snapshot(tenant.id)
                .await
                .is_ok_and(|found| found.is_some())
            {
                return Ok(tenant.id);
            }
        }
        let new = NewTenant {
            id: None,
            company_name: Name::parse("CompanyName", "First tenant")?,
            alias: None,
        };
        let command = Command::CreateTenant(new);
        match self.write(Asker::Service, command, deadline).await? {
            Outcome::Tenant(tenant) => Ok(tenant.id),
            _ => Err(Refusal::internal()),
        }
    }
}

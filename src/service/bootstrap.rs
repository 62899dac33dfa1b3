//! The first start: one tenant and one client that may do everything, made in one durable batch.

use std::time::{Duration, Instant};

use super::Service;
use super::command::{Asker, Bootstrap, Command, Outcome};
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, TenantId};
use crate::tokens::secret::PlainSecret;

/// The client that a store begins with, and its secret, which is shown this once.
pub struct FirstClient {
    pub tenant: TenantId,
    pub client: ClientId,
    pub secret: PlainSecret,
}

/// How long the service's own writes at start may take.
pub const PATIENCE: Duration = Duration::from_secs(300);

impl Service {
    /// Sets up an empty store. When it returns, the client is durable; whether the person in front
    /// has seen the secret is the caller's business.
    pub async fn bootstrap(
        &self,
        first: Bootstrap,
        started: Instant,
    ) -> Result<FirstClient, Refusal> {
        let tenant = first.tenant;
        let command = Command::Bootstrap(first);
        match self
            .write(Asker::Service, command, started + PATIENCE)
            .await?
        {
            Outcome::ClientCreated { record, value } => Ok(FirstClient {
                tenant,
                client: record.client.id.clone(),
                secret: value,
            }),
            _ => Err(Refusal::internal()),
        }
    }
}

//! The deeds: what Credenza does with its words, one file a resource, and the one writer.
//!
//! Nothing here knows HTTP. Reads work on a snapshot that the caller of a function holds; writes
//! are commands that the writer decides with `decide`, makes durable, and publishes.

pub mod admission;
pub mod archive;
pub mod audit;
pub mod bootstrap;
pub mod built_in_roles;
pub mod clients;
pub mod command;
pub mod decide;
pub mod demo;
pub mod failures;
pub mod import;
pub mod recover;
pub mod revoke;
pub mod roles;
pub mod tokens;
pub mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::directory::Directory;
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::access::Operation;
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, Epoch, Revision, TenantId};
use crate::domain::ports::{Clock, Memory, Random};
use crate::store::{Store, StoreError};
use crate::tokens::jwt::Issuer;
use crate::tokens::verify::Verifier;
use audit::Sink;
use command::{Asker, Caller, Command, Outcome};
use decide::Limits;
use writer::Writer;

/// Everything that a running service has.
pub struct Service {
    pub directory: Arc<Directory>,
    pub verifier: Verifier,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub epoch: Epoch,
    issuer: Issuer,
    writer: Writer,
}

/// What a service is made of.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub issuer: Issuer,
    pub verifier: Verifier,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub limits: Limits,
    /// How much of `memory` may be in use before tenants are let go, in bytes.
    pub memory_bytes: u64,
    pub memory: Arc<dyn Memory>,
    /// How long the store may take for a batch before the service says that it is not ready.
    pub patience: Duration,
    /// Where changes are recorded; `None` records nothing.
    pub audit: Option<Box<dyn Sink>>,
}

impl Service {
    /// Reads the registry and starts the writer's thread.
    pub async fn start(parts: Parts) -> Result<Self, StoreError> {
        let epoch = parts.store.epoch();
        let directory = Directory::open(parts.store.clone(), parts.memory_bytes, parts.memory);
        let directory = Arc::new(directory.await?);
        let writer = Writer::start(writer::Parts {
            store: parts.store,
            directory: directory.clone(),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
            limits: parts.limits,
            epoch,
            patience: parts.patience,
            audit: parts.audit,
        })?;
        Ok(Self {
            directory,
            verifier: parts.verifier,
            clock: parts.clock,
            random: parts.random,
            epoch,
            issuer: parts.issuer,
            writer,
        })
    }

    /// Finishes the writes that are queued, closes the store in good order, ends the writer.
    pub async fn stop(&self) -> Result<(), StoreError> {
        self.writer.stop().await
    }

    /// Why writes are not accepted at the moment, if they are not.
    pub fn not_writable(&self) -> Option<&'static str> {
        self.writer.not_writable()
    }

    /// Whether a caller may do an operation, by what readers see. Gives the tenant of the path.
    ///
    /// `tenant` is `None` where the path names none, or one that no tenant can have.
    pub async fn admit(
        &self,
        operation: Operation,
        caller: &Caller,
        tenant: Option<TenantId>,
        client: Option<&ClientId>,
    ) -> Result<Option<Arc<TenantSnapshot>>, Refusal> {
        let home = self.snapshot(caller.tenant).await?;
        let rights = admission::rights_of(home.as_deref(), caller, self.epoch)?;
        let snapshot = match tenant {
            Some(id) if id == caller.tenant => home,
            Some(id) if rights.in_cluster() => {
                // It may keep the very room that the other tenant needs.
                drop(home);
                self.snapshot(id).await?
            }
            _ => None,
        };
        admission::admit(
            operation,
            caller,
            rights,
            tenant,
            snapshot.is_some(),
            client,
        )?;
        Ok(snapshot)
    }

    /// The current snapshot of a tenant; a failure to read it goes to the log.
    pub async fn snapshot(&self, id: TenantId) -> Result<Option<Arc<TenantSnapshot>>, Refusal> {
        self.directory
            .tenant(id)
            .await
            .map_err(failures::refusal_of)
    }

    /// Has a command decided and made durable. Past the deadline a command that has not begun is
    /// never begun; one that has begun answers with its true result.
    pub async fn write(
        &self,
        asker: Asker,
        command: Command,
        deadline: Instant,
    ) -> Result<Outcome, Refusal> {
        self.writer.submit(asker, command, deadline).await
    }
}

/// The entity tag of what last changed at a revision, without its quotes: the same in every
/// generation of the API, never the same twice.
pub fn entity_tag(epoch: Epoch, changed: Revision) -> String {
    format!("{epoch}-{changed}")
}

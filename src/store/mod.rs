//! The seam between what Credenza decides and where it is kept.
//!
//! A backend owns its layout: it turns typed changes into rows, index entries and counters, all in
//! one atomic batch. Nothing of a backend's own types leaves its folder. `memory` is the model that
//! the suite compares the others with, and the store of `serve --dev`; `sled` is the default.
//!
//! To add a backend: implement [`Store`] in a folder of its own and name it in
//! `tests/store_suite.rs`, which runs one suite over all of them.

pub mod archive;
pub mod batch;
pub mod memory;
pub mod sled;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::client::ClientRecord;
use crate::domain::ids::{ClientId, Epoch, Revision, TenantId};
use crate::domain::role::Role;
use crate::domain::tenant::Tenant;
use batch::Batch;

/// What an operation of a store gives: boxed, so that the trait is object-safe.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything that is kept of one tenant, at one revision.
#[derive(Clone)]
pub struct TenantRows {
    pub tenant: Arc<Tenant>,
    /// The last change in this tenant.
    pub revision: Revision,
    /// In the order of their ids.
    pub clients: Vec<Arc<ClientRecord>>,
    /// The clients that are there and cannot be believed, in the order of their ids.
    pub damaged: Vec<ClientId>,
    /// In the order of their ids.
    pub roles: Vec<Arc<Role>>,
}

/// A tenant of the list of all.
#[derive(Clone)]
pub enum TenantEntry {
    Whole(Arc<Tenant>),
    /// Its row is there and cannot be believed.
    Damaged(TenantId),
}

impl TenantEntry {
    pub fn id(&self) -> TenantId {
        match self {
            Self::Whole(tenant) => tenant.id,
            Self::Damaged(id) => *id,
        }
    }
}

/// Keeps tenants, clients and roles. Shared by all threads.
///
/// Only the writer calls [`Store::commit`], one batch at a time, from its own thread, which the
/// call may block. Everything else may be called from any thread of an async runtime and never
/// blocks it.
pub trait Store: Send + Sync {
    /// The life of this store that revisions belong to.
    fn epoch(&self) -> Epoch;

    /// The revision of the last batch that was committed.
    fn revision(&self) -> StoreFuture<'_, Result<Revision, StoreError>>;

    /// At most `limit` tenants in the order of their ids, those after `after`, deleting ones
    /// included.
    fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TenantEntry>, StoreError>>;

    /// Everything of one tenant as of one revision; `None` where there is no such tenant. A client
    /// with a row that cannot be believed is named as damaged. Where rows are missing, or are of an
    /// earlier time, nobody can say which: then it is [`StoreError::Damaged`].
    fn load(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<TenantRows>, StoreError>>;

    /// The revision of one tenant, as [`Store::load`] would give it.
    fn tenant_revision(
        &self,
        tenant: TenantId,
    ) -> StoreFuture<'_, Result<Option<Revision>, StoreError>>;

    /// About how many clients a tenant has, for who must know before [`Store::load`] what that will
    /// take; `None` where there is no such tenant.
    fn clients_of(&self, tenant: TenantId) -> StoreFuture<'_, Result<Option<u64>, StoreError>>;

    /// The tenants that have a client of this id, in the order of their ids.
    fn tenants_with(&self, client: ClientId) -> StoreFuture<'_, Result<Vec<TenantId>, StoreError>>;

    /// The clients that hold a cluster role, in no particular order.
    fn cluster_role_holders(
        &self,
    ) -> StoreFuture<'_, Result<Vec<(TenantId, ClientId)>, StoreError>>;

    /// Makes a batch durable, wholly or not at all. When it has returned `Ok`, a power cut does
    /// not take it back.
    fn commit(&self, batch: Batch) -> StoreFuture<'_, Result<(), CommitError>>;

    /// After a batch that failed: lets go of what is open and opens anew what is on disk. When it
    /// has returned `Ok`, batches are taken again, and each one that may have happened is wholly
    /// there or wholly absent, for ever. An error means that it cannot be done yet.
    fn reopen(&self) -> StoreFuture<'_, Result<(), StoreError>>;

    /// Reads every row and compares rows, indexes and counters. One line for each thing that does
    /// not agree; none means that all do.
    fn check(&self) -> StoreFuture<'_, Result<Vec<Finding>, StoreError>>;

    /// Ends the use of this store: all that was committed is on disk, and the store is marked as
    /// closed in good order. Nothing may be committed after it.
    fn close(&self) -> StoreFuture<'_, Result<(), StoreError>>;
}

/// One thing that `check` found wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: the kind of row and what it belongs to, such as `client pump-1 of tenant …`.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Why a store cannot answer. Its text is for the operator's log, never for an answer.
#[derive(Debug)]
pub enum StoreError {
    /// What is there cannot be believed: a checksum, an index or a counter does not agree.
    Damaged(String),
    /// The store or the disk under it failed.
    Failed(String),
    /// It failed before, and has not been opened anew; or it was closed for good.
    Closed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "the store is damaged: {what}"),
            Self::Failed(why) => write!(f, "the store failed: {why}"),
            Self::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why a batch is not known to be durable. Only the first two may be tried again blindly.
#[derive(Debug)]
pub enum CommitError {
    /// Somebody else changed a tenant of the batch since it was decided; nothing was written.
    Conflict(TenantId),
    /// Nothing was written.
    DidNotHappen(StoreError),
    /// It may have been written, or may yet appear after a restart.
    MayHaveHappened(StoreError),
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(tenant) => write!(f, "tenant {tenant} was changed by somebody else"),
            Self::DidNotHappen(error) => write!(f, "nothing was written: {error}"),
            Self::MayHaveHappened(error) => write!(f, "the outcome is not known: {error}"),
        }
    }
}

impl std::error::Error for CommitError {}

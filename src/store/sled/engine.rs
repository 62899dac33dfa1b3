//! sled as it is opened once: its trees, and our own descriptor of its file of rows. After an error
//! it is thrown away, and another one is opened in its place.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::sled::Db;
use parking_lot::RwLock;

use super::commit;
use super::disk::failed;
use super::files::DataDirectory;
use super::keys::{self, Key, Tree};
use super::opening::{Foundation, Identity};
use super::rescue::{self, Settled, Suspicion};
use super::rows::{self, EntryRow, TenantCountRow, TenantRow};
use super::trees::{self, Trees, sled_error};
use super::watermark::Watermark;
use crate::domain::ids::{ClientId, Revision, TenantId};
use crate::store::batch::Batch;
use crate::store::{CommitError, StoreError, TenantEntry};

pub struct Engine {
    pub trees: Trees,
    db: Db,
    /// Our own descriptor of sled's file of rows: sled's flush does not sync it.
    database: File,
    /// Held by a commit until its batch is durable, and by reads that must see only durable rows.
    pub gate: RwLock<()>,
    /// The revision of the last batch that is durable.
    durable: AtomicU64,
    /// The revision that it was opened with.
    opened_with: Revision,
    watermark: Watermark,
    /// sled's files looked damaged when it opened them: rows of an earlier time may be there.
    pub suspicious: bool,
    pub identity: Identity,
    /// Last, so that its lock outlives sled.
    pub directory: DataDirectory,
}

impl Engine {
    /// What was opened. Where its files looked damaged, every row is checked first.
    pub fn of(mut found: Foundation) -> Result<Self, StoreError> {
        let suspicion = std::mem::replace(&mut found.suspicion, Suspicion::None);
        let engine = Self::on(found, !matches!(suspicion, Suspicion::None))?;
        match (rescue::settle(&engine, &suspicion), suspicion) {
            (Ok(Settled::Whole), suspicion) => suspicion.discard(),
            (Ok(Settled::Damaged), suspicion) => suspicion.keep()?,
            (Err(error), suspicion) => {
                drop(engine);
                suspicion.put_back()?;
                return Err(error);
            }
        }
        Ok(engine)
    }

    fn on(found: Foundation, suspicious: bool) -> Result<Self, StoreError> {
        let path = found.directory.database();
        let database = File::open(&path).map_err(failed("cannot open", &path))?;
        let watermark = Watermark::open(&found.directory.watermark(), found.identity)?;
        watermark.raise(found.last);
        Ok(Self {
            trees: found.trees,
            db: found.db,
            database,
            gate: RwLock::new(()),
            durable: AtomicU64::new(found.last.0),
            opened_with: found.last,
            watermark,
            suspicious,
            identity: found.identity,
            directory: found.directory,
        })
    }

    /// Whether something was written since it was opened.
    pub fn has_changed(&self) -> bool {
        self.durable() != self.opened_with
    }

    pub fn durable(&self) -> Revision {
        Revision(self.durable.load(Ordering::Acquire))
    }

    /// Writes a batch and makes it durable. After an error other than
    /// [`CommitError::DidNotHappen`] and [`CommitError::Conflict`] nothing here can be believed.
    pub fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let _gate = self.gate.write();
        commit::write(&self.trees, batch)?;
        self.sync().map_err(CommitError::MayHaveHappened)?;
        self.durable.store(batch.revision.0, Ordering::Release);
        self.watermark.raise(batch.revision);
        Ok(())
    }

    /// Makes durable what was written: sled's flush hands it to the operating system, the sync of
    /// our own descriptor to the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db
            .flush()
            .map_err(|error| sled_error("flushing a batch", &error))?;
        let path = self.directory.database();
        self.database
            .sync_data()
            .map_err(failed("cannot sync", &path))?;
        match has_a_name(&self.database).map_err(failed("cannot read", &path))? {
            true => Ok(()),
            false => Err(StoreError::Failed(format!(
                "{} was removed while it was open; `credenza backup` still saves what is in memory",
                path.display()
            ))),
        }
    }

    /// Runs scans that must see one revision of a tenant. Scans of several trees are no snapshot,
    /// so they are made again when the tenant moved on meanwhile; where it never rests, the writer
    /// waits for the last try.
    pub fn at_one_revision<T>(
        &self,
        tenant: TenantId,
        scans: impl Fn(&Trees) -> T,
    ) -> Result<T, StoreError> {
        const TRIES: usize = 4;
        for _ in 0..TRIES {
            let before = self.tenant_count(tenant)?;
            let outcome = scans(&self.trees);
            if self.tenant_count(tenant)? == before {
                return Ok(outcome);
            }
        }
        let _gate = self.gate.read();
        Ok(scans(&self.trees))
    }

    /// The durable row that each change of a tenant changes, as it is stored.
    fn tenant_count(&self, tenant: TenantId) -> Result<Option<::sled::IVec>, StoreError> {
        let _gate = self.gate.read();
        self.trees.bytes(&Key::TenantCount(tenant))
    }

    pub fn tenants(
        &self,
        after: Option<TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantEntry>, StoreError> {
        let _gate = self.gate.read();
        let from = after.map(|tenant| Key::Tenant(tenant).bytes());
        let from = from.map_or(Unbounded, Excluded);
        let mut tenants = Vec::new();
        for entry in self.trees.from(Tree::Tenants, from) {
            if tenants.len() == limit {
                break;
            }
            let (bytes, row) = entry?;
            let Some(key @ Key::Tenant(id)) = Key::read(Tree::Tenants, &bytes) else {
                let place = keys::place(Tree::Tenants, &bytes);
                log::error!("damaged: {place}: its key makes no sense");
                continue;
            };
            let row = rows::open::<TenantRow>(&key, &row).and_then(|row| row.tenant(id));
            tenants.push(match row {
                Ok(tenant) => TenantEntry::Whole(Arc::new(tenant)),
                Err(why) => {
                    log::error!("damaged: {key}: {why}");
                    TenantEntry::Damaged(id)
                }
            });
        }
        Ok(tenants)
    }

    pub fn tenant_revision(&self, tenant: TenantId) -> Result<Option<Revision>, StoreError> {
        let _gate = self.gate.read();
        let count: Option<TenantCountRow> = self.trees.row(&Key::TenantCount(tenant))?;
        let row: Option<TenantRow> = self.trees.row(&Key::Tenant(tenant))?;
        match (row, count) {
            (Some(_), None) => Err(trees::damaged(Key::TenantCount(tenant), "they are missing")),
            (None, Some(_)) => Err(trees::damaged(Key::Tenant(tenant), "it is missing")),
            (_, count) => Ok(count.map(|row| Revision(row.revision))),
        }
    }

    /// As many clients as are counted.
    pub fn clients_of(&self, tenant: TenantId) -> Result<Option<u64>, StoreError> {
        let count: Option<TenantCountRow> = self.trees.row(&Key::TenantCount(tenant))?;
        Ok(count.map(|row| row.clients))
    }

    pub fn tenants_with(&self, client: &ClientId) -> Result<Vec<TenantId>, StoreError> {
        let _gate = self.gate.read();
        let mut tenants = Vec::new();
        let prefix = keys::tenants_of(client);
        for entry in self.trees.with_prefix(Tree::ClientIds, &prefix) {
            let (key, bytes) = entry?;
            if let (Key::ClientId(_, tenant), EntryRow {}) =
                trees::read(Tree::ClientIds, &key, &bytes)?
            {
                tenants.push(tenant);
            }
        }
        Ok(tenants)
    }

    pub fn cluster_role_holders(&self) -> Result<Vec<(TenantId, ClientId)>, StoreError> {
        let _gate = self.gate.read();
        // A client that holds both roles has two entries.
        let mut holders = BTreeSet::new();
        for entry in self.trees.with_prefix(Tree::Holders, &[]) {
            let (key, bytes) = entry?;
            match trees::read(Tree::Holders, &key, &bytes) {
                Ok((Key::Holder(_, tenant, client), EntryRow {})) => {
                    holders.insert((tenant, client));
                }
                Ok(_) => {}
                // It only guards the last operator; rights come from the clients' own roles.
                Err(error) => log::error!("{error}"),
            }
        }
        Ok(holders.into_iter().collect())
    }
}

/// Whether a file is still in some directory: what is written to one that is not ends with it.
#[cfg(unix)]
fn has_a_name(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() > 0)
}

#[cfg(not(unix))]
fn has_a_name(_: &File) -> std::io::Result<bool> {
    Ok(true)
}

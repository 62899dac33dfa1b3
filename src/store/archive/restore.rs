//! From an archive to a store: verified whole before anything is written, then written in batches
//! through the same commit as everything else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{ArchiveError, ArchiveReader, Header, Item, Totals};
use crate::domain::ids::{Revision, TenantId};
use crate::domain::ports::Random;
use crate::domain::tenant::Tenant;
use crate::store::batch::{Batch, Change, TenantRevisions};
use crate::store::{CommitError, Store};

/// The most changes of one batch, and what they may weigh together: the limits of the writer.
const MOST: usize = 128;
const WEIGHT: usize = 120_000;

/// An archive that was read from its beginning to its end and is as it was written.
pub struct Verified {
    pub header: Header,
    pub totals: Totals,
    /// The file of the signing key, where the archive has it.
    pub key: Option<Zeroizing<String>>,
    /// Aliases that moved from one tenant to another while the archive was taken: they stay with
    /// the tenant that got them last.
    pub passed_on: Vec<PassedOn>,
    /// The last change of each tenant.
    pub revisions: HashMap<TenantId, Revision>,
    digest: [u8; 32],
}

/// An alias that its tenant gave up while the archive was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOn {
    pub alias: String,
    pub from: TenantId,
    pub to: TenantId,
}

impl fmt::Display for PassedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alias, from, to } = self;
        write!(
            f,
            "alias '{alias}' went from tenant {from} to tenant {to} while the backup was taken; \
             tenant {from} has none now"
        )
    }
}

/// Why a store could not be made of an archive.
#[derive(Debug)]
pub enum RestoreError {
    Archive(ArchiveError),
    Commit(CommitError),
    /// It is not what was verified.
    Changed,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => error.fmt(f),
            Self::Commit(error) => error.fmt(f),
            Self::Changed => f.write_str("it was changed while it was read"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl From<ArchiveError> for RestoreError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// Reads an archive to its end: checksums, order, counts, references and the limits of every row.
pub fn verify(input: impl BufRead) -> Result<Verified, ArchiveError> {
    let mut reader = ArchiveReader::new(input)?;
    let mut key = None;
    let mut aliases: HashMap<String, (TenantId, Revision)> = HashMap::new();
    let mut passed_on = Vec::new();
    let mut revisions = HashMap::new();
    loop {
        match reader.next_item()? {
            Item::Key(pem) => key = Some(pem),
            Item::Tenant(tenant, revision) => {
                revisions.insert(tenant.id, revision);
                let Some(alias) = &tenant.alias else { continue };
                let newer = (tenant.id, tenant.changed);
                match aliases.entry(alias.folded()) {
                    Entry::Vacant(entry) => _ = entry.insert(newer),
                    Entry::Occupied(mut entry) => {
                        let (from, to) = match entry.get().1 < tenant.changed {
                            true => (entry.insert(newer).0, tenant.id),
                            false => (tenant.id, entry.get().0),
                        };
                        let alias = alias.to_string();
                        passed_on.push(PassedOn { alias, from, to });
                    }
                }
            }
            Item::Role(_) | Item::Client(_) | Item::EndOfTenant => {}
            Item::End(totals) => {
                return Ok(Verified {
                    header: reader.header().clone(),
                    totals,
                    key,
                    passed_on,
                    revisions,
                    digest: reader.digest(),
                });
            }
        }
    }
}

/// Writes a verified archive into an empty store: ids and revisions stay, the epoch is the store's.
/// `progress` is told the number of clients written so far.
pub async fn write(
    input: impl BufRead,
    verified: &Verified,
    store: &dyn Store,
    random: &dyn Random,
    progress: &mut dyn FnMut(u64),
) -> Result<(), RestoreError> {
    let mut reader = ArchiveReader::new(input)?;
    let mut draft = Draft {
        store,
        random,
        // Above every revision of the archive, so that none is given twice.
        last: verified.totals.highest,
        changes: Vec::new(),
        weight: 0,
        tenants: Vec::new(),
    };
    let mut current: Option<(TenantId, Revision)> = None;
    loop {
        let change = match (reader.next_item()?, current) {
            (Item::Tenant(tenant, revision), _) => {
                let tenant = verified.with_its_alias(tenant);
                current = Some((tenant.id, revision));
                Change::PutTenant {
                    tenant: Arc::new(tenant),
                    created: true,
                }
            }
            (Item::Role(role), Some((tenant, _))) => Change::PutRole {
                tenant,
                role: Arc::new(role),
            },
            (Item::Client(record), Some((tenant, _))) => Change::PutClient {
                tenant,
                old: None,
                new: Arc::new(record),
            },
            (Item::End(_), _) => break,
            _ => continue,
        };
        if let Some((_, revision)) = current {
            draft.add(change, revision).await?;
        }
        progress(reader.totals().clients);
    }
    if reader.digest() != verified.digest {
        return Err(RestoreError::Changed);
    }
    draft.commit().await
}

impl Verified {
    fn with_its_alias(&self, tenant: Tenant) -> Tenant {
        let lost = self.passed_on.iter().any(|passed| passed.from == tenant.id);
        Tenant {
            alias: tenant.alias.filter(|_| !lost),
            ..tenant
        }
    }
}

/// A batch in the making.
struct Draft<'a> {
    store: &'a dyn Store,
    random: &'a dyn Random,
    last: Revision,
    changes: Vec<Change>,
    weight: usize,
    tenants: Vec<TenantRevisions>,
}

impl Draft<'_> {
    async fn add(&mut self, change: Change, revision: Revision) -> Result<(), RestoreError> {
        let weight = change.weight();
        if self.changes.len() >= MOST || self.weight + weight > WEIGHT {
            self.commit().await?;
        }
        let tenant = change.tenant();
        let known = self
            .tenants
            .last()
            .is_some_and(|last| last.tenant == tenant);
        if !known {
            let created = matches!(change, Change::PutTenant { .. });
            self.tenants.push(TenantRevisions {
                tenant,
                decided_on: if created { Revision::ZERO } else { revision },
                after: revision,
            });
        }
        self.changes.push(change);
        self.weight += weight;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), RestoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.last = self.last.next();
        self.weight = 0;
        let batch = Batch {
            operation: self.random.uuid(),
            revision: self.last,
            tenants: std::mem::take(&mut self.tenants),
            changes: std::mem::take(&mut self.changes),
        };
        self.store.commit(batch).await.map_err(RestoreError::Commit)
    }
}

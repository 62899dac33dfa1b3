//! The open trees, and how their rows are read: every one through its checksum.

use std::fmt::Display;
use std::ops::Bound;

use ::sled::transaction::{
    ConflictableTransactionResult, TransactionResult, Transactional, TransactionalTree,
};
use ::sled::{Db, IVec};

use super::files::DataDirectory;
use super::keys::{Key, Tree, place};
use super::mender::Mender;
use super::rows::{self, Row};
use crate::domain::ids::TenantId;
use crate::store::StoreError;

pub struct Trees {
    /// In the order of [`Tree::ALL`].
    trees: Vec<::sled::Tree>,
    mender: Mender,
}

impl Trees {
    pub fn open(db: &Db, directory: &DataDirectory) -> Result<Self, StoreError> {
        let open = |tree: Tree| {
            db.open_tree(tree.name())
                .map_err(|error| sled_error("opening a tree", &error))
        };
        let trees: Result<_, _> = Tree::ALL.into_iter().map(open).collect();
        Ok(Self {
            trees: trees?,
            mender: Mender::of(directory)?,
        })
    }

    pub fn get(&self, tree: Tree) -> &::sled::Tree {
        &self.trees[tree as usize]
    }

    /// Runs one transaction over all trees.
    pub fn transaction<T, E>(
        &self,
        body: impl Fn(&[TransactionalTree]) -> ConflictableTransactionResult<T, E>,
    ) -> TransactionResult<T, E> {
        self.trees[..].transaction(|views| body(views))
    }

    /// The row under a key, `None` where there is none.
    pub fn row<R: Row>(&self, key: &Key) -> Result<Option<R>, StoreError> {
        match self.bytes(key)? {
            Some(bytes) => rows::open(key, &bytes)
                .map(Some)
                .map_err(|why| damaged(key, why)),
            None => Ok(None),
        }
    }

    pub fn bytes(&self, key: &Key) -> Result<Option<IVec>, StoreError> {
        loop {
            match self.get(key.tree()).get(key.bytes()) {
                Err(error) if self.mender.mend(&error) => {}
                found => {
                    return found.map_err(|error| sled_error(&format!("reading {key}"), &error));
                }
            }
        }
    }

    /// Whether it makes sense to try again what gave this error: what was damaged is mended.
    pub fn mend(&self, error: &::sled::Error) -> bool {
        self.mender.mend(error)
    }

    /// The keys and rows of one tenant in a tree. Ends with the first error.
    pub fn of_tenant(&self, tree: Tree, tenant: TenantId) -> impl Iterator<Item = Entry> {
        self.with_prefix(tree, tenant.as_bytes())
    }

    /// The keys and rows that begin with `prefix`. Ends with the first error.
    pub fn with_prefix<'a>(
        &'a self,
        tree: Tree,
        prefix: &[u8],
    ) -> impl Iterator<Item = Entry> + use<'a> {
        let prefix = prefix.to_vec();
        let entries = self.from(tree, Bound::Included(prefix.clone()));
        entries.take_while(move |entry| match entry {
            Ok((key, _)) => key.starts_with(&prefix),
            Err(_) => true,
        })
    }

    /// The keys and rows from some key on. Ends with the first error that cannot be mended: sled's
    /// own iterator would give it again for ever.
    pub fn from(&self, tree: Tree, start: Bound<Vec<u8>>) -> impl Iterator<Item = Entry> {
        let mut start = start;
        let mut entries = self.get(tree).range((start.clone(), Bound::Unbounded));
        let mut failed = false;
        std::iter::from_fn(move || {
            while !failed {
                match entries.next()? {
                    Ok((key, row)) => {
                        start = Bound::Excluded(key.to_vec());
                        return Some(Ok((key, row)));
                    }
                    Err(error) if self.mender.mend(&error) => {
                        entries = self.get(tree).range((start.clone(), Bound::Unbounded));
                    }
                    Err(error) => {
                        failed = true;
                        let doing = format!("reading `{}`", tree.name());
                        return Some(Err(sled_error(&doing, &error)));
                    }
                }
            }
            None
        })
    }
}

/// A key and its row, or why there is no further one.
pub type Entry = Result<(IVec, IVec), StoreError>;

/// Reads the key and the row of an entry.
pub fn read<R: Row>(tree: Tree, key: &[u8], bytes: &[u8]) -> Result<(Key, R), StoreError> {
    match Key::read(tree, key) {
        None => Err(damaged(place(tree, key), "its key makes no sense")),
        Some(key) => match rows::open(&key, bytes) {
            Ok(row) => Ok((key, row)),
            Err(why) => Err(damaged(key, why)),
        },
    }
}

pub fn damaged(place: impl Display, problem: impl Display) -> StoreError {
    StoreError::Damaged(format!("{place}: {problem}"))
}

/// What an error of sled means.
pub fn sled_error(doing: &str, error: &::sled::Error) -> StoreError {
    match error {
        ::sled::Error::Corruption { .. } => {
            let place = super::log::place(error).map(|byte| format!(" at byte {byte} of `db`"));
            let place = place.unwrap_or_default();
            StoreError::Damaged(format!("{doing}: the store's files are damaged{place}"))
        }
        ::sled::Error::ReportableBug(_) => StoreError::Damaged(format!("{doing}: {error}")),
        _ => StoreError::Failed(format!("{doing}: {error}")),
    }
}

//! The open trees, and how their rows are read: every one through its checksum.

use std::fmt::Display;

use ::sled::transaction::{
    ConflictableTransactionResult, TransactionResult, Transactional, TransactionalTree,
};
use ::sled::{Db, IVec};

use super::keys::{Key, Tree, place};
use super::rows::{self, Row};
use crate::domain::ids::TenantId;
use crate::store::StoreError;

/// All trees, in the order of [`Tree::ALL`].
pub struct Trees(Vec<::sled::Tree>);

impl Trees {
    pub fn open(db: &Db) -> Result<Self, StoreError> {
        let open = |tree: Tree| {
            db.open_tree(tree.name())
                .map_err(|error| sled_error("opening a tree", &error))
        };
        let trees: Result<_, _> = Tree::ALL.into_iter().map(open).collect();
        trees.map(Self)
    }

    pub fn get(&self, tree: Tree) -> &::sled::Tree {
        &self.0[tree as usize]
    }

    /// Runs one transaction over all trees.
    pub fn transaction<T, E>(
        &self,
        body: impl Fn(&[TransactionalTree]) -> ConflictableTransactionResult<T, E>,
    ) -> TransactionResult<T, E> {
        self.0[..].transaction(|views| body(views))
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
        let found = self.get(key.tree()).get(key.bytes());
        found.map_err(|error| sled_error(&format!("reading {key}"), &error))
    }

    /// The keys and rows of one tenant in a tree. Ends with the first error.
    pub fn of_tenant(
        &self,
        tree: Tree,
        tenant: TenantId,
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
        self.with_prefix(tree, tenant.as_bytes())
    }

    /// The keys and rows that begin with `prefix`. Ends with the first error: sled's own iterator
    /// would give it again for ever.
    pub fn with_prefix(
        &self,
        tree: Tree,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
        until_error(tree, self.get(tree).scan_prefix(prefix))
    }
}

/// Gives what an iterator of sled gives, up to and with its first error.
pub fn until_error(
    tree: Tree,
    mut entries: ::sled::Iter,
) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let entry = entries.next()?;
        failed = entry.is_err();
        Some(entry.map_err(|error| sled_error(&format!("reading `{}`", tree.name()), &error)))
    })
}

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
        ::sled::Error::Corruption { .. } | ::sled::Error::ReportableBug(_) => {
            StoreError::Damaged(format!("{doing}: {error}"))
        }
        _ => StoreError::Failed(format!("{doing}: {error}")),
    }
}

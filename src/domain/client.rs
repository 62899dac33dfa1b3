//! A client credential client: a program that authenticates with an id and a secret.

use std::sync::Arc;

use super::error::{Kind, Refusal};
use super::ids::{ClientId, Revision, RoleId};
use super::secret::SecretSet;
use super::text::{Name, Tag};

/// How long an access token of a client lives: 60 to 3,600 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLifetime(u16);

impl TokenLifetime {
    pub const SHORTEST: i64 = 60;
    pub const LONGEST: i64 = 3_600;
    pub const DEFAULT: Self = Self(3_600);

    pub fn new(seconds: i64) -> Option<Self> {
        (Self::SHORTEST..=Self::LONGEST)
            .contains(&seconds)
            .then_some(Self(seconds as u16))
    }

    pub const fn seconds(self) -> u16 {
        self.0
    }
}

/// The tags of a client: at most 50, in the order given, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags(Arc<[Tag]>);

impl Tags {
    pub const MOST: usize = 50;

    pub fn new(given: impl IntoIterator<Item = Tag>) -> Result<Self, Refusal> {
        let tags = each_once(given);
        if tags.len() > Self::MOST {
            return Err(too_many("Tags", tags.len(), Self::MOST));
        }
        Ok(Self(tags.into()))
    }

    pub fn none() -> Self {
        Self(Arc::from([]))
    }
}

impl std::ops::Deref for Tags {
    type Target = [Tag];
    fn deref(&self) -> &[Tag] {
        &self.0
    }
}

/// The roles of a client: at most 50, in the order given, each once.
///
/// That they exist, and that the Member role is among them, is decided on the state of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleIds(Arc<[RoleId]>);

impl RoleIds {
    pub const MOST: usize = 50;

    pub fn new(given: impl IntoIterator<Item = RoleId>) -> Result<Self, Refusal> {
        let roles = each_once(given);
        if roles.len() > Self::MOST {
            return Err(too_many("RoleIds", roles.len(), Self::MOST));
        }
        Ok(Self(roles.into()))
    }
}

impl std::ops::Deref for RoleIds {
    type Target = [RoleId];
    fn deref(&self) -> &[RoleId] {
        &self.0
    }
}

fn each_once<T: Clone + Eq + std::hash::Hash>(given: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    given
        .into_iter()
        .filter(|item| seen.insert(item.clone()))
        .collect()
}

fn too_many(member: &'static str, given: usize, most: usize) -> Refusal {
    Refusal::new(
        Kind::LimitExceeded,
        "The input is not valid.",
        format!("{member} has {given} different entries."),
        format!("{member} takes at most {most}."),
    )
}

/// A client as everybody sees it. Its secrets are kept beside it, in [`ClientRecord`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub name: Name,
    pub enabled: bool,
    pub token_lifetime: TokenLifetime,
    pub tags: Tags,
    pub role_ids: RoleIds,
    /// When it was created, in the order of all changes: tells two lives of one id apart.
    pub created: Revision,
    /// When something that this type shows last changed: its entity tag.
    pub changed: Revision,
}

/// All that is kept of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRecord {
    pub client: Client,
    pub secrets: SecretSet,
}

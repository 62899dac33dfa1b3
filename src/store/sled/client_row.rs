//! The row of a client: with all that belongs to it inside, where that is short, and otherwise with
//! how many rows of their own its secrets, tags and roles are.
//!
//! A creation costs what its rows cost, and each lies at a random place of its tree: so a client is
//! one row as long as the row stays small enough for sled's leaves.

use bincode::{Decode, Encode};

use super::rows::{Row, RowFault, SecretRow, small, whole};
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::ids::{ClientId, RoleId, SecretId};
use crate::domain::secret::{Salt, Secret, SecretSet};
use crate::domain::text::Tag;

/// A client whose row and key would have more bytes has its parts in rows of their own. A leaf of
/// sled holds some 16 rows and is written whole when it is split.
pub const LARGEST_WHOLE: usize = 1_024;

/// Version 1 had its parts apart always.
#[derive(Encode, Decode, PartialEq, Eq)]
pub struct ClientRow {
    pub name: String,
    pub enabled: bool,
    pub token_lifetime: u16,
    pub salt: [u8; 16],
    pub last_secret_id: i32,
    pub created: u64,
    pub changed: u64,
    pub parts: Parts,
}

/// The secrets, tags and roles of a client.
#[derive(Encode, Decode, PartialEq, Eq)]
pub enum Parts {
    /// Rows of their own.
    Apart(Apart),
    /// In the client's row.
    Inside(Inside),
}

/// How many rows of their own there are, so that a missing one is noticed.
#[derive(Clone, Copy, Default, Encode, Decode, PartialEq, Eq)]
pub struct Apart {
    pub tags: u8,
    pub roles: u8,
    pub secrets: u8,
}

/// What lies in a client's row, in the client's order.
#[derive(Encode, Decode, PartialEq, Eq)]
pub struct Inside {
    tags: Vec<String>,
    roles: Vec<[u8; 16]>,
    secrets: Vec<(i32, SecretRow)>,
}

impl Row for ClientRow {
    const VERSION: u8 = 2;

    fn read(version: u8, content: &[u8]) -> Result<Self, RowFault> {
        match version {
            1 => first_version(content),
            2 => whole(content),
            unknown => Err(RowFault::UnknownVersion(unknown)),
        }
    }
}

fn first_version(content: &[u8]) -> Result<ClientRow, RowFault> {
    let (name, enabled, token_lifetime, salt, last_secret_id, created, changed, counts) =
        whole(content)?;
    Ok(ClientRow {
        name,
        enabled,
        token_lifetime,
        salt,
        last_secret_id,
        created,
        changed,
        parts: Parts::Apart(counts),
    })
}

impl ClientRow {
    pub fn of(record: &ClientRecord) -> Result<Self, RowFault> {
        let Client {
            name,
            enabled,
            token_lifetime,
            created,
            changed,
            ..
        } = &record.client;
        Ok(Self {
            name: name.as_str().to_owned(),
            enabled: *enabled,
            token_lifetime: token_lifetime.seconds(),
            salt: record.secrets.salt.0,
            last_secret_id: record.secrets.last_id,
            created: created.0,
            changed: changed.0,
            parts: Parts::of(record)?,
        })
    }

    pub fn token_lifetime(&self) -> Result<TokenLifetime, RowFault> {
        TokenLifetime::new(self.token_lifetime.into()).ok_or(RowFault::Content)
    }

    pub const fn salt(&self) -> Salt {
        Salt(self.salt)
    }

    pub const fn is_apart(&self) -> bool {
        matches!(self.parts, Parts::Apart(_))
    }

    /// How many rows there must be beside it.
    pub fn apart(&self) -> Apart {
        match self.parts {
            Parts::Apart(apart) => apart,
            Parts::Inside(_) => Apart::default(),
        }
    }

    /// What lies in it, where that is all. `known` gives each tag the form that is to be kept:
    /// clients share its text.
    pub fn inside(&self, known: impl FnMut(Tag) -> Tag) -> Option<Result<Belongings, RowFault>> {
        match &self.parts {
            Parts::Apart(_) => None,
            Parts::Inside(inside) => Some(inside.read(known)),
        }
    }
}

impl Parts {
    fn of(record: &ClientRecord) -> Result<Self, RowFault> {
        let Client { tags, role_ids, .. } = &record.client;
        if is_short(record) {
            let secrets = &record.secrets.secrets;
            return Ok(Self::Inside(Inside {
                tags: tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
                roles: role_ids.iter().map(|role| *role.as_bytes()).collect(),
                secrets: secrets
                    .iter()
                    .map(|secret| (secret.id.0, SecretRow::of(secret)))
                    .collect(),
            }));
        }
        Ok(Self::Apart(Apart {
            tags: small(tags.len())?,
            roles: small(role_ids.len())?,
            secrets: small(record.secrets.len())?,
        }))
    }
}

impl Inside {
    fn read(&self, known: impl FnMut(Tag) -> Tag) -> Result<Belongings, RowFault> {
        let tags = self.tags.iter().map(|text| Tag::from_stored(text));
        let tags = Tags::new(tags.map(known)).map_err(|_| RowFault::Content)?;
        let roles = self.roles.iter().copied().map(RoleId::from_bytes);
        let role_ids = RoleIds::new(roles).map_err(|_| RowFault::Content)?;
        // What was stored twice is nothing that was written.
        if (tags.len(), role_ids.len()) != (self.tags.len(), self.roles.len()) {
            return Err(RowFault::Content);
        }
        let mut before = 0;
        let secrets = self.secrets.iter().map(|(id, row)| {
            // In the order of their ids, which were given out from 1 on.
            if *id <= before {
                return Err(RowFault::Content);
            }
            before = *id;
            row.secret(SecretId(*id))
        });
        Ok(Belongings {
            tags,
            role_ids,
            secrets: secrets.collect::<Result<_, _>>()?,
        })
    }
}

/// What belongs to a client.
pub struct Belongings {
    pub tags: Tags,
    pub role_ids: RoleIds,
    /// In the order of their ids.
    pub secrets: Vec<Secret>,
}

/// Whether a client fits one row. A secret that cannot be believed keeps its own, as it is.
fn is_short(record: &ClientRecord) -> bool {
    /// Everything of fixed size, at the most it can take, with the key.
    const FIXED: usize = 16 + 1 + ClientId::LONGEST + 64;
    const LENGTH: usize = 3;
    const SECRET: usize = 64;
    let SecretSet {
        secrets, damaged, ..
    } = &record.secrets;
    let Client {
        name,
        tags,
        role_ids,
        ..
    } = &record.client;
    let described = |secret: &Secret| {
        let description = secret.description.as_ref();
        SECRET + description.map_or(0, |text| LENGTH + text.as_str().len())
    };
    let tags: usize = tags.iter().map(|tag| LENGTH + tag.as_str().len()).sum();
    let secrets: usize = secrets.iter().map(described).sum();
    let size = FIXED + LENGTH + name.as_str().len() + tags + 16 * role_ids.len() + secrets;
    damaged.is_empty() && size <= LARGEST_WHOLE
}

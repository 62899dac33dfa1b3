//! The rows of the store: a version byte, the content, a checksum.
//!
//! The checksum (CRC-32, big-endian) covers the name of the tree, the key, the version and the
//! content, so a row that was damaged, or that lies under another row's key, is noticed. A reader
//! of a version stays for ever: to change a row, give the new form the next [`Row::VERSION`] and
//! let [`Row::read`] turn the old form into it.

use std::fmt;

use bincode::config::{self, Configuration, LittleEndian, Varint};
use bincode::{Decode, Encode};
use uuid::Uuid;

use super::keys::{Key, TagKey, Tree};
use super::opening::Identity;
use crate::domain::ids::{Epoch, Revision, RoleId, RoleTypeId, SecretId, TenantId};
use crate::domain::role::{BuiltInRole, Role};
use crate::domain::secret::{Secret, SecretHash};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Alias, Description, Name, Tag};
use crate::domain::times::Timestamp;

/// Without a limit, a length that damage made up would be allocated before it is read.
const LARGEST_CONTENT: usize = 4_096;
const CHECKSUM: usize = 4;
const CODEC: Configuration<LittleEndian, Varint, config::Limit<LARGEST_CONTENT>> =
    config::standard().with_limit::<LARGEST_CONTENT>();

/// Why a row cannot be believed. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    Checksum,
    UnknownVersion(u8),
    Content,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("its checksum does not fit its place and content"),
            Self::UnknownVersion(version) => {
                write!(
                    f,
                    "it has version {version}, which this program cannot read"
                )
            }
            Self::Content => f.write_str("its content makes no sense"),
        }
    }
}

/// A kind of row.
pub trait Row: Encode + Sized {
    /// The version that is written.
    const VERSION: u8;

    /// Reads the content of any version that was ever written.
    fn read(version: u8, content: &[u8]) -> Result<Self, RowFault>;
}

/// The bytes of a row that will lie under `key`.
pub fn seal<R: Row>(key: &Key, row: &R) -> Result<Vec<u8>, RowFault> {
    seal_at(key.tree(), &key.bytes(), row)
}

/// The same, where the bytes of the key are at hand.
pub fn seal_at<R: Row>(tree: Tree, place: &[u8], row: &R) -> Result<Vec<u8>, RowFault> {
    /// Of most rows: one allocation each.
    const ROOM: usize = 256;
    let mut bytes = Vec::with_capacity(ROOM);
    bytes.push(R::VERSION);
    bincode::encode_into_std_write(row, &mut bytes, CODEC).map_err(|_| RowFault::Content)?;
    let checksum = checksum(tree.name(), place, &bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    Ok(bytes)
}

/// Whether the checksum of a row fits, whatever its version is.
pub fn is_whole(key: &Key, bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<CHECKSUM>()
        .is_some_and(|(body, sum)| {
            checksum(key.tree().name(), &key.bytes(), body) == u32::from_be_bytes(*sum)
        })
}

/// Reads a row that lay under `key`. Takes any bytes without a panic.
pub fn open<R: Row>(key: &Key, bytes: &[u8]) -> Result<R, RowFault> {
    let (body, sum) = bytes
        .split_last_chunk::<CHECKSUM>()
        .ok_or(RowFault::Checksum)?;
    if checksum(key.tree().name(), &key.bytes(), body) != u32::from_be_bytes(*sum) {
        return Err(RowFault::Checksum);
    }
    let (version, content) = body.split_first().ok_or(RowFault::Content)?;
    R::read(*version, content)
}

/// The row with the checksum that fits its key and content, whatever it has.
pub fn resealed(key: &Key, bytes: &[u8]) -> Vec<u8> {
    let body = bytes
        .split_last_chunk::<CHECKSUM>()
        .map_or(bytes, |(body, _)| body);
    let mut row = body.to_vec();
    let checksum = checksum(key.tree().name(), &key.bytes(), body);
    row.extend_from_slice(&checksum.to_be_bytes());
    row
}

pub fn checksum(tree: &str, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(tree.as_bytes());
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

/// Content that is one value and nothing behind it.
pub fn whole<T: Decode<()>>(content: &[u8]) -> Result<T, RowFault> {
    match bincode::decode_from_slice(content, CODEC) {
        Ok((row, length)) if length == content.len() => Ok(row),
        _ => Err(RowFault::Content),
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Encode, Decode, PartialEq, Eq)]
        pub struct $name { $(pub $field: $type,)* }

        impl Row for $name {
            const VERSION: u8 = 1;

            fn read(version: u8, content: &[u8]) -> Result<Self, RowFault> {
                match version {
                    1 => whole(content),
                    unknown => Err(RowFault::UnknownVersion(unknown)),
                }
            }
        }
    )*};
}

type StoredTime = (i64, u32);

rows! {
    TenantRow {
        company_name: String,
        alias: Option<String>,
        deleting: bool,
        created: StoredTime,
        last_updated: StoredTime,
        changed: u64,
    }
    SecretRow {
        hash: [u8; 32],
        description: Option<String>,
        expiration: Option<StoredTime>,
    }
    /// With the place in its client's order, and its text where the key only holds a digest.
    TagRow {
        position: u8,
        text: Option<String>,
    }
    /// The place of a role in its client's order.
    PositionRow { position: u8, }
    RoleRow {
        name: String,
        described: bool,
        built_in: Option<[u8; 16]>,
    }
    DescriptionRow { text: String, }
    /// A row that says all with its key.
    EntryRow {}
    /// How many clients have a tag or hold a role; never 0.
    CountRow { clients: u64, }
    ManifestRow {
        format: u32,
        store: [u8; 16],
        epoch: u32,
    }
}

/// What a tenant holds, as of its last change. Version 1 had no digest.
#[derive(Encode, Decode, PartialEq, Eq)]
pub struct TenantCountRow {
    pub clients: u64,
    pub roles: u64,
    pub revision: u64,
    /// Over all rows of the tenant but this one; `None` where rows of before were never counted.
    pub digest: Option<u64>,
}

impl Row for TenantCountRow {
    const VERSION: u8 = 2;

    fn read(version: u8, content: &[u8]) -> Result<Self, RowFault> {
        match version {
            1 => whole(content).map(|(clients, roles, revision)| Self {
                clients,
                roles,
                revision,
                digest: None,
            }),
            2 => whole(content),
            unknown => Err(RowFault::UnknownVersion(unknown)),
        }
    }
}

/// The last batch, and what the store holds since. Version 1 had the first two alone.
#[derive(Encode, Decode, PartialEq, Eq)]
pub struct LastRow {
    pub revision: u64,
    pub operation: [u8; 16],
    pub holdings: Option<Holdings>,
}

/// What the store holds over all tenants.
#[derive(Clone, Copy, Debug, Default, Encode, Decode, PartialEq, Eq)]
pub struct Holdings {
    pub tenants: u64,
    /// The digest over the counts of the tenants and the indexes that belong to no tenant: so a
    /// tenant that is wholly of an earlier time is noticed too.
    pub entries: u64,
}

impl Row for LastRow {
    const VERSION: u8 = 2;

    fn read(version: u8, content: &[u8]) -> Result<Self, RowFault> {
        match version {
            1 => whole(content).map(|(revision, operation)| Self {
                revision,
                operation,
                holdings: None,
            }),
            2 => whole(content),
            unknown => Err(RowFault::UnknownVersion(unknown)),
        }
    }
}

impl TenantRow {
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            company_name: tenant.company_name.as_str().to_owned(),
            alias: tenant.alias.as_ref().map(|alias| alias.as_str().to_owned()),
            deleting: tenant.state == TenantState::Deleting,
            created: tenant.created.parts(),
            last_updated: tenant.last_updated.parts(),
            changed: tenant.changed.0,
        }
    }

    pub fn tenant(self, id: TenantId) -> Result<Tenant, RowFault> {
        Ok(Tenant {
            id,
            company_name: Name::from_stored(&self.company_name),
            alias: self.alias.as_deref().map(Alias::from_stored),
            state: if self.deleting {
                TenantState::Deleting
            } else {
                TenantState::Active
            },
            created: time(self.created)?,
            last_updated: time(self.last_updated)?,
            changed: Revision(self.changed),
        })
    }
}

impl SecretRow {
    pub fn of(secret: &Secret) -> Self {
        let description = secret.description.as_ref();
        Self {
            hash: secret.hash.0,
            description: description.map(|text| text.as_str().to_owned()),
            expiration: secret.expiration.map(Timestamp::parts),
        }
    }

    pub fn secret(&self, id: SecretId) -> Result<Secret, RowFault> {
        Ok(Secret {
            id,
            hash: SecretHash(self.hash),
            description: self.description.as_deref().map(Description::from_stored),
            expiration: self.expiration.map(time).transpose()?,
        })
    }
}

impl TagRow {
    pub fn of(tag: &Tag, position: usize) -> Result<Self, RowFault> {
        let text = match TagKey::of(tag) {
            TagKey::Whole(_) => None,
            TagKey::Digest(_) => Some(tag.as_str().to_owned()),
        };
        let position = small(position)?;
        Ok(Self { position, text })
    }

    pub fn tag(&self, key: &TagKey) -> Result<Tag, RowFault> {
        match (key, &self.text) {
            (TagKey::Whole(tag), None) => Ok(tag.clone()),
            (TagKey::Digest(_), Some(text)) => {
                let tag = Tag::from_stored(text);
                let fits = TagKey::of(&tag) == *key;
                fits.then_some(tag).ok_or(RowFault::Content)
            }
            _ => Err(RowFault::Content),
        }
    }
}

impl PositionRow {
    pub fn of(position: usize) -> Result<Self, RowFault> {
        let position = small(position)?;
        Ok(Self { position })
    }
}

impl RoleRow {
    pub fn of(role: &Role) -> Self {
        Self {
            name: role.name.as_str().to_owned(),
            described: role.description.is_some(),
            built_in: role.built_in.map(|role| *role.type_id().as_bytes()),
        }
    }

    /// The role, but for its description, which is a row of its own.
    pub fn role(self, id: RoleId) -> Result<Role, RowFault> {
        let of_type = |id| BuiltInRole::of_type(RoleTypeId::from_bytes(id));
        Ok(Role {
            id,
            name: Name::from_stored(&self.name),
            description: None,
            built_in: match self.built_in {
                Some(id) => Some(of_type(id).ok_or(RowFault::Content)?),
                None => None,
            },
        })
    }
}

impl DescriptionRow {
    pub fn of(description: &Description) -> Self {
        Self {
            text: description.as_str().to_owned(),
        }
    }

    pub fn description(&self) -> Description {
        Description::from_stored(&self.text)
    }
}

impl ManifestRow {
    pub const fn identity(&self) -> Identity {
        Identity {
            store: Uuid::from_bytes(self.store),
            epoch: Epoch(self.epoch),
        }
    }
}

fn time((seconds, nanoseconds): StoredTime) -> Result<Timestamp, RowFault> {
    Timestamp::from_parts(seconds, nanoseconds).ok_or(RowFault::Content)
}

pub fn small(number: usize) -> Result<u8, RowFault> {
    u8::try_from(number).map_err(|_| RowFault::Content)
}

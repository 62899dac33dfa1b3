//! The trees and the keys of the store: binary, self-delimiting, in one place.
//!
//! A tenant, a role and a cluster role are their 16 bytes. A client id has its length before it in
//! one byte, a tag in two. Integers are big-endian. So no key is the beginning of another one of
//! its kind, and all rows of a tenant lie together.
//!
//! Keys stay below [`LONGEST_KEY`]: sled's inner nodes hold 256 of them, and a node past 128 KB goes
//! to a file that sled never syncs. So a long tag is in keys by its digest.

use std::fmt;

use crate::domain::error::Shown;
use crate::domain::ids::{ClientId, RoleId, SecretId, TenantId};
use crate::domain::text::Tag;

/// No key has more bytes.
pub const LONGEST_KEY: usize = 16 + (2 + TagKey::LONGEST_WHOLE) + (1 + ClientId::LONGEST);

// A full inner node stays far from the size at which sled moves it to a file.
const _: () = assert!(257 * (LONGEST_KEY + 32) < 64 * 1024);

/// The trees of the store, in the order in which a transaction gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    Tenants,
    Clients,
    Secrets,
    Tags,
    Assignments,
    Roles,
    RoleDescriptions,
    ClientIds,
    Holders,
    Counters,
    Meta,
}

impl Tree {
    pub const ALL: [Self; 11] = [
        Self::Tenants,
        Self::Clients,
        Self::Secrets,
        Self::Tags,
        Self::Assignments,
        Self::Roles,
        Self::RoleDescriptions,
        Self::ClientIds,
        Self::Holders,
        Self::Counters,
        Self::Meta,
    ];

    /// Those whose keys begin with the tenant that the row belongs to.
    pub const OF_TENANTS: [Self; 8] = [
        Self::Tenants,
        Self::Clients,
        Self::Secrets,
        Self::Tags,
        Self::Assignments,
        Self::Roles,
        Self::RoleDescriptions,
        Self::Counters,
    ];

    /// Its name on disk, which is part of each row's checksum.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Clients => "clients",
            Self::Secrets => "secrets",
            Self::Tags => "tags",
            Self::Assignments => "assignments",
            Self::Roles => "roles",
            Self::RoleDescriptions => "role_descriptions",
            Self::ClientIds => "client_ids",
            Self::Holders => "holders",
            Self::Counters => "counters",
            Self::Meta => "meta",
        }
    }
}

/// What a row is about. Its text names the place for whoever repairs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Tenant(TenantId),
    Client(TenantId, ClientId),
    Secret(TenantId, ClientId, SecretId),
    /// The tag index and the client's tag at once.
    Tag(TenantId, TagKey, ClientId),
    /// The role index and the client's role at once.
    Assignment(TenantId, RoleId, ClientId),
    Role(TenantId, RoleId),
    /// Beside the role: together they could outgrow the largest row.
    RoleDescription(TenantId, RoleId),
    /// Which tenants have a client of this id.
    ClientId(ClientId, TenantId),
    /// A client that holds a cluster role.
    Holder(RoleId, TenantId, ClientId),
    TenantCount(TenantId),
    TagCount(TenantId, TagKey),
    RoleCount(TenantId, RoleId),
    Manifest,
    Last,
}

/// A tag as keys hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagKey {
    Whole(Tag),
    /// SHA-256 of a tag that would make its keys too long.
    Digest([u8; 32]),
}

impl TagKey {
    /// The longest tag that keys hold as it is, in bytes: every tag of ASCII.
    pub const LONGEST_WHOLE: usize = 128;

    pub fn of(tag: &Tag) -> Self {
        let text = tag.as_str();
        if text.len() <= Self::LONGEST_WHOLE {
            return Self::Whole(tag.clone());
        }
        let mut digest = [0; 32];
        digest
            .copy_from_slice(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref());
        Self::Digest(digest)
    }
}

impl fmt::Display for TagKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(tag) => Shown(tag.as_str()).fmt(f),
            Self::Digest(digest) => {
                f.write_str("with SHA-256 ")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// What takes the place of a tag's length where its digest follows.
const DIGEST: u16 = u16::MAX;
const TENANT_COUNT: u8 = 0;
const TAG_COUNT: u8 = 1;
const ROLE_COUNT: u8 = 2;
const MANIFEST: &[u8] = b"manifest";
const LAST: &[u8] = b"last";

/// Of most keys: one allocation each.
const ROOM: usize = 64;

impl Key {
    pub const fn tree(&self) -> Tree {
        match self {
            Self::Tenant(..) => Tree::Tenants,
            Self::Client(..) => Tree::Clients,
            Self::Secret(..) => Tree::Secrets,
            Self::Tag(..) => Tree::Tags,
            Self::Assignment(..) => Tree::Assignments,
            Self::Role(..) => Tree::Roles,
            Self::RoleDescription(..) => Tree::RoleDescriptions,
            Self::ClientId(..) => Tree::ClientIds,
            Self::Holder(..) => Tree::Holders,
            Self::TenantCount(..) | Self::TagCount(..) | Self::RoleCount(..) => Tree::Counters,
            Self::Manifest | Self::Last => Tree::Meta,
        }
    }

    /// The tenant whose digest counts its row: none for what is counted over all tenants, and for
    /// the row that holds the digest.
    pub const fn counted_in(&self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant)
            | Self::Client(tenant, _)
            | Self::Secret(tenant, _, _)
            | Self::Tag(tenant, _, _)
            | Self::Assignment(tenant, _, _)
            | Self::Role(tenant, _)
            | Self::RoleDescription(tenant, _)
            | Self::TagCount(tenant, _)
            | Self::RoleCount(tenant, _) => Some(*tenant),
            Self::ClientId(..)
            | Self::Holder(..)
            | Self::TenantCount(_)
            | Self::Manifest
            | Self::Last => None,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let key = Writer(Vec::with_capacity(ROOM));
        let key = match self {
            Self::Tenant(tenant) => key.fixed(tenant.as_bytes()),
            Self::Client(tenant, client) => key.fixed(tenant.as_bytes()).client(client),
            Self::Secret(tenant, client, secret) => {
                let key = key.fixed(tenant.as_bytes()).client(client);
                key.fixed(&secret.0.to_be_bytes())
            }
            Self::Tag(tenant, tag, client) => key.fixed(tenant.as_bytes()).tag(tag).client(client),
            Self::Assignment(tenant, role, client) => {
                let key = key.fixed(tenant.as_bytes()).fixed(role.as_bytes());
                key.client(client)
            }
            Self::Role(tenant, role) | Self::RoleDescription(tenant, role) => {
                key.fixed(tenant.as_bytes()).fixed(role.as_bytes())
            }
            Self::ClientId(client, tenant) => key.client(client).fixed(tenant.as_bytes()),
            Self::Holder(role, tenant, client) => {
                let key = key.fixed(role.as_bytes()).fixed(tenant.as_bytes());
                key.client(client)
            }
            Self::TenantCount(tenant) => key.fixed(tenant.as_bytes()).fixed(&[TENANT_COUNT]),
            Self::TagCount(tenant, tag) => {
                key.fixed(tenant.as_bytes()).fixed(&[TAG_COUNT]).tag(tag)
            }
            Self::RoleCount(tenant, role) => {
                let key = key.fixed(tenant.as_bytes()).fixed(&[ROLE_COUNT]);
                key.fixed(role.as_bytes())
            }
            Self::Manifest => key.fixed(MANIFEST),
            Self::Last => key.fixed(LAST),
        };
        key.0
    }

    /// The inverse of [`Key::bytes`]; `None` for bytes that it never writes.
    pub fn read(tree: Tree, bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let key = match tree {
            Tree::Tenants => Self::Tenant(rest.tenant()?),
            Tree::Clients => Self::Client(rest.tenant()?, rest.client()?),
            Tree::Secrets => Self::Secret(rest.tenant()?, rest.client()?, rest.secret()?),
            Tree::Tags => Self::Tag(rest.tenant()?, rest.tag()?, rest.client()?),
            Tree::Assignments => Self::Assignment(rest.tenant()?, rest.role()?, rest.client()?),
            Tree::Roles => Self::Role(rest.tenant()?, rest.role()?),
            Tree::RoleDescriptions => Self::RoleDescription(rest.tenant()?, rest.role()?),
            Tree::ClientIds => Self::ClientId(rest.client()?, rest.tenant()?),
            Tree::Holders => Self::Holder(rest.role()?, rest.tenant()?, rest.client()?),
            Tree::Counters => {
                let tenant = rest.tenant()?;
                match rest.byte()? {
                    TENANT_COUNT => Self::TenantCount(tenant),
                    TAG_COUNT => Self::TagCount(tenant, rest.tag()?),
                    ROLE_COUNT => Self::RoleCount(tenant, rest.role()?),
                    _ => return None,
                }
            }
            Tree::Meta => match std::mem::take(&mut rest.0) {
                MANIFEST => Self::Manifest,
                LAST => Self::Last,
                _ => return None,
            },
        };
        rest.0.is_empty().then_some(key)
    }
}

/// What all keys of [`Tree::ClientIds`] begin with that are about this client id.
pub fn tenants_of(client: &ClientId) -> Vec<u8> {
    Writer::default().client(client).0
}

/// The tenant that a key of one of [`Tree::OF_TENANTS`] belongs to, whatever follows.
pub fn tenant_of(key: &[u8]) -> Option<TenantId> {
    Reader(key).tenant()
}

/// Where a row lies, in words, also where its key makes no sense.
pub fn place(tree: Tree, key: &[u8]) -> String {
    if let Some(key) = Key::read(tree, key) {
        return key.to_string();
    }
    let bytes: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    match tenant_of(key) {
        Some(tenant) if Tree::OF_TENANTS.contains(&tree) => {
            format!("row {bytes} in `{}` of tenant {tenant}", tree.name())
        }
        _ => format!("row {bytes} in `{}`", tree.name()),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Client(tenant, client) => write!(f, "client {client} of tenant {tenant}"),
            Self::Secret(tenant, client, secret) => {
                write!(f, "secret {secret} of client {client} of tenant {tenant}")
            }
            Self::Tag(tenant, tag, client) => {
                write!(f, "tag {tag} of client {client} of tenant {tenant}")
            }
            Self::Assignment(tenant, role, client) => {
                write!(f, "role {role} held by client {client} of tenant {tenant}")
            }
            Self::Role(tenant, role) => write!(f, "role {role} of tenant {tenant}"),
            Self::RoleDescription(tenant, role) => {
                write!(f, "description of role {role} of tenant {tenant}")
            }
            Self::ClientId(client, tenant) => {
                write!(f, "entry of tenant {tenant} for client id {client}")
            }
            Self::Holder(role, tenant, client) => write!(
                f,
                "entry for cluster role {role} of client {client} of tenant {tenant}"
            ),
            Self::TenantCount(tenant) => write!(f, "counters of tenant {tenant}"),
            Self::TagCount(tenant, tag) => {
                write!(f, "counter of tag {tag} of tenant {tenant}")
            }
            Self::RoleCount(tenant, role) => {
                write!(f, "counter of role {role} of tenant {tenant}")
            }
            Self::Manifest => f.write_str("manifest of the store"),
            Self::Last => f.write_str("last revision of the store"),
        }
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn client(mut self, client: &ClientId) -> Self {
        const { assert!(ClientId::LONGEST <= u8::MAX as usize) };
        self.0.push(client.as_str().len() as u8);
        self.fixed(client.as_str().as_bytes())
    }

    fn tag(self, tag: &TagKey) -> Self {
        match tag {
            TagKey::Whole(tag) => {
                let length = tag.as_str().len() as u16;
                self.fixed(&length.to_be_bytes())
                    .fixed(tag.as_str().as_bytes())
            }
            TagKey::Digest(digest) => self.fixed(&DIGEST.to_be_bytes()).fixed(digest),
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn tenant(&mut self) -> Option<TenantId> {
        self.array().map(TenantId::from_bytes)
    }

    fn role(&mut self) -> Option<RoleId> {
        self.array().map(RoleId::from_bytes)
    }

    fn secret(&mut self) -> Option<SecretId> {
        self.array().map(|id| SecretId(i32::from_be_bytes(id)))
    }

    fn client(&mut self) -> Option<ClientId> {
        let length = self.byte()?;
        let text = self.text(length.into())?;
        ClientId::parse(text).filter(|id| id.as_str() == text)
    }

    fn tag(&mut self) -> Option<TagKey> {
        match u16::from_be_bytes(self.array()?) {
            DIGEST => self.array().map(TagKey::Digest),
            length if usize::from(length) > TagKey::LONGEST_WHOLE => None,
            length => {
                let tag = self.text(length.into()).map(Tag::from_stored);
                tag.map(TagKey::Whole)
            }
        }
    }
}

//! What a benchmark's store holds: an export of tenants and clients that are made of their numbers,
//! so that the load knows every id and every secret without asking.

use std::io::Write;
use std::sync::Arc;

use chrono::DateTime;
use uuid::Uuid;

use super::draw::Draw;
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, Epoch, Revision, RoleId, SecretId, TenantId};
use crate::domain::role::{BuiltInRole, Role};
use crate::domain::secret::{Salt, Secret, SecretSet};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Name, Tag};
use crate::domain::times::Timestamp;
use crate::store::TenantRows;
use crate::store::archive::{ArchiveError, ArchiveWriter, Header, Kind};
use crate::tokens::secret;

/// How many tenants there are, and how many clients in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    pub tenants: u64,
    pub clients: u64,
}

/// A few large groups: every fourth client has the tag.
pub const SITES: u64 = 4;
/// Middle ones: every fiftieth.
pub const LINES: u64 = 50;
/// Many small ones.
pub const CLIENTS_OF_A_UNIT: u64 = 10;

/// The id of the tenant of a number.
pub fn tenant(number: u64) -> TenantId {
    TenantId::from_uuid(guid(0x7e, number))
}

/// The id of a client of a tenant: random to look at, so that clients of one number after another
/// lie anywhere in the order of ids, as those of people do.
pub fn client(tenant: u64, number: u64) -> ClientId {
    ClientId::from_uuid(guid(0xc1 ^ (tenant << 8), number))
}

/// The only secret of a client. Whoever has this program knows it: a store that was seeded is for
/// measuring, and nothing else.
pub fn secret_of(tenant: u64, number: u64) -> String {
    format!("crdz_bench-{tenant:08}-{number:012}-known-to-everybody")
}

pub fn site(number: u64) -> String {
    format!("site:{}", number % SITES)
}

pub fn line(number: u64) -> String {
    format!("line:{}", number % LINES)
}

fn unit(number: u64) -> String {
    format!("unit:{}", number / CLIENTS_OF_A_UNIT)
}

fn guid(kind: u64, number: u64) -> Uuid {
    let mut draw = Draw::new(kind.wrapping_mul(0x1_0000_0001).wrapping_add(number << 20));
    let (high, low) = (draw.number(), draw.number());
    uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
        .into_uuid()
}

/// Writes the export.
pub fn write(population: Population, out: impl Write) -> Result<(), ArchiveError> {
    let header = Header {
        kind: Kind::Export,
        store: guid(0x57, 0),
        epoch: Epoch(1),
        taken: taken(),
        has_key: false,
    };
    let mut writer = ArchiveWriter::new(out, &header)?;
    let mut tenants: Vec<_> = (0..population.tenants)
        .map(|number| (tenant(number), number))
        .collect();
    tenants.sort();
    for (_, number) in tenants {
        let rows = rows(number, population.clients);
        writer.tenant(&rows.tenant, rows.revision)?;
        for role in &rows.roles {
            writer.role(role)?;
        }
        for record in &rows.clients {
            writer.client(record)?;
        }
        writer.end_of_tenant()?;
    }
    writer.finish().map(|_| ())
}

/// All of the tenant of a number, as a store gives it.
pub fn rows(number: u64, clients: u64) -> TenantRows {
    let mut roles: Vec<_> = BuiltInRole::ALL
        .into_iter()
        .map(|kind| Arc::new(role(number, kind)))
        .collect();
    roles.sort_by_key(|role| role.id);
    let mut ids: Vec<_> = (0..clients)
        .map(|place| (client(number, place), place))
        .collect();
    ids.sort();
    let member = role(number, BuiltInRole::Member).id;
    // All of it is well formed: it is made of numbers, and below every limit.
    let clients = ids
        .into_iter()
        .filter_map(|(id, place)| record(id, number, place, member).ok())
        .map(Arc::new);
    TenantRows {
        tenant: Arc::new(Tenant {
            id: tenant(number),
            company_name: Name::from_stored(&format!("Plant {number}")),
            alias: None,
            state: TenantState::Active,
            created: taken(),
            last_updated: taken(),
            changed: Revision(1),
        }),
        revision: Revision(1),
        clients: clients.collect(),
        damaged: Vec::new(),
        roles,
    }
}

/// When it says that it was taken: the first of January 2026.
fn taken() -> Timestamp {
    Timestamp::new(DateTime::UNIX_EPOCH).plus_seconds(1_767_225_600)
}

fn role(tenant: u64, kind: BuiltInRole) -> Role {
    let place = BuiltInRole::ALL.iter().position(|other| *other == kind);
    Role {
        id: RoleId::from_uuid(guid(
            0x401e,
            (tenant << 8) | place.unwrap_or_default() as u64,
        )),
        name: Name::from_stored(&format!("{kind:?}")),
        description: None,
        built_in: Some(kind),
    }
}

fn record(id: ClientId, tenant: u64, number: u64, member: RoleId) -> Result<ClientRecord, Refusal> {
    let tags = [site(number), line(number), unit(number)];
    let tags = tags.iter().map(|tag| Tag::parse("Tags", tag));
    let salt = Salt(*guid(0x5a17, number ^ (tenant << 32)).as_bytes());
    let secret = Secret {
        id: SecretId(1),
        hash: secret::hash(&salt, &secret_of(tenant, number)),
        description: None,
        expiration: None,
    };
    Ok(ClientRecord {
        client: Client {
            id,
            name: Name::from_stored(&format!("Controller {number} of line {}", number % LINES)),
            enabled: true,
            token_lifetime: TokenLifetime::new(3_600).ok_or_else(Refusal::internal)?,
            tags: Tags::new(tags.collect::<Result<Vec<_>, _>>()?)?,
            role_ids: RoleIds::new([member])?,
            created: Revision(1),
            changed: Revision(1),
        },
        secrets: SecretSet {
            salt,
            last_id: 1,
            secrets: vec![secret],
            damaged: Vec::new(),
        },
    })
}

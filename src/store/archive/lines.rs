//! The form of each line: JSON with a checksum as its last member.
//!
//! Nothing here has `Debug`: lines hold salts and hashes, and one may hold the signing key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{FORMAT, FORMAT_SINCE, Header, Kind};
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, Epoch, Revision, RoleId, RoleTypeId, SecretId, TenantId};
use crate::domain::role::{BuiltInRole, Role};
use crate::domain::secret::{Salt, Secret, SecretHash, SecretSet};
use crate::domain::tenant::{Tenant, TenantState};
use crate::domain::text::{Alias, Description, Name, Tag};
use crate::domain::times::Timestamp;

/// What stands behind the content of a line: `,"sum":"` and eight digits and `"}`.
const SUM: &[u8] = b",\"sum\":\"";
const SUM_DIGITS: usize = 8;
const SUM_LENGTH: usize = SUM.len() + SUM_DIGITS + 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderLine {
    credenza: String,
    format: u32,
    needs: String,
    store: Uuid,
    epoch: String,
    taken: String,
    keys: bool,
}

/// Every line but the first.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Key(KeyLine),
    Tenant(TenantLine),
    Role(RoleLine),
    Client(ClientLine),
    EndOfTenant(EndOfTenantLine),
    End(EndLine),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLine {
    pub pem: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLine {
    id: String,
    company_name: String,
    alias: Option<String>,
    created: String,
    last_updated: String,
    changed: u64,
    /// The last change in this tenant.
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleLine {
    id: String,
    name: String,
    description: Option<String>,
    /// The type of a built-in role.
    built_in: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientLine {
    id: String,
    name: String,
    enabled: bool,
    access_token_lifetime: u16,
    tags: Vec<String>,
    role_ids: Vec<String>,
    created: u64,
    changed: u64,
    salt: String,
    last_secret_id: i32,
    secrets: Vec<SecretLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretLine {
    id: i32,
    hash: String,
    description: Option<String>,
    expiration: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndOfTenantLine {
    pub roles: u64,
    pub clients: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndLine {
    /// How many lines there are before this one.
    pub lines: u64,
    /// Over everything before this line, in hexadecimal.
    pub sha256: String,
}

/// Puts the checksum of a line behind its content, which is a JSON object, and a line end. It
/// covers the line's number, so that a line that was moved is noticed.
pub fn seal(number: u64, content: &mut Vec<u8>) {
    content.pop();
    let sum = sum(number, content);
    content.extend_from_slice(SUM);
    content.extend_from_slice(format!("{sum:08x}\"}}\n").as_bytes());
}

/// Takes the checksum off a line, without its line end, and gives its content, or nothing where it
/// does not fit.
pub fn unseal(number: u64, line: &[u8]) -> Option<Vec<u8>> {
    let (content, given) = line.split_at_checked(line.len().checked_sub(SUM_LENGTH)?)?;
    let expected = format!("{:08x}\"}}", sum(number, content));
    let digits = given.strip_prefix(SUM)?;
    (digits == expected.as_bytes()).then(|| [content, b"}"].concat())
}

fn sum(number: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_be_bytes());
    hasher.update(content);
    hasher.finalize()
}

/// Why a line makes no sense; names a value only where it is none of a secret.
type Sense<T> = Result<T, String>;

fn fits<T>(outcome: Result<T, Refusal>) -> Sense<T> {
    outcome.map_err(|refusal| format!("{} {}", refusal.reason, refusal.resolution))
}

fn some<T>(outcome: Option<T>, what: &str) -> Sense<T> {
    outcome.ok_or_else(|| format!("its {what} makes no sense"))
}

impl HeaderLine {
    pub fn of(header: &Header) -> Self {
        Self {
            credenza: match header.kind {
                Kind::Backup => "backup".to_owned(),
                Kind::Export => "export".to_owned(),
            },
            format: FORMAT,
            needs: FORMAT_SINCE.to_owned(),
            store: header.store,
            epoch: header.epoch.to_string(),
            taken: header.taken.to_string(),
            keys: header.has_key,
        }
    }

    pub fn header(self) -> Sense<Header> {
        let kind = match self.credenza.as_str() {
            "backup" => Kind::Backup,
            "export" => Kind::Export,
            _ => return Err("it is neither a backup nor an export".to_owned()),
        };
        Ok(Header {
            kind,
            store: self.store,
            epoch: Epoch(some(u32::from_str_radix(&self.epoch, 16).ok(), "epoch")?),
            taken: fits(Timestamp::parse_stored("taken", &self.taken))?,
            has_key: self.keys,
        })
    }
}

impl TenantLine {
    pub fn of(tenant: &Tenant, revision: Revision) -> Self {
        Self {
            id: tenant.id.to_string(),
            company_name: tenant.company_name.to_string(),
            alias: tenant.alias.as_ref().map(ToString::to_string),
            created: tenant.created.to_string(),
            last_updated: tenant.last_updated.to_string(),
            changed: tenant.changed.0,
            revision: revision.0,
        }
    }

    pub fn tenant(self) -> Sense<(Tenant, Revision)> {
        let alias = self
            .alias
            .as_deref()
            .map(|text| Alias::parse("alias", text));
        let tenant = Tenant {
            id: some(TenantId::parse(&self.id), "id")?,
            company_name: fits(Name::parse("company_name", &self.company_name))?,
            alias: fits(alias.transpose())?,
            state: TenantState::Active,
            created: fits(Timestamp::parse_stored("created", &self.created))?,
            last_updated: fits(Timestamp::parse_stored("last_updated", &self.last_updated))?,
            changed: Revision(self.changed),
        };
        if self.changed == 0 || self.changed > self.revision || self.revision == u64::MAX {
            return Err("its revisions make no sense".to_owned());
        }
        Ok((tenant, Revision(self.revision)))
    }
}

impl RoleLine {
    pub fn of(role: &Role) -> Self {
        Self {
            id: role.id.to_string(),
            name: role.name.to_string(),
            description: role.description.as_ref().map(ToString::to_string),
            built_in: role.built_in.map(|kind| kind.type_id().to_string()),
        }
    }

    pub fn role(self) -> Sense<Role> {
        let built_in = match &self.built_in {
            None => None,
            Some(text) => {
                let kind = RoleTypeId::parse(text).and_then(BuiltInRole::of_type);
                Some(some(kind, "built-in type")?)
            }
        };
        Ok(Role {
            id: some(RoleId::parse(&self.id), "id")?,
            name: fits(Name::parse("name", &self.name))?,
            description: description(self.description.as_deref())?,
            built_in,
        })
    }
}

impl ClientLine {
    pub fn of(record: &ClientRecord) -> Self {
        let ClientRecord { client, secrets } = record;
        Self {
            id: client.id.to_string(),
            name: client.name.to_string(),
            enabled: client.enabled,
            access_token_lifetime: client.token_lifetime.seconds(),
            tags: client.tags.iter().map(ToString::to_string).collect(),
            role_ids: client.role_ids.iter().map(ToString::to_string).collect(),
            created: client.created.0,
            changed: client.changed.0,
            salt: URL_SAFE_NO_PAD.encode(secrets.salt.0),
            last_secret_id: secrets.last_id,
            secrets: secrets.secrets.iter().map(SecretLine::of).collect(),
        }
    }

    pub fn record(self) -> Sense<ClientRecord> {
        let tags = self.tags.iter().map(|tag| Tag::parse("tags", tag));
        let tags = fits(tags.collect::<Result<Vec<_>, _>>())?;
        let roles: Option<Vec<_>> = self.role_ids.iter().map(|id| RoleId::parse(id)).collect();
        let roles = some(roles, "role_ids")?;
        let (tag_count, role_count) = (tags.len(), roles.len());
        let client = Client {
            id: some(ClientId::parse(&self.id), "id")?,
            name: fits(Name::parse("name", &self.name))?,
            enabled: self.enabled,
            token_lifetime: some(
                TokenLifetime::new(self.access_token_lifetime.into()),
                "access_token_lifetime",
            )?,
            tags: fits(Tags::new(tags))?,
            role_ids: fits(RoleIds::new(roles))?,
            created: Revision(self.created),
            changed: Revision(self.changed),
        };
        if client.tags.len() != tag_count || client.role_ids.len() != role_count {
            return Err("it has a tag or a role twice".to_owned());
        }
        if self.created == 0 || self.created > self.changed {
            return Err("its revisions make no sense".to_owned());
        }
        let secrets: Sense<Vec<_>> = self.secrets.into_iter().map(SecretLine::secret).collect();
        let secrets = secrets?;
        let ascending = secrets.windows(2).all(|pair| pair[0].id < pair[1].id);
        let highest = secrets.last().map_or(0, |secret| secret.id.0);
        if secrets.len() > SecretSet::MOST || !ascending || highest > self.last_secret_id {
            return Err("its secrets are too many or out of order".to_owned());
        }
        Ok(ClientRecord {
            client,
            secrets: SecretSet {
                salt: Salt(bytes(&self.salt, "salt")?),
                last_id: self.last_secret_id,
                secrets,
                damaged: Vec::new(),
            },
        })
    }
}

impl SecretLine {
    fn of(secret: &Secret) -> Self {
        Self {
            id: secret.id.0,
            hash: URL_SAFE_NO_PAD.encode(secret.hash.0),
            description: secret.description.as_ref().map(ToString::to_string),
            expiration: secret.expiration.map(|time| time.to_string()),
        }
    }

    fn secret(self) -> Sense<Secret> {
        let expiration = self.expiration.as_deref();
        let expiration = expiration.map(|text| Timestamp::parse_stored("expiration", text));
        Ok(Secret {
            id: some((self.id > 0).then_some(SecretId(self.id)), "secret's id")?,
            hash: SecretHash(bytes(&self.hash, "secret's hash")?),
            description: description(self.description.as_deref())?,
            expiration: fits(expiration.transpose())?,
        })
    }
}

fn description(text: Option<&str>) -> Sense<Option<Description>> {
    let parsed = text.map(|text| Description::parse("description", text));
    fits(parsed.transpose())
}

/// Never repeats what it could not read.
fn bytes<const N: usize>(text: &str, what: &str) -> Sense<[u8; N]> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    some(decoded.and_then(|bytes| bytes.try_into().ok()), what)
}

/// What a tenant's line says that is the same in every store that has it.
pub fn canonical_tenant(tenant: &Tenant) -> Vec<u8> {
    let alias = tenant.alias.as_ref().map(Alias::as_str);
    content(&(tenant.id.to_string(), tenant.company_name.as_str(), alias))
}

/// The same of a role.
pub fn canonical_role(role: &Role) -> Vec<u8> {
    content(&RoleLine::of(role))
}

/// The same of a client: its revisions are those of its store.
pub fn canonical_client(record: &ClientRecord) -> Vec<u8> {
    content(&ClientLine {
        created: 0,
        changed: 0,
        ..ClientLine::of(record)
    })
}

/// The JSON of a line or a part of one.
pub fn content(value: &impl Serialize) -> Vec<u8> {
    // Fails for maps with odd keys and for types that refuse; there are none here.
    serde_json::to_vec(value).unwrap_or_default()
}

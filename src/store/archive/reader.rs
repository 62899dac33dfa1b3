//! Reading an archive, line by line, strictly: what is out of order, twice, missing, damaged or
//! behind the end is refused by the number of its line.

use std::collections::HashSet;
use std::io::{BufRead, Read as _};

use ring::digest::{Context, SHA256};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::lines::{self, HeaderLine, Line};
use super::writer::hexadecimal;
use super::{ArchiveError, FORMAT, Header, Totals};
use crate::domain::client::ClientRecord;
use crate::domain::ids::{ClientId, Revision, RoleId, TenantId};
use crate::domain::role::{BuiltInRole, ClusterRole, Role};
use crate::domain::tenant::Tenant;

/// The longest line: that of the largest client has about 70 kB.
const LONGEST_LINE: u64 = 1 << 18;

/// What an archive holds, in its order.
pub enum Item {
    /// The file of the signing key.
    Key(Zeroizing<String>),
    Tenant(Tenant, Revision),
    Role(Role),
    Client(ClientRecord),
    EndOfTenant,
    /// The end, with what all of it came to. Only now is it known to be whole.
    End(Totals),
}

/// No store ever comes to it, and the store that is made of an archive has room above it.
const HIGHEST: Revision = Revision(1 << 62);

/// Reads an archive. What it gives is believed once [`Item::End`] came: until then the rest may be
/// damaged or missing.
pub struct ArchiveReader<R: BufRead> {
    input: R,
    header: Header,
    digest: Context,
    totals: Totals,
    place: Place,
    last_tenant: Option<TenantId>,
}

/// What has come, and so what may come next.
enum Place {
    Header,
    BetweenTenants,
    InTenant(Box<Current>),
    End,
}

/// The tenant that is being read.
struct Current {
    revision: Revision,
    roles: HashSet<RoleId>,
    role_names: HashSet<String>,
    built_in: HashSet<BuiltInRole>,
    last_role: Option<RoleId>,
    clients: u64,
    last_client: Option<ClientId>,
}

/// Reads no more than the first line, for whoever only wants to know what a file is.
pub fn read_header(input: impl BufRead) -> Result<Header, ArchiveError> {
    ArchiveReader::new(input).map(|reader| reader.header)
}

impl<R: BufRead> ArchiveReader<R> {
    /// Reads the header.
    pub fn new(mut input: R) -> Result<Self, ArchiveError> {
        let mut digest = Context::new(&SHA256);
        let mut totals = Totals::default();
        let line = next_line(&mut input, &mut totals)?
            .ok_or_else(|| refused(1, "the file is empty".to_owned()))?;
        refuse_other_files(&line)?;
        let content = unsealed(1, &line)?;
        let header: HeaderLine = parsed(1, &content)?;
        let header = header.header().map_err(|why| refused(1, why))?;
        digest.update(&line);
        Ok(Self {
            input,
            header,
            digest,
            totals,
            place: Place::Header,
            last_tenant: None,
        })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What has been read so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The SHA-256 of all lines that have been read.
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.digest.clone().finish().as_ref());
        bytes
    }

    /// The next line's content; not to be called again after [`Item::End`].
    pub fn next_item(&mut self) -> Result<Item, ArchiveError> {
        let before = self.totals.lines;
        let digest = self.digest.clone();
        let line = next_line(&mut self.input, &mut self.totals)?.ok_or_else(|| {
            refused(
                before + 1,
                "the file ends before its last line: it was cut short".to_owned(),
            )
        })?;
        let number = self.totals.lines;
        let content = Zeroizing::new(unsealed(number, &line)?);
        self.digest.update(&line);
        let line: Line = parsed(number, &content)?;
        if let Line::End(end) = &line {
            let fits = end.lines == before && end.sha256 == hexadecimal(digest.finish().as_ref());
            if !fits {
                let why = "its number of lines and its SHA-256 do not fit the lines before it";
                return Err(refused(number, why.to_owned()));
            }
        }
        let item = self.follow(line).map_err(|why| refused(number, why))?;
        if let Item::End(_) = item {
            self.refuse_more()?;
        }
        Ok(item)
    }

    /// Whether a line may come here, and what it says.
    fn follow(&mut self, line: Line) -> Result<Item, String> {
        let place = std::mem::replace(&mut self.place, Place::End);
        let at_start = matches!(place, Place::Header);
        let (place, item) = match (place, line) {
            (Place::Header, Line::Key(key)) if self.header.has_key => {
                (Place::BetweenTenants, Item::Key(Zeroizing::new(key.pem)))
            }
            (Place::Header, _) if self.header.has_key => {
                return Err("the header promises a signing key, and there is none".to_owned());
            }
            (Place::Header | Place::BetweenTenants, Line::Tenant(line)) => {
                let (tenant, revision) = line.tenant()?;
                if self.last_tenant >= Some(tenant.id) {
                    return Err(format!(
                        "tenant {} is there twice or out of order",
                        tenant.id
                    ));
                }
                if revision > HIGHEST {
                    return Err(format!(
                        "revision {revision} of tenant {} is out of range",
                        tenant.id
                    ));
                }
                self.last_tenant = Some(tenant.id);
                self.totals.tenants += 1;
                self.totals.highest = self.totals.highest.max(revision);
                let current = Current::new(revision);
                (
                    Place::InTenant(Box::new(current)),
                    Item::Tenant(tenant, revision),
                )
            }
            (Place::Header | Place::BetweenTenants, Line::End(_)) => {
                (Place::End, Item::End(self.totals))
            }
            (Place::InTenant(mut current), Line::Role(line)) => {
                let role = line.role()?;
                current.role(&role)?;
                self.totals.roles += 1;
                (Place::InTenant(current), Item::Role(role))
            }
            (Place::InTenant(mut current), Line::Client(line)) => {
                let record = line.record()?;
                current.client(&record)?;
                self.totals.clients += 1;
                (Place::InTenant(current), Item::Client(record))
            }
            (Place::InTenant(current), Line::EndOfTenant(end)) => {
                current.complete()?;
                if (end.roles, end.clients) != (current.roles.len() as u64, current.clients) {
                    return Err("its counts do not fit the tenant's lines".to_owned());
                }
                (Place::BetweenTenants, Item::EndOfTenant)
            }
            (Place::End, _) => return Err("it stands behind the end".to_owned()),
            _ if at_start => return Err("it belongs to no tenant".to_owned()),
            _ => return Err("it stands where no line of its kind can".to_owned()),
        };
        self.place = place;
        Ok(item)
    }

    fn refuse_more(&mut self) -> Result<(), ArchiveError> {
        match self.input.fill_buf().map_err(ArchiveError::Read)? {
            [] => Ok(()),
            _ => Err(refused(
                self.totals.lines + 1,
                "there is something behind the last line".to_owned(),
            )),
        }
    }
}

impl Current {
    fn new(revision: Revision) -> Self {
        Self {
            revision,
            roles: HashSet::new(),
            role_names: HashSet::new(),
            built_in: HashSet::new(),
            last_role: None,
            clients: 0,
            last_client: None,
        }
    }

    fn role(&mut self, role: &Role) -> Result<(), String> {
        if self.clients > 0 || self.last_role >= Some(role.id) {
            return Err(format!("role {} is there twice or out of order", role.id));
        }
        if ClusterRole::of(role.id).is_some() {
            return Err(format!("role {} is one of the cluster", role.id));
        }
        if !self.role_names.insert(role.name.folded()) {
            return Err(format!(
                "another role of the tenant has the name '{}'",
                role.name
            ));
        }
        if role
            .built_in
            .is_some_and(|kind| !self.built_in.insert(kind))
        {
            return Err(format!("the built-in role '{}' is there twice", role.name));
        }
        self.last_role = Some(role.id);
        self.roles.insert(role.id);
        Ok(())
    }

    fn client(&mut self, record: &ClientRecord) -> Result<(), String> {
        self.complete()?;
        let client = &record.client;
        if self.last_client.as_ref() >= Some(&client.id) {
            return Err(format!(
                "client '{}' is there twice or out of order",
                client.id
            ));
        }
        if client.changed > self.revision {
            return Err(format!(
                "client '{}' changed after the tenant's last change",
                client.id
            ));
        }
        let known = |id: &RoleId| self.roles.contains(id) || ClusterRole::of(*id).is_some();
        if let Some(role) = client.role_ids.iter().find(|id| !known(id)) {
            return Err(format!(
                "client '{}' holds role {role}, which the tenant does not have",
                client.id
            ));
        }
        self.last_client = Some(client.id.clone());
        self.clients += 1;
        Ok(())
    }

    /// All roles came.
    fn complete(&self) -> Result<(), String> {
        match self.built_in.len() == BuiltInRole::ALL.len() {
            true => Ok(()),
            false => Err("the tenant lacks one of its built-in roles".to_owned()),
        }
    }
}

fn refused(line: u64, why: String) -> ArchiveError {
    ArchiveError::Refused { line, why }
}

/// The next line with its line end; nothing at the end of the file.
fn next_line(
    input: &mut impl BufRead,
    totals: &mut Totals,
) -> Result<Option<Zeroizing<Vec<u8>>>, ArchiveError> {
    let mut line = Zeroizing::new(Vec::new());
    let read = input.take(LONGEST_LINE).read_until(b'\n', &mut line);
    let read = read.map_err(ArchiveError::Read)? as u64;
    if read == 0 {
        return Ok(None);
    }
    totals.lines += 1;
    totals.bytes += read;
    if line.last() == Some(&b'\n') {
        return Ok(Some(line));
    }
    let why = match read == LONGEST_LINE {
        true => "it is longer than any line can be",
        false => "the file ends in the middle of a line: it was cut short",
    };
    Err(refused(totals.lines, why.to_owned()))
}

fn unsealed(number: u64, line: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    lines::unseal(number, line).ok_or_else(|| {
        let why = "its checksum does not fit: it was damaged, changed or moved";
        refused(number, why.to_owned())
    })
}

/// Of the error only the place is told: its text could repeat a hash.
fn parsed<T: DeserializeOwned>(number: u64, content: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(content).map_err(|error| {
        let column = error.column();
        refused(
            number,
            format!("it has not the form of a line (column {column})"),
        )
    })
}

/// Refuses what is no archive and what a later program wrote, whose lines may look otherwise.
fn refuse_other_files(line: &[u8]) -> Result<(), ArchiveError> {
    let value: Option<Value> = serde_json::from_slice(line).ok();
    let member = |name: &str| value.as_ref().and_then(|value| value.get(name));
    let version = member("format").and_then(Value::as_u64);
    let (Some(version), Some(_)) = (version, member("credenza")) else {
        let why = "it does not begin as a backup or an export of Credenza does";
        return Err(refused(1, why.to_owned()));
    };
    if version <= FORMAT.into() {
        return Ok(());
    }
    // What the file says goes to a person: only what a release's name can be.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let needs = member("needs").and_then(Value::as_str);
    let needs = needs.filter(|name| (1..=32).contains(&name.len()) && name.chars().all(plain));
    let program = match needs {
        Some(release) => format!("use Credenza {release} or later"),
        None => "use the program that wrote it, or a later one".to_owned(),
    };
    Err(ArchiveError::Later(format!(
        "its format is version {version}, and this program reads up to version {FORMAT}: {program}"
    )))
}

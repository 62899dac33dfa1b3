//! Writing an archive, line by line.

use std::io::Write;

use ring::digest::{Context, SHA256};

use super::lines::{
    self, ClientLine, EndLine, EndOfTenantLine, HeaderLine, KeyLine, Line, RoleLine, TenantLine,
};
use super::{ArchiveError, Header, Totals};
use crate::domain::client::ClientRecord;
use crate::domain::ids::Revision;
use crate::domain::role::Role;
use crate::domain::tenant::Tenant;

/// Writes the lines of an archive. Without [`ArchiveWriter::finish`] it has no end, and every
/// reader refuses it.
///
/// The caller gives tenants, and in each roles and then clients, in the order of their ids.
pub struct ArchiveWriter<W: Write> {
    out: W,
    digest: Context,
    totals: Totals,
    /// Of the tenant that is being written.
    roles: u64,
    clients: u64,
}

impl<W: Write> ArchiveWriter<W> {
    pub fn new(out: W, header: &Header) -> Result<Self, ArchiveError> {
        let mut writer = Self {
            out,
            digest: Context::new(&SHA256),
            totals: Totals::default(),
            roles: 0,
            clients: 0,
        };
        writer.line(lines::content(&HeaderLine::of(header)))?;
        Ok(writer)
    }

    /// The file of the signing key: right after the header, where that says that there is one.
    pub fn key(&mut self, pem: &str) -> Result<(), ArchiveError> {
        let pem = pem.to_owned();
        self.line(lines::content(&Line::Key(KeyLine { pem })))
    }

    pub fn tenant(&mut self, tenant: &Tenant, revision: Revision) -> Result<(), ArchiveError> {
        self.totals.tenants += 1;
        self.totals.highest = self.totals.highest.max(revision);
        (self.roles, self.clients) = (0, 0);
        let line = TenantLine::of(tenant, revision);
        self.line(lines::content(&Line::Tenant(line)))
    }

    pub fn role(&mut self, role: &Role) -> Result<(), ArchiveError> {
        self.totals.roles += 1;
        self.roles += 1;
        self.line(lines::content(&Line::Role(RoleLine::of(role))))
    }

    pub fn client(&mut self, record: &ClientRecord) -> Result<(), ArchiveError> {
        self.totals.clients += 1;
        self.clients += 1;
        self.line(lines::content(&Line::Client(ClientLine::of(record))))
    }

    pub fn end_of_tenant(&mut self) -> Result<(), ArchiveError> {
        let line = EndOfTenantLine {
            roles: self.roles,
            clients: self.clients,
        };
        self.line(lines::content(&Line::EndOfTenant(line)))
    }

    /// Writes the trailer. Whether it is durable is the business of whoever gave the output.
    pub fn finish(mut self) -> Result<Totals, ArchiveError> {
        let line = EndLine {
            lines: self.totals.lines,
            sha256: hexadecimal(self.digest.clone().finish().as_ref()),
        };
        self.line(lines::content(&Line::End(line)))?;
        self.out.flush().map_err(ArchiveError::Write)?;
        Ok(self.totals)
    }

    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    fn line(&mut self, mut content: Vec<u8>) -> Result<(), ArchiveError> {
        self.totals.lines += 1;
        lines::seal(self.totals.lines, &mut content);
        self.totals.bytes += content.len() as u64;
        self.digest.update(&content);
        self.out.write_all(&content).map_err(ArchiveError::Write)
    }
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

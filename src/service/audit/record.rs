//! A record of the audit log: its members, and its form as a line of JSON. Written and read with
//! this one type. The names are part of what operators rely on; `docs/operating.md` has them.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::ids::{ClientId, Epoch, Revision, RoleId, SecretId, TenantId};
use crate::domain::times::Timestamp;
use crate::service::command::{Command, Import};

/// One change, as it was made durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// The service's time when the change was decided.
    pub time: Timestamp,
    /// The `Operation-Id` of the request; none where the service wrote by itself.
    pub operation_id: Option<String>,
    /// Which life of the store it was. Revisions are compared within one epoch only.
    pub epoch: Epoch,
    /// The revision that the change brought the store to.
    pub revision: Revision,
    /// The tenant that changed, or what changed in it.
    pub tenant: TenantId,
    /// Who asked; none is the service itself.
    pub caller: Option<RecordedCaller>,
    pub action: Action,
    pub object: Object,
    pub changes: Changes,
}

/// Who asked for a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RecordedCaller {
    pub tenant: TenantId,
    pub client: ClientId,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    #[serde(rename = "bootstrap")]
    Bootstrap,
    #[serde(rename = "tenant.create")]
    TenantCreate,
    #[serde(rename = "tenant.update")]
    TenantUpdate,
    #[serde(rename = "tenant.delete")]
    TenantDelete,
    #[serde(rename = "role.create")]
    RoleCreate,
    #[serde(rename = "role.update")]
    RoleUpdate,
    #[serde(rename = "role.delete")]
    RoleDelete,
    #[serde(rename = "client.create")]
    ClientCreate,
    #[serde(rename = "client.update")]
    ClientUpdate,
    #[serde(rename = "client.delete")]
    ClientDelete,
    #[serde(rename = "client.roles.replace")]
    ClientRolesReplace,
    #[serde(rename = "secret.add")]
    SecretAdd,
    #[serde(rename = "secret.update")]
    SecretUpdate,
    #[serde(rename = "secret.delete")]
    SecretDelete,
    #[serde(rename = "tenant.import")]
    TenantImport,
    #[serde(rename = "role.import")]
    RoleImport,
    #[serde(rename = "client.import")]
    ClientImport,
}

impl Action {
    pub fn of(command: &Command) -> Self {
        match command {
            Command::Bootstrap(_) => Self::Bootstrap,
            Command::CreateTenant(_) => Self::TenantCreate,
            Command::UpdateTenant { .. } => Self::TenantUpdate,
            Command::DeleteTenant { .. } => Self::TenantDelete,
            Command::CreateRole { .. } => Self::RoleCreate,
            Command::UpdateRole { .. } => Self::RoleUpdate,
            Command::DeleteRole { .. } => Self::RoleDelete,
            Command::CreateClient { .. } => Self::ClientCreate,
            Command::UpdateClient { .. } => Self::ClientUpdate,
            Command::DeleteClient { .. } => Self::ClientDelete,
            Command::ReplaceClientRoles { .. } => Self::ClientRolesReplace,
            Command::AddSecret { .. } => Self::SecretAdd,
            Command::UpdateSecret { .. } => Self::SecretUpdate,
            Command::DeleteSecret { .. } => Self::SecretDelete,
            Command::Import(Import::Tenant { .. }) => Self::TenantImport,
            Command::Import(Import::Role { .. }) => Self::RoleImport,
            Command::Import(Import::Client { .. }) => Self::ClientImport,
        }
    }
}

/// What it was done to: a tenant, a role, a client, or a secret of a client. A client that was
/// created names its first secret too, and a bootstrap all of them but roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Object {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretId>,
}

/// The new values of what changed; what did not change is absent. A deletion has none. Texts are
/// kept as they were given, and are for people to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Changes {
    /// Of a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
    /// Of a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Of a role or a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a role or a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Of a client, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u16>,
    /// Of a client: all that it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Of a client, cluster roles included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles_added: Vec<RoleId>,
    /// Of a client, cluster roles included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles_removed: Vec<RoleId>,
    /// Of a secret. `Some(None)`, in JSON null, is a secret that never expires.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "null_is_a_value"
    )]
    pub expiration: Option<Option<Timestamp>>,
}

/// A member that is there with null is `Some(None)`, not absent.
fn null_is_a_value<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Record {
    /// The record as one line of JSON, without the line end. Whatever could break a line, hide
    /// text or turn its direction where the log is shown is escaped.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string(self)?;
        if json.is_ascii() && !json.contains('\u{7f}') {
            return Ok(json);
        }
        let mut line = String::with_capacity(json.len());
        for character in json.chars() {
            // Beyond ASCII there are only the insides of strings, where an escape means the same.
            if is_shown(character) {
                line.push(character);
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    // Writing to a string does not fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
        Ok(line)
    }

    /// Reads a line that [`Record::to_line`] wrote. Members that a later program added are passed
    /// over. An error at the end of the input (`is_eof`) means that the line ends too early.
    pub fn from_line(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// Whether a character stands for itself in a line. Not so the control characters, the line and
/// paragraph separators, and what turns the direction of text or is not seen at all.
fn is_shown(character: char) -> bool {
    !(character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> Record {
        let tenant = TenantId::parse("11111111-1111-4111-8111-111111111111").unwrap();
        Record {
            time: Timestamp::parse("Time", "2030-06-01T12:00:00.5Z").unwrap(),
            operation_id: Some("3f6c".into()),
            epoch: Epoch(0xab),
            revision: Revision(7),
            tenant,
            caller: Some(RecordedCaller {
                tenant,
                client: ClientId::parse("operator").unwrap(),
            }),
            action: Action::ClientRolesReplace,
            object: Object {
                client: ClientId::parse("press-1"),
                secret: Some(SecretId(2)),
                ..Object::default()
            },
            changes: Changes {
                name: Some(name.into()),
                enabled: Some(false),
                roles_removed: vec![RoleId::from_bytes([1; 16])],
                expiration: Some(None),
                ..Changes::default()
            },
        }
    }

    #[test]
    fn a_line_has_the_documented_members() {
        assert_eq!(
            record("Press").to_line().unwrap(),
            concat!(
                r#"{"Time":"2030-06-01T12:00:00.5Z","OperationId":"3f6c","Epoch":"000000ab","#,
                r#""Revision":7,"Tenant":"11111111-1111-4111-8111-111111111111","#,
                r#""Caller":{"Tenant":"11111111-1111-4111-8111-111111111111","Client":"operator"},"#,
                r#""Action":"client.roles.replace","Object":{"Client":"press-1","Secret":2},"#,
                r#""Changes":{"Name":"Press","Enabled":false,"#,
                r#""RolesRemoved":["01010101-0101-0101-0101-010101010101"],"Expiration":null}}"#,
            )
        );
    }

    #[test]
    fn what_is_written_is_read_again_the_same() {
        let mut record = record("Ünïcode \"Press\" \\ 工");
        for expiration in [None, Some(None), Some(Some(record.time))] {
            record.changes.expiration = expiration;
            let line = record.to_line().unwrap();
            assert_eq!(Record::from_line(line.as_bytes()).unwrap(), record);
        }
        record.caller = None;
        record.operation_id = None;
        let line = record.to_line().unwrap();
        assert!(line.contains(r#""OperationId":null"#) && line.contains(r#""Caller":null"#));
        assert_eq!(Record::from_line(line.as_bytes()).unwrap(), record);
    }

    #[test]
    fn what_could_mislead_the_eye_is_escaped() {
        let name = "a\n\u{1b}\u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{e0041}é";
        let record = record(name);
        let line = record.to_line().unwrap();
        assert!(line.contains(r"a\n\u001b\u007f\u0085\u2028\u2029\u202e\u2066\u200f\udb40\udc41é"));
        assert_eq!(Record::from_line(line.as_bytes()).unwrap(), record);
    }

    #[test]
    fn a_line_cut_anywhere_ends_too_early() {
        let line = record("é").to_line().unwrap();
        for end in 0..line.len() {
            let error = Record::from_line(&line.as_bytes()[..end]).unwrap_err();
            assert!(error.is_eof(), "{end}: {error}");
        }
    }

    #[test]
    fn members_of_a_later_program_are_passed_over_and_unknown_actions_are_not() {
        let line = record("x").to_line().unwrap();
        let later = line.replacen('{', r#"{"Outcome":"done","#, 1);
        assert_eq!(Record::from_line(later.as_bytes()).unwrap(), record("x"));
        let unknown = line.replace("client.roles.replace", "client.rename");
        assert!(Record::from_line(unknown.as_bytes()).is_err());
    }
}

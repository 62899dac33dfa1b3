//! What can be asked of the writer, and what it answers: writes as values, so that the decision
//! about them is a pure function.

use std::sync::Arc;

use crate::domain::access::Operation;
use crate::domain::client::{ClientRecord, RoleIds, Tags, TokenLifetime};
use crate::domain::ids::{ClientId, Generation, RoleId, SecretId, TenantId};
use crate::domain::role::{ClusterRole, Role};
use crate::domain::secret::Secret;
use crate::domain::tenant::Tenant;
use crate::domain::text::{Alias, Description, Name};
use crate::domain::times::Timestamp;
use crate::tokens::secret::PlainSecret;

/// The client whose token a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub tenant: TenantId,
    pub client: ClientId,
    /// Which life of the client the token was issued to.
    pub generation: Generation,
}

/// Who asks for a write.
#[derive(Clone, Debug)]
pub enum Asker {
    /// A caller, for an operation of the table; its rights are looked up again when it is decided.
    Caller(Box<Request>),
    /// The service itself, at first start and for the demo set.
    Service,
}

/// The request that a caller makes.
#[derive(Clone, Debug)]
pub struct Request {
    pub caller: Caller,
    pub operation: Operation,
    /// The `Operation-Id` of its answer, for the audit.
    pub operation_id: String,
}

/// A write.
pub enum Command {
    CreateTenant(NewTenant),
    UpdateTenant {
        tenant: TenantId,
        company_name: Option<Name>,
        alias: Option<Alias>,
    },
    DeleteTenant {
        tenant: TenantId,
    },
    CreateRole {
        tenant: TenantId,
        name: Name,
        description: Option<Description>,
    },
    UpdateRole {
        tenant: TenantId,
        role: RoleId,
        name: Option<Name>,
        description: Option<Description>,
    },
    DeleteRole {
        tenant: TenantId,
        role: RoleId,
    },
    CreateClient {
        tenant: TenantId,
        new: NewClient,
    },
    UpdateClient {
        tenant: TenantId,
        client: ClientId,
        update: ClientUpdate,
        condition: Condition,
    },
    DeleteClient {
        tenant: TenantId,
        client: ClientId,
        condition: Condition,
    },
    ReplaceClientRoles {
        tenant: TenantId,
        client: ClientId,
        role_ids: RoleIds,
    },
    AddSecret {
        tenant: TenantId,
        client: ClientId,
        new: NewSecret,
    },
    UpdateSecret {
        tenant: TenantId,
        client: ClientId,
        secret: SecretId,
        update: SecretUpdate,
    },
    DeleteSecret {
        tenant: TenantId,
        client: ClientId,
        secret: SecretId,
    },
    /// The first tenant and its first client, in one batch; only into an empty store.
    Bootstrap(Bootstrap),
    /// An object of an archive; only by the service itself.
    Import(Import),
}

impl Command {
    /// The tenant that it is about, where that exists already.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::CreateTenant(_) | Self::Bootstrap(_) => None,
            Self::Import(import) => import.tenant(),
            Self::UpdateTenant { tenant, .. }
            | Self::DeleteTenant { tenant }
            | Self::CreateRole { tenant, .. }
            | Self::UpdateRole { tenant, .. }
            | Self::DeleteRole { tenant, .. }
            | Self::CreateClient { tenant, .. }
            | Self::UpdateClient { tenant, .. }
            | Self::DeleteClient { tenant, .. }
            | Self::ReplaceClientRoles { tenant, .. }
            | Self::AddSecret { tenant, .. }
            | Self::UpdateSecret { tenant, .. }
            | Self::DeleteSecret { tenant, .. } => Some(*tenant),
        }
    }

    /// The client that it is about, where that exists already.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::UpdateClient { client, .. }
            | Self::DeleteClient { client, .. }
            | Self::ReplaceClientRoles { client, .. }
            | Self::AddSecret { client, .. }
            | Self::UpdateSecret { client, .. }
            | Self::DeleteSecret { client, .. } => Some(client),
            _ => None,
        }
    }
}

/// A tenant to create. Without an id it gets a random one.
pub struct NewTenant {
    pub id: Option<TenantId>,
    pub company_name: Name,
    pub alias: Option<Alias>,
}

/// A client to create, with its first secret. What is absent gets the contract's default.
pub struct NewClient {
    pub id: Option<ClientId>,
    pub name: Option<Name>,
    pub enabled: Option<bool>,
    pub token_lifetime: Option<TokenLifetime>,
    pub tags: Option<Tags>,
    pub role_ids: Option<RoleIds>,
    pub secret_description: Option<Description>,
    /// Absent: the first secret never expires.
    pub secret_expiration: Option<Timestamp>,
}

/// What of a client changes; what is absent stays.
#[derive(Default)]
pub struct ClientUpdate {
    pub name: Option<Name>,
    pub enabled: Option<bool>,
    pub token_lifetime: Option<TokenLifetime>,
    pub tags: Option<Tags>,
    pub role_ids: Option<RoleIds>,
}

/// A secret to add. `expires` absent means true, which asks for an expiration.
pub struct NewSecret {
    pub description: Option<Description>,
    pub expiration: Option<Timestamp>,
    pub expires: Option<bool>,
}

/// What of a secret changes; what is absent stays.
pub struct SecretUpdate {
    pub description: Option<Description>,
    pub expiration: Option<Timestamp>,
    pub expires: Option<bool>,
}

/// The first tenant and client. What is absent is drawn.
pub struct Bootstrap {
    pub tenant: TenantId,
    pub company_name: Name,
    pub alias: Option<Alias>,
    pub client: ClientId,
    pub secret: Option<PlainSecret>,
}

/// What is imported, as an archive has it. Its revisions are not taken over.
pub enum Import {
    /// A tenant with its built-in roles, whose ids its clients name.
    Tenant {
        tenant: Arc<Tenant>,
        built_in: Vec<Arc<Role>>,
    },
    Role {
        tenant: TenantId,
        role: Arc<Role>,
    },
    Client {
        tenant: TenantId,
        record: Arc<ClientRecord>,
    },
}

impl Import {
    /// The tenant that must be there for it.
    fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Tenant { .. } => None,
            Self::Role { tenant, .. } | Self::Client { tenant, .. } => Some(*tenant),
        }
    }
}

/// `If-Match`: what the caller believes the client to be.
pub enum Condition {
    /// None was given.
    Always,
    /// One of these entity tags, without their quotes.
    OneOf(Vec<String>),
}

/// What a write answers with, as of the moment it became durable.
pub enum Outcome {
    Tenant(Arc<Tenant>),
    Role(Arc<Role>),
    Client(Arc<ClientRecord>),
    /// A client and its first secret, whose value is shown this once.
    ClientCreated {
        record: Arc<ClientRecord>,
        value: PlainSecret,
    },
    /// The roles that a client now holds, in the order of their ids.
    ClientRoles(Vec<HeldRole>),
    Secret(Secret),
    /// A secret whose value is shown this once.
    SecretAdded {
        secret: Secret,
        value: PlainSecret,
    },
    /// Whether an imported object was created; else it was there already, and is the same.
    Imported {
        created: bool,
    },
    /// Something is gone.
    Done,
}

/// A role as a client holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldRole {
    Tenant(Arc<Role>),
    Cluster(ClusterRole),
}

impl HeldRole {
    pub fn id(&self) -> RoleId {
        match self {
            Self::Tenant(role) => role.id,
            Self::Cluster(role) => role.id(),
        }
    }
}

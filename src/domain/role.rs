//! Roles: the five that every tenant is born with, its own, and the two of the cluster.
//!
//! Rights come from the kind of a built-in role, never from a role's name.

use uuid::{Uuid, uuid};

use super::ids::{RoleId, RoleTypeId};
use super::text::{Description, Name};

/// The built-in roles of a tenant. Each tenant has one of each, with an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BuiltInRole {
    Administrator,
    Contributor,
    DataSteward,
    Member,
    Viewer,
}

impl BuiltInRole {
    pub const ALL: [Self; 5] = [
        Self::Administrator,
        Self::Contributor,
        Self::DataSteward,
        Self::Member,
        Self::Viewer,
    ];

    /// The same in every tenant.
    pub const fn type_id(self) -> RoleTypeId {
        RoleTypeId::from_uuid(match self {
            Self::Administrator => uuid!("2dc742ab-39ea-4fc0-a39e-2bcb71c26a5f"),
            Self::Contributor => uuid!("f1439595-e5a2-487f-8a4f-0627fefe75df"),
            Self::DataSteward => uuid!("45b66433-5f57-420b-bbdf-8bbd60c1cd9d"),
            Self::Member => uuid!("7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977"),
            Self::Viewer => uuid!("e6cbf91e-0be8-4858-92b5-f88ecafd5574"),
        })
    }

    pub fn of_type(id: RoleTypeId) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.type_id() == id)
    }
}

/// The roles that belong to no tenant and reach into all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClusterRole {
    Operator,
    Support,
}

impl ClusterRole {
    /// In the order of their ids.
    pub const ALL: [Self; 2] = [Self::Operator, Self::Support];

    const fn uuid(self) -> Uuid {
        match self {
            Self::Operator => uuid!("89be951b-eec9-44d7-8710-62c42b4e2740"),
            Self::Support => uuid!("b155da7d-48e6-46ed-b86b-82017bb7b3d8"),
        }
    }

    pub const fn id(self) -> RoleId {
        RoleId::from_uuid(self.uuid())
    }

    pub const fn type_id(self) -> RoleTypeId {
        RoleTypeId::from_uuid(self.uuid())
    }

    pub fn of(id: RoleId) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }
}

/// How far a role reaches, with the numbers of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleScope {
    Tenant = 1,
    Cluster = 3,
}

/// A role of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub id: RoleId,
    pub name: Name,
    pub description: Option<Description>,
    /// Which of the built-in roles it is; `None` for a role that somebody made.
    pub built_in: Option<BuiltInRole>,
}

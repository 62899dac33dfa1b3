//! Who may do what: the one table of the service, and the rule that reads it.
//!
//! Contract section 1 is its source; `tests/golden/access.txt` is its printed form.
//! Rules that depend on more than the caller and the path (who may touch an operator, who is the
//! last one) are decided on the newest state, in `service::decide`.

use super::role::{BuiltInRole, ClusterRole};

/// A sort of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The client that the path names, in its own tenant.
    SelfClient,
    TenantMember,
    /// Called Account Administrator in the oldest page.
    TenantAdministrator,
    ClusterOperator,
    ClusterSupport,
}

use Who::{ClusterOperator, ClusterSupport, SelfClient, TenantAdministrator, TenantMember};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident: $scope:ident, [$($who:ident),*];)*) => {
        /// Everything that can be asked of the service with a token. HEAD is its GET.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation { $($(#[$doc])* $name,)* }

        impl Operation {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Who may do it.
            pub const fn allowed(self) -> &'static [Who] {
                match self { $(Self::$name => &[$($who),*],)* }
            }

            /// Where it happens.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }
        }
    };
}

/// Where an operation happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the tenant that the path names.
    Tenant,
    /// In no tenant.
    Cluster,
}

operations! {
    ListClients: Tenant, [TenantMember];
    CreateClient: Tenant, [TenantAdministrator];
    GetClient: Tenant, [SelfClient, TenantMember];
    UpdateClient: Tenant, [TenantAdministrator];
    DeleteClient: Tenant, [TenantAdministrator];
    ListClientRoles: Tenant, [SelfClient, TenantMember];
    ReplaceClientRoles: Tenant, [TenantAdministrator];
    ListSecrets: Tenant, [SelfClient, TenantAdministrator];
    AddSecret: Tenant, [SelfClient, TenantAdministrator];
    GetSecret: Tenant, [SelfClient, TenantAdministrator];
    UpdateSecret: Tenant, [TenantAdministrator];
    DeleteSecret: Tenant, [SelfClient, TenantAdministrator];
    ListRoles: Tenant, [TenantMember];
    CreateRole: Tenant, [TenantAdministrator];
    GetRole: Tenant, [TenantMember];
    UpdateRole: Tenant, [TenantAdministrator];
    DeleteRole: Tenant, [TenantAdministrator];
    ListRoleHolders: Tenant, [TenantMember];
    GetTenant: Tenant, [TenantMember];
    UpdateTenant: Tenant, [TenantAdministrator];
    DeleteTenant: Tenant, [ClusterOperator];
    ListClusterRoles: Cluster, [ClusterOperator, ClusterSupport];
    ListTenants: Cluster, [ClusterOperator, ClusterSupport];
    CreateTenant: Cluster, [ClusterOperator];
    PreviewListClients: Tenant, [TenantMember];
    PreviewCreateClient: Tenant, [TenantAdministrator];
    PreviewGetClient: Tenant, [TenantMember];
    PreviewUpdateClient: Tenant, [TenantAdministrator];
    PreviewListSecrets: Tenant, [TenantAdministrator];
    PreviewAddSecret: Tenant, [TenantAdministrator];
    PreviewGetSecret: Tenant, [TenantAdministrator];
    PreviewUpdateSecret: Tenant, [TenantAdministrator];
    PreviewDeleteSecret: Tenant, [TenantAdministrator];
    LegacyListClients: Tenant, [TenantAdministrator, ClusterOperator, ClusterSupport];
    LegacyCreateClient: Tenant, [TenantAdministrator];
    LegacyGetClient: Tenant, [TenantAdministrator, ClusterOperator, ClusterSupport];
    LegacyUpdateClient: Tenant, [TenantAdministrator];
    LegacyDeleteClient: Tenant, [TenantAdministrator];
}

/// What a caller's roles give it, as they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub member: bool,
    pub administrator: bool,
    pub operator: bool,
    pub support: bool,
}

impl Rights {
    pub fn grant_built_in(&mut self, role: BuiltInRole) {
        match role {
            BuiltInRole::Member => self.member = true,
            BuiltInRole::Administrator => self.administrator = true,
            BuiltInRole::Contributor | BuiltInRole::DataSteward | BuiltInRole::Viewer => {}
        }
    }

    pub fn grant_cluster(&mut self, role: ClusterRole) {
        match role {
            ClusterRole::Operator => self.operator = true,
            ClusterRole::Support => self.support = true,
        }
    }

    /// Whether the caller reaches into every tenant, and may learn which exist.
    pub const fn in_cluster(self) -> bool {
        self.operator || self.support
    }
}

/// How a caller stands to what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub rights: Rights,
    /// The caller belongs to the tenant that the path names.
    pub own_tenant: bool,
    /// The caller is the client that the path names, in its own tenant.
    pub is_self: bool,
}

impl Operation {
    /// The rule of the table: Cluster Operator may do in any tenant what a Tenant Administrator or
    /// a Tenant Member may, Cluster Support what a Tenant Member may.
    pub fn permits(self, standing: Standing) -> bool {
        let Standing {
            rights,
            own_tenant,
            is_self,
        } = standing;
        self.allowed().iter().any(|who| match who {
            SelfClient => is_self && own_tenant,
            TenantMember => (own_tenant && rights.member) || rights.in_cluster(),
            TenantAdministrator => (own_tenant && rights.administrator) || rights.operator,
            ClusterOperator => rights.operator,
            ClusterSupport => rights.support,
        })
    }

    /// The callers of the table, for an error.
    pub fn allowed_in_words(self) -> String {
        let names: Vec<_> = self
            .allowed()
            .iter()
            .map(|who| match who {
                SelfClient => "the client itself",
                TenantMember => "a Tenant Member",
                TenantAdministrator => "a Tenant Administrator",
                ClusterOperator => "a Cluster Operator",
                ClusterSupport => "Cluster Support",
            })
            .collect();
        names.join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_in_one_tenant_is_none_in_another() {
        let administrator = Rights {
            member: true,
            administrator: true,
            ..Rights::default()
        };
        let elsewhere = Standing {
            rights: administrator,
            own_tenant: false,
            is_self: false,
        };
        for operation in Operation::ALL {
            assert!(!operation.permits(elsewhere), "{operation:?}");
        }
    }

    #[test]
    fn support_reads_but_neither_writes_nor_sees_secrets() {
        let support = Rights {
            support: true,
            ..Rights::default()
        };
        let standing = Standing {
            rights: support,
            own_tenant: false,
            is_self: false,
        };
        for operation in Operation::ALL {
            let name = format!("{operation:?}");
            let reads = name.contains("List") || name.contains("Get");
            assert_eq!(
                operation.permits(standing),
                reads && !name.contains("Secret"),
                "{name}"
            );
        }
    }
}

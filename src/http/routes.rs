//! Every route of the service, as one table: which path is what, and which methods it has.
//!
//! Fixed segments match without regard to case, empty segments do not count, and segments are
//! percent-decoded before they are compared. What a route's operations may be done by is in
//! `domain::access`.

use std::borrow::Cow;

use actix_web::http::Method;

use super::urlencoded::decode_segment;
use crate::domain::access::Operation;

/// A path of the service, without its identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    Clients,
    Client,
    ClientRoles,
    /// The same under `Clients/`, as one page of the platform has it.
    ClientRolesAlias,
    Secrets,
    Secret,
    Roles,
    Role,
    RoleHolders,
    ClusterRoles,
    Tenant,
    Tenants,
    PreviewClients,
    PreviewClient,
    PreviewSecrets,
    PreviewSecret,
    LegacyClients,
    LegacyClient,
    Discovery,
    DiscoveryOauth,
    Token,
    Keys,
    Live,
    Ready,
}

#[derive(Clone, Copy)]
enum Segment {
    Fixed(&'static str),
    Tenant,
    /// A client's id, or a role's.
    Item,
    Secret,
}

use Segment::{Fixed as F, Item, Secret, Tenant};

const CLIENTS: Segment = F("ClientCredentialClients");
const LEGACY_CLIENTS: Segment = F("ClientCredentialClient");

const V1: [Segment; 4] = [F("api"), F("v1"), F("Tenants"), Tenant];
const PREVIEW: [Segment; 4] = [F("api"), F("v1-preview"), F("Tenants"), Tenant];
const LEGACY: [Segment; 3] = [F("api"), F("Tenants"), Tenant];
const IDENTITY: [Segment; 1] = [F("identity")];
const DISCOVERY: [Segment; 3] = [F("identity"), F(".well-known"), F("openid-configuration")];
const NONE: [Segment; 0] = [];

/// Each route: what its path begins with, and how it goes on.
const TABLE: &[(Route, &[Segment], &[Segment])] = &[
    (Route::Clients, &V1, &[CLIENTS]),
    (Route::Client, &V1, &[CLIENTS, Item]),
    (Route::Token, &IDENTITY, &[F("connect"), F("token")]),
    (Route::ClientRoles, &V1, &[CLIENTS, Item, F("Roles")]),
    (
        Route::ClientRolesAlias,
        &V1,
        &[F("Clients"), Item, F("Roles")],
    ),
    (Route::Secrets, &V1, &[CLIENTS, Item, F("Secrets")]),
    (Route::Secret, &V1, &[CLIENTS, Item, F("Secrets"), Secret]),
    (Route::Roles, &V1, &[F("Roles")]),
    (Route::Role, &V1, &[F("Roles"), Item]),
    (Route::RoleHolders, &V1, &[F("Roles"), Item, CLIENTS]),
    (Route::Tenant, &V1, &[]),
    (Route::Tenants, &NONE, &[F("api"), F("v1"), F("Tenants")]),
    (Route::ClusterRoles, &NONE, &[F("api"), F("v1"), F("Roles")]),
    (Route::PreviewClients, &PREVIEW, &[CLIENTS]),
    (Route::PreviewClient, &PREVIEW, &[CLIENTS, Item]),
    (
        Route::PreviewSecrets,
        &PREVIEW,
        &[CLIENTS, Item, F("Secrets")],
    ),
    (
        Route::PreviewSecret,
        &PREVIEW,
        &[CLIENTS, Item, F("Secrets"), Secret],
    ),
    (Route::LegacyClients, &LEGACY, &[LEGACY_CLIENTS]),
    (Route::LegacyClient, &LEGACY, &[LEGACY_CLIENTS, Item]),
    (Route::Discovery, &DISCOVERY, &[]),
    (Route::Keys, &DISCOVERY, &[F("jwks")]),
    (
        Route::DiscoveryOauth,
        &NONE,
        &[
            F(".well-known"),
            F("oauth-authorization-server"),
            F("identity"),
        ],
    ),
    (Route::Live, &NONE, &[F("health"), F("live")]),
    (Route::Ready, &NONE, &[F("health"), F("ready")]),
];

/// The identifiers of a path, decoded and not yet read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    pub tenant: Option<Cow<'a, str>>,
    pub item: Option<Cow<'a, str>>,
    pub secret: Option<Cow<'a, str>>,
}

/// Which route a path is; `None` for a path that the service does not have.
pub fn find(path: &str) -> Option<(Route, Params<'_>)> {
    const DEEPEST: usize = 8;
    let mut segments = [const { Cow::Borrowed("") }; DEEPEST];
    let mut depth = 0;
    for raw in path.split('/').filter(|segment| !segment.is_empty()) {
        *segments.get_mut(depth)? = decode_segment(raw)?;
        depth += 1;
    }
    let (route, head, tail) = TABLE.iter().find(|(_, head, tail)| {
        head.len() + tail.len() == depth
            && head
                .iter()
                .chain(*tail)
                .zip(&segments)
                .all(|(segment, given)| match segment {
                    F(name) => name.eq_ignore_ascii_case(given),
                    Tenant | Item | Secret => true,
                })
    })?;
    let mut params = Params::default();
    for (segment, given) in head.iter().chain(*tail).zip(segments) {
        match segment {
            F(_) => {}
            Tenant => params.tenant = Some(given),
            Item => params.item = Some(given),
            Secret => params.secret = Some(given),
        }
    }
    Some((*route, params))
}

/// What a method of a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Something that takes a token.
    Operation(Operation),
    /// Something that anybody may do.
    Open,
}

impl Route {
    pub const ALL: [Self; 24] = [
        Self::Clients,
        Self::Client,
        Self::ClientRoles,
        Self::ClientRolesAlias,
        Self::Secrets,
        Self::Secret,
        Self::Roles,
        Self::Role,
        Self::RoleHolders,
        Self::ClusterRoles,
        Self::Tenant,
        Self::Tenants,
        Self::PreviewClients,
        Self::PreviewClient,
        Self::PreviewSecrets,
        Self::PreviewSecret,
        Self::LegacyClients,
        Self::LegacyClient,
        Self::Discovery,
        Self::DiscoveryOauth,
        Self::Token,
        Self::Keys,
        Self::Live,
        Self::Ready,
    ];

    /// Whether the path names a client, which may be the caller itself.
    pub fn names_a_client(self) -> bool {
        matches!(
            self,
            Self::Client
                | Self::ClientRoles
                | Self::ClientRolesAlias
                | Self::Secrets
                | Self::Secret
                | Self::PreviewClient
                | Self::PreviewSecrets
                | Self::PreviewSecret
                | Self::LegacyClient
        )
    }

    /// The methods of a route, without HEAD, which goes wherever GET does.
    pub fn methods(self) -> &'static [(Method, Deed)] {
        use Deed::{Open, Operation as Does};
        use Operation as O;
        const fn get(operation: Operation) -> (Method, Deed) {
            (Method::GET, Does(operation))
        }
        const fn post(operation: Operation) -> (Method, Deed) {
            (Method::POST, Does(operation))
        }
        const fn put(operation: Operation) -> (Method, Deed) {
            (Method::PUT, Does(operation))
        }
        const fn delete(operation: Operation) -> (Method, Deed) {
            (Method::DELETE, Does(operation))
        }
        match self {
            Self::Clients => const { &[get(O::ListClients), post(O::CreateClient)] },
            Self::Client => {
                const {
                    &[
                        get(O::GetClient),
                        put(O::UpdateClient),
                        delete(O::DeleteClient),
                    ]
                }
            }
            Self::ClientRoles | Self::ClientRolesAlias => {
                const { &[get(O::ListClientRoles), put(O::ReplaceClientRoles)] }
            }
            Self::Secrets => const { &[get(O::ListSecrets), post(O::AddSecret)] },
            Self::Secret => {
                const {
                    &[
                        get(O::GetSecret),
                        put(O::UpdateSecret),
                        delete(O::DeleteSecret),
                    ]
                }
            }
            Self::Roles => const { &[get(O::ListRoles), post(O::CreateRole)] },
            Self::Role => const { &[get(O::GetRole), put(O::UpdateRole), delete(O::DeleteRole)] },
            Self::RoleHolders => const { &[get(O::ListRoleHolders)] },
            Self::ClusterRoles => const { &[get(O::ListClusterRoles)] },
            Self::Tenant => {
                const {
                    &[
                        get(O::GetTenant),
                        put(O::UpdateTenant),
                        delete(O::DeleteTenant),
                    ]
                }
            }
            Self::Tenants => const { &[get(O::ListTenants), post(O::CreateTenant)] },
            Self::PreviewClients => {
                const { &[get(O::PreviewListClients), post(O::PreviewCreateClient)] }
            }
            Self::PreviewClient => {
                const { &[get(O::PreviewGetClient), put(O::PreviewUpdateClient)] }
            }
            Self::PreviewSecrets => {
                const { &[get(O::PreviewListSecrets), post(O::PreviewAddSecret)] }
            }
            Self::PreviewSecret => {
                const {
                    &[
                        get(O::PreviewGetSecret),
                        put(O::PreviewUpdateSecret),
                        delete(O::PreviewDeleteSecret),
                    ]
                }
            }
            Self::LegacyClients => {
                const { &[get(O::LegacyListClients), post(O::LegacyCreateClient)] }
            }
            Self::LegacyClient => {
                const {
                    &[
                        get(O::LegacyGetClient),
                        put(O::LegacyUpdateClient),
                        delete(O::LegacyDeleteClient),
                    ]
                }
            }
            Self::Token => const { &[(Method::POST, Open)] },
            Self::Discovery | Self::DiscoveryOauth | Self::Keys | Self::Live | Self::Ready => {
                const { &[(Method::GET, Open)] }
            }
        }
    }

    /// What a method does here; `None` for one that the route does not have.
    pub fn deed(self, method: &Method) -> Option<Deed> {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.methods()
            .iter()
            .find(|(own, _)| own == method)
            .map(|(_, deed)| *deed)
    }

    /// The value of `Allow`.
    pub fn allow(self) -> String {
        let mut names = Vec::new();
        for (method, _) in self.methods() {
            names.push(method.as_str());
            if method == Method::GET {
                names.push("HEAD");
            }
        }
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_slashes_and_percent_encoding_make_no_difference() {
        for path in [
            "/api/v1/Tenants/t/ClientCredentialClients/c",
            "/API/V1/tenants/t/clientcredentialclients/c/",
            "//api//v1/Tenants/t///ClientCredentialClients/c",
            "/api/v1/%54enants/%74/ClientCredentialClients/%63",
        ] {
            let (route, params) = find(path).unwrap();
            assert_eq!(route, Route::Client, "{path}");
            assert_eq!(params.tenant.as_deref(), Some("t"));
            assert_eq!(params.item.as_deref(), Some("c"));
        }
    }

    #[test]
    fn what_is_no_route_is_none() {
        for path in [
            "",
            "/",
            "/api",
            "/api/v2/Tenants",
            "/api/v1/Tenants/t/x",
            "/a%zz",
            "/%ff",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn every_route_is_in_the_table_once_and_every_operation_on_a_route() {
        for route in Route::ALL {
            assert_eq!(
                TABLE.iter().filter(|(other, ..)| *other == route).count(),
                1,
                "{route:?}"
            );
        }
        assert_eq!(TABLE.len(), Route::ALL.len());
        let reached = |operation: &Operation| {
            Route::ALL.iter().any(|route| {
                route
                    .methods()
                    .iter()
                    .any(|(_, deed)| *deed == Deed::Operation(*operation))
            })
        };
        for operation in Operation::ALL {
            assert!(reached(operation), "{operation:?}");
        }
    }
}

//! Who gets which status where: contract sections 1 and 4, worked out by hand and never computed
//! from the service's own table.

/// A route and its methods, then a line for each object that the path may name:
///
/// - `a`: an object of tenant A that exists
/// - `sibling`: a client of tenant A that is none of the callers, or a secret of it
/// - `own`: the caller's own client, in its own tenant, or a secret of it; the operator is the last
/// - `gone`: the same path with the id of an object that only tenant B has
/// - `orphan`: a secret of a client that tenant A does not have
/// - `b`: an object of tenant B that exists; a client there has the id of Self A
/// - `cluster`: no tenant at all
/// - `open`: what takes no token
///
/// A line holds the statuses of Member A, Administrator A, Self A (the client that the path
/// names), another client of A, Administrator B, Cluster Operator and Cluster Support. Without a
/// good token it is 401 on every line but `open`; [`NOWHERE`] is a line of every route in a tenant.
pub const TABLE: &str = "
Clients GET HEAD
    a       200 200 200 200 403 200 200
    b       403 403 403 403 200 200 200
Clients POST
    a       403 201 403 403 403 201 403
    b       403 403 403 403 201 201 403
Client GET HEAD
    a       200 200 200 200 403 200 200
    sibling 200 200 200 200 403 200 200
    own     200 200 200 200 200 200 200
    gone    404 404 404 404 403 404 404
    b       403 403 403 403 200 200 200
Client PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
Client DELETE
    a       403 204 403 403 403 204 403
    sibling 403 204 403 403 403 204 403
    own     403 204 403 403 204 409 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 204 204 403
ClientRoles GET HEAD
    a       200 200 200 200 403 200 200
    sibling 200 200 200 200 403 200 200
    own     200 200 200 200 200 200 200
    gone    404 404 404 404 403 404 404
    b       403 403 403 403 200 200 200
ClientRoles PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 409 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
ClientRolesAlias GET HEAD
    a       200 200 200 200 403 200 200
    sibling 200 200 200 200 403 200 200
    own     200 200 200 200 200 200 200
    gone    404 404 404 404 403 404 404
    b       403 403 403 403 200 200 200
ClientRolesAlias PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 409 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
Secrets GET HEAD
    a       403 200 200 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     200 200 200 200 200 200 200
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
Secrets POST
    a       403 201 201 403 403 201 403
    sibling 403 201 403 403 403 201 403
    own     201 201 201 201 201 201 201
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 201 201 403
Secret GET HEAD
    a       403 200 200 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     200 200 200 200 200 200 200
    gone    403 404 404 403 403 404 403
    orphan  403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
Secret PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    orphan  403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
Secret DELETE
    a       403 204 204 403 403 204 403
    sibling 403 204 403 403 403 204 403
    own     204 204 204 204 204 204 204
    gone    403 404 404 403 403 404 403
    orphan  403 404 403 403 403 404 403
    b       403 403 403 403 204 204 403
Roles GET HEAD
    a       200 200 200 200 403 200 200
    b       403 403 403 403 200 200 200
Roles POST
    a       403 201 403 403 403 201 403
    b       403 403 403 403 201 201 403
Role GET HEAD
    a       200 200 200 200 403 200 200
    gone    404 404 404 404 403 404 404
    b       403 403 403 403 200 200 200
Role PUT
    a       403 200 403 403 403 200 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
Role DELETE
    a       403 204 403 403 403 204 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 204 204 403
RoleHolders GET HEAD
    a       200 200 200 200 403 200 200
    gone    404 404 404 404 403 404 404
    b       403 403 403 403 200 200 200
ClusterRoles GET HEAD
    cluster 403 403 403 403 403 200 200
Tenant GET
    a       200 200 200 200 403 200 200
    b       403 403 403 403 200 200 200
Tenant HEAD
    a       204 204 204 204 403 204 204
    b       403 403 403 403 204 204 204
Tenant PUT
    a       403 200 403 403 403 200 403
    b       403 403 403 403 200 200 403
Tenant DELETE
    a       403 403 403 403 403 204 403
    b       403 403 403 403 403 204 403
Tenants GET HEAD
    cluster 403 403 403 403 403 200 200
Tenants POST
    cluster 403 403 403 403 403 201 403
PreviewClients GET HEAD
    a       200 200 200 200 403 200 200
    b       403 403 403 403 200 200 200
PreviewClients POST
    a       403 201 403 403 403 201 403
    b       403 403 403 403 201 201 403
PreviewClient GET HEAD
    a       200 200 200 200 403 200 200
    sibling 200 200 200 200 403 200 200
    own     200 200 200 200 200 200 200
    gone    404 404 404 404 403 404 404
    b       403 403 403 403 200 200 200
PreviewClient PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
PreviewSecrets GET HEAD
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
PreviewSecrets POST
    a       403 201 403 403 403 201 403
    sibling 403 201 403 403 403 201 403
    own     403 201 403 403 201 201 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 201 201 403
PreviewSecret GET HEAD
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    orphan  403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
PreviewSecret PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    orphan  403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
PreviewSecret DELETE
    a       403 204 403 403 403 204 403
    sibling 403 204 403 403 403 204 403
    own     403 204 403 403 204 204 403
    gone    403 404 403 403 403 404 403
    orphan  403 404 403 403 403 404 403
    b       403 403 403 403 204 204 403
LegacyClients GET HEAD
    a       403 200 403 403 403 200 200
    b       403 403 403 403 200 200 200
LegacyClients POST
    a       403 201 403 403 403 201 403
    b       403 403 403 403 201 201 403
LegacyClient GET HEAD
    a       403 200 403 403 403 200 200
    sibling 403 200 403 403 403 200 200
    own     403 200 403 403 200 200 200
    gone    403 404 403 403 403 404 404
    b       403 403 403 403 200 200 200
LegacyClient PUT
    a       403 200 403 403 403 200 403
    sibling 403 200 403 403 403 200 403
    own     403 200 403 403 200 200 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 200 200 403
LegacyClient DELETE
    a       403 204 403 403 403 204 403
    sibling 403 204 403 403 403 204 403
    own     403 204 403 403 204 409 403
    gone    403 404 403 403 403 404 403
    b       403 403 403 403 204 204 403
Discovery GET HEAD
    open    200 200 200 200 200 200 200
DiscoveryOauth GET HEAD
    open    200 200 200 200 200 200 200
Keys GET HEAD
    open    200 200 200 200 200 200 200
Live GET HEAD
    open    200 200 200 200 200 200 200
Ready GET HEAD
    open    200 200 200 200 200 200 200
Token POST
    open    200 200 200 200 200 200 200
";

/// A tenant that does not exist, on every route in a tenant: those who reach into every tenant are
/// told so, whatever their role; nobody else can tell it from a tenant that does.
pub const NOWHERE: &str = "nowhere 403 403 403 403 403 404 404";

/// The columns.
pub const CALLERS: [&str; 7] = [
    "Member A",
    "Administrator A",
    "Self A",
    "another client of A",
    "Administrator B",
    "Cluster Operator",
    "Cluster Support",
];

/// One line of the table, for one method.
#[derive(Clone)]
pub struct Row {
    pub route: String,
    pub method: String,
    pub object: String,
    pub statuses: [u16; 7],
}

/// The table, a row for each method and object.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut head: Vec<&str> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        if !line.starts_with(' ') {
            head = line.split_whitespace().collect();
            continue;
        }
        for method in &head[1..] {
            rows.push(row(head[0], method, line));
            if line.trim_start().starts_with("a ") {
                rows.push(row(head[0], method, NOWHERE));
            }
        }
    }
    rows
}

fn row(route: &str, method: &str, line: &str) -> Row {
    let mut words = line.split_whitespace();
    let object = words.next().unwrap();
    let statuses: Vec<u16> = words.map(|word| word.parse().unwrap()).collect();
    Row {
        route: route.into(),
        method: method.into(),
        object: object.into(),
        statuses: statuses.try_into().unwrap(),
    }
}

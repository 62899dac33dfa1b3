//! The names and descriptions of the built-in roles, from `data/roles.json`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::ids::RoleTypeId;
use crate::domain::role::{BuiltInRole, ClusterRole};
use crate::domain::text::{Description, Name};

/// What people read of a built-in role.
pub struct Described {
    pub name: Name,
    pub description: Description,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    role_type_id: String,
    name: String,
    description: String,
}

static ROWS: LazyLock<Vec<(RoleTypeId, Described)>> = LazyLock::new(|| {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../../data/roles.json"))
        .expect("data/roles.json is part of the program, and a test reads it");
    rows.into_iter()
        .filter_map(|row| {
            let described = Described {
                name: Name::from_stored(&row.name),
                description: Description::from_stored(&row.description),
            };
            Some((RoleTypeId::parse(&row.role_type_id)?, described))
        })
        .collect()
});

/// A built-in role of a tenant.
pub fn describe(role: BuiltInRole) -> &'static Described {
    find(role.type_id())
}

/// A cluster role.
pub fn describe_cluster(role: ClusterRole) -> &'static Described {
    find(role.type_id())
}

fn find(id: RoleTypeId) -> &'static Described {
    let found = ROWS.iter().find(|(row, _)| *row == id);
    &found
        .expect("data/roles.json has a row for each built-in role, and a test counts them")
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_has_a_valid_row_for_each_role_and_no_other() {
        let names = BuiltInRole::ALL
            .map(describe)
            .into_iter()
            .chain(ClusterRole::ALL.map(describe_cluster));
        for described in names {
            Name::parse("Name", described.name.as_str()).unwrap();
            Description::parse("Description", described.description.as_str()).unwrap();
        }
        assert_eq!(ROWS.len(), BuiltInRole::ALL.len() + ClusterRole::ALL.len());
    }
}

//! The clients of a tenant while their rows come together from several trees.

use std::collections::HashMap;
use std::sync::Arc;

use super::client_row::{Belongings, ClientRow};
use super::keys::Key;
use super::load::disagreement;
use super::rows::RowFault;
use crate::domain::client::{Client, ClientRecord, RoleIds, Tags};
use crate::domain::ids::{ClientId, Revision, RoleId, SecretId, TenantId};
use crate::domain::secret::{Secret, SecretSet};
use crate::domain::text::{Name, Tag};

#[derive(Default)]
pub struct Collected {
    parts: Vec<Parts>,
    places: HashMap<ClientId, usize>,
    /// The tags that lie in the rows of clients, each with how many clients have it.
    pub tags: HashMap<Tag, u64>,
    /// The same of roles.
    pub roles: HashMap<RoleId, u64>,
    /// How many clients have a row that cannot be believed: what it held was counted nowhere.
    pub lost: u64,
}

/// A client whose rows are being collected.
pub struct Parts {
    id: ClientId,
    /// `None` where its row is missing or cannot be believed.
    row: Option<ClientRow>,
    /// What lies in the row.
    inside: Option<Result<Belongings, RowFault>>,
    /// What has rows of its own.
    secrets: Vec<Secret>,
    damaged_secrets: Vec<SecretId>,
    pub tags: Vec<(u8, Tag)>,
    pub roles: Vec<(u8, RoleId)>,
    damaged: bool,
}

impl Parts {
    pub fn cannot_be_believed(&mut self) {
        self.damaged = true;
    }

    /// Adds a secret; `None` is one that cannot be believed.
    pub fn add_secret(&mut self, id: SecretId, secret: Option<Secret>) {
        match secret {
            Some(secret) => {
                // They stay as they are here, most often alone.
                self.secrets.reserve_exact(1);
                self.secrets.push(secret);
            }
            None => self.damaged_secrets.push(id),
        }
    }

    /// The client, or in words why there is none to believe.
    fn finish(self) -> Result<ClientRecord, String> {
        let row = self.row.ok_or("its row is missing or damaged")?;
        if self.damaged {
            return Err("a row that belongs to it is damaged".to_owned());
        }
        let apart = row.apart();
        let secrets = self.secrets.len() + self.damaged_secrets.len();
        for (what, counted, found) in [
            ("secrets", apart.secrets, secrets),
            ("tags", apart.tags, self.tags.len()),
            ("roles", apart.roles, self.roles.len()),
        ] {
            if usize::from(counted) != found {
                return Err(disagreement(what, counted.into(), found as u64));
            }
        }
        let belongings = match self.inside {
            Some(inside) => inside.map_err(|why| why.to_string())?,
            None => {
                let tags = in_order("tags", self.tags)?;
                let roles = in_order("roles", self.roles)?;
                let too_many = |_| "it has more tags or roles than a client can have";
                Belongings {
                    tags: Tags::new(tags).map_err(too_many)?,
                    role_ids: RoleIds::new(roles).map_err(too_many)?,
                    secrets: self.secrets,
                }
            }
        };
        Ok(ClientRecord {
            secrets: SecretSet {
                salt: row.salt(),
                last_id: row.last_secret_id,
                secrets: belongings.secrets,
                damaged: self.damaged_secrets,
            },
            client: Client {
                id: self.id,
                name: Name::from_stored(&row.name),
                enabled: row.enabled,
                token_lifetime: row.token_lifetime().map_err(|why| why.to_string())?,
                tags: belongings.tags,
                role_ids: belongings.role_ids,
                created: Revision(row.created),
                changed: Revision(row.changed),
            },
        })
    }
}

fn in_order<T>(what: &str, mut items: Vec<(u8, T)>) -> Result<Vec<T>, String> {
    items.sort_unstable_by_key(|(position, _)| *position);
    if !are_positions(items.iter().map(|(position, _)| *position)) {
        return Err(format!("the order of its {what} is not known"));
    }
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// Whether sorted positions are 0, 1, 2 and so on.
pub fn are_positions(sorted: impl IntoIterator<Item = u8>) -> bool {
    sorted
        .into_iter()
        .enumerate()
        .all(|(place, position)| place == usize::from(position))
}

impl Collected {
    /// Adds a client; `None` is one whose row cannot be believed.
    pub fn client(&mut self, id: &ClientId, row: Option<ClientRow>) {
        let inside = row.as_ref().map(|row| {
            row.inside(|tag| {
                let entry = self.tags.entry(tag);
                let shared = entry.key().clone();
                *entry.or_default() += 1;
                shared
            })
        });
        match &inside {
            None | Some(Some(Err(_))) => self.lost += 1,
            Some(Some(Ok(inside))) => {
                for role in inside.role_ids.iter() {
                    *self.roles.entry(*role).or_default() += 1;
                }
            }
            Some(None) => {}
        }
        self.places.insert(id.clone(), self.parts.len());
        self.parts.push(Parts {
            id: id.clone(),
            row,
            inside: inside.flatten(),
            secrets: Vec::new(),
            damaged_secrets: Vec::new(),
            tags: Vec::new(),
            roles: Vec::new(),
            damaged: false,
        });
    }

    /// The client that a row belongs to. One whose own row is missing is damaged.
    pub fn of(&mut self, client: &ClientId) -> &mut Parts {
        let place = match self.places.get(client) {
            Some(place) => *place,
            None => {
                self.client(client, None);
                self.parts.len() - 1
            }
        };
        &mut self.parts[place]
    }

    /// The clients in the order of their ids, and the ids of those that cannot be believed.
    pub fn finish(
        self,
        tenant: TenantId,
        faults: &mut Vec<String>,
    ) -> (Vec<Arc<ClientRecord>>, Vec<ClientId>) {
        drop(self.places);
        let mut parts = self.parts;
        parts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut clients = Vec::with_capacity(parts.len());
        let mut damaged = Vec::new();
        for parts in parts {
            let id = parts.id.clone();
            match parts.finish() {
                Ok(record) => clients.push(Arc::new(record)),
                Err(why) => {
                    faults.push(format!("{}: {why}", Key::Client(tenant, id.clone())));
                    damaged.push(id);
                }
            }
        }
        (clients, damaged)
    }
}

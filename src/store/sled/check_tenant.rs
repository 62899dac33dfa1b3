//! Reads every row of one tenant and names what does not agree.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::check::Findings;
use super::client_row::{Belongings, ClientRow};
use super::collected::are_positions;
use super::keys::{Key, TagKey, Tree};
use super::load::{STALE, disagreement};
use super::rows::{
    CountRow, DescriptionRow, EntryRow, LastRow, PositionRow, RoleRow, SecretRow, TagRow,
    TenantCountRow, TenantRow,
};
use super::trees::Trees;
use crate::domain::ids::{ClientId, RoleId, SecretId, TenantId};
use crate::domain::role::ClusterRole;
use crate::domain::tenant::TenantState;

/// The words for a secret whose id was never given out.
const NEVER_GIVEN: &str = "its client never had one of this number";

/// What belongs to a client.
#[derive(Default)]
struct Satellites {
    /// `None` where the client's row is missing or cannot be read.
    row: Option<ClientRow>,
    secrets: Vec<SecretId>,
    tags: Positions,
    roles: Positions,
}

#[derive(Default)]
struct Positions {
    known: Vec<u8>,
    unreadable: usize,
}

impl Positions {
    fn add(&mut self, position: Option<u8>) {
        match position {
            Some(position) => self.known.push(position),
            None => self.unreadable += 1,
        }
    }

    const fn len(&self) -> usize {
        self.known.len() + self.unreadable
    }
}

struct Check<'a> {
    trees: &'a Trees,
    tenant: TenantId,
    findings: Findings,
    clients: HashMap<ClientId, Satellites>,
    roles: HashSet<RoleId>,
    /// How many clients each counter should count.
    holders: BTreeMap<Key, u64>,
    /// How many clients have a row that cannot be believed: what it held was counted nowhere.
    lost: u64,
}

/// Gives the tenant's folded alias too, where no other tenant may have it.
pub fn check(trees: &Trees, tenant: TenantId) -> (Findings, Option<String>) {
    let mut check = Check {
        trees,
        tenant,
        findings: Findings::default(),
        clients: HashMap::new(),
        roles: HashSet::new(),
        holders: BTreeMap::new(),
        lost: 0,
    };
    let alias = check.tenant_row();
    check.roles();
    check.client_rows();
    check.secrets();
    check.tags();
    check.assignments();
    check.clients();
    check.tenant_count();
    check.counters();
    check.digest();
    (check.findings, alias)
}

impl Check<'_> {
    fn each<R: super::rows::Row>(
        &mut self,
        tree: Tree,
        mut visit: impl FnMut(&mut Self, Key, Option<R>),
    ) {
        let mut rows = Vec::new();
        let entries = self.trees.of_tenant(tree, self.tenant);
        self.findings
            .each(tree, entries, |_, key, row| rows.push((key, row)));
        for (key, row) in rows {
            visit(self, key, row);
        }
    }

    /// Gives the alias that no other tenant may have.
    fn tenant_row(&mut self) -> Option<String> {
        let mut missing = true;
        let mut alias = None;
        self.each(Tree::Tenants, |check, key, row: Option<TenantRow>| {
            missing = false;
            match row.map(|row| row.tenant(check.tenant)) {
                None => {}
                Some(Err(why)) => check.findings.add(key, why),
                // What is being deleted gave its alias back.
                Some(Ok(tenant)) if tenant.state == TenantState::Deleting => {}
                Some(Ok(tenant)) => alias = tenant.alias.map(|alias| alias.folded()),
            }
        });
        if missing {
            self.findings.add(Key::Tenant(self.tenant), "it is missing");
        }
        alias
    }

    fn roles(&mut self) {
        let mut names: HashMap<String, RoleId> = HashMap::new();
        let mut described = HashSet::new();
        let mut unreadable = HashSet::new();
        self.each(Tree::Roles, |check, key, row: Option<RoleRow>| {
            let Key::Role(_, id) = key else { return };
            check.roles.insert(id);
            let Some(row) = row else {
                unreadable.insert(id);
                return;
            };
            if row.described {
                described.insert(id);
            }
            match row.role(id) {
                Err(why) => check.findings.add(key, why),
                Ok(role) => {
                    if let Some(other) = names.insert(role.name.folded(), id) {
                        let problem = format!("its name is also that of role {other}");
                        check.findings.add(key, problem);
                    }
                }
            }
        });
        self.each(
            Tree::RoleDescriptions,
            |check, key, _: Option<DescriptionRow>| {
                if let Key::RoleDescription(_, id) = key
                    && !described.remove(&id)
                    && !unreadable.contains(&id)
                {
                    check.findings.add(key, "its role has none");
                }
            },
        );
        for id in described {
            let key = Key::RoleDescription(self.tenant, id);
            self.findings.add(key, "it is missing");
        }
    }

    fn client_rows(&mut self) {
        self.each(Tree::Clients, |check, key, row: Option<ClientRow>| {
            let Key::Client(tenant, id) = &key else {
                return;
            };
            if let Some(Err(why)) = row.as_ref().map(ClientRow::token_lifetime) {
                check.findings.add(&key, why);
            }
            let entry = Key::ClientId(id.clone(), *tenant);
            let _: Option<EntryRow> = check.findings.expect(check.trees, &entry);
            match row.as_ref().map(|row| row.inside(|tag| tag)) {
                None => check.lost += 1,
                Some(None) => {}
                Some(Some(Ok(inside))) => {
                    let last = row.as_ref().map_or(0, |row| row.last_secret_id);
                    check.inside(id, &inside, last);
                }
                Some(Some(Err(why))) => {
                    check.findings.add(&key, why);
                    check.lost += 1;
                }
            }
            let satellites = Satellites {
                row,
                ..Satellites::default()
            };
            check.clients.insert(id.clone(), satellites);
        });
    }

    /// What lies in a client's row.
    fn inside(&mut self, client: &ClientId, inside: &Belongings, last_secret: i32) {
        for secret in inside.secrets.iter().filter(|one| one.id.0 > last_secret) {
            let key = Key::Secret(self.tenant, client.clone(), secret.id);
            self.findings.add(key, NEVER_GIVEN);
        }
        for tag in inside.tags.iter() {
            let counter = Key::TagCount(self.tenant, TagKey::of(tag));
            *self.holders.entry(counter).or_default() += 1;
        }
        for role in inside.role_ids.iter() {
            self.held(*role, client);
        }
    }

    /// A role that a client holds, wherever that lies.
    fn held(&mut self, role: RoleId, client: &ClientId) {
        let counter = Key::RoleCount(self.tenant, role);
        *self.holders.entry(counter).or_default() += 1;
        if ClusterRole::of(role).is_some() {
            let holder = Key::Holder(role, self.tenant, client.clone());
            let _: Option<EntryRow> = self.findings.expect(self.trees, &holder);
        } else if !self.roles.contains(&role) {
            let key = Key::Assignment(self.tenant, role, client.clone());
            self.findings.add(key, "there is no such role");
        }
    }

    /// What belongs to the client of a row, or a finding that there is no such client.
    fn client_of(&mut self, client: &ClientId, key: &Key) -> Option<&mut Satellites> {
        let client = self.clients.get_mut(client);
        if client.is_none() {
            self.findings.add(key, "its client is missing");
        }
        client
    }

    fn secrets(&mut self) {
        self.each(Tree::Secrets, |check, key, row: Option<SecretRow>| {
            let Key::Secret(_, client, id) = &key else {
                return;
            };
            if let Some(Err(why)) = row.map(|row| row.secret(*id)) {
                check.findings.add(&key, why);
            }
            if let Some(client) = check.client_of(client, &key) {
                client.secrets.push(*id);
            }
        });
    }

    fn tags(&mut self) {
        self.each(Tree::Tags, |check, key, row: Option<TagRow>| {
            let Key::Tag(tenant, tag, client) = &key else {
                return;
            };
            if let Some(Err(why)) = row.as_ref().map(|row| row.tag(tag)) {
                check.findings.add(&key, why);
            }
            let counter = Key::TagCount(*tenant, tag.clone());
            *check.holders.entry(counter).or_default() += 1;
            if let Some(client) = check.client_of(client, &key) {
                client.tags.add(row.map(|row| row.position));
            }
        });
    }

    fn assignments(&mut self) {
        self.each(Tree::Assignments, |check, key, row: Option<PositionRow>| {
            let Key::Assignment(_, role, client) = &key else {
                return;
            };
            check.held(*role, client);
            if let Some(client) = check.client_of(client, &key) {
                client.roles.add(row.map(|row| row.position));
            }
        });
    }

    /// Compares what each client says it has with what was found.
    fn clients(&mut self) {
        for (id, client) in &mut self.clients {
            let Some(row) = &client.row else { continue };
            let key = Key::Client(self.tenant, id.clone());
            let apart = row.apart();
            for (what, counted, found) in [
                ("secrets", apart.secrets, client.secrets.len()),
                ("tags", apart.tags, client.tags.len()),
                ("roles", apart.roles, client.roles.len()),
            ] {
                if usize::from(counted) != found {
                    let problem = disagreement(what, counted.into(), found as u64);
                    self.findings.add(&key, problem);
                }
            }
            for (what, positions) in [("tags", &mut client.tags), ("roles", &mut client.roles)] {
                positions.known.sort_unstable();
                let whole = positions.unreadable == 0;
                if whole && !are_positions(positions.known.iter().copied()) {
                    let problem = format!("the order of its {what} is not known");
                    self.findings.add(&key, problem);
                }
            }
            let given_out = 1..=row.last_secret_id;
            for secret in client
                .secrets
                .iter()
                .filter(|id| !given_out.contains(&id.0))
            {
                let key = Key::Secret(self.tenant, id.clone(), *secret);
                self.findings.add(key, NEVER_GIVEN);
            }
        }
    }

    fn tenant_count(&mut self) {
        let key = Key::TenantCount(self.tenant);
        let Some(row) = self.findings.expect::<TenantCountRow>(self.trees, &key) else {
            return;
        };
        for (what, counted, found) in [
            ("clients", row.clients, self.clients.len() as u64),
            ("roles", row.roles, self.roles.len() as u64),
        ] {
            if counted != found {
                self.findings.add(&key, disagreement(what, counted, found));
            }
        }
        if let Ok(Some(last)) = self.trees.row::<LastRow>(&Key::Last)
            && last.revision < row.revision
        {
            let problem = format!(
                "its revision {} comes after the store's last one, {}",
                row.revision, last.revision
            );
            self.findings.add(key, problem);
        }
    }

    fn digest(&mut self) {
        let key = Key::TenantCount(self.tenant);
        if let Ok(Some(row)) = self.trees.row::<TenantCountRow>(&key)
            && row
                .digest
                .is_some_and(|digest| digest != self.findings.digest.0)
        {
            self.findings.add(key, STALE);
        }
    }

    fn counters(&mut self) {
        let mut holders = std::mem::take(&mut self.holders);
        let findings = &mut self.findings;
        for entry in self.trees.of_tenant(Tree::Counters, self.tenant) {
            let (key, bytes) = match entry {
                Ok((key, bytes)) => (Key::read(Tree::Counters, &key).ok_or(key), bytes),
                Err(error) => {
                    findings.add(format!("`{}`", Tree::Counters.name()), error);
                    continue;
                }
            };
            if key.as_ref().is_ok_and(|key| key.counted_in().is_some()) {
                findings.digest.add(&bytes);
            }
            match key {
                Err(key) => {
                    let place = super::keys::place(Tree::Counters, &key);
                    findings.add(place, "its key makes no sense");
                }
                // Another form of row, which was looked at already.
                Ok(Key::TenantCount(_)) => {}
                Ok(key) => {
                    let found = holders.remove(&key).unwrap_or(0);
                    if let Some(row) = findings.row::<CountRow>(&key, &bytes)
                        && !(found..=found + self.lost).contains(&row.clients)
                    {
                        findings.add(key, disagreement("clients", row.clients, found));
                    }
                }
            }
        }
        for key in holders.into_keys() {
            findings.add(key, "it is missing");
        }
    }
}

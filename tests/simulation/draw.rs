//! Draws the next step: a small world, so that ids collide, limits bind and rules meet.

use credenza::domain::ids::RoleId;
use credenza::domain::ports::Random;
use credenza::domain::role::ClusterRole;
use credenza::system::random::SeededRandom;
use uuid::Uuid;

use super::model::{Model, Step, Who};

pub struct Dice(pub SeededRandom);

impl Dice {
    /// A number below another.
    pub fn below(&self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit
    }

    /// True once in so many throws.
    pub fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn small(&self, limit: u64) -> u8 {
        self.below(limit) as u8
    }

    fn perhaps<T>(&self, draw: impl FnOnce() -> T) -> Option<T> {
        self.one_in(2).then(draw)
    }

    fn tenant(&self) -> u8 {
        self.small(3)
    }

    fn client(&self) -> u8 {
        self.small(8)
    }

    fn tags(&self) -> Vec<u8> {
        (0..self.below(5)).map(|_| self.small(4)).collect()
    }

    fn expiration(&self, now: i64) -> i64 {
        now - 20 + self.below(120) as i64
    }

    fn role(&self, model: &Model, tenant: u8) -> RoleId {
        let roles: Vec<RoleId> = model
            .tenants
            .get(&tenant)
            .map_or(Vec::new(), |t| t.roles.keys().copied().collect());
        match roles.is_empty() || self.one_in(12) {
            true => RoleId::from_uuid(Uuid::from_u128(99)),
            false => roles[self.below(roles.len() as u64) as usize],
        }
    }

    fn roles(&self, model: &Model, tenant: u8) -> Vec<RoleId> {
        let mut roles = Vec::new();
        let own = model.tenants.get(&tenant);
        if let (Some(member), false) = (own.and_then(|t| t.member), self.one_in(10)) {
            roles.push(member);
        }
        if let (Some(administrator), true) = (own.and_then(|t| t.administrator), self.one_in(3)) {
            roles.push(administrator);
        }
        for _ in 0..self.below(3) {
            roles.push(self.role(model, tenant));
        }
        if self.one_in(6) {
            roles.push(ClusterRole::Operator.id());
        }
        if self.one_in(10) {
            roles.push(ClusterRole::Support.id());
        }
        let mut once = Vec::new();
        for role in roles {
            if !once.contains(&role) {
                once.push(role);
            }
        }
        once
    }

    pub fn who(&self) -> Who {
        match self.one_in(3) {
            false => Who::Service,
            true => Who::Client {
                tenant: self.tenant(),
                client: self.client(),
                stale: self.one_in(20),
            },
        }
    }

    pub fn step(&self, model: &Model, now: i64) -> Step {
        let tenant = self.tenant();
        let client = self.client();
        let secret = 1 + self.below(12) as i32;
        match self.below(40) {
            0 => Step::CreateTenant {
                tenant,
                alias: self.perhaps(|| self.small(3)),
            },
            1 => Step::UpdateTenant {
                tenant,
                alias: self.perhaps(|| self.small(3)),
            },
            2 if self.one_in(8) => Step::DeleteTenant { tenant },
            2..=5 => Step::CreateRole {
                tenant,
                name: self.small(6),
            },
            6..=7 => Step::UpdateRole {
                tenant,
                role: self.role(model, tenant),
                name: self.small(6),
            },
            8..=9 => Step::DeleteRole {
                tenant,
                role: self.role(model, tenant),
            },
            10..=18 => Step::CreateClient {
                tenant,
                client,
                tags: self.tags(),
                roles: self.perhaps(|| self.roles(model, tenant)),
                expiration: self.perhaps(|| self.expiration(now)),
            },
            19..=25 => Step::UpdateClient {
                tenant,
                client,
                enabled: self.perhaps(|| !self.one_in(3)),
                tags: self.perhaps(|| self.tags()),
                roles: self.perhaps(|| self.roles(model, tenant)),
                stale_tag: self.one_in(10),
            },
            26..=27 => Step::DeleteClient {
                tenant,
                client,
                stale_tag: self.one_in(10),
            },
            28..=33 => Step::AddSecret {
                tenant,
                client,
                expires: self.perhaps(|| self.one_in(2)),
                expiration: self.perhaps(|| self.expiration(now)),
            },
            34..=36 => Step::UpdateSecret {
                tenant,
                client,
                secret,
                expires: self.perhaps(|| self.one_in(2)),
                expiration: self.perhaps(|| self.expiration(now)),
            },
            _ => Step::DeleteSecret {
                tenant,
                client,
                secret,
            },
        }
    }
}

//! Issuing access tokens: who is this, by id and secret, and what does the token say of it.

use std::sync::Arc;

use super::Service;
use super::failures::refusal_of;
use crate::directory::ordered::OrderedList;
use crate::domain::client::ClientRecord;
use crate::domain::error::Refusal;
use crate::domain::ids::{ClientId, Generation, TenantId};
use crate::domain::role::{ClusterRole, Role};
use crate::domain::secret::{Secret, SecretSet};
use crate::domain::times::Timestamp;
use crate::store::StoreError;
use crate::tokens::jwt::{IssuedToken, Subject};
use crate::tokens::secret::{NOBODY, find};

/// A client that has shown a living secret of its own.
pub struct Authenticated {
    candidate: Candidate,
    /// When the secret that was used expires.
    pub secret_expiration: Option<Timestamp>,
}

/// What a token says of a client. It keeps nothing else of the tenant in memory, since many tenants
/// may have a client of one id, and the next one may need the room.
struct Candidate {
    tenant: TenantId,
    roles: OrderedList<Arc<Role>>,
    client: Arc<ClientRecord>,
}

/// The clients of one id.
struct Candidates {
    having: Vec<Candidate>,
    /// Why there may be more of them.
    unread: Option<StoreError>,
}

impl Service {
    /// The enabled client of this id, in this tenant or in whichever has it, that this secret
    /// belongs to. `None` for an unknown client, a wrong secret, an expired secret and a disabled
    /// client alike, after the same work. Where the store cannot be read, clients that are in
    /// memory are known, and nobody is called unknown.
    pub async fn authenticate(
        &self,
        client: Option<&ClientId>,
        secret: &str,
        tenant: Option<TenantId>,
    ) -> Result<Option<Authenticated>, Refusal> {
        let now = self.clock.now();
        let Candidates { having, unread } = self.candidates(client, tenant).await;
        match (owner(having, secret, now), unread) {
            // Whether the secret is wrong is known only to who has seen every client of this id.
            (None, Some(error)) => Err(refusal_of(error)),
            (found, _) => Ok(found),
        }
    }

    /// The clients of this id, in this tenant or in whichever has one.
    async fn candidates(&self, client: Option<&ClientId>, tenant: Option<TenantId>) -> Candidates {
        let mut candidates = Candidates {
            having: Vec::with_capacity(1),
            unread: None,
        };
        let Some(client) = client else {
            return candidates;
        };
        let tenants = match self.directory.tenants_with(client).await {
            Ok(tenants) => tenants,
            // While the store cannot be read, those in memory go on.
            Err(error) => {
                candidates.unread = Some(error);
                self.directory.residents_with(client)
            }
        };
        for id in tenants
            .iter()
            .filter(|id| tenant.is_none_or(|tenant| tenant == **id))
        {
            match self.directory.tenant(*id).await {
                Ok(Some(snapshot)) => {
                    if let Some(record) = snapshot.client(client) {
                        candidates.having.push(Candidate {
                            tenant: *id,
                            roles: snapshot.roles().clone(),
                            client: record.clone(),
                        });
                    }
                }
                Ok(None) => {}
                Err(error) => candidates.unread = Some(error),
            }
        }
        candidates
    }

    /// A token that says who the client is and what it holds now.
    pub fn issue(&self, authenticated: &Authenticated) -> Result<IssuedToken, Refusal> {
        let Candidate {
            tenant,
            roles,
            client,
        } = &authenticated.candidate;
        let client = &client.client;
        let role_types: Vec<_> = client
            .role_ids
            .iter()
            .filter_map(|id| match ClusterRole::of(*id) {
                Some(cluster) => Some(cluster.type_id()),
                None => Some(roles.get(id)?.built_in?.type_id()),
            })
            .collect();
        let subject = Subject {
            tenant: *tenant,
            client: &client.id,
            generation: Generation {
                epoch: self.epoch,
                created: client.created,
            },
            roles: &client.role_ids,
            role_types: &role_types,
            lifetime: client.token_lifetime,
        };
        self.issuer.issue(&subject).map_err(|error| {
            log::error!("a token could not be signed: {error}");
            Refusal::internal()
        })
    }
}

/// The enabled client among these that this secret belongs to. The work is the same for each of
/// them, whether it is enabled and whether the secret is its own; none at all cost what one costs.
fn owner(having: Vec<Candidate>, secret: &str, now: Timestamp) -> Option<Authenticated> {
    if having.is_empty() {
        let nobody: &SecretSet = &NOBODY;
        std::hint::black_box(find(nobody, secret, now).is_some());
    }
    let mut found = None;
    for candidate in having {
        let matching = find(&candidate.client.secrets, secret, now);
        if let Some(Secret { expiration, .. }) = matching
            && candidate.client.client.enabled
        {
            found = Some(Authenticated {
                secret_expiration: *expiration,
                candidate,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::{Client, RoleIds, Tags, TokenLifetime};
    use crate::domain::ids::{Revision, SecretId};
    use crate::domain::secret::Salt;
    use crate::domain::text::Name;
    use crate::tokens::secret::{hash, work};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0).unwrap()
    }

    /// A client whose secret is `right` and expires at 100.
    fn client(enabled: bool) -> Candidate {
        let name = Name::parse("Name", "a").unwrap();
        let salt = Salt([7; 16]);
        let secrets = SecretSet {
            salt,
            last_id: 1,
            secrets: vec![Secret {
                id: SecretId(1),
                hash: hash(&salt, "right"),
                description: None,
                expiration: Some(at(100)),
            }],
            damaged: Vec::new(),
        };
        let client = Client {
            id: ClientId::parse("a").unwrap(),
            name,
            enabled,
            token_lifetime: TokenLifetime::DEFAULT,
            tags: Tags::none(),
            role_ids: RoleIds::new([]).unwrap(),
            created: Revision(1),
            changed: Revision(1),
        };
        Candidate {
            tenant: TenantId::from_bytes([1; 16]),
            roles: OrderedList::default(),
            client: Arc::new(ClientRecord { client, secrets }),
        }
    }

    #[test]
    fn h02_every_way_to_fail_costs_what_success_costs() {
        let one = |enabled| vec![client(enabled)];
        for (who, having, secret, now, succeeds) in [
            ("its own", one(true), "right", 0, true),
            ("wrong", one(true), "wrong", 0, false),
            ("expired", one(true), "right", 100, false),
            ("disabled", one(false), "right", 0, false),
            ("disabled and wrong", one(false), "wrong", 0, false),
            ("unknown", Vec::new(), "right", 0, false),
        ] {
            let (found, done) = work::of(|| owner(having, secret, at(now)));
            assert_eq!(found.is_some(), succeeds, "{who}");
            assert_eq!((done.hashes, done.comparisons), (1, 10), "{who}");
        }
    }
}

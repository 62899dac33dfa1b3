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
        let mut known = false;
        let mut found = None;
        let Candidates { having, unread } = self.candidates(client, tenant).await;
        for candidate in having {
            known = true;
            let matching = find(&candidate.client.secrets, secret, now);
            if let Some(Secret { expiration, .. }) = matching
                && candidate.client.client.enabled
            {
                let secret_expiration = *expiration;
                found = Some(Authenticated {
                    candidate,
                    secret_expiration,
                });
            }
        }
        if !known {
            // An unknown client costs what a known one costs.
            let nobody: &SecretSet = &NOBODY;
            std::hint::black_box(find(nobody, secret, now).is_some());
        }
        match (found, unread) {
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

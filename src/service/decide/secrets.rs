//! Deciding about secrets: adding, changing what is said of them, deleting.

use std::sync::Arc;

use super::{Case, Decision};
use crate::domain::client::ClientRecord;
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{ClientId, SecretId, TenantId};
use crate::domain::secret::{Secret, SecretSet};
use crate::domain::text::Description;
use crate::domain::times::Timestamp;
use crate::service::command::{NewSecret, Outcome, SecretUpdate};
use crate::service::failures::damaged;
use crate::store::batch::Change;
use crate::tokens::secret::{PlainSecret, hash};

impl Case<'_> {
    pub(super) fn add_secret(
        &self,
        tenant: TenantId,
        id: &ClientId,
        new: NewSecret,
    ) -> Result<Decision, Refusal> {
        let expiration = agree(new.expires.unwrap_or(true), new.expiration)?;
        self.is_in_the_future("Expiration", expiration)?;
        let old = self.client(tenant, id)?;
        if !self.is_self(tenant, id) {
            self.may_change(old)?;
        }

        let value = PlainSecret::generate(self.given.random);
        let mut secrets = old.secrets.clone();
        let secret = self.push_secret(&mut secrets, &value, new.description, expiration)?;
        Ok(Decision {
            changes: vec![put(tenant, old, secrets)],
            outcome: Outcome::SecretAdded { secret, value },
        })
    }

    /// Adds a secret under the next id; at most ten at one time.
    pub(super) fn push_secret(
        &self,
        secrets: &mut SecretSet,
        value: &PlainSecret,
        description: Option<Description>,
        expiration: Option<Timestamp>,
    ) -> Result<Secret, Refusal> {
        if secrets.len() >= SecretSet::MOST {
            return Err(Refusal::new(
                Kind::LimitExceeded,
                "Secret limit exceeded.",
                format!("This client has {} secrets.", secrets.len()),
                format!(
                    "A client has at most {} secrets; delete one first.",
                    SecretSet::MOST
                ),
            ));
        }
        let Some(next) = secrets.last_id.checked_add(1) else {
            return Err(Refusal::new(
                Kind::LimitExceeded,
                "Secret limit exceeded.",
                "This client has used every secret id there is.",
                "Create a new client in its place.",
            ));
        };
        secrets.last_id = next;
        let secret = Secret {
            id: SecretId(next),
            hash: hash(&secrets.salt, value.expose()),
            description,
            expiration,
        };
        secrets.secrets.push(secret.clone());
        Ok(secret)
    }

    pub(super) fn update_secret(
        &self,
        tenant: TenantId,
        client: &ClientId,
        id: SecretId,
        update: SecretUpdate,
    ) -> Result<Decision, Refusal> {
        if update.expires == Some(false) && update.expiration.is_some() {
            agree(false, update.expiration)?;
        }
        let old = self.client(tenant, client)?;
        let current = secret_of(old, id)?;
        self.may_change(old)?;

        let expiration = match (update.expiration, update.expires) {
            (Some(expiration), expires) => agree(expires.unwrap_or(true), Some(expiration))?,
            (None, Some(false)) => None,
            (None, Some(true)) => agree(true, current.expiration)?,
            (None, None) => current.expiration,
        };
        if expiration != current.expiration {
            self.is_in_the_future("Expiration", expiration)?;
        }
        let secret = Secret {
            id,
            hash: current.hash,
            description: update.description.or_else(|| current.description.clone()),
            expiration,
        };
        if secret == *current {
            return Ok(Decision::unchanged(Outcome::Secret(secret)));
        }
        let mut secrets = old.secrets.clone();
        for slot in &mut secrets.secrets {
            if slot.id == id {
                *slot = secret.clone();
            }
        }
        Ok(Decision {
            changes: vec![put(tenant, old, secrets)],
            outcome: Outcome::Secret(secret),
        })
    }

    pub(super) fn delete_secret(
        &self,
        tenant: TenantId,
        client: &ClientId,
        id: SecretId,
    ) -> Result<Decision, Refusal> {
        let old = self.client(tenant, client)?;
        if old.secrets.get(id).is_none() && !old.secrets.damaged.contains(&id) {
            return Err(no_secret(client, id));
        }
        if !self.is_self(tenant, client) {
            self.may_change(old)?;
        }
        let mut secrets = old.secrets.clone();
        secrets.secrets.retain(|secret| secret.id != id);
        secrets.damaged.retain(|damaged| *damaged != id);
        let change = put(tenant, old, secrets);
        if let Change::PutClient { new, .. } = &change {
            self.somebody_stays_in_charge(tenant, old, Some(new))?;
        }
        Ok(Decision {
            changes: vec![change],
            outcome: Outcome::Done,
        })
    }

    /// A new expiration lies in the future.
    pub(super) fn is_in_the_future(
        &self,
        member: &str,
        expiration: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        match expiration {
            Some(time) if time <= self.given.now => Err(Refusal::invalid(
                format!("{member} {time} is in the past."),
                format!(
                    "{member} takes a time after now, which is {}.",
                    self.given.now
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn put(tenant: TenantId, old: &Arc<ClientRecord>, secrets: SecretSet) -> Change {
    let client = old.client.clone();
    let new = Arc::new(ClientRecord { client, secrets });
    Change::PutClient {
        tenant,
        old: Some(old.clone()),
        new,
    }
}

/// What `Expires` and `Expiration` say together: true needs a date, false excludes one.
fn agree(expires: bool, expiration: Option<Timestamp>) -> Result<Option<Timestamp>, Refusal> {
    match (expires, expiration) {
        (true, None) => Err(Refusal::invalid(
            "Expires is true (also where it is absent at creation) and there is no Expiration.",
            "Give an Expiration, or set Expires to false for a secret that never expires.",
        )),
        (false, Some(time)) => Err(Refusal::invalid(
            format!("Expires is false and Expiration is {time}."),
            "Leave Expiration out for a secret that never expires, or set Expires to true.",
        )),
        (_, expiration) => Ok(expiration),
    }
}

/// One secret of a client.
pub fn secret_of(record: &ClientRecord, id: SecretId) -> Result<&Secret, Refusal> {
    let client = &record.client.id;
    if record.secrets.damaged.contains(&id) {
        return Err(Refusal {
            resolution: "Delete this secret, and add another one in its place.".to_owned(),
            ..damaged(format_args!("Secret {id} of client '{client}'"))
        });
    }
    let found = record.secrets.get(id);
    found.ok_or_else(|| no_secret(client, id))
}

/// The refusal for a secret that does not exist.
fn no_secret(client: &ClientId, id: SecretId) -> Refusal {
    Refusal::not_found(format_args!("secret {id} of client '{client}'"))
}

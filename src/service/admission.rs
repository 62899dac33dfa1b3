//! May this caller do this? Asked twice with the same functions: when a request comes in, on what
//! readers see, and when its write is decided, on the newest state.

use super::command::Caller;
use super::failures::damaged;
use crate::directory::snapshot::TenantSnapshot;
use crate::domain::access::{Operation, Rights, Scope, Standing};
use crate::domain::error::{Kind, Refusal};
use crate::domain::ids::{ClientId, Epoch, Generation, TenantId};

/// What the caller's client may do now, whatever its token says. `home` is the caller's tenant as
/// it is now, if it still is.
///
/// A client that is deleted, disabled, or created anew since the token was issued has no rights.
pub fn rights_of(
    home: Option<&TenantSnapshot>,
    caller: &Caller,
    epoch: Epoch,
) -> Result<Rights, Refusal> {
    let gone = |why: &str| {
        Err(Refusal::forbidden(
            format!(
                "The client '{}' that this token was issued to {why}.",
                caller.client
            ),
            "Fetch a token with a client that exists and is enabled.",
        ))
    };
    if home.is_some_and(|home| home.is_damaged(&caller.client)) {
        return Err(damaged(format_args!(
            "The client '{}' that this token was issued to",
            caller.client
        )));
    }
    let Some((home, record)) = home.and_then(|home| Some((home, home.client(&caller.client)?)))
    else {
        return gone("does not exist any more");
    };
    let client = &record.client;
    if caller.generation
        != (Generation {
            epoch,
            created: client.created,
        })
    {
        return gone("was created anew since then");
    }
    if !client.enabled {
        return gone("is disabled");
    }
    Ok(home.rights_of(client))
}

/// Whether a caller with these rights may do an operation in a tenant, on a client.
///
/// A caller of another tenant learns nothing: whether that tenant exists is told only to those who
/// reach into every tenant.
pub fn admit(
    operation: Operation,
    caller: &Caller,
    rights: Rights,
    tenant: Option<TenantId>,
    tenant_exists: bool,
    client: Option<&ClientId>,
) -> Result<(), Refusal> {
    let own_tenant = tenant == Some(caller.tenant);
    if operation.scope() == Scope::Tenant {
        if !own_tenant && !rights.in_cluster() {
            return Err(Refusal::forbidden(
                "The caller does not belong to the tenant of the path.",
                "Use the tenant that the client belongs to, or a client of that tenant.",
            ));
        }
        if !tenant_exists {
            return Err(match tenant {
                Some(id) => Refusal::not_found(format_args!("tenant {id}")),
                None => Refusal::not_found("tenant with the identifier of the path"),
            });
        }
    }
    let standing = Standing {
        rights,
        own_tenant,
        is_self: client == Some(&caller.client),
    };
    if operation.permits(standing) {
        return Ok(());
    }
    Err(Refusal::new(
        Kind::Forbidden,
        "Forbidden.",
        format!(
            "The roles that client '{}' holds now do not allow this.",
            caller.client
        ),
        format!("This takes {}.", operation.allowed_in_words()),
    ))
}

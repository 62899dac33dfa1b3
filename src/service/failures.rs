//! What a failure of the store means to whoever asked: the cause goes to the log, a refusal without
//! it to the caller.

use crate::domain::error::{Kind, Refusal};
use crate::store::StoreError;

/// The refusal of what could not be read.
pub fn refusal_of(error: StoreError) -> Refusal {
    match error {
        // Its cause was logged when it was closed, and everybody who asks meanwhile comes here.
        StoreError::Closed => unreadable(),
        StoreError::Failed(_) => {
            log::error!("reading failed: {error}");
            unreadable()
        }
        // It was logged when it was found, and everybody who asks for it comes here.
        StoreError::Damaged(_) => {
            log::debug!("reading failed: {error}");
            damaged("The data that this needs")
        }
    }
}

fn unreadable() -> Refusal {
    Refusal::new(
        Kind::Unavailable,
        "The service cannot read this at the moment.",
        "The store cannot be read; what is in memory is still served.",
        "Try again after Retry-After.",
    )
}

/// The refusal of what is damaged in the store. `what` begins the sentence.
pub fn damaged(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        Kind::Internal,
        "Stored data is damaged.",
        format!("{what} is damaged in the store, and damaged data is never believed."),
        "Ask the operator to run `credenza check`, and to restore a backup.",
    )
}

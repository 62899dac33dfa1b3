//! The watchdog: says that the service is not ready when the store does not answer. It cannot end
//! what hangs; it sees to it that nobody waits in vain, and that the operator hears of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::state::State;
use crate::store::StoreError;

/// Watches until the writer is gone.
pub(super) fn start(state: &Arc<State>, patience: Duration) -> Result<(), StoreError> {
    let watched = Arc::downgrade(state);
    std::thread::Builder::new()
        .name("watchdog".into())
        .spawn(move || watch(&watched, patience))
        .map_err(|error| StoreError::Failed(format!("no thread for the watchdog: {error}")))?;
    Ok(())
}

fn watch(state: &Weak<State>, patience: Duration) {
    const LOOKS: u32 = 10;
    while let Some(state) = state.upgrade() {
        if state.look(LOOKS) {
            log::error!(
                "writes are not accepted: the store has worked on one batch for {patience:?}, in \
                 its flush or in the sync of its file; the disk may hang"
            );
        }
        drop(state);
        std::thread::sleep(patience / LOOKS);
    }
}

//! How a command reaches the store: over the socket of the service that has it open, or by opening
//! it. What is done is the same.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::restore;
use super::serve::key_path;
use crate::control::{self, Answer, Context, Output, Request};
use crate::service::archive::Source;
use crate::store::StoreError;
use crate::store::sled::{Opened, SledStore};
use crate::system::clock::{SystemClock, monotonic_now};
use crate::system::random::SystemRandom;

/// Has a request done that only reads, wherever the store is. Never creates a store.
pub fn perform(data: &Path, request: &Request, output: &mut dyn Output) -> Result<Answer, String> {
    #[cfg(unix)]
    if let Some(connection) = control::connect(data)? {
        return connection.perform(request, &mut io::empty(), output);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let store = open(data).map_err(|error| error.to_string())?;
        let id = store.identity().store;
        let context = Context {
            source: Source {
                store: Arc::new(store),
                directory: None,
                clock: Arc::new(SystemClock),
                id,
            },
            key_path: key_path(data),
            service: None,
            now: monotonic_now,
        };
        control::perform(&context, request, &mut io::empty(), output).await
    })
}

/// Opens the store of a stopped service.
pub fn open(data: &Path) -> Result<SledStore, StoreError> {
    restore::refuse_unfinished(data).map_err(StoreError::Failed)?;
    // Opening would set up an empty store, or begin a first start that was cut short anew.
    if !SledStore::was_set_up(data) {
        let why = format!(
            "there is no store in {} (it has no marker); name the data directory with --data",
            data.display()
        );
        return Err(StoreError::Failed(why));
    }
    let (Opened::Fresh(store) | Opened::Existing(store)) = SledStore::open(data, &SystemRandom)?;
    Ok(store)
}

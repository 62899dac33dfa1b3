//! How a command reaches the store: over the socket of the service that has it open, or by opening
//! it. What is done is the same.

use std::io;
use std::sync::Arc;

use super::DataArgument;
use super::serve::key_path;
use crate::control::{self, Answer, Context, Output, Request};
use crate::service::archive::Source;
use crate::store::StoreError;
use crate::store::sled::{Opened, SledStore};
use crate::system::clock::{SystemClock, monotonic_now};
use crate::system::random::SystemRandom;

/// Has a request done that only reads, wherever the store is. Never creates a store.
pub fn perform(
    data: &DataArgument,
    request: &Request,
    output: &mut dyn Output,
) -> Result<Answer, String> {
    #[cfg(unix)]
    if let Some(connection) = control::connect(&data.data)? {
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
            key_path: key_path(&data.data),
            keys: None,
            service: None,
            now: monotonic_now,
        };
        control::perform(&context, request, &mut io::empty(), output).await
    })
}

/// Opens the store of a stopped service.
pub fn open(data: &DataArgument) -> Result<SledStore, StoreError> {
    let data = data.with_store()?;
    let (Opened::Fresh(store) | Opened::Existing(store)) = SledStore::open(data, &SystemRandom)?;
    Ok(store)
}

//! A service without HTTP, for commands that write to the store of a stopped service: its rules, its
//! writer, its durability.

use std::path::Path;
use std::sync::Arc;

use super::reach;
use crate::service::decide::Limits;
use crate::service::{Parts, Service};
use crate::store::sled::SledStore;
use crate::system::clock::SystemClock;
use crate::system::machine::available_memory;
use crate::system::random::SystemRandom;
use crate::tokens::jwt::Issuer;
use crate::tokens::key::{KeySet, SigningKey};
use crate::tokens::verify::Verifier;

/// Starts one on a store that was set up; refused while another process has it open. To be ended
/// with [`Service::stop`]. Also gives the store itself.
pub async fn start(data: &Path, limits: Limits) -> Result<(Service, Arc<SledStore>), String> {
    let store = reach::open(data).map_err(|error| error.to_string())?;
    let store = Arc::new(store);
    // It issues no token and verifies none.
    let key = SigningKey::generate().map_err(|error| error.to_string())?;
    let keys = Arc::new(KeySet::new(key, Vec::new()));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let issuer = Issuer::new(
        String::new(),
        String::new(),
        keys.clone(),
        clock.clone(),
        random.clone(),
    );
    let parts = Parts {
        store: store.clone(),
        issuer,
        verifier: Verifier::new(String::new(), String::new(), keys),
        clock,
        random,
        limits,
        directory_bytes: usize::try_from(available_memory() / 4).unwrap_or(usize::MAX),
    };
    let service = Service::start(parts).await;
    Ok((service.map_err(|error| error.to_string())?, store))
}

//! A service without HTTP, for commands that write to the store of a stopped service: its rules, its
//! writer, its durability.

use std::path::PathBuf;
use std::sync::Arc;

use super::DataArgument;
use super::reach;
use super::serve::{Settings, open_audit_log};
use crate::service::audit::Sink;
use crate::service::decide::Limits;
use crate::service::{Parts, Service};
use crate::store::sled::SledStore;
use crate::system::clock::SystemClock;
use crate::system::machine::available_memory;
use crate::system::memory::ProcessMemory;
use crate::system::random::SystemRandom;
use crate::tokens::jwt::Issuer;
use crate::tokens::key::{KeySet, SigningKey};
use crate::tokens::keys::Keys;
use crate::tokens::verify::Verifier;

/// Where the changes are recorded, as those of the service are.
#[derive(clap::Args)]
pub struct AuditArgument {
    /// Record every change in this file, as `serve --audit-log` does.
    #[arg(long, env = "CREDENZA_AUDIT_LOG", value_name = "FILE")]
    audit_log: Option<PathBuf>,
}

impl AuditArgument {
    fn open(&self) -> Result<Option<Box<dyn Sink>>, String> {
        let opened = self.audit_log.as_deref().map(open_audit_log);
        opened.transpose().map_err(|error| error.to_string())
    }
}

/// Starts one on a store that was set up; refused while another process has it open. To be ended
/// with [`Service::stop`]. Also gives the store itself.
pub async fn start(
    data: &DataArgument,
    limits: Limits,
    audit: &AuditArgument,
) -> Result<(Service, Arc<SledStore>), String> {
    let store = reach::open(data).map_err(|error| error.to_string())?;
    let store = Arc::new(store);
    // It issues no token and verifies none.
    let key = SigningKey::generate().map_err(|error| error.to_string())?;
    let keys = Arc::new(Keys::new(KeySet::new(key, Vec::new())));
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
        patience: Settings::PATIENCE,
        audit: audit.open()?,
        memory_bytes: available_memory() / 4,
        memory: Arc::new(ProcessMemory::default()),
    };
    let service = Service::start(parts).await;
    Ok((service.map_err(|error| error.to_string())?, store))
}

//! Starting the service, in the order that a crash at any point allows, and stopping it.
//!
//! The port is bound and health answers first; then the store is opened. On a first start the key
//! is on disk before the first client is, the client before its secret is shown, and the marker
//! that ends the first start comes last.

use std::fmt;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use arc_swap::ArcSwapOption;
use uuid::Uuid;

use super::background::{self, Background};
use super::clock_keeper::ClockKeeper;
use super::first_start;
use super::keys;
use super::memory_keeper;
use super::schedule;
use super::settings::{DataSet, Settings};
use crate::domain::error::Refusal;
use crate::domain::ids::Epoch;
use crate::domain::ports::{Clock, Random};
use crate::http::discovery::Documents;
use crate::http::dispatch::{Open, Site};
use crate::http::listen;
use crate::service::archive::Source;
use crate::service::audit::Sink;
use crate::service::{self, Service};
use crate::store::memory::MemoryStore;
use crate::store::sled::{Opened, SledStore};
use crate::store::{Store, StoreError};
use crate::system::clock::monotonic_now;
use crate::telemetry::audit::AuditFile;
use crate::tokens::jwt::Issuer;
use crate::tokens::key_holder::KeyHolder;
use crate::tokens::verify::Verifier;

/// Why the service did not start, in one line for a person.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> Self {
        Self(format!("the store could not be set up: {}", refusal.reason))
    }
}

/// A service that answers.
pub struct Running {
    scheme: &'static str,
    address: SocketAddr,
    server: ServerHandle,
    site: Arc<Site>,
    background: Background,
    /// There from the moment that it is open.
    clock: Option<ClockKeeper>,
}

/// A store, and whether it waits to be set up.
struct Opening {
    store: Arc<dyn Store>,
    /// The same store, where its first start has to be ended with a marker.
    fresh: Fresh,
    /// The id of a store on disk.
    id: Option<Uuid>,
}

enum Fresh {
    /// It was set up before.
    No,
    /// In memory: there is nothing to mark.
    InMemory,
    OnDisk(Arc<SledStore>),
}

/// Starts a service. Gives it back when it is ready; `out` is where a first secret is shown.
pub async fn start(settings: Settings, out: &mut dyn Write) -> Result<Running, StartError> {
    let started = monotonic_now();
    let cannot_listen = |error: std::io::Error| {
        StartError(format!("cannot listen on {}: {error}", settings.listen))
    };
    settings.base_on(settings.listen).map_err(StartError)?;
    let listener = TcpListener::bind(settings.listen).map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let base = settings.base_on(address).map_err(StartError)?;
    let site = Arc::new(Site {
        open: ArcSwapOption::empty(),
        random: settings.random.clone(),
        edge: settings.edge.clone(),
        stopping: AtomicBool::new(false),
    });
    let transport = settings.transport.clone();
    let scheme = transport.scheme();
    let server = listen::serve(site.clone(), listener, transport).map_err(cannot_listen)?;
    let mut running = Running {
        scheme,
        address,
        server: server.handle(),
        site,
        background: Background::default(),
        clock: None,
    };
    actix_web::rt::spawn(server);

    match running.open(settings, &base, started, out).await {
        Ok((background, clock)) => {
            running.background = background;
            running.clock = Some(clock);
            Ok(running)
        }
        Err(error) => {
            running.server.stop(false).await;
            Err(error)
        }
    }
}

impl Running {
    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that it listens on.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    async fn open(
        &self,
        settings: Settings,
        base: &str,
        started: std::time::Instant,
        out: &mut dyn Write,
    ) -> Result<(Background, ClockKeeper), StartError> {
        if let Some(schedule) = &settings.backups {
            schedule::prepare(&schedule.directory).map_err(StartError)?;
        }
        // Before the store: a file that cannot be opened leaves no directory behind.
        let audit = match &settings.audit_log {
            Some(path) => Some(open_audit_log(path)?),
            None => None,
        };
        let Opening { store, fresh, id } = open_store(&settings).await?;
        let store = match &settings.between {
            Some(between) => between(store),
            None => store,
        };
        let keeper = ClockKeeper::start(&settings, matches!(fresh, Fresh::No));
        let (clock, random) = (keeper.clock(), settings.random.clone());
        if let Some(warning) = settings.too_little_memory() {
            log::warn!("{warning}");
        }
        let holder = open_keys(&settings, matches!(fresh, Fresh::No), &*clock).await?;
        let keys = holder.keys();
        let issuer = format!("{base}/identity");
        let documents = Documents::new(&issuer, keys.clone());
        let service = Service::start(service::Parts {
            store: store.clone(),
            issuer: Issuer::new(
                issuer.clone(),
                settings.audience.clone(),
                keys.clone(),
                clock.clone(),
                random.clone(),
            ),
            verifier: Verifier::new(issuer, settings.audience.clone(), keys),
            clock: clock.clone(),
            random: random.clone(),
            limits: settings.limits,
            memory_bytes: settings.bytes_in_use(),
            memory: settings.memory.clone(),
            patience: settings.patience,
            audit,
        })
        .await?;
        let service = Arc::new(service);
        memory_keeper::start(&service.directory);

        let data_set = settings.data_set;
        if !matches!(fresh, Fresh::No) {
            let given = settings.bootstrap;
            let set_up = first_start::set_up(&service, given, data_set, &*random, started).await?;
            first_start::show(&set_up, base, out)
                .map_err(|error| StartError(format!("the secret could not be shown: {error}")))?;
            if let Fresh::OnDisk(store) = fresh {
                store.mark_complete()?;
            }
        }
        if data_set != DataSet::Plain {
            first_start::load_demo(&service, started).await?;
        }
        let background = match (&settings.data, id) {
            (Some(data), Some(id)) => {
                let source = Source {
                    store,
                    directory: Some(service.directory.clone()),
                    clock,
                    id,
                };
                let parts = background::Parts {
                    service: service.clone(),
                    source,
                    keys: holder,
                };
                let (backups, rotate_keys) = (settings.backups, settings.rotate_keys);
                Background::start(data, parts, &*random, backups, rotate_keys).map_err(|error| {
                    StartError(format!("nothing can be done on a schedule: {error}"))
                })?
            }
            _ => Background::default(),
        };
        self.site
            .open
            .store(Some(Arc::new(Open { service, documents })));
        Ok((background, keeper))
    }

    /// Finishes what is in flight, flushes, closes the store and lets its directory go.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.site.stopping.store(true, Ordering::Relaxed);
        self.server.stop(true).await;
        let background = self.background;
        let _ = tokio::task::spawn_blocking(move || background.stop()).await;
        // Before the directory is let go.
        if let Some(clock) = self.clock {
            clock.stop().await;
        }
        // Taken out, so that the store is let go with the last word of the writer.
        match self.site.open.swap(None) {
            Some(open) => open.service.stop().await,
            None => Ok(()),
        }
    }
}

/// Opens the file that records of changes go to.
pub fn open_audit_log(path: &Path) -> Result<Box<dyn Sink>, StartError> {
    let file = AuditFile::open(path)
        .map_err(|error| StartError(format!("--audit-log {}: {error}", path.display())))?;
    Ok(Box::new(file))
}

async fn open_store(settings: &Settings) -> Result<Opening, StartError> {
    let Some(directory) = settings.data.clone() else {
        let mut epoch = [0; 4];
        settings.random.fill(&mut epoch);
        let store = Arc::new(MemoryStore::new(Epoch(u32::from_be_bytes(epoch))));
        return Ok(Opening {
            store,
            fresh: Fresh::InMemory,
            id: None,
        });
    };
    let random = settings.random.clone();
    let opening = tokio::task::spawn_blocking(move || open_directory(&directory, &*random));
    opening
        .await
        .unwrap_or_else(|_| Err(StartError("the store could not be opened".into())))
}

async fn open_keys(
    settings: &Settings,
    expected: bool,
    clock: &dyn Clock,
) -> Result<Arc<KeyHolder>, StartError> {
    let (data, given) = (settings.data.clone(), settings.signing_key.clone());
    let now = clock.now();
    let opening = tokio::task::spawn_blocking(move || {
        keys::open(data.as_deref(), given.as_deref(), expected, now)
    });
    let opened = opening
        .await
        .unwrap_or_else(|_| Err("the signing keys could not be opened".to_owned()));
    opened.map(Arc::new).map_err(StartError)
}

fn open_directory(directory: &Path, random: &dyn Random) -> Result<Opening, StartError> {
    Ok(match SledStore::open(directory, random)? {
        Opened::Existing(store) => Opening {
            id: Some(store.identity().store),
            store: Arc::new(store),
            fresh: Fresh::No,
        },
        Opened::Fresh(store) => {
            let store = Arc::new(store);
            Opening {
                store: store.clone(),
                id: Some(store.identity().store),
                fresh: Fresh::OnDisk(store),
            }
        }
    })
}

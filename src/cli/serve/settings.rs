//! What a service is started with: the flags of `serve`, or a test's choice.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{RotateEvery, Schedule};
use crate::domain::ids::{ClientId, TenantId};
use crate::domain::ports::{Clock, Memory, Monotonic, Random};
use crate::http::edge::Edge;
use crate::http::listen::Transport;
use crate::service::decide::Limits;
use crate::store::Store;
use crate::tokens::secret::PlainSecret;

/// Everything that can be chosen.
pub struct Settings {
    /// The data directory; `None` keeps everything in memory.
    pub data: Option<PathBuf>,
    /// The file that changes are recorded in; `None` records nothing.
    pub audit_log: Option<PathBuf>,
    pub listen: SocketAddr,
    pub base: Base,
    pub behind_tls_proxy: bool,
    pub audience: String,
    pub limits: Limits,
    /// What the whole process may use.
    pub memory_bytes: u64,
    /// What it does use.
    pub memory: Arc<dyn Memory>,
    pub data_set: DataSet,
    pub bootstrap: BootstrapSettings,
    /// The file of a signing key that somebody else looks after; `None`: the service has its own.
    pub signing_key: Option<PathBuf>,
    pub rotate_keys: RotateEvery,
    /// The backups that the service takes by itself.
    pub backups: Option<Schedule>,
    pub transport: Transport,
    pub edge: Edge,
    /// The machine's wall clock; the service goes by a clock of its own that follows it.
    pub clock: Arc<dyn Clock>,
    pub monotonic: Arc<dyn Monotonic>,
    pub random: Arc<dyn Random>,
    /// How long the store may take for a batch before the service says that it is not ready.
    pub patience: Duration,
    /// What stands between the service and its store: faults, where a test plants some.
    pub between: Option<Between>,
}

/// Puts something in front of a store.
pub type Between = Arc<dyn Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync>;

/// What the issuer's URL begins with.
pub enum Base {
    Given(String),
    /// Scheme and address as served.
    AsServed,
}

/// What a store holds besides what people put there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DataSet {
    Plain,
    /// The demo set.
    Demo,
    /// The demo set, in memory, with a first client that everybody knows.
    Dev,
}

/// What the first start takes instead of generated values.
#[derive(Default)]
pub struct BootstrapSettings {
    pub tenant: Option<TenantId>,
    pub client: Option<ClientId>,
    pub secret: Option<PlainSecret>,
}

/// The least that a service can keep to while it answers from a store of some size.
const LEAST: u64 = 64 << 20;

impl Settings {
    /// How long the store may take for a batch.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// How many bytes may be in use before tenants leave memory. The rest is for what comes between
    /// two looks: an eighth, 16 to 64 MiB.
    pub fn bytes_in_use(&self) -> u64 {
        let between = (self.memory_bytes / 8).clamp(16 << 20, 64 << 20);
        self.memory_bytes.saturating_sub(between)
    }

    /// What is wrong with the memory that is allowed, for the log.
    pub fn too_little_memory(&self) -> Option<String> {
        (self.memory_bytes < LEAST).then(|| {
            format!(
                "{} MiB of memory are too little to be kept to: tenants stay in memory one at a time, \
                 and the process may come to use more; give it --memory {}MiB or more",
                self.memory_bytes >> 20,
                LEAST >> 20,
            )
        })
    }

    /// The base of the issuer, for a service that listens on an address; or why there is none.
    pub fn base_on(&self, address: SocketAddr) -> Result<String, String> {
        let loopback = address.ip().is_loopback();
        if self.data_set == DataSet::Dev && !loopback {
            return Err(format!(
                "--dev has a secret that everybody knows and listens on loopback only, not on {address}"
            ));
        }
        let scheme = self.transport.scheme();
        if !loopback && !self.behind_tls_proxy && scheme == "http" {
            return Err(format!(
                "plain HTTP on {address} would show secrets and tokens to the network; \
                 listen on 127.0.0.1, do TLS with --tls-cert and --tls-key, \
                 or add --behind-tls-proxy if a proxy in front does"
            ));
        }
        match &self.base {
            Base::Given(base) if scheme == "https" && base.starts_with("http://") => Err(format!(
                "--issuer-base {base} is plain HTTP, and --tls-cert says that the service does TLS; \
                 give it as https://"
            )),
            Base::Given(base) => Ok(base.clone()),
            Base::AsServed if self.behind_tls_proxy || address.ip().is_unspecified() => {
                Err("the issuer's URL is not known here; \
                     add --issuer-base URL, such as --issuer-base https://id.example.com"
                    .to_owned())
            }
            Base::AsServed => Ok(format!("{scheme}://{address}")),
        }
    }
}

//! Starts the real service for a test, and checks when the test ends that everything in its store
//! agrees.

pub mod caller;
pub mod damage;
pub mod jwt;
pub mod process;
pub mod response;
pub mod wire;

#[path = "../../common/dice.rs"]
pub mod dice;
#[path = "../../common/faulty.rs"]
pub mod faulty;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use credenza::cli::serve::{
    Base, Between, BootstrapSettings, DataSet, RotateEvery, Schedule, Settings, start,
};
use credenza::domain::ids::{ClientId, TenantId};
use credenza::domain::ports::{Random, Unmeasured};
use credenza::domain::times::Timestamp;
use credenza::http::edge::Edge;
use credenza::http::listen::Transport;
use credenza::service::decide::Limits;
use credenza::store::Store;
use credenza::store::sled::{Opened, SledStore};
use credenza::system::clock::ManualClock;
use credenza::system::random::{SeededRandom, SystemRandom};
use credenza::tokens::secret::PlainSecret;
use tempfile::TempDir;

pub use caller::{Caller, anonymous};
pub use faulty::{Fault, Faults};
pub use response::Response;

/// The tenant that every store of the tests begins with, and its first client.
pub const TENANT: &str = "11111111-1111-4111-8111-111111111111";
pub const OPERATOR: &str = "operator";
pub const OPERATOR_SECRET: &str = "crdz_operator-secret-of-the-tests-0123456789";
/// When the clock of a test stands, until the test moves it.
pub const NOON: &str = "2030-06-01T12:00:00Z";

pub const MEMBER: &str = "7ad2b9ef-5386-4ead-ac9f-ad99c5c5b977";
pub const ADMINISTRATOR: &str = "2dc742ab-39ea-4fc0-a39e-2bcb71c26a5f";
pub const CLUSTER_OPERATOR: &str = "89be951b-eec9-44d7-8710-62c42b4e2740";
pub const CLUSTER_SUPPORT: &str = "b155da7d-48e6-46ed-b86b-82017bb7b3d8";

/// What a test may choose; the rest is the same for all.
pub struct Choices {
    pub limits: Limits,
    pub data_set: DataSet,
    pub memory_bytes: u64,
    /// `true`: no first client is given, so that one is drawn and printed.
    pub print_first: bool,
    /// Backups that the service takes by itself: how often, in seconds, and how many are kept.
    pub backups: Option<(u64, usize)>,
    /// The file of a signing key that is given to the service.
    pub signing_key: Option<std::path::PathBuf>,
    pub rotate_keys: RotateEvery,
    /// How long the store may take for a batch.
    pub patience: Duration,
    /// What stands between the service and its store.
    pub faults: Option<Arc<Faults>>,
    pub audit_log: Option<std::path::PathBuf>,
    /// `None`: numbers of a seed, the same in every run.
    pub random: Option<Arc<dyn Random>>,
    pub transport: Transport,
    pub edge: Edge,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            data_set: DataSet::Plain,
            memory_bytes: 512 << 20,
            print_first: false,
            backups: None,
            signing_key: None,
            rotate_keys: Settings::ROTATE_EVERY,
            patience: Settings::PATIENCE,
            faults: None,
            audit_log: None,
            random: None,
            transport: Transport::default(),
            edge: Edge::default(),
        }
    }
}

/// A running service.
pub struct Server {
    pub directory: TempDir,
    pub clock: Arc<ManualClock>,
    random: Arc<dyn Random>,
    /// What the next start takes.
    pub choices: Choices,
    process: Option<Process>,
    /// What the first start printed.
    pub printed: String,
    /// Where `check` is to find something when the test ends.
    damaged: Vec<String>,
}

/// The service on a thread of its own.
struct Process {
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// A service with an empty store of its own, set up with [`OPERATOR`].
    pub fn start() -> Self {
        Self::with(Choices::default())
    }

    pub fn with(choices: Choices) -> Self {
        let noon = Timestamp::parse("NOON", NOON).unwrap();
        let mut server = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(noon)),
            random: choices
                .random
                .clone()
                .unwrap_or_else(|| Arc::new(SeededRandom::new(1))),
            choices,
            process: None,
            printed: String::new(),
            damaged: Vec::new(),
        };
        server.run();
        server
    }

    /// The data directory.
    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("store")
    }

    /// Where the service puts the backups that it takes by itself.
    pub fn backups(&self) -> std::path::PathBuf {
        self.directory.path().join("backups")
    }

    fn settings(&self) -> Settings {
        let bootstrap = match self.choices.print_first {
            true => BootstrapSettings::default(),
            false => BootstrapSettings {
                tenant: TenantId::parse(TENANT),
                client: ClientId::parse(OPERATOR),
                secret: Some(PlainSecret::from_given(OPERATOR_SECRET.into())),
            },
        };
        Settings {
            data: Some(self.data()),
            audit_log: self.choices.audit_log.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            base: Base::Given(format!(
                "{}://credenza.test",
                self.choices.transport.scheme()
            )),
            behind_tls_proxy: false,
            audience: "ocsapi".into(),
            limits: self.choices.limits,
            memory_bytes: self.choices.memory_bytes,
            memory: Arc::new(Unmeasured),
            data_set: self.choices.data_set,
            bootstrap,
            signing_key: self.choices.signing_key.clone(),
            rotate_keys: self.choices.rotate_keys,
            backups: self.choices.backups.map(|(seconds, keep)| Schedule {
                directory: self.backups(),
                every: Duration::from_secs(seconds),
                keep,
            }),
            transport: Transport {
                workers: Some(2),
                ..self.choices.transport.clone()
            },
            edge: self.choices.edge.clone(),
            clock: self.clock.clone(),
            monotonic: self.clock.clone(),
            random: self.random.clone(),
            patience: self.choices.patience,
            between: self
                .choices
                .faults
                .clone()
                .map(|faults| Arc::new(move |store| faults.before(store)) as Between),
        }
    }

    /// Starts the service on the directory as it is.
    pub fn run(&mut self) {
        once_free(|| self.try_run()).unwrap();
    }

    /// The same, where it may be refused.
    pub fn try_run(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "it runs already");
        let settings = self.settings();
        let (report, reported) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let mut printed = Vec::new();
                let running = match start(settings, &mut printed).await {
                    Ok(running) => running,
                    Err(error) => return report.send(Err(error.to_string())).unwrap(),
                };
                let printed = String::from_utf8(printed).unwrap();
                report.send(Ok((running.address(), printed))).unwrap();
                let _ = stopped.await;
                running.stop().await.unwrap();
            });
        });
        let (address, printed) = reported.recv().unwrap()?;
        self.printed.push_str(&printed);
        self.process = Some(Process {
            address,
            stop,
            thread,
        });
        Ok(())
    }

    /// Stops it in good order, as SIGTERM does.
    pub fn stop(&mut self) {
        if let Some(Process { stop, thread, .. }) = self.process.take() {
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    /// Stops one that cannot stop in good order any more.
    pub fn abandon(&mut self) {
        if let Some(Process { stop, thread, .. }) = self.process.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }

    /// Stops it and starts it again. It listens on another port afterwards: callers of before
    /// must be moved with [`Caller::moved_to`].
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// When the test ends, `check` finds something at each of these places, such as
    /// `client pump-1`, and nowhere else.
    pub fn expect_damage(&mut self, places: &[&str]) {
        self.damaged = places.iter().map(ToString::to_string).collect();
    }

    pub fn address(&self) -> SocketAddr {
        self.process.as_ref().expect("it runs").address
    }

    /// The first client: Tenant Member, Tenant Administrator and Cluster Operator.
    pub fn operator(&self) -> Caller {
        Caller::authenticated(self.address(), TENANT, OPERATOR, OPERATOR_SECRET)
    }

    /// Creates a tenant and gives its id.
    pub fn new_tenant(&self, company_name: &str) -> String {
        let body = serde_json::json!({ "CompanyName": company_name });
        let created = self.operator().post("/api/v1/Tenants", &body).expect(201);
        created.text("Id")
    }

    /// The id of a tenant's built-in role of some type.
    pub fn role(&self, tenant: &str, role_type: &str) -> String {
        let path = format!("/api/v1/Tenants/{tenant}/Roles?roleTypeId={role_type}");
        let roles = self.operator().get(&path).expect(200).json();
        roles[0]["Id"]
            .as_str()
            .expect("the role is there")
            .to_owned()
    }

    /// Creates a client of a tenant with these roles beside Member, and fetches its token.
    pub fn caller_with(&self, tenant: &str, roles: &[String]) -> Caller {
        let mut role_ids = vec![self.role(tenant, MEMBER)];
        role_ids.extend_from_slice(roles);
        let path = format!("/api/v1/Tenants/{tenant}/ClientCredentialClients");
        let body = serde_json::json!({ "RoleIds": role_ids });
        let created = self.operator().post(&path, &body).expect(201).json();
        let id = created["Client"]["Id"].as_str().unwrap();
        Caller::authenticated(
            self.address(),
            tenant,
            id,
            created["Secret"].as_str().unwrap(),
        )
    }

    /// A client that holds Member alone.
    pub fn member(&self, tenant: &str) -> Caller {
        self.caller_with(tenant, &[])
    }

    pub fn administrator(&self, tenant: &str) -> Caller {
        self.caller_with(tenant, &[self.role(tenant, ADMINISTRATOR)])
    }

    /// Cluster Support, in the first tenant.
    pub fn support(&self) -> Caller {
        self.caller_with(TENANT, &[CLUSTER_SUPPORT.into()])
    }
}

/// How much of something a test does: what the environment variable says, else the small number.
pub fn how_many(variable: &str, small: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => small,
    }
}

/// Opens a store that was let go. Where another test starts a process meanwhile, that holds the
/// lock of every open store until it has become a program of its own: a moment later it is free.
fn once_free<T>(mut open: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    const ATTEMPTS: usize = 10_000;
    for _ in 1..ATTEMPTS {
        match open() {
            Err(error) if error.contains("another process has") => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
    open()
}

/// What `check` says of a stopped service's store.
pub fn findings(data: &Path) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let open = || SledStore::open(data, &SystemRandom).map_err(|error| error.to_string());
        let (Opened::Fresh(store) | Opened::Existing(store)) = once_free(open).unwrap();
        let findings = store.check().await.unwrap();
        store.close().await.unwrap();
        findings.iter().map(ToString::to_string).collect()
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed has said enough.
        if std::thread::panicking() {
            return;
        }
        self.stop();
        if self.data().join("marker").exists() {
            let found = findings(&self.data());
            let expected = |finding: &String| {
                let mut places = self.damaged.iter();
                places.any(|place| finding.contains(place.as_str()))
            };
            assert!(found.iter().all(expected), "check finds {found:#?}");
            for place in &self.damaged {
                let named = found.iter().any(|finding| finding.contains(place.as_str()));
                assert!(named, "check does not find {place}: {found:#?}");
            }
        }
    }
}

//! The release binary, started for a benchmark in a directory of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Connection;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const SECRET: &str = "crdz_a-secret-of-a-test-that-everybody-may-know";

/// Killed when it is let go.
pub struct Service {
    process: Child,
    pub address: SocketAddr,
    pub token: String,
}

impl Service {
    /// Starts it, waits until it is ready, and fetches a token that may do everything.
    pub fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credenza"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CREDENZA_") {
                command.env_remove(name);
            }
        }
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--max-clients-per-tenant", "100000000", "--data"])
            .arg(data)
            .env("CREDENZA_BOOTSTRAP_TENANT_ID", TENANT)
            .env("CREDENZA_BOOTSTRAP_CLIENT_ID", "operator")
            .env("CREDENZA_BOOTSTRAP_CLIENT_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the release binary starts");
        let lines = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut lines = lines.lines().map_while(Result::ok);
        let address = lines
            .by_ref()
            .find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
            .expect("the service says where it listens");
        // Read on, so that it never waits for whoever reads its log.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Self {
            process,
            address,
            token: token(address),
        }
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address, &self.token).expect("the service takes connections")
    }

    pub fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn token(address: SocketAddr) -> String {
    let form = format!("grant_type=client_credentials&client_id=operator&client_secret={SECRET}");
    let mut connection = Connection::open(address, "").expect("the service takes connections");
    let kind = "application/x-www-form-urlencoded";
    let answer = connection
        .call("POST /identity/connect/token", kind, &form, 200)
        .expect("the service gives a token");
    let answer: serde_json::Value = serde_json::from_slice(answer).expect("it is JSON");
    answer["access_token"]
        .as_str()
        .expect("it has a token")
        .to_owned()
}

//! The real program, run as people run it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::NamedTempFile;

use super::{Caller, anonymous};

/// A command of the program, without the variables that would steer it. `CREDENZA_BINARY` names
/// another program than the one that was built with the tests: `tests/run` gives the release's.
pub fn credenza<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let program = std::env::var_os("CREDENZA_BINARY");
    let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_credenza").into());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CREDENZA_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").args(arguments);
    command
}

/// `serve` on a free port of loopback.
pub fn serve(data: &Path) -> Command {
    let mut command = credenza(["serve", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(data);
    command
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Fails the test unless it failed with 1 and one line that holds these words.
    #[track_caller]
    pub fn refused_because(&self, words: &str) {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("credenza: ") && last.contains(words),
            "{self:?}"
        );
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:?}");
        self
    }
}

/// Runs a command that ends by itself.
pub fn run(mut command: Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ended {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running service. Dropped, it is killed.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
    stdout: NamedTempFile,
    stderr: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts it and waits until it says where it listens.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        match Self::try_start(command) {
            Ok(service) => service,
            Err(ended) => panic!("it did not start: {ended:?}"),
        }
    }

    /// The same, where it may end instead.
    pub fn try_start(mut command: Command) -> Result<Self, Ended> {
        // A file: when the line on standard error is there, so is what came before it here.
        let stdout = NamedTempFile::new().unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout.reopen().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            if lines.read_line(&mut said).unwrap() == 0 {
                return Err(Ended {
                    status: child.wait().unwrap(),
                    stdout: std::fs::read_to_string(stdout.path()).unwrap(),
                    stderr: said,
                });
            }
            if let Some(url) = said[start..].strip_prefix("listening on ") {
                let (_, address) = url.trim_end().split_once("://").unwrap();
                break address.parse().unwrap();
            }
        };
        let stderr = Arc::new(Mutex::new(said));
        let all = stderr.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.lines() {
                let mut all = all.lock().unwrap();
                all.push_str(&line.unwrap());
                all.push('\n');
            }
        });
        Ok(Self {
            child,
            address,
            stdout,
            stderr,
            reader: Some(reader),
        })
    }

    /// What it has printed on standard output.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.stdout.path()).unwrap()
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The value behind a label that the first start printed.
    #[track_caller]
    pub fn printed_value(&self, label: &str) -> String {
        let printed = self.printed();
        let value = printed
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(label))
            .unwrap_or_else(|| panic!("no {label} in what was printed"));
        value.trim().to_owned()
    }

    /// The client that the first start printed.
    pub fn first_client(&self) -> Caller {
        let value = |label| self.printed_value(label);
        let (tenant, id) = (value("tenant"), value("client id"));
        Caller::authenticated(self.address, &tenant, &id, &value("client secret"))
    }

    /// A client of before a restart, with a new token: the issuer's port is another one now.
    pub fn again(&self, client: &Caller) -> Caller {
        Caller::authenticated(self.address, &client.tenant, &client.id, &client.secret)
    }

    pub fn anonymous(&self) -> Caller {
        anonymous(self.address)
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// kill -9.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.end()
    }

    /// SIGTERM, which must end it well.
    #[track_caller]
    pub fn terminate(self) -> Ended {
        self.signal("TERM");
        self.wait().succeeded()
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> Ended {
        self.end()
    }

    fn end(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        Ended {
            status,
            stdout: self.printed(),
            stderr: self.stderr.lock().unwrap().clone(),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.reader.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

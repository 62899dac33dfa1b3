//! The flags of `serve`, each with its environment variable, and what they come to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::BoolishValueParser;

use super::keys::{RotateEvery, parse_rotate_every};
use super::network::NetworkArguments;
use super::schedule::{Schedule, parse_every};
use super::settings::{Base, BootstrapSettings, DataSet, Settings};
use crate::cli::DataArgument;
use crate::domain::ids::{ClientId, TenantId};
use crate::service::decide::Limits;
use crate::store::sled::SledStore;
use crate::system::clock::{SystemClock, SystemMonotonic};
use crate::system::machine::available_memory;
use crate::system::memory::ProcessMemory;
use crate::system::random::SystemRandom;
use crate::tokens::secret::PlainSecret;

/// For unattended first starts, these environment variables are used instead of generated values:
/// CREDENZA_BOOTSTRAP_TENANT_ID, CREDENZA_BOOTSTRAP_CLIENT_ID, and
/// CREDENZA_BOOTSTRAP_CLIENT_SECRET_FILE (recommended) or CREDENZA_BOOTSTRAP_CLIENT_SECRET.
#[derive(clap::Args)]
#[command(after_long_help = BOOTSTRAP_HELP)]
pub struct Arguments {
    #[command(flatten)]
    data: DataArgument,

    /// The address to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "CREDENZA_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR"
    )]
    listen: SocketAddr,

    /// What clients reach this service as, such as `https://id.example.com`. The issuer is this and
    /// /identity. Required on an unspecified address and behind a TLS proxy.
    #[arg(long, env = "CREDENZA_ISSUER_BASE", value_name = "URL")]
    issuer_base: Option<String>,

    /// A proxy in front does TLS: allows plain HTTP on an address that is not loopback.
    #[arg(long, env = "CREDENZA_BEHIND_TLS_PROXY", value_parser = BoolishValueParser::new())]
    behind_tls_proxy: bool,

    #[command(flatten)]
    network: NetworkArguments,

    /// The audience of access tokens.
    #[arg(long, env = "CREDENZA_AUDIENCE", default_value = "ocsapi")]
    audience: String,

    /// How many clients a tenant may hold.
    #[arg(
        long,
        env = "CREDENZA_MAX_CLIENTS_PER_TENANT",
        default_value_t = 50_000,
        value_name = "N"
    )]
    max_clients_per_tenant: usize,

    /// How much memory the process may use, such as 512MiB [default: a quarter of the machine's].
    #[arg(long, env = "CREDENZA_MEMORY", value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,

    /// Sign tokens with the key in this file (P-256, PKCS#8 in PEM) and never change it [default:
    /// keys of the service's own, in the data directory].
    #[arg(long, env = "CREDENZA_SIGNING_KEY", value_name = "FILE")]
    signing_key: Option<PathBuf>,

    /// How often another one of the service's own keys signs, such as 12h or 90d, or never.
    #[arg(
        long,
        env = "CREDENZA_ROTATE_KEYS_EVERY",
        default_value = "90d",
        value_name = "TIME",
        value_parser = parse_rotate_every
    )]
    rotate_keys_every: RotateEvery,

    /// Take backups into this directory, without the signing key; it is created where it is missing.
    #[arg(long, env = "CREDENZA_BACKUP_DIR", value_name = "DIR")]
    backup_dir: Option<PathBuf>,

    /// How often a backup is taken into --backup-dir, such as 30m, 6h or 1d.
    #[arg(
        long,
        env = "CREDENZA_BACKUP_EVERY",
        default_value = "6h",
        value_name = "TIME",
        value_parser = parse_every
    )]
    backup_every: Duration,

    /// How many of the backups in --backup-dir are kept; older ones are removed.
    #[arg(
        long,
        env = "CREDENZA_BACKUP_KEEP",
        default_value_t = 14,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    backup_keep: u32,
    /// Record every change in this file, a line of JSON each, on disk before the change is answered.
    /// Its directory must exist.
    #[arg(long, env = "CREDENZA_AUDIT_LOG", value_name = "FILE")]
    audit_log: Option<PathBuf>,

    /// Also make sure that the demo set is there: two tenants of a plant, a thousand clients.
    #[arg(long, env = "CREDENZA_DEMO", value_parser = BoolishValueParser::new())]
    demo: bool,

    /// For writing programs against the API: everything in memory, the demo set, a fixed secret.
    /// Loopback only; nothing survives the end.
    #[arg(long, env = "CREDENZA_DEV", value_parser = BoolishValueParser::new())]
    dev: bool,
}

const BOOTSTRAP_HELP: &str = "\
Unattended first start, used on the first start alone; the secret is then not printed:
  CREDENZA_BOOTSTRAP_TENANT_ID           a GUID
  CREDENZA_BOOTSTRAP_CLIENT_ID           a GUID, or 1 to 64 characters of A-Z a-z 0-9 . _ ~ -
  CREDENZA_BOOTSTRAP_CLIENT_SECRET_FILE  a file that holds the secret (recommended)
  CREDENZA_BOOTSTRAP_CLIENT_SECRET       the secret: 32 to 256 characters of A-Z a-z 0-9 _ -";

impl Arguments {
    /// What the flags and the environment come to, or the line that says what is wrong.
    pub fn settings(self) -> Result<Settings, String> {
        let (transport, edge) = self.network.transport_and_edge()?;
        let base = match self.issuer_base {
            Some(url) => Base::Given(checked_base(url)?),
            None => Base::AsServed,
        };
        if self.audience.is_empty() {
            return Err("--audience takes at least one character".into());
        }
        // Not clap's conflict: to that, `CREDENZA_DEMO=false` is a flag that was given.
        if self.dev && self.demo {
            return Err("--dev has the demo set already, in memory; leave out --demo".into());
        }
        if self.dev && self.backup_dir.is_some() {
            return Err(
                "--dev keeps nothing, so there is nothing to back up; leave out --backup-dir"
                    .into(),
            );
        }
        let data = match self.dev {
            true => None,
            false => Some(self.data.data),
        };
        // Used on the first start alone: later its secret's file may be gone.
        let bootstrap = match &data {
            Some(directory) if SledStore::was_set_up(directory) => BootstrapSettings::default(),
            _ => bootstrap_from_environment()?,
        };
        Ok(Settings {
            data,
            audit_log: self.audit_log,
            listen: self.listen,
            base,
            behind_tls_proxy: self.behind_tls_proxy,
            audience: self.audience,
            limits: Limits {
                clients_per_tenant: self.max_clients_per_tenant,
                ..Limits::default()
            },
            memory_bytes: self.memory.unwrap_or_else(|| available_memory() / 4),
            memory: Arc::new(ProcessMemory::default()),
            data_set: match (self.dev, self.demo) {
                (true, _) => DataSet::Dev,
                (false, true) => DataSet::Demo,
                (false, false) => DataSet::Plain,
            },
            bootstrap,
            signing_key: self.signing_key,
            rotate_keys: self.rotate_keys_every,
            backups: self.backup_dir.map(|directory| Schedule {
                directory,
                every: self.backup_every,
                keep: self.backup_keep as usize,
            }),
            transport,
            edge,
            clock: Arc::new(SystemClock),
            monotonic: Arc::new(SystemMonotonic),
            random: Arc::new(SystemRandom),
            patience: Settings::PATIENCE,
            between: None,
        })
    }
}

/// An origin: scheme, host, perhaps a port and a path, and nothing behind it.
fn checked_base(url: String) -> Result<String, String> {
    let wrong = || format!("--issuer-base {url} is not a URL such as https://id.example.com");
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '\\' | '<' | '>');
    if rest.is_empty() || rest.starts_with('/') || !rest.chars().all(plain) {
        return Err(wrong());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn bootstrap_from_environment() -> Result<BootstrapSettings, String> {
    let variable = |name: &str| {
        std::env::var(format!("CREDENZA_BOOTSTRAP_{name}"))
            .ok()
            .filter(|text| !text.is_empty())
    };
    let tenant = variable("TENANT_ID").map(|text| {
        TenantId::parse(&text).ok_or("CREDENZA_BOOTSTRAP_TENANT_ID must be a GUID".to_owned())
    });
    let client = variable("CLIENT_ID").map(|text| {
        ClientId::parse(&text).ok_or(
            "CREDENZA_BOOTSTRAP_CLIENT_ID must be a GUID, or 1 to 64 characters of A-Z a-z 0-9 . _ ~ -"
                .to_owned(),
        )
    });
    let file = variable("CLIENT_SECRET_FILE").map(PathBuf::from);
    let secret = match (file, variable("CLIENT_SECRET")) {
        (Some(_), Some(_)) => {
            return Err(
                "CREDENZA_BOOTSTRAP_CLIENT_SECRET and CREDENZA_BOOTSTRAP_CLIENT_SECRET_FILE are both set; set one"
                    .into(),
            );
        }
        (Some(path), None) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                format!(
                    "CREDENZA_BOOTSTRAP_CLIENT_SECRET_FILE {}: {error}",
                    path.display()
                )
            })?;
            Some(checked_secret(
                text.trim_end_matches(['\r', '\n']).to_owned(),
            )?)
        }
        (None, Some(text)) => Some(checked_secret(text)?),
        (None, None) => None,
    };
    Ok(BootstrapSettings {
        tenant: tenant.transpose()?,
        client: client.transpose()?,
        secret,
    })
}

fn checked_secret(text: String) -> Result<PlainSecret, String> {
    let fits = (32..=256).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    match fits {
        true => Ok(PlainSecret::from_given(text)),
        false => Err(
            "the bootstrap client secret must be 32 to 256 characters of A-Z a-z 0-9 _ -".into(),
        ),
    }
}

/// Bytes, or a number with KiB, MiB or GiB.
fn parse_size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (digits, unit) = units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .unwrap_or((text, 1));
    digits
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("'{text}' is not a size such as 512MiB, 2GiB or a number of bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("1000"), Ok(1_000));
        for text in [
            "",
            "0",
            "-1",
            "MiB",
            "1.5GiB",
            "99999999999999999999GiB",
            "1 TB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_is_a_url_without_query() {
        assert_eq!(
            checked_base("https://id.example.com/".into()).unwrap(),
            "https://id.example.com"
        );
        for url in [
            "",
            "id.example.com",
            "https://",
            "https:///x",
            "ftp://x",
            "http://a?b",
            "http://a b",
        ] {
            assert!(checked_base(url.into()).is_err(), "{url}");
        }
    }
}

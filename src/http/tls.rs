//! TLS 1.2 and 1.3 of the service itself, and its certificate, which is read again when its files
//! change.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// More than any chain of certificates has.
const LARGEST_FILE: u64 = 1 << 20;

/// Where the certificate and its key lie, both PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The service's own certificate first, then those that lead to a root.
    pub certificates: PathBuf,
    /// PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub key: PathBuf,
}

/// The certificate that handshakes take: the newest good one.
pub struct Certificate {
    files: Files,
    provider: Arc<CryptoProvider>,
    newest: ArcSwap<CertifiedKey>,
    /// What the files looked like before the newest good one was read.
    read: Stamps,
}

type Stamps = (Option<Stamp>, Option<Stamp>);

/// What changes when a file does.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// The inode, and when anything of it was changed.
    #[cfg(unix)]
    inode: (u64, i64, i64),
}

impl Certificate {
    /// Reads it; or says in one line which file is wrong, and how.
    pub fn load(files: Files) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let read = stamps(&files);
        let newest = load(&files, &provider)?;
        Ok(Self {
            files,
            provider,
            newest: ArcSwap::from_pointee(newest),
            read,
        })
    }

    /// Takes what the files hold whenever they change, as long as it is polled. A pair that cannot
    /// be used is told in the log once, and the one of before stays.
    pub async fn follow(self: Arc<Self>) {
        let mut seen = self.read.clone();
        let mut changed = false;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let now = stamps(&self.files);
            if now != seen {
                // The one may be new and the other not yet: read when both have stood still.
                seen = now;
                changed = true;
            } else if changed {
                changed = false;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match load(&self.files, &self.provider) {
            Ok(newest) => {
                self.newest.store(Arc::new(newest));
                log::info!(
                    "TLS: the certificate in {} is taken",
                    self.files.certificates.display()
                );
            }
            Err(why) => log::error!("TLS: the certificate of before stays, since {why}"),
        }
    }

    /// What does the handshakes with it.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, Error> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone());
        let versions = builder.with_protocol_versions(&[&TLS13, &TLS12])?;
        let mut config = versions
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.newest.load_full())
    }
}

fn load(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let (certificates, key) = (&files.certificates, &files.key);
    let chain = read(certificates, "--tls-cert")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = match chain {
        Ok(chain) if !chain.is_empty() => chain,
        Ok(_) => {
            return Err(format!(
                "--tls-cert {} holds no certificate; it takes PEM, which has lines '-----BEGIN CERTIFICATE-----'",
                certificates.display()
            ));
        }
        Err(error) => {
            return Err(format!(
                "--tls-cert {} is not PEM: {error}",
                certificates.display()
            ));
        }
    };
    let metadata = metadata(key, "--tls-key")?;
    if others_may_read(&metadata) {
        return Err(format!(
            "--tls-key {0} can be read by every user of the machine; chmod o= {0}",
            key.display()
        ));
    }
    let der = zeroize::Zeroizing::new(read(key, "--tls-key")?);
    let der = PrivateKeyDer::from_pem_slice(&der).map_err(|error| match error {
        pem::Error::NoItemsFound => format!(
            "--tls-key {} holds no private key that can be read; it takes PEM, PKCS#8, SEC1 or PKCS#1, without a passphrase",
            key.display()
        ),
        error => format!("--tls-key {} is not PEM: {error}", key.display()),
    })?;
    CertifiedKey::from_der(chain, der, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
            "the key in {} is not that of the first certificate in {}",
            key.display(),
            certificates.display()
        ),
        Error::InvalidCertificate(error) => format!(
            "the first certificate in {} cannot be used: {error}",
            certificates.display()
        ),
        error => format!("the key in {} cannot be used: {error}", key.display()),
    })
}

fn read(path: &Path, flag: &str) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("{flag} {}: {error}", path.display());
    match metadata(path, flag)? {
        file if !file.is_file() => Err(format!("{flag} {} is no file", path.display())),
        file if file.len() > LARGEST_FILE => Err(format!(
            "{flag} {} has {} bytes, which is more than any PEM file has",
            path.display(),
            file.len()
        )),
        _ => fs::read(path).map_err(cannot),
    }
}

fn metadata(path: &Path, flag: &str) -> Result<Metadata, String> {
    fs::metadata(path).map_err(|error| format!("{flag} {}: {error}", path.display()))
}

#[cfg(unix)]
fn others_may_read(file: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(file) & 0o007 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &Metadata) -> bool {
    false
}

fn stamps(files: &Files) -> Stamps {
    (stamp(&files.certificates), stamp(&files.key))
}

/// `None` where there is no file.
fn stamp(path: &Path) -> Option<Stamp> {
    #[cfg(unix)]
    use std::os::unix::fs::MetadataExt as _;
    let file = fs::metadata(path).ok()?;
    Some(Stamp {
        modified: file.modified().ok(),
        length: file.len(),
        #[cfg(unix)]
        inode: (file.ino(), file.ctime(), file.ctime_nsec()),
    })
}

//! TLS that the service does itself: which certificates it takes, and how it comes by newer ones.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use credenza::http::limits::Deadlines;
use credenza::http::listen::Transport;
use credenza::http::tls::{Certificate, Files};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use crate::harness::process::{Service, credenza, serve};
use crate::harness::{Choices, Server, wire};

/// A certificate for localhost, and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// Where a service finds its certificate.
struct Place(TempDir);

impl Place {
    fn with(pair: &Pair) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put(&pair.certificate, &pair.key);
        place
    }

    fn certificate(&self) -> PathBuf {
        self.0.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    fn put(&self, certificate: &str, key: &str) {
        std::fs::write(self.certificate(), certificate).unwrap();
        std::fs::write(self.key(), key).unwrap();
        self.set_mode(0o600);
    }

    fn set_mode(&self, mode: u32) {
        set_mode(&self.key(), mode);
    }

    fn serve(&self) -> Command {
        let mut command = serve(&self.0.path().join("store"));
        command.arg("--tls-cert").arg(self.certificate());
        command.arg("--tls-key").arg(self.key());
        command
    }

    #[track_caller]
    fn refused_because(&self, words: &str) {
        let ended = Service::try_start(self.serve()).err().expect("it starts");
        ended.refused_because(words);
        let store = self.0.path().join("store");
        assert!(!store.exists(), "it left something behind");
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).unwrap();
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts these certificates, of these versions.
fn client(pairs: &[&Pair], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.der()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A session that is resumed shows no certificate.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> std::io::Result<Tls> {
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(config.clone(), name).unwrap();
    let socket = wire::connect(address);
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(client, socket);
    // The handshake.
    stream.flush()?;
    Ok(stream)
}

/// The answer to a request over a connection that stays open.
fn ask(stream: &mut Tls, path: &str) -> std::io::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let bytes = stream.read(&mut piece)?;
        if bytes == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..bytes]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                return Ok(text.into_owned());
            }
        }
    }
}

const METADATA: &str = "/identity/.well-known/openid-configuration";

#[test]
fn it_speaks_tls_1_2_and_1_3_and_http_1_1_alone() {
    let pair = Pair::new();
    let place = Place::with(&pair);
    let service = Service::start(place.serve());
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let client = client(&[&pair], &[version]);
        let mut stream = connect(&client, service.address).unwrap();
        let answer = ask(&mut stream, METADATA).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(spoken));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let issuer = format!("\"issuer\":\"https://{}/identity\"", service.address);
        assert!(answer.contains(&issuer), "{answer}");
        let secure = "strict-transport-security: max-age=31536000\r\n";
        assert!(answer.contains(secure), "{answer}");
        // The connection is kept.
        ask(&mut stream, "/health/ready").unwrap();
    }
    // Plain HTTP gets no answer, and neither does one who speaks nothing but HTTP/2.
    let mut plain = wire::connect(service.address);
    plain
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut http_2 = ClientConfig::clone(&client(&[&pair], &[&TLS13]));
    http_2.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(&Arc::new(http_2), service.address).is_err());
    service.terminate();
}

#[test]
fn a_pair_that_cannot_be_used_refuses_the_start() {
    let (pair, other) = (Pair::new(), Pair::new());
    let place = Place::with(&pair);
    let cert_path = place.certificate().display().to_string();
    let key_path = place.key().display().to_string();
    std::fs::remove_file(place.key()).unwrap();
    place.refused_because(&format!("--tls-key {key_path}: No such file"));
    std::fs::remove_file(place.certificate()).unwrap();
    place.refused_because(&format!("--tls-cert {cert_path}: No such file"));
    place.put("certificate", &pair.key);
    place.refused_because(&format!("--tls-cert {cert_path} holds no certificate"));
    let cut = &pair.certificate[..pair.certificate.len() / 2];
    place.put(cut, &pair.key);
    place.refused_because(&format!("--tls-cert {cert_path} is not PEM"));
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    place.put(wrong, &pair.key);
    place.refused_because(&format!(
        "the first certificate in {cert_path} cannot be used"
    ));
    place.put(&pair.certificate, "key");
    place.refused_because(&format!("--tls-key {key_path} holds no private key"));
    // The one for the other.
    place.put(&pair.key, &pair.certificate);
    place.refused_because(&format!("--tls-cert {cert_path} holds no certificate"));
    place.put(&pair.certificate, &other.key);
    place.refused_because("is not that of the first certificate in");
    place.put(&pair.certificate, &pair.key);
    place.set_mode(0o644);
    place.refused_because(&format!("chmod o= {key_path}"));
    place.set_mode(0o640);
    let mut command = place.serve();
    command.args(["--issuer-base", "http://id.example.com"]);
    let ended = Service::try_start(command).err().expect("it starts");
    ended.refused_because("give it as https://");
    let mut command = serve(&place.0.path().join("store"));
    command.arg("--tls-cert").arg(place.certificate());
    let ended = Service::try_start(command).err().expect("it starts");
    ended.refused_because("--tls-cert takes --tls-key");
    // The same pair, as it is.
    Service::start(place.serve()).terminate();
}

#[test]
fn with_tls_it_may_listen_beyond_loopback() {
    let place = Place::with(&Pair::new());
    let mut command = credenza(["serve", "--listen", "0.0.0.0:0", "--data"]);
    command.arg(place.0.path().join("store"));
    command.args(["--issuer-base", "https://id.example.com"]);
    command.env("CREDENZA_TLS_CERT", place.certificate());
    command.env("CREDENZA_TLS_KEY", place.key());
    let service = Service::start(command);
    let printed = service.printed();
    assert!(printed.contains("https://id.example.com/"), "{printed}");
    service.terminate();
}

/// Waits until the service presents a certificate; meanwhile every request must be answered.
fn await_certificate(pair: &Pair, client: &Arc<ClientConfig>, service: &Service) {
    let began = credenza::system::clock::monotonic_now();
    loop {
        let mut stream = connect(client, service.address).unwrap();
        ask(&mut stream, "/health/ready").unwrap();
        if stream.conn.peer_certificates().unwrap()[0] == pair.der() {
            return;
        }
        assert!(began.elapsed().as_secs() < 60, "it is not taken");
    }
}

fn await_said(service: &Service, words: &str) {
    let began = credenza::system::clock::monotonic_now();
    while !service.said().contains(words) {
        assert!(began.elapsed().as_secs() < 60, "{}", service.said());
        std::thread::yield_now();
    }
}

#[test]
fn a_changed_certificate_is_taken_under_load_without_one_failed_request() {
    let (first, second, third) = (Pair::new(), Pair::new(), Pair::new());
    let place = Place::with(&first);
    let service = Service::start(place.serve());
    let client = client(&[&first, &second, &third], &[&TLS12, &TLS13]);
    let mut kept = connect(&client, service.address).unwrap();
    ask(&mut kept, "/health/ready").unwrap();
    let done = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let mut stream = connect(&client, service.address).unwrap();
                    for _ in 0..5 {
                        let answer = ask(&mut stream, "/health/ready").unwrap();
                        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        place.put(&second.certificate, &second.key);
        await_certificate(&second, &client, &service);
        // One of the two files alone: the pair of before stays, and the log says why, once.
        std::fs::write(place.certificate(), &third.certificate).unwrap();
        await_said(&service, "the certificate of before stays");
        await_certificate(&second, &client, &service);
        // By a rename, as tools replace a file.
        let new = place.0.path().join("new.pem");
        std::fs::write(&new, &third.key).unwrap();
        set_mode(&new, 0o644);
        std::fs::rename(&new, place.key()).unwrap();
        await_said(&service, "chmod o=");
        place.set_mode(0o600);
        await_certificate(&third, &client, &service);
        done.store(true, Ordering::Relaxed);
    });
    assert!(asked.into_inner() > 10);
    // A connection of before goes on.
    ask(&mut kept, "/health/ready").unwrap();
    let said = service.terminate().stderr;
    let refused = said.matches("the certificate of before stays").count();
    assert_eq!(refused, 2, "{said}");
    assert_eq!(said.matches("is taken").count(), 2, "{said}");
}

#[test]
fn an_idle_connection_is_ended_with_a_last_word() {
    let pair = Pair::new();
    let place = Place::with(&pair);
    let certificate = Certificate::load(Files {
        certificates: place.certificate(),
        key: place.key(),
    });
    let server = Server::with(Choices {
        transport: Transport {
            certificate: Some(Arc::new(certificate.unwrap())),
            deadlines: Deadlines {
                idle: Duration::from_secs(1),
                ..Deadlines::default()
            },
            ..Transport::default()
        },
        ..Choices::default()
    });
    for version in [&TLS12, &TLS13] {
        let client = client(&[&pair], &[version]);
        let mut stream = connect(&client, server.address()).unwrap();
        ask(&mut stream, "/health/ready").unwrap();
        // Without a word of TLS before it, the end of the connection is an error.
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
    }
}

#[test]
fn h05_a_handshake_that_does_not_go_on_is_given_up() {
    let place = Place::with(&Pair::new());
    let service = Service::start(place.serve());
    let silent = wire::connect(service.address);
    let mut half = wire::connect(service.address);
    // The head of a record that never comes whole.
    half.write_all(&[22, 3, 1, 2, 0]).unwrap();
    for mut stream in [silent, half] {
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    service.terminate();
}

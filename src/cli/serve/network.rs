//! The flags of `serve` for what lies between it and its clients: TLS, proxies, pages of other
//! origins.

use std::path::PathBuf;
use std::sync::Arc;

use crate::http::cors::parse_origin;
use crate::http::edge::Edge;
use crate::http::limits::Deadlines;
use crate::http::listen::Transport;
use crate::http::source::Network;
use crate::http::tls::{Certificate, Files};
use crate::system::process::raise_file_limit;

#[derive(clap::Args)]
pub struct NetworkArguments {
    /// Do TLS with this certificate: PEM, the service's own first, then those that lead to a root.
    /// With --tls-key. Both files are read again when they change.
    #[arg(long, env = "CREDENZA_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key: PEM (PKCS#8, SEC1 or PKCS#1), without a passphrase, and not
    /// readable by everybody.
    #[arg(long, env = "CREDENZA_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Believe the X-Forwarded-For of this proxy, or of all proxies of a network. Repeatable; in the
    /// variable, with commas.
    #[arg(
        long,
        env = "CREDENZA_TRUSTED_PROXY",
        value_name = "ADDR[/PREFIX]",
        value_delimiter = ',',
        value_parser = Network::parse
    )]
    trusted_proxy: Vec<Network>,

    /// Let pages of this origin, such as https://app.example.com, read answers (CORS). Repeatable; in
    /// the variable, with commas.
    #[arg(
        long,
        env = "CREDENZA_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = parse_origin
    )]
    cors_origin: Vec<actix_web::http::header::HeaderValue>,
}

impl NetworkArguments {
    /// What they come to, with the certificate read; or the line that says what is wrong.
    pub fn transport_and_edge(self) -> Result<(Transport, Edge), String> {
        let files = match (self.tls_cert, self.tls_key) {
            (None, None) => None,
            (Some(certificates), Some(key)) => Some(Files { certificates, key }),
            (Some(_), None) => return Err("--tls-cert takes --tls-key with it".into()),
            (None, Some(_)) => return Err("--tls-key takes --tls-cert with it".into()),
        };
        let certificate = files.map(Certificate::load).transpose()?.map(Arc::new);
        let edge = Edge {
            trusted_proxies: self.trusted_proxy,
            origins: self.cors_origin,
            is_tls: certificate.is_some(),
        };
        let transport = Transport {
            certificate,
            deadlines: Deadlines::default(),
            workers: None,
            files: raise_file_limit(),
        };
        Ok((transport, edge))
    }
}

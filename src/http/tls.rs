//! TLS of the HTTP side, where no proxy stands before it: a certificate and its key from files, read again when they change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::store::files;

/// The one protocol that is spoken within (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// Bits of a mode: others may read it. A group may be the one that renews certificates.
const ANYBODY_READS: u32 = 0o004;

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with those that lead to its authority, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What is served with, and which files it was read from.
pub struct Tls {
    files: TlsFiles,
    acceptor: TlsAcceptor,
    read: [Mark; 2],
}

/// Tells one state of a file from another.
type Mark = Option<(u64, i64, i64, u64)>;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn open(files: TlsFiles) -> Result<Self, String> {
        let read = marks(&files);
        Ok(Self { acceptor: acceptor(&files)?, files, read })
    }

    /// What a connection is taken with: of the files as they are now. While what is in them cannot be used (they are being
    /// exchanged one after the other), what was read before stays.
    pub fn acceptor(&mut self) -> TlsAcceptor {
        let now = marks(&self.files);
        if now != self.read {
            self.read = now;
            match acceptor(&self.files) {
                Ok(acceptor) => {
                    self.acceptor = acceptor;
                    tracing::info!("the certificate of the HTTP side was read again");
                }
                Err(error) => tracing::error!(%error, "the certificate cannot be read again; the one before stays"),
            }
        }
        self.acceptor.clone()
    }
}

fn marks(files: &TlsFiles) -> [Mark; 2] {
    let mark = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
    };
    [mark(&files.cert), mark(&files.key)]
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let wrong = |path: &Path, problem: &str| format!("{} cannot be used for TLS: {problem}", path.display());
    let unreadable = |path: &Path, error: &std::io::Error| wrong(path, &format!("{error}; name another in [http]"));
    files::check_target(&files.key).map_err(|problem| wrong(&files.key, &problem))?;
    let mode = fs::metadata(&files.key).map_err(|error| unreadable(&files.key, &error))?.permissions().mode();
    if mode & ANYBODY_READS != 0 {
        let problem = format!("anybody may read it; run `chmod o-r {}`", files.key.display());
        return Err(wrong(&files.key, &problem));
    }
    let cert = fs::read(&files.cert).map_err(|error| unreadable(&files.cert, &error))?;
    let key = Zeroizing::new(fs::read(&files.key).map_err(|error| unreadable(&files.key, &error))?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| wrong(&files.cert, "there is no certificate in it (PEM)"))?;
    let key =
        PrivateKeyDer::from_pem_slice(&key).map_err(|_| wrong(&files.key, "there is no private key in it (PEM)"))?;
    let builder =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| wrong(&files.cert, &error.to_string()))?;
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    let mut config =
        config.map_err(|error| wrong(&files.key, &format!("it does not go with the certificate: {error}")))?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

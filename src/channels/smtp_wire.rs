//! Connections to the mail server: made, kept for the next mail, and bounded in what the server may say.
//!
//! The library reads an answer's line to its end, however long that is; so what comes between two of our own words is counted here:
//! beneath TLS where that is begun on the connection, above it where it stands from the first byte. The library cannot be given a
//! connection that it is to protect at once, so TLS is made here then, by the same rules as the library's.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Most bytes of an answer, with what TLS adds to it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long an unused connection is kept; servers hang up after five minutes (RFC 5321 section 4.5.3.2.7).
const IDLE_MAX: Duration = Duration::from_mins(1);

/// How long it takes at most to take leave of a server.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// How a connection is protected.
pub(crate) enum Tls {
    None,
    Begun(TlsParameters),
    Whole(Box<Whole>),
}

/// TLS from the first byte.
pub(crate) struct Whole {
    connector: TlsConnector,
    host: ServerName<'static>,
}

impl Whole {
    /// To a server of that name, which these authorities may vouch for besides those that this machine trusts.
    ///
    /// # Errors
    /// When the name is none, or TLS cannot be set up.
    pub(crate) fn to(host: &str, roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let host = ServerName::try_from(host.to_owned()).map_err(|error| rustls::Error::General(error.to_string()))?;
        let provider = Arc::new(default_provider());
        let verifier = Verifier::new_with_extra_roots(roots, provider.clone())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), host })
    }
}

/// Why there is no connection.
pub(crate) enum Broken {
    /// Before the server could say anything.
    Wire(io::Error),
    /// By what it said, or did not.
    Server(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// Connects to that address and says hello.
pub(crate) async fn connect(address: SocketAddr, tls: Tls, hello: &ClientId) -> Result<AsyncSmtpConnection, Broken> {
    let stream = TcpStream::connect(address).await.map_err(Broken::Wire)?;
    // Its parts are written one by one, and each would wait for the acknowledgement of the one before.
    stream.set_nodelay(true).map_err(Broken::Wire)?;
    if let Tls::Whole(whole) = tls {
        let Whole { connector, host } = *whole;
        let stream = connector.connect(host, stream).await.map_err(Broken::Wire)?;
        let stream = Bounded { stream, left: ANSWER_BYTES_MAX };
        return Ok(AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?);
    }
    let stream = Bounded { stream, left: ANSWER_BYTES_MAX };
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?;
    if let Tls::Begun(tls) = tls {
        connection.starttls(tls, hello).await?;
    }
    Ok(connection)
}

/// A connection on which the other end may say so much until it is spoken to again.
#[derive(Debug)]
struct Bounded<S> {
    stream: S,
    left: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let came = buffer.filled().len() - before;
        Poll::Ready(match self.left.checked_sub(came) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(io::Error::other(format!("it answers without end, more than {ANSWER_BYTES_MAX} bytes"))),
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.left = ANSWER_BYTES_MAX;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Bounded<TcpStream> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncTokioStream for Bounded<TlsStream<TcpStream>> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}

/// A connection that nobody uses just now.
struct Idle {
    address: SocketAddr,
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// The connections that nobody uses just now.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
}

impl Pool {
    /// One to any of these addresses whose server still answers.
    pub(crate) async fn take(&self, addresses: &[SocketAddr]) -> Option<(SocketAddr, AsyncSmtpConnection)> {
        loop {
            let Idle { address, mut connection, since } = self.idle.lock().await.pop()?;
            if since.elapsed() > IDLE_MAX || !addresses.contains(&address) {
                leave(connection);
            } else if connection.test_connected().await {
                return Some((address, connection));
            }
        }
    }

    /// Keeps one for the next mail, unless it is of no use any more.
    pub(crate) async fn keep(&self, address: SocketAddr, connection: AsyncSmtpConnection) {
        if !connection.has_broken() {
            self.idle.lock().await.push(Idle { address, connection, since: Instant::now() });
        }
    }
}

/// Takes leave of a server, beside everything else.
fn leave(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move { tokio::time::timeout(LEAVE_MAX, connection.abort()).await });
}

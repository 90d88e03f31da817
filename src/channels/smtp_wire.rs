//! Connections to the mail server: made, kept for the next mail, and bounded in what the server may say.
//!
//! The library reads an answer's line to its end, however long that is; so what comes between two of our own words is counted here,
//! beneath TLS where that is begun on the connection. Where TLS stands from the first byte only the server that the config means can
//! speak: the library connects by itself then, and nothing is counted.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

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
    Whole(TlsParameters),
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
pub(crate) async fn connect(
    address: SocketAddr,
    tls: Tls,
    hello: &ClientId,
    timeout: Duration,
) -> Result<AsyncSmtpConnection, Broken> {
    if let Tls::Whole(tls) = tls {
        let whole = AsyncSmtpConnection::connect_tokio1(address, Some(timeout), hello, Some(tls), None).await;
        return whole.map_err(Broken::Server);
    }
    let stream = TcpStream::connect(address).await.map_err(Broken::Wire)?;
    // Its parts are written one by one, and each would wait for the acknowledgement of the one before.
    stream.set_nodelay(true).map_err(Broken::Wire)?;
    let stream = Bounded { stream, left: ANSWER_BYTES_MAX };
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?;
    if let Tls::Begun(tls) = tls {
        connection.starttls(tls, hello).await?;
    }
    Ok(connection)
}

/// A connection on which the other end may say so much until it is spoken to again.
#[derive(Debug)]
struct Bounded {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for Bounded {
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

impl AsyncWrite for Bounded {
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

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
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

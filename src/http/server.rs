//! The listening socket and its connections, each within limits.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::http::auth::Peer;
use crate::http::counts::{Counts, Held, network};
use crate::http::problem::Problem;
use crate::http::tls::Tls;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 2048;

/// Connections of one address (of IPv6: of one network) at once; what it opens beyond is closed. Not those of the proxies that the
/// config names, who speak for many.
const CONNECTIONS_OF_ONE_MAX: usize = 256;

/// How long the head of a request may take to arrive, also the first on a connection: an idle one is closed then.
const HEAD_TIME_MAX: Duration = Duration::from_secs(15);

/// How long a request may take until its answer begins, its body's arrival included.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a client may leave what is written to it unread, also a page whose stream is open.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);

/// The head of a request, in bytes. What is larger gets a bare 431 (414 for its first line) from the HTTP library, before
/// anything here sees it; so does a head that is no HTTP its 400.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How long running requests may take when the server ends.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// How long until a taken address is tried again, and after an error of accepting.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens and serves until it is told to stop.
pub async fn run(
    listen: SocketAddr,
    proxies: Vec<IpNet>,
    mut tls: Option<Tls>,
    router: Router,
    bound: watch::Sender<Option<SocketAddr>>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = tokio::select! {
        listener = bind(listen) => listener,
        () = told(&mut stopped) => return,
    };
    let local = listener.local_addr().unwrap_or(listen);
    tracing::info!(address = %local, "serving HTTP");
    bound.send_replace(Some(local));
    let router = router.layer(middleware::from_fn(within_time));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let of = Counts::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = told(&mut stopped) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer, one_of_all)) => {
                let from = Peer(peer.ip().to_canonical());
                let Some(one_of_its_own) = share_of(&of, from, &proxies) else {
                    tracing::warn!(peer = %from.0, "an address has {CONNECTIONS_OF_ONE_MAX} connections; one more was closed");
                    continue;
                };
                let room = Room { _one_of_all: one_of_all, _one_of_its_own: one_of_its_own };
                let tls = tls.as_mut().map(Tls::acceptor);
                connections.spawn(serve(stream, tls, from, router.clone(), stopped.clone(), room));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(STOP_TIME_MAX, async { while connections.join_next().await.is_some() {} }).await;
}

/// Room for one connection; given back when it is dropped.
struct Room {
    _one_of_all: OwnedSemaphorePermit,
    _one_of_its_own: Option<Held<IpAddr>>,
}

/// Room among an address's own connections; `Some(None)` for a proxy, which needs none.
#[expect(clippy::option_option, reason = "no room, no need of any, and some are three things")]
fn share_of(of: &Counts<IpAddr>, from: Peer, proxies: &[IpNet]) -> Option<Option<Held<IpAddr>>> {
    if proxies.iter().any(|range| range.contains(&from.0)) {
        return Some(None);
    }
    of.hold(network(from.0), CONNECTIONS_OF_ONE_MAX).map(Some)
}

/// Ends when the server is told to stop, or nobody is left who could tell it.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn bind(listen: SocketAddr) -> TcpListener {
    let mut told = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!(address = %listen, %error, "cannot listen there; trying again every second");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    from: Peer,
    router: Router,
    stopped: watch::Receiver<bool>,
    room: Room,
) {
    // Answers are small, and one that waits for an acknowledgement waits 40 ms.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIME_MAX));
    let stream = Box::pin(stream);
    let ended = match tls {
        None => speak(stream, from, router, stopped).await,
        Some(tls) => match tokio::time::timeout(HEAD_TIME_MAX, tls.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, from, router, stopped).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, peer = %from.0, "a client did not come to TLS");
                Ok(())
            }
            Err(_) => Ok(()),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %from.0, "a connection ended early");
    }
    drop(room);
}

/// HTTP on a connection, until it ends or the server does.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from: Peer,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    // Not a layer of a connection's own: that would be a copy of all routes, 2 MB for each.
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request| {
        request.extensions_mut().insert(from);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Ends a request whose answer does not begin in time. A stream's answer begins at once and may then go on.
async fn within_time(request: Request<Body>, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await.unwrap_or_else(|_| {
        let status = axum::http::StatusCode::REQUEST_TIMEOUT;
        Problem::new(status, "too-slow", "the request took too long; send its body without pauses").into_response()
    })
}

//! The HTTP side: events in, devices and browsers that enrol themselves, the vendor's shape of the matrix, health, metrics.
//!
//! It runs in `serve`, and in the console when `[http] listen` is set; two processes on one database hand the port on as they
//! hand on delivering. [`routes`] is the one list of what is served, and the OpenAPI document is made from it. Every error is
//! a problem of RFC 9457 ([`problem`]); who may do what is decided in [`auth`]; connections, bodies, times and rates are
//! limited in [`server`] and [`limit`].
//!
//! It must not know SQL, how anything is sent, or what a terminal shows: whatever it changes is a
//! [`crate::domain::command::Command`], and events go through [`crate::store::Store::accept`]. To add something: a file here
//! with its handlers and their `utoipa::path`, and a line in [`routes`].

pub mod problem;

pub mod state;

pub mod auth;

pub mod counts;

pub mod limit;

pub mod body;

pub mod events;

pub mod devices;

pub mod browser;

pub mod stream;

pub mod unsubscribe;

pub mod vendor;

pub mod vendor_body;

pub mod health;

pub mod metrics;

pub mod describe;

pub mod routes;

pub mod server;

pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use crate::channels::templates::Templates;
use crate::channels::unsubscribe::Unsubscribe;
use crate::dispatch::Status;
use crate::http::state::App;
use crate::http::tls::{Tls, TlsFiles};
use crate::store::Store;

/// What a person may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The files to speak TLS with; plain HTTP without them.
    pub tls: Option<TlsFiles>,
    /// How browsers and devices reach it, when that is another address than `listen`.
    pub public_url: Option<Url>,
    /// The proxies before it, whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
    /// The public key that push services know bellboard by, in base64url.
    pub push_key: Option<String>,
    /// The links in mails; none while nobody could reach them.
    pub unsubscribe: Option<Unsubscribe>,
    /// What messages say.
    pub templates: Arc<Templates>,
}

impl Options {
    /// The address that links and pages begin with, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let listen = || format!("{scheme}://{}", self.listen);
        self.public_url.as_ref().map_or_else(listen, |url| url.as_str().trim_end_matches('/').to_owned())
    }
}

/// The link by which a browser enrols itself. The code stands behind `#`, which browsers send to no server, so that it is in
/// nobody's log.
#[must_use]
pub fn enrolment_link(options: &Options, code: &str) -> String {
    format!("{}/browser/#{code}", options.base_url())
}

/// A hold on the server of this process. When it is dropped, the server stops.
#[derive(Debug)]
pub struct Handle {
    stop: watch::Sender<bool>,
    bound: watch::Receiver<Option<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Where it listens, once it does.
    #[must_use]
    pub fn bound(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.bound.clone()
    }

    /// Takes no more connections and lets requests that run end, for a short while.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

/// Starts to serve; `dispatcher` tells what that of this process is doing. While the address is taken (another process of the same database may have it) it tries again.
///
/// # Errors
/// When the files for TLS cannot be used.
pub fn start(store: Store, options: Options, dispatcher: watch::Receiver<Status>) -> Result<Handle, String> {
    let tls = options.tls.clone().map(Tls::open).transpose()?;
    let (stop, stopped) = watch::channel(false);
    let (bound_sender, bound) = watch::channel(None);
    let (listen, proxies) = (options.listen, options.proxies.clone());
    let app = App::new(store, options, dispatcher, stopped.clone());
    let task = tokio::spawn(server::run(listen, proxies, tls, routes::router(app), bound_sender, stopped));
    Ok(Handle { stop, bound, task })
}

//! `/metrics`: everything that is counted, as Prometheus reads it, for whoever shows a token with the scope `metrics`.
//!
//! What is counted where it happens is [`crate::metrics`]; what waits is asked of the store within a bound, and believed for a few
//! seconds, so that whoever asks often costs no more than who asks now and then. [`measured`] counts the HTTP side itself.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Mutex;

use crate::dispatch::Status;
use crate::domain::access::Scope;
use crate::domain::channel::Channel;
use crate::domain::time::Timestamp;
use crate::http::auth::Bearer;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::metrics::text::{Exposition, Kind, MEDIA_TYPE};
use crate::metrics::{Area, CLASSES, Intake, Metrics, Outcome};
use crate::store::backlog::Backlog;
use crate::store::error::StoreError;

/// How long is believed what the store said of what waits.
const BACKLOG_VALID: Duration = Duration::from_secs(5);

/// What the dispatcher of a process may be doing, as labels say it.
const STATES: [&str; 5] = ["delivering", "paused", "standby", "stopping", "failed"];

/// What was last seen to wait.
#[derive(Debug, Default)]
pub struct Seen {
    backlog: Mutex<Option<(Timestamp, Backlog)>>,
}

impl Seen {
    /// What waits, as of a few seconds ago at most.
    async fn backlog(&self, app: &App) -> Result<Backlog, StoreError> {
        let mut seen = self.backlog.lock().await;
        let now = app.store().clock().now();
        if let Some((at, backlog)) = *seen
            && at <= now
            && now.since(at) < BACKLOG_VALID
        {
            return Ok(backlog);
        }
        let backlog = app.store().backlog().await?;
        *seen = Some((now, backlog));
        Ok(backlog)
    }
}

/// The metrics, in Prometheus' text format. Needs a token with the scope `metrics` that is for every account.
///
/// # Errors
/// When the token is another.
#[utoipa::path(
    get, path = "/metrics", tag = "health", security(("bearer" = [])),
    responses(
        (status = 200, description = "All metrics", body = String, content_type = "text/plain"),
    )
)]
pub async fn metrics(State(app): State<App>, bearer: Bearer) -> Result<(HeaderMap, String), Problem> {
    bearer.may_somewhere(Scope::Metrics)?;
    if bearer.token.account.is_some() {
        return Err(Problem::forbidden(
            "this token is for one account, and metrics are of all; make one without --account",
        ));
    }
    let backlog = app.seen().backlog(&app).await.ok();
    let mut exposition = Exposition::default();
    process(&mut exposition, &app);
    queue(&mut exposition, &app, backlog);
    deliveries(&mut exposition, app.store().metrics());
    store(&mut exposition, &app);
    requests(&mut exposition, app.store().metrics());
    let media_type = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))]);
    Ok((media_type, exposition.finish()))
}

fn process(out: &mut Exposition, app: &App) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    out.family("bellboard_build_info", Kind::Gauge, "Always 1; the label says which version runs.").value(&version, 1);
    let status = app.dispatcher();
    let mut family = out.family("bellboard_dispatcher_state", Kind::Gauge, "1 for what the dispatcher is doing.");
    let state = match status {
        Status::Delivering { .. } => "delivering",
        Status::Paused => "paused",
        Status::Standby => "standby",
        Status::Stopping => "stopping",
        Status::Failed(_) => "failed",
    };
    for name in STATES {
        family.value(&[("state", name)], u8::from(name == state));
    }
    let sending = if let Status::Delivering { sending } = status { sending } else { 0 };
    out.family("bellboard_sends_under_way", Kind::Gauge, "Sends that have begun and not ended.").value(&[], sending);
    if let Some(bytes) = crate::metrics::process::resident_bytes() {
        let help = "Memory of this process that is in use.";
        out.family("process_resident_memory_bytes", Kind::Gauge, help).value(&[], bytes);
    }
    if let Some(time) = crate::metrics::process::cpu_time() {
        let help = "Processor time that this process has used.";
        out.family("process_cpu_seconds_total", Kind::Counter, help).value(&[], time.as_secs_f64());
    }
    if let Some(files) = crate::metrics::process::open_files() {
        out.family("process_open_fds", Kind::Gauge, "Files and sockets that are open.").value(&[], files);
    }
}

fn queue(out: &mut Exposition, app: &App, backlog: Option<Backlog>) {
    let readable = u8::from(backlog.is_some());
    let help = "1 while the store can be read; what waits is left out when it cannot.";
    out.family("bellboard_store_readable", Kind::Gauge, help).value(&[], readable);
    let Some(backlog) = backlog else { return };
    let now = app.store().clock().now();
    let of = |channel: Channel| backlog.channels[channel.index()];
    let mut each = |name: &str, help: &str, value: &dyn Fn(Channel) -> String| {
        let mut family = out.family(name, Kind::Gauge, help);
        for channel in Channel::ALL {
            family.value(&[("channel", channel.name())], value(channel));
        }
    };
    each("bellboard_queue_deliveries", "Deliveries that wait, whenever they are due.", &|channel| {
        of(channel).deliveries.to_string()
    });
    let help = "For how long the first delivery has been due that nobody paused; 0 when none is due.";
    each("bellboard_queue_oldest_seconds", help, &|channel| {
        of(channel).due_since.map_or(Duration::ZERO, |since| now.since(since)).as_secs_f64().to_string()
    });
    each("bellboard_destinations_failing", "Destinations that only fail at present.", &|channel| {
        of(channel).failing.to_string()
    });
    each("bellboard_destinations_disabled", "Destinations that are disabled.", &|channel| {
        of(channel).disabled.to_string()
    });
    let help = "1 when more wait than are counted, so that depth and age are the least that they are.";
    out.family("bellboard_queue_is_more", Kind::Gauge, help).value(&[], u8::from(backlog.is_more));
}

fn deliveries(out: &mut Exposition, metrics: &Metrics) {
    let mut family =
        out.family("bellboard_events_total", Kind::Counter, "Events that this process took in or refused.");
    for (intake, name) in Intake::ALL {
        family.counter(&[("outcome", name)], &metrics.events[intake as usize]);
    }
    let mut family = out.family("bellboard_sends_total", Kind::Counter, "Sends that ended, by what follows.");
    for channel in Channel::ALL {
        for (outcome, name) in Outcome::ALL {
            let labels = [("channel", channel.name()), ("outcome", name)];
            family.counter(&labels, &metrics.sends[channel.index()][outcome as usize]);
        }
    }
    let mut family = out.family("bellboard_send_duration_seconds", Kind::Histogram, "How long one send takes.");
    for channel in Channel::ALL {
        family.histogram(&[("channel", channel.name())], &metrics.send_time[channel.index()]);
    }
    let help = "From the acceptance of an event to its delivery, retries included.";
    let mut family = out.family("bellboard_delivery_latency_seconds", Kind::Histogram, help);
    for channel in Channel::ALL {
        family.histogram(&[("channel", channel.name())], &metrics.delivery_time[channel.index()]);
    }
}

fn store(out: &mut Exposition, app: &App) {
    let metrics = app.store().metrics();
    let help = "Size of the log of commits that are not in the database file yet.";
    out.family("bellboard_store_wal_bytes", Kind::Gauge, help).value(&[], app.store().wal_bytes());
    let bytes = std::fs::metadata(app.store().path()).map_or(0, |file| file.len());
    out.family("bellboard_store_bytes", Kind::Gauge, "Size of the database file.").value(&[], bytes);
    let help = "How long one transaction takes, until it is on the disk.";
    out.family("bellboard_store_commit_duration_seconds", Kind::Histogram, help).histogram(&[], &metrics.commit_time);
    let help = "Requests that one transaction answers.";
    out.family("bellboard_store_commit_requests", Kind::Histogram, help).histogram(&[], &metrics.commit_requests);
    let help = "Transactions that failed; nothing of them was stored.";
    out.family("bellboard_store_errors_total", Kind::Counter, help).counter(&[], &metrics.commit_failures);
    let help = "How often the dispatcher had to wait because the store could not be used.";
    out.family("bellboard_dispatcher_stalls_total", Kind::Counter, help).counter(&[], &metrics.stalls);
    let help = "Deliveries that an earlier process was sending when it ended, and that this one took up.";
    out.family("bellboard_deliveries_reclaimed_total", Kind::Counter, help).counter(&[], &metrics.reclaimed);
}

fn requests(out: &mut Exposition, metrics: &Metrics) {
    let mut family = out.family("bellboard_http_requests_total", Kind::Counter, "Requests that were answered.");
    for (area, area_name) in Area::ALL {
        for (counter, (_, class)) in metrics.requests[area as usize].iter().zip(CLASSES) {
            family.counter(&[("area", area_name), ("status", class)], counter);
        }
    }
    let help = "How long until an answer begins.";
    let mut family = out.family("bellboard_http_request_duration_seconds", Kind::Histogram, help);
    for (area, name) in Area::ALL {
        family.histogram(&[("area", name)], &metrics.request_time[area as usize]);
    }
}

/// Counts a request when its answer begins.
pub async fn measured(State(app): State<App>, request: Request, next: Next) -> Response {
    let area = area(request.uri().path());
    let began = Instant::now();
    let response = next.run(request).await;
    app.store().metrics().request(area, response.status().as_u16(), began.elapsed());
    response
}

/// Which part of the HTTP side a path belongs to.
fn area(path: &str) -> Area {
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next(), path.rsplit('/').next()) {
        (Some("v1"), _, Some("events")) => Area::Events,
        (Some("v1"), Some("devices"), _) => Area::Devices,
        (Some("v1"), Some("accounts"), _) if path.contains("/devices") => Area::Devices,
        (Some("v1"), Some("browsers"), _) | (Some("browser" | "unsubscribe"), ..) => Area::Pages,
        (Some("accounts"), ..) => Area::Vendor,
        _ => Area::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes;

    #[test]
    fn every_path_has_an_area() {
        let check = |path: &str, expected: Area| assert_eq!(area(path), expected, "{path}");
        check("/v1/accounts/events/events", Area::Events);
        check("/v1/events", Area::Events);
        check("/v1/accounts/acme/devices", Area::Devices);
        check("/accounts/acme/notifications.json", Area::Vendor);
        check("/browser/page.js", Area::Pages);
        check("/unsubscribe/abc", Area::Pages);
        check("/metrics", Area::Other);
        check("//", Area::Other);
        for path in routes::document().paths.paths.keys() {
            let is_other = ["/healthz", "/readyz", "/metrics"].contains(&path.as_str());
            assert_eq!(area(path) == Area::Other, is_other, "{path}");
        }
    }
}

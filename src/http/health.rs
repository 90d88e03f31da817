//! Whether the process lives, and whether it can take events and they are delivered.
//!
//! `/healthz` asks nothing: a process that answers it must not be restarted, whatever the disk does. `/readyz` writes to the
//! store, and asks what delivers: the dispatcher of this process, or whoever holds the lock. It is not ready while deliveries
//! are paused: events are taken then too, but whoever has another bellboard to send to should.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::dispatch::{Status, lock};
use crate::http::problem::Problem;
use crate::http::state::App;

/// What is well.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// `ok`
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// The process lives.
///
/// # Errors
/// Never.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "It lives", body = Health)))]
pub async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// Events can be taken and are delivered: the store can be written, and some process delivers from it.
///
/// # Errors
/// What is not so.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "It is ready", body = Health),
        (status = 503, description = "It is not, and why", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn readyz(State(app): State<App>) -> Result<axum::Json<Health>, Problem> {
    app.probe().await?;
    let held = |name, detail: String| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, name, detail));
    match app.dispatcher() {
        Status::Delivering { .. } => return Ok(axum::Json(Health { status: "ok" })),
        Status::Paused => {
            return held("paused", "a person has paused the deliveries; resume them in the console".to_owned());
        }
        Status::Stopping => return held("stopping", "this process is about to end; ask another".to_owned()),
        Status::Failed(why) => return held("cannot-deliver", format!("nothing is delivered: {why}")),
        Status::Standby => {}
    }
    let path = app.store().path().to_owned();
    let delivers = tokio::task::spawn_blocking(move || lock::is_held(&path)).await.unwrap_or(false);
    if !delivers {
        let detail = "events are stored, but no process delivers them now; start `bellboard serve`";
        return held("nobody-delivers", detail.to_owned());
    }
    Ok(axum::Json(Health { status: "ok" }))
}

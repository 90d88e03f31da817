//! Whether the process lives, and whether it can take events.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::dispatch::lock;
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
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)))]
pub async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// Events can be taken: the store answers, and some process delivers from it.
///
/// # Errors
/// What is not so.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, body = Health), (status = 503, body = Problem, content_type = "application/problem+json"))
)]
pub async fn readyz(State(app): State<App>) -> Result<axum::Json<Health>, Problem> {
    app.store().ping().await?;
    let path = app.store().path().to_owned();
    let delivers = tokio::task::spawn_blocking(move || lock::is_held(&path)).await.unwrap_or(false);
    if !delivers {
        let detail = "events are stored, but no process delivers them now; start `bellboard serve`";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nobody-delivers", detail));
    }
    Ok(axum::Json(Health { status: "ok" }))
}

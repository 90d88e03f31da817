//! The one list of what is served, and the OpenAPI document that is made from it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::browser;
use crate::http::describe::finished;
use crate::http::devices;
use crate::http::events;
use crate::http::health;
use crate::http::metrics;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::http::stream;
use crate::http::unsubscribe;
use crate::http::vendor;

/// What the document says beside its paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "bellboard",
        description = "Events in, devices, browsers, and the matrix in the vendor's shape.",
        license(name = "MIT or Apache 2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags((name = "health", description = "For load balancers and service managers"))
)]
struct Document;

/// Everything that is described in the OpenAPI document.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(events::one))
        .routes(routes!(events::many))
        .routes(routes!(devices::register_by_code))
        .routes(routes!(devices::register_by_token))
        .routes(routes!(devices::unregister_own))
        .routes(routes!(devices::unregister_by_token))
        .routes(routes!(browser::offer))
        .routes(routes!(browser::enrol))
        .routes(routes!(browser::leave))
        .routes(routes!(browser::shown))
        .routes(routes!(browser::test))
        .routes(routes!(stream::stream))
        .routes(routes!(vendor::list))
        .routes(routes!(vendor::show, vendor::update))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    finished(described().split_for_parts().1)
}

/// Everything that is served.
pub fn router(app: App) -> Router {
    let (router, document) = described().split_for_parts();
    let document = finished(document);
    router
        .route("/openapi.json", get(move || async move { Json(document) }))
        .route("/unsubscribe/{token}", get(unsubscribe::page).post(unsubscribe::click))
        .route("/browser", get(browser::to_page))
        .route("/browser/", get(browser::page))
        .route("/browser/page.js", get(browser::script))
        .route("/browser/page.css", get(browser::style))
        .route("/browser/worker.js", get(browser::worker))
        // The vendor's clients put `.json` behind each path.
        .route("/accounts/{account}/notifications.json", get(vendor::list))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_that_way)
        .layer(middleware::from_fn(with_safe_headers))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::measured))
        .with_state(app)
}

async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing at this address; see /openapi.json")
}

async fn not_that_way() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "not with this method; see /openapi.json")
}

/// What every answer says unless its handler said something else: keep nothing, guess nothing, show nothing in a frame.
async fn with_safe_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

//! What a request carries in its path and its body: JSON within a limit, or a problem that says what is wrong with it.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::domain::text::human_bytes;
use crate::http::problem::Problem;
use crate::http::state::App;

/// The largest body, in bytes: a batch of events fits, see [`crate::domain::payload::BYTES_MAX`] for one payload.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A JSON body.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = |text: &str| {
            let name = text.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("application/json")
        };
        if !media_type.is_some_and(is_json) {
            let detail = "send JSON, with `content-type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
        }
        let bytes = read(request.into_body()).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::invalid(format!("the body: {error}")))
    }
}

/// A body as it came, within the limit.
///
/// # Errors
/// When it is too large, or breaks off.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, BYTES_MAX).await.map_err(|error| unreadable(&error))
}

fn unreadable(error: &axum::Error) -> Problem {
    let is_long = std::error::Error::source(error).is_some_and(|cause| cause.to_string().contains("length limit"));
    if is_long {
        let detail = format!("the body has more than {}; send less at once", human_bytes(BYTES_MAX));
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
    }
    Problem::invalid("the body did not arrive as a whole; send it again")
}

/// What stands in a path.
#[derive(Clone, Debug)]
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(inner)| Self(inner)).map_err(|error| Problem::not_found(format!("the path: {error}")))
    }
}

//! Bodies of requests: JSON within a limit, or a problem that says what is wrong with it.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
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
        let bytes = to_bytes(request.into_body(), BYTES_MAX).await.map_err(|error| unreadable(&error))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::invalid(format!("the body: {error}")))
    }
}

fn unreadable(error: &axum::Error) -> Problem {
    let is_long = std::error::Error::source(error).is_some_and(|cause| cause.to_string().contains("length limit"));
    if is_long {
        let detail = format!("the body has more than {}; send less at once", human_bytes(BYTES_MAX));
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
    }
    Problem::invalid("the body did not arrive as a whole; send it again")
}

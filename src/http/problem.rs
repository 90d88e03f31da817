//! What goes wrong, as a problem of RFC 9457: one JSON object with a sentence that says what to do.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::store::error::{AcceptError, CommandError, StoreError};

/// The media type (RFC 9457 section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Which kind: `urn:bellboard:` and a name that does not change.
    #[serde(rename = "type")]
    #[schema(example = "urn:bellboard:unknown-account")]
    pub kind: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The status.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: String,
    /// After how many seconds it may be tried again; also the `Retry-After` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of that kind.
    #[must_use]
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:bellboard:{name}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The request makes no sense.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", detail)
    }

    /// There is nothing by that name.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// Nobody knows who asks.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// It must not be done by whoever asks.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Not now.
    #[must_use]
    pub fn too_many(detail: impl Into<String>, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self {
            retry_after: Some(seconds.max(1)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// How long a caller should wait when more comes in than can be stored.
const CROWD_PAUSE_SECONDS: u64 = 1;

impl Problem {
    /// More comes in than can be stored.
    #[must_use]
    pub fn overloaded() -> Self {
        let detail = "more comes in than can be stored at once; nothing of this was, send it again";
        Self {
            retry_after: Some(CROWD_PAUSE_SECONDS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
        }
    }

    /// More comes in of one account than can be stored, whatever others send.
    #[must_use]
    pub fn crowding() -> Self {
        let detail = "more of this account waits than can be stored at once; nothing of this was, send it again";
        Self::too_many(detail, Duration::from_secs(CROWD_PAUSE_SECONDS))
    }
}

/// How long a caller should wait when the store cannot be written just now.
const STORE_PAUSE_SECONDS: u64 = 5;

impl Problem {
    /// The store has not answered in time.
    #[must_use]
    pub fn unanswered() -> Self {
        let detail =
            "the store takes too long, and it is not known whether this is stored; send it again, by the same id";
        Self {
            retry_after: Some(STORE_PAUSE_SECONDS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unanswered", detail)
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::NotFound(detail) = error {
            return Self::not_found(detail);
        }
        tracing::error!(%error, "a request failed at the store");
        let detail = "the store cannot be used just now, so nothing was changed; try again";
        Self {
            retry_after: Some(STORE_PAUSE_SECONDS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail)
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Store(error) => error.into(),
            CommandError::Invalid(detail) => Self::invalid(detail),
            CommandError::Role { .. } => Self::forbidden(error.to_string()),
            CommandError::Fields(_) => Self::invalid(error.to_string()),
            CommandError::Refused(detail) => Self::new(StatusCode::CONFLICT, "refused", detail),
            CommandError::Overtaken(_) => Self::new(StatusCode::CONFLICT, "overtaken", error.to_string()),
            CommandError::NotFound(detail) => Self::not_found(detail),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let detail = error.to_string();
        let (status, name) = match error {
            AcceptError::UnknownAccount(_) => (StatusCode::NOT_FOUND, "unknown-account"),
            AcceptError::UnknownEventType { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unknown-event-type"),
            AcceptError::KeyReused(_) => (StatusCode::CONFLICT, "idempotency-key-reused"),
            AcceptError::Damaged { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "damaged-account"),
            AcceptError::BadKey => (StatusCode::BAD_REQUEST, "invalid-idempotency-key"),
        };
        Self::new(status, name, detail)
    }
}

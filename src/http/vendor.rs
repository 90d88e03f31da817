//! The matrix as the vendor's own API shows it, so that scripts written for that go on working: a notification is a row, with
//! the channels that are on and the addresses that came with it.
//!
//! The shape is the vendor's (its API reference, "Notifications"): the order of members, times to the second, the pagination
//! envelope, paths with and without `.json`. Like there, tokens and URLs that are secrets are taken and never given back.

use std::collections::BTreeMap;

use axum::extract::{Query, Request, State};
use serde::{Deserialize, Serialize};

use crate::domain::access::{Scope, SecretHash};
use crate::domain::account::{Account, AccountKey};
use crate::domain::catalogue::{EventType, normal_name};
use crate::domain::channel::Channel;
use crate::domain::command::Command;
use crate::domain::destination::FieldValue;
use crate::domain::time::Timestamp;
use crate::http::auth::Bearer;
use crate::http::body::{InPath, read};
use crate::http::events::known_key;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::http::vendor_body::{Update, parse};
use crate::store::matrix::MatrixView;

/// Rows of a page when nobody says how many; the vendor's own number.
const PER_PAGE: usize = 30;

/// Most rows of a page.
const PER_PAGE_MAX: usize = 100;

/// What is shown of the addresses: what is no secret.
const SHOWN: [(&str, Channel, &str); 3] = [
    ("hipchat_room", Channel::Hipchat, "room"),
    ("slack_channel", Channel::Slack, "channel"),
    ("webhook_url", Channel::Webhook, "url"),
];

/// A row of the matrix.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Notification {
    /// Stays the same for this account and type.
    #[schema(example = 1189)]
    id: u32,
    /// The account's number.
    #[schema(example = 18)]
    user_id: i64,
    /// The event type's name.
    #[schema(example = "server.stopped")]
    alert_type: String,
    /// The channels that are on.
    #[schema(example = json!(["email", "slack"]))]
    channels: Vec<Channel>,
    /// Addresses, without those that are secrets.
    params: BTreeMap<&'static str, String>,
    /// RFC 3339, to the second.
    #[schema(example = "2014-05-29T17:29:54Z")]
    created_at: String,
    /// RFC 3339, to the second.
    #[schema(example = "2014-05-29T17:29:54Z")]
    updated_at: String,
}

/// Which page this is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Pagination {
    previous: Option<usize>,
    next: Option<usize>,
    current: usize,
    per_page: usize,
    count: usize,
    pages: usize,
}

/// A page of rows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page {
    response: Vec<Notification>,
    count: usize,
    pagination: Pagination,
}

/// One row.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct One {
    response: Notification,
}

/// Which rows to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only the row of this event type.
    alert_type: Option<String>,
    /// Which page, from 1.
    #[param(minimum = 1)]
    page: Option<usize>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 100)]
    per_page: Option<usize>,
}

/// The rows of an account's matrix.
///
/// # Errors
/// Why there are none.
#[utoipa::path(
    get, path = "/accounts/{account}/notifications", tag = "vendor",
    params(("account" = String, Path, description = "The account's key"), Which),
    responses(
        (status = 200, description = "A page of rows", body = Page),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    bearer: Bearer,
    InPath(account): InPath<String>,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
) -> Result<axum::Json<Page>, Problem> {
    let key = permitted(&bearer, Scope::Read, &account)?;
    let Query(which) = which.map_err(|error| Problem::invalid(error.body_text()))?;
    let (current, per_page) = (which.page.unwrap_or(1), which.per_page.unwrap_or(PER_PAGE));
    if current == 0 || !(1..=PER_PAGE_MAX).contains(&per_page) {
        return Err(Problem::invalid(format!("page counts from 1, and per_page is 1 to {PER_PAGE_MAX}")));
    }
    let matrix = app.store().matrix(&key).await?;
    let wanted = which.alert_type.as_deref().map(normal_name);
    let types = matrix.catalogue.types().iter().filter(|row| wanted.is_none_or(|name| row.name == name));
    let all: Vec<_> = types.map(|row| notification(&matrix, row)).collect();
    let count = all.len();
    let pages = count.div_ceil(per_page).max(1);
    let skipped = per_page.saturating_mul(current - 1);
    let response: Vec<_> = all.into_iter().skip(skipped).take(per_page).collect();
    let pagination = Pagination {
        previous: (current > 1).then(|| current - 1),
        next: (current < pages).then_some(current + 1),
        current,
        per_page,
        count,
        pages,
    };
    Ok(axum::Json(Page { count: response.len(), response, pagination }))
}

/// One row of an account's matrix.
///
/// # Errors
/// When there is none.
#[utoipa::path(
    get, path = "/accounts/{account}/notifications/{notification}", tag = "vendor",
    params(
        ("account" = String, Path, description = "The account's key"),
        ("notification" = String, Path, description = "Its id, or the event type's name"),
    ),
    responses(
        (status = 200, description = "The row", body = One),
        (status = 404, description = "No such row", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn show(
    State(app): State<App>,
    bearer: Bearer,
    InPath((account, name)): InPath<(String, String)>,
) -> Result<axum::Json<One>, Problem> {
    let key = permitted(&bearer, Scope::Read, &account)?;
    let matrix = app.store().matrix(&key).await?;
    let row = find(&matrix, &name)?;
    Ok(axum::Json(One { response: notification(&matrix, row) }))
}

/// Set the channels of a row, and the addresses that come with it.
///
/// Takes JSON, or a form as the vendor's clients send it.
///
/// # Errors
/// Why nothing was changed.
#[utoipa::path(
    put, path = "/accounts/{account}/notifications/{notification}", tag = "vendor",
    params(
        ("account" = String, Path, description = "The account's key"),
        ("notification" = String, Path, description = "Its id, or the event type's name"),
    ),
    request_body = Update,
    responses(
        (status = 200, description = "The row as it is now", body = One),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such row", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is refused", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn update(
    State(app): State<App>,
    bearer: Bearer,
    InPath((account, name)): InPath<(String, String)>,
    request: Request,
) -> Result<axum::Json<One>, Problem> {
    let key = permitted(&bearer, Scope::Write, &account)?;
    let matrix = app.store().matrix(&key).await?;
    let row = find(&matrix, &name)?.clone();
    let (parts, body) = request.into_parts();
    let (channels, params) = parse(&parts.headers, &read(body).await?)?;
    let event_type = row.name.clone();
    app.store()
        .run(&bearer.actor(), Command::SetNotification { account: key.clone(), event_type, channels, params })
        .await?;
    let matrix = app.store().matrix(&key).await?;
    Ok(axum::Json(One { response: notification(&matrix, &row) }))
}

fn permitted(bearer: &Bearer, scope: Scope, account: &str) -> Result<AccountKey, Problem> {
    bearer.may_somewhere(scope)?;
    let key = known_key(account)?;
    bearer.may(scope, &key)?;
    Ok(key)
}

/// The row of that id or name; the vendor's clients put `.json` behind it.
fn find<'a>(matrix: &'a MatrixView, name: &str) -> Result<&'a EventType, Problem> {
    let bare = name.strip_suffix(".json").unwrap_or(name);
    let is_it =
        |row: &&EventType| row.name == normal_name(bare) || notification_id(&matrix.account, row).to_string() == bare;
    matrix.catalogue.types().iter().map(AsRef::as_ref).find(is_it).ok_or_else(|| {
        Problem::not_found(format!("{} has no notification `{bare}`; list them to see their ids", matrix.account.key))
    })
}

/// A number that is the same whenever it is asked for, as the vendor's clients expect one: the first 31 bits of a hash.
fn notification_id(account: &Account, row: &EventType) -> u32 {
    let hash = SecretHash::of(&format!("{}/{}", account.key, row.name));
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d]) >> 1
}

fn notification(matrix: &MatrixView, row: &EventType) -> Notification {
    let on = Channel::ALL.into_iter().filter(|channel| matrix.preferences.is_on(row, *channel));
    let changed = Channel::ALL.into_iter().filter_map(|channel| matrix.preferences.get(&row.name, channel));
    let created = matrix.account.created_at;
    let mut params = BTreeMap::new();
    for (name, channel, field) in SHOWN {
        let takes = matrix.destinations.iter().filter(|to| to.channel == channel && to.takes(&row.name, &row.group));
        let value = takes.filter_map(|to| to.fields.get(field)).map(FieldValue::expose).find(|value| !value.is_empty());
        params.extend(value.map(|value| (name, value.to_owned())));
    }
    Notification {
        id: notification_id(&matrix.account, row),
        user_id: matrix.account.id.number(),
        alert_type: row.name.clone(),
        channels: on.collect(),
        params,
        created_at: to_the_second(created),
        updated_at: to_the_second(changed.map(|preference| preference.at).max().unwrap_or(created)),
    }
}

fn to_the_second(at: Timestamp) -> String {
    at.in_zone(&jiff::tz::TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

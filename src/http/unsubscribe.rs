//! The link in a mail: a page with one button, and the click itself.
//!
//! To look at it changes nothing, since mail scanners follow every link; only a POST turns the cell off, the reader's by the
//! button or the mail program's own (RFC 8058). It may be done any number of times.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::channels::unsubscribe::Cell;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, CellChange, Command};
use crate::domain::matrix::CellSetting;
use crate::http::auth::Peer;
use crate::http::body::InPath;
use crate::http::limit::Who;
use crate::http::problem::Problem;
use crate::http::state::App;

/// The page has no script and no style; its form leads to itself.
const POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page with the button.
///
/// # Errors
/// When the link is none of ours, or what it is for is no more.
pub async fn page(State(app): State<App>, peer: Peer, InPath(token): InPath<String>) -> Result<Response, Problem> {
    let (_, what) = cell(&app, peer, &token).await?;
    let text = format!(
        "<p>Do you want no more mail when this happens: {}?</p>\n<form method=\"post\"><button>No more mail about this</button></form>",
        escape(&what)
    );
    Ok(html("Notifications by mail", &text))
}

/// Turns the cell off.
///
/// # Errors
/// When the link is none of ours, or what it is for is no more.
pub async fn click(State(app): State<App>, peer: Peer, InPath(token): InPath<String>) -> Result<Response, Problem> {
    let (cell, what) = cell(&app, peer, &token).await?;
    let actor = Actor { login: "unsubscribe link".to_owned(), origin: format!("{} from {}", cell.destination, peer.0) };
    let change = CellChange { event_type: cell.event_type, channel: Channel::Email, to: CellSetting::Off };
    app.store().run(&actor, Command::SetCells { account: cell.account, cells: vec![change] }).await?;
    let text =
        format!("<p>No more mail is sent when this happens: {}. Ask support to turn it on again.</p>", escape(&what));
    Ok(html("Done", &text))
}

/// What the link is for, and how people call it.
async fn cell(app: &App, peer: Peer, token: &str) -> Result<(Cell, String), Problem> {
    let unknown = || Problem::not_found("this link leads nowhere; take the one of a newer mail, or ask support");
    let read = app.options().unsubscribe.as_ref().and_then(|links| links.read(token));
    let Some(cell) = read else {
        app.limits().take(Who::Stranger(peer.0), app.store().clock().now())?;
        return Err(unknown());
    };
    let matrix = app.store().matrix(&cell.account).await.map_err(|_| unknown())?;
    let event_type = matrix.catalogue.get(&cell.event_type).ok_or_else(unknown)?;
    let what = format!("{}, {}", event_type.title, matrix.account.profile.name);
    Ok((cell, what))
}

fn html(title: &str, text: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title></head>\n\
         <body><main><h1>{title}</h1>\n{text}\n</main></body></html>\n"
    );
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (StatusCode::OK, headers, page).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

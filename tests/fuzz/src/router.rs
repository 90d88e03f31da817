//! The HTTP side as a whole: a request's head and body through its router, onto a store with an account.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Request, header};
use bellboard::dispatch::Status;
use bellboard::domain::access::Scope;
use bellboard::domain::account::{AccountStatus, Profile};
use bellboard::domain::command::{Actor, Command};
use bellboard::domain::time::SystemClock;
use bellboard::http::auth::Peer;
use bellboard::http::state::App;
use bellboard::http::{Options, routes};
use bellboard::store::{self, Store};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

/// What an answer may have at most, in bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

struct Served {
    runtime: Runtime,
    router: Router,
    tokens: Vec<HeaderValue>,
}

static SERVED: OnceLock<Served> = OnceLock::new();

/// A request: `METHOD PATH`, lines of headers, an empty line, the body. A line `token: N` stands for one of the tokens. Whatever is
/// asked, nothing is the server's fault, and every answer has the headers that keep it safe.
pub fn ask(bytes: &[u8]) {
    let served = SERVED.get_or_init(serve);
    let Some(request) = request(bytes, &served.tokens) else { return };
    let answer = served.runtime.block_on(async {
        let answer = served.router.clone().oneshot(request).await.expect("a router never fails");
        let (head, body) = answer.into_parts();
        // The stream of a browser's page has no end.
        let is_stream = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        if !is_stream {
            to_bytes(body, ANSWER_BYTES_MAX).await.expect("an answer is bounded");
        }
        head
    });
    assert!(!answer.status.is_server_error(), "{}", answer.status);
    assert!(answer.headers.contains_key(header::X_CONTENT_TYPE_OPTIONS), "{:?}", answer.headers);
}

fn request(bytes: &[u8], tokens: &[HeaderValue]) -> Option<Request<Body>> {
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = bytes.get(end + 2..).unwrap_or_default().to_vec();
    let mut lines = head.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(path).body(Body::from(body)).ok()?;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        if name == "token" {
            let token = tokens.get(value.parse::<usize>().ok()?)?;
            request.headers_mut().append(header::AUTHORIZATION, token.clone());
        } else {
            request.headers_mut().append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        }
    }
    // Somebody else each time: there is a limit for each.
    let from = address(bytes);
    request.extensions_mut().insert(Peer(from));
    Some(request)
}

/// An address made of what is asked.
fn address(bytes: &[u8]) -> IpAddr {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    IpAddr::from(u128::from(hasher.finish()).to_be_bytes())
}

fn serve() -> Served {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder").keep();
    let (router, tokens) = runtime.block_on(set_up(&folder));
    Served { runtime, router, tokens }
}

async fn set_up(folder: &Path) -> (Router, Vec<HeaderValue>) {
    let options = store::Options::at(folder.join("bellboard.db"));
    let store = Store::open(&options, SystemClock::shared()).await.expect("a store");
    let actor = Actor { login: "fuzz".to_owned(), origin: "fuzz".to_owned() };
    let profile = Profile::new("Acme", "ops@acme.test", "UTC", AccountStatus::Active).expect("a profile");
    let account = "acme".parse().expect("a key");
    store.run(&actor, Command::AddAccount { key: account, profile }).await.expect("an account");
    let mut tokens = Vec::new();
    for name in ["emit", "devices", "read", "write", "metrics"] {
        let scope = Scope::parse(name).expect("a scope");
        let create = Command::CreateToken { name: name.to_owned(), scope, account: None };
        let secret = store.run(&actor, create).await.expect("a token").secret.expect("its text");
        tokens.push(HeaderValue::try_from(format!("Bearer {}", secret.expose())).expect("a header"));
    }
    let (status, dispatcher) = watch::channel(Status::Delivering { sending: 0 });
    let (stop, stopped) = watch::channel(false);
    // They last as long as the process.
    std::mem::forget((status, stop));
    let options = Options {
        listen: "127.0.0.1:7787".parse().expect("an address"),
        tls: None,
        public_url: None,
        proxies: Vec::new(),
        push_key: None,
        unsubscribe: None,
        templates: Arc::default(),
    };
    (routes::router(App::new(store, options, dispatcher, stopped)), tokens)
}

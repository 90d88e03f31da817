//! The HTTP side on a clock that stands still: what only a time that does not pass can show.

use std::sync::{Arc, Mutex};

use bellboard::dispatch::Status;
use bellboard::domain::access::{Scope, SecretHash};
use bellboard::domain::command::Command;
use bellboard::http::{self, Options};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::Instrument;

use crate::statements;
use crate::support::{TestStore, acme, other, profile};

struct Api {
    url: String,
    token: String,
    client: reqwest::Client,
    _server: (http::Handle, watch::Sender<Status>),
}

impl Api {
    async fn start(test: &TestStore) -> Self {
        let create = Command::CreateToken { name: "emit".to_owned(), scope: Scope::Emit, account: None };
        let token = test.run(create).await.unwrap().secret.unwrap().expose().to_owned();
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            public_url: None,
            proxies: Vec::new(),
            push_key: None,
            unsubscribe: None,
            templates: Arc::default(),
        };
        let (status, dispatcher) = watch::channel(Status::Delivering { sending: 0 });
        let server = http::start(test.store.clone(), options, dispatcher).unwrap();
        let mut bound = server.bound();
        let bound = bound.wait_for(Option::is_some).await.unwrap().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: format!("http://{bound}/v1/events"), token, client, _server: (server, status) }
    }

    /// The whole answer, byte by byte but for its date, to a request with that token.
    async fn answer(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        let host = self.url.trim_start_matches("http://").trim_end_matches("/v1/events");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n"
        );
        let length = body.len();
        let request = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let lines = answer.split_inclusive('\n').filter(|line| !line.starts_with("date: "));
        lines.collect()
    }

    /// The status of the answer to a batch of that many events of an account.
    async fn batch(&self, account: &str, count: usize) -> u16 {
        let event = json!({"account": account, "event_type": "server.stopped"});
        let body = json!({"events": vec![event; count]}).to_string();
        let request = self.client.post(&self.url).bearer_auth(&self.token).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        let _: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        status
    }
}

#[tokio::test]
async fn events_that_are_not_let_in_use_up_no_rate() {
    let test = TestStore::acme().await;
    let api = Api::start(&test).await;
    for _ in 0..30 {
        assert_eq!(api.batch("no key", 1000).await, 207);
    }
    for _ in 0..3 {
        assert_eq!(api.batch("acme", 1001).await, 400);
    }
    assert_eq!(api.batch("acme", 1000).await, 202, "30,000 were refused, and none of them was let in");
    // What is let in counts: half of the rate of a second may come at once.
    let mut let_in = 1000;
    while api.batch("acme", 1000).await == 202 {
        let_in += 1000;
        assert!(let_in < 30_000, "there is a limit");
    }
    assert!((19_000..=21_000).contains(&let_in), "{let_in}");
}

/// What comes near to a token, and what does not.
fn guesses(token: &str) -> Vec<String> {
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    vec![
        format!("{}{last}", &token[..token.len() - 1]),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        token[..8].to_owned(),
        token.to_uppercase(),
        token.chars().rev().collect(),
        "x".to_owned(),
        "x".repeat(256),
    ]
}

#[tokio::test]
async fn a_token_that_is_nearly_right_is_answered_as_any_other_that_is_not() {
    let test = TestStore::acme().await;
    let api = Api::start(&test).await;
    let create = Command::CreateToken { name: "old".to_owned(), scope: Scope::Emit, account: None };
    let done = test.run(create).await.unwrap();
    let revoked = done.secret.unwrap().expose().to_owned();
    let id = test.store.tokens().await.unwrap().last().unwrap().id;
    let event = json!({"event_type": "server.stopped"}).to_string();
    let path = "/v1/accounts/acme/events";
    assert!(api.answer("POST", path, &revoked, &event).await.starts_with("HTTP/1.1 202"));
    test.run(Command::RevokeToken { id }).await.unwrap();
    let mut answers: Vec<String> = Vec::new();
    for guess in guesses(&api.token).into_iter().chain([revoked]) {
        answers.push(api.answer("POST", path, &guess, &event).await);
    }
    assert!(answers[0].starts_with("HTTP/1.1 401"), "{}", answers[0]);
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

#[tokio::test]
async fn one_statement_looks_a_token_up_by_its_hash_whatever_is_shown() {
    let test = TestStore::acme().await;
    let api = Api::start(&test).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    // A connection of the pool that is opened meanwhile sets itself up.
    statements::listen("tokens", move |statement| {
        if !statement.starts_with("PRAGMA") {
            all.lock().unwrap().push(statement);
        }
    });
    let mut looked_up = Vec::new();
    for shown in guesses(&api.token).into_iter().chain([api.token.clone()]) {
        let found = test.store.token(SecretHash::of(&shown)).instrument(tracing::info_span!("tokens")).await.unwrap();
        assert_eq!(found.is_some(), shown == api.token, "{shown}");
        looked_up.push(std::mem::take(&mut *seen.lock().unwrap()));
    }
    for statements in &looked_up {
        assert_eq!(statements, &looked_up[0]);
    }
    let [statement] = looked_up[0].as_slice() else { panic!("{:?}", looked_up[0]) };
    assert!(statement.contains("WHERE hash = ?"), "{statement}");
    // The hash as a whole, by its index: no row's is compared with it one by one.
    let mut connection = SqliteConnectOptions::new().filename(test.store.path()).connect().await.unwrap();
    let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let plan = sqlx::query(plan).bind(vec![0_u8; 32]).fetch_all(&mut connection).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(3)).collect();
    assert!(plan[0].starts_with("SEARCH token USING INDEX") && plan[0].ends_with("(hash=?)"), "{plan:?}");
}

#[tokio::test]
async fn a_token_for_one_account_is_not_told_which_others_there_are() {
    let test = TestStore::acme().await;
    let api = Api::start(&test).await;
    test.run(Command::AddAccount { key: other(), profile: profile() }).await.unwrap();
    let event = json!({"event_type": "server.stopped"}).to_string();
    let batch = |key: &str| json!({"events": [{"account": key, "event_type": "server.stopped"}]}).to_string();
    let device = json!({"device_token": "0".repeat(64)}).to_string();
    let update = json!({"channels": ["email"]}).to_string();
    for (scope, method, path, body) in [
        (Scope::Emit, "POST", "/v1/accounts/KEY/events", event.as_str()),
        (Scope::Emit, "POST", "/v1/events", ""),
        (Scope::Devices, "POST", "/v1/accounts/KEY/devices", device.as_str()),
        (Scope::Devices, "DELETE", "/v1/accounts/KEY/devices/dst_1", ""),
        (Scope::Read, "GET", "/accounts/KEY/notifications", ""),
        (Scope::Read, "GET", "/accounts/KEY/notifications.json", ""),
        (Scope::Read, "GET", "/accounts/KEY/notifications/1", ""),
        (Scope::Write, "PUT", "/accounts/KEY/notifications/1", update.as_str()),
    ] {
        let create = Command::CreateToken { name: format!("{scope:?} {path}"), scope, account: Some(acme()) };
        let token = test.run(create).await.unwrap().secret.unwrap().expose().to_owned();
        let mut answers = Vec::new();
        for key in ["other", "gone"] {
            let body = if path == "/v1/events" { batch(key) } else { body.to_owned() };
            answers.push(api.answer(method, &path.replace("KEY", key), &token, &body).await);
        }
        assert!(answers[0].contains("urn:bellboard:forbidden"), "{method} {path}: {}", answers[0]);
        assert_eq!(answers[0], answers[1], "{method} {path}");
    }
}

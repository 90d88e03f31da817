//! The HTTP side on a clock that stands still: what only a time that does not pass can show.

use std::sync::Arc;

use bellboard::dispatch::Status;
use bellboard::domain::access::Scope;
use bellboard::domain::command::Command;
use bellboard::http::{self, Options};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::TestStore;

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

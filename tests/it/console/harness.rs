//! A console without a terminal, on a real store whose clock stands still.

use std::sync::Arc;
use std::time::Duration;

use bellboard::console::Options;
use bellboard::console::app::{App, Turn};
use bellboard::console::keymap::remap::Wishes;
use bellboard::console::screen::{JobDone, Services};
use bellboard::console::screens::accounts::Accounts;
use bellboard::console::theme::file::Depth;
use bellboard::console::theme::{Marks, ThemeName};
use bellboard::dispatch::Status;
use bellboard::domain::account::{AccountKey, AccountStatus, Profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{Answer, Exchange, Next, Reason, SendError, SentBody, SentRequest};
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::retry::Patience;
use bellboard::domain::time::Clock;
use bellboard::store::queue::{Deliverer, Finished, Health, Kept};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;

use crate::support::{TestStore, acme, actor};

pub struct Console {
    pub test: TestStore,
    pub app: App,
    pub jobs: mpsc::UnboundedReceiver<JobDone>,
    pub marks: Marks,
    pub restricted: bool,
    area: Rect,
}

impl Console {
    pub async fn open(test: TestStore) -> Self {
        let (app, jobs) = app(&test, Marks::Ascii, false).await;
        let mut console = Self { test, app, jobs, marks: Marks::Ascii, restricted: false, area: Rect::default() };
        console.resize(80, 24);
        console
    }

    /// Begins anew on the same store.
    pub async fn reopen(&mut self) {
        (self.app, self.jobs) = app(&self.test, self.marks, self.restricted).await;
    }

    /// On the matrix of `acme`.
    pub async fn on_acme() -> Self {
        let mut console = Self::open(TestStore::acme().await).await;
        console.keys("enter").await;
        console
    }

    /// Adds another account.
    pub async fn account(&self, name: &str) {
        let profile = Profile::new(name, "ops@x.test", "UTC", AccountStatus::Active).unwrap();
        let key = AccountKey::suggest(name).unwrap();
        self.test.run(Command::AddAccount { key, profile }).await.unwrap();
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.area = Rect::new(0, 0, width, height);
        self.app.resize(self.area);
    }

    /// Presses keys, written one after the other: `down space ^L a`.
    pub async fn keys(&mut self, keys: &str) -> Turn {
        let mut turn = Turn::On;
        for key in keys.split(' ') {
            turn = self.app.key(&key_event(key)).await;
            self.settle().await;
        }
        turn
    }

    pub async fn typed(&mut self, text: &str) {
        for character in text.chars() {
            self.app.key(&KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE)).await;
            self.settle().await;
        }
    }

    /// Waits for what a screen waits for.
    async fn settle(&mut self) {
        while self.app.waits() {
            let job = self.jobs.recv().await.unwrap();
            self.app.job(&job).await;
        }
    }

    /// Reads the store anew, as after a commit of somebody else.
    pub async fn reload(&mut self) {
        self.app.load().await;
    }

    pub fn buffer(&self) -> Buffer {
        let mut buffer = Buffer::empty(self.area);
        self.app.draw(&mut buffer);
        buffer
    }

    /// The screen as lines, without the blanks at their ends; ids that are new in each run are masked.
    pub fn picture(&self) -> String {
        let buffer = self.buffer();
        let line = |y: u16| {
            let symbols: String = (0..self.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            mask_event_ids(symbols.trim_end())
        };
        (0..self.area.height).map(line).collect::<Vec<_>>().join("\n")
    }

    /// Lets a delivery be tried with this answer.
    pub async fn deliver(&self, delivery: DeliveryId, status: u16, next: Next) {
        let store = &self.test.store;
        let now = store.clock().now();
        let claimed = store.claim(vec![delivery], now.plus(Duration::from_secs(30))).await.unwrap().remove(0);
        let is_ok = next == Next::Delivered;
        let reason = Reason::new(format!("answered {status}"));
        let result = if is_ok {
            Ok(())
        } else {
            Err(SendError::Retry { reason: reason.clone(), after: None, patience: Patience::Full })
        };
        let finished = Finished {
            delivery,
            attempt: claimed.message.attempt,
            destination: claimed.destination,
            started_at: now,
            duration: Duration::from_millis(84),
            exchange: Kept::of(&Exchange {
                request: Some(SentRequest {
                    method: "POST".to_owned(),
                    url: "https://hooks.acme.test/in".to_owned(),
                    headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                    body: SentBody::Payload(now.seconds()),
                }),
                answer: Some(Answer {
                    status,
                    headers: Vec::new(),
                    body: if is_ok { "ok" } else { "oops\x1b[2J" }.to_owned(),
                }),
                result,
            }),
            next,
            decided_at: now,
            health: if is_ok { None } else { Some(Health::Failing { reason }) },
            word: None,
        };
        store.finish(vec![finished]).await.unwrap();
    }

    /// A webhook that is on for `job.fail` and failing: one event delivered, one waiting for its third try, one that went
    /// nowhere.
    pub async fn busy(&mut self) -> DeliveryId {
        self.test.webhook().await;
        for kind in ["job.fail", "server.stopped"] {
            self.test.set(kind, Channel::Webhook, CellSetting::On).await;
            self.test.set(kind, Channel::Email, CellSetting::Off).await;
        }
        let store = &self.test.store;
        let holds = [(Channel::Email, Reason::new("no mail server is configured"))].into();
        let deliverer =
            Deliverer { boot_id: "boot".to_owned(), process: "pid 1".to_owned(), holds, schedule: Vec::new() };
        store.reclaim(deliverer).await.unwrap();
        self.test.emit("account.suspended", "{}").await;
        let good = self.test.emit("server.stopped", r#"{"uid":"web1"}"#).await.deliveries[0].0;
        self.deliver(good, 200, Next::Delivered).await;
        let bad =
            self.test.emit("job.fail", r#"{"name":"backup","big":12345678901234567890.10}"#).await.deliveries[0].0;
        for seconds in [5, 300] {
            let at = self.test.clock.now().plus(Duration::from_secs(seconds));
            self.deliver(bad, 500, Next::Retry { at, counted: true }).await;
            self.test.clock.advance(Duration::from_secs(5));
        }
        self.reload().await;
        bad
    }
}

/// What screens of that store share.
pub fn services(test: &TestStore, marks: Marks, restricted: bool) -> Arc<Services> {
    Arc::new(Services {
        actor: actor(),
        options: Options {
            theme: ThemeName::Mono,
            own_theme: None,
            depth: Depth::Many,
            keys: Wishes::new(),
            marks,
            color: false,
            zone: TimeZone::UTC,
            enrolment_url: Some("https://bells.acme.test/browser/#".to_owned()),
            template: Some(acme()),
            restricted,
            plain: false,
        },
        clock: test.clock.clone(),
        read_only: test.store.is_read_only(),
        role: test.store.role(),
        fill_samples: Some(Box::new(|| Box::pin(async { Ok("samples are there".to_owned()) }))),
        senders: Some(Arc::new(crate::dispatch::senders())),
        exports: test.folder.path().join("exports"),
        demo: false,
    })
}

async fn app(test: &TestStore, marks: Marks, restricted: bool) -> (App, mpsc::UnboundedReceiver<JobDone>) {
    let services = services(test, marks, restricted);
    let (sender, jobs) = mpsc::unbounded_channel();
    let first = Box::new(Accounts::new(services.clone()));
    let mut app = App::new(test.store.clone(), services, first, sender).await;
    app.set_deliverer(Status::Delivering { sending: 0 });
    (app, jobs)
}

pub fn mask_event_ids(line: &str) -> String {
    let mut parts = line.split("evt_");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        masked.push_str("evt_...");
        masked.push_str(rest);
    }
    masked
}

fn key_event(key: &str) -> KeyEvent {
    let (code, modifiers) = match key {
        "up" => (KeyCode::Up, KeyModifiers::NONE),
        "down" => (KeyCode::Down, KeyModifiers::NONE),
        "left" => (KeyCode::Left, KeyModifiers::NONE),
        "right" => (KeyCode::Right, KeyModifiers::NONE),
        "enter" => (KeyCode::Enter, KeyModifiers::NONE),
        "tab" => (KeyCode::Tab, KeyModifiers::NONE),
        "esc" => (KeyCode::Esc, KeyModifiers::NONE),
        "space" => (KeyCode::Char(' '), KeyModifiers::NONE),
        "pgdn" => (KeyCode::PageDown, KeyModifiers::NONE),
        "home" => (KeyCode::Home, KeyModifiers::NONE),
        "end" => (KeyCode::End, KeyModifiers::NONE),
        "backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
        _ => match key.strip_prefix('^') {
            Some(letter) => (KeyCode::Char(letter.to_ascii_lowercase().chars().next().unwrap()), KeyModifiers::CONTROL),
            None => (KeyCode::Char(key.chars().next().unwrap()), KeyModifiers::NONE),
        },
    };
    KeyEvent::new(code, modifiers)
}

//! What the screens ask of the store, each timed many times over accounts that differ.

use std::future::Future;
use std::time::{Duration, Instant};

use bellboard::domain::account::AccountKey;
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::id::EventId;
use bellboard::store::Store;
use bellboard::store::accounts::AccountFilter;
use bellboard::store::audit::ChangeFilter;
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::error::StoreError;
use bellboard::store::events::EventFilter;
use bellboard::store::failing::FailureFilter;
use bellboard::store::history::Subject;
use bellboard::store::search::LiveFilter;

use crate::make::{NEVER, RARE, Size, key};

/// How often each is asked.
const TIMES: i64 = 21;

/// A question and how long its answers took, in milliseconds and in order.
pub struct Line {
    pub what: &'static str,
    pub took: Vec<f64>,
}

impl Line {
    pub fn p50(&self) -> f64 {
        self.took[self.took.len() / 2]
    }

    pub fn max(&self) -> f64 {
        self.took[self.took.len() - 1]
    }
}

struct Asked<'a> {
    store: &'a Store,
    size: Size,
    lines: Vec<Line>,
}

/// Whose screen: every other time the account with the most events.
fn whose(size: Size, time: i64) -> AccountKey {
    let number = if time % 2 == 0 { 1 } else { 1 + time * 7919 % size.accounts() };
    key(number).parse().unwrap()
}

impl<'a> Asked<'a> {
    async fn ask<F, T>(&mut self, what: &'static str, question: impl Fn(&'a Store, AccountKey) -> F)
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut took = Vec::new();
        for time in 0..TIMES {
            let account = whose(self.size, time);
            let began = Instant::now();
            question(self.store, account).await.unwrap();
            took.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        took.sort_by(f64::total_cmp);
        self.lines.push(Line { what, took });
    }
}

fn events(account: AccountKey) -> EventFilter {
    EventFilter { account: Some(account), limit: 1, ..EventFilter::default() }
}

async fn newest(store: &Store, account: AccountKey) -> EventId {
    store.events(&events(account)).await.unwrap().first().unwrap().id
}

/// Asks everything.
pub async fn ask(store: &Store, size: Size) -> Vec<Line> {
    let mut asked = Asked { store, size, lines: Vec::new() };
    of_all(&mut asked).await;
    of_account(&mut asked).await;
    of_event(&mut asked).await;
    asked.lines
}

async fn of_all(asked: &mut Asked<'_>) {
    let find = |text: &str, trouble_only| AccountFilter {
        text: text.to_owned(),
        trouble_only,
        limit: 500,
        ..AccountFilter::default()
    };
    for (what, text, trouble_only) in [
        ("accounts", "", false),
        ("accounts, find by beginning", "customer-0000", false),
        ("accounts, find a few", "swmill 41", false),
        ("accounts, find none", "zzz", false),
        ("accounts in trouble", "", true),
    ] {
        let filter = find(text, trouble_only);
        let filter = &filter;
        asked.ask(what, move |store, _| async move { store.accounts(filter).await }).await;
    }
    asked.ask("head of the screens", |store, _| store.pulse(None)).await;
    asked.ask("live, all accounts", |store, _| store.live(None, 100)).await;
    let (all, found) = (
        FailureFilter { limit: 300, ..FailureFilter::default() },
        FailureFilter {
            account: Some("river".to_owned()),
            channel: Some(Channel::Webhook),
            words: vec!["500".to_owned()],
            limit: 300,
            ..FailureFilter::default()
        },
    );
    let none = FailureFilter { words: vec!["no such".to_owned()], ..found.clone() };
    let (all, found, none) = (&all, &found, &none);
    asked.ask("failures", |store, _| store.failures(all)).await;
    asked.ask("failures, found", |store, _| store.failures(found)).await;
    asked.ask("failures, none found", |store, _| store.failures(none)).await;
    asked.ask("failures a minute", |store, _| store.failure_counts(60_000, 60)).await;
    asked.ask("dead destinations", |store, _| store.trouble()).await;
    asked.ask("replays", |store, _| store.replays()).await;
    asked.ask("events", |store, _| async { store.events(&EventFilter::default()).await }).await;
    asked.ask("changes", |store, _| async { store.changes(&ChangeFilter::default()).await }).await;
}

async fn of_account(asked: &mut Asked<'_>) {
    asked.ask("account, its matrix", |store, account| async move { store.matrix(&account).await }).await;
    asked.ask("account, its head", |store, account| async move { store.pulse(Some(&account)).await }).await;
    asked.ask("account, its live pane", |store, account| async move { store.live(Some(&account), 100).await }).await;
    asked.ask("account, looking back", |store, account| async move { store.live(Some(&account), 500).await }).await;
    for (what, word) in [("account, found", "web-17"), ("account, none found", "no such")] {
        let filter = LiveFilter { words: vec![word.to_owned()], ..LiveFilter::default() };
        let filter = &filter;
        asked.ask(what, move |store, account| async move { store.live_found(&account, filter, 500).await }).await;
    }
    asked.ask("history", |store, account| async move { store.history(&Subject::Account(account), 500).await }).await;
    asked
        .ask("history of a cell", |store, account| async move {
            let (event_type, channel) = ("job.fail".to_owned(), Channel::Email);
            store.history(&Subject::Cell { account, event_type, channel }, 500).await
        })
        .await;
    let day = Duration::from_hours(24);
    asked
        .ask("send again: what failed", |store, account| async move {
            let since = Some(store.clock().now().minus(day));
            let state = Some(DeliveryState::Failed);
            store
                .plan_again(&DeliveryFilter { account: Some(account), since, state, ..DeliveryFilter::default() })
                .await
        })
        .await;
    asked
        .ask("send again: what was missed", |store, account| async move {
            let since = Some(store.clock().now().minus(day));
            store.plan_missed(&DeliveryFilter { account: Some(account), since, ..DeliveryFilter::default() }).await
        })
        .await;
    asked
        .ask("deliveries that failed", |store, account| async move {
            let state = Some(DeliveryState::Failed);
            store.deliveries(&DeliveryFilter { account: Some(account), state, ..DeliveryFilter::default() }).await
        })
        .await;
    asked
        .ask("deliveries", |store, account| async move {
            store.deliveries(&DeliveryFilter { account: Some(account), ..DeliveryFilter::default() }).await
        })
        .await;
}

async fn of_event(asked: &mut Asked<'_>) {
    for (what, event_type) in [
        ("newest event of a type", "server.stopped"),
        ("newest event of a rare type", RARE),
        ("newest event of a type without", NEVER),
    ] {
        asked.ask(what, move |store, account| async move { store.newest_event(&account, event_type).await }).await;
    }
    let (store, size) = (asked.store, asked.size);
    let (big, other) = (newest(store, whose(size, 0)).await, newest(store, whose(size, 1)).await);
    let of = move |account: &AccountKey| if *account == whose(size, 0) { big } else { other };
    asked.ask("event", |store, account| async move { store.why(&of(&account)).await }).await;
    asked.ask("event before", |store, account| async move { store.event_before(&of(&account)).await }).await;
    asked.ask("event after", |store, account| async move { store.event_after(&of(&account)).await }).await;
    asked
        .ask("delivery", |store, account| async move {
            let filter = DeliveryFilter { event: Some(of(&account)), ..DeliveryFilter::default() };
            let rows = store.deliveries(&filter).await?;
            store.delivery(rows[0].id).await
        })
        .await;
}

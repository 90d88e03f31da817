//! The screens in words.

use bellboard::domain::channel::Channel;
use bellboard::domain::matrix::CellSetting;

use crate::console::harness::Console;
use crate::support::TestStore;

/// What is said: head, numbered items, what belongs to the one under the cursor.
fn said(console: &Console) -> String {
    let speech = console.app.speech();
    let item = |(index, text): (usize, &String)| {
        let here = if speech.at == Some(index) { ">" } else { " " };
        format!("{here}{}. {text}", index + 1)
    };
    let items = speech.items.iter().enumerate().map(item);
    let lines = speech.head.iter().cloned().chain(items).chain(speech.after.iter().cloned());
    lines.map(|line| crate::console::harness::mask_event_ids(&line)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_screen_says_what_it_shows() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.account("Zeta").await;
    let mut all = Vec::new();
    let ways = [
        ("the accounts", "q", "enter"),
        ("the matrix", "home down", "home"),
        ("the live pane", "tab", "tab"),
        ("a delivery", "tab enter", "q tab"),
        ("the destinations", "right right right right enter", "q"),
        ("a form", "enter e", "esc q"),
        ("a history", "enter H", "q q"),
        ("a copy", "y tab", "q"),
        ("what was missed", "R", "q"),
        ("why", "tab w", "q tab"),
        ("failures", "g f", "q enter"),
        ("destinations in trouble", "g d", "q enter"),
        ("a question", "m", "esc"),
    ];
    for (name, there, back) in ways {
        console.keys(there).await;
        let text = said(&console);
        assert!(!text.trim().is_empty(), "{name} says nothing: {}", console.picture());
        all.push(format!("== {name}\n{text}"));
        console.keys(back).await;
    }
    insta::assert_snapshot!("speech", all.join("\n"));
}

#[tokio::test]
async fn an_item_is_gone_to_by_its_number() {
    let mut console = Console::on_acme().await;
    console.test.set("job.fail", Channel::Slack, CellSetting::On).await;
    console.reload().await;
    console.app.go_to(8).await;
    assert!(console.app.says().unwrap().contains("job failed"), "{:?}", console.app.says());
    assert_eq!(console.app.speech().at, Some(8));
    console.app.go_to(999).await;
    assert_eq!(console.app.speech().at, Some(14), "beyond the end it is the last");
    let mut console = Console::open(TestStore::empty().await).await;
    console.app.go_to(3).await;
    assert_eq!(console.app.speech().at, None);
}

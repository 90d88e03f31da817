//! Any keys on any screen at any size: nothing panics.
//!
//! Each run is told by its seed. `BELLBOARD_FUZZ_SECONDS` runs longer, with one seed after the other, and `BELLBOARD_FUZZ_SEED`
//! begins with that one.

use std::time::{Duration, Instant};

use bellboard::console::app::Turn;
use bellboard::console::keymap::{self, Key, Place};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::console::harness::Console;
use crate::console::sizes::{PATHS, busy, go};

/// What a person or a terminal does.
#[derive(Clone, Debug)]
enum Step {
    Key(KeyEvent),
    /// A key that means something where it is pressed; which of them, by a number.
    Own(usize),
    Mouse(MouseEvent),
    Paste(String),
    Reload,
}

fn key() -> impl Strategy<Value = KeyEvent> {
    let codes = vec![
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::End,
        KeyCode::Home,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Esc,
    ];
    let code = prop_oneof![
        4 => proptest::sample::select(codes),
        4 => "[a-zA-Z/?!: ]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap_or(' '))),
        1 => any::<char>().prop_map(KeyCode::Char),
    ];
    let control = prop_oneof![9 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL)];
    (code, control).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        Just(MouseEventKind::Down(MouseButton::Left)),
        Just(MouseEventKind::ScrollUp),
        Just(MouseEventKind::ScrollDown)
    ];
    let mouse = (kind, 0u16..300, 0u16..100)
        .prop_map(|(kind, column, row)| Step::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    prop_oneof![12 => key().prop_map(Step::Key), 12 => any::<usize>().prop_map(Step::Own), 2 => mouse, 1 => any::<String>().prop_map(Step::Paste), 1 => Just(Step::Reload)]
}

fn size() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![3 => (1u16..=120, 1u16..=40), 1 => (1u16..=300, 1u16..=100)]
}

/// A key of that place's own, or of those that every screen has.
fn own_key(place: Place, number: usize) -> Option<KeyEvent> {
    let keys: Vec<Key> =
        [place, Place::Screens].into_iter().flat_map(keymap::of).flat_map(|line| line.keys).copied().collect();
    let (code, modifiers) = match *keys.get(number % keys.len().max(1))? {
        Key::Char(sign) => (KeyCode::Char(sign), KeyModifiers::NONE),
        Key::Ctrl(letter) => (KeyCode::Char(letter), KeyModifiers::CONTROL),
        Key::Code(code) => (code, KeyModifiers::NONE),
    };
    Some(KeyEvent::new(code, modifiers))
}

async fn take(console: &mut Console, step: Step) {
    let turn = match step {
        Step::Key(key) => console.app.key(&key).await,
        Step::Own(number) => match own_key(console.app.place(), number) {
            Some(key) => console.app.key(&key).await,
            None => Turn::On,
        },
        Step::Mouse(event) => console.app.point(&event).await,
        Step::Paste(text) => console.app.paste(text).await,
        Step::Reload => {
            console.reload().await;
            Turn::On
        }
    };
    while let Ok(job) = console.jobs.try_recv() {
        console.app.job(&job).await;
    }
    // What would go to the clipboard or to an editor waits for nobody here.
    console.app.take_clipboard();
    if turn == Turn::Quit {
        console.reopen().await;
    }
}

fn play(seed: u64, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let console = std::cell::RefCell::new(runtime.block_on(busy()));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let steps = proptest::collection::vec((step(), size()), 1..30);
    let result = runner.run(&(proptest::sample::select(PATHS.to_vec()), steps), |((_, keys), steps)| {
        let mut console = console.borrow_mut();
        runtime.block_on(go(&mut console, keys));
        for (step, (width, height)) in steps {
            console.resize(width, height);
            let before = console.picture();
            prop_assert_eq!(before.split('\n').count(), usize::from(height));
            runtime.block_on(take(&mut console, step));
            console.picture();
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

#[test]
fn any_keys_on_any_screen_at_any_size() {
    let from = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = from("BELLBOARD_FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let Some(seconds) = from("BELLBOARD_FUZZ_SECONDS") else { return play(first, 150) };
    let end = Instant::now() + Duration::from_secs(seconds);
    for seed in first.. {
        play(seed, 150);
        if Instant::now() > end {
            return;
        }
    }
}

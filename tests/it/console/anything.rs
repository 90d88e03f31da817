//! Any keys at any size: nothing panics.

use bellboard::console::app::Turn;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::console::harness::Console;

fn key() -> impl Strategy<Value = KeyEvent> {
    let codes = vec![
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::PageDown,
        KeyCode::End,
        KeyCode::Home,
        KeyCode::Backspace,
        KeyCode::Esc,
    ];
    let code = prop_oneof![
        4 => proptest::sample::select(codes),
        4 => "[a-z/?! ]".prop_map(|text| KeyCode::Char(text.chars().next().unwrap_or(' '))),
        1 => any::<char>().prop_map(KeyCode::Char),
    ];
    let control = prop_oneof![9 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL)];
    (code, control).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

#[test]
fn any_keys_at_any_size() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut console = runtime.block_on(async {
        let mut console = Console::on_acme().await;
        console.busy().await;
        console
    });
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let cell = std::cell::RefCell::new(&mut console);
    let steps = proptest::collection::vec((key(), 1u16..=120, 1u16..=40), 1..30);
    let result = runner.run(&steps, |steps| {
        let mut console = cell.borrow_mut();
        for (key, width, height) in steps {
            console.resize(width, height);
            let before = console.picture();
            let turn = runtime.block_on(console.app.key(&key));
            prop_assert_eq!(before.split('\n').count(), usize::from(height));
            console.picture();
            if turn == Turn::Quit {
                runtime.block_on(console.reopen());
            }
        }
        Ok(())
    });
    result.unwrap();
}

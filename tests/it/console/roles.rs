//! What a role is offered, and what a console that may change nothing says instead.

use bellboard::console::keymap::Place;
use bellboard::console::keymap::offer::role;
use bellboard::console::keymap::{self};
use bellboard::domain::channel::Channel;
use bellboard::domain::role::Role;
use bellboard::store::{Options, Store};

use crate::console::harness::Console;
use crate::support::{TestStore, acme};

async fn as_role(role: Role) -> Console {
    let mut test = TestStore::acme().await;
    test.store = test.store.limited_to(role);
    let mut console = Console::open(test).await;
    console.keys("enter").await;
    console
}

async fn is_on(console: &Console, kind: &str, channel: Channel) -> bool {
    let view = console.test.store.matrix(&acme()).await.unwrap();
    view.cell(view.catalogue.get(kind).unwrap(), channel).on
}

#[tokio::test]
async fn what_a_role_cannot_do_is_in_no_footer_help_or_palette() {
    let mut console = as_role(Role::Look).await;
    let picture = console.picture();
    assert!(!picture.contains("space toggle") && picture.contains("tab live"), "{picture}");
    console.resize(80, 400);
    for opener in ["?", ":"] {
        console.keys(opener).await;
        let picture = console.picture();
        for place in Place::ALL.into_iter().filter(|place| opener == "?" || *place == Place::Matrix) {
            for binding in keymap::of(place).filter(|binding| role(place, binding.action) > Role::Look) {
                let mut alike = keymap::bindings().filter(|other| other.help == binding.help);
                if alike.all(|other| role(other.place, other.action) > Role::Look) {
                    let begins: String = binding.help.chars().take(50).collect();
                    assert!(!picture.contains(&begins), "{binding:?} is offered by {opener}\n{picture}");
                }
            }
        }
        assert!(picture.contains("what became of the newest event"), "{picture}");
        console.keys("esc").await;
    }
    let mut console = as_role(Role::Operate).await;
    assert!(console.picture().contains("space toggle"), "{}", console.picture());
    console.keys(":").await;
    console.typed("toggle").await;
    assert!(console.picture().contains("turn the cell on or off"), "{}", console.picture());
}

#[tokio::test]
async fn a_key_beyond_a_role_says_which_role_it_takes_and_does_nothing() {
    let mut console = as_role(Role::Look).await;
    for key in ["space", "r", "c", "m", "y", "R", "u", "U", "e", "t"] {
        console.keys(key).await;
        let picture = console.picture();
        assert!(picture.contains("that takes the role operate, and yours is look"), "{key}: {picture}");
    }
    assert!(is_on(&console, "account.provision.ok", Channel::Email).await);
    let mut empty = TestStore::empty().await;
    empty.store = empty.store.limited_to(Role::Look);
    let console = Console::open(empty).await;
    let picture = console.picture();
    assert!(!picture.contains("make an account") && !picture.contains("fill in"), "{picture}");
}

#[tokio::test]
async fn a_read_only_console_says_what_it_would_do_and_does_not_do_it() {
    let test = TestStore::acme().await;
    let id = test.webhook().await;
    let options = Options { read_only: true, ..Options::at(test.folder.path().join("bellboard.db")) };
    let store = Store::open(&options, test.clock.clone()).await.unwrap();
    let mut console = Console::open(TestStore { store, ..test }).await;
    console.keys("enter").await;
    let says = |console: &Console, text: &str| {
        let picture = console.picture();
        let wanted = format!("read-only, not done: this would {text}");
        let wanted: String = wanted.chars().take(76).collect();
        assert!(picture.contains(&wanted), "{wanted}\n{picture}");
    };
    console.keys("space").await;
    says(&console, "turn Email off for account.provision.ok of acme");
    console.keys("u").await;
    says(&console, "take back: Acme Ltd has the Webhook destinatio");
    console.keys("right right right right enter space").await;
    says(&console, "pause hooks.acme.test");
    console.keys("t").await;
    says(&console, "send a test to hooks.acme.test");
    console.keys("d y").await;
    says(&console, "remove hooks.acme.test");
    console.keys("e").await;
    console.typed("x").await;
    console.keys("enter").await;
    says(&console, "change hooks.acme.test");
    assert!(console.picture().contains("/inx"), "what was typed is still there: {}", console.picture());
    assert!(is_on(&console, "account.provision.ok", Channel::Email).await);
    assert_eq!(
        console.test.store.destination(id).await.unwrap().1.fields["url"].expose(),
        "https://hooks.acme.test/in"
    );
}

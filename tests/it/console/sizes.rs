//! Every screen at every size: nothing panics, and down to 40x10 each is of use.

use bellboard::console::keymap::Place;

use crate::console::harness::Console;

/// Every screen, and a few of its states, each with the keys that lead there from the matrix of a busy account.
pub const PATHS: [(&str, &str); 31] = [
    ("account", "j"),
    ("account, live", "tab"),
    ("account, zoomed", "tab z"),
    ("account, finding", "/ s t"),
    ("account, marked", "v j l"),
    ("accounts", "q"),
    ("accounts, finding", "q / a"),
    ("account_form", "e"),
    ("account_form, new", "q n"),
    ("destinations", "l l l l enter"),
    ("destinations, asked", "l l l l enter d"),
    ("destination_form", "l l l l enter a"),
    ("destination_form, hipchat", "l enter a"),
    ("destination_form, on a flag", "l l l l enter a tab tab tab"),
    ("destination_form, on a button", "l l l enter a tab tab tab tab"),
    ("pick, of several", "l l l enter a tab tab tab ^F"),
    ("delivery", "tab enter"),
    ("event", "tab w"),
    ("dead", "g d"),
    ("failures", "g f"),
    ("history", "H"),
    ("copy", "y"),
    ("copy, looked at", "y G l o b enter"),
    ("missed", "R"),
    ("palette", ":"),
    ("preview", "j j P"),
    ("simulate", "S"),
    ("pick", "S e"),
    ("mute", "m o"),
    ("mute, asked", "m"),
    ("help", "?"),
];

/// On the matrix, with something of everything to see.
pub async fn busy() -> Console {
    let mut console = Console::on_acme().await;
    console.account("Globex").await;
    console.busy().await;
    console
}

/// Goes to one of [`PATHS`] from anywhere.
pub async fn go(console: &mut Console, keys: &str) {
    console.reopen().await;
    console.resize(80, 24);
    console.keys("enter").await;
    console.keys(keys).await;
}

#[test]
fn every_screen_is_among_them() {
    for screen in crate::console::screens::PICTURES {
        let is_there = PATHS.iter().any(|(name, _)| name.split(',').next() == Some(screen));
        assert!(is_there, "no keys here lead to the screen {screen}");
    }
}

#[tokio::test]
async fn every_place_with_keys_of_its_own_is_among_them() {
    let mut console = busy().await;
    let mut reached = vec![Place::Everywhere, Place::Screens, Place::Editing];
    for (_, keys) in PATHS {
        go(&mut console, keys).await;
        reached.push(console.app.place());
    }
    let missing: Vec<_> = Place::ALL.into_iter().filter(|place| !reached.contains(place)).collect();
    assert!(missing.is_empty(), "no keys here lead to {missing:?}");
}

#[tokio::test]
async fn every_screen_at_every_size() {
    let mut console = busy().await;
    for (name, keys) in PATHS {
        go(&mut console, keys).await;
        // All small ones, every width and every height; not each with each, which would take minutes.
        let small = (1..=14).flat_map(|width| (1..=8).map(move |height| (width, height)));
        let all = (1..=300).map(|width: u16| (width, 1 + width * 37 % 100));
        for (width, height) in small.chain(all) {
            console.resize(width, height);
            let lines = console.picture().split('\n').count();
            assert_eq!(lines, usize::from(height), "{name} at {width}x{height}");
        }
        console.resize(80, 24);
        assert!(console.picture().contains("accounts > ") || name.starts_with("accounts"), "{name} at its old size");
    }
}

#[tokio::test]
async fn every_screen_is_of_use_when_small() {
    let mut console = busy().await;
    for (width, height) in [(40, 10), (60, 15)] {
        let mut pictures = String::new();
        for (name, keys) in PATHS {
            go(&mut console, keys).await;
            console.resize(width, height);
            let picture = console.picture();
            pictures.extend(["== ", name, "\n", &picture, "\n\n"]);
        }
        insta::assert_snapshot!(format!("{width}x{height}"), pictures);
    }
}

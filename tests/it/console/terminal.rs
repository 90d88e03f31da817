//! Frames as bytes: what a real emulator makes of them, and how many a move and a toggle take.

use bellboard::console::terminal::encode;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::console::harness::Console;

/// Most bytes of a frame that follows a key which moves the cursor, and one that turns a cell on or off.
const MOVE_MAX: usize = 120;
const TOGGLE_MAX: usize = 200;

const WIDTH: u16 = 30;
const HEIGHT: u16 = 6;

#[derive(Clone, Debug)]
struct Piece {
    x: u16,
    y: u16,
    text: String,
    style: Style,
}

fn piece() -> impl Strategy<Value = Piece> {
    let colors = [Color::Reset, Color::Red, Color::Cyan, Color::DarkGray, Color::LightBlue, Color::Indexed(203)];
    let color = proptest::sample::select(colors.to_vec());
    let modifiers = [Modifier::BOLD, Modifier::DIM, Modifier::REVERSED, Modifier::UNDERLINED];
    let modifier = proptest::sample::subsequence(modifiers.to_vec(), 0..=4);
    let text = prop_oneof![3 => "[a-c ]{1,12}", 1 => "[a日é─ ]{1,8}"];
    (0..WIDTH, 0..HEIGHT, text, color.clone(), color, modifier).prop_map(|(x, y, text, fg, bg, modifiers)| {
        let modifier = modifiers.into_iter().fold(Modifier::empty(), |all, one| all | one);
        Piece { x, y, text, style: Style::new().fg(fg).bg(bg).add_modifier(modifier) }
    })
}

fn screen(pieces: &[Piece]) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, WIDTH, HEIGHT));
    for piece in pieces {
        let room = usize::from(WIDTH - piece.x);
        buffer.set_stringn(piece.x, piece.y, &piece.text, room, piece.style);
    }
    // The emulator knows only one of bold and dim at a time.
    for cell in buffer.content.iter_mut().filter(|cell| cell.modifier.contains(Modifier::BOLD | Modifier::DIM)) {
        cell.modifier.remove(Modifier::BOLD);
    }
    buffer
}

/// The sixteen names as the emulator counts them.
fn color_of(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(1) => Color::Red,
        vt100::Color::Idx(6) => Color::Cyan,
        vt100::Color::Idx(8) => Color::DarkGray,
        vt100::Color::Idx(12) => Color::LightBlue,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}

/// Fails where the emulator shows anything else than the buffer.
fn assert_shows(emulator: &vt100::Screen, buffer: &Buffer) {
    for y in 0..HEIGHT {
        let mut skip = false;
        for x in 0..WIDTH {
            if std::mem::take(&mut skip) {
                continue;
            }
            let (shown, wanted) = (emulator.cell(y, x).unwrap(), &buffer[(x, y)]);
            skip = shown.is_wide();
            let text = if shown.has_contents() { shown.contents() } else { " " };
            assert_eq!(text, wanted.symbol(), "at {x}, {y}");
            let look = (color_of(shown.fgcolor()), color_of(shown.bgcolor()));
            let modifiers = [
                (shown.bold(), Modifier::BOLD),
                (shown.dim(), Modifier::DIM),
                (shown.inverse(), Modifier::REVERSED),
                (shown.underline(), Modifier::UNDERLINED),
            ];
            let modifier = modifiers.iter().filter(|(on, _)| *on).fold(Modifier::empty(), |all, (_, one)| all | *one);
            assert_eq!((look, modifier), ((wanted.fg, wanted.bg), wanted.modifier), "the look at {x}, {y}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_emulator_shows_what_was_drawn(
        frames in proptest::collection::vec(proptest::collection::vec(piece(), 0..8), 1..6),
    ) {
        let size = |side: u16| std::num::NonZeroU16::new(side).unwrap();
        let mut emulator = vt100::Parser::new(size(HEIGHT), size(WIDTH), 0);
        let mut shown = screen(&[]);
        for (index, pieces) in frames.iter().enumerate() {
            let next = screen(pieces);
            emulator.process(&encode::frame(&shown, &next, index == 0));
            assert_shows(emulator.screen(), &next);
            shown = next;
        }
    }
}

/// Bytes of the frame that follows each key.
async fn bytes(console: &mut Console, keys: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    for key in keys.split(' ') {
        let before = console.buffer();
        console.keys(key).await;
        counts.push(encode::frame(&before, &console.buffer(), false).len());
    }
    counts
}

#[tokio::test]
async fn a_move_and_a_toggle_take_few_bytes() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    let moves = bytes(&mut console, "down right down left down right right right up up up").await;
    assert!(moves.iter().all(|count| *count <= MOVE_MAX), "{moves:?}");
    let toggles = bytes(&mut console, "space space down space").await;
    assert!(toggles.iter().all(|count| *count <= TOGGLE_MAX), "{toggles:?}");
    console.keys("q").await;
    for name in ["Globex", "Initech", "Umbrella", "Zorro"] {
        console.account(name).await;
    }
    console.reload().await;
    let moves = bytes(&mut console, "down down down down up up up").await;
    assert!(moves.iter().all(|count| *count <= MOVE_MAX), "{moves:?}");
}

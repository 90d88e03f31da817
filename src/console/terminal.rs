//! The terminal: how it is set up, how frames go out and keys come in, and how it is always given back as it was.
//!
//! A frame is one write between synchronized-output marks, and only the cells that changed. It is drawn only when the one before
//! is out ([`Terminal::is_ready`]): a slow line, or one that is dead for a while, has no backlog of old frames, and nothing here
//! waits for it. The terminal is asked nothing, so no late answer is printed as text. [`restore`] is the one way back: the
//! normal end, the guard, the panic hook, signals and Ctrl-Z all use it, and it does nothing the second time.

pub mod encode;

pub mod input;

mod tty;

use std::io::IsTerminal;
use std::os::fd::BorrowedFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossterm::event::Event;
use crossterm::terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use crate::console::terminal::input::Input;

/// Largest screen that is drawn, in columns and lines; a terminal that claims more is drawn in part.
const SIDE_MAX: u16 = 1000;

/// What takes the terminal over: the other screen, pastes told as such, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?25l";

/// What gives it back, whatever was on: marks of a frame, the mouse, pastes, style, the other screen, the cursor.
const LEAVE: &str = "\x1b[?2026l\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[m\x1b[?1049l\x1b[?25h";

/// Turns the mouse on and off: presses and the wheel, with numbers as text (xterm's modes).
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1000l\x1b[?1006l";

/// How long a terminal that takes nothing is waited for when it is given back.
const RESTORE_WAIT: Duration = Duration::from_millis(500);

/// Most that is read at once, in bytes.
const READ_MAX: usize = 2048;

/// Whether the terminal is ours at present.
static ACTIVE: AtomicBool = AtomicBool::new(false);

static PANIC_HOOK: Once = Once::new();

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Input or output is a pipe or a file.
    #[error(
        "the console needs a terminal for its input and output; in a script use the commands, see `bellboard help`"
    )]
    NoTerminal,
    /// The terminal does not do what it is told.
    #[error("the terminal cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

/// What the terminal did.
#[derive(Debug)]
pub enum Happened {
    /// A person did something.
    Event(Event),
    /// The last frame is out.
    Written,
    /// The terminal is gone.
    Gone,
}

/// The terminal while it is ours. Gives it back when dropped.
pub struct Terminal {
    device: AsyncFd<BorrowedFd<'static>>,
    shown: Buffer,
    next: Buffer,
    /// What the terminal did not take yet.
    waiting: Vec<u8>,
    input: Input,
    /// When what is open in the input is settled.
    settle_at: Option<Instant>,
    mouse: bool,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When input or output is none, or it cannot be set up.
    pub fn set_up() -> Result<Self, TerminalError> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(TerminalError::NoTerminal);
        }
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        let mut terminal = Self {
            device: watch(tty::device()?)?,
            shown: Buffer::default(),
            next: Buffer::default(),
            waiting: Vec::new(),
            input: Input::default(),
            settle_at: None,
            mouse: false,
        };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Takes the terminal over again after [`restore`]; the next frame is drawn whole.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn enter(&mut self) -> Result<(), TerminalError> {
        ACTIVE.store(true, Ordering::SeqCst);
        terminal::enable_raw_mode()?;
        self.waiting.clear();
        self.write(ENTER.as_bytes())?;
        if self.mouse {
            self.write(MOUSE_ON.as_bytes())?;
        }
        self.forget();
        Ok(())
    }

    /// Makes the next frame a whole one, as after the terminal was garbled.
    pub fn forget(&mut self) {
        self.shown = Buffer::default();
    }

    /// Has the terminal tell of the mouse, which then selects no text; or leaves it to the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn set_mouse(&mut self, on: bool) -> Result<(), TerminalError> {
        if self.mouse != on {
            self.mouse = on;
            self.write(if on { MOUSE_ON } else { MOUSE_OFF }.as_bytes())?;
        }
        Ok(())
    }

    /// Hands text to the terminal's clipboard (OSC 52). Whether it takes it, it does not say.
    ///
    /// # Errors
    /// When the terminal does not take the bytes.
    pub fn copy(&mut self, text: &str) -> Result<(), TerminalError> {
        let in_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        self.write(clipboard(text, in_tmux).as_bytes())
    }

    /// The area to draw in.
    #[must_use]
    pub fn area() -> Rect {
        let (width, height) = tty::size();
        Rect::new(0, 0, width.min(SIDE_MAX), height.min(SIDE_MAX))
    }

    /// Whether all is out that was written, and another frame may be drawn.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Draws a frame and sends what changed, in one write; nothing when nothing did. Says how many bytes that was.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, area: Rect, draw: impl FnOnce(&mut Buffer)) -> Result<usize, TerminalError> {
        if area.is_empty() {
            return Ok(0);
        }
        self.next.resize(area);
        self.next.reset();
        draw(&mut self.next);
        let whole = self.shown.area != area;
        if whole {
            self.shown = Buffer::empty(area);
        }
        let bytes = encode::frame(&self.shown, &self.next, whole);
        self.write(&bytes)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(bytes.len())
    }

    /// Waits for what the terminal does next. May be dropped while it waits.
    ///
    /// # Errors
    /// When the terminal cannot be waited for.
    pub async fn happens(&mut self) -> Result<Happened, TerminalError> {
        let mut buffer = [0; READ_MAX];
        loop {
            if let Some(event) = self.input.event() {
                return Ok(Happened::Event(event));
            }
            let settle_at = self.settle_at;
            tokio::select! {
                biased;
                readable = self.device.readable() => match readable?.try_io(|_| tty::get(&mut buffer)) {
                    Ok(Ok(0)) => return Ok(Happened::Gone),
                    Ok(Ok(count)) => {
                        self.input.take(&buffer[..count]);
                        self.settle_at = self.input.wait().map(|wait| Instant::now() + wait);
                    }
                    Ok(Err(error)) => return Err(error.into()),
                    Err(_nothing_yet) => {}
                },
                () = sleep_until(settle_at.unwrap_or_else(Instant::now)), if settle_at.is_some() => {
                    self.input.settle();
                    self.settle_at = None;
                }
                writable = self.device.writable(), if !self.waiting.is_empty() => {
                    let mut writable = writable?;
                    let done = tty::put(&self.waiting)?;
                    self.waiting.drain(..done);
                    if self.waiting.is_empty() {
                        return Ok(Happened::Written);
                    }
                    writable.clear_ready();
                }
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TerminalError> {
        let done = if self.waiting.is_empty() { tty::put(bytes)? } else { 0 };
        self.waiting.extend_from_slice(&bytes[done..]);
        Ok(())
    }
}

#[expect(deprecated, reason = "what takes its place is unsafe code; a device that stays open for ever is sound here")]
fn watch(device: BorrowedFd<'static>) -> std::io::Result<AsyncFd<BorrowedFd<'static>>> {
    AsyncFd::new(device)
}

/// The sequence that asks a terminal to take text to its clipboard: plain, and in tmux also wrapped so that the terminal
/// around it gets it, since tmux may take neither, one or both.
#[must_use]
pub fn clipboard(text: &str, in_tmux: bool) -> String {
    let plain = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    if in_tmux { format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")) } else { plain }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was. Does nothing when it is not ours; what fails is passed over, since a terminal that is
/// gone cannot be helped.
pub fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    tty::put_within(LEAVE.as_bytes(), RESTORE_WAIT);
    let _ = terminal::disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_is_asked_plainly_and_through_tmux() {
        assert_eq!(clipboard("hi", false), "\x1b]52;c;aGk=\x07");
        assert_eq!(clipboard("hi", true), "\x1b]52;c;aGk=\x07\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\");
    }
}

//! The terminal: how it is set up, how one frame goes out, and how it is always given back as it was.
//!
//! A frame is one write between synchronized-output marks, and only the cells that changed. The terminal is asked nothing, so
//! no late answer is printed as text. [`restore`] is the one way back: the normal end, the guard, the panic hook, signals and
//! Ctrl-Z all use it, and it does nothing the second time.

use std::io::{IsTerminal, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{queue, style, terminal};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Largest screen that is drawn, in columns and lines; a terminal that claims more is drawn in part.
const SIDE_MAX: u16 = 1000;

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

/// The terminal while it is ours. Gives it back when dropped.
#[derive(Debug)]
pub struct Terminal {
    shown: Buffer,
    next: Buffer,
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
        // With NO_COLOR crossterm leaves out bold and reverse too, and the cursor would vanish; the mono theme has no colours.
        style::force_color_output(true);
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        let mut terminal = Self { shown: Buffer::default(), next: Buffer::default() };
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
        let mut bytes = Vec::new();
        queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, Hide)?;
        write(&bytes)?;
        self.forget();
        Ok(())
    }

    /// Makes the next frame a whole one, as after the terminal was garbled.
    pub fn forget(&mut self) {
        self.shown = Buffer::default();
    }

    /// Hands text to the terminal's clipboard (OSC 52). Whether it takes it, it does not say.
    ///
    /// # Errors
    /// When the terminal does not take the bytes.
    pub fn copy(&mut self, text: &str) -> Result<(), TerminalError> {
        let in_tmux = std::env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        write(clipboard(text, in_tmux).as_bytes())?;
        Ok(())
    }

    /// The area to draw in.
    #[must_use]
    pub fn area() -> Rect {
        let (width, height) = terminal::size().unwrap_or((0, 0));
        Rect::new(0, 0, width.min(SIDE_MAX), height.min(SIDE_MAX))
    }

    /// Draws a frame and sends what changed, in one write; nothing when nothing did.
    ///
    /// # Errors
    /// When the terminal does not take it.
    pub fn draw(&mut self, area: Rect, draw: impl FnOnce(&mut Buffer)) -> Result<(), TerminalError> {
        if area.is_empty() {
            return Ok(());
        }
        self.next.resize(area);
        self.next.reset();
        draw(&mut self.next);
        let whole = self.shown.area != area;
        let mut bytes = Vec::new();
        if whole {
            self.shown = Buffer::empty(area);
        }
        let changes = self.shown.diff(&self.next);
        if changes.is_empty() && !whole {
            return Ok(());
        }
        queue!(bytes, BeginSynchronizedUpdate)?;
        if whole {
            queue!(bytes, Clear(ClearType::All))?;
        }
        CrosstermBackend::new(&mut bytes).draw(changes.into_iter())?;
        queue!(bytes, EndSynchronizedUpdate)?;
        write(&bytes)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }
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
    let mut bytes = Vec::new();
    let _ = queue!(bytes, EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = write(&bytes);
    let _ = terminal::disable_raw_mode();
}

fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
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

//! The mouse in an account: a click goes to a cell, or to a line of the live pane.

use ratatui::layout::Rect;

use crate::console::screen::Outcome;
use crate::console::screens::account::AccountScreen;

impl AccountScreen {
    pub(crate) fn clicked(&mut self, area: Rect, x: u16, y: u16) -> Outcome {
        let split = area.height.saturating_sub(self.live_height(area));
        self.in_live = y >= split;
        if self.in_live {
            self.live.cursor().click((y - split).checked_sub(1));
            return Outcome::Reload;
        }
        if let Some(view) = &self.view {
            self.cursor.click(view, area.width, x, y);
        }
        Outcome::Handled
    }
}

//! What is said, and what of it was said already: a new screen is told whole, afterwards only what changed.

use std::collections::HashSet;

use crate::console::app::App;
use crate::console::keymap::Place;
use crate::console::keymap::offer::offered;
use crate::console::speech::Speech;
use crate::console::widgets::frame;

/// Items that are told at once; `more` tells the next.
const ITEMS_AT_ONCE: usize = 25;

/// Items that came or changed and are told without being asked for.
const NEWS_MAX: usize = 5;

/// Columns whose footer is told with a screen.
const FOOT_COLUMNS: usize = 160;

/// What was said last.
#[derive(Debug, Default)]
pub struct Speaker {
    path: String,
    place: Option<Place>,
    speech: Speech,
    says: Option<String>,
    /// How many items were told.
    told: usize,
}

impl Speaker {
    /// All of the screen.
    pub fn whole(&mut self, app: &App) -> Vec<String> {
        self.remember(app);
        let mut lines = vec![format!("== {}", self.path), app.pulse_words()];
        lines.extend(self.speech.head.iter().cloned());
        self.told = 0;
        lines.extend(self.more());
        lines.extend(self.here());
        lines.extend(self.speech.after.iter().cloned());
        lines.extend(self.says.clone());
        let place = app.place();
        let keys = frame::shown(place, app.role(), FOOT_COLUMNS);
        let keys: Vec<String> = keys.iter().map(|key| format!("{} {}", key.shown, key.name)).collect();
        let dot = if place.takes_text() { "type text; with a full stop before them: " } else { "" };
        lines.push(format!("keys: {dot}{}", keys.join("; ")));
        lines
    }

    /// A screen that one comes back to: where one is in it; the rest was told.
    fn back(&mut self, app: &App) -> Vec<String> {
        self.remember(app);
        self.told = 0;
        let mut lines = vec![format!("== {}", self.path)];
        lines.extend(self.speech.head.iter().take(1).cloned());
        lines.extend(self.here());
        lines.extend(self.says.clone());
        lines
    }

    /// The next items.
    pub fn more(&mut self) -> Vec<String> {
        let until = (self.told + ITEMS_AT_ONCE).min(self.speech.items.len());
        let mut lines: Vec<String> = (self.told..until).map(|item| self.item(item)).collect();
        self.told = until;
        let left = self.speech.items.len() - until;
        if left > 0 {
            lines.push(format!("and {left} more; `more` tells the next"));
        }
        lines
    }

    /// What can be done here.
    #[must_use]
    pub fn keys(app: &App) -> Vec<String> {
        let place = app.place();
        let places = if place.is_screen() { vec![place, Place::Screens] } else { vec![place] };
        let bindings = places.into_iter().flat_map(|place| offered(place, app.role()));
        let mut lines: Vec<String> = bindings
            .map(|binding| match binding.name {
                "" => format!("{}: {}", binding.shown, binding.help),
                name => format!("{} or {name}: {}", binding.shown, binding.help),
            })
            .collect();
        lines.push(
            "a number: to that item; screen: all of it again; more: the next items; quit: end bellboard".to_owned(),
        );
        lines
    }

    /// What a command has changed.
    pub fn after_command(&mut self, app: &App) -> Vec<String> {
        let path = app.path();
        if self.path.len() > path.len() && self.path.starts_with(&path) && !app.place().takes_text() {
            return self.back(app);
        }
        if path != self.path || Some(app.place()) != self.place {
            return self.whole(app);
        }
        let before = self.remember(app);
        let mut lines: Vec<String> =
            self.speech.head.iter().filter(|line| !before.head.contains(line)).cloned().collect();
        lines.extend(self.news(&before, self.speech.at));
        if self.speech.at != before.at || self.here_text() != text_at(&before) {
            lines.extend(self.here());
        }
        if self.speech.after != before.after {
            lines.extend(self.speech.after.iter().cloned());
        }
        lines.extend(self.says.clone());
        lines
    }

    /// What has changed by itself, where that is what one listens to.
    pub fn by_itself(&mut self, app: &App) -> Vec<String> {
        if app.path() != self.path || Some(app.place()) != self.place {
            return self.whole(app);
        }
        let said = self.says.clone();
        let before = self.remember(app);
        let listens =
            matches!(app.place(), Place::Matrix | Place::Live | Place::Failures | Place::Event | Place::Destinations);
        let mut lines = if listens { self.news(&before, None) } else { Vec::new() };
        if self.says != said && !matches!(app.place(), Place::Live | Place::Failures) {
            lines.extend(self.says.clone());
        }
        lines
    }

    /// Takes what is shown now; returns what was before.
    fn remember(&mut self, app: &App) -> Speech {
        self.path = app.path();
        self.place = Some(app.place());
        self.says = app.says();
        std::mem::replace(&mut self.speech, app.speech())
    }

    /// Items that were not there before in these words, but that one.
    fn news(&self, before: &Speech, but: Option<usize>) -> Vec<String> {
        let known: HashSet<&String> = before.items.iter().collect();
        let is_news = |item: &usize| !known.contains(&self.speech.items[*item]) && but != Some(*item);
        let news: Vec<usize> = (0..self.speech.items.len()).filter(is_news).collect();
        let mut lines: Vec<String> = news.iter().take(NEWS_MAX).map(|item| self.item(*item)).collect();
        if news.len() > NEWS_MAX {
            lines.push(format!("and {} more that changed", news.len() - NEWS_MAX));
        }
        lines
    }

    fn item(&self, item: usize) -> String {
        format!("{}. {}", item + 1, self.speech.items[item])
    }

    fn here(&self) -> Option<String> {
        let at = self.speech.at?;
        Some(format!("at {}", self.item(at)))
    }

    fn here_text(&self) -> Option<&String> {
        text_at(&self.speech)
    }
}

fn text_at(speech: &Speech) -> Option<&String> {
    speech.items.get(speech.at?)
}

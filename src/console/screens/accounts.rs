//! The accounts: who they are, and what is wrong with each. The first screen; in an empty store it leads on.

mod columns;

mod sorting;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::keymap::offer::role;
use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{JobDone, Load, Message, Outcome, Screen, Shared};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::account_form::AccountForm;
use crate::console::screens::accounts::columns::Columns;
use crate::console::screens::accounts::sorting::order_words;
use crate::console::screens::copy;
use crate::console::screens::dead::Dead;
use crate::console::screens::failures::Failures;
use crate::console::screens::history::History;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::{ListCursor, Marks};
use crate::console::widgets::paint::{below, cursor_at, line, put, wrap};
use crate::console::widgets::text_box::Edit;
use crate::console::words::{capped, moment};
use crate::domain::account::{AccountKey, AccountStatus};
use crate::domain::command::Done;
use crate::domain::text::{pad, safe_line};
use crate::store::Store;
use crate::store::accounts::{AccountFilter, AccountOrder, AccountRow, WAITING_COUNT_MAX};
use crate::store::history::Subject;

/// Accounts that are listed at most; the filter finds the others.
const ROWS_MAX: u32 = 200;

/// The list.
pub struct Accounts {
    services: Shared,
    /// Nothing until they were read.
    rows: Option<Vec<AccountRow>>,
    cursor: ListCursor<AccountKey>,
    finder: Finder,
    trouble_only: bool,
    order: AccountOrder,
    filling: bool,
    marked: Marks<AccountKey>,
}

impl Accounts {
    /// The whole list.
    #[must_use]
    pub fn new(services: Shared) -> Self {
        Self {
            services,
            rows: None,
            cursor: ListCursor::default(),
            finder: Finder::default(),
            trouble_only: false,
            order: AccountOrder::Name,
            filling: false,
            marked: Marks::default(),
        }
    }

    /// As it was left: with what was looked for, and the cursor on an account.
    #[must_use]
    pub fn again(services: Shared, find: &str, trouble_only: bool, at: Option<&str>) -> Self {
        let mut screen = Self { finder: Finder::with(find), trouble_only, ..Self::new(services) };
        if let Some(key) = at.and_then(|at| at.parse().ok()) {
            screen.cursor.wish(key);
        }
        screen
    }

    fn row(&self) -> Option<&AccountRow> {
        self.rows.as_ref()?.get(self.cursor.index())
    }

    fn found_none(&self) -> bool {
        self.rows.as_ref().is_some_and(Vec::is_empty)
    }

    fn is_empty_store(&self) -> bool {
        self.found_none() && self.finder.is_empty() && !self.trouble_only
    }

    fn fill(&mut self) -> Outcome {
        let Some(fill) = &self.services.fill_samples else { return Outcome::Ignored };
        if !self.is_empty_store() || self.filling || self.services.read_only {
            return Outcome::Ignored;
        }
        self.filling = true;
        let job = fill();
        Outcome::Start(Box::pin(async move { JobDone::Filled(job.await) }))
    }

    fn back(&mut self) -> Outcome {
        if self.finder.drop_all() {
            return Outcome::Reload;
        }
        if self.marked.clear() {
            return Outcome::Handled;
        }
        if std::mem::take(&mut self.trouble_only) {
            return Outcome::Reload;
        }
        Outcome::Close
    }

    fn words(&self, row: &AccountRow) -> String {
        let mut words = vec![row.account.profile.name.clone(), format!("key {}", row.account.key)];
        for (count, what) in [(row.failing, "failing"), (row.disabled, "disabled"), (row.waiting, "waiting")] {
            if count > 0 {
                words.push(format!("{} {what}", capped(count, WAITING_COUNT_MAX)));
            }
        }
        if let Some(at) = row.last_event_at {
            let at = moment(at, self.services.clock.now(), &self.services.options.zone);
            words.push(format!("last event {at}"));
        }
        if row.account.profile.status == AccountStatus::Suspended {
            words.push("suspended".to_owned());
        }
        if self.marked.has(&row.account.key) {
            words.push("marked".to_owned());
        }
        words.join(", ")
    }

    fn draw_empty(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let mut lines: Vec<(&str, &str)> = vec![
            ("", "No account is here yet."),
            ("", ""),
            (
                "",
                "An account is a customer. What happens to it is told by email, Slack, HipChat or a webhook, as its matrix says.",
            ),
            ("", ""),
        ];
        let may_change = role(Place::Accounts, Action::New) <= self.services.role;
        if may_change {
            lines.push(("n", "make an account; then set up a webhook there and send a test"));
        }
        if may_change && self.services.fill_samples.is_some() {
            lines.push(("d", "fill in sample accounts to try things on"));
        }
        lines.extend([("?", "show all keys"), ("q", "quit")]);
        if self.filling {
            lines.extend([("", ""), ("", "filling in sample accounts...")]);
        }
        let mut y = area.height.saturating_sub(12) / 3;
        for (key, text) in lines {
            let x = if key.is_empty() { 3 } else { put(buffer, area, 5, y, key, theme.key) + 3 };
            let width = usize::from(area.width.saturating_sub(x + 3)).max(1);
            for part in wrap(text, width.min(70)) {
                put(buffer, area, x, y, &part, theme.text);
                y = y.saturating_add(1);
            }
        }
    }

    fn draw_filter(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let (head, hint) = if self.trouble_only {
            ("in trouble, find:", "only those with a failing or disabled destination; ! shows all")
        } else {
            ("find:", "/ finds an account by a part of its name or key; o sorts")
        };
        let hint = match self.order {
            AccountOrder::Name => hint.to_owned(),
            order => format!("sorted by {}; {hint}", order_words(order)),
        };
        self.finder.draw(buffer, area, theme, head, &hint);
    }

    fn draw_titles(buffer: &mut Buffer, area: Rect, theme: &Theme, layout: &Columns) {
        let counts = [("failing", 7), ("disabled", 8), ("waiting", 7), ("last", layout.last)];
        let mut x = 1;
        for (title, width) in [("account", layout.name), ("key", layout.key)].into_iter().chain(counts) {
            if width > 0 {
                x = put(buffer, area, x, 0, &format!("{} ", pad(title, width)), theme.head);
            }
        }
    }

    fn draw_row(&self, buffer: &mut Buffer, area: Rect, theme: &Theme, row: &AccountRow, layout: &Columns) {
        if self.marked.has(&row.account.key) {
            put(buffer, area, 0, 0, "x", theme.key);
        }
        let mut x = 1;
        let mut column = |text: &str, width: usize, style: Style| {
            if width > 0 {
                x = put(buffer, area, x, 0, &format!("{} ", pad(&safe_line(text), width)), style);
            }
        };
        column(&row.account.profile.name, layout.name, theme.text);
        column(row.account.key.as_str(), layout.key, theme.dim);
        let counted = |count: u32| match count {
            0 => String::new(),
            WAITING_COUNT_MAX.. => format!("{WAITING_COUNT_MAX}+"),
            _ => count.to_string(),
        };
        column(&counted(row.failing), 7, theme.bad);
        column(&counted(row.disabled), 8, theme.bad);
        column(&counted(row.waiting), 7, theme.text);
        let zone = &self.services.options.zone;
        let last = row.last_event_at.map(|at| moment(at, self.services.clock.now(), zone)).unwrap_or_default();
        column(&last, layout.last, theme.dim);
        if row.account.profile.status == AccountStatus::Suspended {
            column("suspended", layout.status, theme.warn);
        }
    }
}

impl Screen for Accounts {
    fn title(&self) -> String {
        "accounts".to_owned()
    }

    fn place(&self) -> Place {
        if self.finder.is_active() { Place::Filter } else { Place::Accounts }
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        let text = self.finder.text().to_owned();
        let filter = AccountFilter { text, trouble_only: self.trouble_only, order: self.order, limit: ROWS_MAX };
        Box::pin(async move {
            let rows = store.accounts(&filter).await?;
            self.cursor.set(rows.iter().map(|row| row.account.key.clone()).collect());
            self.rows = Some(rows);
            Ok(())
        })
    }

    fn on_click(&mut self, _area: Rect, _x: u16, y: u16) -> Outcome {
        self.cursor.click(y.checked_sub(2));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(area.height.saturating_sub(2)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => {}
            Action::Filter => self.finder.open(),
            Action::SwitchPane => self.finder.keep(),
            Action::Trouble => {
                self.trouble_only = !self.trouble_only;
                return Outcome::Reload;
            }
            Action::Back => return self.back(),
            Action::Sort => return self.sort(),
            Action::New => return Outcome::Open(Box::new(AccountForm::add(self.services.clone()))),
            Action::Fill => return self.fill(),
            Action::Failures => return Outcome::Open(Box::new(Failures::new(self.services.clone()))),
            Action::Dead => return Outcome::Open(Box::new(Dead::new(self.services.clone()))),
            Action::Mark => {
                let Some(key) = self.row().map(|row| row.account.key.clone()) else { return Outcome::Ignored };
                self.marked.turn(key);
                self.cursor.on_action(Action::Down);
            }
            Action::TakeSetup => {
                self.finder.keep();
                return Outcome::TakeSetup;
            }
            Action::CopySetup => {
                self.finder.keep();
                let Some(row) = self.row() else { return Outcome::Ignored };
                return copy::from(&row.account.key, self.marked.all());
            }
            Action::Open | Action::Edit | Action::History => {
                self.finder.keep();
                let Some(row) = self.row() else { return Outcome::Ignored };
                let screen: Box<dyn Screen> = match action {
                    Action::History => {
                        let (key, name) = (row.account.key.clone(), row.account.profile.name.clone());
                        Box::new(History::new(self.services.clone(), Subject::Account(key), name))
                    }
                    Action::Edit => Box::new(AccountForm::edit(self.services.clone(), &row.account)),
                    _ => Box::new(AccountScreen::new(self.services.clone(), row.account.key.clone())),
                };
                return Outcome::Open(screen);
            }
            _ => return Outcome::Ignored,
        }
        Outcome::Handled
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if !self.finder.edit(edit) {
            return Outcome::Handled;
        }
        self.cursor = ListCursor::default();
        Outcome::Reload
    }

    fn on_fill(&mut self, _field: &str, text: String) -> Outcome {
        let here: Vec<AccountKey> = self.row().map(|row| row.account.key.clone()).into_iter().collect();
        let marked = self.marked.all();
        copy::onto(&text, if marked.is_empty() { &here } else { marked })
    }

    fn on_child(&mut self, _done: &Done) {
        self.marked.clear();
    }

    fn on_job(&mut self, job: &JobDone) -> Outcome {
        let JobDone::Filled(result) = job else { return Outcome::Ignored };
        self.filling = false;
        Outcome::Say(match result {
            Ok(says) => Message::good(says.clone()),
            Err(error) => Message::bad(error.clone()),
        })
    }

    fn kept(&self) -> Option<Kept> {
        Some(Kept::Accounts {
            find: self.finder.text().to_owned(),
            trouble_only: self.trouble_only,
            at: self.cursor.id().map(ToString::to_string),
            order: self.order,
        })
    }

    fn status(&self) -> Option<Message> {
        if !self.marked.all().is_empty() {
            let count = self.marked.all().len();
            let text = format!("{count} marked: y copies the set-up under the cursor to them, p another's; q lets go");
            return Some(Message::plain(text));
        }
        let row = self.row()?;
        let mut parts = Vec::new();
        for (count, what) in [(row.failing, "failing"), (row.disabled, "disabled")] {
            if count > 0 {
                let noun = if count == 1 { "destination" } else { "destinations" };
                parts.push(format!("{count} {what} {noun}"));
            }
        }
        let wrong = if parts.is_empty() { "nothing is wrong".to_owned() } else { parts.join(", ") };
        let text = format!("{}: {wrong}; owner {}", row.account.key, row.account.profile.owner_email);
        Some(if parts.is_empty() { Message::plain(text) } else { Message::warn(text) })
    }

    fn speak(&self) -> Speech {
        let items = self.rows.iter().flatten().map(|row| self.words(row)).collect();
        let empty =
            if self.is_empty_store() { "no account is here yet; n makes one" } else { "no account is like that" };
        let speech = Speech::of(items, self.cursor.index()).when_empty(empty);
        match (self.trouble_only, self.finder.is_empty()) {
            (true, _) => speech.under("only accounts in trouble; ! shows all"),
            (false, false) => speech.under(format!("accounts like {}", self.finder.text())),
            (false, true) => speech,
        }
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        if self.is_empty_store() {
            return self.draw_empty(buffer, area, theme);
        }
        let layout = Columns::of(area.width);
        self.draw_filter(buffer, line(area, 0), theme);
        Self::draw_titles(buffer, line(area, 1), theme, &layout);
        let body = below(area, 2);
        if self.found_none() {
            put(buffer, body, 1, 0, "no account is like that; esc shows all again", theme.dim);
        }
        let rows = self.rows.iter().flatten().enumerate().skip(self.cursor.offset()).take(usize::from(body.height));
        for (y, (index, row)) in (0u16..).zip(rows) {
            self.draw_row(buffer, line(body, y), theme, row, &layout);
            if index == self.cursor.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}

//! Sends again what one customer missed: what failed, or what was never tried, since a time. Counted first, then exactly that.
//! And shows how far that is, whoever began it, until it has ended or somebody ends it.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::query::Query;
use crate::console::screen::{Job, JobDone, Load, Message, Outcome, Screen, Shared};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::Question;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::text_box::Edit;
use crate::console::words::{full_time, moment};
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::Command;
use crate::domain::delivery::DeliveryState;
use crate::domain::replay::{Replay, ReplayState};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::deliveries::DeliveryFilter;
use crate::store::error::StoreError;
use crate::store::replays::Plan;

/// What is looked for until something else is typed.
const SINCE: &str = "since:today";

/// How far back it looks for what a destination missed that is enabled again, where it is not known since when.
const DAYS: &str = "7d";

/// The two things that can be sent. They are never mixed up: of the one something went out already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Missed,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed: send again",
            Self::Missed => "never tried: send now",
        }
    }
}

/// The screen.
pub struct Missed {
    services: Shared,
    account: AccountKey,
    finder: Finder,
    /// What was counted, and by which text; counting anew takes another text.
    counted: Option<(String, Arc<(Plan, Plan)>)>,
    /// Why it could not be counted, and by which text.
    uncounted: Option<(String, String)>,
    /// What is being counted.
    counting: Option<String>,
    cursor: ListCursor<Kind>,
    /// Those that run, the newest first.
    running: Vec<Replay>,
}

impl Missed {
    /// Of that account.
    #[must_use]
    pub fn new(services: Shared, account: AccountKey) -> Self {
        let mut cursor = ListCursor::default();
        cursor.set(vec![Kind::Failed, Kind::Missed]);
        Self {
            services,
            account,
            finder: Finder::with(SINCE),
            counted: None,
            uncounted: None,
            counting: None,
            cursor,
            running: Vec::new(),
        }
    }

    /// Of one channel of that account, since that time; else over the days after which a destination is disabled at the latest.
    #[must_use]
    pub fn of_channel(services: Shared, account: AccountKey, channel: Channel, since: Option<Timestamp>) -> Self {
        let since = since.map_or_else(|| DAYS.to_owned(), |since| since.to_string());
        let finder = Finder::with(&format!("since:{since} channel:{}", channel.name()));
        Self { finder, ..Self::new(services, account) }
    }

    fn query(&self) -> Query {
        self.finder.query(self.services.clock.now(), &self.services.options.zone)
    }

    /// What to look for; without a time everything would be sent again.
    fn filter(&self) -> Option<DeliveryFilter> {
        let query = self.query();
        let since = query.since.filter(|_| query.problem.is_none())?;
        Some(DeliveryFilter {
            account: Some(self.account.clone()),
            channel: query.channel,
            event_type: query.event_type,
            since: Some(since),
            ..DeliveryFilter::default()
        })
    }

    /// What is asked for, by which what was counted is told from what was typed since.
    fn asked(&self) -> String {
        format!("{} {}", self.account, self.finder.text().trim())
    }

    fn not_counted(&self, else_say: &str) -> String {
        if self.is_counting() { "..." } else { else_say }.to_owned()
    }

    fn is_counting(&self) -> bool {
        self.counting.as_ref().is_some_and(|of| *of == self.asked())
    }

    fn plan(&self, kind: Kind) -> Option<&Plan> {
        let (of, plans) = self.counted.as_ref()?;
        let plan = if kind == Kind::Failed { &plans.0 } else { &plans.1 };
        Some(plan).filter(|_| *of == self.asked())
    }

    /// How far the newest is that runs.
    fn progress(&self) -> Option<String> {
        let newest = self.running.first()?;
        let others = match self.running.len() - 1 {
            0 => String::new(),
            count => format!("; {count} more run"),
        };
        Some(format!("{}: {}, by {}; x ends it{others}", newest.id, newest.progress(), newest.started_by))
    }

    fn ask_to_end(&self) -> Outcome {
        let Some(newest) = self.running.first() else {
            return Outcome::Say(Message::plain("nothing is being sent again at present"));
        };
        let (id, how_far) = (newest.id, newest.progress());
        let end = Outcome::Run(Command::CancelReplay { id });
        let text = format!("End {id}, {}? It has {how_far}; those stay so.", newest.what);
        Outcome::Ask(Question::sure(text, "yes, send no more of it".to_owned(), end))
    }

    fn ask(&self) -> Outcome {
        let (Some(kind), Some(filter)) = (self.cursor.id().copied(), self.filter()) else { return Outcome::Handled };
        if self.is_counting() {
            return Outcome::Say(Message::plain("it is being counted; enter sends what is counted then"));
        }
        let Some(plan) = self.plan(kind).filter(|plan| !plan.items.is_empty()) else {
            return Outcome::Say(Message::plain("nothing is like that, so nothing is sent"));
        };
        let count = plan.items.len();
        let (verb, what) = match (kind, count) {
            (Kind::Failed, 1) => ("Send again", "failed delivery"),
            (Kind::Failed, _) => ("Send again", "failed deliveries"),
            (Kind::Missed, 1) => ("Send now", "delivery that was never tried"),
            (Kind::Missed, _) => ("Send now", "deliveries that were never tried"),
        };
        let zone = &self.services.options.zone;
        let what = format!("{what} {}", filter.words(|at| full_time(at, zone)));
        let items = plan.items.clone();
        let start =
            Outcome::Run(Command::StartReplay { account: Some(self.account.clone()), what: what.clone(), items });
        Outcome::Ask(Question::sure(
            format!("{verb} {count} {what}? What the customer got stays there; this cannot be undone."),
            format!("yes, send {count}"),
            start.then(Outcome::Close),
        ))
    }
}

/// How many there are besides those that are shown.
fn more(plan: &Plan) -> Option<String> {
    let left = plan.items.len().saturating_sub(plan.sample.len());
    (left > 0).then(|| format!("... and {left} more"))
}

/// What failed, and what was never tried.
async fn count(store: &Store, filter: &DeliveryFilter) -> Result<(Plan, Plan), StoreError> {
    let failed = DeliveryFilter { state: Some(DeliveryState::Failed), ..filter.clone() };
    Ok((store.plan_again(&failed).await?, store.plan_missed(filter).await?))
}

impl Screen for Missed {
    fn title(&self) -> String {
        "send again".to_owned()
    }

    fn place(&self) -> Place {
        if self.finder.is_active() { Place::Filter } else { Place::Missed }
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.account)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            self.running = store.replays().await?;
            self.running.retain(|replay| replay.state == ReplayState::Running);
            Ok(())
        })
    }

    fn beside(&mut self, store: &Store) -> Option<Job> {
        let of = self.asked();
        let is_known = |known: Option<&String>| known.is_some_and(|known| *known == of);
        let counted = self.counted.as_ref().map(|(of, _)| of);
        if self.counting.is_some() || is_known(counted) || is_known(self.uncounted.as_ref().map(|(of, _)| of)) {
            return None;
        }
        let filter = self.filter()?;
        self.counting = Some(of.clone());
        let store = store.clone();
        Some(Box::pin(async move {
            let plans = count(&store, &filter).await.map(Arc::new).map_err(|error| error.to_string());
            JobDone::Counted { of, plans }
        }))
    }

    fn on_job(&mut self, job: &JobDone) -> Outcome {
        let JobDone::Counted { of, plans } = job else { return Outcome::Ignored };
        self.counting.take_if(|counting| counting == of);
        match plans {
            Ok(plans) => {
                if plans.0.items.is_empty() && !plans.1.items.is_empty() {
                    self.cursor.go(1);
                }
                self.counted = Some((of.clone(), plans.clone()));
            }
            Err(error) => self.uncounted = Some((of.clone(), error.clone())),
        }
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(area.height.saturating_sub(2)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => Outcome::Handled,
            // A time stands there from the start, and more is asked for besides.
            Action::Filter => {
                self.finder.amend();
                Outcome::Handled
            }
            _ if self.finder.on_action(action) => Outcome::Handled,
            Action::Open => self.ask(),
            Action::Cancel => self.ask_to_end(),
            Action::Back if self.finder.is_active() => {
                self.finder = Finder::with(SINCE);
                Outcome::Reload
            }
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if self.finder.edit(edit) { Outcome::Reload } else { Outcome::Handled }
    }

    fn status(&self) -> Option<Message> {
        let query = self.query();
        if let Some(problem) = query.problem {
            return Some(Message::warn(problem));
        }
        if let Some((_, why)) = self.uncounted.as_ref().filter(|(of, _)| *of == self.asked()) {
            return Some(Message::bad(format!("it could not be counted: {why}; change the line above to try again")));
        }
        if self.is_counting() {
            return Some(Message::plain("counting..."));
        }
        Some(match query.since {
            None => Message::warn("say since when, as since:09:30, since:2h or since:yesterday"),
            Some(_) => Message::plain("the counted ones are sent, no others; under the same webhook-id as before"),
        })
    }

    fn speak(&self) -> Speech {
        let now = self.services.clock.now();
        let words = |kind: Kind| {
            let count =
                self.plan(kind).map_or_else(|| self.not_counted("not counted"), |plan| plan.items.len().to_string());
            format!("{count} {}", kind.words())
        };
        let items = [Kind::Failed, Kind::Missed].map(words).to_vec();
        let mut speech = Speech::of(items, self.cursor.index()).under(format!("which: {}", self.finder.text()));
        let sample = self.cursor.id().and_then(|kind| self.plan(*kind)).into_iter().flat_map(|plan| &plan.sample);
        speech.after.extend(self.progress());
        speech.after.extend(sample.map(|one| {
            let at = moment(one.at, now, &self.services.options.zone);
            format!("{at}, {}, {}, {}", one.event_type, one.channel.title(), one.why)
        }));
        speech.after.extend(self.cursor.id().and_then(|kind| self.plan(*kind)).and_then(more));
        speech
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.finder.draw(buffer, line(area, 0), theme, "which:", "/ says since when, and of which channel: or type:");
        if let Some(progress) = self.progress() {
            put(buffer, area, 1, 1, &progress, theme.warn);
        }
        let mut y = 2;
        let now = self.services.clock.now();
        for (index, kind) in [Kind::Failed, Kind::Missed].into_iter().enumerate() {
            let count = self.plan(kind).map_or_else(|| self.not_counted("-"), |plan| plan.items.len().to_string());
            put(buffer, area, 1, y, &format!("{count:>7} {}", kind.words()), theme.head);
            if index == self.cursor.index() {
                cursor_at(buffer, area, y, theme);
            }
            y += 1;
            for sample in self.plan(kind).iter().flat_map(|plan| &plan.sample) {
                let at = moment(sample.at, now, &self.services.options.zone);
                let columns = [
                    Column::new(&at, 8, theme.dim),
                    Column::new(&sample.event_type, 20, theme.text),
                    Column::new(sample.channel.title(), 7, theme.text),
                    Column::new(&sample.why, usize::from(area.width).saturating_sub(9 + 9 + 21 + 8), theme.dim),
                ];
                put_columns(buffer, below(area, y), 9, &columns);
                y += 1;
            }
            if let Some(more) = self.plan(kind).and_then(more) {
                put(buffer, area, 9, y, &more, theme.dim);
                y += 1;
            }
            y += 1;
        }
    }
}

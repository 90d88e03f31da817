//! A delivery: its event, every try with request and answer, and why it will or won't be tried again.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::destination_form::DestinationScreen;
use crate::console::screens::event::EventScreen;
use crate::console::screens::export::proof;
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::paint::{Span, columns_of, put, put_all};
use crate::console::words::{full_time, millis, moment, pretty_json, state_style};
use crate::domain::account::AccountKey;
use crate::domain::command::Command;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::DeliveryId;
use crate::domain::text::{clip, pad, safe_line, safe_lines};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::deliveries::{Attempt, DeliveryDetail};
use crate::store::error::StoreError;

/// Lines of one body that are shown at most.
const BODY_LINES_MAX: usize = 200;

/// The screen.
pub struct DeliveryScreen {
    services: Shared,
    id: DeliveryId,
    detail: Option<DeliveryDetail>,
    /// Whether it was removed since it was read.
    is_gone: bool,
    offset: usize,
    height: usize,
    width: usize,
}

impl DeliveryScreen {
    /// Of that delivery.
    #[must_use]
    pub fn new(services: Shared, id: DeliveryId) -> Self {
        Self { services, id, detail: None, is_gone: false, offset: 0, height: 1, width: 80 }
    }

    fn lines(&self, theme: &Theme, width: usize) -> Vec<Vec<Span>> {
        let Some(detail) = &self.detail else { return Vec::new() };
        let zone = &self.services.options.zone;
        let mut page = Page { lines: Vec::new(), theme, width };
        page.head(detail, zone, self.services.clock.now());
        // The newest try first: it is the one that is asked about.
        for attempt in detail.attempts.iter().rev() {
            page.attempt(attempt, zone);
        }
        page.title("event data");
        page.json(detail.event.data.as_str());
        page.lines
    }

    fn scroll(&mut self, by: isize) -> Outcome {
        let lines = self.lines(&Theme::new(ThemeName::Mono), self.width).len();
        self.offset = self.offset.saturating_add_signed(by).min(lines.saturating_sub(self.height));
        Outcome::Handled
    }
}

/// The page as it grows.
struct Page<'a> {
    lines: Vec<Vec<Span>>,
    theme: &'a Theme,
    width: usize,
}

impl Page<'_> {
    fn fact(&mut self, name: &str, value: &str) {
        self.styled(name, value, self.theme.text);
    }

    fn styled(&mut self, name: &str, value: &str, style: ratatui::style::Style) {
        const NAME: usize = 12;
        let width = self.width.saturating_sub(NAME + 3).max(8);
        for (index, part) in crate::console::widgets::paint::wrap(value, width).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.lines.push(vec![(format!("{} ", pad(name, NAME)), self.theme.dim), (part, style)]);
        }
    }

    fn title(&mut self, text: &str) {
        let fill = self.width.saturating_sub(columns_of(text) + 6);
        self.lines.push(vec![(format!("-- {text} {}", "-".repeat(fill)), self.theme.head)]);
    }

    fn head(&mut self, detail: &DeliveryDetail, zone: &TimeZone, now: Timestamp) {
        let row = &detail.delivery;
        let test = if row.test { ", a test" } else { "" };
        self.styled("state", &row.explanation(), state_style(row, self.theme));
        self.fact("next", &next(detail, zone, now));
        self.fact("event", &format!("{}{test}, {}", row.event_type, full_time(detail.event.received_at, zone)));
        self.fact("to", &format!("{} over {} ({})", row.label, row.channel.title(), row.destination));
        self.fact("ids", &format!("{} of {}", row.id, row.event_id));
    }

    fn attempt(&mut self, attempt: &Attempt, zone: &TimeZone) {
        let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
        let at = full_time(attempt.started_at, zone);
        self.title(&format!(
            "try {}: {}{status}, {}, {at}",
            attempt.number,
            attempt.outcome,
            millis(attempt.duration_ms)
        ));
        if let Some(reason) = &attempt.reason {
            self.styled("reason", reason, self.theme.bad);
        }
        match &attempt.answer {
            Some(answer) => {
                self.fact("answer", &answer.status.to_string());
                self.headers(&answer.headers);
                self.body(&answer.body);
            }
            None => self.fact("answer", "none came"),
        }
        match &attempt.request {
            Some(request) => {
                self.fact("request", &format!("{} {}", request.method, request.url));
                self.headers(&request.headers);
                if request
                    .headers
                    .iter()
                    .any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value.contains("json"))
                {
                    self.json(&request.body);
                } else {
                    self.body(&request.body);
                }
            }
            None => self.fact("request", "none was made"),
        }
    }

    fn headers(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            let text = format!("{name}: {value}");
            self.lines.push(vec![("  ".to_owned(), self.theme.dim), (text, self.theme.dim)]);
        }
    }

    fn json(&mut self, text: &str) {
        self.body(&pretty_json(text).unwrap_or_else(|| text.to_owned()));
    }

    fn body(&mut self, text: &str) {
        let lines = safe_lines(text, BODY_LINES_MAX + 1);
        let cut = lines.len() > BODY_LINES_MAX;
        for line in lines.into_iter().take(BODY_LINES_MAX) {
            let width = self.width.saturating_sub(5).max(8);
            for part in crate::console::widgets::paint::fold(&line, width) {
                self.lines.push(vec![("    ".to_owned(), self.theme.text), (part, self.theme.text)]);
            }
        }
        if cut {
            self.lines.push(vec![("    ... (`bellboard deliveries show` has it whole)".to_owned(), self.theme.dim)]);
        }
    }
}

/// Why it will or won't be tried again, and when.
fn next(detail: &DeliveryDetail, zone: &TimeZone, now: Timestamp) -> String {
    let row = &detail.delivery;
    match (row.state, row.next_attempt_at) {
        (DeliveryState::Delivered, _) => "nothing more to do; r sends it again under the same webhook-id".to_owned(),
        (DeliveryState::Failed, _) => {
            "not tried again by itself; r sends it again under the same webhook-id".to_owned()
        }
        (DeliveryState::Cancelled, _) => "not tried; r sends it after all".to_owned(),
        (DeliveryState::Folded, _) => "a summary tells of it; r sends it on its own after all".to_owned(),
        (DeliveryState::Parked, _) => "it cannot be sent as it is; r tries it again".to_owned(),
        (DeliveryState::Sending, _) => "being sent at this moment".to_owned(),
        (DeliveryState::Pending, Some(at)) if at > now => {
            format!("try {} at {}; x cancels it", row.attempts + 1, moment(at, now, zone))
        }
        (DeliveryState::Pending, _) => match detail.target.state {
            crate::domain::destination::DestinationState::Paused => "waits until the destination goes on".to_owned(),
            _ if row.reason.is_some() && row.attempts == 0 => {
                "goes out as soon as that is put right; x cancels it".to_owned()
            }
            _ => "waits for its turn; x cancels it".to_owned(),
        },
    }
}

impl Screen for DeliveryScreen {
    fn title(&self) -> String {
        self.id.to_string()
    }

    fn place(&self) -> Place {
        Place::Delivery
    }

    fn account(&self) -> Option<&AccountKey> {
        self.detail.as_ref().map(|detail| &detail.delivery.account)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            match store.delivery(self.id).await {
                Ok(detail) => (self.detail, self.is_gone) = (Some(detail), false),
                // What is being read stays.
                Err(StoreError::NotFound(_)) if self.detail.is_some() => self.is_gone = true,
                Err(error) => return Err(error),
            }
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        self.height = usize::from(area.height).max(1);
        self.width = usize::from(area.width);
        self.scroll(0);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        let page = self.height.saturating_sub(1).max(1).cast_signed();
        match (action, &self.detail) {
            (Action::Up, _) => self.scroll(-1),
            (Action::Down, _) => self.scroll(1),
            (Action::PageUp, _) => self.scroll(-page),
            (Action::PageDown, _) => self.scroll(page),
            (Action::First, _) => self.scroll(isize::MIN),
            (Action::Last, _) => self.scroll(isize::MAX),
            (Action::Back, _) => Outcome::Close,
            (Action::Replay | Action::Cancel, _) if self.is_gone => {
                Outcome::Say(Message::warn("it is no longer kept, so there is nothing to send or to cancel"))
            }
            (Action::Replay, _) => Outcome::Run(Command::Replay { deliveries: vec![self.id] }),
            (Action::Cancel, _) => Outcome::Run(Command::Cancel { deliveries: vec![self.id] }),
            (Action::Proof, Some(detail)) => proof(&self.services, detail),
            (Action::Why, Some(detail)) => {
                Outcome::Open(Box::new(EventScreen::new(self.services.clone(), detail.delivery.event_id)))
            }
            (Action::SetUp, Some(detail)) => {
                let account = detail.delivery.account.clone();
                Outcome::Open(Box::new(DestinationScreen::edit(self.services.clone(), account, &detail.target)))
            }
            _ => Outcome::Ignored,
        }
    }

    fn kept(&self) -> Option<Kept> {
        Some(Kept::Delivery { id: self.id.to_string() })
    }

    fn status(&self) -> Option<Message> {
        if self.is_gone {
            return Some(Message::warn(
                "it is no longer kept (delivery.keep); this is how it was last read; q goes back",
            ));
        }
        let detail = self.detail.as_ref()?;
        let lines = self.lines(&Theme::new(ThemeName::Mono), self.width).len();
        let left = lines.saturating_sub(self.offset + self.height);
        let now = self.services.clock.now();
        let text = safe_line(&next(detail, &self.services.options.zone, now)).into_owned();
        let text = if left > 0 { format!("{left} lines below; {text}") } else { text };
        Some(Message::plain(clip(&text, self.width.saturating_sub(2).max(1)).into_owned()))
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        if self.detail.is_none() {
            put(buffer, area, 1, 0, "this delivery could not be read", theme.bad);
        }
        let lines = self.lines(theme, usize::from(area.width));
        for (y, spans) in (0..area.height).zip(lines.iter().skip(self.offset)) {
            put_all(buffer, area, 1, y, spans);
        }
    }
}

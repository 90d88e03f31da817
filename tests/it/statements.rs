//! The statements that the store asks, as the driver tells of them.

use std::fmt::Debug;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// What is done with the text of a statement.
type Listener = Box<dyn Fn(String) + Send>;

/// By the names of the spans on whose behalf they run: the tests of a process share one subscriber.
static LISTENERS: Mutex<Vec<(&str, Listener)>> = Mutex::new(Vec::new());

static INSTALLED: Once = Once::new();

/// Hands over each statement that runs within a span of that name, which must be of this test binary and nobody else's.
pub fn listen(span: &'static str, listener: impl Fn(String) + Send + 'static) {
    LISTENERS.lock().unwrap().push((span, Box::new(listener)));
    INSTALLED.call_once(|| {
        let targets =
            Targets::new().with_target("sqlx::query", tracing::Level::TRACE).with_target("it", tracing::Level::INFO);
        let subscriber = tracing_subscriber::registry().with(Statements.with_filter(targets));
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

struct Statements;

#[derive(Default)]
struct Text {
    summary: String,
    statement: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: tracing::Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        for (name, listener) in LISTENERS.lock().unwrap().iter() {
            if context.event_scope(event).is_some_and(|mut scope| scope.any(|span| span.name() == *name)) {
                let mut text = Text::default();
                event.record(&mut text);
                listener(if text.statement.is_empty() { text.summary } else { text.statement });
            }
        }
    }
}

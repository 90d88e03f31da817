//! Prometheus' text format ("Exposition formats" in its documents, version 0.0.4).

use std::fmt::{Display, Write};

use crate::metrics::instrument::{Counter, Histogram};

/// The media type that it is served with.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label with its value, which is one of a few words of this program's own.
pub type Label<'a> = (&'a str, &'a str);

/// The text, while it is written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// What kind a family of numbers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Buckets.
    Histogram,
}

impl Exposition {
    /// Begins a family: its numbers follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a text cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {word}\n");
        Family { text: &mut self.text, name: name.to_owned() }
    }

    /// The whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

/// A family whose numbers are being written.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: String,
}

impl Family<'_> {
    /// Writes a number.
    pub fn value(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.line("", labels, value);
    }

    /// Writes a counter.
    pub fn counter(&mut self, labels: &[Label<'_>], counter: &Counter) {
        self.value(labels, counter.get());
    }

    /// Writes a histogram.
    pub fn histogram(&mut self, labels: &[Label<'_>], histogram: &Histogram) {
        let read = histogram.read();
        for (end, count) in &read.buckets {
            let labels: Vec<_> = labels.iter().copied().chain([("le", *end)]).collect();
            self.line("_bucket", &labels, count);
        }
        self.line("_sum", labels, &read.sum);
        self.line("_count", labels, read.count());
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.name);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_prometheus_reads_it() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("bell_things_total", Kind::Counter, "Things.");
        family.value(&[("kind", "a\"b\\")], 3);
        let numbers = Histogram::of_numbers();
        numbers.number(600);
        exposition.family("bell_size", Kind::Histogram, "Sizes.").histogram(&[("channel", "slack")], &numbers);
        let text = exposition.finish();
        let expected = "# HELP bell_things_total Things.\n# TYPE bell_things_total counter\n\
                        bell_things_total{kind=\"a\\\"b\\\\\"} 3\n# HELP bell_size Sizes.\n# TYPE bell_size histogram\n";
        assert!(text.starts_with(expected), "{text}");
        let last = "bell_size_bucket{channel=\"slack\",le=\"+Inf\"} 1\nbell_size_sum{channel=\"slack\"} 600\n\
                    bell_size_count{channel=\"slack\"} 1\n";
        assert!(text.ends_with(last), "{text}");
    }
}

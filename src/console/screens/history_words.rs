//! What a change changed, line by line: a name, what stood there before, what stands there since.

use serde_json::Value;

use crate::console::query;
use crate::domain::command::Change;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What changed, as `Slack for job.fail` or `fields.url`.
    pub name: String,
    /// What stood there; empty when nothing did.
    pub before: String,
    /// What stands there since; empty when nothing does.
    pub after: String,
}

/// All differences of a change, in the order in which they were written down.
#[must_use]
pub fn differences(change: &Change) -> Vec<Difference> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    flatten("", &change.before, &mut before);
    flatten("", &change.after, &mut after);
    let value = |side: &[(String, String)], name: &str| {
        side.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut names: Vec<&String> = before.iter().map(|(name, _)| name).collect();
    for (name, _) in &after {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let all = names.into_iter().map(|name| Difference {
        name: name.clone(),
        before: value(&before, name),
        after: value(&after, name),
    });
    all.filter(|difference| difference.before != difference.after).collect()
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                // The frame around a destination's settings says nothing to people.
                let name = if name == "settings" || name == "fields" { path.to_owned() } else { inner(name) };
                flatten(&name, value, into);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.get("event_type").is_some()) => {
            for item in items {
                let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
                let channel =
                    query::channel(part("channel")).map_or_else(|| part("channel"), |channel| channel.title());
                into.push((format!("{channel} for {}", part("event_type")), part("to").to_owned()));
            }
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(text).collect();
            into.push((path.to_owned(), items.join(", ")));
        }
        other => into.push((path.to_owned(), text(other))),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::command::Actor;
    use crate::domain::id::ChangeId;
    use crate::domain::time::Timestamp;

    fn check(before: Value, after: Value, expected: &[(&str, &str, &str)]) {
        let change = Change {
            id: ChangeId::new(1),
            at: Timestamp::from_millis(0),
            actor: Actor { login: "jane".to_owned(), origin: "pts/1".to_owned() },
            account: None,
            command: "x".to_owned(),
            says: String::new(),
            before,
            after,
            undoes: None,
        };
        let found = differences(&change);
        let found: Vec<_> =
            found.iter().map(|one| (one.name.as_str(), one.before.as_str(), one.after.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_differs_is_told() {
        check(
            json!([{"event_type": "job.fail", "channel": "slack", "to": "default"}]),
            json!([{"event_type": "job.fail", "channel": "slack", "to": "on"}]),
            &[("Slack for job.fail", "default", "on")],
        );
        check(
            json!({"id": "dst_1", "settings": {"label": "x", "only": ["jobs"], "fields": {"url": "https://a.test"}}}),
            json!({"id": "dst_1", "settings": {"label": "x", "only": [], "fields": {"url": "https://b.test"}}}),
            &[("only", "jobs", ""), ("url", "https://a.test", "https://b.test")],
        );
        check(Value::Null, json!({"name": "Acme"}), &[("name", "", "Acme")]);
    }
}

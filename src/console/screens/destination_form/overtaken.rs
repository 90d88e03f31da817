//! What somebody else made of a destination while its form was open: it is told, and never overwritten without a question.

use crate::channels;
use crate::console::screen::Outcome;
use crate::console::screens::destination_form::DestinationScreen;
use crate::console::widgets::dialog::{Answer, Question};
use crate::domain::destination::{Destination, FieldValue};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::history::Subject;

/// What stands there now, by whom, and how that differs from what the form was opened with.
pub(crate) struct Theirs {
    destination: Destination,
    by: String,
    differs: Vec<String>,
}

impl Theirs {
    /// In one line.
    pub(crate) fn words(&self) -> String {
        format!("{} changed this destination while this form was open: {}", self.by, self.differs.join(", "))
    }
}

impl DestinationScreen {
    /// Looks whether somebody else has changed what the form was opened with.
    pub(crate) async fn look_for_theirs(
        &self,
        store: &Store,
        opened: &Destination,
    ) -> Result<Option<Theirs>, StoreError> {
        let (_, now) = store.destination(opened.id).await?;
        if now.revision == opened.revision {
            return Ok(None);
        }
        let mut differs = differences(opened, &now);
        if differs.is_empty() {
            differs.push("a secret is another, or it was changed and changed back".to_owned());
        }
        let subject = Subject::Destination { account: self.account.clone(), id: opened.id };
        let newest = store.history(&subject, 1).await?.pop();
        let by = newest.map_or_else(|| "somebody".to_owned(), |row| row.change.actor.login);
        Ok(Some(Theirs { destination: now, by, differs }))
    }

    /// The revision that was seen last: what is saved is saved over that one only.
    pub(crate) fn revision(&self) -> Option<i64> {
        let seen = self.theirs.as_ref().map(|theirs| &theirs.destination).or(self.opened.as_ref());
        seen.map(|destination| destination.revision)
    }

    /// Asks whose settings are to stand.
    pub(crate) fn whose(&self, theirs: &Theirs, save: Outcome) -> Outcome {
        let form = Self::edit(self.services.clone(), self.account.clone(), &theirs.destination);
        let answer = |key, label: &str, outcome| Answer { key, label: label.to_owned(), outcome };
        Outcome::Ask(Question::new(
            format!("{}.", theirs.words()),
            vec![
                answer('n', "back to the form; nothing is saved", Outcome::Handled),
                answer('t', "take theirs: begin anew from what stands there", Outcome::Replace(Box::new(form))),
                answer('y', "save mine over theirs; u takes that back", save),
            ],
        ))
    }
}

/// What differs in another's settings, as the form calls it; of a secret only that it does.
fn differences(opened: &Destination, now: &Destination) -> Vec<String> {
    let mut differs = Vec::new();
    for field in channels::fields(opened.channel) {
        let (before, after) = (opened.fields.get(field.name), now.fields.get(field.name));
        if before != after {
            differs.push(match after {
                Some(FieldValue::Secret(_)) => format!("{} is another", field.title),
                Some(FieldValue::Flag(on)) => format!("{} is {}", field.title, if *on { "yes" } else { "no" }),
                Some(FieldValue::Plain(text)) if !text.is_empty() => format!("{} is {text}", field.title),
                Some(FieldValue::Plain(_)) | None => format!("{} is empty", field.title),
            });
        }
    }
    if opened.label != now.label {
        differs.push(format!("Name is {}", now.label));
    }
    if opened.only != now.only {
        differs
            .push(format!("Only for is {}", if now.only.is_empty() { "all".to_owned() } else { now.only.join(", ") }));
    }
    differs
}

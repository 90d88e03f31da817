//! A form in words: each field with what is in it and what is wrong, then the buttons.

use crate::console::screen::Outcome;
use crate::console::speech::Speech;
use crate::console::widgets::form::{Form, FormField, Shape};
use crate::domain::secret::MASK;

impl Form {
    /// The form in words.
    #[must_use]
    pub fn speak(&self) -> Speech {
        let fields = self.fields.iter().map(FormField::words);
        let buttons = self.buttons.iter().map(|button| format!("button {button}"));
        let mut speech = Speech::of(fields.chain(buttons).collect(), self.focus);
        speech.after.extend(self.current().map(|field| field.help.clone()));
        speech
    }

    /// Puts the cursor on a field or button of [`Form::speak`], as moving there does.
    pub fn go_to(&mut self, item: usize) -> Outcome {
        self.leave_field();
        self.focus = item.min((self.fields.len() + self.buttons.len()).saturating_sub(1));
        Outcome::Handled
    }
}

impl FormField {
    fn words(&self) -> String {
        let required = if self.required { ", needed" } else { "" };
        let content = match (&self.shape, self.text()) {
            (_, "") if self.kept => format!("{MASK} is kept"),
            (_, "") if self.cleared => "is cleared when this is saved".to_owned(),
            (_, "") => "empty".to_owned(),
            (Shape::OneOf(choices), text) => format!("{text}, one of {}", choices.join(", ")),
            (Shape::Line, text) => text.to_owned(),
            (Shape::Masked | Shape::MaskedUrl, text) => {
                let shown: String = text.chars().take(self.mask_from()).collect();
                format!("{shown}{MASK}, {} characters", text.chars().count())
            }
        };
        let wrong = self.error.as_ref().filter(|_| self.touched).map(|error| format!("; wrong: {error}"));
        format!("{}{required}: {content}{}", self.title, wrong.unwrap_or_default())
    }
}

//! A channel's fields as lines of a form, and what is typed there as the channel's values.

use crate::channels;
use crate::channels::field::{Field, FieldKind};
use crate::console::widgets::form::{FormField, Shape};
use crate::domain::channel::Channel;
use crate::domain::destination::{Destination, FieldValue};

/// What stands between two header lines in a form's one line.
pub(crate) const HEADER_SEPARATOR: &str = " | ";

/// What comes from an editor or a list, as it stands in the form's one line.
pub(crate) fn written(channel: Channel, name: &str, text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let separator = match channels::form::field(channel, name).map(|field| field.kind) {
        Some(FieldKind::Headers) => HEADER_SEPARATOR,
        _ => " ",
    };
    lines.collect::<Vec<_>>().join(separator)
}

/// What a field's line means to the channel: header lines are written in one, with a separator.
pub(crate) fn typed(channel: Channel, name: &str, text: &str) -> String {
    match channels::form::field(channel, name).map(|field| field.kind) {
        Some(FieldKind::Headers) => text.replace(HEADER_SEPARATOR, "\n"),
        _ => text.to_owned(),
    }
}

pub(crate) fn form_field(field: &Field, of: Option<&Destination>) -> FormField {
    let value = of.and_then(|destination| destination.fields.get(field.name));
    let text = match (value, of, field.kind) {
        (Some(FieldValue::Flag(on)), ..) => {
            if *on {
                "yes"
            } else {
                "no"
            }
        }
        (Some(FieldValue::Plain(text)), ..) => text,
        (None, _, FieldKind::Flag) if field.default == "true" => "yes",
        (None, _, FieldKind::Flag) => "no",
        (None, None, _) => field.default,
        (Some(FieldValue::Secret(_)), ..) | (None, Some(_), _) => "",
    };
    let shape = match field.kind {
        FieldKind::Flag => Shape::OneOf(vec!["no".to_owned(), "yes".to_owned()]),
        FieldKind::Choice(choices) => Shape::OneOf(choices.iter().map(|&choice| choice.to_owned()).collect()),
        FieldKind::SecretUrl => Shape::MaskedUrl,
        kind if kind.is_secret() => Shape::Masked,
        _ => Shape::Line,
    };
    let help = match field.kind {
        FieldKind::Headers => format!("{}; several: with `{}` between them", field.help, HEADER_SEPARATOR.trim()),
        _ => field.help.to_owned(),
    };
    let mut form_field = FormField::new(field.name, field.title, help, shape, text);
    form_field.required = field.required;
    form_field.kept = matches!(value, Some(FieldValue::Secret(_)));
    form_field
}

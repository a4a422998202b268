//! Service-controlled text as the System Log shows it.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::{Map, Value};

use crate::{limits::LOG_TEXT_CHARACTERS_MAX, text::beginning};

/// An answer's `debugContext` as the System Log shows it: `{key=value, other={a=1}}`, capped (`system-log.md` 4).
///
/// ```
/// let debug = serde_json::json!({"key": "value", "other": {"a": 1}});
/// let text = tenterhook_contract::answer::render_debug_context(debug.as_object().unwrap());
/// assert_eq!(text, "{key=value, other={a=1}}");
/// ```
pub fn render_debug_context(debug: &Map<String, Value>) -> String {
    let mut text = String::new();
    render_object(debug, &mut text);
    cap(text.into()).into_owned()
}

/// Cuts service-controlled text to the log's limit.
///
/// ```
/// let long = "é".repeat(5_000);
/// assert_eq!(tenterhook_contract::answer::cap(long.into()).chars().count(), 2_000);
/// ```
pub fn cap(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(beginning(text, LOG_TEXT_CHARACTERS_MAX)),
        Cow::Owned(mut text) => {
            text.truncate(beginning(&text, LOG_TEXT_CHARACTERS_MAX).len());
            Cow::Owned(text)
        }
    }
}

fn render_object(members: &Map<String, Value>, text: &mut String) {
    text.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push('=');
        render_value(value, text);
    }
    text.push('}');
}

fn render_value(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => text.push_str(string),
        Value::Object(members) => render_object(members, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                render_value(item, text);
            }
            text.push(']');
        }
        // Writing to a String cannot fail.
        other => drop(write!(text, "{other}")),
    }
}

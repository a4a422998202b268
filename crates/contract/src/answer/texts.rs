//! Rewrites every text that a service wrote into its answer, to mask secrets.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Answer, Command, ErrorCause, Item, Members, Notice, Operand, ServiceError};
use crate::problem::{Change, Problem};

/// Returns the new text; `None` leaves the text as it is.
pub type Rewrite<'a> = dyn FnMut(&str) -> Option<String> + 'a;

impl Answer {
    /// Rewrites the texts for people and logs: `error`, `debugContext`, problems of the answer's JSON types, notices.
    /// The commands stay as they are.
    ///
    /// ```
    /// let body = br#"{"error": {"errorSummary": "no: s3cret"}, "commands": [{"type": "x", "value": ["s3cret"]}]}"#;
    /// let mut answer = tenterhook_contract::answer::Answer::parse(body).unwrap();
    /// answer.rewrite_texts(&mut |text| Some(text.replace("s3cret", "…")));
    /// assert_eq!(answer.error.as_ref().unwrap().summary_or_default(), "no: …");
    /// assert_eq!(answer.normalised()["commands"][0]["value"][0], "s3cret");
    /// ```
    pub fn rewrite_texts(&mut self, rewrite: &mut Rewrite<'_>) {
        if let Some(error) = &mut self.error {
            error.rewrite_texts(rewrite);
        }
        if let Some(debug) = &mut self.debug_context {
            rewrite_members(debug, rewrite);
        }
        for problem in &mut self.problems {
            problem.rewrite_texts(rewrite);
        }
        for Notice { code: _, pointer, message, hint: _ } in &mut self.notices {
            rewrite_text(pointer, rewrite);
            rewrite_text(message, rewrite);
        }
    }

    /// Rewrites the texts of the commands too: for an answer that is shown and not applied.
    ///
    /// ```
    /// let body = br#"{"commands": [{"type": "x", "value": [{"s3cret": ["s3cret", 1]}]}]}"#;
    /// let mut answer = tenterhook_contract::answer::Answer::parse(body).unwrap();
    /// answer.rewrite_commands(&mut |text| (text == "s3cret").then(|| "…".to_owned()));
    /// assert_eq!(answer.normalised()["commands"][0]["value"][0].to_string(), r#"{"…":["…",1]}"#);
    /// ```
    pub fn rewrite_commands(&mut self, rewrite: &mut Rewrite<'_>) {
        for Command { kind, operand, stray_members, place: _ } in &mut self.commands {
            if let Some(new) = rewrite(kind) {
                *kind = Cow::Owned(new);
            }
            for name in stray_members {
                rewrite_text(name, rewrite);
            }
            match operand {
                Operand::Absent => {}
                Operand::Items(items) => {
                    for item in items {
                        match item {
                            Item::Members(members) => members.rewrite_texts(rewrite),
                            Item::Other(value) => rewrite_json(value, rewrite),
                        }
                    }
                }
                Operand::Members(members) => members.rewrite_texts(rewrite),
                Operand::Other(value) => rewrite_json(value, rewrite),
            }
        }
    }
}

impl Members {
    fn rewrite_texts(&mut self, rewrite: &mut Rewrite<'_>) {
        for (name, value) in &mut self.0 {
            if let Some(new) = rewrite(name) {
                *name = Cow::Owned(new);
            }
            rewrite_json(value, rewrite);
        }
    }
}

impl ServiceError {
    fn rewrite_texts(&mut self, rewrite: &mut Rewrite<'_>) {
        let Self { summary, causes } = self;
        let texts = causes.iter_mut().flat_map(|ErrorCause { summary, reason, location_type, location, domain }| {
            [summary, reason, location_type, location, domain]
        });
        for text in std::iter::once(summary).chain(texts).flatten() {
            rewrite_text(text, rewrite);
        }
    }
}

impl Problem {
    /// Rewrites its texts, which quote names and paths of the answer.
    pub fn rewrite_texts(&mut self, rewrite: &mut Rewrite<'_>) {
        let Self { code: _, pointer, message, hint } = self;
        for text in [Some(pointer), Some(message), hint.as_mut()].into_iter().flatten() {
            rewrite_text(text, rewrite);
        }
    }
}

impl Change {
    /// Rewrites the path, which the service chose.
    pub fn rewrite_texts(&mut self, rewrite: &mut Rewrite<'_>) {
        rewrite_text(&mut self.path, rewrite);
    }
}

/// Rewrites every text of a JSON value: strings, names of members, and numbers as they are written, which become strings
/// where they are rewritten.
pub fn rewrite_json(value: &mut Value, rewrite: &mut Rewrite<'_>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            if let Some(new) = rewrite(&number.to_string()) {
                *value = Value::String(new);
            }
        }
        Value::String(text) => rewrite_text(text, rewrite),
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite_json(item, rewrite)),
        Value::Object(members) => rewrite_members(members, rewrite),
    }
}

fn rewrite_members(members: &mut Map<String, Value>, rewrite: &mut Rewrite<'_>) {
    members.values_mut().for_each(|value| rewrite_json(value, rewrite));
    let names = members.keys().map(|name| rewrite(name)).collect::<Vec<_>>();
    if names.iter().any(Option::is_some) {
        let old = std::mem::take(members);
        members.extend(old.into_iter().zip(names).map(|((name, value), new)| (new.unwrap_or(name), value)));
    }
}

fn rewrite_text(text: &mut String, rewrite: &mut Rewrite<'_>) {
    if let Some(new) = rewrite(text) {
        *text = new;
    }
}

//! Rewrites every text that a service wrote into its answer, to mask secrets.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Answer, Command, ErrorCause, Item, Members, Notice, Operand, ServiceError};
use crate::{
    pointer,
    problem::{Change, Problem},
};

/// Returns the new text; `None` leaves the text as it is.
pub type Rewrite<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// The commands of an answer whose operand is a list, so that a pointer into it has an index there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists(Vec<usize>);

impl Lists {
    /// Rewrites the names in a pointer into the answer, each for itself and without its escapes. An index of the list of commands,
    /// or of a command's list, is no text of the service.
    fn rewrite_pointer(&self, pointer: &mut String, rewrite: &mut Rewrite<'_>) {
        let Ok(names) = pointer::tokens(pointer) else { return rewrite_text(pointer, rewrite) };
        let command = match names.as_slice() {
            [first, index, ..] if first == "commands" => pointer::index(index),
            _ => None,
        };
        let in_list = command.is_some_and(|command| self.0.contains(&command))
            && names.get(2).is_some_and(|name| name == "value");
        let mut rewritten = String::with_capacity(pointer.len());
        for (position, name) in names.iter().enumerate() {
            let is_index = match position {
                1 => command.is_some(),
                3 => in_list && pointer::index(name).is_some(),
                _ => false,
            };
            let new = if is_index { None } else { rewrite(name) };
            rewritten.push('/');
            rewritten.push_str(&pointer::escape(new.as_deref().unwrap_or(name)));
        }
        *pointer = rewritten;
    }
}

impl Answer {
    /// Its commands whose operand is a list.
    pub fn lists(&self) -> Lists {
        let is_list = |command: &&Command| matches!(command.operand, Operand::Items(_));
        Lists(self.commands.iter().filter(is_list).map(|command| command.place).collect())
    }

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
        let lists = self.lists();
        for problem in &mut self.problems {
            problem.rewrite_texts(&lists, rewrite);
        }
        for Notice { code: _, pointer, message, hint: _ } in &mut self.notices {
            lists.rewrite_pointer(pointer, rewrite);
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
    /// Rewrites its texts, which quote names and paths of the answer with these lists. In the pointer each name is rewritten for
    /// itself, and the indexes of the lists stay.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, answer::Answer};
    /// let body = br#"{"commands": [{"type": "com.okta.unknown.patch", "value": []}]}"#;
    /// let answer = Answer::parse(body).unwrap();
    /// let problem = &mut answer.shape_problems(BuiltInType::Token.description())[0];
    /// problem.rewrite_texts(&answer.lists(), &mut |text| Some(format!("<{text}>")));
    /// assert_eq!(problem.pointer, "/<commands>/0/<type>");
    /// ```
    pub fn rewrite_texts(&mut self, lists: &Lists, rewrite: &mut Rewrite<'_>) {
        let Self { code: _, pointer, message, hint } = self;
        lists.rewrite_pointer(pointer, rewrite);
        for text in [Some(message), hint.as_mut()].into_iter().flatten() {
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

//! Answers that are JSON by RFC 8259's grammar and that `serde_json` refuses: what can be held of them counts
//! (`open-questions.md` C17). The same readers judge their shape; what is lost is an absent value to them, and a problem
//! where a command sets it.

use std::collections::HashSet;

use serde::{
    de::{
        DeserializeSeed as _, Deserializer, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{Answer, Unparsable, notice, read::Shape, unparsable, vocabulary::Vocabulary};
use crate::{
    json_text::{self, Document, Json, Lost},
    limits::{COMMANDS_MAX, VALUE_DEPTH_MAX},
    pointer,
    problem::{Problem, ProblemCode, Refused, shown},
};

/// Stands for what is nested too deep in the texts for people.
const NESTED_TOO_DEEP: &str = "(nested too deep)";

/// Reads a body; `None` when it is JSON and neither an object nor null.
pub(super) fn answer(body: &str, vocabulary: Vocabulary<'_>) -> Result<Option<Answer>, Unparsable> {
    let Document { mut root, replaced_at } = json_text::read(body).map_err(|why| unparsable::broken(body, why))?;
    let mut problems = Vec::new();
    if let Json::Object(members) = &mut root {
        problems = lost_of_commands(members, vocabulary);
        for (name, value) in members {
            match (name.as_str(), value) {
                // It is there, so it refuses.
                ("error", Json::Lost(_)) => {}
                ("error" | "debugContext", value) => show(value),
                _ => {}
            }
        }
    }
    // The readers take any shape, so that this never fails.
    let answer = Shape::<Option<Answer>>::of(vocabulary).deserialize(root).unwrap_or(None);
    Ok(answer.map(|mut answer| {
        answer.problems.extend(problems);
        if let Some(at) = replaced_at {
            answer.notices.push(notice::text_replaced(unparsable::place(body.as_bytes(), at)));
        }
        answer
    }))
}

/// Puts texts in the place of what is lost: for values that only people read.
fn show(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(show),
        Json::Object(members) => members.iter_mut().for_each(|(_, value)| show(value)),
        Json::Lost(Lost::Number(written)) => *value = Json::Text(std::mem::take(written)),
        Json::Lost(Lost::Depth) => *value = Json::Text(NESTED_TOO_DEEP.to_owned()),
        _ => {}
    }
}

/// Members that count, the last first: of those with the same name the last.
fn effective(members: &mut [(String, Json)]) -> impl Iterator<Item = (&str, &mut Json)> {
    let mut seen = HashSet::with_capacity(members.len());
    members.iter_mut().rev().filter_map(move |(name, value)| {
        let name = &**name;
        seen.insert(name).then_some((name, value))
    })
}

fn member<'a>(members: &'a mut [(String, Json)], name: &str) -> Option<&'a mut Json> {
    members.iter_mut().rfind(|(own, _)| own == name).map(|(_, value)| value)
}

/// A problem for each value of a claim or an attribute that is lost, or has something inside that is; a text stands in
/// its place, so that the interpreters do not miss it. What is lost elsewhere in a command is missed by its interpreter
/// where it needs it, and by nobody else (`open-questions.md` C13).
fn lost_of_commands(members: &mut [(String, Json)], vocabulary: Vocabulary<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(Json::Array(commands)) = member(members, "commands") else { return problems };
    for (place, command) in commands.iter_mut().enumerate().take(COMMANDS_MAX) {
        let Json::Object(command) = command else { continue };
        let sets_attributes = sets_attributes(command, vocabulary);
        match member(command, "value") {
            Some(Json::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Json::Object(item) = item
                        && let Some(value) = member(item, "value")
                        && let Some(refused) = take_lost(value)
                    {
                        problems.push(refused.at(format!("/commands/{place}/value/{index}/value")));
                    }
                }
            }
            Some(Json::Object(attributes)) if sets_attributes => {
                let first = problems.len();
                for (name, value) in effective(attributes) {
                    if let Some(refused) = take_lost(value) {
                        problems.push(refused.at(format!("/commands/{place}/value/{}", pointer::escape(&shown(name)))));
                    }
                }
                problems.get_mut(first..).unwrap_or_default().reverse();
            }
            _ => {}
        }
    }
    problems
}

/// Whether the operand of a command holds attributes under their names.
fn sets_attributes(command: &mut [(String, Json)], vocabulary: Vocabulary<'_>) -> bool {
    matches!(member(command, "type"), Some(Json::Text(kind)) if vocabulary.sets_attributes(kind))
}

/// Why a value cannot be held, when it cannot; then a text takes its place.
fn take_lost(value: &mut Json) -> Option<Refused> {
    match lost_in(value)? {
        Lost::Number(_) => {
            show(value);
            let hint = "It does not fit a double (at most about 1.8e308). Write it as a string";
            Some(Refused::new(ProblemCode::BadValue, "Number too big").hint(hint.to_owned()))
        }
        Lost::Depth => {
            *value = Json::Text(NESTED_TOO_DEEP.to_owned());
            let hint = format!("At most {VALUE_DEPTH_MAX} arrays and objects can be inside each other");
            Some(Refused::new(ProblemCode::BadValue, "Value nested too deep").hint(hint))
        }
    }
}

fn lost_in(value: &mut Json) -> Option<&Lost> {
    match value {
        Json::Lost(lost) => Some(lost),
        Json::Array(items) => items.iter_mut().find_map(lost_in),
        Json::Object(members) => effective(members).find_map(|(_, value)| lost_in(value)),
        _ => None,
    }
}

impl IntoDeserializer<'_, Error> for Json {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Self::Text(text) => visitor.visit_string(text),
            Self::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Self::Object(members) => visitor.visit_map(MapDeserializer::new(members.into_iter())),
            Self::Lost(_) => visitor.visit_none(),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

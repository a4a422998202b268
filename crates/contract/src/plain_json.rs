//! Reads JSON from outside into a [`Value`] without giving any member name a special meaning.
//!
//! If any crate of a build enables `serde_json`'s feature `raw_value`, deserializing a `Value` gives the member
//! `$serde_json::private::RawValue` a meaning: the text inside is parsed as JSON, with a new nesting bound. Text from a
//! service must not trigger that.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{limits::PROBLEMS_SHOWN_MAX, pointer::escape, problem::shown};

/// Any JSON value; every member is an ordinary one.
///
/// ```
/// use tenterhook_contract::plain_json::PlainJson;
/// let text = r#"{"$serde_json::private::RawValue":"[1]"}"#;
/// let PlainJson(value) = serde_json::from_str(text).unwrap();
/// assert_eq!(value.to_string(), text);
/// ```
#[derive(Clone, PartialEq)]
pub struct PlainJson(pub Value);

impl<'de> Deserialize<'de> for PlainJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading(None).deserialize(deserializer).map(Self)
    }
}

/// The members of an object, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// A syntax error, or the value is not an object.
pub fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match PlainJson::deserialize(deserializer)?.0 {
        Value::Object(members) => Ok(members),
        _ => Err(D::Error::custom("not an object")),
    }
}

pub(crate) fn object<'de, A: MapAccess<'de>>(members: A) -> Result<Map<String, Value>, A::Error> {
    Reading(None).object(members)
}

pub(crate) fn array<'de, A: SeqAccess<'de>>(items: A) -> Result<Vec<Value>, A::Error> {
    Reading(None).array(items)
}

/// The kind of a JSON value, with its article, for messages.
///
/// ```
/// use tenterhook_contract::plain_json::kind;
/// assert_eq!([kind(&"x".into()), kind(&7.into())], ["a text", "a number"]);
/// ```
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether arrays and objects in `value`, itself included, are nested at most `depth` deep.
pub(crate) fn is_nested_at_most(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_nested_at_most(item, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|item| is_nested_at_most(item, depth - 1)),
        _ => true,
    }
}

/// How many values are in `value`, itself included. The nesting of `value` is that of a document that was parsed.
#[cfg(feature = "declared")]
pub(crate) fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum::<usize>(),
        _ => 0,
    }
}

/// A number without a fraction that is not negative; `600.0` and `6e2` are 600 (JSON Schema 2020-12, 6.1.1).
pub(crate) fn integer(value: &Value) -> Option<u64> {
    // Doubles are exact up to here; beyond, a fraction cannot be detected.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(integer) = value.as_u64() {
        return Some(integer);
    }
    let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=EXACT).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an integer in the range")]
    Some(number as u64)
}

/// Reads a value and, where there is a list, adds to it pointers to the members that are given twice.
pub(crate) struct Reading<'a>(pub(crate) Option<&'a mut Vec<String>>);

impl Reading<'_> {
    /// The members of an object; of those with the same name the last.
    fn object<'de, A: MapAccess<'de>>(mut self, mut members: A) -> Result<Map<String, Value>, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = self.below(|| shown_name(&name), |below| members.next_value_seed(below))?;
            if let Some(repeated) = &mut self.0
                && repeated.len() < PROBLEMS_SHOWN_MAX
                && read.contains_key(&name)
            {
                repeated.push(format!("/{}", shown_name(&name)));
            }
            read.insert(name, value);
        }
        Ok(read)
    }

    /// The items of an array.
    fn array<'de, A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Vec<Value>, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = {
            let index = read.len();
            self.below(|| index.to_string(), |below| items.next_element_seed(below))?
        } {
            read.push(item);
        }
        Ok(read)
    }

    /// Reads a value below this one with `read`, which is at `name`.
    fn below<T>(&mut self, name: impl Fn() -> String, read: impl FnOnce(Reading<'_>) -> T) -> T {
        let Some(repeated) = self.0.as_deref_mut() else { return read(Reading(None)) };
        let known = repeated.len();
        let value = read(Reading(Some(repeated)));
        // A pointer grows on the way out, so that reading what is right makes none.
        for pointer in repeated.iter_mut().skip(known) {
            pointer.insert_str(0, &format!("/{}", name()));
        }
        value
    }
}

/// A name as a pointer has it.
fn shown_name(name: &str) -> String {
    escape(&shown(name).replace('\0', "\u{fffd}")).into_owned()
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    /// Only for a text that `serde_json` has rejected: see `json_text.rs`.
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Value, A::Error> {
        self.array(items).map(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
        self.object(members).map(Value::Object)
    }
}

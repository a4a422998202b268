//! Reads JSON in which no object has two members with one name (I-JSON, RFC 7493 section 2.3): which of both is meant is not
//! known.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{limits::PROBLEMS_SHOWN_MAX, pointer::escape, problem::shown};

/// Any JSON value, and where in it a member is given twice.
#[derive(Debug)]
pub(crate) struct DistinctJson {
    /// The value; of members with the same name the last.
    pub(crate) value: Value,
    /// Pointers to the members that are given twice, the first [`PROBLEMS_SHOWN_MAX`] ones, each cut to what an error shows.
    pub(crate) repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for DistinctJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut repeated = Vec::new();
        let value = Reading(&mut repeated).deserialize(deserializer)?;
        Ok(Self { value, repeated })
    }
}

/// Reads a value, and adds the pointers of what is given twice in it.
struct Reading<'a>(&'a mut Vec<String>);

impl Reading<'_> {
    /// Reads a value below this one with `read`, which is at `name`.
    fn below<T>(&mut self, name: impl Fn() -> String, read: impl FnOnce(Reading<'_>) -> T) -> T {
        let known = self.0.len();
        let value = read(Reading(self.0));
        // A pointer grows on the way out, so that reading what is right makes none.
        for pointer in self.0.iter_mut().skip(known) {
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

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = {
            let index = read.len();
            self.below(|| index.to_string(), |below| items.next_element_seed(below))?
        } {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = self.below(|| shown_name(&name), |below| members.next_value_seed(below))?;
            if read.contains_key(&name) && self.0.len() < PROBLEMS_SHOWN_MAX {
                self.0.push(format!("/{}", shown_name(&name)));
            }
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

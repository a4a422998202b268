//! A value while an expression is evaluated: borrowed from the inputs where that is possible.

use std::{borrow::Cow, cmp::Ordering};

use serde_json::{Number, Value};

use super::{EXPRESSION_ELEMENTS_MAX, EXPRESSION_RESULT_BYTES_MAX};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Item<'a>>),
}

impl<'a> Item<'a> {
    /// A value of a profile. Objects are null: no attribute is one.
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null | Value::Object(_) => Self::Null,
            Value::Bool(flag) => Self::Boolean(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.into()),
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
        }
    }

    /// A text that is borrowed.
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(text.into())
    }

    /// A text that was made; null if it is too long.
    pub(super) fn made(text: String) -> Self {
        if text.len() > EXPRESSION_RESULT_BYTES_MAX { Self::Null } else { Self::Text(text.into()) }
    }

    /// A count of something in memory.
    pub(super) fn count(count: usize) -> Self {
        Self::Number(count.into())
    }

    /// An array; null if it has too many elements, or its texts too many bytes.
    pub(super) fn array(items: Vec<Self>) -> Self {
        let mut room = EXPRESSION_RESULT_BYTES_MAX;
        if items.len() <= EXPRESSION_ELEMENTS_MAX && items.iter().all(|item| item.fits(&mut room)) {
            Self::Array(items)
        } else {
            Self::Null
        }
    }

    /// Whether its texts fit into the room that is left, which it takes.
    fn fits(&self, room: &mut usize) -> bool {
        match self {
            Self::Text(text) => match room.checked_sub(text.len()) {
                Some(left) => {
                    *room = left;
                    true
                }
                None => false,
            },
            Self::Array(items) => items.len() <= EXPRESSION_ELEMENTS_MAX && items.iter().all(|item| item.fits(room)),
            Self::Null | Self::Boolean(_) | Self::Number(_) => true,
        }
    }

    /// As JSON; `None` for null.
    pub(super) fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(flag) => Value::Bool(flag),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) => Value::String(text.into_owned()),
            Self::Array(items) => {
                Value::Array(items.into_iter().map(|item| item.into_value().unwrap_or(Value::Null)).collect())
            }
        })
    }

    /// A text, or the usual form of a number or a boolean.
    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.to_string().into()),
            Self::Boolean(flag) => Some(if flag { "true" } else { "false" }.into()),
            Self::Null | Self::Array(_) => None,
        }
    }

    pub(super) fn into_array(self) -> Option<Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// An integer.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// In a condition only true holds: null and everything else does not.
    pub(super) fn holds(&self) -> bool {
        matches!(self, Self::Boolean(true))
    }

    /// Whether they are equal: numbers by value.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(_), Self::Number(_)) => self.order(other) == Some(Ordering::Equal),
            (Self::Array(one), Self::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.equals(two))
            }
            _ => self == other,
        }
    }

    /// How two numbers or two texts compare.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => match (one.as_i64(), two.as_i64()) {
                (Some(one), Some(two)) => Some(one.cmp(&two)),
                _ => one.as_f64()?.partial_cmp(&two.as_f64()?),
            },
            (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }
}

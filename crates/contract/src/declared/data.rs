//! `data` of a declared extension point, written without its sensitive members.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

use super::{AllowedOperation, Declaration, DeclaredSubject};
use crate::pointer_pattern::{PatternName, PointerPattern};

/// `data` of a declared extension point, borrowed: sensitive members are left out while it is written. A sensitive element of
/// an array is written as null, so that the other ones keep their indexes.
#[derive(Serialize)]
pub struct DeclaredData<'a> {
    context: Shown<'a>,
    subject: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a str>,
    allowed: Allowed<'a>,
}

/// What the service may do.
#[derive(Serialize)]
struct Allowed<'a> {
    operations: &'a [AllowedOperation],
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<&'a [String]>,
}

impl<'a> DeclaredData<'a> {
    pub(super) fn new(
        declaration: &'a Declaration,
        sensitive: &'a Hidden,
        context: &'a Value,
        subject: &'a DeclaredSubject,
    ) -> Self {
        let decisions = declaration.decisions.as_ref();
        Self {
            context: Shown { value: context, hidden: sensitive.below("context").collect() },
            subject: Shown { value: &subject.value, hidden: sensitive.below("subject").collect() },
            decision: decisions.map(|decisions| subject.decision.as_deref().unwrap_or(&decisions.default)),
            allowed: Allowed {
                operations: &declaration.operations,
                decisions: decisions.map(|decisions| decisions.names.as_slice()),
            },
        }
    }
}

/// The places that patterns stand for, as a tree.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    is_place: bool,
    any: Option<Box<Self>>,
    named: BTreeMap<String, Self>,
}

impl Hidden {
    pub(super) fn of<'a>(patterns: impl Iterator<Item = &'a PointerPattern>) -> Self {
        let mut root = Self::default();
        for pattern in patterns {
            let end = pattern.names().iter().fold(&mut root, Self::grow);
            end.is_place = true;
        }
        root
    }

    fn grow(&mut self, name: &PatternName) -> &mut Self {
        match name {
            PatternName::Any => self.any.get_or_insert_default(),
            PatternName::Is(name) => self.named.entry(name.clone()).or_default(),
        }
    }

    fn below(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.named.get(name).into_iter().chain(self.any.as_deref())
    }
}

/// A value without its hidden members.
struct Shown<'a> {
    value: &'a Value,
    /// Where in the tree of hidden places the value is; nowhere when nothing in it is hidden.
    hidden: Vec<&'a Hidden>,
}

impl<'a> Shown<'a> {
    /// The member or element; `None` when it is hidden.
    fn child(&self, name: &str, value: &'a Value) -> Option<Self> {
        let hidden = self.hidden.iter().flat_map(|hidden| hidden.below(name)).collect::<Vec<_>>();
        (!hidden.iter().any(|hidden| hidden.is_place)).then_some(Self { value, hidden })
    }
}

/// A copy of `value` without its hidden members.
pub(super) fn without(value: &Value, hidden: &Hidden) -> Value {
    serde_json::to_value(Shown { value, hidden: vec![hidden] }).unwrap_or_default()
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            _ if self.hidden.is_empty() => self.value.serialize(serializer),
            // The whole of it is hidden.
            _ if self.hidden.iter().any(|hidden| hidden.is_place) => serializer.serialize_unit(),
            Value::Object(members) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in members {
                    if let Some(shown) = self.child(name, value) {
                        map.serialize_entry(name, &shown)?;
                    }
                }
                map.end()
            }
            // Patterns of hidden members have no indexes: see `check.rs`.
            Value::Array(items) => serializer.collect_seq(items.iter().map(|item| self.child("", item))),
            scalar => scalar.serialize(serializer),
        }
    }
}

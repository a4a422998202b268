//! What a JSON Schema (2020-12) says for certain of the value at a place.
//!
//! A schema is read only as far as it says for certain what can be there: `type`, `enum`, `const`, `properties`,
//! `additionalProperties`, `items`, `prefixItems`, `allOf` and local `$ref`. Whatever else it says leaves more open than it
//! may, so that nothing is refused which could be there. Start reading at [`Place`].

use std::{
    collections::BTreeSet,
    ops::{BitAnd, BitOr},
};

use serde_json::{Map, Value};

use crate::{json_compare, plain_json::kind, pointer, pointer_pattern::PatternName, problem::shown};

/// Schemas that are looked at for one place; the others are left open.
const SCHEMAS_MAX: usize = 64;
/// Places that are looked at for all patterns of a declaration; one for which none is left is taken to lead somewhere.
pub(crate) const PLACES_MAX: usize = 50_000;
/// Names of members that a message lists.
const NAMES_SHOWN_MAX: usize = 10;

/// What the schemas say for certain of the value at a pointer; nothing, when they leave it open.
pub(crate) struct Place<'s>(Vec<Says<'s>>);

/// One thing that is said of a value; all of them hold.
#[derive(Clone)]
enum Says<'s> {
    /// It satisfies the keywords of this schema, apart from `$ref` and `allOf`, which say something of their own.
    Schema(&'s Map<String, Value>),
    /// It is one of these.
    OneOf(Vec<&'s Value>),
    /// It is not there.
    Nothing,
}

impl<'s> Place<'s> {
    /// The place of a value that satisfies the schema.
    pub(crate) fn of(schema: &'s Value) -> Self {
        let mut says = Vec::new();
        say(schema, schema, &mut says);
        Self(says)
    }

    /// What is said of a member or an element; `None` when there cannot be one. `root` is the whole schema.
    pub(crate) fn below(&self, name: &str, root: &'s Value) -> Option<Self> {
        let member = self.member(root, |says| says.member(name));
        let element = pointer::index(name).and_then(|index| self.element(index, root));
        match (member, element) {
            (None, None) => None,
            (Some(place), None) | (None, Some(place)) => Some(place),
            // An object or an array: what is said of one need not hold for the other.
            (Some(_), Some(_)) => Some(Self(Vec::new())),
        }
    }

    /// What is said of the element of an array; `None` when there cannot be one.
    pub(crate) fn element(&self, index: usize, root: &'s Value) -> Option<Self> {
        let is_possible = self.types().meet(Types::ARRAY);
        is_possible.then(|| self.child(|says| says.element(index), root)).flatten()
    }

    fn member(&self, root: &'s Value, below: impl Fn(&Says<'s>) -> Below<'s>) -> Option<Self> {
        let is_possible = self.types().meet(Types::OBJECT);
        is_possible.then(|| self.child(below, root)).flatten()
    }

    /// What is said of the members and elements that can be there: of each that the schema names, and of any other one.
    fn children(&self, root: &'s Value) -> impl Iterator<Item = Self> {
        let names = self.0.iter().filter_map(Says::names).flatten().collect::<BTreeSet<_>>();
        let known = names.into_iter().filter_map(move |name| self.member(root, |says| says.member(name)));
        known.chain(self.member(root, Says::other_member)).chain(self.elements(root))
    }

    /// What is said of the elements that can be there: of the first ones one by one, and of any other one.
    fn elements(&self, root: &'s Value) -> impl Iterator<Item = Self> {
        let first = self.0.iter().map(Says::first_elements).max().unwrap_or_default();
        (0..=first).filter_map(move |index| self.element(index, root))
    }

    /// Why nothing can be where a pattern leads to, below this place; `None` when something may be. `root` is the whole
    /// schema; of `places_left` one is taken for each place that is looked at. Recursion is bounded by the names of a pattern.
    pub(crate) fn nothing_at(&self, names: &[PatternName], root: &'s Value, places_left: &mut usize) -> Option<String> {
        let (name, names) = names.split_first()?;
        let is_end = matches!(name, PatternName::Is(name) if name == "-") && names.is_empty();
        let one = match name {
            PatternName::Any => None,
            PatternName::Is(name) => self.below(name, root),
        };
        // `-` is the end of an array, or a member with that name.
        let several = (*name == PatternName::Any).then(|| self.children(root)).into_iter().flatten();
        let ends = is_end.then(|| self.elements(root)).into_iter().flatten();
        let mut reason = None;
        for child in one.into_iter().chain(several).chain(ends) {
            *places_left = places_left.checked_sub(1)?;
            let below = child.nothing_at(names, root, places_left)?;
            reason = reason.or(Some(below));
        }
        reason.or_else(|| match name {
            PatternName::Any if self.types().meet(Types::OBJECT | Types::ARRAY) => {
                Some("The schema allows nothing here that `*` stands for".to_owned())
            }
            name => Some(self.nothing_below(name.as_str())),
        })
    }

    fn child(&self, below: impl Fn(&Says<'s>) -> Below<'s>, root: &'s Value) -> Option<Self> {
        let mut child = Vec::new();
        for says in &self.0 {
            match below(says) {
                Below::Open => {}
                Below::Nothing => return None,
                Below::Schema(schema) => say(schema, root, &mut child),
                Below::OneOf(values) => child.push(Says::OneOf(values)),
            }
        }
        if child.iter().any(|says| matches!(says, Says::Nothing)) { None } else { Some(Self(child)) }
    }

    /// The types that a value here can have.
    pub(crate) fn types(&self) -> Types {
        self.0.iter().fold(Types::ALL, |types, says| types & says.types())
    }

    /// Whether the value can be this one.
    pub(crate) fn allows(&self, value: &Value) -> bool {
        let is_one = |says: &Says<'_>| match says {
            Says::OneOf(values) => values.iter().any(|one| json_compare::equal(one, value)),
            _ => true,
        };
        Types::of(value) & self.types() != Types::NONE && self.0.iter().all(is_one)
    }

    /// The values of which it is one, where the schema lists them.
    pub(crate) fn listed(&self) -> Option<&[&'s Value]> {
        self.0.iter().find_map(|says| match says {
            Says::OneOf(values) => Some(values.as_slice()),
            _ => None,
        })
    }

    /// Whether the schema says of the first elements one by one what they are.
    pub(crate) fn has_first_elements(&self) -> bool {
        self.0.iter().any(|says| matches!(says, Says::Schema(schema) if schema.contains_key("prefixItems")))
    }

    /// What can be here, for people.
    pub(crate) fn in_words(&self) -> String {
        match self.listed() {
            Some(values) => {
                let values: Vec<_> = values.iter().filter(|value| self.allows(value)).collect();
                let shown = values.iter().take(NAMES_SHOWN_MAX).map(|value| format!("`{}`", shown(&value.to_string())));
                let shown = shown.collect::<Vec<_>>().join(" or ");
                if values.len() > NAMES_SHOWN_MAX { format!("{shown} or another value of its list") } else { shown }
            }
            None => self.types().in_words(),
        }
    }

    pub(crate) fn nothing_below(&self, token: &str) -> String {
        let token = shown(token);
        let types = self.types();
        if types & (Types::OBJECT | Types::ARRAY) == Types::NONE {
            return format!(
                "Nothing is below {}, which the schema says is here: end before `{token}`",
                types.in_words()
            );
        }
        if types & Types::OBJECT == Types::NONE {
            return format!("The schema says that an array is here, and it has no element `{token}`: write an index");
        }
        let names = self.0.iter().filter_map(Says::names).flatten();
        let names = names.take(NAMES_SHOWN_MAX).map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>();
        if names.is_empty() {
            return format!("The schema allows no member `{token}` here");
        }
        format!("The schema allows no member `{token}` here. Its members are {}", names.join(", "))
    }
}

/// What one thing that is said of a value says of what is below it.
enum Below<'s> {
    Open,
    Nothing,
    Schema(&'s Value),
    OneOf(Vec<&'s Value>),
}

impl<'s> Says<'s> {
    fn member(&self, name: &str) -> Below<'s> {
        match self {
            Self::Schema(schema) => {
                let named = schema.get("properties").and_then(|properties| properties.get(name));
                named.map_or_else(|| self.other_member(), Below::Schema)
            }
            Self::OneOf(values) => among(values.iter().filter_map(|value| value.as_object()?.get(name))),
            Self::Nothing => Below::Nothing,
        }
    }

    /// A member that no schema names.
    fn other_member(&self) -> Below<'s> {
        match self {
            Self::Schema(schema) => match (schema.get("patternProperties"), schema.get("additionalProperties")) {
                // A pattern may allow it.
                (Some(_), _) | (None, None) => Below::Open,
                (None, Some(others)) => Below::Schema(others),
            },
            Self::OneOf(_) | Self::Nothing => Below::Nothing,
        }
    }

    /// How many elements it says of one by one what they are.
    fn first_elements(&self) -> usize {
        match self {
            Self::Schema(schema) => schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len),
            Self::OneOf(values) => {
                values.iter().filter_map(|value| value.as_array()).map(Vec::len).max().unwrap_or_default()
            }
            Self::Nothing => 0,
        }
    }

    fn element(&self, index: usize) -> Below<'s> {
        match self {
            Self::Schema(schema) => {
                let first = schema.get("prefixItems").and_then(Value::as_array).and_then(|first| first.get(index));
                first.or_else(|| schema.get("items")).map_or(Below::Open, Below::Schema)
            }
            Self::OneOf(values) => among(values.iter().filter_map(|value| value.as_array()?.get(index))),
            Self::Nothing => Below::Nothing,
        }
    }

    fn types(&self) -> Types {
        match self {
            Self::Schema(schema) => match schema.get("type") {
                Some(Value::String(name)) => Types::named(name),
                Some(Value::Array(names)) => {
                    let names = names.iter().filter_map(Value::as_str);
                    names.fold(Types::NONE, |types, name| types | Types::named(name))
                }
                _ => Types::ALL,
            },
            Self::OneOf(values) => values.iter().fold(Types::NONE, |types, value| types | Types::of(value)),
            Self::Nothing => Types::NONE,
        }
    }

    /// The members that an object has by name.
    fn names(&self) -> Option<Vec<&'s String>> {
        match self {
            Self::Schema(schema) => Some(schema.get("properties")?.as_object()?.keys().collect()),
            Self::OneOf(values) => {
                Some(values.iter().filter_map(|value| value.as_object()).flat_map(Map::keys).collect())
            }
            Self::Nothing => None,
        }
    }
}

fn among<'s>(values: impl Iterator<Item = &'s Value>) -> Below<'s> {
    let values: Vec<_> = values.collect();
    if values.is_empty() { Below::Nothing } else { Below::OneOf(values) }
}

/// Adds what a schema says, with the schemas that it refers to.
fn say<'s>(schema: &'s Value, root: &'s Value, says: &mut Vec<Says<'s>>) {
    if says.len() >= SCHEMAS_MAX {
        return;
    }
    let schema = match schema {
        Value::Object(schema) => schema,
        Value::Bool(false) => return says.push(Says::Nothing),
        _ => return,
    };
    // The references of a schema with an address of its own lead elsewhere.
    if schema.contains_key("$id") && root.as_object().is_none_or(|root| !std::ptr::eq(root, schema)) {
        return;
    }
    says.push(Says::Schema(schema));
    if let Some(value) = schema.get("const") {
        says.push(Says::OneOf(vec![value]));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        says.push(Says::OneOf(values.iter().collect()));
    }
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|address| address.strip_prefix('#'));
    let target = target.filter(|fragment| !fragment.contains('%')).and_then(|fragment| root.pointer(fragment));
    let all = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for other in target.into_iter().chain(all) {
        say(other, root, says);
    }
}

/// A set of JSON types; integers and other numbers apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const INTEGER: Self = Self(4);
    /// Integers, and other numbers.
    pub(crate) const NUMBER: Self = Self(4 | 8);
    pub(crate) const STRING: Self = Self(16);
    pub(crate) const ARRAY: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);
    pub(crate) const ALL: Self = Self(127);

    /// A type as a schema names it; every type, when it is none of JSON Schema's.
    fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::ALL,
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() != 0.0) => {
                Self(Self::NUMBER.0 & !Self::INTEGER.0)
            }
            Value::Number(_) => Self::INTEGER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// Whether a type is in both sets.
    pub(crate) fn meet(self, other: Self) -> bool {
        self & other != Self::NONE
    }

    pub(crate) fn in_words(self) -> String {
        if self == Self::ALL {
            return "a value".to_owned();
        }
        let examples = [
            (Self::NULL, kind(&Value::Null)),
            (Self::BOOLEAN, kind(&Value::Bool(true))),
            (Self::NUMBER, "a number"),
            (Self::STRING, "a text"),
            (Self::ARRAY, "an array"),
            (Self::OBJECT, "an object"),
        ];
        let named = examples.into_iter().filter(|(types, _)| self & *types != Self::NONE).map(|(types, name)| {
            if types == Self::NUMBER && self & types == Self::INTEGER { "an integer" } else { name }
        });
        named.collect::<Vec<_>>().join(" or ")
    }
}

impl BitAnd for Types {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Types {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

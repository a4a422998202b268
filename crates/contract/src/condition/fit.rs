//! Whether a condition fits the schemas of an extension point (JSON Schema 2020-12).
//!
//! A schema is read only as far as it says for certain what can be at a pointer: `type`, `enum`, `const`, `properties`,
//! `additionalProperties`, `items`, `prefixItems`, `allOf` and local `$ref`. Whatever else it says leaves more open than it
//! may, so that no condition is refused which could hold.

use std::ops::{BitAnd, BitOr};

use serde_json::{Map, Value};

use super::{ConditionProblem, Is, Node, Pointer, Test, evaluate};
use crate::{plain_json::kind, pointer, problem::shown};

/// Schemas that are looked at for one place; the others are left open.
const SCHEMAS_MAX: usize = 64;
/// Names of members that a message lists.
const NAMES_SHOWN_MAX: usize = 10;

pub(super) fn check(node: &Node, context_schema: &Value, subject_schema: &Value) -> Vec<ConditionProblem> {
    let mut problems = Vec::new();
    check_node(node, "", (context_schema, subject_schema), &mut problems);
    problems
}

fn check_node(node: &Node, at: &str, schemas: (&Value, &Value), problems: &mut Vec<ConditionProblem>) {
    if let Node::Test(test) = node {
        problems.extend(check_test(test, at, schemas));
    }
    for (place, below) in node.below() {
        check_node(below, &format!("{at}{place}"), schemas, problems);
    }
}

fn check_test(Test { pointer, is }: &Test, at: &str, (context, subject): (&Value, &Value)) -> Vec<ConditionProblem> {
    let problem = |member: &str, message: String| ConditionProblem { pointer: format!("{at}/{member}"), message };
    let (place, root) = match find(pointer, context, subject) {
        Ok(found) => found,
        Err(message) => return vec![problem("pointer", message)],
    };
    if let Is::In(choices) = is {
        let unfit = choices.iter().enumerate().filter(|(_, choice)| !place.allows(choice));
        let here = place.in_words();
        return unfit.map(|(index, _)| problem(&format!("value/{index}"), never_equal(&here))).collect();
    }
    let message = match is {
        Is::Equal(value) => (!place.allows(value)).then(|| never_equal(&place.in_words())),
        Is::Contains(value) => place.never_meets(is).or_else(|| place.never_has_element(value, root)),
        _ => place.never_meets(is),
    };
    message.map(|message| problem(if place.has_type_for(is) { "value" } else { "is" }, message)).into_iter().collect()
}

fn never_equal(here: &str) -> String {
    format!("The schema allows no such value here. Write {here}")
}

/// What the schemas say for certain of the value at a pointer; nothing, when they leave it open.
struct Place<'s>(Vec<Says<'s>>);

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

/// The place of a pointer with the root of its schema, or why nothing can be there.
fn find<'s>(pointer: &Pointer, context: &'s Value, subject: &'s Value) -> Result<(Place<'s>, &'s Value), String> {
    let mut tokens = pointer.tokens.iter();
    let root = match tokens.next().map(|token| &**token) {
        Some("context") => context,
        Some("subject") => subject,
        _ => return Err("Write a pointer that begins with `/context` or `/subject`".to_owned()),
    };
    let mut place = Place::of(root, root);
    for token in tokens {
        place = match place.below(token, root) {
            Some(below) => below,
            None => return Err(place.nothing_below(token)),
        };
    }
    Ok((place, root))
}

impl<'s> Place<'s> {
    fn of(schema: &'s Value, root: &'s Value) -> Self {
        let mut says = Vec::new();
        say(schema, root, &mut says);
        Self(says)
    }

    /// What is said of a member or an element; `None` when there cannot be one.
    fn below(&self, token: &str, root: &'s Value) -> Option<Self> {
        let types = self.types();
        let index = pointer::index(token);
        let member = (types & Types::OBJECT != Types::NONE).then(|| self.child(|says| says.member(token), root));
        let element = index.filter(|_| types & Types::ARRAY != Types::NONE);
        let element = element.map(|index| self.child(|says| says.element(index), root));
        match (member.flatten(), element.flatten()) {
            (None, None) => None,
            (Some(place), None) | (None, Some(place)) => Some(place),
            // An object or an array: what is said of one need not hold for the other.
            (Some(_), Some(_)) => Some(Self(Vec::new())),
        }
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
    fn types(&self) -> Types {
        self.0.iter().fold(Types::ALL, |types, says| types & says.types())
    }

    /// Whether the value can be this one.
    fn allows(&self, value: &Value) -> bool {
        let is_one = |says: &Says<'_>| match says {
            Says::OneOf(values) => values.iter().any(|one| evaluate::equal(one, value)),
            _ => true,
        };
        Types::of(value) & self.types() != Types::NONE && self.0.iter().all(is_one)
    }

    /// Whether a value here can have a type that the test looks at.
    fn has_type_for(&self, is: &Is) -> bool {
        types_for(is) & self.types() != Types::NONE
    }

    /// Why no value here meets the test; `None` when one may.
    fn never_meets(&self, is: &Is) -> Option<String> {
        if !self.has_type_for(is) {
            let (name, wanted) = (is.name(), types_for(is).in_words());
            return Some(format!("`{name}` looks at {wanted}, and the schema says that {} is here", self.in_words()));
        }
        let candidates = self.0.iter().find_map(|says| match says {
            Says::OneOf(values) => Some(values),
            _ => None,
        });
        let met = |value: &&&Value| self.allows(value) && evaluate::meets(is, Some(value));
        if candidates.is_some_and(|values| !values.iter().any(|value| met(&value))) {
            return Some(format!(
                "No value that the schema allows here meets `{}`. It allows {}",
                is.name(),
                self.in_words()
            ));
        }
        None
    }

    /// Why no array here has such an element; `None` when one may, or when something other than an array can be here.
    fn never_has_element(&self, value: &Value, root: &'s Value) -> Option<String> {
        let has_first = |says: &Says<'_>| matches!(says, Says::Schema(schema) if schema.contains_key("prefixItems"));
        let is_text = value.is_string() && self.types() & Types::STRING != Types::NONE;
        if is_text || self.0.iter().any(|says| has_first(says) || matches!(says, Says::OneOf(_))) {
            return None;
        }
        let elements = self.child(|says| says.element(0), root);
        let refused = elements.is_none_or(|elements| !elements.allows(value));
        refused.then(|| "The schema allows no such element in this array".to_owned())
    }

    /// What can be here, for people.
    fn in_words(&self) -> String {
        let values = self.0.iter().find_map(|says| match says {
            Says::OneOf(values) => Some(values),
            _ => None,
        });
        match values {
            Some(values) => {
                let values: Vec<_> = values.iter().filter(|value| self.allows(value)).collect();
                let shown = values.iter().take(NAMES_SHOWN_MAX).map(|value| format!("`{}`", shown(&value.to_string())));
                let shown = shown.collect::<Vec<_>>().join(" or ");
                if values.len() > NAMES_SHOWN_MAX { format!("{shown} or another value of its list") } else { shown }
            }
            None => self.types().in_words(),
        }
    }

    fn nothing_below(&self, token: &str) -> String {
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
                match (named, schema.get("patternProperties"), schema.get("additionalProperties")) {
                    (Some(named), _, _) => Below::Schema(named),
                    // A pattern may allow it.
                    (None, Some(_), _) | (None, None, None) => Below::Open,
                    (None, None, Some(others)) => Below::Schema(others),
                }
            }
            Self::OneOf(values) => among(values.iter().filter_map(|value| value.as_object()?.get(name))),
            Self::Nothing => Below::Nothing,
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

/// The types that the test looks at.
fn types_for(is: &Is) -> Types {
    match is {
        Is::Equal(_) | Is::In(_) | Is::Exists(_) => Types::ALL,
        Is::Prefix(_) | Is::Matches(_) => Types::STRING,
        Is::Less(_) | Is::Greater(_) => Types::NUMBER,
        Is::Contains(Value::String(_)) => Types::STRING | Types::ARRAY,
        Is::Contains(_) => Types::ARRAY,
    }
}

/// A set of JSON types; integers and other numbers apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Types(u8);

impl Types {
    const NONE: Self = Self(0);
    const NULL: Self = Self(1);
    const BOOLEAN: Self = Self(2);
    const INTEGER: Self = Self(4);
    /// Integers, and other numbers.
    const NUMBER: Self = Self(4 | 8);
    const STRING: Self = Self(16);
    const ARRAY: Self = Self(32);
    const OBJECT: Self = Self(64);
    const ALL: Self = Self(127);

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

    fn in_words(self) -> String {
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

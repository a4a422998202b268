//! The condition of a hook: a closed set of tests on the document's `data` as the host submitted it, and their
//! combinations with `all`, `any` and `not`.
//!
//! Every condition can be evaluated on every document: there is nothing that fails half way. A pointer that leads nowhere
//! makes its test false. Start reading at [`Condition`]; `read.rs` reads one and tells what is wrong with it,
//! `evaluate.rs` evaluates it, `fit.rs` compares it with the schemas of an extension point.

mod evaluate;
mod fit;
mod read;

use std::{borrow::Cow, fmt};

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Number, Value, json};

use crate::{plain_json::PlainJson, pointer};

/// When a hook is called.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::condition::Condition;
/// let nordic = json!({ "all": [
///     { "pointer": "/context/country", "is": "in", "value": ["SE", "NO"] },
///     { "not": { "pointer": "/subject/total", "is": "less", "value": 100 } },
/// ] });
/// let condition = Condition::parse(&nordic).unwrap();
/// assert_eq!(condition.to_json(), nordic);
/// let order = |country: &str, total: u32| json!({ "context": { "country": country }, "subject": { "total": total } });
/// assert!(condition.why_not(&order("SE", 250)).is_none());
/// let unmet = condition.why_not(&order("DE", 250)).unwrap();
/// assert_eq!(unmet.to_string(), "`/context/country` does not meet `in` (at `/all/0`)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Condition(Node);

/// A problem of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionProblem {
    /// Where in the condition: a JSON Pointer (RFC 6901), such as `/all/0/value`.
    pub pointer: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Why a condition does not hold. It names a pointer and a test, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The test that decided, as a JSON Pointer (RFC 6901) into the condition; empty when the condition is one test.
    pub at: String,
    /// The pointer of that test, into the document's `data`.
    pub pointer: String,
    /// The test.
    pub is: TestName,
    /// What was found.
    pub found: Found,
}

/// What a test found at its pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A value that does not meet the test.
    Other,
    /// A value that meets the test, which is below `not`.
    Excluded,
}

/// The eight tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TestName {
    /// The value is this one.
    Equal,
    /// The value is one of these.
    In,
    /// There is a value, or there is none.
    Exists,
    /// The text begins so.
    Prefix,
    /// The regular expression matches somewhere in the text.
    Matches,
    /// The number is less.
    Less,
    /// The number is greater.
    Greater,
    /// The text contains a text, or the array an element.
    Contains,
}

#[derive(Clone, PartialEq, Eq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

#[derive(Clone, PartialEq, Eq)]
struct Test {
    pointer: Pointer,
    is: Is,
}

#[derive(Clone, PartialEq, Eq)]
enum Is {
    Equal(Value),
    In(Vec<Value>),
    Exists(bool),
    Prefix(String),
    Matches(Pattern),
    Less(Number),
    Greater(Number),
    Contains(Value),
}

/// A JSON Pointer as it was written, and its reference tokens.
#[derive(Clone, PartialEq, Eq)]
struct Pointer {
    text: String,
    tokens: Box<[Box<str>]>,
}

/// A compiled regular expression. Two are equal when they are written alike.
#[derive(Clone)]
struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its members.
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::condition::Condition;
    /// let problems = Condition::parse(&json!({ "any": [{ "pointer": "/context/country", "is": "equals" }] })).unwrap_err();
    /// assert_eq!(problems[0].pointer, "/any/0/is");
    /// assert!(problems[0].message.starts_with("Write one of `equal`, `in`, `exists`"));
    /// ```
    pub fn parse(written: &Value) -> Result<Self, Vec<ConditionProblem>> {
        read::condition(written).map(Self)
    }

    /// The condition as it was written, its members in one order.
    pub fn to_json(&self) -> Value {
        self.0.to_json()
    }

    /// Why it does not hold for this `data` of a document; `None` when it holds.
    pub fn why_not(&self, data: &Value) -> Option<Unmet> {
        evaluate::why_not(&self.0, data)
    }

    /// What does not fit the schemas (JSON Schema 2020-12) of an extension point's context and subject: a pointer to what
    /// cannot be there, and a test that no value at its pointer can meet. What the schemas leave open is accepted.
    pub fn check(&self, context_schema: &Value, subject_schema: &Value) -> Vec<ConditionProblem> {
        fit::check(&self.0, context_schema, subject_schema)
    }
}

impl TestName {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Equal, Self::In, Self::Exists, Self::Prefix, Self::Matches, Self::Less, Self::Greater, Self::Contains];

    /// What `is` says.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::In => "in",
            Self::Exists => "exists",
            Self::Prefix => "prefix",
            Self::Matches => "matches",
            Self::Less => "less",
            Self::Greater => "greater",
            Self::Contains => "contains",
        }
    }
}

impl Is {
    fn name(&self) -> TestName {
        match self {
            Self::Equal(_) => TestName::Equal,
            Self::In(_) => TestName::In,
            Self::Exists(_) => TestName::Exists,
            Self::Prefix(_) => TestName::Prefix,
            Self::Matches(_) => TestName::Matches,
            Self::Less(_) => TestName::Less,
            Self::Greater(_) => TestName::Greater,
            Self::Contains(_) => TestName::Contains,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Equal(value) | Self::Contains(value) => value.clone(),
            Self::In(choices) => Value::Array(choices.clone()),
            Self::Exists(there) => Value::Bool(*there),
            Self::Prefix(text) => Value::String(text.clone()),
            Self::Matches(Pattern(regex)) => Value::String(regex.as_str().to_owned()),
            Self::Less(number) | Self::Greater(number) => Value::Number(number.clone()),
        }
    }
}

impl Node {
    fn to_json(&self) -> Value {
        let list = |nodes: &[Self]| nodes.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::All(nodes) => json!({ "all": list(nodes) }),
            Self::Any(nodes) => json!({ "any": list(nodes) }),
            Self::Not(node) => json!({ "not": node.to_json() }),
            Self::Test(Test { pointer, is }) => {
                json!({ "pointer": pointer.text, "is": is.name().as_str(), "value": is.value() })
            }
        }
    }

    /// The nodes below, each with its place below this one.
    fn below(&self) -> impl Iterator<Item = (String, &Self)> {
        let (name, nodes): (&str, &[Self]) = match self {
            Self::All(nodes) => ("all", nodes),
            Self::Any(nodes) => ("any", nodes),
            Self::Not(node) => ("not", std::slice::from_ref(node)),
            Self::Test(_) => ("", &[]),
        };
        let is_list = name != "not";
        nodes
            .iter()
            .enumerate()
            .map(move |(index, node)| (if is_list { format!("/{name}/{index}") } else { format!("/{name}") }, node))
    }
}

impl Pointer {
    fn new(text: &str) -> Result<Self, pointer::PointerError> {
        let tokens = pointer::tokens(text)?;
        Ok(Self { text: text.to_owned(), tokens: tokens.into_iter().map(Cow::into_owned).map(Into::into).collect() })
    }

    fn find<'v>(&self, data: &'v Value) -> Option<&'v Value> {
        pointer::find(data, &self.tokens)
    }
}

/// Without the values: they may be what a log must not show.
impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Condition(")?;
        self.0.fmt(formatter)?;
        formatter.write_str(")")
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(nodes) => formatter.debug_tuple("all").field(nodes).finish(),
            Self::Any(nodes) => formatter.debug_tuple("any").field(nodes).finish(),
            Self::Not(node) => formatter.debug_tuple("not").field(node).finish(),
            Self::Test(Test { pointer, is }) => write!(formatter, "{} {}", pointer.text, is.name().as_str()),
        }
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for ConditionProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => formatter.write_str(&self.message),
            pointer => write!(formatter, "{} at {pointer}", self.message),
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, pointer, is, found } = self;
        match found {
            Found::Nothing => write!(formatter, "nothing is at `{pointer}`, so `{is}` does not hold")?,
            Found::Other => write!(formatter, "`{pointer}` does not meet `{is}`")?,
            Found::Excluded => write!(formatter, "`{pointer}` meets `{is}`, which is below `not`")?,
        }
        if at.is_empty() { Ok(()) } else { write!(formatter, " (at `{at}`)") }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Reads a stored condition. What reads a condition of a person calls [`Condition::parse`], which tells every problem with its
/// place.
impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PlainJson(written) = PlainJson::deserialize(deserializer)?;
        Self::parse(&written).map_err(|problems| match problems.first() {
            Some(first) => D::Error::custom(first),
            None => D::Error::custom("not a condition"),
        })
    }
}

//! The answer of an external service, read loosely: what it says and everything wrong with it.

pub(crate) mod integers;
mod lenient;
mod misnamed;
mod notice;
mod read;
mod render;
mod texts;
mod unparsable;
mod vocabulary;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use self::vocabulary::Vocabulary;
pub use self::{
    notice::{NOTICES_MAX, Notice, NoticeCode},
    render::{cap, render_debug_context},
    texts::{Lists, Rewrite, rewrite_json},
    unparsable::Unparsable,
};
use crate::{
    BUILT_IN_DESCRIPTIONS,
    description::{CommandRule, Description, EmptyAnswer, Shape},
    limits::OPERATIONS_MAX,
    problem::{Problem, ProblemCode, in_answers_order, shown},
};

/// Shown wherever a refusal has no usable `errorSummary` (`overview.md` 4.1).
pub const DEFAULT_ERROR_SUMMARY: &str = "The callback service returned an error";

/// A parsed answer (`overview.md` 4.1). Explicit nulls are absent members.
#[derive(Clone, Default, PartialEq)]
pub struct Answer {
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// A deliberate refusal. When present no command is executed.
    pub error: Option<ServiceError>,
    /// Copied to the System Log and nowhere else.
    pub debug_context: Option<Map<String, Value>>,
    /// What is wrong with the answer's own shape; a non-empty list makes its commands invalid.
    pub problems: Vec<Problem>,
    /// Members that have no effect. They are shown to people and change nothing.
    pub notices: Vec<Notice>,
}

/// One command: a type and an operand, not yet judged. Its `Debug` does not show the operand.
#[derive(Clone, PartialEq)]
pub struct Command {
    /// The command's type string.
    pub kind: Cow<'static, str>,
    /// The operand.
    pub operand: Operand,
    /// Its index in the answer's `commands`.
    pub place: usize,
    /// Names of members beside `type` and `value` whose value is not empty: a common mistake that the log should explain.
    pub stray_members: Vec<String>,
}

/// The `value` of a command, by its JSON shape.
#[derive(Clone, PartialEq)]
pub enum Operand {
    /// Missing or null.
    Absent,
    /// An array.
    Items(Vec<Item>),
    /// An object.
    Members(Members),
    /// Anything else.
    Other(Value),
}

/// An element of an array operand.
#[derive(Clone, PartialEq)]
pub enum Item {
    /// An object, such as an operation.
    Members(Members),
    /// Anything else.
    Other(Value),
}

/// The members of an object in the order they were written. Of members with one name the last counts
/// (`open-questions.md` C13).
#[derive(Clone, Default, PartialEq)]
pub struct Members(pub(crate) Vec<(Cow<'static, str>, Value)>);

/// The `error` of an answer: every member optional and lenient (`observed.md` section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// `errorSummary`, in its string form.
    pub summary: Option<String>,
    /// `errorCauses`.
    pub causes: Vec<ErrorCause>,
}

/// One cause of a refusal; nothing is required of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCause {
    /// `errorSummary`.
    pub summary: Option<String>,
    /// `reason`, an enum-like code.
    pub reason: Option<String>,
    /// `locationType`.
    pub location_type: Option<String>,
    /// `location`, a JSON path in the request.
    pub location: Option<String>,
    /// `domain`.
    pub domain: Option<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("commands", &self.commands)
            .field("error", &self.error)
            .field("problems", &self.problems)
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Command").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Members {
    /// The member with this name.
    ///
    /// ```
    /// # use tenterhook_contract::answer::{Answer, Operand};
    /// let answer = Answer::parse(br#"{"commands": [{"type": "x", "value": {"a": 1, "a": 2}}]}"#).unwrap();
    /// let Operand::Members(members) = &answer.commands[0].operand else { unreachable!() };
    /// assert_eq!(members.get("a").unwrap(), 2);
    /// ```
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rfind(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Takes the member with this name out; a null is absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let (_, value) = self.0.iter_mut().rfind(|(own, _)| own == name)?;
        Some(value.take()).filter(|value| !value.is_null())
    }

    /// Every member once; of those with the same name the last (`open-questions.md` C13).
    pub(crate) fn last_of_each(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
    }

    fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| (name.clone().into_owned(), value.clone())).collect())
    }
}

impl Operand {
    fn to_json(&self) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::Items(items) => items
                .iter()
                .map(|item| match item {
                    Item::Members(members) => members.to_json(),
                    Item::Other(value) => value.clone(),
                })
                .collect(),
            Self::Members(members) => members.to_json(),
            Self::Other(value) => value.clone(),
        }
    }

    /// Whether it has this shape.
    fn has(&self, shape: &Shape) -> bool {
        match (shape, self) {
            (Shape::Items(_), Self::Items(items)) => items.iter().all(|item| matches!(item, Item::Members(_))),
            (Shape::Object, Self::Members(_)) => true,
            _ => false,
        }
    }
}

impl Command {
    /// That the operand does not have the shape the command needs.
    pub fn wrong_shape(&self, index: usize, rule: &CommandRule) -> Problem {
        Problem {
            code: ProblemCode::WrongShape,
            pointer: format!("/commands/{index}/value"),
            message: format!("{}({})", rule.shape.wanted(), rule.name),
            hint: Some(stray_hint(&self.stray_members).unwrap_or_else(|| rule.example())),
        }
    }
}

impl ServiceError {
    /// The summary to show, with the default text when there is none.
    ///
    /// ```
    /// let answer = tenterhook_contract::answer::Answer::parse(br#"{"error": {}}"#).unwrap();
    /// assert_eq!(answer.error.unwrap().summary_or_default(), "The callback service returned an error");
    /// ```
    pub fn summary_or_default(&self) -> &str {
        self.summary.as_deref().unwrap_or(DEFAULT_ERROR_SUMMARY)
    }

    fn to_json(&self) -> Value {
        let causes = self.causes.iter().map(|cause| {
            json!({
                "errorSummary": cause.summary,
                "reason": cause.reason,
                "locationType": cause.location_type,
                "location": cause.location,
                "domain": cause.domain,
            })
        });
        json!({ "errorSummary": self.summary, "errorCauses": causes.collect::<Vec<_>>() })
    }
}

impl Answer {
    /// Reads the body of an answer to a call of one of the built-in types. [`Self::parse_for`] is for any type.
    ///
    /// # Errors
    /// [`Unparsable`] when the body is not one JSON object.
    ///
    /// ```
    /// use tenterhook_contract::answer::Answer;
    /// let answer = Answer::parse(br#"{"error": null, "commands": [{"type": "x", "value": []}]}"#).unwrap();
    /// assert_eq!(answer.commands[0].kind, "x");
    /// assert!(Answer::parse(b"<html>").is_err());
    /// ```
    pub fn parse(body: &[u8]) -> Result<Self, Unparsable> {
        read::answer(body, Vocabulary(&BUILT_IN_DESCRIPTIONS))
    }

    /// Reads the body of an answer to a call of the type that `description` is of. A body of `null`, or `{}`, is an answer that
    /// says nothing.
    ///
    /// A body that RFC 8259's grammar allows is read also where its values are more than we can hold: a lone surrogate
    /// becomes U+FFFD, and a value that cannot be held is a problem of the command that sets it and of nothing else
    /// (`open-questions.md` C17).
    ///
    /// # Errors
    /// [`Unparsable`] when the body is not one JSON object.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, answer::Answer};
    /// let answer = Answer::parse_for(b"null", BuiltInType::Token.description()).unwrap();
    /// assert!(answer.commands.is_empty() && answer.error.is_none());
    /// ```
    pub fn parse_for(body: &[u8], description: &Description) -> Result<Self, Unparsable> {
        read::answer(body, Vocabulary(&[description]))
    }

    /// Whether a body says nothing at all: no byte but white space and a byte order mark.
    ///
    /// ```
    /// use tenterhook_contract::answer::Answer;
    /// assert!(Answer::is_empty_body(b"\xef\xbb\xbf \n") && !Answer::is_empty_body(b"{}"));
    /// ```
    pub fn is_empty_body(body: &[u8]) -> bool {
        read::without_mark(body).trim_ascii().is_empty()
    }

    /// The answer to a call of a type as the vendor's previews show it: every member present, those of the operands
    /// too (`management-api.md` 3.7, `overview.md` 4.1).
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, answer::Answer};
    /// let text = br#"{"commands": [{"type": "com.okta.access.patch", "value": [{"op": "remove", "path": "/claims/y"}]}]}"#;
    /// let shown = Answer::parse(text).unwrap().normalised_for(BuiltInType::Token.description());
    /// assert_eq!(shown["commands"][0]["value"][0].to_string(), r#"{"op":"remove","path":"/claims/y","value":null}"#);
    /// ```
    pub fn normalised_for(&self, description: &Description) -> Value {
        let mut shown = self.normalised();
        let commands = shown.get_mut("commands").and_then(Value::as_array_mut).into_iter().flatten();
        for (own, command) in self.commands.iter().zip(commands) {
            let rule = description.command(&own.kind);
            let operands = match command.get_mut("value") {
                // More of them are not executed; showing their unset members would make a preview many times its answer.
                Some(Value::Array(items)) => {
                    let shown = items.len().min(OPERATIONS_MAX);
                    items.get_mut(..shown).unwrap_or_default()
                }
                Some(operand) => std::slice::from_mut(operand),
                None => continue,
            };
            for operand in operands.iter_mut().filter_map(Value::as_object_mut) {
                for name in rule.iter().flat_map(|rule| rule.members.iter()) {
                    operand.entry(name).or_insert(Value::Null);
                }
            }
        }
        shown
    }

    /// The answer with its own members all present, its commands as they were written.
    ///
    /// ```
    /// let answer = tenterhook_contract::answer::Answer::parse(b"{}").unwrap();
    /// assert_eq!(answer.normalised().to_string(), r#"{"error":null,"commands":[],"debugContext":{}}"#);
    /// ```
    pub fn normalised(&self) -> Value {
        let commands =
            self.commands.iter().map(|command| json!({ "type": command.kind, "value": command.operand.to_json() }));
        json!({
            "error": self.error.as_ref().map(ServiceError::to_json),
            "commands": commands.collect::<Vec<_>>(),
            "debugContext": self.debug_context.clone().unwrap_or_default(),
        })
    }

    /// Whether the answer says nothing and the type takes that for its default action.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, answer::Answer};
    /// let nothing = Answer::parse(b"{}").unwrap();
    /// assert!(nothing.means_default(BuiltInType::Token.description()) && !nothing.means_default(BuiltInType::Telephony.description()));
    /// ```
    pub fn means_default(&self, description: &Description) -> bool {
        let says_nothing = self.error.is_none() && self.problems.is_empty() && self.commands.is_empty();
        says_nothing && description.empty_answer == EmptyAnswer::DefaultAction
    }

    /// Everything that does not fit the contract of a type, as far as it can be judged without a subject:
    /// unknown command types and operands of the wrong JSON shape (`management-api.md` 3.7).
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, answer::Answer};
    /// let answer = Answer::parse(br#"{"commands": [{"type": "com.okta.access.patch", "value": {}}]}"#).unwrap();
    /// assert_eq!(answer.shape_problems(BuiltInType::Token.description())[0].pointer, "/commands/0/value");
    /// ```
    pub fn shape_problems(&self, description: &Description) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        for command in &self.commands {
            let index = command.place;
            match description.command(&command.kind) {
                None => problems.push(unknown_command(description, index, &command.kind)),
                Some(rule) if !command.operand.has(&rule.shape) => {
                    problems.push(command.wrong_shape(index, rule));
                }
                Some(_) => {}
            }
        }
        in_answers_order(problems)
    }
}

/// The problem of a command that the type does not have.
///
/// ```
/// use tenterhook_contract::{BuiltInType, answer::unknown_command};
/// let problem = unknown_command(BuiltInType::Saml.description(), 0, "com.okta.assertion.update");
/// assert_eq!(problem.hint.as_deref(), Some("Write `com.okta.assertion.patch`"));
/// ```
pub fn unknown_command(description: &Description, index: usize, kind: &str) -> Problem {
    let known = description.commands.iter().map(|rule| format!("`{}`", rule.name)).collect::<Vec<_>>().join(", ");
    let of_another = description.family().find(|other| other.command(kind).is_some());
    let hint = match (misnamed::right_name(description, kind), of_another) {
        (Some(name), _) => format!("Write `{name}`"),
        (None, _) if description.family().any(|other| other.event_type == *kind) => {
            format!("`{kind}` is a hook type, not a command. The commands are {known}")
        }
        (None, Some(other)) => {
            format!(
                "It is a command of the hook type `{}`. The commands of this hook type are {known}",
                other.event_type
            )
        }
        (None, None) => format!("The commands of this hook type are {known}"),
    };
    Problem {
        code: ProblemCode::UnknownCommand,
        pointer: format!("/commands/{index}/type"),
        message: format!("Unknown command({})", shown(kind)),
        hint: Some(hint),
    }
}

/// Explains a `value` with a wrong name, and arguments that were put beside `type` instead of inside `value`.
fn stray_hint(stray_members: &[String]) -> Option<String> {
    if stray_members.is_empty() {
        return None;
    }
    let is_value = |name: &&String| misnamed::right_member(&["value"], name).is_some();
    if let Some(name) = stray_members.iter().find(is_value) {
        return Some(format!("Write `value`: `{}` has no effect", shown(name)));
    }
    let names = stray_members.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Some(format!("Arguments belong inside `value`; found beside `type`: {names}"))
}

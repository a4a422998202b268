//! Problems of an answer, and the changes of a valid one.

use std::borrow::Cow;

use serde::Serialize;

use crate::{
    limits::{PROBLEM_TEXT_CHARACTERS_MAX, PROBLEMS_SHOWN_MAX},
    text::beginning,
};

/// Characters of a path or a name that a log text shows.
const SHOWN_CHARACTERS: usize = 200;

/// Where a text was cut.
pub const CUT: char = '…';

/// A problem of an answer.
///
/// ```
/// use tenterhook_contract::{BuiltInType, answer::Answer, problem::ProblemCode};
/// let answer = Answer::parse(br#"{"commands": [{"type": "com.action.update", "value": {}}]}"#).unwrap();
/// let problem = &answer.shape_problems(BuiltInType::Registration.description())[0];
/// assert_eq!((problem.code, problem.pointer.as_str()), (ProblemCode::UnknownCommand, "/commands/0/type"));
/// assert_eq!(problem.hint.as_deref(), Some("Write `com.okta.action.update`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// A stable code.
    pub code: ProblemCode,
    /// Where in the answer: a JSON Pointer (RFC 6901), such as `/commands/0/value/1/path`.
    pub pointer: String,
    /// The text for the System Log, in the vendor's form where one is known. Holds names and paths, never values.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// A stable code for a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProblemCode {
    /// A member has the wrong JSON type.
    WrongShape,
    /// A limit of the contract is exceeded.
    TooMany,
    /// The command's `type` is not one of this hook type's.
    UnknownCommand,
    /// The operation's `op` is not supported.
    UnknownOperation,
    /// The path is not a pointer to something that may be changed.
    BadPath,
    /// Nothing is at the path.
    PathNotFound,
    /// The claim is reserved.
    ReservedClaim,
    /// `value` is missing or null where it is required.
    ValueRequired,
    /// `value` is present where it must not be.
    ValueNotAllowed,
    /// `value` is outside its bounds or of the wrong type.
    BadValue,
    /// The array index is not usable.
    BadIndex,
    /// The token that the command acts on is not being issued.
    TokenNotPresent,
    /// The user profile schema has no such attribute.
    UnknownAttribute,
    /// The attribute cannot be set by a hook.
    ForbiddenAttribute,
    /// The command belongs to another flow of the same type.
    WrongFlow,
    /// The answer must have a command and has none.
    NoCommand,
    /// A user to link to is missing.
    NoTarget,
    /// The extension point does not allow this operation at this path.
    OperationNotAllowed,
    /// The subject would not satisfy its schema, or would not fit its type.
    SchemaViolation,
}

impl Problem {
    /// One sentence with the problem, its position, and what to write instead.
    ///
    /// ```
    /// use tenterhook_contract::{BuiltInType, answer::Answer};
    /// let answer = Answer::parse(br#"{"commands": [{"type": "com.action.update", "value": {}}]}"#).unwrap();
    /// let sentence = answer.shape_problems(BuiltInType::Registration.description())[0].sentence();
    /// assert_eq!(sentence, "Unknown command(com.action.update) at /commands/0/type. Write `com.okta.action.update`");
    /// ```
    pub fn sentence(&self) -> String {
        let mut text = self.message.clone();
        if !self.pointer.is_empty() {
            text.extend([" at ", &self.pointer]);
        }
        if let Some(hint) = &self.hint {
            text.extend([". ", hint]);
        }
        text
    }
}

/// One change by a command: operation and path, never the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// The command's type.
    pub command: Cow<'static, str>,
    /// The operation.
    pub op: &'static str,
    /// The path that was changed, relative to the command's subject.
    pub path: String,
}

/// A problem whose position in the answer is not known yet.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: ProblemCode,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Refused {
    pub(crate) fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(crate) fn at(self, pointer: String) -> Problem {
        Problem { code: self.code, pointer, message: self.message, hint: self.hint }
    }
}

/// The first [`PROBLEMS_SHOWN_MAX`] problems, each cut to a bound, and one more that counts the rest.
///
/// ```
/// use tenterhook_contract::{BuiltInType, answer::Answer, problem::bounded};
/// let commands = vec![serde_json::json!({ "type": "x" }); 500];
/// let answer = serde_json::json!({ "commands": commands }).to_string();
/// let problems = bounded(Answer::parse(answer.as_bytes()).unwrap().shape_problems(BuiltInType::Token.description()));
/// assert_eq!((problems.len(), problems[100].message.as_str()), (101, "and 400 more problems"));
/// ```
pub fn bounded(mut problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    problems.truncate(PROBLEMS_SHOWN_MAX);
    for Problem { code: _, pointer, message, hint } in &mut problems {
        for text in [Some(pointer), Some(message), hint.as_mut()].into_iter().flatten() {
            if let Some(shorter) = cut(text, PROBLEM_TEXT_CHARACTERS_MAX) {
                *text = shorter;
            }
        }
    }
    if more > 0 {
        let message = format!("and {more} more problems");
        problems.push(Problem { code: ProblemCode::TooMany, pointer: String::new(), message, hint: None });
    }
    problems
}

/// Sorts problems by command: problems of a command's JSON types are found first, so they are not in order.
pub(crate) fn in_answers_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| {
        let place = problem.pointer.strip_prefix("/commands/").and_then(|rest| rest.split('/').next());
        place.and_then(|place| place.parse::<usize>().ok())
    });
    problems
}

/// Cuts a name or a path to the length that a log text or an error shows.
///
/// ```
/// use tenterhook_contract::problem::shown;
/// assert_eq!(shown("costCenter"), "costCenter");
/// assert!(shown(&"x".repeat(10_000)).len() < 1_000);
/// ```
pub fn shown(text: &str) -> Cow<'_, str> {
    cut(text, SHOWN_CHARACTERS).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The first `count` characters of a longer text, marked as cut; `None` for a text that is not longer.
fn cut(text: &str, count: usize) -> Option<String> {
    let kept = beginning(text, count);
    (kept.len() < text.len()).then(|| format!("{kept}{CUT}"))
}

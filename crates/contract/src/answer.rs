//! The answer of an external service, read loosely: what it says and everything wrong with it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::{
    HookType,
    limits::{COMMANDS_MAX, LOG_TEXT_CHARACTERS_MAX},
    problem::{Problem, ProblemCode},
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
}

/// One command: a type and an operand, not yet judged. Its `Debug` does not show the operand.
#[derive(Clone, PartialEq)]
pub struct Command {
    /// The command's type string.
    pub kind: String,
    /// The operand; `None` when `value` is absent or null.
    pub value: Option<Value>,
    /// Names of members beside `type` and `value`: a common mistake that the log should explain.
    pub stray_members: Vec<String>,
}

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

/// A body that is not a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Could not deserialize inline hook response due to error at Line {line} Column {column}")]
pub struct Unparsable {
    /// Line of the first error, from 1.
    pub line: usize,
    /// Column of the first error.
    pub column: usize,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("commands", &self.commands)
            .field("error", &self.error)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Command").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl ServiceError {
    /// The summary to show, with the default text when there is none.
    pub fn summary_or_default(&self) -> &str {
        self.summary.as_deref().unwrap_or(DEFAULT_ERROR_SUMMARY)
    }

    fn read(value: Value) -> Self {
        match value {
            Value::Object(mut members) => Self {
                summary: members.remove("errorSummary").and_then(text),
                causes: match members.remove("errorCauses") {
                    Some(Value::Array(causes)) => causes.into_iter().map(ErrorCause::read).collect(),
                    _ => Vec::new(),
                },
            },
            other => Self { summary: text(other), causes: Vec::new() },
        }
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

impl ErrorCause {
    fn read(value: Value) -> Self {
        match value {
            Value::Object(mut members) => {
                let mut take = |name: &str| members.remove(name).and_then(text);
                Self {
                    summary: take("errorSummary"),
                    reason: take("reason"),
                    location_type: take("locationType"),
                    location: take("location"),
                    domain: take("domain"),
                }
            }
            other => Self { summary: text(other), ..Self::default() },
        }
    }
}

/// A text as it is; any other value but null and the empty text in its JSON form.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text),
        Value::Array(items) if items.is_empty() => None,
        other => Some(other.to_string()),
    }
}

impl Answer {
    /// Reads the body of an answer. A body of `null`, or `{}`, is an answer that says nothing.
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
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let members = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(Value::Null) => return Ok(Self::default()),
            Ok(_) => return Err(Unparsable { line: 1, column: 1 }),
            Err(error) => return Err(Unparsable { line: error.line(), column: error.column() }),
        };
        let mut answer = Self::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("error", error) => answer.error = Some(ServiceError::read(error)),
                ("debugContext", Value::Object(debug)) => answer.debug_context = Some(debug),
                ("debugContext", other) => {
                    answer.debug_context = Some(Map::from_iter([("debugContext".to_owned(), other)]));
                }
                ("commands", Value::Array(commands)) => answer.read_commands(commands),
                ("commands", _) => answer.problem("/commands", "commands must be an array"),
                _ => {}
            }
        }
        Ok(answer)
    }

    fn read_commands(&mut self, commands: Vec<Value>) {
        if commands.len() > COMMANDS_MAX {
            self.problems.push(Problem {
                code: ProblemCode::TooMany,
                pointer: "/commands".to_owned(),
                message: format!("More than {COMMANDS_MAX} commands"),
                hint: None,
            });
            return;
        }
        self.commands.reserve(commands.len());
        for (index, command) in commands.into_iter().enumerate() {
            let Value::Object(members) = command else {
                self.problem(&format!("/commands/{index}"), "A command must be an object");
                continue;
            };
            let mut read = Command { kind: String::new(), value: None, stray_members: Vec::new() };
            let mut typed = false;
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("type", Value::String(kind)) => {
                        read.kind = kind;
                        typed = true;
                    }
                    ("type", _) | ("value", Value::Null) => {}
                    ("value", value) => read.value = Some(value),
                    _ => read.stray_members.push(name),
                }
            }
            if typed {
                self.commands.push(read);
            } else {
                self.problem(&format!("/commands/{index}/type"), "A command must have a type, a string");
            }
        }
    }

    fn problem(&mut self, pointer: &str, message: &str) {
        self.problems.push(Problem {
            code: ProblemCode::WrongShape,
            pointer: pointer.to_owned(),
            message: message.to_owned(),
            hint: None,
        });
    }

    /// The answer as the vendor's previews show it: every member present (`management-api.md` 3.7).
    pub fn normalised(&self) -> Value {
        let commands = self.commands.iter().map(|command| json!({ "type": command.kind, "value": command.value }));
        json!({
            "error": self.error.as_ref().map(ServiceError::to_json),
            "commands": commands.collect::<Vec<_>>(),
            "debugContext": self.debug_context.clone().unwrap_or_default(),
        })
    }

    /// Everything that does not fit the contract of `hook_type`, as far as it can be judged without a subject:
    /// unknown command types and operands of the wrong JSON shape (`management-api.md` 3.7).
    pub fn shape_problems(&self, hook_type: HookType) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        for (index, command) in self.commands.iter().enumerate() {
            let Some((_, shape)) = commands_of(hook_type).iter().find(|(kind, _)| *kind == command.kind) else {
                problems.push(unknown_command(hook_type, index, &command.kind));
                continue;
            };
            if let Err(message) = shape.check(command.value.as_ref()) {
                problems.push(Problem {
                    code: ProblemCode::WrongShape,
                    pointer: format!("/commands/{index}/value"),
                    message: format!("{message}({})", command.kind),
                    hint: stray_hint(&command.stray_members),
                });
            }
        }
        problems
    }
}

/// JSON shape of a command's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An array of objects.
    Operations,
    /// An object.
    Object,
}

impl Shape {
    fn check(self, value: Option<&Value>) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Operations, Some(Value::Array(items))) if items.iter().all(Value::is_object) => Ok(()),
            (Self::Operations, _) => Err("value must be an array of operations"),
            (Self::Object, Some(Value::Object(_))) => Ok(()),
            (Self::Object, _) => Err("value must be an object"),
        }
    }
}

/// The commands of each type and the shape of their operands.
pub(crate) const fn commands_of(hook_type: HookType) -> &'static [(&'static str, Shape)] {
    match hook_type {
        HookType::Token => {
            &[("com.okta.identity.patch", Shape::Operations), ("com.okta.access.patch", Shape::Operations)]
        }
        HookType::Saml => &[("com.okta.assertion.patch", Shape::Operations)],
        HookType::Registration => &[
            ("com.okta.user.profile.update", Shape::Object),
            ("com.okta.user.progressive.profile.update", Shape::Object),
            ("com.okta.action.update", Shape::Object),
        ],
        HookType::PasswordImport => &[("com.okta.action.update", Shape::Object)],
        HookType::UserImport => &[
            ("com.okta.action.update", Shape::Object),
            ("com.okta.appUser.profile.update", Shape::Object),
            ("com.okta.user.profile.update", Shape::Object),
            ("com.okta.user.update", Shape::Object),
        ],
        HookType::Telephony => &[("com.okta.telephony.action", Shape::Operations)],
    }
}

/// Names that were used once or are taken for commands, and what to write instead (`observed.md` section 3).
fn right_name(wrong: &str) -> Option<&'static str> {
    match wrong {
        "com.okta.tokens.id_token.patch" | "com.okta.tokens.identity.patch" => Some("com.okta.identity.patch"),
        "com.okta.tokens.access.patch" | "com.okta.tokens.access_token.patch" => Some("com.okta.access.patch"),
        "com.okta.action.update.import" | "com.action.update" => Some("com.okta.action.update"),
        _ => None,
    }
}

/// The problem of a command that the type does not have.
pub(crate) fn unknown_command(hook_type: HookType, index: usize, kind: &str) -> Problem {
    let known = commands_of(hook_type).iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let hint = match right_name(kind) {
        Some(name) => format!("Write `{name}`"),
        None if kind.parse::<HookType>().is_ok() => {
            format!("`{kind}` is a hook type, not a command. The commands are {known}")
        }
        None => format!("The commands of this hook type are {known}"),
    };
    let shown: String = kind.chars().take(100).collect();
    Problem {
        code: ProblemCode::UnknownCommand,
        pointer: format!("/commands/{index}/type"),
        message: format!("Unknown command({shown})"),
        hint: Some(hint),
    }
}

/// Explains arguments that were put beside `type` instead of inside `value`.
pub(crate) fn stray_hint(stray_members: &[String]) -> Option<String> {
    if stray_members.is_empty() {
        return None;
    }
    let names = stray_members.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Some(format!("Arguments belong inside `value`; found beside `type`: {names}"))
}

/// An answer's `debugContext` as the System Log shows it: `{key=value, other={a=1}}`, capped (`system-log.md` 4).
///
/// ```
/// let debug = serde_json::json!({"key": "value", "other": {"a": 1}});
/// let text = tenterhook_contract::answer::render_debug_context(debug.as_object().unwrap());
/// assert_eq!(text, "{key=value, other={a=1}}");
/// ```
pub fn render_debug_context(debug: &Map<String, Value>) -> String {
    let mut text = String::new();
    render_object(debug, &mut text);
    cap(text)
}

/// Cuts service-controlled text to what the log takes.
pub fn cap(text: String) -> String {
    match text.char_indices().nth(LOG_TEXT_CHARACTERS_MAX) {
        None => text,
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
    }
}

fn render_object(members: &Map<String, Value>, text: &mut String) {
    text.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push('=');
        render_value(value, text);
    }
    text.push('}');
}

fn render_value(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => text.push_str(string),
        Value::Object(members) => render_object(members, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                render_value(item, text);
            }
            text.push(']');
        }
        // Writing to a String cannot fail.
        other => drop(write!(text, "{other}")),
    }
}

//! The answer of an external service, read loosely: what it says and everything wrong with it.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// Shown wherever a refusal has no usable `errorSummary` (`overview.md` 4.1).
pub const DEFAULT_ERROR_SUMMARY: &str = "The callback service returned an error";

/// A parsed answer (`overview.md` 4.1). Explicit nulls are absent members.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// One command: a type and an operand, not yet judged.
#[derive(Clone, Debug, PartialEq)]
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

impl ServiceError {
    /// The summary to show, with the default text when there is none.
    pub fn summary_or_default(&self) -> &str {
        self.summary.as_deref().unwrap_or(DEFAULT_ERROR_SUMMARY)
    }
}

impl Answer {
    /// Reads the body of an answer. A body of `null`, or `{}`, is an answer that says nothing.
    ///
    /// # Errors
    /// [`Unparsable`] when the body is not one JSON object.
    pub fn parse(_body: &[u8]) -> Result<Self, Unparsable> {
        todo!()
    }
}

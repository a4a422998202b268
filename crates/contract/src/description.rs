//! What differs between the hook types and can be said without code, one [`Description`] per type: the row that every
//! other crate asks instead of matching on the type. Plain data; what needs code is a
//! [`HookKind`](crate::hook_kind::HookKind)'s.

use std::borrow::Cow;

/// Whether a failed attempt is made once more (`overview.md` 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: token and telephony.
    Never,
    /// Once, after a 5xx or a failure to connect, send or receive.
    Once,
}

/// What an answer without commands means (`overview.md` section 2, column "Empty 204").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyAnswer {
    /// The type's default action.
    DefaultAction,
    /// A malformed answer: a technical failure when there is no body, else invalid commands.
    Malformed,
}

/// What the flow does when the service could not be asked or understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureDefault {
    /// Open: the flow goes on with the unchanged subject.
    Continue,
    /// Closed: the flow is refused.
    Stop,
    /// Open: a built-in provider does the work.
    FallBack,
}

/// What the flow does when the service answers with an `error` (`overview.md` section 6, column 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The flow is refused with the service's summary.
    Refuse,
    /// The flow goes on with the default action; the summary is logged.
    Continue,
    /// A built-in provider does the work.
    FallBack,
    /// As after a technical failure; the summary is for the log alone.
    Failure,
}

/// How many hooks of the type an org may have (`overview.md` section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerOrg {
    /// As many as fit the org's limit.
    Many,
    /// One, whatever its status.
    One,
    /// One that is ACTIVE.
    OneActive,
}

/// The JSON shape of a command's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects, and what those are called.
    Items(&'static str),
    /// An object.
    Object,
}

impl Shape {
    /// What the log says when the operand has another shape.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::Items(wanted) => wanted,
            Self::Object => "value must be an object",
        }
    }
}

/// The members of an operation on a token or an assertion.
pub(crate) const OPERATION_MEMBERS: &[&str] = &["op", "path", "value"];

/// One command of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// Its type string.
    pub name: &'static str,
    /// The shape of its operand.
    pub shape: Shape,
    /// The members of its operand, or of each item; none when they are the attributes of a profile.
    pub members: &'static [&'static str],
    /// Wrong names for it that real services use (`observed.md` section 3).
    pub misnamed: &'static [&'static str],
}

impl CommandRule {
    /// The shape of the operand as an example, for messages.
    pub(crate) fn example(&self) -> String {
        let members = self.members.iter().map(|name| format!("\"{name}\": …")).collect::<Vec<_>>().join(", ");
        match self.shape {
            Shape::Items(_) => format!("`value` is an array: `[{{{members}}}]`"),
            Shape::Object if members.is_empty() => {
                "`value` is an object of attributes: `{\"firstName\": …}`".to_owned()
            }
            Shape::Object => format!("`value` is an object: `{{{members}}}`"),
        }
    }
}

/// One hook type: a row of the table in `overview.md` section 2, with everything that hangs on it.
///
/// ```
/// use tenterhook_contract::{HookType, Retry};
/// assert_eq!(HookType::Token.description().retry, Retry::Never);
/// assert!(HookType::Saml.description().command("com.okta.assertion.patch").is_some());
/// ```
#[derive(Debug)]
pub struct Description {
    /// `eventType` on the wire and `type` in the management API.
    pub event_type: Cow<'static, str>,
    /// What people call the type.
    pub title: &'static str,
    /// Its commands.
    pub commands: &'static [CommandRule],
    /// What happens when nothing is returned, in words.
    pub default_outcome: &'static str,
    /// The retry rule.
    pub retry: Retry,
    /// The empty-answer rule.
    pub empty_answer: EmptyAnswer,
    /// The default failure policy.
    pub failure: FailureDefault,
    /// What an `error` does.
    pub refusal: Refusal,
    /// How many an org may have.
    pub per_org: PerOrg,
    /// Whether the channel must authenticate itself.
    pub authentication_required: bool,
    /// Where the document holds what must never be kept or shown: JSON Pointers (RFC 6901) into `data`.
    pub secret_members: &'static [&'static str],
    /// The types, its own among them, whose commands a service may send by mistake: hints name them.
    pub relatives: fn() -> &'static [&'static Description],
    /// Which preview inputs make sense.
    pub preview_inputs: &'static [&'static str],
}

impl Description {
    /// The rule of the command with this type string.
    ///
    /// ```
    /// let description = tenterhook_contract::HookType::Saml.description();
    /// assert!(description.command("com.okta.access.patch").is_none());
    /// ```
    pub fn command(&self, name: &str) -> Option<&'static CommandRule> {
        self.commands.iter().find(|rule| rule.name == name)
    }
}

//! What a hook has decided about a form, and where its messages are shown.

use serde_json::Value;
use tenterhook_contract::{
    profile::Profile as Attributes,
    registration::{RegistrationAction, RegistrationFlow, RegistrationSubject, message::FormMessages},
};
use tenterhook_platform::Resumed;

use super::form::{EMAIL, Form, LOGIN};

/// Why a form is refused: what the person is told, and by whom it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The messages for the person.
    pub messages: FormMessages,
    /// What refused the form.
    pub by: RefusedBy,
}

/// What refused a form: our validation, the service, a command, or a failure of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// Our own validation.
    Validation,
    /// The `error` of the hook's service. Its `errorSummary` is for own front ends: our pages do not show it
    /// (`open-questions.md` F2).
    Service {
        /// The `errorSummary`.
        summary: Option<String>,
    },
    /// A command of the hook's service.
    Command,
    /// There is no usable answer of the hook's service.
    Failure,
}

impl RefusedBy {
    /// The reason in the log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Validation => "INVALID_FORM",
            Self::Service { .. } => "REFUSED_BY_HOOK",
            Self::Command => "DENIED_BY_HOOK",
            Self::Failure => "HOOK_FAILED",
        }
    }
}

/// How a registration goes on after its hook.
#[derive(Debug)]
pub(super) enum Decided {
    /// The attributes as the hook leaves them.
    Allowed(Attributes),
    /// Nothing is created or changed.
    Denied(Refused),
    /// Too many calls are open.
    TurnedAway,
}

/// Reads how the flow goes on (`registration.md` section 5).
pub(super) fn decided(
    flow: RegistrationFlow,
    form: &Form<'_>,
    resumed: Resumed,
    subject: RegistrationSubject,
) -> Decided {
    match resumed {
        Resumed::On { .. } | Resumed::FallBack if subject.action == RegistrationAction::Deny => {
            Decided::Denied(Refused { messages: FormMessages::denied(flow), by: RefusedBy::Command })
        }
        // Nothing of ours stands behind a registration hook, so that falling back is going on.
        Resumed::On { .. } | Resumed::FallBack => Decided::Allowed(subject.profile),
        Resumed::Refused(error) => {
            // A field that was left blank is one of the form too.
            let mut submitted = subject.profile;
            for field in &form.fields {
                submitted.entry(field.asked.name.clone()).or_insert(Value::Null);
            }
            let messages = placed(form, FormMessages::refused(flow, &error, &submitted));
            Decided::Denied(Refused { messages, by: RefusedBy::Service { summary: error.summary } })
        }
        Resumed::Stopped => Decided::Denied(Refused { messages: FormMessages::failed(flow), by: RefusedBy::Failure }),
        Resumed::TurnedAway => Decided::TurnedAway,
    }
}

/// The messages at the fields that the form has. A login that is taken from the email address, or the reverse, has the field of
/// the other; what has no field is shown above the form.
pub(super) fn placed(form: &Form<'_>, messages: FormMessages) -> FormMessages {
    let mut placed = FormMessages { fields: Vec::with_capacity(messages.fields.len()), form: messages.form };
    for (name, text) in messages.fields {
        let other = match name.as_str() {
            LOGIN => Some(EMAIL),
            EMAIL => Some(LOGIN),
            _ => None,
        };
        let field = form.field_of(&name).or_else(|| form.field_of(other?));
        match field {
            Some(field) => placed.fields.push((field.asked.name.clone(), text)),
            None => placed.form.push(text),
        }
    }
    placed
}

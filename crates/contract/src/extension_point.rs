//! The shape every extension point has.

use std::fmt;

use serde::Serialize;

use crate::{
    HookType,
    answer::Answer,
    problem::{Change, Problem},
};

/// An extension point: what a hook type sends and how its commands change the subject.
///
/// A type has one extension point, or one for each of its flows; the engine is generic over it.
///
/// ```
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, token::{Token, TokenSubject}};
/// let mut nothing_issued = TokenSubject { identity: None, access: None, dpop: false };
/// let answer = br#"{"commands": [{"type": "com.okta.access.patch", "value": []}]}"#;
/// let problems = Token::interpret(&mut nothing_issued, Answer::parse(answer).unwrap()).unwrap_err();
/// assert_eq!(problems[0].message, "Access Token not present");
/// ```
pub trait ExtensionPoint {
    /// The type.
    const HOOK_TYPE: HookType;
    /// Read-only information for the service: `data.context` and what else no command can change.
    type Context;
    /// What commands may change, with the rules that bind them.
    type Subject: Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The `data` member of the request, borrowed from context and subject.
    type Data<'a>: Serialize;

    /// The request's `requestType`, where the type has one (`overview.md` 3.3).
    fn request_type(_context: &Self::Context) -> Option<&'static str> {
        None
    }

    /// Whether the built-in provider must do the work although nothing went wrong: the subject is as nobody or the
    /// commands left it (`telephony.md` section 3).
    fn falls_back(_subject: &Self::Subject) -> bool {
        false
    }

    /// Why commands that the operator wrote may not leave the subject like this in place of an answer: it says what only
    /// a service that was asked can know. `None` for a subject that they may.
    fn known_to_the_service_alone(_subject: &Self::Subject) -> Option<&'static str> {
        None
    }

    /// The `data` member.
    fn data<'a>(context: &'a Self::Context, subject: &'a Self::Subject) -> Self::Data<'a>;

    /// Applies the commands of `answer` to `subject`, all or none; says what was changed.
    ///
    /// The caller has already handled an `error` in the answer. Total: never panics, on any answer.
    ///
    /// # Errors
    /// Every problem found, in the answer's order, at least one; the subject is then unchanged.
    fn interpret(subject: &mut Self::Subject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>>;
}

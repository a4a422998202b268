//! The trait of every extension point.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::Answer,
    description::Description,
    pointer_pattern::PointerPattern,
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
/// let problems = Token.interpret(&mut nothing_issued, Answer::parse(answer).unwrap()).unwrap_err();
/// assert_eq!(problems[0].message, "Access Token not present");
/// ```
pub trait ExtensionPoint: Sync {
    /// Read-only information for the service: `data.context` and all other members that no command can change.
    type Context;
    /// The state that commands may change, with the rules that apply to it.
    type Subject: Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The `data` member of the request, borrowed from context and subject.
    type Data<'a>: Serialize
    where
        Self: 'a;

    /// The description of its type, with everything that the engine needs to know about the type.
    fn description(&self) -> &Description;

    /// The request's `requestType`, where the type has one (`overview.md` 3.3).
    fn request_type<'a>(&'a self, _context: &'a Self::Context) -> Option<&'a str> {
        None
    }

    /// Whether the built-in provider must do the work although the call did not fail. Evaluated on the subject after
    /// the commands, or on the unchanged subject (`telephony.md` section 3).
    fn falls_back(&self, _subject: &Self::Subject) -> bool {
        false
    }

    /// Why fallback commands of the operator must not produce this subject: it states a fact that only the called
    /// service can know. `None` when they may.
    fn known_to_the_service_alone(&self, _subject: &Self::Subject) -> Option<&'static str> {
        None
    }

    /// The `data` member.
    fn data<'a>(&'a self, context: &'a Self::Context, subject: &'a Self::Subject) -> Self::Data<'a>;

    /// `data` as the host submitted it, which conditions of hooks look at: with the members that no document has. Null where
    /// it cannot be written as JSON.
    fn submitted_data(&self, context: &Self::Context, subject: &Self::Subject) -> Value {
        serde_json::to_value(self.data(context, subject)).unwrap_or_default()
    }

    /// The values of [`submitted_data`](Self::submitted_data) for which the patterns stand. A point that finds them without
    /// writing all of it does that instead.
    fn submitted_values<'a>(
        &self,
        context: &'a Self::Context,
        subject: &'a Self::Subject,
        places: &[PointerPattern],
    ) -> Vec<Cow<'a, Value>> {
        let data = self.submitted_data(context, subject);
        places.iter().flat_map(|place| place.find(&data)).map(|value| Cow::Owned(value.clone())).collect()
    }

    /// Applies the commands of `answer` to `subject`, all or none; returns the changes.
    ///
    /// The caller has already handled an `error` in the answer. Total: never panics, on any answer.
    ///
    /// # Errors
    /// Every problem found, in the answer's order, at least one; the subject is then unchanged.
    fn interpret(&self, subject: &mut Self::Subject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>>;
}

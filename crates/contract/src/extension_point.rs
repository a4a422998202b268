//! The shape every hook type has.

use std::fmt;

use serde::Serialize;

use crate::{
    HookType,
    answer::Answer,
    problem::{Change, Problem},
};

/// What an interpreter made of an answer: the new subject and what was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpretation<S> {
    /// The subject with every command applied.
    pub subject: S,
    /// What was changed: names and paths, never values. Empty when the answer had no commands.
    pub changes: Vec<Change>,
}

/// An extension point: what one hook type sends and how its commands change the subject.
///
/// A type is one implementation of this trait; the engine is generic over it.
pub trait ExtensionPoint {
    /// The type.
    const HOOK_TYPE: HookType;
    /// Read-only information for the service: `data.context` and what else no command can change.
    type Context;
    /// What commands may change.
    type Subject: Clone + PartialEq + fmt::Debug + Send + Sync;
    /// The `data` member of the request, borrowed from context and subject.
    type Data<'a>: Serialize;

    /// The request's `requestType`, where the type has one (`overview.md` 3.3).
    fn request_type(_context: &Self::Context) -> Option<&'static str> {
        None
    }

    /// The `data` member.
    fn data<'a>(context: &'a Self::Context, subject: &'a Self::Subject) -> Self::Data<'a>;

    /// Applies the commands of `answer` to `subject`, all or none.
    ///
    /// The caller has already handled an `error` in the answer. Total: never panics, on any answer.
    ///
    /// # Errors
    /// Every problem found, in the answer's order, at least one; the subject is then unchanged.
    fn interpret(subject: &Self::Subject, answer: &Answer) -> Result<Interpretation<Self::Subject>, Vec<Problem>>;
}

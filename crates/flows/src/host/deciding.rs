//! A declared extension point that notes which hook of a chain decided what.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tenterhook_contract::{
    Description, ExtensionPoint,
    answer::Answer,
    declared::{DeclaredData, DeclaredPoint, DeclaredSubject},
    pointer_pattern::PointerPattern,
    problem::{Change, Problem},
};

/// The point, and the decision of each answer that was applied, in the order of the chain.
pub(super) struct Deciding<'a> {
    point: &'a DeclaredPoint,
    decided: Mutex<Vec<Option<String>>>,
}

impl<'a> Deciding<'a> {
    pub(super) fn new(point: &'a DeclaredPoint) -> Self {
        Self { point, decided: Mutex::default() }
    }

    /// The decision of each applied answer, or of the fallback commands in its place; `None` where it has none.
    pub(super) fn into_decided(self) -> impl Iterator<Item = Option<String>> {
        self.decided.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter()
    }
}

impl ExtensionPoint for Deciding<'_> {
    type Context = Value;
    type Subject = DeclaredSubject;
    type Data<'b>
        = DeclaredData<'b>
    where
        Self: 'b;

    fn description(&self) -> &Description {
        ExtensionPoint::description(self.point)
    }

    fn data<'b>(&'b self, context: &'b Value, subject: &'b DeclaredSubject) -> DeclaredData<'b> {
        self.point.data(context, subject)
    }

    fn submitted_data(&self, context: &Value, subject: &DeclaredSubject) -> Value {
        self.point.submitted_data(context, subject)
    }

    fn submitted_values<'b>(
        &self,
        context: &'b Value,
        subject: &'b DeclaredSubject,
        places: &[PointerPattern],
    ) -> Vec<Cow<'b, Value>> {
        self.point.submitted_values(context, subject, places)
    }

    fn interpret(&self, subject: &mut DeclaredSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let changes = self.point.interpret(subject, answer)?;
        let command = self.point.decide_command();
        let decides = changes.iter().any(|change| Some(change.command.as_ref()) == command);
        let decision = subject.decision.clone().filter(|_| decides);
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).push(decision);
        Ok(changes)
    }
}

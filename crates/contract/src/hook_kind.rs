//! What differs between the hook types, with the code that it needs: one [`HookKind`] per type.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    Description, ExtensionPoint,
    answer::Answer,
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem},
    profile::ProfileSchema,
};

/// A hook type: everything that differs between the types hangs on it.
///
/// The engine needs none of it but the [`Description`]; the rest is for previews, the judgement of fallback commands and the
/// published schemas.
///
/// ```
/// use tenterhook_contract::{HookKind, BuiltInType};
/// let kind: &dyn HookKind = &**BuiltInType::Saml.kind();
/// assert_eq!(kind.description().event_type, "com.okta.saml.tokens.transform");
/// assert_eq!(kind.sample_requests().len(), 1);
/// ```
pub trait HookKind: Send + Sync {
    /// What can be said of it without code.
    fn description(&self) -> &Description;

    /// Sample request documents, at least one, the first one the base of previews.
    fn sample_requests(&self) -> Vec<&str>;

    /// Sample answers.
    fn sample_answers(&self) -> Vec<&str>;

    /// Every `requestType` of its documents; none where they have no such member.
    fn request_types(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Puts preview inputs into a copy of a sample request.
    ///
    /// # Errors
    /// An input that cannot be used.
    fn fill(&self, inputs: &Inputs, document: &mut Document) -> Result<(), DocumentError>;

    /// Takes out of a document, which somebody wrote, the members that no document of the type has; `false` when the type has
    /// no such members.
    fn leave_out(&self, _document: &mut Document) -> bool {
        false
    }

    /// Masks the members that are sent and never shown, in `data` of a document or in a subject as a preview shows it.
    fn mask(&self, _data: &mut Value) {}

    /// Whether the type itself gives this name to a member of its documents, so that it tells nothing of a person. Inside of a
    /// member that is never shown every other name is as secret as a value: cards may be listed by their numbers.
    fn names_members(&self, _name: &str) -> bool {
        false
    }

    /// Whether the type knows near misses that [`lenient`](Self::lenient) reads as what they mean.
    fn knows_near_misses(&self) -> bool {
        false
    }

    /// The answer as its service means it, for a hook whose policy says so: near misses that services in the field answer become
    /// what the contract says. Everything else stays as it is.
    fn lenient(&self, answer: Answer) -> Answer {
        answer
    }

    /// Tries `answer` on the subject that `document` shows; `schema` is the org's user profile schema.
    ///
    /// # Errors
    /// The member that is missing or has the wrong shape, so that there is no subject to try it on.
    ///
    /// ```
    /// use tenterhook_contract::{HookKind as _, BuiltInType, answer::Answer, preview::Inputs, profile::ProfileSchema};
    /// let kind = BuiltInType::PasswordImport.kind();
    /// let document = kind.sample(&Inputs::default()).unwrap();
    /// let answer = br#"{"commands": [{"type": "com.okta.action.update", "value": {"credential": "VERIFIED"}}]}"#;
    /// let rehearsal = kind.rehearse(&document, &ProfileSchema::base(), Answer::parse(answer).unwrap()).unwrap();
    /// assert_eq!(rehearsal.before["action"]["credential"], "UNVERIFIED");
    /// assert_eq!(rehearsal.result.unwrap().0["action"]["credential"], "VERIFIED");
    /// ```
    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError>;

    /// JSON Schemas of its documents; those of a type that does not say leave `data` and the operands open.
    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        let operands = self.description().commands.iter().map(|_| schemars::Schema::default()).collect();
        crate::type_schemas::TypeSchemas::new::<Value>(generator, &[], operands)
    }

    /// A sample with `inputs` put in.
    ///
    /// # Errors
    /// An input that cannot be used.
    ///
    /// ```
    /// use tenterhook_contract::{HookKind as _, BuiltInType, preview::Inputs};
    /// for hook_type in BuiltInType::ALL {
    ///     let document = hook_type.kind().sample(&Inputs::default()).unwrap();
    ///     assert_eq!(document.get("/eventType").unwrap(), hook_type.as_str());
    /// }
    /// ```
    fn sample(&self, inputs: &Inputs) -> Result<Document, DocumentError> {
        let mut document = Document::of_samples(&self.sample_requests(), &self.description().sample_dates, inputs)?;
        self.fill(inputs, &mut document)?;
        Ok(document)
    }
}

/// An answer tried on the subject of a document: the comparison is its only result.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The subject that the document shows.
    pub before: Value,
    /// The subject after the commands and what they changed, or everything wrong with them.
    pub result: Result<(Value, Vec<Change>), Vec<Problem>>,
    /// Why the same commands cannot be fallback commands ([`ExtensionPoint::known_to_the_service_alone`]).
    pub no_fallback: Option<&'static str>,
    /// Whether a built-in provider must do the work ([`ExtensionPoint::falls_back`]): after the commands, or with the unchanged
    /// subject where they have problems.
    pub falls_back: bool,
}

/// An extension point whose subject can be read back from a document, so that an answer can be tried on it.
pub trait Rehearse: ExtensionPoint {
    /// The subject that `document` shows; `schema` is the org's user profile schema.
    ///
    /// # Errors
    /// The member that is missing or has the wrong shape.
    fn subject_of(&self, document: &Document, schema: &Arc<ProfileSchema>) -> Result<Self::Subject, DocumentError>;

    /// The subject as a preview shows it: the members of `data` that commands can change.
    fn show(&self, subject: &Self::Subject) -> Value;
}

/// [`HookKind::rehearse`] for one extension point.
///
/// # Errors
/// As of [`HookKind::rehearse`].
pub fn rehearse<P: Rehearse>(
    point: &P,
    document: &Document,
    schema: &Arc<ProfileSchema>,
    answer: Answer,
) -> Result<Rehearsal, DocumentError> {
    let mut subject = point.subject_of(document, schema)?;
    let before = point.show(&subject);
    let result = point.interpret(&mut subject, answer).map(|changes| (point.show(&subject), changes));
    let no_fallback = result.as_ref().ok().and_then(|_| point.known_to_the_service_alone(&subject));
    let falls_back = point.falls_back(&subject);
    Ok(Rehearsal { before, result, no_fallback, falls_back })
}

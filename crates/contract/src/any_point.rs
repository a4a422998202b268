//! The built-in types for a host that has no code of ours: context and subject come as the `data` of a document.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value, json};

use crate::{
    Description, ExtensionPoint, HookKind,
    answer::Answer,
    hook_kind::Rehearsal,
    pointer,
    preview::{Document, DocumentError},
    problem::{Change, Problem, ProblemCode},
    profile::ProfileSchema,
};

/// Wrong members of a question that are told.
pub const WRONG_MEMBERS_MAX: usize = 20;

/// An extension point of a type whose context and subject are read out of a document's `data`.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::{AnyPoint, BuiltInType, ExtensionPoint, answer::Answer, profile::ProfileSchema};
/// let point = AnyPoint::new(BuiltInType::PasswordImport.kind().clone());
/// let data = json!({
///     "context": { "credential": { "username": "mei", "password": "pw" } },
///     "action": { "credential": "UNVERIFIED" },
/// });
/// let (_, mut subject) = point.read(data, None, &ProfileSchema::base()).unwrap();
/// let answer = br#"{"commands": [{"type": "com.okta.action.update", "value": {"credential": "VERIFIED"}}]}"#;
/// point.interpret(&mut subject, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!(subject.data()["action"]["credential"], "VERIFIED");
/// ```
#[derive(Clone)]
pub struct AnyPoint(Arc<dyn HookKind>);

/// The `requestType`. Everything else that the service gets is in [`AnySubject::data`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnyContext {
    /// `requestType` of the document, where the type has one.
    pub request_type: Option<String>,
}

/// The subject of an [`AnyPoint`]: the document's `data`, in which commands change what their type lets them change. Its
/// `Debug` shows no values.
#[derive(Clone)]
pub struct AnySubject {
    data: Value,
    /// Members that commands set and that the type's documents do not have: the delivery of a passcode.
    reported: Map<String, Value>,
    request_type: Option<String>,
    schema: Arc<ProfileSchema>,
    falls_back: bool,
    no_fallback: Option<&'static str>,
}

impl PartialEq for AnySubject {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data && self.reported == other.reported && self.falls_back == other.falls_back
    }
}

impl fmt::Debug for AnySubject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.data.as_object().map(|members| members.keys().collect::<Vec<_>>());
        formatter.debug_struct("AnySubject").field("members", &members).finish_non_exhaustive()
    }
}

impl fmt::Debug for AnyPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AnyPoint").field(&self.0.description().event_type).finish()
    }
}

impl AnySubject {
    /// The document's `data`, as the commands left it.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// The document's `data` and the members that commands set beside it, such as `delivery` of a passcode: what a host gets
    /// back.
    pub fn into_result(self) -> Value {
        let mut data = self.data;
        if let Value::Object(members) = &mut data {
            members.extend(self.reported);
        }
        data
    }
}

impl AnyPoint {
    /// The extension point of this type.
    pub fn new(kind: Arc<dyn HookKind>) -> Self {
        Self(kind)
    }

    /// Its type.
    pub fn kind(&self) -> &Arc<dyn HookKind> {
        &self.0
    }

    /// The context and the subject of a question: `data` and `requestType` of a document, and the org's user profile schema.
    ///
    /// # Errors
    /// Every member of the document, such as `/data/action`, that is missing or has the wrong shape: at least one, and
    /// [`WRONG_MEMBERS_MAX`] at most.
    pub fn read(
        &self,
        data: Value,
        request_type: Option<&str>,
        schema: &Arc<ProfileSchema>,
    ) -> Result<(AnyContext, AnySubject), Vec<DocumentError>> {
        let unfit = self.unfit_request_type(request_type);
        if !data.is_object() {
            return Err(unfit.into_iter().chain([DocumentError::wrong("/data", "must be an object")]).collect());
        }
        let request_type = request_type.map(str::to_owned);
        let (reported, schema) = (Map::new(), Arc::clone(schema));
        let mut subject = AnySubject {
            data,
            reported,
            request_type: request_type.clone(),
            schema,
            falls_back: false,
            no_fallback: None,
        };
        if unfit.is_some() {
            // What else is wrong is found with one that there is.
            subject.request_type = self.0.request_types().first().map(|known| (*known).to_owned());
        }
        // An answer that says nothing finds what is wrong with the document, and what holds while nothing has changed.
        match (self.rehearse(&mut subject, Answer::default()), unfit) {
            (Ok(Rehearsal { falls_back, no_fallback, .. }), None) => {
                (subject.falls_back, subject.no_fallback) = (falls_back, no_fallback);
                Ok((AnyContext { request_type }, subject))
            }
            (Ok(_), Some(unfit)) => Err(vec![unfit]),
            (Err(first), unfit) => Err(unfit.into_iter().chain(self.wrong_members(subject, first)).collect()),
        }
    }

    /// What is wrong with a `requestType`.
    fn unfit_request_type(&self, given: Option<&str>) -> Option<DocumentError> {
        let known = self.0.request_types();
        let message = match given {
            None if !known.is_empty() => format!("is required: {}", known.join(", ")),
            Some(_) if known.is_empty() => "This hook type has no request types: leave it out".to_owned(),
            Some(given) if !known.contains(&given) => format!("must be one of {}", known.join(", ")),
            _ => return None,
        };
        Some(DocumentError::wrong("/requestType", &message))
    }

    /// Every wrong member, of which `first` is one. A type finds one at a time: each is replaced by that of the type's sample,
    /// until nothing is wrong, or until the sample has no such member.
    fn wrong_members(&self, mut subject: AnySubject, first: DocumentError) -> Vec<DocumentError> {
        let samples = self.0.sample_requests().into_iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let samples = samples.collect::<Vec<_>>();
        let of_its_type =
            |sample: &&Value| sample.get("requestType").and_then(Value::as_str) == subject.request_type.as_deref();
        let sample = samples.iter().find(of_its_type).or_else(|| samples.first());
        let mut found = vec![first];
        while let (Some(last), true) = (found.last(), found.len() < WRONG_MEMBERS_MAX) {
            let right = sample.and_then(|sample| sample.pointer(&last.field));
            let is_put = right.is_some_and(|right| put(&mut subject.data, &last.field, right));
            if !is_put {
                break;
            }
            match self.rehearse(&mut subject, Answer::default()) {
                Err(next) if found.iter().all(|known| known.field != next.field) => found.push(next),
                _ => break,
            }
        }
        found
    }

    fn rehearse(&self, subject: &mut AnySubject, answer: Answer) -> Result<Rehearsal, DocumentError> {
        // The data is lent to the document, not copied.
        let mut document = Document::of_data(subject.request_type.as_deref(), subject.data.take());
        let rehearsal = self.0.rehearse(&document, &subject.schema, answer);
        subject.data = document.take_data();
        rehearsal
    }
}

impl ExtensionPoint for AnyPoint {
    type Context = AnyContext;
    type Subject = AnySubject;
    type Data<'a> = &'a Value;

    fn description(&self) -> &Description {
        self.0.description()
    }

    fn request_type<'a>(&'a self, context: &'a AnyContext) -> Option<&'a str> {
        context.request_type.as_deref()
    }

    fn falls_back(&self, subject: &AnySubject) -> bool {
        subject.falls_back
    }

    fn known_to_the_service_alone(&self, subject: &AnySubject) -> Option<&'static str> {
        subject.no_fallback
    }

    fn data<'a>(&'a self, _: &'a AnyContext, subject: &'a AnySubject) -> &'a Value {
        &subject.data
    }

    fn interpret(&self, subject: &mut AnySubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let rehearsal = self.rehearse(subject, answer).map_err(|error| {
            // The question was read before, so this is a change of an earlier hook that made its subject unreadable.
            let message = format!("The subject cannot be read: {error}");
            vec![Problem { code: ProblemCode::WrongShape, pointer: String::new(), message, hint: None }]
        })?;
        let Rehearsal { before, result, no_fallback, falls_back } = rehearsal;
        let (after, changes) = result?;
        if changes.is_empty() {
            return Ok(changes);
        }
        let AnySubject { data, reported, .. } = subject;
        carry_over(data, reported, &before, after);
        (subject.falls_back, subject.no_fallback) = (falls_back, no_fallback);
        Ok(changes)
    }
}

/// Puts a value at the place of `data` that the pointer `/data/…` leads to; `false` when it leads to none.
fn put(data: &mut Value, place: &str, value: &Value) -> bool {
    let tokens = place.strip_prefix("/data").and_then(|below| pointer::tokens(below).ok()).unwrap_or_default();
    let Some((last, parents)) = tokens.split_last() else { return false };
    let parent = parents.iter().try_fold(data, |parent, name| pointer::child_mut(parent, name));
    match parent {
        Some(Value::Object(members)) => drop(members.insert(last.clone().into_owned(), value.clone())),
        Some(parent) => match pointer::child_mut(parent, last) {
            Some(element) => element.clone_from(value),
            None => return false,
        },
        None => return false,
    }
    true
}

/// Changes in `data` what differs between `before` and `after`, the members of `data` that the type shows; those that `data` does
/// not have go to `reported`.
fn carry_over(data: &mut Value, reported: &mut Map<String, Value>, before: &Value, after: Value) {
    static NOTHING: LazyLock<Value> = LazyLock::new(|| json!({}));
    let (Value::Object(members), Value::Object(after)) = (data, after) else { return };
    for (name, after) in after {
        match (members.get_mut(&name), before.get(&name)) {
            (Some(member), Some(before)) => apply_difference(member, before, after),
            (Some(member), None) => apply_difference(member, &NOTHING, after),
            (None, Some(before)) if *before == after => {}
            (None, _) => drop(reported.insert(name, after)),
        }
    }
}

/// Changes in `target` what differs between `before` and `after`, and nothing else.
fn apply_difference(target: &mut Value, before: &Value, after: Value) {
    if *before == after {
        return;
    }
    match (target, before, after) {
        (Value::Object(target), Value::Object(before), Value::Object(after)) => {
            for name in before.keys().filter(|name| !after.contains_key(*name)) {
                // `shift_remove` keeps the order of the other members.
                target.shift_remove(name);
            }
            for (name, after) in after {
                match (target.get_mut(&name), before.get(&name)) {
                    (Some(member), Some(before)) => apply_difference(member, before, after),
                    (_, Some(before)) if *before == after => {}
                    _ => drop(target.insert(name, after)),
                }
            }
        }
        (target, _, after) => *target = after,
    }
}

//! A declared extension point, checked and ready.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use serde_json::Value;

use super::{
    AllowedOperation, Declaration, DeclaredData, OnFailure, OnRefusal, SchemaViolation, check,
    data::{self, Hidden},
    interpreter, sample,
    schema::Schema,
};
use crate::{
    Description, ErrorDefault, ExtensionPoint, FailureDefault, HookKind, MASK,
    answer::Answer,
    description::{CommandRule, Names, Shape},
    hook_kind::{Rehearsal, Rehearse, rehearse},
    limits::{PROBLEMS_SHOWN_MAX, VALUE_DEPTH_MAX},
    plain_json,
    pointer_pattern::PointerPattern,
    preview::{Document, DocumentError, Inputs},
    problem::{Change, Problem, shown},
    profile::ProfileSchema,
};

/// A member of a declaration that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct DeclarationProblem {
    /// Which member of the resource: a JSON Pointer (RFC 6901), such as `/operations/2/path`.
    pub pointer: String,
    /// What is wrong and what to write.
    pub message: String,
}

/// What commands may change at a declared extension point. Its `Debug` shows no values.
#[derive(Clone, PartialEq)]
pub struct DeclaredSubject {
    /// The subject: JSON that satisfies the subject's schema.
    pub value: Value,
    /// The decision as it stands; `None` where the point has none, or while the default one stands.
    pub decision: Option<String>,
}

impl fmt::Debug for DeclaredSubject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.value.as_object().map(|members| members.keys().collect::<Vec<_>>());
        formatter
            .debug_struct("DeclaredSubject")
            .field("members", &names)
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}

/// A declared extension point: it sends the context and the subject without their sensitive members, and applies the commands
/// `TYPE.patch` and `TYPE.decide`.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::{ExtensionPoint, answer::Answer, declared::DeclaredPoint};
/// let declaration = serde_json::from_value(json!({
///     "type": "com.example.order.checkout", "title": "Order checkout", "version": "1.0",
///     "contextSchema": { "type": "object" },
///     "subjectSchema": { "type": "object", "properties": { "total": { "type": "number", "minimum": 0 } } },
///     "operations": [{ "op": "replace", "path": "/total" }],
///     "decisions": { "names": ["ALLOW", "DENY"], "default": "ALLOW" },
///     "onFailure": "CONTINUE", "onRefusal": "STOP", "retry": "NEVER", "timeoutMs": 3000,
/// }));
/// let point = DeclaredPoint::compile(declaration.unwrap()).unwrap();
/// let mut subject = point.subject(json!({ "total": 40 })).unwrap();
/// let answer = br#"{"commands": [
///     {"type": "com.example.order.checkout.patch", "value": [{"op": "replace", "path": "/total", "value": 30}]},
///     {"type": "com.example.order.checkout.decide", "value": {"decision": "DENY"}}
/// ]}"#;
/// point.interpret(&mut subject, Answer::parse(answer).unwrap()).unwrap();
/// assert_eq!((&subject.value["total"], subject.decision.as_deref()), (&json!(30), Some("DENY")));
///
/// let answer = br#"{"commands": [
///     {"type": "com.example.order.checkout.patch", "value": [{"op": "replace", "path": "/total", "value": -1}]}
/// ]}"#;
/// let problems = point.interpret(&mut subject, Answer::parse(answer).unwrap()).unwrap_err();
/// assert_eq!(problems[0].pointer, "/commands/0/value/0");
/// assert_eq!(problems[0].message, "The subject would not satisfy its schema: `/total` must be at least 0");
/// ```
pub struct DeclaredPoint {
    declaration: Declaration,
    description: Description,
    parts: Parts,
    sample_requests: Vec<String>,
    sample_answers: Vec<String>,
}

/// The parts of a declaration that were compiled.
pub(super) struct Parts {
    pub(super) context: Schema,
    pub(super) subject: Schema,
    /// In the declared order.
    pub(super) operations: Vec<PointerPattern>,
    pub(super) sensitive: Hidden,
    /// The names that the schemas give to members.
    pub(super) names: HashSet<String>,
}

impl fmt::Debug for DeclaredPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DeclaredPoint").field("name", &self.declaration.name).finish_non_exhaustive()
    }
}

impl DeclaredPoint {
    /// Checks a declaration and makes it ready.
    ///
    /// # Errors
    /// Everything that is wrong with it, at least one problem.
    pub fn compile(declaration: Declaration) -> Result<Self, Vec<DeclarationProblem>> {
        let parts = check::check(&declaration)?;
        let description = describe(&declaration);
        let mut point =
            Self { declaration, description, parts, sample_requests: Vec::new(), sample_answers: Vec::new() };
        (point.sample_requests, point.sample_answers) = sample::samples(&point);
        Ok(point)
    }

    /// What was declared.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Whether `context` satisfies its schema.
    ///
    /// # Errors
    /// The places where it does not, the first [`PROBLEMS_SHOWN_MAX`] of them.
    pub fn check_context(&self, context: &Value) -> Result<(), Vec<SchemaViolation>> {
        check_value(&self.parts.context, context)
    }

    /// The subject of a question, with the default decision.
    ///
    /// # Errors
    /// The places where `value` does not satisfy the subject's schema, the first [`PROBLEMS_SHOWN_MAX`] of them.
    pub fn subject(&self, value: Value) -> Result<DeclaredSubject, Vec<SchemaViolation>> {
        check_value(&self.parts.subject, &value)?;
        Ok(self.unchecked_subject(value))
    }

    /// A subject that is not checked: what a document shows lacks the sensitive members.
    pub(super) fn unchecked_subject(&self, value: Value) -> DeclaredSubject {
        let decision = self.declaration.decisions.as_ref().map(|decisions| decisions.default.clone());
        DeclaredSubject { value, decision }
    }

    /// The operations with their patterns, in the declared order.
    pub(super) fn operations(&self) -> impl Iterator<Item = (&AllowedOperation, &PointerPattern)> {
        self.declaration.operations.iter().zip(&self.parts.operations)
    }

    /// The rules of the commands that change the subject and that decide.
    pub(super) fn commands(&self) -> [Option<&CommandRule>; 2] {
        let mut commands = self.description.commands.iter();
        [commands.next(), commands.next()]
    }

    /// The name of the command that decides; `None` where the point has no decisions.
    pub fn decide_command(&self) -> Option<&str> {
        let [_, decide] = self.commands();
        decide.map(|rule| rule.name.as_ref())
    }

    pub(super) fn subject_schema(&self) -> &Schema {
        &self.parts.subject
    }
}

/// The places where `value` does not satisfy its schema. Deeper values than a hook may set are refused, so that what is made
/// from both can be written and read again.
fn check_value(schema: &Schema, value: &Value) -> Result<(), Vec<SchemaViolation>> {
    if !plain_json::is_nested_at_most(value, VALUE_DEPTH_MAX) {
        let message = format!("must not have more than {VALUE_DEPTH_MAX} arrays and objects inside each other");
        return Err(vec![SchemaViolation { pointer: String::new(), message }]);
    }
    let found = schema.violations(value).take(PROBLEMS_SHOWN_MAX).collect::<Vec<_>>();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn describe(declaration: &Declaration) -> Description {
    let name = &declaration.name;
    let of_its_name = Description::of(name.clone());
    let decisions = declaration.decisions.as_ref();
    let decide = decisions.map(|_| CommandRule {
        name: format!("{name}.decide").into(),
        shape: Shape::Object,
        members: Names::from(vec!["decision".to_owned()]),
        misnamed: Names::from(
            ["decision", "decisions", "action", "action.update", "result"]
                .map(|word| format!("{name}.{word}"))
                .to_vec(),
        ),
    });
    Description {
        event_type_version: declaration.version.clone().into(),
        title: declaration.title.clone().into(),
        commands: of_its_name.commands.iter().cloned().chain(decide).collect(),
        default_outcome: match decisions {
            Some(decisions) => format!("the subject stays as it is and the decision is {}", decisions.default).into(),
            None => of_its_name.default_outcome,
        },
        timeout_ms: declaration.timeout_ms,
        retry: declaration.retry.into(),
        failure: match declaration.on_failure {
            OnFailure::Continue => FailureDefault::Continue,
            OnFailure::Stop => FailureDefault::Stop,
        },
        error: match declaration.on_refusal {
            OnRefusal::Stop => ErrorDefault::Refuse,
            OnRefusal::Continue => ErrorDefault::Continue,
        },
        secret_members: Names::from(declaration.masked.clone()),
        unsent_members: Names::from(declaration.sensitive.clone()),
        ..of_its_name
    }
}

impl ExtensionPoint for DeclaredPoint {
    type Context = Value;
    type Subject = DeclaredSubject;
    type Data<'a> = DeclaredData<'a>;

    fn description(&self) -> &Description {
        &self.description
    }

    fn data<'a>(&'a self, context: &'a Value, subject: &'a DeclaredSubject) -> DeclaredData<'a> {
        DeclaredData::new(&self.declaration, &self.parts.sensitive, context, subject)
    }

    /// With the sensitive members.
    fn submitted_data(&self, context: &Value, subject: &DeclaredSubject) -> Value {
        let nothing = Hidden::default();
        let data = DeclaredData::new(&self.declaration, &nothing, context, subject);
        serde_json::to_value(data).unwrap_or_default()
    }

    fn submitted_values<'a>(
        &self,
        context: &'a Value,
        subject: &'a DeclaredSubject,
        places: &[PointerPattern],
    ) -> Vec<Cow<'a, Value>> {
        let members = [("context", context), ("subject", &subject.value)];
        places.iter().flat_map(|place| place.find_among(&members)).map(Cow::Borrowed).collect()
    }

    fn interpret(&self, subject: &mut DeclaredSubject, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        interpreter::interpret(self, subject, answer)
    }
}

impl Rehearse for DeclaredPoint {
    /// The subject that the document shows. It is not checked against the schema: its sensitive members are not there.
    fn subject_of(&self, document: &Document, _: &Arc<ProfileSchema>) -> Result<DeclaredSubject, DocumentError> {
        let mut subject = self.unchecked_subject(document.get("/data/subject")?.clone());
        if let (Some(decisions), Some(decision)) = (&self.declaration.decisions, document.find("/data/decision")) {
            let known = decisions.names.iter().find(|name| decision == name.as_str());
            let known = known.ok_or_else(|| {
                DocumentError::wrong("/data/decision", &format!("must be {}", decisions.names.join(" or ")))
            })?;
            subject.decision = Some(known.clone());
        }
        Ok(subject)
    }

    fn show(&self, subject: &DeclaredSubject) -> Value {
        let nothing = Value::Null;
        // What the service gets shows no sensitive member, and a preview shows none either.
        let mut shown = serde_json::to_value(self.data(&nothing, subject)).unwrap_or_default();
        if let Some(members) = shown.as_object_mut() {
            members.retain(|name, _| name == "subject" || name == "decision");
        }
        shown
    }
}

impl HookKind for DeclaredPoint {
    fn description(&self) -> &Description {
        &self.description
    }

    /// One for each of the declared samples. Without any, one that is made from the schemas: it does not satisfy them where
    /// they ask for more than types, bounds and listed values.
    fn sample_requests(&self) -> Vec<&str> {
        self.sample_requests.iter().map(String::as_str).collect()
    }

    /// Made from the operations and the decisions.
    fn sample_answers(&self) -> Vec<&str> {
        self.sample_answers.iter().map(String::as_str).collect()
    }

    fn fill(&self, _: &Inputs, _: &mut Document) -> Result<(), DocumentError> {
        Ok(())
    }

    fn leave_out(&self, document: &mut Document) -> bool {
        if let Some(data) = document.data_mut() {
            *data = data::without(data, &self.parts.sensitive);
        }
        !self.declaration.sensitive.is_empty()
    }

    fn names_members(&self, name: &str) -> bool {
        self.parts.names.contains(name)
    }

    fn mask(&self, data: &mut Value) {
        for pattern in &self.declaration.masked {
            if let Ok(pattern) = pattern.parse::<PointerPattern>() {
                pattern.replace(data, &MASK.into());
            }
        }
    }

    #[cfg(feature = "schema")]
    fn schemas(&self, generator: &mut schemars::SchemaGenerator) -> crate::type_schemas::TypeSchemas {
        super::document_schema::schemas(&self.declaration, generator)
    }

    fn rehearse(
        &self,
        document: &Document,
        schema: &Arc<ProfileSchema>,
        answer: Answer,
    ) -> Result<Rehearsal, DocumentError> {
        rehearse(self, document, schema, answer)
    }
}

/// `names` for a message: `` `A`, `B` or `C` ``.
pub(super) fn alternatives(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

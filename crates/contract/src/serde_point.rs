//! An extension point of a compiled program: its context and its subject are types of that program.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Description, ExtensionPoint, HookKind, HookTypeName, Timestamp,
    answer::{Answer, Command, unknown_command},
    envelope::Envelope,
    hook_kind::{Rehearsal, Rehearse, rehearse},
    id::EventId,
    limits::OPERATIONS_MAX,
    patch::{Operations, Root, each_operation, edit_subject, too_many_operations},
    preview::{Document, DocumentError, Inputs, SAMPLES_SENT_MICROS},
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order, shown},
    profile::ProfileSchema,
};

/// An extension point whose context and subject are types of the program that embeds it.
///
/// A document's `data` is `{"context": …, "subject": …}`, both as serde writes them. There is one command, `TYPE.patch`, with
/// operations (`add`, `replace`, `remove`) on the written subject; the result is read back into the type. So the type says what
/// a service may do: what must not be changed belongs into the context, and what must not be set is refused by the type's
/// `Deserialize`. A [rule](Self::with_rule) can compare the subjects before and after.
///
/// An answer is applied completely or not at all. Problems have the pointer of the operation that caused them, and show no
/// values.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tenterhook_contract::{ExtensionPoint, SerdePoint, answer::Answer};
/// #[derive(Serialize)]
/// struct Customer { country: String }
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Cart { total: u32, discounts: Vec<u32> }
///
/// let checkout: SerdePoint<Customer, Cart> = SerdePoint::of("com.example.order.checkout".parse()?)
///     .with_rule(|before: &Cart, after| if after.total <= before.total { Ok(()) } else { Err("The total cannot grow") });
/// let mut cart = Cart { total: 40, discounts: vec![] };
/// let answer = br#"{"commands": [{"type": "com.example.order.checkout.patch", "value": [
///     {"op": "add", "path": "/discounts/-", "value": 10},
///     {"op": "replace", "path": "/total", "value": 30}
/// ]}]}"#;
/// checkout.interpret(&mut cart, Answer::parse_for(answer, checkout.description()).unwrap()).unwrap();
/// assert_eq!(cart, Cart { total: 30, discounts: vec![10] });
///
/// let answer = br#"{"commands": [{"type": "com.example.order.checkout.patch", "value": [
///     {"op": "add", "path": "/discounts/-", "value": 10},
///     {"op": "replace", "path": "/total", "value": "free"}
/// ]}]}"#;
/// let problems = checkout.interpret(&mut cart, Answer::parse_for(answer, checkout.description()).unwrap()).unwrap_err();
/// assert_eq!((problems[0].pointer.as_str(), problems[0].hint.as_deref()), ("/commands/0/value/1", Some("Expected u32")));
/// assert_eq!(cart.discounts, [10]);
/// # Ok::<(), tenterhook_contract::HookTypeNameError>(())
/// ```
pub struct SerdePoint<C, S> {
    description: Description,
    rule: Option<Rule<S>>,
    samples: Vec<String>,
    types: PhantomData<fn(C) -> S>,
}

/// Judges the subjects before and after; the text says what is wrong and holds no values.
type Rule<S> = Box<dyn Fn(&S, &S) -> Result<(), &'static str> + Send + Sync>;

impl<C, S> SerdePoint<C, S> {
    /// An extension point with the defaults of [`Description::of`].
    pub fn of(name: HookTypeName) -> Self {
        Self::new(Description::of(name))
    }

    /// An extension point that is described otherwise: `Description { failure: FailureDefault::Stop, ..Description::of(name) }`.
    /// The operand of each of its commands is a patch of the subject.
    pub fn new(description: Description) -> Self {
        Self { description, rule: None, samples: Vec::new(), types: PhantomData }
    }

    /// Refuses commands by the subjects before and after them; the error is a sentence for the log, which cannot hold a value.
    /// It replaces an earlier rule.
    #[must_use]
    pub fn with_rule(self, rule: impl Fn(&S, &S) -> Result<(), &'static str> + Send + Sync + 'static) -> Self {
        Self { rule: Some(Box::new(rule)), ..self }
    }

    /// The name of its type, for the hooks that are called here.
    pub fn name(&self) -> &HookTypeName {
        &self.description.event_type
    }
}

impl<C: Serialize, S: Serialize> SerdePoint<C, S> {
    /// Adds a document to its samples. A server that has the type in its catalogue makes previews of the first one; calls need
    /// none. What cannot be written as JSON adds nothing.
    #[must_use]
    pub fn with_sample(mut self, context: &C, subject: &S) -> Self {
        let (event_id, at) = (EventId::from_entropy([0; 16]), Timestamp::from_micros(SAMPLES_SENT_MICROS));
        let data = SerdeData { context, subject };
        let document = Envelope::new(&event_id, at, &self.description, "", None, data);
        self.samples.extend(serde_json::to_string(&document));
        self
    }
}

impl<C, S> fmt::Debug for SerdePoint<C, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SerdePoint").field("description", &self.description).finish_non_exhaustive()
    }
}

/// `data` of a [`SerdePoint`].
#[derive(Serialize)]
pub struct SerdeData<'a, C, S> {
    context: &'a C,
    subject: &'a S,
}

/// Why a patched subject is not one.
#[derive(PartialEq)]
enum Misfit {
    /// Its type does not read it; what was expected, where serde says it without a value.
    Type(Option<String>),
    /// The rule of the extension point.
    Rule(&'static str),
}

/// A subject after operations.
struct Patched {
    value: Value,
    /// The operations that were done: command and number in it.
    done: Vec<(usize, usize)>,
    changes: Vec<Change>,
    problems: Vec<Problem>,
}

impl<C, S> SerdePoint<C, S>
where
    S: Serialize + DeserializeOwned,
{
    /// Does the first `operations_max` operations of `commands`.
    fn patch(&self, value: Value, commands: Vec<Command>, operations_max: usize) -> Patched {
        let mut patched = Patched { value, done: Vec::new(), changes: Vec::new(), problems: Vec::new() };
        let mut operations = 0;
        for command in commands {
            let index = command.place;
            let Some(rule) = self.description.command(&command.kind) else {
                patched.problems.push(unknown_command(&self.description, index, &command.kind));
                continue;
            };
            let Patched { value, done, changes, problems } = &mut patched;
            let form = (Root::Subject, Operations::All);
            operations += each_operation(index, command, rule, form, (changes, problems), |number, location, edit| {
                if done.len() >= operations_max {
                    return Ok(());
                }
                done.push((index, number));
                location.names().and_then(|names| edit_subject(location, value, &names, edit)).map_err(|refused| {
                    match refused.code {
                        ProblemCode::BadValue => ("/value", refused),
                        _ => ("/path", refused),
                    }
                })
            });
            if operations > OPERATIONS_MAX {
                patched.problems.push(too_many_operations(index, Root::Subject));
                break;
            }
        }
        patched
    }

    fn read(&self, before: &S, value: Value) -> Result<S, Misfit> {
        let after = serde_json::from_value(value).map_err(|error| Misfit::Type(expected(&error.to_string())))?;
        match self.rule.as_ref().map_or(Ok(()), |rule| rule(before, &after)) {
            Ok(()) => Ok(after),
            Err(text) => Err(Misfit::Rule(text)),
        }
    }

    /// The problem that the operations result in no subject, at the one that did it: before it, the reason was not there.
    fn problem_of(&self, before: &S, commands: &[Command], misfit: &Misfit) -> Problem {
        let unpatched = match written(before) {
            Ok(unpatched) => unpatched,
            Err(problem) => return problem,
        };
        let part = |operations| self.patch(unpatched.clone(), commands.to_vec(), operations);
        let done = part(usize::MAX).done;
        let fails = |operations| self.read(before, part(operations).value).is_err_and(|other| other == *misfit);
        let (mut good, mut bad) = (0, done.len());
        while good + 1 < bad {
            let middle = usize::midpoint(good, bad);
            if fails(middle) {
                bad = middle;
            } else {
                good = middle;
            }
        }
        let refused = match misfit {
            Misfit::Type(expected) => {
                let hint = expected.as_deref().unwrap_or("A rule of its type does not allow it");
                Refused::new(ProblemCode::SchemaViolation, "The subject would not fit its type").hint(hint.to_owned())
            }
            Misfit::Rule(text) => {
                Refused::new(ProblemCode::SchemaViolation, format!("The subject would break a rule: {text}"))
            }
        };
        let place = done.get(bad.saturating_sub(1));
        refused
            .at(place.map_or("/commands".to_owned(), |(command, number)| format!("/commands/{command}/value/{number}")))
    }
}

/// The subject as JSON, or the problem that there is none.
fn written<S: Serialize>(subject: &S) -> Result<Value, Problem> {
    serde_json::to_value(subject).map_err(|_| {
        let refused = Refused::new(ProblemCode::SchemaViolation, "The subject cannot be written as JSON");
        refused.at("/commands".to_owned())
    })
}

/// What serde says was expected, without the value that it found in its place. A text of the type's own, which could hold
/// values, is not shown.
fn expected(error: &str) -> Option<String> {
    if let Some(field) = error.strip_prefix("missing field ") {
        return Some(format!("{} is missing", shown(field)));
    }
    let kinds = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `", "unknown field `"];
    if !kinds.iter().any(|kind| error.starts_with(kind)) {
        return None;
    }
    let (_, expected) = error.rsplit_once(", expected ")?;
    Some(format!("Expected {}", shown(expected)))
}

impl<C, S> ExtensionPoint for SerdePoint<C, S>
where
    C: Serialize,
    S: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync,
{
    type Context = C;
    type Subject = S;
    type Data<'a>
        = SerdeData<'a, C, S>
    where
        Self: 'a;

    fn description(&self) -> &Description {
        &self.description
    }

    fn data<'a>(&'a self, context: &'a C, subject: &'a S) -> SerdeData<'a, C, S> {
        SerdeData { context, subject }
    }

    fn interpret(&self, subject: &mut S, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let unpatched = written(subject).map_err(|problem| vec![problem])?;
        let patched = self.patch(unpatched, answer.commands.clone(), usize::MAX);
        let mut problems = answer.problems;
        problems.extend(patched.problems);
        if !problems.is_empty() {
            return Err(in_answers_order(problems));
        }
        match self.read(subject, patched.value) {
            Ok(after) => {
                *subject = after;
                Ok(patched.changes)
            }
            Err(misfit) => Err(vec![self.problem_of(subject, &answer.commands, &misfit)]),
        }
    }
}

impl<C, S> Rehearse for SerdePoint<C, S>
where
    C: Serialize,
    S: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync,
{
    fn subject_of(&self, document: &Document, _: &Arc<ProfileSchema>) -> Result<S, DocumentError> {
        let written = document.get("/data/subject")?;
        serde_json::from_value(written.clone()).map_err(|error| {
            let expected = expected(&error.to_string());
            DocumentError::wrong("/data/subject", expected.as_deref().unwrap_or("A rule of its type does not allow it"))
        })
    }

    fn show(&self, subject: &S) -> Value {
        json!({ "subject": subject })
    }
}

impl<C, S> HookKind for SerdePoint<C, S>
where
    C: Serialize,
    S: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync,
{
    fn description(&self) -> &Description {
        &self.description
    }

    fn sample_requests(&self) -> Vec<&str> {
        self.samples.iter().map(String::as_str).collect()
    }

    fn sample_answers(&self) -> Vec<&str> {
        Vec::new()
    }

    fn fill(&self, _: &Inputs, _: &mut Document) -> Result<(), DocumentError> {
        Ok(())
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

//! Reads a request into a declaration that compiles.

use serde_json::Value;
use tenterhook_contract::{
    HookTypeName, HookTypes, OperationKind,
    declared::{
        AllowedOperation, Decisions, Declaration, DeclarationProblem, DeclaredPoint, DeclaredRetry, OnFailure,
        OnRefusal,
    },
    limits::{POINT_OPERATIONS_MAX, POINT_SAMPLES_MAX},
};

use super::MODEL;
use crate::{
    administrator::ManagementError,
    request::{BLANK, Causes, Given, Submitted},
};

/// What a request says of an extension point. It has no `Debug`: samples may hold what nobody should read in a log.
#[derive(Clone, Default)]
pub struct ExtensionPointRequest {
    /// The type of its hooks.
    pub point_type: Given<String>,
    /// What people call it.
    pub title: Given<String>,
    /// For people.
    pub description: Given<String>,
    /// `eventTypeVersion` of its documents; `1.0` when absent.
    pub version: Given<String>,
    /// JSON Schema of what no command changes.
    pub context_schema: Given<Value>,
    /// JSON Schema of what commands may change.
    pub subject_schema: Given<Value>,
    /// What commands may do; nothing when absent.
    pub operations: Given<Vec<OperationRequest>>,
    /// The decisions that a service may make.
    pub decisions: DecisionsRequest,
    /// Members that no service gets and no log has; conditions can use them.
    pub sensitive: Given<Vec<String>>,
    /// Members that are never logged or shown.
    pub masked: Given<Vec<String>>,
    /// `CONTINUE` or `STOP`.
    pub on_failure: Given<String>,
    /// `STOP` or `CONTINUE`.
    pub on_refusal: Given<String>,
    /// `NEVER` or `ONCE`.
    pub retry: Given<String>,
    /// The budget of one attempt.
    pub timeout_ms: Given<u32>,
    /// Questions for previews.
    pub samples: Given<Vec<Value>>,
}

/// What a request says of one operation.
#[derive(Clone, Default)]
pub struct OperationRequest {
    /// `add`, `replace` or `remove`.
    pub op: Given<String>,
    /// Where.
    pub path: Given<String>,
}

/// What a request says of decisions.
#[derive(Clone, Default)]
pub struct DecisionsRequest {
    /// Their names.
    pub names: Given<Vec<String>>,
    /// The one that stands when no service decides.
    pub default: Given<String>,
}

/// `eventTypeVersion` where a request names none.
const VERSION: &str = "1.0";
/// `timeoutMs` where a request names none.
const TIMEOUT_MS: u32 = 3_000;
/// Stands for a `type` that cannot be read, so that the other members are checked all the same.
const UNNAMED: &str = "example.unnamed";

const OPERATIONS: [(&str, OperationKind); 3] =
    [("add", OperationKind::Add), ("replace", OperationKind::Replace), ("remove", OperationKind::Remove)];
const ON_FAILURE: [(&str, OnFailure); 2] = [("CONTINUE", OnFailure::Continue), ("STOP", OnFailure::Stop)];
const ON_REFUSAL: [(&str, OnRefusal); 2] = [("STOP", OnRefusal::Stop), ("CONTINUE", OnRefusal::Continue)];
const RETRIES: [(&str, DeclaredRetry); 2] = [("NEVER", DeclaredRetry::Never), ("ONCE", DeclaredRetry::Once)];

/// The extension point that a request declares. `stored` is the one that it replaces, whose type stays; members that are
/// absent have their defaults.
///
/// # Errors
/// Everything that is wrong with the request.
pub(super) fn read(
    submitted: &Submitted<ExtensionPointRequest>,
    stored: Option<&DeclaredPoint>,
    types: &HookTypes,
) -> Result<DeclaredPoint, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    if !submitted.is_object {
        return Err(causes.into_error());
    }
    let name = read_type(&mut causes, &request.point_type, stored, types);
    let Some(name) = name.or_else(|| UNNAMED.parse().ok()) else { return Err(causes.into_error()) };
    let declaration = Declaration {
        name,
        title: causes.line("title", &request.title),
        description: causes.given("description", &request.description).filter(|text| !text.trim().is_empty()).cloned(),
        version: causes.given("version", &request.version).cloned().unwrap_or_else(|| VERSION.to_owned()),
        context_schema: schema(&mut causes, "contextSchema", &request.context_schema),
        subject_schema: schema(&mut causes, "subjectSchema", &request.subject_schema),
        operations: operations(&mut causes, &request.operations),
        decisions: decisions(&mut causes, &request.decisions),
        sensitive: causes.texts("sensitive", &request.sensitive),
        masked: causes.texts("masked", &request.masked),
        on_failure: one_of(&mut causes, "onFailure", &request.on_failure, &ON_FAILURE).unwrap_or(OnFailure::Continue),
        on_refusal: one_of(&mut causes, "onRefusal", &request.on_refusal, &ON_REFUSAL).unwrap_or(OnRefusal::Stop),
        retry: one_of(&mut causes, "retry", &request.retry, &RETRIES).unwrap_or(DeclaredRetry::Never),
        timeout_ms: causes.plain("timeoutMs", &request.timeout_ms, TIMEOUT_MS),
        samples: items(&mut causes, "samples", &request.samples, POINT_SAMPLES_MAX).to_vec(),
    };
    match DeclaredPoint::compile(declaration) {
        Ok(point) => {
            causes.finish()?;
            Ok(point)
        }
        Err(problems) => {
            // Where a member cannot be read, a default stands in its place, whose problems are not those of the request.
            let read = problems.into_iter().filter(|problem| !causes.is_about(first_segment(&problem.pointer)));
            for problem in read.collect::<Vec<_>>() {
                causes.add(&member_of(&problem), &problem.message);
            }
            Err(causes.into_error())
        }
    }
}

fn read_type(
    causes: &mut Causes,
    given: &Given<String>,
    stored: Option<&DeclaredPoint>,
    types: &HookTypes,
) -> Option<HookTypeName> {
    let stored = stored.map(|stored| &stored.declaration().name);
    let text = match (given, stored) {
        (Given::Absent, Some(stored)) => return Some(stored.clone()),
        (Given::Is(name), Some(stored)) if *stored == name.as_str() => return Some(stored.clone()),
        (Given::Is(_) | Given::Wrong, Some(stored)) => {
            causes.add("type", "The type of an extension point cannot be changed");
            return Some(stored.clone());
        }
        (given, None) => causes.required("type", given)?,
    };
    match text.parse::<HookTypeName>() {
        // Types that differ by case only would be taken for each other.
        Ok(name) if types.iter().any(|kind| kind.description().event_type.eq_ignore_ascii_case(&name)) => {
            causes.add("type", "An extension point with this type already exists, whether letters are capital or not");
            None
        }
        Ok(name) => Some(name),
        Err(error) => {
            causes.add("type", &error.to_string());
            None
        }
    }
}

fn schema(causes: &mut Causes, member: &str, given: &Given<Value>) -> Value {
    given.value().cloned().unwrap_or_else(|| {
        causes.add(member, BLANK);
        Value::Bool(true)
    })
}

fn operations(causes: &mut Causes, given: &Given<Vec<OperationRequest>>) -> Vec<AllowedOperation> {
    let requests = items(causes, "operations", given, POINT_OPERATIONS_MAX);
    let read = requests.iter().enumerate().filter_map(|(place, request)| {
        let path = required(causes, &format!("operations[{place}].path"), &request.path);
        let member = format!("operations[{place}].op");
        if !request.op.is_given() {
            causes.add(&member, BLANK);
        }
        let op = one_of(causes, &member, &request.op, &OPERATIONS);
        Some(AllowedOperation { op: op?, path: path? })
    });
    read.collect()
}

/// The items of a list, none when there are too many to read: a cause for each would be as long as the request. Lists of texts have the
/// bound of [`Causes::texts`].
fn items<'a, T>(causes: &mut Causes, member: &str, given: &'a Given<Vec<T>>, items_max: usize) -> &'a [T] {
    let items = causes.given(member, given).map(Vec::as_slice).unwrap_or_default();
    if items.len() > items_max {
        causes.add(member, &format!("At most {items_max} {member}"));
        return &[];
    }
    items
}

/// A text that may be empty, such as the pointer to the whole subject.
fn required(causes: &mut Causes, member: &str, given: &Given<String>) -> Option<String> {
    if !given.is_given() {
        causes.add(member, BLANK);
    }
    causes.given(member, given).cloned()
}

fn decisions(causes: &mut Causes, request: &DecisionsRequest) -> Option<Decisions> {
    if !request.names.is_given() && !request.default.is_given() {
        return None;
    }
    if !request.names.is_given() {
        causes.add("decisions.names", BLANK);
    }
    let names = causes.texts("decisions.names", &request.names);
    let default = causes.required("decisions.default", &request.default);
    Some(Decisions { names, default: default.unwrap_or_default() })
}

/// `None` where the member is absent, or has a problem that has been noted.
fn one_of<T: Copy>(causes: &mut Causes, member: &str, given: &Given<String>, choices: &[(&str, T)]) -> Option<T> {
    let found = match given {
        Given::Absent => return None,
        Given::Is(name) => choices.iter().find(|(own, _)| own == name).map(|(_, value)| *value),
        Given::Wrong => None,
    };
    if found.is_none() {
        causes.none_of(member, choices.iter().map(|(name, _)| *name));
    }
    found
}

fn first_segment(pointer: &str) -> &str {
    pointer.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// The name of the member that a problem is about, as causes write it: `operations[0].path`. Schemas and samples are
/// documents of their own, into which the rest is a JSON Pointer: `contextSchema/properties/country`.
fn member_of(problem: &DeclarationProblem) -> String {
    let member = first_segment(&problem.pointer);
    let rest = problem.pointer.trim_start_matches('/').get(member.len()..).unwrap_or_default();
    if member.is_empty() {
        return MODEL.to_owned();
    }
    if matches!(member, "contextSchema" | "subjectSchema") {
        return format!("{member}{rest}");
    }
    let mut named = member.to_owned();
    let mut segments = rest.split('/').skip(1);
    while let Some(segment) = segments.next() {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) && !segment.is_empty() {
            named = format!("{named}[{segment}]");
            if member == "samples" {
                return segments.fold(named, |named, segment| named + "/" + segment);
            }
        } else {
            named.push('.');
            named.push_str(segment);
        }
    }
    named
}

//! Interprets the commands of an answer at a declared extension point: in order, all or none.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use super::{AllowedOperation, DeclaredPoint, DeclaredSubject, SchemaViolation, point::alternatives};
use crate::{
    HookKind, OperationKind,
    answer::{Answer, Command, Operand, unknown_command},
    limits::{OPERATIONS_MAX, PROBLEMS_SHOWN_MAX},
    patch::{self, Edit, Location, Operations, Root, each_operation, too_many_operations},
    pointer,
    pointer_pattern::PatternName,
    problem::{Change, Problem, ProblemCode, Refused, in_answers_order, shown},
};

/// Operations that a hint lists.
const LISTED_MAX: usize = 10;

/// Applies the commands to a copy of the subject; one failing operation, or a result that the schema does not allow, discards
/// the whole answer.
pub(super) fn interpret(
    point: &DeclaredPoint,
    subject: &mut DeclaredSubject,
    answer: Answer,
) -> Result<Vec<Change>, Vec<Problem>> {
    let [patch, decide] = point.commands();
    let mut problems = answer.problems;
    let mut changes = Vec::new();
    let mut decision = None;
    let mut draft = None;
    let mut touches = Vec::new();
    let mut operations = 0;
    for command in answer.commands {
        let index = command.place;
        if let Some(rule) = decide.filter(|rule| rule.name == command.kind) {
            match read_decision(point, &command) {
                Some(Ok(decided)) => {
                    decision = Some(decided);
                    changes.push(Change { command: rule.name.clone(), op: "set", path: "/decision".to_owned() });
                }
                Some(Err(refused)) => problems.push(refused.at(format!("/commands/{index}/value/decision"))),
                None => problems.push(command.wrong_shape(index, rule)),
            }
            continue;
        }
        let Some(rule) = patch.filter(|rule| rule.name == command.kind) else {
            problems.push(unknown_command(HookKind::description(point), index, &command.kind));
            continue;
        };
        let draft = draft.get_or_insert_with(|| subject.value.clone());
        let found = (&mut changes, &mut problems);
        operations +=
            each_operation(index, command, rule, (Root::Subject, Operations::All), found, |number, location, edit| {
                let names = edit_subject(point, draft, location, edit).map_err(|refused| match refused.code {
                    ProblemCode::BadValue => ("/value", refused),
                    _ => ("/path", refused),
                })?;
                touches.push(Touch { command: index, operation: number, names });
                Ok(())
            });
        if operations > OPERATIONS_MAX {
            problems.push(too_many_operations(index, Root::Subject));
            break;
        }
    }
    if let (true, Some(draft)) = (problems.is_empty(), &draft) {
        problems = violated(point, &subject.value, draft, &touches);
    }
    if !problems.is_empty() {
        return Err(in_answers_order(problems));
    }
    if let Some(draft) = draft {
        subject.value = draft;
    }
    if decision.is_some() {
        subject.decision = decision;
    }
    Ok(changes)
}

/// The decision of a command; `None` when its operand has the wrong shape.
fn read_decision(point: &DeclaredPoint, command: &Command) -> Option<Result<String, Refused>> {
    let Operand::Members(members) = &command.operand else { return None };
    let names = point.declaration().decisions.as_ref().map(|decisions| decisions.names.as_slice()).unwrap_or_default();
    let decided = members.get("decision").and_then(Value::as_str);
    let known = names.iter().find(|name| decided == Some(name));
    Some(known.cloned().ok_or_else(|| {
        let meant = names.iter().find(|name| decided.is_some_and(|decided| name.eq_ignore_ascii_case(decided)));
        let hint =
            meant.map_or_else(|| format!("`decision` is {}", alternatives(names)), |name| format!("Write `{name}`"));
        Refused::new(ProblemCode::BadValue, format!("Invalid decision({})", command.kind)).hint(hint)
    }))
}

/// What an operation changed.
struct Touch {
    command: usize,
    operation: usize,
    /// The names of the value that it changed: an array as a whole where its elements moved.
    names: Vec<String>,
}

/// Does one operation, if the point allows it; answers the names of what it changed.
fn edit_subject(
    point: &DeclaredPoint,
    draft: &mut Value,
    location: Location<'_>,
    edit: Edit,
) -> Result<Vec<String>, Refused> {
    let names = location.names()?;
    let parents = names.split_last().map_or(&[][..], |(_, parents)| parents);
    let in_an_array = pointer::find(draft, parents).is_some_and(Value::is_array);
    if !is_allowed(point, location.op, &names, in_an_array) {
        return Err(not_allowed(point, location));
    }
    // An element that is inserted or removed moves those behind it.
    let moves = in_an_array && !matches!(edit, Edit::Replace(_));
    patch::edit_subject(location, draft, &names, edit)?;
    let touched = if moves { parents } else { &names };
    Ok(touched.iter().map(|name| name.clone().into_owned()).collect())
}

/// Whether the point allows the operation at the path with these names. A declared `-` is the end of an array, never a member
/// with that name.
fn is_allowed(point: &DeclaredPoint, op: OperationKind, names: &[Cow<'_, str>], in_an_array: bool) -> bool {
    let is_end = |name: Option<&PatternName>| matches!(name, Some(PatternName::Is(name)) if name == "-");
    let mut operations = point.operations().filter(|(operation, _)| operation.op == op);
    operations.any(|(_, pattern)| pattern.matches(names) && (in_an_array || !is_end(pattern.names().last())))
}

fn not_allowed(point: &DeclaredPoint, location: Location<'_>) -> Refused {
    let listed =
        |(operation, _): (&AllowedOperation, _)| format!("`{}` at `{}`", operation.op.name(), shown(&operation.path));
    let mut allowed = point.operations().take(LISTED_MAX).map(listed).collect::<Vec<_>>().join(", ");
    let more = point.operations().skip(LISTED_MAX).count();
    if more > 0 {
        allowed = format!("{allowed} and {more} more");
    }
    let hint = if allowed.is_empty() {
        "No operation is allowed here: leave the command out".to_owned()
    } else {
        format!("Allowed are {allowed}")
    };
    location.refused(ProblemCode::OperationNotAllowed, "Operation not allowed").hint(hint)
}

/// The violations of the subject's schema that were not there before the operations. In a rehearsal the subject lacks its
/// sensitive members, so some are there before.
fn violated(point: &DeclaredPoint, before: &Value, after: &Value, touches: &[Touch]) -> Vec<Problem> {
    let schema = point.subject_schema();
    let mut found = schema.violations(after).peekable();
    if found.peek().is_none() {
        return Vec::new();
    }
    let known = schema.violations(before).collect::<HashSet<_>>();
    let caused = found.filter(|violation| !known.contains(violation));
    // One more than is shown, so that the rest is counted.
    caused.take(PROBLEMS_SHOWN_MAX + 1).map(|violation| problem_of(&violation, touches)).collect()
}

fn problem_of(violation: &SchemaViolation, touches: &[Touch]) -> Problem {
    let place = pointer::tokens(&violation.pointer).unwrap_or_default();
    let concerns = |touch: &&Touch| touch.names.iter().zip(&place).all(|(name, other)| name == other);
    // The last operation that changed the place, something around it or something in it; else the last command.
    let pointer = match (touches.iter().rev().find(concerns), touches.last()) {
        (Some(touch), _) => format!("/commands/{}/value/{}", touch.command, touch.operation),
        (None, Some(touch)) => format!("/commands/{}", touch.command),
        (None, None) => "/commands".to_owned(),
    };
    let place = match shown(&violation.pointer) {
        place if place.is_empty() => "it".to_owned(),
        place => format!("`{place}`"),
    };
    let message = format!("The subject would not satisfy its schema: {place} {}", violation.message);
    Refused::new(ProblemCode::SchemaViolation, message)
        .hint("Set what the subject's schema allows, or leave the operation out".to_owned())
        .at(pointer)
}

//! Checks a declaration: everything in it at once, each problem with the pointer of its member.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    AllowedOperation, Decisions, Declaration, DeclarationProblem,
    data::Hidden,
    point::Parts,
    schema::{self, Schema},
};
use crate::{
    OperationKind,
    hook::HookPolicy,
    limits::{
        DECISION_CHARACTERS_MAX, POINT_DECISIONS_MAX, POINT_DECISIONS_MIN, POINT_DESCRIPTION_CHARACTERS_MAX,
        POINT_HIDDEN_MAX, POINT_OPERATIONS_MAX, POINT_SAMPLE_BYTES_MAX, POINT_SAMPLES_MAX, POINT_TITLE_CHARACTERS_MAX,
        POINT_VERSION_CHARACTERS_MAX, PROBLEMS_SHOWN_MAX, VALUE_DEPTH_MAX,
    },
    plain_json, pointer,
    pointer_pattern::{PatternName, PointerPattern},
    problem::shown,
    schema_place::{PLACES_MAX, Place},
};

/// Names below which the vendor's types are.
const OF_THE_VENDOR: &str = "com.okta";

/// The problems found so far.
pub(super) struct Problems(Vec<DeclarationProblem>);

impl Problems {
    pub(super) fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(DeclarationProblem { pointer: pointer.into(), message: message.into() });
    }
}

/// The compiled parts of a declaration in which nothing is wrong, or everything that is.
pub(super) fn check(declaration: &Declaration) -> Result<Parts, Vec<DeclarationProblem>> {
    let mut problems = Problems(Vec::new());
    check_texts(declaration, &mut problems);
    let context = schema::compile(&declaration.context_schema, "/contextSchema", &mut problems);
    let subject = schema::compile(&declaration.subject_schema, "/subjectSchema", &mut problems);
    let mut places = Places {
        left: PLACES_MAX,
        context: context.is_some().then_some(&declaration.context_schema),
        subject: subject.is_some().then_some(&declaration.subject_schema),
    };
    let sensitive = hidden(&declaration.sensitive, "/sensitive", &mut places, &mut problems);
    hidden(&declaration.masked, "/masked", &mut places, &mut problems);
    let operations = operations(&declaration.operations, &sensitive, &mut places, &mut problems);
    if let Some(decisions) = &declaration.decisions {
        check_decisions(decisions, &mut problems);
    }
    let timeouts = HookPolicy::TIMEOUT_MS;
    if !timeouts.contains(&declaration.timeout_ms) {
        problems.add("/timeoutMs", format!("Write an integer from {} to {}", timeouts.start(), timeouts.end()));
    }
    check_samples(&declaration.samples, [("context", context.as_ref()), ("subject", subject.as_ref())], &mut problems);
    match (context, subject, problems.0) {
        (Some(context), Some(subject), problems) if problems.is_empty() => {
            let schemas = [&declaration.context_schema, &declaration.subject_schema].into_iter();
            let names = schemas.flat_map(schema::member_names).collect();
            Ok(Parts { context, subject, operations, sensitive: Hidden::of(sensitive.iter()), names })
        }
        (_, _, problems) => Err(problems),
    }
}

/// The places of the schemas in which nothing is wrong.
struct Places<'a> {
    context: Option<&'a Value>,
    subject: Option<&'a Value>,
    /// How many may still be looked at.
    left: usize,
}

impl Places<'_> {
    /// Why the schemas allow nothing where a pattern leads to, below `data`; `None` when they may. A pattern that is spelled
    /// wrong would hide nothing.
    fn nothing_in_data(&mut self, names: &[PatternName]) -> Option<String> {
        let (root, below) = names.split_first()?;
        match root.as_str() {
            "context" => self.nothing_in(self.context, below),
            _ => self.nothing_in(self.subject, below),
        }
    }

    /// The same below the subject.
    fn nothing_in_subject(&mut self, names: &[PatternName]) -> Option<String> {
        self.nothing_in(self.subject, names)
    }

    fn nothing_in(&mut self, schema: Option<&Value>, names: &[PatternName]) -> Option<String> {
        let root = schema?;
        Place::of(root).nothing_at(names, root, &mut self.left)
    }
}

fn check_texts(declaration: &Declaration, problems: &mut Problems) {
    let name = declaration.name.to_ascii_lowercase();
    let of_the_vendor = name.strip_prefix(OF_THE_VENDOR).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if of_the_vendor {
        problems.add(
            "/type",
            format!("Names below `{OF_THE_VENDOR}` are those of the built-in types. Write your own domain"),
        );
    } else if !name.contains('.') {
        problems
            .add("/type", "Write a reverse domain name of two words at least, such as `com.example.order.checkout`");
    }
    let mut check = |member: &str, text: &str, least: usize, most: usize| {
        let characters = text.chars().count();
        if !(least..=most).contains(&characters) || (least > 0 && text.trim().is_empty()) {
            problems.add(member, format!("Write a text of {least} to {most} characters"));
        } else if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')) {
            problems.add(member, "Write a text without control characters");
        }
    };
    check("/title", &declaration.title, 1, POINT_TITLE_CHARACTERS_MAX);
    check("/description", declaration.description.as_deref().unwrap_or_default(), 0, POINT_DESCRIPTION_CHARACTERS_MAX);
    let version = &declaration.version;
    let is_version = version.len() <= POINT_VERSION_CHARACTERS_MAX
        && version.split('.').all(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()));
    if !is_version {
        let most = POINT_VERSION_CHARACTERS_MAX;
        problems
            .add("/version", format!("Write numbers with dots between them, such as `1.0`, at most {most} characters"));
    }
}

/// Reads the patterns of `sensitive` or `masked`; those that are wrong are left out.
fn hidden(patterns: &[String], member: &str, places: &mut Places<'_>, problems: &mut Problems) -> Vec<PointerPattern> {
    if patterns.len() > POINT_HIDDEN_MAX {
        problems.add(member, format!("At most {POINT_HIDDEN_MAX} members"));
        return Vec::new();
    }
    let mut read = Vec::new();
    for (number, text) in patterns.iter().enumerate() {
        let pointer = format!("{member}/{number}");
        match text.parse::<PointerPattern>() {
            Err(error) => problems.add(pointer, error.to_string()),
            Ok(pattern) => match pattern.names() {
                [PatternName::Is(root), below @ ..]
                    if matches!(root.as_str(), "context" | "subject") && !below.is_empty() =>
                {
                    // An insertion before an element would move it to an index that is not hidden.
                    if let Some(index) = below.iter().find_map(index_of) {
                        let message =
                            format!("Write `*` in place of `{index}`: commands can move an element to another index");
                        problems.add(pointer, message);
                    } else if let Some(message) = places.nothing_in_data(pattern.names()) {
                        problems.add(pointer, message);
                    } else {
                        read.push(pattern);
                    }
                }
                _ => problems.add(pointer, "Write a pointer below `/context` or `/subject`"),
            },
        }
    }
    read
}

fn index_of(name: &PatternName) -> Option<&str> {
    match name {
        PatternName::Is(name) if name == "-" || pointer::index(name).is_some() => Some(name),
        _ => None,
    }
}

/// Reads the patterns of the operations; those that are wrong are left out.
fn operations(
    operations: &[AllowedOperation],
    sensitive: &[PointerPattern],
    places: &mut Places<'_>,
    problems: &mut Problems,
) -> Vec<PointerPattern> {
    if operations.len() > POINT_OPERATIONS_MAX {
        problems.add("/operations", format!("At most {POINT_OPERATIONS_MAX} operations"));
        return Vec::new();
    }
    let mut read = Vec::<PointerPattern>::new();
    for (number, operation) in operations.iter().enumerate() {
        let pointer = || format!("/operations/{number}/path");
        let pattern = match operation.path.parse::<PointerPattern>() {
            Ok(pattern) => pattern,
            Err(error) => {
                problems.add(pointer(), error.to_string());
                continue;
            }
        };
        if let Some(message) = misplaced_end(operation.op, &pattern) {
            problems.add(pointer(), message);
            continue;
        }
        if pattern.names().len() > VALUE_DEPTH_MAX {
            problems.add(pointer(), format!("A path has {VALUE_DEPTH_MAX} names at most"));
            continue;
        }
        if let Some(message) = places.nothing_in_subject(pattern.names()) {
            problems.add(pointer(), message);
            continue;
        }
        if let Some(sensitive) = reaches(&pattern, sensitive) {
            problems.add(
                pointer(),
                format!(
                    "This path is above, at or below the sensitive member `{sensitive}`. Write a path that does not contain it"
                ),
            );
            continue;
        }
        let is_there = operations.iter().take(number).any(|earlier| earlier == operation);
        if is_there {
            problems.add(format!("/operations/{number}"), "The same operation is listed twice");
            continue;
        }
        read.push(pattern);
    }
    read
}

/// What is wrong with a `-` in the pattern of an operation.
fn misplaced_end(op: OperationKind, pattern: &PointerPattern) -> Option<&'static str> {
    let is_end = |name: &PatternName| matches!(name, PatternName::Is(name) if name == "-");
    match pattern.names().split_last() {
        Some((_, parents)) if parents.iter().any(is_end) => {
            Some("`-` is the end of an array, where nothing is yet: it can only be the last name")
        }
        Some((last, _)) if is_end(last) && op != OperationKind::Add => {
            Some("`-` is the end of an array, where nothing is yet: it goes with `add` only")
        }
        _ => None,
    }
}

/// The sensitive member that an operation would change or take away.
fn reaches(pattern: &PointerPattern, sensitive: &[PointerPattern]) -> Option<String> {
    let below_subject = pattern.inside("subject");
    // A new element at the end takes nothing away.
    let adds_at_the_end = matches!(pattern.names().last(), Some(PatternName::Is(name)) if name == "-");
    let reached = sensitive.iter().find(|sensitive| {
        below_subject.can_be_at_or_below(sensitive)
            || (!adds_at_the_end && sensitive.can_be_at_or_below(&below_subject))
    });
    reached.map(|sensitive| shown(&sensitive.to_string()).into_owned())
}

fn check_decisions(decisions: &Decisions, problems: &mut Problems) {
    let Decisions { names, default } = decisions;
    if !(POINT_DECISIONS_MIN..=POINT_DECISIONS_MAX).contains(&names.len()) {
        problems.add("/decisions/names", format!("Write {POINT_DECISIONS_MIN} to {POINT_DECISIONS_MAX} names"));
        return;
    }
    let mut seen = HashSet::new();
    for (number, name) in names.iter().enumerate() {
        let pointer = format!("/decisions/names/{number}");
        if !is_decision(name) {
            problems.add(
                pointer,
                format!("Write capital letters, digits and `_`, a letter first, at most {DECISION_CHARACTERS_MAX} characters"),
            );
        } else if !seen.insert(name) {
            problems.add(pointer, format!("`{name}` is listed twice"));
        }
    }
    if !names.contains(default) {
        problems.add("/decisions/default", "Write one of the names");
    }
}

fn is_decision(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= DECISION_CHARACTERS_MAX
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(letters)
}

fn check_samples(samples: &[Value], schemas: [(&str, Option<&Schema>); 2], problems: &mut Problems) {
    if samples.len() > POINT_SAMPLES_MAX {
        problems.add("/samples", format!("At most {POINT_SAMPLES_MAX} samples"));
        return;
    }
    for (number, sample) in samples.iter().enumerate() {
        let pointer = format!("/samples/{number}");
        let Some(members) = sample.as_object() else {
            problems.add(pointer, "Write an object with `context` and `subject`");
            continue;
        };
        if let Some(other) = members.keys().find(|name| schemas.iter().all(|(own, _)| own != name)) {
            problems.add(
                format!("{pointer}/{}", pointer::escape(&shown(other))),
                "A sample has `context` and `subject` only",
            );
        }
        if schema::bytes(sample) > POINT_SAMPLE_BYTES_MAX {
            problems.add(pointer, format!("A sample has {POINT_SAMPLE_BYTES_MAX} bytes at most"));
            continue;
        }
        for (name, schema) in schemas {
            let pointer = format!("{pointer}/{name}");
            let Some(value) = members.get(name) else {
                problems.add(pointer, "is required");
                continue;
            };
            if !plain_json::is_nested_at_most(value, VALUE_DEPTH_MAX) {
                problems.add(pointer, format!("At most {VALUE_DEPTH_MAX} arrays and objects can be inside each other"));
                continue;
            }
            for violation in schema.into_iter().flat_map(|schema| schema.violations(value).take(PROBLEMS_SHOWN_MAX)) {
                problems.add(format!("{pointer}{}", violation.pointer), violation.message);
            }
        }
    }
}

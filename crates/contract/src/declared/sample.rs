//! Sample documents of a declared extension point: from its declared samples, else made from its schemas.

use std::{cell::Cell, collections::HashSet};

use serde_json::{Map, Number, Value, json};

use super::{
    AllowedOperation, DeclaredPoint,
    schema::{References, bytes},
};
use crate::{
    ExtensionPoint as _, HookKind, OperationKind, Timestamp,
    answer::Answer,
    envelope::Envelope,
    id::EventId,
    limits::POINT_SAMPLE_BYTES_MAX,
    plain_json,
    pointer::{self, escape},
    pointer_pattern::{PatternName, PointerPattern},
    preview::SAMPLES_SENT_MICROS,
};

/// Arrays and objects inside each other in a value that is made from a schema.
const DEPTH_MAX: usize = 8;
/// Elements and optional members that are made.
const ITEMS_MAX: usize = 16;
/// Characters of a text that is made.
const CHARACTERS_MAX: usize = 256;
/// Bytes that a made value takes of the bound for a sample, at least: this bounds the values that are made.
const VALUE_BYTES: usize = 16;
/// Operations in a sample answer.
const OPERATIONS_SHOWN: usize = 3;

/// The request documents and the answers, at least one each.
pub(super) fn samples(point: &DeclaredPoint) -> (Vec<String>, Vec<String>) {
    let questions = questions(point);
    let answers = answers(point, questions.first().map(|(_, subject)| subject.clone()).unwrap_or_default());
    let questions = questions.into_iter().enumerate();
    (questions.map(|(number, (context, subject))| document(point, number, &context, subject)).collect(), answers)
}

fn document(point: &DeclaredPoint, number: usize, context: &Value, subject: Value) -> String {
    let description = HookKind::description(point);
    let event_id = EventId::from_entropy([u8::try_from(number).unwrap_or(u8::MAX); 16]);
    let source = format!("https://org.example.com/api/v1/extensionPoints/{}", description.event_type);
    let subject = point.unchecked_subject(subject);
    let data = point.data(context, &subject);
    let at = Timestamp::from_micros(SAMPLES_SENT_MICROS);
    serde_json::to_string(&Envelope::new(&event_id, at, description, &source, None, data)).unwrap_or_default()
}

/// The declared samples, or one that is made from the schemas: context and subject of each.
fn questions(point: &DeclaredPoint) -> Vec<(Value, Value)> {
    let declaration = point.declaration();
    if declaration.samples.is_empty() {
        return vec![(made(&declaration.context_schema), made(&declaration.subject_schema))];
    }
    let member = |sample: &Value, name: &str| sample.get(name).cloned().unwrap_or_default();
    declaration.samples.iter().map(|sample| (member(sample, "context"), member(sample, "subject"))).collect()
}

/// A value that is made from a schema, within the bounds of a sample.
fn made(schema: &Value) -> Value {
    let made = Maker::of(schema).make(schema, DEPTH_MAX);
    if bytes(&made) > POINT_SAMPLE_BYTES_MAX { json!({}) } else { made }
}

/// Sample answers, at least one: a patch with operations that the first subject allows, and a decision.
fn answers(point: &DeclaredPoint, subject: Value) -> Vec<String> {
    let [patch, decide] = point.commands();
    let mut answers = Vec::new();
    let operations = sample_operations(point, subject);
    if let (Some(rule), false) = (patch, operations.is_empty()) {
        answers.push(json!({ "commands": [{ "type": rule.name, "value": operations }] }).to_string());
    }
    let last = point.declaration().decisions.as_ref().and_then(|decisions| decisions.names.last());
    if let (Some(rule), Some(name)) = (decide, last) {
        answers.push(json!({ "commands": [{ "type": rule.name, "value": { "decision": name } }] }).to_string());
    }
    if answers.is_empty() {
        answers.push(json!({ "commands": [] }).to_string());
    }
    answers
}

/// Operations that can be done to a subject, one after the other.
fn sample_operations(point: &DeclaredPoint, subject: Value) -> Vec<Value> {
    let mut subject = point.unchecked_subject(subject);
    let mut done = Vec::new();
    for (operation, pattern) in point.operations() {
        if done.len() == OPERATIONS_SHOWN {
            break;
        }
        let Some(written) = write(point, operation, pattern, &subject.value) else { continue };
        let Some(rule) = point.commands().first().copied().flatten() else { break };
        let answer = json!({ "commands": [{ "type": rule.name, "value": [written.clone()] }] }).to_string();
        let works = Answer::parse(answer.as_bytes()).is_ok_and(|answer| point.interpret(&mut subject, answer).is_ok());
        if works {
            done.push(written);
        }
    }
    done
}

/// An operation at the first place in `subject` that its pattern stands for.
fn write(
    point: &DeclaredPoint,
    operation: &AllowedOperation,
    pattern: &PointerPattern,
    subject: &Value,
) -> Option<Value> {
    let root = &point.declaration().subject_schema;
    let maker = Maker::of(root);
    let (mut path, mut value, mut schema) = (String::new(), Some(subject), Some(root));
    for name in pattern.names() {
        let name = match (name, value) {
            (PatternName::Is(name), _) => name.clone(),
            (PatternName::Any, Some(Value::Object(members))) => members.keys().next()?.clone(),
            (PatternName::Any, _) => "0".to_owned(),
        };
        path.extend(["/", &escape(&name)]);
        let is_in_an_array = value.is_some_and(Value::is_array);
        value = value.and_then(|value| match value {
            Value::Array(items) => items.get(pointer::index(&name)?),
            other => other.get(&name),
        });
        schema = schema.and_then(|schema| maker.below(schema, &name, is_in_an_array));
    }
    let made = || value.filter(|value| !value.is_null()).cloned().or_else(|| Some(maker.make(schema?, DEPTH_MAX)));
    Some(match operation.op {
        OperationKind::Remove => json!({ "op": "remove", "path": path }),
        op => {
            json!({ "op": op.name(), "path": path, "value": made().filter(|made| !made.is_null()).unwrap_or_else(|| json!("text")) })
        }
    })
}

/// Makes values from a schema: constants, defaults, examples and listed values where it has them, else the least that its type
/// and its bounds ask for. What does not fit the bounds of a sample is left out.
struct Maker<'a> {
    references: References<'a>,
    /// Bytes that are left for what is made.
    left: Cell<usize>,
}

impl<'a> Maker<'a> {
    fn of(root: &'a Value) -> Self {
        Self { references: References::of(root), left: Cell::new(POINT_SAMPLE_BYTES_MAX) }
    }

    /// Takes bytes of those that are left; `false` when there are not so many, and then nothing is left.
    fn takes(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    fn is_full(&self) -> bool {
        self.left.get() == 0
    }

    fn make(&self, schema: &'a Value, depth: usize) -> Value {
        if !self.takes(VALUE_BYTES) {
            return Value::Null;
        }
        let fixed = ["const", "default"].into_iter().find_map(|keyword| schema.get(keyword));
        let listed = ["examples", "enum"].into_iter().find_map(|keyword| schema.get(keyword)?.as_array()?.first());
        if let Some(value) = fixed.or(listed) {
            return if self.takes(bytes(value)) { value.clone() } else { Value::Null };
        }
        if depth == 0 {
            return Value::Null;
        }
        let mut made = self.of_type(schema, depth);
        if made.as_ref().and_then(Value::as_str).is_some_and(|text| !self.takes(text.len())) {
            return Value::Null;
        }
        // What other schemas for the same value ask for: the first of alternatives, and all of `allOf`.
        let referred = schema.get("$ref").and_then(Value::as_str).and_then(|name| self.references.find(name));
        let alternative = |keyword: &str| schema.get(keyword)?.as_array()?.first();
        let all = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        let others = referred.into_iter().chain(all).chain(alternative("anyOf")).chain(alternative("oneOf"));
        for other in others.take_while(|_| !self.is_full()) {
            made = Some(merged(made, self.make(other, depth - 1)));
        }
        made.unwrap_or_else(|| json!({}))
    }

    /// A value of the schema's type; `None` when it names none.
    fn of_type(&self, schema: &'a Value, depth: usize) -> Option<Value> {
        let named = match schema.get("type") {
            Some(Value::Array(types)) => {
                types.iter().filter_map(Value::as_str).find(|name| *name != "null").or(Some("null"))
            }
            named => named.and_then(Value::as_str),
        };
        let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.get(*keyword).is_some());
        Some(match named {
            Some("object") => self.object(schema, depth),
            Some("array") => self.array(schema, depth),
            Some("string") => json!(text(schema)),
            Some("integer") => number(schema, true),
            Some("number") => number(schema, false),
            Some("boolean") => json!(true),
            Some(_) => Value::Null,
            None if has(&["properties", "required"]) => self.object(schema, depth),
            None if has(&["items", "prefixItems"]) => self.array(schema, depth),
            None if has(&["minLength", "maxLength", "pattern", "format"]) => json!(text(schema)),
            None if has(&["minimum", "maximum", "multipleOf"]) => number(schema, false),
            None => return None,
        })
    }

    fn object(&self, schema: &'a Value, depth: usize) -> Value {
        let mut members = Map::new();
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let required = required.collect::<Vec<_>>();
        let is_listed = required.iter().copied().collect::<HashSet<_>>();
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (name, below) in properties {
            let is_required = is_listed.contains(name.as_str());
            if (is_required || members.len() < ITEMS_MAX) && *below != Value::Bool(false) && (is_required || depth > 1)
            {
                if !self.takes(name.len()) {
                    break;
                }
                members.insert(name.clone(), self.make(below, depth - 1));
            }
        }
        for name in required.into_iter().take(10 * ITEMS_MAX) {
            if members.contains_key(name) {
                continue;
            }
            if !self.takes(name.len() + VALUE_BYTES) {
                break;
            }
            let below = self.below(schema, name, false);
            let made = below.map_or_else(|| json!("text"), |below| self.make(below, depth - 1));
            members.insert(name.to_owned(), made);
        }
        Value::Object(members)
    }

    fn array(&self, schema: &'a Value, depth: usize) -> Value {
        let count = |keyword: &str| {
            schema.get(keyword).and_then(plain_json::integer).and_then(|count| usize::try_from(count).ok())
        };
        let first = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
        let wanted = count("minItems").unwrap_or(0).max(1).max(first).min(count("maxItems").unwrap_or(usize::MAX));
        let items = (0..wanted.min(ITEMS_MAX)).map_while(|index| self.below(schema, &index.to_string(), true));
        items.take_while(|_| !self.is_full()).map(|below| self.make(below, depth - 1)).collect()
    }

    /// The schema of a member or an element.
    fn below(&self, schema: &'a Value, name: &str, is_in_an_array: bool) -> Option<&'a Value> {
        let own = if is_in_an_array || schema.get("items").is_some_and(|_| schema.get("properties").is_none()) {
            let index = pointer::index(name);
            let first = schema.get("prefixItems").and_then(|first| first.get(index?));
            first.or_else(|| schema.get("items"))
        } else {
            schema
                .get("properties")
                .and_then(|properties| properties.get(name))
                .or_else(|| schema.get("additionalProperties"))
        };
        own.or_else(|| {
            let reference = schema.get("$ref").and_then(Value::as_str)?;
            self.below(self.references.find(reference)?, name, is_in_an_array)
        })
    }
}

/// Members of both where both are objects, else the other one, unless it says nothing.
fn merged(made: Option<Value>, other: Value) -> Value {
    match (made, other) {
        (Some(Value::Object(mut members)), Value::Object(more)) => {
            members.extend(more);
            Value::Object(members)
        }
        (Some(made), other) if other == json!({}) || other.is_null() => made,
        (_, other) => other,
    }
}

fn text(schema: &Value) -> String {
    let by_format = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-02-11T09:30:15Z",
        Some("date") => "2026-02-11",
        Some("time") => "09:30:15Z",
        Some("duration") => "P1D",
        Some("email" | "idn-email") => "ada@example.com",
        Some("hostname" | "idn-hostname") => "www.example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uri" | "iri" | "uri-reference" | "iri-reference") => "https://www.example.com/",
        Some("uuid") => "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        _ => "text",
    };
    let bound =
        |keyword: &str| schema.get(keyword).and_then(plain_json::integer).and_then(|count| usize::try_from(count).ok());
    let least = bound("minLength").unwrap_or(0).min(CHARACTERS_MAX);
    let most = bound("maxLength").unwrap_or(usize::MAX);
    let padding = least.saturating_sub(by_format.len());
    by_format.chars().chain(std::iter::repeat_n('x', padding)).take(most).collect()
}

fn number(schema: &Value, whole: bool) -> Value {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0).unwrap_or(1.0);
    let least = bound("minimum").or_else(|| Some(bound("exclusiveMinimum")? + step));
    let most = bound("maximum").or_else(|| Some(bound("exclusiveMaximum")? - step));
    let wanted = match (least, most) {
        (Some(least), _) => (least / step).ceil() * step,
        (None, Some(most)) if most < 1.0 => (most / step).floor() * step,
        _ => step.max(1.0),
    };
    let wanted = if whole { wanted.ceil() } else { wanted };
    #[expect(clippy::cast_possible_truncation, reason = "it is an integer that a double holds exactly")]
    let integer = (wanted.fract() == 0.0 && wanted.abs() < 9e15).then(|| json!(wanted as i64));
    integer.or_else(|| Number::from_f64(wanted).map(Value::Number)).unwrap_or_else(|| json!(1))
}

//! Checks and compiles the JSON Schemas (2020-12) of a declared extension point.
//!
//! A schema stands alone: nothing outside of it is fetched or referred to. What checking a value costs is bounded when the
//! schema is declared: by its size, its depth, the subschemas that are looked at once references are followed (so that
//! references cannot multiply), and the size of its regular expressions, which match in linear time. For the same reason a
//! schema cannot refer to itself.

use std::collections::HashMap;

use jsonschema::{PatternOptions, Validator, draft202012};
use serde_json::{Value, json};

use super::{SchemaViolation, check::Problems, violation};
use crate::{
    limits::{
        PROBLEMS_SHOWN_MAX, SCHEMA_BYTES_MAX, SCHEMA_CHECKS_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NESTING_MAX,
        SCHEMA_PATTERN_BYTES_MAX, SCHEMA_PATTERNS_MAX, SCHEMA_WORK_MAX, VIOLATED_VALUES_MAX,
    },
    plain_json, pointer,
    problem::shown,
};

/// The dialect, as `$schema` names it.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords whose value is a schema.
const SCHEMA: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is an array of schemas.
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is an object of schemas.
const NAMED_SCHEMAS: &[&str] = &["dependentSchemas", "patternProperties", "properties"];
/// Keywords whose value is an object of schemas that are used by reference only.
const DEFINITIONS: &[&str] = &["$defs", "definitions"];

/// A schema that is ready to check values.
pub(super) struct Schema {
    validator: Validator,
    /// Subschemas that are looked at to check one value.
    checks: usize,
}

impl Schema {
    /// The places where `value` does not satisfy the schema. A value that would be too much work to check is not checked, and
    /// that is its one violation. Of a value with more than [`VIOLATED_VALUES_MAX`] members and elements only the first
    /// violation is told: the validator collects all of them before it tells one, and each element could have several.
    pub(super) fn violations<'a>(&'a self, value: &'a Value) -> impl Iterator<Item = SchemaViolation> {
        let values = plain_json::values(value);
        let too_much = self.too_much(values);
        let is_checked = too_much.is_none() && !self.validator.is_valid(value);
        let tells_all = is_checked && values <= VIOLATED_VALUES_MAX;
        let all = tells_all.then(|| self.validator.iter_errors(value)).into_iter().flatten();
        let first = (is_checked && !tells_all).then(|| self.validator.validate(value).err()).flatten();
        too_much.into_iter().chain(first.into_iter().chain(all).flat_map(|error| SchemaViolation::of(&error)))
    }

    fn too_much(&self, values: usize) -> Option<SchemaViolation> {
        let most = SCHEMA_WORK_MAX / self.checks.max(1);
        (values > most).then(|| SchemaViolation {
            pointer: String::new(),
            message: format!("must not have more than {most} members and elements, because its schema is long"),
        })
    }
}

/// The schema, ready to check values; `None` when it has problems, which were added.
pub(super) fn compile(schema: &Value, member: &str, problems: &mut Problems) -> Option<Schema> {
    if !matches!(schema, Value::Bool(_) | Value::Object(_)) {
        problems.add(member, "Write a JSON Schema: an object or a boolean");
        return None;
    }
    if bytes(schema) > SCHEMA_BYTES_MAX {
        problems.add(member, format!("A schema has {SCHEMA_BYTES_MAX} bytes at most"));
        return None;
    }
    if !plain_json::is_nested_at_most(schema, SCHEMA_NESTING_MAX) {
        problems.add(member, format!("At most {SCHEMA_NESTING_MAX} arrays and objects can be inside each other"));
        return None;
    }
    let mut found = Vec::new();
    for error in draft202012::meta::validator().iter_errors(schema) {
        let message = format!("This is not valid in JSON Schema 2020-12: it {}", violation::rule(error.kind()));
        let problem = (error.instance_path().as_str().to_owned(), message);
        // Several vocabularies say the same of one place.
        if found.len() < PROBLEMS_SHOWN_MAX && !found.contains(&problem) {
            found.push(problem);
        }
    }
    let mut checks = 0;
    if found.is_empty() {
        match Outline::of(schema).checks(schema) {
            Ok(counted) => checks = counted,
            Err(problems) => found = problems,
        }
    }
    if found.is_empty() {
        match options().build(schema) {
            Ok(validator) => return Some(Schema { validator, checks }),
            Err(error) => {
                let message = format!(
                    "The schema cannot be used: `{}` is not supported as it is written",
                    error.kind().keyword()
                );
                found.push((error.instance_path().as_str().to_owned(), message));
            }
        }
    }
    for (place, message) in found {
        problems.add(format!("{member}{place}"), message);
    }
    None
}

fn options<'a>() -> jsonschema::ValidationOptions<'a> {
    let patterns =
        PatternOptions::regex().size_limit(SCHEMA_PATTERN_BYTES_MAX).dfa_size_limit(SCHEMA_PATTERN_BYTES_MAX);
    draft202012::options().with_pattern_options(patterns).offline()
}

/// Bytes of a value as compact JSON.
pub(super) fn bytes(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |text| text.len())
}

/// The names that a schema gives to members, wherever in it.
pub(super) fn member_names(root: &Value) -> impl Iterator<Item = String> {
    let subschemas = Outline::of(root).subschemas.into_iter();
    let named = subschemas.filter_map(|(_, schema)| schema.get("properties")?.as_object());
    named.flat_map(|members| members.keys().cloned())
}

/// What references within a schema lead to.
pub(super) struct References<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, Vec<&'a Value>>,
}

impl<'a> References<'a> {
    /// Those of a schema that was checked.
    pub(super) fn of(root: &'a Value) -> Self {
        Self { root, anchors: Outline::of(root).anchors }
    }

    /// The schema that a `$ref` leads to: `#`, a JSON Pointer in a fragment, or an anchor.
    pub(super) fn find(&self, reference: &str) -> Option<&'a Value> {
        let fragment = reference.strip_prefix('#')?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(&decoded(fragment)?);
        }
        self.anchors.get(fragment).and_then(|found| found.first().copied())
    }
}

/// The text of a URI's fragment, percent-decoded.
fn decoded(fragment: &str) -> Option<String> {
    let mut pieces = fragment.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// What was found in a schema: its subschemas with their places, and its anchors.
struct Outline<'a> {
    subschemas: Vec<(String, &'a Value)>,
    anchors: HashMap<&'a str, Vec<&'a Value>>,
}

impl<'a> Outline<'a> {
    fn of(root: &'a Value) -> Self {
        let mut outline = Self { subschemas: Vec::new(), anchors: HashMap::new() };
        let mut open = vec![(String::new(), root)];
        while let Some((place, schema)) = open.pop() {
            for keyword in ["$anchor", "$dynamicAnchor"] {
                if let Some(name) = schema.get(keyword).and_then(Value::as_str) {
                    outline.anchors.entry(name).or_default().push(schema);
                }
            }
            open.extend(subschemas(schema, DEFINITIONS).map(|(below, schema)| (format!("{place}{below}"), schema)));
            outline.subschemas.push((place, schema));
        }
        outline
    }

    /// How many subschemas are looked at to check one value, or everything in which the schema is more than a validator should
    /// get.
    fn checks(&self, root: &'a Value) -> Result<usize, Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut patterns = 0;
        for (place, schema) in &self.subschemas {
            if let Some((keyword, message)) = foreign(schema, place.is_empty()) {
                found.push((format!("{place}/{keyword}"), message));
            }
            for keyword in ["$ref", "$dynamicRef"] {
                let Some(reference) = schema.get(keyword).and_then(Value::as_str) else { continue };
                let message = if !reference.starts_with('#') {
                    "A schema stands alone: write a reference within it, which begins with `#`"
                } else if self.targets(root, reference).is_empty() {
                    "Nothing is there in this schema"
                } else {
                    continue;
                };
                found.push((format!("{place}/{keyword}"), message.to_owned()));
            }
            for (below, pattern) in patterns_of(schema) {
                patterns += 1;
                if patterns <= SCHEMA_PATTERNS_MAX && options().build(&json!({ "pattern": pattern })).is_err() {
                    found.push((
                        format!("{place}{below}"),
                        format!(
                            "`{}` is no regular expression that matches in linear time: it has neither look-around nor \
                             backreferences, and {SCHEMA_PATTERN_BYTES_MAX} bytes at most when it is compiled",
                            shown(pattern)
                        ),
                    ));
                }
            }
        }
        if patterns > SCHEMA_PATTERNS_MAX {
            found.push((String::new(), format!("A schema has {SCHEMA_PATTERNS_MAX} regular expressions at most")));
        }
        if !found.is_empty() {
            return Err(found);
        }
        self.cost(root).map_err(|message| vec![(String::new(), message)])
    }

    fn targets(&self, root: &'a Value, reference: &str) -> Vec<&'a Value> {
        let Some(fragment) = reference.strip_prefix('#') else { return Vec::new() };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchors.get(fragment).cloned().unwrap_or_default();
        }
        let target = decoded(fragment).and_then(|pointer| root.pointer(&pointer));
        // A reference must lead to a schema: a list of examples, for instance, was not checked as one.
        target.filter(|target| self.subschemas.iter().any(|(_, own)| std::ptr::eq(*own, *target))).into_iter().collect()
    }

    /// How many subschemas are looked at to check one value; an error when they are too many, or too deep inside each other.
    fn cost(&self, root: &'a Value) -> Result<usize, String> {
        let mut costs = Costs { outline: self, root, known: HashMap::new() };
        let (checks, _) = costs.of(root, SCHEMA_DEPTH_MAX)?;
        if checks > SCHEMA_CHECKS_MAX {
            return Err(format!(
                "More than {SCHEMA_CHECKS_MAX} subschemas are looked at to check one value, references followed"
            ));
        }
        Ok(checks)
    }
}

/// The cost of each subschema that was looked at: subschemas and their depth; `None` while it is being looked at.
struct Costs<'s, 'a> {
    outline: &'s Outline<'a>,
    root: &'a Value,
    known: HashMap<*const Value, Option<(usize, usize)>>,
}

impl<'a> Costs<'_, 'a> {
    fn of(&mut self, schema: &'a Value, depth_left: usize) -> Result<(usize, usize), &'static str> {
        const TOO_DEEP: &str = "The schemas are too deep inside each other, references followed";
        match self.known.get(&std::ptr::from_ref(schema)) {
            Some(Some((checks, depth))) if *depth <= depth_left => return Ok((*checks, *depth)),
            Some(Some(_)) => return Err(TOO_DEEP),
            Some(None) => {
                return Err("A schema cannot refer to itself: write out as many levels as you need");
            }
            None => {}
        }
        if depth_left == 0 {
            return Err(TOO_DEEP);
        }
        self.known.insert(schema, None);
        let (mut checks, mut depth) = (1_usize, 0);
        let references = ["$ref", "$dynamicRef"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_str());
        let references =
            references.flat_map(|reference| self.outline.targets(self.root, reference)).collect::<Vec<_>>();
        for next in references.into_iter().chain(subschemas(schema, &[]).map(|(_, below)| below)) {
            let (more, below) = self.of(next, depth_left - 1)?;
            checks = checks.saturating_add(more);
            depth = depth.max(below);
        }
        // To know what is not evaluated, the validator looks once more at everything that evaluates.
        let looks_twice = ["unevaluatedItems", "unevaluatedProperties"].iter().any(|name| schema.get(*name).is_some());
        let checks = if looks_twice { checks.saturating_mul(2) } else { checks };
        let cost = (checks, depth + 1);
        self.known.insert(schema, Some(cost));
        Ok(cost)
    }
}

/// The subschemas of a schema with their places in it; those of the keywords `definitions` too.
pub(super) fn subschemas<'a>(
    schema: &'a Value,
    definitions: &'static [&'static str],
) -> impl Iterator<Item = (String, &'a Value)> {
    let member = |keyword: &'static &'static str| schema.get(*keyword).map(|value| (*keyword, value));
    let one = SCHEMA.iter().filter_map(member).map(|(keyword, below)| (format!("/{keyword}"), below));
    let several = SCHEMAS.iter().filter_map(member).flat_map(|(keyword, list)| {
        let list = list.as_array().into_iter().flatten().enumerate();
        list.map(move |(index, below)| (format!("/{keyword}/{index}"), below))
    });
    let named = NAMED_SCHEMAS.iter().chain(definitions).filter_map(member).flat_map(|(keyword, map)| {
        let map = map.as_object().into_iter().flatten();
        map.map(move |(name, below)| (format!("/{keyword}/{}", pointer::escape(name)), below))
    });
    one.chain(several).chain(named)
}

/// A keyword of a schema that names another document or another dialect.
fn foreign(schema: &Value, is_root: bool) -> Option<(&'static str, String)> {
    let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
    if text("$schema").is_some_and(|dialect| dialect.trim_end_matches('#') != DIALECT) {
        return Some(("$schema", format!("Write `{DIALECT}`, or leave it out")));
    }
    if text("$id").is_some() && !is_root {
        return Some((
            "$id",
            "A schema inside of another has no `$id`: references lead within the one document".to_owned(),
        ));
    }
    // Keywords of earlier drafts that refer.
    let earlier = ["$recursiveRef", "$recursiveAnchor", "dependencies"].into_iter();
    earlier
        .into_iter()
        .find(|keyword| schema.get(*keyword).is_some())
        .map(|keyword| (keyword, "JSON Schema 2020-12 has no such keyword".to_owned()))
}

/// The regular expressions of a schema with their places in it.
fn patterns_of(schema: &Value) -> impl Iterator<Item = (String, &str)> {
    let own = schema.get("pattern").and_then(Value::as_str).map(|pattern| ("/pattern".to_owned(), pattern));
    let of_names = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let of_names =
        of_names.map(|(pattern, _)| (format!("/patternProperties/{}", pointer::escape(pattern)), pattern.as_str()));
    own.into_iter().chain(of_names)
}

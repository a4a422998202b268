//! Whether a condition fits the schemas of an extension point (JSON Schema 2020-12). No condition is refused which could hold:
//! see [`Place`].

use serde_json::Value;

use super::{ConditionProblem, Is, Node, Pointer, Test, evaluate};
use crate::schema_place::{Place, Types};

pub(super) fn check(node: &Node, context_schema: &Value, subject_schema: &Value) -> Vec<ConditionProblem> {
    let mut problems = Vec::new();
    check_node(node, "", (context_schema, subject_schema), &mut problems);
    problems
}

fn check_node(node: &Node, at: &str, schemas: (&Value, &Value), problems: &mut Vec<ConditionProblem>) {
    if let Node::Test(test) = node {
        problems.extend(check_test(test, at, schemas));
    }
    for (place, below) in node.below() {
        check_node(below, &format!("{at}{place}"), schemas, problems);
    }
}

fn check_test(Test { pointer, is }: &Test, at: &str, (context, subject): (&Value, &Value)) -> Vec<ConditionProblem> {
    let problem = |member: &str, message: String| ConditionProblem { pointer: format!("{at}/{member}"), message };
    let (place, root) = match find(pointer, context, subject) {
        Ok(found) => found,
        Err(message) => return vec![problem("pointer", message)],
    };
    if let Is::In(choices) = is {
        let unfit = choices.iter().enumerate().filter(|(_, choice)| !place.allows(choice));
        let here = place.in_words();
        return unfit.map(|(index, _)| problem(&format!("value/{index}"), never_equal(&here))).collect();
    }
    let message = match is {
        Is::Equal(value) => (!place.allows(value)).then(|| never_equal(&place.in_words())),
        Is::Contains(value) => never_meets(&place, is).or_else(|| never_has_element(&place, value, root)),
        _ => never_meets(&place, is),
    };
    message.map(|message| problem(if has_type_for(&place, is) { "value" } else { "is" }, message)).into_iter().collect()
}

fn never_equal(here: &str) -> String {
    format!("The schema allows no such value here. Write {here}")
}

/// The place of a pointer with the root of its schema, or why nothing can be there.
fn find<'s>(pointer: &Pointer, context: &'s Value, subject: &'s Value) -> Result<(Place<'s>, &'s Value), String> {
    let mut names = pointer.tokens.iter();
    let root = match names.next().map(|name| &**name) {
        Some("context") => context,
        Some("subject") => subject,
        _ => return Err("Write a pointer that begins with `/context` or `/subject`".to_owned()),
    };
    let mut place = Place::of(root);
    for name in names {
        place = place.below(name, root).ok_or_else(|| place.nothing_below(name))?;
    }
    Ok((place, root))
}

/// Whether a value at the place can have a type that the test looks at.
fn has_type_for(place: &Place<'_>, is: &Is) -> bool {
    types_for(is).meet(place.types())
}

/// Why no value at the place meets the test; `None` when one may.
fn never_meets(place: &Place<'_>, is: &Is) -> Option<String> {
    let here = place.in_words();
    if !has_type_for(place, is) {
        let (name, wanted) = (is.name(), types_for(is).in_words());
        return Some(format!("`{name}` looks at {wanted}, and the schema says that {here} is here"));
    }
    let met = |value: &&Value| place.allows(value) && evaluate::meets(is, Some(value));
    if place.listed().is_some_and(|values| !values.iter().any(met)) {
        return Some(format!("No value that the schema allows here meets `{}`. It allows {here}", is.name()));
    }
    None
}

/// Why no array at the place has such an element; `None` when one may, or when something other than an array can be there.
fn never_has_element(place: &Place<'_>, value: &Value, root: &Value) -> Option<String> {
    let is_text = value.is_string() && place.types().meet(Types::STRING);
    if is_text || place.listed().is_some() || place.has_first_elements() {
        return None;
    }
    let refused = place.element(0, root).is_none_or(|element| !element.allows(value));
    refused.then(|| "The schema allows no such element in this array".to_owned())
}

/// The types that the test looks at.
fn types_for(is: &Is) -> Types {
    match is {
        Is::Equal(_) | Is::In(_) | Is::Exists(_) => Types::ALL,
        Is::Prefix(_) | Is::Matches(_) => Types::STRING,
        Is::Less(_) | Is::Greater(_) => Types::NUMBER,
        Is::Contains(Value::String(_)) => Types::STRING | Types::ARRAY,
        Is::Contains(_) => Types::ARRAY,
    }
}

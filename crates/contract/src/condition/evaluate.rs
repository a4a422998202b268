//! Evaluating a condition: total, without allocation as long as it holds.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Found, Is, Node, Pattern, Test, Unmet};
use crate::{
    json_compare::{equal, order},
    limits::PATTERN_INPUT_BYTES_MAX,
};

pub(super) fn why_not(node: &Node, data: &Value) -> Option<Unmet> {
    if holds(node, data) { None } else { Some(reason(node, true, String::new(), data)) }
}

pub(super) fn holds(node: &Node, data: &Value) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| holds(node, data)),
        Node::Any(nodes) => nodes.iter().any(|node| holds(node, data)),
        Node::Not(node) => !holds(node, data),
        Node::Test(Test { pointer, is }) => meets(is, pointer.find(data)),
    }
}

/// The test for which a node is not what was `wanted` of it: the first one that decides.
fn reason(node: &Node, wanted: bool, at: String, data: &Value) -> Unmet {
    let wanted_below = if matches!(node, Node::Not(_)) { !wanted } else { wanted };
    if let Node::Test(Test { pointer, is }) = node {
        let found = match (wanted, pointer.find(data)) {
            (false, _) => Found::Excluded,
            (true, None) => Found::Nothing,
            (true, Some(_)) => Found::Other,
        };
        return Unmet { at, pointer: pointer.text.clone(), is: is.name(), found };
    }
    let deciding = node.below().find(|(_, below)| holds(below, data) != wanted_below);
    match deciding {
        Some((place, below)) => reason(below, wanted_below, at + &place, data),
        // A combination without members, which cannot be read.
        None => Unmet { at, pointer: String::new(), is: super::TestName::Exists, found: Found::Nothing },
    }
}

pub(super) fn meets(is: &Is, value: Option<&Value>) -> bool {
    let Some(value) = value else { return matches!(is, Is::Exists(false)) };
    match (is, value) {
        (Is::Equal(wanted), _) => equal(wanted, value),
        (Is::In(choices), _) => choices.iter().any(|choice| equal(choice, value)),
        (Is::Exists(there), _) => *there,
        (Is::Prefix(prefix), Value::String(text)) => text.starts_with(prefix),
        (Is::Matches(Pattern(regex)), Value::String(text)) => {
            text.len() <= PATTERN_INPUT_BYTES_MAX && regex.is_match(text)
        }
        (Is::Less(bound), Value::Number(number)) => order(number, bound) == Some(Ordering::Less),
        (Is::Greater(bound), Value::Number(number)) => order(number, bound) == Some(Ordering::Greater),
        (Is::Contains(Value::String(part)), Value::String(text)) => text.contains(part.as_str()),
        (Is::Contains(wanted), Value::Array(items)) => items.iter().any(|item| equal(wanted, item)),
        _ => false,
    }
}

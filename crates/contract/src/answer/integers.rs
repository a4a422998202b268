//! Integers that neither `i64` nor `u64` holds: the parser makes doubles of them and says nothing.

use std::collections::HashSet;

use serde_json::Value;

use super::{Answer, Item, Operand, vocabulary::Vocabulary};
use crate::{
    pointer,
    problem::{Problem, ProblemCode, Refused, shown},
};

/// From here on a double may have been written as an integer: smaller ones fit.
const SUSPECT: f64 = 9_223_372_036_854_775_807.0;

/// A problem for each value of a claim or an attribute that was written in `text` as an integer and is none any more.
pub(super) fn problems(answer: &Answer, text: &str, vocabulary: Vocabulary<'_>) -> Vec<Problem> {
    let mut written = None;
    let mut is_lost = |value: &Value| {
        let mut doubles = Vec::new();
        suspects(value, &mut doubles);
        // Few answers have such numbers: the others are not read a second time.
        !doubles.is_empty() && {
            let written = written.get_or_insert_with(|| unfit_integers(text));
            doubles.iter().any(|number| written.contains(&number.to_bits()))
        }
    };
    let mut problems = Vec::new();
    for command in &answer.commands {
        let place = command.place;
        match &command.operand {
            Operand::Items(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Item::Members(members) = item
                        && members.get("value").is_some_and(&mut is_lost)
                    {
                        problems.push(too_big().at(format!("/commands/{place}/value/{index}/value")));
                    }
                }
            }
            // Other objects have no numbers that anybody reads.
            Operand::Members(members) if vocabulary.sets_attributes(&command.kind) => {
                for (name, _) in members.0.iter().filter(|(_, value)| is_lost(value)) {
                    problems.push(too_big().at(format!("/commands/{place}/value/{}", pointer::escape(&shown(name)))));
                }
            }
            _ => {}
        }
    }
    problems
}

fn too_big() -> Refused {
    Refused::new(ProblemCode::BadValue, "Integer too big").hint(
        "It does not fit 64 bits. Write it as a string, or with an exponent if a rounded number will do".to_owned(),
    )
}

/// Adds the doubles in `value` that may have been written as integers.
pub(crate) fn suspects(value: &Value, found: &mut Vec<f64>) {
    match value {
        Value::Number(number) if number.is_f64() => {
            found.extend(number.as_f64().filter(|number| number.abs() >= SUSPECT));
        }
        Value::Array(items) => items.iter().for_each(|item| suspects(item, found)),
        Value::Object(members) => members.values().for_each(|item| suspects(item, found)),
        _ => {}
    }
}

/// The bits of the integers in a JSON text that fit neither type, as the parser rounds them.
pub(crate) fn unfit_integers(text: &str) -> HashSet<u64> {
    let mut found = HashSet::new();
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| matches!(character, '"' | '-' | '0'..='9')) {
        let (_, token) = rest.split_at(start);
        let end = match token.strip_prefix('"') {
            Some(inside) => 1 + string_length(inside),
            None => token.find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')).unwrap_or(token.len()),
        };
        let (token, after) = token.split_at(end);
        if !token.contains(['"', '.', 'e', 'E']) && token.parse::<i64>().is_err() && token.parse::<u64>().is_err() {
            let rounded = serde_json::from_str::<Value>(token).ok().and_then(|number| number.as_f64());
            found.extend(rounded.map(f64::to_bits));
        }
        rest = after;
    }
    found
}

/// Bytes up to and with the quote that ends a string.
fn string_length(inside: &str) -> usize {
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(inside.len(), |end| end + 1)
}

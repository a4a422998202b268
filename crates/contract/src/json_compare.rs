//! Compares JSON values: numbers by value, objects whatever the order of their members.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether two values are equal: numbers by value, objects whatever the order of their members. As deep as `wanted` is.
pub(crate) fn equal(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Number(wanted), Value::Number(number)) => order(wanted, number) == Some(Ordering::Equal),
        (Value::Array(wanted), Value::Array(items)) => {
            wanted.len() == items.len() && wanted.iter().zip(items).all(|(wanted, item)| equal(wanted, item))
        }
        (Value::Object(wanted), Value::Object(members)) => {
            let has = |(name, wanted): (&String, &Value)| members.get(name).is_some_and(|value| equal(wanted, value));
            wanted.len() == members.len() && wanted.iter().all(has)
        }
        _ => wanted == value,
    }
}

/// Compares by value, without rounding an integer to a floating-point number.
pub(crate) fn order(a: &Number, b: &Number) -> Option<Ordering> {
    let integer = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => Some(to_float(a, b.as_f64()?)),
        (None, Some(b)) => Some(to_float(b, a.as_f64()?).reverse()),
        (None, None) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Compares an integer of at most 64 bits with a finite number.
#[expect(clippy::cast_possible_truncation, reason = "beyond its range the cast saturates, far beyond 64 bits")]
fn to_float(integer: i128, float: f64) -> Ordering {
    let below = float.floor();
    integer.cmp(&(below as i128)).then(if float > below { Ordering::Less } else { Ordering::Equal })
}

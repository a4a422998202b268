//! JSON for people: what fits on a line stands on one line.

use serde_json::{Map, Value};

/// Longest line that holds a whole object or array.
const COLUMNS: usize = 110;
/// Spaces of each level.
const STEP: usize = 2;

/// The lines of `value`, all indented by `indent` spaces.
pub(super) fn lines(value: &Value, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    write(&mut lines, (indent, String::new()), value, "");
    lines
}

/// Writes `value` after `name`, which is empty or a member's name with its colon, and before `end`, a comma or nothing.
fn write(lines: &mut Vec<String>, (indent, name): (usize, String), value: &Value, end: &str) {
    let margin = " ".repeat(indent);
    let line = format!("{margin}{name}{}{end}", on_one_line(value));
    let parts = match value {
        Value::Object(members) if line.chars().count() > COLUMNS && !members.is_empty() => {
            let members = members.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value));
            Some(('{', members.collect::<Vec<_>>(), '}'))
        }
        Value::Array(items) if line.chars().count() > COLUMNS && !items.is_empty() => {
            Some(('[', items.iter().map(|item| (String::new(), item)).collect(), ']'))
        }
        _ => None,
    };
    let Some((open, parts, close)) = parts else {
        lines.push(line);
        return;
    };
    lines.push(format!("{margin}{name}{open}"));
    let last = parts.len();
    for (number, (name, value)) in (1..).zip(parts) {
        write(lines, (indent + STEP, name), value, if number < last { "," } else { "" });
    }
    lines.push(format!("{margin}{close}{end}"));
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let members = members.iter();
            let members =
                members.map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), on_one_line(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The members of `document` that `known` does not have, or has otherwise.
pub(super) fn beyond(known: &Value, document: &Value) -> Value {
    let (Value::Object(known), Value::Object(document)) = (known, document) else { return document.clone() };
    let members = document.iter().filter_map(|(name, value)| match known.get(name) {
        Some(same) if same == value => None,
        Some(other) => Some((name.clone(), beyond(other, value))),
        None => Some((name.clone(), value.clone())),
    });
    Value::Object(members.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_stands_on_one_line() {
        let value = json!({ "a": [], "b": { "c": [1, "x"] }, "d": {} });
        assert_eq!(lines(&value, 2), [r#"  { "a": [], "b": { "c": [1, "x"] }, "d": {} }"#]);
    }

    #[test]
    fn what_does_not_fit_is_taken_apart_level_by_level() {
        let long = "x".repeat(COLUMNS);
        let value = json!({ "a": [long, { "b": 1 }], "c": true });
        let wanted = ["{", "  \"a\": [", &format!("    \"{long}\","), "    { \"b\": 1 }", "  ],", "  \"c\": true", "}"];
        assert_eq!(lines(&value, 0), wanted);
        let parsed: Value = serde_json::from_str(&lines(&value, 4).concat()).unwrap_or_default();
        assert_eq!(parsed, value);
    }

    #[test]
    fn only_what_is_new_or_different_is_left() {
        let known = json!({ "same": 1, "gone": 1, "context": { "request": { "id": "a", "ip": "b" } } });
        let document = json!({ "same": 1, "context": { "request": { "id": "c", "ip": "b" }, "user": { "id": "u" } } });
        let left = json!({ "context": { "request": { "id": "c" }, "user": { "id": "u" } } });
        assert_eq!(beyond(&known, &document), left);
    }
}

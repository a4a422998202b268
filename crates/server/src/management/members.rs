//! The members that the bodies of a resource may have: a supported member is stored and returned, any other is refused
//! with its name.

use serde_json::{Map, Value};
use tenterhook_contract::problem::shown;

/// Most unsupported members of one body that are named; a body can have thousands.
const MEMBERS_NAMED_MAX: usize = 20;

const UNKNOWN: &str = "The member is not supported";

/// The members of a resource. Names below others are written with dots: `credentials.password.value`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members {
    /// Supported members. Their readers check the members below them.
    pub(crate) taken: &'static [&'static str],
    /// Read-only members: ignored, because clients send objects as they received them.
    pub(crate) read_only: &'static [&'static str],
    /// Members of the vendor's resource that are not supported, each with the reason.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

impl Members {
    /// One text per unsupported member, `name: reason`, at most [`MEMBERS_NAMED_MAX`] and one that counts the others. A
    /// member that is null, or an empty object or array, has no effect and is ignored. A body that is not an object has
    /// no members.
    pub(crate) fn problems(&self, body: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        if let Value::Object(members) = body {
            self.judge(members, "", &mut problems);
        }
        let others = problems.len().saturating_sub(MEMBERS_NAMED_MAX);
        if others > 0 {
            problems.truncate(MEMBERS_NAMED_MAX);
            problems.push(format!("body: {others} more members are not supported"));
        }
        problems
    }

    /// The same for each item of the list that `body` has at `pointer` (RFC 6901): `permissions[0].colour: reason`. What is not a
    /// list has no items.
    pub(crate) fn problems_of_items(&self, body: &Value, pointer: &str) -> Vec<String> {
        let items = body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        let list = pointer.trim_start_matches('/').replace('/', ".");
        let named = items.enumerate().flat_map(|(place, item)| {
            let problems = self.problems(item).into_iter();
            problems.map(|problem| format!("{list}[{place}].{problem}")).collect::<Vec<_>>()
        });
        named.take(MEMBERS_NAMED_MAX).collect()
    }

    fn judge(&self, members: &Map<String, Value>, above: &str, problems: &mut Vec<String>) {
        for (name, value) in members {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            // A dot in a name must not make it another member.
            let known = |names: &[&str]| !name.contains('.') && names.contains(&path.as_str());
            if known(self.read_only) || known(self.taken) {
                continue;
            }
            let refusal = self.refused.iter().find(|(refused, _)| known(&[refused]));
            if refusal.is_none() && !name.contains('.') && self.has_below(&path) {
                match value {
                    Value::Null => {}
                    Value::Object(below) => self.judge(below, &path, problems),
                    _ => problems.push(format!("{path}: The field has an invalid value")),
                }
            } else if is_empty(value) {
            } else if let Some((_, why)) = refusal {
                problems.push(format!("{path}: {why}"));
            } else {
                problems.push(format!("{}: {UNKNOWN}", shown(&path)));
            }
        }
    }

    /// Whether there is a known member below `path`.
    fn has_below(&self, path: &str) -> bool {
        let refused = self.refused.iter().map(|(name, _)| name);
        let mut names = self.taken.iter().chain(self.read_only).chain(refused);
        names.any(|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MEMBERS: Members =
        Members { taken: &["name", "a.b.c"], read_only: &["id", "a.shown"], refused: &[("a.b.no", "Not this one")] };

    #[test]
    fn every_member_is_taken_passed_over_or_named() {
        for (body, problems) in [
            (json!({ "name": 1, "id": { "x": 1 }, "a": { "shown": [1], "b": { "c": { "any": 1 } } } }), vec![]),
            (json!({ "a": { "b": { "d": 1 } } }), vec!["a.b.d: The member is not supported"]),
            (json!({ "a": { "b": { "no": true } } }), vec!["a.b.no: Not this one"]),
            (json!({ "a": 1 }), vec!["a: The field has an invalid value"]),
            (json!({ "a": [] }), vec!["a: The field has an invalid value"]),
            (json!({ "a": { "b": null, "no": [] } }), vec![]),
            (json!({ "a": { "b": "x" } }), vec!["a.b: The field has an invalid value"]),
            (json!({ "a.b.c": 1 }), vec!["a.b.c: The member is not supported"]),
            (
                json!({ "a": { "b.c": 1, "id": 1 } }),
                vec!["a.b.c: The member is not supported", "a.id: The member is not supported"],
            ),
            (json!({ "Name": false }), vec!["Name: The member is not supported"]),
            (json!({ "x": null, "y": {}, "z": [] }), vec![]),
            (json!([1]), vec![]),
        ] {
            assert_eq!(MEMBERS.problems(&body), problems, "{body}");
        }
    }

    #[test]
    fn members_of_items_are_named_with_their_place() {
        let body = json!({ "a": { "list": [{ "name": 1 }, { "name": 1, "colour": "red", "x": null }, 7] }, "b": {} });
        assert_eq!(MEMBERS.problems_of_items(&body, "/a/list"), ["a.list[1].colour: The member is not supported"]);
        assert_eq!(MEMBERS.problems_of_items(&body, "/b"), [] as [&str; 0]);
        let many: Vec<_> = (0..=MEMBERS_NAMED_MAX).map(|_| json!({ "colour": 1 })).collect();
        assert_eq!(MEMBERS.problems_of_items(&json!({ "l": many }), "/l").len(), MEMBERS_NAMED_MAX);
    }

    #[test]
    fn as_many_as_the_bound_are_named_and_the_others_counted() {
        let body = |count: usize| Value::Object((0..count).map(|number| (format!("m{number}"), json!(1))).collect());
        assert_eq!(MEMBERS.problems(&body(MEMBERS_NAMED_MAX)).len(), MEMBERS_NAMED_MAX);
        let problems = MEMBERS.problems(&body(MEMBERS_NAMED_MAX + 1));
        assert_eq!(problems.len(), MEMBERS_NAMED_MAX + 1);
        assert_eq!(problems.last().map(String::as_str), Some("body: 1 more members are not supported"));
    }
}

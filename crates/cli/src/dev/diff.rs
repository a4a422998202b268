//! The changes of a hook, claim by claim.

use serde_json::{Map, Value};

/// One line of the difference between two sets of claims.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// The same before and after.
    Kept(String, Value),
    /// Only after.
    Added(String, Value),
    /// Only before.
    Removed(String, Value),
    /// Before and after.
    Replaced(String, Value, Value),
}

/// The lines in the order of `before`, then added claims.
pub(crate) fn lines(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Line> {
    let old = before.iter().map(|(name, old)| match after.get(name) {
        None => Line::Removed(name.clone(), old.clone()),
        Some(new) if new == old => Line::Kept(name.clone(), old.clone()),
        Some(new) => Line::Replaced(name.clone(), old.clone(), new.clone()),
    });
    let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
    old.chain(new.map(|(name, value)| Line::Added(name.clone(), value.clone()))).collect()
}

/// The line of the token's lifetime in seconds, when the hook changed it.
pub(crate) fn lifetime(before: Option<Value>, after: Option<Value>) -> Option<Line> {
    let (before, after) = (before?, after?);
    (before != after).then(|| Line::Replaced("lifetime in seconds".to_owned(), before, after))
}

impl Line {
    /// The mark that begins the line.
    pub(crate) fn mark(&self) -> char {
        match self {
            Self::Kept(..) => ' ',
            Self::Added(..) => '+',
            Self::Removed(..) => '-',
            Self::Replaced(..) => '~',
        }
    }

    /// The line without its mark.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Kept(name, value) | Self::Added(name, value) | Self::Removed(name, value) => {
                format!("{name}: {value}")
            }
            Self::Replaced(name, old, new) => format!("{name}: {old} → {new}"),
        }
    }

    /// The name of what is not as it was.
    pub(crate) fn changed(&self) -> Option<&str> {
        match self {
            Self::Kept(..) => None,
            Self::Added(name, _) | Self::Removed(name, _) | Self::Replaced(name, ..) => Some(name),
        }
    }

    /// The line as JSON, for `--json`.
    pub(crate) fn to_json(&self) -> Value {
        let (change, name) = match self {
            Self::Kept(name, _) => ("kept", name),
            Self::Added(name, _) => ("added", name),
            Self::Removed(name, _) => ("removed", name),
            Self::Replaced(name, ..) => ("replaced", name),
        };
        let (before, after) = match self {
            Self::Kept(_, value) => (Some(value), Some(value)),
            Self::Added(_, value) => (None, Some(value)),
            Self::Removed(_, value) => (Some(value), None),
            Self::Replaced(_, old, new) => (Some(old), Some(new)),
        };
        serde_json::json!({ "claim": name, "change": change, "before": before, "after": after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn every_kind_of_change_has_its_mark() {
        let before = claims(&serde_json::json!({ "a": 1, "b": 2, "c": 3 }));
        let after = claims(&serde_json::json!({ "d": 4, "a": 1, "c": "three" }));
        let shown: Vec<_> =
            lines(&before, &after).iter().map(|line| format!("{} {}", line.mark(), line.text())).collect();
        assert_eq!(shown, ["  a: 1", "- b: 2", "~ c: 3 → \"three\"", "+ d: 4"]);
    }
}

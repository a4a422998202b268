//! Whether a condition fits the schemas of an extension point.

use serde_json::Value;

use super::{ConditionProblem, Node};

pub(super) fn check(_node: &Node, _context_schema: &Value, _subject_schema: &Value) -> Vec<ConditionProblem> {
    Vec::new()
}

//! Expressions of claims: a quoted text, an attribute of the user, or one of the app.

use serde_json::{Value, json};

use crate::{OAuthClient, User};

/// The value of a claim's expression; `None` when it names something that does not exist.
pub fn evaluate(expression: &str, user: Option<&User>, client: &OAuthClient) -> Option<Value> {
    let expression = expression.trim();
    if let Some(text) = expression.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Some(json!(text));
    }
    if let Some(attribute) = expression.strip_prefix("app.") {
        return match attribute {
            "clientId" => Some(json!(client.id)),
            "name" => Some(json!(client.name)),
            _ => None,
        };
    }
    let user = user?;
    match expression.strip_prefix("user.")? {
        "id" => Some(json!(user.id)),
        attribute => user.profile.attribute(attribute),
    }
}

/// Whether an expression is one that [`evaluate`] understands.
pub fn is_expression(expression: &str) -> bool {
    let expression = expression.trim();
    let quoted = expression.len() >= 2 && expression.starts_with('"') && expression.ends_with('"');
    let attribute =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    quoted
        || matches!(expression, "app.clientId" | "app.name")
        || expression.strip_prefix("user.").is_some_and(attribute)
}

/// The profile attribute that an expression names: not `id`, which is no attribute.
///
/// ```
/// use tenterhook_model::user_attribute;
/// assert_eq!(user_attribute(" user.costCenter"), Some("costCenter"));
/// assert_eq!((user_attribute("user.id"), user_attribute("app.name")), (None, None));
/// ```
pub fn user_attribute(expression: &str) -> Option<&str> {
    expression.trim().strip_prefix("user.").filter(|name| *name != "id")
}

//! The development org's own extension point: declared, with a hook and its binding, and invoked as a host does.

use http::StatusCode;
use serde_json::{Value, json};
use tenterhook_contract::Secret;

use super::{
    client::{Client, Sent},
    diff::Line,
    registration::Registration,
};
use crate::Error;

/// Its type.
pub(super) const POINT: &str = "com.example.order.checkout";
/// Its declaration, which is also that of the hosts in `examples/hosts/`.
const DECLARATION: &str = include_str!("../../../../examples/hosts/order-checkout.json");
/// What an order says whose hook gave no usable answer.
const NOT_ANSWERED: &str = "The hook did not answer";

/// The policy with which the hook is made: without a usable answer the order goes on, for a person to look at.
pub(super) fn first_policy() -> Value {
    let operation = json!({ "op": "add", "path": "/review", "value": NOT_ANSWERED });
    let commands = json!([{ "type": format!("{POINT}.patch"), "value": [operation] }]);
    json!({ "failurePolicy": "fallback", "fallbackCommands": commands })
}

/// Declares the extension point if it is not there, registers the hook, and binds it if it is not bound. What a user has
/// changed of the declaration and of other bindings stays. Answers with the hook's id.
pub(super) async fn set_up(client: Client, admin_token: &str, registration: &Registration) -> Result<String, Error> {
    let path = format!("/api/v1/extensionPoints/{POINT}");
    let authorization = format!("SSWS {admin_token}");
    let known = client.send("GET", &path, Sent { authorization: Some(&authorization), ..Sent::default() }).await?;
    if known.status == StatusCode::NOT_FOUND {
        let declaration = serde_json::from_str(DECLARATION)?;
        client.json("POST", "/api/v1/extensionPoints", admin_token, Some(declaration)).await?;
    }
    let hook_id = registration.register(client, admin_token).await?;
    let path = format!("{path}/bindings");
    let bound = client.json("GET", &path, admin_token, None).await?;
    let mut bindings = bound.get("bindings").and_then(Value::as_array).cloned().unwrap_or_default();
    if !bindings.iter().any(|binding| binding.get("inlineHookId").is_some_and(|id| *id == *hook_id)) {
        bindings.push(json!({ "inlineHookId": hook_id }));
        client.json("PUT", &path, admin_token, Some(json!({ "bindings": bindings }))).await?;
    }
    Ok(hook_id)
}

/// Path of a host's call.
pub(super) fn invocations_path() -> String {
    format!("/api/v1/extensionPoints/{POINT}/invocations")
}

/// The order that pauses.
pub(super) fn question() -> Value {
    json!({
        "subject": {
            "customer": { "email": "ada@example.com" },
            "lines": [{ "sku": "lamp", "quantity": 2, "price": 4900 }],
            "discounts": [],
        },
        "context": { "channel": "web" },
    })
}

/// The command that invokes the point; `token` is a host's.
pub(super) fn command(base_url: &str, token: &str) -> String {
    format!(
        "curl -s -H 'Authorization: SSWS {token}' -H 'Content-Type: application/json' -d '{}' {base_url}{}",
        question(),
        invocations_path()
    )
}

/// Pauses an order; what the host is told.
pub(super) async fn invoke(client: Client, host_token: &Secret) -> Result<Value, Error> {
    client.json("POST", &invocations_path(), host_token.expose(), Some(question())).await
}

/// What the hook changed of the order, from the result's `changes` (RFC 6902).
pub(super) fn lines(result: &Value) -> Vec<Line> {
    let question = question();
    let before = |path: &str| question.pointer(&format!("/subject{path}")).cloned().unwrap_or_default();
    let changes = result.get("changes").and_then(Value::as_array).into_iter().flatten();
    let lines = changes.filter_map(|change| {
        let path = change.get("path")?.as_str()?.to_owned();
        let value = || change.get("value").cloned().unwrap_or_default();
        Some(match change.get("op")?.as_str()? {
            "remove" => Line::Removed(path.clone(), before(&path)),
            "replace" => Line::Replaced(path.clone(), before(&path), value()),
            _ => Line::Added(path, value()),
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_order_is_one_of_the_declared_point() {
        let declaration: Value = serde_json::from_str(DECLARATION).unwrap();
        assert_eq!(declaration.get("type"), Some(&json!(POINT)));
        let point = tenterhook_contract::declared::DeclaredPoint::compile(serde_json::from_value(declaration).unwrap())
            .unwrap();
        let question = question();
        assert_eq!(point.check_context(question.get("context").unwrap()), Ok(()));
        assert!(point.subject(question.get("subject").unwrap().clone()).is_ok());
    }

    #[test]
    fn each_change_has_its_line() {
        let result = json!({ "changes": [
            { "op": "add", "path": "/discounts/0", "value": 1 },
            { "op": "replace", "path": "/lines/0/price", "value": 1 },
            { "op": "remove", "path": "/customer/email" },
        ] });
        let shown: Vec<_> = lines(&result).iter().map(|line| format!("{} {}", line.mark(), line.text())).collect();
        assert_eq!(
            shown,
            ["+ /discounts/0: 1", "~ /lines/0/price: 4900 → 1", "- /customer/email: \"ada@example.com\""]
        );
    }
}

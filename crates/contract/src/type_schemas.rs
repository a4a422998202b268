//! The parts of the JSON Schemas that a hook type gives ([`HookKind::schemas`](crate::HookKind::schemas)).

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Description, envelope::Envelope, preview::PREVIEW_MARK};

/// Schemas of one type's documents.
pub struct TypeSchemas {
    /// One for each form of the request.
    pub(crate) requests: Vec<RequestSchema>,
    /// The operand of each command, in the order of the type's commands.
    pub(crate) operands: Vec<Schema>,
}

pub(crate) struct RequestSchema {
    envelope: Schema,
    request_types: Vec<&'static str>,
}

/// An operation on a token.
#[derive(JsonSchema, Serialize)]
pub(crate) struct TokenOperation {
    op: TokenOp,
    /// `/claims/<name>[/<member or index>…]`, or `/token/lifetime/expiration`; a JSON Pointer (RFC 6901).
    path: String,
    /// Required for `add` and `replace`, absent for `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

/// What an operation on a token does.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum TokenOp {
    Add,
    Replace,
    Remove,
}

/// An operation on an assertion.
#[derive(JsonSchema, Serialize)]
pub(crate) struct AssertionOperation {
    op: AssertionOp,
    /// Relative to `data.assertion`; a JSON Pointer (RFC 6901).
    path: String,
    /// A string, an integer, an array or an object, as the target needs.
    value: Value,
}

/// What an operation on an assertion does.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum AssertionOp {
    Add,
    Replace,
}

/// An object with one required member.
pub(crate) fn object_of<T: JsonSchema>(generator: &mut SchemaGenerator, name: &str) -> Schema {
    let member = generator.subschema_for::<T>();
    schemars::json_schema!({ "type": "object", "properties": { name: member }, "required": [name] })
}

impl TypeSchemas {
    /// Schemas of a type whose request has one form, with `data` of the type `D`; `operands` are those of its commands, in the
    /// order of its description.
    pub fn new<D: JsonSchema + Serialize>(
        generator: &mut SchemaGenerator,
        request_types: &[&'static str],
        operands: Vec<Schema>,
    ) -> Self {
        Self { requests: Vec::new(), operands }.or::<D>(generator, request_types)
    }

    /// The same with this schema of `data` in every form.
    #[cfg(feature = "declared")]
    #[must_use]
    pub(crate) fn with_data(mut self, data: &Value) -> Self {
        for RequestSchema { envelope, .. } in &mut self.requests {
            if let Some(Value::Object(properties)) = envelope.get_mut("properties") {
                properties.insert("data".to_owned(), data.clone());
            }
        }
        self
    }

    /// A further form of the request.
    #[must_use]
    pub fn or<D: JsonSchema + Serialize>(
        mut self,
        generator: &mut SchemaGenerator,
        request_types: &[&'static str],
    ) -> Self {
        let envelope = Envelope::<'static, D>::json_schema(generator);
        self.requests.push(RequestSchema { envelope, request_types: request_types.to_vec() });
        self
    }
}

impl RequestSchema {
    /// The envelope with the values that the type fixes.
    pub(crate) fn of_type(self, description: &Description) -> Value {
        let mut schema = self.envelope.to_value();
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.insert("eventType".into(), json!({ "const": description.event_type }));
            let version = &description.event_type_version;
            properties.insert("eventTypeVersion".into(), json!({ "type": "string", "const": version }));
            let preview = "Present and true in a preview: the answer has no effect.";
            properties.insert(PREVIEW_MARK.into(), json!({ "const": true, "description": preview }));
            if self.request_types.is_empty() {
                properties.shift_remove("requestType");
            } else {
                properties.insert("requestType".into(), json!({ "enum": self.request_types }));
            }
        }
        if let (false, Some(Value::Array(required))) = (self.request_types.is_empty(), schema.get_mut("required")) {
            required.push("requestType".into());
        }
        schema
    }
}

//! JSON Schemas (2020-12) of the documents, and the OpenAPI 3.1 description of the calls, from the types themselves.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{EmptyAnswer, HookKind, type_schemas::TypeSchemas};

/// The refusal of a service.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerError {
    /// Shown where the type shows a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_summary: Option<String>,
    /// What exactly is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_causes: Option<Vec<AnswerErrorCause>>,
}

/// One cause of a refusal.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerErrorCause {
    /// The text for this cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_summary: Option<String>,
    /// An enum-like code, such as `UNIQUE_CONSTRAINT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// `body`, `header`, `url` or `query`.
    #[serde(skip_serializing_if = "Option::is_none")]
    location_type: Option<String>,
    /// A path in the request, such as `data.userProfile.login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// `end-user` or `external-service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
}

/// The schema of a type's request and of its answer.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The request.
    pub request: Value,
    /// The answer.
    pub answer: Value,
}

/// The JSON Schemas of a type's documents, each complete on its own.
///
/// ```
/// use tenterhook_contract::{BuiltInType, schema::json_schemas};
/// let schemas = json_schemas(&**BuiltInType::Saml.kind());
/// assert_eq!(schemas.request["properties"]["eventType"]["const"], "com.okta.saml.tokens.transform");
/// assert_eq!(schemas.answer["$schema"], "https://json-schema.org/draft/2020-12/schema");
/// ```
pub fn json_schemas(kind: &dyn HookKind) -> Documents {
    let complete = |which: fn(Documents) -> Value| {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut schema =
            Map::from_iter([("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"))]);
        if let Value::Object(members) = which(documents(kind, &mut generator)) {
            schema.extend(members);
        }
        let definitions = reachable(generator.take_definitions(true), &Value::Object(schema.clone()));
        if !definitions.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Value::Object(schema)
    };
    Documents { request: complete(|documents| documents.request), answer: complete(|documents| documents.answer) }
}

/// The OpenAPI 3.1 description of the calls of these types, as `webhooks`.
///
/// ```
/// use tenterhook_contract::{BuiltInType, schema::openapi};
/// let document = openapi(BuiltInType::ALL.iter().map(|hook_type| &**hook_type.kind()));
/// assert_eq!(document["webhooks"].as_object().unwrap().len(), 6);
/// ```
pub fn openapi<'a>(kinds: impl Iterator<Item = &'a dyn HookKind>) -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let webhooks = kinds.map(|kind| {
        let Documents { request, answer } = documents(kind, &mut generator);
        (kind.description().event_type.to_string(), webhook(kind, request, answer))
    });
    let webhooks = webhooks.collect::<Map<_, _>>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tenterhook inline hooks",
            "description": "What an external service receives, and what it may answer.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "webhooks": webhooks,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

fn webhook(kind: &dyn HookKind, request: Value, answer: Value) -> Value {
    let description = kind.description();
    let examples = |texts: &[&str]| {
        let parsed = texts.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()).enumerate();
        parsed.map(|(index, value)| (format!("sample{}", index + 1), json!({ "value": value }))).collect::<Map<_, _>>()
    };
    let content = |schema: Value, texts: &[&str]| json!({ "application/json": { "schema": schema, "examples": examples(texts) } });
    let mut responses = Map::new();
    let answered = json!({
        "description": "The commands, or a refusal.",
        "content": content(answer, &kind.sample_answers()),
    });
    responses.insert("200".to_owned(), answered);
    if description.empty_answer == EmptyAnswer::DefaultAction {
        let nothing = format!("Nothing to change: {}.", description.default_outcome);
        responses.insert("204".to_owned(), json!({ "description": nothing }));
    }
    json!({
        "post": {
            "operationId": description.event_type,
            "summary": description.title,
            "description": format!("When the service returns nothing: {}.", description.default_outcome),
            "requestBody": { "required": true, "content": content(request, &kind.sample_requests()) },
            "responses": responses,
        },
    })
}

fn documents(kind: &dyn HookKind, generator: &mut SchemaGenerator) -> Documents {
    let description = kind.description();
    let TypeSchemas { requests, operands } = kind.schemas(generator);
    let forms = requests.into_iter().map(|form| form.of_type(description)).collect::<Vec<_>>();
    let request = match <[Value; 1]>::try_from(forms) {
        Ok([only]) => only,
        Err(forms) => json!({ "oneOf": forms }),
    };
    let commands = description.commands.iter().zip(operands).map(|(rule, operand)| {
        json!({
            "type": "object",
            "properties": { "type": { "const": rule.name }, "value": operand },
            "required": ["type", "value"],
        })
    });
    let commands = commands.collect::<Vec<_>>();
    let error = generator.subschema_for::<AnswerError>();
    let answer = json!({
        "title": format!("{} answer", description.title),
        "type": "object",
        "properties": {
            "commands": { "type": ["array", "null"], "items": { "oneOf": commands } },
            "error": { "anyOf": [error, { "type": "null" }] },
            "debugContext": { "type": ["object", "null"] },
        },
    });
    let mut titled = Map::from_iter([("title".to_owned(), json!(format!("{} request", description.title)))]);
    if let Value::Object(members) = request {
        titled.extend(members.into_iter().filter(|(name, _)| name != "title"));
    }
    Documents { request: Value::Object(titled), answer }
}

/// The definitions that `schema` needs, directly or through others.
fn reachable(definitions: Map<String, Value>, schema: &Value) -> Map<String, Value> {
    let mut needed = Vec::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let named = members.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/"));
                if let Some((name, definition)) = named.and_then(|name| definitions.get_key_value(name))
                    && !needed.contains(name)
                {
                    needed.push(name.clone());
                    open.push(definition);
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    definitions.into_iter().filter(|(name, _)| needed.contains(name)).collect()
}

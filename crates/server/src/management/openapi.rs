//! The OpenAPI 3.1 document of the management API, generated from the route table. Only `cargo xtask generate` builds this; the
//! server embeds the committed document.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{answer::sentence, route::Route};

/// The description of a body.
pub(crate) struct BodyDescription {
    pub(crate) schema: Value,
    pub(crate) required: bool,
}

/// The description of an answer.
pub(crate) struct AnswerDescription {
    pub(crate) status: u16,
    pub(crate) schema: Option<Value>,
    /// Whether an answer with the status 429 may have this schema too.
    pub(crate) may_be_turned_away: bool,
}

impl AnswerDescription {
    pub(crate) fn of(status: u16, schema: Option<Value>) -> Self {
        Self { status, schema, may_be_turned_away: false }
    }
}

/// The schema of a type, or a reference to it.
pub(crate) fn described<T: JsonSchema + ?Sized>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// The body of every error.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Error {
    /// A code of the catalogue, such as `E0000001`; clients branch on it alone.
    error_code: String,
    error_summary: String,
    /// The code again.
    error_link: String,
    /// Unique for each error; the server's log has it.
    error_id: String,
    /// One for each problem.
    error_causes: Vec<ErrorCause>,
}

/// One problem.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorCause {
    error_summary: String,
}

/// The document.
pub(crate) fn document(routes: &[Route]) -> Value {
    let generator = |mut settings: SchemaSettings| {
        settings.definitions_path = "/components/schemas".into();
        settings.into_generator()
    };
    let mut requests = generator(SchemaSettings::draft2020_12().for_deserialize());
    let mut answers = generator(SchemaSettings::draft2020_12().for_serialize());
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for route in routes {
        if !tags.contains(&route.tag) {
            tags.push(route.tag);
        }
        let operation = operation(route, &mut requests, &mut answers);
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    let error = described::<Error>(&mut answers);
    let responses = STATUSES.iter().map(|(_, name, description)| {
        let content = json!({ "application/json": { "schema": error } });
        ((*name).to_owned(), json!({ "description": description, "content": content }))
    });
    let responses = responses.collect::<Map<_, _>>();
    let mut schemas = requests.take_definitions(true);
    schemas.extend(answers.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tenterhook management API",
            "description": "Inline hooks, and what puts them into process flows.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{ "url": "/" }],
        "tags": tags.iter().map(|tag| json!({ "name": tag })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "apiToken": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`SSWS` and an API token",
                },
            },
        },
    })
}

/// The errors of operations, their names and when they come.
const STATUSES: [(u16, &str, &str); 10] = [
    (400, "Invalid", "Something in the request is wrong; nothing was changed."),
    (401, "Unauthenticated", "The API token is missing or not valid."),
    (403, "Forbidden", "The org is suspended, or the API token does not allow it."),
    (404, "NotFound", "There is no such resource."),
    (405, "MethodNotAllowed", "The path does not support the method."),
    (408, "BodyTimeout", "The body did not arrive in time."),
    (413, "BodyTooLarge", "The body is too large."),
    (429, "RateLimited", "Too many requests, or too many calls of inline hooks are open."),
    (500, "InternalError", "The server failed; its log has the request id of the answer."),
    (503, "Unavailable", "The database cannot be written or read at present."),
];

fn operation(route: &Route, requests: &mut SchemaGenerator, answers: &mut SchemaGenerator) -> Value {
    let mut operation = Map::from_iter([
        ("operationId".to_owned(), json!(route.operation)),
        ("summary".to_owned(), json!(sentence(route.operation))),
        ("tags".to_owned(), json!([route.tag])),
    ]);
    let ids = route.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let ids = ids.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let parameters = route.parameters.iter().map(|parameter| {
        let schema = json!({ "type": "string" });
        json!({ "name": parameter.name, "in": "query", "description": parameter.description, "schema": schema })
    });
    let parameters: Vec<Value> = ids.chain(parameters).collect();
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    let body = (route.body)(requests);
    let has_body = body.is_some();
    if let Some(body) = body {
        let body = json!({ "required": body.required, "content": content(body.schema) });
        operation.insert("requestBody".to_owned(), body);
    }
    let answer = (route.answer)(answers);
    let mut success = Map::from_iter([("description".to_owned(), json!("Success"))]);
    success.extend(answer.schema.clone().map(|schema| ("content".to_owned(), content(schema))));
    let mut responses = Map::from_iter([(answer.status.to_string(), Value::Object(success))]);
    for (status, name, description) in STATUSES {
        let is_answered = match status {
            401 => route.scope.is_some(),
            404 => route.path.contains('{'),
            408 | 413 => has_body,
            _ => true,
        };
        if is_answered {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status.to_string(), reference);
        }
        if status == 429
            && let Some(schema) = answer.schema.as_ref().filter(|_| answer.may_be_turned_away)
        {
            let either = json!({ "oneOf": [schema, described::<Error>(answers)] });
            responses.insert(status.to_string(), json!({ "description": description, "content": content(either) }));
        }
    }
    operation.insert("responses".to_owned(), responses.into());
    // A scheme that is not OAuth may name what a token must allow (OpenAPI 3.1 section 4.8.30).
    let security = route.scope.as_ref().map(|scope| json!({ "apiToken": [scope] }));
    operation.insert("security".to_owned(), security.into_iter().collect::<Vec<_>>().into());
    operation.into()
}

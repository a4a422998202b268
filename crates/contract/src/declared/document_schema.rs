//! JSON Schemas of the documents of a declared extension point, and of its commands' operands.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::Declaration;
use crate::type_schemas::TypeSchemas;

pub(super) fn schemas(declaration: &Declaration, generator: &mut SchemaGenerator) -> TypeSchemas {
    let kinds = ["add", "replace", "remove"];
    let operation = json!({
        "type": "object",
        "properties": {
            "op": { "enum": kinds.iter().filter(|kind| declaration.operations.iter().any(|own| own.op.name() == **kind)).collect::<Vec<_>>() },
            "path": { "type": "string", "format": "json-pointer" },
            "value": true,
        },
        "required": ["op", "path"],
    });
    let patch = json_schema!({ "type": "array", "items": operation });
    let decisions = declaration.decisions.as_ref().map(|decisions| json!({ "enum": decisions.names }));
    let decide = decisions.as_ref().map(
        |decision| json_schema!({ "type": "object", "properties": { "decision": decision }, "required": ["decision"] }),
    );
    let operands = [Some(patch), decide].into_iter().flatten().collect::<Vec<Schema>>();
    let mut properties = Map::from_iter([
        ("context".to_owned(), sent(declaration, "context", &declaration.context_schema)),
        ("subject".to_owned(), sent(declaration, "subject", &declaration.subject_schema)),
        ("allowed".to_owned(), json!({ "type": "object" })),
    ]);
    properties.extend(decisions.map(|decision| ("decision".to_owned(), decision)));
    let required = properties.keys().cloned().collect::<Vec<_>>();
    let data = json!({ "type": "object", "properties": properties, "required": required });
    TypeSchemas::new::<Value>(generator, &[], operands).with_data(&data)
}

/// The schema of `context` or `subject` as it stands inside of another one: a resource of its own, so that its references lead
/// within it. What is sensitive is not sent, so no name of such a member is required.
fn sent(declaration: &Declaration, part: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let last_names = declaration.sensitive.iter().filter_map(|pattern| pattern.rsplit('/').next());
    let unsent = last_names.map(|name| name.replace("~1", "/").replace("~0", "~")).collect::<Vec<_>>();
    require_less(&mut schema, &unsent);
    if let Value::Object(members) = &mut schema {
        members.entry("$id").or_insert_with(|| format!("urn:tenterhook:{}:{part}", declaration.name).into());
    }
    schema
}

/// Takes names out of every `required`. The nesting of a schema is bounded by its check.
fn require_less(schema: &mut Value, unsent: &[String]) {
    match schema {
        Value::Object(members) => {
            if !unsent.is_empty()
                && let Some(Value::Array(required)) = members.get_mut("required")
            {
                required.retain(|name| !unsent.iter().any(|unsent| unsent == "*" || *name == unsent.as_str()));
            }
            members.values_mut().for_each(|below| require_less(below, unsent));
        }
        Value::Array(items) => items.iter_mut().for_each(|below| require_less(below, unsent)),
        _ => {}
    }
}

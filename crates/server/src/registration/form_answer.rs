//! The form of a policy for own front ends, as a schema.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tenterhook_contract::profile::AttributeKind;
use tenterhook_flows::{
    password_reset::PASSWORD_CHARACTERS_MIN,
    registration::form::{Form, FormField, PASSWORD},
};
use tenterhook_model::EnrollmentPolicy;

use crate::browser::form::password_rules;

/// A form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormAnswer {
    policy_id: String,
    /// Milliseconds since 1970, as the vendor has it.
    last_update: i64,
    profile_schema: ProfileSchema,
}

/// Its fields; the password is one of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileSchema {
    properties: Map<String, Value>,
    required: Vec<String>,
    field_order: Vec<String>,
}

impl FormAnswer {
    pub(super) fn of(policy: &EnrollmentPolicy, form: &Form<'_>) -> Self {
        let mut schema = ProfileSchema { properties: Map::new(), required: Vec::new(), field_order: Vec::new() };
        for field in &form.fields {
            schema.add(&field.asked.name, property(field), field.asked.required);
        }
        let [characters, login] = password_rules();
        let rules =
            json!([{ "description": characters, "minLength": PASSWORD_CHARACTERS_MIN }, { "description": login }]);
        schema.add(PASSWORD, json!({ "type": "string", "title": "Password", "allOf": rules }), true);
        let last_update = policy.last_updated.max(policy.rule.last_updated).as_micros() / 1_000;
        Self { policy_id: policy.id.to_string(), last_update, profile_schema: schema }
    }
}

impl ProfileSchema {
    fn add(&mut self, name: &str, property: Value, required: bool) {
        self.properties.insert(name.to_owned(), property);
        self.field_order.push(name.to_owned());
        if required {
            self.required.push(name.to_owned());
        }
    }
}

fn property(field: &FormField<'_>) -> Value {
    let mut property = type_of(field.kind());
    property.insert("title".to_owned(), field.asked.label.as_str().into());
    if *field.kind() != AttributeKind::Boolean && !field.choices().is_empty() {
        property.insert("enum".to_owned(), field.choices().into());
    }
    Value::Object(property)
}

fn type_of(kind: &AttributeKind) -> Map<String, Value> {
    let named = |name: &str| Map::from_iter([("type".to_owned(), Value::from(name))]);
    match kind {
        AttributeKind::Text { min, max } => {
            let mut text = named("string");
            if *min > 0 {
                text.insert("minLength".to_owned(), json!(min));
            }
            if *max < usize::MAX {
                text.insert("maxLength".to_owned(), json!(max));
            }
            text
        }
        AttributeKind::Number => named("number"),
        AttributeKind::Integer => named("integer"),
        AttributeKind::Boolean => named("boolean"),
        AttributeKind::List { items, one_of } => {
            let mut item = type_of(items);
            if !one_of.is_empty() {
                item.insert("enum".to_owned(), one_of.clone().into());
            }
            let mut list = named("array");
            list.insert("items".to_owned(), item.into());
            list
        }
    }
}

//! The profile schema of an org's users: base attributes, which all orgs share, and custom ones.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tenterhook_contract::{members::Members, problem::shown, profile::ProfileSchema};
use tenterhook_model::{
    ATTRIBUTE_CHARACTERS_MAX, AttributeType, CUSTOM_ATTRIBUTES_MAX, Choice, Choices, ConfigurationObject,
    ConfigurationWrite, CustomAttribute, ItemType, SelfPermission, UserSchema,
};
use tenterhook_platform::{OrgSnapshot, Platform, events::named_target};

use crate::administrator::{Administrator, ManagementError, log_change, org_of};

/// Characters of the name of an attribute.
const NAME_CHARACTERS_MAX: usize = 100;
/// Characters of a title or a description.
const TEXT_CHARACTERS_MAX: usize = 255;
/// Values that an attribute is limited to.
const CHOICES_MAX: usize = 200;
/// Name of the schema, as the vendor has it.
const NAME: &str = "user";
const PROPERTIES: &str = "definitions.custom.properties";
const BLANK: &str = "The field cannot be left blank";
const INVALID: &str = "The field has an invalid value";

/// What the body of a change may have.
const MEMBERS: Members = Members {
    taken: &[PROPERTIES, "definitions.custom.required", "definitions.base.properties"],
    read_only: &[
        "id",
        "$schema",
        "name",
        "title",
        "description",
        "type",
        "created",
        "lastUpdated",
        "properties",
        "_links",
        "definitions.custom.id",
        "definitions.custom.type",
        "definitions.base.id",
        "definitions.base.type",
        "definitions.base.required",
    ],
    refused: &[],
};

/// What the definition of an attribute may have.
const DEFINITION: Members = Members {
    taken: &[
        "title",
        "description",
        "type",
        "required",
        "sensitive",
        "minLength",
        "maxLength",
        "enum",
        "oneOf",
        "items.type",
        "items.enum",
        "items.oneOf",
        "permissions",
        "scope",
        "master.type",
        "mutability",
        "unique",
    ],
    read_only: &[],
    refused: &[
        ("pattern", "Patterns are not supported"),
        ("format", "Formats are not supported"),
        ("externalName", "Attributes of other systems are not supported"),
        ("externalNamespace", "Attributes of other systems are not supported"),
        ("master.priority", "Other sources of profiles are not supported"),
    ],
};

/// A change of the custom attributes.
pub struct SchemaChange {
    /// Each attribute that is named, with its new definition or `None` to remove it.
    attributes: Vec<(String, Option<CustomAttribute>)>,
    /// The names of all required attributes after the change, where the body has them.
    required: Option<BTreeSet<String>>,
}

/// The org's schema; without custom attributes it is as old as the org.
///
/// # Errors
/// When the org is gone.
pub fn get(platform: &Platform, administrator: &Administrator) -> Result<UserSchema, ManagementError> {
    Ok(schema_of(&*org_of(platform, administrator)?))
}

fn schema_of(org: &OrgSnapshot) -> UserSchema {
    let stored = org.configuration.user_schemas.iter().next().cloned();
    stored.unwrap_or_else(|| UserSchema::new(&org.org.id, org.org.created))
}

/// Defines, changes and removes custom attributes. Values of an attribute that is removed stay in the profiles that have
/// them, until they are taken away or replaced.
///
/// # Errors
/// A type that would change; too many attributes.
pub async fn change(
    platform: &Platform,
    administrator: &Administrator,
    change: &SchemaChange,
) -> Result<UserSchema, ManagementError> {
    let now = platform.now();
    let (schema, is_changed) = platform
        .change(&administrator.token.org_id, |snapshot| {
            let before = schema_of(snapshot);
            let after = UserSchema { attributes: changed(&before.attributes, change)?, ..before.clone() };
            if after == before {
                return Ok::<_, ManagementError>((Vec::new(), (before, false)));
            }
            let after = UserSchema { last_updated: now, ..after };
            let write = ConfigurationWrite::put(ConfigurationObject::UserSchema(after.clone()));
            Ok((vec![write], (after, true)))
        })
        .await?;
    if is_changed {
        let target = named_target(&schema.id, "UserSchema", NAME);
        log_change(platform, administrator, "directory.user_profile.update", "Update user profile schema", target);
    }
    Ok(schema)
}

fn changed(before: &[CustomAttribute], change: &SchemaChange) -> Result<Vec<CustomAttribute>, ManagementError> {
    let mut attributes = before.to_vec();
    let mut causes = Vec::new();
    for (name, definition) in &change.attributes {
        let place = attributes.iter().position(|attribute| attribute.name == *name);
        match (place, definition) {
            (Some(place), None) => {
                attributes.remove(place);
            }
            (None, None) => {}
            (None, Some(definition)) => attributes.push(definition.clone()),
            (Some(place), Some(definition)) => {
                if let Some(known) = attributes.get_mut(place) {
                    if std::mem::discriminant(&known.values) != std::mem::discriminant(&definition.values) {
                        causes.push(format!(
                            "{PROPERTIES}.{name}.type: The type cannot be changed; remove the attribute first"
                        ));
                    }
                    *known = definition.clone();
                }
            }
        }
    }
    if attributes.len() > CUSTOM_ATTRIBUTES_MAX {
        causes.push(format!("{PROPERTIES}: At most {CUSTOM_ATTRIBUTES_MAX} custom attributes are supported"));
    }
    let required = attributes.iter().filter(|attribute| attribute.required).map(|attribute| attribute.name.clone());
    if change.required.as_ref().is_some_and(|wanted| *wanted != required.collect()) {
        let text = "Say it in each attribute: `\"required\": true`";
        causes.push(format!("definitions.custom.required: {text}"));
    }
    if causes.is_empty() { Ok(attributes) } else { Err(invalid(causes)) }
}

fn invalid(causes: Vec<String>) -> ManagementError {
    ManagementError::Invalid { subject: NAME.to_owned(), causes }
}

impl SchemaChange {
    /// Of `{"definitions": {"custom": {"properties": {NAME: {…} or null}}}}`.
    ///
    /// # Errors
    /// Everything that is wrong with the body.
    pub fn read(body: &Value) -> Result<Self, ManagementError> {
        let mut causes = MEMBERS.problems(body);
        let object = |pointer: &str, causes: &mut Vec<String>| match body.pointer(pointer) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(members)) => members.clone(),
            Some(_) => {
                causes.push(format!("{}: {INVALID}", pointer.trim_start_matches('/').replace('/', ".")));
                Map::new()
            }
        };
        for (name, definition) in object("/definitions/base/properties", &mut causes) {
            if ProfileSchema::is_base(&name) && definition == base_attribute(&name) {
                continue;
            }
            causes.push(format!("definitions.base.properties.{}: Base attributes cannot be changed", shown(&name)));
        }
        let mut attributes = Vec::new();
        for (name, definition) in object("/definitions/custom/properties", &mut causes) {
            let definition =
                if definition.is_null() { None } else { Definition::read(&name, &definition, &mut causes) };
            attributes.push((name, definition));
        }
        let required = match body.pointer("/definitions/custom/required") {
            None | Some(Value::Null) => None,
            Some(listed) => {
                let names: Option<BTreeSet<String>> = serde_json::from_value(listed.clone()).ok();
                if names.is_none() {
                    causes.push(format!("definitions.custom.required: {INVALID}"));
                }
                names
            }
        };
        if causes.is_empty() { Ok(Self { attributes, required }) } else { Err(invalid(causes)) }
    }
}

/// The definition of one attribute while it is read.
struct Definition<'a> {
    path: String,
    members: &'a Value,
    causes: &'a mut Vec<String>,
}

impl Definition<'_> {
    fn read(name: &str, definition: &Value, causes: &mut Vec<String>) -> Option<CustomAttribute> {
        let path = format!("{PROPERTIES}.{}", shown(name));
        let before = causes.len();
        causes.extend(DEFINITION.problems(definition).into_iter().map(|problem| format!("{path}.{problem}")));
        if !is_name(name) {
            let text = format!("A name has letters, digits and `_`, a letter first, at most {NAME_CHARACTERS_MAX}");
            causes.push(format!("{path}: {text}"));
        } else if ProfileSchema::is_base(name) || name == "password" {
            causes.push(format!("{path}: The name is taken by a base attribute"));
        }
        let mut reader = Definition { path, members: definition, causes };
        if !definition.is_object() {
            reader.cause("", INVALID);
            return None;
        }
        let attribute = CustomAttribute {
            name: name.to_owned(),
            title: reader.text("title").unwrap_or_else(|| {
                reader.cause(".title", BLANK);
                String::new()
            }),
            description: reader.text("description"),
            required: reader.flag("required"),
            sensitive: reader.flag("sensitive"),
            permission: reader.permission(),
            values: reader.values()?,
        };
        reader.fixed();
        (reader.causes.len() == before).then_some(attribute)
    }

    fn cause(&mut self, below: &str, text: &str) {
        self.causes.push(format!("{}{below}: {text}", self.path));
    }

    fn member(&self, name: &str) -> Option<&Value> {
        self.members.pointer(&format!("/{}", name.replace('.', "/"))).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.member(name)? {
            Value::String(text) if text.chars().count() <= TEXT_CHARACTERS_MAX => {
                return Some(text.clone()).filter(|text| !text.trim().is_empty());
            }
            _ => self.cause(&format!(".{name}"), INVALID),
        }
        None
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.member(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.cause(&format!(".{name}"), INVALID);
                false
            }
        }
    }

    fn length(&mut self, name: &str) -> Option<usize> {
        let length = self.member(name)?.as_u64().and_then(|length| usize::try_from(length).ok());
        if length.is_none() {
            self.cause(&format!(".{name}"), INVALID);
        }
        length
    }

    /// Members that have one value here.
    fn fixed(&mut self) {
        let wrong = |name: &str, taken: &[Value]| self.member(name).is_some_and(|value| !taken.contains(value));
        let wrong: Vec<(&str, &str)> = [
            ("scope", &[json!("NONE")][..], "Only `NONE` is supported"),
            ("mutability", &[json!("READ_WRITE")], "Only `READ_WRITE` is supported"),
            ("unique", &[json!("NOT_UNIQUE"), json!(false)], "Only `NOT_UNIQUE` is supported"),
            ("master.type", &[json!("PROFILE_MASTER"), json!("OKTA")], "Only `PROFILE_MASTER` is supported"),
        ]
        .into_iter()
        .filter_map(|(name, taken, text)| wrong(name, taken).then_some((name, text)))
        .collect();
        for (name, text) in wrong {
            self.cause(&format!(".{name}"), text);
        }
    }

    fn permission(&mut self) -> SelfPermission {
        let Some(permissions) = self.member("permissions") else { return SelfPermission::ReadOnly };
        let permission = match permissions.as_array().map(Vec::as_slice) {
            Some([]) => Some(SelfPermission::ReadOnly),
            Some([permission]) if permission.get("principal") == Some(&json!("SELF")) => {
                permission.get("action").and_then(|action| serde_json::from_value(action.clone()).ok())
            }
            _ => None,
        };
        permission.unwrap_or_else(|| {
            self.cause(".permissions", "Write one, of the principal `SELF`, with `HIDE`, `READ_ONLY` or `READ_WRITE`");
            SelfPermission::ReadOnly
        })
    }

    fn values(&mut self) -> Option<AttributeType> {
        let type_name = self.member("type").and_then(Value::as_str).map(str::to_owned);
        let is_text = type_name.as_deref() == Some("string");
        let (min_length, max_length) = (self.length("minLength"), self.length("maxLength"));
        for (name, length) in [("minLength", min_length), ("maxLength", max_length)] {
            if length.is_some() && !is_text {
                self.cause(&format!(".{name}"), "Only a string has it");
            }
        }
        if min_length.zip(max_length).is_some_and(|(min, max)| min > max) {
            self.cause(".minLength", "It is greater than `maxLength`");
        }
        let is_list = type_name.as_deref() == Some("array");
        if !is_list && self.member("items").is_some() {
            self.cause(".items", "Only an array has it");
        }
        Some(match type_name.as_deref() {
            Some("string") => {
                AttributeType::String { min_length, max_length, choices: self.choices("", Value::is_string) }
            }
            Some("number") => AttributeType::Number(self.choices("", Value::is_number)),
            Some("integer") => AttributeType::Integer(self.choices("", is_integer)),
            Some("boolean") => {
                if self.member("enum").is_some() || self.member("oneOf").is_some() {
                    self.cause(".enum", "A boolean is not limited to values");
                }
                AttributeType::Boolean
            }
            Some("array") => {
                for name in ["enum", "oneOf"] {
                    if self.member(name).is_some() {
                        self.cause(&format!(".{name}"), "Write it into `items`");
                    }
                }
                let (items, fits): (_, fn(&Value) -> bool) = match self.member("items.type").and_then(Value::as_str) {
                    Some("string") => (ItemType::String, Value::is_string),
                    Some("number") => (ItemType::Number, Value::is_number),
                    Some("integer") => (ItemType::Integer, is_integer),
                    _ => {
                        self.cause(".items.type", "Write `string`, `number` or `integer`");
                        return None;
                    }
                };
                AttributeType::Array { items, choices: self.choices("items.", fits) }
            }
            _ => {
                self.cause(".type", "Write `string`, `number`, `integer`, `boolean` or `array`");
                return None;
            }
        })
    }

    /// The values that the attribute, or its items, are limited to.
    fn choices(&mut self, below: &str, fits: fn(&Value) -> bool) -> Choices {
        let listed = |name: &str| self.member(&format!("{below}{name}")).cloned();
        let values = match listed("enum") {
            None => Vec::new(),
            Some(Value::Array(values)) if values.len() <= CHOICES_MAX && values.iter().all(fits) => values,
            Some(_) => {
                self.cause(&format!(".{below}enum"), &format!("Write at most {CHOICES_MAX} values of the type"));
                Vec::new()
            }
        };
        let one_of: Option<Vec<Choice>> = match self.member(&format!("{below}oneOf")).cloned() {
            None => Some(Vec::new()),
            Some(listed) => serde_json::from_value(listed).ok().filter(|listed: &Vec<Choice>| {
                listed.len() <= CHOICES_MAX
                    && listed
                        .iter()
                        .all(|choice| fits(&choice.value) && choice.title.chars().count() <= TEXT_CHARACTERS_MAX)
                    && (values.is_empty()
                        || listed.is_empty()
                        || listed.iter().map(|choice| &choice.value).eq(values.iter()))
            }),
        };
        let one_of = one_of.unwrap_or_else(|| {
            let text =
                format!("Write at most {CHOICES_MAX} of `const`, a value of the type and of `enum`, and `title`");
            self.cause(&format!(".{below}oneOf"), &text);
            Vec::new()
        });
        Choices { values, one_of }
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_CHARACTERS_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

/// The schema as the API shows it.
pub fn user_schema_to_json(schema: &UserSchema, base_url: &str) -> Value {
    let base = ProfileSchema::base();
    let base_required: Vec<_> = base.attributes().filter(|attribute| attribute.required).map(|a| &a.name).collect();
    let base_properties: Map<_, _> =
        base.attributes().map(|attribute| (attribute.name.clone(), base_attribute(&attribute.name))).collect();
    let custom: Map<_, _> =
        schema.attributes.iter().map(|attribute| (attribute.name.clone(), custom_attribute(attribute))).collect();
    let required: Vec<_> =
        schema.attributes.iter().filter(|attribute| attribute.required).map(|attribute| &attribute.name).collect();
    json!({
        "id": format!("{base_url}/meta/schemas/{}", schema.id),
        "$schema": "http://json-schema.org/draft-04/schema#",
        "name": NAME,
        "title": "User",
        "description": "Profiles of users",
        "created": schema.created,
        "lastUpdated": schema.last_updated,
        "definitions": {
            "custom": { "id": "#custom", "type": "object", "properties": custom, "required": required },
            "base": { "id": "#base", "type": "object", "properties": base_properties, "required": base_required },
        },
        "type": "object",
        "properties": { "profile": { "allOf": [{ "$ref": "#/definitions/custom" }, { "$ref": "#/definitions/base" }] } },
        "_links": { "self": { "href": format!("{base_url}/api/v1/meta/schemas/user/default"), "rel": "self" } },
    })
}

fn custom_attribute(attribute: &CustomAttribute) -> Value {
    let mut members = Map::from_iter([("title".to_owned(), json!(attribute.title))]);
    if let Some(description) = &attribute.description {
        members.insert("description".to_owned(), json!(description));
    }
    let values = match &attribute.values {
        AttributeType::String { min_length, max_length, choices } => {
            members.insert("type".to_owned(), json!("string"));
            for (name, length) in [("minLength", min_length), ("maxLength", max_length)] {
                if let Some(length) = length {
                    members.insert(name.to_owned(), json!(length));
                }
            }
            members.extend(choices_shown(choices));
            None
        }
        AttributeType::Number(choices) => Some(("number", choices_shown(choices))),
        AttributeType::Integer(choices) => Some(("integer", choices_shown(choices))),
        AttributeType::Boolean => Some(("boolean", Map::new())),
        AttributeType::Array { items, choices } => {
            let mut shown = Map::from_iter([("type".to_owned(), json!(items))]);
            shown.extend(choices_shown(choices));
            Some(("array", Map::from_iter([("items".to_owned(), Value::Object(shown))])))
        }
    };
    if let Some((type_name, others)) = values {
        members.insert("type".to_owned(), json!(type_name));
        members.extend(others);
    }
    members.insert("required".to_owned(), json!(attribute.required));
    if attribute.sensitive {
        members.insert("sensitive".to_owned(), json!(true));
    }
    members.extend(common(attribute.permission));
    Value::Object(members)
}

fn choices_shown(choices: &Choices) -> Map<String, Value> {
    let Choices { values, one_of } = choices;
    let values = (!values.is_empty()).then(|| ("enum".to_owned(), json!(values)));
    values.into_iter().chain((!one_of.is_empty()).then(|| ("oneOf".to_owned(), json!(one_of)))).collect()
}

fn base_attribute(name: &str) -> Value {
    let is_required = ProfileSchema::base().attribute(name).is_some_and(|attribute| attribute.required);
    let mut members = Map::from_iter([
        ("title".to_owned(), json!(title_of(name))),
        ("type".to_owned(), json!("string")),
        ("maxLength".to_owned(), json!(ATTRIBUTE_CHARACTERS_MAX)),
        ("required".to_owned(), json!(is_required)),
    ]);
    members.extend(common(SelfPermission::ReadOnly));
    Value::Object(members)
}

/// `firstName` as people write it: `First name`.
fn title_of(name: &str) -> String {
    let mut title = String::new();
    for (place, letter) in name.chars().enumerate() {
        match (place, letter.is_uppercase()) {
            (0, _) => title.extend(letter.to_uppercase()),
            (_, true) => {
                title.push(' ');
                title.extend(letter.to_lowercase());
            }
            (_, false) => title.push(letter),
        }
    }
    title
}

fn common(permission: SelfPermission) -> Map<String, Value> {
    Map::from_iter([
        ("mutability".to_owned(), json!("READ_WRITE")),
        ("scope".to_owned(), json!("NONE")),
        ("permissions".to_owned(), json!([{ "principal": "SELF", "action": permission }])),
        ("master".to_owned(), json!({ "type": "PROFILE_MASTER" })),
    ])
}

//! The profile schema of an org's users: base attributes, which all orgs share, and custom ones.

use std::collections::BTreeSet;

use serde_json::Value;
use tenterhook_contract::{problem::shown, profile::ProfileSchema};
use tenterhook_model::{
    AttributeType, CUSTOM_ATTRIBUTES_MAX, Choice, Choices, ConfigurationObject, ConfigurationWrite, CustomAttribute,
    ItemType, SelfPermission, UserSchema,
};
use tenterhook_platform::{OrgSnapshot, Platform, events::named_target};

use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    request::{Causes, Given, INVALID, Submitted, TEXT_CHARACTERS_MAX},
};

/// Characters of the name of an attribute.
const NAME_CHARACTERS_MAX: usize = 100;
/// Values that an attribute is limited to.
const CHOICES_MAX: usize = 200;
/// The subject of an error's summary: the name of the schema, as the vendor has it.
pub const MODEL: &str = "user";
const PROPERTIES: &str = "definitions.custom.properties";
const BASE_PROPERTIES: &str = "definitions.base.properties";
const REQUIRED: &str = "definitions.custom.required";

/// What a request says of the profile schema.
#[derive(Clone, Debug, Default)]
pub struct SchemaRequest {
    /// Each custom attribute that is named; null removes it.
    pub attributes: Given<Vec<(String, Given<Submitted<AttributeRequest>>)>>,
    /// The names of all required custom attributes.
    pub required: Given<BTreeSet<String>>,
    /// The names of attributes that the request defines as base attributes, but otherwise than they are.
    pub changed_base_attributes: Given<Vec<String>>,
}

/// What a request says of one custom attribute.
#[derive(Clone, Debug, Default)]
pub struct AttributeRequest {
    /// A name for people.
    pub title: Given<String>,
    /// A text for people.
    pub description: Given<String>,
    /// `string`, `number`, `integer`, `boolean` or `array`.
    pub value_type: Given<String>,
    /// Whether every user must have a value.
    pub required: Given<bool>,
    /// Whether its value is left out of hook documents.
    pub sensitive: Given<bool>,
    /// The least number of characters.
    pub min_length: Given<usize>,
    /// The greatest number of characters.
    pub max_length: Given<usize>,
    /// The values that it is limited to.
    pub choices: ChoicesRequest,
    /// What the items of an array are.
    pub items: Given<ItemsRequest>,
    /// What users may do with their own value.
    pub permissions: Given<Vec<PermissionRequest>>,
    /// `NONE`.
    pub scope: Given<String>,
    /// `PROFILE_MASTER`, or `OKTA`, which means the same here.
    pub master: Given<String>,
    /// `READ_WRITE`.
    pub mutability: Given<String>,
    /// Values are not unique.
    pub unique: Given<UniqueRequest>,
}

/// What a request says of the items of an array.
#[derive(Clone, Debug, Default)]
pub struct ItemsRequest {
    /// `string`, `number` or `integer`.
    pub value_type: Given<String>,
    /// The values that they are limited to.
    pub choices: ChoicesRequest,
}

/// What a request says of the values that something is limited to.
#[derive(Clone, Debug, Default)]
pub struct ChoicesRequest {
    /// The values.
    pub values: Given<Vec<Value>>,
    /// The values with names for people.
    pub one_of: Given<Vec<Choice>>,
}

/// What a request says that a principal may do with the value of an attribute.
#[derive(Clone, Debug, Default)]
pub struct PermissionRequest {
    /// `SELF`.
    pub principal: Given<String>,
    /// `HIDE`, `READ_ONLY` or `READ_WRITE`.
    pub action: Given<String>,
}

/// Whether values are unique, in either form that the vendor's clients write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UniqueRequest {
    /// By its name: `NOT_UNIQUE`.
    Named(String),
    /// By a flag.
    Flag(bool),
}

/// A change of the custom attributes.
struct SchemaChange {
    /// Each attribute that is named, with its new definition or `None` to remove it.
    attributes: Vec<(String, Option<CustomAttribute>)>,
    /// The names of all required attributes after the change, where the request has them.
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
/// Everything that is wrong with the request; a type that would change; too many attributes.
pub async fn change(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<SchemaRequest>,
) -> Result<UserSchema, ManagementError> {
    let (change, now) = (SchemaChange::read(submitted)?, platform.now());
    let (schema, is_changed) = platform
        .change(&administrator.token.org_id, |snapshot| {
            let before = schema_of(snapshot);
            let after = UserSchema { attributes: changed(&before.attributes, &change)?, ..before.clone() };
            if after == before {
                return Ok::<_, ManagementError>((Vec::new(), (before, false)));
            }
            let after = UserSchema { last_updated: now, ..after };
            let write = ConfigurationWrite::put(ConfigurationObject::UserSchema(after.clone()));
            Ok((vec![write], (after, true)))
        })
        .await?;
    if is_changed {
        let target = named_target(&schema.id, "UserSchema", MODEL);
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
        causes.push(format!("{REQUIRED}: {text}"));
    }
    if causes.is_empty() { Ok(attributes) } else { Err(invalid(causes)) }
}

fn invalid(causes: Vec<String>) -> ManagementError {
    ManagementError::Invalid { subject: MODEL.to_owned(), causes }
}

impl SchemaChange {
    fn read(submitted: &Submitted<SchemaRequest>) -> Result<Self, ManagementError> {
        let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
        for name in causes.given(BASE_PROPERTIES, &request.changed_base_attributes).into_iter().flatten() {
            causes.add(&format!("{BASE_PROPERTIES}.{}", shown(name)), "Base attributes cannot be changed");
        }
        let mut attributes = Vec::new();
        for (name, definition) in causes.given(PROPERTIES, &request.attributes).into_iter().flatten() {
            let definition = match definition {
                Given::Absent => None,
                given => read_attribute(&mut causes, name, given.value()),
            };
            attributes.push((name.clone(), definition));
        }
        let required = causes.given(REQUIRED, &request.required).cloned();
        causes.finish()?;
        Ok(Self { attributes, required })
    }
}

/// Reads the definition of an attribute; `None` stands for one that is not an object.
fn read_attribute(
    causes: &mut Causes,
    name: &str,
    definition: Option<&Submitted<AttributeRequest>>,
) -> Option<CustomAttribute> {
    let path = format!("{PROPERTIES}.{}", shown(name));
    if !is_name(name) {
        let text = format!("A name has letters, digits and `_`, a letter first, at most {NAME_CHARACTERS_MAX}");
        causes.add(&path, &text);
    } else if ProfileSchema::is_base(name) || name == "password" {
        causes.add(&path, "The name is taken by a base attribute");
    }
    let Some(submitted) = definition else {
        causes.add(&path, INVALID);
        return None;
    };
    let (request, mut own) = (&submitted.request, Causes::of(MODEL, submitted));
    let attribute = read_values(&mut own, request).map(|values| CustomAttribute {
        name: name.to_owned(),
        title: own.line("title", &request.title),
        description: own.optional_text("description", &request.description),
        required: own.plain("required", &request.required, false),
        sensitive: own.plain("sensitive", &request.sensitive, false),
        permission: read_permission(&mut own, &request.permissions),
        values,
    });
    own.constant("scope", &request.scope, "NONE");
    own.constant("mutability", &request.mutability, "READ_WRITE");
    if request.master.value().is_none_or(|master| master != "OKTA") {
        own.constant("master.type", &request.master, "PROFILE_MASTER");
    }
    let is_unique = match &request.unique {
        Given::Absent | Given::Is(UniqueRequest::Flag(false)) => false,
        Given::Is(UniqueRequest::Named(name)) => name != "NOT_UNIQUE",
        Given::Is(UniqueRequest::Flag(true)) | Given::Wrong => true,
    };
    if is_unique {
        own.add("unique", "Only `NOT_UNIQUE` is supported");
    }
    causes.append_below(&path, own);
    attribute
}

fn read_permission(causes: &mut Causes, given: &Given<Vec<PermissionRequest>>) -> SelfPermission {
    let permission = match given {
        Given::Absent => Some(SelfPermission::ReadOnly),
        Given::Is(permissions) => match permissions.as_slice() {
            [] => Some(SelfPermission::ReadOnly),
            [permission] if permission.principal.value().is_some_and(|principal| principal == "SELF") => {
                match permission.action.value().map(String::as_str) {
                    Some("HIDE") => Some(SelfPermission::Hide),
                    Some("READ_ONLY") => Some(SelfPermission::ReadOnly),
                    Some("READ_WRITE") => Some(SelfPermission::ReadWrite),
                    _ => None,
                }
            }
            _ => None,
        },
        Given::Wrong => None,
    };
    permission.unwrap_or_else(|| {
        let text = "Write one, of the principal `SELF`, with `HIDE`, `READ_ONLY` or `READ_WRITE`";
        causes.add("permissions", text);
        SelfPermission::ReadOnly
    })
}

/// The values that an attribute may have; `None` when its type, or that of its items, is not known.
fn read_values(causes: &mut Causes, request: &AttributeRequest) -> Option<AttributeType> {
    let type_name = request.value_type.value().map(String::as_str);
    let length = |causes: &mut Causes, member: &str, given: &Given<usize>| causes.given(member, given).copied();
    let min_length = length(causes, "minLength", &request.min_length);
    let max_length = length(causes, "maxLength", &request.max_length);
    for (member, length) in [("minLength", min_length), ("maxLength", max_length)] {
        if length.is_some() && type_name != Some("string") {
            causes.add(member, "Only a string has it");
        }
    }
    if min_length.zip(max_length).is_some_and(|(min, max)| min > max) {
        causes.add("minLength", "It is greater than `maxLength`");
    }
    if type_name != Some("array") && request.items.is_given() {
        causes.add("items", "Only an array has it");
    }
    let choices = &request.choices;
    Some(match type_name {
        Some("string") => {
            let choices = read_choices(causes, "", choices, Value::is_string);
            AttributeType::String { min_length, max_length, choices }
        }
        Some("number") => AttributeType::Number(read_choices(causes, "", choices, Value::is_number)),
        Some("integer") => AttributeType::Integer(read_choices(causes, "", choices, is_integer)),
        Some("boolean") => {
            if choices.values.is_given() || choices.one_of.is_given() {
                causes.add("enum", "A boolean is not limited to values");
            }
            AttributeType::Boolean
        }
        Some("array") => {
            for (member, is_given) in [("enum", choices.values.is_given()), ("oneOf", choices.one_of.is_given())] {
                if is_given {
                    causes.add(member, "Write it into `items`");
                }
            }
            let items = request.items.value();
            let type_name = items.and_then(|items| items.value_type.value()).map(String::as_str);
            let (item_type, fits): (_, fn(&Value) -> bool) = match type_name {
                Some("string") => (ItemType::String, Value::is_string),
                Some("number") => (ItemType::Number, Value::is_number),
                Some("integer") => (ItemType::Integer, is_integer),
                _ => {
                    causes.add("items.type", "Write `string`, `number` or `integer`");
                    return None;
                }
            };
            let choices = items.map(|items| read_choices(causes, "items.", &items.choices, fits)).unwrap_or_default();
            AttributeType::Array { items: item_type, choices }
        }
        _ => {
            causes.add("type", "Write `string`, `number`, `integer`, `boolean` or `array`");
            return None;
        }
    })
}

/// The values that an attribute, or its items, are limited to. `below` stands before the names of the members.
fn read_choices(causes: &mut Causes, below: &str, request: &ChoicesRequest, fits: fn(&Value) -> bool) -> Choices {
    let values = match &request.values {
        Given::Absent => Vec::new(),
        Given::Is(values) if values.len() <= CHOICES_MAX && values.iter().all(fits) => values.clone(),
        Given::Is(_) | Given::Wrong => {
            causes.add(&format!("{below}enum"), &format!("Write at most {CHOICES_MAX} values of the type"));
            Vec::new()
        }
    };
    let is_choice = |choice: &Choice| fits(&choice.value) && choice.title.chars().count() <= TEXT_CHARACTERS_MAX;
    // Where both members have values, they must be the same.
    let agree = |listed: &[Choice]| {
        values.is_empty() || listed.is_empty() || listed.iter().map(|choice| &choice.value).eq(values.iter())
    };
    let one_of = match &request.one_of {
        Given::Absent => Vec::new(),
        Given::Is(listed) if listed.len() <= CHOICES_MAX && listed.iter().all(is_choice) && agree(listed) => {
            listed.clone()
        }
        Given::Is(_) | Given::Wrong => {
            let text =
                format!("Write at most {CHOICES_MAX} of `const`, a value of the type and of `enum`, and `title`");
            causes.add(&format!("{below}oneOf"), &text);
            Vec::new()
        }
    };
    Choices { values, one_of }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_CHARACTERS_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

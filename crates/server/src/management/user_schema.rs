//! The profile schema of an org's users.

#[cfg(feature = "schema")]
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::profile::ProfileSchema;
use tenterhook_management::{
    request::Given,
    user_schema::{
        self, AttributeRequest, ChoicesRequest, ItemsRequest, MODEL, PermissionRequest, SchemaRequest, UniqueRequest,
    },
};
use tenterhook_model::{
    self as model, ATTRIBUTE_CHARACTERS_MAX, AttributeType, Choices, CustomAttribute, ItemType, UserSchema,
};

use super::{
    answer::{Date, InOrder, sentence},
    call::{Body, Call, ResourceBody, below, objects, submitted},
    members::Members,
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const SCHEMA: &str = "/api/v1/meta/schemas/user/default";
    Routes::of("User schema", "okta.schemas").get(SCHEMA, "getUserSchema", retrieve).post(
        SCHEMA,
        "updateUserSchema",
        merge,
    )
}

/// A change of the profile schema as it is written. Custom attributes that it does not name stay.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaRequest"))]
pub(super) struct SchemaBody {
    #[serde(default, deserialize_with = "below")]
    definitions: DefinitionsBody,
}

/// The attributes of users.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaDefinitionsRequest"))]
struct DefinitionsBody {
    #[serde(default, deserialize_with = "below")]
    custom: CustomBody,
    #[serde(default, deserialize_with = "below")]
    base: BaseBody,
}

/// The custom attributes of an org's users.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CustomAttributesRequest"))]
struct CustomBody {
    /// By their names; null removes one.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, Option<AttributeBody>>>"))]
    properties: Given<Map<String, Value>>,
    /// The names of the required ones, as each of them says itself.
    #[serde(default)]
    required: Given<BTreeSet<String>>,
}

/// The attributes that the users of every org have.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BaseAttributesRequest"))]
struct BaseBody {
    /// As they are shown: they cannot be changed.
    #[serde(default)]
    properties: Given<Map<String, Value>>,
}

/// A custom attribute as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CustomAttributeRequest"))]
#[serde(rename_all = "camelCase")]
struct AttributeBody {
    /// A name for people.
    title: Given<String>,
    /// A text for people.
    #[serde(default)]
    description: Given<String>,
    /// The type of its values.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "ValueType"))]
    value_type: Given<String>,
    /// Whether every user that is created or replaced must have a value.
    #[serde(default)]
    required: Given<bool>,
    /// Whether its value is left out of hook documents.
    #[serde(default)]
    sensitive: Given<bool>,
    /// The least number of characters of a string.
    #[serde(default)]
    min_length: Given<usize>,
    /// The greatest number of characters of a string.
    #[serde(default)]
    max_length: Given<usize>,
    /// The values that it is limited to.
    #[serde(default, rename = "enum")]
    values: Given<Vec<Value>>,
    /// The values that it is limited to, with names for people.
    #[serde(default, deserialize_with = "objects")]
    one_of: Given<Vec<Choice>>,
    /// What the items of an array are.
    #[serde(default)]
    items: Given<ItemsBody>,
    /// One at most; `READ_ONLY` when absent.
    #[serde(default, deserialize_with = "objects")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Permission>>"))]
    permissions: Given<Vec<PermissionBody>>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Scope>"))]
    scope: Given<String>,
    #[serde(default, deserialize_with = "below")]
    master: MasterBody,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Mutability>"))]
    mutability: Given<String>,
    /// `NOT_UNIQUE` or false.
    #[serde(default)]
    unique: Given<UniqueBody>,
}

/// What the items of an array are.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeItemsRequest"))]
#[serde(rename_all = "camelCase")]
struct ItemsBody {
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<ItemValueType>"))]
    value_type: Given<String>,
    /// The values that they are limited to.
    #[serde(default, rename = "enum")]
    values: Given<Vec<Value>>,
    /// The values that they are limited to, with names for people.
    #[serde(default, deserialize_with = "objects")]
    one_of: Given<Vec<Choice>>,
}

/// What a principal may do with the value of an attribute.
#[derive(Debug, Default, Deserialize)]
struct PermissionBody {
    principal: Given<String>,
    action: Given<String>,
}

/// The source of the values of an attribute.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeMasterRequest"))]
struct MasterBody {
    /// `PROFILE_MASTER`, or `OKTA`, which means the same here.
    #[serde(rename = "type", default)]
    master_type: Given<String>,
}

/// Whether the values of an attribute are unique, by a name or a flag.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeUniqueRequest"))]
#[serde(untagged)]
enum UniqueBody {
    Named(String),
    Flag(bool),
}

impl ResourceBody for SchemaBody {
    const MEMBERS: Members = Members {
        taken: &["definitions.custom.properties", "definitions.custom.required", "definitions.base.properties"],
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
    type Request = SchemaRequest;

    fn into_request(self) -> SchemaRequest {
        let attribute = |definition: Value| {
            let members = Given::<Map<String, Value>>::deserialize(definition).unwrap_or(Given::Wrong);
            members.map(|members| submitted::<AttributeBody>(Value::Object(members)))
        };
        let attributes = |properties: Map<String, Value>| {
            properties.into_iter().map(|(name, definition)| (name, attribute(definition))).collect()
        };
        let is_changed = |(name, definition): &(String, Value)| {
            !ProfileSchema::is_base(name)
                || serde_json::to_value(AttributeAnswer::of_base(name)).is_ok_and(|shown| shown != *definition)
        };
        let changed =
            |properties: Map<String, Value>| properties.into_iter().filter(is_changed).map(|(name, _)| name).collect();
        let DefinitionsBody { custom, base } = self.definitions;
        SchemaRequest {
            attributes: custom.properties.map(attributes),
            required: custom.required,
            changed_base_attributes: base.properties.map(changed),
        }
    }
}

impl ResourceBody for AttributeBody {
    const MEMBERS: Members = Members {
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
    type Request = AttributeRequest;

    fn unsupported(body: &Value) -> Vec<String> {
        const CHOICE: Members = Members { taken: &["const", "title"], read_only: &[], refused: &[] };
        const PERMISSION: Members = Members { taken: &["principal", "action"], read_only: &[], refused: &[] };
        let lists = [("/oneOf", CHOICE), ("/items/oneOf", CHOICE), ("/permissions", PERMISSION)];
        let of_items = lists.into_iter().flat_map(|(list, members)| members.problems_of_items(body, list));
        Self::MEMBERS.problems(body).into_iter().chain(of_items).collect()
    }

    fn into_request(self) -> AttributeRequest {
        let choices = |values, one_of: Given<Vec<Choice>>| ChoicesRequest {
            values,
            one_of: one_of.map(|listed| listed.into_iter().map(Into::into).collect()),
        };
        let permission = |PermissionBody { principal, action }| PermissionRequest { principal, action };
        AttributeRequest {
            title: self.title,
            description: self.description,
            value_type: self.value_type,
            required: self.required,
            sensitive: self.sensitive,
            min_length: self.min_length,
            max_length: self.max_length,
            choices: choices(self.values, self.one_of),
            items: self.items.map(|items| ItemsRequest {
                value_type: items.value_type,
                choices: choices(items.values, items.one_of),
            }),
            permissions: self.permissions.map(|listed| listed.into_iter().map(permission).collect()),
            scope: self.scope,
            master: self.master.master_type,
            mutability: self.mutability,
            unique: self.unique.map(|unique| match unique {
                UniqueBody::Named(name) => UniqueRequest::Named(name),
                UniqueBody::Flag(flag) => UniqueRequest::Flag(flag),
            }),
        }
    }
}

/// The profile schema as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchema"))]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaAnswer {
    /// A URL.
    id: String,
    #[serde(rename = "$schema")]
    dialect: &'static str,
    name: &'static str,
    title: &'static str,
    description: &'static str,
    created: Date,
    last_updated: Date,
    definitions: Definitions,
    #[serde(rename = "type")]
    schema_type: &'static str,
    properties: SchemaProperties,
    #[serde(rename = "_links")]
    links: SchemaLinks,
}

/// The attributes of users.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaDefinitions"))]
struct Definitions {
    /// Of this org.
    custom: Attributes,
    /// Of every org.
    base: Attributes,
}

/// Attributes by their names.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Attributes {
    id: &'static str,
    #[serde(rename = "type")]
    schema_type: &'static str,
    properties: InOrder<AttributeAnswer>,
    /// The names of the required ones.
    required: Vec<String>,
}

/// An attribute as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Attribute"))]
#[serde(rename_all = "camelCase")]
struct AttributeAnswer {
    /// A name for people.
    title: String,
    /// A text for people; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(rename = "type")]
    value_type: ValueType,
    /// Of a string; absent when there is no least length.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<usize>,
    /// Of a string; absent when there is no greatest length.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    #[serde(flatten)]
    choices: ChoicesAnswer,
    /// Of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Items>,
    required: bool,
    /// True, or absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    sensitive: Option<bool>,
    mutability: Mutability,
    scope: Scope,
    permissions: [Permission; 1],
    master: Master,
}

/// The values that something is limited to; absent when it is not limited.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct ChoicesAnswer {
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    values: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    one_of: Vec<Choice>,
}

/// A value with a name for people.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeChoice"))]
struct Choice {
    #[serde(rename = "const")]
    value: Value,
    title: String,
}

/// The items of an array.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeItems"))]
struct Items {
    #[serde(rename = "type")]
    value_type: ItemValueType,
    #[serde(flatten)]
    choices: ChoicesAnswer,
}

/// The type of the values of an attribute.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeType"))]
#[serde(rename_all = "lowercase")]
enum ValueType {
    String,
    Number,
    Integer,
    Boolean,
    Array,
}

/// The type of the items of an array.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeItemType"))]
#[serde(rename_all = "lowercase")]
enum ItemValueType {
    String,
    Number,
    Integer,
}

/// Who may change an attribute's value: whoever may change the profile.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeMutability"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Mutability {
    ReadWrite,
}

/// Whether an attribute belongs to one app: it does not.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeScope"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Scope {
    None,
}

/// What users may do with their own value of an attribute.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributePermission"))]
struct Permission {
    principal: Principal,
    action: SelfPermission,
}

/// Whose permission it is: the user's own.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributePrincipal"))]
enum Principal {
    #[serde(rename = "SELF")]
    Own,
}

/// What users may do with their own value.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeAction"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SelfPermission {
    Hide,
    ReadOnly,
    ReadWrite,
}

/// The source of the values of an attribute: the profile.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AttributeMaster"))]
struct Master {
    #[serde(rename = "type")]
    master_type: &'static str,
}

/// Where the attributes of a profile are defined.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaProperties"))]
struct SchemaProperties {
    profile: AllOf,
}

/// The definitions that apply.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaAllOf"))]
#[serde(rename_all = "camelCase")]
struct AllOf {
    // As a map, because tools take a property named `$ref` for a reference.
    #[cfg_attr(feature = "schema", schemars(with = "[BTreeMap<String, String>; 2]"))]
    all_of: [Reference; 2],
}

/// A reference to a definition.
#[derive(Debug, Serialize)]
struct Reference {
    #[serde(rename = "$ref")]
    target: &'static str,
}

/// Links of the profile schema.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaLinks"))]
struct SchemaLinks {
    #[serde(rename = "self")]
    itself: SchemaLink,
}

/// A link with its relation.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserSchemaLink"))]
struct SchemaLink {
    href: String,
    rel: &'static str,
}

impl From<model::Choice> for Choice {
    fn from(model::Choice { value, title }: model::Choice) -> Self {
        Self { value, title }
    }
}

impl From<Choice> for model::Choice {
    fn from(Choice { value, title }: Choice) -> Self {
        Self { value, title }
    }
}

impl From<Choices> for ChoicesAnswer {
    fn from(Choices { values, one_of }: Choices) -> Self {
        Self { values, one_of: one_of.into_iter().map(Into::into).collect() }
    }
}

impl From<ItemType> for ItemValueType {
    fn from(item_type: ItemType) -> Self {
        match item_type {
            ItemType::String => Self::String,
            ItemType::Number => Self::Number,
            ItemType::Integer => Self::Integer,
        }
    }
}

impl From<model::SelfPermission> for SelfPermission {
    fn from(permission: model::SelfPermission) -> Self {
        match permission {
            model::SelfPermission::Hide => Self::Hide,
            model::SelfPermission::ReadOnly => Self::ReadOnly,
            model::SelfPermission::ReadWrite => Self::ReadWrite,
        }
    }
}

impl AttributeAnswer {
    fn new(title: String, value_type: ValueType, permission: model::SelfPermission) -> Self {
        Self {
            title,
            description: None,
            value_type,
            min_length: None,
            max_length: None,
            choices: ChoicesAnswer::default(),
            items: None,
            required: false,
            sensitive: None,
            mutability: Mutability::ReadWrite,
            scope: Scope::None,
            permissions: [Permission { principal: Principal::Own, action: permission.into() }],
            master: Master { master_type: "PROFILE_MASTER" },
        }
    }

    /// The base attribute with this name.
    fn of_base(name: &str) -> Self {
        let required = ProfileSchema::base().attribute(name).is_some_and(|attribute| attribute.required);
        let max_length = Some(ATTRIBUTE_CHARACTERS_MAX);
        let permission = model::SelfPermission::ReadOnly;
        Self { max_length, required, ..Self::new(sentence(name), ValueType::String, permission) }
    }
}

impl From<CustomAttribute> for AttributeAnswer {
    fn from(attribute: CustomAttribute) -> Self {
        let CustomAttribute { name: _, title, description, values, required, sensitive, permission } = attribute;
        let sensitive = sensitive.then_some(true);
        let of = |value_type, choices: Choices| Self {
            description,
            required,
            sensitive,
            choices: choices.into(),
            ..Self::new(title, value_type, permission)
        };
        match values {
            AttributeType::String { min_length, max_length, choices } => {
                Self { min_length, max_length, ..of(ValueType::String, choices) }
            }
            AttributeType::Number(choices) => of(ValueType::Number, choices),
            AttributeType::Integer(choices) => of(ValueType::Integer, choices),
            AttributeType::Boolean => of(ValueType::Boolean, Choices::default()),
            AttributeType::Array { items, choices } => Self {
                items: Some(Items { value_type: items.into(), choices: choices.into() }),
                ..of(ValueType::Array, Choices::default())
            },
        }
    }
}

impl Attributes {
    fn of(id: &'static str, attributes: impl Iterator<Item = (String, AttributeAnswer)>) -> Self {
        let properties: Vec<_> = attributes.collect();
        let required = properties.iter().filter(|(_, attribute)| attribute.required);
        let required = required.map(|(name, _)| name.clone()).collect();
        Self { id, schema_type: "object", properties: InOrder(properties), required }
    }
}

impl SchemaAnswer {
    fn of(base_url: &str, schema: UserSchema) -> Self {
        let custom = schema.attributes.into_iter().map(|attribute| (attribute.name.clone(), attribute.into()));
        let base = ProfileSchema::base();
        let base =
            base.attributes().map(|attribute| (attribute.name.clone(), AttributeAnswer::of_base(&attribute.name)));
        Self {
            id: format!("{base_url}/meta/schemas/{}", schema.id),
            dialect: "http://json-schema.org/draft-04/schema#",
            name: MODEL,
            title: "User",
            description: "Profiles of users",
            created: Date(schema.created),
            last_updated: Date(schema.last_updated),
            definitions: Definitions { custom: Attributes::of("#custom", custom), base: Attributes::of("#base", base) },
            schema_type: "object",
            properties: SchemaProperties {
                profile: AllOf {
                    all_of: [Reference { target: "#/definitions/custom" }, Reference { target: "#/definitions/base" }],
                },
            },
            links: SchemaLinks {
                itself: SchemaLink { href: format!("{base_url}/api/v1/meta/schemas/user/default"), rel: "self" },
            },
        }
    }
}

async fn retrieve(call: Call) -> Result<Json<SchemaAnswer>, ApiError> {
    let schema = user_schema::get(call.platform(), call.administrator())?;
    Ok(Json(SchemaAnswer::of(call.base_url(), schema)))
}

/// Defines attributes, and removes those that are null.
async fn merge(call: Call<Body<SchemaBody>>) -> Result<Json<SchemaAnswer>, ApiError> {
    let schema = user_schema::change(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Json(SchemaAnswer::of(call.base_url(), schema)))
}

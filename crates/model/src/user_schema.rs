//! The profile schema of an org: the custom attributes of its users, in addition to the base attributes of all orgs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenterhook_contract::{
    Timestamp,
    id::OrgId,
    profile::{Attribute, AttributeKind, ProfileSchema},
};

/// The profile schema of an org's users. An org without one has the base attributes only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserSchema {
    /// The id: the org's with the prefix `osc`.
    pub id: String,
    /// When the first custom attribute was defined.
    pub created: Timestamp,
    /// When an attribute was last defined, changed or removed.
    pub last_updated: Timestamp,
    /// The custom attributes, in the order in which they were defined.
    pub attributes: Vec<CustomAttribute>,
}

/// The definition of a custom attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomAttribute {
    /// The name, unique in the schema.
    pub name: String,
    /// A name for people.
    pub title: String,
    /// A text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The values that it may have.
    pub values: AttributeType,
    /// Whether every user that is created or replaced must have a value.
    pub required: bool,
    /// Whether its value is left out of hook documents.
    pub sensitive: bool,
    /// What users may do with their own value.
    pub permission: SelfPermission,
}

/// The JSON type of the values of a custom attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum AttributeType {
    /// A text.
    #[serde(rename_all = "camelCase")]
    String {
        /// The least number of characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_length: Option<usize>,
        /// The greatest number of characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_length: Option<usize>,
        /// The values that it is limited to.
        #[serde(flatten)]
        choices: Choices,
    },
    /// Any number.
    Number(Choices),
    /// A number without a fraction.
    Integer(Choices),
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array {
        /// The type of its items.
        items: ItemType,
        /// The values that its items are limited to.
        #[serde(flatten)]
        choices: Choices,
    },
}

/// The JSON type of the items of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemType {
    /// Texts.
    String,
    /// Numbers.
    Number,
    /// Numbers without a fraction.
    Integer,
}

/// The values that an attribute is limited to; without any it is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choices {
    /// The values.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// Values with names for people; when there are any, `values` has the same ones or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Choice>,
}

/// A value with a name for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The value.
    #[serde(rename = "const")]
    pub value: Value,
    /// The name.
    pub title: String,
}

/// What users may do with their own value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SelfPermission {
    /// They do not see it.
    Hide,
    /// They see it.
    ReadOnly,
    /// They change it.
    ReadWrite,
}

impl UserSchema {
    /// A schema without custom attributes.
    pub fn new(org: &OrgId, now: Timestamp) -> Self {
        Self { id: Self::id_of(org), created: now, last_updated: now, attributes: Vec::new() }
    }

    /// The id of an org's schema.
    ///
    /// ```
    /// use tenterhook_model::UserSchema;
    /// let org = "00o00000000000000001".parse().unwrap();
    /// assert_eq!(UserSchema::id_of(&org), "osc00000000000000001");
    /// ```
    pub fn id_of(org: &OrgId) -> String {
        format!("osc{}", org.as_str().get(3..).unwrap_or_default())
    }

    /// The definition of the custom attribute with this name.
    pub fn attribute(&self, name: &str) -> Option<&CustomAttribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Whether users may change their own value of the attribute with this name. The base attributes have no permissions of their own.
    ///
    /// ```
    /// use tenterhook_model::UserSchema;
    /// assert!(UserSchema::is_written_by_users(None, "city"));
    /// ```
    pub fn is_written_by_users(schema: Option<&Self>, name: &str) -> bool {
        let custom = schema.and_then(|schema| schema.attribute(name));
        custom.is_none_or(|custom| custom.permission == SelfPermission::ReadWrite)
    }

    /// The schema for validating profiles: the base attributes, and those of the org's schema.
    ///
    /// ```
    /// use tenterhook_model::UserSchema;
    /// assert!(UserSchema::profile_schema(None).attribute("login").is_some());
    /// ```
    pub fn profile_schema(schema: Option<&Self>) -> Arc<ProfileSchema> {
        match schema {
            None => ProfileSchema::base(),
            Some(schema) => {
                let custom = schema.attributes.iter().map(CustomAttribute::judged);
                Arc::new(ProfileSchema::base().as_ref().clone().with(custom))
            }
        }
    }
}

impl CustomAttribute {
    /// The attribute for validating values.
    fn judged(&self) -> Attribute {
        let (kind, one_of) = match &self.values {
            AttributeType::String { min_length, max_length, choices } => {
                let (min, max) = (min_length.unwrap_or_default(), max_length.unwrap_or(usize::MAX));
                (AttributeKind::Text { min, max }, choices.all())
            }
            AttributeType::Number(choices) => (AttributeKind::Number, choices.all()),
            AttributeType::Integer(choices) => (AttributeKind::Integer, choices.all()),
            AttributeType::Boolean => (AttributeKind::Boolean, Vec::new()),
            AttributeType::Array { items, choices } => {
                (AttributeKind::List { items: Box::new(items.judged()), one_of: choices.all() }, Vec::new())
            }
        };
        let (name, required, sensitive) = (self.name.clone(), self.required, self.sensitive);
        Attribute { name, kind, required, sensitive, one_of }
    }
}

impl ItemType {
    fn judged(self) -> AttributeKind {
        match self {
            Self::String => AttributeKind::Text { min: 0, max: usize::MAX },
            Self::Number => AttributeKind::Number,
            Self::Integer => AttributeKind::Integer,
        }
    }
}

impl Choices {
    /// The values of both members.
    pub fn all(&self) -> Vec<Value> {
        if self.values.is_empty() {
            self.one_of.iter().map(|choice| choice.value.clone()).collect()
        } else {
            self.values.clone()
        }
    }
}

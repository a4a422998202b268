//! User profile schemas: the attributes, and which of them a service gets and may set.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use crate::problem::{ProblemCode, Refused, shown};

/// Attributes of a profile in the order they were submitted or stored.
pub type Profile = Map<String, Value>;

/// Never sent to a service and never set by one.
const PASSWORD: &str = "password";

/// The name of the time zone in the API and in schemas. Documents of hooks have `timeZone`, and both are taken everywhere.
pub const TIME_ZONE: &str = "timezone";

/// The one spelling of an attribute's name: `timezone` for `timeZone`, any other as it is.
///
/// ```
/// use tenterhook_contract::profile::spelled;
/// assert_eq!((spelled("timeZone"), spelled("locale")), ("timezone", "locale"));
/// ```
pub fn spelled(name: &str) -> &str {
    if name == "timeZone" { TIME_ZONE } else { name }
}

/// 2^63: smaller integers are read exactly, so a double below is what was written.
const DOUBLE_INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

/// The base attributes of a user; all are texts, the first four of them required.
const BASE_ATTRIBUTES: &[&str] = &[
    "login",
    "email",
    "firstName",
    "lastName",
    "middleName",
    "honorificPrefix",
    "honorificSuffix",
    "title",
    "displayName",
    "nickName",
    "profileUrl",
    "secondEmail",
    "mobilePhone",
    "primaryPhone",
    "streetAddress",
    "city",
    "state",
    "zipCode",
    "countryCode",
    "postalAddress",
    "preferredLanguage",
    "locale",
    TIME_ZONE,
    "userType",
    "employeeNumber",
    "costCenter",
    "organization",
    "division",
    "department",
    "managerId",
    "manager",
];

/// The attributes a user profile may have.
///
/// ```
/// use serde_json::json;
/// use tenterhook_contract::profile::ProfileSchema;
/// let schema = ProfileSchema::parse(&json!({
///     "properties": { "tier": { "type": "string", "enum": ["gold", "silver"] }, "pin": { "type": "string", "sensitive": true } },
///     "required": ["tier"],
/// })).unwrap();
/// assert!(schema.may_set("tier", &json!("gold")));
/// assert!(!schema.may_set("tier", &json!("bronze")) && !schema.may_set("password", &json!("x")));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileSchema {
    attributes: Vec<Attribute>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The values it may have.
    pub kind: AttributeKind,
    /// Whether it must have a value.
    pub required: bool,
    /// Whether its value is left out of hook documents.
    pub sensitive: bool,
    /// The values it is limited to; empty when it is not.
    pub one_of: Vec<Value>,
}

/// The JSON type of an attribute's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// A text and its length in characters.
    Text {
        /// The least length.
        min: usize,
        /// The greatest length.
        max: usize,
    },
    /// Any number.
    Number,
    /// A number without a fraction that fits 64 bits.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of values.
    List {
        /// The type of the items.
        items: Box<AttributeKind>,
        /// The allowed items; empty for no limit.
        one_of: Vec<Value>,
    },
}

/// A problem of a schema document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct SchemaInvalid {
    /// The member.
    pub field: String,
    /// The problem.
    pub message: &'static str,
}

impl AttributeKind {
    const TEXT: Self = Self::Text { min: 0, max: usize::MAX };

    fn wanted(&self) -> String {
        match self {
            Self::Text { min: 0, max: usize::MAX } => "a string".to_owned(),
            Self::Text { min, max: usize::MAX } => format!("a string of at least {min} characters"),
            Self::Text { min, max } => format!("a string of {min} to {max} characters"),
            Self::Number => "a number".to_owned(),
            Self::Integer => "an integer that fits 64 bits".to_owned(),
            Self::Boolean => "a boolean".to_owned(),
            Self::List { items, one_of } if one_of.is_empty() => format!("an array, each item {}", items.wanted()),
            Self::List { .. } => "an array, each item one of the values that the schema lists".to_owned(),
        }
    }

    fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text { min, max }, Value::String(text)) => (*min..=*max).contains(&text.chars().count()),
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => true,
            // `5.0` is an integer (JSON Schema 2020-12, 6.1.1). A larger double may have been written as an integer that the
            // parser rounded.
            (Self::Integer, Value::Number(number)) => {
                let is_whole = |number: f64| number.fract() == 0.0 && number.abs() < DOUBLE_INTEGER_END;
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(is_whole)
            }
            (Self::List { items: kind, one_of }, Value::Array(items)) => {
                items.iter().all(|item| kind.admits(item) && (one_of.is_empty() || one_of.contains(item)))
            }
            _ => false,
        }
    }

    fn parse(definition: &Map<String, Value>, field: &str) -> Result<Self, SchemaInvalid> {
        let length = |name: &str, default: usize| match definition.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|length| usize::try_from(length).ok())
                .ok_or_else(|| SchemaInvalid { field: format!("{field}.{name}"), message: "must be a length" }),
        };
        match definition.get("type").and_then(Value::as_str) {
            Some("string") => Ok(Self::Text { min: length("minLength", 0)?, max: length("maxLength", usize::MAX)? }),
            Some("number") => Ok(Self::Number),
            Some("integer") => Ok(Self::Integer),
            Some("boolean") => Ok(Self::Boolean),
            Some("array") => {
                let items = definition.get("items").and_then(Value::as_object);
                let items = items.ok_or_else(|| SchemaInvalid {
                    field: format!("{field}.items"),
                    message: "an array needs the type of its items",
                })?;
                match Self::parse(items, &format!("{field}.items"))? {
                    Self::List { .. } => {
                        Err(SchemaInvalid { field: format!("{field}.items"), message: "arrays cannot be nested" })
                    }
                    kind => Ok(Self::List { items: Box::new(kind), one_of: listed(items) }),
                }
            }
            _ => Err(SchemaInvalid {
                field: format!("{field}.type"),
                message: "must be string, number, integer, boolean or array",
            }),
        }
    }
}

/// The values that a definition admits, when it lists them.
fn listed(definition: &Map<String, Value>) -> Vec<Value> {
    definition.get("enum").and_then(Value::as_array).cloned().unwrap_or_default()
}

impl Attribute {
    /// Checks that the attribute may have this value; null means no value.
    ///
    /// # Errors
    /// What the value must be, without the value: `must be a boolean`.
    ///
    /// ```
    /// use serde_json::json;
    /// let schema = tenterhook_contract::profile::ProfileSchema::base();
    /// assert_eq!(schema.attribute("city").unwrap().judge(&json!(5)).unwrap_err(), "must be a string");
    /// ```
    pub fn judge(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Null if !self.required => Ok(()),
            Value::Null => Err("is required".to_owned()),
            value if !self.kind.admits(value) => Err(format!("must be {}", self.kind.wanted())),
            value if !self.one_of.is_empty() && !self.one_of.contains(value) => {
                Err("must be one of the values that the schema lists".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl ProfileSchema {
    /// The base attributes of a user.
    ///
    /// ```
    /// let schema = tenterhook_contract::profile::ProfileSchema::base();
    /// assert!(schema.attribute("login").unwrap().required);
    /// ```
    pub fn base() -> Arc<Self> {
        static BASE: LazyLock<Arc<ProfileSchema>> = LazyLock::new(|| {
            let attribute = |(index, name): (usize, &&str)| Attribute {
                name: (*name).to_owned(),
                kind: AttributeKind::TEXT,
                required: index < 4,
                sensitive: false,
                one_of: Vec::new(),
            };
            Arc::new(ProfileSchema { attributes: BASE_ATTRIBUTES.iter().enumerate().map(attribute).collect() })
        });
        Arc::clone(&BASE)
    }

    /// A schema from `{"properties": {name: {type, minLength, maxLength, enum, items, sensitive}}, "required": [name]}`.
    ///
    /// # Errors
    /// The member that is missing or wrong.
    ///
    /// ```
    /// use tenterhook_contract::profile::ProfileSchema;
    /// let error = ProfileSchema::parse(&serde_json::json!({ "properties": { "a": {} } })).unwrap_err();
    /// assert_eq!(error.field, "properties.a.type");
    /// ```
    pub fn parse(document: &Value) -> Result<Self, SchemaInvalid> {
        let invalid = |field: &str, message| SchemaInvalid { field: field.to_owned(), message };
        let properties = document.get("properties").and_then(Value::as_object);
        let properties = properties.ok_or_else(|| invalid("properties", "must be an object"))?;
        let required = document.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut attributes = Vec::with_capacity(properties.len());
        for (name, definition) in properties {
            let field = format!("properties.{name}");
            if name == PASSWORD {
                return Err(invalid(&field, "the password is not an attribute"));
            }
            let definition = definition.as_object().ok_or_else(|| invalid(&field, "must be an object"))?;
            attributes.push(Attribute {
                kind: AttributeKind::parse(definition, &field)?,
                required: required.iter().any(|wanted| wanted == name),
                sensitive: definition.get("sensitive") == Some(&Value::Bool(true)),
                one_of: listed(definition),
                name: name.clone(),
            });
        }
        Ok(Self { attributes })
    }

    /// The schema with further attributes; existing ones are replaced.
    ///
    /// ```
    /// use tenterhook_contract::profile::ProfileSchema;
    /// let more = ProfileSchema::parse(&serde_json::json!({ "properties": { "tier": { "type": "string" } } })).unwrap();
    /// let schema = ProfileSchema::base().as_ref().clone().with([more.attribute("tier").unwrap().clone()]);
    /// assert!(schema.attribute("tier").is_some() && schema.attribute("login").is_some());
    /// ```
    #[must_use]
    pub fn with(mut self, attributes: impl IntoIterator<Item = Attribute>) -> Self {
        for attribute in attributes {
            match self.attributes.iter_mut().find(|own| own.name == attribute.name) {
                Some(own) => *own = attribute,
                None => self.attributes.push(attribute),
            }
        }
        self
    }

    /// The attribute with this name, in either spelling.
    ///
    /// ```
    /// let schema = tenterhook_contract::profile::ProfileSchema::base();
    /// assert!(schema.attribute("inviteCode").is_none());
    /// assert_eq!(schema.attribute("timeZone"), schema.attribute("timezone"));
    /// ```
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| spelled(&attribute.name) == spelled(name))
    }

    /// Every attribute, the base ones first.
    ///
    /// ```
    /// let schema = tenterhook_contract::profile::ProfileSchema::base();
    /// assert_eq!(schema.attributes().filter(|attribute| attribute.required).count(), 4);
    /// ```
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter()
    }

    /// Whether this is the name of a base attribute.
    ///
    /// ```
    /// use tenterhook_contract::profile::ProfileSchema;
    /// assert!(ProfileSchema::is_base("department") && ProfileSchema::is_base("timeZone"));
    /// assert!(!ProfileSchema::is_base("inviteCode"));
    /// ```
    pub fn is_base(name: &str) -> bool {
        BASE_ATTRIBUTES.contains(&spelled(name))
    }

    /// Whether a service is told the attribute: never the password, never a sensitive one; form fields that are not
    /// in the schema are (`registration.md` section 1).
    ///
    /// ```
    /// let schema = tenterhook_contract::profile::ProfileSchema::base();
    /// assert!(schema.may_send("inviteCode") && !schema.may_send("password"));
    /// ```
    pub fn may_send(&self, name: &str) -> bool {
        name != PASSWORD && self.attribute(name).is_none_or(|attribute| !attribute.sensitive)
    }

    /// Whether a service may set the attribute to this value.
    ///
    /// ```
    /// let schema = tenterhook_contract::profile::ProfileSchema::base();
    /// assert!(schema.may_set("city", &serde_json::json!("Lagos")) && !schema.may_set("inviteCode", &serde_json::json!("x")));
    /// ```
    pub fn may_set(&self, name: &str, value: &Value) -> bool {
        self.check(name, value).is_ok()
    }

    /// Why a service may not set the attribute to this value. The text never holds the value.
    pub(crate) fn check(&self, name: &str, value: &Value) -> Result<(), Refused> {
        let shown = shown(name);
        if name == PASSWORD {
            let text = "The password cannot be set(attribute=password)";
            let hint = "Leave it out: a hook neither sees nor sets passwords";
            return Err(Refused::new(ProblemCode::ForbiddenAttribute, text).hint(hint.to_owned()));
        }
        let Some(attribute) = self.attribute(name) else {
            let text = format!("Unknown attribute(attribute={shown})");
            let hint = "The hook sets values; it cannot create attributes. Add it to the user profile schema first";
            return Err(Refused::new(ProblemCode::UnknownAttribute, text).hint(hint.to_owned()));
        };
        attribute.judge(value).map_err(|wanted| {
            Refused::new(ProblemCode::BadValue, format!("Invalid value(attribute={shown})"))
                .hint(format!("`{shown}` {wanted}"))
        })
    }
}

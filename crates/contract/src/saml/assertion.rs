//! A SAML assertion that is not signed yet, and its JSON mapping both ways (`saml.md` section 2; SAML core 2.3.3).

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

use crate::{plain_json, pointer};

/// `NameFormat` of an attribute without one.
pub const NAME_FORMAT_UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified";
/// `xsi:type` of a value without one.
pub const TYPE_STRING: &str = "xs:string";

/// An assertion, which commands may change. Its `Debug` shows names, never values.
///
/// ```
/// use tenterhook_contract::saml::assertion::Assertion;
/// let json = serde_json::json!({
///     "subject": { "nameId": "ada", "nameFormat": "urn:x", "confirmation": { "method": "urn:y", "data": { "recipient": "https://a/acs" } } },
///     "authentication": { "sessionIndex": "id1", "authnContext": { "authnContextClassRef": "urn:z" } },
///     "conditions": { "audienceRestriction": ["urn:a"] },
///     "lifetime": { "expiration": 300 },
/// });
/// let assertion = Assertion::from_json(&json).unwrap();
/// assert_eq!(serde_json::to_value(&assertion).unwrap(), json);
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(description = "The assertion, as JSON."))]
pub struct Assertion {
    /// `<saml:Subject>`.
    pub subject: Subject,
    /// `<saml:AuthnStatement>`.
    pub authentication: Authentication,
    /// `<saml:Conditions>`.
    pub conditions: Conditions,
    /// `<saml:AttributeStatement>`; the member is left out when the app has no attribute statements
    /// (`observed.md` section 2).
    #[serde(skip_serializing_if = "AttributeStatements::is_empty")]
    pub claims: AttributeStatements,
    /// How long it is valid; a hook cannot change it.
    pub lifetime: Lifetime,
}

/// `assertion.subject`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subject {
    /// The text of `<saml:NameID>`.
    pub name_id: String,
    /// Its `Format`.
    pub name_format: String,
    /// `<saml:SubjectConfirmation>`.
    pub confirmation: Confirmation,
}

/// `assertion.subject.confirmation`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Confirmation {
    /// Its `Method`.
    pub method: String,
    /// `<saml:SubjectConfirmationData>`.
    pub data: ConfirmationData,
}

/// `assertion.subject.confirmation.data`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfirmationData {
    /// Its `Recipient`.
    pub recipient: String,
}

/// `assertion.authentication`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authentication {
    /// `SessionIndex`.
    pub session_index: String,
    /// `<saml:AuthnContext>`.
    pub authn_context: AuthnContext,
    /// Seconds from `IssueInstant` to `SessionNotOnOrAfter`; `None` when the statement has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_lifetime: Option<u32>,
}

/// `assertion.authentication.authnContext`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthnContext {
    /// The text of `<saml:AuthnContextClassRef>`.
    pub authn_context_class_ref: String,
}

/// `assertion.conditions`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Conditions {
    /// `<saml:Audience>` values.
    pub audience_restriction: Vec<String>,
}

/// `assertion.lifetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lifetime {
    /// Seconds.
    pub expiration: u32,
}

/// `assertion.claims`: attributes by name, in the order of the statement.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AttributeStatements(Vec<(String, Attribute)>);

/// `<saml:Attribute>`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attribute {
    /// Its XML attributes.
    pub attributes: AttributeXml,
    /// `<saml:AttributeValue>` elements; there may be none.
    #[serde(rename = "attributeValues")]
    pub values: Vec<AttributeValue>,
}

/// XML attributes of `<saml:Attribute>`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttributeXml {
    /// `NameFormat`.
    #[serde(rename = "NameFormat")]
    pub name_format: String,
}

/// `<saml:AttributeValue>`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttributeValue {
    /// Its XML attributes.
    pub attributes: ValueXml,
    /// Its text, whatever its type.
    pub value: String,
}

/// XML attributes of `<saml:AttributeValue>`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ValueXml {
    /// `xsi:type`, such as `xs:string`.
    #[serde(rename = "xsi:type")]
    pub kind: String,
}

/// A member of a JSON assertion that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct AssertionError {
    /// The JSON Pointer (RFC 6901) of the member, relative to the assertion.
    pub pointer: String,
    /// What is wrong.
    pub message: &'static str,
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.claims.0.iter().map(|(name, _)| name).collect::<Vec<_>>();
        formatter.debug_struct("Assertion").field("claims", &names).finish_non_exhaustive()
    }
}

/// A hook may have set any text of an assertion, so `Debug` shows none.
macro_rules! debug_without_values {
    ($($part:ident)*) => {$(
        impl std::fmt::Debug for $part {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.debug_struct(stringify!($part)).finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_values! {
    Subject Confirmation ConfirmationData Authentication AuthnContext Conditions AttributeXml ValueXml
}

impl AttributeStatements {
    /// Whether there is no attribute.
    ///
    /// ```
    /// # use tenterhook_contract::{BuiltInType, saml::assertion::Assertion};
    /// # let sample = BuiltInType::Saml.kind().sample_requests()[0];
    /// # let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    /// let assertion = Assertion::from_json(&sample["data"]["assertion"]).unwrap();
    /// assert!(!assertion.claims.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attribute with this name.
    ///
    /// ```
    /// # use tenterhook_contract::{BuiltInType, saml::assertion::Assertion};
    /// # let sample = BuiltInType::Saml.kind().sample_requests()[0];
    /// # let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    /// let assertion = Assertion::from_json(&sample["data"]["assertion"]).unwrap();
    /// assert_eq!(assertion.claims.get("costCentre").unwrap().values[0].value, "7301");
    /// ```
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, attribute)| attribute)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Attribute> {
        self.0.iter_mut().find(|(own, _)| own == name).map(|(_, attribute)| attribute)
    }

    /// Sets an attribute; one with the same name is overwritten and keeps its position.
    ///
    /// ```
    /// # use tenterhook_contract::{BuiltInType, saml::assertion::Assertion};
    /// # let sample = BuiltInType::Saml.kind().sample_requests()[0];
    /// # let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    /// let mut assertion = Assertion::from_json(&sample["data"]["assertion"]).unwrap();
    /// let cost_centre = assertion.claims.get("costCentre").unwrap().clone();
    /// assertion.claims.insert("copy", cost_centre);
    /// assert!(assertion.claims.get("copy").is_some());
    /// ```
    pub fn insert(&mut self, name: impl Into<String>, attribute: Attribute) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(own) => *own = attribute,
            None => self.0.push((name, attribute)),
        }
    }

    /// Names and attributes in the order of the statement.
    ///
    /// ```
    /// # use tenterhook_contract::{BuiltInType, saml::assertion::Assertion};
    /// # let sample = BuiltInType::Saml.kind().sample_requests()[0];
    /// # let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    /// let assertion = Assertion::from_json(&sample["data"]["assertion"]).unwrap();
    /// assert_eq!(assertion.claims.iter().count(), 2);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, attribute)| (name.as_str(), attribute))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for AttributeStatements {
    fn schema_name() -> Cow<'static, str> {
        "AttributeStatements".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<std::collections::BTreeMap<String, Attribute>>()
    }
}

impl Serialize for AttributeStatements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, attribute) in &self.0 {
            map.serialize_entry(name, attribute)?;
        }
        map.end()
    }
}

impl AssertionError {
    fn below(self, parent: &str) -> Self {
        Self { pointer: format!("/{}{}", pointer::escape(parent), self.pointer), ..self }
    }

    fn here(message: &'static str) -> Self {
        Self { pointer: String::new(), message }
    }
}

type Read<T> = Result<T, AssertionError>;

fn object(value: &Value) -> Read<&Map<String, Value>> {
    value.as_object().ok_or_else(|| AssertionError::here("must be an object"))
}

/// A text, or the string form of a number or a boolean (`saml.md` section 3, value rules).
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        _ => None,
    }
}

/// Like [`text_of`], checked to be an XML text.
pub(super) fn text(value: &Value) -> Read<String> {
    let text = text_of(value).ok_or_else(|| AssertionError::here("must be a text, a number or a boolean"))?;
    xml_text(text.into_owned())
}

/// A string, as an XML text.
fn string(value: &Value) -> Read<String> {
    xml_text(value.as_str().ok_or_else(|| AssertionError::here("must be a string"))?.to_owned())
}

/// Checks that XML can hold the text: other characters cannot even be escaped (XML 1.0, 2.2, production `Char`).
fn xml_text(text: String) -> Read<String> {
    if is_xml_text(&text) {
        return Ok(text);
    }
    Err(AssertionError::here("has a character that XML 1.0 does not allow"))
}

/// Whether every character is one of XML 1.0 (section 2.2, production `Char`): others cannot even be escaped.
///
/// ```
/// use tenterhook_contract::saml::assertion::is_xml_text;
/// assert!(is_xml_text("a\tb \u{1f600} <&>") && !is_xml_text("a\u{b}") && !is_xml_text("\u{ffff}"));
/// ```
pub fn is_xml_text(text: &str) -> bool {
    text.chars()
        .all(|character| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'))
}

/// The types that XML Schema defines (XML Schema part 2, section 3).
const SCHEMA_TYPES: [&str; 46] = [
    "ENTITIES",
    "ENTITY",
    "ID",
    "IDREF",
    "IDREFS",
    "NCName",
    "NMTOKEN",
    "NMTOKENS",
    "NOTATION",
    "Name",
    "QName",
    "anySimpleType",
    "anyType",
    "anyURI",
    "base64Binary",
    "boolean",
    "byte",
    "date",
    "dateTime",
    "decimal",
    "double",
    "duration",
    "float",
    "gDay",
    "gMonth",
    "gMonthDay",
    "gYear",
    "gYearMonth",
    "hexBinary",
    "int",
    "integer",
    "language",
    "long",
    "negativeInteger",
    "nonNegativeInteger",
    "nonPositiveInteger",
    "normalizedString",
    "positiveInteger",
    "short",
    "string",
    "time",
    "token",
    "unsignedByte",
    "unsignedInt",
    "unsignedLong",
    "unsignedShort",
];

/// The name in XML Schema of an `xsi:type`: `string` of `xs:string`, of `xsd:string` and of `string`. `None` for every other text,
/// because an assertion declares no other prefix, so that no receiver could resolve it.
///
/// ```
/// use tenterhook_contract::saml::assertion::schema_type;
/// assert_eq!(schema_type("xs:integer"), Some("integer"));
/// assert_eq!(schema_type("xsd:anyType"), Some("anyType"));
/// assert_eq!(schema_type("boolean"), Some("boolean"));
/// assert!(schema_type("my:level").is_none() && schema_type("xs:level").is_none());
/// ```
pub fn schema_type(kind: &str) -> Option<&str> {
    let name = kind.strip_prefix("xs:").or_else(|| kind.strip_prefix("xsd:")).unwrap_or(kind);
    SCHEMA_TYPES.contains(&name).then_some(name)
}

/// An `xsi:type` that a receiver can resolve.
pub(super) fn value_type(value: &Value) -> Read<String> {
    let kind = string(value)?;
    if schema_type(&kind).is_some() {
        return Ok(kind);
    }
    Err(AssertionError::here(
        "must be a type of XML Schema, such as `xs:string` or `xs:integer`: no other prefix is declared",
    ))
}

/// A string with more than white space, as every text and every URI of SAML must be (SAML core 1.3.1, 1.3.2). Values of attributes
/// are the exception: theirs are of other types.
pub(super) fn filled(value: &Value) -> Read<String> {
    let text = string(value)?;
    if text.trim().is_empty() { Err(AssertionError::here("must not be empty")) } else { Ok(text) }
}

/// A member that must be there, read by `read`.
fn required<T>(members: &Map<String, Value>, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Read<T> {
    match members.get(name).filter(|value| !value.is_null()) {
        Some(value) => read(value).map_err(|error| error.below(name)),
        None => Err(AssertionError::here("is missing").below(name)),
    }
}

/// A member that may be missing or null.
fn optional<T>(members: &Map<String, Value>, name: &str, read: impl FnOnce(&Value) -> Read<T>) -> Read<Option<T>> {
    match members.get(name).filter(|value| !value.is_null()) {
        Some(value) => read(value).map(Some).map_err(|error| error.below(name)),
        None => Ok(None),
    }
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    let items = value.as_array().ok_or_else(|| AssertionError::here("must be an array"))?;
    let item = |(index, item): (usize, &Value)| read(item).map_err(|error| error.below(&index.to_string()));
    items.iter().enumerate().map(item).collect()
}

fn seconds(value: &Value) -> Read<u32> {
    let seconds = plain_json::integer(value).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| AssertionError::here("must be a positive integer of seconds"))
}

impl Assertion {
    /// An assertion from its JSON mapping.
    ///
    /// # Errors
    /// The first member that is missing or has the wrong type.
    pub fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        Ok(Self {
            subject: required(members, "subject", Subject::from_json)?,
            authentication: required(members, "authentication", Authentication::from_json)?,
            conditions: required(members, "conditions", Conditions::from_json)?,
            claims: optional(members, "claims", AttributeStatements::from_json)?.unwrap_or_default(),
            lifetime: required(members, "lifetime", |lifetime| {
                let expiration = required(object(lifetime)?, "expiration", seconds)?;
                Ok(Lifetime { expiration })
            })?,
        })
    }
}

impl Subject {
    fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        Ok(Self {
            name_id: required(members, "nameId", filled)?,
            name_format: required(members, "nameFormat", filled)?,
            confirmation: required(members, "confirmation", Confirmation::from_json)?,
        })
    }
}

impl Confirmation {
    pub(super) fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        Ok(Self {
            method: required(members, "method", filled)?,
            data: required(members, "data", ConfirmationData::from_json)?,
        })
    }
}

impl ConfirmationData {
    pub(super) fn from_json(value: &Value) -> Read<Self> {
        Ok(Self { recipient: required(object(value)?, "recipient", filled)? })
    }
}

impl Authentication {
    fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        Ok(Self {
            session_index: required(members, "sessionIndex", filled)?,
            authn_context: required(members, "authnContext", AuthnContext::from_json)?,
            session_lifetime: optional(members, "sessionLifetime", Self::lifetime)?,
        })
    }

    /// `sessionLifetime`: a positive integer of seconds (`open-questions.md` E6).
    pub(super) fn lifetime(value: &Value) -> Read<u32> {
        seconds(value)
    }
}

impl AuthnContext {
    /// Also accepts the member name `authContextClassRef` (`open-questions.md` E4).
    pub(super) fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        let own = optional(members, "authnContextClassRef", filled)?;
        match own {
            Some(authn_context_class_ref) => Ok(Self { authn_context_class_ref }),
            None => required(members, "authContextClassRef", filled)
                .map(|authn_context_class_ref| Self { authn_context_class_ref })
                .map_err(|error| match error.message {
                    "is missing" => AssertionError::here("is missing").below("authnContextClassRef"),
                    _ => error,
                }),
        }
    }
}

impl Conditions {
    fn from_json(value: &Value) -> Read<Self> {
        Ok(Self { audience_restriction: required(object(value)?, "audienceRestriction", Self::audiences)? })
    }

    /// At least one: an assertion without a restriction is valid for every service provider (SAML core 2.5.1.4).
    pub(super) fn audiences(value: &Value) -> Read<Vec<String>> {
        let audiences = list(value, filled)?;
        if audiences.is_empty() { Err(AssertionError::here("must not be empty")) } else { Ok(audiences) }
    }
}

impl AttributeStatements {
    fn from_json(value: &Value) -> Read<Self> {
        let mut statements = Self::default();
        for (name, attribute) in object(value)? {
            if !is_xml_text(name) {
                return Err(AssertionError::here("has a name with a character that XML 1.0 does not allow"));
            }
            let attribute = Attribute::from_json(attribute).map_err(|error| error.below(name))?;
            statements.insert(name.clone(), attribute);
        }
        Ok(statements)
    }
}

impl Attribute {
    pub(super) fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        Ok(Self {
            attributes: optional(members, "attributes", AttributeXml::from_json)?.unwrap_or_default(),
            values: required(members, "attributeValues", |values| list(values, AttributeValue::from_json))?,
        })
    }
}

impl Default for AttributeXml {
    fn default() -> Self {
        Self { name_format: NAME_FORMAT_UNSPECIFIED.to_owned() }
    }
}

/// The name of the XML attribute and of its member.
const NAME_FORMAT: &str = "NameFormat";

/// Whether a member's name differs from `NameFormat` in its case and separators only.
fn spells_name_format(name: &str) -> bool {
    let letters = name.chars().filter(|character| !matches!(character, '_' | '-' | ' '));
    letters.map(|letter| letter.to_ascii_lowercase()).eq("nameformat".chars())
}

impl AttributeXml {
    /// `{"NameFormat": …}`, or the same one level deeper, as in the vendor's sample (`open-questions.md` E3).
    pub(super) fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        if let Some(nested) = members.get("attributes").filter(|nested| nested.is_object())
            && !members.contains_key(NAME_FORMAT)
        {
            return Self::from_json(nested).map_err(|error| error.below("attributes"));
        }
        match optional(members, NAME_FORMAT, filled)? {
            Some(name_format) => Ok(Self { name_format }),
            // A misspelt `NameFormat` must not silently become the default; other members are unknown ones, such as
            // `FriendlyName` (`open-questions.md` C13).
            None if members.keys().any(|name| name != NAME_FORMAT && spells_name_format(name)) => {
                Err(AssertionError::here("must have `NameFormat`, in this spelling"))
            }
            None => Ok(Self::default()),
        }
    }
}

impl AttributeValue {
    pub(super) fn from_json(value: &Value) -> Read<Self> {
        let members = object(value)?;
        let kind = optional(members, "attributes", |xml| optional(object(xml)?, "xsi:type", value_type))?;
        Ok(Self {
            attributes: ValueXml { kind: kind.flatten().unwrap_or_else(|| TYPE_STRING.to_owned()) },
            value: required(members, "value", text)?,
        })
    }
}

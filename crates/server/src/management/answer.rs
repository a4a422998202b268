//! What handlers of the management API answer, and the forms that every resource's JSON has in common.

use std::fmt;

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::{Serialize, Serializer};
use tenterhook_contract::{Secret, Timestamp};

/// What the OpenAPI document can describe.
#[cfg(feature = "schema")]
pub(crate) trait Described: schemars::JsonSchema {}
#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> Described for T {}

/// What the OpenAPI document can describe: only the generator asks for schemas.
#[cfg(not(feature = "schema"))]
pub(crate) trait Described {}
#[cfg(not(feature = "schema"))]
impl<T> Described for T {}

/// A parameter of a query.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "read where the API is described"))]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

/// An answer that is not an error.
pub(crate) trait Answer: Send + 'static {
    /// Parameters of the query that a handler with such an answer reads.
    const PARAMETERS: &'static [Parameter] = &[];

    fn respond(self) -> Response;

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription;
}

/// 200 with a document.
impl<T: Serialize + Described + Send + 'static> Answer for Json<T> {
    fn respond(self) -> Response {
        self.into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        super::openapi::AnswerDescription::of(200, Some(super::openapi::described::<T>(generator)))
    }
}

/// 201 with the new resource.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize + Described + Send + 'static> Answer for Created<T> {
    fn respond(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        super::openapi::AnswerDescription::of(201, Some(super::openapi::described::<T>(generator)))
    }
}

/// 204.
pub(crate) struct NoContent;

impl Answer for NoContent {
    fn respond(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(_: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        super::openapi::AnswerDescription::of(204, None)
    }
}

/// 200 with a list, whole or a page of it (`paging.rs`).
pub(crate) struct List<T> {
    pub(crate) headers: HeaderMap,
    pub(crate) items: Vec<T>,
}

/// Values by names, in their order.
#[derive(Debug)]
pub(crate) struct InOrder<T>(pub(crate) Vec<(String, T)>);

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for InOrder<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}

/// A name of several words for people: `createHookKey` as `Create hook key`.
pub(crate) fn sentence(name: &str) -> String {
    let mut sentence = String::with_capacity(name.len() + 4);
    for (index, character) in name.char_indices() {
        match character {
            first if index == 0 => sentence.extend(first.to_uppercase()),
            upper if upper.is_uppercase() => {
                sentence.push(' ');
                sentence.extend(upper.to_lowercase());
            }
            other => sentence.push(other),
        }
    }
    sentence
}

/// An id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Id(pub(crate) String);

impl Id {
    pub(crate) fn of(id: impl fmt::Display) -> Self {
        Self(id.to_string())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 20, "maxLength": 20 })
    }
}

/// A date, shown to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Date(pub(crate) Timestamp);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Date {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        })
    }
}

/// A secret that the answer shows.
pub(crate) struct Shown(pub(crate) Secret);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Shown {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Shown".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// Whether a resource is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Active,
    Inactive,
}

impl From<tenterhook_model::Status> for Status {
    fn from(status: tenterhook_model::Status) -> Self {
        match status {
            tenterhook_model::Status::Active => Self::Active,
            tenterhook_model::Status::Inactive => Self::Inactive,
        }
    }
}

/// A link (HAL).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Link {
    /// An absolute URL.
    pub(crate) href: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hints: Option<LinkHints>,
}

/// What a link is for.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LinkHints {
    /// The methods of HTTP that it takes.
    pub(crate) allow: Vec<&'static str>,
}

impl Link {
    /// A link without hints.
    pub(crate) fn to(href: String) -> Self {
        Self { href, hints: None }
    }

    /// A link that takes these methods.
    pub(crate) fn allowing(href: String, methods: &[&'static str]) -> Self {
        Self { href, hints: Some(LinkHints { allow: methods.to_vec() }) }
    }
}

/// The links of a resource that has only one, to itself.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SelfLink {
    /// The resource itself.
    #[serde(rename = "self")]
    pub(crate) itself: Link,
}

impl SelfLink {
    pub(crate) fn to(href: String) -> Self {
        Self { itself: Link::to(href) }
    }
}

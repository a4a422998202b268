//! Where and how a value does not satisfy a schema, in words of ours: those of the validator quote values, which may be secret.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use crate::{pointer, problem::shown};

/// A place where a value does not satisfy its schema. It names places and rules, never values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {message}", if pointer.is_empty() { "the value itself" } else { pointer })]
pub struct SchemaViolation {
    /// Where in the value: a JSON Pointer (RFC 6901), empty for the value itself.
    pub pointer: String,
    /// The rule, such as `must be a string`.
    pub message: String,
}

impl SchemaViolation {
    /// The violations that an error of the validator is: one, or one for each member that must not be there.
    pub(super) fn of(error: &ValidationError<'_>) -> Vec<Self> {
        let place = error.instance_path().as_str();
        let below = |name: &str| format!("{place}/{}", pointer::escape(name));
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let unexpected = unexpected.iter();
                unexpected.map(|name| Self { pointer: below(name), message: "must not be there".to_owned() }).collect()
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                vec![Self { pointer: below(name), message: "is required".to_owned() }]
            }
            // Where no member is allowed, the validator reports the object.
            ValidationErrorKind::FalseSchema
                if ["/additionalProperties", "/propertyNames"]
                    .iter()
                    .any(|keyword| error.schema_path().as_str().ends_with(keyword)) =>
            {
                vec![Self { pointer: place.to_owned(), message: "must have no members".to_owned() }]
            }
            kind => vec![Self { pointer: place.to_owned(), message: rule(kind) }],
        }
    }
}

/// The rule that a value breaks. It may quote the schema, never the value.
pub(super) fn rule(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind } => format!("must be {}", types(kind)),
        Kind::Enum { options } => format!("must be one of {}", shown(&listed(options))),
        Kind::Constant { expected_value } => format!("must be {}", shown(&expected_value.to_string())),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} elements"),
        Kind::MaxItems { limit } => format!("must have at most {limit} elements"),
        Kind::AdditionalItems { limit } => format!("must have at most {limit} elements"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::Pattern { pattern } => format!("must match the pattern `{}`", shown(pattern)),
        Kind::Format { format } => format!("must have the format `{}`", shown(format)),
        Kind::UniqueItems => "must not have equal elements".to_owned(),
        Kind::Contains => "must have as many elements that satisfy `contains` as the schema says".to_owned(),
        Kind::AnyOf { .. } => "must satisfy a schema of `anyOf`".to_owned(),
        Kind::OneOfNotValid { .. } => "must satisfy a schema of `oneOf`".to_owned(),
        Kind::OneOfMultipleValid { .. } => "must satisfy one schema of `oneOf` only".to_owned(),
        Kind::Not { .. } => "must not satisfy the schema of `not`".to_owned(),
        Kind::FalseSchema => "must not be there".to_owned(),
        Kind::PropertyNames { .. } => "has a member whose name does not satisfy `propertyNames`".to_owned(),
        Kind::UnevaluatedItems { .. } => "has elements that the schema does not allow".to_owned(),
        other => format!("must satisfy `{}`", shown(other.keyword())),
    }
}

fn types(kind: &TypeKind) -> String {
    let named = |name: &str| match name {
        "null" => "null".to_owned(),
        name @ ("array" | "integer" | "object") => format!("an {name}"),
        name => format!("a {name}"),
    };
    match kind {
        TypeKind::Single(kind) => named(kind.as_str()),
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| named(kind.as_str())).collect::<Vec<_>>().join(" or "),
    }
}

fn listed(options: &Value) -> String {
    let options = options.as_array().into_iter().flatten();
    options.map(Value::to_string).collect::<Vec<_>>().join(", ")
}

//! The inline hook contract: the documents that Tenterhook sends, the answers that it accepts, and the changes that
//! commands may make.
//!
//! Pure and synchronous: no clock, no randomness, no I/O. Time and entropy come in as arguments. Start reading at
//! [`ExtensionPoint`], [`HookKind`] and [`Description`], which every hook type has. The types are [`token`], [`saml`],
//! [`registration`], [`password_import`], [`user_import`] and [`telephony`]; a further one is one more module and one
//! more line in `hook_type.rs`. A program that embeds the crates makes an extension point of two of its own types:
//! [`SerdePoint`].

pub mod answer;
mod any_point;
#[cfg(feature = "declared")]
pub mod binding;
#[cfg(feature = "declared")]
pub mod condition;
pub mod context;
#[cfg(feature = "declared")]
pub mod declared;
pub mod description;
mod distinct_json;
pub mod envelope;
mod extension_point;
pub mod hook;
pub mod hook_key;
pub mod hook_kind;
mod hook_type;
pub mod id;
#[cfg(feature = "declared")]
mod json_compare;
mod json_text;
pub mod limits;
pub mod party;
pub mod password_import;
mod patch;
pub mod plain_json;
pub mod pointer;
pub mod pointer_pattern;
pub mod preview;
pub mod problem;
pub mod profile;
pub mod question;
pub mod registration;
pub mod saml;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "declared")]
mod schema_place;
mod secret;
mod serde_point;
pub mod telephony;
mod text;
mod timestamp;
pub mod token;
mod trace_parent;
#[cfg(feature = "schema")]
pub mod type_schemas;
pub mod user_import;

pub use any_point::{AnyContext, AnyPoint, AnySubject, WRONG_MEMBERS_MAX};
pub use description::{Description, EmptyAnswer, ErrorDefault, FailureDefault, PerOrg, Retry};
pub use extension_point::ExtensionPoint;
pub use hook_kind::HookKind;
pub use hook_type::{BUILT_IN_DESCRIPTIONS, BuiltInType, HookTypeName, HookTypeNameError, HookTypeTaken, HookTypes};
pub use patch::OperationKind;
pub use secret::{MASK, Secret};
pub use serde_point::{SerdeData, SerdePoint};
pub use text::{beginning, without_controls};
pub use timestamp::{Timestamp, TimestampError};
pub use trace_parent::{TraceParent, TraceParentError};

//! The contract, row by row: each test names the section that it checks.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::needless_pass_by_value, reason = "a row of a table is moved into its check")]

mod answer;
mod any_point;
#[cfg(feature = "declared")]
mod condition;
#[cfg(feature = "declared")]
mod declared;
mod family;
mod hosts;
mod ignored_members;
mod lenient;
mod messages;
mod password_import;
mod properties;
mod question;
mod registration;
mod request;
mod saml;
mod serde_point;
mod telephony;
mod token;
mod user_import;

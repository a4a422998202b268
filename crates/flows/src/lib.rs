//! The process flows as domain services: the work before a hook is called and after it has answered.
//!
//! No SQL, no HTTP handlers and no management live here. [`oauth`] and [`saml`] are the flows of browsers.

pub mod authn;
pub mod commitment;
pub mod factors;
pub mod host;
pub mod oauth;
pub mod password_reset;
pub mod recovery;
pub mod registration;
pub mod saml;
pub mod second_factor;
pub mod sign_in;
pub mod telephony;
mod user_groups;

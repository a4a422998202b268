//! The process flows as domain services: the work before a hook is called and after it has answered.
//!
//! No SQL, no HTTP handlers and no management live here. [`oauth`] is the first flow.

pub mod commitment;
pub mod host;
pub mod oauth;
pub mod saml;
pub mod sign_in;

//! The operations of the management API: one resource, one file.
//!
//! An operation judges a change of the configuration, commits it and logs it. No HTTP. Start reading at
//! [`administrator`], then at a resource such as [`hooks`].

pub mod access_policies;
pub mod administrator;
pub mod api_tokens;
pub mod apps;
pub mod associations;
pub mod authorization_servers;
pub mod bindings;
pub mod claims;
pub mod clients;
pub mod enrollment_policies;
pub mod enrollment_rules;
mod expressions;
pub mod extension_points;
pub mod factors;
pub mod groups;
pub mod hook_keys;
pub mod hook_security;
pub mod hooks;
pub mod logs;
pub mod orgs;
pub mod patterns;
pub mod policy_rules;
pub mod preview;
mod priority;
pub mod provision;
pub mod request;
mod resource;
pub mod scopes;
pub mod sessions;
pub mod signing_keys;
pub mod sms_templates;
pub mod user_schema;
pub mod users;

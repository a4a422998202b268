//! The operations of the management API: one resource, one file.
//!
//! An operation judges a change of the configuration, commits it and logs it. No HTTP. Start reading at
//! [`administrator`], then at a resource such as [`hooks`].

pub mod administrator;
pub mod api_tokens;
pub mod associations;
pub mod authorization_servers;
pub mod hook_keys;
pub mod hook_security;
pub mod hooks;
pub mod preview;
pub mod provision;
pub mod signing_keys;
pub mod users;

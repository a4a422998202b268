//! The operations of the management API on a platform and a database, without HTTP.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod api_tokens;
mod apps;
mod clients;
mod extension_points;
mod hook_keys;
mod hook_security;
mod hooks;
mod orgs;
mod servers;
mod support;
mod users;

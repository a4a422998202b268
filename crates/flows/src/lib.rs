//! The process flows as domain services: what happens before a hook is asked and after it has answered.
//!
//! No SQL and no HTTP handlers live here. Start reading at [`Platform`]; [`oauth`] is the first flow.

pub mod api_tokens;
pub mod attempts;
pub mod authorization_servers;
pub mod caller;
pub mod directory;
pub mod entropy;
mod events;
pub mod fair_turns;
mod hook_keys;
mod hook_security;
mod hooks;
mod imported_password;
pub mod management;
mod metrics;
mod network;
pub mod oauth;
pub mod passwords;
mod pause;
mod platform;
mod preview;
pub mod provision;
mod recording;
mod refusals;
pub mod sign_in;
mod snapshot;
mod turns;

pub use caller::Caller;
pub use hooks::HookChange;
pub use network::{Network, WiderNetwork};
pub use platform::{ChangeError, Parts, Platform, Settings};
pub use recording::SystemLogRecorder;
pub use snapshot::OrgSnapshot;

//! The domain's records: an org and its configuration, users, what was granted and issued, events of the System Log, the
//! errors of the management API. Records have rules of their own; they know no SQL and no HTTP.
//!
//! Start reading at [`Configuration`]: the objects of one org that every node holds in memory.

mod api_error;
mod api_token;
mod authorization_server;
mod claim_expression;
mod client;
mod configuration;
mod grant;
mod log;
mod org;
mod policy;
mod user;

use tenterhook_contract::Secret;

pub use api_error::{ErrorBody, ErrorCode};
pub use api_token::ApiToken;
pub use authorization_server::{AuthorizationServer, ClaimDefinition, ClaimTarget, KeyRotation, Scope, SigningKey};
pub use claim_expression::{evaluate, is_expression};
pub use client::{ApplicationType, ClientAuthenticationMethod, OAuthClient};
pub use configuration::{Configuration, ConfigurationObject, ConfigurationVersion, ConfigurationWrite};
pub use grant::{AuthorizationCode, CodeState, IssuedAccessToken, RefreshToken, RefreshTokenState, Session};
pub use log::{
    DebugData, DebugValue, LogClient, LogCursor, LogCursorError, LogEvent, LogPage, LogQuery, LogResult, Severity,
    cap_reason,
};
pub use org::{Org, Status};
pub use policy::{AccessPolicy, PolicyRule, RulePeople};
pub use tenterhook_jose::SigningAlgorithm;
pub use user::User;

/// Stands where a document has no secret; the store puts the decrypted one in its place.
fn no_secret() -> Secret {
    Secret::new("")
}

//! OAuth 2.0 and OpenID Connect on custom authorization servers.
//!
//! [`mint`] is where the token hook runs; [`authorize`] and [`token`] are the two endpoints that mint.

pub mod authorize;
mod bounds;
mod claims;
mod client_authentication;
pub mod discovery;
pub mod error;
pub mod inspect;
pub mod mint;
pub mod parameters;
pub mod policy;
mod resource_owner;
pub mod token;
pub mod token_result;

use tenterhook_contract::id::AppId;
use tenterhook_model::{AuthorizationServer, OAuthClient, Status};

use error::{OAuthError, OAuthErrorCode};

use tenterhook_platform::{OrgSnapshot, Platform};

/// An active client by its `client_id`.
pub(crate) fn client<'a>(org: &'a OrgSnapshot, client_id: &str) -> Option<&'a OAuthClient> {
    org.configuration.clients.find(client_id).filter(|client| client.status == Status::Active)
}

/// The app that must be assigned to the user of a client, if it must, after the hooks were asked, which takes time.
///
/// # Errors
/// When the client has been taken out of use meanwhile.
fn assigned_after_hooks(
    platform: &Platform,
    org: &OrgSnapshot,
    asked: &OAuthClient,
) -> Result<Option<AppId>, OAuthError> {
    let newest = platform.org(&org.org.id);
    let client =
        newest.as_ref().and_then(|org| client(org, asked.id.as_str())).ok_or_else(OAuthError::invalid_client)?;
    Ok((!client.implicit_assignment).then(|| client.app_id()))
}

/// The requested scopes; the default scopes when none is requested.
pub(crate) fn requested_scopes(
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    scope: Option<&str>,
) -> Result<Vec<String>, OAuthError> {
    let known = || org.configuration.scopes.below(&server.id);
    let Some(text) = scope else {
        return Ok(known().filter(|scope| scope.default).map(|scope| scope.name.clone()).collect());
    };
    let mut scopes: Vec<String> = Vec::new();
    for name in text.split_ascii_whitespace() {
        // A scope that is named twice is granted once (RFC 6749 section 3.3: a set).
        if scopes.iter().any(|scope| scope == name) {
            continue;
        }
        if !known().any(|scope| scope.name == name) {
            return Err(OAuthError::of_configuration(
                OAuthErrorCode::InvalidScope,
                "One or more scopes are not configured for the authorization server resource.",
            ));
        }
        scopes.push(name.to_owned());
    }
    Ok(scopes)
}

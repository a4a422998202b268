//! Client authentication (RFC 6749 section 2.3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tenterhook_model::{ClientAuthenticationMethod, OAuthClient};
use tenterhook_platform::{OrgSnapshot, entropy::sha256_hex, refusals::ClientEndpoint};

use super::{client, error::OAuthError, parameters::Parameters};

/// Authenticates the client of a request to `endpoint` (RFC 6749 section 2.3): basic, post, or none with PKCE.
pub(crate) fn authenticate<'a>(
    org: &'a OrgSnapshot,
    parameters: &Parameters,
    authorization: Option<&str>,
    endpoint: ClientEndpoint,
) -> Result<&'a OAuthClient, OAuthError> {
    let posted = parameters.get("client_secret");
    let (method, id, secret) = match (authorization, posted) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_request("Cannot supply multiple client credentials."));
        }
        (Some(header), None) => {
            let (id, secret) = basic(header).ok_or_else(OAuthError::invalid_client)?;
            if parameters.get("client_id").is_some_and(|posted| posted != id) {
                return Err(OAuthError::invalid_request("The 'client_id' differs from the authenticated client."));
            }
            (ClientAuthenticationMethod::ClientSecretBasic, id, Some(secret))
        }
        (None, Some(secret)) => {
            let id = parameters.get("client_id").ok_or_else(OAuthError::invalid_client)?;
            (ClientAuthenticationMethod::ClientSecretPost, id.to_owned(), Some(secret.to_owned()))
        }
        (None, None) => {
            let id = parameters.get("client_id").ok_or_else(OAuthError::invalid_client)?;
            (ClientAuthenticationMethod::None, id.to_owned(), None)
        }
    };
    let client = client(org, &id).ok_or_else(OAuthError::invalid_client)?;
    let proven = match (&client.secret_sha256, secret) {
        // A client with a secret may send it in either way (RFC 6749 section 2.3.1).
        (Some(stored), Some(secret)) => {
            client.authentication != ClientAuthenticationMethod::None
                && verify_slices_are_equal(stored.as_bytes(), sha256_hex(&secret).as_bytes()).is_ok()
        }
        (_, None) => {
            method == ClientAuthenticationMethod::None && client.authentication == ClientAuthenticationMethod::None
        }
        (None, Some(_)) => false,
    };
    if proven { Ok(client) } else { Err(OAuthError::invalid_client().of_client(client, endpoint, parameters)) }
}

/// Id and secret of a `Basic` header, each form-encoded (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let pair = format!("v={}", text.replace('&', "%26"));
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

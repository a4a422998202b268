//! The authorization endpoint (RFC 6749 section 4.1, OpenID Connect core 3.1.2): the code flow with PKCE.

use std::{collections::BTreeMap, sync::Arc};

use tenterhook_contract::{id::RefreshTokenId, token::ProtocolRequest};
use tenterhook_model::{
    AuthorizationCode, AuthorizationServer, ClientAuthenticationMethod, OAuthClient, Session, User,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    entropy::{random_token, sha256_hex},
    issuer,
    refusals::ClientEndpoint,
};
use tenterhook_store::{Lapsed, Proof, Standing, StoreError};

use super::{
    assigned_after_hooks, client,
    error::{Fault, OAuthError, OAuthErrorCode, RefusedClient},
    mint::{self, Minting, freeze},
    parameters::Parameters,
    policy::{PolicyQuestion, chosen},
    requested_scopes,
    token::denied,
};
use crate::{
    registration::progressive::{Incomplete, incomplete},
    user_groups::UserGroups,
};

/// Seconds that a code can be redeemed (RFC 6749 section 4.1.2 recommends at most ten minutes).
const CODE_LIFETIME_SECONDS: i64 = 60;
/// Bytes of a nonce. It goes into ID tokens, which must fit into a query as `id_token_hint`.
const NONCE_BYTES_MAX: usize = 2_048;
/// Characters of a PKCE challenge (RFC 7636 section 4.2): SHA-256 in base64url.
const CHALLENGE_CHARACTERS: usize = 43;

/// The value of `prompt` with which our sign-in page sends the browser back where the user who signs in may not be the one whom the
/// client expects: nobody is asked to sign in again, which would never end.
pub const SIGNED_IN: &str = "signed_in";

/// What a client is told whose app is not assigned to the user.
pub(super) const NOT_ASSIGNED: &str = "User is not assigned to the client application.";

/// How the answer of the endpoint reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the redirect URI's query.
    Query,
    /// In its fragment.
    Fragment,
    /// By a form that the browser posts.
    FormPost,
}

/// The answer to the user's browser.
#[derive(Debug)]
pub enum AuthorizeAnswer {
    /// The error cannot be sent to the client; a page tells the user the reason.
    Page(OAuthError),
    /// Back to the client.
    Redirect {
        /// A registered redirect URI.
        redirect_uri: String,
        /// How.
        mode: ResponseMode,
        /// The parameters: a code, or an error.
        parameters: BTreeMap<&'static str, String>,
        /// The cause of the error, if it is one.
        fault: Option<Fault>,
        /// The refused client, if there is an event of it to log.
        refused: Option<Arc<RefusedClient>>,
    },
    /// Too many calls of inline hooks are open. Neither a code nor an error is sent to the client.
    TurnedAway,
    /// The user must sign in first.
    SignIn {
        /// A login to fill in.
        login_hint: Option<String>,
    },
    /// The user must complete the profile first.
    CompleteProfile(Box<Incomplete>),
}

/// What becomes of a request that has passed every check.
enum Progress {
    Code(String),
    SignIn,
    CompleteProfile(Box<Incomplete>),
}

/// A request whose client and redirect URI are known to belong together.
struct Checked<'a> {
    client: &'a OAuthClient,
    redirect_uri: &'a str,
    mode: ResponseMode,
    state: Option<String>,
}

/// Handles an authorization request. `session` is the session of the browser's cookie, if there is one.
pub async fn authorize(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    caller: &Caller,
    parameters: &Parameters,
    session: Option<&Session>,
) -> AuthorizeAnswer {
    let checked = match check_client(org, caller, parameters) {
        Ok(checked) => checked,
        Err(error) => return AuthorizeAnswer::Page(error),
    };
    let mut answer = BTreeMap::from([("iss", issuer(org, server))]);
    let (mut fault, mut refused) = (None, None);
    match authorize_checked(platform, org, server, caller, parameters, session, &checked).await {
        Ok(Progress::Code(code)) => drop(answer.insert("code", code)),
        Ok(Progress::SignIn) => {
            return AuthorizeAnswer::SignIn { login_hint: parameters.owned("login_hint") };
        }
        Ok(Progress::CompleteProfile(incomplete)) => return AuthorizeAnswer::CompleteProfile(incomplete),
        Err(OAuthError { fault: Fault::TurnedAway, .. }) => return AuthorizeAnswer::TurnedAway,
        Err(error) => {
            let error = error.of_client(checked.client, ClientEndpoint::Authorize, parameters);
            error.log();
            refused = error.refused_client().cloned();
            fault = Some(error.fault);
            answer.insert("error", error.code.as_str().to_owned());
            answer.insert("error_description", error.description);
        }
    }
    if let Some(state) = checked.state {
        answer.insert("state", state);
    }
    AuthorizeAnswer::Redirect {
        redirect_uri: checked.redirect_uri.to_owned(),
        mode: checked.mode,
        parameters: answer,
        fault,
        refused,
    }
}

/// A code, or what the user must do first.
async fn authorize_checked(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    caller: &Caller,
    parameters: &Parameters,
    session: Option<&Session>,
    checked: &Checked<'_>,
) -> Result<Progress, OAuthError> {
    let client = checked.client;
    if parameters.require("response_type")? != "code" {
        return Err(OAuthError::new(
            OAuthErrorCode::UnsupportedResponseType,
            "The only supported response type is `code`.",
        ));
    }
    if !client.response_types.iter().any(|kind| kind == "code") {
        let text = "The client may not use the response type `code`.";
        return Err(OAuthError::of_configuration(OAuthErrorCode::UnauthorizedClient, text));
    }
    refuse_request_objects(parameters)?;
    let code_challenge = code_challenge(client, parameters)?;
    if parameters.get("nonce").is_some_and(|nonce| nonce.len() > NONCE_BYTES_MAX) {
        return Err(OAuthError::invalid_request(format!(
            "The parameter `nonce` is longer than {NONCE_BYTES_MAX} bytes."
        )));
    }
    let scopes = requested_scopes(org, server, parameters.get("scope"))?;
    let Some((session, user)) = signed_in(platform, org, server, parameters, session).await? else {
        return Ok(Progress::SignIn);
    };
    if !may_use(platform, org, client, &user).await? {
        return Err(OAuthError::of_configuration(OAuthErrorCode::AccessDenied, NOT_ASSIGNED).for_user(&user));
    }
    let question = PolicyQuestion {
        org: &org.org.id,
        server: &server.id,
        client: &client.id,
        grant_type: "authorization_code",
        user: Some(&user.id),
        scopes: &scopes,
    };
    let groups = UserGroups::of(platform.store(), &org.org.id, Some(&user.id));
    let (policy, rule) = chosen(org, question, &groups).await?.ok_or_else(|| denied().for_user(&user))?;
    if let Some(incomplete) = incomplete(org, client.enrollment_policy.as_ref(), &user) {
        return complete_profile(parameters, incomplete);
    }
    let refresh_token_id = refresh_token_id(platform, client, &scopes);
    let request = protocol_request(parameters);
    let auth_time = Some(session.created);
    let minting = Minting {
        org,
        server,
        client,
        policy,
        rule,
        user: Some(&user),
        groups: &groups,
        session: Some(session),
        session_id: Some(&session.id),
        scopes: &scopes,
        request: request.clone(),
        original_grant: None,
        refresh_token_id: refresh_token_id.clone(),
        nonce: parameters.get("nonce"),
        auth_time,
        factor: session.factor,
        caller,
    };
    let subject = mint::mint(platform, &minting).await?;
    let code = random_token(platform.entropy()).expose().to_owned();
    let now = platform.now();
    let granted = AuthorizationCode {
        code_sha256: sha256_hex(&code),
        org_id: org.org.id.clone(),
        authorization_server_id: server.id.clone(),
        client_id: client.id.clone(),
        user_id: user.id.clone(),
        session_id: session.id.clone(),
        redirect_uri: checked.redirect_uri.to_owned(),
        code_challenge,
        scopes,
        rule_id: rule.id.clone(),
        factor: session.factor,
        authorization_request: request,
        frozen_tokens: freeze(subject, auth_time)?,
        refresh_token_id,
        expires: now.plus_seconds(CODE_LIFETIME_SECONDS),
    };
    let assigned = assigned_after_hooks(platform, org, client)?;
    let proof = Proof::Session(&session.id);
    let standing = Standing { org: &org.org.id, user: &user.id, proof, assigned: assigned.as_ref(), now };
    match platform.store().insert_authorization_code(&granted, &standing).await? {
        None => Ok(Progress::Code(code)),
        Some(Lapsed::SignedOut | Lapsed::UserInactive | Lapsed::ProofEnded) => {
            not_signed_in(parameters).map(|()| Progress::SignIn)
        }
        Some(Lapsed::NotAssigned) => {
            Err(OAuthError::of_configuration(OAuthErrorCode::AccessDenied, NOT_ASSIGNED).for_user(&user))
        }
    }
}

/// The user must sign in, which the client may not allow, or has just done.
fn not_signed_in(parameters: &Parameters) -> Result<(), OAuthError> {
    if prompts(parameters, "none") || prompts(parameters, SIGNED_IN) {
        return Err(OAuthError::new(
            OAuthErrorCode::LoginRequired,
            "The client specified not to prompt, but the user, or the one of its `id_token_hint`, is not logged in.",
        ));
    }
    Ok(())
}

/// The user must complete the profile, which the client may not allow.
fn complete_profile(parameters: &Parameters, incomplete: Box<Incomplete>) -> Result<Progress, OAuthError> {
    if prompts(parameters, "none") {
        return Err(OAuthError::new(
            OAuthErrorCode::InteractionRequired,
            "The client specified not to prompt, but the user must complete the profile.",
        ));
    }
    Ok(Progress::CompleteProfile(incomplete))
}

/// Whether the parameter `prompt` has this value.
fn prompts(parameters: &Parameters, wanted: &str) -> bool {
    parameters.get("prompt").is_some_and(|prompt| prompt.split_ascii_whitespace().any(|value| value == wanted))
}

/// The id of the refresh token that a grant with these scopes gives the client, if it gives one.
pub(super) fn refresh_token_id(platform: &Platform, client: &OAuthClient, scopes: &[String]) -> Option<RefreshTokenId> {
    let offline = scopes.iter().any(|scope| scope == "offline_access")
        && client.grant_types.iter().any(|grant_type| grant_type == "refresh_token");
    let (unix_ms, random) = platform.id_parts();
    offline.then(|| RefreshTokenId::from_parts(unix_ms, random))
}

/// Whether a user may use a client: every user may, or the client's app is assigned to the user or to a group of the user.
pub(super) async fn may_use(
    platform: &Platform,
    org: &OrgSnapshot,
    client: &OAuthClient,
    user: &User,
) -> Result<bool, StoreError> {
    let assigned = async || platform.store().assignment(&org.org.id, &client.app_id(), &user.id).await;
    Ok(client.implicit_assignment || assigned().await?.is_some())
}

/// The session and its user, if they satisfy the request.
async fn signed_in<'a>(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    parameters: &Parameters,
    session: Option<&'a Session>,
) -> Result<Option<(&'a Session, User)>, OAuthError> {
    let prompts = |wanted: &str| prompts(parameters, wanted);
    if prompts("none") && parameters.get("prompt").is_some_and(|prompt| prompt.trim() != "none") {
        return Err(OAuthError::invalid_request("`none` must be the only value of the parameter `prompt`."));
    }
    let max_age = parameters.get("max_age").map(|age| age.parse::<i64>().ok().filter(|age| *age >= 0));
    if max_age == Some(None) {
        return Err(OAuthError::invalid_request("The parameter `max_age` must be a number of seconds."));
    }
    let now = platform.now();
    let fresh = |session: &Session| max_age.flatten().is_none_or(|age| session.created.plus_seconds(age) >= now);
    let hinted = hinted_user(org, server, parameters)?;
    let is_hinted = |session: &Session| hinted.as_deref().is_none_or(|id| id == session.user_id.as_str());
    let session = session.filter(|session| !prompts("login") && fresh(session) && is_hinted(session));
    let user = match session {
        Some(session) => active_user(platform, org, session).await?,
        None => None,
    };
    let signed_in = session.zip(user);
    if signed_in.is_none() {
        not_signed_in(parameters)?;
    }
    Ok(signed_in)
}

async fn active_user(platform: &Platform, org: &OrgSnapshot, session: &Session) -> Result<Option<User>, StoreError> {
    let user = platform.store().find_user(&org.org.id, &session.user_id).await?;
    Ok(user.filter(|user| user.status == tenterhook_model::UserStatus::Active))
}

/// The redirect URI of an authorization request, when it is its client's.
pub fn registered_redirect_uri<'a>(org: &OrgSnapshot, parameters: &'a Parameters) -> Option<&'a str> {
    let client = client(org, parameters.get("client_id")?)?;
    parameters.get("redirect_uri").filter(|uri| is_registered(client, uri))
}

/// The client of an authorization request whose redirect URI is its own: a page may say that the user goes on to it.
pub fn asking_client<'a>(org: &'a OrgSnapshot, parameters: &Parameters) -> Option<&'a OAuthClient> {
    registered_redirect_uri(org, parameters)?;
    client(org, parameters.get("client_id")?)
}

/// Redirect URIs are compared as strings (RFC 9700 section 4.1.3), except for the port of loopback addresses, which the
/// system assigns to a native app (RFC 8252 section 7.3).
fn is_registered(client: &OAuthClient, redirect_uri: &str) -> bool {
    let without_port = of_loopback(redirect_uri);
    let is_it = |uri: &String| uri == redirect_uri || (without_port.is_some() && of_loopback(uri) == without_port);
    client.redirect_uris.iter().any(is_it)
}

/// Host and rest of an `http` URI of a loopback address, without its port. `localhost` is a name, not a loopback
/// address.
fn of_loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) =
        ["127.0.0.1", "[::1]"].into_iter().find_map(|host| Some((host, authority.strip_prefix(host)?)))?;
    let is_port = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok();
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some((host, rest))
}

/// Checks that client and redirect URI belong together. Until then nothing is redirected (RFC 6749 section 4.1.2.1).
fn check_client<'a>(
    org: &'a OrgSnapshot,
    caller: &Caller,
    parameters: &'a Parameters,
) -> Result<Checked<'a>, OAuthError> {
    let client = client(org, parameters.require("client_id")?).ok_or_else(|| {
        OAuthError::of_configuration(OAuthErrorCode::InvalidClient, "Invalid value for 'client_id' parameter.")
    })?;
    check_redirect(client, caller, parameters)
        .map_err(|error| error.of_client(client, ClientEndpoint::Authorize, parameters))
}

fn check_redirect<'a>(
    client: &'a OAuthClient,
    caller: &Caller,
    parameters: &'a Parameters,
) -> Result<Checked<'a>, OAuthError> {
    let redirect_uri = parameters.require("redirect_uri")?;
    if !is_registered(client, redirect_uri) {
        return Err(OAuthError::of_configuration(
            OAuthErrorCode::InvalidRequest,
            "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings.",
        ));
    }
    // A request that is too large is not redirected either, because its `state` would be sent back.
    parameters.check_sent(caller)?;
    let mode = match parameters.get("response_mode") {
        None | Some("query") => ResponseMode::Query,
        Some("fragment") => ResponseMode::Fragment,
        Some("form_post") => ResponseMode::FormPost,
        Some(_) => return Err(OAuthError::invalid_request("The 'response_mode' is not supported.")),
    };
    Ok(Checked { client, redirect_uri, mode, state: parameters.owned("state") })
}

/// The id of the user that the client expects (OpenID Connect core 3.1.2.2); the client must not get another user's
/// identity.
fn hinted_user(
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    parameters: &Parameters,
) -> Result<Option<String>, OAuthError> {
    let Some(hint) = parameters.get("id_token_hint") else { return Ok(None) };
    // Only access tokens have a `cid`. A hint may have expired: it names a user but grants nothing.
    let claims = org.keys.verify_at_any_time(&server.id, &issuer(org, server), hint);
    let claims = claims.filter(|claims| !claims.contains_key("cid"));
    let id = claims.as_ref().and_then(|claims| claims.get("sub")).and_then(serde_json::Value::as_str);
    id.map(|id| Some(id.to_owned())).ok_or_else(|| {
        let text = "The parameter `id_token_hint` is not an ID token of this authorization server.";
        if org.lacks_key_of(hint) {
            return OAuthError::of_configuration(OAuthErrorCode::InvalidRequest, text);
        }
        OAuthError::invalid_request(text)
    })
}

/// Parameters in an unsupported request object must not be ignored (OpenID Connect core 3.1.2.6).
fn refuse_request_objects(parameters: &Parameters) -> Result<(), OAuthError> {
    for (name, code) in [
        ("request", OAuthErrorCode::RequestNotSupported),
        ("request_uri", OAuthErrorCode::RequestUriNotSupported),
        ("registration", OAuthErrorCode::RegistrationNotSupported),
    ] {
        if parameters.get(name).is_some() {
            return Err(OAuthError::new(code, format!("The parameter `{name}` is not supported.")));
        }
    }
    Ok(())
}

fn code_challenge(client: &OAuthClient, parameters: &Parameters) -> Result<Option<String>, OAuthError> {
    let Some(challenge) = parameters.get("code_challenge") else {
        return match client.authentication {
            ClientAuthenticationMethod::None => {
                Err(OAuthError::invalid_request("PKCE code challenge is required when the client is public."))
            }
            _ if client.pkce_required => {
                Err(OAuthError::invalid_request("PKCE code challenge is required by the application."))
            }
            _ => Ok(None),
        };
    };
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(OAuthError::invalid_request("The only supported code challenge method is `S256`."));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if challenge.len() != CHALLENGE_CHARACTERS || !challenge.bytes().all(legal) {
        return Err(OAuthError::invalid_request("The code challenge is not a SHA-256 in base64url."));
    }
    Ok(Some(challenge.to_owned()))
}

/// The members of `data.context.protocol.request`, from the request's parameters.
pub(crate) fn protocol_request(parameters: &Parameters) -> ProtocolRequest {
    ProtocolRequest {
        scope: parameters.owned("scope"),
        state: parameters.owned("state"),
        redirect_uri: parameters.owned("redirect_uri"),
        response_mode: parameters.owned("response_mode"),
        response_type: parameters.owned("response_type"),
        client_id: parameters.owned("client_id"),
        grant_type: parameters.owned("grant_type"),
    }
}

#[cfg(test)]
mod tests {
    use super::of_loopback;

    #[test]
    fn only_http_uris_of_loopback_addresses_lose_their_port() {
        for (uri, without_port) in [
            ("http://127.0.0.1:3000/cb?a=b", Some(("127.0.0.1", "/cb?a=b"))),
            ("http://127.0.0.1/cb", Some(("127.0.0.1", "/cb"))),
            ("http://[::1]:65535/cb", Some(("[::1]", "/cb"))),
            ("http://127.0.0.1:1", Some(("127.0.0.1", ""))),
            ("https://127.0.0.1:3000/cb", None),
            ("http://localhost:3000/cb", None),
            ("http://127.0.0.2:3000/cb", None),
            ("http://127.0.0.1.evil.example/cb", None),
            ("http://127.0.0.1:3000@evil.example/cb", None),
            ("http://127.0.0.1:3000\\@evil.example/cb", None),
            ("http://127.0.0.1:+80/cb", None),
            ("http://127.0.0.1:65536/cb", None),
            ("http://127.0.0.1:/cb", None),
            ("http://user@127.0.0.1:3000/cb", None),
            ("com.example.app://127.0.0.1:3000/cb", None),
        ] {
            assert_eq!(of_loopback(uri), without_port, "{uri}");
        }
    }
}

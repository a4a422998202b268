//! The token endpoint (RFC 6749 section 3.2): client credentials, code, refresh; the password grant is in
//! [`super::resource_owner`].

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::{Map, Value, json};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, RefreshTokenId, SessionId, UserId},
    token::{OriginalGrant, ProtocolRequest, RefreshTokenReference},
};
use tenterhook_model::{
    AuthorizationCode, AuthorizationServer, CodeState, OAuthClient, PolicyRule, RefreshToken, RefreshTokenState,
    Status, User, UserStatus, VerifiedFactor,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform,
    attempts::PasswordAttempts,
    entropy::{code_challenge, random_token, sha256_hex},
    refusals::ClientEndpoint,
};

use tenterhook_store::{Lapsed, Proof, Rotated, Standing};

use crate::{commitment::Commitment, user_groups::UserGroups};

use super::{
    assigned_after_hooks,
    authorize::{NOT_ASSIGNED, may_use, protocol_request},
    client_authentication::authenticate,
    error::{OAuthError, OAuthErrorCode},
    mint::{self, Minting, SignedTokens, thaw},
    parameters::Parameters,
    policy::{PolicyQuestion, chosen},
    requested_scopes,
    resource_owner::{self, INVALID_CREDENTIALS},
};

/// The grant type of the resource owner's password (RFC 6749 section 4.3).
pub(super) const PASSWORD: &str = "password";
/// Default of [`tenterhook_platform::Settings::refresh_grace_seconds`].
pub const REFRESH_GRACE_SECONDS: u32 = 30;
/// Longest grace period, as at the vendor. A copied token remains usable for this long.
pub const REFRESH_GRACE_SECONDS_MAX: u32 = 60;
/// How far the clocks of two nodes may be apart.
const CLOCK_SKEW_SECONDS: i64 = 60;
/// Longest PKCE verifier (RFC 7636 section 4.1).
const VERIFIER_CHARACTERS: std::ops::RangeInclusive<usize> = 43..=128;
/// Seconds that a refresh token lives when its rule says unlimited and names no window.
const REFRESH_UNBOUNDED_SECONDS: i64 = 10 * 365 * 86_400;

/// What the token endpoint grants.
#[derive(Debug)]
pub struct TokenAnswer {
    pub(super) tokens: SignedTokens,
    pub(super) refresh_token: Option<Secret>,
    pub(super) scopes: Vec<String>,
}

impl TokenAnswer {
    /// The answer's body (RFC 6749 section 5.1).
    pub fn to_json(&self) -> Value {
        let mut body = Map::from_iter([
            ("token_type".to_owned(), json!("Bearer")),
            ("expires_in".to_owned(), json!(self.tokens.expires_in)),
            ("access_token".to_owned(), json!(self.tokens.access_token.expose())),
            ("scope".to_owned(), json!(self.scopes.join(" "))),
        ]);
        for (name, token) in [("refresh_token", &self.refresh_token), ("id_token", &self.tokens.id_token)] {
            if let Some(token) = token {
                body.insert(name.to_owned(), json!(token.expose()));
            }
        }
        Value::Object(body)
    }
}

/// A request to the token endpoint.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The HTTP request.
    pub caller: &'a Caller,
    /// Its form.
    pub parameters: &'a Parameters,
    /// Its `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The password attempts of this node.
    pub attempts: &'a Arc<PasswordAttempts>,
}

/// The inputs of a grant.
pub(super) struct Request<'a> {
    pub(super) org: &'a OrgSnapshot,
    pub(super) server: &'a AuthorizationServer,
    pub(super) caller: &'a Caller,
    pub(super) parameters: &'a Parameters,
    pub(super) client: &'a OAuthClient,
    pub(super) attempts: &'a Arc<PasswordAttempts>,
    pub(super) commitment: &'a Commitment,
}

/// Whether the grant type of a token request changes stored data.
pub fn may_commit(parameters: &Parameters) -> bool {
    matches!(parameters.get("grant_type"), Some("authorization_code" | "refresh_token" | PASSWORD))
}

/// Handles a token request. `commitment` begins once the code or the refresh token may be used up, or its tokens revoked, or the
/// password of a user is accepted; from then on this must run to its end.
pub async fn issue(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    request: TokenRequest<'_>,
    commitment: &Commitment,
) -> Result<TokenAnswer, OAuthError> {
    let TokenRequest { caller, parameters, authorization, attempts } = request;
    let client = authenticate(org, parameters, authorization, ClientEndpoint::Token)?;
    let request = Request { org, server, caller, parameters, client, attempts, commitment };
    grant(platform, &request).await.map_err(|error| error.of_client(client, ClientEndpoint::Token, parameters))
}

async fn grant(platform: &Platform, request: &Request<'_>) -> Result<TokenAnswer, OAuthError> {
    let Request { caller, parameters, client, .. } = *request;
    let grant_type = parameters.require("grant_type")?;
    if !matches!(grant_type, "client_credentials" | "authorization_code" | "refresh_token" | PASSWORD) {
        let text = format!("The grant type is not supported: {}", grant_type.chars().take(100).collect::<String>());
        return Err(OAuthError::new(OAuthErrorCode::UnsupportedGrantType, text));
    }
    if !client.grant_types.iter().any(|allowed| allowed == grant_type) {
        let text = format!("The client is not authorized to use the grant type `{grant_type}`.");
        return Err(OAuthError::of_configuration(OAuthErrorCode::UnauthorizedClient, text));
    }
    parameters.check_sent(caller)?;
    match grant_type {
        "client_credentials" => client_credentials(platform, request).await,
        "authorization_code" => redeem_code(platform, request).await,
        PASSWORD => resource_owner::grant(platform, request).await,
        _ => refresh(platform, request).await,
    }
}

async fn client_credentials(platform: &Platform, request: &Request<'_>) -> Result<TokenAnswer, OAuthError> {
    let Request { org, server, caller, parameters, client, .. } = *request;
    let scopes = some_scopes(request)?;
    if scopes.iter().any(|scope| matches!(scope.as_str(), "openid" | "offline_access")) {
        return Err(OAuthError::new(
            OAuthErrorCode::InvalidScope,
            "This grant has no user: `openid` and `offline_access` cannot be granted.",
        ));
    }
    let question = PolicyQuestion {
        org: &org.org.id,
        server: &server.id,
        client: &client.id,
        grant_type: "client_credentials",
        user: None,
        scopes: &scopes,
    };
    let groups = UserGroups::of(platform.store(), &org.org.id, None);
    let (policy, rule) = chosen(org, question, &groups).await?.ok_or_else(denied)?;
    let minting = Minting {
        org,
        server,
        client,
        policy,
        rule,
        user: None,
        groups: &groups,
        session: None,
        session_id: None,
        scopes: &scopes,
        request: protocol_request(parameters),
        original_grant: None,
        refresh_token_id: None,
        nonce: None,
        auth_time: None,
        factor: None,
        caller,
    };
    let subject = mint::mint(platform, &minting).await?;
    assigned_after_hooks(platform, org, client)?;
    let tokens = mint::sign(platform, org, server, subject, &scopes, None)?;
    mint::log_grant(platform, &minting, "access_token", None);
    Ok(TokenAnswer { tokens, refresh_token: None, scopes })
}

/// The requested scopes, of which there must be some.
pub(super) fn some_scopes(request: &Request<'_>) -> Result<Vec<String>, OAuthError> {
    let scopes = requested_scopes(request.org, request.server, request.parameters.get("scope"))?;
    if scopes.is_empty() {
        return Err(OAuthError::of_configuration(
            OAuthErrorCode::InvalidScope,
            "The authorization server resource does not have any configured default scopes, 'scope' must be provided.",
        ));
    }
    Ok(scopes)
}

async fn redeem_code(platform: &Platform, request: &Request<'_>) -> Result<TokenAnswer, OAuthError> {
    let Request { org, server, parameters, client, .. } = *request;
    let org_id = &org.org.id;
    let code_sha256 = sha256_hex(parameters.require("code")?);
    // Signing takes time; a code that was valid when it was presented stays valid.
    let presented = platform.now();
    // A client that may not redeem the code must neither use it up nor revoke the tokens of its owner.
    let code = match platform.store().find_authorization_code(org_id, &code_sha256, presented).await? {
        CodeState::Live(code) => {
            check_code(&code, request)?;
            code
        }
        CodeState::Redeemed(code) => {
            check_code(&code, request)?;
            request.commitment.begin();
            return Err(replayed(platform, org_id, &code_sha256).await?);
        }
        CodeState::Unknown => return Err(invalid_code()),
    };
    let user = token_user(platform, org, client, &code.user_id).await?;
    let rule = org.configuration.rules.get(&code.rule_id);
    let rule = rule.filter(|rule| rule.status == Status::Active).ok_or_else(denied)?;
    let (subject, auth_time) = thaw(&code.frozen_tokens)?;
    let tokens = mint::sign(platform, org, server, subject, &code.scopes, auth_time)?;
    let issued = code.refresh_token_id.clone().map(|id| {
        let begun = FamilyBegun {
            id,
            user: &user.id,
            scopes: &code.scopes,
            code_sha256: code_sha256.clone(),
            by_password: false,
            authorization_request: code.authorization_request.clone(),
            auth_time,
            factor: code.factor,
        };
        begin_family(platform, request, rule, begun)
    });
    let (refresh, refresh_token) = issued.unzip();
    let issued = (&tokens.issued(&user.id, code.factor), refresh.as_ref());
    // From here on, presenting the code again is a replay, which revokes the issued tokens.
    request.commitment.begin();
    if !platform.store().redeem_authorization_code(org_id, &code_sha256, issued, presented).await? {
        return Err(replayed(platform, org_id, &code_sha256).await?);
    }
    log_issued(platform, request, rule, (&user, Some(&code.session_id)), &code.scopes, &tokens);
    Ok(TokenAnswer { tokens, refresh_token, scopes: code.scopes })
}

/// What a family of refresh tokens begins with.
pub(super) struct FamilyBegun<'a> {
    pub(super) id: RefreshTokenId,
    pub(super) user: &'a UserId,
    pub(super) scopes: &'a [String],
    /// Of the code, or of another text that nobody knows: the family is revoked by it, with its access tokens.
    pub(super) code_sha256: String,
    pub(super) by_password: bool,
    pub(super) authorization_request: ProtocolRequest,
    /// When the user signed in; now, where that is not known.
    pub(super) auth_time: Option<Timestamp>,
    /// The factor that was verified then.
    pub(super) factor: Option<VerifiedFactor>,
}

/// The first refresh token of a family, and its text.
pub(super) fn begin_family(
    platform: &Platform,
    request: &Request<'_>,
    rule: &PolicyRule,
    begun: FamilyBegun<'_>,
) -> (RefreshToken, Secret) {
    let FamilyBegun { id, user, scopes, code_sha256, by_password, authorization_request, auth_time, factor } = begun;
    let (now, secret) = (platform.now(), random_token(platform.entropy()));
    let family_expires = family_end(rule, now);
    let token = RefreshToken {
        id: id.clone(),
        org_id: request.org.org.id.clone(),
        token_sha256: sha256_hex(secret.expose()),
        family_id: id,
        code_sha256: Some(code_sha256),
        by_password,
        authorization_server_id: request.server.id.clone(),
        client_id: request.client.id.clone(),
        user_id: user.clone(),
        scopes: scopes.to_vec(),
        authorization_request,
        auth_time: auth_time.unwrap_or(now),
        factor,
        created: now,
        expires: token_end(rule, now, family_expires),
        family_expires,
    };
    (token, secret)
}

/// Revokes the tokens of a code that is presented a second time, because a copy of the code may have been used first
/// (RFC 6749 section 4.1.2). Returns the refusal.
async fn replayed(platform: &Platform, org: &OrgId, code_sha256: &str) -> Result<OAuthError, OAuthError> {
    platform.store().revoke_tokens_of_code(org, code_sha256).await?;
    Ok(invalid_code())
}

async fn refresh(platform: &Platform, request: &Request<'_>) -> Result<TokenAnswer, OAuthError> {
    let Request { org, server, caller, parameters, client, .. } = *request;
    let hash = sha256_hex(parameters.require("refresh_token")?);
    // A hook takes time; a token that was valid when it was presented stays valid.
    let asked = platform.now();
    let invalid = || OAuthError::invalid_grant("The refresh token is invalid or expired.");
    let (old, is_live) = match platform.store().find_refresh_token(&org.org.id, &hash, asked).await? {
        RefreshTokenState::Live(token) => (token, true),
        // The client may not have received the answer.
        RefreshTokenState::Used { token, used } if within_grace(platform, client, used, asked) => (token, false),
        RefreshTokenState::Used { token, .. } if token.client_id == client.id => {
            // The token was copied: the whole family is revoked, with its access tokens (RFC 9700 section 4.14.2).
            request.commitment.begin();
            platform.store().revoke_family(&token).await?;
            return Err(invalid());
        }
        _ => return Err(invalid()),
    };
    if old.client_id != client.id || old.authorization_server_id != server.id {
        return Err(invalid());
    }
    let scopes = narrowed(&old.scopes, parameters.get("scope"))?;
    let user = token_user(platform, org, client, &old.user_id).await?;
    let question = PolicyQuestion {
        org: &org.org.id,
        server: &server.id,
        client: &client.id,
        grant_type: "refresh_token",
        user: Some(&user.id),
        scopes: &scopes,
    };
    // Rules name the grant that began the family; a refresh is not a separate grant in rules.
    let begun = if old.by_password { PASSWORD } else { "authorization_code" };
    let question_of_begun = PolicyQuestion { grant_type: begun, ..question };
    let groups = UserGroups::of(platform.store(), &org.org.id, Some(&user.id));
    let matching = match chosen(org, question, &groups).await? {
        None => chosen(org, question_of_begun, &groups).await?,
        matching => matching,
    };
    let (policy, rule) = matching.ok_or_else(|| denied().for_user(&user))?;
    let minting = Minting {
        org,
        server,
        client,
        policy,
        rule,
        user: Some(&user),
        groups: &groups,
        session: None,
        session_id: None,
        scopes: &scopes,
        request: protocol_request(parameters),
        original_grant: Some(OriginalGrant {
            authorization: old.authorization_request.clone(),
            refresh_token: RefreshTokenReference { jti: old.family_id.clone() },
        }),
        // The id in the first request's document. The id of the token itself changes with each rotation, and a service
        // correlates the first request and its renewals by this one (`token.md` section 2).
        refresh_token_id: Some(old.family_id.clone()),
        nonce: None,
        auth_time: Some(old.auth_time),
        factor: old.factor,
        caller,
    };
    // The hook runs before the token is rotated, so that after a refusal the old one still works.
    let subject = mint::mint(platform, &minting).await?;
    let tokens = mint::sign(platform, org, server, subject, &scopes, Some(old.auth_time))?;
    let (assigned, now) = (assigned_after_hooks(platform, org, client)?, platform.now());
    let standing = Standing { org: &org.org.id, user: &user.id, proof: Proof::Token, assigned: assigned.as_ref(), now };
    // After the hook's answer the client can no longer abandon the request.
    request.commitment.begin();
    let renewal = Renewal { client, rule, old: &old, tokens: &tokens, asked, standing };
    let secret = if is_live && !client.rotates_refresh_tokens() {
        keep(platform, &renewal, parameters.require("refresh_token")?).await?
    } else {
        rotate(platform, &renewal).await?
    };
    let secret = secret.ok_or_else(invalid)?;
    log_issued(platform, request, rule, (&user, None), &scopes, &tokens);
    Ok(TokenAnswer { tokens, refresh_token: Some(secret), scopes })
}

/// The end of a refresh, when its tokens are minted.
struct Renewal<'a> {
    client: &'a OAuthClient,
    rule: &'a PolicyRule,
    /// The refresh token that was presented.
    old: &'a RefreshToken,
    tokens: &'a SignedTokens,
    /// When it was presented.
    asked: Timestamp,
    /// What must still hold after the hooks.
    standing: Standing<'a>,
}

/// Why tokens are not issued any more: as it would have been said before the hooks.
pub(super) fn lapsed(lapsed: Lapsed) -> OAuthError {
    match lapsed {
        Lapsed::NotAssigned => OAuthError::invalid_grant(NOT_ASSIGNED),
        Lapsed::SignedOut | Lapsed::UserInactive => not_active(),
        Lapsed::ProofEnded => OAuthError::invalid_grant(INVALID_CREDENTIALS),
    }
}

/// Keeps a refresh token, the text of which was presented: its window begins anew. Nothing when it was revoked meanwhile.
async fn keep(platform: &Platform, renewal: &Renewal<'_>, presented: &str) -> Result<Option<Secret>, OAuthError> {
    let Renewal { rule, old, tokens, asked, standing, .. } = *renewal;
    let renewed = RefreshToken { expires: token_end(rule, standing.now, old.family_expires), ..old.clone() };
    match platform
        .store()
        .keep_refresh_token(&renewed, &tokens.issued(&old.user_id, old.factor), asked, &standing)
        .await?
    {
        Rotated::Yes => Ok(Some(Secret::new(presented))),
        Rotated::NotLive => Ok(None),
        Rotated::Lapsed(what) => Err(lapsed(what)),
    }
}

/// Replaces a refresh token by another one, or answers with the successor that it has already. When neither is possible, the token
/// was copied or revoked: its family is revoked.
async fn rotate(platform: &Platform, renewal: &Renewal<'_>) -> Result<Option<Secret>, OAuthError> {
    let Renewal { client, rule, old, tokens, standing, .. } = *renewal;
    let ((unix_ms, random), store) = (platform.id_parts(), platform.store());
    let (now, secret) = (standing.now, random_token(platform.entropy()));
    let new = RefreshToken {
        id: RefreshTokenId::from_parts(unix_ms, random),
        token_sha256: sha256_hex(secret.expose()),
        created: now,
        expires: token_end(rule, now, old.family_expires),
        ..old.clone()
    };
    let kept = (grace_seconds(platform, client) > 0).then_some(&secret);
    match store.rotate_refresh_token(old, (&new, kept), &tokens.issued(&old.user_id, old.factor), &standing).await? {
        Rotated::Yes => return Ok(Some(secret)),
        Rotated::Lapsed(what) => return Err(lapsed(what)),
        Rotated::NotLive => {}
    }
    let successor = successor(platform, renewal).await?;
    if successor.is_none() {
        store.revoke_family(old).await?;
    }
    Ok(successor)
}

/// Seconds in which a client may present a refresh token again that was rotated: its own, or else those of the server.
fn grace_seconds(platform: &Platform, client: &OAuthClient) -> u32 {
    let own = client.refresh_rotation.and_then(|rotation| rotation.leeway_seconds);
    own.unwrap_or(platform.settings().refresh_grace_seconds)
}

fn within_grace(platform: &Platform, client: &OAuthClient, used: Option<Timestamp>, asked: Timestamp) -> bool {
    used.is_some_and(|used| is_within_grace(grace_seconds(platform, client), used, asked))
}

/// The successor of a token that was rotated within the grace period, by this client or concurrently.
async fn successor(platform: &Platform, renewal: &Renewal<'_>) -> Result<Option<Secret>, OAuthError> {
    let Renewal { client, old, tokens, asked, .. } = *renewal;
    match platform.store().find_refresh_token(&old.org_id, &old.token_sha256, asked).await? {
        RefreshTokenState::Used { used, .. } if within_grace(platform, client, used, asked) => {
            Ok(platform.store().refresh_again(old, &tokens.issued(&old.user_id, old.factor), platform.now()).await?)
        }
        _ => Ok(None),
    }
}

fn not_active() -> OAuthError {
    OAuthError::invalid_grant("The user is not active.")
}

/// The user of a grant, who may have lost since then what the authorization endpoint required.
async fn token_user(
    platform: &Platform,
    org: &OrgSnapshot,
    client: &OAuthClient,
    id: &UserId,
) -> Result<User, OAuthError> {
    let user = platform.store().find_user(&org.org.id, id).await?;
    let user = user.filter(|user| user.status == UserStatus::Active).ok_or_else(not_active)?;
    if may_use(platform, org, client, &user).await? { Ok(user) } else { Err(OAuthError::invalid_grant(NOT_ASSIGNED)) }
}

pub(super) fn log_issued(
    platform: &Platform,
    request: &Request<'_>,
    rule: &PolicyRule,
    (user, session_id): (&User, Option<&SessionId>),
    scopes: &[String],
    tokens: &SignedTokens,
) {
    let Request { org, server, caller, parameters, client, .. } = *request;
    let Some(policy) = org.configuration.policies.get(&rule.policy_id) else {
        return;
    };
    let minting = Minting {
        org,
        server,
        client,
        policy,
        rule,
        user: Some(user),
        // The log names no groups.
        groups: &UserGroups::of(platform.store(), &org.org.id, None),
        session: None,
        session_id,
        scopes,
        request: protocol_request(parameters),
        original_grant: None,
        refresh_token_id: None,
        nonce: None,
        auth_time: None,
        factor: None,
        caller,
    };
    mint::log_grant(platform, &minting, "access_token", None);
    if tokens.id_token.is_some() {
        mint::log_grant(platform, &minting, "id_token", None);
    }
}

/// Whether a refresh token that was rotated at `used`, on the clock of any node, may be presented again at `asked`, on
/// this node's clock.
fn is_within_grace(grace_seconds: u32, used: Timestamp, asked: Timestamp) -> bool {
    let within = used.plus_seconds(-CLOCK_SKEW_SECONDS)..used.plus_seconds(grace_seconds.into());
    grace_seconds > 0 && within.contains(&asked)
}

pub(super) fn denied() -> OAuthError {
    OAuthError::of_configuration(
        OAuthErrorCode::AccessDenied,
        "Policy evaluation failed for this request, please check the policy configurations.",
    )
}

fn invalid_code() -> OAuthError {
    OAuthError::invalid_grant("The authorization code is invalid or has expired.")
}

fn check_code(code: &AuthorizationCode, request: &Request<'_>) -> Result<(), OAuthError> {
    let Request { server, parameters, client, .. } = *request;
    if code.client_id != client.id || code.authorization_server_id != server.id {
        return Err(invalid_code());
    }
    if parameters.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(OAuthError::invalid_grant("The 'redirect_uri' is not the one of the authorization request."));
    }
    let verifier = parameters.get("code_verifier");
    match (&code.code_challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if VERIFIER_CHARACTERS.contains(&verifier.len()) => {
            verify_slices_are_equal(code_challenge(verifier).as_bytes(), challenge.as_bytes())
                .map_err(|_| OAuthError::invalid_grant("PKCE verification failed."))
        }
        _ => Err(OAuthError::invalid_grant("PKCE verification failed.")),
    }
}

/// A refresh may request fewer scopes than were granted, never more (RFC 6749 section 6).
fn narrowed(granted: &[String], scope: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let Some(scope) = scope else { return Ok(granted.to_vec()) };
    let mut wanted: Vec<String> = Vec::new();
    for scope in scope.split_ascii_whitespace() {
        if !granted.iter().any(|granted| granted == scope) {
            return Err(OAuthError::new(
                OAuthErrorCode::InvalidScope,
                "A refresh cannot ask for scopes that were not granted.",
            ));
        }
        if !wanted.iter().any(|wanted| wanted == scope) {
            wanted.push(scope.to_owned());
        }
    }
    Ok(wanted)
}

/// When a family that begins now ends.
pub(super) fn family_end(rule: &PolicyRule, now: Timestamp) -> Option<Timestamp> {
    let minutes = rule.refresh_token_lifetime_minutes;
    (minutes > 0).then(|| now.plus_seconds(i64::from(minutes) * 60))
}

/// When a token that is issued now ends: its window, but never later than its family.
pub(super) fn token_end(rule: &PolicyRule, now: Timestamp, family: Option<Timestamp>) -> Timestamp {
    let window = match rule.refresh_token_window_minutes {
        0 => now.plus_seconds(REFRESH_UNBOUNDED_SECONDS),
        minutes => now.plus_seconds(i64::from(minutes) * 60),
    };
    family.map_or(window, |family| window.min(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two nodes that a client calls at the same moment have different clocks.
    #[test]
    fn a_used_token_works_again_within_its_grace_whichever_clock_is_ahead() {
        let used = Timestamp::from_micros(0).plus_seconds(1_000);
        for (grace, after, works) in [
            (30, 0, true),
            (30, 29, true),
            (30, 30, false),
            (30, -1, true),
            (30, -60, true),
            (30, -61, false),
            (0, 0, false),
            (0, -1, false),
            (1, 0, true),
            (1, 1, false),
        ] {
            assert_eq!(is_within_grace(grace, used, used.plus_seconds(after)), works, "{grace} {after}");
        }
    }
}

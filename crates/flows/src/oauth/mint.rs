//! Minting: the claims, the hook, the signature. One hook call covers both tokens (`token.md` section 1).

use std::borrow::Cow;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{RefreshTokenId, SessionId, UserId},
    plain_json,
    token::{
        ClientContext, Issuer, OriginalGrant, PolicyContext, ProtocolContext, ProtocolRequest, RuleContext, Token,
        TokenContext, TokenDraft, TokenRequest, TokenSubject,
    },
};
use tenterhook_engine::Origin;
use tenterhook_model::{
    AccessPolicy, AuthorizationServer, ClientAuthenticationMethod, IssuedAccessToken, OAuthClient, PolicyRule, Session,
    User, VerifiedFactor, cap_reason,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Pause, Platform, Resumed,
    context::{session_context, user_context},
    events::{Event, app_target, client_actor, named_target, user_actor, user_target},
    issuer,
};

use super::{
    claims::{ClaimsSource, UserAtApp, names_groups},
    error::{OAuthError, OAuthErrorCode},
    parameters::TOKEN_BYTES_MAX,
};
use crate::user_groups::UserGroups;

/// The inputs of minting.
pub(crate) struct Minting<'a> {
    pub(crate) org: &'a OrgSnapshot,
    pub(crate) server: &'a AuthorizationServer,
    pub(crate) client: &'a OAuthClient,
    pub(crate) policy: &'a AccessPolicy,
    pub(crate) rule: &'a PolicyRule,
    pub(crate) user: Option<&'a User>,
    /// Those of the user.
    pub(crate) groups: &'a UserGroups<'a>,
    /// The session in the hook's document.
    pub(crate) session: Option<&'a Session>,
    /// The session of the grant, for the log.
    pub(crate) session_id: Option<&'a SessionId>,
    pub(crate) scopes: &'a [String],
    pub(crate) request: ProtocolRequest,
    pub(crate) original_grant: Option<OriginalGrant>,
    pub(crate) refresh_token_id: Option<RefreshTokenId>,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) auth_time: Option<Timestamp>,
    /// The factor that was verified at the sign-in.
    pub(crate) factor: Option<VerifiedFactor>,
    pub(crate) caller: &'a Caller,
}

/// Signed tokens.
#[derive(Debug)]
pub struct SignedTokens {
    /// The access token.
    pub access_token: Secret,
    /// Its `jti`.
    pub access_token_id: String,
    /// When it expires.
    pub access_expires: Timestamp,
    /// Seconds that the access token lives.
    pub expires_in: u32,
    /// The ID token, when one is issued.
    pub id_token: Option<Secret>,
}

impl SignedTokens {
    /// The record of the access token that is stored.
    pub(crate) fn issued(&self, user: &UserId, factor: Option<VerifiedFactor>) -> IssuedAccessToken {
        IssuedAccessToken {
            jti: self.access_token_id.clone(),
            user_id: user.clone(),
            expires: self.access_expires,
            factor: factor.map(|factor| factor.factor_type),
        }
    }
}

/// Minted tokens in the form in which they are stored, encrypted, until their code is redeemed (`open-questions.md`
/// D12).
#[derive(Serialize, Deserialize)]
struct Frozen {
    identity: Option<FrozenDraft>,
    access: Option<FrozenDraft>,
    auth_time: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct FrozenDraft {
    #[serde(deserialize_with = "plain_json::members")]
    claims: Map<String, Value>,
    lifetime_seconds: u32,
}

/// Packs a subject for its code.
pub(crate) fn freeze(subject: TokenSubject, auth_time: Option<Timestamp>) -> Result<Secret, OAuthError> {
    let draft = |draft: Option<TokenDraft>| {
        draft.map(|TokenDraft { claims, lifetime_seconds }| FrozenDraft { claims, lifetime_seconds })
    };
    let frozen = Frozen { identity: draft(subject.identity), access: draft(subject.access), auth_time };
    serde_json::to_string(&frozen).map(Secret::new).map_err(|error| OAuthError::internal(&error))
}

/// Unpacks what [`freeze`] packed.
pub(crate) fn thaw(frozen: &Secret) -> Result<(TokenSubject, Option<Timestamp>), OAuthError> {
    let frozen: Frozen = serde_json::from_str(frozen.expose()).map_err(|error| OAuthError::internal(&error))?;
    let draft = |draft: Option<FrozenDraft>| {
        draft.map(|FrozenDraft { claims, lifetime_seconds }| TokenDraft { claims, lifetime_seconds })
    };
    let subject = TokenSubject { identity: draft(frozen.identity), access: draft(frozen.access), dpop: false };
    Ok((subject, frozen.auth_time))
}

/// Builds the tokens and pauses at the extension point of the matching rule.
///
/// # Errors
/// `server_error` with the service's summary when the service refused (`token.md` section 5), and
/// [`super::error::Fault::TurnedAway`].
pub(crate) async fn mint(platform: &Platform, minting: &Minting<'_>) -> Result<TokenSubject, OAuthError> {
    let mut subject = match subject_of(platform, minting).await {
        Ok(subject) => subject,
        Err(error) => {
            log_grant(platform, minting, "access_token", Some(&error.description));
            return Err(error);
        }
    };
    let claim = platform.settings().missed_hook_claim.as_deref();
    let has_claim = |draft: &Option<TokenDraft>| {
        draft.as_ref().zip(claim).is_some_and(|(draft, claim)| draft.claims.contains_key(claim))
    };
    let is_own = [has_claim(&subject.identity), has_claim(&subject.access)];
    let source = minting.caller.source();
    let pause = Pause {
        point: &Token,
        org: minting.org,
        hooks: &minting.rule.hooks.0,
        issuer: Some(&minting.server.id),
        source: &source,
        subject: &mut subject,
        deadline: None,
    };
    // Only documents of hooks say it.
    let mfa_active = match minting.session.zip(minting.user) {
        Some((_, user)) if !minting.rule.hooks.0.is_empty() => {
            platform.store().has_active_factor(&minting.org.org.id, &user.id).await?
        }
        _ => false,
    };
    let error = match platform.pause(pause, || (origin(minting), token_request(minting, mfa_active))).await {
        Resumed::On { missed } => {
            if let (Some(claim), Some(why)) = (claim, missed) {
                for (draft, is_own) in [&mut subject.identity, &mut subject.access].into_iter().zip(is_own) {
                    // A claim of this name of the authorization server stays. One that a hook has added does not, so that no hook
                    // hides that another was missed.
                    if let Some(draft) = draft
                        && !(is_own && draft.claims.contains_key(claim))
                    {
                        draft.claims.insert(claim.to_owned(), json!(why));
                    }
                }
            }
            return Ok(subject);
        }
        // Tokens have no built-in provider to fall back to.
        Resumed::FallBack => return Ok(subject),
        // The summary becomes part of a redirect, whose length browsers and proxies limit.
        Resumed::Refused(error) => OAuthError::new(OAuthErrorCode::ServerError, cap_reason(error.summary_or_default())),
        // Only the hook's own failure policy can stop the flow; by default tokens are issued unmodified.
        Resumed::Stopped => OAuthError::new(OAuthErrorCode::ServerError, "The inline hook could not be executed"),
        Resumed::TurnedAway => OAuthError::turned_away(),
    };
    log_grant(platform, minting, "access_token", Some(&error.description));
    Err(error)
}

async fn subject_of(platform: &Platform, minting: &Minting<'_>) -> Result<TokenSubject, OAuthError> {
    let configuration = &minting.org.configuration;
    let definitions: Vec<_> = configuration.claims.below(&minting.server.id).collect();
    let needs_groups = definitions.iter().any(|definition| names_groups(definition, minting.scopes));
    let groups = if needs_groups { minting.groups.get().await? } else { &[] };
    let of = (minting.client, minting.user);
    let at_app = UserAtApp::read(platform.store(), of, &definitions, minting.scopes).await?;
    let issuer = issuer(minting.org, minting.server);
    let source = ClaimsSource {
        issuer: &issuer,
        audience: minting.server.audiences.first().map_or("", String::as_str),
        org: &minting.org.org,
        client: minting.client,
        user: minting.user,
        groups,
        at_app: &at_app,
        scopes: minting.scopes,
        nonce: minting.nonce,
        auth_time: minting.auth_time,
        factor: minting.factor.map(|factor| factor.factor_type),
        definitions: &definitions,
        entropy: platform.entropy(),
    };
    let openid = minting.scopes.iter().any(|scope| scope == "openid");
    Ok(TokenSubject {
        identity: minting.user.filter(|_| openid).map(|user| source.identity(user)).transpose()?,
        access: Some(source.access(minting.rule.access_token_lifetime_minutes.saturating_mul(60))?),
        dpop: false,
    })
}

fn token_request(minting: &Minting<'_>, mfa_active: bool) -> TokenRequest {
    let Minting { org, client, .. } = minting;
    let scope_id = |name: &String| {
        let scope = org.configuration.scopes.below(&minting.server.id).find(|scope| scope.name == *name)?;
        Some((name.clone(), scope.id.clone()))
    };
    TokenRequest {
        context: TokenContext {
            request: minting.caller.request_context(),
            protocol: ProtocolContext {
                kind: "OAUTH2.0",
                request: minting.request.clone(),
                original_grant: minting.original_grant.clone(),
                issuer: Issuer { uri: issuer(org, minting.server) },
                client: ClientContext {
                    id: client.id.to_string(),
                    name: client.name.clone(),
                    kind: match client.authentication {
                        ClientAuthenticationMethod::None => "PUBLIC",
                        _ => "CONFIDENTIAL",
                    },
                },
            },
            session: minting
                .session
                .zip(minting.user)
                .map(|(session, user)| session_context(org, session, user, mfa_active)),
            user: minting.user.map(|user| user_context(org, user)),
            policy: PolicyContext { id: minting.policy.id.clone(), rule: RuleContext { id: minting.rule.id.clone() } },
        },
        scopes: minting.scopes.iter().filter_map(scope_id).collect(),
        refresh_token_jti: minting.refresh_token_id.clone(),
    }
}

/// Signs what was minted; `iat` and `exp` are set now.
pub(crate) fn sign(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    subject: TokenSubject,
    scopes: &[String],
    auth_time: Option<Timestamp>,
) -> Result<SignedTokens, OAuthError> {
    let issued = platform.now();
    let sign = |claims: &Map<String, Value>| {
        let token = org.keys.sign(&server.id, claims).map_err(|error| OAuthError::internal(&error))?;
        if token.len() > TOKEN_BYTES_MAX {
            // No endpoint would accept it.
            return Err(OAuthError::new(OAuthErrorCode::ServerError, "The token would be too large".to_owned()));
        }
        Ok(token)
    };
    let TokenDraft { mut claims, lifetime_seconds } =
        subject.access.ok_or_else(|| OAuthError::internal(&"no access token was minted"))?;
    let access_expires = issued.plus_seconds(lifetime_seconds.into());
    claims.insert("iat".to_owned(), json!(issued.as_seconds()));
    claims.insert("exp".to_owned(), json!(access_expires.as_seconds()));
    claims.insert("scp".to_owned(), json!(scopes));
    if let Some(auth_time) = auth_time {
        claims.insert("auth_time".to_owned(), json!(auth_time.as_seconds()));
    }
    let access_token_id = claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned();
    let access_token = sign(&claims)?;
    let id_token = match subject.identity {
        None => None,
        Some(TokenDraft { mut claims, lifetime_seconds }) => {
            let expires = issued.plus_seconds(lifetime_seconds.into());
            claims.insert("iat".to_owned(), json!(issued.as_seconds()));
            claims.insert("exp".to_owned(), json!(expires.as_seconds()));
            claims.insert("at_hash".to_owned(), json!(at_hash(&access_token)));
            Some(Secret::new(sign(&claims)?))
        }
    };
    Ok(SignedTokens {
        access_token: Secret::new(access_token),
        access_token_id,
        access_expires,
        expires_in: lifetime_seconds,
        id_token,
    })
}

/// Logs that a token was issued or refused.
pub(crate) fn log_grant(platform: &Platform, minting: &Minting<'_>, what: &str, failure: Option<&str>) {
    let origin = origin(minting);
    let event = Event::of_origin(platform.stamp(), &origin)
        .named(format!("app.oauth2.as.token.grant.{what}"), format!("OAuth2 {} is granted", what.replace('_', " ")))
        .with_debug_data(minting.caller.debug_data())
        .about(origin.targets.iter().map(Cow::Borrowed));
    platform.log_event(match failure {
        Some(reason) => event.failed(reason),
        None => event,
    });
}

/// The left half of the access token's SHA-256 (OpenID Connect core 3.1.3.6).
fn at_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default())
}

fn origin(minting: &Minting<'_>) -> Origin {
    let Minting { org, client, caller, user, rule, .. } = minting;
    let targets = [
        user.map(user_target),
        Some(app_target(client)),
        Some(named_target(rule.id.as_str(), "PolicyRule", &rule.name)),
    ];
    let actor = user.map_or_else(|| client_actor(client), user_actor);
    Origin {
        client_id: Some(client.id.to_string()),
        session_id: minting.session_id.map(ToString::to_string),
        targets: targets.into_iter().flatten().collect(),
        ..caller.origin(&org.org.id, actor)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn frozen_claims_thaw_as_they_were() {
        let claims = json!({ "odd": { "$serde_json::private::RawValue": "no JSON" }, "list": [1, "x", null] });
        let draft = TokenDraft { claims: claims.as_object().unwrap().clone(), lifetime_seconds: 300 };
        let subject = TokenSubject { identity: None, access: Some(draft), dpop: false };
        let (thawed, _) = thaw(&freeze(subject.clone(), None).unwrap()).unwrap();
        assert_eq!(json!(thawed.access.unwrap().claims).to_string(), claims.to_string());
    }
}

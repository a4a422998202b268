//! Introspection (RFC 7662), revocation (RFC 7009) and user information (OpenID Connect 5.3).

use serde_json::{Map, Value, json};
use tenterhook_contract::Timestamp;
use tenterhook_model::{AuthorizationServer, ClaimTarget, RefreshTokenState, UserStatus};
use tenterhook_platform::{OrgSnapshot, Platform, entropy::sha256_hex, issuer, refusals::ClientEndpoint};

use super::{
    claims::{UserAtApp, add_defined, names_groups},
    client,
    client_authentication::authenticate,
    error::{OAuthError, OAuthErrorCode},
    parameters::Parameters,
};

/// Whether a token is active, and its claims. For every kind of invalid token the answer is only `active: false`.
pub async fn introspect(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    parameters: &Parameters,
    authorization: Option<&str>,
) -> Result<Value, OAuthError> {
    let client = authenticate(org, parameters, authorization, ClientEndpoint::Introspect)?;
    let token = parameters.require("token")?;
    if let Some(claims) = live_access_token(platform, org, server, token).await? {
        let scope = claims
            .get("scp")
            .and_then(Value::as_array)
            .map(|scopes| scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
        let mut answer = Map::from_iter([("active".to_owned(), json!(true))]);
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                answer.insert(name.to_owned(), value);
            }
        };
        put("scope", scope.map(Value::from));
        put("username", claims.get("uid").and_then(|_| claims.get("sub").cloned()));
        put("exp", claims.get("exp").cloned());
        put("iat", claims.get("iat").cloned());
        put("sub", claims.get("sub").cloned());
        put("aud", claims.get("aud").cloned());
        put("iss", claims.get("iss").cloned());
        put("jti", claims.get("jti").cloned());
        put("client_id", claims.get("cid").cloned());
        put("uid", claims.get("uid").cloned());
        put("token_type", Some(json!("Bearer")));
        return Ok(Value::Object(answer));
    }
    match platform.store().find_refresh_token(&org.org.id, &sha256_hex(token), platform.now()).await? {
        RefreshTokenState::Live(refresh)
            if refresh.client_id == client.id && refresh.authorization_server_id == server.id =>
        {
            Ok(json!({
                "active": true,
                "token_type": "Refresh",
                "scope": refresh.scopes.join(" "),
                "client_id": refresh.client_id,
                "jti": refresh.id,
                "sub": refresh.user_id,
                "iss": issuer(org, server),
                "iat": refresh.created.as_seconds(),
                "exp": refresh.expires.as_seconds(),
            }))
        }
        _ => Ok(json!({ "active": false })),
    }
}

/// Revokes a token of the client, a refresh token with all tokens of its grant; an unknown one is no error.
pub async fn revoke(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    parameters: &Parameters,
    authorization: Option<&str>,
) -> Result<(), OAuthError> {
    let client = authenticate(org, parameters, authorization, ClientEndpoint::Revoke)?;
    let token = parameters.require("token")?;
    if let Some(claims) = live_access_token(platform, org, server, token).await? {
        if claims.get("cid").and_then(Value::as_str) == Some(client.id.as_str())
            && let Some(jti) = claims.get("jti").and_then(Value::as_str)
        {
            let seconds = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
            let expires = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
            platform.store().revoke_access_token(&org.org.id, jti, expires).await?;
        }
        return Ok(());
    }
    match platform.store().find_refresh_token(&org.org.id, &sha256_hex(token), platform.now()).await? {
        RefreshTokenState::Live(refresh) | RefreshTokenState::Used { token: refresh, .. }
            if refresh.client_id == client.id =>
        {
            platform.store().revoke_family(&refresh).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The claims about the user of an access token, by its scopes.
///
/// # Errors
/// `invalid_token` or `insufficient_scope` (RFC 6750 section 3.1).
pub async fn userinfo(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    token: &str,
) -> Result<Value, OAuthError> {
    let invalid = || OAuthError::new(OAuthErrorCode::InvalidToken, "The access token is invalid or has expired.");
    let claims = live_access_token(platform, org, server, token).await?.ok_or_else(invalid)?;
    let scopes = claims.get("scp").and_then(Value::as_array).cloned().unwrap_or_default();
    let granted = |scope: &str| scopes.iter().any(|granted| granted == scope);
    if !granted("openid") {
        let text = "The access token must provide access to the `openid` scope.";
        return Err(OAuthError::new(OAuthErrorCode::InsufficientScope, text));
    }
    let id = claims.get("uid").and_then(Value::as_str).and_then(|id| id.parse().ok()).ok_or_else(invalid)?;
    let user = platform.store().find_user(&org.org.id, &id).await?;
    let user = user.filter(|user| user.status == UserStatus::Active).ok_or_else(invalid)?;
    let mut answer = Map::from_iter([("sub".to_owned(), json!(user.id))]);
    if granted("profile") {
        answer.extend([
            ("name".to_owned(), json!(user.profile.full_name())),
            ("given_name".to_owned(), json!(user.profile.first_name)),
            ("family_name".to_owned(), json!(user.profile.last_name)),
            ("preferred_username".to_owned(), json!(user.profile.login)),
            ("updated_at".to_owned(), json!(user.last_updated.as_seconds())),
        ]);
        let locale = user.profile.locale().map(|locale| ("locale".to_owned(), json!(locale.replace('_', "-"))));
        let zone = user.profile.time_zone().map(|zone| ("zoneinfo".to_owned(), json!(zone)));
        answer.extend(locale.into_iter().chain(zone));
    }
    if granted("email") {
        answer.insert("email".to_owned(), json!(user.profile.email));
        answer.insert("email_verified".to_owned(), json!(false));
    }
    let client = claims.get("cid").and_then(Value::as_str).and_then(|id| client(org, id));
    let granted: Vec<String> = scopes.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    let definitions = org.configuration.claims.below(&server.id);
    // The claims that are left out of ID tokens.
    let left_out = definitions.filter(|claim| claim.target == ClaimTarget::Identity && !claim.always_include_in_token);
    let left_out: Vec<_> = left_out.collect();
    if let Some(client) = client {
        let groups = if left_out.iter().any(|claim| names_groups(claim, &granted)) {
            platform.store().groups_of_user(&org.org.id, &user.id).await?
        } else {
            Vec::new()
        };
        let of = (client, Some(&user));
        let at_app = UserAtApp::read(platform.store(), of, &left_out, &granted).await?;
        let factor = match claims.get("jti").and_then(Value::as_str).filter(|_| !left_out.is_empty()) {
            Some(jti) => platform.store().factor_of_access_token(&org.org.id, jti).await?,
            None => None,
        };
        let inputs = at_app.inputs(&org.org, of, &groups, factor);
        add_defined(left_out.into_iter(), &granted, &inputs, &mut answer)?;
    }
    Ok(Value::Object(answer))
}

async fn live_access_token(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    token: &str,
) -> Result<Option<Map<String, Value>>, OAuthError> {
    let Some(claims) = org.keys.verify(&server.id, &issuer(org, server), token, platform.now()) else {
        return Ok(None);
    };
    // An ID token has another audience and no `cid`: it is not an access token.
    let (Some(jti), true) = (claims.get("jti").and_then(Value::as_str), claims.contains_key("cid")) else {
        return Ok(None);
    };
    let revoked = platform.store().is_access_token_revoked(&org.org.id, jti).await?;
    Ok((!revoked).then_some(claims))
}

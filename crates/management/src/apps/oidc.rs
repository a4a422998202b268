//! What requests say of OpenID Connect apps.

use serde_json::{Map, Value, json};
use tenterhook_model::{OAuthClient, RefreshRotation, RotationKind};
use tenterhook_platform::entropy::sha256_hex;

use super::{
    general::{General, choice, url},
    request::{AppRequest, OAuthCredentialsRequest, OAuthSettingsRequest},
};
use crate::{
    clients::{ClientMembers, ClientRequest, read_members},
    request::{Causes, Given},
};

/// `name` of every OpenID Connect app.
pub const NAME: &str = "oidc_client";
/// Seconds that a client may present a refresh token again.
pub const REFRESH_LEEWAY_SECONDS_MAX: u32 = 60;

/// Issuers of ID tokens, by the vendor's names.
pub(super) const ISSUER_MODES: [&str; 3] = ["ORG_URL", "CUSTOM_URL", "DYNAMIC"];

const ROTATION: &str = "credentials.oauthClient.autoKeyRotation";
const SECRET: &str = "credentials.oauthClient.client_secret";

/// The names of a client's members here.
const MEMBERS: ClientMembers = ClientMembers {
    application_type: "settings.oauthClient.application_type",
    redirect_uris: "settings.oauthClient.redirect_uris",
    grant_types: "settings.oauthClient.grant_types",
    response_types: "settings.oauthClient.response_types",
    token_endpoint_auth_method: "credentials.oauthClient.token_endpoint_auth_method",
};

/// Reads a request over `client`: its id, its secret, its dates and its status stay. `is_new` is whether nobody knows the id yet.
pub(super) fn read(causes: &mut Causes, request: &AppRequest, client: OAuthClient, is_new: bool) -> OAuthClient {
    let (no_credentials, no_settings) = (OAuthCredentialsRequest::default(), OAuthSettingsRequest::default());
    let credentials = request.oauth_credentials.as_ref().unwrap_or(&no_credentials);
    let settings = request.settings.oauth_client.as_deref().unwrap_or(&no_settings);
    let General { label, implicit_assignment, hide, user_name, mut told } = General::read(causes, request);
    causes.only("name", &request.name, NAME, "The name of an OpenID Connect app is `oidc_client`");
    if request.settings.sign_on.is_some() {
        causes.add("settings.signOn", "Only apps with the sign-on mode `SAML_2_0` have it");
    }
    if request.signing_kid.is_given() {
        let text =
            "Only apps with the sign-on mode `SAML_2_0` have keys: tokens are signed by the authorization server";
        causes.add("credentials.signing.kid", text);
    }
    read_credentials(causes, credentials, &client, is_new);
    told.oauth_client = read_told(causes, settings);
    let members = ClientRequest {
        application_type: settings.application_type.clone(),
        redirect_uris: settings.redirect_uris.clone(),
        grant_types: settings.grant_types.clone(),
        response_types: settings.response_types.clone(),
        token_endpoint_auth_method: credentials.token_endpoint_auth_method.clone(),
        ..ClientRequest::default()
    };
    let pkce_required =
        causes.plain("credentials.oauthClient.pkce_required", &credentials.pkce_required, client.pkce_required);
    let refresh_rotation = read_refresh_rotation(causes, settings);
    let client = OAuthClient {
        name: label,
        implicit_assignment,
        pkce_required,
        refresh_rotation,
        hide,
        user_name,
        told,
        ..client
    };
    read_members(causes, &members, client, &MEMBERS)
}

fn read_credentials(causes: &mut Causes, credentials: &OAuthCredentialsRequest, client: &OAuthClient, is_new: bool) {
    let id = if is_new { "" } else { client.id.as_str() };
    let text = "The id is made by the server: leave it out, or send the one that the app has";
    causes.only("credentials.oauthClient.client_id", &credentials.client_id, id, text);
    match &credentials.client_secret {
        Given::Is(secret) if secret.is_empty() || client.secret_sha256.as_ref() == Some(&sha256_hex(secret)) => {}
        Given::Absent => {}
        _ => causes.add(SECRET, "The secret is made by the server: leave it out, or send the one that the app has"),
    }
    if !causes.plain(ROTATION, &credentials.auto_key_rotation, true) {
        causes.add(ROTATION, "Keys are rotated as the authorization server says: leave it out, or write true");
    }
}

/// The members of `settings.oauthClient` that are only told.
fn read_told(causes: &mut Causes, settings: &OAuthSettingsRequest) -> Map<String, Value> {
    let path = |name: &str| format!("settings.oauthClient.{name}");
    let mut told = Map::new();
    for (name, given) in &settings.uris {
        if let Some(uri) = url(causes, &path(name), given) {
            told.insert((*name).to_owned(), uri.into());
        }
    }
    for (name, given, value) in &settings.constants {
        causes.constant(&path(name), given, value);
    }
    for (name, given) in &settings.switched_off {
        if causes.plain(&path(name), given, false) {
            causes.add(&path(name), "It is not supported: leave it out, or write false");
        }
    }
    let uris = causes.texts(&path("post_logout_redirect_uris"), &settings.post_logout_redirect_uris);
    if !uris.is_empty() {
        told.insert("post_logout_redirect_uris".to_owned(), json!(uris));
    }
    if let Some(mode) = choice(causes, &path("issuer_mode"), &settings.issuer_mode, &ISSUER_MODES) {
        told.insert("issuer_mode".to_owned(), mode.into());
    }
    told
}

/// How refresh tokens are renewed; `None` where the request says nothing of it.
fn read_refresh_rotation(causes: &mut Causes, settings: &OAuthSettingsRequest) -> Option<RefreshRotation> {
    const KIND: &str = "settings.oauthClient.refresh_token.rotation_type";
    const LEEWAY: &str = "settings.oauthClient.refresh_token.leeway";
    let kind = choice(causes, KIND, &settings.refresh_rotation, &RotationKind::ALL.map(RotationKind::as_str));
    let kind = kind.and_then(|name| RotationKind::ALL.into_iter().find(|kind| kind.as_str() == name));
    let leeway_seconds = causes.given(LEEWAY, &settings.refresh_leeway).copied();
    if leeway_seconds.is_some_and(|seconds| seconds > REFRESH_LEEWAY_SECONDS_MAX) {
        causes.add(LEEWAY, "Write 0 to 60 seconds");
    }
    let is_given = kind.is_some() || leeway_seconds.is_some();
    is_given.then(|| RefreshRotation { kind: kind.unwrap_or(RotationKind::Rotate), leeway_seconds })
}

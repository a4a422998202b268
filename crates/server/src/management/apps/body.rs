//! An app as it is written. SAML apps and OpenID Connect apps have one body: `signOnMode` says which members count.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tenterhook_management::{
    apps::request::{
        AccessibilityRequest, AppRequest, AppSettingsRequest, OAuthCredentialsRequest, OAuthSettingsRequest,
        UserNameRequest, VisibilityRequest,
    },
    request::Given,
};

use super::{
    super::{
        call::{ResourceBody, below},
        members::Members,
    },
    sign_on_body::{SignOnBody, unsupported_of_items},
};

/// An app as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct AppBody {
    /// It stays. A new app must have it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::answer::SignOnMode>"))]
    sign_on_mode: Given<String>,
    /// The server makes it: that of a SAML app from the label, that of an OpenID Connect app is `oidc_client`.
    #[serde(default)]
    name: Given<String>,
    /// For people.
    label: Given<String>,
    /// That of the app: only `lifecycle` operations change it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::super::answer::Status>"))]
    status: Given<String>,
    #[serde(default, deserialize_with = "below")]
    accessibility: AccessibilityBody,
    #[serde(default, deserialize_with = "below")]
    visibility: VisibilityBody,
    #[serde(default, deserialize_with = "below")]
    credentials: CredentialsBody,
    #[serde(default, deserialize_with = "below")]
    settings: SettingsBody,
    /// Attributes of the app.
    #[serde(default)]
    profile: Given<Map<String, Value>>,
}

/// Who may ask for an app. Told to clients, without effect.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessibilityRequest"))]
#[serde(rename_all = "camelCase", default)]
struct AccessibilityBody {
    self_service: Given<bool>,
    error_redirect_url: Given<String>,
    login_redirect_url: Given<String>,
}

/// Where an app is shown. Told to clients, without effect.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppVisibilityRequest"))]
#[serde(rename_all = "camelCase", default)]
struct VisibilityBody {
    auto_submit_toolbar: Given<bool>,
    auto_launch: Given<bool>,
    #[serde(deserialize_with = "below")]
    hide: HideBody,
    /// Links by their names, each with whether it is shown.
    app_links: Given<Map<String, Value>>,
}

/// Where an app is hidden.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppHideRequest"))]
#[serde(default)]
struct HideBody {
    #[serde(rename = "iOS")]
    ios: Given<bool>,
    web: Given<bool>,
}

/// How an app and its users are known.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppCredentialsRequest"))]
#[serde(rename_all = "camelCase", default)]
struct CredentialsBody {
    #[serde(deserialize_with = "below")]
    user_name_template: UserNameBody,
    #[serde(deserialize_with = "below")]
    signing: SigningBody,
    /// Of an OpenID Connect app.
    #[serde(deserialize_with = "part")]
    oauth_client: Option<OAuthCredentialsBody>,
}

/// How a user is named at an app.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserNameTemplateRequest"))]
#[serde(rename_all = "camelCase", default)]
struct UserNameBody {
    /// A text with expressions in `${…}`; `${source.login}` when absent.
    template: Given<String>,
    /// `BUILT_IN` when absent, or `CUSTOM` or `NONE`.
    #[serde(rename = "type")]
    kind: Given<String>,
    /// Appended to the name.
    user_suffix: Given<String>,
    /// The same, as older clients call it.
    suffix: Given<String>,
    /// `PUSH`, `DONT_PUSH` or `NOT_CONFIGURED`, without effect.
    push_status: Given<String>,
}

/// The key of a SAML app that signs.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppSigningRequest"))]
#[serde(default)]
struct SigningBody {
    /// One of the app's keys. Absent, the key stays.
    kid: Given<String>,
}

/// How an OpenID Connect app authenticates.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppOAuthCredentialsRequest"))]
#[serde(default)]
struct OAuthCredentialsBody {
    /// The id of the app.
    client_id: Given<String>,
    /// The secret that the app has: the server makes it.
    client_secret: Given<String>,
    /// `client_secret_basic` when absent, or `client_secret_post` or `none`.
    token_endpoint_auth_method: Given<String>,
    /// True.
    #[serde(rename = "autoKeyRotation")]
    auto_key_rotation: Given<bool>,
    /// Whether PKCE is needed although the client authenticates.
    pkce_required: Given<bool>,
}

/// The settings of an app.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppSettingsRequest"))]
#[serde(rename_all = "camelCase", default)]
struct SettingsBody {
    /// Whether every user may sign on, also who is not assigned; false when absent.
    implicit_assignment: Given<bool>,
    /// False.
    manual_provisioning: Given<bool>,
    #[serde(deserialize_with = "below")]
    notes: NotesBody,
    #[serde(deserialize_with = "below")]
    notifications: NotificationsBody,
    /// Of a SAML app.
    #[serde(deserialize_with = "part")]
    sign_on: Option<Box<SignOnBody>>,
    /// Of an OpenID Connect app.
    #[serde(deserialize_with = "part")]
    oauth_client: Option<Box<OAuthSettingsBody>>,
}

/// Notes for people.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppNotesRequest"))]
#[serde(default)]
struct NotesBody {
    admin: Given<String>,
    enduser: Given<String>,
}

/// Notifications of users.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppNotificationsRequest"))]
#[serde(default)]
struct NotificationsBody {
    #[serde(deserialize_with = "below")]
    vpn: VpnBody,
}

/// Notifications of a VPN that an app needs: there are none.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppVpnRequest"))]
#[serde(default)]
struct VpnBody {
    #[serde(deserialize_with = "below")]
    network: VpnNetworkBody,
}

/// When a VPN is needed.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppVpnNetworkRequest"))]
#[serde(default)]
struct VpnNetworkBody {
    /// `DISABLED`
    connection: Given<String>,
}

/// The settings of an OAuth client.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppOAuthSettingsRequest"))]
#[serde(default)]
struct OAuthSettingsBody {
    /// `web`, `native`, `browser` or `service`.
    application_type: Given<String>,
    redirect_uris: Given<Vec<String>>,
    /// Told to clients, without effect.
    post_logout_redirect_uris: Given<Vec<String>>,
    /// `authorization_code`, `client_credentials`, `password`, `refresh_token`. It must be there.
    grant_types: Given<Vec<String>>,
    /// `code` for `authorization_code`, `token` for `client_credentials` and `password`.
    response_types: Given<Vec<String>>,
    client_uri: Given<String>,
    logo_uri: Given<String>,
    tos_uri: Given<String>,
    policy_uri: Given<String>,
    initiate_login_uri: Given<String>,
    /// `TRUSTED`
    consent_method: Given<String>,
    /// `DISABLED`
    wildcard_redirect: Given<String>,
    /// `public`
    subject_type: Given<String>,
    #[serde(deserialize_with = "below")]
    idp_initiated_login: IdpInitiatedLoginBody,
    /// False.
    dpop_bound_access_tokens: Given<bool>,
    /// False.
    participate_slo: Given<bool>,
    /// False.
    frontchannel_logout_session_required: Given<bool>,
    /// `ORG_URL`, `CUSTOM_URL` or `DYNAMIC`: told to clients, without effect.
    issuer_mode: Given<String>,
    #[serde(deserialize_with = "below")]
    refresh_token: RefreshTokenBody,
}

/// Sign-on that the identity provider begins.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "IdpInitiatedLoginRequest"))]
#[serde(default)]
struct IdpInitiatedLoginBody {
    /// `DISABLED`
    mode: Given<String>,
}

/// How refresh tokens are renewed.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppRefreshTokenRequest"))]
#[serde(default)]
struct RefreshTokenBody {
    /// `ROTATE` when absent: a refresh token is replaced when it is used. Or `STATIC`: it is not.
    rotation_type: Given<String>,
    /// Seconds in which a token that was replaced may be presented again, 0 to 60; those of the server when absent.
    leeway: Given<u32>,
}

/// Reads a part of a body that only some apps have; absent and null are none.
fn part<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned + Default>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    // A struct could be read of an array too.
    let read =
        |value: Value| if value.is_object() { serde_json::from_value(value).unwrap_or_default() } else { T::default() };
    Ok((!value.is_null()).then(|| read(value)))
}

const CATALOGUE: &str = "Apps of a catalogue are not supported";
impl ResourceBody for AppBody {
    const MEMBERS: Members = Members {
        taken: &[
            "signOnMode",
            "name",
            "label",
            "status",
            "profile",
            "accessibility.selfService",
            "accessibility.errorRedirectUrl",
            "accessibility.loginRedirectUrl",
            "visibility.autoSubmitToolbar",
            "visibility.autoLaunch",
            "visibility.hide.iOS",
            "visibility.hide.web",
            "visibility.appLinks",
            "credentials.userNameTemplate.template",
            "credentials.userNameTemplate.type",
            "credentials.userNameTemplate.userSuffix",
            "credentials.userNameTemplate.suffix",
            "credentials.userNameTemplate.pushStatus",
            "credentials.signing.kid",
            "credentials.oauthClient.client_id",
            "credentials.oauthClient.client_secret",
            "credentials.oauthClient.token_endpoint_auth_method",
            "credentials.oauthClient.autoKeyRotation",
            "credentials.oauthClient.pkce_required",
            "settings.implicitAssignment",
            "settings.manualProvisioning",
            "settings.notes.admin",
            "settings.notes.enduser",
            "settings.notifications.vpn.network.connection",
            "settings.signOn.defaultRelayState",
            "settings.signOn.ssoAcsUrl",
            "settings.signOn.idpIssuer",
            "settings.signOn.audience",
            "settings.signOn.recipient",
            "settings.signOn.destination",
            "settings.signOn.ssoAcsUrlOverride",
            "settings.signOn.audienceOverride",
            "settings.signOn.recipientOverride",
            "settings.signOn.destinationOverride",
            "settings.signOn.subjectNameIdTemplate",
            "settings.signOn.subjectNameIdFormat",
            "settings.signOn.responseSigned",
            "settings.signOn.assertionSigned",
            "settings.signOn.signatureAlgorithm",
            "settings.signOn.digestAlgorithm",
            "settings.signOn.honorForceAuthn",
            "settings.signOn.authnContextClassRef",
            "settings.signOn.spIssuer",
            "settings.signOn.requestCompressed",
            "settings.signOn.samlAssertionLifetimeSeconds",
            "settings.signOn.attributeStatements",
            "settings.signOn.inlineHooks",
            "settings.signOn.allowMultipleAcsEndpoints",
            "settings.signOn.acsEndpoints",
            "settings.signOn.slo.enabled",
            "settings.signOn.slo.issuer",
            "settings.signOn.slo.logoutUrl",
            "settings.signOn.participateSlo.enabled",
            "settings.signOn.spCertificate.x5c",
            "settings.signOn.samlSignedRequestEnabled",
            "settings.signOn.assertionEncryption.enabled",
            "settings.signOn.assertionEncryption.encryptionAlgorithm",
            "settings.signOn.assertionEncryption.keyTransportAlgorithm",
            "settings.signOn.assertionEncryption.x5c",
            "settings.oauthClient.application_type",
            "settings.oauthClient.redirect_uris",
            "settings.oauthClient.post_logout_redirect_uris",
            "settings.oauthClient.grant_types",
            "settings.oauthClient.response_types",
            "settings.oauthClient.client_uri",
            "settings.oauthClient.logo_uri",
            "settings.oauthClient.tos_uri",
            "settings.oauthClient.policy_uri",
            "settings.oauthClient.initiate_login_uri",
            "settings.oauthClient.consent_method",
            "settings.oauthClient.wildcard_redirect",
            "settings.oauthClient.subject_type",
            "settings.oauthClient.idp_initiated_login.mode",
            "settings.oauthClient.dpop_bound_access_tokens",
            "settings.oauthClient.participate_slo",
            "settings.oauthClient.frontchannel_logout_session_required",
            "settings.oauthClient.issuer_mode",
            "settings.oauthClient.refresh_token.rotation_type",
            "settings.oauthClient.refresh_token.leeway",
        ],
        read_only: &["id", "orn", "created", "lastUpdated", "_links", "_embedded", "credentials.signing.use"],
        refused: &[
            ("features", "Provisioning is not supported"),
            ("licensing", "Seats of licences are not counted"),
            ("universalLogout", "Universal logout is not supported"),
            ("expressConfiguration", CATALOGUE),
            ("settings.app", CATALOGUE),
            ("settings.identityStoreId", "Identity stores are not supported"),
            ("settings.inlineHookId", "User import is not supported"),
            ("settings.emOptInStatus", "Entitlements are not supported"),
            ("settings.notifications.vpn.message", "Notifications of a VPN are not supported"),
            ("settings.notifications.vpn.helpUrl", "Notifications of a VPN are not supported"),
            ("settings.signOn.configuredAttributeStatements", CATALOGUE),
            ("settings.signOn.participateSlo.logoutRequestUrl", "Logout that another app begins is not supported"),
            ("settings.signOn.participateSlo.bindingType", "Logout that another app begins is not supported"),
            ("settings.signOn.participateSlo.sessionIndexRequired", "Logout that another app begins is not supported"),
            ("settings.oauthClient.jwks.keys", "Clients with keys of their own are not supported"),
            ("settings.oauthClient.jwks_uri", "Clients with keys of their own are not supported"),
            (
                "settings.oauthClient.idp_initiated_login.default_scope",
                "Sign-on that the server begins is not supported",
            ),
            ("settings.oauthClient.frontchannel_logout_uri", "Logout of OpenID Connect apps is not supported"),
            ("settings.oauthClient.request_object_signing_alg", "Request objects are not supported"),
            ("settings.oauthClient.sector_identifier_uri", "Pairwise subjects are not supported"),
        ],
    };
    type Request = AppRequest;

    fn unsupported(body: &Value) -> Vec<String> {
        let mut problems = Self::MEMBERS.problems(body);
        problems.extend(unsupported_of_items(body));
        problems
    }

    fn into_request(self) -> AppRequest {
        let (accessibility, visibility, credentials) = (self.accessibility, self.visibility, self.credentials);
        AppRequest {
            sign_on_mode: self.sign_on_mode,
            name: self.name,
            label: self.label,
            status: self.status,
            accessibility: AccessibilityRequest {
                self_service: accessibility.self_service,
                error_redirect_url: accessibility.error_redirect_url,
                login_redirect_url: accessibility.login_redirect_url,
            },
            visibility: VisibilityRequest {
                auto_submit_toolbar: visibility.auto_submit_toolbar,
                auto_launch: visibility.auto_launch,
                hide_ios: visibility.hide.ios,
                hide_web: visibility.hide.web,
                app_links: visibility.app_links,
            },
            user_name: UserNameRequest {
                template: credentials.user_name_template.template,
                kind: credentials.user_name_template.kind,
                user_suffix: credentials.user_name_template.user_suffix,
                suffix: credentials.user_name_template.suffix,
                push_status: credentials.user_name_template.push_status,
            },
            signing_kid: credentials.signing.kid,
            oauth_credentials: credentials.oauth_client.map(OAuthCredentialsBody::into_request),
            settings: self.settings.into_request(),
            profile: self.profile,
        }
    }
}

impl OAuthCredentialsBody {
    fn into_request(self) -> OAuthCredentialsRequest {
        OAuthCredentialsRequest {
            client_id: self.client_id,
            client_secret: self.client_secret,
            token_endpoint_auth_method: self.token_endpoint_auth_method,
            auto_key_rotation: self.auto_key_rotation,
            pkce_required: self.pkce_required,
        }
    }
}

impl SettingsBody {
    fn into_request(self) -> AppSettingsRequest {
        AppSettingsRequest {
            implicit_assignment: self.implicit_assignment,
            manual_provisioning: self.manual_provisioning,
            admin_note: self.notes.admin,
            enduser_note: self.notes.enduser,
            vpn_connection: self.notifications.vpn.network.connection,
            sign_on: self.sign_on.map(|sign_on| Box::new(sign_on.into_request())),
            oauth_client: self.oauth_client.map(|client| Box::new(client.into_request())),
        }
    }
}

impl OAuthSettingsBody {
    fn into_request(self) -> OAuthSettingsRequest {
        OAuthSettingsRequest {
            application_type: self.application_type,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            grant_types: self.grant_types,
            response_types: self.response_types,
            uris: [
                ("client_uri", self.client_uri),
                ("logo_uri", self.logo_uri),
                ("tos_uri", self.tos_uri),
                ("policy_uri", self.policy_uri),
                ("initiate_login_uri", self.initiate_login_uri),
            ],
            constants: [
                ("consent_method", self.consent_method, "TRUSTED"),
                ("wildcard_redirect", self.wildcard_redirect, "DISABLED"),
                ("subject_type", self.subject_type, "public"),
                ("idp_initiated_login.mode", self.idp_initiated_login.mode, "DISABLED"),
            ],
            switched_off: [
                ("dpop_bound_access_tokens", self.dpop_bound_access_tokens),
                ("participate_slo", self.participate_slo),
                ("frontchannel_logout_session_required", self.frontchannel_logout_session_required),
            ],
            issuer_mode: self.issuer_mode,
            refresh_rotation: self.refresh_token.rotation_type,
            refresh_leeway: self.refresh_token.leeway,
        }
    }
}

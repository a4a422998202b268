//! An app as it is shown.

use serde::Serialize;
use serde_json::{Map, Value};
use tenterhook_contract::Secret;
use tenterhook_management::apps::{App, SignOnMode as Mode, access_policy::AppAccessPolicy};
use tenterhook_model::{
    AppHide, AppTold, ClientAuthenticationMethod, EnrollmentPolicy, OAuthClient, RefreshRotation, SamlApp,
    UserNameTemplate,
};
use tenterhook_platform::{OrgSnapshot, saml_apps::sign_on_url};

use super::{
    super::{
        answer::{Date, Id, Link, Status},
        paging::Listed,
    },
    sign_on_answer::SignOnAnswer,
};

/// An app as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "App"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppAnswer {
    id: Id,
    /// In URLs.
    name: String,
    /// For people.
    label: String,
    /// Moved by the lifecycle calls only.
    status: Status,
    last_updated: Date,
    created: Date,
    accessibility: Accessibility,
    visibility: Visibility,
    /// Always empty.
    features: [&'static str; 0],
    sign_on_mode: SignOnMode,
    credentials: Credentials,
    settings: Settings,
    /// Absent when the app has no attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Map<String, Value>>,
    #[serde(rename = "_links")]
    links: Links,
}

/// How users sign on.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppSignOnMode"))]
pub(super) enum SignOnMode {
    /// With a SAML assertion.
    #[serde(rename = "SAML_2_0")]
    Saml,
    /// With an authorization code.
    #[serde(rename = "OPENID_CONNECT")]
    OpenIdConnect,
}

impl From<Mode> for SignOnMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Saml => Self::Saml,
            Mode::OpenIdConnect => Self::OpenIdConnect,
        }
    }
}

/// Who may ask for an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppAccessibility"))]
#[serde(rename_all = "camelCase")]
struct Accessibility {
    self_service: bool,
    error_redirect_url: Option<String>,
    login_redirect_url: Option<String>,
}

/// Where an app is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppVisibility"))]
#[serde(rename_all = "camelCase")]
struct Visibility {
    auto_launch: bool,
    auto_submit_toolbar: bool,
    hide: Hide,
    app_links: Map<String, Value>,
}

/// Where an app is hidden.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppHide"))]
struct Hide {
    #[serde(rename = "iOS")]
    ios: bool,
    web: bool,
}

/// How an app and its users are known.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppCredentials"))]
#[serde(rename_all = "camelCase")]
struct Credentials {
    user_name_template: UserName,
    /// Of a SAML app.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing: Option<Signing>,
    /// Of an OpenID Connect app.
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth_client: Option<OAuthCredentials>,
}

/// How a user is named at an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserNameTemplate"))]
#[serde(rename_all = "camelCase")]
struct UserName {
    template: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_suffix: Option<String>,
    /// The same, as older clients call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_status: Option<String>,
}

/// The key of a SAML app that signs.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppSigning"))]
struct Signing {
    kid: String,
}

/// How an OpenID Connect app authenticates.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppOAuthCredentials"))]
struct OAuthCredentials {
    #[serde(rename = "autoKeyRotation")]
    auto_key_rotation: bool,
    client_id: Id,
    /// Shown once, when it is made, and to a request that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    token_endpoint_auth_method: &'static str,
    pkce_required: bool,
}

/// The settings of an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppSettings"))]
#[serde(rename_all = "camelCase")]
struct Settings {
    /// Always empty.
    app: Map<String, Value>,
    notifications: Notifications,
    manual_provisioning: bool,
    /// Whether every user may sign on, also who is not assigned.
    implicit_assignment: bool,
    notes: Notes,
    /// Of a SAML app.
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_on: Option<SignOnAnswer>,
    /// Of an OpenID Connect app.
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth_client: Option<OAuthSettings>,
}

/// Notifications of users.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppNotifications"))]
struct Notifications {
    vpn: Vpn,
}

/// Notifications of a VPN that an app needs: there are none.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppVpn"))]
#[serde(rename_all = "camelCase")]
struct Vpn {
    network: VpnNetwork,
    message: Option<String>,
    help_url: Option<String>,
}

/// When a VPN is needed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppVpnNetwork"))]
struct VpnNetwork {
    connection: &'static str,
}

/// Notes for people.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppNotes"))]
struct Notes {
    admin: Option<String>,
    enduser: Option<String>,
}

/// The settings of an OAuth client.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppOAuthSettings"))]
struct OAuthSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<&'static str>,
    redirect_uris: Vec<String>,
    response_types: Vec<String>,
    grant_types: Vec<String>,
    issuer_mode: Value,
    consent_method: &'static str,
    wildcard_redirect: &'static str,
    idp_initiated_login: IdpInitiatedLogin,
    dpop_bound_access_tokens: bool,
    participate_slo: bool,
    /// Absent when the server decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<RefreshToken>,
    /// Members that are only told, such as `logo_uri`: as they were written.
    #[serde(flatten)]
    told: Map<String, Value>,
}

/// How refresh tokens are renewed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppRefreshToken"))]
struct RefreshToken {
    /// `ROTATE` or `STATIC`
    rotation_type: &'static str,
    /// In seconds; absent when the server decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    leeway: Option<u32>,
}

/// Sign-on that the identity provider begins.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "IdpInitiatedLogin"))]
struct IdpInitiatedLogin {
    mode: &'static str,
    default_scope: [&'static str; 0],
}

/// The links of an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppLinks"))]
#[serde(rename_all = "camelCase")]
struct Links {
    /// The metadata of the identity provider, of a SAML app.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<TypedLink>,
    /// Where users start.
    #[serde(rename = "appLinks")]
    start: Vec<TypedLink>,
    /// Always empty.
    logo: [TypedLink; 0],
    access_policy: Link,
    /// The profile enrollment policy of its people.
    profile_enrollment: Link,
    policies: Link,
    users: Link,
    groups: Link,
    /// Of an app that is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    activate: Option<Link>,
    /// Of an app in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivate: Option<Link>,
    #[serde(rename = "self")]
    itself: Link,
}

/// A link to something of a media type.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "TypedLink"))]
struct TypedLink {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    href: String,
    #[serde(rename = "type")]
    media_type: &'static str,
}

impl AppAnswer {
    /// An app of an org. `base_url` is that by which the client called.
    pub(crate) fn of(
        (org, base_url): (&OrgSnapshot, &str),
        app: App,
        policy: &AppAccessPolicy,
        secret: Option<&Secret>,
    ) -> Self {
        let (id, mode, status) = (app.id(), app.sign_on_mode(), app.status());
        let links = links((org, base_url), &app, policy);
        let name = app.name().to_owned();
        match app {
            App::Saml(app) => {
                let sign_on = SignOnAnswer::of(&app);
                let SamlApp {
                    label,
                    hide,
                    user_name,
                    told,
                    implicit_assignment,
                    signing_kid,
                    created,
                    last_updated,
                    ..
                } = *app;
                let signing = Some(Signing { kid: signing_kid });
                let credentials =
                    Credentials { user_name_template: UserName::of(user_name), signing, oauth_client: None };
                let settings = (implicit_assignment, Some(sign_on), None);
                let parts = (name, label, (created, last_updated), hide, told);
                Self::from_parts((Id::of(id), mode, status), parts, credentials, settings, links)
            }
            App::OpenIdConnect(client) => {
                let oauth_client = Some(OAuthCredentials::of(&client, secret));
                let settings = OAuthSettings::of(&client);
                let OAuthClient {
                    name: label, hide, user_name, told, implicit_assignment, created, last_updated, ..
                } = *client;
                let credentials =
                    Credentials { user_name_template: UserName::of(user_name), signing: None, oauth_client };
                let settings = (implicit_assignment, None, Some(settings));
                let parts = (name, label, (created, last_updated), hide, told);
                Self::from_parts((Id::of(id), mode, status), parts, credentials, settings, links)
            }
        }
    }

    fn from_parts(
        (id, mode, status): (Id, Mode, tenterhook_model::Status),
        (name, label, (created, last_updated), hide, told): (
            String,
            String,
            (tenterhook_contract::Timestamp, tenterhook_contract::Timestamp),
            AppHide,
            AppTold,
        ),
        credentials: Credentials,
        (implicit_assignment, sign_on, oauth_client): (bool, Option<SignOnAnswer>, Option<OAuthSettings>),
        links: Links,
    ) -> Self {
        Self {
            id,
            name,
            label,
            status: status.into(),
            last_updated: Date(last_updated),
            created: Date(created),
            accessibility: Accessibility {
                self_service: told.self_service,
                error_redirect_url: told.error_redirect_url,
                login_redirect_url: told.login_redirect_url,
            },
            visibility: Visibility {
                auto_launch: told.auto_launch,
                auto_submit_toolbar: told.auto_submit_toolbar,
                hide: Hide { ios: hide.ios, web: hide.web },
                app_links: told.app_links,
            },
            features: [],
            sign_on_mode: mode.into(),
            credentials,
            settings: Settings {
                app: Map::new(),
                notifications: Notifications {
                    vpn: Vpn { network: VpnNetwork { connection: "DISABLED" }, message: None, help_url: None },
                },
                manual_provisioning: false,
                implicit_assignment,
                notes: Notes { admin: told.admin_note, enduser: told.enduser_note },
                sign_on,
                oauth_client,
            },
            profile: (!told.profile.is_empty()).then_some(told.profile),
            links,
        }
    }
}

impl UserName {
    fn of(template: UserNameTemplate) -> Self {
        let UserNameTemplate { template, kind, suffix, push_status } = template;
        Self { template: template.as_str().to_owned(), kind, user_suffix: suffix.clone(), suffix, push_status }
    }
}

impl OAuthCredentials {
    fn of(client: &OAuthClient, secret: Option<&Secret>) -> Self {
        Self {
            auto_key_rotation: true,
            client_id: Id::of(&client.id),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            token_endpoint_auth_method: match client.authentication {
                ClientAuthenticationMethod::ClientSecretBasic => "client_secret_basic",
                ClientAuthenticationMethod::ClientSecretPost => "client_secret_post",
                ClientAuthenticationMethod::None => "none",
            },
            pkce_required: client.pkce_required || client.authentication == ClientAuthenticationMethod::None,
        }
    }
}

impl OAuthSettings {
    fn of(client: &OAuthClient) -> Self {
        let mut told = client.told.oauth_client.clone();
        Self {
            application_type: client.application_type.map(|kind| match kind {
                tenterhook_model::ApplicationType::Web => "web",
                tenterhook_model::ApplicationType::Native => "native",
                tenterhook_model::ApplicationType::Browser => "browser",
                tenterhook_model::ApplicationType::Service => "service",
            }),
            redirect_uris: client.redirect_uris.clone(),
            response_types: client.response_types.clone(),
            grant_types: client.grant_types.clone(),
            issuer_mode: told.remove("issuer_mode").unwrap_or_else(|| "ORG_URL".into()),
            consent_method: "TRUSTED",
            wildcard_redirect: "DISABLED",
            idp_initiated_login: IdpInitiatedLogin { mode: "DISABLED", default_scope: [] },
            dpop_bound_access_tokens: false,
            participate_slo: false,
            refresh_token: client.refresh_rotation.map(|RefreshRotation { kind, leeway_seconds }| RefreshToken {
                rotation_type: kind.as_str(),
                leeway: leeway_seconds,
            }),
            told,
        }
    }
}

fn links((org, base_url): (&OrgSnapshot, &str), app: &App, policy: &AppAccessPolicy) -> Links {
    let path = format!("{base_url}/api/v1/apps/{}", app.id());
    let is_active = app.status() == tenterhook_model::Status::Active;
    let lifecycle = |to: &str| Link::allowing(format!("{path}/lifecycle/{to}"), &["POST"]);
    let (metadata, start) = match app {
        App::Saml(app) => {
            let metadata =
                TypedLink { name: None, href: format!("{path}/sso/saml/metadata"), media_type: "application/xml" };
            (Some(metadata), Some(sign_on_url(org, app)))
        }
        App::OpenIdConnect(client) => {
            let start = client.told.oauth_client.get("initiate_login_uri").and_then(Value::as_str);
            (None, start.map(ToOwned::to_owned))
        }
    };
    let start =
        start.map(|href| TypedLink { name: Some(format!("{}_link", app.name())), href, media_type: "text/html" });
    let enrollment = EnrollmentPolicy::of_app(&org.configuration, &org.org, app.enrollment_policy());
    Links {
        metadata,
        start: start.into_iter().collect(),
        logo: [],
        access_policy: Link::to(format!("{base_url}/api/v1/policies/{}", policy.id)),
        profile_enrollment: Link::to(format!("{base_url}/api/v1/policies/{}", enrollment.id)),
        policies: Link::allowing(format!("{path}/policies"), &["PUT"]),
        users: Link::to(format!("{path}/users")),
        groups: Link::to(format!("{path}/groups")),
        activate: (!is_active).then(|| lifecycle("activate")),
        deactivate: is_active.then(|| lifecycle("deactivate")),
        itself: Link::to(path.clone()),
    }
}

impl Listed for AppAnswer {
    const IS_SEARCHED: bool = true;

    fn id(&self) -> &str {
        &self.id.0
    }

    fn searched(&self) -> Vec<&str> {
        vec![&self.label, &self.name]
    }

    /// As the vendor does it: the beginning.
    fn is_found(&self, q: &str) -> bool {
        self.searched().iter().any(|text| text.to_lowercase().starts_with(q))
    }
}

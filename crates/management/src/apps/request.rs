//! What requests say of apps.

use serde_json::{Map, Value};

use crate::{bindings::BindingRequest, request::Given};

/// What a request says of an app of any sign-on mode.
#[derive(Clone, Debug, Default)]
pub struct AppRequest {
    /// `SAML_2_0` or `OPENID_CONNECT`.
    pub sign_on_mode: Given<String>,
    /// The name in URLs, which the server makes.
    pub name: Given<String>,
    /// The name for people.
    pub label: Given<String>,
    /// The status, which this does not change.
    pub status: Given<String>,
    /// `accessibility`
    pub accessibility: AccessibilityRequest,
    /// `visibility`
    pub visibility: VisibilityRequest,
    /// `credentials.userNameTemplate`
    pub user_name: UserNameRequest,
    /// `credentials.signing.kid`
    pub signing_kid: Given<String>,
    /// `credentials.oauthClient`, of an OpenID Connect app.
    pub oauth_credentials: Option<OAuthCredentialsRequest>,
    /// `settings`
    pub settings: AppSettingsRequest,
    /// Attributes of the app.
    pub profile: Given<Map<String, Value>>,
}

/// What a request says of who may ask for an app.
#[derive(Clone, Debug, Default)]
pub struct AccessibilityRequest {
    /// Whether users may ask for it.
    pub self_service: Given<bool>,
    /// Where errors are shown.
    pub error_redirect_url: Given<String>,
    /// Where users sign in.
    pub login_redirect_url: Given<String>,
}

/// What a request says of where an app is shown.
#[derive(Clone, Debug, Default)]
pub struct VisibilityRequest {
    /// Whether the toolbar signs in.
    pub auto_submit_toolbar: Given<bool>,
    /// Whether it starts by itself.
    pub auto_launch: Given<bool>,
    /// Whether it is hidden on phones.
    pub hide_ios: Given<bool>,
    /// Whether it is hidden on the web.
    pub hide_web: Given<bool>,
    /// Links by their names.
    pub app_links: Given<Map<String, Value>>,
}

/// What a request says of the name of a user at an app.
#[derive(Clone, Debug, Default)]
pub struct UserNameRequest {
    /// The template.
    pub template: Given<String>,
    /// `BUILT_IN`, `CUSTOM` or `NONE`.
    pub kind: Given<String>,
    /// Appended to it (`userSuffix`).
    pub user_suffix: Given<String>,
    /// The same, as older clients call it.
    pub suffix: Given<String>,
    /// `PUSH`, `DONT_PUSH` or `NOT_CONFIGURED`.
    pub push_status: Given<String>,
}

/// What a request says of the credentials of an OAuth client.
#[derive(Clone, Debug, Default)]
pub struct OAuthCredentialsRequest {
    /// The app's id.
    pub client_id: Given<String>,
    /// The secret that the client has.
    pub client_secret: Given<String>,
    /// How it authenticates.
    pub token_endpoint_auth_method: Given<String>,
    /// True.
    pub auto_key_rotation: Given<bool>,
    /// Whether PKCE is asked for although the client authenticates.
    pub pkce_required: Given<bool>,
}

/// What a request says of the settings of an app.
#[derive(Clone, Debug, Default)]
pub struct AppSettingsRequest {
    /// Whether users may use it without an assignment.
    pub implicit_assignment: Given<bool>,
    /// False.
    pub manual_provisioning: Given<bool>,
    /// A note for administrators.
    pub admin_note: Given<String>,
    /// A note for users.
    pub enduser_note: Given<String>,
    /// `DISABLED` (`notifications.vpn.network.connection`).
    pub vpn_connection: Given<String>,
    /// `signOn`, of a SAML app.
    pub sign_on: Option<Box<SignOnRequest>>,
    /// `oauthClient`, of an OpenID Connect app.
    pub oauth_client: Option<Box<OAuthSettingsRequest>>,
}

/// What a request says of the sign-on to a SAML app.
#[derive(Clone, Debug, Default)]
pub struct SignOnRequest {
    /// `RelayState` of a sign-on that the identity provider begins.
    pub default_relay_state: Given<String>,
    /// The assertion consumer service.
    pub sso_acs_url: Given<String>,
    /// The entity id of the identity provider.
    pub idp_issuer: Given<String>,
    /// The audience.
    pub audience: Given<String>,
    /// `Recipient`
    pub recipient: Given<String>,
    /// `Destination`
    pub destination: Given<String>,
    /// Members that are for apps of a catalogue, each with its name: they must be blank.
    pub overrides: [(&'static str, Given<String>); 4],
    /// The text of the name identifier.
    pub subject_name_id_template: Given<String>,
    /// Its format.
    pub subject_name_id_format: Given<String>,
    /// Whether the response is signed.
    pub response_signed: Given<bool>,
    /// Whether the assertion is signed.
    pub assertion_signed: Given<bool>,
    /// `RSA_SHA256`
    pub signature_algorithm: Given<String>,
    /// `SHA256`
    pub digest_algorithm: Given<String>,
    /// Whether `ForceAuthn` is honoured.
    pub honor_force_authn: Given<bool>,
    /// `AuthnContextClassRef`
    pub authn_context_class_ref: Given<String>,
    /// The service provider's issuer.
    pub sp_issuer: Given<String>,
    /// Whether requests are compressed.
    pub request_compressed: Given<bool>,
    /// Seconds that an assertion is valid.
    pub assertion_lifetime_seconds: Given<u32>,
    /// The statements.
    pub attribute_statements: Given<Vec<AttributeStatementRequest>>,
    /// The hooks.
    pub inline_hooks: Given<Vec<BindingRequest>>,
    /// Whether there are several assertion consumer services.
    pub allow_multiple_acs_endpoints: Given<bool>,
    /// The others.
    pub acs_endpoints: Given<Vec<AcsEndpointRequest>>,
    /// Single logout.
    pub slo: SloRequest,
    /// False (`participateSlo.enabled`).
    pub participate_slo: Given<bool>,
    /// Certificates of the service provider (`spCertificate.x5c`).
    pub sp_certificates: Given<Vec<String>>,
    /// Whether requests must be signed.
    pub signed_requests: Given<bool>,
    /// How the assertion is encrypted.
    pub assertion_encryption: EncryptionRequest,
}

/// What a request says of an attribute statement.
#[derive(Clone, Debug, Default)]
pub struct AttributeStatementRequest {
    /// `EXPRESSION` or `GROUP`.
    pub kind: Given<String>,
    /// The attribute's name.
    pub name: Given<String>,
    /// The format of the name.
    pub namespace: Given<String>,
    /// Expressions.
    pub values: Given<Vec<String>>,
    /// How names of groups are compared.
    pub filter_type: Given<String>,
    /// With what.
    pub filter_value: Given<String>,
}

/// What a request says of an assertion consumer service.
#[derive(Clone, Debug, Default)]
pub struct AcsEndpointRequest {
    /// Its URL.
    pub url: Given<String>,
    /// Its index.
    pub index: Given<u16>,
}

/// What a request says of single logout.
#[derive(Clone, Debug, Default)]
pub struct SloRequest {
    /// Whether there is one.
    pub enabled: Given<bool>,
    /// The service provider's issuer.
    pub issuer: Given<String>,
    /// Where messages are sent.
    pub logout_url: Given<String>,
}

/// What a request says of encrypted assertions.
#[derive(Clone, Debug, Default)]
pub struct EncryptionRequest {
    /// Whether they are.
    pub enabled: Given<bool>,
    /// `AES128_GCM` or `AES256_GCM`.
    pub encryption_algorithm: Given<String>,
    /// `RSA_OAEP`
    pub key_transport_algorithm: Given<String>,
    /// One certificate.
    pub certificates: Given<Vec<String>>,
}

/// What a request says of an OAuth client.
#[derive(Clone, Debug, Default)]
pub struct OAuthSettingsRequest {
    /// What it is.
    pub application_type: Given<String>,
    /// Where codes may be sent.
    pub redirect_uris: Given<Vec<String>>,
    /// Where browsers may be sent after logout.
    pub post_logout_redirect_uris: Given<Vec<String>>,
    /// Grant types it may use.
    pub grant_types: Given<Vec<String>>,
    /// Response types it may use.
    pub response_types: Given<Vec<String>>,
    /// URLs that people read, each with its member.
    pub uris: [(&'static str, Given<String>); 5],
    /// Members that have one value each.
    pub constants: [(&'static str, Given<String>, &'static str); 4],
    /// Members that must be false.
    pub switched_off: [(&'static str, Given<bool>); 3],
    /// `ORG_URL`, `CUSTOM_URL` or `DYNAMIC`.
    pub issuer_mode: Given<String>,
    /// `ROTATE` or `STATIC` (`refresh_token.rotation_type`).
    pub refresh_rotation: Given<String>,
    /// Seconds that a refresh token may be presented again (`refresh_token.leeway`).
    pub refresh_leeway: Given<u32>,
}

/// What a request says of a user of an app.
#[derive(Clone, Debug, Default)]
pub struct AppUserRequest {
    /// The user.
    pub id: Given<String>,
    /// `USER`
    pub scope: Given<String>,
    /// The user name at the app.
    pub user_name: Given<String>,
    /// Attributes at the app.
    pub profile: Given<Map<String, Value>>,
}

/// What a request says of a group of an app.
#[derive(Clone, Debug, Default)]
pub struct AppGroupRequest {
    /// Lower is first.
    pub priority: Given<u32>,
    /// Attributes at the app of the group's members.
    pub profile: Given<Map<String, Value>>,
}

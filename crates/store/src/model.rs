//! The records of the store.
//!
//! Configuration objects form a snapshot that every node holds in memory; the rest is read when it is needed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Secret, Timestamp,
    hook::InlineHook,
    hook_key::HookKey,
    id::{
        ApiTokenId, AuthorizationServerId, ClaimId, ClientId, HookId, OrgId, PolicyId, RefreshTokenId, RuleId, ScopeId,
        SessionId, UserId,
    },
    token::ProtocolRequest,
};
pub use tenterhook_jose::SigningAlgorithm;

/// Stands where a document has no secret; the store puts the decrypted one in its place.
fn no_secret() -> Secret {
    Secret::new("")
}

/// The state of an org's configuration. Two states that differ have different versions, also when the database has lost
/// commits and counts the same numbers again: so versions are compared for equality only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationVersion {
    /// Counts the changes.
    pub number: i64,
    /// A random number that the last change drew; 0 before the first one.
    pub mark: i64,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    /// The id.
    pub id: OrgId,
    /// The `Host` that chooses it; the org without a host is the default one.
    pub host: Option<String>,
    /// A name for people.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

/// Everything of one org that the snapshot holds, at one version. Objects are in creation order.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The version that was read.
    pub version: ConfigurationVersion,
    /// Inline hooks.
    pub hooks: Vec<InlineHook>,
    /// Keys of `private_key_jwt` channels.
    pub hook_keys: Vec<HookKey>,
    /// Authorization servers.
    pub authorization_servers: Vec<AuthorizationServer>,
    /// Signing keys of all authorization servers.
    pub signing_keys: Vec<SigningKey>,
    /// Scopes of all authorization servers.
    pub scopes: Vec<Scope>,
    /// Claim definitions of all authorization servers.
    pub claims: Vec<ClaimDefinition>,
    /// Access policies of all authorization servers.
    pub policies: Vec<AccessPolicy>,
    /// Rules of all policies.
    pub rules: Vec<PolicyRule>,
    /// OAuth clients.
    pub clients: Vec<OAuthClient>,
}

/// One configuration object, for writing.
#[derive(Clone, Debug)]
pub enum ConfigurationObject {
    /// An inline hook.
    Hook(Box<InlineHook>),
    /// A hook key.
    HookKey(HookKey),
    /// An authorization server.
    AuthorizationServer(AuthorizationServer),
    /// A signing key.
    SigningKey(SigningKey),
    /// A scope.
    Scope(Scope),
    /// A claim definition.
    Claim(ClaimDefinition),
    /// An access policy.
    Policy(AccessPolicy),
    /// A rule of a policy.
    Rule(PolicyRule),
    /// An OAuth client.
    Client(OAuthClient),
}

/// One write of a change of the configuration. A change is a list of these, committed all or not at all.
#[derive(Clone, Debug)]
pub enum ConfigurationWrite {
    /// Insert, or replace the object with the same id.
    Put(Box<ConfigurationObject>),
    /// Delete the object with this id (every id of the configuration is unique in its org, whatever its kind).
    Delete(String),
}

impl ConfigurationWrite {
    /// Insert, or replace the object with the same id.
    pub fn put(object: ConfigurationObject) -> Self {
        Self::Put(Box::new(object))
    }
}

/// Whether an object is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// In use.
    Active,
    /// Kept, not used.
    Inactive,
}

/// Who decides when a server's signing key is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyRotation {
    /// Its age.
    #[default]
    Auto,
    /// An administrator.
    Manual,
}

/// A custom authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationServer {
    /// The id, or the name `default` in URLs of the default one.
    pub id: AuthorizationServerId,
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// `aud` of its access tokens; exactly one, as the vendor has it.
    pub audiences: Vec<String>,
    /// Whether `/oauth2/default/…` reaches it.
    pub is_default: bool,
    /// In use or not.
    pub status: Status,
    /// When its signing key is replaced.
    #[serde(default)]
    pub key_rotation: KeyRotation,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// A signing key of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// The `kid`.
    pub kid: String,
    /// Whose key it is.
    pub authorization_server_id: AuthorizationServerId,
    /// The algorithm.
    pub algorithm: SigningAlgorithm,
    /// The private key, PKCS#8 in PEM; encrypted at rest.
    #[serde(skip, default = "no_secret")]
    pub private_key_pem: Secret,
    /// The public key as a JWK (RFC 7517) with `kid`, `alg` and `use`.
    pub public_jwk: Map<String, Value>,
    /// The newest active key signs; inactive ones are still published.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
}

/// A scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "members of the vendor's resource, none of which bears on another")]
pub struct Scope {
    /// The id.
    pub id: ScopeId,
    /// Whose scope it is.
    pub authorization_server_id: AuthorizationServerId,
    /// The name, such as `orders.read`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Granted when a request names no scope.
    pub default: bool,
    /// Whether users may leave it out where they are asked for their consent.
    #[serde(default)]
    pub optional: bool,
    /// One of the scopes of OpenID Connect (`openid`, `profile`, `email`, `offline_access`, …); cannot be deleted.
    pub system: bool,
    /// Whether discovery lists it.
    pub published: bool,
}

/// Which token a claim goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimTarget {
    /// The access token.
    #[serde(rename = "RESOURCE")]
    Access,
    /// The ID token.
    #[serde(rename = "IDENTITY")]
    Identity,
}

fn always() -> bool {
    true
}

/// A claim definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimDefinition {
    /// The id.
    pub id: ClaimId,
    /// Whose claim it is.
    pub authorization_server_id: AuthorizationServerId,
    /// The claim's name.
    pub name: String,
    /// The token it goes into.
    pub target: ClaimTarget,
    /// `user.<attribute>`, `app.clientId`, or a quoted text: the expressions that we evaluate.
    pub expression: String,
    /// Whether it is in ID tokens; else only user information has it, for no ID token is issued without an access token.
    /// Access tokens always have theirs.
    #[serde(default = "always")]
    pub always_include_in_token: bool,
    /// Only when one of these scopes is granted; always when empty.
    pub scopes: Vec<String>,
    /// In use or not.
    pub status: Status,
}

/// An access policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicy {
    /// The id.
    pub id: PolicyId,
    /// Whose policy it is.
    pub authorization_server_id: AuthorizationServerId,
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Lower is tried first, from 1.
    pub priority: u32,
    /// The clients it is for; all when empty (`ALL_CLIENTS`).
    pub clients: Vec<ClientId>,
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// The users that a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "StoredRulePeople")]
pub struct RulePeople {
    /// Users it is for.
    pub users: Vec<UserId>,
    /// Users it is not for, whoever else it is for.
    pub users_exclude: Vec<UserId>,
    /// Names of the group of every user, as they were written; with one of them the rule is for everyone.
    pub groups: Vec<String>,
}

/// The same as it was stored before it had groups: then no users meant everyone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRulePeople {
    users: Vec<UserId>,
    #[serde(default)]
    users_exclude: Vec<UserId>,
    groups: Option<Vec<String>>,
}

impl User {
    /// The name that people read: given name, family name.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

impl From<StoredRulePeople> for RulePeople {
    fn from(StoredRulePeople { users, users_exclude, groups }: StoredRulePeople) -> Self {
        let everyone = if users.is_empty() { Self::everyone().groups } else { Vec::new() };
        Self { groups: groups.unwrap_or(everyone), users, users_exclude }
    }
}

impl RulePeople {
    /// Every user.
    pub fn everyone() -> Self {
        Self { users: Vec::new(), users_exclude: Vec::new(), groups: vec!["EVERYONE".to_owned()] }
    }

    /// Whether the user is among them.
    pub fn include(&self, user: &UserId) -> bool {
        (!self.groups.is_empty() || self.users.contains(user)) && !self.users_exclude.contains(user)
    }
}

/// A rule of an access policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// The id.
    pub id: RuleId,
    /// Whose rule it is.
    pub policy_id: PolicyId,
    /// The authorization server of that policy.
    pub authorization_server_id: AuthorizationServerId,
    /// The name.
    pub name: String,
    /// Lower is tried first, from 1.
    pub priority: u32,
    /// In use or not.
    pub status: Status,
    /// Grant types it is for, by their wire names.
    pub grant_types: Vec<String>,
    /// Scopes it allows; `*` allows all.
    pub scopes: Vec<String>,
    /// The users it is for.
    #[serde(flatten)]
    pub people: RulePeople,
    /// Minutes an access token lives.
    pub access_token_lifetime_minutes: u32,
    /// Minutes a refresh token lives; 0 for unlimited.
    pub refresh_token_lifetime_minutes: u32,
    /// Minutes within which a refresh token must be used.
    pub refresh_token_window_minutes: u32,
    /// The associated token hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline_hook: Option<HookId>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// How a client authenticates at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthenticationMethod {
    /// HTTP Basic (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// In the body (RFC 6749 section 2.3.1).
    ClientSecretPost,
    /// A public client: PKCE instead (RFC 7636).
    None,
}

/// What runs as an OAuth client; for people, nothing is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// A web server.
    Web,
    /// An app on a device.
    Native,
    /// A page.
    Browser,
    /// A service without users.
    Service,
}

/// An OAuth client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OAuthClient {
    /// The `client_id`.
    pub id: ClientId,
    /// The name.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<ApplicationType>,
    /// How it authenticates.
    pub authentication: ClientAuthenticationMethod,
    /// SHA-256 of its secret in hexadecimal; the secret has 256 random bits and is shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// Redirect URIs, exact but for the port of loopback addresses.
    pub redirect_uris: Vec<String>,
    /// Grant types it may use, by their wire names.
    pub grant_types: Vec<String>,
    /// Response types it may use.
    pub response_types: Vec<String>,
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// A management API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The id.
    pub id: ApiTokenId,
    /// The org.
    pub org_id: OrgId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the token in hexadecimal; the token has 256 random bits and is shown once.
    pub token_sha256: String,
    /// When it was created.
    pub created: Timestamp,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The org.
    pub org_id: OrgId,
    /// Unique in the org, compared in lower case.
    pub login: String,
    /// The mail address.
    pub email: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// A locale such as `en_US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// An IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Custom attributes.
    pub custom: Map<String, Value>,
    /// The argon2id hash in PHC form, or the hash of another system until the first sign-in; none without a password.
    #[serde(skip)]
    pub password_hash: Option<Secret>,
    /// When the password was last changed.
    pub password_changed: Option<Timestamp>,
    /// In use or not.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
}

/// A sign-in session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id, which may be shown.
    pub id: SessionId,
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the cookie's value in hexadecimal.
    pub cookie_sha256: String,
    /// The user.
    pub user_id: UserId,
    /// When the user signed in.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When the password was last verified.
    pub last_password_verification: Timestamp,
}

/// An authorization code and what it will be exchanged for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationCode {
    /// SHA-256 of the code in hexadecimal.
    pub code_sha256: String,
    /// The org.
    pub org_id: OrgId,
    /// The authorization server.
    pub authorization_server_id: AuthorizationServerId,
    /// The client.
    pub client_id: ClientId,
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// As it was in the request; the exchange must repeat it.
    pub redirect_uri: String,
    /// The PKCE challenge (RFC 7636, S256 only).
    pub code_challenge: Option<String>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// The rule that matched, for lifetimes.
    pub rule_id: RuleId,
    /// The authorization request, for `originalGrant` of a later refresh.
    pub authorization_request: ProtocolRequest,
    /// The frozen tokens (`token.md` 1) as JSON; encrypted at rest because it holds values a hook added.
    #[serde(skip, default = "no_secret")]
    pub frozen_tokens: Secret,
    /// The refresh token that will be issued, when one will be: its id was told to the hook.
    pub refresh_token_id: Option<RefreshTokenId>,
    /// When it ends.
    pub expires: Timestamp,
}

/// An authorization code as the store knows it when it is presented.
#[derive(Debug)]
pub enum CodeState {
    /// It has not been redeemed, and can be.
    Live(Box<AuthorizationCode>),
    /// It was redeemed before. Without its tokens.
    Redeemed(Box<AuthorizationCode>),
    /// Unknown or expired.
    Unknown,
}

/// An access token that is issued to a user's client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedAccessToken {
    /// Its `jti`.
    pub jti: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// A refresh token. All tokens of one grant are a family, revoked together when one is used twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshToken {
    /// Its `jti`.
    pub id: RefreshTokenId,
    /// The org.
    pub org_id: OrgId,
    /// SHA-256 of the token in hexadecimal.
    pub token_sha256: String,
    /// The first token's id: the family.
    pub family_id: RefreshTokenId,
    /// SHA-256 of the authorization code that it came of, in hexadecimal.
    pub code_sha256: Option<String>,
    /// The authorization server.
    pub authorization_server_id: AuthorizationServerId,
    /// The client.
    pub client_id: ClientId,
    /// The user.
    pub user_id: UserId,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// The request that first obtained it.
    pub authorization_request: ProtocolRequest,
    /// When the user signed in, for `auth_time`.
    pub auth_time: Timestamp,
    /// When it was issued.
    pub created: Timestamp,
    /// When it ends: lifetime and idle window together.
    pub expires: Timestamp,
    /// When the family ends whatever happens; `None` for unlimited.
    pub family_expires: Option<Timestamp>,
}

/// What a refresh token is at the moment.
#[derive(Debug, PartialEq)]
pub enum RefreshTokenState {
    /// Usable.
    Live(Box<RefreshToken>),
    /// Rotated away before.
    Used {
        /// The token.
        token: Box<RefreshToken>,
        /// When it was; absent where an older version did it.
        used: Option<Timestamp>,
    },
    /// Revoked.
    Revoked(Box<RefreshToken>),
    /// Unknown or expired.
    Unknown,
}

/// Which events a System Log query wants.
#[derive(Clone, Debug)]
pub struct LogQuery {
    /// The org.
    pub org_id: OrgId,
    /// Events at or after this moment.
    pub since: Option<Timestamp>,
    /// Events before this moment.
    pub until: Option<Timestamp>,
    /// Continue after this place.
    pub after: Option<LogCursor>,
    /// By `published` descending instead of ascending.
    pub descending: bool,
    /// By order of persistence instead of `published` (polling, `system-log.md` section 1).
    pub polling: bool,
    /// At most this many events.
    pub limit: u64,
}

/// A place in the System Log. Its text form is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursor {
    /// `published` of the last event seen, in microseconds.
    pub published_micros: i64,
    /// Its number in order of persistence.
    pub sequence: i64,
}

/// A page of the System Log.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The events.
    pub events: Vec<tenterhook_contract::system_log::LogEvent<'static>>,
    /// The place after the last of them; for an empty polling page the place to poll from again.
    pub next: Option<LogCursor>,
    /// Whether events beyond this page exist now.
    pub more: bool,
}

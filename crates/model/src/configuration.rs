//! The configuration of an org, which every node holds in memory, and the writes of a change.

use tenterhook_contract::{
    hook::InlineHook,
    hook_key::HookKey,
    id::{
        AppId, AuthorizationServerId, ClaimId, ClientId, ExtensionPointId, HookId, HookKeyId, PolicyId, RuleId,
        ScopeId, SmsTemplateId,
    },
};

use crate::{
    AccessPolicy, AppKey, AuthorizationServer, ClaimDefinition, ConfigurationRecord, EnrollmentPolicy, ExtensionPoint,
    OAuthClient, Objects, PolicyRule, SamlApp, Scope, SigningKey, SmsTemplate, StoredForm, StoredObject,
    UnreadableObject, UserSchema, configuration_kind::configuration_kinds,
};

// The table of kinds. A line has: the variant of `ConfigurationObject`, the list of `Configuration`, the record; its
// id; the id of its parent, if it has one; its name in rows and its stored form (`plain`, with a `secret` member, or a
// form of its `own`).
configuration_kinds! {
    /// Inline hooks.
    Hook(Box<InlineHook>) => hooks: InlineHook, id id: HookId, stored as "hook" own;
    /// Keys of `private_key_jwt` channels.
    HookKey(HookKey) => hook_keys: HookKey, id id: HookKeyId, stored as "hook_key" own;
    /// Authorization servers.
    AuthorizationServer(AuthorizationServer) => authorization_servers: AuthorizationServer, id id: AuthorizationServerId,
        stored as "authorization_server" plain;
    /// Signing keys of authorization servers.
    SigningKey(SigningKey) => signing_keys: SigningKey, id kid: String,
        below authorization_server_id: AuthorizationServerId,
        stored as "signing_key" secret(private_key_pem as "privateKey");
    /// Scopes of authorization servers.
    Scope(Scope) => scopes: Scope, id id: ScopeId, below authorization_server_id: AuthorizationServerId,
        stored as "scope" plain;
    /// Claim definitions of authorization servers.
    Claim(ClaimDefinition) => claims: ClaimDefinition, id id: ClaimId, below authorization_server_id: AuthorizationServerId,
        stored as "claim" plain;
    /// Access policies of authorization servers.
    Policy(AccessPolicy) => policies: AccessPolicy, id id: PolicyId, below authorization_server_id: AuthorizationServerId,
        stored as "policy" plain;
    /// Rules of access policies.
    Rule(PolicyRule) => rules: PolicyRule, id id: RuleId, below policy_id: PolicyId, stored as "rule" plain;
    /// OAuth clients.
    Client(Box<OAuthClient>) => clients: OAuthClient, id id: ClientId, stored as "client" plain;
    /// SAML apps.
    SamlApp(Box<SamlApp>) => saml_apps: SamlApp, id id: AppId, stored as "saml_app" plain;
    /// Keys of SAML apps.
    AppKey(AppKey) => app_keys: AppKey, id kid: String, below app_id: AppId,
        stored as "app_key" secret(private_key_pem as "privateKey");
    /// The profile schema of the users: one at most.
    UserSchema(UserSchema) => user_schemas: UserSchema, id id: String, stored as "user_schema" plain;
    /// What the org says of extension points: its own ones, and built-in ones that have bindings.
    ExtensionPoint(Box<ExtensionPoint>) => extension_points: ExtensionPoint, id id: ExtensionPointId,
        stored as "extension_point" plain;
    /// Profile enrollment policies with their rules. The default policy is among them when it was changed.
    EnrollmentPolicy(Box<EnrollmentPolicy>) => enrollment_policies: EnrollmentPolicy, id id: PolicyId,
        stored as "enrollment_policy" plain;
    /// Templates of text messages.
    SmsTemplate(SmsTemplate) => sms_templates: SmsTemplate, id id: SmsTemplateId, stored as "sms_template" plain;
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

impl ConfigurationVersion {
    /// Position of the write with the index `place` in a change that is based on this version. Versions grow, so
    /// objects keep the order in which they were created.
    pub fn position(self, place: usize) -> i64 {
        self.number.saturating_mul(1_000).saturating_add(i64::try_from(place).unwrap_or(999))
    }
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

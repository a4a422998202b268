//! The configuration of an org: what every node holds in memory, and what a change of it writes.

use tenterhook_contract::{hook::InlineHook, hook_key::HookKey};

use crate::{AccessPolicy, AuthorizationServer, ClaimDefinition, OAuthClient, PolicyRule, Scope, SigningKey};

/// The state of an org's configuration. Two states that differ have different versions, also when the database has lost
/// commits and counts the same numbers again: so versions are compared for equality only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationVersion {
    /// Counts the changes.
    pub number: i64,
    /// A random number that the last change drew; 0 before the first one.
    pub mark: i64,
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

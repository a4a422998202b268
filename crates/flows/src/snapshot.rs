//! One org's configuration in memory, ready for use.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::oauth::{DEFAULT_SERVER, keys::Keys};
use tenterhook_contract::{
    hook::InlineHook,
    id::{AuthorizationServerId, HookId},
};
use tenterhook_engine::{ReadyHook, Transport};
use tenterhook_store::model::{AuthorizationServer, Configuration, ConfigurationVersion, Org};

/// An org's configuration at one version; replaced as a whole, never changed.
pub struct OrgSnapshot {
    /// The org.
    pub org: Org,
    /// Base URL of the org, without a trailing slash.
    pub base_url: Arc<str>,
    /// The objects.
    pub configuration: Configuration,
    /// Signing keys, parsed.
    pub(crate) keys: Keys,
    ready: HashMap<HookId, Arc<ReadyHook>>,
}

impl OrgSnapshot {
    /// Prepares a configuration for use. Endpoints of hooks that did not change since `previous` are kept, and with
    /// them their cached access tokens.
    pub(crate) fn prepare(
        org: Org,
        base_url: Arc<str>,
        configuration: Configuration,
        transport: &dyn Transport,
        previous: Option<&Self>,
    ) -> Self {
        let kept = |hook: &InlineHook| previous?.ready.get(&hook.id).filter(|ready| ready.hook == *hook).cloned();
        let ready = configuration
            .hooks
            .iter()
            .map(|hook| {
                let made = || {
                    let key = hook.hook_key().and_then(|id| configuration.hook_keys.iter().find(|key| key.id == *id));
                    Arc::new(ReadyHook::new(hook.clone(), transport.endpoint(hook, key)))
                };
                (hook.id.clone(), kept(hook).unwrap_or_else(made))
            })
            .collect();
        Self { org, base_url, keys: Keys::prepare(&configuration.signing_keys), configuration, ready }
    }

    /// The version of the configuration.
    pub fn version(&self) -> ConfigurationVersion {
        self.configuration.version
    }

    /// The hook with this id, ready to be invoked.
    pub fn hook(&self, id: &HookId) -> Option<&Arc<ReadyHook>> {
        self.ready.get(id)
    }

    /// Every hook, ready to be invoked.
    pub(crate) fn ready_hooks(&self) -> impl Iterator<Item = &Arc<ReadyHook>> {
        self.ready.values()
    }

    /// Whether the hook's channel gets its access tokens from this authorization server: a rule of it that runs the
    /// hook would wait for itself (`overview.md` 3.2).
    pub(crate) fn is_secured_by(&self, hook: &InlineHook, server: &AuthorizationServerId) -> bool {
        let Some(path) = hook.token_url().and_then(|url| url.strip_prefix(&*self.base_url)) else { return false };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let name = path.trim_start_matches('/').strip_prefix("oauth2/").and_then(|rest| rest.strip_suffix("/v1/token"));
        name.and_then(|name| self.authorization_server(name)).is_some_and(|found| found.id == *server)
    }

    /// The authorization server that a URL names: by id, or `default`.
    pub fn authorization_server(&self, name: &str) -> Option<&AuthorizationServer> {
        let by_id: Option<AuthorizationServerId> = name.parse().ok();
        self.configuration
            .authorization_servers
            .iter()
            .find(|server| Some(&server.id) == by_id.as_ref() || (server.is_default && name == DEFAULT_SERVER))
    }
}

impl fmt::Debug for OrgSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OrgSnapshot")
            .field("org", &self.org.id)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

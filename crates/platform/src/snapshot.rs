//! One org's configuration in memory, ready for use.

use std::{collections::HashMap, fmt, sync::Arc};

use tenterhook_contract::{
    HookTypes,
    hook::InlineHook,
    id::{AppId, AuthorizationServerId, HookId},
    profile::ProfileSchema,
};
use tenterhook_engine::{ReadyHook, Transport};
use tenterhook_model::{
    AuthorizationServer, Configuration, ConfigurationVersion, OAuthClient, Objects, Org, SamlApp, UserSchema,
};
use tenterhook_store::StoreError;

use crate::{app_keys::AppKeys, caller::canonical_path, extension_points::Points, keys::Keys, org_turns::OrgTurns};
use tokio::time::Instant;
use url::{Origin, Url, form_urlencoded};

/// The name of the default authorization server in URLs, in addition to its id.
pub const DEFAULT_SERVER: &str = "default";

/// An org's configuration at one version; replaced as a whole, never changed.
pub struct OrgSnapshot {
    /// The org.
    pub org: Org,
    /// Base URL of the org, without a trailing slash.
    pub base_url: Arc<str>,
    /// The objects.
    pub configuration: Configuration,
    /// The attributes that users of the org may have.
    pub profile_schema: Arc<ProfileSchema>,
    /// The types that its hooks may have: those of the platform, and those that the org declares.
    pub hook_types: Arc<HookTypes>,
    /// Signing keys, parsed.
    pub keys: Arc<Keys>,
    /// Keys of SAML apps, each parsed when it first signs.
    pub app_keys: Arc<AppKeys>,
    /// SAML apps by their keys in URLs.
    pub(crate) saml_apps: Arc<HashMap<String, AppId>>,
    /// When reading it began; it contains all commits until then.
    pub read_at: Instant,
    /// Outlives this snapshot.
    pub(crate) turns: Arc<OrgTurns>,
    pub(crate) points: Arc<Points>,
    ready: Arc<HashMap<HookId, Arc<ReadyHook>>>,
    /// Origins of the clients' redirect URIs, each with how many URIs have it.
    origins: Arc<HashMap<Arc<str>, usize>>,
}

impl OrgSnapshot {
    /// Prepares a configuration for use. What was made of objects that it shares with `previous` is kept: parsed keys, origins,
    /// compiled extension points, and the endpoints of hooks with their cached access tokens.
    ///
    /// # Errors
    /// When a hook is of a type that is not known, such as one that a newer version has, or an extension point cannot be
    /// compiled.
    pub(crate) fn prepare(
        org: Org,
        base_url: Arc<str>,
        (configuration, read_at): (Configuration, Instant),
        (hook_types, transport): (&Arc<HookTypes>, &dyn Transport),
        (previous, turns): (Option<&Self>, &Arc<OrgTurns>),
    ) -> Result<Self, StoreError> {
        let before = previous.map(|previous| (previous, &previous.configuration));
        let Configuration { hooks, hook_keys, signing_keys, clients, extension_points, .. } = &configuration;
        let same_points = before.filter(|(_, it)| it.extension_points.is_same(extension_points));
        let points = match (same_points, previous.map(|previous| previous.points.as_ref())) {
            (Some((previous, _)), _) => Arc::clone(&previous.points),
            (None, previous) => Arc::new(Points::prepare(extension_points, hook_types, previous)?),
        };
        // A hook keeps the bulkhead of its org, so another limit of the org gives all of its hooks another one.
        let in_flight = org.limits.in_flight;
        let same = before.filter(|(previous, it)| {
            previous.org.limits.in_flight == in_flight
                && it.hooks.is_same(hooks)
                && it.hook_keys.is_same(hook_keys)
                && Arc::ptr_eq(&previous.points, &points)
        });
        let ready = match same {
            Some((previous, _)) => Arc::clone(&previous.ready),
            None => Arc::new(ready_hooks(&configuration, (&points.types, transport), (in_flight, previous))?),
        };
        let keys = match before.filter(|(_, it)| it.signing_keys.is_same(signing_keys)) {
            Some((previous, _)) => Arc::clone(&previous.keys),
            None => Arc::new(Keys::prepare(signing_keys, previous.map(|previous| previous.keys.as_ref()))),
        };
        let known = previous.map(|previous| previous.app_keys.as_ref());
        let app_keys = match before.filter(|(_, it)| it.app_keys.is_same(&configuration.app_keys)) {
            Some((previous, _)) => Arc::clone(&previous.app_keys),
            None => Arc::new(AppKeys::prepare(&configuration.app_keys, known)),
        };
        let saml_apps = match before.filter(|(_, it)| it.saml_apps.is_same(&configuration.saml_apps)) {
            Some((previous, _)) => Arc::clone(&previous.saml_apps),
            None => Arc::new(apps_by_key(&configuration.saml_apps)),
        };
        let origins = match before {
            Some((previous, it)) if it.clients.is_same(clients) => Arc::clone(&previous.origins),
            _ => {
                let mut origins = before.map(|(previous, _)| HashMap::clone(&previous.origins)).unwrap_or_default();
                let none = Objects::default();
                let (gone, new) = clients.difference(before.map_or(&none, |(_, it)| &it.clients));
                for client in gone {
                    count_origins(&mut origins, client, false);
                }
                for client in new {
                    count_origins(&mut origins, client, true);
                }
                Arc::new(origins)
            }
        };
        let profile_schema = match before.filter(|(_, it)| it.user_schemas.is_same(&configuration.user_schemas)) {
            Some((previous, _)) => Arc::clone(&previous.profile_schema),
            None => UserSchema::profile_schema(configuration.user_schemas.iter().next()),
        };
        warn_of_unreadable(&org, &configuration, before.map(|(_, it)| it));
        let turns = Arc::clone(turns);
        let hook_types = Arc::clone(&points.types);
        Ok(Self {
            org,
            base_url,
            configuration,
            profile_schema,
            hook_types,
            keys,
            app_keys,
            saml_apps,
            read_at,
            turns,
            points,
            ready,
            origins,
        })
    }

    /// The version of the configuration.
    pub fn version(&self) -> ConfigurationVersion {
        self.configuration.version
    }

    /// The hook with this id, ready to be invoked.
    pub fn hook(&self, id: &HookId) -> Option<&Arc<ReadyHook>> {
        self.ready.get(id)
    }

    /// Whether this origin, as browsers write it in `Origin`, belongs to a client.
    pub fn is_registered_origin(&self, origin: &str) -> bool {
        self.origins.contains_key(origin)
    }

    /// Every hook, ready to be invoked.
    pub(crate) fn ready_hooks(&self) -> impl Iterator<Item = &Arc<ReadyHook>> {
        self.ready.values()
    }

    /// Whether the hook's channel gets its access tokens from this authorization server. A rule of this server that
    /// calls the hook would wait for itself (`overview.md` 3.2).
    pub fn is_secured_by(&self, hook: &InlineHook, server: &AuthorizationServerId) -> bool {
        let name = hook.token_url().and_then(|url| server_of_token_url(&self.base_url, url));
        name.and_then(|name| self.authorization_server(&name)).is_some_and(|found| found.id == *server)
    }

    /// The authorization server that a URL names: by id, or `default`.
    pub fn authorization_server(&self, name: &str) -> Option<&AuthorizationServer> {
        let servers = &self.configuration.authorization_servers;
        if name == DEFAULT_SERVER { servers.iter().find(|server| server.is_default) } else { servers.find(name) }
    }

    /// Whether a token names a signing key that is not in the configuration; a newer configuration may have it.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        self.keys.lack_key_of(token)
    }
}

fn unknown_type(hook: &InlineHook) -> StoreError {
    let why = format!("the inline hook {} has the type `{}`, which is not known", hook.id, hook.hook_type);
    StoreError::Unreadable { what: "inline hook", why }
}

/// The issuer of a server. That of the default server ends in `default`, as at the vendor, whichever of its URLs was
/// called.
pub fn issuer(org: &OrgSnapshot, server: &AuthorizationServer) -> String {
    let name = if server.is_default { DEFAULT_SERVER } else { server.id.as_str() };
    format!("{}/oauth2/{name}", org.base_url)
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

/// Says which claims and apps that are new in the snapshot have an expression of another version. It is null.
fn warn_of_unreadable(org: &Org, configuration: &Configuration, before: Option<&Configuration>) {
    let nothing = Configuration::default();
    let before = before.unwrap_or(&nothing);
    let warn = |object: &str| {
        tracing::warn!(org = %org.id, object, "configuration.expression is not one of this version; it counts as null");
    };
    let (_, claims) = configuration.claims.difference(&before.claims);
    claims.iter().filter(|claim| !claim.is_readable()).for_each(|claim| warn(claim.id.as_str()));
    let (_, clients) = configuration.clients.difference(&before.clients);
    let is_unreadable = |client: &&&Arc<OAuthClient>| !client.user_name.template.is_readable();
    clients.iter().filter(is_unreadable).for_each(|client| warn(client.id.as_str()));
    let (_, apps) = configuration.saml_apps.difference(&before.saml_apps);
    apps.iter().filter(|app| !app.is_readable()).for_each(|app| warn(app.id.as_str()));
}

/// Every hook of a configuration, ready to be invoked.
fn ready_hooks(
    configuration: &Configuration,
    (hook_types, transport): (&HookTypes, &dyn Transport),
    (in_flight, previous): (Option<u32>, Option<&OrgSnapshot>),
) -> Result<HashMap<HookId, Arc<ReadyHook>>, StoreError> {
    let org_limit = in_flight.map(|in_flight| in_flight as usize);
    let kept = |hook: &InlineHook| previous?.ready.get(&hook.id).filter(|ready| ready.hook == *hook);
    let make = |hook: &InlineHook, kind| {
        let key = hook.hook_key().and_then(|id| configuration.hook_keys.get(id));
        Arc::new(ReadyHook::new(hook.clone(), kind, transport.endpoint(hook, key)))
    };
    let ready = |hook: &InlineHook| {
        let kind = hook_types.kind(&hook.hook_type).ok_or_else(|| unknown_type(hook))?;
        let ready = match kept(hook) {
            Some(kept) if Arc::ptr_eq(kept.kind(), kind) => Arc::clone(kept),
            // Its type was declared anew.
            Some(kept) => Arc::new(kept.with_kind(Arc::clone(kind))),
            None => make(hook, Arc::clone(kind)),
        };
        let has_limit = ready.org_limit() == org_limit;
        let ready = if has_limit { ready } else { Arc::new(ready.with_org_limit(org_limit)) };
        Ok((hook.id.clone(), ready))
    };
    configuration.hooks.iter().map(ready).collect()
}

/// The ids of SAML apps by their keys in URLs.
fn apps_by_key(apps: &Objects<SamlApp>) -> HashMap<String, AppId> {
    apps.iter().map(|app| (app.external_key.clone(), app.id.clone())).collect()
}

/// Counts the origins of a client's redirect URIs as there, or no longer there.
fn count_origins(origins: &mut HashMap<Arc<str>, usize>, client: &OAuthClient, is_there: bool) {
    for origin in origins_of(&client.redirect_uris) {
        if is_there {
            *origins.entry(origin.into()).or_default() += 1;
        } else if let Some(count) = origins.get_mut(origin.as_str()) {
            *count -= 1;
            if *count == 0 {
                origins.remove(origin.as_str());
            }
        }
    }
}

/// The origins of URIs. The URI of a native app has an opaque origin, which is left out because it would be written as
/// `null`.
fn origins_of<'a>(uris: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = String> {
    let origins = uris.into_iter().filter_map(|uri| Url::parse(uri).ok()).map(|uri| uri.origin());
    origins.filter(Origin::is_tuple).map(|origin| origin.ascii_serialization())
}

/// The name of the authorization server in a token URL, if it is one of the org at `base_url`, for every spelling of
/// the URL.
fn server_of_token_url(base_url: &str, token_url: &str) -> Option<String> {
    let (base, url) = (Url::parse(base_url).ok()?, Url::parse(token_url).ok()?);
    // Parsing has lowercased scheme and host.
    let host = |url: &Url| url.host_str().map(|host| host.trim_end_matches('.').to_owned());
    let origin = |url: &Url| (url.scheme().to_owned(), host(url), url.port_or_known_default());
    if origin(&base) != origin(&url) {
        return None;
    }
    let (base, path) = (canonical_path(base.path()), canonical_path(url.path()));
    let path = path.strip_prefix(base.trim_end_matches('/'))?;
    let name = path.strip_prefix("/oauth2/")?.strip_suffix("/v1/token")?;
    // Only this part of the path is percent-decoded.
    form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_of_web_pages_and_each_is_kept_once() {
        let uris = [
            "https://app.example.com/callback",
            "https://APP.example.com:443/other",
            "http://127.0.0.1:3000/callback",
            "com.example.app:/callback",
            "https://b\u{fc}cher.example/",
            "not a url",
        ]
        .map(str::to_owned);
        let mut origins: Vec<_> = origins_of(uris.iter()).collect();
        origins.sort();
        origins.dedup();
        assert_eq!(origins, ["http://127.0.0.1:3000", "https://app.example.com", "https://xn--bcher-kva.example"]);
    }

    #[test]
    fn a_token_url_is_the_orgs_own_however_it_is_written() {
        for (base, token_url, name) in [
            ("https://id.example.com", "https://id.example.com/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://ID.example.com/oauth2/default/v1/token", Some("default")),
            ("https://ID.example.com", "HTTPS://id.Example.com/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://id.example.com:443/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com:443", "https://id.example.com/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://id.example.com./oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://u:p@id.example.com/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://id.example.com/oauth2/aus1/v1/token?a=b#c", Some("aus1")),
            ("https://id.example.com", "https://id.example.com/oauth2/%64efault/v1/token", Some("default")),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/oauth2/default/v1/token", Some("default")),
            ("https://example.com/id", "https://example.com/id/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://id.example.com//oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://id.example.com/oauth2/default/v1/token/", Some("default")),
            ("https://id.example.com", "https://id.example.com/oauth2//default///v1//token", Some("default")),
            ("https://id.example.com", "https://id.example.com\\\\oauth2/./default/v1/token", Some("default")),
            ("https://example.com/id", "https://example.com//id/oauth2/default/v1/token", Some("default")),
            ("https://example.com//id/", "https://example.com/id/oauth2/default/v1/token", Some("default")),
            ("https://id.example.com", "https://id.example.com:8443/oauth2/default/v1/token", None),
            ("https://id.example.com", "http://id.example.com/oauth2/default/v1/token", None),
            ("https://id.example.com", "http://id.example.com:443/oauth2/default/v1/token", None),
            ("https://id.example.com", "https://id.example.com.evil.example/oauth2/default/v1/token", None),
            ("https://id.example.com", "https://other.example.com/oauth2/default/v1/token", None),
            ("https://id.example.com", "https://id.example.com/oauth2/default/v1/keys", None),
            ("https://id.example.com", "https://id.example.com/OAUTH2/default/v1/token", None),
            ("https://id.example.com", "not a url", None),
        ] {
            assert_eq!(server_of_token_url(base, token_url).as_deref(), name, "{base} {token_url}");
        }
    }
}

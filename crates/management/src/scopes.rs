//! Scopes of authorization servers.

use tenterhook_contract::{id::AuthorizationServerId, problem::shown};
use tenterhook_model::Scope;
use tenterhook_platform::{OrgSnapshot, Platform};

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, org_of},
    authorization_servers::{self, below_server, find_below_server},
    provision::scope_of,
    request::{Causes, Given, INVALID, Submitted},
    resource::{Change, Done, Resource, changed, check_unique},
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "scope";

/// What a request says of a scope.
#[derive(Clone, Debug, Default)]
pub struct ScopeRequest {
    /// The name, such as `orders.read`.
    pub name: Given<String>,
    /// For people.
    pub description: Given<String>,
    /// The name for people.
    pub display_name: Given<String>,
    /// `IMPLICIT`.
    pub consent: Given<String>,
    /// `ALL_CLIENTS` or `NO_CLIENTS`.
    pub metadata_publish: Given<String>,
    /// Granted when a request names no scope.
    pub default: Given<bool>,
    /// Whether users may leave it out where they are asked for their consent.
    pub optional: Given<bool>,
}

impl Resource for Scope {
    const KIND: &'static str = "Scope";
    const TARGET: &'static str = "Scope";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        let past = done.past();
        (format!("oauth2.scope.{past}"), format!("OAuth2 scope has been {past}"))
    }
}

/// Every scope of a server.
pub fn list(platform: &Platform, administrator: &Administrator, server: &str) -> Result<Vec<Scope>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(below_server(&org, server)?.cloned().collect())
}

/// One scope.
pub fn get(platform: &Platform, administrator: &Administrator, path: (&str, &str)) -> Result<Scope, ManagementError> {
    find_below_server(&*org_of(platform, administrator)?, path).cloned()
}

/// Adds a scope to a server.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
    submitted: &Submitted<ScopeRequest>,
) -> Result<Scope, ManagementError> {
    changed(platform, administrator, Done::Created, |org| {
        let id = &authorization_servers::find(org, server)?.id;
        let scope = read(submitted, Scope { published: false, ..scope_of(platform, id, "", "") })?;
        check_unique(org, &scope)?;
        let scopes = below_server::<Scope>(org, server)?.count();
        check_room("name", ("authorization server", "scopes"), scopes, OBJECTS_MAX)?;
        Ok(Change::put(scope))
    })
    .await
}

/// Replaces a scope.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    submitted: &Submitted<ScopeRequest>,
) -> Result<Scope, ManagementError> {
    changed(platform, administrator, Done::Updated, |org| {
        let scope = read(submitted, find_below_server::<Scope>(org, path)?.clone())?;
        check_unique(org, &scope)?;
        Ok(Change::put(scope))
    })
    .await
}

/// Deletes a scope that is not one of the system's.
pub async fn delete(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        let scope = find_below_server::<Scope>(org, path)?;
        if scope.system {
            return Err(ManagementError::field("system", "The scope is one of the system's, which cannot be deleted"));
        }
        Ok(Change::delete(scope.clone(), []))
    })
    .await
    .map(drop)
}

/// Notes each name in a condition that is neither a scope of the authorization server nor `known`; `or` ends the text. A condition
/// may name a scope that is deleted later; it is refused only where it is written anew.
pub(crate) fn refuse_unknown(
    causes: &mut Causes,
    member: &str,
    (org, server): (&OrgSnapshot, &AuthorizationServerId),
    names: &[String],
    known: impl Fn(&String) -> bool,
    or: &str,
) {
    let exists = |name: &String| org.configuration.scopes.below(server).any(|scope| scope.name == *name);
    for unknown in names.iter().filter(|name| !known(name) && !exists(name)) {
        let text = "Write names of its scopes";
        causes.add(member, &format!("The authorization server has no scope `{}`. {text}{or}", shown(unknown)));
    }
}

/// Reads a request over `scope`. Texts are replaced; any other member that is absent keeps its default or its stored value.
fn read(submitted: &Submitted<ScopeRequest>, scope: Scope) -> Result<Scope, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    let name = causes.line("name", &request.name);
    // A scope-token of RFC 6749 section 3.3.
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !name.bytes().all(legal) {
        causes.add("name", INVALID);
    }
    if scope.system && name != scope.name {
        causes.add("name", "The scope is one of the system's, whose names cannot be changed");
    }
    let description = causes.optional_text("description", &request.description).unwrap_or_default();
    let display_name = causes.optional_text("displayName", &request.display_name);
    causes.one_line("displayName", display_name.as_deref().unwrap_or_default());
    let why = "Only `IMPLICIT` is supported: users are not asked for their consent";
    causes.only("consent", &request.consent, "IMPLICIT", why);
    let published = match causes.optional_text("metadataPublish", &request.metadata_publish).as_deref() {
        None => scope.published,
        Some("ALL_CLIENTS") => true,
        Some("NO_CLIENTS") => false,
        Some(_) => {
            causes.add("metadataPublish", "Write `ALL_CLIENTS` or `NO_CLIENTS`");
            false
        }
    };
    let default = causes.plain("default", &request.default, scope.default);
    let optional = causes.plain("optional", &request.optional, scope.optional);
    causes.finish()?;
    Ok(Scope { name, description, display_name, published, default, optional, ..scope })
}

//! Authorization servers; the resources below them have files of their own.

use tenterhook_contract::{Timestamp, id::AuthorizationServerId};
use tenterhook_jose::SigningAlgorithm;
use tenterhook_model::{
    AuthorizationServer, ClaimDefinition, ConfigurationWrite, KeyRotation, PolicyRule, Scope, SigningKey, Status,
};
use tenterhook_platform::{OrgSnapshot, Platform, issuer, keys::generate_key_pairs};

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, org_of},
    provision::{server_objects, server_of},
    request::{Causes, Given, Submitted},
    resource::{Change, Done, Resource, Switchable, changed, check_unique, find_below, not_found, set_status},
    signing_keys::{next_rotation, signing_key_of},
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "authorizationServer";
/// `issuerMode` of every server.
pub const ISSUER_MODE: &str = "ORG_URL";

const ALGORITHM: &str = "credentials.signing.alg";
const ROTATION: &str = "credentials.signing.rotationMode";

/// What a request says of an authorization server.
#[derive(Clone, Debug, Default)]
pub struct ServerRequest {
    /// The name.
    pub name: Given<String>,
    /// For people.
    pub description: Given<String>,
    /// `aud` of its access tokens; exactly one.
    pub audiences: Given<Vec<String>>,
    /// [`ISSUER_MODE`].
    pub issuer_mode: Given<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Given<String>,
    /// The algorithm of its signing keys.
    pub algorithm: Given<String>,
    /// `AUTO` or `MANUAL`.
    pub rotation_mode: Given<String>,
}

/// An authorization server with its issuer and its signing key.
#[derive(Clone, Debug)]
pub struct ServerDetails {
    /// The server.
    pub server: AuthorizationServer,
    /// `iss` of its tokens.
    pub issuer: String,
    /// The key that signs its tokens.
    pub signing_key: Option<SigningKey>,
    /// When another key takes its place; `None` when only an administrator makes one.
    pub next_rotation: Option<Timestamp>,
}

impl ServerDetails {
    fn of(org: &OrgSnapshot, server: &AuthorizationServer) -> Self {
        Self::with_key(org, server, signing_key_of(org, server))
    }

    fn with_key(org: &OrgSnapshot, server: &AuthorizationServer, key: Option<&SigningKey>) -> Self {
        Self {
            issuer: issuer(org, server),
            next_rotation: key.and_then(|key| next_rotation(server, key)),
            signing_key: key.cloned(),
            server: server.clone(),
        }
    }
}

impl Resource for AuthorizationServer {
    const KIND: &'static str = "AuthorizationServer";
    const TARGET: &'static str = "AuthorizationServer";

    fn name(&self) -> &str {
        &self.name
    }

    fn event(done: Done) -> (String, String) {
        let past = done.past();
        (format!("oauth2.as.{past}"), format!("Authorization server has been {past}"))
    }
}

impl Switchable for AuthorizationServer {
    fn status(&self) -> Status {
        self.status
    }

    fn with_status(&self, status: Status, last_updated: Timestamp) -> Self {
        Self { status, last_updated, ..self.clone() }
    }
}

/// Every authorization server.
pub fn list(platform: &Platform, administrator: &Administrator) -> Result<Vec<ServerDetails>, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(org.configuration.authorization_servers.iter().map(|server| ServerDetails::of(&org, server)).collect())
}

/// One authorization server, by its id or as `default`.
pub fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<ServerDetails, ManagementError> {
    let org = org_of(platform, administrator)?;
    Ok(ServerDetails::of(&org, find(&org, id)?))
}

/// Creates an authorization server with a signing key and the scopes of OpenID Connect.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<ServerRequest>,
) -> Result<ServerDetails, ManagementError> {
    let read = Read::of(submitted, None)?;
    let algorithm = read.algorithm;
    let server = read.over(server_of(platform, ("", "", ""), false));
    // Key pairs cost more than everything else here, so none is made for a request that is refused.
    check_new(&*org_of(platform, administrator)?, &server)?;
    let pairs = generate_key_pairs(algorithm).await?;
    let (key, writes) = server_objects(platform, &server, (algorithm, &pairs));
    let server = changed(platform, administrator, Done::Created, |org| {
        check_new(org, &server)?;
        Ok(Change { resource: server.clone(), writes: writes.clone(), updated: Vec::new() })
    })
    .await?;
    Ok(ServerDetails::with_key(&*org_of(platform, administrator)?, &server, Some(&key)))
}

/// Refuses another authorization server when its name is taken, or when there are too many.
fn check_new(org: &OrgSnapshot, server: &AuthorizationServer) -> Result<(), ManagementError> {
    check_unique(org, server)?;
    let servers = org.configuration.authorization_servers.len();
    check_room("name", ("org", "authorization servers"), servers, OBJECTS_MAX)
}

/// Replaces an authorization server; its key and its algorithm stay.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<ServerRequest>,
) -> Result<ServerDetails, ManagementError> {
    let now = platform.now().whole_seconds();
    let server = changed(platform, administrator, Done::Updated, |org| {
        let stored = find(org, id)?;
        let algorithm = signing_key_of(org, stored).map(|key| key.algorithm).unwrap_or_default();
        let read = Read::of(submitted, Some((stored, algorithm)))?;
        let server = AuthorizationServer { last_updated: now, ..read.over(stored.clone()) };
        check_unique(org, &server)?;
        Ok(Change::put(server))
    })
    .await?;
    Ok(ServerDetails::of(&*org_of(platform, administrator)?, &server))
}

/// Deletes an authorization server with everything below it. The default one stays.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    changed(platform, administrator, Done::Deleted, |org| {
        let server = find(org, id)?;
        if server.is_default {
            let text = "The default authorization server cannot be deleted: deactivate it";
            return Err(ManagementError::field("id", text));
        }
        Ok(Change::delete(server.clone(), below(org, &server.id)))
    })
    .await
    .map(drop)
}

/// Everything below a server, deleted.
fn below(org: &OrgSnapshot, id: &AuthorizationServerId) -> Vec<ConfigurationWrite> {
    let configuration = &org.configuration;
    let keys = configuration.signing_keys.below(id);
    let scopes = configuration.scopes.below(id);
    let claims = configuration.claims.below(id);
    let policies = configuration.policies.below(id);
    let rules = configuration.rules.iter().filter(|rule| rule.authorization_server_id == *id);
    keys.map(|key| ConfigurationWrite::Delete(key.kid.clone()))
        .chain(scopes.map(Scope::removal))
        .chain(claims.map(ClaimDefinition::removal))
        .chain(policies.map(Resource::removal))
        .chain(rules.map(PolicyRule::removal))
        .collect()
}

/// Activates an authorization server; an active one stays as it is.
pub async fn activate(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Active, |org| find(org, id)).await
}

/// Deactivates an authorization server, which then issues no tokens; an inactive one stays as it is.
pub async fn deactivate(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    set_status(platform, administrator, Status::Inactive, |org| find(org, id)).await
}

/// What a request says of a server, judged.
struct Read {
    name: String,
    description: String,
    audience: String,
    status: Status,
    algorithm: SigningAlgorithm,
    rotation: KeyRotation,
}

impl Read {
    /// Reads a request. `stored` is the server that it replaces and the algorithm of that one's key.
    fn of(
        submitted: &Submitted<ServerRequest>,
        stored: Option<(&AuthorizationServer, SigningAlgorithm)>,
    ) -> Result<Self, ManagementError> {
        let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
        let name = causes.line("name", &request.name);
        let description = causes.optional_text("description", &request.description).unwrap_or_default();
        let audiences = causes.texts("audiences", &request.audiences);
        if audiences.len() != 1 {
            causes.add("audiences", "Exactly one audience is supported");
        }
        causes.constant("issuerMode", &request.issuer_mode, ISSUER_MODE);
        let status = causes.status(&request.status, stored.map_or(Status::Active, |(server, _)| server.status));
        let algorithm = match causes.optional_text(ALGORITHM, &request.algorithm).as_deref() {
            None => stored.map_or(SigningAlgorithm::RS256, |(_, algorithm)| algorithm),
            // The vendor knows RS256 only and has no such member; the name is that of JWKs (RFC 7517 section 4.4).
            Some("RS256") => SigningAlgorithm::RS256,
            Some("ES256") => SigningAlgorithm::ES256,
            Some(_) => {
                causes.add(ALGORITHM, "Write `RS256` or `ES256`");
                SigningAlgorithm::default()
            }
        };
        if stored.is_some_and(|(_, stored)| stored != algorithm) {
            causes.add(ALGORITHM, "The algorithm of an authorization server cannot be changed");
        }
        let rotation = match causes.optional_text(ROTATION, &request.rotation_mode).as_deref() {
            None => stored.map_or(KeyRotation::Auto, |(server, _)| server.key_rotation),
            Some("AUTO") => KeyRotation::Auto,
            Some("MANUAL") => KeyRotation::Manual,
            Some(_) => {
                causes.add(ROTATION, "Write `AUTO` or `MANUAL`");
                KeyRotation::Auto
            }
        };
        causes.finish()?;
        Ok(Self { name, description, audience: audiences.concat(), status, algorithm, rotation })
    }

    /// The server with what the request says.
    fn over(self, server: AuthorizationServer) -> AuthorizationServer {
        AuthorizationServer {
            name: self.name,
            description: self.description,
            audiences: vec![self.audience],
            status: self.status,
            key_rotation: self.rotation,
            ..server
        }
    }
}

/// The server with this id, or the default one.
pub(crate) fn find<'a>(org: &'a OrgSnapshot, id: &str) -> Result<&'a AuthorizationServer, ManagementError> {
    org.authorization_server(id).ok_or_else(|| not_found::<AuthorizationServer>(id))
}

/// The resources of one kind below a server.
pub(crate) fn below_server<'a, T: Resource<Parent = AuthorizationServerId> + 'a>(
    org: &'a OrgSnapshot,
    server: &str,
) -> Result<impl Iterator<Item = &'a T>, ManagementError> {
    Ok(T::list(&org.configuration).below(&find(org, server)?.id))
}

/// The resource of this kind with the id `id` below a server.
pub(crate) fn find_below_server<'a, T: Resource<Parent = AuthorizationServerId> + 'a>(
    org: &'a OrgSnapshot,
    (server, id): (&str, &str),
) -> Result<&'a T, ManagementError> {
    find_below(org, &find(org, server)?.id, id)
}

//! Orgs: the operator of a server creates, lists, changes, suspends and resumes them, by the management API or the command line.
//!
//! A new org has what the first one began with: a default authorization server with its key, and one API token. It is
//! suspended until it has all of that, so an org whose creation was interrupted can be resumed.

use tenterhook_contract::{Secret, id::OrgId, limits::HOOKS_PER_ORG_MAX};
use tenterhook_model::{Org, OrgHost, OrgLimits, OrgStatus};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    entropy::random_token,
    events::{named_target, system_event},
};
use tenterhook_store::StoreError;

use crate::{
    administrator::{Administrator, ManagementError, OBJECTS_MAX, check_room, log_change},
    extension_points::EXTENSION_POINTS_PER_ORG_MAX,
    provision::{self, ProvisionError},
    request::{BLANK, Causes, Given, Submitted},
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "org";
/// Users of an org: more than one database has been measured with.
const USERS_MAX: u32 = 100_000_000;
/// Invocations of an org that wait at the same time.
const IN_FLIGHT_MAX: u32 = 100_000;
/// Requests of the management API a minute and endpoint.
const REQUESTS_MAX: u32 = 1_000_000;

/// The limits of an org: their names in bodies and their ranges. The names are those of [`OrgLimits`].
const LIMITS: [(&str, u32, u32); 6] = [
    #[expect(clippy::cast_possible_truncation, reason = "a hundred")]
    ("hooks", 0, HOOKS_PER_ORG_MAX as u32),
    ("clients", 0, OBJECTS_MAX),
    ("users", 0, USERS_MAX),
    ("extensionPoints", 0, EXTENSION_POINTS_PER_ORG_MAX),
    ("inFlight", 1, IN_FLIGHT_MAX),
    ("apiRequestsPerMinute", 1, REQUESTS_MAX),
];

/// What a request says of an org.
#[derive(Clone, Debug, Default)]
pub struct OrgRequest {
    /// The `Host` that chooses it.
    pub host: Given<String>,
    /// Its status, which only its lifecycle changes.
    pub status: Given<String>,
    /// A name for people.
    pub name: Given<String>,
    /// All of its own limits; `None` where the request has no limits.
    pub limits: Option<LimitsRequest>,
}

/// What a request says of the limits of an org. The server's limit applies where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct LimitsRequest {
    /// Inline hooks.
    pub hooks: Given<u64>,
    /// OAuth clients.
    pub clients: Given<u64>,
    /// Users.
    pub users: Given<u64>,
    /// Declared extension points.
    pub extension_points: Given<u64>,
    /// Calls of inline hooks that are open at the same time.
    pub in_flight: Given<u64>,
    /// Requests of the management API a minute and endpoint.
    pub api_requests_per_minute: Given<u64>,
}

/// An org to create.
#[derive(Clone, Debug)]
pub struct NewOrg {
    /// The `Host` that chooses it.
    pub host: OrgHost,
    /// A name for people; the host without one.
    pub name: Option<String>,
    /// Its own limits.
    pub limits: OrgLimits,
}

/// A change of an org. A member that is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct OrgUpdate {
    /// A name for people.
    pub name: Option<String>,
    /// All of its own limits.
    pub limits: Option<OrgLimits>,
}

impl NewOrg {
    /// Reads a request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(submitted: &Submitted<OrgRequest>) -> Result<Self, ManagementError> {
        let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
        causes.only("status", &request.status, OrgStatus::Active.as_str(), "A new org is active");
        let host = match request.host.value().map(|text| text.parse::<OrgHost>()) {
            Some(Ok(host)) => Some(host),
            Some(Err(error)) => {
                causes.add("host", &error.to_string());
                None
            }
            None => {
                causes.add("host", BLANK);
                None
            }
        };
        let name = causes.name("name", &request.name);
        let limits = request.limits.as_ref().map(|limits| read_limits(&mut causes, limits)).unwrap_or_default();
        causes.finish()?;
        // `finish` has already refused a request without a host.
        let host = host.ok_or_else(|| ManagementError::field("host", BLANK))?;
        Ok(Self { host, name, limits })
    }
}

impl OrgUpdate {
    /// Reads a request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn read(known: &Org, submitted: &Submitted<OrgRequest>) -> Result<Self, ManagementError> {
        let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
        let host = known.host.as_deref().unwrap_or_default();
        causes.only("host", &request.host, host, "The host of an org cannot be changed");
        causes.only("status", &request.status, known.status.as_str(), "Use `lifecycle/suspend` and `lifecycle/resume`");
        let name = causes.name("name", &request.name);
        let limits = request.limits.as_ref().map(|limits| read_limits(&mut causes, limits));
        causes.finish()?;
        Ok(Self { name, limits })
    }
}

fn read_limits(causes: &mut Causes, request: &LimitsRequest) -> OrgLimits {
    let mut read = |name: &str, given: &Given<u64>| {
        let number = given.is_given().then(|| check_limit(name, given.value().copied()))?;
        number.map_err(|why| causes.add(&format!("limits.{name}"), &why)).ok()
    };
    OrgLimits {
        hooks: read("hooks", &request.hooks),
        clients: read("clients", &request.clients),
        users: read("users", &request.users),
        extension_points: read("extensionPoints", &request.extension_points),
        in_flight: read("inFlight", &request.in_flight),
        api_requests_per_minute: read("apiRequestsPerMinute", &request.api_requests_per_minute),
    }
}

/// The limit of this name, if it can be this number; `None` stands for something that is not a number.
///
/// # Errors
/// Why not, for people.
pub fn check_limit(name: &str, number: Option<u64>) -> Result<u32, String> {
    let limit = LIMITS.iter().find(|(known, ..)| *known == name);
    let (_, least, most) = limit.ok_or_else(|| "there is no such limit".to_owned())?;
    let number = number.and_then(|number| u32::try_from(number).ok()).filter(|number| (least..=most).contains(&number));
    number.ok_or_else(|| format!("write a number from {least} to {most}"))
}

/// Makes an org. Answers with it and with its first API token, which can never be shown again.
///
/// # Errors
/// When the host is taken.
pub async fn create(
    platform: &Platform,
    by: Option<&Administrator>,
    new: NewOrg,
) -> Result<(Org, Secret), ManagementError> {
    let NewOrg { host, name, limits } = new;
    if platform.is_base_host(host.as_str()) || platform.store().find_org_by_host(host.as_str()).await?.is_some() {
        return Err(host_taken());
    }
    let (unix_ms, random) = platform.id_parts();
    let name = name.unwrap_or_else(|| host.to_string());
    let org = Org::new(OrgId::from_parts(unix_ms, random), Some(host.to_string()), name, platform.now());
    let org = Org { status: OrgStatus::Suspended, limits, ..org };
    platform.add_org(&org).await.map_err(|error| match error {
        StoreError::Duplicate { .. } => host_taken(),
        error => error.into(),
    })?;
    provision::default_server(platform, &org.id).await?;
    let token = random_token(platform.entropy());
    provision::add_admin_token(platform, &org.id, "First token", &token).await?;
    let made = Org { status: OrgStatus::Active, ..org.clone() };
    let org = write(platform, by, &org, made, ("system.org.lifecycle.create", "Create org")).await?;
    Ok((org, token))
}

/// Orgs by id, those behind `after`, at most `limit`.
pub async fn list(platform: &Platform, after: Option<&OrgId>, limit: u64) -> Result<Vec<Org>, ManagementError> {
    Ok(platform.store().list_orgs(after, limit).await?)
}

/// One org.
pub async fn get(platform: &Platform, id: &str) -> Result<Org, ManagementError> {
    let found = match id.parse() {
        Ok(id) => platform.store().find_org(&id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: "Org" })
}

/// Changes name or limits of an org as a request says.
///
/// # Errors
/// Everything that is wrong with the request.
pub async fn replace(
    platform: &Platform,
    by: Option<&Administrator>,
    id: &str,
    submitted: &Submitted<OrgRequest>,
) -> Result<Org, ManagementError> {
    let known = get(platform, id).await?;
    let update = OrgUpdate::read(&known, submitted)?;
    write_update(platform, by, known, update).await
}

/// Changes name or limits of an org.
pub async fn update(
    platform: &Platform,
    by: Option<&Administrator>,
    id: &str,
    update: OrgUpdate,
) -> Result<Org, ManagementError> {
    write_update(platform, by, get(platform, id).await?, update).await
}

async fn write_update(
    platform: &Platform,
    by: Option<&Administrator>,
    known: Org,
    update: OrgUpdate,
) -> Result<Org, ManagementError> {
    let OrgUpdate { name, limits } = update;
    let org = Org {
        name: name.unwrap_or_else(|| known.name.clone()),
        limits: limits.unwrap_or(known.limits),
        ..known.clone()
    };
    write(platform, by, &known, org, ("system.org.lifecycle.update", "Update org")).await
}

/// Refuses every request to an org from now on, on this node at once and on the others within a second; what it has is
/// kept.
///
/// # Errors
/// The default org cannot be suspended, because the others are managed there.
pub async fn suspend(platform: &Platform, by: Option<&Administrator>, id: &str) -> Result<Org, ManagementError> {
    let org = get(platform, id).await?;
    if org.is_default() {
        return Err(ManagementError::field("status", "The default org cannot be suspended"));
    }
    let suspended = Org { status: OrgStatus::Suspended, ..org.clone() };
    write(platform, by, &org, suspended, ("system.org.lifecycle.suspend", "Suspend org")).await
}

/// Serves an org again; makes its default authorization server where its creation was interrupted before that. Of a damaged row,
/// what cannot be read is written anew, except the host.
///
/// # Errors
/// [`ManagementError::OrgOutOfService`] when the row is damaged all the same.
pub async fn resume(platform: &Platform, by: Option<&Administrator>, id: &str) -> Result<Org, ManagementError> {
    let org = get(platform, id).await?;
    if org.status == OrgStatus::Suspended {
        provision::default_server(platform, &org.id).await?;
    }
    // Where the time of creation cannot be read, the org has one that has not come yet.
    let created = if org.status == OrgStatus::Unreadable { org.created.min(platform.now()) } else { org.created };
    let active = Org { status: OrgStatus::Active, created, ..org.clone() };
    write(platform, by, &org, active, ("system.org.lifecycle.resume", "Resume org")).await?;
    let stored = get(platform, id).await?;
    if stored.status == OrgStatus::Unreadable { Err(ManagementError::OrgOutOfService) } else { Ok(stored) }
}

/// Writes what differs between `known` and `org`, and logs what was done. An org that does not differ is neither written nor
/// logged.
async fn write(
    platform: &Platform,
    by: Option<&Administrator>,
    known: &Org,
    org: Org,
    event: (&'static str, &'static str),
) -> Result<Org, ManagementError> {
    if org != *known {
        platform.update_org(known, &org).await?;
        log(platform, by, event, &org);
    }
    Ok(org)
}

/// Refuses another hook when the org has as many as its limit allows. Where it has no limit of its own, the hook is judged by
/// the server's.
pub(crate) fn check_room_for_hook(org: &OrgSnapshot) -> Result<(), ManagementError> {
    let Some(limit) = org.org.limits.hooks else { return Ok(()) };
    check_room("inlineHook", ("org", "inline hooks"), org.configuration.hooks.len(), limit)
}

/// Refuses another client when the org has as many as its limit, else the server's, allows.
pub(crate) fn check_room_for_client(org: &OrgSnapshot) -> Result<(), ManagementError> {
    check_room("client_name", ("org", "clients"), apps(org), limit_of_apps(org))
}

/// The same of another app, whatever its sign-on mode: an OpenID Connect app is a client, and both count together.
pub(crate) fn check_room_for_app(org: &OrgSnapshot) -> Result<(), ManagementError> {
    check_room("label", ("org", "apps and clients"), apps(org), limit_of_apps(org))
}

fn apps(org: &OrgSnapshot) -> usize {
    org.configuration.clients.len() + org.configuration.saml_apps.len()
}

fn limit_of_apps(org: &OrgSnapshot) -> u32 {
    org.org.limits.clients.unwrap_or(OBJECTS_MAX).min(OBJECTS_MAX)
}

/// Refuses another declared extension point when the org has as many as its limit, else the server's, allows.
pub(crate) fn check_room_for_extension_point(org: &OrgSnapshot) -> Result<(), ManagementError> {
    let limit = org.org.limits.extension_points.unwrap_or(EXTENSION_POINTS_PER_ORG_MAX);
    let own = org.configuration.extension_points.iter().filter(|point| point.declaration.is_some());
    check_room("extensionPoint", ("org", "extension points"), own.count(), limit.min(EXTENSION_POINTS_PER_ORG_MAX))
}

/// Refuses another user when the org has as many as its limit allows. Users are not part of the configuration, whose changes
/// queue: users that are added at the same moment may exceed the limit together.
pub(crate) async fn check_room_for_user(platform: &Platform, org: &OrgSnapshot) -> Result<(), ManagementError> {
    let Some(limit) = org.org.limits.users else { return Ok(()) };
    let users = platform.store().count_users(&org.org.id).await?;
    check_room("login", ("org", "users"), usize::try_from(users).unwrap_or(usize::MAX), limit)
}

fn host_taken() -> ManagementError {
    ManagementError::field("host", "An org with this host already exists")
}

/// Logs in the default org, whose System Log records what operators do.
fn log(platform: &Platform, by: Option<&Administrator>, (event, message): (&'static str, &'static str), org: &Org) {
    let target = named_target(org.id.as_str(), "Org", &org.name);
    if let Some(administrator) = by {
        return log_change(platform, administrator, event, message, target);
    }
    if let Some(default) = platform.org_id_by_host(None) {
        let event = system_event(platform.entropy(), platform.now(), &default, (event, message, target));
        platform.log().append(&event);
    }
}

impl From<ProvisionError> for ManagementError {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Store(error) => Self::Store(error),
            ProvisionError::Key(error) => Self::Key(error),
            ProvisionError::OutOfService => Self::OrgOutOfService,
            ProvisionError::Contended => Self::Contended,
        }
    }
}

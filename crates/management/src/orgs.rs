//! Orgs: what the operator of a server does with its tenants, from the management API or from the command line.
//!
//! An org begins with what the first one has: a default authorization server with its key, and one API token. It is served
//! when all of it is there; until then it is suspended, so that one whose making was interrupted can be resumed.

use serde_json::{Map, Value, json};
use tenterhook_contract::{Secret, id::OrgId, limits::HOOKS_PER_ORG_MAX, members::Members};
use tenterhook_model::{ORG_NAME_CHARACTERS_MAX, Org, OrgHost, OrgLimits, OrgStatus};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    entropy::random_token,
    events::{named_target, system_event},
};
use tenterhook_store::StoreError;

use crate::{
    administrator::{Administrator, ManagementError, log_change},
    provision::{self, ProvisionError},
};

/// OAuth clients of an org: the server's own bound.
const CLIENTS_MAX: u32 = 1_000;
/// Users of an org: more than one database has been measured with.
const USERS_MAX: u32 = 100_000_000;
/// Invocations of an org that wait at the same time.
const IN_FLIGHT_MAX: u32 = 100_000;
/// Requests of the management API a minute and endpoint.
const REQUESTS_MAX: u32 = 1_000_000;

/// The limits of an org: their names in bodies and how far they go. The names are those of [`OrgLimits`].
const LIMITS: [(&str, u32, u32); 5] = [
    #[expect(clippy::cast_possible_truncation, reason = "a hundred")]
    ("hooks", 0, HOOKS_PER_ORG_MAX as u32),
    ("clients", 0, CLIENTS_MAX),
    ("users", 0, USERS_MAX),
    ("inFlight", 1, IN_FLIGHT_MAX),
    ("apiRequestsPerMinute", 1, REQUESTS_MAX),
];

const CREATED: Members =
    Members { taken: &["host", "name", "limits"], read_only: &["id", "status", "created", "_links"], refused: &[] };
const UPDATED: Members =
    Members { taken: &["name", "limits"], read_only: &["id", "host", "status", "created", "_links"], refused: &[] };

/// A new org, as it is asked for.
#[derive(Clone, Debug)]
pub struct NewOrg {
    /// The `Host` that chooses it.
    pub host: OrgHost,
    /// A name for people; the host without one.
    pub name: Option<String>,
    /// Its own limits.
    pub limits: OrgLimits,
}

/// What is changed of an org. What is absent stays.
#[derive(Clone, Debug, Default)]
pub struct OrgUpdate {
    /// A name for people.
    pub name: Option<String>,
    /// All of its own limits.
    pub limits: Option<OrgLimits>,
}

impl NewOrg {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(body: &Value) -> Result<Self, ManagementError> {
        let mut causes = CREATED.problems(body);
        let host = if let Some(Value::String(text)) = body.get("host") {
            text.parse().map_err(|error| causes.push(format!("host: {error}"))).ok()
        } else {
            causes.push("host: The field cannot be left blank".to_owned());
            None
        };
        let (name, limits) = (read_name(body, &mut causes), read_limits(body, &mut causes));
        match host {
            Some(host) if causes.is_empty() => Ok(Self { host, name, limits: limits.unwrap_or_default() }),
            _ => Err(ManagementError::Invalid { subject: "org".to_owned(), causes }),
        }
    }
}

impl OrgUpdate {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(body: &Value) -> Result<Self, ManagementError> {
        let mut causes = UPDATED.problems(body);
        let (name, limits) = (read_name(body, &mut causes), read_limits(body, &mut causes));
        if causes.is_empty() {
            Ok(Self { name, limits })
        } else {
            Err(ManagementError::Invalid { subject: "org".to_owned(), causes })
        }
    }
}

/// Whether a text can be the name of an org.
///
/// # Errors
/// Why not, for people.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_name =
        !name.trim().is_empty() && name.chars().count() <= ORG_NAME_CHARACTERS_MAX && !name.contains(char::is_control);
    if is_name { Ok(()) } else { Err(format!("write 1 to {ORG_NAME_CHARACTERS_MAX} characters on one line")) }
}

fn read_name(body: &Value, causes: &mut Vec<String>) -> Option<String> {
    match body.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => {
            causes.extend(check_name(name).err().map(|why| format!("name: {why}")));
            Some(name.clone())
        }
        Some(_) => {
            causes.push("name: The field has an invalid value".to_owned());
            None
        }
    }
}

fn read_limits(body: &Value, causes: &mut Vec<String>) -> Option<OrgLimits> {
    let empty = Map::new();
    let members = match body.get("limits") {
        None => return None,
        Some(Value::Null) => &empty,
        Some(Value::Object(members)) => members,
        Some(_) => {
            causes.push("limits: The field has an invalid value".to_owned());
            return None;
        }
    };
    for name in members.keys().filter(|name| LIMITS.iter().all(|(known, ..)| known != name)) {
        causes.push(format!("limits.{name}: The member is not supported"));
    }
    let mut read = |wanted: &str| match members.get(wanted) {
        None | Some(Value::Null) => None,
        Some(value) => {
            let checked = value.as_u64().ok_or_else(String::new).and_then(|number| check_limit(wanted, number));
            if checked.is_err() {
                let text = LIMITS.iter().find(|(name, ..)| *name == wanted).map(range).unwrap_or_default();
                causes.push(format!("limits.{wanted}: {text}"));
            }
            checked.ok()
        }
    };
    Some(OrgLimits {
        hooks: read("hooks"),
        clients: read("clients"),
        users: read("users"),
        in_flight: read("inFlight"),
        api_requests_per_minute: read("apiRequestsPerMinute"),
    })
}

/// The limit of this name, if it can be this number.
///
/// # Errors
/// Why not, for people.
pub fn check_limit(name: &str, number: u64) -> Result<u32, String> {
    let limit = LIMITS.iter().find(|(known, ..)| *known == name).ok_or_else(|| "there is no such limit".to_owned())?;
    let number = u32::try_from(number).ok().filter(|number| (limit.1..=limit.2).contains(number));
    number.ok_or_else(|| range(limit))
}

fn range((_, least, most): &(&str, u32, u32)) -> String {
    format!("write a number from {least} to {most}")
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
    let of_server = platform.settings().base_url.split_once("://").map(|(_, host)| host.to_owned());
    let is_default = of_server.and_then(|host| host.parse::<OrgHost>().ok()).is_some_and(|known| known == host);
    if is_default || platform.store().find_org_by_host(host.as_str()).await?.is_some() {
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
    platform.update_org(&org, &made).await?;
    let org = made;
    log(platform, by, ("system.org.lifecycle.create", "Create org"), &org);
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

/// Changes name or limits of an org.
pub async fn update(
    platform: &Platform,
    by: Option<&Administrator>,
    id: &str,
    update: OrgUpdate,
) -> Result<Org, ManagementError> {
    let known = get(platform, id).await?;
    let mut org = known.clone();
    org.name = update.name.unwrap_or(org.name);
    org.limits = update.limits.unwrap_or(org.limits);
    if org != known {
        platform.update_org(&known, &org).await?;
        log(platform, by, ("system.org.lifecycle.update", "Update org"), &org);
    }
    Ok(org)
}

/// Refuses every request to an org from now on, on this node at once and on the others within a second; what it has is
/// kept.
///
/// # Errors
/// The default org cannot be suspended: it is who manages the others.
pub async fn suspend(platform: &Platform, by: Option<&Administrator>, id: &str) -> Result<Org, ManagementError> {
    let org = get(platform, id).await?;
    if org.is_default() {
        return Err(ManagementError::field("status", "The default org cannot be suspended"));
    }
    change_status(platform, by, org, OrgStatus::Suspended, ("system.org.lifecycle.suspend", "Suspend org")).await
}

/// Serves an org again; makes its default authorization server where its creation was interrupted before that.
pub async fn resume(platform: &Platform, by: Option<&Administrator>, id: &str) -> Result<Org, ManagementError> {
    let org = get(platform, id).await?;
    if org.status == OrgStatus::Suspended {
        provision::default_server(platform, &org.id).await?;
    }
    change_status(platform, by, org, OrgStatus::Active, ("system.org.lifecycle.resume", "Resume org")).await
}

async fn change_status(
    platform: &Platform,
    by: Option<&Administrator>,
    org: Org,
    status: OrgStatus,
    event: (&'static str, &'static str),
) -> Result<Org, ManagementError> {
    let changed = Org { status, ..org.clone() };
    if changed != org {
        platform.update_org(&org, &changed).await?;
        log(platform, by, event, &changed);
    }
    Ok(changed)
}

/// The org as the API shows it. `base_url` is that of the default org, which answers.
pub fn org_to_json(org: &Org, base_url: &str) -> Value {
    let href = format!("{base_url}/api/v1/orgs/{}", org.id);
    let mut links = json!({ "self": { "href": href, "hints": { "allow": ["GET", "PUT"] } } });
    let change = match org.status {
        OrgStatus::Active => "suspend",
        OrgStatus::Suspended => "resume",
    };
    if let (Some(links), false) = (links.as_object_mut(), org.is_default()) {
        let link = json!({ "href": format!("{href}/lifecycle/{change}"), "hints": { "allow": ["POST"] } });
        links.insert(change.to_owned(), link);
    }
    json!({
        "id": org.id,
        "host": org.host,
        "name": org.name,
        "status": org.status,
        "limits": org.limits,
        "created": org.created,
        "_links": links,
    })
}

/// Refuses another hook when the org has as many as its limit allows.
pub(crate) fn check_room_for_hook(org: &OrgSnapshot) -> Result<(), ManagementError> {
    check_room("inlineHook", "inline hooks", org.configuration.hooks.len(), org.org.limits.hooks)
}

/// Refuses another client when the org has as many as its limit allows.
pub(crate) fn check_room_for_client(org: &OrgSnapshot) -> Result<(), ManagementError> {
    check_room("client_name", "clients", org.configuration.clients.len(), org.org.limits.clients)
}

/// Refuses another user when the org has as many as its limit allows. Users that are added at the same moment may exceed
/// it by as many as are added at once: they are no part of the configuration, whose changes queue.
pub(crate) async fn check_room_for_user(platform: &Platform, org: &OrgSnapshot) -> Result<(), ManagementError> {
    let Some(limit) = org.org.limits.users else { return Ok(()) };
    let users = platform.store().count_users(&org.org.id).await?;
    check_room("login", "users", usize::try_from(users).unwrap_or(usize::MAX), Some(limit))
}

fn check_room(member: &str, objects: &str, known: usize, limit: Option<u32>) -> Result<(), ManagementError> {
    match limit {
        Some(limit) if known >= limit as usize => {
            Err(ManagementError::field(member, &format!("This org can have at most {limit} {objects}")))
        }
        _ => Ok(()),
    }
}

fn host_taken() -> ManagementError {
    ManagementError::field("host", "An org with this host already exists")
}

/// Logs in the default org, whose operator it was.
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
            ProvisionError::Contended => Self::Contended,
        }
    }
}

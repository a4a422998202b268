//! Who may sign on to an app: users, and groups whose members may.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::Value;
use tenterhook_contract::{
    Timestamp,
    id::{AppId, GroupId, UserId},
    party::Target,
};
use tenterhook_model::{AppGroup, AppUser, Assigned, Group, Status, User, user_name_at};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    events::{Event, named_target, token_actor, user_target},
};
use tenterhook_store::{Changed, StoreError};

use super::{
    App, all, find,
    general::object,
    request::{AppGroupRequest, AppUserRequest},
};
use crate::{
    administrator::{Administrator, ManagementError, org_of},
    request::{BLANK, Causes, Submitted},
};

/// The subjects of an error's summary.
const USER_MODEL: &str = "appUser";
const GROUP_MODEL: &str = "appGroup";
/// Characters of a user name at an app.
pub const USER_NAME_CHARACTERS_MAX: usize = 100;

/// A user of an app.
#[derive(Clone, Debug)]
pub struct UserOfApp {
    /// The user.
    pub user: User,
    /// The group by which the app is assigned to the user; `None` when it is assigned to the user.
    pub group: Option<GroupId>,
    /// The user name at the app.
    pub user_name: String,
    /// Attributes at the app.
    pub profile: Map<String, Value>,
    /// When it was assigned.
    pub created: Timestamp,
    /// When that was last changed.
    pub last_updated: Timestamp,
}

/// A page of the users to whom an app is assigned, by themselves or by groups, those after `after`.
pub async fn list_users(
    platform: &Platform,
    administrator: &Administrator,
    app: &str,
    (after, limit): (Option<&UserId>, usize),
) -> Result<Vec<UserOfApp>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let app = find(&org, app)?;
    let users = platform.store().list_assigned_users(&org.org.id, &app.id(), after, limit).await?;
    Ok(users.into_iter().map(|(user, assigned)| of_assigned(&app, user, &assigned)).collect())
}

/// A user to whom an app is assigned, by the user or by a group.
pub async fn get_user(
    platform: &Platform,
    administrator: &Administrator,
    (app, user): (&str, &str),
) -> Result<UserOfApp, ManagementError> {
    let org = org_of(platform, administrator)?;
    let app = find(&org, app)?;
    let found = find_user(platform, &org, user).await?;
    match platform.store().assignment(&org.org.id, &app.id(), &found.id).await? {
        Some(assigned) => Ok(of_assigned(&app, found, &assigned)),
        None => Err(ManagementError::NotFound { id: user.to_owned(), kind: "AppUser" }),
    }
}

/// Assigns an app to a user, or replaces the assignment. `path` is the user that the path names.
pub async fn put_user(
    platform: &Platform,
    administrator: &Administrator,
    (app, path): (&str, Option<&str>),
    submitted: &Submitted<AppUserRequest>,
) -> Result<UserOfApp, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(USER_MODEL, submitted));
    let org = org_of(platform, administrator)?;
    let app = find(&org, app)?;
    let id = match path {
        Some(id) => {
            causes.only("id", &request.id, id, "It is another user than that of the path");
            id.to_owned()
        }
        None => causes.required("id", &request.id).unwrap_or_default(),
    };
    causes.constant("scope", &request.scope, "USER");
    let user_name = causes.given("credentials.userName", &request.user_name).filter(|name| !name.is_empty()).cloned();
    let shown = user_name.as_deref().unwrap_or_default();
    if !shown.is_empty() && shown.trim().is_empty() {
        causes.add("credentials.userName", BLANK);
    }
    causes.one_line("credentials.userName", shown);
    if user_name.as_ref().is_some_and(|name| name.chars().count() > USER_NAME_CHARACTERS_MAX) {
        let text = format!("The field cannot be longer than {USER_NAME_CHARACTERS_MAX} characters");
        causes.add("credentials.userName", &text);
    }
    let profile = object(&mut causes, "profile", &request.profile);
    causes.finish()?;
    let user = find_user(platform, &org, &id).await?;
    let (org_id, app_id, now) = (&org.org.id, app.id(), now(platform));
    // When the app is assigned by a group only, the update adds an assignment of the user.
    let is_assigned = path.is_none() || platform.store().assignment(org_id, &app_id, &user.id).await?.is_some();
    let change = |own: Option<&AppUser>| {
        let kept = own.filter(|_| !request.profile.is_given()).map(|own| own.profile.clone());
        (own.is_some() || is_assigned).then(|| AppUser {
            app_id: app_id.clone(),
            user_id: user.id.clone(),
            user_name: user_name.clone().or_else(|| own.and_then(|own| own.user_name.clone())),
            profile: kept.unwrap_or_else(|| profile.clone()),
            created: own.map_or(now, |own| own.created),
            last_updated: now,
        })
    };
    let changed = platform.store().change_app_user(org_id, (&app_id, &user.id), change).await;
    let changed = changed.map_err(|error| or_gone(error, &id, "User"))?;
    let Some(Changed { before, after: assigned }) = changed else {
        return Err(ManagementError::NotFound { id, kind: "AppUser" });
    };
    let (event_type, message) = if before.is_none() {
        ("application.user_membership.add", "Add user to application membership")
    } else {
        ("application.user_membership.update", "Update user's application membership")
    };
    log(platform, administrator, (event_type, message), [user_target(&user), app.target()]);
    Ok(of_user(&app, user, assigned))
}

/// Ends the assignment of an app to a user. A group of the user may still have one.
pub async fn delete_user(
    platform: &Platform,
    administrator: &Administrator,
    (app, user): (&str, &str),
) -> Result<(), ManagementError> {
    let org = org_of(platform, administrator)?;
    let app = find(&org, app)?;
    let found = find_user(platform, &org, user).await?;
    if !platform.store().delete_app_user(&org.org.id, &app.id(), &found.id).await? {
        return Err(ManagementError::NotFound { id: user.to_owned(), kind: "AppUser" });
    }
    let event = ("application.user_membership.remove", "Remove user's application membership");
    log(platform, administrator, event, [user_target(&found), app.target()]);
    Ok(())
}

/// A page of the groups to which an app is assigned, those after `after`.
pub async fn list_groups(
    platform: &Platform,
    administrator: &Administrator,
    app: &str,
    (after, limit): (Option<&GroupId>, usize),
) -> Result<Vec<AppGroup>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let id = find(&org, app)?.id();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    Ok(platform.store().list_app_groups(&org.org.id, &id, after, limit).await?)
}

/// The assignment of an app to a group.
pub async fn get_group(
    platform: &Platform,
    administrator: &Administrator,
    (app, group): (&str, &str),
) -> Result<AppGroup, ManagementError> {
    let org = org_of(platform, administrator)?;
    let id = find(&org, app)?.id();
    find_app_group(platform, &org, &id, group).await
}

/// Assigns an app to the members of a group, or replaces the assignment.
pub async fn put_group(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    submitted: &Submitted<AppGroupRequest>,
) -> Result<AppGroup, ManagementError> {
    // What a request does not name has the value of a new assignment.
    change_group(platform, administrator, path, submitted, |_| Some((0, Map::new()))).await
}

/// Changes what a request names of the assignment of an app to a group.
pub async fn update_group(
    platform: &Platform,
    administrator: &Administrator,
    path: (&str, &str),
    submitted: &Submitted<AppGroupRequest>,
) -> Result<AppGroup, ManagementError> {
    let kept = |known: Option<&AppGroup>| known.map(|known| (known.priority, known.profile.clone()));
    change_group(platform, administrator, path, submitted, kept).await
}

/// Writes the assignment of an app to a group. `unnamed` gives the priority and the profile where a request does not name them;
/// nothing when there must be an assignment, and there is none.
async fn change_group(
    platform: &Platform,
    administrator: &Administrator,
    (app, group): (&str, &str),
    submitted: &Submitted<AppGroupRequest>,
    unnamed: impl Fn(Option<&AppGroup>) -> Option<(u32, Map<String, Value>)> + Send + Sync,
) -> Result<AppGroup, ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(GROUP_MODEL, submitted));
    let priority = causes.given("priority", &request.priority).copied();
    let given = object(&mut causes, "profile", &request.profile);
    causes.finish()?;
    let org = org_of(platform, administrator)?;
    let app = find(&org, app)?;
    let found = find_group(platform, &org, group).await?;
    let (app_id, last_updated) = (app.id(), now(platform));
    let change = |known: Option<&AppGroup>| {
        let (kept_priority, kept) = unnamed(known)?;
        Some(AppGroup {
            app_id: app_id.clone(),
            group_id: found.id.clone(),
            priority: priority.unwrap_or(kept_priority),
            profile: if request.profile.is_given() { given.clone() } else { kept },
            last_updated,
        })
    };
    let changed = platform.store().change_app_group(&org.org.id, (&app_id, &found.id), change).await;
    let changed = changed.map_err(|error| or_gone(error, group, "UserGroup"))?;
    let assigned = changed.ok_or_else(|| no_app_group(group))?.after;
    let event = ("group.application_assignment.add", "Add assigned application to group");
    log(platform, administrator, event, [target_of_group(&found), app.target()]);
    Ok(assigned)
}

/// Ends the assignment of an app to a group.
pub async fn delete_group(
    platform: &Platform,
    administrator: &Administrator,
    (app, group): (&str, &str),
) -> Result<(), ManagementError> {
    let org = org_of(platform, administrator)?;
    let app = find(&org, app)?;
    let id = find_app_group(platform, &org, &app.id(), group).await?.group_id;
    if !platform.store().delete_app_group(&org.org.id, &app.id(), &id).await? {
        return Err(no_app_group(group));
    }
    let found = platform.store().find_group(&org.org.id, &id).await?;
    let target = found.map_or_else(|| named_target(id.as_str(), "UserGroup", id.as_str()), |it| target_of_group(&it));
    let event = ("group.application_assignment.remove", "Remove assigned application from group");
    log(platform, administrator, event, [target, app.target()]);
    Ok(())
}

/// The apps in use that are assigned to a user, by the user or by a group.
pub async fn apps_of_user(
    platform: &Platform,
    administrator: &Administrator,
    user: &str,
) -> Result<Vec<App>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let user = find_user(platform, &org, user).await?;
    let assigned = platform.store().app_ids_of_user(&org.org.id, &user.id).await?;
    Ok(all(&org).filter(|app| app.status() == Status::Active && assigned.contains(&app.id())).collect())
}

fn of_user(app: &App, user: User, own: AppUser) -> UserOfApp {
    of_assigned(app, user, &Assigned { user: Some(own), groups: Vec::new() })
}

fn of_assigned(app: &App, user: User, assigned: &Assigned) -> UserOfApp {
    let user_name = user_name_at(app.input(), &user, Some(assigned));
    let Assigned { user: own, groups } = assigned;
    let by_group = groups.first().map(|group| (group.last_updated, group.last_updated));
    let own_times = own.as_ref().map(|own| (own.created, own.last_updated));
    let (created, last_updated) = own_times.or(by_group).unwrap_or((user.created, user.created));
    let group = groups.first().filter(|_| own.is_none()).map(|group| group.group_id.clone());
    // What is shown of an assignment to the user is what was written there, without what groups add.
    let profile = own.as_ref().map_or_else(|| assigned.profile().into_owned(), |own| own.profile.clone());
    UserOfApp { user, group, user_name, profile, created, last_updated }
}

async fn find_user(platform: &Platform, org: &OrgSnapshot, id: &str) -> Result<User, ManagementError> {
    let found = match id.parse::<UserId>() {
        Ok(id) => platform.store().find_user(&org.org.id, &id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: "User" })
}

async fn find_group(platform: &Platform, org: &OrgSnapshot, id: &str) -> Result<Group, ManagementError> {
    let everyone = Group::everyone(&org.org.id, org.org.created);
    let found = match id.parse::<GroupId>() {
        Ok(id) if id == everyone.id => Some(everyone),
        Ok(id) => platform.store().find_group(&org.org.id, &id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| ManagementError::NotFound { id: id.to_owned(), kind: "UserGroup" })
}

async fn find_app_group(
    platform: &Platform,
    org: &OrgSnapshot,
    app: &AppId,
    group: &str,
) -> Result<AppGroup, ManagementError> {
    let found = match group.parse::<GroupId>() {
        Ok(id) => platform.store().find_app_group(&org.org.id, app, &id).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| no_app_group(group))
}

/// The error of a write: the app, or what it is assigned to, may have been deleted since it was found.
fn or_gone(error: StoreError, id: &str, kind: &'static str) -> ManagementError {
    match error {
        StoreError::Missing { .. } => ManagementError::NotFound { id: id.to_owned(), kind },
        error => error.into(),
    }
}

fn no_app_group(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "ApplicationGroupAssignment" }
}

fn now(platform: &Platform) -> Timestamp {
    platform.now().whole_seconds()
}

fn target_of_group(group: &Group) -> Target {
    named_target(group.id.as_str(), "UserGroup", &group.name)
}

fn log(platform: &Platform, administrator: &Administrator, (event_type, message): (&str, &str), targets: [Target; 2]) {
    let Administrator { caller, token, .. } = administrator;
    let event = Event::of_caller(platform.stamp(), &token.org_id, caller, token_actor(token)).with_token(token);
    platform.log_event(event.named(event_type, message).about(targets.map(Cow::Owned)));
}

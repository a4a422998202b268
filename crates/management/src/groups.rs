//! Groups of users, and their members. The group of every user (`Everyone`) is made up: it is read like any other, and nobody
//! changes it.

use tenterhook_contract::{
    id::{GroupId, UserId},
    party::Target,
};
use tenterhook_model::{
    EVERYONE_NAME, GROUP_DESCRIPTION_CHARACTERS_MAX, GROUP_NAME_CHARACTERS_MAX, GROUPS_MAX, Group, GroupKind,
    GroupQuery, User, UserQuery, everyone_id, group_key,
};
use tenterhook_platform::{
    Platform, StoreError,
    events::{ADD_MEMBER, named_target, user_target},
};

use crate::{
    administrator::{Administrator, ManagementError, check_room, log_change, log_change_of},
    request::{Causes, Given, INVALID, NOT_ONE_LINE, Submitted},
    users,
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "group";
const NAME: &str = "profile.name";
const DESCRIPTION: &str = "profile.description";
/// `type` of a group that an administrator made.
pub const OWN: &str = "OKTA_GROUP";

/// What a request says of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupRequest {
    /// [`OWN`].
    pub group_type: Given<String>,
    /// The name, unique in the org in any case.
    pub name: Given<String>,
    /// For people.
    pub description: Given<String>,
}

/// A page of the groups for which a condition holds: the group of every user first, then the others by id.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    platform: &Platform,
    administrator: &Administrator,
    GroupQuery { condition, after, limit }: GroupQuery,
) -> Result<Vec<Group>, ManagementError> {
    let everyone = everyone(administrator);
    let is_wanted = condition.as_ref().is_none_or(|condition| condition.holds(&everyone));
    let is_first = after.is_none() && is_wanted && limit > 0;
    let query = GroupQuery {
        after: after.filter(|after| *after != everyone.id),
        limit: limit.saturating_sub(usize::from(is_first)),
        condition,
    };
    let own = platform.store().list_groups(&administrator.token.org_id, &query).await?;
    Ok(is_first.then_some(everyone).into_iter().chain(own).collect())
}

/// The group with this id.
///
/// # Errors
/// When there is none.
pub async fn get(platform: &Platform, administrator: &Administrator, id: &str) -> Result<Group, ManagementError> {
    let org = &administrator.token.org_id;
    let Ok(group) = id.parse::<GroupId>() else { return Err(not_found(id)) };
    if group == everyone_id(org) {
        return Ok(everyone(administrator));
    }
    platform.store().find_group(org, &group).await?.ok_or_else(|| not_found(id))
}

/// Creates a group.
///
/// # Errors
/// Everything that is wrong with the request; a name that is taken; an org that has [`GROUPS_MAX`] groups.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<GroupRequest>,
) -> Result<Group, ManagementError> {
    let (name, description) = read(submitted)?;
    let org = &administrator.token.org_id;
    let count = platform.store().count_groups(org).await?;
    check_room(NAME, ("org", "groups"), usize::try_from(count).unwrap_or(usize::MAX), GROUPS_MAX)?;
    let (now, (unix_ms, random)) = (platform.now(), platform.id_parts());
    let group = Group {
        id: GroupId::from_parts(unix_ms, random),
        org_id: org.clone(),
        kind: GroupKind::Own,
        name,
        description,
        created: now,
        last_updated: now,
        members_changed: now,
    };
    platform.store().insert_group(&group).await.map_err(name_taken)?;
    log_change(platform, administrator, "group.lifecycle.create", "Create Okta group", target(&group));
    Ok(group)
}

/// Replaces the profile of a group.
///
/// # Errors
/// Everything that is wrong with the request; a name that is taken; the group of every user.
pub async fn replace(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    submitted: &Submitted<GroupRequest>,
) -> Result<Group, ManagementError> {
    let stored = own(get(platform, administrator, id).await?)?;
    let (name, description) = read(submitted)?;
    if (&name, &description) == (&stored.name, &stored.description) {
        return Ok(stored);
    }
    let group = Group { name, description, last_updated: platform.now(), ..stored };
    if !platform.store().update_group(&group).await.map_err(name_taken)? {
        return Err(not_found(id));
    }
    log_change(platform, administrator, "group.profile.update", "Update Okta group profile", target(&group));
    Ok(group)
}

/// Deletes a group, with its memberships and the assignments of apps to it. A rule of an access policy that names it keeps the
/// id, which is then nobody's.
///
/// # Errors
/// When there is none; the group of every user.
pub async fn delete(platform: &Platform, administrator: &Administrator, id: &str) -> Result<(), ManagementError> {
    let group = own(get(platform, administrator, id).await?)?;
    if !platform.store().delete_group(&group.org_id, &group.id).await? {
        return Err(not_found(id));
    }
    log_change(platform, administrator, "group.lifecycle.delete", "Delete Okta group", target(&group));
    Ok(())
}

/// A page of the members of a group, by id, those after `after`.
///
/// # Errors
/// When there is no such group.
pub async fn members(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, ManagementError> {
    let group = get(platform, administrator, id).await?;
    let store = platform.store();
    Ok(match group.kind {
        GroupKind::BuiltIn => {
            store.list_users(&group.org_id, &UserQuery { condition: None, after, limit }).await?.users
        }
        GroupKind::Own => store.list_members(&group.org_id, &group.id, after.as_ref(), limit).await?,
    })
}

/// Makes a user a member of a group; one that is a member stays one.
///
/// # Errors
/// When there is no such group or user; the group of every user.
pub async fn add_member(
    platform: &Platform,
    administrator: &Administrator,
    (id, id_or_login): (&str, &str),
) -> Result<(), ManagementError> {
    let group = own(get(platform, administrator, id).await?)?;
    let user = users::get(platform, administrator, id_or_login).await?;
    let added = platform.store().add_member(&group.org_id, (&group.id, &user.id), platform.now()).await;
    let added = added.map_err(|error| match error {
        // One of them was deleted meanwhile.
        StoreError::Missing { .. } => not_found(id),
        error => error.into(),
    });
    if added? {
        let (event, text) = ADD_MEMBER;
        log_change_of(platform, administrator, event, text, [user_target(&user), target(&group)]);
    }
    Ok(())
}

/// Ends the membership of a user in a group, if there is one.
///
/// # Errors
/// When there is no such group or user; the group of every user.
pub async fn remove_member(
    platform: &Platform,
    administrator: &Administrator,
    (id, id_or_login): (&str, &str),
) -> Result<(), ManagementError> {
    let group = own(get(platform, administrator, id).await?)?;
    let user = users::get(platform, administrator, id_or_login).await?;
    if platform.store().remove_member(&group.org_id, (&group.id, &user.id), platform.now()).await? {
        let (event, text) = ("group.user_membership.remove", "Remove user from group membership");
        log_change_of(platform, administrator, event, text, [user_target(&user), target(&group)]);
    }
    Ok(())
}

/// The groups of a user, the group of every user among them, by name.
///
/// # Errors
/// When there is no such user.
pub async fn of_user(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
) -> Result<Vec<Group>, ManagementError> {
    let user = users::get(platform, administrator, id_or_login).await?;
    Ok(platform.store().groups_of_user(&user.org_id, &user.id).await?)
}

/// A group as the target of a log event.
pub fn target(group: &Group) -> Target {
    named_target(group.id.as_str(), "UserGroup", &group.name)
}

fn everyone(administrator: &Administrator) -> Group {
    let org = &administrator.org.org;
    Group::everyone(&org.id, org.created)
}

/// Refuses the group of every user, which nobody changes.
fn own(group: Group) -> Result<Group, ManagementError> {
    match group.kind {
        GroupKind::Own => Ok(group),
        GroupKind::BuiltIn => {
            let text = "The group of every user cannot be changed or deleted, and every user is a member";
            Err(ManagementError::field("id", text))
        }
    }
}

/// Name and description of a request.
fn read(submitted: &Submitted<GroupRequest>) -> Result<(String, Option<String>), ManagementError> {
    let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
    causes.constant("type", &request.group_type, OWN);
    let name = causes.required(NAME, &request.name).unwrap_or_default();
    check_text(&mut causes, NAME, &name, GROUP_NAME_CHARACTERS_MAX);
    if name.contains('\n') {
        causes.add(NAME, NOT_ONE_LINE);
    }
    let description = causes.given(DESCRIPTION, &request.description).filter(|text| !text.is_empty()).cloned();
    let text = description.as_deref().unwrap_or_default();
    check_text(&mut causes, DESCRIPTION, text, GROUP_DESCRIPTION_CHARACTERS_MAX);
    causes.finish()?;
    if group_key(&name) == group_key(EVERYONE_NAME) {
        return Err(taken());
    }
    Ok((name, description))
}

fn check_text(causes: &mut Causes, member: &str, text: &str, most: usize) {
    if text.chars().count() > most {
        causes.add(member, &format!("{INVALID}. Write at most {most} characters"));
    } else if text.contains(|character: char| character.is_control() && character != '\n') {
        causes.add(member, &format!("{INVALID}. Write no control characters"));
    }
}

fn name_taken(error: StoreError) -> ManagementError {
    match error {
        StoreError::Duplicate { .. } => taken(),
        error => error.into(),
    }
}

fn taken() -> ManagementError {
    ManagementError::field(NAME, "An object with this field already exists in the current organization")
}

fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "UserGroup" }
}

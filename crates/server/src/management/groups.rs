//! Groups of users and their members (`clients.md` section 3).

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::id::{GroupId, UserId};
use tenterhook_management::{
    groups::{self, GroupRequest, OWN},
    request::Given,
};
use tenterhook_model::{Group, GroupKind, GroupQuery};

use super::{
    answer::{Date, Id, Link, List, NoContent, Parameter},
    call::{Body, Call, ResourceBody, below},
    group_search::condition,
    members::Members,
    paging::{Listed, listed, page, read_page_of},
    route::Routes,
    users::UserAnswer,
};
use crate::error::ApiError;

/// The largest `limit` of a list of groups that is taken, as the vendor has it.
const LIMIT_MAX: usize = 10_000;
/// Groups of a page; where `limit` is more, the others follow behind the `next` link.
const PAGE_MAX: usize = 1_000;
/// The largest `limit` of a list of members, as the vendor has it.
const MEMBERS_LIMIT_MAX: usize = 1_000;

const Q: Parameter = Parameter { name: "q", description: "Only groups whose name begins with this text, in any case" };
const FILTER: Parameter = Parameter {
    name: "filter",
    description: "Only groups for which this holds: `type eq \"OKTA_GROUP\"`, `id eq \"ID\"`, `profile.name` with `eq`, `sw` or \
                  `co`, `created`, `lastUpdated` and `lastMembershipUpdated` with `eq`, `gt`, `ge`, `lt` or `le`, joined by `and`, \
                  `or` and parentheses",
};
const SEARCH: Parameter = Parameter { name: "search", description: "The same conditions as in `filter`" };
const LIMIT: Parameter = Parameter {
    name: "limit",
    description: "Groups of a page, from 1 to 10000; 200 without it. A page has at most 1000",
};
const MEMBERS_LIMIT: Parameter =
    Parameter { name: "limit", description: "Users of a page, from 1 to 1000; 200 without it" };

pub(super) fn routes() -> Routes {
    const GROUPS: &str = "/api/v1/groups";
    const GROUP: &str = "/api/v1/groups/{groupId}";
    const MEMBER: &str = "/api/v1/groups/{groupId}/users/{userId}";
    Routes::of("Groups", "okta.groups")
        .get(GROUPS, "listGroups", list)
        .with(&[Q, FILTER, SEARCH, LIMIT])
        .post(GROUPS, "createGroup", create)
        .get(GROUP, "getGroup", retrieve)
        .put(GROUP, "replaceGroup", replace)
        .delete(GROUP, "deleteGroup", delete)
        .get("/api/v1/groups/{groupId}/users", "listGroupMembers", list_members)
        .with(&[MEMBERS_LIMIT])
        .put(MEMBER, "addGroupMember", add_member)
        .delete(MEMBER, "removeGroupMember", remove_member)
        .get("/api/v1/users/{userId}/groups", "listUserGroups", list_of_user)
}

/// A group as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "GroupRequest"))]
pub(super) struct GroupBody {
    /// `OKTA_GROUP`.
    #[serde(rename = "type", default)]
    group_type: Given<String>,
    #[serde(default, deserialize_with = "below")]
    profile: ProfileBody,
}

/// The attributes of a group.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "GroupProfileRequest"))]
struct ProfileBody {
    /// Unique in the org in any case, 255 characters at most.
    name: Given<String>,
    /// For people, 1024 characters at most.
    #[serde(default)]
    description: Given<String>,
}

impl ResourceBody for GroupBody {
    const MEMBERS: Members = Members {
        taken: &["type", "profile.name", "profile.description"],
        read_only: &["id", "created", "lastUpdated", "lastMembershipUpdated", "objectClass", "_links", "_embedded"],
        refused: &[],
    };
    type Request = GroupRequest;

    fn into_request(self) -> GroupRequest {
        GroupRequest { group_type: self.group_type, name: self.profile.name, description: self.profile.description }
    }
}

/// A group as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Group"))]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupAnswer {
    id: Id,
    created: Date,
    /// When the profile last changed.
    last_updated: Date,
    /// When a user was last added or removed.
    last_membership_updated: Date,
    object_class: Vec<&'static str>,
    /// `OKTA_GROUP`; `BUILT_IN` of the group of every user, which cannot be changed.
    #[serde(rename = "type")]
    group_type: &'static str,
    profile: GroupProfile,
    #[serde(rename = "_links")]
    links: GroupLinks,
}

/// The attributes of a group.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct GroupProfile {
    name: String,
    /// Null when there is none.
    description: Option<String>,
}

/// Links of a group.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct GroupLinks {
    #[serde(rename = "self")]
    itself: Link,
    users: Link,
    apps: Link,
}

impl GroupAnswer {
    fn of(base_url: &str, group: Group) -> Self {
        let href = format!("{base_url}/api/v1/groups/{}", group.id);
        Self {
            id: Id::of(&group.id),
            created: Date(group.created),
            last_updated: Date(group.last_updated),
            last_membership_updated: Date(group.members_changed),
            object_class: vec!["okta:user_group"],
            group_type: match group.kind {
                GroupKind::BuiltIn => "BUILT_IN",
                GroupKind::Own => OWN,
            },
            profile: GroupProfile { name: group.name, description: group.description },
            links: GroupLinks {
                users: Link::to(format!("{href}/users")),
                apps: Link::to(format!("{href}/apps")),
                itself: Link::to(href),
            },
        }
    }
}

impl Listed for GroupAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<GroupAnswer>, ApiError> {
    let (after, limit) = read_page_of::<GroupId>(call.query(), "groups", &["q", "filter", "search"], LIMIT_MAX)?;
    let limit = limit.min(PAGE_MAX);
    // One more than the page has tells whether there is another.
    let query = GroupQuery { condition: condition(call.query())?, after, limit: limit + 1 };
    let groups = groups::list(call.platform(), call.administrator(), query).await?;
    Ok(page(&call, groups.into_iter().map(|group| GroupAnswer::of(call.base_url(), group)).collect(), limit))
}

async fn create(call: Call<Body<GroupBody>>) -> Result<Json<GroupAnswer>, ApiError> {
    let group = groups::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Json(GroupAnswer::of(call.base_url(), group)))
}

async fn retrieve(call: Call) -> Result<Json<GroupAnswer>, ApiError> {
    let group = groups::get(call.platform(), call.administrator(), call.id("groupId")).await?;
    Ok(Json(GroupAnswer::of(call.base_url(), group)))
}

async fn replace(call: Call<Body<GroupBody>>) -> Result<Json<GroupAnswer>, ApiError> {
    let group = groups::replace(call.platform(), call.administrator(), call.id("groupId"), &call.body.0).await?;
    Ok(Json(GroupAnswer::of(call.base_url(), group)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    groups::delete(call.platform(), call.administrator(), call.id("groupId")).await?;
    Ok(NoContent)
}

async fn list_members(call: Call) -> Result<List<UserAnswer>, ApiError> {
    let (after, limit) = read_page_of::<UserId>(call.query(), "users", &[], MEMBERS_LIMIT_MAX)?;
    let (platform, administrator, group) = (call.platform(), call.administrator(), call.id("groupId"));
    let users = groups::members(platform, administrator, group, after, limit + 1).await?;
    Ok(page(&call, users.iter().map(|user| UserAnswer::of(call.base_url(), user)).collect(), limit))
}

async fn add_member(call: Call) -> Result<NoContent, ApiError> {
    groups::add_member(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

async fn remove_member(call: Call) -> Result<NoContent, ApiError> {
    groups::remove_member(call.platform(), call.administrator(), path(&call)).await?;
    Ok(NoContent)
}

async fn list_of_user(call: Call) -> Result<List<GroupAnswer>, ApiError> {
    let groups = groups::of_user(call.platform(), call.administrator(), call.id("userId")).await?;
    listed(&call, groups.into_iter().map(|group| GroupAnswer::of(call.base_url(), group)))
}

fn path<B>(call: &Call<B>) -> (&str, &str) {
    (call.id("groupId"), call.id("userId"))
}

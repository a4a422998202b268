//! Who may sign on to an app: users, and groups whose members may.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::id::{GroupId, UserId};
use tenterhook_management::{
    apps::{
        assignments::{self, UserOfApp},
        request::{AppGroupRequest, AppUserRequest},
    },
    request::Given,
};
use tenterhook_model::AppGroup;

use super::super::{
    answer::{Date, Id, Link, List, NoContent},
    call::{Body, Call, OptionalBody, ResourceBody, below},
    members::Members,
    paging::{Listed, page, read_page},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const USERS: &str = "/api/v1/apps/{appId}/users";
    const USER: &str = "/api/v1/apps/{appId}/users/{userId}";
    const GROUP: &str = "/api/v1/apps/{appId}/groups/{groupId}";
    Routes::of("App assignments", "okta.apps")
        .get(USERS, "listAppUsers", list_users)
        .post(USERS, "assignUserToApp", assign_user)
        .get(USER, "getAppUser", get_user)
        .post(USER, "updateAppUser", update_user)
        .delete(USER, "unassignUserFromApp", delete_user)
        .get("/api/v1/apps/{appId}/groups", "listAppGroups", list_groups)
        .get(GROUP, "getAppGroup", get_group)
        .put(GROUP, "assignGroupToApp", put_group)
        .patch(GROUP, "updateAppGroup", update_group)
        .delete(GROUP, "unassignGroupFromApp", delete_group)
}

/// The assignment of an app to a user as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserRequest"))]
#[serde(default)]
struct UserBody {
    /// The user. It must be there unless the path names the user.
    id: Given<String>,
    /// `USER`
    scope: Given<String>,
    #[serde(deserialize_with = "below")]
    credentials: CredentialsBody,
    /// Attributes at the app, which expressions call `appuser`.
    profile: Given<Map<String, Value>>,
}

/// How a user is known at an app.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserCredentialsRequest"))]
#[serde(rename_all = "camelCase", default)]
struct CredentialsBody {
    /// At most 100 characters; what the app's template makes when absent.
    user_name: Given<String>,
}

impl ResourceBody for UserBody {
    const MEMBERS: Members = Members {
        taken: &["id", "scope", "credentials.userName", "profile"],
        read_only: &[
            "externalId",
            "created",
            "lastUpdated",
            "lastSync",
            "status",
            "statusChanged",
            "passwordChanged",
            "syncState",
            "_links",
            "_embedded",
        ],
        refused: &[("credentials.password", "Passwords of apps are not supported")],
    };
    type Request = AppUserRequest;

    fn into_request(self) -> AppUserRequest {
        let user_name = self.credentials.user_name;
        AppUserRequest { id: self.id, scope: self.scope, user_name, profile: self.profile }
    }
}

/// The assignment of an app to a group as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppGroupRequest"))]
#[serde(default)]
struct GroupBody {
    /// Lower is first where the attributes of several groups differ; 0 when absent.
    priority: Given<u32>,
    /// Attributes at the app of the group's members.
    profile: Given<Map<String, Value>>,
}

impl ResourceBody for GroupBody {
    const MEMBERS: Members = Members {
        taken: &["priority", "profile"],
        read_only: &["id", "lastUpdated", "_links", "_embedded"],
        refused: &[],
    };
    type Request = AppGroupRequest;

    fn into_request(self) -> AppGroupRequest {
        AppGroupRequest { priority: self.priority, profile: self.profile }
    }
}

/// A user of an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUser"))]
#[serde(rename_all = "camelCase")]
struct UserAnswer {
    id: Id,
    /// Always null.
    external_id: Option<Id>,
    created: Date,
    last_updated: Date,
    scope: Scope,
    /// `ACTIVE`
    status: &'static str,
    status_changed: Date,
    /// Always null.
    password_changed: Option<Date>,
    /// `DISABLED`
    sync_state: &'static str,
    credentials: Credentials,
    profile: Map<String, Value>,
    #[serde(rename = "_links")]
    links: UserLinks,
}

/// By what an app is assigned to a user.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserScope"))]
#[serde(rename_all = "UPPERCASE")]
enum Scope {
    /// By the user.
    User,
    /// By a group of the user.
    Group,
}

/// How a user is known at an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserCredentials"))]
#[serde(rename_all = "camelCase")]
struct Credentials {
    user_name: String,
}

/// The links of a user of an app.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppUserLinks"))]
struct UserLinks {
    app: Link,
    user: Link,
    /// The group by which the app is assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Link>,
}

/// The assignment of an app to a group.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppGroup"))]
#[serde(rename_all = "camelCase")]
struct GroupAnswer {
    /// That of the group.
    id: Id,
    last_updated: Date,
    priority: u32,
    profile: Map<String, Value>,
    #[serde(rename = "_links")]
    links: GroupLinks,
}

/// The links of the assignment of an app to a group.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppGroupLinks"))]
struct GroupLinks {
    app: Link,
    group: Link,
    #[serde(rename = "self")]
    itself: Link,
}

impl UserAnswer {
    fn of(base_url: &str, app: &str, assigned: UserOfApp) -> Self {
        let UserOfApp { user, group, user_name, profile, created, last_updated } = assigned;
        Self {
            id: Id::of(&user.id),
            external_id: None,
            created: Date(created),
            last_updated: Date(last_updated),
            scope: if group.is_some() { Scope::Group } else { Scope::User },
            status: "ACTIVE",
            status_changed: Date(created),
            password_changed: None,
            sync_state: "DISABLED",
            credentials: Credentials { user_name },
            profile,
            links: UserLinks {
                app: Link::to(format!("{base_url}/api/v1/apps/{app}")),
                user: Link::to(format!("{base_url}/api/v1/users/{}", user.id)),
                group: group.map(|group| Link::to(format!("{base_url}/api/v1/groups/{group}"))),
            },
        }
    }
}

impl GroupAnswer {
    fn of(base_url: &str, assigned: AppGroup) -> Self {
        let AppGroup { app_id, group_id, priority, profile, last_updated } = assigned;
        let app = format!("{base_url}/api/v1/apps/{app_id}");
        Self {
            id: Id::of(&group_id),
            last_updated: Date(last_updated),
            priority,
            profile,
            links: GroupLinks {
                itself: Link::to(format!("{app}/groups/{group_id}")),
                group: Link::to(format!("{base_url}/api/v1/groups/{group_id}")),
                app: Link::to(app),
            },
        }
    }
}

impl Listed for UserAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

impl Listed for GroupAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

fn user<B>(call: &Call<B>, assigned: UserOfApp) -> UserAnswer {
    UserAnswer::of(call.base_url(), call.id("appId"), assigned)
}

async fn list_users(call: Call) -> Result<List<UserAnswer>, ApiError> {
    let (after, limit) = read_page::<UserId>(call.query(), "app users", &[])?;
    let app = call.id("appId");
    let paging = (after.as_ref(), limit + 1);
    let users = assignments::list_users(call.platform(), call.administrator(), app, paging).await?;
    let users = users.into_iter().map(|assigned| user(&call, assigned)).collect();
    Ok(page(&call, users, limit))
}

async fn assign_user(call: Call<Body<UserBody>>) -> Result<Json<UserAnswer>, ApiError> {
    let app = (call.id("appId"), None);
    let assigned = assignments::put_user(call.platform(), call.administrator(), app, &call.body.0).await?;
    Ok(Json(user(&call, assigned)))
}

async fn get_user(call: Call) -> Result<Json<UserAnswer>, ApiError> {
    let path = (call.id("appId"), call.id("userId"));
    let assigned = assignments::get_user(call.platform(), call.administrator(), path).await?;
    Ok(Json(user(&call, assigned)))
}

async fn update_user(call: Call<Body<UserBody>>) -> Result<Json<UserAnswer>, ApiError> {
    let path = (call.id("appId"), Some(call.id("userId")));
    let assigned = assignments::put_user(call.platform(), call.administrator(), path, &call.body.0).await?;
    Ok(Json(user(&call, assigned)))
}

async fn delete_user(call: Call) -> Result<NoContent, ApiError> {
    let path = (call.id("appId"), call.id("userId"));
    assignments::delete_user(call.platform(), call.administrator(), path).await?;
    Ok(NoContent)
}

async fn list_groups(call: Call) -> Result<List<GroupAnswer>, ApiError> {
    let (after, limit) = read_page::<GroupId>(call.query(), "app groups", &[])?;
    let app = call.id("appId");
    let paging = (after.as_ref(), limit + 1);
    let groups = assignments::list_groups(call.platform(), call.administrator(), app, paging).await?;
    let groups = groups.into_iter().map(|group| GroupAnswer::of(call.base_url(), group)).collect();
    Ok(page(&call, groups, limit))
}

async fn get_group(call: Call) -> Result<Json<GroupAnswer>, ApiError> {
    let path = (call.id("appId"), call.id("groupId"));
    let assigned = assignments::get_group(call.platform(), call.administrator(), path).await?;
    Ok(Json(GroupAnswer::of(call.base_url(), assigned)))
}

async fn put_group(call: Call<OptionalBody<GroupBody>>) -> Result<Json<GroupAnswer>, ApiError> {
    let path = (call.id("appId"), call.id("groupId"));
    let assigned = assignments::put_group(call.platform(), call.administrator(), path, &call.body.0).await?;
    Ok(Json(GroupAnswer::of(call.base_url(), assigned)))
}

async fn update_group(call: Call<Body<GroupBody>>) -> Result<Json<GroupAnswer>, ApiError> {
    let path = (call.id("appId"), call.id("groupId"));
    let assigned = assignments::update_group(call.platform(), call.administrator(), path, &call.body.0).await?;
    Ok(Json(GroupAnswer::of(call.base_url(), assigned)))
}

async fn delete_group(call: Call) -> Result<NoContent, ApiError> {
    let path = (call.id("appId"), call.id("groupId"));
    assignments::delete_group(call.platform(), call.administrator(), path).await?;
    Ok(NoContent)
}

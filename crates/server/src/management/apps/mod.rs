//! Apps (`clients.md` section 4): what users sign on to.

mod answer;
mod app_links;
mod assignments;
mod body;
mod keys;
mod search;
mod sign_on_answer;
mod sign_on_body;

use axum::{Json, http::header, response::IntoResponse as _, response::Response};
use serde::Deserialize;
use tenterhook_contract::Secret;
use tenterhook_management::{
    administrator::org_of,
    apps::{self, App, AppCondition, access_policy as policy},
    enrollment_policies, groups,
    request::Given,
};
use tenterhook_model::Status;

use self::{answer::AppAnswer, body::AppBody};
use super::{
    answer::{Answer, List, NoContent, Parameter},
    call::{Body, Call, ResourceBody},
    given,
    members::Members,
    paging::listed_with,
    query,
    route::Routes,
};
use crate::error::ApiError;

/// How the path of metadata ends: the only XML of the management API.
pub(super) const METADATA: &str = "/sso/saml/metadata";

const ACTIVATE: Parameter =
    Parameter { name: "activate", description: "Whether the app is in use: `true`, as without it, or `false`" };
const Q: Parameter =
    Parameter { name: "q", description: "Only apps whose label or name begins with this text, in any case" };
const KID: Parameter = Parameter {
    name: "kid",
    description: "The key whose certificate the metadata has; the one that signs when absent",
};

pub(super) fn routes() -> Vec<Routes> {
    const APPS: &str = "/api/v1/apps";
    const APP: &str = "/api/v1/apps/{appId}";
    let apps = Routes::of("Apps", "okta.apps")
        .get(APPS, "listApps", list)
        .with(&[Q, search::FILTER])
        .post(APPS, "createApp", create)
        .with(&[ACTIVATE])
        .get(APP, "getApp", retrieve)
        .put(APP, "replaceApp", replace)
        .delete(APP, "deleteApp", delete)
        .post("/api/v1/apps/{appId}/lifecycle/activate", "activateApp", activate)
        .post("/api/v1/apps/{appId}/lifecycle/deactivate", "deactivateApp", deactivate)
        .get("/api/v1/apps/{appId}/sso/saml/metadata", "getAppMetadata", metadata)
        .with(&[KID])
        .get("/api/v1/groups/{groupId}/apps", "listAssignedApplicationsForGroup", list_of_group)
        .with(&[Q])
        .get("/api/v1/policies/{policyId}/app", "listAppsOfPolicy", list_of_policy)
        .with(&[Q])
        .post("/api/v1/internal/apps/{appId}/settings/oauth/idToken", "replaceAppIdTokenSettings", id_token_settings);
    vec![apps, keys::routes(), assignments::routes(), app_links::routes()]
}

/// The ID tokens of an OpenID Connect app, as clients of the vendor set them.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppIdTokenSettingsRequest"))]
#[serde(default)]
struct IdTokenBody {
    /// `ORG_URL`, `CUSTOM_URL` or `DYNAMIC`; without effect.
    #[serde(rename = "issuerMode")]
    issuer_mode: Given<String>,
}

impl ResourceBody for IdTokenBody {
    const MEMBERS: Members = Members {
        taken: &["issuerMode"],
        read_only: &[],
        refused: &[
            ("name", GROUPS_CLAIM),
            ("value", GROUPS_CLAIM),
            ("valueType", GROUPS_CLAIM),
            ("groupFilterType", GROUPS_CLAIM),
        ],
    };
    type Request = Given<String>;

    fn into_request(self) -> Given<String> {
        self.issuer_mode
    }

    /// Clients that set no claim of groups send blank texts.
    fn unsupported(body: &serde_json::Value) -> Vec<String> {
        let mut body = body.clone();
        if let Some(members) = body.as_object_mut() {
            members.retain(|_, value| value.as_str() != Some(""));
        }
        Self::MEMBERS.problems(&body)
    }
}

const GROUPS_CLAIM: &str = "A claim of groups belongs to an authorization server: add it there";

/// An XML document.
struct Xml(String);

impl Answer for Xml {
    fn respond(self) -> Response {
        ([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], self.0).into_response()
    }

    #[cfg(feature = "schema")]
    fn describe(_: &mut schemars::SchemaGenerator) -> super::openapi::AnswerDescription {
        super::openapi::AnswerDescription::of(200, None)
    }
}

/// An app as it is shown.
fn shown<B>(call: &Call<B>, app: App, secret: Option<&Secret>) -> Result<AppAnswer, ApiError> {
    let org = org_of(call.platform(), call.administrator())?;
    Ok(AppAnswer::of((&org, call.base_url()), app, &policy::of(&org), secret))
}

async fn list(call: Call) -> Result<List<AppAnswer>, ApiError> {
    let conditions = search::conditions(call.query())?;
    page_of(&call, &conditions, &["filter"]).await
}

/// The apps that are assigned to a group.
async fn list_of_group(call: Call) -> Result<List<AppAnswer>, ApiError> {
    let group = groups::get(call.platform(), call.administrator(), call.id("groupId")).await?;
    page_of(&call, &[AppCondition::Group(group.id)], &[]).await
}

/// The apps that have a policy; every app has the access policy.
async fn list_of_policy(call: Call) -> Result<List<AppAnswer>, ApiError> {
    let (platform, administrator, id) = (call.platform(), call.administrator(), call.id("policyId"));
    if policy::get(platform, administrator, id).is_ok() {
        return page_of(&call, &[], &[]).await;
    }
    let policy = enrollment_policies::get(platform, administrator, id)?;
    page_of(&call, &[AppCondition::EnrollmentPolicy(policy.id)], &[]).await
}

/// A page of the apps for which the conditions hold; `own` are the parameters that make them.
async fn page_of(call: &Call, conditions: &[AppCondition], own: &[&str]) -> Result<List<AppAnswer>, ApiError> {
    let apps = apps::list(call.platform(), call.administrator(), conditions).await?;
    let org = org_of(call.platform(), call.administrator())?;
    let policy = policy::of(&org);
    let apps = apps.into_iter().map(|app| AppAnswer::of((&org, call.base_url()), app, &policy, None));
    listed_with(call, apps, own)
}

async fn create(call: Call<Body<AppBody>>) -> Result<Json<AppAnswer>, ApiError> {
    let status = query::new_status(call.query(), "app")?;
    let (app, secret) = apps::create(call.platform(), call.administrator(), status, &call.body.0).await?;
    shown(&call, app, secret.as_ref()).map(Json)
}

async fn retrieve(call: Call) -> Result<Json<AppAnswer>, ApiError> {
    let app = apps::get(call.platform(), call.administrator(), call.id("appId"))?;
    shown(&call, app, None).map(Json)
}

async fn replace(call: Call<Body<AppBody>>) -> Result<Json<AppAnswer>, ApiError> {
    let id = call.id("appId");
    let (app, secret) = apps::replace(call.platform(), call.administrator(), id, &call.body.0).await?;
    shown(&call, app, secret.as_ref()).map(Json)
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    apps::delete(call.platform(), call.administrator(), call.id("appId")).await?;
    Ok(NoContent)
}

async fn activate(call: Call) -> Result<NoContent, ApiError> {
    apps::set_status(call.platform(), call.administrator(), call.id("appId"), Status::Active).await?;
    Ok(NoContent)
}

async fn deactivate(call: Call) -> Result<NoContent, ApiError> {
    apps::set_status(call.platform(), call.administrator(), call.id("appId"), Status::Inactive).await?;
    Ok(NoContent)
}

async fn metadata(call: Call) -> Result<Xml, ApiError> {
    let kid = given(call.query(), "kid");
    let app = call.id("appId");
    Ok(Xml(apps::keys::metadata(call.platform(), call.administrator(), app, kid.as_deref())?))
}

async fn id_token_settings(call: Call<Body<IdTokenBody>>) -> Result<NoContent, ApiError> {
    apps::set_issuer_mode(call.platform(), call.administrator(), call.id("appId"), &call.body.0).await?;
    Ok(NoContent)
}

//! `/api/v1/orgs`: what the operator of the server does with its orgs. Our own API, in the vendor's style.
//!
//! It is there on the host of the default org only, and for tokens of the operator only: an API token of an org manages
//! that org and no other, and a token of the operator manages orgs and nothing in them.

use axum::{Json, http::HeaderMap};
use serde_json::{Value, json};
use tenterhook_contract::id::OrgId;
use tenterhook_management::orgs::{self, NewOrg, OrgUpdate, org_to_json};
use tenterhook_model::Org;

use super::{
    answer::{Created, List},
    call::{Call, JsonBody},
    given,
    paging::{LIMIT_MAX, add_link, limit, next_link, only, self_link},
    route::Routes,
};
use crate::error::ApiError;

/// The name under which its requests are counted.
pub(super) const ENDPOINT: &str = "orgs";
const PATH: &str = "/api/v1/orgs";

pub(super) fn routes() -> Routes {
    const ORG: &str = "/api/v1/orgs/{orgId}";
    Routes::of("Orgs", "okta.orgs")
        .get(PATH, "listOrgs", list)
        .post(PATH, "createOrg", create)
        .get(ORG, "getOrg", retrieve)
        .put(ORG, "updateOrg", update)
        .post("/api/v1/orgs/{orgId}/lifecycle/suspend", "suspendOrg", suspend)
        .post("/api/v1/orgs/{orgId}/lifecycle/resume", "resumeOrg", resume)
}

/// Whether a path is one of these, so that its token is one of the operator.
pub(super) fn is_for_operators(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

type Answer = Result<Json<Value>, ApiError>;

async fn list(call: Call) -> Result<List<Value>, ApiError> {
    let raw = call.query();
    only(raw, &["limit", "after"])?;
    let mut causes = Vec::new();
    let limit = limit(raw).map_err(|cause| causes.push(cause)).ok().flatten().unwrap_or(LIMIT_MAX);
    let after = given(raw, "after").map(|text| text.parse::<OrgId>());
    if matches!(after, Some(Err(_))) {
        causes.push("after: must be taken from a next link.".to_owned());
    }
    if !causes.is_empty() {
        return Err(ApiError::Validation { subject: "query", causes });
    }
    let after = after.and_then(Result::ok);
    // One more than the page has tells whether there is another.
    let mut orgs = orgs::list(call.platform(), after.as_ref(), limit as u64 + 1).await?;
    let more = orgs.len() > limit;
    orgs.truncate(limit);
    let base = format!("{}{PATH}", call.base_url());
    let mut headers = HeaderMap::new();
    add_link(&mut headers, &self_link(&base, raw), "self");
    if let Some(last) = orgs.last().filter(|_| more) {
        add_link(&mut headers, &next_link(&base, raw, &[("after", last.id.to_string())]), "next");
    }
    let items = orgs.iter().map(|org| org_to_json(org, call.base_url())).collect();
    Ok(List { headers, items })
}

/// The answer has the first API token of the org, which is shown this once.
async fn create(call: Call<JsonBody>) -> Result<Created<Value>, ApiError> {
    let new = NewOrg::read(&call.body.value)?;
    let (org, token) = orgs::create(call.platform(), Some(call.administrator()), new).await?;
    let mut shown = org_to_json(&org, call.base_url());
    if let Some(members) = shown.as_object_mut() {
        members.insert("token".to_owned(), json!(token.expose()));
        members.insert("tokenType".to_owned(), json!("SSWS"));
    }
    Ok(Created(shown))
}

async fn retrieve(call: Call) -> Answer {
    let org = orgs::get(call.platform(), call.id("orgId")).await?;
    Ok(shown(&org, call.base_url()))
}

async fn update(call: Call<JsonBody>) -> Answer {
    let update = OrgUpdate::read(&call.body.value)?;
    let org = orgs::update(call.platform(), Some(call.administrator()), call.id("orgId"), update).await?;
    Ok(shown(&org, call.base_url()))
}

async fn suspend(call: Call) -> Answer {
    let org = orgs::suspend(call.platform(), Some(call.administrator()), call.id("orgId")).await?;
    Ok(shown(&org, call.base_url()))
}

async fn resume(call: Call) -> Answer {
    let org = orgs::resume(call.platform(), Some(call.administrator()), call.id("orgId")).await?;
    Ok(shown(&org, call.base_url()))
}

fn shown(org: &Org, base_url: &str) -> Json<Value> {
    Json(org_to_json(org, base_url))
}

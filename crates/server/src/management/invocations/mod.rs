//! `/api/v1/extensionPoints/{typeOrId}/invocations`: a host asks what to do. Ours, in the vendor's style.

mod answer;
mod body;
mod health;

use axum::Json;
use tenterhook_flows::host::{HostCall, HostRefusal, PointHealth};
use tenterhook_management::administrator::ManagementError;
use tenterhook_platform::PointOf;

use self::{
    answer::{BatchAnswer, Invoked, Shown},
    body::{BatchBody, InvocationBody},
    health::HealthAnswer,
};
use super::{
    call::{Call, Host, NoBody},
    route::Routes,
};
use crate::{App, error::ApiError};

/// What the summary of an error names.
const MODEL: &str = "invocation";
const KIND: &str = "ExtensionPoint";

pub(super) fn routes() -> Routes {
    Routes::of("Invocations", "okta.extensionPoints.invocations")
        .post("/api/v1/extensionPoints/{typeOrId}/invocations", "invokeExtensionPoint", invoke)
        .post("/api/v1/extensionPoints/{typeOrId}/invocations/batch", "invokeExtensionPointBatch", invoke_batch)
        .get("/api/v1/extensionPoints/{typeOrId}/health", "getExtensionPointHealth", health)
}

async fn invoke(mut call: Call<InvocationBody, Host>) -> Result<Invoked, ApiError> {
    find_point(&mut call).await?;
    let InvocationBody(question) = call.body;
    let type_or_id = call.ids.get("typeOrId").map(String::as_str).unwrap_or_default();
    let host = host_call(&call.app, call.who);
    let answer = host.invoke(type_or_id, question).await.map_err(|refusal| refused(type_or_id, refusal))?;
    Ok(Invoked::of(answer, &Shown::of(&host)))
}

async fn invoke_batch(mut call: Call<BatchBody, Host>) -> Result<BatchAnswer, ApiError> {
    find_point(&mut call).await?;
    let BatchBody(batch) = call.body;
    let type_or_id = call.ids.get("typeOrId").map(String::as_str).unwrap_or_default();
    let host = host_call(&call.app, call.who);
    let answers = host.clone().invoke_all(type_or_id, batch).await.map_err(|refusal| refused(type_or_id, refusal))?;
    Ok(BatchAnswer::of(answers, &Shown::of(&host)))
}

async fn health(mut call: Call<NoBody, Host>) -> Result<Json<HealthAnswer>, ApiError> {
    find_point(&mut call).await?;
    let point = point(&call)?;
    Ok(Json(PointHealth::of(call.platform(), &call.who.org, point).into()))
}

/// Checks that the path names an extension point that the token may use. What this node knows of a host's token may be a second old,
/// and so may its configuration then: before it refuses, it asks whether another node has changed the configuration, and puts the newer
/// one into the call.
async fn find_point<B>(call: &mut Call<B, Host>) -> Result<(), ApiError> {
    let Err(refusal) = point(call) else { return Ok(()) };
    let Some(newer) = call.platform().newer(&call.who.org, call.who.arrived).await? else { return Err(refusal) };
    call.who.org = newer;
    point(call).map(|_| ())
}

/// The extension point that the path names, if the token may use it.
fn point<B>(call: &Call<B, Host>) -> Result<PointOf<'_>, ApiError> {
    let type_or_id = call.id("typeOrId");
    let found = call.who.org.extension_point(type_or_id);
    call.who.check_may_use(type_or_id, found.map(|point| &point.description().event_type))?;
    found.ok_or_else(|| unknown(type_or_id))
}

fn host_call(app: &App, Host { caller, token, org, arrived }: Host) -> HostCall {
    HostCall { platform: app.platform.clone(), org, caller, token, arrived }
}

fn unknown(type_or_id: &str) -> ApiError {
    ManagementError::NotFound { id: type_or_id.to_owned(), kind: KIND }.into()
}

fn refused(type_or_id: &str, refusal: HostRefusal) -> ApiError {
    match refusal {
        HostRefusal::UnknownPoint => unknown(type_or_id),
        HostRefusal::Invalid(problems) => {
            ManagementError::Invalid { subject: MODEL.to_owned(), causes: problems.texts() }.into()
        }
    }
}

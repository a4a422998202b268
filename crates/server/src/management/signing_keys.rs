//! Signing keys of authorization servers (`clients.md` section 2).

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_management::{
    request::Given,
    signing_keys::{self, KeyState, PublishedKey, RotationRequest},
};

use super::{
    answer::List,
    call::{Body, Call, ResourceBody},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const KEYS: &str = "/api/v1/authorizationServers/{serverId}/credentials/keys";
    const ROTATE: &str = "/api/v1/authorizationServers/{serverId}/credentials/lifecycle/keyRotate";
    Routes::of("Signing keys", "okta.authorizationServers").get(KEYS, "listSigningKeys", list).post(
        ROTATE,
        "rotateSigningKey",
        rotate,
    )
}

/// A request for a new key.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "KeyRotationRequest"))]
pub(super) struct RotationBody {
    /// What the key is for.
    #[serde(rename = "use")]
    #[cfg_attr(feature = "schema", schemars(with = "KeyUse"))]
    purpose: Given<String>,
}

/// What a key is for.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum KeyUse {
    #[serde(rename = "sig")]
    Signing,
}

impl ResourceBody for RotationBody {
    const MEMBERS: Members = Members { taken: &["use"], read_only: &[], refused: &[] };
    type Request = RotationRequest;

    fn into_request(self) -> RotationRequest {
        RotationRequest { purpose: self.purpose }
    }
}

/// A published key: a JWK (RFC 7517) with its state.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SigningKey"))]
pub(super) struct KeyAnswer {
    /// The members of the public key.
    #[serde(flatten)]
    jwk: Map<String, Value>,
    status: State,
}

/// What a published key is for.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SigningKeyStatus"))]
#[serde(rename_all = "UPPERCASE")]
enum State {
    /// It signs.
    Active,
    /// It signs after the next rotation.
    Next,
    /// Tokens that it has signed may still be in use.
    Expired,
}

impl From<PublishedKey> for KeyAnswer {
    fn from(PublishedKey { key, state }: PublishedKey) -> Self {
        let status = match state {
            KeyState::Active => State::Active,
            KeyState::Next => State::Next,
            KeyState::Expired => State::Expired,
        };
        Self { jwk: key.public_jwk, status }
    }
}

impl Listed for KeyAnswer {
    fn id(&self) -> &str {
        self.jwk.get("kid").and_then(Value::as_str).unwrap_or_default()
    }
}

async fn list(call: Call) -> Result<List<KeyAnswer>, ApiError> {
    let keys = signing_keys::list(call.platform(), call.administrator(), call.id("serverId"))?;
    listed(&call, keys.into_iter().map(KeyAnswer::from))
}

async fn rotate(call: Call<Body<RotationBody>>) -> Result<Json<Vec<KeyAnswer>>, ApiError> {
    let server = call.id("serverId");
    let keys = signing_keys::rotate(call.platform(), call.administrator(), server, &call.body.0).await?;
    Ok(Json(keys.into_iter().map(KeyAnswer::from).collect()))
}

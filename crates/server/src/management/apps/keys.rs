//! Keys of SAML apps with their certificates.

use axum::Json;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};
use tenterhook_management::apps::keys;
use tenterhook_model::AppKey;
use tenterhook_platform::entropy::sha256_base64url;

use super::super::{
    answer::{Created, Date, List, Parameter},
    call::Call,
    given,
    paging::{Listed, listed},
    query::{self, QueryProblem},
    route::Routes,
};
use crate::error::ApiError;

const YEARS: Parameter =
    Parameter { name: "validityYears", description: "Years that the certificate is valid: 2 to 10" };
const TARGET: Parameter = Parameter { name: "targetAid", description: "The app that gets the key too" };

pub(super) fn routes() -> Routes {
    Routes::of("App keys", "okta.apps")
        .get("/api/v1/apps/{appId}/credentials/keys", "listAppKeys", list)
        .get("/api/v1/apps/{appId}/credentials/keys/{keyId}", "getAppKey", retrieve)
        .post("/api/v1/apps/{appId}/credentials/keys/generate", "generateAppKey", generate)
        .with(&[YEARS])
        .post("/api/v1/apps/{appId}/credentials/keys/{keyId}/clone", "cloneAppKey", clone_to)
        .with(&[TARGET])
}

/// The public part of a key, and its certificate.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AppKey"))]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyAnswer {
    kid: String,
    /// `kty`, `e` and `n` (RFC 7518 section 6.3).
    #[serde(flatten)]
    public: Map<String, Value>,
    #[serde(rename = "use")]
    purpose: &'static str,
    /// The certificate, DER in base64.
    x5c: [String; 1],
    /// Its SHA-256 in base64url.
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
    created: Date,
    last_updated: Date,
    /// When the certificate ends.
    expires_at: Date,
}

impl From<AppKey> for KeyAnswer {
    fn from(key: AppKey) -> Self {
        let der = STANDARD.decode(&key.certificate).unwrap_or_default();
        Self {
            kid: key.kid,
            public: key.public,
            purpose: "sig",
            x5c: [key.certificate],
            thumbprint: sha256_base64url(&der),
            created: Date(key.created),
            last_updated: Date(key.created),
            expires_at: Date(key.expires),
        }
    }
}

impl Listed for KeyAnswer {
    fn id(&self) -> &str {
        &self.kid
    }
}

async fn list(call: Call) -> Result<List<KeyAnswer>, ApiError> {
    let keys = keys::list(call.platform(), call.administrator(), call.id("appId"))?;
    listed(&call, keys.into_iter().map(KeyAnswer::from))
}

async fn retrieve(call: Call) -> Result<Json<KeyAnswer>, ApiError> {
    let key = keys::get(call.platform(), call.administrator(), call.id("appId"), call.id("keyId"))?;
    Ok(Json(key.into()))
}

async fn generate(call: Call) -> Result<Created<KeyAnswer>, ApiError> {
    // Without the parameter, as with a number that is none, no years are named.
    let years = given(call.query(), "validityYears").and_then(|years| years.parse().ok()).unwrap_or_default();
    let key = keys::generate(call.platform(), call.administrator(), call.id("appId"), years).await?;
    Ok(Created(key.into()))
}

async fn clone_to(call: Call) -> Result<Created<KeyAnswer>, ApiError> {
    let target = given(call.query(), "targetAid");
    let Some(target) = target else {
        return Err(query::check("targetAid", vec![QueryProblem::Missing("targetAid")])
            .err()
            .unwrap_or(ApiError::Internal));
    };
    let key = (call.id("appId"), call.id("keyId"));
    let key = keys::clone_to(call.platform(), call.administrator(), key, &target).await?;
    Ok(Created(key.into()))
}

//! Authorization servers (`clients.md` section 2).

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_management::{
    authorization_servers::{self as servers, ISSUER_MODE, ServerDetails, ServerRequest},
    request::Given,
};
use tenterhook_model::{KeyRotation, SigningAlgorithm};

use super::{
    answer::{Created, Date, Id, List, NoContent, SelfLink, Status},
    call::{Body, Call, ResourceBody, below},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const SERVERS: &str = "/api/v1/authorizationServers";
    const SERVER: &str = "/api/v1/authorizationServers/{serverId}";
    const ACTIVATE: &str = "/api/v1/authorizationServers/{serverId}/lifecycle/activate";
    const DEACTIVATE: &str = "/api/v1/authorizationServers/{serverId}/lifecycle/deactivate";
    Routes::of("Authorization servers", "okta.authorizationServers")
        .get(SERVERS, "listAuthorizationServers", list)
        .post(SERVERS, "createAuthorizationServer", create)
        .get(SERVER, "getAuthorizationServer", retrieve)
        .put(SERVER, "replaceAuthorizationServer", replace)
        .delete(SERVER, "deleteAuthorizationServer", delete)
        .post(ACTIVATE, "activateAuthorizationServer", activate)
        .post(DEACTIVATE, "deactivateAuthorizationServer", deactivate)
}

/// An authorization server as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthorizationServerRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerBody {
    /// Unique in the org.
    name: Given<String>,
    /// For people.
    #[serde(default)]
    description: Given<String>,
    /// `aud` of its access tokens; exactly one.
    audiences: Given<Vec<String>>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<IssuerMode>"))]
    issuer_mode: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
    #[serde(default, deserialize_with = "below")]
    credentials: CredentialsBody,
}

/// What secures the tokens of a server.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthorizationServerCredentialsRequest"))]
struct CredentialsBody {
    #[serde(default, deserialize_with = "below")]
    signing: SigningBody,
}

/// How the tokens of a server are signed.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthorizationServerSigningRequest"))]
#[serde(rename_all = "camelCase")]
struct SigningBody {
    /// Cannot be changed.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Algorithm>"))]
    alg: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<RotationMode>"))]
    rotation_mode: Given<String>,
}

impl ResourceBody for ServerBody {
    const MEMBERS: Members = Members {
        taken: &[
            "name",
            "description",
            "audiences",
            "issuerMode",
            "status",
            "credentials.signing.alg",
            "credentials.signing.rotationMode",
        ],
        read_only: &[
            "id",
            "issuer",
            "default",
            "created",
            "lastUpdated",
            "_links",
            "credentials.signing.kid",
            "credentials.signing.use",
            "credentials.signing.status",
            "credentials.signing.lastRotated",
            "credentials.signing.nextRotation",
        ],
        refused: &[
            ("accessTokenEncryptedResponseAlgorithm", "Tokens are not encrypted"),
            ("jwks", "Tokens are not encrypted"),
            ("jwks_uri", "Tokens are not encrypted"),
        ],
    };
    type Request = ServerRequest;

    fn into_request(self) -> ServerRequest {
        ServerRequest {
            name: self.name,
            description: self.description,
            audiences: self.audiences,
            issuer_mode: self.issuer_mode,
            status: self.status,
            algorithm: self.credentials.signing.alg,
            rotation_mode: self.credentials.signing.rotation_mode,
        }
    }
}

/// An authorization server as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthorizationServer"))]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerAnswer {
    id: Id,
    name: String,
    description: String,
    audiences: Vec<String>,
    /// `iss` of its tokens.
    issuer: String,
    #[cfg_attr(feature = "schema", schemars(with = "IssuerMode"))]
    issuer_mode: &'static str,
    status: Status,
    /// Whether `/oauth2/default/…` reaches it.
    default: bool,
    credentials: Credentials,
    created: Date,
    last_updated: Date,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// What secures the tokens of a server.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthorizationServerCredentials"))]
struct Credentials {
    /// Null when no key signs.
    signing: Option<Signing>,
}

/// How the tokens of a server are signed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthorizationServerSigning"))]
#[serde(rename_all = "camelCase")]
struct Signing {
    /// The key that signs.
    kid: String,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: Algorithm,
    rotation_mode: RotationMode,
    last_rotated: Date,
    /// When another key takes its place; absent when only an administrator makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_rotation: Option<Date>,
}

/// An algorithm of RFC 7518.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SigningAlgorithm"))]
pub(super) enum Algorithm {
    RS256,
    ES256,
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::RS256 => Self::RS256,
            SigningAlgorithm::ES256 => Self::ES256,
        }
    }
}

/// Who decides when a signing key is replaced.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
enum RotationMode {
    Auto,
    Manual,
}

/// Where the issuer's URL comes from.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum IssuerMode {
    #[serde(rename = "ORG_URL")]
    OrgUrl,
}

impl ServerAnswer {
    fn of(base_url: &str, details: ServerDetails) -> Self {
        let ServerDetails { server, issuer, signing_key, next_rotation } = details;
        let rotation = server.key_rotation;
        let signing = signing_key.map(|key| Signing {
            kid: key.kid,
            purpose: "sig",
            alg: key.algorithm.into(),
            rotation_mode: match rotation {
                KeyRotation::Auto => RotationMode::Auto,
                KeyRotation::Manual => RotationMode::Manual,
            },
            last_rotated: Date(key.created),
            next_rotation: next_rotation.map(Date),
        });
        Self {
            id: Id::of(&server.id),
            links: SelfLink::to(format!("{base_url}/api/v1/authorizationServers/{}", server.id)),
            name: server.name,
            description: server.description,
            audiences: server.audiences,
            issuer,
            issuer_mode: ISSUER_MODE,
            status: server.status.into(),
            default: server.is_default,
            credentials: Credentials { signing },
            created: Date(server.created),
            last_updated: Date(server.last_updated),
        }
    }
}

impl Listed for ServerAnswer {
    const IS_SEARCHED: bool = true;

    fn id(&self) -> &str {
        &self.id.0
    }

    fn searched(&self) -> Vec<&str> {
        self.audiences.iter().chain([&self.name]).map(String::as_str).collect()
    }
}

async fn list(call: Call) -> Result<List<ServerAnswer>, ApiError> {
    let servers = servers::list(call.platform(), call.administrator())?;
    listed(&call, servers.into_iter().map(|server| ServerAnswer::of(call.base_url(), server)))
}

async fn create(call: Call<Body<ServerBody>>) -> Result<Created<ServerAnswer>, ApiError> {
    let server = servers::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Created(ServerAnswer::of(call.base_url(), server)))
}

async fn retrieve(call: Call) -> Result<Json<ServerAnswer>, ApiError> {
    let server = servers::get(call.platform(), call.administrator(), call.id("serverId"))?;
    Ok(Json(ServerAnswer::of(call.base_url(), server)))
}

async fn replace(call: Call<Body<ServerBody>>) -> Result<Json<ServerAnswer>, ApiError> {
    let id = call.id("serverId");
    let server = servers::replace(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(ServerAnswer::of(call.base_url(), server)))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    servers::delete(call.platform(), call.administrator(), call.id("serverId")).await?;
    Ok(NoContent)
}

async fn activate(call: Call) -> Result<NoContent, ApiError> {
    servers::activate(call.platform(), call.administrator(), call.id("serverId")).await?;
    Ok(NoContent)
}

async fn deactivate(call: Call) -> Result<NoContent, ApiError> {
    servers::deactivate(call.platform(), call.administrator(), call.id("serverId")).await?;
    Ok(NoContent)
}

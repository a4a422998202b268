//! API tokens of the management API.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::{Timestamp, id::ApiTokenId};
use tenterhook_management::{
    api_tokens::{self, CONNECTION, TokenDetails, TokenRequest},
    request::Given,
};

use super::{
    answer::{Created, Date, Id, Link, List, NoContent, SelfLink},
    call::{Body, Call, ResourceBody, below},
    members::Members,
    paging::{Listed, page, read_page},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const TOKEN: &str = "/api/v1/api-tokens/{apiTokenId}";
    Routes::of("API tokens", "okta.apiTokens")
        .get("/api/v1/api-tokens", "listApiTokens", list)
        .post("/api/v1/api-tokens", "createApiToken", create)
        .get(TOKEN, "getApiToken", retrieve)
        .put(TOKEN, "replaceApiToken", update)
        .delete(TOKEN, "revokeApiToken", revoke)
}

/// An API token as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ApiTokenRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenBody {
    /// For people: 1 to 255 characters on one line.
    name: Given<String>,
    /// The owner, who cannot be changed.
    #[serde(default)]
    user_id: Given<String>,
    #[serde(default, deserialize_with = "below")]
    network: NetworkBody,
    /// When it expires, which cannot be changed later; never, when absent.
    #[serde(default)]
    expires_at: Given<Timestamp>,
    /// What it may do, which cannot be changed later. A new token can be one of a host only.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Role>"))]
    role: Given<String>,
    /// The types of a host's extension points, 1 to 100, which cannot be changed later.
    #[serde(default)]
    extension_points: Given<Vec<String>>,
}

/// What an API token may do.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "ApiTokenRole")]
#[expect(dead_code, reason = "only its schema is used")]
enum Role {
    /// Everything in its org.
    #[serde(rename = "ADMINISTRATOR")]
    Administrator,
    /// Invoke certain extension points and ask for their health.
    #[serde(rename = "HOST")]
    Host,
}

/// From where an API token may be used.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ApiTokenNetworkRequest"))]
struct NetworkBody {
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Connection>"))]
    connection: Given<String>,
}

impl ResourceBody for TokenBody {
    const MEMBERS: Members = Members {
        taken: &["name", "userId", "network.connection", "expiresAt", "role", "extensionPoints"],
        read_only: &["id", "clientName", "created", "lastUpdated", "lastUsed", "tokenWindow", "_link", "_links"],
        refused: &[
            ("network.include", "Conditions on networks are not supported"),
            ("network.exclude", "Conditions on networks are not supported"),
        ],
    };
    type Request = TokenRequest;

    fn into_request(self) -> TokenRequest {
        TokenRequest {
            name: self.name,
            owner: self.user_id,
            connection: self.network.connection,
            expires: self.expires_at,
            role: self.role,
            extension_points: self.extension_points,
        }
    }
}

/// An API token as it is shown; never its text.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ApiToken"))]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenAnswer {
    id: Id,
    name: String,
    /// The owner.
    user_id: Id,
    client_name: &'static str,
    network: Network,
    created: Date,
    /// The last use counts as an update.
    last_updated: Date,
    #[serde(rename = "_link")]
    link: SelfLink,
    /// To the minute; absent when it was never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<Date>,
    /// Absent when it is valid until it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Date>,
    /// What it may do.
    #[cfg_attr(feature = "schema", schemars(with = "Role"))]
    role: String,
    /// The types of the extension points that a host may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    extension_points: Option<Vec<String>>,
}

/// From where an API token may be used.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ApiTokenNetwork"))]
struct Network {
    #[cfg_attr(feature = "schema", schemars(with = "Connection"))]
    connection: &'static str,
}

/// The only condition on networks.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "ApiTokenConnection")]
#[expect(dead_code, reason = "only its schema is used")]
enum Connection {
    #[serde(rename = "ANYWHERE")]
    Anywhere,
}

impl TokenAnswer {
    fn of(base_url: &str, TokenDetails { token, owner }: TokenDetails) -> Self {
        let href = format!("{base_url}/api/v1/api-tokens/{}", token.id);
        Self {
            id: Id::of(&token.id),
            role: token.role.name().to_owned(),
            extension_points: token
                .role
                .extension_points()
                .map(|points| points.iter().map(ToString::to_string).collect()),
            name: token.name,
            user_id: Id::of(owner),
            client_name: "Tenterhook API",
            network: Network { connection: CONNECTION },
            created: Date(token.created),
            last_updated: Date(token.last_used.unwrap_or(token.created)),
            link: SelfLink { itself: Link::allowing(href, &["GET", "PUT", "DELETE"]) },
            last_used: token.last_used.map(Date),
            expires_at: token.expires.map(Date),
        }
    }
}

/// A new API token: the only answer that has its text.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "NewApiToken"))]
#[serde(rename_all = "camelCase")]
pub(super) struct NewTokenAnswer {
    #[serde(flatten)]
    details: TokenAnswer,
    /// The token, shown this once.
    token: String,
    /// How it is sent: `Authorization: SSWS` and the token.
    token_type: &'static str,
}

impl Listed for TokenAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<TokenAnswer>, ApiError> {
    let (after, limit) = read_page::<ApiTokenId>(call.query(), "api-tokens", &[])?;
    // One more than the page has tells whether there is another.
    let tokens = api_tokens::list(call.platform(), call.administrator(), after.as_ref(), limit + 1).await?;
    Ok(page(&call, tokens.into_iter().map(|token| TokenAnswer::of(call.base_url(), token)).collect(), limit))
}

async fn create(call: Call<Body<TokenBody>>) -> Result<Created<NewTokenAnswer>, ApiError> {
    let (details, token) = api_tokens::create(call.platform(), call.administrator(), &call.body.0).await?;
    let details = TokenAnswer::of(call.base_url(), details);
    Ok(Created(NewTokenAnswer { details, token: token.expose().to_owned(), token_type: "SSWS" }))
}

async fn retrieve(call: Call) -> Result<Json<TokenAnswer>, ApiError> {
    let token = api_tokens::get(call.platform(), call.administrator(), call.id("apiTokenId")).await?;
    Ok(Json(TokenAnswer::of(call.base_url(), token)))
}

async fn update(call: Call<Body<TokenBody>>) -> Result<Json<TokenAnswer>, ApiError> {
    let id = call.id("apiTokenId");
    let token = api_tokens::update(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(TokenAnswer::of(call.base_url(), token)))
}

async fn revoke(call: Call) -> Result<NoContent, ApiError> {
    api_tokens::revoke(call.platform(), call.administrator(), call.id("apiTokenId")).await?;
    Ok(NoContent)
}

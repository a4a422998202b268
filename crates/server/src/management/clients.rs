//! OAuth clients, with the names of RFC 7591.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;
use tenterhook_management::{
    clients::{self, ClientRequest},
    request::Given,
};
use tenterhook_model::{self as model, OAuthClient};

use super::{
    answer::{Created, Id, List, NoContent, SelfLink, Status},
    call::{Body, Call, ResourceBody},
    members::Members,
    paging::{Listed, listed},
    route::Routes,
};
use crate::error::ApiError;

pub(super) fn routes() -> Routes {
    const CLIENTS: &str = "/oauth2/v1/clients";
    const CLIENT: &str = "/oauth2/v1/clients/{clientId}";
    Routes::of("OAuth clients", "okta.clients")
        .get(CLIENTS, "listClients", list)
        .post(CLIENTS, "createClient", create)
        .get(CLIENT, "getClient", retrieve)
        .put(CLIENT, "replaceClient", replace)
        .delete(CLIENT, "deleteClient", delete)
        .post("/oauth2/v1/clients/{clientId}/lifecycle/newSecret", "renewClientSecret", renew_secret)
        .post("/oauth2/v1/clients/{clientId}/lifecycle/activate", "activateClient", activate)
        .post("/oauth2/v1/clients/{clientId}/lifecycle/deactivate", "deactivateClient", deactivate)
}

/// A client as it is written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ClientRequest"))]
pub(super) struct ClientBody {
    /// For people.
    client_name: Given<String>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<ApplicationType>"))]
    application_type: Given<String>,
    /// Absolute URIs, or those of a native app's scheme.
    #[serde(default)]
    redirect_uris: Given<Vec<String>>,
    #[cfg_attr(feature = "schema", schemars(with = "Vec<GrantType>"))]
    grant_types: Given<Vec<String>>,
    /// `code` for `authorization_code`, `token` for `client_credentials` and `password`.
    #[serde(default)]
    response_types: Given<Vec<String>>,
    /// `client_secret_basic` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<AuthenticationMethod>"))]
    token_endpoint_auth_method: Given<String>,
    /// That of the client: only `lifecycle` operations change it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
}

impl ResourceBody for ClientBody {
    const MEMBERS: Members = Members {
        taken: &[
            "client_name",
            "application_type",
            "redirect_uris",
            "grant_types",
            "response_types",
            "token_endpoint_auth_method",
            "status",
        ],
        read_only: &["client_id", "client_id_issued_at", "client_secret_expires_at", "_links"],
        refused: &[("client_secret", "The secret is made by the server")],
    };
    type Request = ClientRequest;

    fn into_request(self) -> ClientRequest {
        ClientRequest {
            name: self.client_name,
            application_type: self.application_type,
            redirect_uris: self.redirect_uris,
            grant_types: self.grant_types,
            response_types: self.response_types,
            token_endpoint_auth_method: self.token_endpoint_auth_method,
            status: self.status,
        }
    }
}

/// A client as it is shown.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Client"))]
pub(super) struct ClientAnswer {
    client_id: Id,
    /// Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Seconds since 1970.
    client_id_issued_at: i64,
    /// 0, for secrets do not expire; absent where no secret is shown (RFC 7591 section 3.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    client_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<ApplicationType>,
    redirect_uris: Vec<String>,
    response_types: Vec<String>,
    grant_types: Vec<String>,
    token_endpoint_auth_method: AuthenticationMethod,
    /// Moved by the lifecycle calls only.
    status: Status,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// What runs as a client; for people, nothing is decided by it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum ApplicationType {
    Web,
    Native,
    Browser,
    Service,
}

impl From<model::ApplicationType> for ApplicationType {
    fn from(kind: model::ApplicationType) -> Self {
        match kind {
            model::ApplicationType::Web => Self::Web,
            model::ApplicationType::Native => Self::Native,
            model::ApplicationType::Browser => Self::Browser,
            model::ApplicationType::Service => Self::Service,
        }
    }
}

/// How a client authenticates at the token endpoint.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum AuthenticationMethod {
    ClientSecretBasic,
    ClientSecretPost,
    /// A public client: PKCE instead (RFC 7636).
    None,
}

impl From<model::ClientAuthenticationMethod> for AuthenticationMethod {
    fn from(method: model::ClientAuthenticationMethod) -> Self {
        match method {
            model::ClientAuthenticationMethod::ClientSecretBasic => Self::ClientSecretBasic,
            model::ClientAuthenticationMethod::ClientSecretPost => Self::ClientSecretPost,
            model::ClientAuthenticationMethod::None => Self::None,
        }
    }
}

/// How a client gets tokens.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum GrantType {
    AuthorizationCode,
    ClientCredentials,
    RefreshToken,
}

impl ClientAnswer {
    fn of(base_url: &str, client: OAuthClient, secret: Option<&Secret>) -> Self {
        Self {
            links: SelfLink::to(format!("{base_url}/oauth2/v1/clients/{}", client.id)),
            status: client.status.into(),
            client_secret_expires_at: secret.map(|_| 0),
            client_id: Id::of(&client.id),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            client_id_issued_at: client.created.as_seconds(),
            client_name: client.name,
            application_type: client.application_type.map(ApplicationType::from),
            redirect_uris: client.redirect_uris,
            response_types: client.response_types,
            grant_types: client.grant_types,
            token_endpoint_auth_method: client.authentication.into(),
        }
    }
}

impl Listed for ClientAnswer {
    const IS_SEARCHED: bool = true;

    fn id(&self) -> &str {
        &self.client_id.0
    }

    fn searched(&self) -> Vec<&str> {
        vec![&self.client_name]
    }
}

async fn list(call: Call) -> Result<List<ClientAnswer>, ApiError> {
    let clients = clients::list(call.platform(), call.administrator())?;
    listed(&call, clients.into_iter().map(|client| ClientAnswer::of(call.base_url(), client, None)))
}

async fn create(call: Call<Body<ClientBody>>) -> Result<Created<ClientAnswer>, ApiError> {
    let (client, secret) = clients::create(call.platform(), call.administrator(), &call.body.0).await?;
    Ok(Created(ClientAnswer::of(call.base_url(), client, secret.as_ref())))
}

async fn retrieve(call: Call) -> Result<Json<ClientAnswer>, ApiError> {
    let client = clients::get(call.platform(), call.administrator(), call.id("clientId"))?;
    Ok(Json(ClientAnswer::of(call.base_url(), client, None)))
}

async fn replace(call: Call<Body<ClientBody>>) -> Result<Json<ClientAnswer>, ApiError> {
    let id = call.id("clientId");
    let (client, secret) = clients::replace(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json(ClientAnswer::of(call.base_url(), client, secret.as_ref())))
}

async fn renew_secret(call: Call) -> Result<Json<ClientAnswer>, ApiError> {
    let id = call.id("clientId");
    let (client, secret) = clients::renew_secret(call.platform(), call.administrator(), id).await?;
    Ok(Json(ClientAnswer::of(call.base_url(), client, Some(&secret))))
}

async fn delete(call: Call) -> Result<NoContent, ApiError> {
    clients::delete(call.platform(), call.administrator(), call.id("clientId")).await?;
    Ok(NoContent)
}

async fn activate(call: Call) -> Result<NoContent, ApiError> {
    clients::activate(call.platform(), call.administrator(), call.id("clientId")).await?;
    Ok(NoContent)
}

async fn deactivate(call: Call) -> Result<NoContent, ApiError> {
    clients::deactivate(call.platform(), call.administrator(), call.id("clientId")).await?;
    Ok(NoContent)
}

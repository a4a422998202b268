//! Authorization servers and OAuth clients: the part of the vendor's API that puts a token hook into a flow.

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde_json::Value;
use tenterhook_flows::authorization_servers::{
    Creation, get_rule, get_server, list_claims, list_clients, list_policies, list_rules, list_scopes, list_servers,
};

use super::{Admin, JsonBody, paging::list};
use crate::{App, error::ApiError};

pub(super) fn routes() -> Router<App> {
    const SERVERS: &str = "/api/v1/authorizationServers";
    Router::new()
        .route(SERVERS, get(servers).post(create_server))
        .route(&format!("{SERVERS}/{{id}}"), get(server))
        .route(&format!("{SERVERS}/{{id}}/scopes"), get(scopes).post(create_scope))
        .route(&format!("{SERVERS}/{{id}}/claims"), get(claims).post(create_claim))
        .route(&format!("{SERVERS}/{{id}}/policies"), get(policies).post(create_policy))
        .route(&format!("{SERVERS}/{{id}}/policies/{{policy}}/rules"), get(rules).post(create_rule))
        .route(&format!("{SERVERS}/{{id}}/policies/{{policy}}/rules/{{rule}}"), get(rule).put(replace_rule))
        .route("/oauth2/v1/clients", get(clients).post(create_client))
}

type Answer = Result<Json<Value>, ApiError>;
type Created = Result<(StatusCode, Json<Value>), ApiError>;

type List = Result<Response, ApiError>;

async fn servers(State(app): State<App>, Admin(admin): Admin, RawQuery(raw): RawQuery) -> List {
    let servers = list_servers(&*app.platform.org_of(&admin)?);
    list(&admin.caller, raw.as_deref(), ("id", &["name", "audiences"]), &servers)
}

async fn server(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>) -> Answer {
    Ok(Json(get_server(&*app.platform.org_of(&admin)?, &id)?))
}

async fn scopes(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, RawQuery(raw): RawQuery) -> List {
    let scopes = list_scopes(&*app.platform.org_of(&admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("id", &["name"]), &scopes)
}

async fn claims(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, RawQuery(raw): RawQuery) -> List {
    let claims = list_claims(&*app.platform.org_of(&admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("id", &[]), &claims)
}

async fn policies(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
) -> List {
    let policies = list_policies(&*app.platform.org_of(&admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("id", &[]), &policies)
}

async fn rules(
    State(app): State<App>,
    Admin(admin): Admin,
    Path((id, policy)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> List {
    let rules = list_rules(&*app.platform.org_of(&admin)?, &id, &policy)?;
    list(&admin.caller, raw.as_deref(), ("id", &[]), &rules)
}

type RulePath = Path<(String, String, String)>;

async fn rule(State(app): State<App>, Admin(admin): Admin, Path((id, policy, rule)): RulePath) -> Answer {
    Ok(Json(get_rule(&*app.platform.org_of(&admin)?, &id, &policy, &rule)?))
}

async fn replace_rule(
    State(app): State<App>,
    Admin(admin): Admin,
    Path((id, policy, rule)): RulePath,
    body: JsonBody,
) -> Answer {
    Ok(Json(app.platform.replace_rule(&admin, (&id, &policy, &rule), &body.value).await?))
}

async fn clients(State(app): State<App>, Admin(admin): Admin, RawQuery(raw): RawQuery) -> List {
    let clients = list_clients(&*app.platform.org_of(&admin)?);
    list(&admin.caller, raw.as_deref(), ("client_id", &["client_name"]), &clients)
}

async fn create_client(State(app): State<App>, Admin(admin): Admin, body: JsonBody) -> Created {
    Ok((StatusCode::CREATED, Json(app.platform.create_client(&admin, &body.value).await?)))
}

async fn create_server(State(app): State<App>, Admin(admin): Admin, body: JsonBody) -> Created {
    Ok((StatusCode::CREATED, Json(app.platform.create_authorization_server(&admin, &body.value).await?)))
}

async fn create_scope(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Created {
    create(&app, &admin, &id, Creation::Scope, &body).await
}

async fn create_claim(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Created {
    create(&app, &admin, &id, Creation::Claim, &body).await
}

async fn create_policy(State(app): State<App>, admin: Admin, Path(id): Path<String>, body: JsonBody) -> Created {
    create(&app, &admin, &id, Creation::Policy, &body).await
}

async fn create_rule(
    State(app): State<App>,
    admin: Admin,
    Path((id, policy)): Path<(String, String)>,
    body: JsonBody,
) -> Created {
    create(&app, &admin, &id, Creation::Rule(&policy), &body).await
}

async fn create(app: &App, Admin(admin): &Admin, id: &str, creation: Creation<'_>, body: &JsonBody) -> Created {
    let made = app.platform.create_below_server(admin, id, creation, &body.value).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

//! Authorization servers and OAuth clients: the part of the vendor's API that puts a token hook into a flow.

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde_json::Value;
use tenterhook_management::{
    administrator,
    authorization_servers::{
        self, Creation, Place, get_at_server, get_client, list_claims, list_clients, list_policies, list_rules,
        list_scopes, list_servers,
    },
    signing_keys::{self, list_keys},
};
use tenterhook_model::Status;

use super::{Admin, JsonBody, paging::list};
use crate::{App, error::ApiError};

pub(super) fn routes() -> Router<App> {
    const SERVERS: &str = "/api/v1/authorizationServers";
    let server = format!("{SERVERS}/{{id}}");
    let policies = format!("{server}/policies");
    let rules = format!("{policies}/{{policy}}/rules");
    let mut router = Router::new()
        .route(SERVERS, get(servers).post(create_server))
        .route(&format!("{server}/scopes"), get(scopes).post(create_scope))
        .route(&format!("{server}/claims"), get(claims).post(create_claim))
        .route(&policies, get(self::policies).post(create_policy))
        .route(&rules, get(self::rules).post(create_rule))
        .route(&format!("{server}/credentials/keys"), get(keys))
        .route(&format!("{server}/credentials/lifecycle/keyRotate"), post(rotate_key))
        .route("/oauth2/v1/clients", get(clients).post(create_client))
        .route("/oauth2/v1/clients/{id}", get(client));
    let (policy, rule) = (format!("{policies}/{{policy}}"), format!("{rules}/{{rule}}"));
    for path in [&server, &format!("{server}/scopes/{{scope}}"), &format!("{server}/claims/{{claim}}"), &policy, &rule]
    {
        router = router.route(path, get(retrieve).put(replace).delete(delete));
    }
    for path in [&server, &policy, &rule] {
        router = router
            .route(&format!("{path}/lifecycle/activate"), post(activate))
            .route(&format!("{path}/lifecycle/deactivate"), post(deactivate));
    }
    router
}

type Answer = Result<Json<Value>, ApiError>;
type Created = Result<(StatusCode, Json<Value>), ApiError>;
type Done = Result<StatusCode, ApiError>;
type List = Result<Response, ApiError>;
/// The ids of a path by the names that the routes give them.
type Ids = Path<HashMap<String, String>>;

/// The authorization server of a path, and what of it the path names.
fn place(ids: &HashMap<String, String>) -> (&str, Place<'_>) {
    let id = |name: &str| ids.get(name).map(String::as_str);
    let place = match (id("policy"), id("rule"), id("scope"), id("claim")) {
        (Some(policy), Some(rule), ..) => Place::Rule(policy, rule),
        (Some(policy), ..) => Place::Policy(policy),
        (_, _, Some(scope), _) => Place::Scope(scope),
        (.., Some(claim)) => Place::Claim(claim),
        _ => Place::Server,
    };
    (id("id").unwrap_or_default(), place)
}

async fn retrieve(State(app): State<App>, Admin(admin): Admin, Path(ids): Ids) -> Answer {
    let (server, place) = place(&ids);
    Ok(Json(get_at_server(&*administrator::org_of(&app.platform, &admin)?, server, place)?))
}

async fn replace(State(app): State<App>, Admin(admin): Admin, Path(ids): Ids, body: JsonBody) -> Answer {
    Ok(Json(authorization_servers::replace_at(&app.platform, &admin, place(&ids), &body.value).await?))
}

async fn delete(State(app): State<App>, Admin(admin): Admin, Path(ids): Ids) -> Done {
    authorization_servers::delete_at(&app.platform, &admin, place(&ids)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn activate(State(app): State<App>, Admin(admin): Admin, Path(ids): Ids) -> Done {
    authorization_servers::set_status_at(&app.platform, &admin, place(&ids), Status::Active).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn deactivate(State(app): State<App>, Admin(admin): Admin, Path(ids): Ids) -> Done {
    authorization_servers::set_status_at(&app.platform, &admin, place(&ids), Status::Inactive).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn servers(State(app): State<App>, Admin(admin): Admin, RawQuery(raw): RawQuery) -> List {
    let servers = list_servers(&*administrator::org_of(&app.platform, &admin)?);
    list(&admin.caller, raw.as_deref(), ("id", &["name", "audiences"]), &servers)
}

async fn scopes(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, RawQuery(raw): RawQuery) -> List {
    let scopes = list_scopes(&*administrator::org_of(&app.platform, &admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("id", &["name"]), &scopes)
}

async fn claims(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, RawQuery(raw): RawQuery) -> List {
    let claims = list_claims(&*administrator::org_of(&app.platform, &admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("id", &[]), &claims)
}

async fn policies(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
) -> List {
    let policies = list_policies(&*administrator::org_of(&app.platform, &admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("id", &[]), &policies)
}

async fn rules(
    State(app): State<App>,
    Admin(admin): Admin,
    Path((id, policy)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> List {
    let rules = list_rules(&*administrator::org_of(&app.platform, &admin)?, &id, &policy)?;
    list(&admin.caller, raw.as_deref(), ("id", &[]), &rules)
}

async fn keys(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, RawQuery(raw): RawQuery) -> List {
    let keys = list_keys(&*administrator::org_of(&app.platform, &admin)?, &id)?;
    list(&admin.caller, raw.as_deref(), ("kid", &[]), &keys)
}

async fn rotate_key(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>, body: JsonBody) -> Answer {
    Ok(Json(signing_keys::rotate(&app.platform, &admin, &id, &body.value).await?))
}

async fn clients(State(app): State<App>, Admin(admin): Admin, RawQuery(raw): RawQuery) -> List {
    let clients = list_clients(&*administrator::org_of(&app.platform, &admin)?);
    list(&admin.caller, raw.as_deref(), ("client_id", &["client_name"]), &clients)
}

async fn client(State(app): State<App>, Admin(admin): Admin, Path(id): Path<String>) -> Answer {
    Ok(Json(get_client(&*administrator::org_of(&app.platform, &admin)?, &id)?))
}

async fn create_client(State(app): State<App>, Admin(admin): Admin, body: JsonBody) -> Created {
    Ok((StatusCode::CREATED, Json(authorization_servers::create_client(&app.platform, &admin, &body.value).await?)))
}

async fn create_server(State(app): State<App>, Admin(admin): Admin, body: JsonBody) -> Created {
    Ok((StatusCode::CREATED, Json(authorization_servers::create(&app.platform, &admin, &body.value).await?)))
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
    let made = authorization_servers::create_below(&app.platform, admin, id, creation, &body.value).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

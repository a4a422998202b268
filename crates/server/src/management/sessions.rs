//! Sessions: those of administrators' clients by their ids, and that of the browser by its cookie.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;
use tenterhook_flows::{authn, commitment::Commitment};
use tenterhook_management::{
    administrator::ManagementError,
    request::Given,
    sessions::{self, not_found},
};
use tenterhook_model::ErrorCode;
use tenterhook_platform::sessions::OpenSession;

use super::{
    answer::{Date, Id, Link, NoContent},
    call::{Body, Call, NoBody, OptionalJsonBody, ResourceBody},
    members::Members,
    paging::only,
    query,
    route::Routes,
    users::unsupported,
    visitor::Visitor,
};
use crate::error::ApiError;

/// What the path calls the session of the browser.
const ME: &str = "me";

/// The routes that need a token.
pub(super) fn routes() -> Routes {
    Routes::of("Sessions", "okta.sessions")
        .post("/api/v1/sessions", "createSession", create)
        .get("/api/v1/sessions/{sessionId}", "getSession", retrieve)
        .delete("/api/v1/sessions/{sessionId}", "revokeSession", close)
        .post("/api/v1/sessions/{sessionId}/lifecycle/refresh", "refreshSession", refresh)
}

/// The routes of browsers, which send a cookie.
pub(super) fn public_routes() -> Routes {
    Routes::of("Sessions", "okta.sessions")
        .get("/api/v1/sessions/me", "getCurrentSession", retrieve_own)
        .delete("/api/v1/sessions/me", "closeCurrentSession", close_own)
        .post("/api/v1/sessions/me/lifecycle/refresh", "refreshCurrentSession", refresh_own)
}

/// What a session is made of.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CreateSessionRequest"))]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    /// The session token of a primary authentication. It works once.
    #[serde(default)]
    session_token: Given<String>,
}

impl ResourceBody for SessionBody {
    const MEMBERS: Members = Members {
        taken: &["sessionToken"],
        read_only: &[],
        refused: &[
            ("username", "Ask `/api/v1/authn` for a session token"),
            ("password", "Ask `/api/v1/authn` for a session token"),
        ],
    };
    type Request = Given<Secret>;

    fn into_request(self) -> Given<Secret> {
        self.session_token.map(Secret::new)
    }
}

/// A session.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Session"))]
#[serde(rename_all = "camelCase")]
struct SessionAnswer {
    id: Id,
    login: String,
    user_id: Id,
    created_at: Date,
    expires_at: Date,
    /// `ACTIVE`.
    status: &'static str,
    last_password_verification: Date,
    /// Null without a second factor.
    last_factor_verification: Option<Date>,
    /// How the user has signed in (RFC 8176).
    amr: Vec<&'static str>,
    idp: IdentityProvider,
    /// Whether the user has an active factor.
    mfa_active: bool,
    #[serde(rename = "_links")]
    links: SessionLinks,
}

/// Where the user of a session was authenticated.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "SessionIdentityProvider"))]
struct IdentityProvider {
    /// The id of the org.
    id: Id,
    /// `OKTA`.
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct SessionLinks {
    #[serde(rename = "self")]
    itself: Link,
    refresh: Link,
    user: Link,
}

impl SessionAnswer {
    /// `name` is what its path calls it.
    fn of(base_url: &str, name: &str, open: OpenSession) -> Self {
        let OpenSession { session, user, mfa_active } = open;
        let own = format!("{base_url}/api/v1/sessions/{name}");
        Self {
            links: SessionLinks {
                refresh: Link::allowing(format!("{own}/lifecycle/refresh"), &["POST"]),
                itself: Link::allowing(own, &["GET", "DELETE"]),
                user: Link::allowing(format!("{base_url}/api/v1/users/{}", user.id), &["GET"]),
            },
            id: Id::of(&session.id),
            login: user.profile.login,
            user_id: Id::of(&user.id),
            created_at: Date(session.created),
            expires_at: Date(session.expires),
            status: "ACTIVE",
            last_password_verification: Date(session.last_password_verification),
            last_factor_verification: session.factor.map(|factor| Date(factor.at)),
            amr: session.methods().iter().map(|method| method.code()).collect(),
            idp: IdentityProvider { id: Id::of(&session.org_id), kind: "OKTA" },
            mfa_active,
        }
    }
}

async fn create(call: Call<Body<SessionBody>>) -> Result<Json<SessionAnswer>, ApiError> {
    query::check("query", unsupported(call.query(), &["additionalFields"]))?;
    let (administrator, submitted) = (call.administrator(), &call.body.0);
    let token = match (&submitted.request, submitted.unsupported.is_empty()) {
        (Given::Is(token), true) => token,
        (_, true) => return Err(ManagementError::field("sessionToken", "The field cannot be left blank").into()),
        (_, false) => {
            let (subject, causes) = ("session".to_owned(), submitted.unsupported.clone());
            return Err(ManagementError::Invalid { subject, causes }.into());
        }
    };
    let (platform, org, caller) = (call.platform(), &administrator.org, &administrator.caller);
    // The request runs to its end in any case.
    let begun = authn::begin_session_of_token(platform, org, caller, (token, None), &Commitment::begun()).await?;
    let open = match begun {
        Some(cookie) => platform.session_of_cookie(org, cookie.expose()).await?,
        None => None,
    };
    let open = open.ok_or(ApiError::Authn(ErrorCode::AuthenticationFailed, Vec::new()))?;
    let name = open.session.id.to_string();
    Ok(Json(SessionAnswer::of(call.base_url(), &name, open)))
}

async fn retrieve(call: Call) -> Result<Json<SessionAnswer>, ApiError> {
    only(call.query(), &[])?;
    let id = call.id("sessionId");
    let open = sessions::get(call.platform(), call.administrator(), id).await?;
    Ok(Json(SessionAnswer::of(call.base_url(), id, open)))
}

async fn refresh(call: Call<OptionalJsonBody>) -> Result<Json<SessionAnswer>, ApiError> {
    let id = call.id("sessionId");
    let open = sessions::refresh(call.platform(), call.administrator(), id).await?;
    Ok(Json(SessionAnswer::of(call.base_url(), id, open)))
}

async fn close(call: Call) -> Result<NoContent, ApiError> {
    sessions::close(call.platform(), call.administrator(), call.id("sessionId")).await?;
    Ok(NoContent)
}

/// The session of the browser that sent the request.
async fn own<B>(call: &Call<B, Visitor>) -> Result<OpenSession, ApiError> {
    let Visitor { org, cookie, .. } = &call.who;
    let open = match cookie {
        Some(cookie) => call.platform().session_of_cookie(org, cookie.expose()).await?,
        None => None,
    };
    open.ok_or_else(|| not_found(ME).into())
}

async fn retrieve_own(call: Call<NoBody, Visitor>) -> Result<Json<SessionAnswer>, ApiError> {
    let open = own(&call).await?;
    Ok(Json(SessionAnswer::of(&call.who.caller.base_url, ME, open)))
}

async fn refresh_own(call: Call<OptionalJsonBody, Visitor>) -> Result<Json<SessionAnswer>, ApiError> {
    let open = own(&call).await?;
    let refreshed = call.platform().refresh_session(open).await?.ok_or_else(|| not_found(ME))?;
    Ok(Json(SessionAnswer::of(&call.who.caller.base_url, ME, refreshed)))
}

async fn close_own(call: Call<NoBody, Visitor>) -> Result<NoContent, ApiError> {
    let open = own(&call).await?;
    let Visitor { org, caller, commitment, .. } = &call.who;
    authn::close_session(call.platform(), org, caller, &open, commitment).await?;
    Ok(NoContent)
}

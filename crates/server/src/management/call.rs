//! A request of the management API as its handler gets it: the requester, the ids of the path, the query, the body.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::{Body as HttpBody, Bytes, HttpBody as _},
    extract::{FromRequestParts, Path, Request},
    http::{header, request::Parts},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use tenterhook_contract::HookTypeName;
use tenterhook_management::{
    administrator::Administrator,
    request::{Given, Named, Submitted},
};
use tenterhook_model::ApiToken;
use tenterhook_platform::{Caller, OrgSnapshot, Platform};
use tokio::time::Instant;

use super::{Presented, answer::Described, members::Members, ssws};
use crate::{
    App,
    edge::Arrived,
    error::{ApiError, TokenProblem},
    patience::{self, Unread},
    plain_text::member_with_nul,
};

/// Bytes of a body of the management API.
pub(crate) const BODY_BYTES_MAX: usize = 512 * 1_024;

/// One request, as its handler gets it.
pub(crate) struct Call<B = NoBody, W = Admin> {
    pub(crate) app: App,
    pub(crate) who: W,
    pub(super) ids: HashMap<String, String>,
    pub(crate) query: Option<String>,
    pub(crate) body: B,
}

impl<B, W> Call<B, W> {
    pub(super) async fn ids_of(parts: &mut Parts) -> Result<HashMap<String, String>, ApiError> {
        let ids = Path::<HashMap<String, String>>::from_request_parts(parts, &()).await;
        ids.map(|Path(ids)| ids).map_err(|_| ApiError::UnknownPath)
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.app.platform
    }

    /// The id that the path of the route calls so.
    pub(crate) fn id(&self, name: &str) -> &str {
        self.ids.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

impl<B> Call<B, Admin> {
    pub(crate) fn administrator(&self) -> &Administrator {
        &self.who.0
    }

    /// Base URL of the org, without a trailing slash.
    pub(crate) fn base_url(&self) -> &str {
        &self.who.0.caller.base_url
    }
}

/// The kind of requester that an operation is open to.
pub(crate) trait Who: FromRequestParts<App, Rejection = ApiError> + Send + 'static {
    const NEEDS_TOKEN: bool;
    /// Whether tokens of hosts may use the operation.
    const TAKES_HOSTS: bool = false;
}

/// An authenticated administrator.
pub(crate) struct Admin(pub(crate) Administrator);

impl Who for Admin {
    const NEEDS_TOKEN: bool = true;
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Host { caller, token, org, .. } = Host::from_request_parts(parts, app).await?;
        if !token.is_administrator() {
            return Err(refusal(&token));
        }
        Ok(Self(Administrator { caller, token: Arc::unwrap_or_clone(token), org }))
    }
}

/// Whoever may invoke an extension point: a host, with a token that is for certain points only, or an administrator.
pub(crate) struct Host {
    /// The request.
    pub(crate) caller: Caller,
    /// Its API token.
    pub(crate) token: Arc<ApiToken>,
    /// The org when the request arrived, or since.
    pub(crate) org: Arc<OrgSnapshot>,
    /// When the head of the request arrived.
    pub(crate) arrived: Instant,
}

impl Host {
    /// Checks that the token may use the extension point of the path, which names it by `type_or_id`. `found` is the type of the
    /// point, if the org has it. A host is not told which other points there are, so it may not use one that does not exist
    /// either.
    ///
    /// # Errors
    /// 403, which says what the token may do.
    pub(crate) fn check_may_use(&self, type_or_id: &str, found: Option<&HookTypeName>) -> Result<(), ApiError> {
        let point = found.map_or(type_or_id, HookTypeName::as_str);
        if self.token.may_use(point) { Ok(()) } else { Err(refusal(&self.token)) }
    }
}

impl Who for Host {
    const NEEDS_TOKEN: bool = true;
    const TAKES_HOSTS: bool = true;
}

impl FromRequestParts<App> for Host {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or(ApiError::UnknownPath)?;
        let org = parts.extensions.get::<Arc<OrgSnapshot>>().cloned().ok_or(ApiError::UnknownPath)?;
        let presented = parts.extensions.get::<Presented>().and_then(|presented| presented.0.clone());
        let no_token = || ApiError::InvalidToken(ssws(&parts.headers).err().unwrap_or(TokenProblem::NotValid));
        let arrived = Arrived::of(&parts.extensions);
        Ok(Self { caller, token: presented.ok_or_else(no_token)?, org, arrived })
    }
}

/// The refusal of a token that may not do what it was sent for.
fn refusal(token: &ApiToken) -> ApiError {
    ApiError::OnlyForHost(token.role.extension_points().unwrap_or_default().to_vec())
}

/// Any requester; holds the org of the request.
pub(crate) struct Anybody(pub(crate) Arc<OrgSnapshot>);

impl Who for Anybody {
    const NEEDS_TOKEN: bool = false;
}

impl FromRequestParts<App> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        parts.extensions.get::<Arc<OrgSnapshot>>().cloned().map(Self).ok_or(ApiError::UnknownPath)
    }
}

/// A type that the body of a request is read into.
pub(crate) trait RequestBody: Sized + Send + 'static {
    fn read(request: Request) -> impl Future<Output = Result<Self, ApiError>> + Send;

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription>;
}

/// No body; whatever is sent is not read.
pub(crate) struct NoBody;

impl RequestBody for NoBody {
    async fn read(_: Request) -> Result<Self, ApiError> {
        Ok(Self)
    }

    #[cfg(feature = "schema")]
    fn describe(_: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription> {
        None
    }
}

/// The body of a resource as it is written.
///
/// Every member is a [`Given`](tenterhook_management::request::Given), or a struct of such members that is read with
/// [`below`]: reading never fails. [`Members`] has the same names as the struct, and those that are not read.
pub(crate) trait ResourceBody: DeserializeOwned + Default + Described + Send + 'static {
    /// Which members a body may have.
    const MEMBERS: Members;
    /// The request as the operations get it.
    type Request: Send;

    fn into_request(self) -> Self::Request;

    /// One text for each member that is not supported.
    fn unsupported(body: &Value) -> Vec<String> {
        Self::MEMBERS.problems(body)
    }
}

/// Reads the members of an object below another one; anything else has no members, and [`Members`] says what is wrong with it.
pub(crate) fn below<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(object(Value::deserialize(deserializer)?))
}

/// Like [`below`], but `None` when the member is absent. Null is read as an empty object.
pub(crate) fn below_if_given<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    below(deserializer).map(Some)
}

/// Reads a member that is a list of objects; an array in it is none, although a struct could be read of it.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Given<Vec<T>>, D::Error> {
    let given = Given::<Vec<Map<String, Value>>>::deserialize(deserializer)?;
    let Given::Is(items) = given else { return Ok(given.map(|_| Vec::new())) };
    let items = items.into_iter().map(|item| serde_json::from_value(Value::Object(item)));
    Ok(items.collect::<Result<_, _>>().map_or(Given::Wrong, Given::Is))
}

/// Reads a member that is an object with members of its own, and that may be named or not.
pub(crate) fn named_object<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<Named<T>, D::Error> {
    let named = Named::<Map<String, Value>>::deserialize(deserializer)?;
    Ok(named.map(|members| object(Value::Object(members))))
}

fn object<T: DeserializeOwned + Default>(value: Value) -> T {
    // A struct could be read of an array too.
    if value.is_object() { serde_json::from_value(value).unwrap_or_default() } else { T::default() }
}

/// A resource, as it was submitted.
pub(crate) struct Body<T: ResourceBody>(pub(crate) Submitted<T::Request>);

/// Reads a body.
pub(super) fn submitted<T: ResourceBody>(value: Value) -> Submitted<T::Request> {
    let (is_object, unsupported) = (value.is_object(), T::unsupported(&value));
    Submitted { request: object::<T>(value).into_request(), is_object, unsupported }
}

impl<T: ResourceBody> RequestBody for Body<T> {
    async fn read(request: Request) -> Result<Self, ApiError> {
        Ok(Self(submitted::<T>(JsonBody::read(request).await?.value)))
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription> {
        let schema = super::openapi::described::<T>(generator);
        Some(super::openapi::BodyDescription { schema, required: true })
    }
}

/// A body that may be left out; `{}` then.
pub(crate) struct OptionalBody<T: ResourceBody>(pub(crate) Submitted<T::Request>);

impl<T: ResourceBody> RequestBody for OptionalBody<T> {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let body = OptionalJsonBody::read(request).await?.0.unwrap_or_else(JsonBody::empty_object);
        Ok(Self(submitted::<T>(body.value)))
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription> {
        Body::<T>::describe(generator).map(|body| super::openapi::BodyDescription { required: false, ..body })
    }
}

/// A JSON body with its bytes.
pub(crate) struct JsonBody {
    pub(crate) value: Value,
    pub(crate) bytes: Bytes,
}

impl JsonBody {
    /// `{}`.
    pub(crate) fn empty_object() -> Self {
        Self { value: Value::Object(Map::new()), bytes: Bytes::from_static(b"{}") }
    }
}

/// The bytes of a JSON body, `bytes_max` at most.
pub(crate) async fn json_bytes(request: Request, bytes_max: usize) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = read_body(body, bytes_max).await?;
    if bytes.is_empty() {
        return Err(ApiError::MalformedBody);
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") { Ok(bytes) } else { Err(ApiError::BadMediaType) }
}

impl RequestBody for JsonBody {
    async fn read(request: Request) -> Result<Self, ApiError> {
        let bytes = json_bytes(request, BODY_BYTES_MAX).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| unparsable(&error))?;
        if let Some(place) = member_with_nul(&value) {
            return Err(ApiError::NulCharacter { subject: "body", place });
        }
        Ok(Self { value, bytes })
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription> {
        let schema = super::openapi::described::<Map<String, Value>>(generator);
        Some(super::openapi::BodyDescription { schema, required: true })
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalJsonBody(pub(crate) Option<JsonBody>);

impl RequestBody for OptionalJsonBody {
    async fn read(request: Request) -> Result<Self, ApiError> {
        if request.body().size_hint().exact() == Some(0) {
            return Ok(Self(None));
        }
        // A body of unknown length may be empty too.
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, BODY_BYTES_MAX).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let request = Request::from_parts(parts, HttpBody::from(bytes));
        Ok(Self(Some(JsonBody::read(request).await?)))
    }

    #[cfg(feature = "schema")]
    fn describe(generator: &mut schemars::SchemaGenerator) -> Option<super::openapi::BodyDescription> {
        JsonBody::describe(generator).map(|body| super::openapi::BodyDescription { required: false, ..body })
    }
}

/// The error of a body that could not be parsed.
pub(crate) fn unparsable(error: &serde_json::Error) -> ApiError {
    // serde_json has no kind for this error.
    if error.to_string().starts_with("recursion limit exceeded") {
        ApiError::BodyTooDeep
    } else {
        ApiError::MalformedBody
    }
}

async fn read_body(body: HttpBody, bytes_max: usize) -> Result<Bytes, ApiError> {
    patience::read(body, bytes_max).await.map_err(|unread| match unread {
        Unread::TooLarge => ApiError::BodyTooLarge,
        Unread::Late => ApiError::BodyTimeout,
        Unread::Broken => ApiError::MalformedBody,
    })
}

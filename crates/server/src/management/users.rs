//! Users.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{Secret, id::UserId};
use tenterhook_management::{
    request::Given,
    sessions,
    users::{
        self, Activated, HashRequest, HookRequest, LinkDelivery, PasswordRequest, ProfileChange, UserRequest,
        provider_of, user_type_of,
    },
};
use tenterhook_model::{Password, User, UserPage, UserQuery, UserStatus, UserTransition};

use super::{
    answer::{Date, Id, List, NoContent, Parameter, SelfLink, Shown},
    call::{Body, Call, OptionalJsonBody, ResourceBody, below},
    given,
    members::Members,
    paging::{Listed, only, page_until, read_page},
    query::{self, QueryProblem},
    route::Routes,
    user_search::condition,
};
use crate::error::ApiError;

const ACTIVATE: Parameter =
    Parameter { name: "activate", description: "Whether the user is activated: `true` or `false`" };
const TEMP_PASSWORD: Parameter = Parameter {
    name: "tempPassword",
    description: "Whether the user gets another password, which the answer shows: `true` or `false`",
};
const SEND_EMAIL: Parameter = Parameter {
    name: "sendEmail",
    description: "Whether the link goes to the user by mail, as it does without the parameter, or into the answer: `true` or \
                  `false`",
};
const SEND_EMAIL_AGAIN: Parameter = Parameter {
    name: "sendEmail",
    description: "Whether the link goes to the user by mail, or into the answer, as it does without the parameter: `true` or \
                  `false`",
};
const OAUTH_TOKENS: Parameter = Parameter {
    name: "oauthTokens",
    description: "Whether tokens that were issued in the sessions are revoked too: `true` or `false`",
};
const Q: Parameter = Parameter {
    name: "q",
    description: "Only users whose login, email, first name or last name begins with this text, in any case",
};
const SEARCH: Parameter = Parameter {
    name: "search",
    description: "Only users for whom this holds: conditions such as `status eq \"ACTIVE\"`, joined by `and`, `or` and parentheses, \
                  on `id` and `status` with `eq`, `created`, `activated`, `statusChanged` and `lastUpdated` with `eq`, `gt`, `ge`, \
                  `lt` or `le`, and `profile.login`, `profile.email`, `profile.firstName`, `profile.lastName` and \
                  `profile.externalId` with `eq`, `sw` or `pr`",
};
const FILTER: Parameter = Parameter { name: "filter", description: "The same conditions as in `search`" };

pub(super) fn routes() -> Routes {
    const USER: &str = "/api/v1/users/{userId}";
    Routes::of("Users", "okta.users")
        .get("/api/v1/users", "listUsers", list)
        .with(&[Q, SEARCH, FILTER])
        .post("/api/v1/users", "createUser", create)
        .with(&[ACTIVATE])
        .get(USER, "getUser", retrieve)
        .put(USER, "replaceUser", replace)
        .post(USER, "updateUser", merge)
        .delete(USER, "deleteUser", remove)
        .post("/api/v1/users/{userId}/lifecycle/activate", "activateUser", activate)
        .with(&[SEND_EMAIL])
        .post("/api/v1/users/{userId}/lifecycle/reactivate", "reactivateUser", reactivate)
        .with(&[SEND_EMAIL_AGAIN])
        .post("/api/v1/users/{userId}/lifecycle/deactivate", "deactivateUser", deactivate)
        .post("/api/v1/users/{userId}/lifecycle/suspend", "suspendUser", suspend)
        .post("/api/v1/users/{userId}/lifecycle/unsuspend", "unsuspendUser", unsuspend)
        .post("/api/v1/users/{userId}/lifecycle/unlock", "unlockUser", unlock)
        .post("/api/v1/users/{userId}/lifecycle/expire_password", "expirePassword", expire_password)
        .with(&[TEMP_PASSWORD])
        .post("/api/v1/users/{userId}/lifecycle/reset_password", "resetPassword", reset_password)
        .with(&[SEND_EMAIL])
        .post("/api/v1/users/{userId}/credentials/change_password", "changePassword", change_password)
        .delete("/api/v1/users/{userId}/sessions", "revokeUserSessions", clear_sessions)
        .with(&[OAUTH_TOKENS])
}

/// A user as it is written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserRequest"))]
pub(super) struct UserBody {
    /// The attributes. A new user needs `login`, `email`, `firstName`, `lastName`, and the required ones of the schema.
    #[serde(default)]
    profile: Given<Map<String, Value>>,
    #[serde(default, deserialize_with = "below")]
    credentials: CredentialsBody,
    #[serde(rename = "type", default, deserialize_with = "below")]
    user_type: UserTypeBody,
    /// That of the user: only `lifecycle` operations change it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    status: Given<String>,
}

/// How a user signs in.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserCredentialsRequest"))]
struct CredentialsBody {
    #[serde(default, deserialize_with = "below")]
    password: PasswordBody,
    #[serde(default, deserialize_with = "below")]
    provider: ProviderBody,
}

/// A password: either in clear, as a hash, or to be imported by the org's hook.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordRequest"))]
struct PasswordBody {
    /// The password, 288 bytes at most.
    #[serde(default)]
    value: Given<String>,
    #[serde(default)]
    hash: Given<HashBody>,
    #[serde(default)]
    hook: Given<HookBody>,
}

/// The org's password import hook verifies the password at the first sign-in.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordHookRequest"))]
struct HookBody {
    /// `default`.
    #[serde(rename = "type")]
    hook_type: Given<String>,
}

/// The hash of a password that another system made.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordHashRequest"))]
#[serde(rename_all = "camelCase")]
struct HashBody {
    #[cfg_attr(feature = "schema", schemars(with = "HashAlgorithm"))]
    algorithm: Given<String>,
    /// The hash in base64; of BCRYPT the 31 characters of its own base64.
    value: Given<String>,
    /// The salt in base64, 512 bytes at most; of BCRYPT the 22 characters of its own base64.
    #[serde(default)]
    salt: Given<String>,
    /// Of BCRYPT: 1 to 13.
    #[serde(default)]
    work_factor: Given<u8>,
    /// Whether the salt stands before or behind the password.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<SaltOrder>"))]
    salt_order: Given<String>,
    /// Of PBKDF2: 4096 to 2000000.
    #[serde(default)]
    iteration_count: Given<u32>,
    /// Of PBKDF2: the bytes of the hash, 16 to 128.
    #[serde(default)]
    key_size: Given<usize>,
    /// Of PBKDF2.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<DigestAlgorithm>"))]
    digest_algorithm: Given<String>,
}

/// How a hash is made.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "PasswordHashAlgorithm")]
#[expect(dead_code, reason = "only its schema is used")]
enum HashAlgorithm {
    #[serde(rename = "MD5")]
    Md5,
    #[serde(rename = "SHA-1")]
    Sha1,
    #[serde(rename = "SHA-256")]
    Sha256,
    #[serde(rename = "SHA-512")]
    Sha512,
    #[serde(rename = "PBKDF2")]
    Pbkdf2,
    #[serde(rename = "BCRYPT")]
    Bcrypt,
}

/// Where the salt stands.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "only its schema is used")]
enum SaltOrder {
    Prefix,
    Postfix,
}

/// The pseudorandom function of PBKDF2.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum DigestAlgorithm {
    #[serde(rename = "SHA256_HMAC")]
    Sha256,
    #[serde(rename = "SHA512_HMAC")]
    Sha512,
}

/// The start of a password reset.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct PasswordReset {
    /// The link for the user, which works once; absent when it was sent by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_password_url: Option<Shown>,
}

/// An activation.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Activation {
    /// The link for a user without a password, which works once; absent when it was sent by mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_url: Option<Shown>,
    /// The token in the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    activation_token: Option<Shown>,
}

impl Activation {
    fn of(activated: Activated) -> Self {
        match activated {
            Activated::Done => Self { activation_url: None, activation_token: None },
            Activated::Link { address, token } => {
                Self { activation_url: Some(Shown(address)), activation_token: Some(Shown(token)) }
            }
        }
    }
}

/// What verifies the credentials of a user.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserProviderRequest"))]
struct ProviderBody {
    /// `OKTA`; `IMPORT` of a user whose password a hook imports.
    #[serde(rename = "type", default)]
    provider_type: Given<String>,
    /// The same.
    #[serde(default)]
    name: Given<String>,
}

/// The type of a user.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserTypeRequest"))]
struct UserTypeBody {
    /// The id of the org's one type.
    #[serde(default)]
    id: Given<String>,
}

impl ResourceBody for UserBody {
    const MEMBERS: Members = Members {
        taken: &[
            "profile",
            "credentials.password.value",
            "credentials.password.hash.algorithm",
            "credentials.password.hash.value",
            "credentials.password.hash.salt",
            "credentials.password.hash.workFactor",
            "credentials.password.hash.saltOrder",
            "credentials.password.hash.iterationCount",
            "credentials.password.hash.keySize",
            "credentials.password.hash.digestAlgorithm",
            "credentials.password.hook.type",
            "credentials.provider.type",
            "credentials.provider.name",
            "type.id",
            "status",
        ],
        read_only: &[
            "id",
            "created",
            "activated",
            "statusChanged",
            "lastLogin",
            "lastUpdated",
            "passwordChanged",
            "transitioningToStatus",
            "_links",
            "_embedded",
        ],
        refused: &[
            ("credentials.recovery_question", "Recovery questions are not supported"),
            ("groupIds", "Add the user to each group with `PUT /api/v1/groups/GROUP/users/USER`"),
            ("realmId", "Realms are not supported"),
        ],
    };
    type Request = UserRequest;

    fn into_request(self) -> UserRequest {
        let CredentialsBody { password, provider } = self.credentials;
        UserRequest {
            profile: self.profile,
            password: password.value.map(Secret::new),
            password_hash: password.hash.map(|hash| HashRequest {
                algorithm: hash.algorithm,
                value: hash.value.map(Secret::new),
                salt: hash.salt.map(Secret::new),
                work_factor: hash.work_factor,
                salt_order: hash.salt_order,
                iteration_count: hash.iteration_count,
                key_size: hash.key_size,
                digest_algorithm: hash.digest_algorithm,
            }),
            password_hook: password.hook.map(|hook| HookRequest { hook_type: hook.hook_type }),
            provider_type: provider.provider_type,
            provider_name: provider.name,
            user_type: self.user_type.id,
            status: self.status,
        }
    }
}

/// A change of a password as it is written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordChangeRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordChangeBody {
    #[serde(default, deserialize_with = "below")]
    old_password: PasswordValueBody,
    #[serde(default, deserialize_with = "below")]
    new_password: PasswordValueBody,
}

/// A password in clear.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PasswordValueRequest"))]
struct PasswordValueBody {
    value: Given<String>,
}

impl ResourceBody for PasswordChangeBody {
    const MEMBERS: Members = Members {
        taken: &["oldPassword.value", "newPassword.value"],
        read_only: &[],
        refused: &[
            ("oldPassword.hash", "Give the `value`"),
            ("newPassword.hash", "Give the `value`; a hash is taken with the user"),
            ("newPassword.hook", "Give the `value`; a hook is taken with the user"),
            ("revokeSessions", "Sessions are not ended by a new password"),
        ],
    };
    type Request = PasswordRequest;

    fn into_request(self) -> PasswordRequest {
        PasswordRequest { old: self.old_password.value.map(Secret::new), new: self.new_password.value.map(Secret::new) }
    }
}

/// A user as it is shown.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "User"))]
#[serde(rename_all = "camelCase")]
pub(super) struct UserAnswer {
    id: Id,
    status: Status,
    created: Date,
    /// Null for a user that was never activated.
    activated: Option<Date>,
    /// Null while the status is the first one.
    status_changed: Option<Date>,
    last_updated: Date,
    /// Null for a user without a password.
    password_changed: Option<Date>,
    #[serde(rename = "type")]
    user_type: UserType,
    profile: Profile,
    credentials: Credentials,
    #[serde(rename = "_links")]
    links: SelfLink,
}

/// The status of a user. Only an active user can sign in.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserStatus"))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Staged,
    Provisioned,
    Active,
    Recovery,
    PasswordExpired,
    LockedOut,
    Suspended,
    Deprovisioned,
}

/// The one type of an org's users.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct UserType {
    id: Id,
}

/// The attributes of a user: the base ones first, then the others that are set.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Profile(Map<String, Value>);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Profile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserProfile".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        use tenterhook_contract::profile::ProfileSchema;
        let base = ProfileSchema::base();
        let text = |name: &String| (name.clone(), serde_json::json!({ "type": "string" }));
        let properties: Map<_, _> = base.attributes().map(|attribute| text(&attribute.name)).collect();
        let required: Vec<_> = base.attributes().filter(|attribute| attribute.required).map(|a| &a.name).collect();
        schemars::json_schema!({
            "description": "The attributes of a user: base attributes, and those of the org's profile schema.",
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": true,
        })
    }
}

/// How a user signs in.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserCredentials"))]
pub(super) struct Credentials {
    /// Absent when there is no password.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<NoMembers>,
    provider: Provider,
}

/// An empty object.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Empty"))]
pub(super) struct NoMembers {}

/// The answer to `expire_password`.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ExpiredPassword"))]
#[serde(untagged)]
enum ExpiredAnswer {
    User(Box<UserAnswer>),
    /// With `tempPassword=true`.
    #[serde(rename_all = "camelCase")]
    Temporary {
        /// The password that was made for the user, shown once.
        temp_password: Shown,
    },
}

/// What verifies the credentials of a user.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserProvider"))]
struct Provider {
    #[serde(rename = "type")]
    provider_type: &'static str,
    name: &'static str,
}

impl From<UserStatus> for Status {
    fn from(status: UserStatus) -> Self {
        match status {
            UserStatus::Staged => Self::Staged,
            UserStatus::Provisioned => Self::Provisioned,
            UserStatus::Active => Self::Active,
            UserStatus::Recovery => Self::Recovery,
            UserStatus::PasswordExpired => Self::PasswordExpired,
            UserStatus::LockedOut => Self::LockedOut,
            UserStatus::Suspended => Self::Suspended,
            UserStatus::Deprovisioned => Self::Deprovisioned,
        }
    }
}

impl From<&Password> for Credentials {
    fn from(password: &Password) -> Self {
        let provider = provider_of(password);
        let password = match password {
            Password::None => None,
            Password::Hash { .. } | Password::ImportByHook => Some(NoMembers {}),
        };
        Self { password, provider: Provider { provider_type: provider, name: provider } }
    }
}

impl UserAnswer {
    pub(super) fn of(base_url: &str, user: &User) -> Self {
        Self {
            id: Id::of(&user.id),
            status: user.status.into(),
            created: Date(user.created),
            activated: user.activated.map(Date),
            status_changed: user.status_changed.map(Date),
            last_updated: Date(user.last_updated),
            password_changed: user.password.changed().map(Date),
            user_type: UserType { id: Id(user_type_of(&user.org_id)) },
            profile: Profile(user.profile.to_map()),
            credentials: (&user.password).into(),
            links: SelfLink::to(format!("{base_url}/api/v1/users/{}", user.id)),
        }
    }
}

impl Listed for UserAnswer {
    fn id(&self) -> &str {
        &self.id.0
    }
}

async fn list(call: Call) -> Result<List<UserAnswer>, ApiError> {
    let (after, limit) = read_page::<UserId>(call.query(), "users", &["q", "filter", "search"])?;
    let query = UserQuery { condition: condition(call.query())?, after, limit };
    let UserPage { users, next } = users::list(call.platform(), call.administrator(), &query).await?;
    let users = users.iter().map(|user| UserAnswer::of(call.base_url(), user)).collect();
    Ok(page_until(&call, users, next.map(|next| next.to_string())))
}

async fn create(call: Call<Body<UserBody>>) -> Result<Json<UserAnswer>, ApiError> {
    let activate = read_activate(call.query())?;
    let user = users::create(call.platform(), call.administrator(), &call.body.0, activate).await?;
    Ok(Json(UserAnswer::of(call.base_url(), &user)))
}

/// Whether a new user is activated, as it is unless the query says otherwise.
fn read_activate(raw: Option<&str>) -> Result<bool, ApiError> {
    let (activate, problem) = query::truth(raw, "activate", QueryProblem::Activate);
    let unsupported = unsupported(raw, &["provider", "nextLogin"]);
    query::check("query", problem.into_iter().chain(unsupported).collect())?;
    Ok(activate.unwrap_or(true))
}

/// Parameters that ask for something that is not done. With `false` they ask for what is done anyway.
pub(super) fn unsupported(raw: Option<&str>, names: &[&'static str]) -> Vec<QueryProblem> {
    let asked = names.iter().filter(|name| given(raw, name).is_some_and(|value| value != "false"));
    asked.map(|name| QueryProblem::Unsupported(name)).collect()
}

async fn retrieve(call: Call) -> Result<Json<UserAnswer>, ApiError> {
    only(call.query(), &[])?;
    let user = users::get(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(Json(UserAnswer::of(call.base_url(), &user)))
}

async fn replace(call: Call<Body<UserBody>>) -> Result<Json<UserAnswer>, ApiError> {
    update(&call, ProfileChange::Replace).await
}

async fn merge(call: Call<Body<UserBody>>) -> Result<Json<UserAnswer>, ApiError> {
    update(&call, ProfileChange::Merge).await
}

async fn update(call: &Call<Body<UserBody>>, how: ProfileChange) -> Result<Json<UserAnswer>, ApiError> {
    let id = call.id("userId");
    let user = users::update(call.platform(), call.administrator(), id, &call.body.0, how).await?;
    Ok(Json(UserAnswer::of(call.base_url(), &user)))
}

/// The first time the user is deactivated, the second time removed.
async fn remove(call: Call) -> Result<NoContent, ApiError> {
    query::check("query", unsupported(call.query(), &["sendEmail"]))?;
    users::delete(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(NoContent)
}

/// A user without a password gets a link by mail, or the answer has it.
async fn activate(call: Call<OptionalJsonBody>) -> Result<Json<Activation>, ApiError> {
    let (by_mail, problem) = query::truth(call.query(), "sendEmail", QueryProblem::SendEmail);
    query::check("query", problem.into_iter().collect())?;
    let delivery = by_mail.map(|by_mail| if by_mail { LinkDelivery::Mail } else { LinkDelivery::Answer });
    let activated = users::activate(call.platform(), call.administrator(), call.id("userId"), delivery).await?;
    Ok(Json(Activation::of(activated)))
}

/// The link goes into the answer, or to the user by mail.
async fn reactivate(call: Call<OptionalJsonBody>) -> Result<Json<Activation>, ApiError> {
    let (by_mail, problem) = query::truth(call.query(), "sendEmail", QueryProblem::SendEmail);
    query::check("query", problem.into_iter().collect())?;
    let delivery = if by_mail.unwrap_or(false) { LinkDelivery::Mail } else { LinkDelivery::Answer };
    let activated = users::reactivate(call.platform(), call.administrator(), call.id("userId"), delivery).await?;
    Ok(Json(Activation::of(activated)))
}

async fn deactivate(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Deactivate, &["sendEmail"]).await.map(|_| NoContent)
}

async fn suspend(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Suspend, &["sendEmail"]).await.map(|_| NoContent)
}

async fn unsuspend(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    transition(&call, UserTransition::Unsuspend, &["sendEmail"]).await.map(|_| NoContent)
}

async fn unlock(call: Call<OptionalJsonBody>) -> Result<NoContent, ApiError> {
    query::check("query", unsupported(call.query(), &["sendEmail"]))?;
    users::unlock(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(NoContent)
}

async fn expire_password(call: Call<OptionalJsonBody>) -> Result<Json<ExpiredAnswer>, ApiError> {
    let (with_temporary, problem) = query::truth(call.query(), "tempPassword", QueryProblem::TempPassword);
    let unsupported = unsupported(call.query(), &["revokeSessions"]);
    query::check("query", problem.into_iter().chain(unsupported).collect())?;
    let id = call.id("userId");
    if with_temporary.unwrap_or(false) {
        let password = users::expire_with_temporary(call.platform(), call.administrator(), id).await?;
        return Ok(Json(ExpiredAnswer::Temporary { temp_password: Shown(password) }));
    }
    let user = users::transition(call.platform(), call.administrator(), id, UserTransition::ExpirePassword).await?;
    Ok(Json(ExpiredAnswer::User(Box::new(UserAnswer::of(call.base_url(), &user)))))
}

/// The link goes to the user by mail, or into the answer.
async fn reset_password(call: Call<OptionalJsonBody>) -> Result<Json<PasswordReset>, ApiError> {
    let (by_mail, problem) = query::truth(call.query(), "sendEmail", QueryProblem::SendEmail);
    let delivery = if by_mail.unwrap_or(true) { LinkDelivery::Mail } else { LinkDelivery::Answer };
    let unsupported = unsupported(call.query(), &["revokeSessions"]);
    query::check("query", problem.into_iter().chain(unsupported).collect())?;
    let link = users::reset_password(call.platform(), call.administrator(), call.id("userId"), delivery).await?;
    Ok(Json(PasswordReset { reset_password_url: link.map(Shown) }))
}

/// Moves the user to another status, unless the query asks for something that is not done.
async fn transition(
    call: &Call<OptionalJsonBody>,
    transition: UserTransition,
    not_done: &[&'static str],
) -> Result<User, ApiError> {
    query::check("query", unsupported(call.query(), not_done))?;
    Ok(users::transition(call.platform(), call.administrator(), call.id("userId"), transition).await?)
}

/// Ends the sessions of a user.
async fn clear_sessions(call: Call) -> Result<NoContent, ApiError> {
    let (tokens, problem) = query::truth(call.query(), "oauthTokens", QueryProblem::OauthTokens);
    let unsupported = unsupported(call.query(), &["forgetDevices"]);
    query::check("query", problem.into_iter().chain(unsupported).collect())?;
    sessions::clear(call.platform(), call.administrator(), call.id("userId"), tokens.unwrap_or(false)).await?;
    Ok(NoContent)
}

async fn change_password(call: Call<Body<PasswordChangeBody>>) -> Result<Json<Credentials>, ApiError> {
    let id = call.id("userId");
    let user = users::change_password(call.platform(), call.administrator(), id, &call.body.0).await?;
    Ok(Json((&user.password).into()))
}

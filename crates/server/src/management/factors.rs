//! Factors of users: phones and authenticator apps.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::Secret;
use tenterhook_flows::factors::{self as flow, Enrollment, FactorProblem, Requester, STEP_SECONDS};
use tenterhook_management::{
    administrator::ManagementError,
    factors::{self, FactorRequest},
    request::{BLANK, Given, Submitted},
    users,
};
use tenterhook_model::{Factor, FactorMethod, FactorStatus, FactorType, User};
use tenterhook_platform::events::token_actor;

use super::{
    answer::{Date, Id, Link, NoContent, Parameter, Shown},
    call::{Body, Call, OptionalBody, OptionalJsonBody, ResourceBody, below},
    factor_qr_code::ActivationLinks,
    given,
    members::Members,
    paging::only,
    query::{self, QueryProblem},
    route::Routes,
    users::{NoMembers, unsupported},
};
use crate::error::ApiError;

/// The subject of an error's summary.
const VERIFY: &str = "factorVerifyRequest";
const PASS_CODE: &str = "passCode";

const ACTIVATE: Parameter = Parameter {
    name: "activate",
    description: "Whether a phone is active without a passcode, which is not sent then: `true` or `false`",
};
const UPDATE_PHONE: Parameter = Parameter {
    name: "updatePhone",
    description: "Whether a factor that is pending gets the phone of the request: `true` or `false`",
};
const TOKEN_LIFETIME: Parameter =
    Parameter { name: "tokenLifetimeSeconds", description: "How long a passcode works: `300`, and nothing else" };

pub(super) fn routes() -> Routes {
    const FACTORS: &str = "/api/v1/users/{userId}/factors";
    const FACTOR: &str = "/api/v1/users/{userId}/factors/{factorId}";
    Routes::of("User factors", "okta.users")
        .get("/api/v1/users/{userId}/factors/catalog", "listSupportedFactors", catalog)
        .get(FACTORS, "listFactors", list)
        .post(FACTORS, "enrollFactor", enroll)
        .with(&[ACTIVATE, UPDATE_PHONE, TOKEN_LIFETIME])
        .get(FACTOR, "getFactor", retrieve)
        .delete(FACTOR, "unenrollFactor", remove)
        .post("/api/v1/users/{userId}/factors/{factorId}/lifecycle/activate", "activateFactor", activate)
        .post("/api/v1/users/{userId}/factors/{factorId}/verify", "verifyFactor", verify)
        .with(&[TOKEN_LIFETIME])
        .post("/api/v1/users/{userId}/factors/{factorId}/resend", "resendEnrollFactor", resend)
        .post("/api/v1/users/{userId}/lifecycle/reset_factors", "resetFactors", reset)
}

/// A factor as it is written.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorRequest"))]
#[serde(rename_all = "camelCase")]
struct FactorBody {
    /// The kind.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Kind>"))]
    factor_type: Given<String>,
    /// `OKTA` of phones, `GOOGLE` of authenticator apps.
    #[serde(default)]
    provider: Given<String>,
    #[serde(default, deserialize_with = "below")]
    profile: ProfileBody,
}

/// The phone of a factor.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorProfileRequest"))]
#[serde(rename_all = "camelCase")]
struct ProfileBody {
    /// With `+` and the country code.
    #[serde(default)]
    phone_number: Given<String>,
    /// Of a phone that is called.
    #[serde(default)]
    phone_extension: Given<String>,
}

/// The kind of a factor.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename = "UserFactorType")]
#[expect(dead_code, reason = "only its schema is used")]
enum Kind {
    #[serde(rename = "sms")]
    Sms,
    #[serde(rename = "call")]
    Call,
    #[serde(rename = "token:software:totp")]
    Totp,
}

impl ResourceBody for FactorBody {
    const MEMBERS: Members = Members {
        taken: &["factorType", "provider", "profile.phoneNumber", "profile.phoneExtension"],
        read_only: &[
            "id",
            "status",
            "vendorName",
            "created",
            "lastUpdated",
            "lastVerified",
            "profile.credentialId",
            "_links",
            "_embedded",
        ],
        refused: &[
            ("verify", "Activate the factor with its passcode"),
            ("factorProfileId", "Factors have no profiles of their own"),
            ("sharedSecret", "The secret of an authenticator app is drawn here"),
        ],
    };
    type Request = FactorRequest;

    fn into_request(self) -> FactorRequest {
        FactorRequest {
            factor_type: self.factor_type,
            provider: self.provider,
            phone_number: self.profile.phone_number,
            phone_extension: self.profile.phone_extension,
        }
    }
}

/// A passcode as a user has typed it.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorVerifyRequest"))]
#[serde(rename_all = "camelCase")]
struct PassCodeBody {
    /// Six digits.
    #[serde(default)]
    pass_code: Given<String>,
}

impl ResourceBody for PassCodeBody {
    const MEMBERS: Members = Members {
        taken: &[PASS_CODE],
        read_only: &[],
        refused: &[
            ("nextPassCode", "Only tokens of hardware have a next passcode"),
            ("answer", "Security questions are not supported"),
            ("activationToken", "Give the `passCode`"),
            ("attestation", "WebAuthn is not supported"),
            ("authenticatorData", "WebAuthn is not supported"),
            ("clientData", "WebAuthn is not supported"),
            ("registrationData", "U2F is not supported"),
            ("signatureData", "WebAuthn is not supported"),
            ("stateToken", "Send it to `/api/v1/authn/factors/FACTOR/verify`"),
            ("useNumberMatchingChallenge", "Push notifications are not supported"),
        ],
    };
    type Request = Given<Secret>;

    fn into_request(self) -> Given<Secret> {
        self.pass_code.map(Secret::new)
    }
}

/// A factor of a user.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactor"))]
#[serde(rename_all = "camelCase")]
struct FactorAnswer {
    id: Id,
    /// `sms`, `call` or `token:software:totp`.
    factor_type: &'static str,
    /// `OKTA` of phones, `GOOGLE` of authenticator apps.
    provider: &'static str,
    /// The same.
    vendor_name: &'static str,
    /// `PENDING_ACTIVATION` or `ACTIVE`.
    status: &'static str,
    created: Date,
    last_updated: Date,
    profile: ProfileAnswer,
    #[serde(rename = "_links")]
    links: FactorLinks,
    /// In the answer to the enrollment of an authenticator app only.
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<Embedded>,
}

/// What a user has.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorProfile"))]
#[serde(untagged)]
enum ProfileAnswer {
    /// A phone.
    #[serde(rename_all = "camelCase")]
    Phone {
        /// In E.164 form.
        phone_number: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        phone_extension: Option<String>,
    },
    /// An authenticator app.
    #[serde(rename_all = "camelCase")]
    App {
        /// The login of the user.
        credential_id: String,
    },
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorLinks"))]
struct FactorLinks {
    /// While the factor is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    activate: Option<Link>,
    /// While the factor of a phone is pending. One link, as the vendor's SDKs read it; its prose has a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    resend: Option<Link>,
    /// Once the factor is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Link>,
    #[serde(rename = "self")]
    itself: Link,
    user: Link,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorEmbedded"))]
struct Embedded {
    activation: Activation,
}

/// What an authenticator app is set up with.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorActivation"))]
#[serde(rename_all = "camelCase")]
struct Activation {
    /// Seconds.
    time_step: i64,
    /// Shown here only.
    shared_secret: Shown,
    /// `base32`.
    encoding: &'static str,
    /// Characters of the secret.
    key_length: usize,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<ActivationLinks>,
}

/// A kind of factors that a user can have.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorSupported"))]
#[serde(rename_all = "camelCase")]
struct SupportedAnswer {
    factor_type: &'static str,
    provider: &'static str,
    vendor_name: &'static str,
    /// `NOT_SETUP`, `PENDING_ACTIVATION` or `ACTIVE`.
    status: &'static str,
    /// `OPTIONAL`.
    enrollment: &'static str,
    #[serde(rename = "_links")]
    links: SupportedLinks,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorSupportedLinks"))]
struct SupportedLinks {
    enroll: Link,
}

/// What became of a verification. The vendor shows the phone of a challenge too, in a form that its own SDKs cannot read.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorVerifyResponse"))]
#[serde(rename_all = "camelCase")]
struct VerifyAnswer {
    /// `SUCCESS`, or `CHALLENGE` when a passcode was sent.
    factor_result: &'static str,
    /// When the passcode stops working.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Date>,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<VerifyLinks>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "UserFactorVerifyLinks"))]
struct VerifyLinks {
    verify: Link,
    factor: Link,
}

impl ProfileAnswer {
    fn of(user: &User, factor: &Factor) -> Self {
        match factor.method.phone() {
            Some(phone) => Self::Phone {
                phone_number: phone.as_e164().to_owned(),
                phone_extension: phone.extension().map(ToOwned::to_owned),
            },
            None => Self::App { credential_id: user.profile.login.clone() },
        }
    }
}

pub(super) fn own(base_url: &str, factor: &Factor) -> String {
    format!("{base_url}/api/v1/users/{}/factors/{}", factor.user_id, factor.id)
}

impl FactorAnswer {
    fn of(base_url: &str, user: &User, factor: &Factor) -> Self {
        let kind = factor.method.factor_type();
        let own = own(base_url, factor);
        let post = |path: &str| Link::allowing(format!("{own}/{path}"), &["POST"]);
        let is_pending = factor.status == FactorStatus::PendingActivation;
        Self {
            id: Id::of(&factor.id),
            factor_type: kind.as_str(),
            provider: kind.provider(),
            vendor_name: kind.provider(),
            status: factor.status.as_str(),
            created: Date(factor.created),
            last_updated: Date(factor.last_updated),
            profile: ProfileAnswer::of(user, factor),
            links: FactorLinks {
                activate: is_pending.then(|| post("lifecycle/activate")),
                resend: (is_pending && factor.method.phone().is_some()).then(|| post("resend")),
                verify: (!is_pending).then(|| post("verify")),
                user: Link::allowing(format!("{base_url}/api/v1/users/{}", factor.user_id), &["GET"]),
                itself: Link::allowing(own, &["GET", "DELETE"]),
            },
            embedded: None,
        }
    }

    /// The same with what an authenticator app is set up with.
    fn enrolled(base_url: &str, user: &User, factor: &Factor) -> Self {
        let embedded = match &factor.method {
            FactorMethod::Totp(secret) => {
                let shared_secret = secret.to_base32();
                let key_length = shared_secret.expose().len();
                let shared_secret = Shown(shared_secret);
                let (time_step, encoding) = (STEP_SECONDS, "base32");
                let links = ActivationLinks::of(base_url, factor);
                Some(Embedded { activation: Activation { time_step, shared_secret, encoding, key_length, links } })
            }
            FactorMethod::Sms(_) | FactorMethod::Call(_) => None,
        };
        Self { embedded, ..Self::of(base_url, user, factor) }
    }
}

async fn catalog(call: Call) -> Result<Json<Vec<SupportedAnswer>>, ApiError> {
    only(call.query(), &[])?;
    let (user, factors) = factors::list(call.platform(), call.administrator(), call.id("userId")).await?;
    let enroll = format!("{}/api/v1/users/{}/factors", call.base_url(), user.id);
    let answers = FactorType::ALL.into_iter().map(|kind| {
        let known = factors.iter().find(|factor| factor.method.factor_type() == kind);
        SupportedAnswer {
            factor_type: kind.as_str(),
            provider: kind.provider(),
            vendor_name: kind.provider(),
            status: known.map_or("NOT_SETUP", |factor| factor.status.as_str()),
            enrollment: "OPTIONAL",
            links: SupportedLinks { enroll: Link::allowing(enroll.clone(), &["POST"]) },
        }
    });
    Ok(Json(answers.collect()))
}

async fn list(call: Call) -> Result<Json<Vec<FactorAnswer>>, ApiError> {
    only(call.query(), &[])?;
    let (user, factors) = factors::list(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(Json(factors.iter().map(|factor| FactorAnswer::of(call.base_url(), &user, factor)).collect()))
}

async fn retrieve(call: Call) -> Result<Json<FactorAnswer>, ApiError> {
    only(call.query(), &[])?;
    let (user, factor) = factor_of(&call).await?;
    Ok(Json(FactorAnswer::of(call.base_url(), &user, &factor)))
}

async fn enroll(call: Call<Body<FactorBody>>) -> Result<Json<FactorAnswer>, ApiError> {
    let enrollment = read_enrollment(call.query())?;
    let administrator = call.administrator();
    let new = factors::read(call.platform(), &call.body.0)?;
    if enrollment.activate && new.factor_type() == FactorType::Totp {
        let problems = vec![QueryProblem::Unsupported("activate")];
        return Err(ApiError::Query { subject: "query", problems });
    }
    let user = users::get(call.platform(), administrator, call.id("userId")).await?;
    let requester = requester(&call);
    let enrolled = flow::enroll(call.platform(), &administrator.org, &requester, &user, &new, enrollment).await;
    let factor = enrolled.map_err(|problem| match problem {
        FactorProblem::Gone => ManagementError::NotFound { id: user.id.to_string(), kind: "User" }.into(),
        problem => ApiError::from(problem),
    })?;
    Ok(Json(FactorAnswer::enrolled(call.base_url(), &user, &factor)))
}

fn read_enrollment(raw: Option<&str>) -> Result<Enrollment, ApiError> {
    let (activate, wrong_activate) = query::truth(raw, "activate", QueryProblem::Activate);
    let (update_phone, wrong_update) = query::truth(raw, "updatePhone", QueryProblem::Truth("updatePhone"));
    let problems = [wrong_activate, wrong_update].into_iter().flatten().chain(sending_problems(raw));
    query::check("query", problems.collect())?;
    Ok(Enrollment { activate: activate.unwrap_or(false), update_phone: update_phone.unwrap_or(false) })
}

/// What is wrong with the parameters of a message.
fn sending_problems(raw: Option<&str>) -> Vec<QueryProblem> {
    let mut problems = unsupported(raw, &["templateId"]);
    if given(raw, "tokenLifetimeSeconds").is_some_and(|seconds| seconds != "300") {
        problems.push(QueryProblem::Unsupported("tokenLifetimeSeconds"));
    }
    problems
}

/// The recovery of an account has no enrollment apart from factors, so that it goes with them.
fn check_removal(raw: Option<&str>) -> Result<(), ApiError> {
    const REMOVE: &str = "removeRecoveryEnrollment";
    let (_, problem) = query::truth(raw, REMOVE, QueryProblem::Truth(REMOVE));
    query::check("query", problem.into_iter().collect())
}

async fn remove(call: Call) -> Result<NoContent, ApiError> {
    check_removal(call.query())?;
    factors::remove(call.platform(), call.administrator(), call.id("userId"), call.id("factorId")).await?;
    Ok(NoContent)
}

async fn reset(call: Call<OptionalJsonBody>) -> Result<Json<NoMembers>, ApiError> {
    check_removal(call.query())?;
    factors::reset(call.platform(), call.administrator(), call.id("userId")).await?;
    Ok(Json(NoMembers {}))
}

async fn activate(call: Call<OptionalBody<PassCodeBody>>) -> Result<Json<FactorAnswer>, ApiError> {
    let Some(code) = pass_code(&call.body.0)? else { return Err(ManagementError::field(PASS_CODE, BLANK).into()) };
    let (user, factor) = factor_of(&call).await?;
    let activated = flow::activate(call.platform(), &requester(&call), &user, &factor, code.expose()).await;
    let factor = activated.map_err(|problem| gone(problem, &call))?;
    Ok(Json(FactorAnswer::of(call.base_url(), &user, &factor)))
}

/// Without a passcode one is sent.
async fn verify(call: Call<OptionalBody<PassCodeBody>>) -> Result<Json<VerifyAnswer>, ApiError> {
    query::check("query", sending_problems(call.query()))?;
    let code = pass_code(&call.body.0)?;
    let (user, factor) = factor_of(&call).await?;
    let (platform, requester) = (call.platform(), requester(&call));
    if let Some(code) = code {
        let verified = flow::verify(platform, &requester, &user, &factor, code.expose()).await;
        verified.map_err(|problem| gone(problem, &call))?;
        return Ok(Json(VerifyAnswer { factor_result: "SUCCESS", expires_at: None, links: None }));
    }
    let challenged = flow::challenge(platform, &call.administrator().org, &requester, &user, &factor).await;
    let expires = challenged.map_err(|problem| gone(problem, &call))?;
    let own = own(call.base_url(), &factor);
    Ok(Json(VerifyAnswer {
        factor_result: "CHALLENGE",
        expires_at: Some(Date(expires)),
        links: Some(VerifyLinks {
            verify: Link::allowing(format!("{own}/verify"), &["POST"]),
            factor: Link::allowing(own, &["GET", "DELETE"]),
        }),
    }))
}

async fn resend(call: Call<OptionalBody<FactorBody>>) -> Result<Json<FactorAnswer>, ApiError> {
    query::check("query", sending_problems(call.query()))?;
    let (user, factor) = factor_of(&call).await?;
    factors::check_is_about(call.platform(), &call.body.0, &factor)?;
    let sent = flow::resend(call.platform(), &call.administrator().org, &requester(&call), &user, &factor).await;
    sent.map_err(|problem| gone(problem, &call))?;
    Ok(Json(FactorAnswer::of(call.base_url(), &user, &factor)))
}

async fn factor_of<B>(call: &Call<B>) -> Result<(User, Factor), ApiError> {
    Ok(factors::get(call.platform(), call.administrator(), call.id("userId"), call.id("factorId")).await?)
}

fn requester<B>(call: &Call<B>) -> Requester<'_> {
    let administrator = call.administrator();
    let (caller, token) = (&administrator.caller, &administrator.token);
    Requester { caller, actor: token_actor(token), token: Some(token) }
}

/// The passcode of a request, if it has one.
fn pass_code(submitted: &Submitted<Given<Secret>>) -> Result<Option<&Secret>, ApiError> {
    if !submitted.unsupported.is_empty() {
        let (subject, causes) = (VERIFY.to_owned(), submitted.unsupported.clone());
        return Err(ManagementError::Invalid { subject, causes }.into());
    }
    match &submitted.request {
        Given::Absent => Ok(None),
        Given::Is(code) => Ok(Some(code)),
        Given::Wrong => Err(ManagementError::field(PASS_CODE, "Write the passcode as a text of digits").into()),
    }
}

/// A factor that was removed meanwhile is named by its id.
fn gone<B>(problem: FactorProblem, call: &Call<B>) -> ApiError {
    match problem {
        FactorProblem::Gone => factors::not_found(call.id("factorId")).into(),
        problem => problem.into(),
    }
}

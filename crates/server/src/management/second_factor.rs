//! The second factor of primary authentication (`/api/v1/authn/factors`), for clients with sign-in pages of their own.

use axum::Json;
use serde::{Deserialize, Serialize};
use tenterhook_contract::{Secret, id::FactorId};
use tenterhook_flows::{
    authn::{FactorDone, verify_factor},
    factors::FactorProblem,
    second_factor::{FactorStep, back, challenge},
};
use tenterhook_management::{factors, request::Given};
use tenterhook_model::Factor;

use super::{
    answer::{Id, Link, Parameter},
    authn::{AuthnAnswer, CANCEL, Small, StateBody, invalid, invalid_token, token},
    call::{Call, ResourceBody},
    members::Members,
    query,
    route::Routes,
    users::unsupported,
    visitor::Visitor,
};
use crate::error::ApiError;

const PREVIOUS: &str = "/api/v1/authn/previous";

const REMEMBER_DEVICE: Parameter = Parameter {
    name: "rememberDevice",
    description: "Whether the device is not asked again: `false`, and nothing else",
};
const AUTO_PUSH: Parameter = Parameter {
    name: "autoPush",
    description: "Whether a notification is pushed by itself: `false`, and nothing else",
};

/// The routes, which need no token.
pub(super) fn public_routes() -> Routes {
    const PARAMETERS: &[Parameter] = &[REMEMBER_DEVICE, AUTO_PUSH];
    Routes::of("Authentication", "okta.authn")
        .post("/api/v1/authn/factors/{factorId}/verify", "verifyAuthenticationFactor", verify)
        .with(PARAMETERS)
        .post("/api/v1/authn/factors/{factorId}/verify/resend", "resendAuthenticationFactor", resend)
        .with(PARAMETERS)
        .post(PREVIOUS, "previousAuthenticationState", previous)
}

/// A state token, and the passcode as the user has typed it.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationFactorVerifyRequest"))]
#[serde(rename_all = "camelCase")]
pub(super) struct VerifyBody {
    #[serde(default)]
    state_token: Given<String>,
    /// Six digits. Without them a passcode is sent to the phone, or the code of the app is asked for.
    #[serde(default)]
    pass_code: Given<String>,
}

/// What a verification says.
pub(super) struct VerifyRequest {
    state_token: Given<Secret>,
    pass_code: Given<Secret>,
}

/// Members that the vendor takes in the body of a verification, and we do not.
const REFUSED: &[(&str, &str)] = &[
    ("rememberDevice", "Devices are not told apart"),
    ("autoPush", "Push notifications are not supported"),
    ("relayState", "Give it to `/api/v1/authn`"),
    ("nextPassCode", "Only tokens of hardware have a next passcode"),
    ("answer", "Security questions are not supported"),
    ("useNumberMatchingChallenge", "Push notifications are not supported"),
    ("authenticatorData", "WebAuthn is not supported"),
    ("clientData", "WebAuthn is not supported"),
    ("signatureData", "WebAuthn is not supported"),
];

impl ResourceBody for VerifyBody {
    const MEMBERS: Members = Members { taken: &["stateToken", "passCode"], read_only: &[], refused: REFUSED };
    type Request = VerifyRequest;

    fn into_request(self) -> VerifyRequest {
        VerifyRequest { state_token: self.state_token.map(Secret::new), pass_code: self.pass_code.map(Secret::new) }
    }
}

/// A factor of the user who signs in. Of a phone it has the last two digits.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationFactor"))]
#[serde(rename_all = "camelCase")]
pub(super) struct FactorShown {
    id: Id,
    /// `sms`, `call` or `token:software:totp`.
    factor_type: &'static str,
    /// `OKTA` of phones, `GOOGLE` of authenticator apps.
    provider: &'static str,
    /// The same.
    vendor_name: &'static str,
    profile: ProfileShown,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<FactorLinks>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationFactorProfile"))]
#[serde(untagged)]
enum ProfileShown {
    /// A phone.
    #[serde(rename_all = "camelCase")]
    Phone {
        /// Masked.
        phone_number: String,
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
#[cfg_attr(feature = "schema", schemars(rename = "AuthenticationFactorLinks"))]
struct FactorLinks {
    verify: Link,
}

impl FactorShown {
    fn of(step: &FactorStep, factor: &Factor) -> Self {
        let kind = factor.method.factor_type();
        let profile = match factor.method.phone() {
            Some(phone) => ProfileShown::Phone { phone_number: phone.masked() },
            None => ProfileShown::App { credential_id: step.user.profile.login.clone() },
        };
        Self {
            id: Id::of(&factor.id),
            factor_type: kind.as_str(),
            provider: kind.provider(),
            vendor_name: kind.provider(),
            profile,
            links: None,
        }
    }
}

/// The answer about a user who has to verify a factor.
pub(super) fn answer(base_url: &str, step: FactorStep) -> AuthnAnswer {
    let link = |path: &str| Link::allowing(format!("{base_url}{path}"), &["POST"]);
    let verify = |factor: &Factor| format!("/api/v1/authn/factors/{}/verify", factor.id);
    let cancel = link(CANCEL);
    let Some(factor) = step.challenged_factor() else {
        let shown = |factor| FactorShown {
            links: Some(FactorLinks { verify: link(&verify(factor)) }),
            ..FactorShown::of(&step, factor)
        };
        let factors = step.factors.iter().map(shown).collect();
        return AuthnAnswer::mfa_required(step, factors, cancel);
    };
    let kind = factor.method.factor_type();
    let resend = factor.method.phone().is_some().then(|| (kind.as_str(), link(&format!("{}/resend", verify(factor)))));
    let (next, shown) = (link(&verify(factor)), FactorShown::of(&step, factor));
    AuthnAnswer::mfa_challenge(step, shown, (next, link(PREVIOUS), resend, cancel))
}

/// Without a passcode one is sent.
async fn verify(call: Call<Small<VerifyBody>, Visitor>) -> Result<Json<AuthnAnswer>, ApiError> {
    check_query(&call)?;
    let VerifyRequest { state_token, pass_code } = call.body.checked()?;
    let state_token = token(state_token)?;
    let code = match pass_code {
        Given::Absent => return challenged(&call, state_token).await,
        Given::Is(code) => code,
        Given::Wrong => return Err(invalid(vec!["passCode: Write the passcode as a text of digits".to_owned()])),
    };
    let Visitor { org, caller, commitment, .. } = &call.who;
    let factor = factor(&call)?;
    let verified = verify_factor(call.platform(), org, caller, (state_token, &factor, code.expose()), commitment).await;
    Ok(Json(match verified.map_err(|problem| gone(problem, &call))? {
        FactorDone::Success(transaction) => AuthnAnswer::success(transaction),
        FactorDone::PasswordExpired(transaction) => AuthnAnswer::password_expired(&caller.base_url, transaction),
    }))
}

async fn resend(call: Call<Small<StateBody>, Visitor>) -> Result<Json<AuthnAnswer>, ApiError> {
    check_query(&call)?;
    challenged(&call, token(call.body.checked()?)?).await
}

async fn previous(call: Call<Small<StateBody>, Visitor>) -> Result<Json<AuthnAnswer>, ApiError> {
    let Visitor { org, caller, commitment, .. } = &call.who;
    commitment.begin();
    let step = back(call.platform(), org, token(call.body.checked()?)?).await?;
    Ok(Json(answer(&caller.base_url, step.ok_or_else(invalid_token)?)))
}

async fn challenged<B>(call: &Call<B, Visitor>, state_token: &Secret) -> Result<Json<AuthnAnswer>, ApiError> {
    let Visitor { org, caller, commitment, .. } = &call.who;
    let factor = factor(call)?;
    let step = challenge(call.platform(), org, caller, (state_token, &factor), commitment).await;
    Ok(Json(answer(&caller.base_url, step.map_err(|problem| gone(problem, call))?)))
}

fn factor<B>(call: &Call<B, Visitor>) -> Result<FactorId, ApiError> {
    call.id("factorId").parse().map_err(|_| factors::not_found(call.id("factorId")).into())
}

fn check_query<B>(call: &Call<B, Visitor>) -> Result<(), ApiError> {
    query::check("query", unsupported(call.query(), &["rememberDevice", "autoPush"]))
}

/// A factor that is none of the transaction is named by its id.
fn gone<B>(problem: FactorProblem, call: &Call<B, Visitor>) -> ApiError {
    match problem {
        FactorProblem::Gone => factors::not_found(call.id("factorId")).into(),
        problem => problem.into(),
    }
}

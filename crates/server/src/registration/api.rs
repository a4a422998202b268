//! The JSON API: a form, and signing up with it (the vendor's older paths). It sets no cookie: the person signs in afterwards.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};
use tenterhook_contract::{Secret, plain_json::PlainJson, problem::shown, registration::message::FormMessages};
use tenterhook_flows::{
    commitment::Commitment,
    registration::{
        Refused, RefusedBy,
        form::{PASSWORD, to_sign_up},
        sign_up::{NotSignedUp, SignUp, SignedUp, sign_up},
    },
};
use tenterhook_management::administrator::ManagementError;
use tenterhook_model::{ErrorCause, ErrorCode};
use tenterhook_platform::{Caller, OrgSnapshot, passwords::PasswordError};

use super::{form_answer::FormAnswer, policy_of};
use crate::{
    App,
    accept::Tasks,
    error::ApiError,
    management::call::{json_bytes, unparsable},
    plain_text::member_with_nul,
    to_its_end::committed,
};

/// Bytes of a request at most.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// The member that holds the form.
const USER_PROFILE: &str = "userProfile";
/// The subject of an error's summary.
const MODEL: &str = "user";
/// Members that are not supported, as a refusal names them.
const UNKNOWN_NAMED_MAX: usize = 10;
/// Of the cause that holds the `errorSummary` of a hook's service, which our pages do not show.
const HOOK_ERROR_SUMMARY: &str = "HOOK_ERROR_SUMMARY";

type Org = Extension<Arc<OrgSnapshot>>;

/// A person who has signed up.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedUpAnswer {
    /// `ACTIVE`: the person can sign in. `STAGED`: after the link in the mail was used.
    status: &'static str,
    /// Of an active user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
}

pub(super) async fn form(Extension(org): Org, Path(policy): Path<String>) -> Result<Response, ApiError> {
    let policy = policy_of(&org, &policy)?;
    let form = to_sign_up(&org, &policy);
    Ok(Json(FormAnswer::of(&policy, &form)).into_response())
}

pub(super) async fn register(
    State(app): State<App>,
    Extension(org): Org,
    Extension(caller): Extension<Caller>,
    Path(policy): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let policy = policy_of(&org, &policy)?.into_owned();
    let tasks = request.extensions().get::<Tasks>().cloned();
    let (password, profile) = read(request).await?;
    let registering = |commitment: Arc<Commitment>| async move {
        let form = to_sign_up(&org, &policy);
        let submitted = form.read_values(profile);
        let asked = SignUp { policy: &policy, form: &form, submitted, password: &password };
        let signed_up = sign_up(&app.platform, &org, &caller, asked, &commitment).await;
        signed_up.map_err(ApiError::from).and_then(answer).unwrap_or_else(ApiError::into_response)
    };
    Ok(committed(tasks, registering).await)
}

/// The password and the other members of the form.
async fn read(request: Request) -> Result<(Secret, Map<String, Value>), ApiError> {
    let bytes = json_bytes(request, BODY_BYTES_MAX).await?;
    let PlainJson(body) = serde_json::from_slice(&bytes).map_err(|error| unparsable(&error))?;
    if let Some(place) = member_with_nul(&body) {
        return Err(ApiError::NulCharacter { subject: MODEL, place });
    }
    let wrong = |causes: Vec<ErrorCause>| ApiError::Form {
        code: ErrorCode::ValidationFailed,
        status: StatusCode::BAD_REQUEST,
        detail: MODEL,
        causes,
    };
    let Value::Object(mut body) = body else { return Err(ApiError::MalformedBody) };
    let mut profile = match body.shift_remove(USER_PROFILE) {
        Some(Value::Object(profile)) => profile,
        None | Some(Value::Null) => return Err(wrong(vec![cause(USER_PROFILE, "The field cannot be left blank")])),
        Some(_) => return Err(wrong(vec![cause(USER_PROFILE, "The field must be an object")])),
    };
    if !body.is_empty() {
        let unknown = body.keys().take(UNKNOWN_NAMED_MAX);
        return Err(wrong(unknown.map(|name| cause(&shown(name), "The field is not supported here")).collect()));
    }
    let password = match profile.shift_remove(PASSWORD) {
        Some(Value::String(password)) => Secret::new(password),
        None | Some(Value::Null) => Secret::new(""),
        Some(_) => return Err(wrong(vec![cause(&format!("{USER_PROFILE}.{PASSWORD}"), "The field must be a string")])),
    };
    Ok((password, profile))
}

fn cause(place: &str, text: &str) -> ErrorCause {
    ErrorCause::at(place.to_owned(), format!("{place}: {text}"))
}

fn answer(signed_up: SignedUp) -> Result<Response, ApiError> {
    Ok(match signed_up {
        SignedUp::Active(user) => {
            Json(SignedUpAnswer { status: "ACTIVE", user_id: Some(user.id.to_string()) }).into_response()
        }
        SignedUp::MailSent { .. } => Json(SignedUpAnswer { status: "STAGED", user_id: None }).into_response(),
        SignedUp::Not(why) => return Err(error(why)),
    })
}

/// Why nothing was created, as an error.
fn error(why: NotSignedUp) -> ApiError {
    let form = |code: ErrorCode, status, detail, cause: &str| {
        let causes = vec![cause.to_owned().into()];
        ApiError::Form { code, status, detail, causes }
    };
    match why {
        NotSignedUp::Refused(refused) => refusal(refused),
        NotSignedUp::TooManyAttempts => ApiError::RateLimited,
        NotSignedUp::Busy => ManagementError::Password(PasswordError::Busy).into(),
        NotSignedUp::TurnedAway => ManagementError::TurnedAway.into(),
        NotSignedUp::NoMail => {
            let cause = "People cannot sign up at present: no mail can be sent";
            form(ErrorCode::ReadOnly, StatusCode::SERVICE_UNAVAILABLE, "", cause)
        }
        // A limit is a failed validation (`management-api.md` section 1), wherever it is met.
        NotSignedUp::NoRoom => {
            let cause = "People cannot sign up at present: the org has all the users that it may have";
            form(ErrorCode::ValidationFailed, StatusCode::BAD_REQUEST, MODEL, cause)
        }
    }
}

/// The error of a refused form: a cause for each message, with the member that it is about.
fn refusal(Refused { messages: FormMessages { fields, form }, by }: Refused) -> ApiError {
    let fields = fields.into_iter().map(|(name, text)| ErrorCause::at(format!("{USER_PROFILE}.{name}"), text));
    let mut causes: Vec<_> = fields.chain(form.into_iter().map(ErrorCause::from)).collect();
    let (code, detail) = match by {
        RefusedBy::Validation | RefusedBy::Command => (ErrorCode::ValidationFailed, MODEL),
        RefusedBy::Service { summary } => {
            causes.extend(summary.map(|summary| ErrorCause::with_reason(HOOK_ERROR_SUMMARY, summary)));
            (ErrorCode::HookRefused, "")
        }
        RefusedBy::Failure => (ErrorCode::HookUnusable, ""),
    };
    ApiError::Form { code, status: StatusCode::BAD_REQUEST, detail, causes }
}

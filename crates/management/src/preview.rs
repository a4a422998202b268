//! Previews: what a hook would be sent, what it answers, and what that would change. Nothing is ever changed.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tenterhook_contract::{
    HookKind,
    answer::Answer,
    id::EventId,
    members::Members,
    preview::{Document, DocumentError, Inputs, Mark},
    problem::bounded,
    profile::ProfileSchema,
};
use tenterhook_engine::{CallFailure, FailureCode, Purpose, RawAnswer, ReadyHook, TestCall, TestCallResult, Timings};
use tenterhook_platform::{OrgSnapshot, Platform, context::user_context};

use crate::{
    administrator::{Administrator, ManagementError, org_of},
    hooks::{find, not_found},
    users,
};

/// What a preview's body may have.
const MEMBERS: Members =
    Members { taken: &["inputs", "document", "call", "answer", "profileSchema"], read_only: &[], refused: &[] };

/// What a preview's body asks for.
struct Wanted<'a> {
    about: About<'a>,
    source: AnswerSource,
    schema: Arc<ProfileSchema>,
}

enum About<'a> {
    /// The type's sample with these inputs.
    Inputs(Option<&'a Map<String, Value>>),
    /// This document.
    Document(&'a Value),
}

enum AnswerSource {
    /// The service is called.
    Service,
    /// This answer is tried as if the service had given it.
    Given(Vec<u8>),
    /// There is none: only the document is wanted.
    Nobody,
}

/// How the answer came about.
#[derive(Default)]
struct Got {
    answer: Option<Answer>,
    raw: Option<RawAnswer>,
    failure: Option<CallFailure>,
    timings: Option<Timings>,
}

/// Builds a document of `inputs`, or takes `document`; calls the service unless `call` is false or an `answer` is
/// given; shows request, answer, problems, and the subject before and after.
///
/// # Errors
/// Bad input, with the member's name; a bound on open calls. A service that cannot be reached is no error: the preview says so.
pub async fn preview(
    platform: &Platform,
    administrator: &Administrator,
    id: &str,
    body: &Value,
) -> Result<Value, ManagementError> {
    let org = org_of(platform, administrator)?;
    let hook = find(&org, id)?;
    let ready = org.hook(&hook.id).ok_or_else(|| not_found(id))?;
    let wanted = Wanted::read(body, &org.profile_schema)?;
    let kind = ready.kind();
    let (document, event_id) = preview_document(platform, administrator, &org, ready, &wanted).await?;
    // Before anything is sent: a document without a subject has nothing to try an answer on.
    let before = kind.rehearse(&document, &wanted.schema, Answer::default()).map_err(|error| invalid(&error))?.before;
    let got = match wanted.source {
        AnswerSource::Service => {
            let call = TestCall {
                origin: Arc::new(administrator.origin()),
                purpose: Purpose::Preview,
                event_id: Some(event_id),
                body: document.to_json().to_string().into_bytes().into(),
                problems: |answer: &Answer| {
                    let tried = kind.rehearse(&document, &wanted.schema, answer.clone());
                    tried.ok().and_then(|tried| tried.result.err()).unwrap_or_default()
                },
            };
            let result = platform.engine().test_call(ready, call).await;
            if result.outcome.as_ref().is_err_and(|failure| matches!(failure.code, FailureCode::AtBound(_))) {
                return Err(ManagementError::TurnedAway);
            }
            Got::called(result)
        }
        AnswerSource::Given(text) => {
            let answer = Answer::parse_for(&text, kind.description())
                .map_err(|error| ManagementError::field("answer", &format!("{error}. {}", error.hint)))?;
            Got { answer: Some(answer), ..Got::default() }
        }
        AnswerSource::Nobody => Got::default(),
    };
    let mut shown = got.shown(&document, kind, &wanted.schema, &before)?;
    let unsent = hook.channel.unsent_headers();
    if let (Some(members), false) = (shown.as_object_mut(), unsent.is_empty()) {
        members.insert("unsentHeaders".to_owned(), json!(unsent));
    }
    Ok(shown)
}

async fn preview_document(
    platform: &Platform,
    administrator: &Administrator,
    org: &OrgSnapshot,
    ready: &ReadyHook,
    wanted: &Wanted<'_>,
) -> Result<(Document, EventId), ManagementError> {
    let (hook, kind) = (&ready.hook, ready.kind());
    let now = platform.now();
    let mut document = match wanted.about {
        About::Document(document) => Document::given(document, kind.description()).map_err(|error| invalid(&error))?,
        About::Inputs(None) => {
            let inputs = Inputs { at: Some(now), ..Inputs::default() };
            kind.sample(&inputs).map_err(|error| invalid(&error))?
        }
        About::Inputs(Some(given)) => {
            let (mut inputs, user) = Inputs::read(given, kind.description()).map_err(|error| invalid(&error))?;
            if let Some(user) = user {
                let user = users::get(platform, administrator, user).await.map_err(|error| match error {
                    ManagementError::NotFound { .. } => ManagementError::field("inputs.user", "No such user"),
                    other => other,
                })?;
                inputs.user = Some(user_context(org, &user));
                inputs.email = Some(user.profile.email);
            }
            inputs.at = Some(now);
            kind.sample(&inputs).map_err(|error| invalid(&error))?
        }
    };
    let mut entropy = [0; 16];
    platform.entropy().fill(&mut entropy);
    let event_id = EventId::from_entropy(entropy);
    document.mark(&Mark {
        event_id: &event_id,
        at: now,
        hook_id: &hook.id,
        base_url: &administrator.caller.base_url,
        request: &administrator.caller.request_context(),
    });
    Ok((document, event_id))
}

fn invalid(error: &DocumentError) -> ManagementError {
    ManagementError::field(&error.field, &error.message)
}

impl<'a> Wanted<'a> {
    fn read(body: &'a Value, of_org: &Arc<ProfileSchema>) -> Result<Self, ManagementError> {
        let wrong = |field: &str, text: &str| Err(ManagementError::field(field, text));
        let Value::Object(members) = body else { return wrong("preview", "The body must be a JSON object") };
        if let Some(problem) = MEMBERS.problems(body).into_iter().next() {
            return Err(ManagementError::Invalid { subject: "preview".to_owned(), causes: vec![problem] });
        }
        let member = |name: &str| members.get(name).filter(|value| !value.is_null());
        let about = match (member("inputs"), member("document")) {
            (Some(_), Some(_)) => return wrong("document", "Give either `inputs` or a `document`"),
            (None, Some(document)) => About::Document(document),
            (Some(Value::Object(inputs)), None) => About::Inputs(Some(inputs)),
            (Some(_), None) => return wrong("inputs", "must be an object"),
            (None, None) => About::Inputs(None),
        };
        let source = match (member("answer"), member("call")) {
            (Some(_), Some(Value::Bool(true))) => {
                return wrong("answer", "Give either an `answer` or `\"call\": true`");
            }
            (_, Some(call)) if !call.is_boolean() => return wrong("call", "must be true or false"),
            (Some(answer), _) => AnswerSource::Given(answer.to_string().into_bytes()),
            (None, Some(Value::Bool(false))) => AnswerSource::Nobody,
            (None, _) => AnswerSource::Service,
        };
        let schema =
            match member("profileSchema") {
                None => Arc::clone(of_org),
                Some(schema) => Arc::new(ProfileSchema::parse(schema).map_err(|error| {
                    ManagementError::field(&format!("profileSchema.{}", error.field), error.message)
                })?),
            };
        Ok(Self { about, source, schema })
    }
}

impl Got {
    fn called(result: TestCallResult) -> Self {
        let TestCallResult { outcome, raw, timings } = result;
        let (answer, failure) = match outcome {
            Ok(answer) => (Some(answer), None),
            Err(failure) => (None, Some(failure)),
        };
        Self { answer, raw, failure, timings: Some(timings) }
    }

    fn shown(
        self,
        document: &Document,
        kind: &dyn HookKind,
        schema: &Arc<ProfileSchema>,
        before: &Value,
    ) -> Result<Value, ManagementError> {
        let Self { answer, raw, failure, timings } = self;
        let normalised = answer.as_ref().map(Answer::normalised);
        let notices = answer.as_ref().map(|answer| answer.notices.clone()).unwrap_or_default();
        let (mut problems, mut changes, mut after) = (Vec::new(), Vec::new(), before.clone());
        let outcome = match answer {
            None if failure.is_some() => "FAILED",
            None => "NOT_CALLED",
            Some(answer) if answer.error.is_some() => "REFUSED",
            Some(answer) if answer.means_default(kind.description()) => "UNCHANGED",
            Some(answer) => match kind.rehearse(document, schema, answer).map_err(|error| invalid(&error))?.result {
                Ok((subject, made)) => {
                    (after, changes) = (subject, made);
                    "APPLIED"
                }
                Err(found) => {
                    problems = bounded(found);
                    "INVALID"
                }
            },
        };
        let diff = json_patch::diff(before, &after);
        Ok(json!({
            "request": document.to_json(),
            "outcome": outcome,
            "failure": failure.map(|failure| json!({ "code": failure.code.to_string(), "message": failure.to_string() })),
            "raw": raw.map(|raw| json!({ "status": raw.status, "body": String::from_utf8_lossy(&raw.body) })),
            "answer": normalised,
            "problems": problems,
            "notices": notices,
            "changes": changes,
            "subject": { "before": before, "after": after, "diff": diff },
            "totalMs": timings.map(|timings| timings.total.as_secs_f64() * 1_000.0),
        }))
    }
}

//! Previews: what a hook would be sent, what it answers, and what that would change. Nothing is ever changed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
pub use json_patch::Patch;
use serde_json::{Map, Value};
use tenterhook_contract::{
    HookKind,
    answer::Answer,
    id::EventId,
    preview::{Document, DocumentError, Inputs, Mark},
    problem::{Change, Problem, bounded},
    profile::ProfileSchema,
};
use tenterhook_engine::{CallFailure, FailureCode, Purpose, RawAnswer, ReadyHook, TestCall, TestCallResult, Timings};
use tenterhook_platform::{OrgSnapshot, Platform, context::user_context};

use crate::{
    administrator::{Administrator, ManagementError, org_of},
    hooks::find_ready,
    request::{Given, NO_OBJECT, Submitted},
    users,
};

/// What the summary of an error names.
pub(crate) const MODEL: &str = "preview";

/// What a request says of a preview. Documents, answers and schemas are JSON of the hook contract, which reads them.
#[derive(Clone, Default)]
pub struct PreviewRequest {
    /// What the document is made of.
    pub inputs: Given<Map<String, Value>>,
    /// The document, in place of inputs.
    pub document: Given<Value>,
    /// Whether the service is called.
    pub call: Given<bool>,
    /// An answer that is tried as if the service had given it.
    pub answer: Given<Value>,
    /// The schema of the profile that commands are tried on; that of the org when absent.
    pub profile_schema: Given<Value>,
}

/// What a hook would be sent, what it answers, and what that would change.
pub struct Preview {
    /// The document that the service gets; members that are never shown are masked here and in the subjects.
    pub document: Value,
    /// How it ends.
    pub outcome: PreviewOutcome,
    /// Why the service could not be asked or understood.
    pub failure: Option<CallFailure>,
    /// What came back.
    pub raw: Option<RawAnswer>,
    /// What came back, read.
    pub answer: Option<Answer>,
    /// Everything wrong with the answer.
    pub problems: Vec<Problem>,
    /// What the commands change.
    pub changes: Vec<Change>,
    /// The subject without the answer.
    pub before: Value,
    /// The subject with the answer.
    pub after: Value,
    /// The difference of both.
    pub diff: Patch,
    /// How long the call took.
    pub total: Option<Duration>,
    /// Custom headers of the channel that cannot be sent.
    pub unsent_headers: Vec<String>,
}

/// How a preview ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewOutcome {
    /// The commands fit.
    Applied,
    /// The answer changes nothing.
    Unchanged,
    /// The answer refuses.
    Refused,
    /// The commands do not fit.
    Invalid,
    /// The service could not be asked or understood.
    Failed,
    /// No answer was wanted.
    NotCalled,
}

/// What a request asks for.
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

/// A document that is ready to be sent.
struct Prepared {
    document: Document,
    /// The same with the members that no document of its type has, where there may be some.
    unsent: Option<Bytes>,
    event_id: EventId,
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
    submitted: &Submitted<PreviewRequest>,
) -> Result<Preview, ManagementError> {
    let org = org_of(platform, administrator)?;
    let (hook, ready) = find_ready(&org, id)?;
    let wanted = Wanted::read(submitted, &org.profile_schema)?;
    let kind = ready.kind();
    let Prepared { document, unsent, event_id } =
        preview_document(platform, administrator, &org, ready, &wanted).await?;
    // Before anything is sent: a document without a subject has nothing to try an answer on.
    let before = kind.rehearse(&document, &wanted.schema, Answer::default()).map_err(|error| invalid(&error))?.before;
    let got = match wanted.source {
        AnswerSource::Service => {
            let call = TestCall {
                origin: Arc::new(administrator.origin()),
                purpose: Purpose::Preview,
                event_id: Some(event_id),
                body: document.to_json().to_string().into_bytes().into(),
                unsent,
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
                .map_err(|error| ManagementError::field("answer", &error.explained(None)))?;
            Got { answer: Some(answer), ..Got::default() }
        }
        AnswerSource::Nobody => Got::default(),
    };
    got.tried(&document, &**kind, &wanted.schema, before, hook.channel.unsent_headers())
}

async fn preview_document(
    platform: &Platform,
    administrator: &Administrator,
    org: &OrgSnapshot,
    ready: &ReadyHook,
    wanted: &Wanted<'_>,
) -> Result<Prepared, ManagementError> {
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
    let whole = document.to_json();
    let unsent = kind.leave_out(&mut document).then(|| whole.to_string().into_bytes().into());
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
    Ok(Prepared { document, unsent, event_id })
}

fn invalid(error: &DocumentError) -> ManagementError {
    ManagementError::field(&error.field, &error.message)
}

impl<'a> Wanted<'a> {
    fn read(submitted: &'a Submitted<PreviewRequest>, of_org: &Arc<ProfileSchema>) -> Result<Self, ManagementError> {
        let wrong = |field: &str, text: &str| Err(ManagementError::field(field, text));
        if !submitted.is_object {
            return wrong(MODEL, NO_OBJECT);
        }
        submitted.refuse_unsupported(MODEL)?;
        let PreviewRequest { inputs, document, call, answer, profile_schema } = &submitted.request;
        let about = match (inputs, document.value()) {
            (Given::Absent, Some(document)) => About::Document(document),
            (Given::Is(_) | Given::Wrong, Some(_)) => {
                return wrong("document", "Give either `inputs` or a `document`");
            }
            (Given::Is(inputs), None) => About::Inputs(Some(inputs)),
            (Given::Wrong, None) => return wrong("inputs", "must be an object"),
            (Given::Absent, None) => About::Inputs(None),
        };
        let source = match (answer.value(), call) {
            (Some(_), Given::Is(true)) => return wrong("answer", "Give either an `answer` or `\"call\": true`"),
            (_, Given::Wrong) => return wrong("call", "must be true or false"),
            (Some(answer), _) => AnswerSource::Given(answer.to_string().into_bytes()),
            (None, Given::Is(false)) => AnswerSource::Nobody,
            (None, _) => AnswerSource::Service,
        };
        let schema =
            match profile_schema.value() {
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

    /// What the answer would change.
    fn tried(
        self,
        document: &Document,
        kind: &dyn HookKind,
        schema: &Arc<ProfileSchema>,
        mut before: Value,
        unsent_headers: Vec<String>,
    ) -> Result<Preview, ManagementError> {
        let Self { answer, raw, failure, timings } = self;
        let (mut problems, mut changes, mut after) = (Vec::new(), Vec::new(), before.clone());
        let outcome = match &answer {
            None if failure.is_some() => PreviewOutcome::Failed,
            None => PreviewOutcome::NotCalled,
            Some(answer) if answer.error.is_some() => PreviewOutcome::Refused,
            Some(answer) if answer.means_default(kind.description()) => PreviewOutcome::Unchanged,
            Some(answer) => {
                let tried = kind.rehearse(document, schema, answer.clone()).map_err(|error| invalid(&error))?;
                match tried.result {
                    Ok((subject, made)) => {
                        (after, changes) = (subject, made);
                        PreviewOutcome::Applied
                    }
                    Err(found) => {
                        problems = bounded(found);
                        PreviewOutcome::Invalid
                    }
                }
            }
        };
        let mut shown = document.to_json();
        if let Some(data) = shown.get_mut("data") {
            kind.mask(data);
        }
        kind.mask(&mut before);
        kind.mask(&mut after);
        Ok(Preview {
            document: shown,
            outcome,
            failure,
            raw,
            answer,
            problems,
            changes,
            diff: json_patch::diff(&before, &after),
            before,
            after,
            total: timings.map(|timings| timings.total),
            unsent_headers,
        })
    }
}

//! A host's invocation: a program of any kind pauses its process at an extension point, and is told how it goes on.
//!
//! Start reading at [`HostCall::invoke`]. Nothing here waits for the store: the configuration is in memory, and the engine's
//! record is taken without waiting.

mod answer;
mod deciding;
mod health;

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tenterhook_contract::{
    AnyPoint, ExtensionPoint,
    binding::HookBinding,
    context::{RequestContext, UrlValue},
    declared::{DeclaredPoint, SchemaViolation},
    hook::HookStatus,
    question::{Question, QuestionBatch, QuestionProblems},
};
use tenterhook_engine::{Deadline, Decision, Origin, Outcome, Resumption, SkipReason};
use tenterhook_model::ApiToken;
use tenterhook_platform::{Caller, OrgSnapshot, Pause, Paused, Platform, PointOf, Resumed, Run, events::token_actor};
use tokio::{task::JoinSet, time::Instant};

use self::deciding::Deciding;
pub use self::{
    answer::{HookReport, HostAnswer, HostFailure, HostOutcome, HostSubject, Patch, Resume},
    health::{HookHealth, PointHealth},
};

/// A request of a host.
#[derive(Clone)]
pub struct HostCall {
    /// The platform.
    pub platform: Arc<Platform>,
    /// The org.
    pub org: Arc<OrgSnapshot>,
    /// The request.
    pub caller: Caller,
    /// Its API token.
    pub token: Arc<ApiToken>,
    /// When the head of the request arrived: deadlines are counted from here.
    pub arrived: Instant,
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum HostRefusal {
    /// The org has no such extension point.
    UnknownPoint,
    /// The question is malformed.
    Invalid(QuestionProblems),
}

/// A question that was found to be well formed, apart from context and subject.
struct Pausing<'a> {
    bindings: Cow<'a, [HookBinding]>,
    source: String,
    origin: Origin,
    deadline: Option<Deadline>,
}

/// How a pause ended, before its subject is written.
struct Ended {
    resume: Resume,
    turned_away: bool,
    /// Whether commands were applied to the subject.
    is_changed: bool,
    paused: Paused,
}

impl HostCall {
    /// Answers a question at the extension point with this type or id: checks it, runs the hooks, and says what the host must
    /// do. It ends by the question's deadline, whatever the services do.
    ///
    /// # Errors
    /// Everything that is wrong with the question; nothing was called then.
    pub async fn invoke(&self, type_or_id: &str, mut question: Question) -> Result<HostAnswer, HostRefusal> {
        let point = self.org.extension_point(type_or_id).ok_or(HostRefusal::UnknownPoint)?;
        let mut problems = std::mem::take(&mut question.problems);
        if problems.iter().any(|problem| problem.pointer.is_empty()) {
            // It is no object, so that no member can be missing.
            return Err(HostRefusal::Invalid(problems));
        }
        let bindings = self.bindings(point, &question, &mut problems);
        match point {
            PointOf::Declared { point: declared, .. } => {
                let Some((context, subject)) = read_declared(declared, &mut question, &mut problems) else {
                    return Err(HostRefusal::Invalid(problems));
                };
                let pausing = self.pausing(point, question, bindings);
                Ok(self.at_declared(declared, pausing, context, subject).await)
            }
            PointOf::BuiltIn { kind, .. } => {
                let any = AnyPoint::new(Arc::clone(kind));
                let Some((context, subject)) = self.read_built_in(&any, &mut question, &mut problems) else {
                    return Err(HostRefusal::Invalid(problems));
                };
                let pausing = self.pausing(point, question, bindings);
                Ok(self.at_built_in(&any, pausing, context, subject).await)
            }
        }
    }

    /// Answers all questions of a batch at the same time, under its deadline; the answers are in the order of the questions. A
    /// malformed question is refused for itself.
    ///
    /// # Errors
    /// What is wrong with the batch itself; nothing was called then.
    pub async fn invoke_all(
        self,
        type_or_id: &str,
        batch: QuestionBatch,
    ) -> Result<Vec<Result<HostAnswer, HostRefusal>>, HostRefusal> {
        if !batch.problems.is_empty() {
            return Err(HostRefusal::Invalid(batch.problems));
        }
        let (call, type_or_id) = (Arc::new(self), Arc::<str>::from(type_or_id));
        let mut running = JoinSet::new();
        for (index, mut question) in batch.questions.into_iter().enumerate() {
            question.deadline_ms = batch.deadline_ms;
            let (call, type_or_id) = (Arc::clone(&call), Arc::clone(&type_or_id));
            running.spawn(async move { (index, call.invoke(&type_or_id, question).await) });
        }
        // Dropped with the request, the set ends all of them.
        let mut answers = running.join_all().await;
        answers.sort_unstable_by_key(|(index, _)| *index);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// The hooks that are called: the one that the question names, else those that are put at the point.
    fn bindings<'a>(
        &self,
        point: PointOf<'a>,
        question: &Question,
        problems: &mut QuestionProblems,
    ) -> Cow<'a, [HookBinding]> {
        let Some(id) = &question.hook_id else { return Cow::Borrowed(point.bindings()) };
        let name = &point.description().event_type;
        match self.org.hook(id) {
            None => problems.add("/hookId", "There is no such inline hook"),
            Some(hook) if hook.hook.hook_type != *name => {
                problems.add("/hookId", format!("The inline hook has the type {}", hook.hook.hook_type));
            }
            Some(_) => {}
        }
        Cow::Owned(vec![HookBinding::always(id.clone())])
    }

    fn pausing<'a>(&self, point: PointOf<'_>, question: Question, bindings: Cow<'a, [HookBinding]>) -> Pausing<'a> {
        let Question { source, actor, request_id, trace_parent, deadline_ms, .. } = question;
        let caller = &self.caller;
        let deadline = deadline_ms.map(|ms| Deadline::at(self.arrived + Duration::from_millis(ms.into())));
        let origin = Origin {
            request: RequestContext {
                id: request_id.unwrap_or_else(|| caller.request_id.clone()),
                method: caller.method.clone(),
                url: UrlValue { value: caller.path.clone() },
                ip_address: caller.ip_address.clone(),
            },
            trace_parent,
            api_token_id: Some(self.token.id.to_string()),
            targets: vec![point.target()],
            ..caller.origin(&self.org.org.id, actor.unwrap_or_else(|| token_actor(&self.token)))
        };
        Pausing { bindings, source: source.unwrap_or_else(|| caller.source()), origin, deadline }
    }

    fn read_built_in(
        &self,
        point: &AnyPoint,
        question: &mut Question,
        problems: &mut QuestionProblems,
    ) -> Option<(<AnyPoint as ExtensionPoint>::Context, <AnyPoint as ExtensionPoint>::Subject)> {
        for (pointer, given) in [("/subject", &question.subject), ("/context", &question.context)] {
            if given.as_ref().is_some_and(|given| !given.is_null()) {
                problems.add(pointer, "belongs to declared extension points: give the `data` of the document");
            }
        }
        let Some(data) = question.data.take() else {
            problems.add("/data", "is missing: give the `data` of the document");
            return None;
        };
        match point.read(data, question.request_type.as_deref(), &self.org.profile_schema) {
            Ok(read) => problems.is_empty().then_some(read),
            Err(errors) => {
                for error in errors {
                    problems.add(error.field, error.message);
                }
                None
            }
        }
    }

    async fn at_declared(
        &self,
        point: &DeclaredPoint,
        pausing: Pausing<'_>,
        context: Value,
        mut subject: <DeclaredPoint as ExtensionPoint>::Subject,
    ) -> HostAnswer {
        let before = subject.value.clone();
        let default = point.declaration().decisions.as_ref().map(|decisions| decisions.default.clone());
        let deciding = Deciding::new(point);
        let ended = self.pause(&deciding, pausing, context, &mut subject).await;
        let decided = deciding.into_decided();
        let decision = default.map(|default| subject.decision.unwrap_or(default));
        ended.answer((before, subject.value), HostSubject::Subject, decision, decided)
    }

    async fn at_built_in(
        &self,
        point: &AnyPoint,
        pausing: Pausing<'_>,
        context: <AnyPoint as ExtensionPoint>::Context,
        mut subject: <AnyPoint as ExtensionPoint>::Subject,
    ) -> HostAnswer {
        let before = subject.data().clone();
        let ended = self.pause(point, pausing, context, &mut subject).await;
        ended.answer((before, subject.into_result()), HostSubject::Data, None, std::iter::empty())
    }

    async fn pause<P: ExtensionPoint>(
        &self,
        point: &P,
        pausing: Pausing<'_>,
        context: P::Context,
        subject: &mut P::Subject,
    ) -> Ended {
        let Pausing { bindings, source, origin, deadline } = pausing;
        let pause = Pause {
            point,
            org: &self.org,
            hooks: &bindings,
            issuer: None,
            source: &source,
            subject: &mut *subject,
            deadline,
        };
        let mut paused = self.platform.pause_explained(pause, || (origin, context)).await;
        let (resume, turned_away) = match &paused.resumed {
            Resumed::On { .. } => (Resume::Continue, false),
            Resumed::FallBack => (Resume::FallBack, false),
            Resumed::Refused(_) | Resumed::Stopped => (Resume::Stop, false),
            Resumed::TurnedAway => (self.meanwhile(point, &mut paused, subject), true),
        };
        let is_changed = calls(&paused).any(Resumption::is_applied);
        Ended { resume, turned_away, is_changed, paused }
    }

    /// What a turned-away host does if it cannot ask again: the failure policy of the hook without a free place decides. Where
    /// that is to go on and hooks behind it were not reached, the host must stop: it must not pass them by.
    fn meanwhile<P: ExtensionPoint>(&self, point: &P, paused: &mut Paused, subject: &mut P::Subject) -> Resume {
        let passes_by = paused.hooks.iter().any(|run| {
            let hook = || self.org.hook(&run.hook);
            matches!(run.run, Run::NotReached) && hook().is_some_and(|hook| hook.hook.status == HookStatus::Active)
        });
        let found_no_room = paused.hooks.iter_mut().find_map(|run| match &mut run.run {
            Run::Called(resumption) if resumption.decision == Decision::TurnAway => Some((&run.hook, resumption)),
            _ => None,
        });
        let Some((id, resumption)) = found_no_room else { return Resume::Stop };
        let Some(hook) = self.org.hook(id) else { return Resume::Stop };
        let (decision, fallback) = hook.without_answer(point, subject);
        if decision == Decision::Continue && passes_by {
            return Resume::Stop;
        }
        resumption.fallback = fallback;
        decision.into()
    }
}

/// The context and the subject of a question at a declared extension point, unless something is wrong with the question.
fn read_declared(
    point: &DeclaredPoint,
    question: &mut Question,
    problems: &mut QuestionProblems,
) -> Option<(Value, <DeclaredPoint as ExtensionPoint>::Subject)> {
    for (pointer, is_given) in [("/data", question.data.is_some()), ("/requestType", question.request_type.is_some())] {
        if is_given {
            problems.add(pointer, "belongs to built-in types: give `context` and `subject`");
        }
    }
    // Null is an absent context, unless the schema has a null.
    let is_given = |context: &Value| !context.is_null() || point.check_context(context).is_ok();
    let context = question.context.take().filter(is_given).unwrap_or_else(|| json!({}));
    let checked = point.check_context(&context);
    add_violations(problems, "/context", checked.err().unwrap_or_default());
    let Some(subject) = question.subject.take() else {
        problems.add("/subject", "is missing");
        return None;
    };
    match point.subject(subject) {
        Ok(subject) => problems.is_empty().then_some((context, subject)),
        Err(violations) => {
            add_violations(problems, "/subject", violations);
            None
        }
    }
}

fn add_violations(problems: &mut QuestionProblems, parent: &str, violations: Vec<SchemaViolation>) {
    for SchemaViolation { pointer, message } in violations {
        problems.add(format!("{parent}{pointer}"), message);
    }
}

/// What became of the hooks whose turn it was, in the order of the chain.
fn calls(paused: &Paused) -> impl DoubleEndedIterator<Item = &Resumption> {
    paused.hooks.iter().filter_map(|run| match &run.run {
        Run::Called(resumption) => Some(resumption),
        Run::Disabled | Run::Unmet(_) | Run::NotReached => None,
    })
}

impl Ended {
    /// The invocation that the whole answer is of: the one that ended the chain, else the last one whose commands were applied,
    /// else the last one that was to be called.
    fn decisive(&self) -> Option<&Resumption> {
        let passed_over =
            |call: &Resumption| matches!(call.outcome, Outcome::Skipped(SkipReason::Inactive | SkipReason::Missing));
        let last = |is_one: &dyn Fn(&Resumption) -> bool| calls(&self.paused).rev().find(|call| is_one(call));
        last(&|call| call.decision != Decision::Continue)
            .or_else(|| last(&|call| matches!(call.outcome, Outcome::Applied(_))))
            .or_else(|| last(&|call| !passed_over(call)))
            .or_else(|| last(&|_| true))
    }

    fn answer(
        self,
        (before, after): (Value, Value),
        subject: fn(Value) -> HostSubject,
        decision: Option<String>,
        mut decided: impl Iterator<Item = Option<String>>,
    ) -> HostAnswer {
        let decisive = self.decisive();
        let outcome = decisive.map_or(HostOutcome::Skipped, |call| HostOutcome::from(&call.outcome));
        let error = match decisive.map(|call| &call.outcome) {
            Some(Outcome::Refused(error)) => Some(error.clone()),
            _ => None,
        };
        let event_id = decisive.map(|call| call.event_id.clone());
        let hooks: Vec<_> = self.paused.hooks.iter().map(|run| HookReport::of(run, &mut decided)).collect();
        let stops = self.resume == Resume::Stop;
        let changes = if self.is_changed && !stops { json_patch::diff(&before, &after) } else { Patch::default() };
        HostAnswer {
            resume: self.resume,
            turned_away: self.turned_away,
            outcome,
            subject: subject(if stops { before } else { after }),
            changes,
            decision: decision.filter(|_| !stops),
            error,
            failure: hooks.iter().find_map(|hook| hook.failure.clone()),
            hooks,
            event_id,
        }
    }
}

//! Reading the policy of a request: our own member of the resource. The vendor's clients do not know it, and their PUT leaves
//! it as it is.

use std::ops::RangeInclusive;

use tenterhook_contract::{
    BuiltInType, FailureDefault, HookKind, Retry,
    hook::{BreakerPolicy, FailurePolicy, Fallback, HookPolicy},
    hook_kind::Rehearsal,
    preview::Document,
    problem::{Problem, ProblemCode},
    profile::ProfileSchema,
    telephony::VoiceLabel,
};

use super::{
    MODEL,
    request::{BreakerRequest, FAILURES, Failure, MODES, PolicyRequest, RETRIES},
};
use crate::request::{Causes, Given, INVALID, Named};

/// The member with the fallback commands.
const FALLBACK: &str = "policy.fallbackCommands";
/// Names of voice calls on the wire.
const VOICE_LABELS: [(&str, VoiceLabel); 3] =
    [("Voice", VoiceLabel::Voice), ("voice call", VoiceLabel::VoiceCall), ("CALL", VoiceLabel::Call)];
/// What names the failure policy.
const FAILURE: &str = "policy.failurePolicy";

/// Reads a policy; members that are absent or null have their defaults.
pub(super) fn read(
    policy: &Given<PolicyRequest>,
    kind: Option<&dyn HookKind>,
    causes: &mut Causes,
) -> Option<HookPolicy> {
    let policy = match policy {
        Given::Absent => of_type(kind),
        Given::Is(policy) => read_members(policy, kind, causes)?,
        Given::Wrong => {
            causes.add("policy", INVALID);
            return None;
        }
    };
    if let Some(kind) = kind {
        judge(&policy, kind, causes);
    }
    Some(policy)
}

/// The policy of a hook of this type whose request says nothing of it.
pub(super) fn of_type(kind: Option<&dyn HookKind>) -> HookPolicy {
    let default = HookPolicy::default();
    HookPolicy { timeout_ms: kind.map_or(default.timeout_ms, |kind| kind.description().timeout_ms), ..default }
}

fn read_members(request: &PolicyRequest, kind: Option<&dyn HookKind>, causes: &mut Causes) -> Option<HookPolicy> {
    let default = of_type(kind);
    let timeout = number(causes, "policy.timeoutMs", &request.timeout_ms, &HookPolicy::TIMEOUT_MS);
    let retry = one_of(causes, "policy.retry", &request.retry, &RETRIES, default.retry);
    let max = number(causes, "policy.maxConcurrent", &request.max_concurrent, &HookPolicy::MAX_CONCURRENT);
    let idle = number(causes, "policy.idleConnectionMs", &request.idle_connection_ms, &HookPolicy::IDLE_CONNECTION_MS);
    let voice_label = read_voice_label(&request.voice_label, kind, causes);
    let lenient_answers = read_lenient_answers(&request.lenient_answers, kind, causes);
    let fallback = read_fallback(request.fallback_commands.given(), causes);
    let failure = one_of(causes, FAILURE, &request.failure_policy, &FAILURES, Failure::Default);
    let failure = failure.filter(|failure| can_have(*failure, kind, causes));
    let breaker = match request.breaker.given() {
        Given::Absent => Some(default.breaker),
        Given::Is(breaker) => read_breaker(breaker, causes),
        Given::Wrong => {
            causes.add("policy.breaker", INVALID);
            None
        }
    };
    let (failure, unused_fallback) = match (failure?, fallback?) {
        (Failure::Fallback, Some(fallback)) => (FailurePolicy::Fallback(fallback), None),
        (Failure::Fallback, None) => {
            causes.add(FALLBACK, "Write the commands to apply, an array");
            return None;
        }
        (Failure::Default, unused) => (FailurePolicy::Default, unused),
        (Failure::Continue, unused) => (FailurePolicy::Continue, unused),
        (Failure::Stop, unused) => (FailurePolicy::Stop, unused),
    };
    Some(HookPolicy {
        timeout_ms: timeout?.unwrap_or(default.timeout_ms),
        retry: retry?,
        failure,
        unused_fallback,
        max_concurrent: max?,
        idle_connection_ms: idle?,
        voice_label: voice_label?,
        lenient_answers: lenient_answers?,
        breaker: breaker?,
    })
}

fn read_breaker(request: &BreakerRequest, causes: &mut Causes) -> Option<BreakerPolicy> {
    let default = BreakerPolicy::default();
    let mode = one_of(causes, "policy.breaker.mode", &request.mode, &MODES, default.mode);
    let mut number = |name, named, range| number(causes, name, named, range);
    let (rate, minimum) = (&BreakerPolicy::FAILURE_RATE_PERCENT, &BreakerPolicy::MINIMUM_CALLS);
    let rate = number("policy.breaker.failureRatePercent", &request.failure_rate_percent, rate);
    let minimum = number("policy.breaker.minimumCalls", &request.minimum_calls, minimum);
    let window = number("policy.breaker.windowSeconds", &request.window_seconds, &BreakerPolicy::WINDOW_SECONDS);
    let consecutive = &BreakerPolicy::CONSECUTIVE_FAILURES;
    let consecutive = number("policy.breaker.consecutiveFailures", &request.consecutive_failures, consecutive);
    let open = number("policy.breaker.openSeconds", &request.open_seconds, &BreakerPolicy::OPEN_SECONDS);
    Some(BreakerPolicy {
        mode: mode?,
        failure_rate_percent: rate?.unwrap_or(default.failure_rate_percent),
        minimum_calls: minimum?.unwrap_or(default.minimum_calls),
        window_seconds: window?.unwrap_or(default.window_seconds),
        consecutive_failures: consecutive?,
        open_seconds: open?.unwrap_or(default.open_seconds),
    })
}

/// `None` is a problem that has been noted, `Some(None)` an absent member.
#[expect(clippy::option_option, reason = "absent and wrong are different things")]
fn number(causes: &mut Causes, member: &str, named: &Named<u32>, range: &RangeInclusive<u32>) -> Option<Option<u32>> {
    match named.given() {
        Given::Absent => Some(None),
        Given::Is(number) if range.contains(number) => Some(Some(*number)),
        Given::Is(_) | Given::Wrong => {
            causes.add(member, &format!("Write an integer from {} to {}", range.start(), range.end()));
            None
        }
    }
}

/// `None` is a problem that has been noted.
fn one_of<T: Copy>(
    causes: &mut Causes,
    member: &str,
    named: &Named<String>,
    choices: &[(&str, T)],
    default: T,
) -> Option<T> {
    let found = match named.given() {
        Given::Absent => return Some(default),
        Given::Is(name) => choices.iter().find(|(own, _)| own == name).map(|(_, value)| *value),
        Given::Wrong => None,
    };
    if found.is_none() {
        causes.none_of(member, choices.iter().map(|(name, _)| *name));
    }
    found
}

/// `None` is a problem that has been noted, `Some(None)` an absent member.
#[expect(clippy::option_option, reason = "absent and wrong are different things")]
fn read_voice_label(
    label: &Named<String>,
    kind: Option<&dyn HookKind>,
    causes: &mut Causes,
) -> Option<Option<VoiceLabel>> {
    if matches!(label.given(), Given::Absent) {
        return Some(None);
    }
    let telephony = BuiltInType::Telephony.name();
    if kind.is_some_and(|kind| kind.description().event_type != *telephony) {
        causes.add("policy.voiceLabel", "Only telephony hooks have a label for voice calls");
        return None;
    }
    one_of(causes, "policy.voiceLabel", label, &VOICE_LABELS, VoiceLabel::default()).map(Some)
}

/// `None` is a problem that has been noted.
fn read_lenient_answers(lenient: &Named<bool>, kind: Option<&dyn HookKind>, causes: &mut Causes) -> Option<bool> {
    const MEMBER: &str = "policy.lenientAnswers";
    let lenient = match lenient.given() {
        Given::Absent => false,
        Given::Is(lenient) => *lenient,
        Given::Wrong => {
            causes.add(MEMBER, INVALID);
            return None;
        }
    };
    if lenient && kind.is_some_and(|kind| !kind.knows_near_misses()) {
        causes.add(MEMBER, "Answers of hooks of this type are read by the letter");
        return None;
    }
    Some(lenient)
}

/// Whether hooks of this type can have the failure policy.
fn can_have(failure: Failure, kind: Option<&dyn HookKind>, causes: &mut Causes) -> bool {
    let falls_back = kind.is_some_and(|kind| kind.description().failure == FailureDefault::FallBack);
    if failure == Failure::Continue && falls_back {
        causes.add(FAILURE, "A flow of this type cannot go on without an answer or the built-in provider");
        return false;
    }
    true
}

/// `None` is a problem that has been noted, `Some(None)` an absent member.
#[expect(clippy::option_option, reason = "absent and wrong are different things")]
fn read_fallback(commands: &Given<Vec<serde_json::Value>>, causes: &mut Causes) -> Option<Option<Box<Fallback>>> {
    let fallback = match commands {
        Given::Absent => return Some(None),
        Given::Is(commands) => Fallback::new(commands.clone()),
        Given::Wrong => None,
    };
    if fallback.is_none() {
        causes.add(FALLBACK, "Write the commands to apply, an array; null for none");
    }
    fallback.map(Box::new).map(Some)
}

/// What is wrong with a policy where hooks of this type are concerned, one text for each problem.
pub(crate) fn policy_problems(policy: &HookPolicy, kind: &dyn HookKind) -> Vec<String> {
    let mut causes = Causes::none(MODEL);
    judge(policy, kind, &mut causes);
    causes.into_texts()
}

/// Checks what depends on the type: the retry (`overview.md` section 5: token and telephony hooks are never called twice) and
/// the fallback commands, one cause for each problem.
fn judge(policy: &HookPolicy, kind: &dyn HookKind, causes: &mut Causes) {
    if policy.retry == Some(Retry::Once) && kind.description().retry == Retry::Never {
        causes.add("policy.retry", "A hook of this type is never called twice. Write default or never");
    }
    let rehearsals = policy.fallback().map(|fallback| rehearsals(fallback, kind)).unwrap_or_default();
    if let Some(why) = rehearsals.iter().find_map(|rehearsal| rehearsal.no_fallback) {
        causes.add(FALLBACK, why);
    }
    for problem in incurable(rehearsals) {
        let pointer = problem.pointer.strip_prefix("/commands").unwrap_or_default();
        let hint = problem.hint.map(|hint| format!(". {hint}")).unwrap_or_default();
        causes.add(FALLBACK, &format!("{} at {pointer}{hint}", problem.message));
    }
}

/// The commands, tried on every sample of the type.
fn rehearsals(fallback: &Fallback, kind: &dyn HookKind) -> Vec<Rehearsal> {
    let (schema, answer) = (ProfileSchema::base(), fallback.answer(kind.description()));
    let samples = kind.sample_requests().into_iter();
    let documents =
        samples.filter_map(|text| Document::given(&serde_json::from_str(text).ok()?, kind.description()).ok());
    documents.filter_map(|document| kind.rehearse(&document, &schema, answer.clone()).ok()).collect()
}

/// What no subject of a flow could make right: the problems that the commands have with every sample of the type, without
/// those that lie in the sample.
fn incurable(rehearsals: Vec<Rehearsal>) -> Vec<Problem> {
    let rehearsals =
        rehearsals.into_iter().map(|rehearsal| rehearsal.result.err().unwrap_or_default()).collect::<Vec<_>>();
    let is_everywhere =
        |code| rehearsals.iter().all(|problems| problems.iter().any(|problem: &Problem| problem.code == code));
    let [flows_mixed, always_violates] = [ProblemCode::WrongFlow, ProblemCode::SchemaViolation].map(is_everywhere);
    let mut found = Vec::new();
    for problem in rehearsals.into_iter().flatten() {
        let lies_in_the_sample = match problem.code {
            ProblemCode::PathNotFound
            | ProblemCode::BadIndex
            | ProblemCode::TokenNotPresent
            | ProblemCode::UnknownAttribute
            | ProblemCode::NoTarget => true,
            ProblemCode::WrongFlow => !flows_mixed,
            ProblemCode::SchemaViolation => !always_violates,
            _ => false,
        };
        if !lies_in_the_sample && !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}

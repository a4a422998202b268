//! How a hook is called and what its failures mean: our own member `policy` of the resource. The vendor's clients do not
//! know it, and their PUT leaves it as it is.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::body::Causes;
use crate::{
    Description, FailureDefault, HookKind, Retry,
    answer::Answer,
    hook_kind::Rehearsal,
    members::Members,
    preview::Document,
    problem::{Problem, ProblemCode},
    profile::ProfileSchema,
};

/// Settings of a hook. The defaults are the contract's (`overview.md` sections 5 and 6).
///
/// ```
/// use tenterhook_contract::hook::HookPolicy;
/// assert_eq!(HookPolicy::default().timeout_ms, 3_000);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HookPolicy {
    /// The budget of one attempt in milliseconds, token fetch included.
    pub timeout_ms: u32,
    /// Whether a failed attempt is made once more; `None` leaves it to the type, and a type that is never called twice
    /// is not, whatever is written here.
    pub retry: Option<Retry>,
    /// What the flow does when the service could not be asked or understood.
    pub failure: FailurePolicy,
    /// Fallback commands that another failure policy leaves unused: they are there when it is changed back.
    pub unused_fallback: Option<Box<Fallback>>,
    /// Calls of this hook that may be open at the same time; `None` for the engine's share of the org's bound.
    pub max_concurrent: Option<u32>,
    /// How long a connection to the service may be idle, in milliseconds, and still be used for the next call; zero for a
    /// connection of its own for each call, `None` for what the service is found to keep.
    pub idle_connection_ms: Option<u32>,
    /// The circuit breaker.
    pub breaker: BreakerPolicy,
}

/// What a flow does when its service could not be asked or understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum FailurePolicy {
    /// What the type says.
    #[default]
    Default,
    /// It goes on with the unchanged subject.
    Continue,
    /// It is refused.
    Stop,
    /// These commands are applied as if the service had answered them.
    Fallback(Box<Fallback>),
}

/// Commands that stand in for an answer. Their `Debug` shows no values.
///
/// ```
/// use tenterhook_contract::{BuiltInType, hook::Fallback};
/// let fallback = Fallback::new(vec![serde_json::json!({ "type": "com.okta.access.patch", "value": [] })]).unwrap();
/// assert_eq!(fallback.answer(BuiltInType::Token.description()).commands.len(), fallback.commands().len());
/// assert!(Fallback::new(Vec::new()).is_none());
/// ```
#[derive(Clone, PartialEq)]
pub struct Fallback(Vec<Value>);

impl Fallback {
    /// These commands, not judged; `None` when there is none, or when they are no JSON that an answer may have.
    pub fn new(commands: Vec<Value>) -> Option<Self> {
        Answer::parse(body_of(&commands).as_bytes()).ok()?;
        (!commands.is_empty()).then_some(Self(commands))
    }

    /// The commands as they were written.
    pub fn commands(&self) -> &[Value] {
        &self.0
    }

    /// The answer that they are, of a hook of the type that `description` is of.
    pub fn answer(&self, description: &Description) -> Answer {
        // What can be read does not depend on the type.
        Answer::parse_for(body_of(&self.0).as_bytes(), description).unwrap_or_default()
    }
}

fn body_of(commands: &[Value]) -> String {
    json!({ "commands": commands }).to_string()
}

impl std::fmt::Debug for Fallback {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fallback").field("commands", &self.0.len()).finish_non_exhaustive()
    }
}

/// When calls are stopped because the service does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Whether it stops calls.
    pub mode: BreakerMode,
    /// Percentage of failed calls in the window from which it opens.
    pub failure_rate_percent: u32,
    /// It does not open on fewer calls than these.
    pub minimum_calls: u32,
    /// The rolling window in seconds. It opens on the rate only when calls have been seen for half of it.
    pub window_seconds: u32,
    /// Failures in a row at which it opens at once; `None` for never.
    pub consecutive_failures: Option<u32>,
    /// Seconds it stays open before one call may probe, give or take a fifth.
    pub open_seconds: u32,
}

/// Whether a breaker stops calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerMode {
    /// It does.
    On,
    /// It does not, and nothing is counted.
    Off,
    /// It does not, and the log says when it would have.
    DryRun,
}

impl Default for HookPolicy {
    fn default() -> Self {
        Self {
            timeout_ms: 3_000,
            retry: None,
            failure: FailurePolicy::Default,
            unused_fallback: None,
            max_concurrent: None,
            idle_connection_ms: None,
            breaker: BreakerPolicy::default(),
        }
    }
}

impl Default for BreakerPolicy {
    /// Two minutes and three quarters: one slow minute after a good one is at most half of the window, and a minute
    /// that is all there is does not fill half of it.
    fn default() -> Self {
        Self {
            mode: BreakerMode::On,
            failure_rate_percent: 75,
            minimum_calls: 20,
            window_seconds: 120,
            consecutive_failures: None,
            open_seconds: 15,
        }
    }
}

/// The member with the fallback commands.
const FALLBACK: &str = "policy.fallbackCommands";

/// Names of the members, and of their values, on the wire.
const RETRIES: [(&str, Option<Retry>); 3] =
    [("default", None), ("never", Some(Retry::Never)), ("once", Some(Retry::Once))];
const MODES: [(&str, BreakerMode); 3] =
    [("on", BreakerMode::On), ("off", BreakerMode::Off), ("dry_run", BreakerMode::DryRun)];

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, own)| own == value).map(|(name, _)| *name).unwrap_or_default()
}

impl HookPolicy {
    /// The budgets of an attempt that a hook can have, in milliseconds.
    pub const TIMEOUT_MS: RangeInclusive<u32> = 50..=60_000;
    /// How many open calls a hook can allow.
    pub const MAX_CONCURRENT: RangeInclusive<u32> = 1..=10_000;
    /// The idle times of a connection that a hook can ask for, in milliseconds. A connection grows no older anyway.
    pub const IDLE_CONNECTION_MS: RangeInclusive<u32> = 0..=60_000;

    /// The wire form, every member present.
    pub(super) fn to_json(&self) -> Value {
        let failure = match &self.failure {
            FailurePolicy::Default => "default",
            FailurePolicy::Continue => "continue",
            FailurePolicy::Stop => "stop",
            FailurePolicy::Fallback(_) => "fallback",
        };
        json!({
            "timeoutMs": self.timeout_ms,
            "retry": name_of(&RETRIES, &self.retry),
            "failurePolicy": failure,
            "fallbackCommands": self.fallback().map(Fallback::commands),
            "maxConcurrent": self.max_concurrent,
            "idleConnectionMs": self.idle_connection_ms,
            "breaker": {
                "mode": name_of(&MODES, &self.breaker.mode),
                "failureRatePercent": self.breaker.failure_rate_percent,
                "minimumCalls": self.breaker.minimum_calls,
                "windowSeconds": self.breaker.window_seconds,
                "consecutiveFailures": self.breaker.consecutive_failures,
                "openSeconds": self.breaker.open_seconds,
            },
        })
    }

    /// The fallback commands, whether the failure policy uses them or not.
    pub fn fallback(&self) -> Option<&Fallback> {
        match &self.failure {
            FailurePolicy::Fallback(fallback) => Some(fallback),
            _ => self.unused_fallback.as_deref(),
        }
    }

    /// Judges what depends on the type: the retry (`overview.md` section 5: token and telephony hooks are never called
    /// twice) and the fallback commands, one cause for each problem. What was stored before is not judged again, so that
    /// a newer rule does not make a hook unreadable.
    pub(super) fn judge(&self, kind: &dyn HookKind, causes: &mut Causes) {
        if self.retry == Some(Retry::Once) && kind.description().retry == Retry::Never {
            causes.add("policy.retry", "A hook of this type is never called twice. Write default or never");
        }
        let rehearsals = self.fallback().map(|fallback| rehearsals(fallback, kind)).unwrap_or_default();
        if let Some(why) = rehearsals.iter().find_map(|rehearsal| rehearsal.no_fallback) {
            causes.add(FALLBACK, why);
        }
        for problem in incurable(rehearsals) {
            let pointer = problem.pointer.strip_prefix("/commands").unwrap_or_default();
            let hint = problem.hint.map(|hint| format!(". {hint}")).unwrap_or_default();
            causes.add(FALLBACK, format!("{} at {pointer}{hint}", problem.message));
        }
    }

    /// What a policy may have.
    pub(super) const MEMBERS: Members = Members {
        taken: &[
            "timeoutMs",
            "retry",
            "failurePolicy",
            "fallbackCommands",
            "maxConcurrent",
            "idleConnectionMs",
            "breaker.mode",
            "breaker.failureRatePercent",
            "breaker.minimumCalls",
            "breaker.windowSeconds",
            "breaker.consecutiveFailures",
            "breaker.openSeconds",
        ],
        read_only: &[],
        refused: &[],
    };

    /// Reads `policy`; members that are absent or null have their defaults.
    pub(super) fn read(value: &Value, description: Option<&Description>, causes: &mut Causes) -> Option<Self> {
        let Value::Object(members) = value else {
            causes.add("policy", "The field has an invalid value");
            return None;
        };
        let default = Self::default();
        let mut reader = Reader { members, causes };
        let timeout = reader.number("timeoutMs", "policy.timeoutMs", &Self::TIMEOUT_MS);
        let retry = reader.one_of("retry", "policy.retry", &RETRIES).unwrap_or(Some(None));
        let max = reader.number("maxConcurrent", "policy.maxConcurrent", &Self::MAX_CONCURRENT);
        let idle = reader.number("idleConnectionMs", "policy.idleConnectionMs", &Self::IDLE_CONNECTION_MS);
        let fallback = reader.fallback();
        let failure = reader.failure(description);
        let breaker = match members.get("breaker") {
            None | Some(Value::Null) => Some(default.breaker),
            Some(Value::Object(members)) => BreakerPolicy::read(&mut Reader { members, causes }),
            Some(_) => {
                causes.add("policy.breaker", "The field has an invalid value");
                None
            }
        };
        let (failure, unused_fallback) = match (failure?, fallback?) {
            (None, Some(fallback)) => (FailurePolicy::Fallback(fallback), None),
            (None, None) => {
                causes.add(FALLBACK, "Write the commands to apply, an array");
                return None;
            }
            (Some(failure), unused) => (failure, unused),
        };
        Some(Self {
            timeout_ms: timeout?.unwrap_or(default.timeout_ms),
            retry: retry?,
            failure,
            unused_fallback,
            max_concurrent: max?,
            idle_connection_ms: idle?,
            breaker: breaker?,
        })
    }
}

impl BreakerPolicy {
    /// The percentages of failed calls from which a breaker can open.
    pub const FAILURE_RATE_PERCENT: RangeInclusive<u32> = 1..=100;
    /// The numbers of calls that a breaker can wait for.
    pub const MINIMUM_CALLS: RangeInclusive<u32> = 1..=1_000_000;
    /// The lengths of the window, in seconds.
    pub const WINDOW_SECONDS: RangeInclusive<u32> = 10..=3_600;
    /// The numbers of failures in a row at which a breaker can open.
    pub const CONSECUTIVE_FAILURES: RangeInclusive<u32> = 1..=1_000_000;
    /// How long a breaker can stay open, in seconds.
    pub const OPEN_SECONDS: RangeInclusive<u32> = 1..=3_600;

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let default = Self::default();
        let mode = reader.one_of("mode", "policy.breaker.mode", &MODES).unwrap_or(Some(default.mode));
        let rate =
            reader.number("failureRatePercent", "policy.breaker.failureRatePercent", &Self::FAILURE_RATE_PERCENT);
        let minimum = reader.number("minimumCalls", "policy.breaker.minimumCalls", &Self::MINIMUM_CALLS);
        let window = reader.number("windowSeconds", "policy.breaker.windowSeconds", &Self::WINDOW_SECONDS);
        let row =
            reader.number("consecutiveFailures", "policy.breaker.consecutiveFailures", &Self::CONSECUTIVE_FAILURES);
        let open = reader.number("openSeconds", "policy.breaker.openSeconds", &Self::OPEN_SECONDS);
        Some(Self {
            mode: mode?,
            failure_rate_percent: rate?.unwrap_or(default.failure_rate_percent),
            minimum_calls: minimum?.unwrap_or(default.minimum_calls),
            window_seconds: window?.unwrap_or(default.window_seconds),
            consecutive_failures: row?,
            open_seconds: open?.unwrap_or(default.open_seconds),
        })
    }
}

struct Reader<'a> {
    members: &'a Map<String, Value>,
    causes: &'a mut Causes,
}

impl Reader<'_> {
    fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// `None` is a problem that has been noted, `Some(None)` an absent member.
    #[expect(clippy::option_option, reason = "absent and wrong are different things")]
    fn number(&mut self, name: &str, field: &'static str, range: &RangeInclusive<u32>) -> Option<Option<u32>> {
        let Some(value) = self.member(name) else { return Some(None) };
        let number =
            value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
        if number.is_none() {
            self.causes.add(field, format!("Write an integer from {} to {}", range.start(), range.end()));
        }
        number.map(Some)
    }

    /// `None` is an absent member, `Some(None)` a problem that has been noted.
    #[expect(clippy::option_option, reason = "absent and wrong are different things")]
    fn one_of<T: Copy>(&mut self, name: &str, field: &'static str, names: &[(&str, T)]) -> Option<Option<T>> {
        let value = self.member(name)?;
        let found = names.iter().find(|(own, _)| value == own).map(|(_, value)| *value);
        if found.is_none() {
            let known = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            self.causes.add(field, format!("Write one of {known}"));
        }
        Some(found)
    }

    /// `None` is a problem that has been noted, `Some(None)` that the fallback commands are to be applied.
    #[expect(clippy::option_option, reason = "the commands are another member's")]
    fn failure(&mut self, description: Option<&Description>) -> Option<Option<FailurePolicy>> {
        const FIELD: &str = "policy.failurePolicy";
        let Some(policy) = self.member("failurePolicy") else { return Some(Some(FailurePolicy::Default)) };
        match policy.as_str() {
            Some("default") => Some(Some(FailurePolicy::Default)),
            Some("continue") => {
                let falls_back = description.map(|description| description.failure);
                if falls_back == Some(FailureDefault::FallBack) {
                    self.causes
                        .add(FIELD, "A flow of this type cannot go on without an answer or the built-in provider");
                    return None;
                }
                Some(Some(FailurePolicy::Continue))
            }
            Some("stop") => Some(Some(FailurePolicy::Stop)),
            Some("fallback") => Some(None),
            _ => {
                self.causes.add(FIELD, "Write one of default, continue, stop, fallback");
                None
            }
        }
    }

    /// `None` is a problem that has been noted, `Some(None)` an absent member.
    #[expect(clippy::option_option, reason = "absent and wrong are different things")]
    fn fallback(&mut self) -> Option<Option<Box<Fallback>>> {
        let Some(commands) = self.member("fallbackCommands") else { return Some(None) };
        let fallback = commands.as_array().and_then(|commands| Fallback::new(commands.clone()));
        if fallback.is_none() {
            self.causes.add(FALLBACK, "Write the commands to apply, an array; null for none");
        }
        fallback.map(Box::new).map(Some)
    }
}

/// The commands, tried on every sample of the type.
fn rehearsals(fallback: &Fallback, kind: &dyn HookKind) -> Vec<Rehearsal> {
    let (schema, answer) = (ProfileSchema::base(), fallback.answer(kind.description()));
    let samples = kind.sample_requests().iter();
    let documents =
        samples.filter_map(|text| Document::given(&serde_json::from_str(text).ok()?, kind.description()).ok());
    documents.filter_map(|document| kind.rehearse(&document, &schema, answer.clone()).ok()).collect()
}

/// What no subject of a flow could make right: the problems that the commands have with every sample of the type, without
/// those that lie in the sample.
fn incurable(rehearsals: Vec<Rehearsal>) -> Vec<Problem> {
    let rehearsals =
        rehearsals.into_iter().map(|rehearsal| rehearsal.result.err().unwrap_or_default()).collect::<Vec<_>>();
    let wrong_flow = |problem: &Problem| problem.code == ProblemCode::WrongFlow;
    let flows_mixed = rehearsals.iter().all(|problems| problems.iter().any(wrong_flow));
    let mut found = Vec::new();
    for problem in rehearsals.into_iter().flatten() {
        let lies_in_the_sample = match problem.code {
            ProblemCode::PathNotFound
            | ProblemCode::BadIndex
            | ProblemCode::TokenNotPresent
            | ProblemCode::UnknownAttribute
            | ProblemCode::NoTarget => true,
            ProblemCode::WrongFlow => !flows_mixed,
            _ => false,
        };
        if !lies_in_the_sample && !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}

//! How a hook is called and what its failures mean: our own member `policy` of the resource. The vendor's clients do not
//! know it, and their PUT leaves it as it is.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::{
    Description, Retry,
    answer::Answer,
    problem::{ProblemCode, Refused},
    telephony::VoiceLabel,
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
    /// What a telephony hook's documents call a voice call; `None` for the contract's own word. Hooks of other types have none.
    pub voice_label: Option<VoiceLabel>,
    /// Whether near misses that services in the field answer are read as what they mean ([`HookKind::lenient`](crate::HookKind::lenient)).
    /// Only hooks of a type that knows some have it.
    pub lenient_answers: bool,
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
    /// Keeps the commands of a request without checking them against a hook type. `None` when the list is empty or an answer
    /// with it cannot be parsed.
    pub fn new(commands: Vec<Value>) -> Option<Self> {
        Answer::parse(body_of(&commands).as_bytes()).ok()?;
        Self::of_stored(commands)
    }

    /// Keeps commands that were judged when they were stored. `None` when the list is empty. They are not judged again: a
    /// release that reads answers more strictly must still be able to read what an earlier one stored.
    pub fn of_stored(commands: Vec<Value>) -> Option<Self> {
        (!commands.is_empty()).then_some(Self(commands))
    }

    /// The commands as they were written.
    pub fn commands(&self) -> &[Value] {
        &self.0
    }

    /// The commands as an answer to a hook of the type that `description` describes. Commands that cannot be read are a
    /// problem of the answer, so that the flow does not go on as if there were none.
    pub fn answer(&self, description: &Description) -> Answer {
        Answer::parse_for(body_of(&self.0).as_bytes(), description).unwrap_or_else(|unparsable| {
            let refused =
                Refused::new(ProblemCode::WrongShape, unparsable.to_string()).hint(unparsable.hint.to_owned());
            Answer { problems: vec![refused.at("/commands".to_owned())], ..Answer::default() }
        })
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
            voice_label: None,
            lenient_answers: false,
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

impl HookPolicy {
    /// The budgets of an attempt that a hook can have, in milliseconds.
    pub const TIMEOUT_MS: RangeInclusive<u32> = 50..=60_000;
    /// How many open calls a hook can allow.
    pub const MAX_CONCURRENT: RangeInclusive<u32> = 1..=10_000;
    /// The idle times of a connection that a hook can ask for, in milliseconds. A connection grows no older anyway.
    pub const IDLE_CONNECTION_MS: RangeInclusive<u32> = 0..=60_000;

    /// The fallback commands, whether the failure policy uses them or not.
    pub fn fallback(&self) -> Option<&Fallback> {
        match &self.failure {
            FailurePolicy::Fallback(fallback) => Some(fallback),
            _ => self.unused_fallback.as_deref(),
        }
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
}

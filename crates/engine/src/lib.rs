//! The life of one invocation: admit, build, attempt, judge, apply, record.
//!
//! The engine knows no sockets, no tables and no web framework: it reaches them through the ports
//! [`Transport`], [`Recorder`], [`Clock`] and [`Entropy`]. Start reading at [`Engine::invoke`].
//!
//! A program that embeds it uses `tenterhook_contract` for the extension point and `tenterhook_transport` for the calls. This is
//! a whole one:
//!
//! ```
#![doc = include_str!("../examples/embed.rs")]
//! ```

mod admission;
mod answered_sizes;
mod breaker;
mod builder;
mod bulkhead;
mod deadline;
mod engine;
mod event_ids;
mod failure;
mod finder;
mod judge;
mod mask;
mod policy;
mod ports;
mod ready_hook;
mod record;
mod text_mask;
mod tracing_recorder;
mod underway;
mod view;

pub use admission::{Bound, Limits};
pub use breaker::{BreakerChange, BreakerReport, BreakerState};
pub use builder::EngineBuilder;
pub use deadline::Deadline;
pub use engine::{Engine, Invocation, Resumption, TestCall, TestCallResult};
pub use failure::{BreakerRelevance, CallFailure, EgressReason, FailureCode, failure_page};
pub use judge::carries_answer;
pub use policy::Decision;
pub use ports::{
    BoxFuture, Call, CallPhase, Clock, Endpoint, Entropy, Exchange, FormRequest, FormTransport, PhaseTimings, Progress,
    RawAnswer, Recorder, Refusing, Sent, SystemClock, SystemEntropy, Transport, Witness, Witnessed,
};
pub use ready_hook::ReadyHook;
pub use record::{AttemptRecord, FallbackUse, InvocationRecord, Origin, Outcome, Purpose, SkipReason, Timings};
pub use text_mask::TextMask;
pub use tracing_recorder::TracingRecorder;

//! The life of an invocation, with a scripted transport.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod breaker;
mod documentation;
mod invocation;
mod masking;
mod overflow;
mod rig;
mod tracing_recorder;

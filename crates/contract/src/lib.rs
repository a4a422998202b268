//! The inline hook contract: what Tenterhook sends, what it accepts back, and what that may change.
//!
//! Pure and synchronous: no clock, no randomness, no I/O. Time and entropy come in as arguments.
//! Start reading at [`ExtensionPoint`]: it is the shape every hook type has. [`token`] is the first type.

pub mod answer;
pub mod api_error;
pub mod context;
pub mod envelope;
mod extension_point;
pub mod hook;
mod hook_type;
pub mod id;
pub mod limits;
pub mod pointer;
pub mod problem;
mod secret;
pub mod system_log;
mod timestamp;
pub mod token;

pub use extension_point::{ExtensionPoint, Interpretation};
pub use hook_type::{EmptyAnswer, FailureDefault, HookType, Retry, TypeRules, UnknownHookType};
pub use secret::Secret;
pub use timestamp::{Timestamp, TimestampError};

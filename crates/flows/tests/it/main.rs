//! The process flows on a platform and a database, without HTTP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod chains;
mod codes;
mod decisions;
mod host;
mod lockout;
mod refresh;
mod sign_in;
mod support;
mod telephony;

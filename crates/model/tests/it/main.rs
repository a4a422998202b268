//! The stored forms of the domain's records.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod extension_point;
mod stored_hook;

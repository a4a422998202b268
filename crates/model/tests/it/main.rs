//! The stored forms of the domain's records.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod stored_hook;

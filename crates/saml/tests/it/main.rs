//! What the crate promises, by its public interface.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bindings;
mod keys;
mod metadata;
mod properties;
mod read;
mod support;
mod verify;
mod write;

//! The binary as its user starts it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod descriptors;
mod dev;
mod full_disk;
mod memory;
mod orgs;
mod process;
mod serve;
mod tokens;

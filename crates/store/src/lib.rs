//! What survives a restart: configuration objects, users, sessions, codes, tokens and the System Log.
//!
//! One source for embedded SQLite and PostgreSQL. No HTTP and no hook semantics live here.
//! Start reading at [`Store`]; the records it takes and gives are in [`model`].

pub mod model;

mod error;

pub use error::{CommitError, StoreError};

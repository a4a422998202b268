//! Extension points that an org declares as data, in place of a module of this crate.

mod declaration;

pub use declaration::{AllowedOperation, Decisions, Declaration, DeclaredRetry, OnFailure, OnRefusal, OperationKind};

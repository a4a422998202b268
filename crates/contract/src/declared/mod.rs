//! Extension points that an org declares as data, in place of a module of this crate.
//!
//! Start reading at [`Declaration`], what is declared, and [`DeclaredPoint`], which is made from it once everything in it was
//! checked.

mod check;
mod data;
mod declaration;
#[cfg(feature = "schema")]
mod document_schema;
mod interpreter;
mod point;
mod sample;
mod schema;
mod violation;

pub use data::DeclaredData;
pub use declaration::{AllowedOperation, Decisions, Declaration, DeclaredRetry, OnFailure, OnRefusal};
pub use point::{DeclarationProblem, DeclaredPoint, DeclaredSubject};
pub use violation::SchemaViolation;

//! XML: what is written, and what is read, bounded.

pub(crate) mod tree;
pub(crate) mod writer;

//! What the crate promises, by its public interface.

mod support;
mod write;

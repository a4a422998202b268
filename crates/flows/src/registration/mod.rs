//! How people sign up (`registration.md`): the form of a profile enrollment policy, its validation, the registration hook, the
//! validation of what it leaves, and the new user.
//!
//! Start reading at [`sign_up`].

pub mod form;
mod outcome;
pub mod sign_up;
pub mod verification;

pub use outcome::{Refused, RefusedBy};

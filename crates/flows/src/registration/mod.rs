//! How people sign up, and what existing users are asked for at sign-in (`registration.md`): the form of a profile enrollment policy,
//! its validation, the registration hook, the validation of what it leaves, and the new user or the changed profile.
//!
//! Start reading at [`sign_up`], then at [`progressive`].

pub mod form;
mod outcome;
pub mod progressive;
pub mod sign_up;
pub mod unverified;
pub mod verification;

pub use outcome::{Refused, RefusedBy};

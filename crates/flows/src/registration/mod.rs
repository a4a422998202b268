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

use tenterhook_contract::profile::{Profile as Attributes, spelled};
use tenterhook_platform::OrgSnapshot;

pub use outcome::{Refused, RefusedBy};

/// The attributes that a profile stores, each under its one spelling. Only the hook is told of those that the schema does not have.
fn stored_members(org: &OrgSnapshot, attributes: Attributes) -> Attributes {
    let stored = attributes.into_iter().filter(|(name, _)| org.profile_schema.attribute(name).is_some());
    stored.map(|(name, value)| (spelled(&name).to_owned(), value)).collect()
}

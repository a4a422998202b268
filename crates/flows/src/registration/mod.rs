//! How people sign up, and what existing users are asked for at sign-in (`registration.md`): the form of a profile enrollment policy,
//! its validation, the registration hook, the validation of what it leaves, and the new user or the changed profile.
//!
//! Start reading at [`sign_up`], then at [`progressive`].

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

/// The form of a policy in an org. How it is read is in [`tenterhook_model::form`].
pub mod form {
    use tenterhook_model::{EnrollmentPolicy, FormAttribute, Profile};
    use tenterhook_platform::{OrgSnapshot, mail::MailAddress};

    pub use tenterhook_model::form::{EMAIL, Form, FormField, LOGIN, PASSWORD, Submitted, shown_choice};

    /// What somebody who signs up by this policy is asked for.
    pub fn to_sign_up<'a>(org: &'a OrgSnapshot, policy: &EnrollmentPolicy) -> Form<'a> {
        of(org, policy.rule.sign_up_form(org.configuration.user_schemas.iter().next()))
    }

    /// What an existing user is asked for at sign-in by this policy; without a field when there is nothing.
    pub fn to_complete<'a>(org: &'a OrgSnapshot, policy: &EnrollmentPolicy, profile: &Profile) -> Form<'a> {
        let custom = org.configuration.user_schemas.iter().next();
        of(org, policy.rule.form_to_complete(custom, &org.profile_schema, profile))
    }

    fn of(org: &OrgSnapshot, asked: Vec<FormAttribute>) -> Form<'_> {
        Form::new(&org.profile_schema, asked, |text| MailAddress::parse(text).is_ok())
    }
}

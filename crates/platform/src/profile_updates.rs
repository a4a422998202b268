//! How often a user may send the form that completes a profile at sign-in: each one may cost a call of a hook and events of the log.

use tenterhook_contract::id::{OrgId, UserId};
use tokio::time::Instant;

use crate::{
    Caller, Platform,
    attempts::{ATTEMPTS_MAX, PasswordAttempts},
};

/// The forms of a node, by user. Not counted with registrations: many users of one network are asked on the same day.
#[derive(Debug)]
pub(crate) struct ProfileUpdates(PasswordAttempts);

impl Default for ProfileUpdates {
    fn default() -> Self {
        Self(PasswordAttempts::of_signed_in_users())
    }
}

impl Platform {
    /// Whether a signed-in user may send a form now: ten times in five minutes. Ask once for each form that is valid, before the hook
    /// is called.
    pub fn may_update_profile(&self, org: &OrgId, caller: &Caller, user: &UserId) -> bool {
        let forms = &self.profile_updates().0;
        forms.begin(org, user.as_str(), caller.network(), Instant::now()).is_some_and(|form| form <= ATTEMPTS_MAX)
    }

    /// A form was not answered for a reason that is not the user's: it does not count.
    pub fn profile_update_not_made(&self, org: &OrgId, user: &UserId) {
        self.profile_updates().0.give_back(org, user.as_str());
    }

    /// A user's form was accepted: earlier ones do not count any more.
    pub fn profile_updated(&self, org: &OrgId, user: &UserId) {
        self.profile_updates().0.succeeded(org, user.as_str());
    }
}

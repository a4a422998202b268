//! The user in hook documents of every flow.

use tenterhook_contract::{
    Timestamp,
    context::{UserContext, UserLinks, UserProfile},
};
use tenterhook_model::User;

use crate::OrgSnapshot;

/// The locale in the document for a user without one.
const LOCALE_DEFAULT: &str = "en_US";
/// The time zone in the document for a user without one.
const TIME_ZONE_DEFAULT: &str = "America/Los_Angeles";

/// `data.context.user`.
pub fn user_context(org: &OrgSnapshot, user: &User) -> UserContext {
    let profile = &user.profile;
    UserContext {
        id: user.id.clone(),
        password_changed: user.password.changed().map(Timestamp::whole_seconds),
        profile: UserProfile {
            login: profile.login.clone(),
            first_name: profile.first_name.clone(),
            last_name: profile.last_name.clone(),
            locale: profile.locale().unwrap_or(LOCALE_DEFAULT).to_owned(),
            time_zone: profile.time_zone().unwrap_or(TIME_ZONE_DEFAULT).to_owned(),
            custom: profile.told(&org.profile_schema),
        },
        links: UserLinks::of(&org.base_url, &user.id),
    }
}

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
    UserContext {
        id: user.id.clone(),
        password_changed: user.password_changed.map(Timestamp::whole_seconds),
        profile: UserProfile {
            login: user.login.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            locale: user.locale.clone().unwrap_or_else(|| LOCALE_DEFAULT.to_owned()),
            time_zone: user.time_zone.clone().unwrap_or_else(|| TIME_ZONE_DEFAULT.to_owned()),
            custom: user.custom.clone(),
        },
        links: UserLinks::of(&org.base_url, &user.id),
    }
}

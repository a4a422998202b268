//! The user and the session in hook documents of every flow.

use tenterhook_contract::{
    Timestamp,
    context::{IdentityProviderContext, SessionContext, UserContext, UserLinks, UserProfile},
};
use tenterhook_model::{Session, User};

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

/// `data.context.session`. `mfa_active` says whether the user has an active factor.
pub fn session_context(org: &OrgSnapshot, session: &Session, user: &User, mfa_active: bool) -> SessionContext {
    SessionContext {
        id: session.id.clone(),
        user_id: user.id.clone(),
        login: user.profile.login.clone(),
        created_at: session.created.whole_seconds(),
        expires_at: session.expires.whole_seconds(),
        status: "ACTIVE",
        last_password_verification: Some(session.last_password_verification.whole_seconds()),
        last_factor_verification: session.factor.map(|factor| factor.at.whole_seconds()),
        amr: session.methods().iter().map(|method| method.hook_name().to_owned()).collect(),
        idp: IdentityProviderContext { id: org.org.id.to_string(), kind: "OKTA" },
        mfa_active,
    }
}

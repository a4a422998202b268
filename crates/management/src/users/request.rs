//! What requests about users say.

use serde_json::{Map, Value};
use tenterhook_contract::{Secret, id::OrgId};
use tenterhook_model::{Password, UserStatus};
use tenterhook_platform::passwords::PASSWORD_BYTES_MAX;

use super::{NewPassword, password_hash::HashRequest};
use crate::{
    administrator::ManagementError,
    request::{BLANK, Causes, Given, INVALID, Submitted},
};

/// The subject of an error's summary.
pub(crate) const MODEL: &str = "profile";
/// The same where a password is changed.
const PASSWORD_MODEL: &str = "password";
/// Type and name of the provider of the credentials of a user.
pub(super) const PROVIDER: &str = "OKTA";
/// The same of a user whose password is imported by a hook (`password-import.md` section 1).
const IMPORT_PROVIDER: &str = "IMPORT";
/// The one type of a password hook.
const HOOK_TYPE: &str = "default";

/// Type and name of what verifies a password.
pub const fn provider_of(password: &Password) -> &'static str {
    match password {
        Password::None | Password::Hash { .. } => PROVIDER,
        Password::ImportByHook => IMPORT_PROVIDER,
    }
}

/// What a request says of a user.
#[derive(Clone, Debug, Default)]
pub struct UserRequest {
    /// The attributes.
    pub profile: Given<Map<String, Value>>,
    /// The password in clear.
    pub password: Given<Secret>,
    /// The password as another system's hash.
    pub password_hash: Given<HashRequest>,
    /// The type of the hook that imports the password: `default`.
    pub password_hook: Given<HookRequest>,
    /// That of [`provider_of`].
    pub provider_type: Given<String>,
    /// That of [`provider_of`].
    pub provider_name: Given<String>,
    /// The id of [`user_type_of`].
    pub user_type: Given<String>,
    /// The status, which this does not change.
    pub status: Given<String>,
}

/// What a request says of the hook that imports a password.
#[derive(Clone, Debug, Default)]
pub struct HookRequest {
    /// `default`.
    pub hook_type: Given<String>,
}

/// What a request says of a change of a password.
#[derive(Clone, Debug, Default)]
pub struct PasswordRequest {
    /// The old password.
    pub old: Given<Secret>,
    /// The new password.
    pub new: Given<Secret>,
}

/// A user as a request describes it.
pub(super) struct UserDraft {
    /// The attributes as they were written, where there are any.
    pub(super) profile: Option<Map<String, Value>>,
    /// The password, where there is one.
    pub(super) password: Option<NewPassword>,
    status: Given<String>,
    provider: [(&'static str, Given<String>); 2],
}

/// A change of a password with the old one.
pub(super) struct PasswordChange {
    pub(super) old: Secret,
    pub(super) new: Secret,
}

impl UserDraft {
    /// Reads a request; the attributes are judged later, by the org's schema.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(org: &OrgId, submitted: &Submitted<UserRequest>) -> Result<Self, ManagementError> {
        let (request, mut causes) = (&submitted.request, Causes::of(MODEL, submitted));
        let profile = causes.given("profile", &request.profile).cloned();
        let password = read_password(&mut causes, request);
        let provider = [
            ("credentials.provider.type", request.provider_type.clone()),
            ("credentials.provider.name", request.provider_name.clone()),
        ];
        for (member, given) in &provider {
            if given.value().is_none_or(|name| name != IMPORT_PROVIDER) {
                causes.constant(member, given, PROVIDER);
            }
        }
        causes.only("type", &request.user_type, &user_type_of(org), "Types of users are not supported");
        causes.finish()?;
        Ok(Self { profile, password, status: request.status.clone(), provider })
    }

    /// Refuses another status than the user has: it would be dropped in silence.
    pub(super) fn check_status(&self, status: UserStatus) -> Result<(), ManagementError> {
        let mut causes = Causes::none(MODEL);
        let why = "The status is changed by `lifecycle` operations, and that of a new user by `activate` in the query";
        causes.only("status", &self.status, status.as_str(), why);
        causes.finish()
    }
}

impl UserDraft {
    /// Refuses another provider than the user is going to have: it would be dropped in silence.
    pub(super) fn check_provider(&self, provider: &str) -> Result<(), ManagementError> {
        let mut causes = Causes::none(MODEL);
        for (member, given) in &self.provider {
            causes.only(member, given, provider, &format!("The provider of this user is `{provider}`"));
        }
        causes.finish()
    }
}

impl NewPassword {
    /// The provider of a user with this password.
    pub(super) const fn provider(&self) -> &'static str {
        match self {
            Self::Value(_) | Self::Imported(_) => PROVIDER,
            Self::ByHook => IMPORT_PROVIDER,
        }
    }
}

impl PasswordChange {
    /// Reads a request.
    ///
    /// # Errors
    /// Everything that is wrong with it; never a password.
    pub(super) fn read(submitted: &Submitted<PasswordRequest>) -> Result<Self, ManagementError> {
        let (request, mut causes) = (&submitted.request, Causes::of(PASSWORD_MODEL, submitted));
        let mut read = |member: &str, given: &Given<Secret>| match given {
            Given::Is(password) if is_password(password) => password.clone(),
            given => {
                causes.add(member, if given.is_given() { INVALID } else { BLANK });
                Secret::new("")
            }
        };
        let (old, new) = (read("oldPassword", &request.old), read("newPassword", &request.new));
        causes.finish()?;
        Ok(Self { old, new })
    }
}

/// The id of the one type that all users of an org have: the org's with the prefix `oty`.
pub fn user_type_of(org: &OrgId) -> String {
    format!("oty{}", org.as_str().get(3..).unwrap_or_default())
}

fn is_password(password: &Secret) -> bool {
    !password.expose().is_empty() && password.expose().len() <= PASSWORD_BYTES_MAX
}

fn read_password(causes: &mut Causes, request: &UserRequest) -> Option<NewPassword> {
    let (value, hash, hook) = (&request.password, &request.password_hash, &request.password_hook);
    match (value, hash, hook) {
        (value, hash, Given::Absent) if value.is_given() && hash.is_given() => {
            causes.add("credentials.password.hash", "Give either `value` or `hash`");
            None
        }
        (value, hash, hook) if hook.is_given() && (value.is_given() || hash.is_given()) => {
            causes.add("credentials.password.hook", "Give `hook` without `value` and `hash`");
            None
        }
        (Given::Is(password), ..) if is_password(password) => Some(NewPassword::Value(password.clone())),
        (Given::Is(_) | Given::Wrong, ..) => {
            causes.add("password", INVALID);
            None
        }
        (Given::Absent, _, Given::Is(hook)) => match &hook.hook_type {
            Given::Is(name) if name == HOOK_TYPE => Some(NewPassword::ByHook),
            given => {
                let only = format!("Only `{HOOK_TYPE}` is supported");
                causes.add("credentials.password.hook.type", if given.is_given() { &only } else { BLANK });
                None
            }
        },
        // Something that is not an object is refused with the members that are not supported.
        (Given::Absent, hash, Given::Absent | Given::Wrong) => {
            hash.value()?.read(causes)?.to_stored().map(NewPassword::Imported)
        }
    }
}

//! Users of another system, brought in without their passwords: each is armed, so that the org's password import hook is asked when the
//! user signs in for the first time (`password-import.md` section 1).

use std::sync::Arc;

use serde_json::{Map, Value};
use tenterhook_contract::id::UserId;
use tenterhook_model::{Password, Profile, User, UserStatus, UserTransition};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    events::{ACTIVATE_USER, CREATE_USER, DELETE_USER, UPDATE_PASSWORD, system_event, user_target},
};
use tenterhook_store::StoreError;

use super::{JUDGED_MAX, NewPassword, lifecycle, login_taken, new_user, read_profile, unverified::take_place};
use crate::{
    administrator::ManagementError,
    request::{BLANK, INVALID},
};

/// What became of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// It was added, active and armed; also in the place of somebody who has signed up with the login and waits for the verification of
    /// the address.
    Added,
    /// It was there without a password, and is armed now; one who was to be activated is active. Its attributes stay as they are.
    Armed,
    /// It was armed already; nothing was changed.
    Before,
    /// It has a password already; nothing was changed.
    HasPassword,
}

/// How far a user has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is no such user, or only one who has signed up with the login and waits for the verification of the address.
    Absent,
    /// It has no password, and is not armed.
    WithoutPassword,
    /// The hook is asked at the next sign-in.
    Waiting,
    /// It has a password of its own: imported at a sign-in, or set since.
    Migrated,
}

/// Brings users of another system into an org.
pub struct Import<'a> {
    platform: &'a Platform,
    org: Arc<OrgSnapshot>,
    /// How many more users the org may have, where it has a limit.
    room: Option<u64>,
}

impl<'a> Import<'a> {
    /// Begins. An org's limit of users is looked at now, and holds for what this import adds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(platform: &'a Platform, org: Arc<OrgSnapshot>) -> Result<Self, StoreError> {
        let room = match org.org.limits.users {
            Some(limit) => Some(u64::from(limit).saturating_sub(platform.store().count_users(&org.org.id).await?)),
            None => None,
        };
        Ok(Self { platform, org, room })
    }

    /// Adds a user with these attributes and arms it, or arms the user who has the login. Again and again it comes to the same.
    ///
    /// # Errors
    /// Everything that is wrong with the attributes; a user who has left; no room in the org.
    pub async fn arm(&mut self, attributes: Map<String, Value>) -> Result<Armed, ManagementError> {
        let profile = read_profile(attributes, &self.org.profile_schema, None)?;
        let org = self.org.org.id.clone();
        for _ in 0..JUDGED_MAX {
            let Some(user) = self.platform.store().find_user_by_login(&org, &profile.login).await? else {
                match self.add(profile.clone()).await {
                    // Somebody else has added it meanwhile.
                    Err(ManagementError::Store(StoreError::Duplicate { .. })) => continue,
                    added => return added.map(|()| Armed::Added),
                }
            };
            // Nobody knows who that is, so it does not keep the person of the row out.
            if self.platform.store().awaits_verification(&user).await? {
                if self.add_in_place_of(&user, profile.clone()).await? {
                    return Ok(Armed::Added);
                }
                continue;
            }
            match user.password {
                Password::ImportByHook => return Ok(Armed::Before),
                Password::Hash { .. } => return Ok(Armed::HasPassword),
                Password::None if user.status == UserStatus::Deprovisioned => {
                    return Err(ManagementError::field("login", "The user has left"));
                }
                // An administrator took the password away on purpose.
                Password::None if user.status == UserStatus::Recovery => {
                    return Err(ManagementError::field("login", "The user is in RECOVERY: a link sets the password"));
                }
                Password::None => {}
            }
            if self.arm_known(user).await? {
                return Ok(Armed::Armed);
            }
        }
        Err(ManagementError::Contended)
    }

    /// How far the user with these attributes has come.
    ///
    /// # Errors
    /// When there is no login; when the store fails.
    pub async fn progress(&self, attributes: &Map<String, Value>) -> Result<Progress, ManagementError> {
        let login = match attributes.get("login") {
            Some(Value::String(login)) => login,
            None => return Err(ManagementError::field("login", BLANK)),
            Some(_) => return Err(ManagementError::field("login", INVALID)),
        };
        let store = self.platform.store();
        let found = match store.find_user_by_login(&self.org.org.id, login).await? {
            Some(user) if store.awaits_verification(&user).await? => None,
            found => found,
        };
        Ok(match found.map(|user| user.password) {
            None => Progress::Absent,
            Some(Password::None) => Progress::WithoutPassword,
            Some(Password::ImportByHook) => Progress::Waiting,
            Some(Password::Hash { .. }) => Progress::Migrated,
        })
    }

    async fn add(&mut self, profile: Profile) -> Result<(), ManagementError> {
        if self.room == Some(0) {
            return Err(ManagementError::field("login", "The org has as many users as its limit allows"));
        }
        let user = self.armed_user(profile).await?;
        self.platform.store().insert_user(&user).await?;
        self.room = self.room.map(|room| room.saturating_sub(1));
        self.log(CREATE_USER, &user);
        Ok(())
    }

    /// Adds a user in the place of one who waits for its verification. Returns false, with nothing changed, when that one was changed
    /// meanwhile.
    async fn add_in_place_of(&self, earlier: &User, profile: Profile) -> Result<bool, ManagementError> {
        let user = self.armed_user(profile).await?;
        let is_added = take_place(self.platform, earlier, &user, None).await?;
        if is_added {
            self.log(DELETE_USER, earlier);
            self.log(CREATE_USER, &user);
        }
        Ok(is_added)
    }

    async fn armed_user(&self, profile: Profile) -> Result<User, ManagementError> {
        let (unix_ms, random) = self.platform.id_parts();
        let id = UserId::from_parts(unix_ms, random);
        let org = self.org.org.id.clone();
        Ok(new_user(self.platform, org, id, profile, Some(NewPassword::ByHook), true).await?)
    }

    /// Arms a user who has no password. Returns false when it was changed meanwhile.
    async fn arm_known(&self, mut user: User) -> Result<bool, ManagementError> {
        let now = self.platform.now();
        // Whoever is to set a first password signs in with the old one instead.
        let is_new = matches!(user.status, UserStatus::Staged | UserStatus::Provisioned);
        let transition = if is_new { UserTransition::Activate } else { UserTransition::SetPassword };
        lifecycle::follow(&mut user, transition, now)?;
        user.password = Password::ImportByHook;
        user.last_updated = now;
        let replaced = self.platform.store().replace_user(&user).await.map_err(|error| login_taken(error.into()))?;
        if replaced {
            if is_new {
                self.log(ACTIVATE_USER, &user);
            }
            self.log(UPDATE_PASSWORD, &user);
        }
        Ok(replaced)
    }

    fn log(&self, (event_type, message): (&'static str, &'static str), user: &User) {
        let (entropy, now) = (self.platform.entropy(), self.platform.now());
        let event = system_event(entropy, now, &self.org.org.id, (event_type, message, user_target(user)));
        self.platform.log().append(&event);
    }
}

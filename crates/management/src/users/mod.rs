//! Users: created, found, replaced, merged, moved through their life, removed.
//!
//! Start reading at [`create`]; what requests say is in [`request`].

pub mod import;
mod lifecycle;
mod password_hash;
mod request;
mod unverified;

use serde_json::{Map, Value};
use tenterhook_contract::{
    Secret,
    id::{OrgId, UserId},
    profile::ProfileSchema,
};
use tenterhook_model::{
    LinkPurpose, Password, Profile, SignInCounts, USER_OF_THE_TOKEN, User, UserPage, UserQuery, UserStatus,
    UserTransition,
};
use tenterhook_platform::{
    Platform,
    events::{CREATE_USER, DELETE_USER, UPDATE_PROFILE, user_target},
    mail::MailPlace,
    passwords::{PasswordError, hash_password},
};
use tenterhook_store::StoreError;

use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    orgs::check_room_for_user,
    request::{BLANK, Submitted},
};

pub use self::{
    password_hash::HashRequest,
    request::{HookRequest, PasswordRequest, UserRequest, provider_of, user_type_of},
};
use self::{
    request::{MODEL, PROVIDER, UserDraft},
    unverified::{add_user, find_unverified},
};
pub use lifecycle::{
    Activated, LinkDelivery, activate, change_password, delete, expire_with_temporary, reactivate, reset_password,
    transition, unlock,
};

/// How often a change of a user is judged, because another change was stored first.
const JUDGED_MAX: usize = 100;

/// The password that a request gives a user.
pub enum NewPassword {
    /// In clear.
    Value(Secret),
    /// As another system's hash, in its stored form.
    Imported(Secret),
    /// By the org's password import hook, at the first sign-in.
    ByHook,
}

/// What a change of attributes does with those that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileChange {
    /// They are taken away.
    Replace,
    /// They stay.
    Merge,
}

/// Creates a user, also in the place of somebody who has signed up with the login and waits for the verification of the address. One who is activated and has no password gets a link by mail that sets one, where a mail server is configured.
///
/// # Errors
/// Everything that is wrong with the request or the profile; a login that is taken.
pub async fn create(
    platform: &Platform,
    administrator: &Administrator,
    submitted: &Submitted<UserRequest>,
    activate: bool,
) -> Result<User, ManagementError> {
    let draft = UserDraft::read(&administrator.token.org_id, submitted)?;
    draft.check_status(if activate { UserStatus::Active } else { UserStatus::Staged })?;
    draft.check_provider(draft.password.as_ref().map_or(PROVIDER, NewPassword::provider))?;
    let UserDraft { profile, password, .. } = draft;
    let org = org_of(platform, administrator)?;
    let profile = read_profile(profile.unwrap_or_default(), &org.profile_schema, None)?;
    if let Err(full) = check_room_for_user(platform, &org).await
        && find_unverified(platform, &org.org.id, &profile.login).await?.is_none()
    {
        return Err(full);
    }
    if activate
        && password.is_none()
        && let Some(place) = lifecycle::place_of_mail(platform, administrator, None)?
    {
        return invite(platform, administrator, profile, place).await.map_err(login_taken);
    }
    add(platform, administrator, profile, password, activate).await.map_err(login_taken)
}

/// Adds a user who has no password, with a link by mail that sets one.
async fn invite(
    platform: &Platform,
    administrator: &Administrator,
    profile: Profile,
    place: MailPlace,
) -> Result<User, ManagementError> {
    let (unix_ms, random) = platform.id_parts();
    let id = UserId::from_parts(unix_ms, random);
    let mut user = new_user(platform, administrator.token.org_id.clone(), id, profile, None, false).await?;
    lifecycle::follow(&mut user, UserTransition::Provision, platform.now())?;
    let to = lifecycle::address_of(&user)?;
    let issued = platform.new_link(&administrator.caller.base_url, &user, LinkPurpose::Activation);
    let replaced = add_user(platform, &user, Some(&issued.link)).await?;
    log_added(platform, administrator, &user, replaced.as_ref());
    lifecycle::log_transition(platform, administrator, UserTransition::Provision, &user);
    lifecycle::mail_link(administrator, place, (to, &user), &issued);
    Ok(user)
}

async fn add(
    platform: &Platform,
    administrator: &Administrator,
    profile: Profile,
    password: Option<NewPassword>,
    activate: bool,
) -> Result<User, ManagementError> {
    let (unix_ms, random) = platform.id_parts();
    let id = UserId::from_parts(unix_ms, random);
    let user = new_user(platform, administrator.token.org_id.clone(), id, profile, password, activate).await?;
    let replaced = add_user(platform, &user, None).await?;
    log_added(platform, administrator, &user, replaced.as_ref());
    Ok(user)
}

/// Logs a user who was added, perhaps in the place of another one.
fn log_added(platform: &Platform, administrator: &Administrator, user: &User, replaced: Option<&User>) {
    if let Some(replaced) = replaced {
        let (event_type, message) = DELETE_USER;
        log_change(platform, administrator, event_type, message, user_target(replaced));
    }
    let (event_type, message) = CREATE_USER;
    log_change(platform, administrator, event_type, message, user_target(user));
}

/// The user that the org's API tokens belong to (`clients.md` section 1): one for all of them, without a password,
/// added when it is first asked for.
pub(crate) async fn user_of_tokens(
    platform: &Platform,
    administrator: &Administrator,
) -> Result<User, ManagementError> {
    let org = &administrator.token.org_id;
    let login = User::login_of_tokens(org);
    if let Some(user) = platform.store().find_user_by_login(org, &login).await? {
        return Ok(user);
    }
    let profile = Profile::new(login.clone(), login.clone(), "API", "Tokens");
    match add(platform, administrator, profile, None, true).await {
        Err(ManagementError::Store(StoreError::Duplicate { .. })) => {
            let added = platform.store().find_user_by_login(org, &login).await?;
            added.ok_or_else(|| not_found(&login))
        }
        added => added,
    }
}

/// The user with this id or login; `me` is the user of the API tokens.
///
/// # Errors
/// When there is none.
pub async fn get(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
) -> Result<User, ManagementError> {
    if id_or_login == USER_OF_THE_TOKEN {
        return user_of_tokens(platform, administrator).await;
    }
    let org = &administrator.token.org_id;
    let user = match id_or_login.parse() {
        Ok(id) => platform.store().find_user(org, &id).await?,
        Err(_) => platform.store().find_user_by_login(org, id_or_login).await?,
    };
    user.ok_or_else(|| not_found(id_or_login))
}

/// A page of users, by id.
///
/// # Errors
/// When the store cannot be read.
pub async fn list(
    platform: &Platform,
    administrator: &Administrator,
    query: &UserQuery,
) -> Result<UserPage, ManagementError> {
    Ok(platform.store().list_users(&administrator.token.org_id, query).await?)
}

/// Changes attributes and the password of a user. A new password, also one that a hook is to import, ends an expiry or a recovery that
/// is pending.
///
/// # Errors
/// When the request or the profile is invalid, the login is taken, or the user is deactivated.
pub async fn update(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    submitted: &Submitted<UserRequest>,
    how: ProfileChange,
) -> Result<User, ManagementError> {
    let mut draft = UserDraft::read(&administrator.token.org_id, submitted)?;
    let (profile, password) = (draft.profile.take(), draft.password.take());
    let schema = org_of(platform, administrator)?.profile_schema.clone();
    if profile.is_none() && how == ProfileChange::Replace {
        return Err(ManagementError::field("profile", BLANK));
    }
    let provider = password.as_ref().map(NewPassword::provider);
    // Hashed once, however often the change is judged.
    let password = new_password(platform, &administrator.token.org_id, password).await?;
    let (before, after) = change(platform, administrator, id_or_login, |stored| {
        draft.check_status(stored.status)?;
        draft.check_provider(provider.unwrap_or_else(|| provider_of(&stored.password)))?;
        let mut user = stored.clone();
        if let Some(members) = profile.clone() {
            let members = match how {
                ProfileChange::Replace => members,
                ProfileChange::Merge => stored.profile.merged(members),
            };
            user.profile = read_profile(members, &schema, Some(&stored.profile))?;
        }
        if password != Password::None {
            user.password = password.clone();
            lifecycle::follow(&mut user, UserTransition::SetPassword, platform.now())?;
        }
        Ok(user)
    })
    .await?;
    if before.profile != after.profile {
        let (event_type, message) = UPDATE_PROFILE;
        log_change(platform, administrator, event_type, message, user_target(&after));
    }
    if before.password != after.password {
        lifecycle::log_transition(platform, administrator, UserTransition::SetPassword, &after);
    }
    Ok(after)
}

/// Changes the stored user as `judge` says, which is called again when another change came first. Returns the user before and
/// after; a user that stays the same is not written.
async fn change(
    platform: &Platform,
    administrator: &Administrator,
    id_or_login: &str,
    judge: impl Fn(&User) -> Result<User, ManagementError>,
) -> Result<(User, User), ManagementError> {
    for _ in 0..JUDGED_MAX {
        let stored = get(platform, administrator, id_or_login).await?;
        let judged = judge(&stored)?;
        if judged == stored {
            return Ok((stored, judged));
        }
        if stored.status == UserStatus::Deprovisioned && judged.status == UserStatus::Deprovisioned {
            return Err(lifecycle::wrong_status("The user has left", stored.status));
        }
        let changed = User { last_updated: platform.now(), ..judged };
        if platform.store().replace_user(&changed).await.map_err(|error| login_taken(error.into()))? {
            return Ok((stored, User { version: changed.version + 1, ..changed }));
        }
    }
    Err(ManagementError::Contended)
}

fn read_profile(
    members: Map<String, Value>,
    schema: &ProfileSchema,
    stored: Option<&Profile>,
) -> Result<Profile, ManagementError> {
    Profile::read(members, schema, stored)
        .map_err(|causes| ManagementError::Invalid { subject: MODEL.to_owned(), causes })
}

fn login_taken(error: ManagementError) -> ManagementError {
    match error {
        ManagementError::Store(StoreError::Duplicate { .. }) => {
            let text = "An object with this field already exists in the current organization";
            ManagementError::field("login", text)
        }
        other => other,
    }
}

fn not_found(id_or_login: &str) -> ManagementError {
    ManagementError::NotFound { id: id_or_login.to_owned(), kind: "User" }
}

async fn new_password(
    platform: &Platform,
    org: &OrgId,
    password: Option<NewPassword>,
) -> Result<Password, PasswordError> {
    let hash = match password {
        Some(NewPassword::Value(password)) => hash_password(org, &password).await?,
        Some(NewPassword::Imported(hash)) => hash,
        Some(NewPassword::ByHook) => return Ok(Password::ImportByHook),
        None => return Ok(Password::None),
    };
    Ok(Password::Hash { hash, changed: platform.now() })
}

pub(crate) async fn new_user(
    platform: &Platform,
    org_id: OrgId,
    id: UserId,
    profile: Profile,
    password: Option<NewPassword>,
    activate: bool,
) -> Result<User, PasswordError> {
    let now = platform.now();
    let password = new_password(platform, &org_id, password).await?;
    Ok(User {
        id,
        org_id,
        profile,
        password,
        status: if activate { UserStatus::Active } else { UserStatus::Staged },
        created: now,
        activated: activate.then_some(now),
        status_changed: activate.then_some(now),
        last_updated: now,
        version: 0,
        sign_ins: SignInCounts::default(),
    })
}

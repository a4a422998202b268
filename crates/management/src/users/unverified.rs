//! Users who have signed up and wait for the verification of their address. Nobody knows who that is, so they keep nobody out whom an
//! administrator brings in: a new user takes the place of such a one.

use tenterhook_contract::id::OrgId;
use tenterhook_model::{SingleUseLink, User};
use tenterhook_platform::Platform;
use tenterhook_store::StoreError;

use super::JUDGED_MAX;
use crate::administrator::ManagementError;

/// The user who has the login, if it waits for the verification of its address.
///
/// # Errors
/// When the store fails.
pub(super) async fn find_unverified(platform: &Platform, org: &OrgId, login: &str) -> Result<Option<User>, StoreError> {
    let store = platform.store();
    match store.find_user_by_login(org, login).await? {
        Some(user) if store.awaits_verification(&user).await? => Ok(Some(user)),
        _ => Ok(None),
    }
}

/// Adds a user in the place of one who waits for its verification, of which nothing is left. Returns false, with nothing changed, when
/// that one was changed meanwhile.
///
/// # Errors
/// When the store fails.
pub(super) async fn take_place(
    platform: &Platform,
    earlier: &User,
    user: &User,
    link: Option<&SingleUseLink>,
) -> Result<bool, StoreError> {
    match platform.store().replace_unverified_user(earlier, user, &[], link).await {
        Ok(replaced) => Ok(replaced.is_some()),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Adds a user, with the link that sets a password if there is one. Returns the user whose place it has taken.
///
/// # Errors
/// [`StoreError::Duplicate`] when the login is that of a user who does not wait for its verification.
pub(super) async fn add_user(
    platform: &Platform,
    user: &User,
    link: Option<&SingleUseLink>,
) -> Result<Option<User>, ManagementError> {
    let store = platform.store();
    for _ in 0..JUDGED_MAX {
        let added = match link {
            None => store.insert_user(user).await,
            Some(_) => store.register_user(user, &[], link).await.map(drop),
        };
        let taken = match added {
            Ok(()) => return Ok(None),
            Err(error @ StoreError::Duplicate { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        let Some(owner) = store.find_user_by_login(&user.org_id, &user.profile.login).await? else { continue };
        if !store.awaits_verification(&owner).await? {
            return Err(taken.into());
        }
        if take_place(platform, &owner, user, link).await? {
            return Ok(Some(owner));
        }
    }
    Err(ManagementError::Contended)
}

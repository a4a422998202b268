//! The end of users who have registered themselves and whose address nobody has verified.

use std::time::Duration;

use tenterhook_contract::Timestamp;
use tenterhook_model::SingleUseLink;
use tenterhook_platform::{
    Platform,
    events::{DELETE_USER, system_event, user_target},
};
use tenterhook_store::StoreError;

/// How long such a user stays after its last link has stopped working, in seconds.
const KEPT_SECONDS: i64 = 7 * 86_400;
/// Users that are looked up at once.
const BATCH: u64 = 100;
/// Pause after each batch: the embedded database has one writer.
const PAUSE: Duration = Duration::from_millis(5);

/// Deletes users who were not verified in time.
///
/// A user is deleted only if its time was over at the last call too, so the first call deletes nothing: a clock that jumps ahead and
/// back again must not take away those who still wait.
#[derive(Debug, Default)]
pub struct UnverifiedUsers {
    /// The time of the last call.
    looked: Option<Timestamp>,
}

impl UnverifiedUsers {
    /// Deletes those whose last link stopped working more than seven days ago, and returns how many. Each deletion is an event. One
    /// that fails is logged, does not hold up the others, and is tried again at the next call.
    ///
    /// # Errors
    /// When they cannot be looked up.
    pub async fn delete_overdue(&mut self, platform: &Platform) -> Result<u64, StoreError> {
        let now = platform.now();
        let Some(last) = self.looked.replace(now) else { return Ok(0) };
        let until = last.min(now).plus_seconds(-KEPT_SECONDS);
        let (mut deleted, mut after) = (0, None);
        loop {
            let links = platform.store().overdue_verifications(until, after.as_ref(), BATCH).await?;
            for link in &links {
                match delete(platform, link, now).await {
                    Ok(is_deleted) => deleted += u64::from(is_deleted),
                    Err(error) => {
                        let (org, user) = (&link.org_id, &link.user_id);
                        tracing::warn!(%org, %user, %error, "registration.unverified: a user could not be deleted");
                    }
                }
            }
            if u64::try_from(links.len()).is_ok_and(|found| found < BATCH) {
                return Ok(deleted);
            }
            after = links.into_iter().next_back();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn delete(platform: &Platform, link: &SingleUseLink, now: Timestamp) -> Result<bool, StoreError> {
    let Some(user) = platform.store().find_user(&link.org_id, &link.user_id).await? else { return Ok(false) };
    if !platform.store().delete_unverified_user(&user, link, now).await? {
        return Ok(false);
    }
    let (event_type, message) = DELETE_USER;
    let about = (event_type, message, user_target(&user));
    platform.log().append(&system_event(platform.entropy(), now, &link.org_id, about));
    Ok(true)
}

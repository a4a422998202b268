//! Whether what a flow has checked still holds when its result is stored: it asked a hook in between, which takes seconds.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, OrgId, SessionId, UserId},
};
use tenterhook_model::UserStatus;

use crate::{
    StoreError,
    assignments::groups_of_assignment,
    entity::{app_user, session, user},
    pool::Transaction,
    users::user_of,
};

/// What must still hold when the result of a flow is stored. It is checked in the transaction that stores it.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The org.
    pub org: &'a OrgId,
    /// The user, who must be active.
    pub user: &'a UserId,
    /// The session, if the result belongs to one.
    pub session: Option<&'a SessionId>,
    /// The app that must be assigned to the user; `None` when every user may use it.
    pub assigned: Option<&'a AppId>,
    /// The present, at which the session must not have expired.
    pub now: Timestamp,
}

/// What no longer holds. Nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// The session has ended, or there is no such user any more.
    SignedOut,
    /// The user is not active any more.
    UserInactive,
    /// The app is not assigned to the user any more.
    NotAssigned,
}

impl Standing<'_> {
    /// What no longer holds. The session cannot end before the transaction does.
    pub(crate) async fn lapsed(&self, transaction: &Transaction) -> Result<Option<Lapsed>, StoreError> {
        let Self { org, user, session, assigned, now } = *self;
        if let Some(session) = session {
            let lasting = session::Entity::find_by_id((org.to_string(), session.to_string()))
                .filter(session::Column::ExpiresUs.gt(now.as_micros()))
                .lock_shared();
            if lasting.one(transaction).await?.is_none() {
                return Ok(Some(Lapsed::SignedOut));
            }
        }
        let row = user::Entity::find_by_id((org.to_string(), user.to_string())).one(transaction).await?;
        match row.map(user_of).transpose()? {
            None => return Ok(Some(Lapsed::SignedOut)),
            Some(user) if user.status != UserStatus::Active => return Ok(Some(Lapsed::UserInactive)),
            Some(_) => {}
        }
        let Some(app) = assigned else { return Ok(None) };
        let key = (org.to_string(), app.to_string(), user.to_string());
        let is_assigned = app_user::Entity::find_by_id(key).one(transaction).await?.is_some()
            || groups_of_assignment(org, app, user).limit(1).one(transaction).await?.is_some();
        Ok((!is_assigned).then_some(Lapsed::NotAssigned))
    }
}

//! Whether what a flow has checked still holds when its result is stored: it asked a hook in between, which takes seconds.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, OrgId, SessionId, UserId},
};
use tenterhook_model::{User, UserStatus};

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
    /// How the user has proven who they are.
    pub proof: Proof<'a>,
    /// The app that must be assigned to the user; `None` when every user may use it.
    pub assigned: Option<&'a AppId>,
    /// The present, at which the session must not have expired.
    pub now: Timestamp,
}

/// How a user has proven who they are. It must still count.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// By this session.
    Session(&'a SessionId),
    /// By a password that was verified when the user had this number of [`SignInCounts::proofs_ended`](tenterhook_model::SignInCounts).
    Password(i64),
    /// By a token that the store uses up or holds in the same transaction.
    Token,
}

/// What no longer holds. Nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// The session has ended, or there is no such user any more.
    SignedOut,
    /// The user is not active any more, or has another status than before.
    UserInactive,
    /// The user has another password, or the access of the user was ended.
    ProofEnded,
    /// The app is not assigned to the user any more.
    NotAssigned,
}

/// What no longer holds of a user whose password was verified, who need not be active. Neither the status nor what the password proves
/// changes before the transaction ends.
pub(crate) async fn user_lapsed(transaction: &Transaction, verified: &User) -> Result<Option<Lapsed>, StoreError> {
    let row = user::Entity::find_by_id((verified.org_id.to_string(), verified.id.to_string())).lock_shared();
    Ok(match row.one(transaction).await?.map(user_of).transpose()? {
        None => Some(Lapsed::SignedOut),
        Some(user) if user.status != verified.status => Some(Lapsed::UserInactive),
        Some(user) if user.sign_ins.proofs_ended != verified.sign_ins.proofs_ended => Some(Lapsed::ProofEnded),
        Some(_) => None,
    })
}

impl Standing<'_> {
    /// What no longer holds. The proof cannot end before the transaction does.
    pub(crate) async fn lapsed(&self, transaction: &Transaction) -> Result<Option<Lapsed>, StoreError> {
        let Self { org, user, proof, assigned, now } = *self;
        if let Proof::Session(session) = proof {
            let lasting = session::Entity::find_by_id((org.to_string(), session.to_string()))
                .filter(session::Column::ExpiresUs.gt(now.as_micros()))
                .lock_shared();
            if lasting.one(transaction).await?.is_none() {
                return Ok(Some(Lapsed::SignedOut));
            }
        }
        let mut row = user::Entity::find_by_id((org.to_string(), user.to_string()));
        if let Proof::Password(_) = proof {
            // There is no session that could be held. Whoever ends the access of a user changes the user first.
            row = row.lock_shared();
        }
        match row.one(transaction).await?.map(user_of).transpose()? {
            None => return Ok(Some(Lapsed::SignedOut)),
            Some(user) if user.status != UserStatus::Active => return Ok(Some(Lapsed::UserInactive)),
            Some(user) if matches!(proof, Proof::Password(ended) if ended != user.sign_ins.proofs_ended) => {
                return Ok(Some(Lapsed::ProofEnded));
            }
            Some(_) => {}
        }
        let Some(app) = assigned else { return Ok(None) };
        let key = (org.to_string(), app.to_string(), user.to_string());
        let is_assigned = app_user::Entity::find_by_id(key).one(transaction).await?.is_some()
            || groups_of_assignment(org, app, user).limit(1).one(transaction).await?.is_some();
        Ok((!is_assigned).then_some(Lapsed::NotAssigned))
    }
}

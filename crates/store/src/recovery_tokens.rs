//! Recoveries by people themselves. That only one of several concurrent uses counts, and how often codes are tried and sent, is decided by
//! the database. A transaction changes the user before the user's recoveries.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, UpdateMany,
    sea_query::{Expr, ExprTrait as _, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{FactorId, OrgId, UserId},
};
use tenterhook_model::{
    AuthnToken, LinkPurpose, Passcode, RECOVERY_ATTEMPTS_MAX, RECOVERY_ATTEMPTS_OF_LOGIN_MAX, RECOVERY_LINKS_MAX,
    RECOVERY_RESEND_SECONDS, RecoveryStage, RecoverySubject, RecoveryToken, SingleUseLink, User,
};

pub(crate) use self::row::Entity;
use self::row::{ActiveModel, Column, Model};
use crate::{
    Redeemed, Store, StoreError, authn_tokens,
    entity::single_use_link,
    keyring::SecretOwner,
    single_use_links::{self, redeem},
    store::parse,
    user_access::{Ending, end_access},
};

/// What errors call a recovery.
const RECOVERY: &str = "recovery";

/// Recoveries.
mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "recovery_tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) org_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) token_sha256: String,
        pub(crate) purpose: String,
        pub(crate) method: String,
        pub(crate) stage: String,
        pub(crate) login_key: String,
        /// None while nobody would get a passcode.
        pub(crate) user_id: Option<String>,
        pub(crate) factor_id: Option<String>,
        /// Of the passcode that was sent, keyed.
        pub(crate) code_hash: Option<String>,
        pub(crate) attempts: i64,
        /// When a passcode was last asked for.
        pub(crate) sent_us: i64,
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) relay_state: Option<String>,
        pub(crate) expires_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The hash of a passcode that was sent: what a use of the passcode takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeHash(String);

/// Whether a passcode of a recovery may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryAttempt {
    /// It may, and the attempt is counted.
    Counted,
    /// Too many were wrong.
    Locked,
    /// No such recovery waits for a passcode.
    Gone,
}

/// Whether another passcode of a recovery may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryResend {
    /// It may, and nobody else sends one for a while.
    Begun,
    /// One was asked for a moment ago. Nothing was changed.
    TooSoon,
    /// No such recovery waits for a passcode.
    Gone,
}

/// What a recovery that ends was proven by.
#[derive(Clone, Copy, Debug)]
pub enum RecoveryProof<'a> {
    /// By this passcode, at this moment.
    Code(&'a CodeHash),
    /// Before.
    Before,
}

impl Store {
    /// Adds a recovery of which nobody knows yet whose it is. `now` is when its passcode was asked for.
    pub async fn insert_recovery(&self, recovery: &RecoveryToken, now: Timestamp) -> Result<(), StoreError> {
        Ok(insert(&self.connections.writer, recovery, now).await?)
    }

    /// The recovery with this hash, unless it has expired.
    pub async fn find_recovery(
        &self,
        org: &OrgId,
        token_sha256: &str,
        now: Timestamp,
    ) -> Result<Option<RecoveryToken>, StoreError> {
        let found = Entity::find().filter(working(org, token_sha256, now)).one(&self.connections.reader).await?;
        found.map(recovery_of).transpose()
    }

    /// Claims the right to send another passcode, of several callers for one. The recovery then works until `expires`.
    pub async fn begin_recovery_resend(
        &self,
        recovery: &RecoveryToken,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<RecoveryResend, StoreError> {
        let claimed = update(recovery, now)
            .col_expr(Column::SentUs, Expr::value(now.as_micros()))
            .col_expr(Column::ExpiresUs, Expr::value(expires.as_micros()))
            .filter(is(RecoveryStage::Challenged))
            .filter(Column::SentUs.lte(now.plus_seconds(-RECOVERY_RESEND_SECONDS).as_micros()))
            .exec(&self.connections.writer)
            .await?;
        if claimed.rows_affected == 1 {
            return Ok(RecoveryResend::Begun);
        }
        let found = self.find_recovery(&recovery.org_id, &recovery.token_sha256, now).await?;
        let is_there = found.is_some_and(|found| found.stage == RecoveryStage::Challenged);
        Ok(if is_there { RecoveryResend::TooSoon } else { RecoveryResend::Gone })
    }

    /// Says whose a recovery is, and gives it the passcode that is about to be sent, which replaces the one before. `None` when the
    /// recovery has ended or is somebody else's.
    pub async fn put_recovery_code(
        &self,
        recovery: &RecoveryToken,
        subject: &RecoverySubject,
        passcode: &Passcode,
        now: Timestamp,
    ) -> Result<Option<CodeHash>, StoreError> {
        let hash = self.keyring().hash_short(owner(recovery), passcode.expose())?;
        let put = update(recovery, now)
            .col_expr(Column::UserId, Expr::value(subject.user_id.as_str()))
            .col_expr(Column::FactorId, Expr::value(subject.factor_id.as_ref().map(FactorId::as_str)))
            .col_expr(Column::CodeHash, Expr::value(hash.as_str()))
            .filter(is(RecoveryStage::Challenged))
            .filter(Column::UserId.is_null().or(Column::UserId.eq(subject.user_id.as_str())))
            .exec(&self.connections.writer)
            .await?;
        Ok((put.rows_affected == 1).then_some(CodeHash(hash)))
    }

    /// Takes a passcode back that was not sent, so that nobody guesses it.
    pub async fn take_back_recovery_code(
        &self,
        recovery: &RecoveryToken,
        CodeHash(hash): &CodeHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let taken = update(recovery, now).col_expr(Column::CodeHash, Expr::value(None::<String>));
        taken.filter(Column::CodeHash.eq(hash.as_str())).exec(&self.connections.writer).await?;
        Ok(())
    }

    /// Counts an attempt on the passcode of a recovery, before it is known whether it is right, and whether or not there is one. Attempts on
    /// all recoveries of the login count together.
    pub async fn count_recovery_attempt(
        &self,
        recovery: &RecoveryToken,
        now: Timestamp,
    ) -> Result<RecoveryAttempt, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        // In one order, so that two attempts never wait for each other's.
        let rows: Vec<Model> = Entity::find()
            .filter(of_login(&recovery.org_id, &recovery.login_key, now))
            .order_by_asc(Column::TokenSha256)
            .lock_exclusive()
            .all(&transaction)
            .await?;
        let this = rows.iter().find(|row| row.token_sha256 == recovery.token_sha256);
        let attempt = match this.filter(|row| row.stage == RecoveryStage::Challenged.as_str()) {
            None => RecoveryAttempt::Gone,
            Some(row) => {
                let of_login: i64 = rows.iter().map(|row| row.attempts).sum();
                let is_locked = row.attempts >= RECOVERY_ATTEMPTS_MAX || of_login >= RECOVERY_ATTEMPTS_OF_LOGIN_MAX;
                if is_locked { RecoveryAttempt::Locked } else { RecoveryAttempt::Counted }
            }
        };
        if attempt != RecoveryAttempt::Counted {
            transaction.rollback().await;
            return Ok(attempt);
        }
        let next = Expr::col(Column::Attempts).add(1);
        update(recovery, now).col_expr(Column::Attempts, next).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(RecoveryAttempt::Counted)
    }

    /// The hash of a recovery's passcode, if it is this one. As much is computed when there is none.
    pub async fn check_recovery_code(
        &self,
        recovery: &RecoveryToken,
        passcode: &Passcode,
        now: Timestamp,
    ) -> Result<Option<CodeHash>, StoreError> {
        let this = working(&recovery.org_id, &recovery.token_sha256, now).and(is(RecoveryStage::Challenged));
        let found = Entity::find().filter(this).one(&self.connections.reader).await?;
        match found.and_then(|row| row.code_hash) {
            Some(hash) => {
                let is_right = self.is_hash_of(owner(recovery), &hash, passcode.expose())?;
                Ok(is_right.then_some(CodeHash(hash)))
            }
            None => self.keyring().hash_short(owner(recovery), passcode.expose()).map(|_| None),
        }
    }

    /// Uses the passcode of a recovery up, which is proven then and works until `expires`. Of several concurrent uses exactly one gets
    /// `true`.
    pub async fn prove_recovery(
        &self,
        recovery: &RecoveryToken,
        code: &CodeHash,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let proven = Entity::update_many()
            .col_expr(Column::Stage, Expr::value(RecoveryStage::Proven.as_str()))
            .col_expr(Column::CodeHash, Expr::value(None::<String>))
            .col_expr(Column::ExpiresUs, Expr::value(expires.as_micros()))
            .filter(proven_by(recovery, RecoveryProof::Code(code), now))
            .exec(&self.connections.writer)
            .await?;
        Ok(proven.rows_affected == 1)
    }

    /// Uses a recovery up and changes its user: all or nothing. With an `ending` that much of what the user has signed in to ends, and
    /// then `next` is added. Of several concurrent uses exactly one is [`Redeemed::Done`].
    pub async fn redeem_recovery(
        &self,
        (recovery, proof): (&RecoveryToken, RecoveryProof<'_>),
        user: &User,
        ending: Option<Ending>,
        next: Option<&AuthnToken>,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let redeemed = redeem::<Entity>(&transaction, proven_by(recovery, proof, now), user).await?;
        if redeemed != Redeemed::Done {
            transaction.rollback().await;
            return Ok(redeemed);
        }
        if let Some(ending) = ending {
            end_access(&transaction, (&user.org_id, &user.id), ending, user.last_updated).await?;
        }
        if let Some(next) = next {
            authn_tokens::insert(&transaction, next).await?;
        }
        transaction.commit().await?;
        Ok(Redeemed::Done)
    }

    /// Uses a recovery up that nobody goes on with. Of several concurrent uses exactly one gets `true`.
    pub async fn use_up_recovery(&self, recovery: &RecoveryToken, now: Timestamp) -> Result<bool, StoreError> {
        let this = working(&recovery.org_id, &recovery.token_sha256, now);
        Ok(Entity::delete_many().filter(this).exec(&self.connections.writer).await?.rows_affected == 1)
    }

    /// Adds a link for recovery beside those that its user has. Returns whether it did: only so many work at the same time.
    pub async fn insert_recovery_link(
        &self,
        link: &SingleUseLink,
        user_version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use single_use_link::Column as Of;
        let of_purpose = Of::Purpose.eq(link.purpose.as_str()).and(Of::ExpiresUs.gt(now.as_micros()));
        let transaction = self.connections.writer.begin().await?;
        let working = single_use_link::Entity::find().filter(links_of(&link.org_id, &link.user_id).and(of_purpose));
        if working.count(&transaction).await? >= RECOVERY_LINKS_MAX {
            transaction.rollback().await;
            return Ok(false);
        }
        single_use_links::insert(&transaction, link, user_version).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Uses a link up and adds a recovery in its place: both or neither. Of several concurrent uses exactly one gets `true`.
    pub async fn exchange_link(
        &self,
        link: &SingleUseLink,
        recovery: &RecoveryToken,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let this = single_use_links::working(&link.org_id, &link.token_sha256, link.purpose, now);
        let transaction = self.connections.writer.begin().await?;
        let used = single_use_link::Entity::delete_many().filter(this).exec(&transaction).await?.rows_affected;
        if used == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        insert(&transaction, recovery, now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Removes what a user could recover with: recoveries, and links for them.
pub(crate) async fn end_recoveries(connection: &impl ConnectionTrait, org: &OrgId, user: &UserId) -> Result<(), DbErr> {
    Entity::delete_many().filter(of_user(org, user)).exec(connection).await?;
    let purposes = [LinkPurpose::Recovery, LinkPurpose::Unlock].map(LinkPurpose::as_str);
    let links = links_of(org, user).and(single_use_link::Column::Purpose.is_in(purposes));
    single_use_link::Entity::delete_many().filter(links).exec(connection).await?;
    Ok(())
}

/// The condition of the recoveries of a user.
pub(crate) fn of_user(org: &OrgId, user: &UserId) -> SimpleExpr {
    Column::OrgId.eq(org.as_str()).and(Column::UserId.eq(user.as_str()))
}

/// The condition of the recoveries of a login that work.
pub(crate) fn of_login(org: &OrgId, login_key: &str, now: Timestamp) -> SimpleExpr {
    let of_login = Column::OrgId.eq(org.as_str()).and(Column::LoginKey.eq(login_key));
    of_login.and(Column::ExpiresUs.gt(now.as_micros()))
}

/// The condition of recoveries that have expired.
pub(crate) fn expired(us: i64) -> SimpleExpr {
    Column::ExpiresUs.lt(us)
}

/// The condition of a recovery that works.
pub(crate) fn working(org: &OrgId, token_sha256: &str, now: Timestamp) -> SimpleExpr {
    let this = Column::OrgId.eq(org.as_str()).and(Column::TokenSha256.eq(token_sha256));
    this.and(Column::ExpiresUs.gt(now.as_micros()))
}

fn links_of(org: &OrgId, user: &UserId) -> SimpleExpr {
    single_use_link::Column::OrgId.eq(org.as_str()).and(single_use_link::Column::UserId.eq(user.as_str()))
}

fn is(stage: RecoveryStage) -> SimpleExpr {
    Column::Stage.eq(stage.as_str())
}

fn update(recovery: &RecoveryToken, now: Timestamp) -> UpdateMany<Entity> {
    Entity::update_many().filter(working(&recovery.org_id, &recovery.token_sha256, now))
}

/// The condition of a recovery that this proves.
fn proven_by(recovery: &RecoveryToken, proof: RecoveryProof<'_>, now: Timestamp) -> SimpleExpr {
    let this = working(&recovery.org_id, &recovery.token_sha256, now);
    match proof {
        RecoveryProof::Code(CodeHash(hash)) => {
            this.and(is(RecoveryStage::Challenged)).and(Column::CodeHash.eq(hash.as_str()))
        }
        RecoveryProof::Before => this.and(is(RecoveryStage::Proven)),
    }
}

/// A passcode of one recovery is none of another.
fn owner(recovery: &RecoveryToken) -> SecretOwner<'_> {
    SecretOwner { org: recovery.org_id.as_str(), row: &recovery.token_sha256, field: recovery.purpose.as_str() }
}

async fn insert(connection: &impl ConnectionTrait, recovery: &RecoveryToken, now: Timestamp) -> Result<(), DbErr> {
    let subject = recovery.subject.as_ref();
    let row = ActiveModel {
        org_id: Set(recovery.org_id.to_string()),
        token_sha256: Set(recovery.token_sha256.clone()),
        purpose: Set(recovery.purpose.as_str().to_owned()),
        method: Set(recovery.method.as_str().to_owned()),
        stage: Set(recovery.stage.as_str().to_owned()),
        login_key: Set(recovery.login_key.clone()),
        user_id: Set(subject.map(|subject| subject.user_id.to_string())),
        factor_id: Set(subject.and_then(|subject| subject.factor_id.as_ref()).map(ToString::to_string)),
        code_hash: Set(None),
        attempts: Set(0),
        sent_us: Set(now.as_micros()),
        relay_state: Set(recovery.relay_state.clone()),
        expires_us: Set(recovery.expires.as_micros()),
    };
    Entity::insert(row).exec_without_returning(connection).await.map(drop)
}

fn recovery_of(row: Model) -> Result<RecoveryToken, StoreError> {
    let unreadable = |why: &str| StoreError::Unreadable { what: RECOVERY, why: why.to_owned() };
    let factor_id = row.factor_id.as_deref().map(|id| parse(RECOVERY, id)).transpose()?;
    let user_id = row.user_id.as_deref().map(|id| parse(RECOVERY, id)).transpose()?;
    Ok(RecoveryToken {
        org_id: parse(RECOVERY, &row.org_id)?,
        purpose: row.purpose.parse().map_err(|()| unreadable("its purpose is unknown"))?,
        method: row.method.parse().map_err(|()| unreadable("its method is unknown"))?,
        stage: row.stage.parse().map_err(|()| unreadable("its stage is unknown"))?,
        subject: user_id.map(|user_id| RecoverySubject { user_id, factor_id }),
        token_sha256: row.token_sha256,
        login_key: row.login_key,
        relay_state: row.relay_state,
        expires: Timestamp::from_micros(row.expires_us),
    })
}

//! Factors of users and the passcodes of their phones. That only one of several concurrent uses of a code counts, and how often codes are
//! tried and sent, is decided by the database. Every transaction writes the row of the user before that of the factor, and that
//! before those of its codes. When a factor becomes active, what its user has proven by the password alone ends.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, UpdateMany,
    sea_query::{Expr, ExprTrait as _, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{FactorId, OrgId, UserId},
};
use tenterhook_model::{
    CodePurpose, FACTOR_RESEND_SECONDS, Factor, FactorCode, FactorMethod, FactorStatus, FactorType, Passcode,
    PhoneNumber, TotpSecret, factor_lock_seconds,
};

use crate::{
    Store, StoreError,
    entity::{
        factor::{ActiveModel, Column, Entity, Model},
        factor_code, user,
    },
    keyring::SecretOwner,
    pool::Transaction,
    store::{duplicate, missing, parse},
    unverified_users::note_given,
    user_access::end_proofs,
    users::user_of,
};

/// Name of the secret of an authenticator app.
pub(crate) const SECRET: &str = "secret";
/// What errors call a factor.
const FACTOR: &str = "factor";

/// Ends the purpose of a passcode that is being sent: it and the one before it work until it is known whether it was sent.
const SENDING: &str = ".SENDING";

/// Whether a passcode may be sent to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// It may: the passcode works, and nobody else sends one for a while.
    Begun,
    /// One was sent a moment ago, or could not be sent; the next one may be sent at this time. Nothing was changed.
    TooSoon(Timestamp),
    /// Too many codes were wrong: none is looked at until this time, at which the passcode would not work any more. Nothing was changed.
    Locked(Timestamp),
    /// The factor was removed, or has another status. Nothing was changed.
    Gone,
}

/// Whether a code may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It may, and the attempt is counted: it is this one since the last code that was right.
    Counted(i64),
    /// Too many were wrong: none is looked at until this time.
    Locked(Timestamp),
    /// There is no such factor.
    Gone,
}

impl Store {
    /// Adds a factor, with the passcode that is about to be sent to its phone.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the user has a factor of this type, [`StoreError::Missing`] when there is no such user.
    pub async fn insert_factor(&self, factor: &Factor, code: Option<&FactorCode>) -> Result<(), StoreError> {
        let row = self.factor_row(factor, code.is_some())?;
        let transaction = self.connections.writer.begin().await?;
        if factor.status == FactorStatus::Active {
            end_proofs(&transaction, &factor.org_id, &factor.user_id).await?;
        }
        if let Err(error) = Entity::insert(row).exec_without_returning(&transaction).await {
            transaction.rollback().await;
            let is_duplicate = matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)));
            return Err(if is_duplicate { duplicate(FACTOR)(error) } else { missing("user")(error) });
        }
        if let Some(code) = code {
            self.put_code(&transaction, factor, code, code.purpose.as_str()).await?;
        }
        note_given(&transaction, &factor.org_id, &factor.user_id).await?;
        Ok(transaction.commit().await?)
    }

    /// Replaces a factor that is not active yet by another one of its user and type. Returns whether it was still there.
    pub async fn replace_pending_factor(&self, pending: &FactorId, factor: &Factor) -> Result<bool, StoreError> {
        let row = self.factor_row(factor, false)?;
        let transaction = self.connections.writer.begin().await?;
        let is_pending = this(&factor.org_id, pending).and(is(FactorStatus::PendingActivation));
        if Entity::delete_many().filter(is_pending).exec(&transaction).await?.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        Entity::insert(row).exec_without_returning(&transaction).await.map_err(duplicate(FACTOR))?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The factors of a user, those of phones first.
    pub async fn list_factors(&self, org: &OrgId, user: &UserId) -> Result<Vec<Factor>, StoreError> {
        let rows = of_user(org, user).all(&self.connections.reader).await?;
        let factors = rows.iter().map(|row| self.factor_of(row)).collect::<Result<Vec<_>, _>>()?;
        Ok(in_order(factors))
    }

    /// The active factors of a user that can be read, those of phones first. The others are logged.
    ///
    /// # Errors
    /// Also when the user has active factors, and none can be read: that is not the same as to have none.
    pub async fn list_active_factors(&self, org: &OrgId, user: &UserId) -> Result<Vec<Factor>, StoreError> {
        let rows = of_user(org, user).filter(is(FactorStatus::Active)).all(&self.connections.reader).await?;
        let (mut factors, mut unreadable) = (Vec::new(), None);
        for row in &rows {
            match self.factor_of(row) {
                Ok(factor) => factors.push(factor),
                Err(error) => {
                    tracing::error!(%org, %user, factor = row.id, %error, "factor.unreadable: no sign-in asks for it");
                    unreadable = Some(error);
                }
            }
        }
        match unreadable {
            Some(error) if factors.is_empty() => Err(error),
            _ => Ok(in_order(factors)),
        }
    }

    /// Whether a user has an active factor.
    pub async fn has_active_factor(&self, org: &OrgId, user: &UserId) -> Result<bool, StoreError> {
        let active = of_user(org, user).filter(Column::Status.eq(FactorStatus::Active.as_str()));
        Ok(active.count(&self.connections.reader).await? > 0)
    }

    /// The factor of a user with this id.
    pub async fn find_factor(&self, org: &OrgId, user: &UserId, id: &FactorId) -> Result<Option<Factor>, StoreError> {
        let found = Entity::find().filter(this(org, id).and(Column::UserId.eq(user.as_str())));
        let row = found.one(&self.connections.reader).await?;
        row.map(|row| self.factor_of(&row)).transpose()
    }

    /// Removes a factor of a user with its passcodes. Returns whether it was there.
    pub async fn remove_factor(&self, org: &OrgId, user: &UserId, id: &FactorId) -> Result<bool, StoreError> {
        let of_user = this(org, id).and(Column::UserId.eq(user.as_str()));
        Ok(Entity::delete_many().filter(of_user).exec(&self.connections.writer).await?.rows_affected == 1)
    }

    /// Removes all factors of a user. Returns how many there were.
    pub async fn remove_factors(&self, org: &OrgId, user: &UserId) -> Result<u64, StoreError> {
        let of_user = Column::OrgId.eq(org.as_str()).and(Column::UserId.eq(user.as_str()));
        Ok(Entity::delete_many().filter(of_user).exec(&self.connections.writer).await?.rows_affected)
    }

    /// Claims the right to send a passcode to the phone of a factor, of several callers for one. The stored factor gets the phone of
    /// `factor`. The passcode works from now on, together with the one before of its purpose, unless that went to another phone: see
    /// [`Self::end_challenge`].
    pub async fn begin_challenge(
        &self,
        factor: &Factor,
        code: &FactorCode,
        now: Timestamp,
    ) -> Result<Challenge, StoreError> {
        let phone = phone_columns(&factor.method);
        let transaction = self.connections.writer.begin().await?;
        let Some(row) = Entity::find().filter(in_status(factor)).lock_exclusive().one(&transaction).await? else {
            transaction.rollback().await;
            return Ok(Challenge::Gone);
        };
        let next = row.sent_us.map(|sent| Timestamp::from_micros(sent).plus_seconds(FACTOR_RESEND_SECONDS));
        if let Some(next) = next.filter(|next| *next > now) {
            transaction.rollback().await;
            return Ok(Challenge::TooSoon(next));
        }
        let attempts = attempts_that_count(&transaction, &row, now).await?;
        if let Some(unlocked) = locked_until(&row, attempts).filter(|unlocked| *unlocked >= code.expires) {
            transaction.rollback().await;
            return Ok(Challenge::Locked(unlocked));
        }
        let is_moved = phone != [row.phone_number, row.phone_extension];
        let [number, extension] = phone;
        update_in(factor)
            .col_expr(Column::SentUs, Expr::value(now.as_micros()))
            .col_expr(Column::PhoneNumber, Expr::value(number))
            .col_expr(Column::PhoneExtension, Expr::value(extension))
            .col_expr(Column::LastUpdatedUs, Expr::value(factor.last_updated.as_micros()))
            .exec(&transaction)
            .await?;
        if is_moved {
            factor_code::Entity::delete_many().filter(codes(factor)).exec(&transaction).await?;
        }
        self.put_code(&transaction, factor, code, &sending(code.purpose)).await?;
        transaction.commit().await?;
        Ok(Challenge::Begun)
    }

    /// Ends the sending of a passcode that began at `begun`, unless another one began since: of it and the one before, the one that
    /// the phone has goes on working. A passcode that could not be sent keeps the next one waiting like one that was.
    pub async fn end_challenge(
        &self,
        factor: &Factor,
        purpose: CodePurpose,
        (begun, is_sent): (Timestamp, bool),
    ) -> Result<(), StoreError> {
        use factor_code::Column as Code;
        let transaction = self.connections.writer.begin().await?;
        let this = in_status(factor).and(Column::SentUs.eq(begun.as_micros()));
        if Entity::find().filter(this).lock_exclusive().one(&transaction).await?.is_none() {
            transaction.rollback().await;
            return Ok(());
        }
        let of = |purpose: &str| codes(factor).and(Code::Purpose.eq(purpose));
        let ended = if is_sent { purpose.as_str().to_owned() } else { sending(purpose) };
        factor_code::Entity::delete_many().filter(of(&ended)).exec(&transaction).await?;
        factor_code::Entity::update_many()
            .col_expr(Code::Purpose, Expr::value(purpose.as_str()))
            .filter(of(&sending(purpose)))
            .exec(&transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Removes a factor that was enrolled at `begun` and whose first passcode could not be sent, unless something happened to it since.
    pub async fn take_back_enrollment(&self, factor: &Factor, begun: Timestamp) -> Result<(), StoreError> {
        let untouched = in_status(factor).and(Column::SentUs.eq(begun.as_micros()));
        Entity::delete_many().filter(untouched).exec(&self.connections.writer).await?;
        Ok(())
    }

    /// Counts an attempt on the codes of a factor, before it is known whether the code is right. An attempt on a locked factor is not
    /// counted.
    pub async fn count_factor_attempt(
        &self,
        org: &OrgId,
        id: &FactorId,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        let Some(row) = Entity::find().filter(this(org, id)).lock_exclusive().one(&transaction).await? else {
            transaction.rollback().await;
            return Ok(Attempt::Gone);
        };
        let attempts = attempts_that_count(&transaction, &row, now).await?;
        if let Some(unlocked) = locked_until(&row, attempts).filter(|unlocked| *unlocked > now) {
            transaction.rollback().await;
            return Ok(Attempt::Locked(unlocked));
        }
        let attempts = attempts.saturating_add(1);
        Entity::update_many()
            .col_expr(Column::Attempts, Expr::value(attempts))
            .col_expr(Column::AttemptedUs, Expr::value(now.as_micros()))
            .filter(this(org, id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Attempt::Counted(attempts))
    }

    /// Forgets the wrong codes of all factors of a user, and so ends their locks. Returns how many factors had any.
    pub async fn forget_factor_attempts(&self, org: &OrgId, user: &UserId) -> Result<u64, StoreError> {
        let forgotten = Entity::update_many()
            .col_expr(Column::Attempts, Expr::value(0_i64))
            .col_expr(Column::AttemptedUs, Expr::value(0_i64))
            .filter(Column::OrgId.eq(org.as_str()).and(Column::UserId.eq(user.as_str())))
            .filter(Column::Attempts.gt(0))
            .exec(&self.connections.writer)
            .await?;
        Ok(forgotten.rows_affected)
    }

    /// Uses the passcode of a factor up, if it is this one and has not expired. The factor is active then. Of several concurrent uses
    /// exactly one gets `true`; unless it does, nothing has changed.
    pub async fn redeem_factor_code(
        &self,
        factor: &Factor,
        purpose: CodePurpose,
        passcode: &Passcode,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use factor_code::Column as Code;
        let of_purpose = codes(factor).and(Code::Purpose.is_in([purpose.as_str().to_owned(), sending(purpose)]));
        let working = of_purpose.clone().and(Code::ExpiresUs.gt(now.as_micros()));
        let found = factor_code::Entity::find().filter(working.clone()).all(&self.connections.reader).await?;
        let mut right = None;
        for row in found {
            let owner = SecretOwner { org: &row.org_id, row: &row.factor_id, field: purpose.as_str() };
            if self.is_hash_of(owner, &row.hash, passcode.expose())? {
                right = Some(row.hash);
            }
        }
        let Some(hash) = right else { return Ok(false) };
        let transaction = self.connections.writer.begin().await?;
        end_if_pending(&transaction, factor).await?;
        let is_proven = proven(factor, now).exec(&transaction).await?.rows_affected == 1;
        let used = working.and(Code::Hash.eq(hash));
        if !is_proven || factor_code::Entity::delete_many().filter(used).exec(&transaction).await?.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        factor_code::Entity::delete_many().filter(of_purpose).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Uses a time step of an authenticator app up, if no code of it or of a later one was accepted. The factor is active then. Of several
    /// concurrent uses exactly one gets `true`; unless it does, nothing has changed.
    pub async fn redeem_totp_step(&self, factor: &Factor, step: i64, now: Timestamp) -> Result<bool, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        end_if_pending(&transaction, factor).await?;
        let redeemed = proven(factor, now)
            .col_expr(Column::LastStep, Expr::value(step))
            .filter(Column::LastStep.is_null().or(Column::LastStep.lt(step)))
            .exec(&transaction)
            .await?;
        if redeemed.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Makes a factor active without a proof, with the phone of `factor`. Returns whether it was still pending.
    pub async fn activate_factor(&self, factor: &Factor, now: Timestamp) -> Result<bool, StoreError> {
        let [number, extension] = phone_columns(&factor.method);
        let transaction = self.connections.writer.begin().await?;
        end_if_pending(&transaction, factor).await?;
        let activated = proven(factor, now)
            .col_expr(Column::PhoneNumber, Expr::value(number))
            .col_expr(Column::PhoneExtension, Expr::value(extension))
            .exec(&transaction)
            .await?;
        if activated.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        factor_code::Entity::delete_many().filter(codes(factor)).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn put_code(
        &self,
        connection: &impl ConnectionTrait,
        factor: &Factor,
        code: &FactorCode,
        stored_purpose: &str,
    ) -> Result<(), StoreError> {
        let owner = SecretOwner { org: factor.org_id.as_str(), row: factor.id.as_str(), field: code.purpose.as_str() };
        let row = factor_code::ActiveModel {
            org_id: Set(factor.org_id.to_string()),
            factor_id: Set(factor.id.to_string()),
            purpose: Set(stored_purpose.to_owned()),
            hash: Set(self.keyring().hash_short(owner, code.passcode.expose())?),
            expires_us: Set(code.expires.as_micros()),
        };
        let previous = codes(factor).and(factor_code::Column::Purpose.eq(stored_purpose));
        factor_code::Entity::delete_many().filter(previous).exec(connection).await?;
        factor_code::Entity::insert(row).exec_without_returning(connection).await?;
        Ok(())
    }

    fn factor_row(&self, factor: &Factor, sends: bool) -> Result<ActiveModel, StoreError> {
        let [phone_number, phone_extension] = phone_columns(&factor.method);
        let secret = match &factor.method {
            FactorMethod::Totp(secret) => {
                Some(self.encrypt(&factor.org_id, factor.id.as_str(), SECRET, &secret.to_base32())?)
            }
            FactorMethod::Sms(_) | FactorMethod::Call(_) => None,
        };
        Ok(ActiveModel {
            org_id: Set(factor.org_id.to_string()),
            id: Set(factor.id.to_string()),
            user_id: Set(factor.user_id.to_string()),
            factor_type: Set(factor.method.factor_type().as_str().to_owned()),
            status: Set(factor.status.as_str().to_owned()),
            phone_number: Set(phone_number),
            phone_extension: Set(phone_extension),
            secret: Set(secret),
            created_us: Set(factor.created.as_micros()),
            last_updated_us: Set(factor.last_updated.as_micros()),
            sent_us: Set(sends.then(|| factor.created.as_micros())),
            last_step: Set(None),
            attempts: Set(0),
            attempted_us: Set(0),
        })
    }

    fn factor_of(&self, row: &Model) -> Result<Factor, StoreError> {
        let unreadable = |why: &str| StoreError::Unreadable { what: FACTOR, why: why.to_owned() };
        let org_id = parse(FACTOR, &row.org_id)?;
        let phone = || {
            let number = row.phone_number.as_deref().ok_or_else(|| unreadable("it has no phone"))?;
            let number = PhoneNumber::of_stored(number, row.phone_extension.as_deref());
            number.ok_or_else(|| unreadable("its phone is malformed"))
        };
        let factor_type = row.factor_type.parse().map_err(|()| unreadable("its type is unknown"))?;
        let method = match factor_type {
            FactorType::Sms => FactorMethod::Sms(phone()?),
            FactorType::Call => FactorMethod::Call(phone()?),
            FactorType::Totp => {
                let stored = row.secret.as_deref().ok_or_else(|| unreadable("it has no secret"))?;
                let secret = self.decrypt(&org_id, &row.id, SECRET, stored)?;
                let secret = TotpSecret::from_base32(&secret).map_err(|error| unreadable(&error.to_string()))?;
                FactorMethod::Totp(secret)
            }
        };
        Ok(Factor {
            id: parse(FACTOR, &row.id)?,
            user_id: parse(FACTOR, &row.user_id)?,
            org_id,
            method,
            status: row.status.parse().map_err(|()| unreadable("its status is unknown"))?,
            created: Timestamp::from_micros(row.created_us),
            last_updated: Timestamp::from_micros(row.last_updated_us),
        })
    }
}

/// The rows of a user's factors.
pub(crate) fn of_user(org: &OrgId, user: &UserId) -> Select<Entity> {
    let of_user = Column::OrgId.eq(org.as_str()).and(Column::UserId.eq(user.as_str()));
    Entity::find().filter(of_user).order_by_asc(Column::FactorType)
}

fn in_order(mut factors: Vec<Factor>) -> Vec<Factor> {
    let place = |factor: &Factor| FactorType::ALL.iter().position(|known| *known == factor.method.factor_type());
    factors.sort_by_key(place);
    factors
}

fn phone_columns(method: &FactorMethod) -> [Option<String>; 2] {
    let phone = method.phone();
    [phone.map(|phone| phone.as_e164().to_owned()), phone.and_then(PhoneNumber::extension).map(ToOwned::to_owned)]
}

fn this(org: &OrgId, id: &FactorId) -> SimpleExpr {
    Column::OrgId.eq(org.as_str()).and(Column::Id.eq(id.as_str()))
}

fn is(status: FactorStatus) -> SimpleExpr {
    Column::Status.eq(status.as_str())
}

/// The stored factor, while it has the status of `factor`.
fn in_status(factor: &Factor) -> SimpleExpr {
    this(&factor.org_id, &factor.id).and(is(factor.status))
}

fn update_in(factor: &Factor) -> UpdateMany<Entity> {
    Entity::update_many().filter(in_status(factor))
}

/// How many wrong codes of a factor count. Those from before the user's password do not: whoever had the old one does not keep the user
/// out who has a new one.
async fn attempts_that_count(transaction: &Transaction, row: &Model, now: Timestamp) -> Result<i64, StoreError> {
    if row.attempts == 0 {
        return Ok(0);
    }
    let user = user::Entity::find_by_id((row.org_id.clone(), row.user_id.clone())).one(transaction).await?;
    let changed = user.map(user_of).transpose()?.and_then(|user| user.password.changed());
    let attempted = Timestamp::from_micros(row.attempted_us);
    Ok(if changed.is_some_and(|changed| attempted < changed && changed <= now) { 0 } else { row.attempts })
}

/// Until when no code of a factor is looked at after so many wrong ones.
fn locked_until(row: &Model, attempts: i64) -> Option<Timestamp> {
    let seconds = factor_lock_seconds(attempts);
    (seconds > 0).then(|| Timestamp::from_micros(row.attempted_us).plus_seconds(seconds))
}

/// Ends what the user has proven by the password alone, if the factor is about to become active.
async fn end_if_pending(transaction: &Transaction, factor: &Factor) -> Result<(), StoreError> {
    match factor.status {
        FactorStatus::Active => Ok(()),
        FactorStatus::PendingActivation => end_proofs(transaction, &factor.org_id, &factor.user_id).await,
    }
}

/// The update of a factor that the user has proven to have: it is active, and attempts that were wrong are forgotten.
fn proven(factor: &Factor, now: Timestamp) -> UpdateMany<Entity> {
    let update = update_in(factor)
        .col_expr(Column::Attempts, Expr::value(0_i64))
        .col_expr(Column::AttemptedUs, Expr::value(0_i64));
    match factor.status {
        FactorStatus::Active => update,
        FactorStatus::PendingActivation => update
            .col_expr(Column::Status, Expr::value(FactorStatus::Active.as_str()))
            .col_expr(Column::LastUpdatedUs, Expr::value(now.as_micros())),
    }
}

/// The stored purpose of a passcode that is being sent.
fn sending(purpose: CodePurpose) -> String {
    format!("{}{SENDING}", purpose.as_str())
}

/// The rows of a factor's passcodes.
fn codes(factor: &Factor) -> SimpleExpr {
    let of_org = factor_code::Column::OrgId.eq(factor.org_id.as_str());
    of_org.and(factor_code::Column::FactorId.eq(factor.id.as_str()))
}

//! Wrong passwords of users, counted for all nodes. The count is no change of the user: it leaves the version alone. A new password and
//! another status begin it anew ([`crate::users`]).

use std::num::NonZeroU32;

use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _},
};
use tenterhook_model::{User, UserStatus};

use crate::{
    Store, StoreError,
    entity::user::{Column, Entity},
    users::{of_version, replace_row_if},
};

impl Store {
    /// Counts a wrong password. Returns how many there are in a row, also of other nodes; none when the user was removed.
    pub async fn count_wrong_password(&self, user: &User) -> Result<i64, StoreError> {
        let this = || Column::OrgId.eq(user.org_id.as_str()).and(Column::Id.eq(user.id.as_str()));
        let transaction = self.connections.writer.begin().await?;
        Entity::update_many()
            .col_expr(Column::WrongPasswords, Expr::col(Column::WrongPasswords).add(1))
            .filter(this())
            .exec(&transaction)
            .await?;
        // Nobody else counts before the commit.
        let counted = Entity::find().select_only().column(Column::WrongPasswords).filter(this());
        let counted: Option<i64> = counted.into_tuple().one(&transaction).await?;
        transaction.commit().await?;
        Ok(counted.unwrap_or(0))
    }

    /// Replaces a user by one with an imported password, as [`Store::replace_user`] does, unless there are `limit` wrong passwords in a
    /// row: the count must not begin anew before it has locked the user out. Returns whether it did.
    pub async fn replace_user_below(&self, user: &User, limit: NonZeroU32) -> Result<bool, StoreError> {
        let is_below = Column::WrongPasswords.lt(i64::from(limit.get()));
        replace_row_if(&self.connections.writer, user, of_version(user).and(is_below)).await
    }

    /// Begins the count of wrong passwords of an active user anew, after a right one, unless there are `limit` of them. Returns whether
    /// it did: after so many the right password does not count, also of those that were submitted at the same time.
    pub async fn forget_wrong_passwords(&self, user: &User, limit: NonZeroU32) -> Result<bool, StoreError> {
        // A version that does not write the status may have written the row.
        let is_behind = Expr::col(Column::KeyedVersion).ne(Expr::col(Column::Version));
        let forgotten = Entity::update_many()
            .col_expr(Column::WrongPasswords, Expr::value(0_i64))
            .filter(Column::OrgId.eq(user.org_id.as_str()))
            .filter(Column::Id.eq(user.id.as_str()))
            .filter(Column::Status.eq(UserStatus::Active.as_str()).or(is_behind))
            .filter(Column::WrongPasswords.lt(i64::from(limit.get())))
            .exec(&self.connections.writer)
            .await?;
        Ok(forgotten.rows_affected == 1)
    }
}

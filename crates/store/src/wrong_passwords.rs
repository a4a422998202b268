//! Wrong passwords of users, counted for all nodes. The count is no change of the user: it leaves the version alone. A new password and
//! another status begin it anew ([`crate::users`]).

use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    sea_query::{Expr, ExprTrait as _},
};
use tenterhook_model::User;

use crate::{
    Store, StoreError,
    entity::user::{Column, Entity},
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

    /// Begins the count of wrong passwords anew, after a right one.
    pub async fn forget_wrong_passwords(&self, user: &User) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::WrongPasswords, Expr::value(0_i64))
            .filter(Column::OrgId.eq(user.org_id.as_str()))
            .filter(Column::Id.eq(user.id.as_str()))
            .filter(Column::WrongPasswords.gt(0_i64))
            .exec(&self.connections.writer)
            .await?;
        Ok(())
    }
}

//! Management API tokens: pages of them, their names, their last use.

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, sea_query::Expr,
};
use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};
use tenterhook_model::ApiToken;

use crate::{Store, StoreError, entity::api_token, store::api_token_of};

impl Store {
    /// The org's API tokens by id, those behind `after`, at most `limit`.
    pub async fn list_api_tokens(
        &self,
        org: &OrgId,
        after: Option<&ApiTokenId>,
        limit: usize,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let mut query = api_token::Entity::find().filter(api_token::Column::OrgId.eq(org.as_str()));
        if let Some(after) = after {
            query = query.filter(api_token::Column::Id.gt(after.as_str()));
        }
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let rows = query.order_by_asc(api_token::Column::Id).limit(limit).all(&self.connections.reader).await?;
        rows.into_iter().map(|row| api_token_of(org, row)).collect()
    }

    /// The org's API token with this id.
    pub async fn api_token_by_id(&self, org: &OrgId, id: &ApiTokenId) -> Result<Option<ApiToken>, StoreError> {
        let row = api_token::Entity::find()
            .filter(api_token::Column::OrgId.eq(org.as_str()))
            .filter(api_token::Column::Id.eq(id.as_str()))
            .one(&self.connections.reader)
            .await?;
        row.map(|row| api_token_of(org, row)).transpose()
    }

    /// Gives the org's API token with this id another name. Answers whether there is one.
    pub async fn rename_api_token(&self, org: &OrgId, id: &ApiTokenId, name: &str) -> Result<bool, StoreError> {
        let renamed = api_token::Entity::update_many()
            .col_expr(api_token::Column::Name, Expr::value(name))
            .filter(api_token::Column::OrgId.eq(org.as_str()))
            .filter(api_token::Column::Id.eq(id.as_str()))
            .exec(&self.connections.writer)
            .await?;
        Ok(renamed.rows_affected > 0)
    }

    /// Notes that the token was used at `now`, unless another node has noted it at `since` or later.
    pub async fn note_api_token_use(
        &self,
        token: &ApiToken,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        let unknown_or_older = Condition::any()
            .add(api_token::Column::LastUsedUs.is_null())
            .add(api_token::Column::LastUsedUs.lt(since.as_micros()));
        api_token::Entity::update_many()
            .col_expr(api_token::Column::LastUsedUs, Expr::value(now.as_micros()))
            .filter(api_token::Column::OrgId.eq(token.org_id.as_str()))
            .filter(api_token::Column::TokenSha256.eq(token.token_sha256.as_str()))
            .filter(unknown_or_older)
            .exec(&self.connections.writer)
            .await?;
        Ok(())
    }
}

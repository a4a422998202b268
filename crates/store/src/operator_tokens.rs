//! Tokens of the operator, who manages orgs.

use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use tenterhook_contract::{Timestamp, id::ApiTokenId};
use tenterhook_model::OperatorToken;

use crate::{
    Store, StoreError,
    entity::operator_token,
    store::{duplicate, parse},
};

impl Store {
    /// Adds an operator token.
    pub async fn insert_operator_token(&self, token: &OperatorToken) -> Result<(), StoreError> {
        let row = operator_token::ActiveModel {
            token_sha256: Set(token.token_sha256.clone()),
            id: Set(token.id.to_string()),
            name: Set(token.name.clone()),
            created_us: Set(token.created.as_micros()),
        };
        let inserted = operator_token::Entity::insert(row).exec_without_returning(&self.connections.writer).await;
        inserted.map(drop).map_err(duplicate("operator token"))
    }

    /// The operator token with this hash.
    pub async fn find_operator_token(&self, token_sha256: &str) -> Result<Option<OperatorToken>, StoreError> {
        let row = operator_token::Entity::find_by_id(token_sha256.to_owned()).one(&self.connections.reader).await?;
        row.map(token_of).transpose()
    }

    /// Every operator token, oldest first.
    pub async fn operator_tokens(&self) -> Result<Vec<OperatorToken>, StoreError> {
        let rows = operator_token::Entity::find()
            .order_by_asc(operator_token::Column::CreatedUs)
            .order_by_asc(operator_token::Column::Id)
            .all(&self.connections.reader)
            .await?;
        rows.into_iter().map(token_of).collect()
    }

    /// Removes the operator token with this id: the next request with it is refused, on every node. Returns whether
    /// there was one.
    pub async fn delete_operator_token(&self, id: &ApiTokenId) -> Result<bool, StoreError> {
        let removed = operator_token::Entity::delete_many()
            .filter(operator_token::Column::Id.eq(id.as_str()))
            .exec(&self.connections.writer)
            .await?;
        Ok(removed.rows_affected > 0)
    }
}

fn token_of(row: operator_token::Model) -> Result<OperatorToken, StoreError> {
    Ok(OperatorToken {
        id: parse("operator token", &row.id)?,
        name: row.name,
        token_sha256: row.token_sha256,
        created: Timestamp::from_micros(row.created_us),
    })
}

//! Management API tokens: created, found, listed, renamed, revoked, and when each was used last.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, Condition, EntityTrait as _, FromQueryResult, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select,
    sea_query::{Expr, Query, SimpleExpr},
};
use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};
use tenterhook_model::{ApiToken, ConfigurationVersion, TokenRole};

use crate::{
    Store, StoreError,
    entity::{api_token, org},
    store::{duplicate, parse},
};

/// Before the hash in the key of a host's row.
const HOST_KEY: &str = "HOST:";

impl Store {
    /// Adds a management API token.
    pub async fn insert_api_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        let points = token.role.extension_points().map(serde_json::to_string).transpose();
        let points = points.map_err(|error| StoreError::Database(error.to_string()))?;
        let row = api_token::ActiveModel {
            org_id: Set(token.org_id.to_string()),
            token_sha256: Set(key_of(token)),
            id: Set(token.id.to_string()),
            name: Set(token.name.clone()),
            created_us: Set(token.created.as_micros()),
            last_used_us: Set(token.last_used.map(Timestamp::as_micros)),
            expires_us: Set(token.expires.map(Timestamp::as_micros)),
            role: Set(token.role.name().to_owned()),
            extension_points: Set(points),
        };
        let inserted = api_token::Entity::insert(row).exec_without_returning(&self.connections.writer).await;
        inserted.map(drop).map_err(duplicate("API token"))
    }

    /// The management API token with this hash, and the current version of the org's configuration, in one query: a caller whose next
    /// request goes to another node must find there what it has just changed. A token whose role cannot be read is not found.
    pub async fn api_token_and_version(
        &self,
        org: &OrgId,
        token_sha256: &str,
    ) -> Result<Option<(ApiToken, ConfigurationVersion)>, StoreError> {
        let of_org = |column: org::Column| {
            let mut query = Query::select();
            query.column(column).from(org::Entity).and_where(org::Column::Id.eq(org.as_str()));
            SimpleExpr::SubQuery(None, Box::new(query.into()))
        };
        let row = of_hash(org, token_sha256)
            .expr_as(of_org(org::Column::ConfigurationVersion), "number")
            .expr_as(of_org(org::Column::ConfigurationMark), "mark")
            .into_model::<TokenAndVersion>()
            .one(&self.connections.reader)
            .await?;
        let Some(TokenAndVersion { token, number, mark }) = row else { return Ok(None) };
        let token = api_token_of(org, token)?;
        let is_readable = !matches!(token.role, TokenRole::Unreadable { .. });
        let version = ConfigurationVersion { number: number.unwrap_or_default(), mark: mark.unwrap_or_default() };
        Ok(is_readable.then_some((token, version)))
    }

    /// The management API token with this hash.
    pub async fn find_api_token(&self, org: &OrgId, token_sha256: &str) -> Result<Option<ApiToken>, StoreError> {
        Ok(self.api_token_and_version(org, token_sha256).await?.map(|(token, _)| token))
    }

    /// The org's management API tokens, oldest first. There are as many as an operator has made, so all at once.
    pub async fn api_tokens(&self, org: &OrgId) -> Result<Vec<ApiToken>, StoreError> {
        let rows = api_token::Entity::find()
            .filter(api_token::Column::OrgId.eq(org.as_str()))
            .order_by_asc(api_token::Column::CreatedUs)
            .order_by_asc(api_token::Column::Id)
            .all(&self.connections.reader)
            .await?;
        rows.into_iter().map(|row| api_token_of(org, row)).collect()
    }

    /// Removes the org's management API token with this id: the next request with it is refused, on every node. The
    /// platform's other nodes may accept a host's token for one more second, and up to a minute while the database does not answer.
    /// Answers whether there was one.
    pub async fn delete_api_token(&self, org: &OrgId, id: &ApiTokenId) -> Result<bool, StoreError> {
        let removed = api_token::Entity::delete_many()
            .filter(api_token::Column::OrgId.eq(org.as_str()))
            .filter(api_token::Column::Id.eq(id.as_str()))
            .exec(&self.connections.writer)
            .await?;
        Ok(removed.rows_affected > 0)
    }

    /// How many management API tokens the org has.
    pub async fn count_api_tokens(&self, org: &OrgId) -> Result<u64, StoreError> {
        let of_org = api_token::Entity::find().filter(api_token::Column::OrgId.eq(org.as_str()));
        Ok(of_org.count(&self.connections.reader).await?)
    }

    /// How many of them are tokens of administrators.
    pub async fn count_administrator_tokens(&self, org: &OrgId) -> Result<u64, StoreError> {
        let of_org = api_token::Entity::find().filter(api_token::Column::OrgId.eq(org.as_str()));
        let of_administrators = of_org.filter(api_token::Column::Role.eq(TokenRole::ADMINISTRATOR));
        Ok(of_administrators.count(&self.connections.reader).await?)
    }

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
            .filter(api_token::Column::TokenSha256.eq(key_of(token)))
            .filter(unknown_or_older)
            .exec(&self.connections.writer)
            .await?;
        Ok(())
    }
}

/// The key of a token's row: its hash. That of a host has its role before it, because nodes of versions that know no roles look
/// a token up by its hash alone, and would take it for an administrator's.
fn key_of(token: &ApiToken) -> String {
    match token.role {
        TokenRole::Administrator => token.token_sha256.clone(),
        TokenRole::Host { .. } | TokenRole::Unreadable { .. } => key_of_host(&token.token_sha256),
    }
}

fn key_of_host(token_sha256: &str) -> String {
    format!("{HOST_KEY}{token_sha256}")
}

/// A token and the version of its org's configuration.
#[derive(FromQueryResult)]
struct TokenAndVersion {
    #[sea_orm(nested)]
    token: api_token::Model,
    number: Option<i64>,
    mark: Option<i64>,
}

/// The token with this hash, whatever its role.
pub(crate) fn of_hash(org: &OrgId, token_sha256: &str) -> Select<api_token::Entity> {
    api_token::Entity::find()
        .filter(api_token::Column::OrgId.eq(org.as_str()))
        .filter(api_token::Column::TokenSha256.is_in([token_sha256.to_owned(), key_of_host(token_sha256)]))
}

fn api_token_of(org: &OrgId, row: api_token::Model) -> Result<ApiToken, StoreError> {
    let token_sha256 = row.token_sha256.strip_prefix(HOST_KEY);
    // A row whose key and role contradict each other is damaged.
    let role = match (token_sha256, row.role.as_str(), &row.extension_points) {
        (Some(_), TokenRole::HOST, Some(points)) => TokenRole::of_parts(&row.role, serde_json::from_str(points).ok()),
        (None, TokenRole::ADMINISTRATOR, None) => TokenRole::Administrator,
        _ => TokenRole::Unreadable { stored: row.role },
    };
    Ok(ApiToken {
        id: parse("API token", &row.id)?,
        org_id: org.clone(),
        name: row.name,
        role,
        token_sha256: token_sha256.unwrap_or(&row.token_sha256).to_owned(),
        created: Timestamp::from_micros(row.created_us),
        last_used: row.last_used_us.map(Timestamp::from_micros),
        expires: row.expires_us.map(Timestamp::from_micros),
    })
}

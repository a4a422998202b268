//! Users: found by id, login and other keys, changed by compare-and-swap.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Select,
    sea_query::{CaseStatement, Expr, ExprTrait as _, Func, Query, SelectStatement, SimpleExpr, UnionType},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, UserId},
};
use tenterhook_model::{
    Password, Profile, SearchText, SearchedAttribute, User, UserCondition, UserQuery, UserStatus, user_key,
};

use crate::{
    Store, StoreError,
    entity::user,
    groups::note_member_gone,
    store::{duplicate, from_text, to_text},
};

/// The most ids that one key of a condition may collect for a page. If more users meet the condition, the rows are read in the order
/// of their ids and each is checked.
///
/// In an org of a million users, a condition that is met by more fills a page of 200 from 10,000 rows on average; to collect and sort
/// this many ids costs about as much.
pub(crate) const IDS_COLLECTED_MAX: u64 = 20_000;
/// Most users that are left out of one page because their rows are damaged; with more, the list is an error.
const LEFT_OUT_MAX: usize = 1_000;

impl Store {
    /// How many users the org has.
    pub async fn count_users(&self, org: &OrgId) -> Result<u64, StoreError> {
        let of_org = user::Entity::find().filter(user::Column::OrgId.eq(org.as_str()));
        Ok(of_org.count(&self.connections.reader).await?)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login is taken in the org.
    pub async fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        let inserted = user::Entity::insert(user_row(user)?).exec_without_returning(&self.connections.writer).await;
        inserted.map(drop).map_err(duplicate("user"))
    }

    /// Replaces the stored user if it still has the version of `user`, and increments the version. Returns whether it
    /// did.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the login is taken in the org.
    pub async fn replace_user(&self, user: &User) -> Result<bool, StoreError> {
        let next = User { version: user.version + 1, ..user.clone() };
        let replaced = user::Entity::update_many()
            .set(user_row(&next)?)
            .filter(of_version(user))
            .exec(&self.connections.writer)
            .await
            .map_err(duplicate("user"))?;
        Ok(replaced.rows_affected > 0)
    }

    /// Removes the user if the stored one still has the version of `user`, with its memberships of groups and its assignments of
    /// apps. Returns whether it did.
    pub async fn delete_user(&self, user: &User, now: Timestamp) -> Result<bool, StoreError> {
        let transaction = self.connections.writer.begin().await?;
        note_member_gone(&transaction, &user.org_id, &user.id, now).await?;
        // Foreign keys remove the rows of memberships and assignments with the user's.
        let removed = user::Entity::delete_many().filter(of_version(user)).exec(&transaction).await?;
        if removed.rows_affected == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Replaces the hash `known` by another hash of the same password, unless the user has a different one by now.
    pub async fn replace_password_hash(&self, user: &User, known: &Secret, hash: &Secret) -> Result<(), StoreError> {
        user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(hash.expose()))
            .col_expr(user::Column::Version, Expr::col(user::Column::Version).add(1))
            .filter(user::Column::OrgId.eq(user.org_id.as_str()))
            .filter(user::Column::Id.eq(user.id.as_str()))
            .filter(user::Column::PasswordHash.eq(known.expose()))
            .exec(&self.connections.writer)
            .await?;
        Ok(())
    }

    /// The user with this id.
    pub async fn find_user(&self, org: &OrgId, id: &UserId) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find_by_id((org.to_string(), id.to_string())).one(&self.connections.reader).await?;
        row.map(user_of).transpose()
    }

    /// The user with this login, compared in lower case.
    pub async fn find_user_by_login(&self, org: &OrgId, login: &str) -> Result<Option<User>, StoreError> {
        of_login(org, login).one(&self.connections.reader).await?.map(user_of).transpose()
    }

    /// The org's users that a query asks for. A condition that few users meet is answered from the index of its key; one that
    /// more than `IDS_COLLECTED_MAX` users meet is checked on the rows of the page. Users whose rows are damaged are left out, and
    /// logged.
    pub async fn list_users(&self, org: &OrgId, query: &UserQuery) -> Result<Vec<User>, StoreError> {
        let (of, query, reader) = (org.clone(), query.clone(), self.connections.reader.clone());
        let read = async move {
            let are_common = are_common(&reader, &of, &query.conditions).await?;
            let from = (query.after.clone(), query.limit);
            let next = |after: Option<&UserId>, limit| {
                let query = UserQuery { after: after.cloned(), limit, ..query.clone() };
                page(&of, &query, &are_common)
            };
            if are_common.contains(&false) {
                // Few users are found, by the indexes of keys, and then sorted.
                return readable_page(&reader, &of, from, next).await;
            }
            let transaction = reader.begin_ordered().await?;
            let users = readable_page(&transaction, &of, from, next).await;
            transaction.end(users).await
        };
        self.heavy_reads.run(org, read).await
    }
}

/// The user with this login.
pub(crate) fn of_login(org: &OrgId, login: &str) -> Select<user::Entity> {
    let of_org = user::Entity::find().filter(user::Column::OrgId.eq(org.as_str()));
    of_org.filter(user::Column::LoginKey.eq(login.to_lowercase()))
}

/// A page of the users whose rows can be read: the next ones take the places of those that cannot. `next` selects the users after
/// one, at most so many.
pub(crate) async fn readable_page(
    reader: &impl ConnectionTrait,
    org: &OrgId,
    (mut after, limit): (Option<UserId>, usize),
    next: impl Fn(Option<&UserId>, usize) -> Select<user::Entity>,
) -> Result<Vec<User>, StoreError> {
    let (mut rest, mut users, mut left_out, mut first) = (limit, Vec::new(), 0, None);
    loop {
        let rows = reader.query_all(next(after.as_ref(), rest).as_query()).await?;
        let is_last = rows.len() < rest;
        let last = rows.last().and_then(|row| row.try_get::<String>("", "id").ok()?.parse().ok());
        for row in &rows {
            match user::Model::from_query_result(row, "").map_err(StoreError::from).and_then(user_of) {
                Ok(user) => users.push(user),
                Err(error) if left_out == LEFT_OUT_MAX => return Err(error),
                Err(error) => {
                    left_out += 1;
                    first.get_or_insert_with(|| (row.try_get::<String>("", "id").unwrap_or_default(), error));
                }
            }
        }
        rest = limit.saturating_sub(users.len());
        if is_last || rest == 0 || last.is_none() {
            break;
        }
        after = last;
    }
    if let Some((user, error)) = first {
        tracing::error!(%org, users = left_out, user, %error, "user.unreadable: users are left out of a page");
    }
    Ok(users)
}

/// A page of users. `are_common` has an item for each condition: a common one is looked at in the rows that the others find, or
/// else in all, in the order of the page.
pub(crate) fn page(org: &OrgId, query: &UserQuery, are_common: &[bool]) -> Select<user::Entity> {
    let mut select = user::Entity::find().filter(user::Column::OrgId.eq(org.as_str()));
    for (condition, is_common) in query.conditions.iter().zip(are_common) {
        let condition = if *is_common { of_rows(condition) } else { of_condition(org, condition) };
        select = select.filter(condition);
    }
    if let Some(after) = &query.after {
        select = select.filter(user::Column::Id.gt(after.as_str()));
    }
    let limit = u64::try_from(query.limit).unwrap_or(u64::MAX);
    select.order_by_asc(user::Column::Id).limit(limit)
}

fn of_version(user: &User) -> SimpleExpr {
    let of_org = user::Column::OrgId.eq(user.org_id.as_str());
    of_org.and(user::Column::Id.eq(user.id.as_str())).and(user::Column::Version.eq(user.version))
}

/// Whether each condition finds so many users by one key that their ids are not collected for a page. All are asked for at once.
pub(crate) async fn are_common(
    reader: &impl ConnectionTrait,
    org: &OrgId,
    conditions: &[UserCondition],
) -> Result<Vec<bool>, DbErr> {
    let mut asked = Query::select();
    for condition in conditions {
        let has_more = |key| Expr::exists(ids(org, key).limit(1).offset(IDS_COLLECTED_MAX).take());
        let keys = match condition {
            // A login has one user.
            UserCondition::Is(SearchedAttribute::Login, _) => Vec::new(),
            condition => on_keys(condition, &Expr::col),
        };
        let is_common = keys.into_iter().map(has_more).reduce(SimpleExpr::or);
        // Numbers, because the databases have different truth values.
        let is_common = is_common.unwrap_or_else(|| Expr::val(1).eq(0));
        asked.expr(CaseStatement::new().case(is_common, 1).finally(0));
    }
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    let Some(row) = reader.query_one(&asked).await? else { return Ok(vec![false; conditions.len()]) };
    (0..conditions.len()).map(|index| Ok(row.try_get_by_index::<i32>(index)? == 1)).collect()
}

/// The condition of a row: that its id is one of those that the indexes of keys find.
fn of_condition(org: &OrgId, condition: &UserCondition) -> SimpleExpr {
    let mut found = on_keys(condition, &Expr::col).into_iter().map(|condition| ids(org, condition));
    let mut all = found.next().unwrap_or_default();
    for others in found {
        all.union(UnionType::Distinct, others);
    }
    Expr::col(user::Column::Id).in_subquery(all)
}

/// The condition of a row, in a form that no index of keys serves: so the rows come in the order of their ids.
fn of_rows(condition: &UserCondition) -> SimpleExpr {
    let key = |column| Expr::expr(Func::coalesce([Expr::col(column), Expr::value("")]));
    let on_keys = on_keys(condition, &key).into_iter();
    on_keys.reduce(Expr::or).unwrap_or_else(|| Expr::value(false))
}

/// The conditions on keys of which one holds. `key` is the form in which a key is compared.
fn on_keys(condition: &UserCondition, key: &impl Fn(user::Column) -> Expr) -> Vec<SimpleExpr> {
    use SearchedAttribute::{Email, FirstName, LastName, Login};
    let key = |attribute: SearchedAttribute| key(column(attribute));
    match condition {
        UserCondition::AnyBegins(text) => {
            [Login, Email, FirstName, LastName].map(|attribute| beginning(&key(attribute), text)).into()
        }
        UserCondition::Begins(attribute, text) => vec![beginning(&key(*attribute), text)],
        UserCondition::Is(attribute, text) => vec![key(*attribute).eq(text.as_str())],
    }
}

/// The ids of an org's users of whom `condition` on one key holds: a range of the key's index. Without this form the database might
/// scan all users in the order of their ids.
fn ids(org: &OrgId, condition: SimpleExpr) -> SelectStatement {
    let mut ids = Query::select();
    ids.column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::OrgId.eq(org.as_str()))
        .and_where(condition);
    ids
}

/// The condition that a key begins with the text.
fn beginning(key: &Expr, text: &SearchText) -> SimpleExpr {
    let begins = key.clone().gte(text.as_str());
    match end_of(text.as_str()) {
        Some(end) => begins.and(key.clone().lt(end)),
        None => begins,
    }
}

/// The first text, in byte order, after every text that begins with `prefix`.
pub(crate) fn end_of(prefix: &str) -> Option<String> {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // The range skips surrogates, which are not characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end.into_iter().collect());
        }
    }
    None
}

fn column(attribute: SearchedAttribute) -> user::Column {
    match attribute {
        SearchedAttribute::Login => user::Column::LoginKey,
        SearchedAttribute::Email => user::Column::EmailKey,
        SearchedAttribute::FirstName => user::Column::FirstNameKey,
        SearchedAttribute::LastName => user::Column::LastNameKey,
        SearchedAttribute::ExternalId => user::Column::ExternalIdKey,
    }
}

/// A user's document. Nodes of the previous version can read it if they know the status.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserDocument {
    id: UserId,
    org_id: OrgId,
    login: String,
    email: String,
    first_name: String,
    last_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<Value>,
    /// The other attributes.
    custom: Map<String, Value>,
    password_changed: Option<Timestamp>,
    /// There is no hash, because a hook imports the password.
    #[serde(default, skip_serializing_if = "is_false")]
    password_by_hook: bool,
    status: UserStatus,
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activated: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_changed: Option<Timestamp>,
    last_updated: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl UserDocument {
    fn of(user: &User) -> Self {
        let profile = &user.profile;
        let mut custom = profile.others().clone();
        Self {
            id: user.id.clone(),
            org_id: user.org_id.clone(),
            login: profile.login.clone(),
            email: profile.email.clone(),
            first_name: profile.first_name.clone(),
            last_name: profile.last_name.clone(),
            locale: custom.shift_remove("locale"),
            time_zone: custom.shift_remove("timezone"),
            custom,
            password_changed: user.password.changed(),
            password_by_hook: user.password == Password::ImportByHook,
            status: user.status,
            created: user.created,
            activated: user.activated,
            status_changed: user.status_changed,
            last_updated: user.last_updated,
        }
    }

    fn profile(&mut self) -> Profile {
        let take = std::mem::take::<String>;
        let (login, email) = (take(&mut self.login), take(&mut self.email));
        let mut profile = Profile::new(login, email, take(&mut self.first_name), take(&mut self.last_name));
        // Older versions treated `timeZone` as a separate attribute; only the other spelling was used.
        for (name, value) in std::mem::take(&mut self.custom) {
            profile = profile.with(&name, value);
        }
        for (name, value) in [("locale", self.locale.take()), ("timezone", self.time_zone.take())] {
            if let Some(value) = value {
                profile = profile.with(name, value);
            }
        }
        profile
    }

    fn user(mut self, password_hash: Option<String>, version: i64) -> User {
        let password = match password_hash {
            Some(hash) => {
                Password::Hash { hash: Secret::new(hash), changed: self.password_changed.unwrap_or(self.created) }
            }
            None if self.password_by_hook => Password::ImportByHook,
            None => Password::None,
        };
        User {
            profile: self.profile(),
            id: self.id,
            org_id: self.org_id,
            password,
            status: self.status,
            created: self.created,
            activated: self.activated,
            status_changed: self.status_changed,
            last_updated: self.last_updated,
            version,
        }
    }
}

/// The keys of email, first name, last name and external id.
fn keys_of(profile: &Profile) -> [Option<String>; 4] {
    let named = [&profile.email, &profile.first_name, &profile.last_name].map(|text| Some(user_key(text)));
    let [email, first_name, last_name] = named;
    [email, first_name, last_name, profile.external_id().map(user_key)]
}

/// The keys of a stored document; `None` when it cannot be read.
pub(crate) fn keys_of_document(document: &str) -> Option<[Option<String>; 4]> {
    serde_json::from_str::<UserDocument>(document).ok().map(|mut document| keys_of(&document.profile()))
}

fn user_row(user: &User) -> Result<user::ActiveModel, StoreError> {
    let [email_key, first_name_key, last_name_key, external_id_key] = keys_of(&user.profile);
    Ok(user::ActiveModel {
        org_id: Set(user.org_id.to_string()),
        id: Set(user.id.to_string()),
        login_key: Set(user.profile.login.to_lowercase()),
        document: Set(to_text("user", &UserDocument::of(user))?),
        password_hash: Set(user.password.hash().map(|hash| hash.expose().to_owned())),
        version: Set(user.version),
        email_key: Set(email_key),
        first_name_key: Set(first_name_key),
        last_name_key: Set(last_name_key),
        external_id_key: Set(external_id_key),
    })
}

pub(crate) fn user_of(row: user::Model) -> Result<User, StoreError> {
    let document: UserDocument = from_text("user", &row.document)?;
    Ok(document.user(row.password_hash, row.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_a_beginning_in_common_end_before_the_next_one() {
        for (prefix, end) in
            [("ad", Some("ae")), ("\u{d7ff}", Some("\u{e000}")), ("a\u{10ffff}", Some("b")), ("\u{10ffff}", None)]
        {
            assert_eq!(end_of(prefix).as_deref(), end, "{prefix}");
        }
    }

    /// Documents of older versions are read, with one time zone.
    #[test]
    fn a_document_of_the_version_before_is_read() {
        let document = serde_json::json!({
            "id": "00u00000000000000001", "orgId": "00o00000000000000001", "login": "Ada@Example.com", "email": "ADA@x",
            "firstName": "Åsa", "lastName": "Okoye", "timeZone": "Africa/Lagos",
            "custom": { "timeZone": "Europe/Paris", "externalId": "HR-1", "level": null }, "passwordChanged": null,
            "status": "INACTIVE", "created": "2026-01-01T00:00:00.000Z", "lastUpdated": "2026-01-01T00:00:00.000Z",
        });
        let keys = keys_of_document(&document.to_string());
        assert_eq!(keys, Some(["ada@x", "åsa", "okoye", "hr-1"].map(|key| Some(key.to_owned()))));
        let user =
            serde_json::from_value::<UserDocument>(document).map(|document| document.user(Some("h".to_owned()), 0));
        let Ok(user) = user else { panic!("it cannot be read") };
        assert_eq!((user.status, user.profile.time_zone()), (UserStatus::Staged, Some("Africa/Lagos")));
        assert_eq!(user.password.changed(), Some(user.created));
        assert_eq!(user.profile.attribute("level"), None);
    }
}

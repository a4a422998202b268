//! Users: found by id, login and other keys, changed by compare-and-swap.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult as _, PaginatorTrait as _,
    QueryFilter as _, QueryResult, QueryTrait as _, Select,
    sea_query::{Expr, ExprTrait as _, SelectStatement, SimpleExpr, UnionType},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, UserId},
};
use tenterhook_model::{Password, Profile, SignInCounts, User, UserPage, UserQuery, UserStatus, user_key};

use crate::{
    Store, StoreError,
    entity::user,
    groups::note_member_gone,
    store::{duplicate, from_text, to_text},
    user_keys::{BATCH, SearchedRow, filling, unkeyed},
    user_search::{BOUNDS, search},
};

/// Most users that are left out of one page because their rows are damaged; with more, the list is an error.
const LEFT_OUT_MAX: usize = 1_000;
/// Most users that are read at once by their ids. Each is a part of one statement, of which SQLite takes 500.
pub(crate) const USERS_AT_ONCE: usize = 200;

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
        replace_row(&self.connections.writer, user).await
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
            // Nothing that rows are searched by changes.
            .col_expr(user::Column::KeyedVersion, Expr::col(user::Column::KeyedVersion).add(1))
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

    /// A page of the org's users that a query asks for ([`user_search`](crate::user_search) says how they are found). Users whose rows
    /// are damaged are left out, and logged.
    pub async fn list_users(&self, org: &OrgId, query: &UserQuery) -> Result<UserPage, StoreError> {
        let (of, query, reader) = (org.clone(), query.clone(), self.connections.reader.clone());
        self.heavy_reads.run(org, async move { search(&reader, &of, &query, BOUNDS).await }).await
    }

    /// Makes what rows are searched by of the users that nodes of the build before have written meanwhile: they do not know all of
    /// it. Returns how many there were.
    pub(crate) async fn key_users(&self) -> Result<u64, StoreError> {
        let mut keyed = 0;
        loop {
            let rows = self.connections.reader.query_all(&unkeyed()).await?;
            let rows = rows.iter().map(SearchedRow::of).collect::<Result<Vec<_>, _>>()?;
            let Some(filling) = filling(self.connections.writer.get_database_backend(), &rows) else {
                return Ok(keyed);
            };
            keyed += self.connections.writer.execute_raw(filling).await?.rows_affected();
            if rows.len() < BATCH {
                return Ok(keyed);
            }
        }
    }
}

/// Replaces the stored user if it still has the version of `user`, and increments the version. Returns whether it did. A new password
/// and another status than `ACTIVE` end what the old password has proven, and wrong passwords are counted anew after it and in another
/// status.
pub(crate) async fn replace_row(connection: &impl ConnectionTrait, user: &User) -> Result<bool, StoreError> {
    replace_row_if(connection, user, of_version(user)).await
}

/// The same if a condition holds, which the version of `user` is a part of.
pub(crate) async fn replace_row_if(
    connection: &impl ConnectionTrait,
    user: &User,
    condition: SimpleExpr,
) -> Result<bool, StoreError> {
    let next = User { version: user.version + 1, ..user.clone() };
    // The database compares: what was read may be old, although the version is not.
    let hash = user.password.hash().map(Secret::expose).unwrap_or_default();
    let has_hash = Expr::col(user::Column::PasswordHash).if_null("").eq(hash);
    let has_status = Expr::col(user::Column::Status).if_null("").eq(user.status.as_str());
    // A suspension that ends again does not bring back what was proven before it.
    let is_active = user.status == UserStatus::Active;
    let keeps = if is_active { has_hash.clone() } else { has_hash.clone().and(has_status.clone()) };
    let proofs_ended =
        Expr::case(keeps, Expr::col(user::Column::ProofsEnded)).finally(Expr::col(user::Column::ProofsEnded).add(1));
    let wrong_passwords = Expr::case(has_hash.and(has_status), Expr::col(user::Column::WrongPasswords)).finally(0_i64);
    let replaced = user::Entity::update_many()
        .set(user_row(&next)?)
        .col_expr(user::Column::ProofsEnded, proofs_ended.into())
        .col_expr(user::Column::WrongPasswords, wrong_passwords.into())
        .filter(condition)
        .exec(connection)
        .await;
    Ok(replaced.map_err(duplicate("user"))?.rows_affected > 0)
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
    let (mut rest, mut page) = (limit, ReadableUsers::default());
    loop {
        let rows = reader.query_all(next(after.as_ref(), rest).as_query()).await?;
        let is_last = rows.len() < rest;
        let last = rows.last().and_then(|row| row.try_get::<String>("", "id").ok()?.parse().ok());
        page.take(&rows)?;
        rest = limit.saturating_sub(page.len());
        if is_last || rest == 0 || last.is_none() {
            return Ok(page.end(org));
        }
        after = last;
    }
}

/// The users of a page whose rows can be read, and how many cannot.
#[derive(Default)]
pub(crate) struct ReadableUsers {
    users: Vec<User>,
    left_out: usize,
    first: Option<(String, StoreError)>,
}

impl ReadableUsers {
    /// Reads more rows of the page.
    ///
    /// # Errors
    /// When more than [`LEFT_OUT_MAX`] rows are damaged.
    pub(crate) fn take(&mut self, rows: &[QueryResult]) -> Result<(), StoreError> {
        for row in rows {
            match user::Model::from_query_result(row, "").map_err(StoreError::from).and_then(user_of) {
                Ok(user) => self.users.push(user),
                Err(error) if self.left_out == LEFT_OUT_MAX => return Err(error),
                Err(error) => {
                    self.left_out += 1;
                    self.first.get_or_insert_with(|| (row.try_get::<String>("", "id").unwrap_or_default(), error));
                }
            }
        }
        Ok(())
    }

    /// How many can be read.
    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }

    /// The users; those that are left out are logged.
    pub(crate) fn end(self, org: &OrgId) -> Vec<User> {
        if let Some((user, error)) = self.first {
            tracing::error!(%org, users = self.left_out, user, %error, "user.unreadable: users are left out of a page");
        }
        self.users
    }
}

/// The rows of the users with these ids, in the order of the ids.
pub(crate) async fn rows_of_ids(
    reader: &impl ConnectionTrait,
    org: &OrgId,
    ids: &[String],
) -> Result<Vec<QueryResult>, DbErr> {
    let Some(select) = of_ids(org, ids) else { return Ok(Vec::new()) };
    let rows = reader.query_all(&select).await?;
    let places: HashMap<_, _> = ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut with_place = Vec::with_capacity(rows.len());
    for row in rows {
        let id: String = row.try_get("", "id")?;
        with_place.push((places.get(id.as_str()).copied(), row));
    }
    with_place.sort_by_key(|(place, _)| *place);
    Ok(with_place.into_iter().map(|(_, row)| row).collect())
}

/// The users with these ids.
pub(crate) fn of_ids(org: &OrgId, ids: &[String]) -> Option<SelectStatement> {
    each(ids, |id| user::Entity::find_by_id((org.to_string(), id.to_owned())).into_query())
}

/// What is selected for each of these ids, in one statement. Each part is found by the index of its key; for a list of ids, PostgreSQL
/// without statistics would read every row of the org.
pub(crate) fn each(ids: &[String], select: impl Fn(&str) -> SelectStatement) -> Option<SelectStatement> {
    let mut parts = ids.iter().map(|id| select(id));
    let mut all = parts.next()?;
    for part in parts {
        all.union(UnionType::All, part);
    }
    Some(all)
}

pub(crate) fn of_version(user: &User) -> SimpleExpr {
    let of_org = user::Column::OrgId.eq(user.org_id.as_str());
    of_org.and(user::Column::Id.eq(user.id.as_str())).and(user::Column::Version.eq(user.version))
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

    fn user(mut self, password_hash: Option<String>, version: i64, sign_ins: SignInCounts) -> User {
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
            sign_ins,
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

/// A time as the document has it, which is without parts of a millisecond.
fn searched_us(time: Timestamp) -> i64 {
    time.as_micros() - time.as_micros().rem_euclid(1_000)
}

pub(crate) fn user_row(user: &User) -> Result<user::ActiveModel, StoreError> {
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
        status: Set(Some(user.status.as_str().to_owned())),
        created_us: Set(Some(searched_us(user.created))),
        activated_us: Set(user.activated.map(searched_us)),
        status_changed_us: Set(user.status_changed.map(searched_us)),
        last_updated_us: Set(Some(searched_us(user.last_updated))),
        keyed_version: Set(user.version),
        // The database has them; a new user has none.
        proofs_ended: NotSet,
        wrong_passwords: NotSet,
    })
}

/// What a row is searched by beside its login.
pub(crate) struct Searched {
    /// The keys of email, first name, last name and external id.
    pub(crate) keys: [Option<String>; 4],
    /// The status.
    pub(crate) status: String,
    /// When it was created, activated, when its status changed and when it was last changed, in microseconds.
    pub(crate) times: [Option<i64>; 4],
}

/// What a row is searched by, of a stored document. `None` when it cannot be read.
pub(crate) fn searched_of_document(document: &str) -> Option<Searched> {
    let mut document = serde_json::from_str::<UserDocument>(document).ok()?;
    let (status, created, last_updated) = (document.status, document.created, document.last_updated);
    let times = [Some(created), document.activated, document.status_changed, Some(last_updated)];
    Some(Searched {
        keys: keys_of(&document.profile()),
        status: status.as_str().to_owned(),
        times: times.map(|time| time.map(searched_us)),
    })
}

pub(crate) fn user_of(row: user::Model) -> Result<User, StoreError> {
    let document: UserDocument = from_text("user", &row.document)?;
    let sign_ins = SignInCounts { proofs_ended: row.proofs_ended, wrong_passwords: row.wrong_passwords };
    Ok(document.user(row.password_hash, row.version, sign_ins))
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
        let user = serde_json::from_value::<UserDocument>(document)
            .map(|document| document.user(Some("h".to_owned()), 0, SignInCounts::default()));
        let Ok(user) = user else { panic!("it cannot be read") };
        assert_eq!((user.status, user.profile.time_zone()), (UserStatus::Staged, Some("Africa/Lagos")));
        assert_eq!(user.password.changed(), Some(user.created));
        assert_eq!(user.profile.attribute("level"), None);
    }
}

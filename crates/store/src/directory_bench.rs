//! For the benchmark of the directory alone (feature `bench`): many users made of one, and the plans of the queries that find them.

use std::ops::Range;

use sea_orm::{ConnectionTrait, DbBackend, QueryTrait as _, Statement, sea_query::SelectStatement};
use tenterhook_contract::id::{GroupId, OrgId, UserId};
use tenterhook_model::{User, UserQuery};

use crate::{
    Store, StoreError,
    groups::{member_ids, of_user},
    user_search::{BOUNDS, Part, are_common, found_page, last_of_step, leaves, walked_page},
    users::{of_ids, of_login},
};

/// In the texts of the user that is copied, these stand for the number of the copy: in seven digits, without its last digit in six,
/// and its remainder by a thousand in three.
pub const MARKERS: [&str; 3] = ["xqnumqx", "xqtenqx", "xqremqx"];

/// The id of the copy with a number.
///
/// # Errors
/// When the number has more than 17 digits.
pub fn copy_id(number: u64) -> Result<UserId, StoreError> {
    let why = |_| StoreError::Unreadable { what: "user", why: "the number is too large".to_owned() };
    format!("00u{number:017}").parse().map_err(why)
}

/// A query of the directory.
#[derive(Clone, Copy, Debug)]
pub enum DirectoryQuery<'a> {
    /// A page of users.
    Users(&'a UserQuery),
    /// The user with a login.
    Login(&'a str),
    /// The members of a group after one.
    Members(&'a GroupId, Option<&'a UserId>, usize),
    /// The groups of a user.
    GroupsOf(&'a UserId),
}

impl Store {
    /// Copies a user for each of the numbers, in one statement.
    ///
    /// # Errors
    /// When the database does not take them, such as within its time limit for a statement.
    pub async fn copy_user(&self, template: &User, numbers: Range<u64>) -> Result<(), StoreError> {
        let backend = self.connections.writer.get_database_backend();
        let [number, tens, rest] = MARKERS;
        let replaced = |column: &str| {
            format!(
                "REPLACE(REPLACE(REPLACE({column}, '{number}', {}), '{tens}', {}), '{rest}', {})",
                padded(backend, "n", 7),
                padded(backend, "n / 10", 6),
                padded(backend, "n % 1000", 3),
            )
        };
        let id = format!("'00u' || {}", padded(backend, "n", 17));
        let columns = "login_key, document, email_key, first_name_key, last_name_key";
        let texts = columns.split(", ").map(replaced).collect::<Vec<_>>().join(", ");
        let same = "password_hash, version, status, created_us, activated_us, status_changed_us, last_updated_us, keyed_version";
        let statement = format!(
            "INSERT INTO users (org_id, id, {columns}, {same}) \
             SELECT org_id, {id}, {}, {same} FROM users, ({}) AS numbers WHERE org_id = '{}' AND id = '{}'",
            texts.replace("REPLACE(document,", &format!("REPLACE(REPLACE(document, '{}', {id}),", template.id)),
            series(backend, &numbers),
            template.org_id,
            template.id,
        );
        self.connections.writer.execute_unprepared(&statement).await?;
        Ok(())
    }

    /// Makes every tenth copy of the numbers a member of a group.
    ///
    /// # Errors
    /// When the database does not take them.
    pub async fn copy_members(&self, org: &OrgId, group: &GroupId, numbers: Range<u64>) -> Result<(), StoreError> {
        let backend = self.connections.writer.get_database_backend();
        let statement = format!(
            "INSERT INTO group_members (org_id, group_id, user_id) \
             SELECT '{org}', '{group}', '00u' || {} FROM ({}) AS numbers WHERE n % 10 = 0",
            padded(backend, "n", 17),
            series(backend, &numbers),
        );
        self.connections.writer.execute_unprepared(&statement).await?;
        Ok(())
    }

    /// Has the database count what is in its tables, as PostgreSQL does by itself after many changes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn analyze(&self) -> Result<(), StoreError> {
        for table in ["users", "group_members"] {
            self.connections.writer.execute_unprepared(&format!("ANALYZE {table}")).await?;
        }
        Ok(())
    }

    /// How the database runs the statements of a query. PostgreSQL runs them and says what they took.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn explain_directory(&self, org: &OrgId, query: DirectoryQuery<'_>) -> Result<String, StoreError> {
        let reader = &self.connections.reader;
        let backend = reader.get_database_backend();
        let build = |select: &SelectStatement| backend.build(select);
        // What is walked in the order of ids is asked in a transaction that keeps to this order; the others are not.
        let (in_order, statements) = match query {
            DirectoryQuery::Login(login) => (false, vec![of_login(org, login).build(backend)]),
            DirectoryQuery::Members(group, after, limit) => {
                let select = member_ids(org, group, after, limit);
                let rows = reader.query_all(&select).await?;
                let ids = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<Vec<String>, _>>()?;
                (true, [Some(select), of_ids(org, &ids)].iter().flatten().map(build).collect())
            }
            DirectoryQuery::GroupsOf(user) => (false, vec![of_user(backend, org, user)]),
            DirectoryQuery::Users(UserQuery { condition, after, limit }) => {
                let leaves = condition.as_ref().map(leaves).unwrap_or_default();
                let are_common = are_common(reader, org, &leaves, BOUNDS.ids).await?;
                let part = condition.as_ref().map(|condition| Part::of(condition, &mut are_common.into_iter()));
                match (&part, BOUNDS.steps.first()) {
                    (Some(part), _) if part.is_found() => {
                        (false, vec![found_page(org, part, after.as_ref(), limit + 1).build(backend)])
                    }
                    (Some(part), Some(rows)) => {
                        let last = build(&last_of_step(org, after.as_ref(), *rows));
                        let page = walked_page(org, Some(part), (after.as_ref(), None), limit + 1);
                        (true, vec![last, page.build(backend)])
                    }
                    _ => (true, vec![walked_page(org, None, (after.as_ref(), None), limit + 1).build(backend)]),
                }
            }
        };
        if !in_order {
            return explained(reader, statements).await;
        }
        let transaction = reader.begin_ordered().await?;
        let plans = explained(&transaction, statements).await;
        transaction.end(plans).await
    }
}

async fn explained(connection: &impl ConnectionTrait, queries: Vec<Statement>) -> Result<String, StoreError> {
    let mut plans = Vec::new();
    for Statement { sql, values, db_backend } in queries {
        let (explain, column) = match db_backend {
            DbBackend::Postgres => ("EXPLAIN (ANALYZE, BUFFERS)", "QUERY PLAN"),
            _ => ("EXPLAIN QUERY PLAN", "detail"),
        };
        let statement = Statement { sql: format!("{explain} {sql}"), values, db_backend };
        for row in connection.query_all_raw(statement).await? {
            plans.push(row.try_get::<String>("", column)?);
        }
    }
    Ok(plans.join("\n"))
}

/// A number in so many digits.
fn padded(backend: DbBackend, number: &str, digits: u8) -> String {
    match backend {
        DbBackend::Postgres => format!("LPAD(CAST({number} AS TEXT), {digits}, '0')"),
        _ => format!("PRINTF('%0{digits}d', {number})"),
    }
}

/// The rows of the numbers, each as `n`.
fn series(backend: DbBackend, Range { start, end }: &Range<u64>) -> String {
    match backend {
        DbBackend::Postgres => format!("SELECT n FROM generate_series({start}, {end} - 1) AS g(n)"),
        _ => format!(
            "WITH RECURSIVE g(n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM g WHERE n + 1 < {end}) SELECT n FROM g"
        ),
    }
}

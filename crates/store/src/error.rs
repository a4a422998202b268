//! What can go wrong with the store.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::error::DatabaseError;

/// SQLSTATE of a transaction that cannot be put in a row with another one: engines and settings that serialise say so.
const SERIALIZATION_FAILURE: &str = "40001";

/// The store could not do it. Never carries a secret or a document.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed, and would again.
    #[error("the database failed: {0}")]
    Database(String),
    /// The database cannot be reached, takes no changes at present, or put others first: the same may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A stored row cannot be read: damaged, or written by a newer version.
    #[error("a stored {what} cannot be read: {why}")]
    Unreadable {
        /// The kind of row.
        what: &'static str,
        /// Why, without its content.
        why: String,
    },
    /// A secret cannot be decrypted with the keys at hand.
    #[error("a secret of {what} cannot be decrypted: wrong or missing master key")]
    Undecryptable {
        /// The row's kind and id.
        what: String,
    },
    /// A row with the same key exists.
    #[error("the {what} exists already")]
    Duplicate {
        /// The kind of row.
        what: &'static str,
    },
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        // Texts of the database name tables and constraints; values are bound, so they are not in them.
        let text = error.to_string();
        if is_for_the_moment(&error) { Self::Unavailable(text) } else { Self::Database(text) }
    }
}

/// Whether the same may succeed later: no connection, none to be had in time, a state in which the database takes no
/// changes, or a transaction that it gave up for another one.
fn is_for_the_moment(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) => true,
        error => match of_driver(error) {
            Some(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed,
            ) => true,
            Some(sqlx::Error::Database(error)) => error.code().is_some_and(|code| is_state_of_the_moment(&code)),
            _ => false,
        },
    }
}

fn of_driver(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// Whether a transaction was given up because another one, at the same time, came first.
fn is_lost_race(error: &DbErr) -> bool {
    let error = of_driver(error).and_then(sqlx::Error::as_database_error);
    error.and_then(DatabaseError::code).is_some_and(|code| code == SERIALIZATION_FAILURE)
}

/// SQLSTATE classes of connections, resources and operators, a standby that is read only, and transactions that were given up
/// for others; with SQLite the result codes for a database that is busy, locked, read only, full or on a failing disk.
fn is_state_of_the_moment(code: &str) -> bool {
    const SQLITE_PRIMARY: i32 = 0xff;
    match code.parse::<i32>() {
        // A SQLSTATE of digits alone has five of them, a result code of SQLite at most four.
        Ok(result) if code.len() < 5 => matches!(result & SQLITE_PRIMARY, 5 | 6 | 8 | 10 | 13),
        _ => {
            let states = ["25006", SERIALIZATION_FAILURE, "40P01"];
            matches!(code.get(..2), Some("08" | "53" | "57")) || states.contains(&code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_told_from_one_that_refuses() {
        for (code, away) in [
            ("08006", true),
            ("53300", true),
            ("57P01", true),
            ("57P03", true),
            ("25006", true),
            ("40001", true),
            ("40P01", true),
            ("40002", false),
            ("23505", false),
            ("42P01", false),
            ("5", true),
            ("261", true),
            ("8", true),
            ("778", true),
            ("13", true),
            ("1555", false),
            ("1", false),
        ] {
            assert_eq!(is_state_of_the_moment(code), away, "{code}");
        }
    }
}

/// Why a change of the configuration was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed the org's configuration first: reload, judge again, try again.
    #[error("the configuration was changed by somebody else")]
    Conflict,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbErr> for CommitError {
    fn from(error: DbErr) -> Self {
        if is_lost_race(&error) { Self::Conflict } else { Self::Store(error.into()) }
    }
}

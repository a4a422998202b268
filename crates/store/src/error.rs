//! What can go wrong with the store.

use sea_orm::{DbErr, RuntimeErr};

/// The store could not do it. Never carries a secret or a document.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed, and would again.
    #[error("the database failed: {0}")]
    Database(String),
    /// The database cannot be reached, or takes no changes at present: the same may succeed later.
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

/// Whether the database itself is away: no connection, none to be had in time, or a state in which it takes no changes.
fn is_for_the_moment(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) => true,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_state_of_the_moment(&code)),
            _ => false,
        },
        _ => false,
    }
}

/// SQLSTATE classes of connections, resources and operators, and a standby that is read only; with SQLite the result codes
/// for a database that is busy, locked, read only, full or on a failing disk.
fn is_state_of_the_moment(code: &str) -> bool {
    const SQLITE_PRIMARY: i32 = 0xff;
    match code.parse::<i32>() {
        // A SQLSTATE of digits alone has five of them, a result code of SQLite at most four.
        Ok(result) if code.len() < 5 => matches!(result & SQLITE_PRIMARY, 5 | 6 | 8 | 10 | 13),
        _ => matches!(code.get(..2), Some("08" | "53" | "57")) || code == "25006",
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

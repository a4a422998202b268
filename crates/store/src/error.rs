//! Errors of the store.

use std::{borrow::Cow, path::PathBuf};

use sea_orm::{DbErr, RuntimeErr};
use sqlx::error::DatabaseError;

/// SQLSTATE of a serialization failure, which serializable engines and isolation levels report.
const SERIALIZATION_FAILURE: &str = "40001";

/// An error of the store. Never contains a secret or a document.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed, and a retry would fail too.
    #[error("the database failed: {0}")]
    Database(String),
    /// The database cannot be reached, accepts no changes at present, or aborted the transaction in favour of another
    /// one: a retry may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The answer to a change was lost: the change may have been made or not. Check before trying again.
    #[error("the database gave no answer, so it is not known whether the change was made: {0}")]
    Unknown(String),
    /// A stored row cannot be read: damaged, or written by a newer version.
    #[error("a stored {what} cannot be read: {why}")]
    Unreadable {
        /// The kind of row.
        what: &'static str,
        /// The reason, without content of the row.
        why: String,
    },
    /// A secret cannot be decrypted although its key is available: it is damaged, or was copied from another row.
    #[error("a secret of {what} cannot be decrypted: it is damaged, or belongs to something else")]
    Undecryptable {
        /// The row's id.
        what: String,
    },
    /// A secret is encrypted under a master key that this node does not have. It may get the key soon, because another
    /// node has it.
    #[error("a secret of {what} is encrypted under the master key `{key}`, which is not available")]
    KeyMissing {
        /// The row's id.
        what: String,
        /// The id of the key.
        key: String,
    },
    /// The org is not in the database.
    #[error("the org does not exist")]
    NoOrg,
    /// A tool was used on a database that servers of its version have not migrated; the text says what to do.
    #[error("{0}")]
    NotMigrated(String),
    /// Another server uses the file of an embedded database.
    #[error(
        "another `tenterhook serve` or `tenterhook dev` uses the database `{}`: stop it first. An embedded database has one \
         server; several share a PostgreSQL database (docs/postgresql.md)", path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The row belongs to another one that does not exist, or no longer.
    #[error("the {what} does not exist")]
    Missing {
        /// The kinds of row of which one is missing.
        what: &'static str,
    },
    /// A row with the same key exists.
    #[error("the {what} exists already")]
    Duplicate {
        /// The kind of row.
        what: &'static str,
    },
}

impl StoreError {
    /// The same error with the place of the database added to its text. The operator may have misspelt it.
    pub(crate) fn at(self, place: &str) -> Self {
        let at = |text: String| format!("{text} ({place})");
        match self {
            Self::Database(text) => Self::Database(at(text)),
            Self::Unavailable(text) => Self::Unavailable(at(text)),
            Self::NotMigrated(text) => Self::NotMigrated(at(text)),
            other => other,
        }
    }
}

/// An error after which it is unknown whether a change was made, because the answer was lost.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct OutcomeUnknown(sqlx::Error);

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        // Error texts of the database name tables and constraints; values are bound parameters, so they are not in
        // them.
        let text = error.to_string();
        if is_of_a_row(&error) {
            Self::Unreadable { what: "row", why: text }
        } else if is_outcome_unknown(&error) {
            Self::Unknown(text)
        } else if is_for_the_moment(&error) {
            Self::Unavailable(text)
        } else {
            Self::Database(text)
        }
    }
}

/// Whether a value of a row that was read is not of its column's type. An embedded database stores values of any type in any
/// column. The error's text names the types and never the value.
fn is_of_a_row(error: &DbErr) -> bool {
    let is_of_driver = matches!(of_driver(error), Some(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)));
    is_of_driver || matches!(error, DbErr::Type(_) | DbErr::TryIntoErr { .. })
}

/// Whether a retry may succeed: there is no connection, none became free in time, the database accepts no changes at
/// present, or it aborted the transaction in favour of another one.
fn is_for_the_moment(error: &DbErr) -> bool {
    match error {
        // Without a connection no statement was sent.
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        error => match of_driver(error) {
            Some(sqlx::Error::Database(error)) => error.code().is_some_and(|code| is_state_of_the_moment(&code)),
            Some(error) => is_connection_lost(error),
            None => false,
        },
    }
}

/// Whether the connection ended before the answer, or the answer is not the database's. A proxy without a server behind
/// it closes a connection in the middle of the protocol.
pub(crate) fn is_connection_lost(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

fn of_driver(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn is_outcome_unknown(error: &DbErr) -> bool {
    let Some(sqlx::Error::Io(error)) = of_driver(error) else { return false };
    matches!(error.get_ref(), Some(inner) if inner.is::<OutcomeUnknown>())
}

/// Marks the error of a commit, or of a change outside a transaction, when the database may have made the change.
pub(crate) fn unknown_if_lost(error: sqlx::Error) -> sqlx::Error {
    let is_lost = match &error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| may_be_committed(&code)),
        error => is_connection_lost(error),
    };
    if is_lost { sqlx::Error::Io(std::io::Error::other(OutcomeUnknown(error))) } else { error }
}

/// Whether a database that answers a commit with this code may have committed nevertheless. A PostgreSQL server that is
/// shut down while it waits for its standby has committed. An embedded database whose disk fails may find the commit in
/// its log when it is opened again; with a full disk, or a lock held by another process, it has not committed.
fn may_be_committed(code: &str) -> bool {
    match sqlite_result(code) {
        Some(result) => matches!(result, SQLITE_NOMEM | SQLITE_IOERR | SQLITE_CORRUPT),
        None => matches!(code.get(..2), Some("08" | "57" | "58" | "XX")),
    }
}

/// Whether the connection is still usable after this error of a statement outside a transaction: the database refused
/// the statement itself, or aborted it in favour of another one.
pub(crate) fn is_harmless(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let Some(code) = error.code() else { return false };
    match sqlite_result(&code) {
        Some(result) => result == SQLITE_CONSTRAINT,
        None => matches!(code.get(..2), Some("22" | "23" | "40" | "42" | "55")),
    }
}

/// Whether a transaction was aborted because a concurrent one came first.
pub(crate) fn is_lost_race(error: &DbErr) -> bool {
    code_of(error).is_some_and(|code| code == SERIALIZATION_FAILURE)
}

/// Whether a PostgreSQL server does not offer this feature, to this role or at all.
pub(crate) fn is_not_offered(error: &DbErr) -> bool {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    const NOT_SUPPORTED: &str = "0A";
    code_of(error).is_some_and(|code| code == INSUFFICIENT_PRIVILEGE || code.starts_with(NOT_SUPPORTED))
}

/// Whether the disk of a PostgreSQL server is full.
pub(crate) fn is_disk_full(error: &DbErr) -> bool {
    const DISK_FULL: &str = "53100";
    code_of(error).is_some_and(|code| code == DISK_FULL)
}

fn code_of(error: &DbErr) -> Option<Cow<'_, str>> {
    of_driver(error).and_then(sqlx::Error::as_database_error).and_then(DatabaseError::code)
}

const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_NOMEM: i32 = 7;
const SQLITE_READONLY: i32 = 8;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_CONSTRAINT: i32 = 19;

/// The primary result code of SQLite, when the code is one of SQLite's.
fn sqlite_result(code: &str) -> Option<i32> {
    const PRIMARY: i32 = 0xff;
    // A numeric SQLSTATE has five digits, a result code of SQLite at most four.
    code.parse::<i32>().ok().filter(|_| code.len() < 5).map(|result| result & PRIMARY)
}

/// SQLSTATE classes of connections, resources, operator intervention and system errors, a read-only standby, a lock
/// timeout, and transactions aborted in favour of others; for SQLite the result codes of a database that is busy,
/// locked, read only, full, cannot be opened, or has no memory or a failing disk.
fn is_state_of_the_moment(code: &str) -> bool {
    const RESULTS: [i32; 7] =
        [SQLITE_BUSY, SQLITE_LOCKED, SQLITE_NOMEM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN];
    const STATES: [&str; 5] = ["25006", "25P03", SERIALIZATION_FAILURE, "40P01", "55P03"];
    sqlite_result(code).map_or_else(
        || matches!(code.get(..2), Some("08" | "53" | "57" | "58")) || STATES.contains(&code),
        |result| RESULTS.contains(&result),
    )
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
            ("55P03", true),
            ("57014", true),
            ("58030", true),
            ("40002", false),
            ("23505", false),
            ("42P01", false),
            ("5", true),
            ("261", true),
            ("8", true),
            ("778", true),
            ("13", true),
            ("14", true),
            ("7", true),
            ("11", false),
            ("1555", false),
            ("1", false),
        ] {
            assert_eq!(is_state_of_the_moment(code), away, "{code}");
        }
    }

    #[test]
    fn a_lost_answer_to_a_commit_is_told_from_a_refusal() {
        for (code, may_be) in [
            ("57P01", true),
            ("08006", true),
            ("40001", false),
            ("53100", false),
            ("25006", false),
            ("13", false),
            ("5", false),
            ("1034", true),
            ("7", true),
        ] {
            assert_eq!(may_be_committed(code), may_be, "{code}");
        }
        let lost = || sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into());
        let of = |error| StoreError::from(DbErr::Query(RuntimeErr::SqlxError(std::sync::Arc::new(error))));
        assert!(matches!(of(lost()), StoreError::Unavailable(_)));
        assert!(matches!(of(unknown_if_lost(lost())), StoreError::Unknown(_)));
        assert!(matches!(of(sqlx::Error::Protocol("no TLS answer".into())), StoreError::Unavailable(_)));
    }
}

/// Why a change of the configuration was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another request changed the org's configuration first: reload, check again, retry.
    #[error("the configuration was changed by somebody else")]
    Conflict,
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbErr> for CommitError {
    fn from(error: DbErr) -> Self {
        if is_lost_race(&error) { Self::Conflict } else { Self::Store(error.into()) }
    }
}

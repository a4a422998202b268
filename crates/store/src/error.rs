//! What can go wrong with the store.

/// The store could not do it. Never carries a secret or a document.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("the database failed: {0}")]
    Database(String),
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

impl From<sea_orm::DbErr> for StoreError {
    fn from(error: sea_orm::DbErr) -> Self {
        // Texts of the database name tables and constraints; values are bound, so they are not in them.
        Self::Database(error.to_string())
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

//! Checks that a database is migrated to exactly this version, for tools that run while servers use it. Only servers
//! migrate: a newer tool would change the database under older servers.

use std::collections::BTreeSet;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DatabaseTransaction};

use crate::{StoreConfig, StoreError, database::reach, migration::STEPS, migrator};

/// Refuses a database that servers of this version have not migrated, or that newer ones have.
pub(crate) async fn check(config: &StoreConfig) -> Result<(), StoreError> {
    match content(config).await? {
        DatabaseContent::Current => Ok(()),
        // A misspelt name is the usual cause of an empty database.
        content => Err(StoreError::NotMigrated(content.text().to_owned()).at(&config.place())),
    }
}

/// What a database has, found without changing it: no file is made and nothing is migrated.
///
/// # Errors
/// When it cannot be reached or read; the text has its place.
pub(crate) async fn content(config: &StoreConfig) -> Result<DatabaseContent, StoreError> {
    let found = async {
        let Some(connection) = connect(config).await? else { return Ok(DatabaseContent::Empty) };
        let made = migrator::applied(&connection).await;
        connection.close().await?;
        Ok(state(&known(), &made?))
    };
    found.await.map_err(|error: StoreError| error.at(&config.place()))
}

/// One connection; `None` when the file does not exist.
pub(crate) async fn connect(config: &StoreConfig) -> Result<Option<DatabaseConnection>, StoreError> {
    let mut options = match config {
        StoreConfig::Ephemeral => return Ok(None),
        StoreConfig::Sqlite { path } if !path.exists() => return Ok(None),
        StoreConfig::Sqlite { path } => {
            let path = path.clone();
            let mut options = ConnectOptions::new("sqlite://embedded");
            options.map_sqlx_sqlite_opts(move |options| options.filename(&path).create_if_missing(false));
            options
        }
        StoreConfig::Postgres { url, .. } => {
            reach(url).await?;
            ConnectOptions::new(url.expose())
        }
    };
    options.max_connections(1).sqlx_logging(false);
    Ok(Some(Database::connect(options).await?))
}

/// The names of this version's migrations.
fn known() -> BTreeSet<String> {
    STEPS.iter().map(|step| step.name().to_owned()).collect()
}

/// Brings the schema to this version, in the transaction of a server that starts. Returns whether the database was empty.
///
/// # Errors
/// When a newer version has migrated the database: its content may have another meaning.
pub(crate) async fn bring_up(turn: &DatabaseTransaction) -> Result<bool, StoreError> {
    let applied = migrator::applied(turn).await?;
    let content = state(&known(), &applied);
    if content == DatabaseContent::Newer {
        return Err(StoreError::NotMigrated(
            "A newer version has migrated the database: start that version, or restore the backup of before the upgrade \
             (docs/upgrading.md)"
                .to_owned(),
        ));
    }
    migrator::apply(turn, &STEPS, &applied).await?;
    Ok(content == DatabaseContent::Empty)
}

/// How far a database has been migrated, for this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseContent {
    /// No server has migrated it, or its file does not exist.
    Empty,
    /// Servers of an older version have.
    Older,
    /// Servers of a newer version have.
    Newer,
    /// Servers of this version have.
    Current,
}

impl DatabaseContent {
    /// A sentence about it, with what to do.
    pub fn text(self) -> &'static str {
        match self {
            Self::Empty => {
                "The database is empty: the first start of `tenterhook serve` creates its content, and so does `tenterhook \
                 tokens create --config FILE --name NAME`"
            }
            Self::Older => {
                "The servers have not migrated the database to this version yet: use the `tenterhook` of the version that \
                 they run, or start `tenterhook serve` of this one first"
            }
            Self::Newer => {
                "Servers of a newer version have migrated the database: use the `tenterhook` of the version that they run"
            }
            Self::Current => "The database has been migrated to this version",
        }
    }
}

fn state(known: &BTreeSet<String>, made: &BTreeSet<String>) -> DatabaseContent {
    if made.is_empty() {
        DatabaseContent::Empty
    } else if !made.is_subset(known) {
        DatabaseContent::Newer
    } else if made == known {
        DatabaseContent::Current
    } else {
        DatabaseContent::Older
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_tells_a_database_of_its_version_from_others() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let known = set(&["m1", "m2"]);
        for (made, wanted) in [
            (&[][..], DatabaseContent::Empty),
            (&["m1"], DatabaseContent::Older),
            (&["m1", "m2"], DatabaseContent::Current),
            (&["m1", "m2", "m3"], DatabaseContent::Newer),
            (&["m1", "m3"], DatabaseContent::Newer),
        ] {
            assert_eq!(state(&known, &set(made)), wanted, "{made:?}");
        }
    }
}

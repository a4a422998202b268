//! Checks that a database is migrated to exactly this version, for tools that run while servers use it. Only servers
//! migrate: a newer tool would change the database under older servers.

use std::collections::BTreeSet;

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr, Statement};
use sea_orm_migration::MigratorTrait as _;

use crate::{StoreConfig, StoreError, database::reach, migration::Migrator};

/// The table of applied migrations.
const STEPS: &str = "seaql_migrations";

/// Refuses a database that servers of this version have not migrated, or that newer ones have.
pub(crate) async fn check(config: &StoreConfig) -> Result<(), StoreError> {
    let Some(connection) = connect(config).await? else { return Err(StoreError::NotMigrated(State::Empty.text())) };
    let made = steps(&connection).await;
    connection.close().await?;
    let known = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    match state(&known, &made?) {
        State::Current => Ok(()),
        state => Err(StoreError::NotMigrated(state.text())),
    }
}

/// `None` when the file does not exist.
async fn connect(config: &StoreConfig) -> Result<Option<DatabaseConnection>, StoreError> {
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

async fn steps(connection: &DatabaseConnection) -> Result<BTreeSet<String>, DbErr> {
    let backend = connection.get_database_backend();
    let is_there = match backend {
        sea_orm::DbBackend::Postgres => format!("SELECT 1 WHERE to_regclass('{STEPS}') IS NOT NULL"),
        _ => format!("SELECT 1 FROM sqlite_master WHERE name = '{STEPS}'"),
    };
    if connection.query_one_raw(Statement::from_string(backend, is_there)).await?.is_none() {
        return Ok(BTreeSet::new());
    }
    let all = Statement::from_string(backend, format!("SELECT version FROM {STEPS}"));
    connection.query_all_raw(all).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// How far a database has been migrated, for this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Older,
    Newer,
    Current,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            Self::Empty => "The database is empty: `tenterhook serve` creates its content at the first start",
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

fn state(known: &BTreeSet<String>, made: &BTreeSet<String>) -> State {
    if made.is_empty() {
        State::Empty
    } else if !made.is_subset(known) {
        State::Newer
    } else if made == known {
        State::Current
    } else {
        State::Older
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
            (&[][..], State::Empty),
            (&["m1"], State::Older),
            (&["m1", "m2"], State::Current),
            (&["m1", "m2", "m3"], State::Newer),
            (&["m1", "m3"], State::Newer),
        ] {
            assert_eq!(state(&known, &set(made)), wanted, "{made:?}");
        }
    }
}

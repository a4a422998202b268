//! The schema of the database, step by step. A released step is never changed.

use sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbErr,
    prelude::async_trait::async_trait,
    sea_query::{ColumnDef, Index, IndexCreateStatement, Table, TableCreateStatement},
};

use crate::{
    log_marks::STRETCH_US,
    migration_access_factor::AccessFactor,
    migration_authn::AuthnTokens,
    migration_changes::Changes,
    migration_factors::Factors,
    migration_groups::Groups,
    migration_hosts::Hosts,
    migration_indexes::Indexes,
    migration_links::SingleUseLinks,
    migration_log::LogEntries,
    migration_logout::SessionIndexes,
    migration_orgs::ManagedOrgs,
    migration_proofs::Proofs,
    migration_recovery::RecoveryTokens,
    migration_replaced::ReplacedSessions,
    migration_roles::TokenRoles,
    migration_saml::SamlSessions,
    migration_second_factor::SecondFactor,
    migration_token_proofs::TokenProofs,
    migration_unverified::UnverifiedUsers,
    migration_user_search::UserSearch,
    migration_users::UserKeys,
    migrator::{Step, big_integer, big_integer_null, boolean, string, string_null, text, text_null},
};

/// All steps, in their order. A new one is added at the end.
pub(crate) const STEPS: [&dyn Step; 27] = [
    &Foundation,
    &Expiry,
    &ConfigurationMark,
    &Successor,
    &LogMarks,
    &Probes,
    &UserKeys,
    &ManagedOrgs,
    &LogEntries,
    &Changes,
    &Indexes,
    &Hosts,
    &TokenRoles,
    &Groups,
    &SamlSessions,
    &SessionIndexes,
    &UserSearch,
    &SingleUseLinks,
    &AuthnTokens,
    &ReplacedSessions,
    &UnverifiedUsers,
    &Factors,
    &Proofs,
    &SecondFactor,
    &RecoveryTokens,
    &AccessFactor,
    &TokenProofs,
];

struct Foundation;

/// A table whose primary key is the org and one more column.
pub(crate) fn table_of_org(name: &'static str, key: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).col(string("org_id")).col(string(key));
    for column in columns {
        table.col(column);
    }
    table.primary_key(Index::create().col("org_id").col(key));
    table
}

pub(crate) fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

#[async_trait]
impl Step for Foundation {
    fn name(&self) -> &'static str {
        "m0001_foundation"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let orgs = Table::create()
            .table("orgs")
            .col(string("id").primary_key())
            .col(string_null("host").unique_key())
            .col(string("name"))
            .col(big_integer("created_us"))
            .col(big_integer("configuration_version"))
            .to_owned();
        let log_events = Table::create()
            .table("log_events")
            .col(big_integer("sequence").primary_key().auto_increment())
            .col(string("org_id"))
            .col(big_integer("published_us"))
            .col(text("document"))
            .to_owned();
        let tables = [
            orgs,
            log_events,
            table_of_org("api_tokens", "token_sha256", vec![string("id"), string("name"), big_integer("created_us")]),
            table_of_org(
                "configuration_objects",
                "id",
                vec![string("kind"), big_integer("position"), text("document"), text("secrets")],
            ),
            table_of_org("users", "id", vec![string("login_key"), text("document"), string_null("password_hash")]),
            table_of_org("sessions", "id", vec![string("cookie_sha256"), text("document"), big_integer("expires_us")]),
            table_of_org(
                "authorization_codes",
                "code_sha256",
                vec![text("document"), text("frozen_tokens"), boolean("consumed"), big_integer("expires_us")],
            ),
            table_of_org(
                "refresh_tokens",
                "id",
                vec![
                    string("token_sha256"),
                    string("family_id"),
                    string_null("code_sha256"),
                    string("state"),
                    text("document"),
                    big_integer("expires_us"),
                ],
            ),
            table_of_org(
                "access_tokens",
                "jti",
                vec![string_null("code_sha256"), boolean("revoked"), big_integer("expires_us")],
            ),
        ];
        for table in tables {
            database.execute(&table).await?;
        }
        let indexes = [
            index("users_login", "users", &["org_id", "login_key"]).unique().to_owned(),
            index("sessions_cookie", "sessions", &["org_id", "cookie_sha256"]).unique().to_owned(),
            index("refresh_tokens_token", "refresh_tokens", &["org_id", "token_sha256"]).unique().to_owned(),
            index("refresh_tokens_family", "refresh_tokens", &["org_id", "family_id"]),
            index("refresh_tokens_code", "refresh_tokens", &["org_id", "code_sha256"]),
            index("access_tokens_code", "access_tokens", &["org_id", "code_sha256"]),
            index("log_events_published", "log_events", &["org_id", "published_us", "sequence"]),
            index("log_events_sequence", "log_events", &["org_id", "sequence"]),
        ];
        for index in indexes {
            database.execute(&index).await?;
        }
        Ok(())
    }
}

/// Indexes that find expired rows.
struct Expiry;

#[async_trait]
impl Step for Expiry {
    fn name(&self) -> &'static str {
        "m0002_expiry"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        for (name, table) in [
            ("sessions_expiry", "sessions"),
            ("authorization_codes_expiry", "authorization_codes"),
            ("refresh_tokens_expiry", "refresh_tokens"),
            ("access_tokens_expiry", "access_tokens"),
        ] {
            database.execute(&index(name, table, &["expires_us"])).await?;
        }
        Ok(())
    }
}

/// Distinguishes two configurations with the same number, after the database has lost commits.
struct ConfigurationMark;

#[async_trait]
impl Step for ConfigurationMark {
    fn name(&self) -> &'static str {
        "m0003_configuration_mark"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let mark = big_integer("configuration_mark").default(0).to_owned();
        database.execute(&Table::alter().table("orgs").add_column(mark).to_owned()).await.map(drop)
    }
}

/// The successor of a refresh token, for a client that did not receive the answer.
struct Successor;

#[async_trait]
impl Step for Successor {
    fn name(&self) -> &'static str {
        "m0004_successor"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in [big_integer_null("used_us"), string_null("successor_id"), text_null("successor")] {
            database.execute(&Table::alter().table("refresh_tokens").add_column(column).to_owned()).await?;
        }
        database.execute(&index("refresh_tokens_used", "refresh_tokens", &["used_us"])).await.map(drop)
    }
}

/// Finds the events published since a moment in the order in which they were written, without reading older ones.
struct LogMarks;

#[async_trait]
impl Step for LogMarks {
    fn name(&self) -> &'static str {
        "m0005_log_marks"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let marks = Table::create()
            .table("log_marks")
            .col(big_integer("stretch_us").primary_key())
            .col(big_integer("sequence"))
            .to_owned();
        database.execute(&marks).await?;
        // One mark for all existing events: a poll that begins among them reads from the first one. Exact marks would
        // need a scan of the whole log, during which nodes of the previous version would have to wait.
        let marked = format!(
            "INSERT INTO log_marks (stretch_us, sequence) SELECT last - last % {STRETCH_US}, 0 FROM (SELECT MAX(\
             (SELECT MAX(published_us) FROM log_events WHERE log_events.org_id = orgs.id)) AS last FROM orgs) AS newest \
             WHERE last IS NOT NULL"
        );
        database.execute_unprepared(&marked).await.map(drop)
    }
}

/// A counter that nodes increment to prove that changes are committed.
struct Probes;

#[async_trait]
impl Step for Probes {
    fn name(&self) -> &'static str {
        "m0006_probes"
    }

    async fn up(&self, database: &DatabaseTransaction) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("probes").col(big_integer("id").primary_key()).col(big_integer("number"));
        database.execute(&table).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use sea_orm::{ConnectOptions, Database, DatabaseConnection, Statement, TransactionTrait as _};

    use super::*;
    use crate::migrator;

    async fn migrate(connection: &DatabaseConnection, steps: &[&dyn Step]) -> Result<(), DbErr> {
        let turn = connection.begin().await?;
        migrator::apply(&turn, steps, &migrator::applied(&turn).await?).await?;
        turn.commit().await
    }

    /// A database of the previous version, with data.
    async fn steps_pass_over_what_was_there(connection: DatabaseConnection) {
        migrate(&connection, &STEPS[..2]).await.unwrap();
        for statement in [
            "INSERT INTO orgs VALUES ('o1', NULL, 'One', 0, 7), ('o2', 'two', 'Two', 0, 1), ('o3', 'three', 'None', 0, 1)",
            "INSERT INTO log_events (org_id, published_us, document) \
             VALUES ('o1', 1200000001, '{}'), ('o2', 1800000001, '{}'), ('o1', 600000000, '{}')",
            "INSERT INTO refresh_tokens VALUES ('o1', 'r', 'h', 'f', NULL, 'used', '{}', 1)",
            "INSERT INTO api_tokens VALUES ('o1', 'h', 't', 'Token', 0)",
            "INSERT INTO users VALUES ('o2', 'u', 'damaged', '{', NULL)",
        ] {
            connection.execute_unprepared(statement).await.unwrap();
        }
        // More than one batch, in two orgs.
        for number in 0..700 {
            let org = format!("00o0000000000000000{}", number % 2);
            let user = format!(
                "INSERT INTO users VALUES ('{org}', '00u00000000000000{number:03}', 'u{number}', '{{\"id\": \
                 \"00u00000000000000{number:03}\", \"orgId\": \"{org}\", \"login\": \"U{number}\", \"email\": \
                 \"E{number}@x\", \"firstName\": \"Ada\", \"lastName\": \"Okoye\", \"custom\": {{\"externalId\": \
                 \"HR{number}\"}}, \"passwordChanged\": null, \"status\": \"INACTIVE\", \"created\": \
                 \"2026-01-01T00:00:00.000Z\", \"lastUpdated\": \"2026-01-01T00:00:00.000Z\"}}', NULL)"
            );
            connection.execute_unprepared(&user).await.unwrap();
        }
        migrate(&connection, &STEPS[..20]).await.unwrap();
        let link = "INSERT INTO single_use_links VALUES ('00o00000000000000000', 't', 'EMAIL_VERIFICATION', '00u00000000000000002', 1)";
        connection.execute_unprepared(link).await.unwrap();
        for other in [
            "UPDATE users SET version = 1, keyed_version = 1 WHERE id = '00u00000000000000004'",
            "INSERT INTO single_use_links VALUES ('00o00000000000000000', 'c', 'EMAIL_VERIFICATION', '00u00000000000000004', 1)",
            "INSERT INTO single_use_links VALUES ('00o00000000000000000', 'r', 'ACTIVATION', '00u00000000000000002', 1)",
        ] {
            connection.execute_unprepared(other).await.unwrap();
        }
        migrate(&connection, &STEPS).await.unwrap();
        let backend = connection.get_database_backend();
        let numbers = async |sql: &str| {
            let row = connection.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap();
            [row.try_get_by_index::<i64>(0).unwrap(), row.try_get_by_index::<i64>(1).unwrap()]
        };
        assert_eq!(numbers("SELECT stretch_us, sequence FROM log_marks").await, [1_800_000_000, 0]);
        assert_eq!(numbers("SELECT configuration_version, configuration_mark FROM orgs WHERE id = 'o1'").await, [7, 0]);
        let keyed = "SELECT COUNT(*), CAST(SUM(version) AS BIGINT) FROM users WHERE email_key = 'e' || SUBSTR(login_key, 2) || '@x' AND \
                     first_name_key = 'ada' AND last_name_key = 'okoye' AND external_id_key = 'hr' || SUBSTR(login_key, 2)";

        assert_eq!(numbers(keyed).await, [700, 1]);
        let searched = "SELECT COUNT(*), CAST(SUM(keyed_version) AS BIGINT) FROM users WHERE status = 'STAGED' AND \
                        created_us = 1767225600000000 AND last_updated_us = created_us AND activated_us IS NULL";
        assert_eq!(numbers(searched).await, [700, 1]);
        let damaged = "SELECT COUNT(*), COUNT(status) FROM users WHERE keyed_version = version AND document = '{'";
        assert_eq!(numbers(damaged).await, [1, 0]);
        assert_eq!(numbers("SELECT COUNT(*), COUNT(last_used_us) + COUNT(expires_us) FROM api_tokens").await, [1, 0]);
        let roles = "SELECT COUNT(*), COUNT(extension_points) FROM api_tokens WHERE role = 'ADMINISTRATOR'";
        assert_eq!(numbers(roles).await, [1, 0]);
        let managed = "SELECT COUNT(*), COUNT(limits) FROM orgs WHERE status = 'ACTIVE'";
        assert_eq!(numbers(managed).await, [3, 0]);
        let marked = "SELECT COUNT(*), COUNT(user_version) FROM single_use_links";
        assert_eq!(numbers(marked).await, [3, 1], "that of the user whom nobody has changed");
        let unused = "SELECT COUNT(*), COUNT(used_us) + COUNT(successor) FROM refresh_tokens";
        assert_eq!(numbers(unused).await, [1, 0]);
    }

    #[tokio::test]
    async fn steps_pass_over_what_was_there_on_sqlite() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        steps_pass_over_what_was_there(Database::connect(options).await.unwrap()).await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
    async fn steps_pass_over_what_was_there_on_postgres() {
        let url = tenterhook_testkit::postgres::new_database().await.unwrap();
        steps_pass_over_what_was_there(Database::connect(&url).await.unwrap()).await;
    }
}

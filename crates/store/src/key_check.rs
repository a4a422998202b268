//! Whether master keys are those of a database, found without changing it and without a server.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use crate::{
    Keyring, Store, StoreConfig, StoreError,
    factors::SECRET,
    keyring::SecretOwner,
    migrated,
    migration_factors::Factors,
    migrator::{self, Step as _},
    store::from_text,
};

/// Rows read at a time.
const BATCH: usize = 500;
/// The secrets of configuration objects after a row; the statement ends with the most rows. The secrets of codes and of successors
/// of refresh tokens are not checked: they live for a minute.
const OF_OBJECTS: &str = "SELECT org_id, id, secrets FROM configuration_objects \
     WHERE (org_id, id) > ($1, $2) AND secrets <> '{}' ORDER BY org_id, id LIMIT";
/// The secrets of factors after a row.
const OF_FACTORS: &str = "SELECT org_id, id, secret FROM factors \
     WHERE (org_id, id) > ($1, $2) AND secret IS NOT NULL ORDER BY org_id, id LIMIT";

/// How the secrets of a database and some master keys fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyCheck {
    /// Secrets that the keys decrypt.
    pub decrypted: u64,
    /// How many secrets are under each key that is missing, by its id.
    pub missing: BTreeMap<String, u64>,
    /// Secrets that do not decrypt although a key with their key's id is there, and rows whose secrets cannot be told apart.
    pub damaged: u64,
}

impl Store {
    /// Decrypts every secret of the configuration of all orgs and of factors of users, and keeps none.
    ///
    /// # Errors
    /// When the database cannot be reached or read; the text says where it is, without a password.
    pub async fn check_keys(config: &StoreConfig, keyring: &Keyring) -> Result<KeyCheck, StoreError> {
        let checked = async {
            let mut check = KeyCheck::default();
            let Some(connection) = migrated::connect(config).await? else { return Ok(check) };
            let steps = migrator::applied(&connection).await?;
            if steps.is_empty() {
                return Ok(check);
            }
            each(&connection, OF_OBJECTS, |org, row, secrets| check.count_all(keyring, (org, row), secrets)).await?;
            // A server of the version before made no such table.
            if steps.contains(Factors.name()) {
                let mut count = |org: &str, row: &str, secret: &str| {
                    check.count(keyring, SecretOwner { org, row, field: SECRET }, secret);
                };
                each(&connection, OF_FACTORS, &mut count).await?;
            }
            connection.close().await?;
            Ok(check)
        };
        checked.await.map_err(|error: StoreError| error.at(&config.place()))
    }
}

impl KeyCheck {
    /// Counts the secrets of a configuration object.
    fn count_all(&mut self, keyring: &Keyring, (org, row): (&str, &str), secrets: &str) {
        let Ok(secrets) = from_text::<BTreeMap<String, String>>("secret", secrets) else {
            self.damaged += 1;
            return;
        };
        for (field, stored) in &secrets {
            self.count(keyring, SecretOwner { org, row, field }, stored);
        }
    }

    fn count(&mut self, keyring: &Keyring, owner: SecretOwner<'_>, stored: &str) {
        match keyring.decrypt(owner, stored) {
            Ok(_) => self.decrypted += 1,
            Err(StoreError::KeyMissing { key, .. }) => *self.missing.entry(key).or_default() += 1,
            Err(_) => self.damaged += 1,
        }
    }
}

/// Calls `count` with org, id and secrets of each row.
async fn each(
    connection: &impl ConnectionTrait,
    statement: &str,
    mut count: impl FnMut(&str, &str, &str),
) -> Result<(), DbErr> {
    let mut after = (String::new(), String::new());
    loop {
        let rows = read(connection, statement, &after).await?;
        for (org, row, secrets) in &rows {
            count(org, row, secrets);
        }
        match rows.last() {
            Some((org, row, _)) if rows.len() == BATCH => after = (org.clone(), row.clone()),
            _ => return Ok(()),
        }
    }
}

/// The next rows: org, id, secrets.
async fn read(
    connection: &impl ConnectionTrait,
    statement: &str,
    (org, row): &(String, String),
) -> Result<Vec<(String, String, String)>, DbErr> {
    let after = [org.as_str().into(), row.as_str().into()];
    let sql = format!("{statement} {BATCH}");
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, after);
    let column = |row: &QueryResult, index| row.try_get_by_index::<String>(index);
    let rows = connection.query_all_raw(statement).await?;
    // Secrets that are no text are damaged ones; no text is none, and no JSON.
    rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?, column(row, 2).unwrap_or_default()))).collect()
}

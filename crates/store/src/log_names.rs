//! Texts that occur in many events of the System Log. Each is stored once, and rows refer to it by its number.
//!
//! A text belongs to an org and to an epoch of thirty days, so that the texts of an epoch can be removed with its events. The ids
//! of orgs are texts too, which are never removed. On the embedded database, which one process writes, known numbers are kept in
//! memory. On PostgreSQL each batch asks for them, because a server that took over may lack what another one had committed.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    hash::{BuildHasher as _, RandomState},
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tenterhook_contract::{Timestamp, id::OrgId};

/// Length of an epoch in microseconds.
const EPOCH_US: i64 = 30 * 86_400 * 1_000_000;
/// Texts that are kept in memory; beyond, all are forgotten and asked for anew.
const KNOWN_MAX: usize = 32_768;
/// Places in the memory of texts that occurred recently: a text gets a number when it occurs again. A power of two.
const HEARD: usize = 8_192;
/// Most texts of one statement. A power of two.
const ASKED_MAX: usize = 256;

/// The epoch of a moment.
pub(crate) fn epoch(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(EPOCH_US)
}

/// The number of the org and the epoch that a text belongs to.
pub(crate) type Of = (i64, i64);
/// What the ids of orgs belong to.
const ORGS: Of = (0, 0);

/// The texts that a writer of the log knows.
pub(crate) struct Names {
    known: HashMap<Of, HashMap<Box<str>, i64>>,
    count: usize,
    heard: Vec<u64>,
    hasher: RandomState,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: HashMap::new(), count: 0, heard: vec![0; HEARD], hasher: RandomState::new() }
    }
}

impl Names {
    /// The number of a text, when it is known.
    pub(crate) fn get(&self, of: Of, text: &str) -> Option<i64> {
        self.known.get(&of)?.get(text).copied()
    }

    /// The number of an org, when it is known.
    pub(crate) fn org(&self, org: &OrgId) -> Option<i64> {
        self.get(ORGS, org.as_str())
    }

    /// Whether the text has occurred recently in an event of the org and the epoch. It has, from this call on. The org is known by
    /// its id, because it may have no number yet.
    pub(crate) fn is_said_again(&mut self, org: &OrgId, epoch: i64, text: &str) -> bool {
        let hash = self.hasher.hash_one((org.as_str(), epoch, text)) | 1;
        let place = usize::try_from(hash >> 32).unwrap_or_default() & (HEARD - 1);
        self.heard.get_mut(place).is_some_and(|heard| std::mem::replace(heard, hash) == hash)
    }

    /// Forgets the numbers, but not which texts occurred recently.
    pub(crate) fn forget(&mut self) {
        (self.known, self.count) = (HashMap::new(), 0);
    }

    /// Makes room for more.
    pub(crate) fn trim(&mut self) {
        if self.count > KNOWN_MAX {
            self.forget();
        }
    }

    /// Gives these orgs their numbers. The numbers are those of a transaction: forget them when it is not committed.
    pub(crate) async fn number_orgs(
        &mut self,
        turn: &impl ConnectionTrait,
        orgs: &BTreeSet<&str>,
    ) -> Result<(), DbErr> {
        self.number(turn, &orgs.iter().map(|org| (ORGS, *org)).collect()).await
    }

    /// Gives these texts their numbers, which are also those of a transaction. Other nodes wait for that transaction, so texts of
    /// all orgs share the statements.
    pub(crate) async fn number(
        &mut self,
        turn: &impl ConnectionTrait,
        texts: &BTreeSet<(Of, &str)>,
    ) -> Result<(), DbErr> {
        let backend = turn.get_database_backend();
        // First those that are there, then new ones, and at last those that another connection has inserted meanwhile.
        for statement in [asking, inserting, asking] {
            let unknown: Vec<_> = texts.iter().copied().filter(|(of, text)| self.get(*of, text).is_none()).collect();
            for some in unknown.chunks(ASKED_MAX) {
                for row in turn.query_all_raw(statement(backend, some)).await? {
                    let of = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
                    let text: String = row.try_get_by_index(3)?;
                    let number = row.try_get_by_index(0)?;
                    if self.known.entry(of).or_default().insert(text.into_boxed_str(), number).is_none() {
                        self.count += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The statement that asks for the numbers of texts.
fn asking(backend: DbBackend, texts: &[(Of, &str)]) -> Statement {
    of_texts(backend, "SELECT number, org, epoch, text FROM log_names WHERE (org, epoch, text) IN (", texts, ")")
}

/// The statement that inserts texts, and returns the same as [`asking`] of those that were not there.
fn inserting(backend: DbBackend, texts: &[(Of, &str)]) -> Statement {
    let returning = " ON CONFLICT DO NOTHING RETURNING number, org, epoch, text";
    of_texts(backend, "INSERT INTO log_names (org, epoch, text) ", texts, returning)
}

/// A statement with the texts as a list of rows.
fn of_texts(backend: DbBackend, before: &str, texts: &[(Of, &str)], after: &str) -> Statement {
    let texts = padded(texts);
    // PostgreSQL takes the types of all rows from the first one.
    let mut rows = "VALUES (CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS TEXT))".to_owned();
    for place in 1..texts.len() {
        // Writing to a text does not fail.
        let _ = write!(rows, ", (${}, ${}, ${})", place * 3 + 1, place * 3 + 2, place * 3 + 3);
    }
    let values = texts.iter().flat_map(|((org, epoch), text)| [(*org).into(), (*epoch).into(), Value::from(*text)]);
    Statement::from_sql_and_values(backend, format!("{before}{rows}{after}"), values)
}

/// As many items as the next power of two, the last one repeated, so that few forms of a statement are prepared.
fn padded<T: Copy>(items: &[T]) -> Vec<T> {
    let mut padded = items.to_vec();
    if let Some(last) = items.last() {
        padded.resize(items.len().next_power_of_two(), *last);
    }
    padded
}

/// The number of an org; `None` before its first event.
pub(crate) async fn number_of_org(reader: &impl ConnectionTrait, org: &OrgId) -> Result<Option<i64>, DbErr> {
    let numbers = numbers_of(reader, 0, org.as_str()).await?;
    Ok(numbers.first().map(|(_, number)| *number))
}

/// The epochs and numbers of a text of an org, by epoch: at most one number in each.
pub(crate) async fn numbers_of(reader: &impl ConnectionTrait, org: i64, text: &str) -> Result<Vec<(i64, i64)>, DbErr> {
    const ASK: &str = "SELECT epoch, number FROM log_names WHERE org = $1 AND epoch >= 0 AND text = $2 ORDER BY epoch";
    pairs(reader, ASK, vec![org.into(), text.into()]).await
}

/// The epochs and numbers of the texts of an org that begin with `prefix`, by epoch.
pub(crate) async fn numbers_of_prefix(
    reader: &impl ConnectionTrait,
    org: i64,
    prefix: &str,
) -> Result<Vec<(i64, i64)>, DbErr> {
    const ASK: &str = "SELECT epoch, number FROM log_names WHERE org = $1 AND epoch >= 0 AND text >= $2 AND text < $3 \
        ORDER BY epoch, number";
    let beyond = format!("{prefix}{}", char::MAX);
    pairs(reader, ASK, vec![org.into(), prefix.into(), beyond.into()]).await
}

async fn pairs(reader: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<Vec<(i64, i64)>, DbErr> {
    let asked = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
    let rows = reader.query_all_raw(asked).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// The texts of these numbers.
pub(crate) async fn texts_of(
    reader: &impl ConnectionTrait,
    numbers: BTreeSet<i64>,
) -> Result<HashMap<i64, String>, DbErr> {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let mut texts = HashMap::with_capacity(numbers.len());
    for some in numbers.chunks(ASKED_MAX) {
        let some = padded(some);
        let parameters = (1..=some.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT number, text FROM log_names WHERE number IN ({parameters})");
        let values = some.into_iter().map(Value::from);
        for row in
            reader.query_all_raw(Statement::from_sql_and_values(reader.get_database_backend(), sql, values)).await?
        {
            // Events with a text that cannot be read cannot be read either; others can.
            if let (Ok(number), Ok(text)) = (row.try_get_by_index(0), row.try_get_by_index(1)) {
                texts.insert(number, text);
            }
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{Keyring, Store, StoreConfig, plans::on_both_databases};

    async fn texts_of_many_orgs_get_numbers(config: &StoreConfig) {
        const ORGS: i64 = 700;
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(config, keyring).await.unwrap();
        let texts = (1..=ORGS).map(|org| ((org, 7), "\"a text\"")).collect::<BTreeSet<_>>();
        let turn = store.connections.writer.begin().await.unwrap();
        let mut names = Names::default();
        let some = texts.iter().copied().take(3).collect();
        names.number(&turn, &some).await.unwrap();
        names.number(&turn, &texts).await.unwrap();
        let numbers =
            |names: &Names| texts.iter().map(|(of, text)| names.get(*of, text)).collect::<Option<BTreeSet<_>>>();
        assert_eq!(numbers(&names).map(|numbers| numbers.len()), Some(texts.len()), "each has one of its own");
        let mut again = Names::default();
        again.number(&turn, &texts).await.unwrap();
        assert_eq!(numbers(&again), numbers(&names));
        turn.commit().await.unwrap();
        let known = texts_of(&store.connections.reader, numbers(&names).unwrap()).await.unwrap();
        assert_eq!(known.len(), texts.len());
        assert!(known.values().all(|text| text == "\"a text\""));
    }

    on_both_databases! {
        texts_of_many_orgs_get_numbers texts_of_many_orgs_get_numbers_on_sqlite texts_of_many_orgs_get_numbers_on_postgres
    }

    /// Other nodes wait for the writer meanwhile.
    #[test]
    fn as_many_texts_share_a_statement_whatever_orgs_they_are_of() {
        let texts: Vec<_> = (0..200).map(|org| ((org, 7), "a text")).collect();
        let statement = asking(DbBackend::Postgres, &texts);
        assert_eq!(statement.values.map(|values| values.0.len()), Some(256 * 3), "the next power of two");
    }
}

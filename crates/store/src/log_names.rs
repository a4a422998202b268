//! Texts that many events of the System Log have, each stored once: a row has their numbers.
//!
//! A text is said of an org in an epoch of thirty days, so that the texts of an epoch can be removed when its events are. The
//! org itself is one that is never removed. On the embedded database, which one process writes, what is known is kept in
//! memory; on PostgreSQL each batch asks, because a server that took over may have lost what another one had committed.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, RandomState},
};

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};
use tenterhook_contract::{Timestamp, id::OrgId};

/// Length of an epoch in microseconds.
const EPOCH_US: i64 = 30 * 86_400 * 1_000_000;
/// Texts that are kept in memory; beyond, all are forgotten and asked for anew.
const KNOWN_MAX: usize = 32_768;
/// Texts that were said lately: one that is said again gets a number. A power of two.
const HEARD: usize = 8_192;
/// Texts of a statement. Always as many, so that it is prepared once; the last one is repeated.
const ASKED: usize = 32;

/// The epoch of a moment.
pub(crate) fn epoch(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(EPOCH_US)
}

/// The org and the epoch of which a text is said.
pub(crate) type Of = (i64, i64);
/// Of what orgs are said.
const ORGS: Of = (0, 0);

/// The texts of a log's writer.
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

    /// Whether the text was said lately; from now on it was.
    pub(crate) fn is_said_again(&mut self, of: Of, text: &str) -> bool {
        let hash = self.hasher.hash_one((of, text)) | 1;
        let place = usize::try_from(hash >> 32).unwrap_or_default() & (HEARD - 1);
        self.heard.get_mut(place).is_some_and(|heard| std::mem::replace(heard, hash) == hash)
    }

    /// Forgets the numbers, not what was said.
    pub(crate) fn forget(&mut self) {
        (self.known, self.count) = (HashMap::new(), 0);
    }

    /// Makes room for more.
    pub(crate) fn trim(&mut self) {
        if self.count > KNOWN_MAX {
            self.forget();
        }
    }

    /// Gives these orgs their numbers. They are those of a transaction: when it is not committed, forget them.
    pub(crate) async fn number_orgs(
        &mut self,
        turn: &impl ConnectionTrait,
        orgs: &BTreeSet<&str>,
    ) -> Result<(), DbErr> {
        self.number(turn, ORGS, orgs).await
    }

    /// Gives these texts their numbers, likewise.
    pub(crate) async fn number(
        &mut self,
        turn: &impl ConnectionTrait,
        of: Of,
        texts: &BTreeSet<&str>,
    ) -> Result<(), DbErr> {
        let texts: Vec<&str> = texts.iter().copied().filter(|text| self.get(of, text).is_none()).collect();
        for some in texts.chunks(ASKED) {
            self.ask(turn, of, some).await?;
            let new: Vec<&str> = some.iter().copied().filter(|text| self.get(of, text).is_none()).collect();
            if !new.is_empty() {
                insert(turn, of, &new).await?;
                self.ask(turn, of, &new).await?;
            }
        }
        Ok(())
    }

    async fn ask(&mut self, turn: &impl ConnectionTrait, of: Of, texts: &[&str]) -> Result<(), DbErr> {
        let Some(last) = texts.last() else { return Ok(()) };
        let parameters = (3..3 + ASKED).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let sql =
            format!("SELECT number, text FROM log_names WHERE org = $1 AND epoch = $2 AND text IN ({parameters})");
        let repeated = std::iter::repeat_n(last, ASKED.saturating_sub(texts.len()));
        let texts = texts.iter().chain(repeated).map(|text| Value::from(*text));
        let values = [of.0.into(), of.1.into()].into_iter().chain(texts);
        let asked = Statement::from_sql_and_values(turn.get_database_backend(), sql, values);
        let known = self.known.entry(of).or_default();
        for row in turn.query_all_raw(asked).await? {
            let (number, text): (i64, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            if known.insert(text.into_boxed_str(), number).is_none() {
                self.count += 1;
            }
        }
        Ok(())
    }
}

async fn insert(turn: &impl ConnectionTrait, of: Of, texts: &[&str]) -> Result<(), DbErr> {
    let rows = (0..texts.len()).map(|place| format!("($1, $2, ${})", place + 3)).collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO log_names (org, epoch, text) VALUES {rows} ON CONFLICT DO NOTHING");
    let values = [of.0.into(), of.1.into()].into_iter().chain(texts.iter().map(|text| Value::from(*text)));
    turn.execute_raw(Statement::from_sql_and_values(turn.get_database_backend(), sql, values)).await.map(drop)
}

/// The number of an org; `None` before its first event.
pub(crate) async fn number_of_org(reader: &impl ConnectionTrait, org: &OrgId) -> Result<Option<i64>, DbErr> {
    let numbers = numbers_of(reader, 0, org.as_str()).await?;
    Ok(numbers.first().map(|(_, number)| *number))
}

/// The numbers of a text of an org, by epoch: at most one each.
pub(crate) async fn numbers_of(reader: &impl ConnectionTrait, org: i64, text: &str) -> Result<Vec<(i64, i64)>, DbErr> {
    const ASK: &str = "SELECT epoch, number FROM log_names WHERE org = $1 AND epoch >= 0 AND text = $2 ORDER BY epoch";
    pairs(reader, ASK, vec![org.into(), text.into()]).await
}

/// The numbers of the texts of an org that begin so, by epoch.
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
    let parameters = (1..=ASKED).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT number, text FROM log_names WHERE number IN ({parameters})");
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let mut texts = HashMap::with_capacity(numbers.len());
    for some in numbers.chunks(ASKED) {
        let Some(last) = some.last() else { break };
        let repeated = std::iter::repeat_n(last, ASKED - some.len());
        let values = some.iter().chain(repeated).map(|number| Value::from(*number));
        let asked = Statement::from_sql_and_values(reader.get_database_backend(), sql.clone(), values);
        for row in reader.query_all_raw(asked).await? {
            texts.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        }
    }
    Ok(texts)
}

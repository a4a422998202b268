//! A batch of System Log events as it is written to the database: all of it or nothing, and once.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use crate::{
    database::{TURN_IDLE_MAX, TurnLimits, turn},
    log_days,
    log_marks::mark,
    log_names::{Names, Of, epoch},
    log_pieces::{Columns, Head, Piece, read},
    log_row::{begin_rest, push_member, push_number},
    pool::{Pool, Transaction},
};

/// Events of one transaction on an embedded database: each writes the last pages of the table and of every index again, but
/// others wait for it.
pub(crate) const ROWS_MAX: usize = 128;
/// Columns of a row but the number that the database gives.
const COLUMNS: [&str; 11] =
    ["org", "published_us", "kind", "result", "actor", "hook", "client", "failure", "request", "id", "rest"];
/// Advisory lock of the node whose turn it is: `tenterhl` in ASCII.
const TURN_LOCK: i64 = 0x7465_6e74_6572_686c;
/// A node that falls silent in its turn must not hold back the log of all others.
const TURN_LIMITS: TurnLimits = TurnLimits { idle: TURN_IDLE_MAX, wait: Duration::from_secs(10) };

/// What a writer knows of the database.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) names: Names,
    /// Days that have a partition.
    days: HashSet<i64>,
}

/// An event to be written.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) head: &'a Head,
    pub(crate) pieces: &'a str,
    /// Its number, where it has one already.
    pub(crate) sequence: Option<i64>,
}

/// The turn of a node that writes the log on PostgreSQL; on an embedded database a transaction.
pub(crate) async fn log_turn(connection: &Pool) -> Result<Transaction, DbErr> {
    match connection.get_database_backend() {
        DbBackend::Postgres => turn(connection, TURN_LOCK, TURN_LIMITS).await,
        _ => connection.begin().await,
    }
}

/// Writes the rows, all or none. Nodes on one PostgreSQL take turns, so that sequence numbers are committed in the order in which
/// they are drawn: a poller that resumes after the last sequence number misses nothing. `unmarked` are the stretches of the rows
/// that may have no mark yet. `again` says that a try to write the same rows has failed.
pub(crate) async fn write(
    connection: &Pool,
    known: &mut Known,
    rows: &[Event<'_>],
    unmarked: &BTreeSet<i64>,
    again: bool,
) -> Result<(), DbErr> {
    let embedded = connection.get_database_backend() != DbBackend::Postgres;
    if again || !embedded {
        known.names.forget();
    }
    if again {
        known.days.clear();
    }
    let mut batch = Batch::of(rows, &mut known.names);
    if embedded && !again && unmarked.is_empty() && batch.is_complete() && rows.len().is_power_of_two() {
        return connection.execute_raw(batch.insertion(DbBackend::Sqlite, 0, rows.len())).await.map(drop);
    }
    let turn = log_turn(connection).await?;
    // The rows may have been committed although the answer was lost. A try that is still being committed holds the turn.
    if again && are_written(&turn, rows, &mut known.names).await? {
        turn.rollback().await;
        return Ok(());
    }
    // A mark must be there before the rows are, and with them.
    for stretch in unmarked {
        mark(&turn, *stretch).await?;
    }
    insert(&turn, known, &mut batch).await?;
    turn.commit().await
}

/// Inserts rows in a transaction. When it is not committed, what is known must be forgotten.
async fn insert(turn: &Transaction, known: &mut Known, batch: &mut Batch<'_>) -> Result<(), DbErr> {
    let backend = turn.get_database_backend();
    if backend == DbBackend::Postgres {
        let days = batch.rows.iter().map(|row| log_days::day(row.event.head.published)).collect::<BTreeSet<_>>();
        for day in days {
            if !known.days.contains(&day) {
                log_days::make(turn, day).await?;
                known.days.insert(day);
            }
        }
    }
    batch.complete(turn, &mut known.names).await?;
    let mut first = 0;
    while first < batch.rows.len() {
        // Numbers of rows that come again and again, so that the statements are prepared once.
        let left = (batch.rows.len() - first).min(ROWS_MAX);
        let count = 1 << left.ilog2();
        turn.execute_raw(batch.insertion(backend, first, count)).await?;
        first += count;
    }
    known.names.trim();
    Ok(())
}

/// Writes rows that have their numbers already, in a transaction of the caller's.
pub(crate) async fn write_numbered(turn: &Transaction, known: &mut Known, rows: &[Event<'_>]) -> Result<(), DbErr> {
    let mut batch = Batch::of(rows, &mut known.names);
    insert(turn, known, &mut batch).await
}

/// Whether the rows are there. They are written all or none, so that the first one tells; each has an id of its own.
async fn are_written(turn: &Transaction, rows: &[Event<'_>], names: &mut Names) -> Result<bool, DbErr> {
    const WRITTEN: &str = "SELECT sequence FROM log_entries WHERE org = $1 AND published_us = $2 AND id = $3 LIMIT 1";
    let Some(Event { head, pieces, .. }) = rows.first() else { return Ok(true) };
    names.number_orgs(turn, &BTreeSet::from([head.org_id.as_str()])).await?;
    let Some(org) = names.org(&head.org_id) else { return Ok(false) };
    let values = [org.into(), head.published.as_micros().into(), read(pieces).0.id_bytes(head).into()];
    let written = Statement::from_sql_and_values(turn.get_database_backend(), WRITTEN, values);
    Ok(turn.query_one_raw(written).await?.is_some())
}

/// A text of a row: as it is, or by its number.
enum Said<'a> {
    Inline(&'a str),
    Number(i64),
    /// It has no number yet.
    Unknown(&'a str),
}

/// A row on its way.
struct Line<'a> {
    event: Event<'a>,
    columns: Columns<'a>,
    org: Option<i64>,
    kind: Said<'a>,
    hook: Option<Said<'a>>,
    client: Option<Said<'a>>,
    failure: Option<Said<'a>>,
    rest: Vec<Said<'a>>,
}

/// Rows with the numbers of their texts.
struct Batch<'a> {
    rows: Vec<Line<'a>>,
}

impl<'a> Batch<'a> {
    fn of(rows: &[Event<'a>], names: &mut Names) -> Self {
        let rows = rows.iter().map(|event| {
            let (columns, pieces) = read(event.pieces);
            let (org, epoch) = (names.org(&event.head.org_id), epoch(event.head.published));
            let said = |names: &Names, text| match org.and_then(|org| names.get((org, epoch), text)) {
                Some(number) => Said::Number(number),
                None => Said::Unknown(text),
            };
            let always = |text: Option<&'a str>| text.map(|text| said(names, text));
            let (kind, hook) = (said(names, columns.kind), always(columns.hook));
            let (client, failure) = (always(columns.client), always(columns.failure));
            let rest = pieces.map(|piece| match piece {
                Piece::Inline(text) => Said::Inline(text),
                Piece::Often(text) => match said(names, text) {
                    Said::Unknown(text) if !names.is_said_again(&event.head.org_id, epoch, text) => Said::Inline(text),
                    said => said,
                },
            });
            let rest = rest.collect();
            Line { event: *event, columns, org, kind, hook, client, failure, rest }
        });
        Self { rows: rows.collect() }
    }

    /// Whether every text has its number.
    fn is_complete(&self) -> bool {
        self.rows.iter().all(|row| row.org.is_some() && row.unknown().next().is_none())
    }

    /// Gives the texts their numbers.
    async fn complete(&mut self, turn: &Transaction, names: &mut Names) -> Result<(), DbErr> {
        let orgs = self.rows.iter().filter(|row| row.org.is_none()).map(|row| row.event.head.org_id.as_str());
        let orgs: BTreeSet<&str> = orgs.collect();
        if !orgs.is_empty() {
            names.number_orgs(turn, &orgs).await?;
        }
        let mut unknown = BTreeSet::new();
        for row in &mut self.rows {
            let org = names.org(&row.event.head.org_id);
            row.org = Some(org.ok_or_else(lost)?);
            let of = row.of();
            unknown.extend(row.unknown().map(|text| (of, text)));
        }
        names.number(turn, &unknown).await?;
        for row in &mut self.rows {
            let of = row.of();
            for said in row.said_mut() {
                if let Said::Unknown(text) = said {
                    *said = Said::Number(names.get(of, text).ok_or_else(lost)?);
                }
            }
        }
        Ok(())
    }

    /// The statement that inserts `count` rows from `first` on. Its text depends on their number only, so that it is prepared
    /// once; built by hand because building it for each batch cost as much as everything else about it.
    fn insertion(&mut self, backend: DbBackend, first: usize, count: usize) -> Statement {
        let rows = self.rows.get(first..).unwrap_or_default();
        let rows = rows.get(..count).unwrap_or(rows);
        let numbered = rows.first().is_some_and(|row| row.event.sequence.is_some());
        let columns = COLUMNS.len() + usize::from(numbered);
        let mut sql = String::with_capacity(160 + rows.len() * columns * 6);
        sql.push_str("INSERT INTO log_entries (");
        sql.push_str(&COLUMNS.join(", "));
        sql.push_str(if numbered { ", sequence) VALUES " } else { ") VALUES " });
        let mut values: Vec<Value> = Vec::with_capacity(rows.len() * columns);
        for (place, row) in rows.iter().enumerate() {
            sql.push_str(if place == 0 { "(" } else { ", (" });
            for column in 1..=columns {
                let separator = if column == 1 { "" } else { ", " };
                // Writing to a text does not fail. Numbered parameters are looked up one by one in SQLite.
                let _ = match backend {
                    DbBackend::Postgres => write!(sql, "{separator}${}", place * columns + column),
                    _ => write!(sql, "{separator}?"),
                };
            }
            sql.push(')');
            row.put(&mut values);
        }
        Statement::from_sql_and_values(backend, sql, values)
    }
}

impl<'a> Line<'a> {
    fn of(&self) -> Of {
        (self.org.unwrap_or_default(), epoch(self.event.head.published))
    }

    fn unknown(&self) -> impl Iterator<Item = &'a str> {
        let columns = std::iter::once(&self.kind).chain(&self.hook).chain(&self.client).chain(&self.failure);
        columns.chain(&self.rest).filter_map(|said| match said {
            Said::Unknown(text) => Some(*text),
            _ => None,
        })
    }

    fn said_mut(&mut self) -> impl Iterator<Item = &mut Said<'a>> {
        let columns = std::iter::once(&mut self.kind).chain(&mut self.hook).chain(&mut self.client);
        columns.chain(&mut self.failure).chain(&mut self.rest)
    }

    /// The values of the columns, in their order.
    fn put(&self, values: &mut Vec<Value>) {
        let head = self.event.head;
        let optional = |said: Option<&Said<'_>>| Value::BigInt(said.and_then(Said::number));
        let bytes: usize =
            self.rest.iter().map(|said| if let Said::Inline(text) = said { text.len() + 1 } else { 8 }).sum();
        let mut rest = String::with_capacity(bytes + 4);
        begin_rest(&mut rest);
        for said in &self.rest {
            match said {
                Said::Inline(text) | Said::Unknown(text) => push_member(&mut rest, text),
                Said::Number(number) => push_number(&mut rest, *number),
            }
        }
        rest.push(']');
        values.extend([
            Value::BigInt(self.org),
            Value::BigInt(Some(head.published.as_micros())),
            Value::BigInt(self.kind.number()),
            Value::SmallInt(Some(head.result)),
            Value::String(Some(self.columns.actor_id())),
            optional(self.hook.as_ref()),
            optional(self.client.as_ref()),
            optional(self.failure.as_ref()),
            Value::Bytes(Some(self.columns.transaction_bytes(head))),
            Value::Bytes(Some(self.columns.id_bytes(head))),
            Value::String(Some(rest)),
        ]);
        values.extend(self.event.sequence.map(Value::from));
    }
}

impl Said<'_> {
    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// A text that was just inserted is not there.
fn lost() -> DbErr {
    DbErr::Custom("a text of the System Log has no number".to_owned())
}

#[cfg(test)]
mod tests {
    use tenterhook_contract::id::OrgId;

    use super::*;

    /// Whether each event stores the one text of its rest as it is. There is one event for each of `orgs`, and no org has a number
    /// yet.
    fn inline(orgs: &[u8], names: &mut Names) -> Vec<bool> {
        const PIECES: &str = "\"00u\"\n\n\n[\"a\",\"b\",\"INFO\"]\n\n\n\n?\"a text that many have\"\n";
        let heads: Vec<_> = orgs.iter().map(|org| Head::of(OrgId::from_parts(1, [*org; 8]))).collect();
        let events: Vec<_> = heads.iter().map(|head| Event { head, pieces: PIECES, sequence: None }).collect();
        let batch = Batch::of(&events, names);
        batch.rows.iter().map(|row| matches!(row.rest[..], [Said::Inline(_)])).collect()
    }

    /// On PostgreSQL no org has its number when a batch begins.
    #[test]
    fn a_text_gets_a_number_when_the_same_org_says_it_again() {
        let mut names = Names::default();
        assert_eq!(inline(&[1, 2, 3], &mut names), [true; 3], "each org says it for the first time");
        assert_eq!(inline(&[2, 4], &mut names), [false, true]);
    }
}

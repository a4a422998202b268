//! Events of the System Log in the form of earlier versions: JSON documents in a table of their own.
//!
//! They are read where they are, and moved to the form of today in the background, because to move ten million of them at the
//! start would keep a server from starting for minutes. While they are moved, an event is in one table or the other, and nodes
//! of the version before may go on writing here. Once the table is empty it stays so.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _, QueryResult,
    QuerySelect as _, QueryTrait as _, Select,
    sea_query::{Expr, ExprTrait as _},
};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{LogCursor, LogQuery};
use tokio::time::Instant;

use crate::{
    Store, StoreError,
    entity::log_event,
    log::Placed,
    log_batch::{Event, Known, log_turn, write_numbered},
    log_pieces::{Head, pieces},
    pool::Pool,
    store::from_text,
};

/// Events that are moved at once: others wait for the writer of an embedded database meanwhile.
const MOVED_AT_ONCE: u64 = 128;
/// Time between two lines that say how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// First pause after a failure; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What this node knows of the table of these events.
#[derive(Debug, Default)]
pub(crate) struct OldLog {
    /// No event is left to be moved, and no node of an earlier version adds any.
    done: AtomicBool,
    /// Events are being moved.
    moving: AtomicBool,
}

impl OldLog {
    /// Whether there is nothing to read in the table.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

/// The events of a query that are in the table, one more than a page has at most, in its order.
pub(crate) async fn page(
    reader: &impl ConnectionTrait,
    query: &LogQuery,
    first: Option<i64>,
) -> Result<Vec<Placed>, StoreError> {
    let rows = reader.query_all(selection(query, first).limit(query.limit.saturating_add(1)).as_query()).await?;
    let read = |row: &QueryResult| -> Result<Placed, StoreError> {
        let (published_micros, sequence) = (row.try_get("", "published_us")?, row.try_get("", "sequence")?);
        let document = row.try_get::<String>("", "document").map_err(StoreError::from);
        let event = document.and_then(|document| from_text("log event", &document));
        Ok((LogCursor { published_micros, sequence }, event))
    };
    rows.iter().map(read).collect()
}

/// Whether an event of the org was published since then.
pub(crate) async fn has_events_since(
    reader: &impl ConnectionTrait,
    org: &OrgId,
    since: Timestamp,
) -> Result<bool, StoreError> {
    let since = log_event::Column::PublishedUs.gte(since.as_micros());
    let of_org = log_event::Entity::find().filter(log_event::Column::OrgId.eq(org.as_str())).filter(since);
    let some = of_org.select_only().column(log_event::Column::Sequence).limit(1).into_tuple::<i64>();
    Ok(some.one(reader).await?.is_some())
}

/// The rows of a query in its order, by an index that has them so: no page reads what other pages have. `first` is a
/// sequence number that no row of the query is before.
fn selection(query: &LogQuery, first: Option<i64>) -> Select<log_event::Entity> {
    use log_event::Column;
    let mut select = log_event::Entity::find().filter(Column::OrgId.eq(query.org_id.as_str()));
    if let Some(since) = query.since {
        select = select.filter(Column::PublishedUs.gte(since.as_micros()));
    }
    if let Some(until) = query.until {
        select = select.filter(Column::PublishedUs.lt(until.as_micros()));
    }
    if let Some(first) = first {
        select = select.filter(Column::Sequence.gte(first));
    }
    if let Some(LogCursor { published_micros, sequence }) = query.after {
        select = if query.polling {
            select.filter(Column::Sequence.gt(sequence))
        } else {
            let place = Expr::tuple([Column::PublishedUs.into_expr(), Column::Sequence.into_expr()]);
            let after = Expr::tuple([published_micros.into(), sequence.into()]);
            select.filter(if query.descending { place.lt(after) } else { place.gt(after) })
        };
    }
    match (query.polling, query.descending) {
        (true, _) => select.order_by_asc(Column::Sequence),
        (false, false) => select.order_by_asc(Column::PublishedUs).order_by_asc(Column::Sequence),
        (false, true) => select.order_by_desc(Column::PublishedUs).order_by_desc(Column::Sequence),
    }
}

impl Store {
    /// Moves events that are in the form of an earlier version to that of today, in the background, when there are some.
    pub(crate) fn move_old_log(&self) {
        if self.old_log.is_done() || self.old_log.moving.swap(true, Ordering::Relaxed) {
            return;
        }
        let (writer, state) = (self.connections.writer.clone(), Arc::clone(&self.old_log));
        tokio::spawn(async move {
            move_all(&writer).await;
            // Nodes of the version before may go on writing to a database that they share.
            state.done.store(writer.get_database_backend() != DbBackend::Postgres, Ordering::Relaxed);
            state.moving.store(false, Ordering::Relaxed);
        });
    }
}

async fn move_all(writer: &Pool) {
    let (mut known, mut after, mut moved, mut pause) = (Known::default(), i64::MIN, 0, PAUSE_MIN);
    let mut told = Instant::now();
    loop {
        let began = Instant::now();
        match move_some(writer, &mut known, &mut after).await {
            Ok(0) => break,
            Ok(some) => {
                (moved, pause) = (moved + some, PAUSE_MIN);
                if told.elapsed() >= TOLD_EVERY {
                    tracing::info!(moved, "system_log.moving: events get the form of this version");
                    told = Instant::now();
                }
                // Flows have the database at least as long as this.
                tokio::time::sleep(began.elapsed()).await;
            }
            Err(error) => {
                known = Known::default();
                tracing::warn!(%error, moved, "system_log.move failed; it is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
    if moved > 0 {
        tracing::info!(moved, "system_log.moved: all events have the form of this version");
    }
}

/// Moves the next events behind `after`, all or none; how many there were. One that cannot be read stays.
async fn move_some(writer: &Pool, known: &mut Known, after: &mut i64) -> Result<usize, StoreError> {
    let some = log_event::Entity::find().filter(log_event::Column::Sequence.gt(*after));
    let some = some.order_by_asc(log_event::Column::Sequence).limit(MOVED_AT_ONCE);
    // Nobody is made to wait for a look in vain.
    if writer.query_one(some.clone().limit(1).as_query()).await?.is_none() {
        return Ok(0);
    }
    let turn = log_turn(writer).await?;
    let rows = turn.query_all(some.as_query()).await?;
    let mut events = Vec::with_capacity(rows.len());
    let mut last = *after;
    for row in &rows {
        let sequence: i64 = row.try_get("", "sequence")?;
        last = sequence;
        match pieces_of(row) {
            Ok((head, pieces)) => events.push((sequence, head, pieces)),
            Err(error) => tracing::error!(sequence, %error, "system_log.unreadable: an event stays as it is"),
        }
    }
    let moved = events.iter().map(|(sequence, _, _)| *sequence).collect::<BTreeSet<_>>();
    let events = events.iter().map(|(sequence, head, pieces)| Event { head, pieces, sequence: Some(*sequence) });
    write_numbered(&turn, known, &events.collect::<Vec<_>>()).await?;
    log_event::Entity::delete_many().filter(log_event::Column::Sequence.is_in(moved)).exec(&turn).await?;
    turn.commit().await?;
    *after = last;
    Ok(rows.len())
}

fn pieces_of(row: &QueryResult) -> Result<(Head, String), StoreError> {
    pieces(&from_text("log event", &row.try_get::<String>("", "document")?)?)
}

//! The System Log as it is read: in pages.

use std::{fmt, str::FromStr};

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use tenterhook_contract::id::OrgId;

use crate::{
    Store, StoreError,
    entity::log_event,
    model::{LogCursor, LogPage, LogQuery},
    store::from_text,
};

impl Store {
    /// How many events the org has whose type begins with `family`. Reads them all: for checks, not for pages.
    pub async fn count_log_events(&self, org: &OrgId, family: &str) -> Result<u64, StoreError> {
        let of_org = log_event::Entity::find().filter(log_event::Column::OrgId.eq(org.as_str()));
        let of_family = of_org.filter(log_event::Column::Document.contains(format!("\"event_type\":\"{family}")));
        Ok(of_family.count(&self.connections.reader).await?)
    }

    /// A page of the System Log.
    pub async fn query_log(&self, query: &LogQuery) -> Result<LogPage, StoreError> {
        use log_event::Column;
        let mut select = log_event::Entity::find().filter(Column::OrgId.eq(query.org_id.as_str()));
        if let Some(since) = query.since {
            select = select.filter(Column::PublishedUs.gte(since.as_micros()));
        }
        if let Some(until) = query.until {
            select = select.filter(Column::PublishedUs.lt(until.as_micros()));
        }
        if let Some(LogCursor { published_micros, sequence }) = query.after {
            select = if query.polling {
                select.filter(Column::Sequence.gt(sequence))
            } else {
                let (later, same) = if query.descending {
                    (Column::PublishedUs.lt(published_micros), Column::Sequence.lt(sequence))
                } else {
                    (Column::PublishedUs.gt(published_micros), Column::Sequence.gt(sequence))
                };
                let same = Condition::all().add(Column::PublishedUs.eq(published_micros)).add(same);
                select.filter(Condition::any().add(later).add(same))
            };
        }
        select = match (query.polling, query.descending) {
            (true, _) => select.order_by_asc(Column::Sequence),
            (false, false) => select.order_by_asc(Column::PublishedUs).order_by_asc(Column::Sequence),
            (false, true) => select.order_by_desc(Column::PublishedUs).order_by_desc(Column::Sequence),
        };
        // One more than asked for tells whether there is another page.
        let mut rows = select.limit(query.limit.saturating_add(1)).all(&self.connections.reader).await?;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .map(|row| LogCursor { published_micros: row.published_us, sequence: row.sequence })
            .or(query.after);
        let events = rows.iter().map(|row| from_text("log event", &row.document)).collect::<Result<_, _>>()?;
        Ok(LogPage { events, next, more })
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.published_micros, self.sequence)
    }
}

/// A text that is no place in the System Log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCursorError;

impl FromStr for LogCursor {
    type Err = LogCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (published, sequence) = text.split_once('_').ok_or(LogCursorError)?;
        Ok(Self {
            published_micros: published.parse().map_err(|_| LogCursorError)?,
            sequence: sequence.parse().map_err(|_| LogCursorError)?,
        })
    }
}

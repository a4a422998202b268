//! The System Log as it is read: in pages.

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{LogCursor, LogPage, LogQuery};

use crate::{Store, StoreError, entity::log_event, log_marks::first_since, pool::Pool, store::from_text};

impl Store {
    /// How many events the org has whose type begins with `family`. Reads them all: for checks, not for pages.
    pub async fn count_log_events(&self, org: &OrgId, family: &str) -> Result<u64, StoreError> {
        let of_org = log_event::Entity::find().filter(log_event::Column::OrgId.eq(org.as_str()));
        let of_family = of_org.filter(log_event::Column::Document.contains(format!("\"event_type\":\"{family}")));
        Ok(of_family.count(&self.connections.reader).await?)
    }

    /// A page of the System Log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] too while the org, or all together, read so many pages already.
    pub async fn query_log(&self, query: &LogQuery) -> Result<LogPage, StoreError> {
        let (reader, query) = (self.connections.reader.clone(), query.clone());
        let org = query.org_id.clone();
        let read = async move {
            let first = match query.since.filter(|_| query.polling && query.after.is_none()) {
                None => None,
                Some(since) => match first_since(&reader, since).await? {
                    // A restored database may lack marks.
                    None if !has_events_since(&reader, &query.org_id, since).await? => {
                        return Ok(LogPage { events: Vec::new(), next: None, more: false });
                    }
                    first => first,
                },
            };
            // One more than asked for tells whether there is another page.
            let mut rows = selection(&query, first).limit(query.limit.saturating_add(1)).all(&reader).await?;
            let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows
                .last()
                .map(|row| LogCursor { published_micros: row.published_us, sequence: row.sequence })
                .or(query.after);
            let events =
                rows.iter().map(|row| from_text("log event", &row.document)).collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(LogPage { events, next, more })
        };
        self.heavy_reads.run(&org, read).await
    }
}

async fn has_events_since(reader: &Pool, org: &OrgId, since: Timestamp) -> Result<bool, StoreError> {
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
            let (bound, later, same) = if query.descending {
                let later = Column::PublishedUs.lt(published_micros);
                (Column::PublishedUs.lte(published_micros), later, Column::Sequence.lt(sequence))
            } else {
                let later = Column::PublishedUs.gt(published_micros);
                (Column::PublishedUs.gte(published_micros), later, Column::Sequence.gt(sequence))
            };
            let same = Condition::all().add(Column::PublishedUs.eq(published_micros)).add(same);
            // The bound follows from the condition, but only it tells the index where to begin.
            select.filter(bound).filter(Condition::any().add(later).add(same))
        };
    }
    match (query.polling, query.descending) {
        (true, _) => select.order_by_asc(Column::Sequence),
        (false, false) => select.order_by_asc(Column::PublishedUs).order_by_asc(Column::Sequence),
        (false, true) => select.order_by_desc(Column::PublishedUs).order_by_desc(Column::Sequence),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use sea_orm::{ConnectionTrait as _, DbBackend, QueryTrait as _, Statement};
    use tenterhook_contract::{Timestamp, id::OrgId};

    use super::*;
    use crate::{Keyring, StoreConfig};

    /// Events of two orgs in turn, one a second.
    const EVENTS: i64 = 200_000;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(1, [number; 8])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_770_800_000_000_000).plus_seconds(seconds)
    }

    /// A log that was there before there were marks.
    async fn filled(config: &StoreConfig) -> Store {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(config, keyring).await.unwrap();
        let writer = &store.connections.writer;
        // In pieces, each within the time that a statement has.
        for before in (0..EVENTS).step_by(20_000) {
            let (first, last) = (before + 1, before + 20_000);
            let numbers = match writer.get_database_backend() {
                DbBackend::Postgres => format!("SELECT n FROM generate_series({first}, {last}) AS g(n)"),
                _ => format!(
                    "WITH RECURSIVE g(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM g WHERE n < {last}) SELECT n FROM g"
                ),
            };
            let insertion = format!(
                "INSERT INTO log_events (org_id, published_us, document) \
                 SELECT CASE n % 2 WHEN 1 THEN '{}' ELSE '{}' END, {} + CAST(n AS BIGINT) * 1000000, '{}' FROM ({numbers}) AS numbers",
                org(1),
                org(2),
                at(0).as_micros(),
                "x".repeat(700)
            );
            writer.execute_unprepared(&insertion).await.unwrap();
        }
        let stretch = crate::log_marks::STRETCH_US;
        let marked = format!(
            "INSERT INTO log_marks SELECT published_us - published_us % {stretch}, MIN(sequence) FROM log_events GROUP BY 1"
        );
        writer.execute_unprepared(&marked).await.unwrap();
        if writer.get_database_backend() == DbBackend::Postgres {
            writer.execute_unprepared("ANALYZE log_events").await.unwrap();
        }
        store
    }

    /// How the database runs a query, as it says, and how many rows it looked at in vain where it says that.
    async fn explained(store: &Store, query: &LogQuery, first: Option<i64>) -> String {
        let reader = &store.connections.reader;
        let backend = reader.get_database_backend();
        let Statement { sql, values, .. } = selection(query, first).limit(query.limit).build(backend);
        let explain = if backend == DbBackend::Postgres { "EXPLAIN (ANALYZE) " } else { "EXPLAIN QUERY PLAN " };
        let statement = Statement { sql: format!("{explain}{sql}"), values, db_backend: backend };
        let rows = reader.query_all_raw(statement).await.unwrap();
        let column = if backend == DbBackend::Postgres { "QUERY PLAN" } else { "detail" };
        rows.iter().map(|row| row.try_get::<String>("", column).unwrap()).collect::<Vec<_>>().join("\n")
    }

    async fn every_page_is_served_by_an_index(config: &StoreConfig) {
        let store = filled(config).await;
        let middle = EVENTS / 2;
        let query = |since, until, after, descending| LogQuery {
            org_id: org(2),
            since,
            until,
            after,
            descending,
            polling: until.is_none() && !descending,
            limit: 101,
        };
        let cursor = Some(LogCursor { published_micros: at(middle).as_micros(), sequence: middle });
        let (since, until) = (Some(at(middle)), Some(at(EVENTS)));
        let first = first_since(&store.connections.reader, at(middle)).await.unwrap();
        assert!(first.is_some_and(|first| (middle - 600..=middle).contains(&first)), "{first:?}");
        for (query, first, indexes) in [
            (query(since, None, None, false), first, &["log_events_sequence", "log_events_pkey"][..]),
            (query(since, None, cursor, false), None, &["log_events_sequence", "log_events_pkey"][..]),
            (query(None, None, cursor, false), None, &["log_events_sequence", "log_events_pkey"][..]),
            (query(since, until, None, false), None, &["log_events_published"][..]),
            (query(Some(at(0)), until, cursor, false), None, &["log_events_published"][..]),
            (query(Some(at(0)), until, None, true), None, &["log_events_published"][..]),
            (query(Some(at(0)), until, cursor, true), None, &["log_events_published"][..]),
        ] {
            let plan = explained(&store, &query, first).await;
            assert!(indexes.iter().any(|index| plan.contains(index)), "{query:?}\n{plan}");
            assert!(!plan.to_lowercase().contains("sort") && !plan.contains("TEMP B-TREE"), "{query:?}\n{plan}");
            let in_vain = plan.split("Rows Removed by Filter: ").nth(1).and_then(|rest| rest.lines().next());
            assert!(in_vain.is_none_or(|rows| rows.trim().parse::<u32>().unwrap() <= 700), "{query:?}\n{plan}");
            // Both ends of what is read are the index's.
            let begins =
                ["sequence>", "sequence >", "published_us>", "published_us >", "published_us <", "published_us<"];
            assert!(begins.iter().any(|begin| plan.contains(begin)), "{query:?}\n{plan}");
        }
        let found = selection(&query(since, None, None, false), first).limit(1).all(&store.connections.reader).await;
        assert_eq!(found.unwrap().first().map(|row| row.published_us), Some(at(middle).as_micros()));
    }

    #[tokio::test]
    async fn every_page_is_served_by_an_index_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        every_page_is_served_by_an_index(&StoreConfig::Sqlite { path }).await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
    async fn every_page_is_served_by_an_index_on_postgres() {
        let url = tenterhook_testkit::postgres::server();
        let name = format!("tenterhook_pages_{}", std::process::id());
        let url = tenterhook_testkit::postgres::create_database(&url, &name).await.unwrap();
        let config = StoreConfig::Postgres { url: tenterhook_contract::Secret::new(url), max_connections: 4 };
        every_page_is_served_by_an_index(&config).await;
    }
}

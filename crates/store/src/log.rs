//! The System Log as it is read: in pages.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryResult, Statement, Value,
};
use tenterhook_contract::{Timestamp, id::OrgId};
use tenterhook_model::{LogCursor, LogEvent, LogFilter, LogPage, LogQuery, LogResult};

use crate::{
    Store, StoreError,
    entity::log_event,
    log_ids::transaction_column,
    log_marks::first_since,
    log_names::{number_of_org, numbers_of, numbers_of_prefix, texts_of},
    log_old,
    log_pieces::number_of,
    log_row::{Row, numbers_of as numbers_in, unreadable},
};

/// Sizes of the successive scans for one page when no index serves the filter.
const SCANNED: [u64; 3] = [300, 1_200, 3_500];

/// The last time that there is, which is the place of a row whose time is no number.
const LAST_US: i64 = i64::MAX;

/// An event in its place, or why it cannot be read: then it only takes its place, so that no event behind it is passed over.
pub(crate) type Placed = (LogCursor, Result<LogEvent<'static>, StoreError>);

impl Store {
    /// How many events the org has whose type begins with `family`. Reads them all: for checks, not for pages.
    pub async fn count_log_events(&self, org: &OrgId, family: &str) -> Result<u64, StoreError> {
        let reader = &self.connections.reader;
        let of_org = log_event::Entity::find().filter(log_event::Column::OrgId.eq(org.as_str()));
        let of_family = of_org.filter(log_event::Column::Document.contains(format!("\"event_type\":\"{family}")));
        let old = of_family.count(reader).await?;
        let Some(org) = number_of_org(reader, org).await? else { return Ok(old) };
        let kinds = numbers_of_prefix(reader, org, &format!("[\"{family}")).await?;
        let mut count = old;
        for (_, kind) in kinds {
            const COUNT: &str = "SELECT COUNT(*) FROM log_entries WHERE org = $1 AND kind = $2";
            let counted =
                Statement::from_sql_and_values(reader.get_database_backend(), COUNT, [org.into(), kind.into()]);
            let row = reader.query_one_raw(counted).await?;
            let some = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or_default();
            count += u64::try_from(some).unwrap_or_default();
        }
        Ok(count)
    }

    /// A page of the System Log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] too while the org, or all together, read so many pages already.
    pub async fn query_log(&self, query: &LogQuery) -> Result<LogPage, StoreError> {
        let (reader, query) = (self.connections.reader.clone(), query.clone());
        let org = query.org_id.clone();
        // Events of the earlier form have no columns to filter by. They are left out of filtered pages until they are moved.
        let reads_old = !self.old_log.is_done() && query.filter == LogFilter::default();
        let read = async move {
            let transaction = reader.begin_ordered().await?;
            let page = page(&transaction, &query, reads_old).await;
            transaction.end(page).await
        };
        self.heavy_reads.run(&org, read).await
    }
}

async fn page(reader: &impl ConnectionTrait, query: &LogQuery, reads_old: bool) -> Result<LogPage, StoreError> {
    let org = number_of_org(reader, &query.org_id).await?;
    let first = match query.since.filter(|_| query.polling && query.after.is_none()) {
        None => None,
        Some(since) => match first_since(reader, since).await? {
            // A restored database may lack marks.
            None if !has_events_since(reader, (&query.org_id, org), since, reads_old).await? => {
                return Ok(LogPage { events: Vec::new(), next: None, more: false });
            }
            first => first,
        },
    };
    // First those of the earlier form: one that is moved meanwhile is found there, or in both.
    let old = if reads_old { log_old::page(reader, query, first).await? } else { Vec::new() };
    let (new, scanned) = match org {
        Some(org) => entries(reader, query, org, first).await?,
        None => (Vec::new(), None),
    };
    let mut placed = merged(query, old, new);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    // One more than asked for tells whether there is another page.
    let full = placed.len() > limit;
    placed.truncate(limit);
    let last = placed.last().map(|(cursor, _)| *cursor);
    let next = if full { last.or(query.after) } else { scanned.or(last).or(query.after) };
    let events = readable(&query.org_id, placed);
    Ok(LogPage { events, next, more: full || scanned.is_some() })
}

/// The events that can be read. The others are left out and logged.
fn readable(org: &OrgId, placed: Vec<Placed>) -> Vec<LogEvent<'static>> {
    let (mut events, mut left_out, mut first) = (Vec::with_capacity(placed.len()), 0, None);
    for (place, event) in placed {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                left_out += 1;
                first.get_or_insert((place.sequence, error));
            }
        }
    }
    if let Some((sequence, error)) = first {
        tracing::error!(%org, events = left_out, sequence, %error, "system_log.unreadable: events are left out of a page");
    }
    events
}

/// Events of both forms in the order of the query, each once.
fn merged(query: &LogQuery, old: Vec<Placed>, new: Vec<Placed>) -> Vec<Placed> {
    if old.is_empty() {
        return new;
    }
    let mut all: Vec<_> = old.into_iter().chain(new).collect();
    all.sort_by_key(
        |(cursor, _)| if query.polling { (0, cursor.sequence) } else { (cursor.published_micros, cursor.sequence) },
    );
    all.dedup_by_key(|(cursor, _)| cursor.sequence);
    if query.descending && !query.polling {
        all.reverse();
    }
    all
}

async fn has_events_since(
    reader: &impl ConnectionTrait,
    (org_id, org): (&OrgId, Option<i64>),
    since: Timestamp,
    reads_old: bool,
) -> Result<bool, StoreError> {
    const SINCE: &str = "SELECT sequence FROM log_entries WHERE org = $1 AND published_us >= $2 LIMIT 1";
    if let Some(org) = org {
        let values = [org.into(), since.as_micros().into()];
        let some = Statement::from_sql_and_values(reader.get_database_backend(), SINCE, values);
        if reader.query_one_raw(some).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(reads_old && log_old::has_events_since(reader, org_id, since).await?)
}

/// The index that a query goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// What the org has, in order.
    Org,
    /// By the number of a hook.
    Hook(i64),
    /// By the id of an actor.
    Actor(String),
    /// By a result that is not the ordinary one.
    Result(i16),
}

/// A condition that no index has.
struct Residue {
    column: &'static str,
    values: Vec<Value>,
}

/// Events in the form of today: one more than a page has at most, and where the scan ended when it was cut off.
async fn entries(
    reader: &impl ConnectionTrait,
    query: &LogQuery,
    org: i64,
    first: Option<i64>,
) -> Result<(Vec<Placed>, Option<LogCursor>), StoreError> {
    let Some((ways, residue)) = plan(reader, query, org).await? else { return Ok((Vec::new(), None)) };
    let mut placed = Vec::new();
    for way in ways {
        let end = walk(reader, (query, org, first), &way, &residue, &mut placed).await?;
        if end.is_some() || placed.len() as u64 > query.limit {
            return Ok((placed, end));
        }
    }
    Ok((placed, None))
}

/// Adds the events that one index finds to `placed`. Returns the place where the scan ended, if it was cut off before the page
/// was full.
async fn walk(
    reader: &impl ConnectionTrait,
    (query, org, first): (&LogQuery, i64, Option<i64>),
    way: &Way,
    residue: &[Residue],
    placed: &mut Vec<Placed>,
) -> Result<Option<LogCursor>, StoreError> {
    let (backend, wanted) = (reader.get_database_backend(), query.limit.saturating_add(1));
    let left = |placed: &[Placed]| wanted.saturating_sub(placed.len() as u64);
    if residue.is_empty() {
        let rows = Selection::new(backend, query, org, first, way).rows(left(placed));
        placed.extend(read(reader, query, rows).await?);
        return Ok(None);
    }
    let mut rest = query.clone();
    for rows in SCANNED {
        let mut select = Selection::new(backend, &rest, org, first, way);
        let end = select.end(reader, query, rows).await?;
        if let Some(end) = end {
            select.until(query, end);
        }
        select.restrict(residue);
        placed.extend(read(reader, query, select.rows(left(placed))).await?);
        if end.is_none() || left(placed) == 0 {
            return Ok(None);
        }
        rest.after = end;
    }
    Ok(rest.after)
}

/// By which indexes, one after the other, and what is to be looked at in each row. `None` when nothing can match.
async fn plan(
    reader: &impl ConnectionTrait,
    query: &LogQuery,
    org: i64,
) -> Result<Option<(Vec<Way>, Vec<Residue>)>, DbErr> {
    let LogFilter { event_type, result, actor_id, hook_id, client_id, transaction_id, failure_code } = &query.filter;
    let mut residue = Vec::new();
    let mut ways = Vec::new();
    let numbers = |column: &'static str, numbers: Vec<(i64, i64)>| Residue {
        column,
        values: numbers.into_iter().map(|(_, number)| number.into()).collect(),
    };
    if let Some(id) = hook_id {
        let hooks = numbers_of(reader, org, &json(id)).await?;
        if query.polling {
            residue.push(numbers("hook", hooks));
        } else {
            // A number each epoch, and epochs follow one another.
            ways.extend(hooks.into_iter().map(|(_, number)| Way::Hook(number)));
            if query.descending {
                ways.reverse();
            }
            if ways.is_empty() {
                return Ok(None);
            }
        }
    }
    if let Some(id) = actor_id {
        if query.polling || !ways.is_empty() {
            residue.push(Residue { column: "actor", values: vec![id.as_str().into()] });
        } else {
            ways.push(Way::Actor(id.clone()));
        }
    }
    if let Some(result) = result {
        let number = number_of(*result);
        if query.polling || !ways.is_empty() || *result == LogResult::Success {
            residue.push(Residue { column: "result", values: vec![number.into()] });
        } else {
            ways.push(Way::Result(number));
        }
    }
    if let Some(event_type) = event_type {
        residue.push(numbers("kind", numbers_of_prefix(reader, org, &format!("[{},", json(event_type))).await?));
    }
    if let Some(id) = client_id {
        residue.push(numbers("client", numbers_of(reader, org, &json(id)).await?));
    }
    if let Some(code) = failure_code {
        residue.push(numbers("failure", numbers_of(reader, org, &json(code)).await?));
    }
    if let Some(id) = transaction_id {
        residue.push(Residue { column: "request", values: vec![transaction_column(id).into()] });
    }
    if residue.iter().any(|residue| residue.values.is_empty()) {
        return Ok(None);
    }
    if ways.is_empty() {
        ways.push(Way::Org);
    }
    Ok(Some((ways, residue)))
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A statement that is being built.
struct Selection {
    backend: DbBackend,
    conditions: Vec<String>,
    values: Vec<Value>,
    order: &'static str,
    table: String,
}

impl Selection {
    /// The rows of a query in its order, by an index that has them so: no page reads what other pages have. `first` is a
    /// sequence number that no row of the query is before.
    fn new(backend: DbBackend, query: &LogQuery, org: i64, first: Option<i64>, way: &Way) -> Self {
        let order = match (query.polling, query.descending) {
            (true, _) => "sequence",
            (false, false) => "published_us, sequence",
            (false, true) => "published_us DESC, sequence DESC",
        };
        let index = match way {
            Way::Org if query.polling => "sequence",
            Way::Org => "published",
            Way::Hook(_) => "hook",
            Way::Actor(_) => "actor",
            Way::Result(_) => "result",
        };
        // SQLite has no statistics, and guesses wrong without them.
        let table = match backend {
            DbBackend::Sqlite => format!("log_entries INDEXED BY log_entries_{index}"),
            _ => "log_entries".to_owned(),
        };
        let mut select = Self { backend, conditions: Vec::new(), values: Vec::new(), order, table };
        let org = select.parameter(org);
        select.conditions.push(match (backend, way) {
            // No index contains the expression `org + 0`, so the planner cannot choose an index that begins with the org: only
            // that of the hook or the actor is left.
            (DbBackend::Postgres, Way::Hook(_) | Way::Actor(_)) => format!("org + 0 = {org}"),
            _ => format!("org = {org}"),
        });
        match way {
            Way::Org => {}
            Way::Hook(number) => select.also("hook = ", *number),
            Way::Actor(id) => {
                let id = select.parameter(id.as_str());
                select.conditions.push(format!("actor = {id}"));
                if backend == DbBackend::Postgres {
                    // The index contains a hash of the actor and the org instead of both columns.
                    select.conditions.push(format!("hashtextextended(actor, org) = hashtextextended({id}, {org})"));
                }
            }
            Way::Result(number) => {
                select.also("result = ", *number);
                // So that the index of these applies.
                select.conditions.push("result <> 0".to_owned());
            }
        }
        if let Some(since) = query.since {
            select.also("published_us >= ", since.as_micros());
        }
        if let Some(until) = query.until {
            select.also("published_us < ", until.as_micros());
        }
        if let Some(first) = first {
            select.also("sequence >= ", first);
        }
        match query.after {
            Some(LogCursor { sequence, .. }) if query.polling => select.also("sequence > ", sequence),
            Some(after) if query.descending => select.beyond(after, ["<", "<="]),
            Some(after) => select.beyond(after, [">", ">="]),
            None => {}
        }
        select
    }

    fn parameter(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn also(&mut self, condition: &str, value: impl Into<Value>) {
        let condition = format!("{condition}{}", self.parameter(value));
        self.conditions.push(condition);
    }

    /// Keeps the rows on one side of a place in the order of publication. The second condition follows from the first, but
    /// PostgreSQL can skip partitions only by the second.
    ///
    /// Texts and blobs are greater than every number on SQLite: behind the last place there are none, or a page of damaged
    /// rows would be followed by itself.
    fn beyond(&mut self, place: LogCursor, [side, bound]: [&str; 2]) {
        if side == ">" && place.published_micros == LAST_US {
            self.also("published_us <= ", LAST_US);
        }
        let moment = self.parameter(place.published_micros);
        let number = self.parameter(place.sequence);
        self.conditions.push(format!("(published_us, sequence) {side} ({moment}, {number})"));
        self.conditions.push(format!("published_us {bound} {moment}"));
    }

    /// The place of the last one of so many rows, when there are as many.
    async fn end(
        &self,
        reader: &impl ConnectionTrait,
        query: &LogQuery,
        rows: u64,
    ) -> Result<Option<LogCursor>, DbErr> {
        let sql = format!(
            "SELECT published_us, sequence FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {}",
            self.table,
            self.conditions.join(" AND "),
            self.order,
            rows - 1
        );
        let row = reader.query_one_raw(Statement::from_sql_and_values(self.backend, sql, self.values.clone())).await?;
        row.map(|row| Ok(place_of(&row, [1, 0], query)?.0)).transpose()
    }

    /// Not beyond this place.
    fn until(&mut self, query: &LogQuery, end: LogCursor) {
        if query.polling {
            self.also("sequence <= ", end.sequence);
        } else if query.descending {
            self.beyond(end, [">=", ">="]);
        } else {
            self.beyond(end, ["<=", "<="]);
        }
    }

    fn restrict(&mut self, residue: &[Residue]) {
        for Residue { column, values } in residue {
            let parameters: Vec<_> = values.iter().map(|value| self.parameter(value.clone())).collect();
            self.conditions.push(format!("{column} IN ({})", parameters.join(", ")));
        }
    }

    fn rows(self, limit: u64) -> Statement {
        let sql = format!(
            "SELECT sequence, published_us, kind, result, actor, hook, client, failure, request, id, rest FROM {} WHERE {} \
             ORDER BY {} LIMIT {limit}",
            self.table,
            self.conditions.join(" AND "),
            self.order,
        );
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }
}

/// A row as the database has it.
struct Stored {
    place: LogCursor,
    kind: i64,
    result: i16,
    actor: String,
    hook: Option<i64>,
    client: Option<i64>,
    failure: Option<i64>,
    request: Vec<u8>,
    id: Vec<u8>,
    rest: Vec<serde_json::Value>,
}

/// The place of a row, whose sequence number and time are in these columns, and whether its time can be read. An embedded
/// database stores values of any type: the place of a damaged row is where the database has it, so that it can be passed by.
fn place_of(
    row: &QueryResult,
    [sequence, published]: [usize; 2],
    query: &LogQuery,
) -> Result<(LogCursor, Result<(), StoreError>), DbErr> {
    let sequence = row.try_get_by_index(sequence)?;
    let error = match row.try_get_by_index(published) {
        Ok(published_micros) => return Ok((LogCursor { published_micros, sequence }, Ok(()))),
        Err(error) => error,
    };
    // The whole number that is next in the order of the page.
    let next = |number: f64| if query.descending { number.floor() } else { number.ceil() };
    let number = row.try_get_by_index(published).ok().and_then(|number| format!("{:.0}", next(number)).parse().ok());
    let place = LogCursor { published_micros: number.unwrap_or(LAST_US), sequence };
    Ok((place, Err(error.into())))
}

async fn read(reader: &impl ConnectionTrait, query: &LogQuery, rows: Statement) -> Result<Vec<Placed>, StoreError> {
    let mut stored = Vec::new();
    for row in reader.query_all_raw(rows).await? {
        // Without its place a row could not be passed by.
        let (place, published) = place_of(&row, [0, 1], query)?;
        stored.push((place, published.and_then(|()| Stored::of(&row, place))));
    }
    let numbers = stored.iter().filter_map(|(_, row)| row.as_ref().ok()).flat_map(|row| {
        [Some(row.kind), row.hook, row.client, row.failure].into_iter().flatten().chain(numbers_in(&row.rest))
    });
    let texts = texts_of(reader, numbers.collect::<BTreeSet<_>>()).await?;
    let event = |row: Stored| row.event(&query.org_id, &texts);
    Ok(stored.into_iter().map(|(place, row)| (place, row.and_then(event))).collect())
}

impl Stored {
    fn of(row: &QueryResult, place: LogCursor) -> Result<Self, StoreError> {
        let rest: String = row.try_get_by_index(10)?;
        Ok(Self {
            place,
            kind: row.try_get_by_index(2)?,
            result: row.try_get_by_index(3)?,
            actor: row.try_get_by_index(4)?,
            hook: row.try_get_by_index(5)?,
            client: row.try_get_by_index(6)?,
            failure: row.try_get_by_index(7)?,
            request: row.try_get_by_index(8)?,
            id: row.try_get_by_index(9)?,
            rest: serde_json::from_str(&rest).map_err(|_| unreadable("it is not JSON"))?,
        })
    }

    fn event(self, org_id: &OrgId, texts: &HashMap<i64, String>) -> Result<LogEvent<'static>, StoreError> {
        let text = |number: i64| texts.get(&number).map(String::as_str);
        let named = |number: Option<i64>| {
            number.map(|number| text(number).ok_or_else(|| unreadable("a text of it is not there"))).transpose()
        };
        let event = Row {
            org_id: org_id.clone(),
            published: Timestamp::from_micros(self.place.published_micros),
            result: self.result,
            actor: &self.actor,
            id: &self.id,
            transaction: &self.request,
            kind: named(Some(self.kind))?.unwrap_or_default(),
            hook: named(self.hook)?,
            client: named(self.client)?,
            failure: named(self.failure)?,
            rest: self.rest,
            name: text,
        };
        event.event()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{Keyring, StoreConfig, plans};

    /// Events of two orgs in turn, one a second.
    const EVENTS: i64 = 200_000;
    /// The number of the hook that each hundredth event is of, and the actor of as many.
    const HOOK: i64 = 77;
    const ACTOR: &str = "00uactor";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_770_800_000_000_000).plus_seconds(seconds)
    }

    async fn filled(config: &StoreConfig) -> Store {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(config, keyring).await.unwrap();
        let writer = &store.connections.writer;
        if writer.get_database_backend() == DbBackend::Postgres {
            for day in crate::log_days::day(at(0))..=crate::log_days::day(at(EVENTS)) {
                crate::log_days::make(writer, day).await.unwrap();
            }
        }
        let bytes = if writer.get_database_backend() == DbBackend::Postgres { "'x'::bytea" } else { "x'00'" };
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
                "INSERT INTO log_entries (org, published_us, kind, result, actor, hook, request, id, rest) \
                 SELECT 2 - n % 2, {} + CAST(n AS BIGINT) * 1000000, 5, CASE n % 100 WHEN 2 THEN 1 ELSE 0 END, \
                 CASE n % 100 WHEN 4 THEN '{ACTOR}' ELSE '00u' END, CASE n % 100 WHEN 6 THEN {HOOK} ELSE 78 END, \
                 {bytes}, {bytes}, '{}' FROM ({numbers}) AS numbers",
                at(0).as_micros(),
                "x".repeat(300)
            );
            writer.execute_unprepared(&insertion).await.unwrap();
        }
        let stretch = crate::log_marks::STRETCH_US;
        let marked = format!(
            "INSERT INTO log_marks SELECT published_us - published_us % {stretch}, MIN(sequence) FROM log_entries GROUP BY 1"
        );
        writer.execute_unprepared(&marked).await.unwrap();
        store
    }

    /// How the database runs a query.
    async fn explained(store: &Store, selection: Selection, limit: u64) -> String {
        let transaction = store.connections.reader.begin_ordered().await.unwrap();
        let plan = plans::explained(&transaction, selection.rows(limit)).await;
        transaction.commit().await.unwrap();
        plan
    }

    async fn every_page_is_served_by_an_index(config: &StoreConfig) {
        let store = filled(config).await;
        each_page_is_served_by_an_index(&store).await;
        let writer = &store.connections.writer;
        if writer.get_database_backend() == DbBackend::Postgres {
            // Before that the server had guessed how many rows there are.
            writer.execute_unprepared("ANALYZE log_entries").await.unwrap();
            each_page_is_served_by_an_index(&store).await;
        }
    }

    async fn each_page_is_served_by_an_index(store: &Store) {
        let backend = store.connections.reader.get_database_backend();
        let middle = EVENTS / 2;
        let query = |since, until, after, descending| LogQuery {
            org_id: OrgId::from_parts(1, [2; 8]),
            since,
            until,
            after,
            descending,
            polling: until.is_none() && !descending,
            filter: LogFilter::default(),
            limit: 101,
        };
        let cursor = Some(LogCursor { published_micros: at(middle).as_micros(), sequence: middle });
        let (since, until) = (Some(at(middle)), Some(at(EVENTS)));
        let first = first_since(&store.connections.reader, at(middle)).await.unwrap();
        assert!(first.is_some_and(|first| (middle - 600..=middle).contains(&first)), "{first:?}");
        let actor = || Way::Actor(ACTOR.to_owned());
        for (query, first, way, index) in [
            (query(since, None, None, false), first, Way::Org, "sequence"),
            (query(since, None, cursor, false), None, Way::Org, "sequence"),
            (query(None, None, cursor, false), None, Way::Org, "sequence"),
            (query(since, until, None, false), None, Way::Org, "published"),
            (query(Some(at(0)), until, cursor, false), None, Way::Org, "published"),
            (query(Some(at(0)), until, None, true), None, Way::Org, "published"),
            (query(Some(at(0)), until, cursor, true), None, Way::Org, "published"),
            (query(Some(at(0)), until, cursor, true), None, Way::Hook(HOOK), "hook"),
            (query(Some(at(0)), until, cursor, false), None, Way::Hook(HOOK), "hook"),
            (query(Some(at(0)), until, cursor, true), None, actor(), "actor"),
            (query(since, until, None, false), None, actor(), "actor"),
            (query(Some(at(0)), until, cursor, true), None, Way::Result(1), "result"),
            (query(since, until, None, false), None, Way::Result(1), "result"),
        ] {
            let plan = explained(store, Selection::new(backend, &query, 2, first, &way), query.limit).await;
            let (whole, columns) = (
                format!("log_entries_{index}"),
                match index {
                    "sequence" => "org_sequence",
                    "published" => "org_published_us_sequence",
                    "hook" => "hook_published_us_sequence",
                    "actor" => "hashtextextended_published_us_sequence",
                    _ => "org_result_published_us_sequence",
                },
            );
            // The index of a partition is named after its columns.
            assert!(plan.contains(&whole) || plan.contains(columns), "{query:?}\n{plan}");
            assert!(!plan.contains("Sort Method") && !plan.contains("TEMP B-TREE"), "{query:?}\n{plan}");
            let in_vain = plan.split("Rows Removed by Filter: ").nth(1).and_then(|rest| rest.lines().next());
            assert!(in_vain.is_none_or(|rows| rows.trim().parse::<u32>().unwrap() <= 700), "{query:?}\n{plan}");
            // Both ends of what is read are the index's.
            let begins = [
                "sequence>",
                "sequence >",
                "rowid>",
                "published_us>",
                "published_us >",
                "published_us <",
                "published_us<",
            ];
            assert!(begins.iter().any(|begin| plan.contains(begin)), "{query:?}\n{plan}");
        }
        let found = Selection::new(backend, &query(since, None, None, false), 2, first, &Way::Org).rows(1);
        let found = store.connections.reader.query_one_raw(found).await.unwrap().unwrap();
        assert_eq!(found.try_get::<i64>("", "published_us"), Ok(at(middle).as_micros()));
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
        let url = tenterhook_testkit::postgres::new_database().await.unwrap();
        let config = StoreConfig::Postgres { url: tenterhook_contract::Secret::new(url), max_connections: 4 };
        every_page_is_served_by_an_index(&config).await;
    }
}

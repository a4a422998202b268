//! The System Log: events are taken without waiting, written in batches, and read in pages.

use std::{
    fmt,
    fmt::Write as _,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement, Value,
};
use tenterhook_contract::{Timestamp, id::OrgId, system_log::LogEvent};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::{
    Store, StoreError,
    database::LogTarget,
    entity::log_event,
    model::{LogCursor, LogPage, LogQuery},
    store::from_text,
};

/// Events that may wait to be written; more are lost and counted.
const WAITING_MAX: usize = 65_536;
/// From so many waiting events on, those who can wait are asked to.
const WAITING_MANY: usize = WAITING_MAX / 2;
/// How often somebody who waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Events that are taken together.
const BATCH_MAX: usize = 500;
/// Events of one statement: few, so that flows on the same core get their turn in between, and the same number again and
/// again, so that it is prepared once.
const ROWS_MAX: usize = 32;
/// Room for the text of an ordinary event.
const DOCUMENT_BYTES: usize = 1_536;
/// How long the first event of a batch waits for company.
const GATHER: Duration = Duration::from_millis(25);
/// First pause after a failed write; doubled up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Tries of a batch while the log is being closed.
const CLOSING_TRIES: u32 = 3;
/// Events that a slow subscriber may lag behind.
const SUBSCRIBER_LAG_MAX: usize = 1_024;

type Followers = broadcast::Sender<Arc<LogEvent<'static>>>;

/// Takes events of the System Log. Cheap to clone; never blocks.
///
/// What was appended in the last few dozen milliseconds is lost when the process is killed; configuration never is.
#[derive(Clone)]
pub struct LogWriter {
    events: mpsc::Sender<Message>,
    hurry: Arc<Notify>,
    followers: Followers,
    lost: Arc<AtomicU64>,
}

/// What an event is made of. It is asked for the event where that is written: what it costs to make one is not the time
/// of who appends it.
pub trait LogSource: Send + 'static {
    /// The event; it may turn out that there is none.
    fn event(&self) -> Option<LogEvent<'_>>;
}

enum Message {
    Event(Row),
    Later(Box<dyn LogSource>),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

impl LogWriter {
    pub(crate) fn start(target: LogTarget) -> Result<Self, StoreError> {
        let (events, waiting) = mpsc::channel(WAITING_MAX);
        let (followers, _) = broadcast::channel(SUBSCRIBER_LAG_MAX);
        let hurry = Arc::new(Notify::new());
        let inbox = Inbox { waiting, hurry: Arc::clone(&hurry), followers: followers.clone() };
        match target {
            shared @ LogTarget::Shared(_) => drop(tokio::spawn(write_to(shared, inbox))),
            file @ LogTarget::File(_) => {
                // A thread of its own: writing the log must not delay the flows that it tells of.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                let runtime = runtime.map_err(|error| StoreError::Database(error.to_string()))?;
                std::thread::Builder::new()
                    .name("system-log".to_owned())
                    .spawn(move || {
                        yield_to_flows();
                        runtime.block_on(write_to(file, inbox));
                    })
                    .map_err(|error| StoreError::Database(error.to_string()))?;
            }
        }
        Ok(Self { events, hurry, followers, lost: Arc::default() })
    }

    /// Takes an event. When too many wait, because the database is slow or down, it is lost and counted.
    pub fn append(&self, event: &LogEvent<'_>) {
        if let Some(row) = Row::of(event) {
            self.send(Message::Event(row));
        }
    }

    /// Takes an event that is made later, where it is written.
    pub fn append_later(&self, source: impl LogSource) {
        self.send(Message::Later(Box::new(source)));
    }

    fn send(&self, message: Message) {
        if self.events.try_send(message).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            if lost.is_power_of_two() {
                tracing::error!(lost, "system_log.lost: events were dropped because the database does not keep up");
            }
        }
    }

    /// Whether so many events wait already that more should come later.
    pub fn is_crowded(&self) -> bool {
        self.events.max_capacity() - self.events.capacity() > WAITING_MANY
    }

    /// Waits until it is not crowded any more.
    pub async fn room(&self) {
        while self.is_crowded() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until everything appended before can be queried.
    pub async fn flush(&self) {
        self.ask(Message::Flush).await;
    }

    /// Writes what waits and ends. Events appended later are lost.
    pub async fn close(&self) {
        self.ask(Message::Close).await;
    }

    /// Events lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Every event appended from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LogEvent<'static>>> {
        self.followers.subscribe()
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) {
        let (done, wait) = oneshot::channel();
        if self.events.send(message(done)).await.is_ok() {
            self.hurry.notify_one();
            // When the writer ends first, there is nothing left to wait for.
            let _ = wait.await;
        }
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogWriter").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

/// Lowers the priority of this thread, and so of those that it starts.
fn yield_to_flows() {
    const NICE: i32 = 5;
    // Where the system does not let it, the log is written at the ordinary priority.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

/// What the writer is given.
struct Inbox {
    waiting: mpsc::Receiver<Message>,
    /// Somebody waits for what is there to be written.
    hurry: Arc<Notify>,
    followers: Followers,
}

async fn write_to(target: LogTarget, inbox: Inbox) {
    let mut pause = RETRY_MIN;
    loop {
        match target.clone().connect().await {
            Ok(connection) => return write_all(connection, inbox).await,
            Err(error) => tracing::error!(%error, "system_log.connect failed; it is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn write_all(connection: DatabaseConnection, mut inbox: Inbox) {
    let mut rows = Vec::with_capacity(ROWS_MAX);
    while let Some(batch) = inbox.batch().await {
        let mut answers = Vec::new();
        let closing = batch.iter().any(|message| matches!(message, Message::Close(_)));
        for message in batch {
            let row = match message {
                Message::Event(row) => Some(row),
                Message::Later(source) => source.event().as_ref().and_then(Row::of),
                Message::Flush(done) | Message::Close(done) => {
                    answers.push(done);
                    None
                }
            };
            if let Some(row) = row {
                row.show(&inbox.followers);
                rows.push(row);
            }
            if rows.len() == ROWS_MAX {
                write_until_done(&connection, &mut rows, closing).await;
            }
        }
        write_until_done(&connection, &mut rows, closing).await;
        for done in answers {
            let _ = done.send(());
        }
        if closing {
            return;
        }
    }
}

impl Inbox {
    /// The next messages, as soon as there are many, or the first of them has waited for company. `None` when nobody can
    /// send any more.
    async fn batch(&mut self) -> Option<Vec<Message>> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        batch.push(self.waiting.recv().await?);
        if batch.iter().all(Message::is_event) && self.waiting.len() < BATCH_MAX {
            // Nothing is received meanwhile: a wake-up for each event would cost more than to write it.
            tokio::select! {
                biased;
                () = self.hurry.notified() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
        }
        while batch.len() < BATCH_MAX
            && let Ok(message) = self.waiting.try_recv()
        {
            batch.push(message);
        }
        Some(batch)
    }
}

/// An event as the table has it.
struct Row {
    org_id: OrgId,
    published: Timestamp,
    document: String,
}

impl Row {
    fn of(event: &LogEvent<'_>) -> Option<Self> {
        let mut document = Vec::with_capacity(DOCUMENT_BYTES);
        let written = serde_json::to_writer(&mut document, event).map_err(|error| error.to_string());
        match written.and_then(|()| String::from_utf8(document).map_err(|error| error.to_string())) {
            Ok(document) => Some(Self { org_id: event.org_id.clone(), published: event.published, document }),
            Err(error) => {
                tracing::error!(%error, "system_log.lost: an event has no text");
                None
            }
        }
    }

    /// Shows the event to those who follow the log.
    fn show(&self, followers: &Followers) {
        if followers.receiver_count() == 0 {
            return;
        }
        if let Ok(event) = from_text::<LogEvent<'static>>("log event", &self.document) {
            // Followers may come and go; one that has just gone is no error.
            let _ = followers.send(Arc::new(event));
        }
    }
}

/// Writes the rows, and leaves none.
async fn write_until_done(connection: &DatabaseConnection, rows: &mut Vec<Row>, closing: bool) {
    let mut pause = RETRY_MIN;
    let mut tries = 0;
    while !rows.is_empty() {
        match connection.execute_raw(insertion(connection.get_database_backend(), rows)).await {
            Ok(_) => rows.clear(),
            Err(error) => {
                tries += 1;
                let error = StoreError::from(error);
                tracing::warn!(%error, events = rows.len(), "system_log.write failed; it is tried again");
                if closing && tries >= CLOSING_TRIES {
                    tracing::error!(events = rows.len(), "system_log.lost: the database is down at shutdown");
                    return rows.clear();
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// The statement that inserts the rows. Its text depends on their number only, so that it is prepared once; built by
/// hand because building it for each batch cost as much as everything else about it.
fn insertion(backend: DbBackend, rows: &[Row]) -> Statement {
    let mut sql = String::with_capacity(64 + rows.len() * 20);
    sql.push_str("INSERT INTO log_events (org_id, published_us, document) VALUES ");
    let mut values: Vec<Value> = Vec::with_capacity(rows.len() * 3);
    for row in rows {
        let first = values.len() + 1;
        let separator = if values.is_empty() { "" } else { ", " };
        // Writing to a text does not fail. Numbered parameters are looked up one by one in SQLite.
        let _ = match backend {
            DbBackend::Postgres => write!(sql, "{separator}(${first}, ${}, ${})", first + 1, first + 2),
            _ => write!(sql, "{separator}(?, ?, ?)"),
        };
        values.extend([row.org_id.as_str().into(), row.published.as_micros().into(), row.document.as_str().into()]);
    }
    Statement::from_sql_and_values(backend, sql, values)
}

impl Message {
    fn is_event(&self) -> bool {
        matches!(self, Self::Event(_) | Self::Later(_))
    }
}

impl Store {
    /// How many events the org has. Reads them all: for checks, not for pages.
    pub async fn count_log_events(&self, org: &OrgId) -> Result<u64, StoreError> {
        let of_org = log_event::Entity::find().filter(log_event::Column::OrgId.eq(org.as_str()));
        Ok(of_org.count(&self.connections.reader).await?)
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

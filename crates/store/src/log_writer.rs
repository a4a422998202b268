//! The System Log as it is written: events are taken without waiting, and written many together.
//!
//! An event becomes text where it is appended, while everything it tells of is at hand, and the text is appended to one
//! segment in memory; nothing of it is allocated by one thread and freed by another. The writer takes the segment whole
//! and leaves an empty one.

use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend};
use tenterhook_contract::id::OrgId;
use tenterhook_model::LogEvent;
use tokio::{
    sync::{Notify, broadcast, oneshot},
    time::Instant,
};

use crate::{
    StoreError,
    database::LogTarget,
    log_batch::{Event, Known, ROWS_MAX, write},
    log_marks::unmarked,
    log_pieces::{Head, PIECES_BYTES, pieces},
    log_row,
    pool::Pool,
};

/// Events that may wait to be written; more are lost and counted.
const WAITING_MAX: usize = 65_536;
/// Bytes of their text that are not in the writer's hands yet; more are lost and counted too.
const SEGMENT_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// From so many waiting events on, or half of the bytes, those who can wait are asked to.
const WAITING_MANY: usize = WAITING_MAX / 2;
/// So many events need not wait for company.
const COMPANY: usize = 500;
/// How long the first event of a segment waits for company.
const GATHER: Duration = Duration::from_millis(25);
/// Bytes of an empty segment that are kept for the next one; what a burst needed beyond that is given back.
const SEGMENT_BYTES_KEPT: usize = 4 * 1_024 * 1_024;
/// First pause after a failed write; doubled up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Events that one node writes to PostgreSQL before another has its turn.
const TURN_ROWS: usize = 1_024;
/// How long a log that is closed goes on writing; what is left then is lost.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(10);
/// Events that a slow subscriber may lag behind.
const SUBSCRIBER_LAG_MAX: usize = 1_024;

/// Takes events of the System Log. Cheap to clone; never blocks.
///
/// What was appended in the last few dozen milliseconds is lost when the process is killed; configuration never is.
#[derive(Clone)]
pub struct LogWriter(Arc<Shared>);

/// What those who append and the writer share.
struct Shared {
    segment: Mutex<Segment>,
    /// Some of it was written or taken.
    freed: Notify,
    /// There is something to write, or somebody waits for it to be written.
    wake: Notify,
    /// The database takes changes: the writer need not wait any longer before its next try.
    again: Notify,
    /// Events that are not written yet, those in the writer's hands included.
    waiting: AtomicUsize,
    /// Bytes of the segment, to be known without its lock.
    bytes: AtomicUsize,
    lost: AtomicU64,
    /// The stretch that was marked last.
    marked: AtomicI64,
    pace: Mutex<Pace>,
    /// The log was closed, and could not be written within its time.
    given_up: AtomicBool,
    followers: broadcast::Sender<Arc<LogEvent<'static>>>,
}

/// Events in the order in which they came, and the callers that wait until they are written.
#[derive(Default)]
struct Segment {
    text: String,
    entries: Vec<Entry>,
    /// When the first of them came.
    since: Option<Instant>,
    /// How many of them are whose.
    of_orgs: HashMap<OrgId, usize>,
    asked: Vec<oneshot::Sender<()>>,
    closing: bool,
}

/// How the writer gets on.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// When the first of the events in the writer's hands came.
    in_hand: Option<Instant>,
    /// When it wrote some the last time.
    wrote: Option<Instant>,
}

/// An event whose pieces end at `end` of the segment's text, and begin where those before end.
struct Entry {
    head: Head,
    end: usize,
}

impl LogWriter {
    pub(crate) fn start(target: &LogTarget) -> Result<Self, StoreError> {
        let (followers, _) = broadcast::channel(SUBSCRIBER_LAG_MAX);
        let shared = Arc::new(Shared::new(followers));
        let writer = write_to(target.clone(), Arc::clone(&shared));
        match target {
            LogTarget::Shared(_) => drop(tokio::spawn(writer)),
            LogTarget::File(_) => {
                // A thread of its own: writing the log must not delay the flows that it tells of.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                let runtime = runtime.map_err(|error| StoreError::Database(error.to_string()))?;
                std::thread::Builder::new()
                    .name("system-log".to_owned())
                    .spawn(move || {
                        yield_to_flows();
                        runtime.block_on(writer);
                    })
                    .map_err(|error| StoreError::Database(error.to_string()))?;
            }
        }
        Ok(Self(shared))
    }

    /// Takes an event. When too many wait, because the database is slow or down, it is lost and counted.
    pub fn append(&self, event: &LogEvent<'_>) {
        let taken = match pieces(event) {
            Ok((head, pieces)) => self.0.append(head, &pieces),
            Err(error) => return tracing::error!(%error, "system_log.lost: an event cannot be written as text"),
        };
        if !taken {
            let lost = self.0.lost.fetch_add(1, Ordering::Relaxed) + 1;
            if lost.is_power_of_two() {
                tracing::error!(lost, "system_log.lost: events were dropped because the database does not keep up");
            }
        }
    }

    /// Whether so many events wait already, and `org` has its share of them, that more of it should come later. An org
    /// that has less than the others does not wait for them.
    pub fn is_crowded_by(&self, org: &OrgId) -> bool {
        self.0.is_crowded() && self.0.segment().has_its_share(org)
    }

    /// Waits until it is not crowded by `org` any more.
    pub async fn room(&self, org: &OrgId) {
        loop {
            let mut freed = pin!(self.0.freed.notified());
            // From here on no freeing is missed.
            freed.as_mut().enable();
            if !self.is_crowded_by(org) {
                return;
            }
            freed.await;
        }
    }

    /// Waits until everything appended before can be queried.
    pub async fn flush(&self) {
        self.ask(false).await;
    }

    /// Writes what waits and ends, after ten seconds at the latest: a database that is down holds nobody back. What is
    /// not written by then, and events appended later, are lost.
    pub async fn close(&self) {
        if tokio::time::timeout(CLOSING_TIME_MAX, self.ask(true)).await.is_err() {
            self.0.given_up.store(true, Ordering::Relaxed);
            let lost = self.0.waiting.load(Ordering::Relaxed);
            self.0.lost.fetch_add(lost as u64, Ordering::Relaxed);
            tracing::error!(lost, "system_log.lost: the database does not take what is left at shutdown");
        }
    }

    /// Events lost so far.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Age of the oldest event that is not written yet; zero when there is none.
    pub fn oldest_unwritten(&self) -> Duration {
        self.0.oldest_unwritten().map(|since| since.elapsed()).unwrap_or_default()
    }

    /// The database has just taken a change: a writer that waits before its next try makes it now.
    pub fn try_again(&self) {
        self.0.again.notify_waiters();
    }

    /// Whether events have been waiting for no longer than `silence_max` while none was written. A writer that is late has
    /// `patience` to write some.
    pub(crate) async fn moves(&self, silence_max: Duration, patience: Duration) -> bool {
        let moves = async {
            loop {
                let mut freed = pin!(self.0.freed.notified());
                // From here on no writing is missed.
                freed.as_mut().enable();
                if self.silence() <= silence_max {
                    return;
                }
                freed.await;
            }
        };
        tokio::time::timeout(patience, moves).await.is_ok()
    }

    /// How long events have been waiting while none was written.
    fn silence(&self) -> Duration {
        let wrote = self.0.pace().wrote.map_or(Duration::MAX, |wrote| wrote.elapsed());
        self.oldest_unwritten().min(wrote)
    }

    /// Every event appended from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LogEvent<'static>>> {
        self.0.followers.subscribe()
    }

    async fn ask(&self, closing: bool) {
        let written = {
            let mut segment = self.0.segment();
            if segment.closing {
                return;
            }
            segment.closing = closing;
            let (done, written) = oneshot::channel();
            segment.asked.push(done);
            written
        };
        self.0.wake.notify_one();
        // When the writer ends first, there is nothing left to wait for.
        let _ = written.await;
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogWriter").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(followers: broadcast::Sender<Arc<LogEvent<'static>>>) -> Self {
        Self {
            segment: Mutex::default(),
            freed: Notify::new(),
            wake: Notify::new(),
            again: Notify::new(),
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            marked: AtomicI64::new(i64::MIN),
            pace: Mutex::default(),
            given_up: AtomicBool::new(false),
            followers,
        }
    }

    fn segment(&self) -> MutexGuard<'_, Segment> {
        // Nothing that runs under the lock can leave it half changed.
        self.segment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the oldest event came that is not written yet.
    fn oldest_unwritten(&self) -> Option<Instant> {
        let segment = self.segment();
        self.pace().in_hand.or(segment.since)
    }

    /// Appends an event, unless the log is closed or too many wait.
    fn append(&self, head: Head, pieces: &str) -> bool {
        let first = {
            let mut segment = self.segment();
            let full = segment.text.len() + pieces.len() > SEGMENT_BYTES_MAX
                || self.waiting.load(Ordering::Relaxed) >= WAITING_MAX;
            if full || segment.closing {
                return false;
            }
            self.waiting.fetch_add(1, Ordering::Relaxed);
            segment.text.push_str(pieces);
            let end = segment.text.len();
            self.bytes.store(end, Ordering::Relaxed);
            match segment.of_orgs.get_mut(&head.org_id) {
                Some(count) => *count += 1,
                None => drop(segment.of_orgs.insert(head.org_id.clone(), 1)),
            }
            segment.since.get_or_insert_with(Instant::now);
            segment.entries.push(Entry { head, end });
            segment.entries.len() == 1
        };
        if first {
            self.wake.notify_one();
        }
        true
    }

    /// Exchanges `taken`, which is empty, for what has come: at once when that is much or somebody asks for it, else
    /// when it has waited for company.
    async fn take(&self, taken: &mut Segment) {
        while self.segment().is_empty() {
            self.wake.notified().await;
        }
        let until = Instant::now() + GATHER;
        while !self.segment().is_due() {
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(until) => break,
            }
        }
        let mut segment = self.segment();
        taken.closing = segment.closing;
        std::mem::swap(&mut *segment, taken);
        self.pace().in_hand = taken.since;
        self.bytes.store(0, Ordering::Relaxed);
        drop(segment);
        self.freed.notify_waiters();
    }

    /// Waits before the next try, until it is known that the database takes changes again.
    async fn pause(&self, pause: Duration) {
        // Either way it is tried again.
        let _ = tokio::time::timeout(pause, self.again.notified()).await;
    }

    fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > WAITING_MANY
            || self.bytes.load(Ordering::Relaxed) > SEGMENT_BYTES_MAX / 2
    }

    /// Shows an event to those who follow the log.
    fn show(&self, event: &Event<'_>) {
        if self.followers.receiver_count() == 0 {
            return;
        }
        if let Ok(event) = log_row::event_of_pieces(event.head, event.pieces) {
            // Followers may come and go; one that has just gone is no error.
            let _ = self.followers.send(Arc::new(event));
        }
    }
}

impl Segment {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.asked.is_empty()
    }

    /// Whether it must not wait for more.
    fn is_due(&self) -> bool {
        self.entries.len() >= COMPANY || !self.asked.is_empty()
    }

    /// Whether `org` has at least as many of the events as the orgs have on average.
    fn has_its_share(&self, org: &OrgId) -> bool {
        let count = self.of_orgs.get(org).copied().unwrap_or_default();
        count > 0 && count.saturating_mul(self.of_orgs.len()) >= self.entries.len()
    }

    /// The events.
    fn rows(&self) -> impl Iterator<Item = Event<'_>> {
        let mut begin = 0;
        self.entries.iter().map(move |entry| {
            let pieces = self.text.get(begin..entry.end).unwrap_or_default();
            begin = entry.end;
            Event { head: &entry.head, pieces, sequence: None }
        })
    }

    /// Empties it for the next events.
    fn clear(&mut self) {
        self.since = None;
        self.of_orgs.clear();
        self.text.clear();
        self.text.shrink_to(SEGMENT_BYTES_KEPT);
        self.entries.clear();
        self.entries.shrink_to(SEGMENT_BYTES_KEPT / PIECES_BYTES);
    }
}

/// Lowers the priority of this thread, and so of those that it starts.
fn yield_to_flows() {
    const NICE: i32 = 10;
    // Where the system does not let it, the log is written at the ordinary priority.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

async fn write_to(target: LogTarget, shared: Arc<Shared>) {
    let mut pause = RETRY_MIN;
    loop {
        match target.clone().connect().await {
            Ok(connection) => return write_all(connection, &shared).await,
            Err(error) => tracing::error!(%error, "system_log.connect failed; it is tried again"),
        }
        if shared.given_up.load(Ordering::Relaxed) {
            return;
        }
        shared.pause(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn write_all(connection: Pool, shared: &Shared) {
    let rows_max = if connection.get_database_backend() == DbBackend::Postgres { TURN_ROWS } else { ROWS_MAX };
    let (mut taken, mut known) = (Segment::default(), Known::default());
    loop {
        shared.take(&mut taken).await;
        let mut rows = taken.rows().inspect(|event| shared.show(event));
        loop {
            let some: Vec<_> = rows.by_ref().take(rows_max).collect();
            if some.is_empty() {
                break;
            }
            if !write_until_done(&connection, &mut known, &some, shared).await {
                return;
            }
            shared.waiting.fetch_sub(some.len(), Ordering::Relaxed);
            shared.pace().wrote = Some(Instant::now());
            shared.freed.notify_waiters();
        }
        drop(rows);
        shared.pace().in_hand = None;
        for done in taken.asked.drain(..) {
            // The caller may have gone.
            let _ = done.send(());
        }
        if taken.closing {
            return;
        }
        taken.clear();
    }
}

/// Writes the rows, as often as it takes; `false` when the log has been given up.
async fn write_until_done(connection: &Pool, known: &mut Known, rows: &[Event<'_>], shared: &Shared) -> bool {
    let (mut pause, mut again) = (RETRY_MIN, false);
    let published = rows.iter().map(|row| row.head.published);
    let marked = match connection.get_database_backend() {
        // A server that took over may have lost a mark that this node has made.
        DbBackend::Postgres => i64::MIN,
        _ => shared.marked.load(Ordering::Relaxed),
    };
    let unmarked = unmarked(published, marked);
    while let Err(error) = write(connection, known, rows, &unmarked, again).await {
        if shared.given_up.load(Ordering::Relaxed) {
            return false;
        }
        let error = StoreError::from(error);
        tracing::warn!(%error, events = rows.len(), "system_log.write failed; it is tried again");
        shared.pause(pause).await;
        (pause, again) = ((pause * 2).min(RETRY_MAX), true);
    }
    if let Some(last) = unmarked.last() {
        shared.marked.store(*last, Ordering::Relaxed);
    }
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_testkit::wait;

    use super::*;
    use crate::{Keyring, Store, StoreConfig};

    fn shared() -> Shared {
        Shared::new(broadcast::channel(1).0)
    }

    fn append(shared: &Shared, document: &str) -> bool {
        shared.append(Head::of(OrgId::from_parts(1, [1; 8])), document)
    }

    fn documents(segment: &Segment) -> Vec<&str> {
        segment.rows().map(|event| event.pieces).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_segment_gives_back_what_came_in_order_and_leaves_none() {
        let (shared, mut taken) = (shared(), Segment::default());
        for document in ["{}", "", "[1]"] {
            assert!(append(&shared, document));
        }
        let began = Instant::now();
        shared.take(&mut taken).await;
        assert_eq!((documents(&taken), began.elapsed()), (vec!["{}", "", "[1]"], GATHER));
        taken.clear();
        assert!(append(&shared, "later"));
        let (done, _written) = oneshot::channel();
        shared.segment().asked.push(done);
        shared.take(&mut taken).await;
        assert_eq!((documents(&taken), began.elapsed()), (vec!["later"], GATHER), "who asks does not wait for company");
    }

    #[tokio::test(start_paused = true)]
    async fn many_events_do_not_wait_for_company() {
        let (shared, mut taken) = (shared(), Segment::default());
        for _ in 0..COMPANY {
            assert!(append(&shared, "{}"));
        }
        let began = Instant::now();
        shared.take(&mut taken).await;
        assert_eq!((taken.entries.len(), began.elapsed()), (COMPANY, Duration::ZERO));
    }

    #[test]
    fn no_more_events_wait_than_may() {
        let shared = shared();
        for _ in 0..WAITING_MAX {
            assert!(append(&shared, ""));
        }
        assert!(!append(&shared, ""));
        // Events in the writer's hands are waiting too, until they are written.
        std::mem::take(&mut *shared.segment());
        assert!(!append(&shared, ""));
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        assert!(append(&shared, "") && !append(&shared, ""));
    }

    #[test]
    fn no_more_bytes_wait_than_may() {
        let shared = shared();
        assert!(append(&shared, &" ".repeat(SEGMENT_BYTES_MAX)));
        assert!(append(&shared, "") && !append(&shared, " "));
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_bytes_are_a_crowd_until_the_writer_takes_them() {
        let log = LogWriter(Arc::new(shared()));
        let org = OrgId::from_parts(1, [1; 8]);
        assert!(append(&log.0, &" ".repeat(SEGMENT_BYTES_MAX / 2)) && !log.is_crowded_by(&org));
        assert!(append(&log.0, " ") && log.is_crowded_by(&org));
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.room(&OrgId::from_parts(1, [1; 8])).await }
        });
        wait::pass(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        log.0.take(&mut Segment::default()).await;
        waiting.await.unwrap();
        assert!(!log.is_crowded_by(&org));
    }

    #[test]
    fn an_org_with_few_events_does_not_wait_for_one_with_many() {
        let log = LogWriter(Arc::new(shared()));
        let [loud, quiet, silent] = [1, 2, 3].map(|number| OrgId::from_parts(1, [number; 8]));
        let append = |org: &OrgId| log.0.append(Head::of(org.clone()), "");
        assert!(append(&quiet));
        for _ in 0..WAITING_MANY {
            assert!(append(&loud));
        }
        assert_eq!([&loud, &quiet, &silent].map(|org| log.is_crowded_by(org)), [true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_of_what_is_not_written_and_the_silence_of_the_writer_are_known() {
        let (log, mut taken) = (LogWriter(Arc::new(shared())), Segment::default());
        let known = || (log.oldest_unwritten().as_secs(), log.silence().as_secs());
        assert_eq!(known(), (0, 0), "nothing waits");
        assert!(append(&log.0, "{}"));
        log.0.take(&mut taken).await;
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(append(&log.0, "{}"));
        assert_eq!(known(), (20, 20), "it is in the writer's hands, but not written");
        log.0.pace().wrote = Some(Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(known(), (22, 2), "the writer is behind, but moves");
        log.0.pace().in_hand = None;
        assert_eq!(known(), (2, 2), "the next one has waited since");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_as_soon_as_the_database_takes_changes() {
        let log = LogWriter(Arc::new(shared()));
        let began = Instant::now();
        log.0.pause(RETRY_MAX).await;
        assert_eq!(began.elapsed(), RETRY_MAX, "nobody knows that it does");
        let later = Duration::from_secs(1);
        tokio::join!(log.0.pause(RETRY_MAX), async {
            wait::pass(later).await;
            log.try_again();
        });
        assert_eq!(began.elapsed(), RETRY_MAX + later);
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_is_late_has_a_moment_to_write() {
        const MAX: Duration = Duration::from_secs(15);
        const PATIENCE: Duration = Duration::from_secs(1);
        let log = LogWriter(Arc::new(shared()));
        assert!(log.moves(MAX, Duration::ZERO).await, "nothing waits");
        assert!(append(&log.0, "{}"));
        tokio::time::advance(MAX).await;
        assert!(log.moves(MAX, PATIENCE).await);
        tokio::time::advance(Duration::from_secs(1)).await;
        let began = Instant::now();
        assert!(!log.moves(MAX, PATIENCE).await);
        assert_eq!(began.elapsed(), PATIENCE);
        let (moves, ()) = tokio::join!(log.moves(MAX, PATIENCE), async {
            wait::pass(PATIENCE / 2).await;
            log.0.pace().wrote = Some(Instant::now());
            log.0.freed.notify_waiters();
        });
        assert!(moves);
    }

    #[tokio::test]
    async fn a_change_that_was_committed_ends_the_pause() {
        const FOREVER: Duration = Duration::from_hours(1);
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        let store = Store::open(&StoreConfig::Ephemeral, keyring).await.unwrap();
        let log = store.log_writer();
        let ended = async { tokio::join!(log.0.pause(FOREVER), store.ready()) };
        let ((), ready) = tokio::time::timeout(Duration::from_mins(1), ended).await.unwrap();
        assert_eq!(ready, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_cannot_be_written_holds_back_nobody_who_closes_it() {
        let log = LogWriter(Arc::new(shared()));
        assert!(append(&log.0, "{}") && append(&log.0, "{}"));
        let began = Instant::now();
        log.close().await;
        assert_eq!((began.elapsed(), log.lost()), (CLOSING_TIME_MAX, 2));
    }

    #[tokio::test]
    async fn a_log_that_is_being_closed_takes_nothing_more() {
        let log = LogWriter(Arc::new(shared()));
        let closing = tokio::spawn({
            let log = log.clone();
            async move { log.close().await }
        });
        let mut taken = Segment::default();
        log.0.take(&mut taken).await;
        assert!(taken.closing && !append(&log.0, "{}"));
        log.flush().await;
        drop(taken);
        closing.await.unwrap();
    }
}

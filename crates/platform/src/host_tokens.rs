//! The tokens of hosts that this node knows, so that an invocation of an extension point costs no query of the database.
//!
//! What is known of a token is used for a second. After half of it the database is asked again in the background, so that a host that
//! asks often never waits for a token. While the database does not answer, or takes long, a token that was valid within the last minute
//! stays valid, and nobody waits: hosts' flows must outlast a failover of the database. Tokens of administrators are never kept.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::id::OrgId;
use tenterhook_model::{ApiToken, TokenRole};
use tenterhook_store::StoreError;
use tokio::{sync::watch, time::Instant};

/// Tokens that are kept; then the one whose last use is longest ago gives way.
const TOKENS_MAX: usize = 2_048;
/// How long what was read of a token is used: a token that another node has revoked is refused after that.
const FRESH: Duration = Duration::from_secs(1);
/// When the database is asked again in the background: half of [`FRESH`] after the token was read or the database did not answer.
const REFRESHED_AFTER: Duration = Duration::from_millis(500);
/// How long after it was last seen to be valid a token stays valid while the database does not answer.
const VALID_UNANSWERED: Duration = Duration::from_mins(1);
/// How long a request with a token that was valid within [`VALID_UNANSWERED`] waits for the database. A lookup that takes longer counts
/// as one without an answer, for which nobody waits the next time.
const KNOWN_WAIT: Duration = Duration::from_millis(250);
/// How long a lookup may take, and a request with any other token waits.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(2);
/// Lookups of tokens that are not known, each of which is shared by all that ask for its token. Past this number each request
/// asks for itself.
const SHARED_LOOKUPS_MAX: usize = 256;

/// The known tokens of hosts, of all orgs.
#[derive(Default)]
pub struct HostTokens {
    state: Mutex<State>,
}

/// The org and the hash of a token.
type Key = (OrgId, String);
/// What a lookup found; `Err` when the database did not answer.
type Answer = Result<Option<Arc<ApiToken>>, String>;

#[derive(Default)]
struct State {
    known: HashMap<Key, Known>,
    lookups: HashMap<Key, Lookup>,
    /// The number of the last lookup.
    lookup: u64,
    /// How many tokens were forgotten.
    forgotten: u64,
    /// Whether tokens are valid only because the database does not answer; logged when that begins and ends.
    is_unanswered: bool,
}

struct Known {
    token: Arc<ApiToken>,
    /// When a lookup began whose result this is.
    valid_at: Instant,
    /// The database is not asked again before [`REFRESHED_AFTER`] after this.
    asked: Instant,
    /// Whether the last lookup was answered within [`KNOWN_WAIT`].
    is_answered: bool,
    used: Instant,
}

impl Known {
    /// Whether the token stays valid when the database does not answer.
    fn outlasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.valid_at) < VALID_UNANSWERED
    }
}

/// A lookup that is under way.
struct Lookup {
    number: u64,
    began: Instant,
    answer: watch::Receiver<Option<Answer>>,
}

/// What a request does to learn about a token.
enum Way {
    Known(Arc<ApiToken>),
    /// Use what is known, and begin a lookup for those who ask later.
    Refresh(Arc<ApiToken>, Begun),
    /// Wait for a lookup that is under way.
    Wait(watch::Receiver<Option<Answer>>, Duration),
    /// Begin a lookup, and wait for it.
    Begin(Begun, watch::Receiver<Option<Answer>>, Duration),
    /// Ask without sharing the answer; so many tokens were forgotten before.
    Alone(u64),
}

/// The number of a lookup that is to begin, and where its answer goes.
struct Begun(u64, watch::Sender<Option<Answer>>);

impl HostTokens {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the token with this hash was valid within the last minute, so that asking for it needs no place in a queue.
    pub fn knows(&self, org: &OrgId, token_sha256: &str) -> bool {
        let key = (org.clone(), token_sha256.to_owned());
        self.lock().known.get(&key).is_some_and(|known| known.outlasts(Instant::now()))
    }

    /// The token of the org with this hash. `ask` asks the database, and is run only if nothing fresh is known and nobody else asks for
    /// the same token. The token may have expired.
    ///
    /// # Errors
    /// When the database does not answer in time and the token was not valid within the last minute.
    pub async fn find<A>(
        self: &Arc<Self>,
        org: &OrgId,
        token_sha256: &str,
        ask: impl FnOnce() -> A,
    ) -> Result<Option<Arc<ApiToken>>, StoreError>
    where
        A: Future<Output = Result<Option<ApiToken>, StoreError>> + Send + 'static,
    {
        let (key, arrived) = ((org.clone(), token_sha256.to_owned()), Instant::now());
        let way = self.lock().way(&key, arrived);
        let (mut answer, wait) = match way {
            Way::Known(token) => return Ok(Some(token)),
            Way::Refresh(token, begun) => {
                self.begin(key, begun, arrived, ask());
                return Ok(Some(token));
            }
            Way::Alone(forgotten) => return self.find_alone(&key, forgotten, arrived, ask()).await,
            Way::Wait(mut answer, wait) => {
                let found = self.answered(&key, &mut answer, wait).await?;
                if !found.as_ref().is_some_and(|token| token.is_administrator()) {
                    return Ok(found);
                }
                // That lookup began before this request arrived. Administrators read what they have just written on another node.
                let forgotten = self.lock().forgotten;
                return self.find_alone(&key, forgotten, arrived, ask()).await;
            }
            Way::Begin(begun, answer, wait) => {
                self.begin(key.clone(), begun, arrived, ask());
                (answer, wait)
            }
        };
        self.answered(&key, &mut answer, wait).await
    }

    /// Begins a lookup in a task, so that it ends and is kept also when its request has gone or waits no longer.
    fn begin(
        self: &Arc<Self>,
        key: Key,
        Begun(number, sender): Begun,
        began: Instant,
        lookup: impl Future<Output = Result<Option<ApiToken>, StoreError>> + Send + 'static,
    ) {
        let (tokens, lookup) = (Arc::clone(self), limited(lookup));
        tokio::spawn(async move {
            let found = lookup.await;
            sender.send_replace(Some(tokens.lock().end(&key, number, began, found)));
        });
    }

    /// The result of a lookup that is not shared.
    async fn find_alone(
        &self,
        key: &Key,
        forgotten: u64,
        began: Instant,
        lookup: impl Future<Output = Result<Option<ApiToken>, StoreError>>,
    ) -> Result<Option<Arc<ApiToken>>, StoreError> {
        let found = limited(lookup).await?;
        let mut state = self.lock();
        // Otherwise it may have been read before it was revoked.
        let is_current = state.forgotten == forgotten;
        Ok(if is_current { state.keep(key, found, began) } else { found.map(Arc::new) })
    }

    /// The answer of a lookup that is under way, or what is known if it takes too long.
    async fn answered(
        &self,
        key: &Key,
        answer: &mut watch::Receiver<Option<Answer>>,
        wait: Duration,
    ) -> Result<Option<Arc<ApiToken>>, StoreError> {
        let answered = tokio::time::timeout(wait, answer.wait_for(Option::is_some)).await;
        match answered.ok().and_then(Result::ok).and_then(|answer| answer.clone()) {
            Some(Ok(found)) => Ok(found),
            Some(Err(why)) => self.lock().without_answer(key, why),
            None => self.lock().without_answer(key, "the lookup of a token takes too long".to_owned()),
        }
    }

    /// Forgets a token that this node has changed or revoked: the next request asks the database. A lookup that is under way is not
    /// kept.
    pub fn forget(&self, org: &OrgId, token_sha256: &str) {
        let key = (org.clone(), token_sha256.to_owned());
        let mut state = self.lock();
        state.known.remove(&key);
        state.lookups.remove(&key);
        state.forgotten = state.forgotten.wrapping_add(1);
    }
}

/// A lookup within its time.
async fn limited(
    lookup: impl Future<Output = Result<Option<ApiToken>, StoreError>>,
) -> Result<Option<ApiToken>, StoreError> {
    let limited = tokio::time::timeout(LOOKUP_TIME_MAX, lookup).await;
    limited.unwrap_or_else(|_| Err(StoreError::Unavailable("the lookup of a token takes too long".to_owned())))
}

impl State {
    fn way(&mut self, key: &Key, now: Instant) -> Way {
        let mut wait = LOOKUP_TIME_MAX;
        let mut at_once = None;
        // What began earlier may have read the token before it was revoked.
        let is_recent = |lookup: &&Lookup| now.saturating_duration_since(lookup.began) < FRESH;
        let under_way = self.lookups.get(key).filter(is_recent).map(|lookup| lookup.answer.clone());
        let known = self.known.get_mut(key).filter(|known| known.outlasts(now));
        let is_known = known.is_some();
        if let Some(known) = known {
            known.used = now;
            wait = KNOWN_WAIT;
            let age = now.saturating_duration_since(known.asked);
            let token = Arc::clone(&known.token);
            if age < REFRESHED_AFTER {
                return Way::Known(token);
            }
            at_once = Some(token).filter(|_| age < FRESH || !known.is_answered);
        }
        match (at_once, under_way) {
            (Some(token), Some(_)) => Way::Known(token),
            (Some(token), None) => Way::Refresh(token, self.begin(key, now).0),
            (None, Some(answer)) => Way::Wait(answer, wait),
            (None, None) if !is_known && self.lookups.len() >= SHARED_LOOKUPS_MAX => Way::Alone(self.forgotten),
            (None, None) => {
                let (begun, answer) = self.begin(key, now);
                Way::Begin(begun, answer, wait)
            }
        }
    }

    /// Notes a lookup that begins now.
    fn begin(&mut self, key: &Key, now: Instant) -> (Begun, watch::Receiver<Option<Answer>>) {
        let (sender, answer) = watch::channel(None);
        self.lookup = self.lookup.wrapping_add(1);
        self.lookups.insert(key.clone(), Lookup { number: self.lookup, began: now, answer: answer.clone() });
        (Begun(self.lookup, sender), answer)
    }

    /// Ends a lookup that began at `began`.
    fn end(&mut self, key: &Key, number: u64, began: Instant, found: Result<Option<ApiToken>, StoreError>) -> Answer {
        // Otherwise the token was forgotten meanwhile, or a later lookup has begun.
        let is_current = self.lookups.get(key).is_some_and(|lookup| lookup.number == number);
        if is_current {
            self.lookups.remove(key);
        }
        match found {
            Err(error) => {
                let why = error.to_string();
                if is_current {
                    // Noted here too: perhaps nobody waits for it.
                    self.unanswered(key, &why);
                }
                Err(why)
            }
            Ok(found) if is_current => Ok(self.keep(key, found, began)),
            Ok(found) => Ok(found.map(Arc::new)),
        }
    }

    /// Keeps what a lookup that began at `began` has found, if it is the token of a host.
    fn keep(&mut self, key: &Key, found: Option<ApiToken>, began: Instant) -> Option<Arc<ApiToken>> {
        if self.is_unanswered {
            self.is_unanswered = false;
            tracing::info!("management.host_token lookups are answered again");
        }
        let Some(token) = found.map(Arc::new) else {
            self.known.remove(key);
            return None;
        };
        if matches!(token.role, TokenRole::Host { .. }) {
            self.make_room(key, began);
            let is_answered = began.elapsed() < KNOWN_WAIT;
            let known = Known { token: Arc::clone(&token), valid_at: began, asked: began, is_answered, used: began };
            self.known.insert(key.clone(), known);
        }
        Some(token)
    }

    fn make_room(&mut self, key: &Key, now: Instant) {
        if self.known.len() < TOKENS_MAX || self.known.contains_key(key) {
            return;
        }
        self.known.retain(|_, known| known.outlasts(now));
        if self.known.len() >= TOKENS_MAX
            && let Some(idle) = self.known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| key.clone())
        {
            self.known.remove(&idle);
        }
    }

    /// The token when the database did not answer.
    fn without_answer(&mut self, key: &Key, why: String) -> Result<Option<Arc<ApiToken>>, StoreError> {
        self.unanswered(key, &why).map(Some).ok_or(StoreError::Unavailable(why))
    }

    /// Notes that the database did not answer; returns the token if it stays valid.
    fn unanswered(&mut self, key: &Key, why: &str) -> Option<Arc<ApiToken>> {
        let now = Instant::now();
        let known = self.known.get_mut(key).filter(|known| known.outlasts(now))?;
        // Nobody waits again for a database that does not answer.
        (known.asked, known.is_answered) = (now, false);
        let token = Arc::clone(&known.token);
        if !self.is_unanswered {
            self.is_unanswered = true;
            tracing::warn!(
                %why,
                "management.host_token lookup unanswered: tokens of hosts that were valid within the last minute stay valid"
            );
        }
        Some(token)
    }
}

impl fmt::Debug for HostTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{
        future::{Ready, pending, ready},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tenterhook_contract::{Timestamp, id::ApiTokenId};

    use super::*;

    fn org() -> OrgId {
        OrgId::from_parts(1, [1; 8])
    }

    fn host(hash: &str) -> ApiToken {
        ApiToken {
            id: ApiTokenId::from_parts(1, [0; 8]),
            org_id: org(),
            name: "t".to_owned(),
            role: TokenRole::Host { extension_points: vec!["com.example.a".parse().unwrap()] },
            token_sha256: hash.to_owned(),
            created: Timestamp::from_micros(0),
            last_used: None,
            expires: None,
        }
    }

    /// A database that counts its queries.
    #[derive(Default)]
    struct Database {
        tokens: Arc<HostTokens>,
        asked: AtomicUsize,
    }

    impl Database {
        async fn find<A>(&self, hash: &str, answer: A) -> Result<Option<Arc<ApiToken>>, StoreError>
        where
            A: Future<Output = Result<Option<ApiToken>, StoreError>> + Send + 'static,
        {
            let ask = || {
                self.asked.fetch_add(1, Ordering::Relaxed);
                answer
            };
            self.tokens.find(&org(), hash, ask).await
        }

        async fn found(&self, hash: &str) -> bool {
            let answer = Ok(Some(host(hash)));
            self.find(hash, async { answer }).await.unwrap().is_some()
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }

        fn known(&self) -> usize {
            self.tokens.lock().known.len()
        }
    }

    /// The time that a double takes, or that is between two requests, on a paused clock: nothing concludes from it that something
    /// has happened.
    async fn passing(time: Duration) {
        let _ = tokio::time::timeout(time, pending::<()>()).await;
    }

    fn none() -> Ready<Result<Option<ApiToken>, StoreError>> {
        ready(Ok(None))
    }

    fn away() -> Ready<Result<Option<ApiToken>, StoreError>> {
        ready(Err(StoreError::Unavailable("away".to_owned())))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_used_for_a_second() {
        let database = Database::default();
        assert!(database.found("a").await && database.found("a").await);
        tokio::time::advance(REFRESHED_AFTER.checked_sub(Duration::from_millis(1)).unwrap()).await;
        assert!(database.find("a", none()).await.unwrap().is_some(), "revoked elsewhere, and not yet known");
        assert_eq!(database.asked(), 1);
        tokio::time::advance(FRESH.saturating_sub(REFRESHED_AFTER) + Duration::from_millis(1)).await;
        assert!(database.find("a", none()).await.unwrap().is_none(), "it is asked again");
        assert!(database.find("a", none()).await.unwrap().is_none());
        assert_eq!((database.asked(), database.known()), (3, 0), "what there is not is not kept");
    }

    /// A host that asks often never waits for its token, however slow the database is.
    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_refreshed_in_the_background() {
        for slowness in [0, 100, 400, 800, 1_900].map(Duration::from_millis) {
            let database = Database::default();
            assert!(database.found("a").await);
            let slow = || async move {
                passing(slowness).await;
                Ok(Some(host("a")))
            };
            let mut waited = Vec::new();
            for _ in 0..200 {
                passing(Duration::from_millis(50)).await;
                let before = Instant::now();
                assert!(database.find("a", slow()).await.unwrap().is_some());
                waited.extend(Some(before.elapsed()).filter(|waited| !waited.is_zero()));
            }
            // Once, until it is known that the database takes so long.
            assert!(
                waited.len() <= usize::from(slowness > FRESH.saturating_sub(REFRESHED_AFTER)),
                "{slowness:?}: {waited:?}"
            );
            assert!((5..=21).contains(&database.asked()), "{slowness:?}: {}", database.asked());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_background_lookup_finds_counts() {
        let database = Database::default();
        assert!(database.found("a").await);
        tokio::time::advance(REFRESHED_AFTER).await;
        assert!(database.find("a", none()).await.unwrap().is_some(), "it does not wait");
        until_asked(&database).await;
        assert!(database.find("a", none()).await.unwrap().is_none(), "revoked elsewhere");
        assert!(database.found("a").await);
        tokio::time::advance(REFRESHED_AFTER).await;
        assert!(database.find("a", away()).await.unwrap().is_some());
        until_asked(&database).await;
        assert!(database.tokens.lock().is_unanswered);
        tokio::time::advance(FRESH).await;
        let before = Instant::now();
        assert!(database.find("a", pending()).await.unwrap().is_some());
        assert!(before.elapsed().is_zero(), "nobody waits for a database that did not answer the last time");
    }

    /// The lookups that have begun have ended.
    async fn until_asked(database: &Database) {
        while !database.tokens.lock().lookups.is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_of_administrators_are_asked_for_each_time() {
        let database = Database::default();
        for _ in 0..2 {
            let administrator = ApiToken { role: TokenRole::Administrator, ..host("a") };
            assert!(database.find("a", async { Ok(Some(administrator)) }).await.unwrap().is_some());
        }
        assert_eq!((database.asked(), database.known()), (2, 0));
    }

    /// An administrator reads what was written before the request on any node, so a lookup that began before it is not enough.
    #[tokio::test(start_paused = true)]
    async fn an_administrator_does_not_share_an_earlier_lookup() {
        let database = Database::default();
        let administrator = || ApiToken { role: TokenRole::Administrator, ..host("a") };
        let (first, second) = (administrator(), administrator());
        let slow = async {
            passing(Duration::from_millis(100)).await;
            Ok(Some(first))
        };
        let (one, two) = tokio::join!(database.find("a", slow), database.find("a", async { Ok(Some(second)) }));
        assert!(one.unwrap().is_some() && two.unwrap().is_some());
        assert_eq!(database.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_misses_of_one_token_ask_once() {
        let database = Database::default();
        let slow = || async {
            passing(Duration::from_millis(100)).await;
            Ok(Some(host("a")))
        };
        let (one, two, other) =
            tokio::join!(database.find("a", slow()), database.find("a", slow()), database.find("b", none()));
        assert!(one.unwrap().is_some() && two.unwrap().is_some() && other.unwrap().is_none());
        assert_eq!(database.asked(), 2, "one for each token");
        assert!(database.tokens.lock().lookups.is_empty());
        // And so do concurrent misses of one that does not exist.
        let none = || async {
            passing(Duration::from_millis(100)).await;
            Ok(None)
        };
        let (one, two) = tokio::join!(database.find("c", none()), database.find("c", none()));
        assert!(one.unwrap().is_none() && two.unwrap().is_none());
        assert_eq!(database.asked(), 3);
    }

    /// A request that began a lookup is dropped; the lookup goes on and answers the requests after it.
    #[tokio::test(start_paused = true)]
    async fn a_lookup_outlives_its_request() {
        let database = Database::default();
        let slow = async {
            passing(Duration::from_millis(100)).await;
            Ok(Some(host("a")))
        };
        let gone = tokio::time::timeout(Duration::from_millis(1), database.find("a", slow)).await;
        assert!(gone.is_err());
        assert!(database.find("a", none()).await.unwrap().is_some());
        assert_eq!(database.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_forgotten_is_asked_for_at_once_and_an_earlier_lookup_is_not_kept() {
        let database = Database::default();
        assert!(database.found("a").await);
        database.tokens.forget(&org(), "a");
        assert!(database.find("a", none()).await.unwrap().is_none());
        let slow = async {
            passing(Duration::from_millis(100)).await;
            Ok(Some(host("a")))
        };
        let revoked = async {
            passing(Duration::from_millis(50)).await;
            database.tokens.forget(&org(), "a");
            database.find("a", none()).await
        };
        let (during, after) = tokio::join!(database.find("a", slow), revoked);
        assert!(during.unwrap().is_some() && after.unwrap().is_none());
        assert_eq!(database.known(), 0, "the earlier lookup ended later, and has not brought it back");
    }

    /// A request does not share a lookup that may have read the token before another node revoked it, more than a second ago.
    #[tokio::test(start_paused = true)]
    async fn a_lookup_is_shared_for_a_second() {
        let database = Database::default();
        let slow = async {
            passing(Duration::from_millis(1_500)).await;
            Ok(Some(host("a")))
        };
        let later = async {
            passing(FRESH).await;
            database.find("a", none()).await
        };
        let (first, later) = tokio::join!(database.find("a", slow), later);
        assert!(first.unwrap().is_some() && later.unwrap().is_none());
        assert_eq!((database.asked(), database.known()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_stays_valid_for_a_minute_while_the_database_does_not_answer() {
        let database = Database::default();
        assert!(database.found("a").await);
        let start = Instant::now();
        tokio::time::advance(FRESH).await;
        assert!(database.find("a", away()).await.unwrap().is_some());
        assert!(database.tokens.lock().is_unanswered);
        assert!(database.find("a", away()).await.unwrap().is_some());
        assert_eq!(database.asked(), 2, "nobody asks again for a second");
        tokio::time::advance(FRESH).await;
        // It does not even refuse.
        let before = Instant::now();
        assert!(database.find("a", pending()).await.unwrap().is_some());
        assert!(before.elapsed().is_zero(), "it did not answer the last time");
        assert!(matches!(database.find("b", away()).await, Err(StoreError::Unavailable(_))), "not known");
        let end = start + VALID_UNANSWERED;
        tokio::time::advance((end - Duration::from_millis(1)).duration_since(Instant::now())).await;
        assert!(database.find("a", away()).await.unwrap().is_some() && database.tokens.knows(&org(), "a"));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!database.tokens.knows(&org(), "a"));
        assert!(matches!(database.find("a", away()).await, Err(StoreError::Unavailable(_))), "a minute is over");
        let before = Instant::now();
        assert!(matches!(database.find("b", pending()).await, Err(StoreError::Unavailable(_))));
        assert_eq!(before.elapsed(), LOOKUP_TIME_MAX);
        assert!(database.found("a").await);
        assert!(!database.tokens.lock().is_unanswered);
    }

    /// The database is slow, and answers that the token was revoked: nobody is served by what was known any longer.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_waits_for_counts() {
        let database = Database::default();
        assert!(database.found("a").await);
        tokio::time::advance(FRESH).await;
        let slow = async {
            passing(KNOWN_WAIT * 2).await;
            Ok(None)
        };
        let before = Instant::now();
        assert!(database.find("a", slow).await.unwrap().is_some());
        assert_eq!(before.elapsed(), KNOWN_WAIT, "the wait is bounded");
        passing(KNOWN_WAIT).await;
        tokio::task::yield_now().await;
        assert_eq!(database.known(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_tokens_as_the_bound_are_kept_and_the_idlest_gives_way() {
        let database = Database::default();
        for number in 0..TOKENS_MAX {
            assert!(database.found(&number.to_string()).await);
            tokio::time::advance(Duration::from_micros(1)).await;
        }
        assert_eq!(database.known(), TOKENS_MAX);
        assert!(database.found("0").await, "used again");
        let asked = database.asked();
        assert!(database.found("one more").await);
        assert_eq!(database.known(), TOKENS_MAX);
        assert!(database.found("0").await && database.found("2").await);
        assert_eq!(database.asked(), asked + 1, "both are known");
        assert!(database.found("1").await);
        assert_eq!(database.asked(), asked + 2, "it has given way");
    }

    /// However many tokens that nobody knows are being looked up, those of hosts are found.
    #[tokio::test(start_paused = true)]
    async fn unknown_tokens_use_up_nothing_of_hosts() {
        let database = Arc::new(Database::default());
        assert!(database.found("known").await);
        let strangers: Vec<_> = (0..SHARED_LOOKUPS_MAX)
            .map(|number| {
                let database = Arc::clone(&database);
                tokio::spawn(async move { database.find(&format!("stranger {number}"), pending()).await.is_err() })
            })
            .collect();
        while database.tokens.lock().lookups.len() < SHARED_LOOKUPS_MAX {
            tokio::task::yield_now().await;
        }
        assert!(database.found("new").await, "it asks for itself");
        assert_eq!(database.tokens.lock().lookups.len(), SHARED_LOOKUPS_MAX);
        assert_eq!(database.known(), 2);
        tokio::time::advance(FRESH).await;
        assert!(database.found("known").await && database.found("new").await);
        for stranger in strangers {
            assert!(stranger.await.unwrap());
        }
        // A lookup that began to run after the clock was moved ends later than the request that waited for it.
        passing(LOOKUP_TIME_MAX).await;
        assert!(database.tokens.lock().lookups.is_empty());
    }
}

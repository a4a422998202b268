//! The queue of mails: bounded in all and per org, fair between orgs, with a deadline for each mail, and drained at the end.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenterhook_contract::{id::OrgId, party::Target};
use tenterhook_engine::{Clock, Entropy};
use tenterhook_store::LogWriter;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::{Mail, MailCarrier, MailKind, Undelivered};
use crate::{
    events::{Event, Stamp, system_actor},
    fair_queue::{Bounds, FairQueue},
    metrics::Metrics,
};

/// Mails that wait or are being sent; with some 8 KB each.
pub const MAILS_MAX: usize = 1_000;
/// Of these, those of one org.
pub const MAILS_PER_ORG_MAX: usize = 200;
/// Mails that are handed over at the same time, each on a connection of its own.
const CONNECTIONS_MAX: usize = 4;
/// How long a mail may wait and be tried; a link is good for a multiple of it.
const DELIVERY_TIME_MAX: Duration = Duration::from_mins(5);
/// How long one attempt may take, from connecting to the server's last answer.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(30);
/// The pauses before further attempts; after the last one the mail has failed.
const PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(15), Duration::from_mins(1)];
/// Event type and display message of the end of a mail.
const DELIVERY: (&str, &str) = ("system.email.delivery", "Email delivery status");
/// The reason of a mail whose time was over, or that got no answer in time.
const TIMEOUT: &str = "TIMEOUT";
/// The reason of a mail that was not sent when the node stopped.
const SHUTDOWN: &str = "SHUTDOWN";

/// Why no mail can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailRefused {
    /// No mail server is configured.
    #[error("no mail server is configured (`[mail]`)")]
    Unavailable,
    /// Too many mails wait, of the org or in all, or the node is stopping: a later try may succeed.
    #[error("too many mails wait to be sent; try again")]
    Busy,
}

/// Where a mail belongs to.
#[derive(Clone, Debug)]
pub struct Posting {
    /// The user whom it is for: the target of its event.
    pub about: Target,
    /// The id of the request that caused it: the transaction of its event.
    pub transaction_id: String,
}

/// Sends mails.
pub struct Mailer {
    carrier: Option<Arc<dyn MailCarrier>>,
    log: LogWriter,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
    /// A permit for each mail that may be here.
    places: Arc<Semaphore>,
    of_orgs: Mutex<HashMap<OrgId, usize>>,
    connections: FairQueue<OrgId, ()>,
    /// Becomes true when the time for pending mails is over.
    ending: watch::Sender<bool>,
}

/// A place in the queue; given back when it is dropped.
pub struct MailPlace {
    mailer: Arc<Mailer>,
    org: OrgId,
    _permit: OwnedSemaphorePermit,
}

impl Mailer {
    pub(crate) fn new(
        carrier: Option<Arc<dyn MailCarrier>>,
        log: LogWriter,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        // Places are bounded by the same numbers, so no waiting mail is ever pushed out.
        let waiting = Bounds { in_all: MAILS_MAX, of_same: &[MAILS_PER_ORG_MAX] };
        Arc::new(Self {
            carrier,
            log,
            clock,
            entropy,
            metrics,
            places: Arc::new(Semaphore::new(MAILS_MAX)),
            of_orgs: Mutex::default(),
            connections: FairQueue::new(vec![(); CONNECTIONS_MAX], waiting),
            ending: watch::Sender::new(false),
        })
    }

    /// Whether a mail server is configured. What needs mail is refused by name where there is none.
    pub fn is_available(&self) -> bool {
        self.carrier.is_some()
    }

    /// How many mails wait or are being sent.
    pub fn queued(&self) -> usize {
        self.of_orgs().values().sum()
    }

    /// A place for one mail of `org`. Flows take it before they change anything, so that a full queue changes nothing.
    ///
    /// # Errors
    /// When no mail server is configured, or the queue is full; the second is counted.
    pub fn reserve(self: &Arc<Self>, org: &OrgId, kind: MailKind) -> Result<MailPlace, MailRefused> {
        if !self.is_available() {
            return Err(MailRefused::Unavailable);
        }
        self.place(org).ok_or_else(|| {
            self.metrics.mail.count(kind, "refused");
            MailRefused::Busy
        })
    }

    fn place(self: &Arc<Self>, org: &OrgId) -> Option<MailPlace> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut of_orgs = self.of_orgs();
        let of_org = of_orgs.entry(org.clone()).or_default();
        if *of_org >= MAILS_PER_ORG_MAX {
            return None;
        }
        *of_org += 1;
        Some(MailPlace { mailer: Arc::clone(self), org: org.clone(), _permit: permit })
    }

    /// Takes no more mails, and sends the pending ones until `until`. Those that are left then have failed, with an event each.
    pub async fn drain(&self, until: Instant) {
        let places = Arc::clone(&self.places);
        // Every place is free when every mail has ended; so none is taken any more.
        let all = u32::try_from(MAILS_MAX).unwrap_or(u32::MAX);
        let mut drained = std::pin::pin!(places.acquire_many_owned(all));
        if let Ok(free) = timeout_at(until, &mut drained).await {
            return free.map_or((), OwnedSemaphorePermit::forget);
        }
        tracing::warn!(
            mails = self.queued(),
            "mail.drain: mails were not sent in time; the System Log has each of them"
        );
        self.ending.send_replace(true);
        // Each has only its event left to write.
        drop(drained.await.map(OwnedSemaphorePermit::forget));
    }

    /// Tries to hand the mail over until it succeeds, cannot succeed, or its time is over. Returns the attempts too.
    async fn deliver(&self, org: &OrgId, mail: &Mail) -> (usize, Result<(), String>) {
        let Some(carrier) = &self.carrier else { return (0, Err(SHUTDOWN.to_owned())) };
        let (id, deadline) = (self.entropy.uuid(), Instant::now() + DELIVERY_TIME_MAX);
        let mut pauses = PAUSES.into_iter();
        for attempts in 1.. {
            let wait = deadline.saturating_duration_since(Instant::now());
            let Some(connection) = self.connections.acquire(std::slice::from_ref(org), wait).await else {
                return (attempts - 1, Err(TIMEOUT.to_owned()));
            };
            let until = deadline.min(Instant::now() + ATTEMPT_TIME_MAX);
            let sent = timeout_at(until, carrier.carry(&id, mail)).await;
            drop(connection);
            let why = match sent {
                Ok(Ok(())) => return (attempts, Ok(())),
                Ok(Err(Undelivered::ForGood(why))) => return (attempts, Err(why)),
                Ok(Err(Undelivered::ForNow(why))) => why,
                Err(_) => TIMEOUT.to_owned(),
            };
            match pauses.next().map(|pause| Instant::now() + pause) {
                Some(next) if next < deadline => sleep_until(next).await,
                _ => return (attempts, Err(why)),
            }
        }
        (0, Err(TIMEOUT.to_owned()))
    }

    /// Writes the event of a mail that has ended.
    fn ended(&self, org: &OrgId, kind: MailKind, posting: Posting, attempts: usize, result: &Result<(), String>) {
        self.metrics.mail.count(kind, if result.is_ok() { "sent" } else { "failed" });
        if let Err(reason) = result {
            tracing::warn!(%org, kind = kind.as_str(), attempts, reason, "mail.delivery failed");
        }
        let stamp = Stamp::new(&*self.entropy, self.clock.now());
        let (event_type, message) = DELIVERY;
        let event = Event::of_nobody(stamp, org, system_actor(), posting.transaction_id).named(event_type, message);
        let event = match result {
            Ok(()) => event,
            Err(reason) => event.failed(reason),
        };
        let debug_data = [("emailKind", kind.as_str().into()), ("attempts", attempts.to_string().into())];
        self.log.append(&event.with_debug_data(debug_data.into()).about([Cow::Owned(posting.about)]).build());
    }

    fn of_orgs(&self) -> MutexGuard<'_, HashMap<OrgId, usize>> {
        // No code that runs under the lock can leave the numbers half changed.
        self.of_orgs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailPlace {
    /// Sends a mail in the background: the result is in the System Log and the metrics. Must be called on the runtime.
    pub fn send(self, mail: Mail, posting: Posting) {
        tokio::spawn(async move {
            let (mailer, org) = (&self.mailer, &self.org);
            let mut ending = mailer.ending.subscribe();
            let (attempts, result) = tokio::select! {
                delivered = mailer.deliver(org, &mail) => delivered,
                // The sender lives as long as the mailer.
                _ = ending.wait_for(|ending| *ending) => (0, Err(SHUTDOWN.to_owned())),
            };
            mailer.ended(org, mail.kind, posting, attempts, &result);
            drop(self);
        });
    }
}

impl Drop for MailPlace {
    fn drop(&mut self) {
        let mut of_orgs = self.mailer.of_orgs();
        if let Some(of_org) = of_orgs.get_mut(&self.org) {
            *of_org = of_org.saturating_sub(1);
            if *of_org == 0 {
                of_orgs.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use tenterhook_contract::Secret;
    use tenterhook_engine::{BoxFuture, SystemClock, SystemEntropy};
    use tenterhook_model::{LogEvent, LogResult};
    use tenterhook_store::{Keyring, Store, StoreConfig};
    use tokio::sync::broadcast::Receiver;

    use super::*;
    use crate::{events::named_target, mail::MailAddress};

    /// What a carrier does with an attempt.
    #[derive(Clone, Debug)]
    enum Does {
        Take,
        Refuse(Undelivered),
        /// It never answers.
        Hang,
    }

    /// Does one thing after the other; the last one for ever.
    struct Scripted {
        script: Vec<Does>,
        attempts: AtomicUsize,
        open: AtomicUsize,
        open_most: AtomicUsize,
        ids: Mutex<Vec<String>>,
    }

    impl Scripted {
        fn new(script: Vec<Does>) -> Arc<Self> {
            let none = AtomicUsize::default;
            Arc::new(Self { script, attempts: none(), open: none(), open_most: none(), ids: Mutex::default() })
        }
    }

    impl MailCarrier for Scripted {
        fn carry<'a>(&'a self, id: &'a str, _: &'a Mail) -> BoxFuture<'a, Result<(), Undelivered>> {
            Box::pin(async move {
                self.ids.lock().unwrap().push(id.to_owned());
                let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
                let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
                self.open_most.fetch_max(open, Ordering::Relaxed);
                let does = self.script.get(attempt).or(self.script.last()).cloned().unwrap();
                // Not before others had their turn.
                tokio::task::yield_now().await;
                let done = match does {
                    Does::Take => Ok(()),
                    Does::Refuse(why) => Err(why),
                    Does::Hang => std::future::pending().await,
                };
                self.open.fetch_sub(1, Ordering::Relaxed);
                done
            })
        }
    }

    struct World {
        mailer: Arc<Mailer>,
        events: Receiver<Arc<LogEvent<'static>>>,
        _store: Store,
    }

    impl World {
        /// A mailer whose clock stands, and moves by itself while nothing else does.
        async fn with(carrier: Option<Arc<Scripted>>) -> Self {
            let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
            let store = Store::open(&StoreConfig::Ephemeral, keyring).await.unwrap();
            let (log, metrics) = (store.log_writer(), Metrics::new(&store));
            let carrier = carrier.map(|carrier| carrier as Arc<dyn MailCarrier>);
            let events = log.subscribe();
            let mailer = Mailer::new(carrier, log, Arc::new(SystemClock), Arc::new(SystemEntropy), metrics);
            tokio::time::pause();
            Self { mailer, events, _store: store }
        }

        fn send(&self, org: &OrgId) -> Result<(), MailRefused> {
            let place = self.mailer.reserve(org, MailKind::PasswordReset)?;
            let to = MailAddress::parse("ada@example.com").unwrap();
            let body = || Secret::new("https://id.example.com/?token=marked-link");
            let mail = Mail::new(MailKind::PasswordReset, to, "Set a new password", body(), body());
            let about = named_target("00u00000000000000001", "User", "Ada");
            place.send(mail, Posting { about, transaction_id: "request-1".to_owned() });
            Ok(())
        }

        /// Result, reason and attempts of the next event.
        async fn ended(&mut self) -> (LogResult, Option<String>, String) {
            let event = self.events.recv().await.unwrap();
            assert_eq!((&*event.event_type, &*event.transaction_id), ("system.email.delivery", "request-1"));
            assert!(!format!("{event:?}").contains("marked-link"));
            let attempts = format!("{:?}", event.debug_data.get("attempts"));
            (event.result, event.reason.as_deref().map(ToOwned::to_owned), attempts)
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            // The next world opens its database first.
            tokio::time::resume();
        }
    }

    fn org(number: u64) -> OrgId {
        OrgId::from_parts(number, [0; 8])
    }

    fn refuse(why: fn(String) -> Undelivered, reason: &str) -> Does {
        Does::Refuse(why(reason.to_owned()))
    }

    #[tokio::test]
    async fn a_mail_is_tried_again_only_when_that_may_help_and_not_for_ever() {
        let later = || refuse(Undelivered::ForNow, "SMTP 451");
        let never = || refuse(Undelivered::ForGood, "SMTP 550");
        for (script, attempts, reason) in [
            (vec![Does::Take], 1, None),
            (vec![later(), later(), Does::Take], 3, None),
            (vec![later(), never()], 2, Some("SMTP 550")),
            (vec![never()], 1, Some("SMTP 550")),
            (vec![later()], 4, Some("SMTP 451")),
            (vec![Does::Hang, Does::Take], 2, None),
            (vec![Does::Hang], 4, Some("TIMEOUT")),
        ] {
            let carrier = Scripted::new(script.clone());
            let mut world = World::with(Some(Arc::clone(&carrier))).await;
            let began = Instant::now();
            world.send(&org(1)).unwrap();
            let (result, why, told) = world.ended().await;
            assert_eq!(result == LogResult::Success, reason.is_none(), "{script:?}");
            assert_eq!(why.as_deref(), reason, "{script:?}");
            assert_eq!(carrier.attempts.load(Ordering::Relaxed), attempts, "{script:?}");
            assert!(told.contains(&format!("\"{attempts}\"")), "{told}");
            assert!(began.elapsed() <= DELIVERY_TIME_MAX, "{script:?}: {:?}", began.elapsed());
            let ids = carrier.ids.lock().unwrap();
            assert!(ids.iter().all(|id| ids.first() == Some(id)), "the same mail: {ids:?}");
        }
    }

    #[tokio::test]
    async fn the_queue_has_a_bound_per_org_and_in_all_and_a_place_is_given_back() {
        let world = World::with(Some(Scripted::new(vec![Does::Take]))).await;
        let reserve = |number| world.mailer.reserve(&org(number), MailKind::PasswordReset);
        let mut places: Vec<_> = (0..MAILS_PER_ORG_MAX).map(|_| reserve(1).unwrap()).collect();
        assert_eq!(reserve(1).err(), Some(MailRefused::Busy), "one past the bound of the org");
        for number in 2..=5 {
            places.extend((0..MAILS_PER_ORG_MAX).map(|_| reserve(number).unwrap()));
        }
        assert_eq!((places.len(), world.mailer.queued()), (MAILS_MAX, MAILS_MAX));
        assert_eq!(reserve(6).err(), Some(MailRefused::Busy), "one past the bound in all");
        places.pop();
        assert!(reserve(6).is_ok());
        drop(places);
        assert_eq!(world.mailer.queued(), 0);
    }

    #[tokio::test]
    async fn few_mails_are_sent_at_a_time_and_an_org_with_many_does_not_delay_another() {
        let carrier = Scripted::new(vec![Does::Take]);
        let mut world = World::with(Some(Arc::clone(&carrier))).await;
        for _ in 0..MAILS_PER_ORG_MAX {
            world.send(&org(1)).unwrap();
        }
        world.send(&org(2)).unwrap();
        let mut place_of_other = None;
        for place in 0..=MAILS_PER_ORG_MAX {
            let event = world.events.recv().await.unwrap();
            if event.org_id == org(2) {
                place_of_other = Some(place);
            }
        }
        assert!(place_of_other.unwrap() <= 3 * CONNECTIONS_MAX, "{place_of_other:?}");
        assert_eq!(carrier.open_most.load(Ordering::Relaxed), CONNECTIONS_MAX);
    }

    #[tokio::test]
    async fn without_a_mail_server_it_says_so() {
        let world = World::with(None).await;
        assert!(!world.mailer.is_available());
        assert_eq!(world.send(&org(1)), Err(MailRefused::Unavailable));
    }

    #[tokio::test]
    async fn a_drain_sends_what_is_pending_and_says_what_it_could_not_send() {
        let mut world = World::with(Some(Scripted::new(vec![Does::Take]))).await;
        world.send(&org(1)).unwrap();
        world.mailer.drain(Instant::now() + Duration::from_secs(20)).await;
        assert_eq!(world.ended().await.0, LogResult::Success);
        assert_eq!(world.send(&org(1)), Err(MailRefused::Busy), "it has ended");

        drop(world);
        let mut world = World::with(Some(Scripted::new(vec![Does::Hang]))).await;
        world.send(&org(1)).unwrap();
        let began = Instant::now();
        world.mailer.drain(began + Duration::from_secs(20)).await;
        assert_eq!(began.elapsed().as_secs(), 20);
        let (result, reason, _) = world.ended().await;
        assert_eq!((result, reason.as_deref()), (LogResult::Failure, Some("SHUTDOWN")));
    }
}

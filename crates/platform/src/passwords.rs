//! Password hashing: few hashes at a time, in memory that is reused.

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock, OnceLock},
    thread::available_parallelism,
    time::Duration,
};

use argon2::{
    Argon2, Block, CustomizedPasswordHasher, Params, PasswordVerifier as _,
    password_hash::{
        self,
        phc::{Output, ParamsString, PasswordHash, Salt},
        try_generate_salt,
    },
};
use tenterhook_contract::{Secret, id::OrgId};
use tenterhook_store::StoreError;
use tokio::time::Instant;

use crate::{
    Network, WiderNetwork,
    answer_pace::AnswerPace,
    attempts::org_of,
    fair_queue::{Bounds, FairQueue},
    imported_password::ImportedHash,
};

/// Longest password in bytes. Hashing accepts any length; requests must not.
pub const PASSWORD_BYTES_MAX: usize = 72 * 4;
/// Hashes computed at the same time, if there are as many cores. Each takes a core and 19 MiB that are never freed; the
/// allocator would keep them anyway, once per arena.
const HASHING_MAX: usize = 3;
/// How long a hash may wait for a permit.
const HASHING_WAIT: Duration = Duration::from_secs(5);
/// Hashes that may wait: in total, of a wider network or the administrators of an org, and of a network. With
/// [`HASHING_MAX`] permits, more could not start in time.
const WAITING_MAX: Bounds = Bounds { in_all: 1_024, of_same: &[256, 128] };
/// The queue of this process.
static HASHING: LazyLock<Hashing> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    Hashing::new(cores.min(HASHING_MAX), HASHING_WAIT)
});

/// How long failed sign-ins of this process take.
static FAILED_PACE: LazyLock<AnswerPace> = LazyLock::new(AnswerPace::default);

/// The origin of a password that is hashed.
#[derive(Clone, Debug)]
pub enum HashingSource {
    /// Sign-ins from one network with one login.
    SignIn(Network, String),
    /// The administrators of an org.
    Administrators(OrgId),
}

/// A member of a path in the queue, which is fair between these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum QueueKey {
    WiderNetwork(WiderNetwork),
    Network(Network),
    Login(String),
    Administrators(OrgId),
}

impl HashingSource {
    /// The org, where somebody signs in to it.
    fn signs_in_to(&self) -> Option<String> {
        if let Self::SignIn(_, login) = self { Some(org_of(login).to_owned()) } else { None }
    }

    /// The path in the queue, from wide to narrow.
    fn path(self) -> Vec<QueueKey> {
        match self {
            Self::SignIn(network, login) => {
                vec![QueueKey::WiderNetwork(network.wider()), QueueKey::Network(network), QueueKey::Login(login)]
            }
            Self::Administrators(org) => vec![QueueKey::Administrators(org)],
        }
    }
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many hashes are being computed: a later try may succeed.
    #[error("too many passwords are being hashed at once")]
    Busy,
    /// The library refused.
    #[error("hashing a password failed")]
    Failed,
}

impl From<PasswordError> for StoreError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Unavailable(error.to_string()),
            PasswordError::Failed => Self::Database(error.to_string()),
        }
    }
}

/// The argon2id hash of a password that an administrator of `org` sets, in PHC form.
///
/// # Errors
/// When there is no permit in time, or the library fails, which it does for no password within [`PASSWORD_BYTES_MAX`].
pub async fn hash_password(org: &OrgId, password: &Secret) -> Result<Secret, PasswordError> {
    hash_password_from(HashingSource::Administrators(org.clone()), password).await
}

/// The same of a password from another source.
///
/// # Errors
/// As [`hash_password`].
pub async fn hash_password_from(source: HashingSource, password: &Secret) -> Result<Secret, PasswordError> {
    let password = password.clone();
    let hashed = HASHING.run(source, move |memory| {
        let hash = hash_anew(memory, &password);
        hash.map(|hash| Secret::new(hash.to_string())).map_err(|_| PasswordError::Failed)
    });
    hashed.await?
}

/// The result of verifying a password.
#[derive(Debug)]
pub struct Verified {
    /// Whether the password matches the hash.
    pub fits: bool,
    /// Our own hash of the password, where it was made: to store in place of another system's hash that the password matches, or for
    /// a user without a hash once a service has verified the password.
    pub own_hash: Option<Secret>,
    /// The org and the moment at which the work began, where somebody signs in.
    paced: Option<(String, Instant)>,
}

impl Verified {
    /// From now on failed sign-ins of the org are answered at the moments of [`answer_pace`](crate::answer_pace), so that their time does
    /// not tell whose wrong passwords are counted in the database. Their step is longer than this one has taken so far.
    pub fn paces_refusals(&self) {
        if let Some((org, began)) = &self.paced {
            let now = Instant::now();
            FAILED_PACE.met(org, now.duration_since(*began), now);
        }
    }

    /// Waits, without a core, until the moment at which a refused sign-in of the org is answered ([`answer_pace`](crate::answer_pace)).
    /// Whoever refuses calls it, also where the password fits: otherwise the time would tell that it does.
    pub async fn refused(&self) {
        let moment = self.paced.as_ref().and_then(|(org, began)| FAILED_PACE.answered_at(org, *began, Instant::now()));
        if let Some(moment) = moment {
            tokio::time::sleep_until(moment).await;
        }
    }
}

/// Verifies `password` against `hash`. Without a hash it takes as long and the result is "no match". For the hash of
/// another system it takes as long as for our own, plus the cost of that hash; [`Verified::refused`] covers what that shows of a
/// sign-in that fails. `begins` is called when this password gets its permit; it is dropped without a call when there is none in
/// time, or when this future is dropped.
///
/// # Errors
/// When there is no permit in time.
pub async fn verify_password(
    source: HashingSource,
    hash: Option<&Secret>,
    password: &Secret,
    begins: impl FnOnce() + Send + 'static,
) -> Result<Verified, PasswordError> {
    let (hash, password) = (hash.cloned(), password.clone());
    let (org, start) = (source.signs_in_to(), Arc::new(OnceLock::new()));
    let (of_org, started) = (org.clone(), Arc::clone(&start));
    let verified = HASHING.run(source, move |memory| {
        begins();
        let began = *started.get_or_init(Instant::now);
        let bytes = password.expose().as_bytes();
        let Some(hash) = hash else {
            // The same work as for a user with a password, so that the time does not reveal which users exist.
            let own = hash_anew(memory, &password).ok();
            return (false, own.map(|hash| Secret::new(hash.to_string())));
        };
        if let Some(imported) = ImportedHash::from_stored(&hash) {
            let (own, fits) = (hash_anew(memory, &password), imported.fits(bytes));
            if let Some(org) = of_org.filter(|_| imported.is_slow()) {
                FAILED_PACE.met(&org, began.elapsed(), Instant::now());
            }
            let own_hash = own.ok().filter(|_| fits).map(|hash| Secret::new(hash.to_string()));
            return (fits, own_hash);
        }
        let parsed = PasswordHash::new(hash.expose());
        (parsed.is_ok_and(|parsed| InMemory::of(memory).verify_password(bytes, &parsed).is_ok()), None)
    });
    let (fits, own_hash) = verified.await?;
    Ok(Verified { fits, own_hash, paced: org.zip(start.get().copied()) })
}

fn hash_anew(memory: &mut Vec<Block>, password: &Secret) -> password_hash::Result<PasswordHash> {
    let salt = try_generate_salt()?;
    InMemory::of(memory).hash_password_with_params(password.expose().as_bytes(), &salt, Params::default())
}

/// Argon2 that computes in given memory. The library parses, writes and compares hashes.
struct InMemory<'m>(RefCell<&'m mut Vec<Block>>);

impl<'m> InMemory<'m> {
    fn of(memory: &'m mut Vec<Block>) -> Self {
        Self(RefCell::new(memory))
    }
}

impl CustomizedPasswordHasher<PasswordHash> for InMemory<'_> {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<password_hash::Version>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map(argon2::Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(argon2::Version::try_from).transpose()?.unwrap_or_default();
        let mut output = [0; Output::MAX_LENGTH];
        let output_bytes = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = output.get_mut(..output_bytes).ok_or(password_hash::Error::OutputSize)?;
        let params_text = ParamsString::try_from(&params)?;
        let blocks = params.block_count();
        let argon2 = Argon2::new(algorithm, version, params);
        let mut memory = self.0.try_borrow_mut().map_err(|_| password_hash::Error::Internal)?;
        if blocks > Params::default().block_count() {
            // This hash needs more memory than ours: its memory is not kept.
            argon2.hash_password_into(password, salt, output)?;
        } else {
            if memory.len() < blocks {
                memory.resize(blocks, Block::default());
            }
            let memory = memory.get_mut(..blocks).ok_or(password_hash::Error::Internal)?;
            argon2.hash_password_into_with_memory(password, salt, output, memory)?;
        }
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: params_text,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(output)?),
        })
    }
}

/// Runs work on blocking threads, a bounded number at a time.
#[derive(Debug)]
struct Hashing {
    queue: FairQueue<QueueKey, Vec<Block>>,
    wait: Duration,
}

impl Hashing {
    fn new(permits: usize, wait: Duration) -> Self {
        let memory = (0..permits).map(|_| Vec::new()).collect();
        Self { queue: FairQueue::new(memory, WAITING_MAX), wait }
    }

    async fn run<T: Send + 'static>(
        &self,
        source: HashingSource,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permit = self.queue.acquire(&source.path(), self.wait).await.ok_or(PasswordError::Busy)?;
        // The work continues when its caller has gone, so the work holds the permit.
        let working = tokio::task::spawn_blocking(move || permit.with(work));
        working.await.map_err(|_| PasswordError::Failed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{net::Ipv4Addr, num::NonZeroU32, sync::mpsc, task::Poll};

    use argon2::PasswordHasher as _;

    use super::*;
    use crate::{Prf, Scheme, attempts::key};

    fn network(last: u8) -> HashingSource {
        HashingSource::SignIn(Network::of(Ipv4Addr::new(192, 0, 2, last).into()), String::new())
    }

    /// A wrong password that is counted in the database, and one of a user who does not exist.
    #[tokio::test(start_paused = true)]
    async fn what_fails_is_answered_at_one_moment_once_something_took_longer_until_it_was_counted() {
        let org = "org whose wrong passwords are counted";
        let paced = || Verified { fits: false, own_hash: None, paced: Some((org.to_owned(), Instant::now())) };
        let answered = async |took: u64, is_counted: bool| {
            let (verified, began) = (paced(), Instant::now());
            tokio::time::advance(Duration::from_millis(took)).await;
            if is_counted {
                verified.paces_refusals();
            }
            verified.refused().await;
            began.elapsed().as_millis()
        };
        assert_eq!(answered(10, false).await, 10, "nothing was counted in this org yet");
        assert_eq!(answered(40, true).await, 128);
        assert_eq!(answered(600, true).await, 1_024, "the count is a part of it");
        for (took, is_counted) in [(5, false), (40, true), (700, false)] {
            assert_eq!(answered(took, is_counted).await, 1_024, "{took}");
        }
    }

    #[tokio::test]
    async fn work_keeps_its_turn_when_its_caller_goes_and_who_waits_too_long_is_told() {
        let hashing = Arc::new(Hashing::new(1, Duration::from_millis(20)));
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let caller = tokio::spawn({
            let hashing = Arc::clone(&hashing);
            async move {
                let work = move |_: &mut Vec<Block>| {
                    begun.send(()).unwrap();
                    finished.recv().unwrap();
                };
                hashing.run(network(1), work).await
            }
        });
        begins.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(hashing.run(network(2), |_| ()).await, Err(PasswordError::Busy));
        finish.send(()).unwrap();
        // The permit is returned when the work has ended.
        drop(hashing.queue.acquire(&network(2).path(), Duration::from_mins(1)).await.unwrap());
        assert_eq!(hashing.run(network(2), |_| 1).await, Ok(1));
    }

    /// When a caller goes away while it waits, its work is dropped; [`verify_password`] promises this for `begins`.
    #[tokio::test]
    async fn work_that_waits_for_its_turn_is_dropped_with_its_caller() {
        let hashing = Hashing::new(1, Duration::from_mins(1));
        let _permit = hashing.queue.acquire(&network(1).path(), Duration::from_mins(1)).await.unwrap();
        let held = Arc::new(());
        let work = {
            let held = Arc::clone(&held);
            move |_: &mut Vec<Block>| drop(held)
        };
        let mut waiting = Box::pin(hashing.run(network(2), work));
        let is_pending = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
        assert!(is_pending);
        assert_eq!(Arc::strong_count(&held), 2);
        drop(waiting);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    /// Otherwise the time would tell which users have not signed in yet, and that they exist.
    #[tokio::test]
    async fn failures_in_an_org_with_slow_hashes_wait_for_the_same_moments() {
        let (org, other) = (OrgId::from_parts(7, [1; 8]), OrgId::from_parts(7, [2; 8]));
        let source =
            |org: &OrgId, login: &str| HashingSource::SignIn(Network::of(Ipv4Addr::LOCALHOST.into()), key(org, login));
        let scheme = Scheme::Pbkdf2 { prf: Prf::HmacSha256, iterations: NonZeroU32::new(4_096).unwrap() };
        let slow = ImportedHash::new(scheme, b"salt".to_vec(), vec![0; 32]).to_stored().unwrap();
        let password = Secret::new("Wrong-1");
        verify_password(source(&org, "ada"), Some(&slow), &password, || ()).await.unwrap();
        let now = Instant::now();
        assert!(FAILED_PACE.answered_at(&org.to_string(), now, now).is_some(), "the slow hash was met");
        assert!(FAILED_PACE.answered_at(&other.to_string(), now, now).is_none());

        FAILED_PACE.met(&org.to_string(), Duration::from_millis(600), now);
        let own = hash_password(&org, &password).await.unwrap();
        // The last is the right password of a user who may not sign in.
        for (hash, fits) in [(None, false), (Some(&slow), false), (Some(&own), true)] {
            let began = Instant::now();
            let verified = verify_password(source(&org, "Nobody"), hash, &password, || ()).await.unwrap();
            verified.refused().await;
            assert_eq!(verified.fits, fits);
            assert!(began.elapsed() >= Duration::from_millis(1_024), "{:?}", began.elapsed());
        }
    }

    /// The library verifies our hashes and we verify the library's, whatever the reused memory held before.
    #[test]
    fn hashes_are_those_of_the_library() {
        let mut memory = Vec::new();
        let (password, other) = (Secret::new("pässword"), Secret::new("other"));
        for _ in 0..2 {
            let ours = hash_anew(&mut memory, &password).unwrap().to_string();
            assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
            assert!(Argon2::default().verify_password("pässword".as_bytes(), ours.as_str()).is_ok());
            let smaller = Argon2::from(Params::new(8_192, 1, 1, None).unwrap());
            let larger = Argon2::from(Params::new(32_768, 1, 1, None).unwrap());
            for argon2 in [Argon2::default(), smaller, larger] {
                let theirs: PasswordHash = argon2.hash_password("pässword".as_bytes()).unwrap();
                let mut verify = |password: &Secret| {
                    InMemory::of(&mut memory).verify_password(password.expose().as_bytes(), &theirs).is_ok()
                };
                assert!(verify(&password) && !verify(&other), "{theirs}");
            }
            assert_eq!(memory.len(), 19_456, "what a hash of somebody else's took is not kept");
        }
    }

    /// However many hashes are requested at once, and on whichever threads they run, memory is bounded by the number of
    /// permits.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn memory_is_kept_for_the_next_hash() {
        let hashing = Arc::new(Hashing::new(2, Duration::from_mins(1)));
        let places = Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
        let mut all = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (hashing, places) = (Arc::clone(&hashing), Arc::clone(&places));
            all.spawn(async move {
                let work = move |memory: &mut Vec<Block>| {
                    memory.resize(16, Block::default());
                    places.lock().unwrap().insert(memory.as_ptr() as usize);
                };
                hashing.run(network(number), work).await.unwrap();
            });
        }
        all.join_all().await;
        assert!(places.lock().unwrap().len() <= 2);
    }
}

//! Hashes of passwords, computed by few at a time, in memory that is kept for the next one.

use std::{cell::RefCell, sync::LazyLock, thread::available_parallelism, time::Duration};

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

use crate::{
    Network, WiderNetwork,
    fair_turns::{Bounds, Turns},
    imported_password::ImportedHash,
};

/// Longest password in bytes: hashing takes any length, requests must not.
pub const PASSWORD_BYTES_MAX: usize = 72 * 4;
/// Hashes computed at the same time, where there are as many cores; each takes a core, and 19 MiB that are never given
/// back: the allocator would keep them all the same, for each of its arenas.
const HASHING_MAX: usize = 3;
/// How long a hash may wait for its turn.
const HASHING_WAIT: Duration = Duration::from_secs(5);
/// Hashes that may wait, of a wider network or the administrators of an org, and of a network: with [`HASHING_MAX`] turns
/// more would wait in vain.
const WAITING_MAX: Bounds = Bounds { in_all: 1_024, of_same: &[256, 128] };
/// The turns of this process.
static HASHING: LazyLock<Hashing> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    Hashing::new(cores.min(HASHING_MAX), HASHING_WAIT)
});

/// Whose passwords are hashed.
#[derive(Clone, Debug)]
pub enum HashingSource {
    /// Users who sign in, or those who say they are, from one network with one login.
    SignIn(Network, String),
    /// The administrators of an org.
    Administrators(OrgId),
}

/// Turns are fair between these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Party {
    WiderNetwork(WiderNetwork),
    Network(Network),
    Login(String),
    Administrators(OrgId),
}

impl HashingSource {
    /// From the wide to the narrow.
    fn parties(self) -> Vec<Party> {
        match self {
            Self::SignIn(network, login) => {
                vec![Party::WiderNetwork(network.wider()), Party::Network(network), Party::Login(login)]
            }
            Self::Administrators(org) => vec![Party::Administrators(org)],
        }
    }
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are computed at present: the same may succeed later.
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
/// When it gets no turn in time, or the library refuses, which it does for no password within [`PASSWORD_BYTES_MAX`].
pub async fn hash_password(org: &OrgId, password: &Secret) -> Result<Secret, PasswordError> {
    let password = password.clone();
    let hashed = HASHING.run(HashingSource::Administrators(org.clone()), move |memory| {
        let hash = hash_anew(memory, &password);
        hash.map(|hash| Secret::new(hash.to_string())).map_err(|_| PasswordError::Failed)
    });
    hashed.await?
}

/// The result of verifying a password.
#[derive(Debug)]
pub struct Verified {
    /// Whether it is the one that the hash was made of.
    pub fits: bool,
    /// A hash of our own to store in place of another system's, when the password fits that.
    pub replacement: Option<Secret>,
}

/// Whether `password` is the one that `hash` was made of. Without a hash it takes as long and says no; for the hash of
/// another system it takes as long as for one of our own, and what that hash costs beyond it. `begins` is called when it is
/// this password's turn, and dropped when that does not come, also because this future is dropped.
///
/// # Errors
/// When it gets no turn in time.
pub async fn verify_password(
    source: HashingSource,
    hash: Option<&Secret>,
    password: &Secret,
    begins: impl FnOnce() + Send + 'static,
) -> Result<Verified, PasswordError> {
    let verdict = |fits| Verified { fits, replacement: None };
    let (hash, password) = (hash.cloned(), password.clone());
    let verified = HASHING.run(source, move |memory| {
        begins();
        let bytes = password.expose().as_bytes();
        let Some(hash) = hash else {
            // The same work as for a user with a password, so that time does not tell who exists.
            drop(hash_anew(memory, &password));
            return verdict(false);
        };
        if let Some(imported) = ImportedHash::from_stored(&hash) {
            let (own, fits) = (hash_anew(memory, &password), imported.fits(bytes));
            let replacement = own.ok().filter(|_| fits).map(|hash| Secret::new(hash.to_string()));
            return Verified { fits, replacement };
        }
        let parsed = PasswordHash::new(hash.expose());
        verdict(parsed.is_ok_and(|parsed| InMemory::of(memory).verify_password(bytes, &parsed).is_ok()))
    });
    verified.await
}

fn hash_anew(memory: &mut Vec<Block>, password: &Secret) -> password_hash::Result<PasswordHash> {
    let salt = try_generate_salt()?;
    InMemory::of(memory).hash_password_with_params(password.expose().as_bytes(), &salt, Params::default())
}

/// Argon2 that computes in memory it is given. The library has the rest of it: how a hash is read, written and compared.
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
            // A hash that was not made here: its memory is not kept.
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

/// Work on threads of its own, so many at a time.
#[derive(Debug)]
struct Hashing {
    turns: Turns<Party, Vec<Block>>,
    wait: Duration,
}

impl Hashing {
    fn new(turns: usize, wait: Duration) -> Self {
        let memory = (0..turns).map(|_| Vec::new()).collect();
        Self { turns: Turns::new(memory, WAITING_MAX), wait }
    }

    async fn run<T: Send + 'static>(
        &self,
        source: HashingSource,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = self.turns.take(&source.parties(), self.wait).await.ok_or(PasswordError::Busy)?;
        // The work goes on when its caller has gone, so the turn is the work's.
        let working = tokio::task::spawn_blocking(move || turn.with(work));
        working.await.map_err(|_| PasswordError::Failed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{
        net::Ipv4Addr,
        sync::{Arc, mpsc},
        task::Poll,
    };

    use argon2::PasswordHasher as _;

    use super::*;

    fn network(last: u8) -> HashingSource {
        HashingSource::SignIn(Network::of(Ipv4Addr::new(192, 0, 2, last).into()), String::new())
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
        // The turn comes back when the work has ended.
        drop(hashing.turns.take(&network(2).parties(), Duration::from_mins(1)).await.unwrap());
        assert_eq!(hashing.run(network(2), |_| 1).await, Ok(1));
    }

    /// What work holds is dropped with a caller that goes while it waits: [`verify_password`] says so of `begins`.
    #[tokio::test]
    async fn work_that_waits_for_its_turn_is_dropped_with_its_caller() {
        let hashing = Hashing::new(1, Duration::from_mins(1));
        let _turn = hashing.turns.take(&network(1).parties(), Duration::from_mins(1)).await.unwrap();
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

    /// Hashes of the library and of ours are each other's, whatever was in the memory before.
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

    /// However many hashes come at once, and whatever threads compute them, the memory is that of the turns.
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

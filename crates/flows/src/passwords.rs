//! Hashes of passwords, computed by few at a time.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc::PasswordHash};
use tenterhook_contract::Secret;
use tenterhook_store::StoreError;
use tokio::{sync::Semaphore, time::timeout};

use crate::imported_password::ImportedHash;

/// Longest password in bytes: hashing takes any length, requests must not.
pub const PASSWORD_BYTES_MAX: usize = 72 * 4;
/// Hashes computed at the same time; each takes 19 MiB and a core.
const HASHING_MAX: usize = 4;
/// How long a hash may wait for its turn.
const HASHING_WAIT: Duration = Duration::from_secs(5);
/// The turns of this process.
static HASHING: LazyLock<Hashing> = LazyLock::new(|| Hashing::new(HASHING_MAX, HASHING_WAIT));

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

/// The argon2id hash of a password, in PHC form.
///
/// # Errors
/// When it gets no turn in time, or the library refuses, which it does for no password within [`PASSWORD_BYTES_MAX`].
pub async fn hash_password(password: &Secret) -> Result<Secret, PasswordError> {
    let password = password.clone();
    let hashed = HASHING.run(move || {
        let hash = Argon2::default().hash_password(password.expose().as_bytes());
        hash.map(|hash| Secret::new(hash.to_string())).map_err(|_| PasswordError::Failed)
    });
    hashed.await?
}

/// What comes of a password that was tried.
#[derive(Debug)]
pub struct Verified {
    /// Whether it is the one that the hash was made of.
    pub fits: bool,
    /// A hash of our own to store in place of another system's, when the password fits that.
    pub replacement: Option<Secret>,
}

/// Whether `password` is the one that `hash` was made of. Without a hash it takes as long and says no; for the hash of
/// another system it takes as long as for one of our own, and what that hash costs beyond it.
///
/// # Errors
/// When it gets no turn in time.
pub async fn verify_password(hash: Option<&Secret>, password: &Secret) -> Result<Verified, PasswordError> {
    let verdict = |fits| Verified { fits, replacement: None };
    let (hash, password) = (hash.cloned(), password.clone());
    let verified = HASHING.run(move || {
        let bytes = password.expose().as_bytes();
        let Some(hash) = hash else {
            // The same work as for a user with a password, so that time does not tell who exists.
            drop(Argon2::default().hash_password(bytes));
            return verdict(false);
        };
        if let Some(imported) = ImportedHash::from_stored(&hash) {
            let (own, fits) = (Argon2::default().hash_password(bytes), imported.fits(bytes));
            let replacement = own.ok().filter(|_| fits).map(|hash| Secret::new(hash.to_string()));
            return Verified { fits, replacement };
        }
        let parsed = PasswordHash::new(hash.expose());
        verdict(parsed.is_ok_and(|parsed| Argon2::default().verify_password(bytes, &parsed).is_ok()))
    });
    verified.await
}

/// Work on threads of its own, so many at a time.
#[derive(Debug)]
struct Hashing {
    turns: Arc<Semaphore>,
    wait: Duration,
}

impl Hashing {
    fn new(turns: usize, wait: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), wait }
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let turn = timeout(self.wait, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Failed)?;
        let working = tokio::task::spawn_blocking(move || {
            // The work goes on when its caller has gone, so the turn is the work's.
            let _turn = turn;
            work()
        });
        working.await.map_err(|_| PasswordError::Failed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_keeps_its_turn_when_its_caller_goes_and_who_waits_too_long_is_told() {
        let hashing = Arc::new(Hashing::new(1, Duration::from_millis(20)));
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let caller = tokio::spawn({
            let hashing = Arc::clone(&hashing);
            async move {
                let work = move || {
                    begun.send(()).unwrap();
                    finished.recv().unwrap();
                };
                hashing.run(work).await
            }
        });
        begins.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(hashing.run(|| ()).await, Err(PasswordError::Busy));
        finish.send(()).unwrap();
        // The turn comes back when the work has ended.
        drop(hashing.turns.acquire().await.unwrap());
        assert_eq!(hashing.run(|| 1).await, Ok(1));
    }
}

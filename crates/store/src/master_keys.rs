//! The master keys in use, and the source of newer ones: a node may find a secret under a key that another node has
//! already read from the shared file.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tenterhook_contract::Secret;
use tokio::time::Instant;

use crate::{Keyring, StoreError, keyring::SecretOwner};

/// Shortest interval between two reads of the keys, however many secrets are under a missing key.
const READ_EVERY: Duration = Duration::from_millis(100);

/// Reads the master keys from their file; `None` when they cannot be read.
type Source = Box<dyn Fn() -> Option<Keyring> + Send + Sync>;

/// The master keys in use.
pub(crate) struct MasterKeys {
    current: ArcSwap<Keyring>,
    source: OnceLock<Source>,
    /// When they were last read again.
    read: Mutex<Option<Instant>>,
}

impl MasterKeys {
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self { current: ArcSwap::from_pointee(keyring), source: OnceLock::new(), read: Mutex::default() }
    }

    /// Sets the source of newer keys; only the first call has an effect.
    pub(crate) fn read_with(&self, source: impl Fn() -> Option<Keyring> + Send + Sync + 'static) {
        let _ = self.source.set(Box::new(source));
    }

    /// Uses these keys from now on, and logs the change if they differ from those in use.
    pub(crate) fn replace(&self, keyring: Keyring) {
        let keyring = Arc::new(keyring);
        let before = self.current.swap(Arc::clone(&keyring));
        if before != keyring {
            tracing::info!(keys = ?keyring, "keys.changed: the first encrypts, all decrypt");
        }
    }

    pub(crate) fn current(&self) -> Arc<Keyring> {
        self.current.load_full()
    }

    /// Decrypts a secret. If its key is missing, the keys are read again.
    ///
    /// # Errors
    /// [`StoreError::KeyMissing`] when the key is still missing.
    pub(crate) fn decrypt(&self, owner: SecretOwner<'_>, stored: &str) -> Result<Secret, StoreError> {
        self.with_newest(|keyring| keyring.decrypt(owner, stored))
    }

    /// Whether a stored keyed hash is that of this short secret. When its key is missing, the keys are read again.
    ///
    /// # Errors
    /// [`StoreError::KeyMissing`] when the key is still missing.
    pub(crate) fn is_hash_of(&self, owner: SecretOwner<'_>, stored: &str, secret: &str) -> Result<bool, StoreError> {
        self.with_newest(|keyring| keyring.is_hash_of(owner, stored, secret))
    }

    fn with_newest<T>(&self, read: impl Fn(&Keyring) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match read(&self.current()) {
            Err(StoreError::KeyMissing { .. }) => {
                self.read_anew();
                read(&self.current())
            }
            read => read,
        }
    }

    /// Reads the keys again, unless that was just done.
    fn read_anew(&self) {
        let Some(source) = self.source.get() else { return };
        // Other callers wait for the same read; the file is small.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_some_and(|read| read.elapsed() < READ_EVERY) {
            return;
        }
        *read = Some(Instant::now());
        if let Some(keyring) = source() {
            self.replace(keyring);
        }
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.load().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const OWNER: SecretOwner<'_> = SecretOwner { org: "org", row: "row", field: "field" };

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_not_there_is_looked_for_at_once_and_not_too_often() {
        let (old, new) = (Keyring::generate_text(), Keyring::generate_text());
        let ring = |text: &Secret| Keyring::from_text(text).unwrap();
        let stored = ring(&new).encrypt(OWNER, &Secret::new("x")).unwrap();
        let keys = MasterKeys::new(ring(&old));
        assert!(matches!(keys.decrypt(OWNER, &stored), Err(StoreError::KeyMissing { .. })), "nowhere to look for it");
        let (file, readings) = (Arc::new(Mutex::new(old)), Arc::new(AtomicU32::new(0)));
        keys.read_with({
            let (file, readings) = (Arc::clone(&file), Arc::clone(&readings));
            move || {
                readings.fetch_add(1, Ordering::Relaxed);
                Keyring::from_text(&file.lock().unwrap()).ok()
            }
        });
        for _ in 0..50 {
            assert!(matches!(keys.decrypt(OWNER, &stored), Err(StoreError::KeyMissing { .. })));
        }
        assert_eq!(readings.load(Ordering::Relaxed), 1, "however many secrets are under it");
        *file.lock().unwrap() = Secret::new("no key");
        tokio::time::advance(READ_EVERY).await;
        assert!(keys.decrypt(OWNER, &stored).is_err(), "a file that is not usable changes nothing");
        *file.lock().unwrap() = new;
        let half = READ_EVERY / 2;
        tokio::time::advance(half).await;
        assert!(keys.decrypt(OWNER, &stored).is_err(), "it was just read");
        tokio::time::advance(half).await;
        assert_eq!(keys.decrypt(OWNER, &stored).unwrap(), Secret::new("x"));
        assert_eq!(readings.load(Ordering::Relaxed), 3);
        keys.decrypt(OWNER, "v1.nothing").unwrap_err();
        let damaged = format!("{stored}A");
        tokio::time::advance(READ_EVERY).await;
        assert!(matches!(keys.decrypt(OWNER, &damaged), Err(StoreError::Undecryptable { .. })));
        assert_eq!(readings.load(Ordering::Relaxed), 3, "the key is there, so no other one would help");
    }
}

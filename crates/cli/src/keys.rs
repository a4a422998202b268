//! `tenterhook keys`: master keys, and re-encryption of all secrets under a new one.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tenterhook_contract::Secret;
use tenterhook_platform::Platform;
use tenterhook_store::{Keyring, Store, StoreError};

use crate::{Error, config::Config, key_file, tool};

/// How often a running server checks the file with its master keys for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After this many consecutive failures to read the file, one is logged.
const UNREAD_MAX: u32 = 2;

/// `keys generate`.
pub(crate) fn generate(out: &Path) -> Result<(), Error> {
    key_file::write_new(out, &Keyring::generate_text())
        .map_err(|error| format!("Cannot write `{}`: {error}", out.display()))?;
    tool::print(&format!(
        "Wrote a new master key to {}. Keep a copy: without it no stored secret can be read.",
        out.display()
    ))?;
    Ok(())
}

/// `keys add`: adds a new key to a file of keys, in front to encrypt, or as standby at the end.
pub(crate) fn add(to: &Path, standby: bool) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| format!("`{}`: {error}", to.display());
    let old = key_file::read(to).map_err(|error| failed(&error))?;
    Keyring::from_text(&old).map_err(|error| failed(&error))?;
    let new = Keyring::generate_text();
    let (first, second) = if standby { (&old, &new) } else { (&new, &old) };
    let both = Secret::new(format!("{}\n{}", first.expose().trim_end(), second.expose().trim_end()));
    key_file::replace(to, &both).map_err(|error| failed(&error))?;
    if standby {
        tool::print("Added a key that decrypts. Once every node has the file, move its last line to the front.")?;
    } else {
        tool::print(&format!(
            "Added a key that encrypts from now on; running servers use it within {} s.",
            LOOK_EVERY.as_secs()
        ))?;
    }
    tool::print("Next: tenterhook keys rotate --config FILE")?;
    Ok(())
}

/// `keys rotate`: re-encrypts every stored secret under the first key.
pub(crate) async fn rotate(config: &Config) -> Result<(), Error> {
    // Refused before the wait.
    config.keyring()?;
    // A server that has not read a new key yet could not decrypt secrets under it.
    let age =
        config.keys.master_key_file.as_ref().and_then(|path| fs::metadata(path).ok()?.modified().ok()?.elapsed().ok());
    tokio::time::sleep((LOOK_EVERY * 2).saturating_sub(age.unwrap_or_default())).await;
    let keyring = config.keyring()?;
    let current = keyring.current().unwrap_or_default().to_owned();
    let store = Store::open_beside_servers(&config.database()?, keyring).await?;
    let done = store
        .rotate_secrets(|progress| {
            // The rotation goes on when nobody reads how far it is.
            let _ = tool::print(&format!(
                "{} of {} rows, {} secrets moved",
                progress.seen, progress.rows, progress.secrets
            ));
        })
        .await;
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            let why = match &error {
                StoreError::KeyMissing { key, .. } => tool::wrong_key(&config.keys, &config.keyring()?, key),
                error => error.to_string(),
            };
            return Err(format!("{why}. What was moved stays moved; fix the cause and run it again").into());
        }
    };
    if done.contended > 0 {
        return Err(format!("{} rows were being changed by others: run it again", done.contended).into());
    }
    tool::print(&format!(
        "Moved {} secrets in {}. All are under the key `{current}` now; if this is the database of your servers, the other keys \
         can be removed.",
        done.secrets,
        config.database()?.place()
    ))?;
    Ok(())
}

/// The master keys of a file, if they can be read and used; [`follow`] logs failures.
pub(crate) fn read(path: &Path) -> Option<Keyring> {
    Keyring::from_text(&key_file::read(path).ok()?).ok()
}

/// Uses the master keys of a file whenever they differ from those in use; runs until the future is dropped.
pub(crate) async fn follow(path: PathBuf, platform: Arc<Platform>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut look = Look::default();
    loop {
        every.tick().await;
        // Compared with the keys in use, not with the last read: those may have been read in between from a file that
        // was restored since.
        if let Some(keyring) = look.read(&path) {
            platform.store().replace_keyring(keyring);
        }
    }
}

/// The failures that were already logged.
#[derive(Default)]
struct Look {
    /// Consecutive failures to read the file.
    unread: u32,
    /// The unusable content of the file.
    refused: Option<Secret>,
}

impl Look {
    /// The keys in the file; if it has none, this is logged once.
    fn read(&mut self, path: &Path) -> Option<Keyring> {
        let text = match key_file::read(path) {
            Ok(text) => text,
            Err(error) => {
                self.unread = self.unread.saturating_add(1);
                // A file that is missing for a moment is being replaced.
                if self.unread == UNREAD_MAX {
                    tracing::warn!(
                        %error,
                        path = %path.display(),
                        "keys.unreadable: the known keys stay in use, and new ones are not noticed. Make the file readable to this \
                         server before `keys rotate`"
                    );
                }
                return None;
            }
        };
        if std::mem::take(&mut self.unread) >= UNREAD_MAX {
            tracing::info!(path = %path.display(), "keys.readable: the file with the master keys can be read again");
        }
        match Keyring::from_text(&text) {
            Ok(keyring) => {
                self.refused = None;
                Some(keyring)
            }
            Err(error) => {
                if self.refused.as_ref() != Some(&text) {
                    tracing::warn!(%error, path = %path.display(), "keys.changed is not usable; the old keys stay in use");
                }
                self.refused = Some(text);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use tenterhook_testkit::lines::Lines;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_told_of_once_and_so_is_its_return() {
        let folder = tempfile::tempdir().unwrap();
        let (path, away) = (folder.path().join("master.key"), folder.path().join("away.key"));
        key_file::write_new(&path, &Keyring::generate_text()).unwrap();
        let (log, said) = (Lines::default(), |log: &Lines, wanted: &str| log.text().matches(wanted).count());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut look = Look::default();
            for round in 1..=2 {
                fs::rename(&path, &away).unwrap();
                for _ in 1..UNREAD_MAX {
                    assert_eq!(look.read(&path), None);
                }
                assert_eq!(said(&log, "keys.unreadable"), round - 1, "it may be about to be replaced");
                for _ in 0..5 {
                    assert_eq!(look.read(&path), None);
                }
                fs::rename(&away, &path).unwrap();
                for _ in 0..5 {
                    assert!(look.read(&path).is_some());
                }
                assert_eq!((said(&log, "keys.unreadable"), said(&log, "keys.readable")), (round, round));
            }
        });
    }

    /// Other keys may have come into use since the previous read, from a file that was restored since.
    #[test]
    fn a_look_finds_the_keys_of_the_file_also_when_that_is_what_the_one_before_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let text = Keyring::generate_text();
        key_file::write_new(&path, &text).unwrap();
        let keyring = Keyring::from_text(&text).unwrap();
        let mut look = Look::default();
        assert_eq!(look.read(&path).as_ref(), Some(&keyring));
        assert_eq!(look.read(&path).as_ref(), Some(&keyring));
        key_file::replace(&path, &Secret::new("no key")).unwrap();
        assert_eq!(look.read(&path), None);
        key_file::replace(&path, &text).unwrap();
        assert_eq!(look.read(&path).as_ref(), Some(&keyring));
    }
}

//! When API tokens were last used: noted in the database at most once a minute for each, and never waited for.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use tenterhook_contract::{
    Timestamp,
    id::{ApiTokenId, OrgId},
};
use tenterhook_model::ApiToken;
use tenterhook_store::Store;

use crate::Platform;

/// Seconds between two notes of one token.
const NOTE_EVERY_SECONDS: i64 = 60;
/// Tokens whose notes are remembered. When there are as many, uses of further tokens are not noted until notes are a minute old.
const TOKENS_MAX: usize = 10_000;

/// The notes that this node has made.
pub struct TokenUses {
    store: Store,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    last: HashMap<(OrgId, ApiTokenId), Timestamp>,
    /// When notes older than a minute were last forgotten.
    swept: Option<Timestamp>,
}

impl TokenUses {
    /// Without notes, for the tokens of a platform's database.
    pub fn new(platform: &Platform) -> Self {
        Self::in_store(platform.store().clone())
    }

    fn in_store(store: Store) -> Self {
        Self { store, noted: Mutex::default() }
    }

    /// Notes a use of the token at `now` if that is due, in the background.
    pub fn note(&self, token: &ApiToken, now: Timestamp) {
        if !self.is_due(token, now) {
            return;
        }
        let (store, token) = (self.store.clone(), token.clone());
        tokio::spawn(async move {
            if let Err(error) = store.note_api_token_use(&token, now, now.plus_seconds(-NOTE_EVERY_SECONDS)).await {
                // The next use after a minute is noted in its place.
                tracing::debug!(%error, "management.token_use was not noted");
            }
        });
    }

    /// Whether neither this node nor, as far as the token says, another one has noted a use within a minute.
    fn is_due(&self, token: &ApiToken, now: Timestamp) -> bool {
        let since = now.plus_seconds(-NOTE_EVERY_SECONDS);
        if token.last_used.is_some_and(|last| last > since) {
            return false;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (token.org_id.clone(), token.id.clone());
        if noted.last.get(&key).is_some_and(|last| *last > since) {
            return false;
        }
        // Not for each request, because all notes are looked at.
        if noted.last.len() >= TOKENS_MAX && noted.swept.is_none_or(|swept| swept <= now.plus_seconds(-1)) {
            noted.last.retain(|_, last| *last > since);
            noted.swept = Some(now);
        }
        if noted.last.len() >= TOKENS_MAX && !noted.last.contains_key(&key) {
            return false;
        }
        noted.last.insert(key, now);
        true
    }
}

impl fmt::Debug for TokenUses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenUses").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tenterhook_model::TokenRole;
    use tenterhook_store::{Keyring, StoreConfig};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_770_800_000_000_000).plus_seconds(seconds)
    }

    fn token(number: u64, last_used: Option<Timestamp>) -> ApiToken {
        ApiToken {
            id: ApiTokenId::from_parts(number, [0; 8]),
            org_id: OrgId::from_parts(1, [1; 8]),
            name: "t".to_owned(),
            role: TokenRole::Administrator,
            token_sha256: format!("hash {number}"),
            created: at(0),
            last_used,
            expires: None,
        }
    }

    async fn uses() -> TokenUses {
        let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
        TokenUses::in_store(Store::open(&StoreConfig::Ephemeral, keyring).await.unwrap())
    }

    #[tokio::test]
    async fn a_use_is_noted_once_a_minute() {
        let uses = uses().await;
        assert!(uses.is_due(&token(1, None), at(100)));
        assert!(!uses.is_due(&token(1, None), at(159)), "this node has noted it");
        assert!(uses.is_due(&token(2, None), at(159)), "another token");
        assert!(uses.is_due(&token(1, Some(at(100))), at(160)));
        assert!(!uses.is_due(&token(3, Some(at(150))), at(209)), "another node has noted it");
        assert!(uses.is_due(&token(3, Some(at(150))), at(210)));
    }

    #[tokio::test]
    async fn as_many_tokens_as_the_bound_are_remembered_for_a_minute() {
        let uses = uses().await;
        for number in 0..TOKENS_MAX {
            assert!(uses.is_due(&token(u64::try_from(number).unwrap(), None), at(0)));
        }
        assert!(!uses.is_due(&token(1_000_000, None), at(59)), "one more");
        assert!(uses.is_due(&token(1_000_000, None), at(60)), "the others are forgotten");
        assert_eq!(uses.noted.lock().unwrap().last.len(), 1);
    }
}

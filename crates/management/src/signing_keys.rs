//! Which key signs, and when another takes its place.

use std::{
    collections::{HashSet, VecDeque},
    mem,
};

use tenterhook_contract::{
    Timestamp,
    id::{AuthorizationServerId, OrgId},
    limits::TOKEN_LIFETIME_SECONDS_MAX,
    party::Target,
};
use tenterhook_jose::{Generated, KeyError, SigningAlgorithm};
use tenterhook_model::{
    AuthorizationServer, ConfigurationObject, ConfigurationWrite, KeyRotation, OrgStatus, SigningKey, Status,
};
use tenterhook_platform::{
    OrgSnapshot, Platform,
    events::{named_target, system_event},
    keys::{generate_key_pair, generate_key_pairs, signing_key},
};

use crate::{
    administrator::{Administrator, ManagementError, log_change, org_of},
    authorization_servers::find,
    request::{Given, Submitted},
};

/// How long a key signs where keys are rotated by themselves: the vendor does it four times a year.
const ROTATION_SECONDS: i64 = 90 * 86_400;
/// How long a key is published after another took its place: for as long as a token that it signed may live, and an hour
/// for nodes whose clocks are behind.
const PUBLISHED_SECONDS: i64 = TOKEN_LIFETIME_SECONDS_MAX as i64 + 3_600;
/// Keys of a server that are published although no token needs them any more: the one that signs and those before it.
const KEYS_KEPT: usize = 4;
/// Keys of a server that sign or have signed. An administrator who wants more must wait until the tokens of the oldest have ended.
const KEYS_MAX: usize = 10;

/// The keys of a server, the newest last.
fn keys_of<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer) -> impl DoubleEndedIterator<Item = &'a SigningKey> {
    org.configuration.signing_keys.below(&server.id)
}

/// The keys that sign or have signed, the one that signs last.
fn signed_keys_of<'a>(
    org: &'a OrgSnapshot,
    server: &AuthorizationServer,
) -> impl DoubleEndedIterator<Item = &'a SigningKey> {
    keys_of(org, server).filter(|key| key.status == Status::Active)
}

/// The newest active key, which signs.
pub(crate) fn signing_key_of<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer) -> Option<&'a SigningKey> {
    signed_keys_of(org, server).next_back()
}

/// The key that signs after the next rotation. A server whose last key was made by an earlier version has none.
fn next_key_of<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer) -> Option<&'a SigningKey> {
    keys_of(org, server).next_back().filter(|key| key.status == Status::Inactive)
}

/// When another key takes the place of `key`; `None` when only an administrator makes one.
pub(crate) fn next_rotation(server: &AuthorizationServer, key: &SigningKey) -> Option<Timestamp> {
    (server.key_rotation == KeyRotation::Auto).then(|| key.created.plus_seconds(ROTATION_SECONDS))
}

/// What a published key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It signs.
    Active,
    /// It signs after the next rotation.
    Next,
    /// It has signed tokens that may still be in use.
    Expired,
}

/// A published key of a server.
#[derive(Clone, Debug)]
pub struct PublishedKey {
    /// The key.
    pub key: SigningKey,
    /// What it is for.
    pub state: KeyState,
}

/// What a request for a new key says.
#[derive(Clone, Debug, Default)]
pub struct RotationRequest {
    /// `sig`.
    pub purpose: Given<String>,
}

/// The published keys of a server, the newest last.
pub fn list(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
) -> Result<Vec<PublishedKey>, ManagementError> {
    let org = org_of(platform, administrator)?;
    let server = find(&org, server)?;
    let kids = [signing_key_of(&org, server), next_key_of(&org, server)].map(|key| key.map(|key| &key.kid));
    let state = |key: &SigningKey| match kids.map(|kid| kid == Some(&key.kid)) {
        [true, _] => KeyState::Active,
        [_, true] => KeyState::Next,
        _ => KeyState::Expired,
    };
    Ok(keys_of(&org, server).map(|key| PublishedKey { state: state(key), key: key.clone() }).collect())
}

/// Lets the next key of a server sign from now on, and gives the server another next key. The keys before are published for
/// as long as their tokens may live.
///
/// # Errors
/// [`ManagementError::Invalid`] while there are [`KEYS_MAX`] keys whose tokens may still live.
pub async fn rotate(
    platform: &Platform,
    administrator: &Administrator,
    server: &str,
    submitted: &Submitted<RotationRequest>,
) -> Result<Vec<PublishedKey>, ManagementError> {
    if submitted.request.purpose.value().is_none_or(|purpose| purpose != "sig") {
        return Err(ManagementError::field("use", "Write `sig`"));
    }
    let org_id = &administrator.token.org_id;
    let org = org_of(platform, administrator)?;
    let now = platform.now().whole_seconds();
    let rotated = find(&org, server)?;
    check_room_for_key(&org, rotated, now)?;
    let fresh = Fresh::generate(&org, rotated).await?;
    let (server_id, name) = platform
        .change(org_id, |org| {
            let server = find(org, server)?;
            check_room_for_key(org, server, now)?;
            let writes = rotation(org, server, fresh.keys(platform, &server.id, now), now);
            Ok::<_, ManagementError>((writes, (server.id.to_string(), server.name.clone())))
        })
        .await?;
    let (event_type, message, target) = event_of(&server_id, &name);
    log_change(platform, administrator, event_type, message, target);
    list(platform, administrator, server)
}

/// The signing keys that were due for rotation at the last look.
#[derive(Debug, Default)]
pub struct DueKeys(HashSet<String>);

/// Rotates the keys of every active server whose keys are rotated by themselves, when the time of its key is over. Returns
/// how many servers got another key. What fails is logged, and is due the next time.
///
/// A key is rotated only if it was due at the last look too: a clock that jumps ahead and back again must not rotate the keys of
/// all servers at once. A key that was made while the clock was ahead is new from the time at which it is found.
pub async fn rotate_due_keys(platform: &Platform, due: &mut DueKeys) -> usize {
    let is_due = |created: Timestamp| {
        let now = platform.now();
        created > now || created.plus_seconds(ROTATION_SECONDS) <= now
    };
    // Most orgs are not in memory, and few of them have a key that is due.
    let orgs = match platform.store().orgs_with_newest_keys(is_due).await {
        Ok(orgs) => orgs,
        Err(error) => {
            tracing::warn!(%error, "signing_key.rotation failed");
            return 0;
        }
    };
    let before = mem::take(&mut due.0);
    let mut rotated = 0;
    for id in orgs {
        // Nothing runs in an org that is not active, so its configuration is not loaded.
        if platform.org_status(&id).is_some_and(|status| status != OrgStatus::Active) {
            continue;
        }
        let snapshot = match platform.load_org(&id).await {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(org = %id, %error, "signing_key.rotation failed");
                continue;
            }
        };
        for server in &snapshot.configuration.authorization_servers {
            let now = platform.now();
            let Some(key) = due_key(&snapshot, server, now) else { continue };
            due.0.insert(key.kid.clone());
            if !before.contains(&key.kid) {
                continue;
            }
            let done = if key.created > now {
                redate(platform, &id, server, now).await
            } else {
                rotate_due(platform, &snapshot, server, key).await
            };
            match done {
                Ok(true) => {
                    rotated += 1;
                    log_rotation(platform, &snapshot, server);
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(server = %server.id, error, "signing_key.rotation failed"),
            }
        }
    }
    rotated
}

/// Rotates the keys of a server while `due` signs; whether it did.
async fn rotate_due(
    platform: &Platform,
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    due: &SigningKey,
) -> Result<bool, String> {
    let now = platform.now();
    let fresh = Fresh::generate(org, server).await.map_err(|error| error.to_string())?;
    let change = platform.change(&org.org.id, |org| {
        // Another node may have done it by now.
        let is_due = |server: &&AuthorizationServer| due_key(org, server, now).is_some_and(|key| key.kid == due.kid);
        let server = org.authorization_server(server.id.as_str()).filter(is_due);
        let seconds = now.whole_seconds();
        let writes = server.map(|server| rotation(org, server, fresh.keys(platform, &server.id, seconds), seconds));
        let writes = writes.unwrap_or_default();
        let changed = !writes.is_empty();
        Ok::<_, KeyError>((writes, changed))
    });
    change.await.map_err(|error| format!("{error:?}"))
}

/// Sets the creation time of keys that are dated after `now` to `now`; rotates none.
async fn redate(
    platform: &Platform,
    org: &OrgId,
    server: &AuthorizationServer,
    now: Timestamp,
) -> Result<bool, String> {
    tracing::warn!(server = %server.id, "signing_key.dated_ahead: a key was made while a clock was ahead");
    let created = now.whole_seconds();
    let change = platform.change(org, |org| {
        let ahead = keys_of(org, server).filter(|key| key.created > now);
        let writes = ahead.map(|key| SigningKey { created, ..key.clone() });
        let writes = writes.map(|key| ConfigurationWrite::put(ConfigurationObject::SigningKey(key))).collect();
        Ok::<_, KeyError>((writes, false))
    });
    change.await.map_err(|error| format!("{error:?}"))
}

fn log_rotation(platform: &Platform, org: &OrgSnapshot, server: &AuthorizationServer) {
    let event = event_of(server.id.as_str(), &server.name);
    platform.log().append(&system_event(platform.entropy(), platform.now(), &org.org.id, event));
}

/// The key of an active server whose time is over, or a key that is dated after `now`.
fn due_key<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer, now: Timestamp) -> Option<&'a SigningKey> {
    let ahead = keys_of(org, server).find(|key| key.created > now);
    let is_over = |key: &&SigningKey| next_rotation(server, key).is_some_and(|next| next <= now);
    ahead.or_else(|| signing_key_of(org, server).filter(|_| server.status == Status::Active).filter(is_over))
}

/// The oldest keys of a server that would be too many with one more, as far as all their tokens have ended at `now`.
fn dropped<'a>(
    org: &'a OrgSnapshot,
    server: &AuthorizationServer,
    now: Timestamp,
) -> impl Iterator<Item = &'a SigningKey> {
    let too_many = (signed_keys_of(org, server).count() + 1).saturating_sub(KEYS_KEPT);
    let with_next = signed_keys_of(org, server).zip(signed_keys_of(org, server).skip(1));
    let ended = with_next.take_while(move |(_, next)| next.created.plus_seconds(PUBLISHED_SECONDS) <= now);
    ended.take(too_many).map(|(key, _)| key)
}

/// Refuses one more key for a server that has too many which must stay.
fn check_room_for_key(org: &OrgSnapshot, server: &AuthorizationServer, now: Timestamp) -> Result<(), ManagementError> {
    if signed_keys_of(org, server).skip(dropped(org, server, now).count()).count() < KEYS_MAX {
        return Ok(());
    }
    let next = signed_keys_of(org, server).nth(1).map(|next| next.created.plus_seconds(PUBLISHED_SECONDS).to_string());
    Err(ManagementError::field(
        "keyRotate",
        &format!(
            "The server has {KEYS_MAX} keys whose tokens may still be in use; there is room for another one from {} on",
            next.unwrap_or_default()
        ),
    ))
}

/// Key pairs for a rotation: that of another next key, and one that signs where the server has no next key.
struct Fresh {
    algorithm: SigningAlgorithm,
    pairs: Vec<Generated>,
}

impl Fresh {
    async fn generate(org: &OrgSnapshot, server: &AuthorizationServer) -> Result<Self, KeyError> {
        let algorithm = signing_key_of(org, server).map(|key| key.algorithm).unwrap_or_default();
        let pairs = match next_key_of(org, server) {
            Some(_) => vec![generate_key_pair(algorithm).await?],
            None => generate_key_pairs(algorithm).await?.into(),
        };
        Ok(Self { algorithm, pairs })
    }

    /// The pairs as keys of the server, not yet given a part.
    fn keys(&self, platform: &Platform, server: &AuthorizationServerId, now: Timestamp) -> VecDeque<SigningKey> {
        let key = |pair| signing_key((self.algorithm, pair), server, platform.entropy(), now);
        self.pairs.iter().map(key).collect()
    }
}

/// Lets the next key sign from `now` on and makes one of the `fresh` keys the next one. Deletes the oldest keys that no
/// token needs any more, and a next key that was passed over by a node of an earlier version, which knows none.
fn rotation(
    org: &OrgSnapshot,
    server: &AuthorizationServer,
    mut fresh: VecDeque<SigningKey>,
    now: Timestamp,
) -> Vec<ConfigurationWrite> {
    let next = next_key_of(org, server);
    let passed_over = keys_of(org, server)
        .filter(|key| key.status == Status::Inactive && next.is_none_or(|next| next.kid != key.kid));
    let gone = dropped(org, server, now).chain(passed_over);
    let mut writes: Vec<_> = gone.map(|key| ConfigurationWrite::Delete(key.kid.clone())).collect();
    let signs = next.cloned().or_else(|| fresh.pop_front());
    let signs = signs.map(|key| SigningKey { status: Status::Active, created: now, ..key });
    let next = fresh.pop_front().map(|key| SigningKey { status: Status::Inactive, ..key });
    let keys = signs.into_iter().chain(next).map(ConfigurationObject::SigningKey);
    writes.extend(keys.map(ConfigurationWrite::put));
    writes
}

fn event_of(server: &str, name: &str) -> (&'static str, &'static str, Target) {
    let target = named_target(server, "AuthorizationServer", name);
    ("app.oauth2.as.key.rollover", "Signing key of authorization server has been rotated", target)
}

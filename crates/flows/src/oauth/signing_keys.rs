//! Which key signs, and when another takes its place.

use std::borrow::Cow;

use serde_json::{Value, json};
use tenterhook_contract::{
    Timestamp,
    system_log::{Actor, DebugData, LogEvent, LogResult, Severity, Target},
};
use tenterhook_jose::KeyError;
use tenterhook_store::{
    StoreError,
    model::{AuthorizationServer, ConfigurationObject, ConfigurationWrite, KeyRotation, SigningKey, Status},
};

use super::keys::{generate_key_pair, signing_key};
use crate::{
    OrgSnapshot, Platform,
    authorization_servers::find_server,
    management::{Administrator, ManagementError},
};

/// How long a key signs where keys are rotated by themselves: the vendor does it four times a year.
const ROTATION_SECONDS: i64 = 90 * 86_400;
/// Keys of a server that are published: the one that signs and those before it.
const KEYS_MAX: usize = 4;

/// The keys of a server, the newest last.
fn keys_of<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer) -> impl DoubleEndedIterator<Item = &'a SigningKey> {
    let id = server.id.clone();
    org.configuration.signing_keys.iter().filter(move |key| key.authorization_server_id == id)
}

/// The newest active key, which signs.
pub(crate) fn signing_key_of<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer) -> Option<&'a SigningKey> {
    keys_of(org, server).rfind(|key| key.status == Status::Active)
}

/// When another key takes the place of `key`; `None` when only an administrator makes one.
pub(crate) fn next_rotation(server: &AuthorizationServer, key: &SigningKey) -> Option<Timestamp> {
    (server.key_rotation == KeyRotation::Auto).then(|| key.created.plus_seconds(ROTATION_SECONDS))
}

/// The published keys of a server and what each is for.
pub fn list_keys(org: &OrgSnapshot, server: &str) -> Result<Value, ManagementError> {
    let server = find_server(org, server)?;
    let signs = signing_key_of(org, server).map(|key| &key.kid);
    let shown = |key: &SigningKey| {
        let mut shown = key.public_jwk.clone();
        shown.insert("status".to_owned(), json!(if Some(&key.kid) == signs { "ACTIVE" } else { "EXPIRED" }));
        Value::Object(shown)
    };
    Ok(keys_of(org, server).map(shown).collect())
}

impl Platform {
    /// Gives a server a new signing key now; the keys before it are published for as long as there is room.
    pub async fn rotate_server_key(
        &self,
        administrator: &Administrator,
        server: &str,
        body: &Value,
    ) -> Result<Value, ManagementError> {
        if body.get("use").is_none_or(|purpose| purpose != "sig") {
            return Err(ManagementError::field("use", "Write `sig`"));
        }
        let org_id = &administrator.token.org_id;
        let org = self.org_of(administrator)?;
        let algorithm = signing_key_of(&org, find_server(&org, server)?).map(|key| key.algorithm).unwrap_or_default();
        let failed = |error: KeyError| ManagementError::Store(StoreError::Database(error.to_string()));
        let pair = generate_key_pair(algorithm).await.map_err(failed)?;
        let now = self.now().whole_seconds();
        let (server_id, name) = self
            .change(org_id, |org| {
                let server = find_server(org, server)?;
                let key = signing_key((algorithm, &pair), &server.id, self.entropy(), now);
                Ok::<_, ManagementError>((rotation(org, server, key), (server.id.to_string(), server.name.clone())))
            })
            .await?;
        let (event_type, message, target) = event_of(server_id, name);
        self.log_change(administrator, event_type, message, target);
        list_keys(&*self.org_of(administrator)?, server)
    }

    /// Gives every active server whose keys are rotated by themselves a new key when the time of its key is over. Answers
    /// with how many it gave. What fails is logged, and is due the next time.
    pub async fn rotate_due_keys(&self) -> Result<usize, StoreError> {
        let mut rotated = 0;
        for org in self.store().orgs().await? {
            let Some(snapshot) = self.org(&org.id) else { continue };
            for server in &snapshot.configuration.authorization_servers {
                let now = self.now();
                let Some(key) = due_key(&snapshot, server, now) else { continue };
                let algorithm = key.algorithm;
                let made = async {
                    let pair = generate_key_pair(algorithm).await.map_err(|error| error.to_string())?;
                    let change = self.change(&org.id, |org| {
                        // Another node may have done it by now.
                        let due =
                            org.authorization_server(server.id.as_str()).filter(|s| due_key(org, s, now).is_some());
                        let key = || signing_key((algorithm, &pair), &server.id, self.entropy(), now.whole_seconds());
                        let writes = due.map(|server| rotation(org, server, key())).unwrap_or_default();
                        let changed = !writes.is_empty();
                        Ok::<_, KeyError>((writes, changed))
                    });
                    change.await.map_err(|error| format!("{error:?}"))
                };
                match made.await {
                    Ok(true) => {
                        rotated += 1;
                        self.log_rotation(&snapshot, server);
                    }
                    Ok(false) => {}
                    Err(error) => tracing::warn!(server = %server.id, error, "signing_key.rotation failed"),
                }
            }
        }
        Ok(rotated)
    }

    fn log_rotation(&self, org: &OrgSnapshot, server: &AuthorizationServer) {
        let (event_type, message, target) = event_of(server.id.to_string(), server.name.clone());
        self.log().append(&LogEvent {
            uuid: self.entropy().uuid().into(),
            org_id: org.org.id.clone(),
            published: self.now(),
            event_type: event_type.into(),
            severity: Severity::Info,
            display_message: message.into(),
            actor: Cow::Owned(Actor {
                id: "system".to_owned(),
                kind: "SystemPrincipal".to_owned(),
                alternate_id: None,
                display_name: Some("System".to_owned()),
            }),
            client: None,
            external_session_id: None,
            result: LogResult::Success,
            reason: None,
            debug_data: DebugData::default(),
            transaction_id: self.entropy().uuid().into(),
            request_api_token_id: None,
            targets: vec![Cow::Owned(target)],
        });
    }
}

/// The key of an active server whose time is over.
fn due_key<'a>(org: &'a OrgSnapshot, server: &AuthorizationServer, now: Timestamp) -> Option<&'a SigningKey> {
    let key = signing_key_of(org, server).filter(|_| server.status == Status::Active)?;
    next_rotation(server, key).is_some_and(|next| next <= now).then_some(key)
}

/// Adds a key, and drops the oldest where there would be too many.
fn rotation(org: &OrgSnapshot, server: &AuthorizationServer, key: SigningKey) -> Vec<ConfigurationWrite> {
    let too_many = (keys_of(org, server).count() + 1).saturating_sub(KEYS_MAX);
    let mut writes: Vec<_> =
        keys_of(org, server).take(too_many).map(|key| ConfigurationWrite::Delete(key.kid.clone())).collect();
    writes.push(ConfigurationWrite::put(ConfigurationObject::SigningKey(key)));
    writes
}

fn event_of(server: String, name: String) -> (&'static str, &'static str, Target) {
    let target = Target {
        id: server,
        kind: "AuthorizationServer".to_owned(),
        alternate_id: Some("unknown".to_owned()),
        display_name: Some(name),
        detail: None,
    };
    ("app.oauth2.as.key.rollover", "Signing key of authorization server has been rotated", target)
}

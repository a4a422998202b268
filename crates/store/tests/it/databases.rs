//! The databases that the suite runs on, and records to put into them.

use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::ConnectionTrait as _;
use tenterhook_contract::{
    Secret, Timestamp,
    id::{AuthorizationServerId, ClientId, OrgId, RefreshTokenId, RuleId, SessionId, UserId},
    token::ProtocolRequest,
};
use tenterhook_model::{
    AuthorizationCode, IssuedAccessToken, Org, Password, Profile, RefreshToken, Session, SignInCounts, User, UserQuery,
    UserStatus,
};
use tenterhook_store::{
    BeginningSession, BegunSession, Keyring, Proof, Rotated, Standing, Store, StoreConfig, StoreError,
};

/// Runs a test body on each database. A body takes a store that has one org.
macro_rules! on_every_database {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite_file() {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("store.sqlite");
                super::$name(crate::databases::open(&tenterhook_store::StoreConfig::Sqlite { path }).await).await;
            }

            #[tokio::test]
            async fn sqlite_memory() {
                super::$name(crate::databases::open(&tenterhook_store::StoreConfig::Ephemeral).await).await;
            }

            #[tokio::test]
            #[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
            async fn postgres() {
                super::$name(crate::databases::open(&crate::databases::postgres().await).await).await;
            }
        }
    )*};
}
pub(crate) use on_every_database;

/// Numbers that depend on a seed only (xorshift64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number from 0 to `end`, exclusive.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A number that no other caller in this process gets.
pub(crate) fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A database of its own on the server of this test run.
pub(crate) async fn postgres() -> StoreConfig {
    let url = tenterhook_testkit::postgres::new_database().await.unwrap();
    StoreConfig::Postgres { url: Secret::new(url), max_connections: 4 }
}

/// A connection that is not the store's, to act as another node.
pub(crate) async fn connect(config: &StoreConfig) -> sea_orm::DatabaseConnection {
    let StoreConfig::Postgres { url, .. } = config else { panic!("only PostgreSQL has other nodes") };
    sea_orm::Database::connect(url.expose()).await.unwrap()
}

/// Waits until a statement on the database waits for another's lock.
pub(crate) async fn somebody_waits(config: &StoreConfig) {
    // A separate connection, because within a transaction the answer would never change.
    let connection = connect(config).await;
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, waiting);
    while connection.query_one_raw(waiting.clone()).await.unwrap().is_none() {}
}

/// Waits until a session waits for such a lock, or until `change`, which should cause that, is done.
pub(crate) async fn waiting<T>(config: &StoreConfig, lock: &str, change: &tokio::task::JoinHandle<T>) {
    let connection = connect(config).await;
    let waiting =
        format!("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = '{lock}'");
    let waiting = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, waiting);
    while !change.is_finished() && connection.query_one_raw(waiting.clone()).await.unwrap().is_none() {}
}

pub(crate) async fn open(config: &StoreConfig) -> Store {
    let keyring = Keyring::from_text(&Keyring::generate_text()).unwrap();
    let store = Store::open(config, keyring).await.unwrap();
    store.insert_org(&Org::new(org(), None, "Org", at(0))).await.unwrap();
    store
}

/// The moment `seconds` after the suite's zero.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_770_800_000_000_000).plus_seconds(seconds)
}

pub(crate) fn org() -> OrgId {
    OrgId::from_parts(1, [1; 8])
}

pub(crate) fn other_org() -> OrgId {
    OrgId::from_parts(1, [2; 8])
}

pub(crate) fn user(login: &str) -> User {
    User {
        id: UserId::from_parts(number(), [0; 8]),
        org_id: org(),
        profile: Profile::new(login, login, "Ada", "Okoye").with("locale", "en_US").with("department", "Logistics"),
        password: Password::Hash { hash: Secret::new("$argon2id$…"), changed: at(0) },
        status: UserStatus::Active,
        created: at(0),
        activated: Some(at(0)),
        status_changed: Some(at(0)),
        last_updated: at(0),
        version: 0,
        sign_ins: SignInCounts::default(),
    }
}

/// The user whose id the codes, sessions and refresh tokens below have.
pub(crate) async fn insert_owner(store: &Store) -> UserId {
    let id = UserId::from_parts(1, [0; 8]);
    if store.find_user(&org(), &id).await.unwrap().is_none() {
        store.insert_user(&User { id: id.clone(), ..user("owner@example.com") }).await.unwrap();
    }
    id
}

/// Begins a session of a browser that has sent this cookie. Its user is added if there is none. Returns the session that has ended.
pub(crate) async fn begin_session(
    store: &Store,
    previous_sha256: Option<&str>,
    session: &Session,
) -> Result<Option<Session>, StoreError> {
    let (id, org_id) = (session.user_id.clone(), session.org_id.clone());
    let found = store.find_user(&org_id, &id).await?;
    if found.is_none() {
        store.insert_user(&User { org_id, id: id.clone(), ..user(&format!("{id}@example.com")) }).await?;
    }
    let proofs_ended = found.map_or(0, |user| user.sign_ins.proofs_ended);
    match store.begin_session(BeginningSession { session, proofs_ended, token: None, previous_sha256 }).await? {
        BegunSession::Yes(ended) => Ok(ended.map(|ended| *ended)),
        not_begun => panic!("{not_begun:?}"),
    }
}

/// What must hold for a result of a user at the suite's moment `seconds`.
pub(crate) fn standing<'a>(org: &'a OrgId, user: &'a UserId, seconds: i64) -> Standing<'a> {
    Standing { org, user, proof: Proof::Token, assigned: None, now: at(seconds) }
}

/// Adds a code of the owner.
pub(crate) async fn insert_code(store: &Store, code: &AuthorizationCode) {
    let owner = insert_owner(store).await;
    let lapsed = store.insert_authorization_code(code, &standing(&org(), &owner, 0)).await.unwrap();
    assert_eq!(lapsed, None);
}

/// Rotates a refresh token of the owner at the suite's moment `seconds`.
pub(crate) async fn rotate(
    store: &Store,
    old: &RefreshToken,
    new: (&RefreshToken, Option<&Secret>),
    access: &IssuedAccessToken,
    seconds: i64,
) -> Result<bool, StoreError> {
    let (org, owner) = (org(), UserId::from_parts(1, [0; 8]));
    match store.rotate_refresh_token(old, new, access, &standing(&org, &owner, seconds)).await? {
        Rotated::Yes => Ok(true),
        Rotated::NotLive => Ok(false),
        Rotated::Lapsed(lapsed) => panic!("{lapsed:?}"),
    }
}

/// The first users of the org, by id.
pub(crate) fn first_users(limit: usize) -> UserQuery {
    UserQuery { limit, ..UserQuery::default() }
}

pub(crate) fn session(cookie_sha256: &str, expires: Timestamp) -> Session {
    Session {
        id: SessionId::from_parts(number(), [0; 8]),
        org_id: org(),
        cookie_sha256: cookie_sha256.into(),
        user_id: UserId::from_parts(1, [0; 8]),
        created: at(0),
        expires,
        last_password_verification: at(0),
        factor: None,
        signed_in_for: None,
        waiting: Vec::new(),
    }
}

pub(crate) fn code(hash: &str, expires: Timestamp) -> AuthorizationCode {
    AuthorizationCode {
        code_sha256: hash.into(),
        org_id: org(),
        authorization_server_id: AuthorizationServerId::from_parts(1, [0; 8]),
        client_id: ClientId::from_parts(1, [0; 8]),
        user_id: UserId::from_parts(1, [0; 8]),
        session_id: SessionId::from_parts(1, [0; 8]),
        redirect_uri: "https://shop.example.com/cb".into(),
        code_challenge: Some("challenge".into()),
        scopes: vec!["openid".into()],
        rule_id: RuleId::from_parts(1, [0; 8]),
        factor: None,
        authorization_request: ProtocolRequest { state: Some("s1".into()), ..ProtocolRequest::default() },
        frozen_tokens: Secret::new("frozen-marked-secret"),
        refresh_token_id: None,
        expires,
    }
}

pub(crate) fn refresh_token(hash: &str, family: Option<&RefreshToken>, code_sha256: Option<&str>) -> RefreshToken {
    let id = RefreshTokenId::from_parts(number(), [0; 8]);
    RefreshToken {
        family_id: family.map_or_else(|| id.clone(), |first| first.family_id.clone()),
        id,
        org_id: org(),
        token_sha256: hash.into(),
        code_sha256: code_sha256.map(Into::into),
        by_password: false,
        authorization_server_id: AuthorizationServerId::from_parts(1, [0; 8]),
        client_id: ClientId::from_parts(1, [0; 8]),
        user_id: UserId::from_parts(1, [0; 8]),
        scopes: vec!["openid".into(), "offline_access".into()],
        authorization_request: ProtocolRequest::default(),
        auth_time: at(0),
        factor: None,
        created: at(0),
        expires: at(1_000),
        family_expires: None,
    }
}

//! Codes, refresh tokens and revocations: single use and rotation hold when several race.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tenterhook_contract::{Secret, id::UserId};
use tenterhook_model::{CodeState, FactorType, IssuedAccessToken, RefreshToken, RefreshTokenState};
use tenterhook_store::{Rotated, Store, StoreConfig, StoreError};
use tenterhook_testkit::postgres::{Lost, Way};

use crate::databases::{self, at, code, on_every_database, org, refresh_token, session};

on_every_database! {
    an_access_token_keeps_which_factor_was_verified
    a_code_is_redeemed_by_exactly_one
    a_code_that_is_unknown_or_expired_is_not_redeemed
    a_code_is_used_up_with_its_tokens_or_not_at_all
    a_refresh_token_is_rotated_by_exactly_one
    a_rotation_is_kept_with_its_access_token_or_not_at_all
    who_asks_again_gets_the_same_successor_until_it_is_used
    a_refresh_token_that_is_kept_stays_live_until_it_is_revoked
    a_family_is_revoked_together
    what_came_of_a_code_is_revoked_together
    a_code_is_not_redeemed_after_its_replay
    a_replay_leaves_nothing_of_tokens_that_are_being_issued
    what_has_expired_is_purged
}

fn access(jti: &str) -> IssuedAccessToken {
    IssuedAccessToken {
        jti: jti.into(),
        user_id: UserId::from_parts(1, [0; 8]),
        expires: at(100),
        factor: Some(FactorType::Call),
    }
}

/// The text of a refresh token that is rotated in.
fn secret() -> Secret {
    Secret::new("successor-marked-secret")
}

/// A redeemed code; the tokens of `jti` and `refresh` were issued from it.
async fn grant(store: &Store, hash: &str, jti: &str, refresh: Option<&RefreshToken>) {
    databases::insert_code(store, &code(hash, at(60))).await;
    assert!(redeem(store, hash, jti, refresh).await.unwrap());
}

async fn redeem(store: &Store, hash: &str, jti: &str, refresh: Option<&RefreshToken>) -> Result<bool, StoreError> {
    store.redeem_authorization_code(&org(), hash, (&access(jti), refresh), at(1)).await
}

/// Whether a refresh token of the owner that was presented at the suite's moment `seconds` is kept.
async fn kept(store: &Store, renewed: &RefreshToken, access: &IssuedAccessToken, seconds: i64) -> bool {
    let (org, owner) = (org(), databases::insert_owner(store).await);
    let standing = databases::standing(&org, &owner, seconds);
    store.keep_refresh_token(renewed, access, at(seconds), &standing).await.unwrap() == Rotated::Yes
}

async fn found(store: &Store, hash: &str) -> CodeState {
    store.find_authorization_code(&org(), hash, at(1)).await.unwrap()
}

async fn is_live(store: &Store, hash: &str) -> bool {
    matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Live(_))
}

async fn an_access_token_keeps_which_factor_was_verified(store: Store) {
    grant(&store, "code", "jti", None).await;
    assert_eq!(store.factor_of_access_token(&org(), "jti").await.unwrap(), Some(FactorType::Call));
    let without = IssuedAccessToken { factor: None, ..access("jti-2") };
    databases::insert_code(&store, &code("code-2", at(60))).await;
    assert!(store.redeem_authorization_code(&org(), "code-2", (&without, None), at(1)).await.unwrap());
    for jti in ["jti-2", "unknown"] {
        assert_eq!(store.factor_of_access_token(&org(), jti).await.unwrap(), None, "{jti}");
    }
}

async fn a_code_is_redeemed_by_exactly_one(store: Store) {
    databases::insert_code(&store, &code("c", at(60))).await;
    let CodeState::Live(live) = found(&store, "c").await else { panic!("it can be redeemed") };
    assert_eq!(live.frozen_tokens.expose(), "frozen-marked-secret");
    assert_eq!(live.authorization_request.state.as_deref(), Some("s1"));
    let mut tasks = tokio::task::JoinSet::new();
    for racer in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            let jti = format!("jti {racer}");
            redeem(&store, "c", &jti, Some(&refresh_token(&jti, None, Some("c")))).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|redeemed| *redeemed).count(), 1);
    let mut live = 0;
    for racer in 0..4 {
        live += u32::from(is_live(&store, &format!("jti {racer}")).await);
    }
    assert_eq!(live, 1, "nothing of those who lost is there");
    let CodeState::Redeemed(redeemed) = found(&store, "c").await else { panic!("it was redeemed") };
    assert_eq!(redeemed.code_sha256, "c");
}

async fn a_code_that_is_unknown_or_expired_is_not_redeemed(store: Store) {
    databases::insert_code(&store, &code("c", at(60))).await;
    for (hash, now) in [("c", at(60)), ("d", at(0))] {
        let found = store.find_authorization_code(&org(), hash, now).await.unwrap();
        assert!(matches!(found, CodeState::Unknown), "{found:?}");
        assert!(!store.redeem_authorization_code(&org(), hash, (&access("jti"), None), now).await.unwrap());
    }
}

/// A client whose request fails may present the code again.
async fn a_code_is_used_up_with_its_tokens_or_not_at_all(store: Store) {
    let (one, two) = (refresh_token("one", None, Some("c")), refresh_token("two", None, Some("c")));
    grant(&store, "other", "jti", None).await;
    databases::insert_code(&store, &code("c", at(60))).await;
    assert!(redeem(&store, "c", "jti", Some(&one)).await.is_err(), "there is an access token with this id");
    assert!(!is_live(&store, "one").await && matches!(found(&store, "c").await, CodeState::Live(_)));
    assert!(redeem(&store, "c", "jti-2", Some(&two)).await.unwrap());
    assert!(is_live(&store, "two").await && matches!(found(&store, "c").await, CodeState::Redeemed(_)));
}

/// The connection ends before the server has the commit, or before its answer is here.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_code_or_a_refresh_token_whose_commit_gets_lost_can_be_presented_again_or_was_used() {
    let StoreConfig::Postgres { url, max_connections } = databases::postgres().await else {
        panic!("it is PostgreSQL")
    };
    let (way, by_way) = Way::to(url.expose()).await.unwrap();
    let store = databases::open(&StoreConfig::Postgres { url: Secret::new(by_way), max_connections }).await;
    databases::insert_code(&store, &code("c", at(60))).await;
    way.lose(Lost::Commit);
    let lost = redeem(&store, "c", "jti-1", Some(&refresh_token("one", None, Some("c")))).await;
    assert!(matches!(lost, Err(StoreError::Unknown(_))) && way.has_lost(), "{lost:?}");
    way.lose(Lost::Answer);
    let redeemed = redeem(&store, "c", "jti-2", Some(&refresh_token("two", None, Some("c")))).await;
    assert!(redeemed.unwrap() && way.has_lost(), "it is found out that it was committed");
    assert!(is_live(&store, "two").await && !is_live(&store, "one").await);

    let found = store.find_refresh_token(&org(), "two", at(1)).await.unwrap();
    let RefreshTokenState::Live(two) = found else { panic!("{found:?}") };
    let rotate = async |jti: &str, hash: &str| {
        let new = refresh_token(hash, Some(&two), Some("c"));
        databases::rotate(&store, &two, (&new, None), &access(jti), 1).await
    };
    way.lose(Lost::Commit);
    let lost = rotate("jti-3", "three").await;
    assert!(matches!(lost, Err(StoreError::Unknown(_))) && way.has_lost(), "{lost:?}");
    assert!(is_live(&store, "two").await);
    way.lose(Lost::Answer);
    assert!(rotate("jti-4", "four").await.unwrap() && way.has_lost());
    assert!(is_live(&store, "four").await && !is_live(&store, "two").await && !is_live(&store, "three").await);
}

/// A commit that waits for a slow standby continues after its client has given up. Here it waits for an advisory lock.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_commit_that_still_runs_when_its_connection_is_lost_is_waited_for() {
    const SLOW_COMMITS: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS \
        $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$; \
        CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON access_tokens DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION wait()";
    let config = databases::postgres().await;
    let StoreConfig::Postgres { url, max_connections } = config.clone() else { panic!("it is PostgreSQL") };
    let (way, by_way) = Way::to(url.expose()).await.unwrap();
    let store = databases::open(&StoreConfig::Postgres { url: Secret::new(by_way), max_connections }).await;
    databases::insert_code(&store, &code("c", at(60))).await;
    let direct = databases::connect(&config).await;
    direct.execute_unprepared(SLOW_COMMITS).await.unwrap();
    let one = refresh_token("one", None, Some("c"));
    for rotates in [false, true] {
        let standby = direct.begin().await.unwrap();
        standby.execute_unprepared("SELECT pg_advisory_xact_lock(1)").await.unwrap();
        let (store, one) = (store.clone(), one.clone());
        let change = tokio::spawn(async move {
            if !rotates {
                return redeem(&store, "c", "jti-1", Some(&one)).await;
            }
            let two = refresh_token("two", Some(&one), Some("c"));
            databases::rotate(&store, &one, (&two, None), &access("jti-2"), 1).await
        });
        databases::waiting(&config, "advisory", &change).await;
        way.redirect(url.expose()).unwrap();
        databases::waiting(&config, "transactionid", &change).await;
        standby.commit().await.unwrap();
        assert!(change.await.unwrap().unwrap(), "it is found out that it was committed; rotates: {rotates}");
    }
    assert!(is_live(&store, "two").await && !is_live(&store, "one").await);
}

async fn a_refresh_token_is_rotated_by_exactly_one(store: Store) {
    let old = refresh_token("old", None, None);
    grant(&store, "code", "jti", Some(&old)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for racer in 0..4 {
        let (store, old) = (store.clone(), old.clone());
        tasks.spawn(async move {
            let new = refresh_token(&format!("new {racer}"), Some(&old), None);
            databases::rotate(&store, &old, (&new, Some(&secret())), &access(&format!("jti {racer}")), 1).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|rotated| *rotated).count(), 1);
    assert_eq!(
        store.find_refresh_token(&org(), "old", at(1)).await.unwrap(),
        RefreshTokenState::Used { token: Box::new(old), used: Some(at(1)) }
    );
    let mut live = 0;
    for racer in 0..4 {
        live += u32::from(is_live(&store, &format!("new {racer}")).await);
    }
    assert_eq!(live, 1, "nothing of those who lost is there");
    assert_eq!(store.find_refresh_token(&org(), "old", at(1_000)).await.unwrap(), RefreshTokenState::Unknown);
}

async fn a_rotation_is_kept_with_its_access_token_or_not_at_all(store: Store) {
    let old = refresh_token("old", None, Some("code"));
    grant(&store, "code", "jti", Some(&old)).await;
    let new = refresh_token("new", Some(&old), Some("code"));
    assert!(
        databases::rotate(&store, &old, (&new, Some(&secret())), &access("jti"), 1).await.is_err(),
        "there is one with this id"
    );
    assert!(is_live(&store, "old").await && !is_live(&store, "new").await);
    assert!(databases::rotate(&store, &old, (&new, Some(&secret())), &access("jti-2"), 1).await.unwrap());
}

async fn who_asks_again_gets_the_same_successor_until_it_is_used(store: Store) {
    let first = refresh_token("first", None, Some("code"));
    let second = refresh_token("second", Some(&first), Some("code"));
    let third = refresh_token("third", Some(&second), Some("code"));
    grant(&store, "code", "jti-1", Some(&first)).await;
    assert!(store.refresh_again(&first, &access("jti-2"), at(1)).await.unwrap().is_none(), "it is live");
    assert!(databases::rotate(&store, &first, (&second, Some(&secret())), &access("jti-2"), 1).await.unwrap());
    for jti in ["jti-3", "jti-4"] {
        assert_eq!(store.refresh_again(&first, &access(jti), at(2)).await.unwrap(), Some(secret()));
    }
    assert!(store.refresh_again(&first, &access("jti-5"), at(1_000)).await.unwrap().is_none(), "it has expired");
    for now in [61, 61] {
        store.purge_expired(at(now)).await.unwrap();
    }
    assert_eq!(store.refresh_again(&first, &access("jti-8"), at(2)).await.unwrap(), Some(secret()), "it may be of use");
    let done = store.rotate_secrets(|_| ()).await.unwrap();
    assert_eq!((done.rows, done.secrets), (2, 0), "the code and the successor are under the current key");
    assert!(databases::rotate(&store, &second, (&third, Some(&secret())), &access("jti-6"), 3).await.unwrap());
    assert!(store.refresh_again(&first, &access("jti-7"), at(3)).await.unwrap().is_none(), "the successor was used");
    for now in [65, 65] {
        store.purge_expired(at(now)).await.unwrap();
    }
    let secrets = store.rotate_secrets(|_| ()).await.unwrap().rows;
    assert_eq!(secrets, 1, "of the code alone: what took the place of a refresh token is forgotten after a minute");
    // With the access tokens that were issued for repeated requests.
    store.revoke_family(&first).await.unwrap();
    for (jti, revoked) in [("jti-3", true), ("jti-4", true), ("jti-5", false), ("jti-7", false)] {
        assert_eq!(store.is_access_token_revoked(&org(), jti).await.unwrap(), revoked, "{jti}");
    }
}

async fn a_refresh_token_that_is_kept_stays_live_until_it_is_revoked(store: Store) {
    let token = refresh_token("token", None, Some("code"));
    grant(&store, "code", "jti", Some(&token)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for use_of in 0..4 {
        let (store, token) = (store.clone(), token.clone());
        tasks.spawn(async move {
            let renewed = RefreshToken { expires: at(2_000 - use_of), ..token };
            kept(&store, &renewed, &access(&format!("jti {use_of}")), 1).await
        });
    }
    assert_eq!(tasks.join_all().await, [true; 4]);
    let found = async |now| store.find_refresh_token(&org(), "token", now).await.unwrap();
    let longest = RefreshToken { expires: at(2_000), ..token.clone() };
    assert_eq!(found(at(1_999)).await, RefreshTokenState::Live(Box::new(longest.clone())), "none shortens it");
    let shorter = RefreshToken { expires: at(10), ..token.clone() };
    assert!(kept(&store, &shorter, &access("jti 4"), 2).await);
    assert_eq!(found(at(1_999)).await, RefreshTokenState::Live(Box::new(longest.clone())));
    assert!(!kept(&store, &longest, &access("late"), 2_000).await, "it has ended");
    // With the access tokens of every use.
    assert_eq!(store.revoke_family(&token).await.unwrap(), 7);
    for jti in ["jti 0", "jti 3", "jti 4"] {
        assert!(store.is_access_token_revoked(&org(), jti).await.unwrap(), "{jti}");
    }
    assert!(!kept(&store, &longest, &access("after"), 1).await);
    assert!(!store.is_access_token_revoked(&org(), "after").await.unwrap(), "nothing was written");
}

/// RFC 7009 2.1: with the access tokens of the grant.
async fn a_family_is_revoked_together(store: Store) {
    let first = refresh_token("first", None, Some("code"));
    let second = refresh_token("second", Some(&first), Some("code"));
    let stranger = refresh_token("stranger", None, Some("other"));
    grant(&store, "code", "jti-1", Some(&first)).await;
    grant(&store, "other", "jti-2", Some(&stranger)).await;
    assert!(databases::rotate(&store, &first, (&second, Some(&secret())), &access("jti-3"), 1).await.unwrap());
    assert_eq!(store.revoke_family(&first).await.unwrap(), 4);
    for hash in ["first", "second"] {
        assert!(matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Revoked(_)));
    }
    for (jti, revoked) in [("jti-1", true), ("jti-2", false), ("jti-3", true)] {
        assert_eq!(store.is_access_token_revoked(&org(), jti).await.unwrap(), revoked, "{jti}");
    }
    assert!(is_live(&store, "stranger").await);
    let third = refresh_token("third", Some(&first), Some("code"));
    assert!(!databases::rotate(&store, &second, (&third, Some(&secret())), &access("jti-4"), 1).await.unwrap());
    assert_eq!(store.revoke_family(&second).await.unwrap(), 0, "nothing is left");
}

/// RFC 9700 4.14.2: the token that another node is putting in the place of a family's at this moment is of the family.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_family_is_revoked_with_the_token_that_is_being_rotated_in() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let first = refresh_token("first", None, None);
    grant(&store, "code", "jti", Some(&first)).await;
    let rotation = databases::connect(&config).await.begin().await.unwrap();
    for statement in [
        "UPDATE refresh_tokens SET state = 'used'",
        "INSERT INTO refresh_tokens SELECT org_id, 'second', 'second', family_id, code_sha256, 'live', document, \
         expires_us, used_us, successor_id, successor FROM refresh_tokens",
    ] {
        rotation.execute_unprepared(statement).await.unwrap();
    }
    let revoking = tokio::spawn({
        let store = store.clone();
        async move { store.revoke_family(&first).await }
    });
    databases::somebody_waits(&config).await;
    rotation.commit().await.unwrap();
    assert_eq!(revoking.await.unwrap().unwrap(), 2);
    for hash in ["first", "second"] {
        assert!(matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Revoked(_)));
    }
}

async fn what_came_of_a_code_is_revoked_together(store: Store) {
    let first = refresh_token("first", None, Some("code"));
    let second = refresh_token("second", Some(&first), Some("code"));
    grant(&store, "code", "jti-1", Some(&first)).await;
    grant(&store, "other", "jti-2", None).await;
    assert!(databases::rotate(&store, &first, (&second, Some(&secret())), &access("jti-3"), 1).await.unwrap());
    assert!(!store.is_access_token_revoked(&org(), "jti-1").await.unwrap());
    assert_eq!(store.revoke_tokens_of_code(&org(), "code").await.unwrap(), 4);
    assert!(!is_live(&store, "second").await);
    assert!(store.is_access_token_revoked(&org(), "jti-3").await.unwrap());
    assert!(store.is_access_token_revoked(&org(), "jti-1").await.unwrap());
    assert!(!store.is_access_token_revoked(&org(), "jti-2").await.unwrap());
    for jti in ["jti-2", "jti-4"] {
        store.revoke_access_token(&org(), jti, at(100)).await.unwrap();
        assert!(store.is_access_token_revoked(&org(), jti).await.unwrap(), "{jti}, known or not");
    }
}

/// RFC 6749 4.1.2: a concurrent redemption of the code gets nothing once its replay is detected.
async fn a_code_is_not_redeemed_after_its_replay(store: Store) {
    databases::insert_code(&store, &code("c", at(60))).await;
    assert_eq!(store.revoke_tokens_of_code(&org(), "c").await.unwrap(), 0);
    assert!(!redeem(&store, "c", "jti", Some(&refresh_token("r", None, Some("c")))).await.unwrap());
    assert_eq!(store.find_refresh_token(&org(), "r", at(1)).await.unwrap(), RefreshTokenState::Unknown);
    assert!(matches!(found(&store, "c").await, CodeState::Unknown));
}

async fn a_replay_leaves_nothing_of_tokens_that_are_being_issued(store: Store) {
    for round in 0..20 {
        let (code_sha256, jti) = (format!("c{round}"), format!("jti {round}"));
        databases::insert_code(&store, &code(&code_sha256, at(60))).await;
        let (org, refresh) = (org(), refresh_token(&jti, None, Some(&code_sha256)));
        let (redeemed, revoked) = tokio::join!(
            redeem(&store, &code_sha256, &jti, Some(&refresh)),
            store.revoke_tokens_of_code(&org, &code_sha256),
        );
        let redeemed = redeemed.unwrap();
        assert_eq!(revoked.unwrap(), if redeemed { 2 } else { 0 });
        assert_eq!(store.is_access_token_revoked(&org, &jti).await.unwrap(), redeemed);
        assert!(!is_live(&store, &jti).await);
    }
}

async fn what_has_expired_is_purged(store: Store) {
    databases::begin_session(&store, None, &session("short", at(10))).await.unwrap();
    databases::begin_session(&store, None, &session("long", at(10_000))).await.unwrap();
    grant(&store, "code", "jti-1", Some(&refresh_token("r", None, None))).await;
    store.revoke_access_token(&org(), "jti", at(10)).await.unwrap();
    assert_eq!(store.purge_expired(at(2_000)).await.unwrap(), 0, "the clock has jumped ahead");
    assert_eq!(store.purge_expired(at(5)).await.unwrap(), 0, "and back");
    assert_eq!(store.purge_expired(at(2_000)).await.unwrap(), 0, "it was not due at the check before");
    assert_eq!(store.purge_expired(at(2_001)).await.unwrap(), 4);
    assert!(store.find_session(&org(), "long", at(2_000)).await.unwrap().is_some());
}

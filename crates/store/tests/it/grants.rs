//! Codes, refresh tokens and revocations: single use and rotation hold when several race.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tenterhook_contract::Secret;
use tenterhook_store::{
    Store,
    model::{CodeRedemption, IssuedAccessToken, RefreshToken, RefreshTokenState},
};

use crate::databases::{self, at, code, on_every_database, org, refresh_token, session};

on_every_database! {
    a_code_is_redeemed_first_by_exactly_one
    a_code_that_is_unknown_or_expired_is_unknown
    a_refresh_token_is_rotated_by_exactly_one
    a_rotation_is_kept_with_its_access_token_or_not_at_all
    who_asks_again_gets_the_same_successor_until_it_is_used
    a_family_is_revoked_together
    what_came_of_a_code_is_revoked_together
    nothing_comes_of_a_code_after_its_replay
    a_replay_leaves_nothing_of_tokens_that_are_being_issued
    what_has_expired_is_purged
}

fn access(jti: &str) -> IssuedAccessToken {
    IssuedAccessToken { jti: jti.into(), expires: at(100) }
}

/// The text of a refresh token that is rotated in.
fn secret() -> Secret {
    Secret::new("successor-marked-secret")
}

/// A code, redeemed; the tokens of `jti` and `refresh` came of it.
async fn grant(store: &Store, hash: &str, jti: &str, refresh: Option<&RefreshToken>) {
    store.insert_authorization_code(&code(hash, at(60))).await.unwrap();
    let redeemed = store.redeem_authorization_code(&org(), hash, at(1)).await.unwrap();
    assert!(matches!(redeemed, CodeRedemption::First(_)));
    assert!(store.issue_tokens_of_code(&org(), hash, &access(jti), refresh).await.unwrap());
}

async fn is_live(store: &Store, hash: &str) -> bool {
    matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Live(_))
}

async fn a_code_is_redeemed_first_by_exactly_one(store: Store) {
    store.insert_authorization_code(&code("c", at(60))).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = store.clone();
        tasks.spawn(async move { store.redeem_authorization_code(&org(), "c", at(1)).await.unwrap() });
    }
    let mut first = 0;
    for redemption in tasks.join_all().await {
        match redemption {
            CodeRedemption::First(code) => {
                first += 1;
                assert_eq!(code.frozen_tokens.expose(), "frozen-marked-secret");
                assert_eq!(code.authorization_request.state.as_deref(), Some("s1"));
            }
            CodeRedemption::Replayed(code) => assert_eq!(code.code_sha256, "c"),
            CodeRedemption::Unknown => panic!("the code is known"),
        }
    }
    assert_eq!(first, 1);
}

async fn a_code_that_is_unknown_or_expired_is_unknown(store: Store) {
    store.insert_authorization_code(&code("c", at(60))).await.unwrap();
    for (hash, now) in [("c", at(60)), ("d", at(0))] {
        let redemption = store.redeem_authorization_code(&org(), hash, now).await.unwrap();
        assert!(matches!(redemption, CodeRedemption::Unknown));
    }
}

async fn a_refresh_token_is_rotated_by_exactly_one(store: Store) {
    let old = refresh_token("old", None, None);
    grant(&store, "code", "jti", Some(&old)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for racer in 0..4 {
        let (store, old) = (store.clone(), old.clone());
        tasks.spawn(async move {
            let new = refresh_token(&format!("new {racer}"), Some(&old), None);
            store
                .rotate_refresh_token(&old, (&new, Some(&secret())), &access(&format!("jti {racer}")), at(1))
                .await
                .unwrap()
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
        store.rotate_refresh_token(&old, (&new, Some(&secret())), &access("jti"), at(1)).await.is_err(),
        "there is one with this id"
    );
    assert!(is_live(&store, "old").await && !is_live(&store, "new").await);
    assert!(store.rotate_refresh_token(&old, (&new, Some(&secret())), &access("jti-2"), at(1)).await.unwrap());
}

async fn who_asks_again_gets_the_same_successor_until_it_is_used(store: Store) {
    let first = refresh_token("first", None, Some("code"));
    let second = refresh_token("second", Some(&first), Some("code"));
    let third = refresh_token("third", Some(&second), Some("code"));
    grant(&store, "code", "jti-1", Some(&first)).await;
    assert!(store.refresh_again(&first, &access("jti-2"), at(1)).await.unwrap().is_none(), "it is live");
    assert!(store.rotate_refresh_token(&first, (&second, Some(&secret())), &access("jti-2"), at(1)).await.unwrap());
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
    assert!(store.rotate_refresh_token(&second, (&third, Some(&secret())), &access("jti-6"), at(3)).await.unwrap());
    assert!(store.refresh_again(&first, &access("jti-7"), at(3)).await.unwrap().is_none(), "the successor was used");
    for now in [65, 65] {
        store.purge_expired(at(now)).await.unwrap();
    }
    let secrets = store.rotate_secrets(|_| ()).await.unwrap().rows;
    assert_eq!(secrets, 1, "of the code alone: what took the place of a refresh token is forgotten after a minute");
    // With the access tokens that were issued to those who asked again.
    store.revoke_family(&first).await.unwrap();
    for (jti, revoked) in [("jti-3", true), ("jti-4", true), ("jti-5", false), ("jti-7", false)] {
        assert_eq!(store.is_access_token_revoked(&org(), jti).await.unwrap(), revoked, "{jti}");
    }
}

/// RFC 7009 2.1: with the access tokens of the grant.
async fn a_family_is_revoked_together(store: Store) {
    let first = refresh_token("first", None, Some("code"));
    let second = refresh_token("second", Some(&first), Some("code"));
    let stranger = refresh_token("stranger", None, Some("other"));
    grant(&store, "code", "jti-1", Some(&first)).await;
    grant(&store, "other", "jti-2", Some(&stranger)).await;
    assert!(store.rotate_refresh_token(&first, (&second, Some(&secret())), &access("jti-3"), at(1)).await.unwrap());
    assert_eq!(store.revoke_family(&first).await.unwrap(), 4);
    for hash in ["first", "second"] {
        assert!(matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Revoked(_)));
    }
    for (jti, revoked) in [("jti-1", true), ("jti-2", false), ("jti-3", true)] {
        assert_eq!(store.is_access_token_revoked(&org(), jti).await.unwrap(), revoked, "{jti}");
    }
    assert!(is_live(&store, "stranger").await);
    let third = refresh_token("third", Some(&first), Some("code"));
    assert!(!store.rotate_refresh_token(&second, (&third, Some(&secret())), &access("jti-4"), at(1)).await.unwrap());
    assert_eq!(store.revoke_family(&second).await.unwrap(), 0, "nothing is left");
}

/// RFC 9700 4.14.2: the token that another node is putting in the place of a family's at this moment is of the family.
#[tokio::test]
async fn a_family_is_revoked_with_the_token_that_is_being_rotated_in() {
    let Some(config) = databases::postgres().await else { return };
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
    assert!(store.rotate_refresh_token(&first, (&second, Some(&secret())), &access("jti-3"), at(1)).await.unwrap());
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

/// RFC 6749 4.1.2: tokens that are not there yet when the code comes again are never there.
async fn nothing_comes_of_a_code_after_its_replay(store: Store) {
    store.insert_authorization_code(&code("c", at(60))).await.unwrap();
    for first in [true, false] {
        let redeemed = store.redeem_authorization_code(&org(), "c", at(1)).await.unwrap();
        assert_eq!(matches!(redeemed, CodeRedemption::First(_)), first);
    }
    assert_eq!(store.revoke_tokens_of_code(&org(), "c").await.unwrap(), 0);
    let refresh = refresh_token("r", None, Some("c"));
    assert!(!store.issue_tokens_of_code(&org(), "c", &access("jti"), Some(&refresh)).await.unwrap());
    assert_eq!(store.find_refresh_token(&org(), "r", at(1)).await.unwrap(), RefreshTokenState::Unknown);
    let again = store.redeem_authorization_code(&org(), "c", at(1)).await.unwrap();
    assert!(matches!(again, CodeRedemption::Unknown));
}

async fn a_replay_leaves_nothing_of_tokens_that_are_being_issued(store: Store) {
    for round in 0..20 {
        let (code_sha256, jti) = (format!("c{round}"), format!("jti {round}"));
        store.insert_authorization_code(&code(&code_sha256, at(60))).await.unwrap();
        store.redeem_authorization_code(&org(), &code_sha256, at(1)).await.unwrap();
        let (org, refresh, access) = (org(), refresh_token(&jti, None, Some(&code_sha256)), access(&jti));
        let (issued, revoked) = tokio::join!(
            store.issue_tokens_of_code(&org, &code_sha256, &access, Some(&refresh)),
            store.revoke_tokens_of_code(&org, &code_sha256),
        );
        let issued = issued.unwrap();
        assert_eq!(revoked.unwrap(), if issued { 2 } else { 0 });
        assert_eq!(store.is_access_token_revoked(&org, &jti).await.unwrap(), issued);
        assert!(!is_live(&store, &jti).await);
    }
}

async fn what_has_expired_is_purged(store: Store) {
    store.insert_session(&session("short", at(10))).await.unwrap();
    store.insert_session(&session("long", at(10_000))).await.unwrap();
    grant(&store, "code", "jti-1", Some(&refresh_token("r", None, None))).await;
    store.revoke_access_token(&org(), "jti", at(10)).await.unwrap();
    assert_eq!(store.purge_expired(at(2_000)).await.unwrap(), 0, "the clock has jumped ahead");
    assert_eq!(store.purge_expired(at(5)).await.unwrap(), 0, "and back");
    assert_eq!(store.purge_expired(at(2_000)).await.unwrap(), 0, "it was not due at the check before");
    assert_eq!(store.purge_expired(at(2_001)).await.unwrap(), 4);
    assert!(store.find_session(&org(), "long", at(2_000)).await.unwrap().is_some());
}

//! Codes, refresh tokens and revocations: single use and rotation hold when several race.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tenterhook_store::{
    Store,
    model::{CodeRedemption, RefreshTokenState},
};

use crate::databases::{self, at, code, on_every_database, org, refresh_token, session};

on_every_database! {
    a_code_is_redeemed_first_by_exactly_one
    a_code_that_is_unknown_or_expired_is_unknown
    a_refresh_token_is_rotated_by_exactly_one
    a_family_is_revoked_together
    what_came_of_a_code_is_revoked_together
    what_has_expired_is_purged
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
    store.insert_refresh_token(&old).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for racer in 0..4 {
        let (store, old) = (store.clone(), old.clone());
        tasks.spawn(async move {
            let new = refresh_token(&format!("new {racer}"), Some(&old), None);
            store.rotate_refresh_token(&old, &new).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|rotated| *rotated).count(), 1);
    assert_eq!(store.find_refresh_token(&org(), "old", at(1)).await.unwrap(), RefreshTokenState::Used(Box::new(old)));
    let mut live = 0;
    for racer in 0..4 {
        let state = store.find_refresh_token(&org(), &format!("new {racer}"), at(1)).await.unwrap();
        live += u32::from(matches!(state, RefreshTokenState::Live(_)));
    }
    assert_eq!(live, 1, "nothing of those who lost is there");
    assert_eq!(store.find_refresh_token(&org(), "old", at(1_000)).await.unwrap(), RefreshTokenState::Unknown);
}

async fn a_family_is_revoked_together(store: Store) {
    let first = refresh_token("first", None, None);
    let second = refresh_token("second", Some(&first), None);
    let stranger = refresh_token("stranger", None, None);
    for token in [&first, &stranger] {
        store.insert_refresh_token(token).await.unwrap();
    }
    assert!(store.rotate_refresh_token(&first, &second).await.unwrap());
    assert_eq!(store.revoke_refresh_family(&org(), &first.family_id).await.unwrap(), 2);
    for hash in ["first", "second"] {
        assert!(matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Revoked(_)));
    }
    assert!(matches!(store.find_refresh_token(&org(), "stranger", at(1)).await.unwrap(), RefreshTokenState::Live(_)));
    assert!(!store.rotate_refresh_token(&second, &refresh_token("third", Some(&first), None)).await.unwrap());
}

/// RFC 9700 4.14.2: the token that another node is putting in the place of a family's at this moment is of the family.
#[tokio::test]
async fn a_family_is_revoked_with_the_token_that_is_being_rotated_in() {
    let Some(config) = databases::postgres().await else { return };
    let store = databases::open(&config).await;
    let first = refresh_token("first", None, None);
    store.insert_refresh_token(&first).await.unwrap();
    let rotation = databases::connect(&config).await.begin().await.unwrap();
    for statement in [
        "UPDATE refresh_tokens SET state = 'used'",
        "INSERT INTO refresh_tokens SELECT org_id, 'second', 'second', family_id, code_sha256, 'live', document, \
         expires_us FROM refresh_tokens",
    ] {
        rotation.execute_unprepared(statement).await.unwrap();
    }
    let revoking = tokio::spawn({
        let store = store.clone();
        async move { store.revoke_refresh_family(&org(), &first.family_id).await }
    });
    databases::somebody_waits(&config).await;
    rotation.commit().await.unwrap();
    assert_eq!(revoking.await.unwrap().unwrap(), 2);
    for hash in ["first", "second"] {
        assert!(matches!(store.find_refresh_token(&org(), hash, at(1)).await.unwrap(), RefreshTokenState::Revoked(_)));
    }
}

async fn what_came_of_a_code_is_revoked_together(store: Store) {
    store.insert_refresh_token(&refresh_token("r", None, Some("code"))).await.unwrap();
    store.record_issued_access_token(&org(), "code", "jti-1", at(100)).await.unwrap();
    store.record_issued_access_token(&org(), "other", "jti-2", at(100)).await.unwrap();
    assert!(!store.is_access_token_revoked(&org(), "jti-1").await.unwrap());
    assert_eq!(store.revoke_refresh_tokens_of_code(&org(), "code").await.unwrap(), 1);
    assert_eq!(store.revoke_access_tokens_of_code(&org(), "code").await.unwrap(), 1);
    assert!(store.is_access_token_revoked(&org(), "jti-1").await.unwrap());
    assert!(!store.is_access_token_revoked(&org(), "jti-2").await.unwrap());
    for jti in ["jti-2", "jti-3"] {
        store.revoke_access_token(&org(), jti, at(100)).await.unwrap();
        assert!(store.is_access_token_revoked(&org(), jti).await.unwrap(), "{jti}, known or not");
    }
}

async fn what_has_expired_is_purged(store: Store) {
    store.insert_session(&session("short", at(10))).await.unwrap();
    store.insert_session(&session("long", at(10_000))).await.unwrap();
    store.insert_refresh_token(&refresh_token("r", None, None)).await.unwrap();
    store.revoke_access_token(&org(), "jti", at(10)).await.unwrap();
    assert_eq!(store.purge_expired(at(5)).await.unwrap(), 0);
    assert_eq!(store.purge_expired(at(2_000)).await.unwrap(), 3);
    assert!(store.find_session(&org(), "long", at(2_000)).await.unwrap().is_some());
}

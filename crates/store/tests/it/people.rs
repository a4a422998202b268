//! Users, sessions and API tokens.

use tenterhook_contract::id::ApiTokenId;
use tenterhook_model::{ApiToken, TokenRole, User, UserQuery};
use tenterhook_store::{Store, StoreError};

use crate::databases::{at, begin_session, first_users, on_every_database, org, other_org, session, user};

on_every_database! {
    a_login_is_unique_and_found_in_any_case
    a_session_is_found_until_it_ends
    an_api_token_is_found_by_its_hash_in_its_org
    api_tokens_are_listed_and_revoked_in_their_org_only
    the_last_use_of_a_token_is_noted_unless_it_was
    the_token_of_a_host_is_limited_to_its_extension_points_wherever_it_is_read
}

async fn a_login_is_unique_and_found_in_any_case(store: Store) {
    let ada = user("Ada@Example.com");
    store.insert_user(&ada).await.unwrap();
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.find_user_by_login(&org(), "aDA@example.COM").await.unwrap(), Some(ada.clone()));
    assert_eq!(store.find_user_by_login(&other_org(), "ada@example.com").await.unwrap(), None);
    let again = store.insert_user(&user("ada@example.com")).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    let grace = user("grace@example.com");
    store.insert_user(&grace).await.unwrap();
    let after = |user: &User| UserQuery { after: Some(user.id.clone()), ..first_users(10) };
    let listed = store.list_users(&org(), &first_users(10)).await.unwrap().users;
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&ada) && listed.contains(&grace));
    assert_eq!(store.list_users(&org(), &first_users(1)).await.unwrap().users, listed[..1]);
    assert_eq!(store.list_users(&org(), &after(&listed[0])).await.unwrap().users, listed[1..]);
    assert_eq!(store.list_users(&org(), &after(&listed[1])).await.unwrap().users, []);
}

async fn a_session_is_found_until_it_ends(store: Store) {
    let session = session("cookie", at(100));
    begin_session(&store, None, &session).await.unwrap();
    assert_eq!(store.find_session(&org(), "cookie", at(99)).await.unwrap(), Some(session.clone()));
    assert_eq!(store.find_session(&org(), "cookie", at(100)).await.unwrap(), None);
    assert_eq!(store.find_session(&other_org(), "cookie", at(0)).await.unwrap(), None);
}

async fn an_api_token_is_found_by_its_hash_in_its_org(store: Store) {
    let token = ApiToken {
        id: ApiTokenId::from_parts(1, [0; 8]),
        org_id: org(),
        name: "t".into(),
        role: TokenRole::Administrator,
        token_sha256: "hash".into(),
        created: at(0),
        last_used: None,
        expires: None,
    };
    store.insert_api_token(&token).await.unwrap();
    assert_eq!(store.find_api_token(&org(), "hash").await.unwrap(), Some(token));
    assert_eq!(store.find_api_token(&other_org(), "hash").await.unwrap(), None);
    assert_eq!(store.count_api_tokens(&org()).await.unwrap(), 1);
    assert_eq!(store.count_administrator_tokens(&org()).await.unwrap(), 1);
    assert_eq!(store.count_api_tokens(&other_org()).await.unwrap(), 0);
}

async fn api_tokens_are_listed_and_revoked_in_their_org_only(store: Store) {
    let token = |number: u8| ApiToken {
        id: ApiTokenId::from_parts(1, [number; 8]),
        org_id: org(),
        name: format!("token {number}"),
        role: TokenRole::Administrator,
        token_sha256: format!("hash {number}"),
        created: at(number.into()),
        last_used: None,
        expires: None,
    };
    let [first, second] = [token(1), token(2)];
    for made in [&second, &first] {
        store.insert_api_token(made).await.unwrap();
    }
    assert_eq!(store.api_tokens(&org()).await.unwrap(), [first.clone(), second.clone()], "oldest first");
    assert_eq!(store.api_tokens(&other_org()).await.unwrap(), []);
    assert!(!store.delete_api_token(&other_org(), &first.id).await.unwrap(), "not in that org");
    assert!(store.delete_api_token(&org(), &first.id).await.unwrap());
    assert!(!store.delete_api_token(&org(), &first.id).await.unwrap(), "it is gone");
    assert_eq!(store.find_api_token(&org(), &first.token_sha256).await.unwrap(), None);
    assert_eq!(store.api_tokens(&org()).await.unwrap(), [second]);
}

async fn the_last_use_of_a_token_is_noted_unless_it_was(store: Store) {
    let token = ApiToken {
        id: ApiTokenId::from_parts(1, [1; 8]),
        org_id: org(),
        name: "t".into(),
        role: TokenRole::Administrator,
        token_sha256: "hash".into(),
        created: at(0),
        last_used: None,
        expires: Some(at(900)),
    };
    store.insert_api_token(&token).await.unwrap();
    assert_eq!(store.api_token_by_id(&org(), &token.id).await.unwrap(), Some(token.clone()));
    assert_eq!(store.api_token_by_id(&other_org(), &token.id).await.unwrap(), None);
    let stored = async || store.find_api_token(&org(), "hash").await.unwrap().unwrap().last_used;
    for (now, noted) in [(100, 100), (159, 100), (161, 161)] {
        store.note_api_token_use(&token, at(now), at(now - 60)).await.unwrap();
        assert_eq!(stored().await, Some(at(noted)), "{now}");
    }
    assert!(!store.rename_api_token(&other_org(), &token.id, "other").await.unwrap());
    assert!(store.rename_api_token(&org(), &token.id, "renamed").await.unwrap());
    let page = store.list_api_tokens(&org(), None, 10).await.unwrap();
    assert_eq!(page, [ApiToken { name: "renamed".into(), last_used: Some(at(161)), ..token.clone() }]);
    assert_eq!(store.list_api_tokens(&org(), Some(&token.id), 10).await.unwrap(), []);
}

async fn the_token_of_a_host_is_limited_to_its_extension_points_wherever_it_is_read(store: Store) {
    let points = ["com.example.order.checkout", "com.okta.oauth2.tokens.transform"];
    let token = ApiToken {
        id: ApiTokenId::from_parts(1, [1; 8]),
        org_id: org(),
        name: "host".into(),
        role: TokenRole::Host { extension_points: points.iter().map(|point| point.parse().unwrap()).collect() },
        token_sha256: "hash".into(),
        created: at(0),
        last_used: None,
        expires: None,
    };
    store.insert_api_token(&token).await.unwrap();
    let again = store.insert_api_token(&ApiToken { id: ApiTokenId::from_parts(2, [2; 8]), ..token.clone() }).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    store.note_api_token_use(&token, at(100), at(40)).await.unwrap();
    assert!(store.rename_api_token(&org(), &token.id, "renamed").await.unwrap());
    let token = ApiToken { name: "renamed".into(), last_used: Some(at(100)), ..token };
    assert_eq!(store.find_api_token(&org(), "hash").await.unwrap(), Some(token.clone()));
    assert_eq!(store.find_api_token(&other_org(), "hash").await.unwrap(), None);
    assert_eq!(store.api_token_by_id(&org(), &token.id).await.unwrap(), Some(token.clone()));
    let counts =
        (store.count_api_tokens(&org()).await.unwrap(), store.count_administrator_tokens(&org()).await.unwrap());
    assert_eq!(counts, (1, 0));
    let only = std::slice::from_ref(&token);
    assert_eq!(store.api_tokens(&org()).await.unwrap(), only);
    assert_eq!(store.list_api_tokens(&org(), None, 10).await.unwrap(), only);
    assert!(store.delete_api_token(&org(), &token.id).await.unwrap());
    assert_eq!(store.find_api_token(&org(), "hash").await.unwrap(), None);
}

//! Tokens of primary authentication, and the end of what a user has signed in to.

use tenterhook_model::{
    AuthnPurpose, AuthnToken, AuthorizationCode, CodeState, IssuedAccessToken, RefreshToken, RefreshTokenState,
    Session, User, UserStatus,
};
use tenterhook_store::{Ending, Redeemed, Store};

use crate::databases::{at, code, on_every_database, org, other_org, refresh_token, session, standing, user};

fn token(of: &User, text: &str, purpose: AuthnPurpose) -> AuthnToken {
    AuthnToken {
        org_id: org(),
        token_sha256: text.to_owned(),
        purpose,
        user_id: of.id.clone(),
        relay_state: Some("r".to_owned()),
        expires: at(100),
    }
}

fn session_of(user: &User) -> Session {
    Session { user_id: user.id.clone(), ..session(user.id.as_str(), at(100)) }
}

/// A live refresh token of a user, and a code whose access token is live too.
async fn granted(store: &Store, user: &User) -> (RefreshToken, AuthorizationCode) {
    let (redeemed, open) = (format!("{}1", user.id), format!("{}2", user.id));
    let refresh = RefreshToken { user_id: user.id.clone(), ..refresh_token(user.id.as_str(), None, Some(&redeemed)) };
    for hash in [&redeemed, &open] {
        let code = AuthorizationCode { user_id: user.id.clone(), ..code(hash, at(100)) };
        assert_eq!(store.insert_authorization_code(&code, &standing(&org(), &user.id, 0)).await.unwrap(), None);
    }
    let access = IssuedAccessToken { jti: format!("jti {}", user.id), expires: at(100) };
    assert!(store.redeem_authorization_code(&org(), &redeemed, (&access, Some(&refresh)), at(1)).await.unwrap());
    (refresh, AuthorizationCode { user_id: user.id.clone(), ..code(&open, at(100)) })
}

async fn added(store: &Store, login: &str) -> User {
    let user = user(login);
    store.insert_user(&user).await.unwrap();
    user
}

async fn a_token_is_found_by_org_text_and_purpose_until_it_expires_and_is_used_up_once(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let session = token(&ada, "t", AuthnPurpose::Session);
    store.insert_authn_token(&session).await.unwrap();
    let find =
        async |org, text, purpose, seconds| store.find_authn_token(&org, text, purpose, at(seconds)).await.unwrap();
    assert_eq!(find(org(), "t", AuthnPurpose::Session, 99).await, Some(session.clone()));
    for (org, text, purpose, seconds) in [
        (org(), "t", AuthnPurpose::Session, 100),
        (org(), "t", AuthnPurpose::PasswordExpired, 1),
        (org(), "u", AuthnPurpose::Session, 1),
        (other_org(), "t", AuthnPurpose::Session, 1),
    ] {
        assert_eq!(find(org, text, purpose, seconds).await, None);
    }
    assert!(!store.use_up_authn_token(&session, at(100)).await.unwrap(), "it has expired");
    let (one, other) =
        tokio::join!(store.use_up_authn_token(&session, at(1)), store.use_up_authn_token(&session, at(1)));
    assert_eq!([one.unwrap(), other.unwrap()].into_iter().filter(|used| *used).count(), 1);
    assert_eq!(find(org(), "t", AuthnPurpose::Session, 1).await, None);
}

async fn an_exchange_changes_the_user_and_adds_the_next_token_or_nothing(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let state = token(&ada, "t", AuthnPurpose::PasswordExpired);
    store.insert_authn_token(&state).await.unwrap();
    let next = token(&ada, "n", AuthnPurpose::Session);
    let changed = User { status: UserStatus::Suspended, ..ada.clone() };
    let exchange =
        async |user: &User, seconds| store.exchange_authn_token(&state, user, &next, at(seconds)).await.unwrap();
    let find = async || store.find_authn_token(&org(), "n", AuthnPurpose::Session, at(1)).await.unwrap();
    assert_eq!(exchange(&changed, 100).await, Redeemed::Gone, "it has expired");
    assert_eq!(exchange(&User { version: 7, ..changed.clone() }, 1).await, Redeemed::Contended);
    assert_eq!(find().await, None);
    assert_eq!(exchange(&changed, 1).await, Redeemed::Done);
    assert_eq!(find().await, Some(next.clone()));
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap().unwrap().status, UserStatus::Suspended);
    assert_eq!(exchange(&changed, 1).await, Redeemed::Gone);
}

async fn the_access_of_one_user_ends_and_that_of_others_stays(store: Store) {
    let (ada, eve) = (added(&store, "ada@example.com").await, added(&store, "eve@example.com").await);
    let mut of = Vec::new();
    for user in [&ada, &eve] {
        let session = session_of(user);
        store.insert_session(&session).await.unwrap();
        store.insert_authn_token(&token(user, user.id.as_str(), AuthnPurpose::Session)).await.unwrap();
        of.push((session, granted(&store, user).await));
    }
    // Session, token for one, refresh token, access token and code.
    let open = async |user: &User, index: usize| {
        let (session, (refresh, code)) = &of[index];
        let found = store.find_refresh_token(&org(), &refresh.token_sha256, at(1)).await.unwrap();
        let code = store.find_authorization_code(&org(), &code.code_sha256, at(1)).await.unwrap();
        [
            store.find_session_by_id(&org(), &session.id, at(1)).await.unwrap().is_some(),
            store.find_authn_token(&org(), user.id.as_str(), AuthnPurpose::Session, at(1)).await.unwrap().is_some(),
            matches!(found, RefreshTokenState::Live(_)),
            !store.is_access_token_revoked(&org(), &format!("jti {}", user.id)).await.unwrap(),
            matches!(code, CodeState::Live(_)),
        ]
    };
    assert_eq!(store.end_access(&other_org(), &ada.id, Ending::SessionsAndTokens).await.unwrap(), 0);
    assert_eq!(open(&ada, 0).await, [true; 5]);
    assert_eq!(store.end_access(&org(), &ada.id, Ending::Sessions).await.unwrap(), 1);
    assert_eq!(open(&ada, 0).await, [false, false, true, true, true]);
    assert_eq!(store.end_access(&org(), &ada.id, Ending::SessionsAndTokens).await.unwrap(), 0);
    assert_eq!(open(&ada, 0).await, [false; 5]);
    assert_eq!(open(&eve, 1).await, [true; 5]);
}

async fn a_session_lasts_longer_while_it_lasts(store: Store) {
    let ada = added(&store, "ada@example.com").await;
    let session = session_of(&ada);
    store.insert_session(&session).await.unwrap();
    let longer = Session { expires: session.expires.plus_seconds(60), ..session.clone() };
    assert!(!store.extend_session(&longer, session.expires).await.unwrap(), "it has ended");
    assert!(store.extend_session(&longer, at(1)).await.unwrap());
    assert_eq!(store.find_session_by_id(&org(), &session.id, session.expires).await.unwrap(), Some(longer.clone()));
    assert!(store.remove_session(&org(), &session.id).await.unwrap());
    assert!(!store.remove_session(&org(), &session.id).await.unwrap());
    assert!(!store.extend_session(&longer, at(1)).await.unwrap());
}

on_every_database! {
    a_token_is_found_by_org_text_and_purpose_until_it_expires_and_is_used_up_once
    an_exchange_changes_the_user_and_adds_the_next_token_or_nothing
    the_access_of_one_user_ends_and_that_of_others_stays
    a_session_lasts_longer_while_it_lasts
}

//! What SAML keeps between two requests of a browser.

use tenterhook_contract::id::{AppId, SessionId, UserId};
use tenterhook_model::{AppSubject, AskedApp, AskingApp, SamlLogout, SessionApp};
use tenterhook_store::{SESSION_APPS_MAX, Store};

use crate::databases::{at, on_every_database, org, other_org, session};

fn app(number: u64) -> AppId {
    AppId::from_parts(number, [0; 8])
}

fn session_app(session_id: &SessionId, number: u64, name_id: &str) -> SessionApp {
    SessionApp {
        org_id: org(),
        session_id: session_id.clone(),
        app_id: app(number),
        subject: AppSubject {
            name_id: name_id.to_owned(),
            name_format: "urn:f".to_owned(),
            session_index: "id1".to_owned(),
        },
        expires: at(100),
    }
}

fn logout(session_id: &SessionId) -> SamlLogout {
    SamlLogout {
        token_sha256: "token".to_owned(),
        org_id: org(),
        session_id: session_id.clone(),
        asking: Some(AskingApp { app_id: app(1), request_id: "_1".to_owned(), relay_state: Some("s".to_owned()) }),
        from_uri: None,
        waiting_for: None,
        rest: vec![app(2)],
        is_partial: false,
        step: 0,
        expires: at(60),
    }
}

async fn a_request_is_answered_once(store: Store) {
    let id = SessionId::from_parts(1, [0; 8]);
    let ada = session_app(&id, 1, "ada");
    assert!(!store.is_saml_request_answered(&org(), "f").await.unwrap());
    let (first, second) =
        tokio::join!(store.record_sign_on(&ada, Some(("f", at(50)))), store.record_sign_on(&ada, Some(("f", at(50)))),);
    assert_eq!([first.unwrap(), second.unwrap()].iter().filter(|answered| **answered).count(), 1);
    assert!(store.is_saml_request_answered(&org(), "f").await.unwrap());
    assert!(!store.is_saml_request_answered(&other_org(), "f").await.unwrap());
    let renamed = session_app(&id, 1, "grace");
    assert!(!store.record_sign_on(&renamed, Some(("f", at(50)))).await.unwrap());
    assert_eq!(store.session_apps(&org(), &id).await.unwrap(), [ada], "a refused one changes nothing");
    assert!(store.record_sign_on(&renamed, None).await.unwrap());
    assert_eq!(store.session_apps(&org(), &id).await.unwrap(), [renamed], "the last one counts");
    store.purge_expired(at(50)).await.unwrap();
    store.purge_expired(at(51)).await.unwrap();
    assert!(store.is_saml_request_answered(&org(), "f").await.unwrap(), "it was not due at the check before");
    store.purge_expired(at(51)).await.unwrap();
    assert!(!store.is_saml_request_answered(&org(), "f").await.unwrap());
}

async fn a_session_remembers_a_hundred_service_providers(store: Store) {
    let id = SessionId::from_parts(1, [0; 8]);
    for number in 0..=SESSION_APPS_MAX {
        assert!(store.record_sign_on(&session_app(&id, number, "ada"), None).await.unwrap());
    }
    let known = store.session_apps(&org(), &id).await.unwrap();
    assert_eq!(known.len() as u64, SESSION_APPS_MAX);
    assert!(!known.iter().any(|known| known.app_id == app(SESSION_APPS_MAX)));
    assert!(store.record_sign_on(&session_app(&id, 0, "grace"), None).await.unwrap());
    assert_eq!(store.session_apps(&org(), &id).await.unwrap()[0].subject.name_id, "grace", "one that it knows");
    let rotated = store.rotate_secrets(|_| ()).await.unwrap();
    assert_eq!((rotated.rows, rotated.seen, rotated.secrets), (SESSION_APPS_MAX, SESSION_APPS_MAX, 0));
}

async fn a_session_ends_once_and_its_logout_moves_on_once_a_step(store: Store) {
    let session = session("cookie", at(1_000));
    store.insert_session(&session).await.unwrap();
    let first = logout(&session.id);
    assert!(store.end_session(&org(), &session.id, Some(&first)).await.unwrap());
    assert!(store.find_session(&org(), "cookie", at(0)).await.unwrap().is_none());
    let other = SamlLogout { token_sha256: "other".to_owned(), ..first.clone() };
    assert!(!store.end_session(&org(), &session.id, Some(&other)).await.unwrap());
    assert_eq!(store.find_saml_logout(&org(), "other", at(0)).await.unwrap(), None);
    assert_eq!(store.find_saml_logout(&other_org(), "token", at(0)).await.unwrap(), None);
    assert_eq!(store.find_saml_logout(&org(), "token", at(60)).await.unwrap(), None, "it was given up");
    assert_eq!(store.find_saml_logout(&org(), "token", at(59)).await.unwrap(), Some(first.clone()));
    let waiting_for = Some(AskedApp { app_id: app(2), request_id: "_2".to_owned() });
    let next = SamlLogout { waiting_for, rest: Vec::new(), step: 1, ..first };
    assert!(store.advance_saml_logout(0, &next).await.unwrap());
    assert!(!store.advance_saml_logout(0, &next).await.unwrap());
    assert_eq!(store.find_saml_logout(&org(), "token", at(59)).await.unwrap(), Some(next));
}

/// Whose the new session is, and whether the one before was still there; then how many service providers the new one has.
async fn a_new_session_takes_the_place_of_the_one_before_with_the_service_providers_of_the_same_user(store: Store) {
    for (number, is_same_user, is_there, moved) in
        [(0_u8, true, true, 2), (1, false, true, 0), (2, true, false, 0), (3, false, false, 0)]
    {
        let cookie = |which: &str| format!("{which} {number}");
        let before = session(&cookie("before"), at(1_000));
        store.insert_session(&before).await.unwrap();
        let apps = [session_app(&before.id, 1, "ada"), session_app(&before.id, 2, "ada-marked")];
        for app in &apps {
            assert!(store.record_sign_on(app, None).await.unwrap());
        }
        if !is_there {
            assert!(store.end_session(&org(), &before.id, None).await.unwrap());
        }
        let mut after = session(&cookie("after"), at(2_000));
        if !is_same_user {
            after.user_id = UserId::from_parts(2, [0; 8]);
        }
        assert_eq!(store.replace_session(&before, &after).await.unwrap(), is_there, "{number}");
        assert_eq!(store.find_session(&org(), &cookie("before"), at(0)).await.unwrap(), None, "{number}");
        assert_eq!(store.find_session(&org(), &cookie("after"), at(0)).await.unwrap(), Some(after.clone()));
        let expected: Vec<_> = apps
            .iter()
            .take(moved)
            .map(|app| SessionApp { session_id: after.id.clone(), expires: at(2_000), ..app.clone() })
            .collect();
        assert_eq!(store.session_apps(&org(), &after.id).await.unwrap(), expected, "{number}");
        let left = store.session_apps(&org(), &before.id).await.unwrap();
        assert_eq!(left.len(), apps.len() - moved, "{number}: they have one session at most");
    }
}

/// Of a logout and a sign-in at the same moment, one ends the session; either way it is dead and the service providers are known once.
async fn a_logout_and_a_sign_in_at_once_end_a_session_once(store: Store) {
    for round in 0..8 {
        let (before, after) = (session(&format!("b {round}"), at(1_000)), session(&format!("a {round}"), at(1_000)));
        store.insert_session(&before).await.unwrap();
        assert!(store.record_sign_on(&session_app(&before.id, 1, "ada"), None).await.unwrap());
        let org = org();
        let (ended, replaced) =
            tokio::join!(store.end_session(&org, &before.id, None), store.replace_session(&before, &after));
        let (ended, replaced) = (ended.unwrap(), replaced.unwrap());
        assert_ne!(ended, replaced, "{round}");
        assert_eq!(store.find_session(&org, &format!("b {round}"), at(0)).await.unwrap(), None);
        assert_eq!(store.session_apps(&org, &after.id).await.unwrap().len(), usize::from(replaced));
    }
}

on_every_database! {
    a_new_session_takes_the_place_of_the_one_before_with_the_service_providers_of_the_same_user
    a_logout_and_a_sign_in_at_once_end_a_session_once
    a_request_is_answered_once
    a_session_remembers_a_hundred_service_providers
    a_session_ends_once_and_its_logout_moves_on_once_a_step
}

//! What SAML keeps between two requests of a browser.

use tenterhook_contract::id::{AppId, SessionId};
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

on_every_database! {
    a_request_is_answered_once
    a_session_remembers_a_hundred_service_providers
    a_session_ends_once_and_its_logout_moves_on_once_a_step
}

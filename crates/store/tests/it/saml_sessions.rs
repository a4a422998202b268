//! What SAML keeps between two requests of a browser.

use tenterhook_contract::id::{AppId, SessionId, UserId};
use tenterhook_model::{
    AppSubject, AskedApp, AskingApp, CodeState, IssuedAccessToken, RefreshTokenState, SamlLogout, Session, SessionApp,
    User, UserStatus,
};
use tenterhook_store::{Ended, Lapsed, Proof, Recorded, Rotated, SESSION_APPS_MAX, SessionApps, Standing, Store};

use crate::databases::{
    at, begin_session, code, insert_owner, on_every_database, org, other_org, refresh_token, session, standing, user,
};

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
        index_sha256: None,
        expires: at(100),
    }
}

/// Records a sign-on of the owner, without a request.
async fn recorded(store: &Store, app: &SessionApp) -> bool {
    let (org, owner) = (org(), insert_owner(store).await);
    store.record_sign_on(app, &standing(&org, &owner, 0), None).await.unwrap() == Recorded::Yes
}

/// Ends a session, without a request.
async fn end(store: &Store, session: &SessionId, apps: &[SessionApp], logout: Option<&SamlLogout>) -> Ended {
    let apps = SessionApps { known: apps.to_vec(), unreadable: Vec::new() };
    store.end_session(&org(), (session, &apps), logout, None).await.unwrap()
}

/// The service providers of a session, all of which can be read.
async fn apps_of(store: &Store, session: &SessionId) -> Vec<SessionApp> {
    let apps = store.session_apps(&org(), session).await.unwrap();
    assert_eq!(apps.unreadable, []);
    apps.known
}

fn logout(session_id: &SessionId) -> SamlLogout {
    SamlLogout {
        token_sha256: "token".to_owned(),
        org_id: org(),
        session_id: session_id.clone(),
        user_id: None,
        asking: Some(AskingApp { app_id: app(1), request_id: "_1".to_owned(), relay_state: Some("s".to_owned()) }),
        from_uri: None,
        waiting_for: None,
        rest: vec![app(2)],
        is_partial: false,
        untold: Vec::new(),
        step: 0,
        expires: at(60),
    }
}

async fn a_request_is_answered_once(store: Store) {
    let id = SessionId::from_parts(1, [0; 8]);
    let ada = session_app(&id, 1, "ada");
    assert!(!store.is_saml_request_answered(&org(), "f").await.unwrap());
    let (own_org, owner) = (org(), insert_owner(&store).await);
    let standing = standing(&own_org, &owner, 0);
    let record = async |app: &SessionApp| store.record_sign_on(app, &standing, Some(("f", at(50)))).await.unwrap();
    let (first, second) = tokio::join!(record(&ada), record(&ada));
    let mut both = [first, second];
    both.sort_by_key(|recorded| *recorded == Recorded::Answered);
    assert_eq!(both, [Recorded::Yes, Recorded::Answered]);
    assert!(store.is_saml_request_answered(&org(), "f").await.unwrap());
    assert!(!store.is_saml_request_answered(&other_org(), "f").await.unwrap());
    let renamed = session_app(&id, 1, "grace");
    assert_eq!(record(&renamed).await, Recorded::Answered);
    assert_eq!(apps_of(&store, &id).await, [ada], "a refused one changes nothing");
    assert!(recorded(&store, &renamed).await);
    assert_eq!(apps_of(&store, &id).await, [renamed], "the last one counts");
    store.purge_expired(at(50)).await.unwrap();
    store.purge_expired(at(51)).await.unwrap();
    assert!(store.is_saml_request_answered(&org(), "f").await.unwrap(), "it was not due at the check before");
    store.purge_expired(at(51)).await.unwrap();
    assert!(!store.is_saml_request_answered(&org(), "f").await.unwrap());
}

async fn a_session_remembers_a_hundred_service_providers(store: Store) {
    let id = SessionId::from_parts(1, [0; 8]);
    for number in 0..=SESSION_APPS_MAX {
        assert!(recorded(&store, &session_app(&id, number, "ada")).await);
    }
    let known = apps_of(&store, &id).await;
    assert_eq!(known.len() as u64, SESSION_APPS_MAX);
    assert!(!known.iter().any(|known| known.app_id == app(SESSION_APPS_MAX)));
    assert!(recorded(&store, &session_app(&id, 0, "grace")).await);
    assert_eq!(apps_of(&store, &id).await[0].subject.name_id, "grace", "one that it knows");
    let rotated = store.rotate_secrets(|_| ()).await.unwrap();
    assert_eq!((rotated.rows, rotated.seen, rotated.secrets), (SESSION_APPS_MAX, SESSION_APPS_MAX, 0));
}

async fn a_session_ends_once_and_its_logout_moves_on_once_a_step(store: Store) {
    let session = session("cookie", at(1_000));
    begin_session(&store, None, &session).await.unwrap();
    let first = logout(&session.id);
    let apps = [session_app(&session.id, 1, "ada")];
    assert!(recorded(&store, &apps[0]).await);
    assert_eq!(end(&store, &session.id, &[], Some(&first)).await, Ended::AppsChanged, "an app would not be told");
    assert!(store.find_session(&org(), "cookie", at(0)).await.unwrap().is_some());
    assert_eq!(end(&store, &session.id, &apps, Some(&first)).await, Ended::Yes);
    assert!(store.find_session(&org(), "cookie", at(0)).await.unwrap().is_none());
    let other = SamlLogout { token_sha256: "other".to_owned(), ..first.clone() };
    assert_eq!(end(&store, &session.id, &apps, Some(&other)).await, Ended::Before);
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
        begin_session(&store, None, &before).await.unwrap();
        let apps = [session_app(&before.id, 1, "ada"), session_app(&before.id, 2, "ada-marked")];
        for app in &apps {
            assert!(recorded(&store, app).await);
        }
        if !is_there {
            assert_eq!(end(&store, &before.id, &apps, None).await, Ended::Yes);
        }
        let mut after = session(&cookie("after"), at(2_000));
        if !is_same_user {
            after.user_id = UserId::from_parts(2, [0; 8]);
        }
        let replaced = begin_session(&store, Some(&before.cookie_sha256), &after).await.unwrap();
        assert_eq!(replaced, is_there.then(|| before.clone()), "{number}");
        assert_eq!(store.find_session(&org(), &cookie("before"), at(0)).await.unwrap(), None, "{number}");
        assert_eq!(store.find_session(&org(), &cookie("after"), at(0)).await.unwrap(), Some(after.clone()));
        let expected: Vec<_> = apps
            .iter()
            .take(moved)
            .map(|app| SessionApp { session_id: after.id.clone(), expires: at(2_000), ..app.clone() })
            .collect();
        assert_eq!(apps_of(&store, &after.id).await, expected, "{number}");
        let left = apps_of(&store, &before.id).await;
        assert_eq!(left.len(), apps.len() - moved, "{number}: they have one session at most");
    }
}

/// A form is submitted several times with one cookie, one after the other and at the same moment: the last session is the only one, and
/// has the service providers.
async fn a_form_that_is_submitted_several_times_leaves_one_session_with_the_service_providers(store: Store) {
    let lives = async |session: &Session| store.find_session_by_id(&org(), &session.id, at(0)).await.unwrap().is_some();
    for round in 0..6 {
        let new = |which: &str| session(&format!("{which} {round}"), at(1_000));
        let before = new("before");
        begin_session(&store, None, &before).await.unwrap();
        assert!(recorded(&store, &session_app(&before.id, 1, "ada")).await);
        let sessions: Vec<_> = (0..4).map(|number| new(&number.to_string())).collect();
        let replace = async |after: &Session| begin_session(&store, Some(&before.cookie_sha256), after).await.unwrap();
        let ended = if round % 2 == 0 {
            assert_eq!(replace(&sessions[0]).await, Some(before.clone()));
            assert!(recorded(&store, &session_app(&sessions[0].id, 2, "ada")).await, "between two submissions");
            vec![
                Some(before.clone()),
                replace(&sessions[1]).await,
                replace(&sessions[2]).await,
                replace(&sessions[3]).await,
            ]
        } else {
            let [a, b, c, d] = [0, 1, 2, 3].map(|number| replace(&sessions[number]));
            let (a, b, c, d) = tokio::join!(a, b, c, d);
            vec![a, b, c, d]
        };
        let mut ended: Vec<_> = ended.into_iter().map(|ended| ended.unwrap().id).collect();
        ended.sort();
        ended.dedup();
        assert_eq!(ended.len(), 4, "{round}: each has ended another one");
        let mut left = Vec::new();
        for session in &sessions {
            if lives(session).await {
                left.push(session);
            }
        }
        assert_eq!(left.len(), 1, "{round}");
        let known: Vec<_> = apps_of(&store, &left[0].id).await.into_iter().map(|known| known.app_id).collect();
        assert_eq!(known, if round % 2 == 0 { vec![app(1), app(2)] } else { vec![app(1)] }, "{round}");
        assert_eq!(end(&store, &left[0].id, &apps_of(&store, &left[0].id).await, None).await, Ended::Yes);
        assert_eq!(replace(&new("late")).await, None, "a session that was signed out is followed by none");
    }
}

/// What does not follow a session that was replaced: another user, another cookie, another org, one after its end.
async fn only_the_same_users_sign_in_with_the_same_cookie_follows_a_session(store: Store) {
    let before = session("before", at(1_000));
    begin_session(&store, None, &before).await.unwrap();
    let now = session("now", at(100));
    assert_eq!(begin_session(&store, Some("before"), &now).await.unwrap(), Some(before));
    assert!(recorded(&store, &session_app(&now.id, 1, "ada")).await);
    let mut others_user = session("grace", at(1_000));
    others_user.user_id = UserId::from_parts(2, [0; 8]);
    let mut others_org = session("org", at(1_000));
    others_org.org_id = other_org();
    let mut later = session("later", at(1_000));
    later.created = at(100);
    for (cookie, other) in [
        ("before", &others_user),
        ("unknown", &session("cookie", at(1_000))),
        ("before", &others_org),
        ("before", &later),
    ] {
        assert_eq!(begin_session(&store, Some(cookie), other).await.unwrap(), None, "{}", other.cookie_sha256);
        assert_eq!(store.find_session(&org(), "now", at(1)).await.unwrap(), Some(now.clone()));
        assert_eq!(apps_of(&store, &now.id).await.len(), 1);
    }
    let follows = session("follows", at(1_000));
    assert_eq!(begin_session(&store, Some("before"), &follows).await.unwrap(), Some(now), "the same user's does");
}

/// Of a logout and a sign-in at the same moment, one ends the session; either way it is dead and the service providers are known once.
async fn a_logout_and_a_sign_in_at_once_end_a_session_once(store: Store) {
    for round in 0..8 {
        let (before, after) = (session(&format!("b {round}"), at(1_000)), session(&format!("a {round}"), at(1_000)));
        begin_session(&store, None, &before).await.unwrap();
        let apps = [session_app(&before.id, 1, "ada")];
        assert!(recorded(&store, &apps[0]).await);
        let org = org();
        let (ended, replaced) = tokio::join!(
            end(&store, &before.id, &apps, None),
            begin_session(&store, Some(&before.cookie_sha256), &after)
        );
        let replaced = replaced.unwrap().is_some();
        assert_ne!(ended == Ended::Yes, replaced, "{round}");
        assert_eq!(store.find_session(&org, &format!("b {round}"), at(0)).await.unwrap(), None);
        assert_eq!(apps_of(&store, &after.id).await.len(), usize::from(replaced));
    }
}

/// What happens while a hook is asked; then what no longer holds when the result is stored: of a sign-on, of a code, of a refresh.
async fn what_was_taken_away_while_a_hook_was_asked_is_seen_when_the_result_is_stored(store: Store) {
    let (signed_out, inactive) = (Some(Lapsed::SignedOut), Some(Lapsed::UserInactive));
    let not_assigned = Some(Lapsed::NotAssigned);
    let own = AppId::from_parts(77, [0; 8]);
    for (what, expected, of_refresh) in [
        ("nothing", None, None),
        ("session ends", signed_out, None),
        ("session expires", signed_out, None),
        ("suspended", inactive, inactive),
        ("deleted", signed_out, signed_out),
        ("unassigned", not_assigned, not_assigned),
    ] {
        let grace = user(&format!("{what}@example.com"));
        store.insert_user(&grace).await.unwrap();
        let session = Session { user_id: grace.id.clone(), ..session(what, at(1_000)) };
        begin_session(&store, None, &session).await.unwrap();
        let mut now = 1;
        match what {
            "session ends" => assert_eq!(end(&store, &session.id, &[], None).await, Ended::Yes),
            "session expires" => now = 1_000,
            "suspended" => {
                let suspended = User { status: UserStatus::Suspended, ..grace.clone() };
                assert!(store.replace_user(&suspended).await.unwrap());
            }
            "deleted" => assert!(store.delete_user(&grace, at(1)).await.unwrap()),
            _ => {}
        }
        let own_org = org();
        let assigned = (what == "unassigned").then_some(&own);
        let refreshing = Standing { assigned, ..standing(&own_org, &grace.id, now) };
        let standing = Standing { proof: Proof::Session(&session.id), ..refreshing };
        let app = session_app(&session.id, 1, "grace");
        let recorded = store.record_sign_on(&app, &standing, Some((what, at(50)))).await.unwrap();
        assert_eq!(recorded, expected.map_or(Recorded::Yes, Recorded::Lapsed), "{what}");
        assert_eq!(store.is_saml_request_answered(&org(), what).await.unwrap(), expected.is_none(), "{what}");
        assert_eq!(apps_of(&store, &session.id).await.is_empty(), expected.is_some(), "{what}");
        let code = code(what, at(1_000));
        assert_eq!(store.insert_authorization_code(&code, &standing).await.unwrap(), expected, "{what}");
        let found = store.find_authorization_code(&org(), what, at(1)).await.unwrap();
        assert_eq!(matches!(found, CodeState::Unknown), expected.is_some(), "{what}");
        crate::databases::insert_code(&store, &crate::databases::code(&format!("of {what}"), at(60))).await;
        let (old, access) = (refresh_token(what, None, None), |jti: &str| IssuedAccessToken {
            jti: format!("{jti} {what}"),
            user_id: grace.id.clone(),
            expires: at(100),
            factor: None,
        });
        let issued = (&access("first"), Some(&old));
        assert!(store.redeem_authorization_code(&org(), &format!("of {what}"), issued, at(1)).await.unwrap());
        let new = refresh_token(&format!("new {what}"), Some(&old), None);
        let rotated = store.rotate_refresh_token(&old, (&new, None), &access("second"), &refreshing).await.unwrap();
        assert_eq!(rotated, of_refresh.map_or(Rotated::Yes, Rotated::Lapsed), "{what}");
        let state = store.find_refresh_token(&org(), what, at(1)).await.unwrap();
        assert_eq!(matches!(state, RefreshTokenState::Live(_)), of_refresh.is_some(), "{what}: {state:?}");
    }
}

async fn a_session_is_found_by_its_index_and_ended_by_one_request(store: Store) {
    let (first, second) = (session("first", at(1_000)), session("second", at(1_000)));
    let app = |session: &Session, index: &str| SessionApp {
        index_sha256: Some(index.to_owned()),
        ..session_app(&session.id, 1, "ada")
    };
    let apps = [app(&first, "i1"), app(&second, "i2")];
    for (session, app) in [(&first, &apps[0]), (&second, &apps[1])] {
        begin_session(&store, None, session).await.unwrap();
        assert!(recorded(&store, app).await);
    }
    let found = async |indexes: &[&str]| {
        let indexes: Vec<_> = indexes.iter().map(|index| (*index).to_owned()).collect();
        let mut found = store.session_apps_of_indexes(&org(), &indexes).await.unwrap();
        found.sort_by_key(|app| app.index_sha256.clone());
        found
    };
    assert_eq!(found(&["i1"]).await, apps[..1]);
    assert_eq!(found(&["i2", "i1", "i3"]).await, apps);
    assert_eq!(found(&["i3"]).await, []);
    assert!(store.session_apps_of_indexes(&other_org(), &["i1".to_owned()]).await.unwrap().is_empty());
    assert_eq!(store.find_session_by_id(&org(), &first.id, at(999)).await.unwrap(), Some(first.clone()));
    assert_eq!(store.find_session_by_id(&org(), &first.id, at(1_000)).await.unwrap(), None);
    let request = Some(("logout", at(50)));
    for (session, apps, ended) in [(&first, &apps[..1], Ended::Yes), (&second, &apps[1..], Ended::Answered)] {
        let apps = SessionApps { known: apps.to_vec(), unreadable: Vec::new() };
        assert_eq!(store.end_session(&org(), (&session.id, &apps), None, request).await.unwrap(), ended);
    }
    assert_eq!(store.find_session_by_id(&org(), &first.id, at(0)).await.unwrap(), None);
    assert_eq!(store.find_session_by_id(&org(), &second.id, at(0)).await.unwrap(), Some(second.clone()));
    assert_eq!(found(&["i1"]).await.len(), 1, "it is known that this session has ended");
    let third = session("third", at(1_000));
    assert_eq!(begin_session(&store, Some(&second.cookie_sha256), &third).await.unwrap(), Some(second));
    assert_eq!(found(&["i2"]).await[0].session_id, third.id, "the index is that of the session now");
}

on_every_database! {
    a_session_is_found_by_its_index_and_ended_by_one_request
    what_was_taken_away_while_a_hook_was_asked_is_seen_when_the_result_is_stored
    a_new_session_takes_the_place_of_the_one_before_with_the_service_providers_of_the_same_user
    a_logout_and_a_sign_in_at_once_end_a_session_once
    a_form_that_is_submitted_several_times_leaves_one_session_with_the_service_providers
    only_the_same_users_sign_in_with_the_same_cookie_follows_a_session
    a_request_is_answered_once
    a_session_remembers_a_hundred_service_providers
    a_session_ends_once_and_its_logout_moves_on_once_a_step
}

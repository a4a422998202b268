//! Registrations: the user, its groups and its link, or nothing.

use serde_json::json;
use tenterhook_contract::{
    id::{GroupId, SessionId, UserId},
    profile::ProfileSchema,
};
use tenterhook_model::{LinkPurpose, Profile, Session, SingleUseLink, User, UserStatus};
use tenterhook_store::{Lapsed, ProfileStored, Proof, Standing, Store, StoreError};

use crate::{
    databases::{at, begin_session, number, on_every_database, org, session, user},
    groups::{app_user, group, insert_app},
};

on_every_database! {
    a_user_is_added_with_groups_and_link_and_groups_that_there_are_not_are_left_out
    one_of_two_registrations_of_a_login_wins_and_the_other_leaves_nothing
    registrations_and_the_end_of_their_group_do_not_wait_for_each_other
    a_profile_is_stored_only_while_what_was_checked_still_holds
    a_session_knows_the_last_requests_that_wait_for_its_user
}

const PURPOSE: LinkPurpose = LinkPurpose::EmailVerification;

fn link(of: &UserId, token: &str) -> SingleUseLink {
    SingleUseLink {
        org_id: org(),
        token_sha256: token.to_owned(),
        purpose: PURPOSE,
        user_id: of.clone(),
        expires: at(100),
    }
}

async fn a_user_is_added_with_groups_and_link_and_groups_that_there_are_not_are_left_out(store: Store) {
    let (kept, other, gone) = (group("Partners"), group("Other"), group("Gone"));
    for group in [&kept, &other] {
        store.insert_group(group).await.unwrap();
    }
    let noor = user("noor@example.com");
    let link = link(&noor.id, "t");
    let wanted = [gone.id, kept.id.clone(), kept.id.clone()];
    let groups = store.register_user(&noor, &wanted, Some(&link)).await.unwrap();
    assert_eq!(groups, [(kept.id.clone(), "Partners".to_owned())]);
    let stored = store.find_user(&org(), &noor.id).await.unwrap().unwrap();
    assert_eq!(stored, noor);
    let members = store.list_members(&org(), &kept.id, None, 10).await.unwrap();
    assert_eq!(members, [stored]);
    assert!(store.list_members(&org(), &other.id, None, 10).await.unwrap().is_empty());
    let changed = store.find_group(&org(), &kept.id).await.unwrap().unwrap();
    assert_eq!(changed.members_changed, noor.created);
    assert_eq!(store.find_link(&org(), "t", PURPOSE, at(99)).await.unwrap(), Some(link));
}

async fn one_of_two_registrations_of_a_login_wins_and_the_other_leaves_nothing(store: Store) {
    let partners = group("Partners");
    store.insert_group(&partners).await.unwrap();
    let (one, other) = (user("noor@example.com"), user("NOOR@example.com"));
    let groups = [partners.id.clone()];
    let (one_link, other_link) = (link(&one.id, "one"), link(&other.id, "other"));
    let (first, second) = tokio::join!(
        store.register_user(&one, &groups, Some(&one_link)),
        store.register_user(&other, &groups, Some(&other_link)),
    );
    let (won, lost, error) = match (first, second) {
        (Ok(_), Err(error)) => (one, "other", error),
        (Err(error), Ok(_)) => (other, "one", error),
        both => panic!("{both:?}"),
    };
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error:?}");
    let members = store.list_members(&org(), &partners.id, None, 10).await.unwrap();
    assert_eq!(members.iter().map(|user| &user.id).collect::<Vec<_>>(), [&won.id]);
    assert_eq!(store.find_link(&org(), lost, PURPOSE, at(1)).await.unwrap(), None);
}

async fn registrations_and_the_end_of_their_group_do_not_wait_for_each_other(store: Store) {
    let groups: Vec<_> = ["A", "B", "C"].map(group).into();
    for group in &groups {
        store.insert_group(group).await.unwrap();
    }
    let mut ids: Vec<GroupId> = groups.iter().map(|group| group.id.clone()).collect();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        ids.rotate_left(1);
        let (store, ids, user) = (store.clone(), ids.clone(), user(&format!("n{}@example.com", number())));
        all.spawn(async move { store.register_user(&user, &ids, None).await.map(drop) });
    }
    let (ending, first) = (store.clone(), ids[0].clone());
    all.spawn(async move { ending.delete_group(&org(), &first).await.map(drop) });
    let results = all.join_all().await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let left = store.list_members(&org(), &ids[1], None, 100).await.unwrap();
    assert_eq!(left.len(), 8);
}

async fn a_profile_is_stored_only_while_what_was_checked_still_holds(store: Store) {
    let (ada, eve) = (user("ada@example.com"), user("eve@example.com"));
    for user in [&ada, &eve] {
        store.insert_user(user).await.unwrap();
    }
    let app = insert_app(&store).await;
    store.change_app_user(&org(), (&app, &ada.id), |_| Some(app_user(&app, &ada))).await.unwrap();
    let session = Session { user_id: ada.id.clone(), ..session("cookie", at(100)) };
    begin_session(&store, None, &session).await.unwrap();
    let org_id = org();
    let standing = |user: &User, session: &Session, assigned: bool, seconds: i64| {
        let (user, session) = (user.id.clone(), session.id.clone());
        let (app, store, org_id) = (app.clone(), store.clone(), org_id.clone());
        async move |changed: &User| {
            let standing = Standing {
                org: &org_id,
                user: &user,
                proof: Proof::Session(&session),
                assigned: assigned.then_some(&app),
                now: at(seconds),
            };
            store.store_profile(changed, &standing).await
        }
    };
    let with = |user: &User, city: &str| {
        let members = json!({ "city": city }).as_object().unwrap().clone();
        let profile = Profile::read(user.profile.merged(members), &ProfileSchema::base(), Some(&user.profile)).unwrap();
        User { profile, last_updated: at(50), ..user.clone() }
    };
    let stored = async |of: &User| store.find_user(&org(), &of.id).await.unwrap().unwrap();

    let stored_now = standing(&ada, &session, true, 10)(&with(&ada, "Lagos")).await.unwrap();
    assert_eq!(stored_now, ProfileStored::Yes);
    let lagos = stored(&ada).await;
    assert_eq!(lagos, User { version: ada.version + 1, ..with(&ada, "Lagos") });

    let late = standing(&ada, &session, true, 10)(&with(&ada, "Kano")).await.unwrap();
    assert_eq!(late, ProfileStored::Changed, "it was changed since it was read");
    let kano = with(&lagos, "Kano");
    let taken = User { profile: eve.profile.clone(), ..kano.clone() };
    let taken = standing(&ada, &session, true, 10)(&taken).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })), "{taken:?}");
    let suspended = User { status: UserStatus::Suspended, ..kano.clone() };
    let ended = Session { id: SessionId::from_parts(number(), [9; 8]), ..session.clone() };
    assert!(store.delete_app_user(&org(), &app, &ada.id).await.unwrap());
    for (standing, user, lapsed) in [
        (standing(&ada, &session, false, 100), &kano, Lapsed::SignedOut),
        (standing(&ada, &ended, false, 10), &kano, Lapsed::SignedOut),
        (standing(&ada, &session, false, 10), &suspended, Lapsed::UserInactive),
        (standing(&ada, &session, true, 10), &kano, Lapsed::NotAssigned),
    ] {
        assert_eq!(standing(user).await.unwrap(), ProfileStored::Lapsed(lapsed));
    }
    assert_eq!(stored(&ada).await, lagos, "all or nothing");
    assert_eq!(standing(&ada, &session, false, 10)(&kano).await.unwrap(), ProfileStored::Yes);
}

async fn a_session_knows_the_last_requests_that_wait_for_its_user(store: Store) {
    let session = session("cookie", at(100));
    begin_session(&store, None, &session).await.unwrap();
    let found = async || store.find_session(&org(), "cookie", at(1)).await.unwrap().unwrap();
    for number in 0..9 {
        store.note_waiting(&session, &format!("r{number}")).await.unwrap();
    }
    store.note_waiting(&session, "r1").await.unwrap();
    let waiting = ["r2", "r3", "r4", "r5", "r6", "r7", "r8", "r1"].map(str::to_owned).to_vec();
    assert_eq!(found().await, Session { waiting, ..session.clone() });
    assert!(found().await.has_kept_waiting("r1") && !found().await.has_kept_waiting("r0"));
    let gone = Session { id: SessionId::from_parts(number(), [9; 8]), ..session };
    store.note_waiting(&gone, "r").await.unwrap();
    assert_eq!(store.find_session_by_id(&org(), &gone.id, at(1)).await.unwrap(), None);
}

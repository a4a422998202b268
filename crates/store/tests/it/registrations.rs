//! Registrations: the user, its groups and its link, or nothing.

use tenterhook_contract::id::{GroupId, UserId};
use tenterhook_model::{LinkPurpose, SingleUseLink};
use tenterhook_store::{Store, StoreError};

use crate::{
    databases::{at, number, on_every_database, org, user},
    groups::group,
};

on_every_database! {
    a_user_is_added_with_groups_and_link_and_groups_that_there_are_not_are_left_out
    one_of_two_registrations_of_a_login_wins_and_the_other_leaves_nothing
    registrations_and_the_end_of_their_group_do_not_wait_for_each_other
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

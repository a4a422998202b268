//! Users who have registered themselves and wait for the verification of their address.

use tenterhook_contract::id::UserId;
use tenterhook_model::{LinkPurpose, SingleUseLink, User, UserStatus};
use tenterhook_store::{Redeemed, Store};

use crate::{
    databases::{at, on_every_database, org, user},
    groups::group,
};

on_every_database! {
    a_user_waits_until_somebody_verifies_or_changes_it
    whoever_waits_for_too_long_is_found_in_order_and_removed_with_everything
    a_user_who_was_changed_is_not_removed_and_its_link_goes
}

fn link(of: &UserId, token: &str, expires: i64) -> SingleUseLink {
    SingleUseLink {
        org_id: org(),
        token_sha256: token.to_owned(),
        purpose: LinkPurpose::EmailVerification,
        user_id: of.clone(),
        expires: at(expires),
    }
}

/// A user who has registered itself.
async fn registered(store: &Store, login: &str, token: &str, expires: i64) -> (User, SingleUseLink) {
    let user = User { status: UserStatus::Staged, ..user(login) };
    let link = link(&user.id, token, expires);
    store.register_user(&user, &[], Some(&link)).await.unwrap();
    (user, link)
}

async fn stored(store: &Store, user: &User) -> User {
    store.find_user(&org(), &user.id).await.unwrap().unwrap()
}

async fn a_user_waits_until_somebody_verifies_or_changes_it(store: Store) {
    let awaits = async |user: &User| store.awaits_verification(user).await.unwrap();
    let (noor, _) = registered(&store, "noor@example.com", "n", 100).await;
    assert!(awaits(&noor).await);
    for _ in 0..3 {
        store.purge_expired(at(1_000)).await.unwrap();
    }
    assert!(awaits(&noor).await, "also when the link does not work any more");
    let again = link(&noor.id, "again", 2_000);
    assert!(store.replace_user_with_link(&noor, &again).await.unwrap());
    let noor = stored(&store, &noor).await;
    assert!(awaits(&noor).await, "the last registration counts");
    let (changed, _) = registered(&store, "changed@example.com", "c", 100).await;
    assert!(store.replace_user(&changed).await.unwrap());
    assert!(!awaits(&stored(&store, &changed).await).await, "an administrator has changed it");
    let active = User { status: UserStatus::Active, ..noor };
    assert_eq!(store.redeem_link(&again, &active, at(1)).await.unwrap(), Redeemed::Done);
    assert!(!awaits(&stored(&store, &active).await).await);
    let made = User { status: UserStatus::Staged, ..user("made@example.com") };
    store.insert_user(&made).await.unwrap();
    assert!(!awaits(&made).await, "an administrator has made it");
}

async fn whoever_waits_for_too_long_is_found_in_order_and_removed_with_everything(store: Store) {
    let partners = group("Partners");
    store.insert_group(&partners).await.unwrap();
    let noor = User { status: UserStatus::Staged, ..user("noor@example.com") };
    let of_noor = link(&noor.id, "n", 30);
    store.register_user(&noor, std::slice::from_ref(&partners.id), Some(&of_noor)).await.unwrap();
    let (_, first) = registered(&store, "first@example.com", "f", 20).await;
    let (_, second) = registered(&store, "second@example.com", "a", 30).await;
    registered(&store, "young@example.com", "y", 50).await;
    let overdue =
        async |after: Option<&SingleUseLink>, limit| store.overdue_verifications(at(50), after, limit).await.unwrap();
    assert_eq!(overdue(None, 2).await, [first.clone(), second.clone()]);
    assert_eq!(overdue(Some(&second), 2).await, std::slice::from_ref(&of_noor));
    assert!(store.delete_unverified_user(&noor, &of_noor, at(60)).await.unwrap());
    assert!(!store.delete_unverified_user(&noor, &of_noor, at(60)).await.unwrap(), "once");
    assert_eq!(store.find_user(&org(), &noor.id).await.unwrap(), None);
    assert!(store.list_members(&org(), &partners.id, None, 10).await.unwrap().is_empty());
    let changed = store.find_group(&org(), &partners.id).await.unwrap().unwrap();
    assert_eq!(changed.members_changed, at(60));
    assert_eq!(overdue(None, 10).await, [first, second]);
    store.register_user(&noor, &[], None).await.unwrap();
    assert!(!store.awaits_verification(&noor).await.unwrap(), "no link of the user before is left");
}

async fn a_user_who_was_changed_is_not_removed_and_its_link_goes(store: Store) {
    let (noor, link) = registered(&store, "noor@example.com", "n", 10).await;
    let (ada, of_ada) = registered(&store, "ada@example.com", "a", 10).await;
    assert!(store.replace_user(&ada).await.unwrap());
    assert_eq!(store.overdue_verifications(at(50), None, 10).await.unwrap(), std::slice::from_ref(&link));
    assert!(!store.delete_unverified_user(&ada, &of_ada, at(60)).await.unwrap(), "it was read before it was changed");
    assert!(!store.delete_unverified_user(&stored(&store, &ada).await, &of_ada, at(60)).await.unwrap());
    for (seconds, removed) in [(60, 0), (60, 1), (60, 0)] {
        assert_eq!(store.purge_expired(at(seconds)).await.unwrap(), removed, "that of Ada");
    }
    let next = self::link(&noor.id, "next", 2_000);
    assert!(store.replace_user_with_link(&noor, &next).await.unwrap());
    let noor = stored(&store, &noor).await;
    assert!(!store.delete_unverified_user(&noor, &link, at(60)).await.unwrap(), "it has signed up again");
    assert!(store.delete_unverified_user(&noor, &next, at(60)).await.unwrap());
    assert_eq!(stored(&store, &ada).await.status, UserStatus::Staged);
}

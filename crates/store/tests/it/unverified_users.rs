//! Users who have registered themselves and wait for the verification of their address.

use tenterhook_contract::id::UserId;
use tenterhook_model::{Factor, FactorMethod, LinkPurpose, PhoneNumber, SingleUseLink, User, UserStatus};
use tenterhook_store::{Redeemed, Store};

use crate::{
    databases::{at, on_every_database, org, user},
    factors::factor,
    groups::{app_user, group, insert_app},
};

on_every_database! {
    a_user_waits_until_somebody_verifies_or_changes_it
    whoever_waits_for_too_long_is_found_in_order_and_removed_with_everything
    a_user_who_was_changed_is_not_removed_and_its_link_goes
    whoever_takes_the_place_of_a_user_who_waits_gets_nothing_of_it
    a_user_whom_somebody_has_given_something_does_not_wait
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

fn sms_of(user: &User) -> Factor {
    factor(user, FactorMethod::Sms(PhoneNumber::parse("+2348031234567", None).unwrap()))
}

async fn whoever_takes_the_place_of_a_user_who_waits_gets_nothing_of_it(store: Store) {
    let groups = ["Partners", "Staff", "Visitors"].map(group);
    for group in &groups {
        store.insert_group(group).await.unwrap();
    }
    let [partners, staff, visitors] = groups.map(|group| group.id);
    let app = insert_app(&store).await;
    let stranger = User { status: UserStatus::Staged, ..user("noor@example.com") };
    let first = link(&stranger.id, "first", 100);
    store.register_user(&stranger, &[partners.clone(), staff.clone()], Some(&first)).await.unwrap();
    store.change_app_user(&org(), (&app, &stranger.id), |_| Some(app_user(&app, &stranger))).await.unwrap();
    store.insert_factor(&sms_of(&stranger), None).await.unwrap();
    let again = link(&stranger.id, "again", 100);
    assert!(store.replace_user_with_link(&stranger, &again).await.unwrap(), "it waits with all that again");
    let stranger = stored(&store, &stranger).await;
    let owner = User { status: UserStatus::Staged, created: at(9), ..user("noor@example.com") };
    let next = link(&owner.id, "next", 200);
    let replace = async |earlier: &User, newer: &User, link: &SingleUseLink| {
        let groups = [visitors.clone(), staff.clone()];
        store.replace_unverified_user(earlier, newer, &groups, Some(link)).await.unwrap()
    };
    assert_eq!(replace(&User { version: 7, ..stranger.clone() }, &owner, &next).await, None);
    let mut joined = replace(&stranger, &owner, &next).await.unwrap();
    joined.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(joined, [(staff.clone(), "Staff".to_owned()), (visitors.clone(), "Visitors".to_owned())]);
    assert_eq!(store.find_user(&org(), &stranger.id).await.unwrap(), None);
    assert!(store.list_members(&org(), &partners, None, 10).await.unwrap().is_empty());
    for group in [&staff, &visitors] {
        assert_eq!(store.list_members(&org(), group, None, 10).await.unwrap(), std::slice::from_ref(&owner));
    }
    for group in [&partners, &staff, &visitors] {
        assert_eq!(store.find_group(&org(), group).await.unwrap().unwrap().members_changed, at(9));
    }
    assert_eq!(store.find_app_user(&org(), &app, &stranger.id).await.unwrap(), None);
    assert_eq!(store.find_app_user(&org(), &app, &owner.id).await.unwrap(), None);
    assert_eq!(store.list_factors(&org(), &owner.id).await.unwrap(), []);
    let found =
        async |token: &str| store.find_link(&org(), token, LinkPurpose::EmailVerification, at(1)).await.unwrap();
    assert_eq!((found("again").await, found("next").await), (None, Some(next.clone())));
    assert!(store.awaits_verification(&owner).await.unwrap());
    let late = User { status: UserStatus::Staged, ..user("noor@example.com") };
    assert_eq!(replace(&stranger, &late, &link(&late.id, "late", 200)).await, None, "it is gone");
    assert_eq!(store.replace_unverified_user(&owner, &late, &[], None).await.unwrap(), Some(Vec::new()));
    assert_eq!(found("next").await, None);
}

async fn a_user_whom_somebody_has_given_something_does_not_wait(store: Store) {
    let partners = group("Partners");
    store.insert_group(&partners).await.unwrap();
    let app = insert_app(&store).await;
    let (member, of_member) = registered(&store, "member@example.com", "m", 10).await;
    let (assigned, of_assigned) = registered(&store, "assigned@example.com", "a", 10).await;
    let (enrolled, of_enrolled) = registered(&store, "enrolled@example.com", "e", 10).await;
    let change = store.change_app_user(&org(), (&app, &assigned.id), |_| None).await;
    assert!(change.unwrap().is_none() && store.awaits_verification(&assigned).await.unwrap(), "nothing is given");

    assert!(store.add_member(&org(), (&partners.id, &member.id), at(1)).await.unwrap());
    store.change_app_user(&org(), (&app, &assigned.id), |_| Some(app_user(&app, &assigned))).await.unwrap();
    store.insert_factor(&sms_of(&enrolled), None).await.unwrap();
    assert_eq!(store.overdue_verifications(at(50), None, 10).await.unwrap(), []);
    for (user, link) in [(&member, &of_member), (&assigned, &of_assigned), (&enrolled, &of_enrolled)] {
        assert!(!store.awaits_verification(user).await.unwrap(), "{}", user.profile.login);
        assert!(!store.delete_unverified_user(user, link, at(60)).await.unwrap());
        let newer = User { status: UserStatus::Staged, ..self::user(&user.profile.login) };
        assert_eq!(store.replace_unverified_user(user, &newer, &[], None).await.unwrap(), None);
        let found = store.find_link(&org(), &link.token_sha256, LinkPurpose::EmailVerification, at(1)).await.unwrap();
        assert_eq!(found.as_ref(), Some(link), "it works on");
    }
    assert_eq!(store.list_members(&org(), &partners.id, None, 10).await.unwrap(), [member]);
    assert!(store.find_app_user(&org(), &app, &assigned.id).await.unwrap().is_some());
    assert_eq!(store.list_factors(&org(), &enrolled.id).await.unwrap().len(), 1);
}

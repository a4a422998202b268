//! Links that work once.

use tenterhook_contract::{Secret, id::UserId};
use tenterhook_model::{LinkPurpose, Password, SingleUseLink, User};
use tenterhook_store::{Redeemed, Store, StoreConfig};

use crate::databases::{at, on_every_database, open, org, other_org, postgres, user};

const PURPOSE: LinkPurpose = LinkPurpose::PasswordReset;

fn link(of: &UserId, token: &str) -> SingleUseLink {
    SingleUseLink {
        org_id: org(),
        token_sha256: token.to_owned(),
        purpose: PURPOSE,
        user_id: of.clone(),
        expires: at(100),
    }
}

fn with_password(user: &User, hash: &str) -> User {
    User { password: Password::Hash { hash: Secret::new(hash), changed: at(1) }, ..user.clone() }
}

/// A user with a link.
async fn linked(store: &Store, login: &str, token: &str) -> (User, SingleUseLink) {
    let added = user(login);
    store.insert_user(&added).await.unwrap();
    let link = link(&added.id, token);
    assert!(store.replace_user_with_link(&added, &link).await.unwrap());
    (store.find_user(&org(), &added.id).await.unwrap().unwrap(), link)
}

async fn a_link_is_found_by_its_org_and_token_until_it_expires(store: Store) {
    let (_, link) = linked(&store, "ada@example.com", "t").await;
    let find = async |org, token, seconds| store.find_link(&org, token, PURPOSE, at(seconds)).await.unwrap();
    assert_eq!(find(org(), "t", 99).await, Some(link));
    assert_eq!(find(org(), "t", 100).await, None, "it has expired");
    assert_eq!(find(org(), "u", 0).await, None);
    assert_eq!(find(other_org(), "t", 0).await, None);
}

async fn one_of_two_uses_of_a_link_counts(store: Store) {
    let (user, link) = linked(&store, "ada@example.com", "t").await;
    let (one, other) = (with_password(&user, "one"), with_password(&user, "other"));
    let (first, second) = tokio::join!(store.redeem_link(&link, &one, at(1)), store.redeem_link(&link, &other, at(1)));
    let (first, second) = (first.unwrap(), second.unwrap());
    let winner = match (first, second) {
        (Redeemed::Done, Redeemed::Gone) => "one",
        (Redeemed::Gone, Redeemed::Done) => "other",
        both => panic!("{both:?}"),
    };
    let stored = store.find_user(&org(), &user.id).await.unwrap().unwrap();
    assert_eq!(stored.password.hash().unwrap().expose(), winner);
    assert_eq!(store.find_link(&org(), "t", PURPOSE, at(1)).await.unwrap(), None);
}

async fn a_link_that_is_not_used_up_changes_nothing(store: Store) {
    let (user, link) = linked(&store, "ada@example.com", "t").await;
    let changed = with_password(&user, "changed");
    assert_eq!(store.redeem_link(&link, &changed, at(100)).await.unwrap(), Redeemed::Gone, "it has expired");
    assert!(store.replace_user(&user).await.unwrap(), "somebody else changes the user");
    assert_eq!(store.redeem_link(&link, &changed, at(1)).await.unwrap(), Redeemed::Contended);
    let stored = store.find_user(&org(), &user.id).await.unwrap().unwrap();
    assert_eq!(stored.password, user.password);
    assert_eq!(store.find_link(&org(), "t", PURPOSE, at(1)).await.unwrap(), Some(link.clone()), "it still works");
    let changed = with_password(&stored, "changed");
    assert_eq!(store.redeem_link(&link, &changed, at(1)).await.unwrap(), Redeemed::Done);
}

async fn the_next_link_of_a_user_replaces_the_one_before(store: Store) {
    let (ada, first) = linked(&store, "ada@example.com", "t").await;
    let (_, of_other) = linked(&store, "grace@example.com", "g").await;
    assert!(!store.replace_user_with_link(&User { version: 7, ..ada.clone() }, &link(&ada.id, "u")).await.unwrap());
    let find = async |token| store.find_link(&org(), token, PURPOSE, at(1)).await.unwrap();
    assert_eq!((find("t").await, find("u").await), (Some(first), None), "a change that came too late adds no link");
    assert!(store.replace_user_with_link(&ada, &link(&ada.id, "u")).await.unwrap());
    assert_eq!((find("t").await, find("u").await), (None, Some(link(&ada.id, "u"))));
    assert_eq!(find("g").await, Some(of_other), "that of another user stays");
}

async fn expired_links_are_removed(store: Store) {
    linked(&store, "ada@example.com", "t").await;
    for (seconds, removed) in [(50, 0), (101, 0), (101, 1)] {
        assert_eq!(store.purge_expired(at(seconds)).await.unwrap(), removed, "{seconds}");
    }
}

on_every_database! {
    a_link_is_found_by_its_org_and_token_until_it_expires
    one_of_two_uses_of_a_link_counts
    a_link_that_is_not_used_up_changes_nothing
    the_next_link_of_a_user_replaces_the_one_before
    expired_links_are_removed
}

/// A user gets a new link while the older one is used: one comes second and is told, and neither waits for the other, who waits for it.
/// The embedded database has one writer.
#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn new_links_and_uses_of_links_do_not_wait_for_each_other() {
    let StoreConfig::Postgres { url, .. } = postgres().await else { panic!("it is PostgreSQL") };
    let store = open(&StoreConfig::Postgres { url, max_connections: 12 }).await;
    let mut all = tokio::task::JoinSet::new();
    for number in 0..2 {
        let store = store.clone();
        all.spawn(async move {
            let (first, mut current) = linked(&store, &format!("n{number}@example.com"), &format!("{number}-0")).await;
            for time in 1..=30 {
                let user = store.find_user(&org(), &first.id).await.unwrap().unwrap();
                let next = link(&first.id, &format!("{number}-{time}"));
                let (replaced, redeemed) =
                    tokio::join!(store.replace_user_with_link(&user, &next), store.redeem_link(&current, &user, at(1)));
                match (replaced.unwrap(), redeemed.unwrap()) {
                    (true, Redeemed::Gone) => {}
                    (false, Redeemed::Done) => {
                        let user = store.find_user(&org(), &first.id).await.unwrap().unwrap();
                        assert!(store.replace_user_with_link(&user, &next).await.unwrap());
                    }
                    both => panic!("{both:?}"),
                }
                current = next;
            }
        });
    }
    all.join_all().await;
}

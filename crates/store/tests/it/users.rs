//! Users: found by keys, changed without losing each other's changes.

use tenterhook_contract::{Secret, id::UserId};
use tenterhook_model::{
    Password, Profile, SearchText, SearchedAttribute, User, UserCondition, UserQuery, UserStatus, user_key,
};
use tenterhook_store::{Store, StoreError};

use crate::databases::{at, on_every_database, org, other_org, user};

on_every_database! {
    every_part_of_a_user_is_kept
    users_are_found_by_the_beginnings_of_their_keys
    what_many_users_have_in_common_is_found_page_by_page
    changes_of_a_user_do_not_lose_each_other
    a_user_is_removed_by_the_version_that_was_seen
}

fn text(text: &str) -> SearchText {
    SearchText::new(text).unwrap()
}

async fn every_part_of_a_user_is_kept(store: Store) {
    let passwords = [Password::None, Password::ImportByHook, Password::Hash { hash: Secret::new("h"), changed: at(7) }];
    for (number, status) in UserStatus::ALL.into_iter().enumerate() {
        let profile = Profile::new(format!("{number}@Example.com"), "mail@example.com", "Ada", "Okoye")
            .with("timeZone", "Africa/Lagos")
            .with("locale", "en_US")
            .with("level", 3)
            .with("externalId", "HR-1");
        let password = passwords[number % passwords.len()].clone();
        let (activated, status_changed) = (Some(at(1)), Some(at(2)));
        let kept = User { profile, password, status, activated, status_changed, version: 5, ..user("x") };
        store.insert_user(&kept).await.unwrap();
        assert_eq!(store.find_user(&org(), &kept.id).await.unwrap(), Some(kept));
    }
}

async fn users_are_found_by_the_beginnings_of_their_keys(store: Store) {
    use SearchedAttribute::{Email, ExternalId, FirstName, LastName, Login};
    let long = "x".repeat(900);
    let rows = [
        ("ada@example.com", "ada@mail.example", "Ada", "Okoye"),
        ("b1", "adam@mail.example", "Ben", "Smith"),
        ("b2", "c@mail.example", "ADALYN", "Smith"),
        ("b3", "d@mail.example", "Dan", "Adair"),
        ("b4", "a%d@mail.example", "Ac", "Ae"),
        ("b5", "e@mail.example", "Åsa", "Ädam"),
        ("b6", "f@mail.example", long.as_str(), "Last"),
    ];
    for (login, email, first, last) in rows {
        let profile = Profile::new(login, email, first, last).with("externalId", format!("HR-{login}"));
        store.insert_user(&User { profile, ..user(login) }).await.unwrap();
    }
    let foreign = User { org_id: other_org(), ..user("ada@elsewhere.example") };
    store.insert_user(&foreign).await.unwrap();
    let found = async |conditions: &[UserCondition], after: Option<UserId>, limit| {
        let query = UserQuery { condition: Some(UserCondition::All(conditions.to_vec())), after, limit };
        let users = store.list_users(&org(), &query).await.unwrap().users;
        users.into_iter().map(|user| (user.profile.login.clone(), user.id)).collect::<Vec<_>>()
    };
    let any = |value| UserCondition::AnyBegins(text(value));
    let is = |attribute, value| UserCondition::Is(attribute, text(value));
    let begins = |attribute, value| UserCondition::Begins(attribute, text(value));
    for (conditions, logins) in [
        (vec![any("ada")], vec!["ada@example.com", "b1", "b2", "b3"]),
        (vec![any("ADA@")], vec!["ada@example.com"]),
        (vec![any("a%")], vec!["b4"]),
        (vec![any("ÅS")], vec!["b5"]),
        (vec![any("zz")], vec![]),
        (vec![begins(LastName, "smi"), begins(FirstName, "ad")], vec!["b2"]),
        (vec![is(LastName, "SMITH")], vec!["b1", "b2"]),
        (vec![is(FirstName, "ada")], vec!["ada@example.com"]),
        (vec![is(Email, "ADAM@mail.example"), is(Login, "B1")], vec!["b1"]),
        (vec![is(ExternalId, "hr-b3")], vec!["b3"]),
        (vec![begins(FirstName, &long[..150])], vec!["b6"]),
        (vec![is(FirstName, &long[..150])], vec![]),
    ] {
        let names: Vec<String> = found(&conditions, None, 10).await.into_iter().map(|(login, _)| login).collect();
        assert_eq!(names, logins, "{conditions:?}");
    }
    let first = found(&[any("ada")], None, 2).await;
    let second = found(&[any("ada")], Some(first[1].1.clone()), 10).await;
    assert_eq!([first, second].concat(), found(&[any("ada")], None, 10).await, "pages have every user once");

    // The keys follow the profile.
    let ada = store.find_user_by_login(&org(), "ada@example.com").await.unwrap().unwrap();
    let renamed = User { profile: Profile::new("zoe", "zoe@mail.example", "Zoe", "Okoye"), ..ada };
    assert!(store.replace_user(&renamed).await.unwrap());
    assert_eq!(found(&[any("ada")], None, 10).await.len(), 3);
    assert_eq!(found(&[is(Login, "zoe")], None, 10).await.len(), 1);
    assert_eq!(found(&[is(ExternalId, "hr-ada@example.com")], None, 10).await, []);
    assert_eq!(user_key(&long).len(), 200);
}

/// More than the store collects ids of.
async fn what_many_users_have_in_common_is_found_page_by_page(store: Store) {
    let many = |number: usize| {
        let profile = Profile::new(format!("u{number}"), format!("m{number}@mail.example"), "Ada", "Common");
        User { profile, ..user("x") }
    };
    let users: Vec<User> = (0..1_200).map(many).collect();
    for user in &users {
        store.insert_user(user).await.unwrap();
    }
    store.insert_user(&user("other@example.com")).await.unwrap();
    let any = |value| UserCondition::AnyBegins(text(value));
    let of_all = UserCondition::Is(SearchedAttribute::FirstName, text("ada"));
    for conditions in [vec![any("com")], vec![any("com"), of_all]] {
        let mut query = UserQuery { condition: Some(UserCondition::All(conditions)), after: None, limit: 500 };
        let mut found = Vec::new();
        loop {
            let page = store.list_users(&org(), &query).await.unwrap();
            found.extend(page.users);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(found, users);
    }
    let one = vec![any("com"), UserCondition::Begins(SearchedAttribute::Login, text("u777"))];
    let one = UserQuery { condition: Some(UserCondition::All(one)), after: None, limit: 500 };
    let one = store.list_users(&org(), &one).await.unwrap();
    assert_eq!((one.users, one.next), (users[777..=777].to_vec(), None));
}

async fn changes_of_a_user_do_not_lose_each_other(store: Store) {
    let ada = user("ada@example.com");
    store.insert_user(&ada).await.unwrap();
    let renamed = User { profile: ada.profile.clone().with("city", "Lagos"), ..ada.clone() };
    assert!(store.replace_user(&renamed).await.unwrap());
    assert!(!store.replace_user(&User { status: UserStatus::Suspended, ..ada.clone() }).await.unwrap());
    let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert_eq!(stored, User { version: 1, ..renamed });

    // A hash that a sign-in has replaced counts as a change.
    let known = stored.password.hash().unwrap().clone();
    store.replace_password_hash(&stored, &known, &Secret::new("second")).await.unwrap();
    assert!(!store.replace_user(&stored).await.unwrap());
    let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert_eq!(stored.password.hash(), Some(&Secret::new("second")));
    store.replace_password_hash(&stored, &known, &Secret::new("third")).await.unwrap();
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap(), Some(stored.clone()), "it was the first one's turn");

    store.insert_user(&user("grace@example.com")).await.unwrap();
    let profile = Profile::new("Grace@Example.com", "ada@example.com", "Ada", "Okoye");
    let taken = store.replace_user(&User { profile, ..stored.clone() }).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })), "{taken:?}");
    assert_eq!(store.find_user(&org(), &ada.id).await.unwrap(), Some(stored));

    let ten = (0..10).map(|number| {
        let (store, id) = (store.clone(), ada.id.clone());
        tokio::spawn(async move {
            loop {
                let seen = store.find_user(&org(), &id).await.unwrap().unwrap();
                let profile = seen.profile.clone().with(&format!("number{number}"), number);
                if store.replace_user(&User { profile, ..seen }).await.unwrap() {
                    break;
                }
            }
        })
    });
    for one in ten.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let stored = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert!((0..10).all(|number| stored.profile.attribute(&format!("number{number}")).is_some()));
}

async fn a_user_is_removed_by_the_version_that_was_seen(store: Store) {
    let ada = user("ada@example.com");
    store.insert_user(&ada).await.unwrap();
    assert!(store.replace_user(&ada).await.unwrap());
    assert!(!store.delete_user(&ada, at(9)).await.unwrap(), "somebody has changed it");
    let seen = store.find_user(&org(), &ada.id).await.unwrap().unwrap();
    assert!(!store.delete_user(&User { org_id: other_org(), ..seen.clone() }, at(9)).await.unwrap());
    assert!(store.delete_user(&seen, at(9)).await.unwrap());
    assert!(!store.delete_user(&seen, at(9)).await.unwrap());
    assert_eq!(store.find_user_by_login(&org(), "ada@example.com").await.unwrap(), None);
}

//! Searches of users find the same as an evaluation in memory does, with every plan that there is.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_oneof, sample,
    strategy::{BoxedStrategy, ValueTree as _},
    test_runner::TestRunner,
};
use sea_orm::ConnectionTrait as _;
use tenterhook_contract::{
    Secret, Timestamp,
    id::{OrgId, UserId},
};
use tenterhook_model::{
    Password, Profile, SearchText, SearchedAttribute, SignInCounts, TimeMatch, User, UserCondition, UserPage,
    UserQuery, UserStatus, UserTime,
};

use crate::{
    Keyring, Store, StoreConfig,
    plans::on_both_databases,
    user_search::{BOUNDS, Bounds, search},
};

const USERS: u64 = 60;
const SEARCHES: usize = 250;

fn org() -> OrgId {
    OrgId::from_parts(1, [1; 8])
}

async fn open(config: &StoreConfig) -> Store {
    Store::open(config, Keyring::from_text(&Keyring::generate_text()).unwrap()).await.unwrap()
}

fn times() -> impl Strategy<Value = Timestamp> {
    // Also parts of a millisecond, which are not stored.
    (0..6_i64, sample::select(vec![0, 400])).prop_map(|(ms, us)| Timestamp::from_micros(ms * 1_000 + us))
}

/// Few texts, so that many users have the same ones, and some have the beginning of another.
fn texts() -> impl Strategy<Value = &'static str> {
    sample::select(vec!["a", "A", "ab", "aB", "abc", "å", "b", "\u{10ffff}", "\u{d7ff}x"])
}

fn users() -> impl Strategy<Value = User> {
    let named = (texts(), texts(), texts(), proptest::option::of(texts()));
    let states = (times(), proptest::option::of(times()), proptest::option::of(times()), times());
    (named, states, sample::select(UserStatus::ALL.to_vec())).prop_map(|(named, states, status)| {
        let (email, first, last, external) = named;
        let (created, activated, status_changed, last_updated) = states;
        let mut profile = Profile::new("", email, first, last);
        if let Some(external) = external {
            profile = profile.with("externalId", external);
        }
        User {
            id: UserId::from_parts(1, [0; 8]),
            org_id: org(),
            profile,
            password: Password::None,
            status,
            created,
            activated,
            status_changed,
            last_updated,
            version: 0,
            sign_ins: SignInCounts::default(),
        }
    })
}

fn leaf(ids: Vec<UserId>) -> BoxedStrategy<UserCondition> {
    let text = || texts().prop_map(|text| SearchText::new(text).unwrap());
    let attribute = || sample::select(SearchedAttribute::ALL.to_vec());
    let time = || sample::select(UserTime::ALL.to_vec());
    let how =
        sample::select(vec![TimeMatch::Is, TimeMatch::After, TimeMatch::From, TimeMatch::Before, TimeMatch::Until]);
    prop_oneof![
        text().prop_map(UserCondition::AnyBegins),
        (attribute(), text()).prop_map(|(attribute, text)| UserCondition::Begins(attribute, text)),
        (attribute(), text()).prop_map(|(attribute, text)| UserCondition::Is(attribute, text)),
        attribute().prop_map(UserCondition::Has),
        sample::select(ids).prop_map(UserCondition::Id),
        sample::select(UserStatus::ALL.to_vec()).prop_map(UserCondition::Status),
        (time(), how, times()).prop_map(|(time, how, moment)| UserCondition::Time(time, how, moment)),
        time().prop_map(UserCondition::HasTime),
        Just(UserCondition::Any(Vec::new())),
    ]
    .boxed()
}

fn conditions(ids: Vec<UserId>) -> BoxedStrategy<UserCondition> {
    let tree = leaf(ids).prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(UserCondition::All),
            vec(inner, 2..4).prop_map(UserCondition::Any),
        ]
    });
    tree.boxed()
}

/// All pages of a query, and how many there were.
async fn all_pages(store: &Store, query: &UserQuery, bounds: Bounds) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut query) = (Vec::new(), 0, query.clone());
    loop {
        let UserPage { users, next } = search(&store.connections.reader, &org(), &query, bounds).await.unwrap();
        assert!(users.len() <= query.limit);
        assert!(next.is_none() || next > query.after, "every page goes on");
        assert!(users.last().is_none_or(|last| next.as_ref().is_none_or(|next| last.id <= *next)));
        found.extend(users.iter().map(|user| user.profile.login.clone()));
        pages += 1;
        assert!(pages <= 2 * usize::try_from(USERS).unwrap(), "{query:?}");
        query.after = next;
        if query.after.is_none() {
            return (found, pages);
        }
    }
}

async fn a_search_finds_what_its_condition_holds_for(config: &StoreConfig) {
    let store = open(config).await;
    let mut runner = TestRunner::deterministic();
    let mut new = |strategy: &BoxedStrategy<UserCondition>| strategy.new_tree(&mut runner).unwrap().current();
    let mut people = TestRunner::deterministic();
    let mut all = Vec::new();
    for number in 0..USERS {
        let user = users().new_tree(&mut people).unwrap().current();
        // Ids are not in the order of any time.
        let random = [u8::try_from((number * 7) % USERS).unwrap(); 8];
        let login = format!("{}{number}", user.profile.first_name);
        let mut profile = user.profile.clone();
        profile.login = login;
        let user = User { id: UserId::from_parts(1, random), profile, ..user };
        store.insert_user(&user).await.unwrap();
        all.push(store.find_user(&org(), &user.id).await.unwrap().unwrap());
    }
    let foreign = User { org_id: OrgId::from_parts(1, [2; 8]), ..all.first().unwrap().clone() };
    store.insert_user(&foreign).await.unwrap();
    all.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    let conditions = conditions(all.iter().map(|user| user.id.clone()).collect());
    let (mut lengths, mut walks) = (BTreeSet::new(), 0);
    for _ in 0..SEARCHES {
        let condition = new(&conditions);
        let wanted: Vec<_> =
            all.iter().filter(|user| condition.holds(user)).map(|user| user.profile.login.clone()).collect();
        lengths.insert(wanted.len());
        // Everything is found by indexes; nothing is; what three meet is, and a page looks at seven rows.
        for bounds in [BOUNDS, Bounds { ids: 0, ..BOUNDS }, Bounds { ids: 3, steps: &[2, 5] }] {
            for limit in [4, 100] {
                let query = UserQuery { condition: Some(condition.clone()), after: None, limit };
                let (found, pages) = all_pages(&store, &query, bounds).await;
                assert_eq!(found, wanted, "{condition:?} with {bounds:?}");
                walks += usize::from(pages > wanted.len() / limit + 1);
            }
        }
    }
    assert!(lengths.len() > 20 && walks > 20, "the searches are of many kinds: {lengths:?}, {walks}");
}

/// What a node of the build before writes: it knows neither status nor times, and leaves the version behind that they are of.
async fn rows_of_the_build_before_are_found_after_a_while(config: &StoreConfig) {
    let store = open(config).await;
    let writer = &store.connections.writer;
    let user = |number: u8| {
        let user = users().new_tree(&mut TestRunner::deterministic()).unwrap().current();
        let profile = Profile::new(format!("u{number}"), "new@x", "Ada", "Okoye");
        User { id: UserId::from_parts(1, [number; 8]), profile, status: UserStatus::Suspended, ..user }
    };
    let found = async || {
        let condition = Some(UserCondition::All(vec![
            UserCondition::Status(UserStatus::Suspended),
            UserCondition::Is(SearchedAttribute::Email, SearchText::new("new@x").unwrap()),
        ]));
        let query = UserQuery { condition, after: None, limit: 10 };
        store.list_users(&org(), &query).await.unwrap().users.len()
    };
    for number in 1..=3 {
        store.insert_user(&user(number)).await.unwrap();
    }
    assert_eq!((found().await, store.key_users().await.unwrap()), (3, 0));
    let unkeyed = "UPDATE users SET status = NULL, created_us = NULL, email_key = NULL, keyed_version = -1 WHERE login_key = 'u1'";
    let stale = "UPDATE users SET status = 'ACTIVE', email_key = 'old@x', version = version + 1 WHERE login_key = 'u2'";
    let damaged = "UPDATE users SET document = '{', version = version + 1 WHERE login_key = 'u3'";
    for change in [unkeyed, stale, damaged] {
        writer.execute_unprepared(change).await.unwrap();
    }
    assert_eq!(found().await, 0);
    assert_eq!(store.key_users().await.unwrap(), 3);
    assert_eq!((found().await, store.key_users().await.unwrap()), (2, 0), "a damaged one is not tried again");

    // A hash that a sign-in replaces changes nothing of it.
    let stored = store.find_user(&org(), &user(1).id).await.unwrap().unwrap();
    let hashed = User { password: Password::Hash { hash: Secret::new("h"), changed: stored.created }, ..stored };
    assert!(store.replace_user(&hashed).await.unwrap());
    store.replace_password_hash(&hashed, hashed.password.hash().unwrap(), &Secret::new("i")).await.unwrap();
    assert_eq!((found().await, store.key_users().await.unwrap()), (2, 0));
}

on_both_databases! {
    a_search_finds_what_its_condition_holds_for a_search_finds_what_its_condition_holds_for_on_sqlite a_search_finds_what_its_condition_holds_for_on_postgres
    rows_of_the_build_before_are_found_after_a_while rows_of_the_build_before_are_found_after_a_while_on_sqlite rows_of_the_build_before_are_found_after_a_while_on_postgres
}

//! Groups, their members, and the assignments of apps: kept in their org, and gone with what they belong to.

use std::sync::Arc;

use serde_json::{Map, json};
use tenterhook_contract::id::{AppId, ClientId, GroupId, UserId};
use tenterhook_model::{
    AppGroup, AppUser, Assigned, ConfigurationObject, ConfigurationWrite, Group, GroupCondition, GroupKind, GroupQuery,
    GroupTime, OAuthClient, TextMatch, TimeMatch, User, everyone_id,
};
use tenterhook_store::{Changed, Store, StoreError};

use crate::databases::{at, number, on_every_database, org, other_org, user};

on_every_database! {
    a_group_is_kept_and_its_name_is_unique_in_any_case
    groups_are_found_by_conditions_page_by_page
    a_user_is_a_member_until_removed_and_everybody_is_one_of_everyone
    the_rows_of_a_user_a_group_or_an_app_go_with_it
    an_app_is_assigned_to_a_user_or_by_groups_of_the_user
    the_users_of_an_app_are_those_assigned_and_the_members_of_its_groups
    changes_of_one_assignment_at_the_same_moment_are_all_kept
}

pub(crate) fn group(name: &str) -> Group {
    Group {
        id: GroupId::from_parts(number(), [3; 8]),
        org_id: org(),
        kind: GroupKind::Own,
        name: name.to_owned(),
        description: None,
        created: at(0),
        last_updated: at(0),
        members_changed: at(0),
    }
}

async fn insert<const N: usize>(store: &Store, names: [&str; N]) -> [Group; N] {
    let groups = names.map(group);
    for group in &groups {
        store.insert_group(group).await.unwrap();
    }
    groups
}

async fn insert_users<const N: usize>(store: &Store, logins: [&str; N]) -> [User; N] {
    let users = logins.map(user);
    for user in &users {
        store.insert_user(user).await.unwrap();
    }
    users
}

/// An app of the org.
pub(crate) async fn insert_app(store: &Store) -> AppId {
    let client: OAuthClient = serde_json::from_value(json!({
        "id": ClientId::from_parts(number(), [4; 8]), "name": "App", "authentication": "none", "redirectUris": [],
        "grantTypes": [], "responseTypes": [], "status": "ACTIVE", "created": at(0), "lastUpdated": at(0),
    }))
    .unwrap();
    let id = client.id.as_str().parse().unwrap();
    let write = ConfigurationWrite::put(ConfigurationObject::Client(Box::new(client)));
    let version = store.configuration_version(&org()).await.unwrap();
    store.commit_configuration(&org(), version, vec![write]).await.unwrap();
    id
}

async fn delete_app(store: &Store, app: &AppId) {
    let version = store.configuration_version(&org()).await.unwrap();
    store.commit_configuration(&org(), version, vec![ConfigurationWrite::Delete(app.to_string())]).await.unwrap();
}

pub(crate) fn app_user(app: &AppId, user: &User) -> AppUser {
    AppUser {
        app_id: app.clone(),
        user_id: user.id.clone(),
        user_name: Some("ada".to_owned()),
        profile: serde_json::from_str(r#"{"level": 3}"#).unwrap(),
        created: at(1),
        last_updated: at(2),
    }
}

pub(crate) fn app_group(app: &AppId, group: &GroupId, priority: u32) -> AppGroup {
    AppGroup { app_id: app.clone(), group_id: group.clone(), priority, profile: Map::new(), last_updated: at(2) }
}

/// Assigns an app to a user, or replaces the assignment.
pub(crate) async fn put_app_user(store: &Store, assigned: &AppUser) -> Result<Option<Changed<AppUser>>, StoreError> {
    let key = (&assigned.app_id, &assigned.user_id);
    store.change_app_user(&org(), key, |_| Some(assigned.clone())).await
}

/// Assigns an app to a group, or replaces the assignment.
pub(crate) async fn put_app_group(store: &Store, assigned: &AppGroup) -> Result<Option<Changed<AppGroup>>, StoreError> {
    let key = (&assigned.app_id, &assigned.group_id);
    store.change_app_group(&org(), key, |_| Some(assigned.clone())).await
}

async fn names_of_user(store: &Store, user: &UserId) -> Vec<String> {
    store.groups_of_user(&org(), user).await.unwrap().into_iter().map(|group| group.name).collect()
}

async fn a_group_is_kept_and_its_name_is_unique_in_any_case(store: Store) {
    let [staff] = insert(&store, ["Åre Staff"]).await;
    assert_eq!(store.find_group(&org(), &staff.id).await.unwrap(), Some(staff.clone()));
    assert_eq!(store.find_group(&other_org(), &staff.id).await.unwrap(), None);
    let again = store.insert_group(&group("åRE staff")).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    store.insert_group(&Group { org_id: other_org(), ..group("Åre Staff") }).await.unwrap();
    let [other] = insert(&store, ["Other"]).await;
    let taken = store.update_group(&Group { name: "ÅRE STAFF".to_owned(), ..other.clone() }).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })), "{taken:?}");
    let description = Some("All of them".to_owned());
    let renamed = Group { name: "Crew".to_owned(), description, last_updated: at(7), ..staff.clone() };
    // The time of members is not the profile's to write.
    assert!(store.update_group(&Group { members_changed: at(9), ..renamed.clone() }).await.unwrap());
    assert_eq!(store.find_group(&org(), &staff.id).await.unwrap(), Some(renamed));
    assert!(!store.update_group(&group("Unknown")).await.unwrap());
    assert_eq!(store.count_groups(&org()).await.unwrap(), 2);
    assert!(!store.delete_group(&other_org(), &staff.id).await.unwrap());
    assert!(store.delete_group(&org(), &staff.id).await.unwrap());
    assert!(!store.delete_group(&org(), &staff.id).await.unwrap());
    let asked = [staff.id, other.id.clone(), everyone_id(&org())];
    assert_eq!(store.groups_that_exist(&org(), &asked).await.unwrap(), [other.id]);
}

async fn groups_are_found_by_conditions_page_by_page(store: Store) {
    let [a, b, c, d] = insert(&store, ["Eng: Platform", "eng: Data", "Sales", "Sales 50%"]).await;
    store.insert_group(&Group { org_id: other_org(), ..group("Eng: Other") }).await.unwrap();
    store.update_group(&Group { last_updated: at(50), ..c.clone() }).await.unwrap();
    let found = async |condition: Option<GroupCondition>, after: Option<&Group>, limit: usize| {
        let query = GroupQuery { condition, after: after.map(|group| group.id.clone()), limit };
        store.list_groups(&org(), &query).await.unwrap().into_iter().map(|group| group.id).collect::<Vec<_>>()
    };
    let name = |how, text: &str| GroupCondition::Name(how, text.to_owned());
    let updated = |how| GroupCondition::Time(GroupTime::LastUpdated, how, at(50));
    for (condition, groups) in [
        (None, vec![&a, &b, &c, &d]),
        (Some(name(TextMatch::Begins, "ENG:")), vec![&a, &b]),
        (Some(name(TextMatch::Begins, "sales 5")), vec![&d]),
        (Some(name(TextMatch::Is, "SALES")), vec![&c]),
        (Some(name(TextMatch::Contains, "AT")), vec![&a, &b]),
        (Some(name(TextMatch::Contains, "%")), vec![&d]),
        (Some(GroupCondition::Kind(GroupKind::Own)), vec![&a, &b, &c, &d]),
        (Some(GroupCondition::Kind(GroupKind::BuiltIn)), vec![]),
        (Some(GroupCondition::Id(b.id.to_string())), vec![&b]),
        (Some(updated(TimeMatch::Is)), vec![&c]),
        (Some(updated(TimeMatch::From)), vec![&c]),
        (Some(updated(TimeMatch::After)), vec![]),
        (Some(updated(TimeMatch::Before)), vec![&a, &b, &d]),
        (Some(updated(TimeMatch::Until)), vec![&a, &b, &c, &d]),
        (
            Some(GroupCondition::Any(vec![name(TextMatch::Is, "sales"), name(TextMatch::Begins, "eng: d")])),
            vec![&b, &c],
        ),
        (Some(GroupCondition::All(vec![name(TextMatch::Begins, "sales"), updated(TimeMatch::Is)])), vec![&c]),
    ] {
        let ids: Vec<_> = groups.into_iter().map(|group| group.id.clone()).collect();
        assert_eq!(found(condition.clone(), None, 10).await, ids, "{condition:?}");
        assert_eq!(found(condition.clone(), None, 1).await, ids[..ids.len().min(1)], "{condition:?}");
        let after_a: Vec<_> = ids.iter().filter(|id| **id != a.id).cloned().collect();
        assert_eq!(found(condition.clone(), Some(&a), 10).await, after_a, "{condition:?}");
    }
}

async fn a_user_is_a_member_until_removed_and_everybody_is_one_of_everyone(store: Store) {
    let [zeta, alpha] = insert(&store, ["zeta", "Alpha"]).await;
    let [ada, ben, eve] = insert_users(&store, ["ada", "ben", "eve"]).await;
    let add =
        async |group: &GroupId, user: &User, now| store.add_member(&org(), (group, &user.id), at(now)).await.unwrap();
    assert!(add(&zeta.id, &ada, 10).await);
    assert!(!add(&zeta.id, &ada, 20).await, "a member already");
    assert!(add(&zeta.id, &ben, 11).await && add(&alpha.id, &ada, 12).await && add(&zeta.id, &eve, 13).await);
    let changed = async |group: &Group| store.find_group(&org(), &group.id).await.unwrap().unwrap().members_changed;
    assert_eq!((changed(&zeta).await, changed(&alpha).await), (at(13), at(12)));
    assert_eq!(names_of_user(&store, &ada.id).await, ["Alpha", "Everyone", "zeta"]);
    assert_eq!(names_of_user(&store, &eve.id).await, ["Everyone", "zeta"]);
    let everyone = Group::everyone(&org(), at(0));
    assert_eq!(store.groups_of_user(&org(), &ada.id).await.unwrap()[1], everyone);
    let members = async |after: Option<&User>, limit| {
        let page = store.list_members(&org(), &zeta.id, after.map(|user| &user.id), limit).await.unwrap();
        page.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let ids = [&ada, &ben, &eve].map(|user| user.id.clone());
    assert_eq!(members(None, 10).await, ids);
    assert_eq!(members(None, 2).await, ids[..2]);
    assert_eq!(members(Some(&ben), 2).await, ids[2..]);
    let other = store.list_members(&other_org(), &zeta.id, None, 10).await.unwrap();
    assert_eq!(other, []);
    let remove = async |user: &User| store.remove_member(&org(), (&zeta.id, &user.id), at(30)).await.unwrap();
    assert!(remove(&ben).await);
    assert!(!store.remove_member(&org(), (&zeta.id, &ben.id), at(40)).await.unwrap());
    assert_eq!(changed(&zeta).await, at(30), "nothing changed at 40");
    assert_eq!(members(None, 10).await, [ids[0].clone(), ids[2].clone()]);
    for (group, user) in [(&group("Unknown").id, &ada.id), (&zeta.id, &user("unknown").id)] {
        let added = store.add_member(&org(), (group, user), at(50)).await;
        assert!(matches!(added, Err(StoreError::Missing { .. })), "{added:?}");
    }
    let foreign = store.add_member(&other_org(), (&zeta.id, &ada.id), at(50)).await;
    assert!(matches!(foreign, Err(StoreError::Missing { .. })), "{foreign:?}");
    assert_eq!(changed(&zeta).await, at(30));
}

async fn the_rows_of_a_user_a_group_or_an_app_go_with_it(store: Store) {
    let [staff, crew] = insert(&store, ["Staff", "Crew"]).await;
    let [ada, ben] = insert_users(&store, ["ada", "ben"]).await;
    let (app, other_app) = (insert_app(&store).await, insert_app(&store).await);
    for group in [&staff, &crew] {
        for user in [&ada, &ben] {
            store.add_member(&org(), (&group.id, &user.id), at(1)).await.unwrap();
        }
        for app in [&app, &other_app] {
            put_app_group(&store, &app_group(app, &group.id, 0)).await.unwrap();
        }
    }
    for app in [&app, &other_app] {
        for user in [&ada, &ben] {
            put_app_user(&store, &app_user(app, user)).await.unwrap();
        }
    }
    let users_of = async |app: &AppId| {
        let users = store.list_assigned_users(&org(), app, None, 10).await.unwrap();
        let own = users.into_iter().filter_map(|(_, assigned)| assigned.user);
        own.map(|assigned| assigned.user_id).collect::<Vec<_>>()
    };
    let groups_of = async |app: &AppId| {
        let groups = store.list_app_groups(&org(), app, None, 10).await.unwrap();
        groups.into_iter().map(|assigned| assigned.group_id).collect::<Vec<_>>()
    };
    // A user that has changed meanwhile keeps all that is theirs.
    assert!(!store.delete_user(&User { version: 7, ..ada.clone() }, at(5)).await.unwrap());
    assert_eq!(names_of_user(&store, &ada.id).await, ["Crew", "Everyone", "Staff"]);
    assert!(store.delete_user(&ada, at(5)).await.unwrap());
    assert_eq!(store.list_members(&org(), &staff.id, None, 10).await.unwrap(), std::slice::from_ref(&ben));
    assert_eq!(store.find_group(&org(), &staff.id).await.unwrap().unwrap().members_changed, at(5));
    assert_eq!(names_of_user(&store, &ada.id).await, ["Everyone"], "no row of a member is left");
    assert_eq!(users_of(&app).await, std::slice::from_ref(&ben.id));
    assert_eq!(store.apps_of_user(&org(), &ada.id).await.unwrap(), []);
    // An app whose object is written again keeps its rows.
    delete_app(&store, &app).await;
    assert_eq!((users_of(&app).await, groups_of(&app).await), (vec![], vec![]));
    assert_eq!((users_of(&other_app).await, groups_of(&other_app).await.len()), (vec![ben.id.clone()], 2));
    assert!(store.delete_group(&org(), &staff.id).await.unwrap());
    assert_eq!(groups_of(&other_app).await, std::slice::from_ref(&crew.id));
    assert_eq!(names_of_user(&store, &ben.id).await, ["Crew", "Everyone"]);
    let gone = put_app_group(&store, &app_group(&other_app, &staff.id, 0)).await;
    assert!(matches!(gone, Err(StoreError::Missing { .. })), "{gone:?}");
    for (app, user) in [(&app, &ben), (&other_app, &ada)] {
        let gone = put_app_user(&store, &app_user(app, user)).await;
        assert!(matches!(gone, Err(StoreError::Missing { .. })), "{gone:?}");
    }
}

async fn an_app_is_assigned_to_a_user_or_by_groups_of_the_user(store: Store) {
    let [staff, crew] = insert(&store, ["Staff", "Crew"]).await;
    let [ada, ben] = insert_users(&store, ["ada", "ben"]).await;
    let app = insert_app(&store).await;
    let (member, everyone) = ((&staff.id, &ada.id), everyone_id(&org()));
    store.add_member(&org(), member, at(0)).await.unwrap();
    let of = async |user: &User| store.assignment(&org(), &app, &user.id).await.unwrap();
    let ids = |assigned: &Option<Assigned>| {
        let groups = assigned.iter().flat_map(|assigned| &assigned.groups);
        groups.map(|group| group.group_id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&ada).await, None);
    put_app_group(&store, &app_group(&app, &crew.id, 0)).await.unwrap();
    assert_eq!(of(&ada).await, None, "a group of others");
    put_app_group(&store, &app_group(&app, &staff.id, 5)).await.unwrap();
    put_app_group(&store, &app_group(&app, &everyone, 9)).await.unwrap();
    assert_eq!(ids(&of(&ada).await), [staff.id.clone(), everyone.clone()], "by priority");
    assert_eq!(ids(&of(&ben).await), std::slice::from_ref(&everyone));
    let own = app_user(&app, &ada);
    let added = put_app_user(&store, &own).await.unwrap();
    assert_eq!(added, Some(Changed { before: None, after: own.clone() }));
    let renamed = AppUser { user_name: None, last_updated: at(8), ..own.clone() };
    let changed = put_app_user(&store, &renamed).await.unwrap();
    assert_eq!(changed, Some(Changed { before: Some(own), after: renamed.clone() }));
    let unchanged = store.change_app_user(&org(), (&app, &ada.id), |_| None).await.unwrap();
    assert_eq!(unchanged, None);
    assert_eq!(of(&ada).await.unwrap().user, Some(renamed.clone()));
    assert_eq!(store.find_app_user(&org(), &app, &ada.id).await.unwrap(), Some(renamed.clone()));
    assert_eq!(store.assignment(&other_org(), &app, &ada.id).await.unwrap(), None);
    assert_eq!(store.find_app_group(&org(), &app, &staff.id).await.unwrap(), Some(app_group(&app, &staff.id, 5)));
    let of_staff = store.apps_of_group(&org(), &staff.id, None, 10).await.unwrap();
    assert_eq!(of_staff, [app_group(&app, &staff.id, 5)]);
    assert_eq!(store.apps_of_group(&org(), &staff.id, Some(&app), 10).await.unwrap(), []);
    assert_eq!(store.apps_of_user(&org(), &ada.id).await.unwrap(), std::slice::from_ref(&renamed));
    put_app_user(&store, &app_user(&app, &ben)).await.unwrap();
    let groups = store.list_app_groups(&org(), &app, Some(&staff.id), 10).await.unwrap();
    assert!(!groups.iter().any(|assigned| assigned.group_id == staff.id));
    assert!(store.delete_app_group(&org(), &app, &staff.id).await.unwrap());
    assert!(!store.delete_app_group(&org(), &app, &staff.id).await.unwrap());
    assert!(store.delete_app_user(&org(), &app, &ada.id).await.unwrap());
    assert!(!store.delete_app_user(&org(), &app, &ada.id).await.unwrap());
    assert_eq!(ids(&of(&ada).await), [everyone]);
    assert!(!store.delete_app_user(&other_org(), &app, &ben.id).await.unwrap());
}

/// Each writer adds a member of its own; the first one finds no assignment.
async fn changes_of_one_assignment_at_the_same_moment_are_all_kept(store: Store) {
    const WRITERS: u32 = 8;
    let [staff] = insert(&store, ["Staff"]).await;
    let [ada] = insert_users(&store, ["ada"]).await;
    let app = insert_app(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, app, staff, ada) = (store.clone(), app.clone(), staff.clone(), ada.clone());
        tasks.spawn(async move {
            let name = writer.to_string();
            let of_user = |known: Option<&AppUser>| {
                let mut assigned =
                    known.map_or_else(|| AppUser { profile: Map::new(), ..app_user(&app, &ada) }, Clone::clone);
                assigned.profile.insert(name.clone(), writer.into());
                Some(assigned)
            };
            let of_group = |known: Option<&AppGroup>| {
                let mut assigned = known.map_or_else(|| app_group(&app, &staff.id, 0), Clone::clone);
                assigned.profile.insert(name.clone(), writer.into());
                Some(assigned)
            };
            let user = store.change_app_user(&org(), (&app, &ada.id), of_user).await.unwrap().unwrap();
            let group = store.change_app_group(&org(), (&app, &staff.id), of_group).await.unwrap().unwrap();
            (user.before.is_none(), group.before.is_none())
        });
    }
    let first = tasks.join_all().await;
    assert_eq!(first.iter().filter(|(user, _)| *user).count(), 1);
    assert_eq!(first.iter().filter(|(_, group)| *group).count(), 1);
    let user = store.find_app_user(&org(), &app, &ada.id).await.unwrap().unwrap();
    let group = store.find_app_group(&org(), &app, &staff.id).await.unwrap().unwrap();
    for profile in [user.profile, group.profile] {
        assert_eq!(profile.len(), usize::try_from(WRITERS).unwrap(), "{profile:?}");
    }
}

async fn the_users_of_an_app_are_those_assigned_and_the_members_of_its_groups(store: Store) {
    let [staff, crew, others] = insert(&store, ["Staff", "Crew", "Others"]).await;
    let users = insert_users(&store, ["ada", "ben", "cleo", "dan", "eve", "finn"]).await;
    let [ada, ben, cleo, dan, eve, finn] = &users;
    let app = insert_app(&store).await;
    for (group, user) in [(&staff, ada), (&staff, cleo), (&crew, cleo), (&crew, eve), (&others, finn)] {
        store.add_member(&org(), (&group.id, &user.id), at(0)).await.unwrap();
    }
    let list =
        async |after: Option<&UserId>, limit| store.list_assigned_users(&org(), &app, after, limit).await.unwrap();
    assert_eq!(list(None, 10).await, [], "nobody yet");
    put_app_group(&store, &app_group(&app, &staff.id, 5)).await.unwrap();
    put_app_group(&store, &app_group(&app, &crew.id, 1)).await.unwrap();
    for user in [ada, ben] {
        put_app_user(&store, &app_user(&app, user)).await.unwrap();
    }
    let all = list(None, 10).await;
    // Each is listed once, with everything that `assignment` says.
    assert_eq!(all.iter().map(|(user, _)| user).collect::<Vec<_>>(), [ada, ben, cleo, eve]);
    for (user, assigned) in &all {
        assert_eq!(store.assignment(&org(), &app, &user.id).await.unwrap().as_ref(), Some(assigned));
    }
    for limit in 1..=5 {
        let mut pages = Vec::new();
        loop {
            let after = pages.last().map(|(user, _): &(User, Assigned)| user.id.clone());
            let page = list(after.as_ref(), limit).await;
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, all, "in pages of {limit}");
    }
    let staff_of = |user: &User| {
        let (_, assigned) = all.iter().find(|(listed, _)| listed == user).unwrap();
        assigned.groups.iter().find(|group| group.group_id == staff.id).unwrap()
    };
    assert!(Arc::ptr_eq(staff_of(ada), staff_of(cleo)), "a page has each group once, not once for each member");
    assert_eq!(list(Some(&eve.id), 10).await, []);
    let everyone = everyone_id(&org());
    put_app_group(&store, &app_group(&app, &everyone, 9)).await.unwrap();
    let all = list(None, 10).await;
    assert_eq!(all.iter().map(|(user, _)| user).collect::<Vec<_>>(), [ada, ben, cleo, dan, eve, finn]);
    for (user, assigned) in &all {
        assert_eq!(store.assignment(&org(), &app, &user.id).await.unwrap().as_ref(), Some(assigned));
    }
    assert_eq!(list(Some(&ben.id), 2).await, all[2..4]);
    assert_eq!(store.list_assigned_users(&other_org(), &app, None, 10).await.unwrap(), []);
}

//! Rows that are damaged: nothing else is hidden by them. An embedded database stores values of any type in any column.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tenterhook_contract::id::{ApiTokenId, AppId, ClientId};
use tenterhook_model::{
    ApiToken, AppSubject, ClientAuthenticationMethod, ConfigurationObject, ConfigurationWrite, LogFilter, LogQuery,
    OAuthClient, Org, OrgLimits, OrgStatus, SessionApp, Status, TokenRole, everyone_id,
};
use tenterhook_store::{Ended, Recorded, SessionApps, Store, StoreConfig, StoreError};

use crate::{
    databases::{self, at, first_users, org, other_org, user},
    groups::{app_group, app_user, insert_app, put_app_group, put_app_user},
    log::{event, everything},
};

/// A store on a file, and a way to damage what is in it.
struct Damaged {
    store: Store,
    connection: DatabaseConnection,
    folder: tempfile::TempDir,
}

impl Damaged {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite");
        let url = format!("sqlite://{}", path.display());
        let store = databases::open(&StoreConfig::Sqlite { path }).await;
        Self { store, connection: sea_orm::Database::connect(url).await.unwrap(), folder }
    }

    async fn write(&self, sql: &str) {
        self.connection.execute_unprepared(sql).await.unwrap();
    }
}

/// Counts the lines of errors of this thread.
#[derive(Clone, Default)]
struct Errors(Arc<AtomicUsize>);

impl Errors {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR && metadata.is_event()
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_page_of_users_has_all_but_the_damaged_ones() {
    let damaged = Damaged::open().await;
    let users: Vec<_> = (0..6).map(|number| user(&format!("{number}@example.com"))).collect();
    for user in &users {
        damaged.store.insert_user(user).await.unwrap();
    }
    for (number, damage) in [(0, "document = '{'"), (2, "document = x'00'"), (3, "version = 'one'")] {
        damaged.write(&format!("UPDATE users SET {damage} WHERE id = '{}'", users[number].id)).await;
    }
    let readable = [1, 4, 5].map(|number| users[number].clone());
    let errors = Errors::default();
    {
        let _counting = tracing::subscriber::set_default(errors.clone());
        assert_eq!(damaged.store.list_users(&org(), &first_users(10)).await.unwrap().users, readable);
    }
    assert_eq!(errors.count(), 1, "one line for a page");
    // A page is full while there are users: callers take a short one for the last one.
    let page = damaged.store.list_users(&org(), &first_users(2)).await.unwrap().users;
    assert_eq!(page, readable[..2]);
    let mut rest = first_users(2);
    rest.after = Some(page[1].id.clone());
    assert_eq!(damaged.store.list_users(&org(), &rest).await.unwrap().users, readable[2..]);
    let one = damaged.store.find_user(&org(), &users[2].id).await;
    assert!(matches!(one, Err(StoreError::Unreadable { .. })), "{one:?}");
}

#[tokio::test]
async fn the_users_of_an_app_are_listed_without_the_damaged_assignments() {
    let damaged = Damaged::open().await;
    let app = insert_app(&damaged.store).await;
    let everyone = everyone_id(&org());
    let users: Vec<_> = (0..3).map(|number| user(&format!("{number}@example.com"))).collect();
    for user in &users {
        damaged.store.insert_user(user).await.unwrap();
        put_app_user(&damaged.store, &app_user(&app, user)).await.unwrap();
    }
    let damage = format!("UPDATE app_users SET document = '{{' WHERE user_id = '{}'", users[1].id);
    damaged.write(&damage).await;
    let errors = Errors::default();
    let list = async || {
        let _counting = tracing::subscriber::set_default(errors.clone());
        damaged.store.list_assigned_users(&org(), &app, None, 10).await.unwrap()
    };
    let listed: Vec<_> = list().await.into_iter().map(|(user, _)| user).collect();
    assert_eq!((listed, errors.count()), (vec![users[0].clone(), users[2].clone()], 1));
    put_app_group(&damaged.store, &app_group(&app, &everyone, 0)).await.unwrap();
    let by_group = list().await;
    assert_eq!(by_group.len(), 3);
    assert_eq!((&by_group[1].0, &by_group[1].1.user, by_group[1].1.groups.len()), (&users[1], &None, 1));
    damaged.write("UPDATE app_groups SET document = '{'").await;
    let listed = list().await;
    assert_eq!(listed.len(), 2, "those to whom the app is assigned by themselves");
    assert!(listed.iter().all(|(_, assigned)| assigned.groups.is_empty()), "{listed:?}");
}

#[tokio::test]
async fn a_browser_signs_in_again_without_the_damaged_service_providers_of_its_session() {
    let damaged = Damaged::open().await;
    let (before, after) = (databases::session("before", at(1_000)), databases::session("after", at(2_000)));
    databases::begin_session(&damaged.store, None, &before).await.unwrap();
    damaged
        .write(&format!(
            "INSERT INTO session_apps (org_id, session_id, app_id, subject, expires_us) \
             VALUES ('{}', '{}', '0oa1', '{{', {})",
            org(),
            before.id,
            at(1_000).as_micros()
        ))
        .await;
    let errors = Errors::default();
    {
        let _counting = tracing::subscriber::set_default(errors.clone());
        let replaced = databases::begin_session(&damaged.store, Some("before"), &after).await.unwrap();
        assert_eq!(replaced, Some(before));
    }
    assert_eq!(errors.count(), 1);
    assert_eq!(damaged.store.find_session(&org(), "after", at(1)).await.unwrap(), Some(after.clone()));
    let apps = damaged.store.session_apps(&org(), &after.id).await.unwrap();
    assert_eq!((apps.known, apps.unreadable), (Vec::new(), vec![None]), "a logout says so");
}

/// Three service providers, of which two cannot be read: one as a whole, the other but for its app.
async fn a_session_ends_without_its_damaged_service_providers(
    store: Store,
    connection: DatabaseConnection,
    damage: &str,
) {
    let before = databases::session("cookie", at(1_000));
    databases::begin_session(&store, None, &before).await.unwrap();
    let (own_org, owner) = (org(), databases::insert_owner(&store).await);
    for number in 0..3 {
        let app = SessionApp {
            org_id: org(),
            session_id: before.id.clone(),
            app_id: AppId::from_parts(number, [0; 8]),
            subject: AppSubject {
                name_id: "ada".to_owned(),
                name_format: "f".to_owned(),
                session_index: "i".to_owned(),
            },
            index_sha256: Some("index".to_owned()),
            expires: at(1_000),
        };
        let standing = databases::standing(&own_org, &owner, 0);
        assert_eq!(store.record_sign_on(&app, &standing, None).await.unwrap(), Recorded::Yes);
    }
    let of = |number| AppId::from_parts(number, [0; 8]);
    for (damage, number) in [(damage, 0), ("app_id = 'x'", 1)] {
        let update = format!("UPDATE session_apps SET {damage} WHERE app_id = '{}'", of(number));
        connection.execute_unprepared(&update).await.unwrap();
    }
    let apps = store.session_apps(&org(), &before.id).await.unwrap();
    assert_eq!(apps.known.iter().map(|app| &app.app_id).collect::<Vec<_>>(), [&of(2)]);
    assert_eq!(apps.unreadable, [Some(of(0)), None]);
    let errors = Errors::default();
    {
        let _counting = tracing::subscriber::set_default(errors.clone());
        let named = store.session_apps_of_indexes(&org(), &["index".to_owned()]).await.unwrap();
        assert_eq!(named, apps.known);
    }
    assert_eq!(errors.count(), 1, "one line for both");
    let again = databases::session("again", at(1_000));
    assert_eq!(databases::begin_session(&store, Some("cookie"), &again).await.unwrap(), Some(before.clone()));
    let apps = store.session_apps(&org(), &again.id).await.unwrap();
    assert_eq!((apps.known.len(), &apps.unreadable), (1, &vec![Some(of(0)), None]), "they are not forgotten");
    let fewer = SessionApps { unreadable: Vec::new(), ..apps.clone() };
    let end = async |apps: &SessionApps| store.end_session(&org(), (&again.id, apps), None, None).await.unwrap();
    assert_eq!(end(&fewer).await, Ended::AppsChanged, "they are counted");
    assert_eq!(end(&apps).await, Ended::Yes);
    assert_eq!(store.find_session(&org(), "again", at(0)).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_ends_without_its_damaged_service_providers_on_sqlite() {
    for damage in ["subject = '{'", "subject = x'00'", "expires_us = 'never'"] {
        let Damaged { store, connection, folder: _folder } = Damaged::open().await;
        a_session_ends_without_its_damaged_service_providers(store, connection, damage).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
async fn a_session_ends_without_its_damaged_service_providers_on_postgres() {
    let config = databases::postgres().await;
    let store = databases::open(&config).await;
    let connection = databases::connect(&config).await;
    a_session_ends_without_its_damaged_service_providers(store, connection, "subject = '{'").await;
}

#[tokio::test]
async fn a_page_of_the_log_has_all_but_the_damaged_events() {
    let damaged = Damaged::open().await;
    let log = damaged.store.log_writer();
    for number in 0..6 {
        log.append(&event(&number.to_string(), at(number)));
    }
    log.flush().await;
    for (sequence, damage) in [(1, "rest = '{'"), (3, "rest = x'00'"), (4, "kind = 999999")] {
        let of = format!("(SELECT MIN(sequence) FROM log_entries) + {sequence}");
        damaged.write(&format!("UPDATE log_entries SET {damage} WHERE sequence = {of}")).await;
    }
    let readable = ["0", "2", "5"];
    for (polling, descending) in [(false, false), (true, false), (false, true)] {
        let mut query = LogQuery { polling, descending, limit: 2, ..everything() };
        let mut seen = Vec::new();
        loop {
            let page = damaged.store.query_log(&query).await.unwrap();
            seen.extend(page.events.into_iter().map(|event| event.uuid.into_owned()));
            if !page.more {
                break;
            }
            query.after = page.next;
        }
        if descending {
            seen.reverse();
        }
        assert_eq!(seen, readable, "{polling} {descending}");
    }
}

/// A time that is no whole number sorts among the others, or behind all of them.
#[tokio::test]
async fn a_page_of_the_log_has_all_but_the_events_whose_time_is_damaged() {
    let damaged = Damaged::open().await;
    let log = damaged.store.log_writer();
    for number in 0..8 {
        log.append(&event(&number.to_string(), at(number)));
    }
    log.flush().await;
    for (sequence, damage) in [(1, "'x'"), (2, "published_us + 0.5"), (4, "x'ff'"), (5, "'y'"), (6, "x''")] {
        let of = format!("(SELECT MIN(sequence) FROM log_entries) + {sequence}");
        damaged.write(&format!("UPDATE log_entries SET published_us = {damage} WHERE sequence = {of}")).await;
    }
    for (polling, descending) in [(false, false), (true, false), (false, true)] {
        for limit in [1, 2, 100] {
            let mut query = LogQuery { polling, descending, limit, ..everything() };
            let mut seen = Vec::new();
            // More pages than there are rows: one that follows itself is found.
            for _ in 0..=10 {
                let page = damaged.store.query_log(&query).await.unwrap();
                seen.extend(page.events.into_iter().map(|event| event.uuid.into_owned()));
                if !page.more {
                    query.limit = 0;
                    break;
                }
                query.after = page.next;
            }
            assert_eq!(query.limit, 0, "{polling} {descending} {limit}: the pages have no end");
            if descending {
                seen.reverse();
            }
            assert_eq!(seen, ["0", "3", "7"], "{polling} {descending} {limit}");
        }
    }
}

/// A scan for a filter that no index serves goes on behind damaged rows.
#[tokio::test]
async fn a_filtered_page_of_the_log_goes_past_many_damaged_times() {
    let damaged = Damaged::open().await;
    let log = damaged.store.log_writer();
    for number in 0..310 {
        log.append(&event(&number.to_string(), at(number)));
    }
    log.flush().await;
    let others = "sequence > (SELECT MIN(sequence) FROM log_entries)";
    damaged.write(&format!("UPDATE log_entries SET published_us = 'x' WHERE {others}")).await;
    let filter = LogFilter { event_type: Some("inline_hook.executed".into()), ..LogFilter::default() };
    for (polling, descending) in [(false, false), (true, false), (false, true)] {
        let query = LogQuery { polling, descending, limit: 1_000, filter: filter.clone(), ..everything() };
        let page = damaged.store.query_log(&query).await.unwrap();
        let seen: Vec<_> = page.events.iter().map(|event| event.uuid.as_ref()).collect();
        assert_eq!(seen, ["0"], "{polling} {descending}");
    }
}

/// Whatever is damaged in the row of an org, it is listed, is no other's host, and is the only one that is not served.
#[tokio::test]
async fn a_damaged_row_of_an_org_hides_no_other_org() {
    let damaged = Damaged::open().await;
    let store = &damaged.store;
    let north = Org::new(other_org(), Some("north.example".into()), "North", at(1));
    store.insert_org(&north).await.unwrap();
    let default = store.default_org().await.unwrap().unwrap();
    let created = north.created.as_micros().to_string();
    for (column, repaired) in [
        ("status", "'ACTIVE'"),
        ("limits", "NULL"),
        ("name", "'North'"),
        ("host", "'north.example'"),
        ("created_us", created.as_str()),
        ("configuration_version", "0"),
        ("configuration_mark", "0"),
    ] {
        damaged.write(&format!("UPDATE orgs SET {column} = x'ff' WHERE id = '{}'", north.id)).await;
        let rows = store.orgs_with_versions().await.unwrap();
        let orgs: Vec<&Org> = rows.iter().map(|(org, _)| org).collect();
        assert!(orgs.len() == 2 && orgs.contains(&&default), "{column}: {orgs:?}");
        let read = store.find_org(&north.id).await.unwrap().unwrap();
        assert_eq!(read.status, OrgStatus::Unreadable, "{column}");
        assert!(orgs.contains(&&read) && read.host.is_some(), "{column}");
        assert_eq!(store.default_org().await.unwrap().as_ref(), Some(&default), "{column}");
        assert_eq!(store.list_orgs(None, 10).await.unwrap().len(), 2, "{column}");
        damaged.write(&format!("UPDATE orgs SET {column} = {repaired} WHERE id = '{}'", north.id)).await;
    }
    assert_eq!(store.find_org(&north.id).await.unwrap(), Some(north));
}

/// An object of a configuration.
fn client() -> OAuthClient {
    OAuthClient {
        id: ClientId::from_parts(1, [1; 8]),
        name: "App".to_owned(),
        application_type: None,
        authentication: ClientAuthenticationMethod::None,
        secret_sha256: None,
        redirect_uris: Vec::new(),
        grant_types: Vec::new(),
        response_types: Vec::new(),
        implicit_assignment: true,
        pkce_required: false,
        refresh_rotation: None,
        hide: tenterhook_model::AppHide::default(),
        user_name: tenterhook_model::UserNameTemplate::default(),
        told: tenterhook_model::AppTold::default(),
        enrollment_policy: None,
        status: Status::Active,
        created: at(0),
        last_updated: at(0),
    }
}

/// A second default org, with an admin token of its own, would take the place of the one that cannot be read.
#[tokio::test]
async fn a_default_org_that_cannot_be_read_is_not_taken_for_none() {
    for damage in ["UPDATE orgs SET host = x'ff'", "UPDATE orgs SET id = x'ff'", "DELETE FROM orgs"] {
        let damaged = Damaged::open().await;
        let store = &damaged.store;
        damaged.write("DELETE FROM orgs").await;
        assert_eq!(store.why_default_org_is_lost().await.unwrap(), None, "an empty database");
        store.insert_org(&Org::new(org(), None, "Default", at(1))).await.unwrap();
        let version = store.load_configuration(&org()).await.unwrap().version;
        let write = ConfigurationWrite::put(ConfigurationObject::Client(Box::new(client())));
        store.commit_configuration(&org(), version, vec![write]).await.unwrap();
        assert_eq!(store.why_default_org_is_lost().await.unwrap(), None, "{damage}");
        damaged.write(damage).await;
        assert_eq!(store.default_org().await.unwrap(), None, "{damage}");
        assert!(store.why_default_org_is_lost().await.unwrap().is_some(), "{damage}");
    }
}

/// Resuming an org, whose row is damaged, repairs what could not be read and keeps the rest.
#[tokio::test]
async fn a_status_that_can_be_read_repairs_the_row() {
    let damaged = Damaged::open().await;
    let store = &damaged.store;
    let limits = OrgLimits { hooks: Some(3), ..OrgLimits::default() };
    let north = Org { limits, ..Org::new(other_org(), Some("north.example".into()), "North", at(1)) };
    store.insert_org(&north).await.unwrap();
    let none = OrgLimits::default();
    let id = north.id.to_string();
    for (damage, name, limits, created) in [
        ("status = 'WEIRD'", "North", limits, north.created),
        ("status = x'00'", "North", limits, north.created),
        ("limits = '{'", "North", none, north.created),
        ("limits = x'00'", "North", none, north.created),
        ("name = x'00'", id.as_str(), limits, north.created),
        ("created_us = x'00'", "North", limits, at(7)),
        ("configuration_version = x'00'", "North", limits, north.created),
        ("configuration_mark = x'00'", "North", limits, north.created),
    ] {
        damaged.write(&format!("UPDATE orgs SET {damage} WHERE id = '{}'", north.id)).await;
        let read = store.find_org(&north.id).await.unwrap().unwrap();
        let wanted = Org { name: name.to_owned(), limits, created, ..north.clone() };
        let out_of_service = Org { status: OrgStatus::Unreadable, created: read.created, ..wanted.clone() };
        assert_eq!(read, out_of_service, "{damage}");
        assert!(store.update_org(&read, &wanted).await.unwrap());
        assert_eq!(store.find_org(&north.id).await.unwrap(), Some(wanted.clone()), "{damage}");
        assert!(store.update_org(&wanted, &north).await.unwrap());
        let created = north.created.as_micros();
        damaged.write(&format!("UPDATE orgs SET created_us = {created} WHERE id = '{}'", north.id)).await;
    }
    // A host that cannot be read is known to nobody.
    damaged.write(&format!("UPDATE orgs SET host = x'00' WHERE id = '{}'", north.id)).await;
    let errors = Errors::default();
    let counting = tracing::subscriber::set_default(errors.clone());
    for _ in 0..3 {
        store.find_org(&north.id).await.unwrap();
    }
    drop(counting);
    assert_eq!(errors.count(), 1, "one line for a damage");
    let read = store.find_org(&north.id).await.unwrap().unwrap();
    assert!(store.update_org(&read, &Org { status: OrgStatus::Active, ..read.clone() }).await.unwrap());
    assert_eq!(store.find_org(&north.id).await.unwrap().unwrap().status, OrgStatus::Unreadable);
}

#[tokio::test]
async fn an_object_of_another_type_of_value_is_its_orgs_alone() {
    let damaged = Damaged::open().await;
    let store = &damaged.store;
    let write = vec![ConfigurationWrite::put(ConfigurationObject::Client(Box::new(client())))];
    let version = store.configuration_version(&org()).await.unwrap();
    store.commit_configuration(&org(), version, write).await.unwrap();
    damaged.write("UPDATE configuration_objects SET document = x'00', kind = 'signing_key'").await;
    let read = store.load_configuration(&org()).await;
    assert!(matches!(read, Err(StoreError::Unreadable { .. })), "{read:?}");
    let keys = store.orgs_with_newest_keys(|_| true).await.unwrap();
    assert!(keys.is_empty(), "{keys:?}");
}

/// Secrets that cannot be read are counted, and the others are checked all the same.
#[tokio::test]
async fn a_check_of_keys_counts_damaged_secrets_and_goes_on() {
    let damaged = Damaged::open().await;
    let missing = r#"'{"x":"v1.AAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'"#;
    for (id, secrets) in [("a", "'{'"), ("b", "x'ff'"), ("c", missing)] {
        let columns = "configuration_objects (org_id, id, kind, position, document, secrets)";
        damaged
            .write(&format!("INSERT INTO {columns} VALUES ('{}', '{id}', 'hook', 0, '{{}}', {secrets})", org()))
            .await;
    }
    let config = StoreConfig::Sqlite { path: damaged.folder.path().join("store.sqlite") };
    let checked = Store::check_keys(&config, &crate::database_file::keyring()).await.unwrap();
    assert_eq!((checked.damaged, checked.missing.into_iter().collect()), (2, vec![("AAAAAAAA".to_owned(), 1)]));
}

/// A role that a newer version has stored, or that is damaged, makes a token invalid; never one of an administrator. It can be
/// listed and revoked.
#[tokio::test]
async fn a_token_with_a_role_that_cannot_be_read_is_valid_for_nothing() {
    let damaged = Damaged::open().await;
    let host = TokenRole::Host { extension_points: vec!["com.example.order.checkout".parse().unwrap()] };
    for (role, damage, name) in [
        (TokenRole::Administrator, "role = 'AUDITOR'", "AUDITOR"),
        (TokenRole::Administrator, "role = 'HOST', extension_points = '[\"com.example.a\"]'", "HOST"),
        (TokenRole::Administrator, "role = 'administrator'", "administrator"),
        (TokenRole::Administrator, "extension_points = '[]'", "ADMINISTRATOR"),
        (host.clone(), "role = 'ADMINISTRATOR'", "ADMINISTRATOR"),
        (host.clone(), "role = 'ADMINISTRATOR', extension_points = NULL", "ADMINISTRATOR"),
        (host.clone(), "extension_points = NULL", "HOST"),
        (host.clone(), "extension_points = '[]'", "HOST"),
        (host.clone(), "extension_points = '[\"no type\"]'", "HOST"),
        (host.clone(), "extension_points = '{'", "HOST"),
    ] {
        let token = ApiToken {
            id: ApiTokenId::from_parts(1, [1; 8]),
            org_id: org(),
            name: "t".into(),
            role,
            token_sha256: "hash".into(),
            created: at(0),
            last_used: None,
            expires: None,
        };
        damaged.store.insert_api_token(&token).await.unwrap();
        assert_eq!(damaged.store.find_api_token(&org(), "hash").await.unwrap(), Some(token.clone()), "{damage}");
        damaged.write(&format!("UPDATE api_tokens SET {damage}")).await;
        assert_eq!(damaged.store.find_api_token(&org(), "hash").await.unwrap(), None, "{damage}");
        let unreadable = ApiToken { role: TokenRole::Unreadable { stored: name.into() }, ..token.clone() };
        assert_eq!(damaged.store.list_api_tokens(&org(), None, 10).await.unwrap(), [unreadable], "{damage}");
        assert!(damaged.store.delete_api_token(&org(), &token.id).await.unwrap(), "{damage}");
    }
}

/// Nodes of a version that knows no roles ask for the hash alone, and would take a host's token for an administrator's.
#[tokio::test]
async fn nodes_that_know_no_roles_do_not_find_the_token_of_a_host() {
    let damaged = Damaged::open().await;
    let token = ApiToken {
        id: ApiTokenId::from_parts(1, [1; 8]),
        org_id: org(),
        name: "t".into(),
        role: TokenRole::Host { extension_points: vec!["com.example.order.checkout".parse().unwrap()] },
        token_sha256: "hash".into(),
        created: at(0),
        last_used: None,
        expires: None,
    };
    damaged.store.insert_api_token(&token).await.unwrap();
    let asked = "SELECT id FROM api_tokens WHERE token_sha256 = 'hash'";
    let found = damaged.connection.query_all_raw(Statement::from_string(DbBackend::Sqlite, asked)).await.unwrap();
    assert_eq!(found.len(), 0);
    // What such a node writes is an administrator's.
    let org = org();
    damaged
        .write(&format!(
            "INSERT INTO api_tokens (org_id, token_sha256, id, name, created_us) VALUES ('{org}', 'other', '{}', 't', 0)",
            ApiTokenId::from_parts(2, [2; 8])
        ))
        .await;
    let found = damaged.store.find_api_token(&org, "other").await.unwrap().unwrap();
    assert_eq!(found.role, TokenRole::Administrator);
}

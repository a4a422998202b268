//! Tests of query plans: what is asked for is found by an index, on both databases, whatever PostgreSQL's statistics say.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, QueryFilter as _, QuerySelect as _, QueryTrait as _, Select, Statement,
    sea_query::SimpleExpr,
};
use tenterhook_contract::{
    Timestamp,
    id::{AppId, GroupId, OrgId, UserId},
};
use tenterhook_model::{
    AuthnPurpose, Narrowed, SearchText, SearchedAttribute, TimeMatch, UserCondition, UserStatus, UserTime,
};

use crate::{
    Keyring, Store, StoreConfig,
    assigned_users::{memberships, next_of_app, own},
    assignments::{apps_of_group, apps_of_user, groups_of_assignment},
    authn_tokens,
    configuration::signing_keys,
    entity::{access_token, authn_token, user},
    factors::of_user as factors_of_user,
    groups::{group_rows, member_ids, of_user},
    orgs::of_host,
    recovery_tokens,
    user_access::valid_access_of,
    user_keys::unkeyed,
    user_search::{BOUNDS, Part, are_common, found_page, last_of_step, walked_page},
    users::{of_ids, of_login},
};

/// How a database runs a query. PostgreSQL runs it, and says how many rows it looked at in vain.
pub(crate) async fn explained(connection: &impl ConnectionTrait, query: Statement) -> String {
    let Statement { sql, values, db_backend } = query;
    let (explain, column) = match db_backend {
        DbBackend::Postgres => ("EXPLAIN (ANALYZE)", "QUERY PLAN"),
        _ => ("EXPLAIN QUERY PLAN", "detail"),
    };
    let statement = Statement { sql: format!("{explain} {sql}"), values, db_backend };
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", column).unwrap()).collect::<Vec<_>>().join("\n")
}

/// Rows of each org and table.
const ROWS: u64 = BOUNDS.ids;
/// Most rows that a query may read and then discard.
const IN_VAIN_MAX: u64 = 200;

fn org() -> OrgId {
    OrgId::from_parts(1, [1; 8])
}

async fn open(config: &StoreConfig) -> Store {
    Store::open(config, Keyring::from_text(&Keyring::generate_text()).unwrap()).await.unwrap()
}

/// Inserts rows made from the number `n` and the org `org`.
async fn fill(store: &Store, table: &str, values: &str) {
    let writer = &store.connections.writer;
    let numbers = match writer.get_database_backend() {
        DbBackend::Postgres => format!("SELECT n FROM generate_series(1, {ROWS}) AS g(n)"),
        _ => {
            format!("WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {ROWS}) SELECT n FROM g")
        }
    };
    for org in [org(), OrgId::from_parts(1, [2; 8])] {
        let filled =
            format!("INSERT INTO {table} SELECT {values} FROM ({numbers}) AS numbers, (SELECT '{org}' AS org) AS orgs");
        writer.execute_unprepared(&filled).await.unwrap();
    }
}

/// Checks that a query is served by these indexes, and by no scan.
async fn check<E: EntityTrait>(store: &Store, query: Select<E>, indexes: &[&str]) {
    let transaction = store.connections.reader.begin().await.unwrap();
    check_in(&transaction, query, indexes).await;
    transaction.commit().await.unwrap();
}

/// The same of a query whose rows come in the order of an index.
async fn check_ordered<E: EntityTrait>(store: &Store, query: Select<E>, indexes: &[&str]) {
    let transaction = store.connections.reader.begin_ordered().await.unwrap();
    check_in(&transaction, query, indexes).await;
    transaction.commit().await.unwrap();
}

async fn check_in<E: EntityTrait>(transaction: &impl ConnectionTrait, query: Select<E>, indexes: &[&str]) {
    check_statement(transaction, query.build(transaction.get_database_backend()), indexes).await;
}

async fn check_statement(transaction: &impl ConnectionTrait, statement: Statement, indexes: &[&str]) {
    let asked = statement.to_string();
    let plan = explained(transaction, statement).await;
    for index in indexes {
        assert!(plan.contains(index), "{index} is not used: {asked}\n{plan}");
    }
    // The index of signing keys holds nothing else, so that it is no scan to follow it from its beginning.
    let is_scan = |line: &str| line.contains("SCAN") && !line.contains("INDEX configuration_objects_signing_keys");
    assert!(!plan.lines().any(is_scan) && !plan.contains("Seq Scan"), "{asked}\n{plan}");
    assert!(read_in_vain(&plan) <= IN_VAIN_MAX, "{asked}\n{plan}");
}

/// The rows that PostgreSQL read and then discarded.
fn read_in_vain(plan: &str) -> u64 {
    let in_vain = plan.lines().filter_map(|line| line.trim().strip_prefix("Rows Removed by ")?.rsplit(' ').next());
    in_vain.map(|rows| rows.parse::<u64>().unwrap()).sum()
}

/// Runs the checks, on PostgreSQL without statistics and with them.
async fn check_each(store: &Store, table: &str, checks: impl AsyncFn()) {
    checks().await;
    let writer = &store.connections.writer;
    if writer.get_database_backend() == DbBackend::Postgres {
        writer.execute_unprepared(&format!("ANALYZE {table}")).await.unwrap();
        checks().await;
    }
}

/// The page of a condition, the leaves of which are common or not.
fn searched(
    org: &OrgId,
    condition: &UserCondition,
    are_common: &[bool],
    after: Option<&UserId>,
) -> (bool, Select<user::Entity>) {
    let part = Part::of(condition, &mut are_common.iter().copied());
    let until: UserId = "00u10001900000000000".parse().unwrap();
    let is_found = part.is_found();
    let page = if is_found {
        found_page(org, &part, after, 100)
    } else {
        walked_page(org, Some(&part), (after, Some(&until)), 100)
    };
    (is_found, page)
}

async fn users_are_found_by_indexes(config: &StoreConfig) {
    use SearchedAttribute::{Email, ExternalId, FirstName, LastName, Login};
    use UserCondition::{All, Any, Begins, Id, Is, Status, Time};
    let store = open(config).await;
    let columns = "users (org_id, id, login_key, document, version, email_key, first_name_key, last_name_key, external_id_key, \
                   status, created_us, activated_us, status_changed_us, last_updated_us, keyed_version)";
    // Neither names nor times are in the order of ids; a hundred people share a first name, and nearly everybody the status.
    let number = "(n * 7919) % 20000";
    let key = format!("CAST({number} AS VARCHAR)");
    let values = format!(
        "org, '00u' || CAST(100000000 + n AS VARCHAR), 'l' || {key}, '{{}}', 0, 'e' || {key}, \
         'f' || CAST(n % 200 AS VARCHAR) || 'x', 'g' || {key}, 'x' || {key}, \
         CASE WHEN n % 100 = 0 THEN 'SUSPENDED' ELSE 'ACTIVE' END, {number}, {number}, {number}, {number}, 0"
    );
    fill(&store, columns, &values).await;
    let org = org();
    let text = |text: &str| SearchText::new(text).unwrap();
    let after: UserId = "00u10001000000000000".parse().unwrap();
    let is_postgres = store.connections.reader.get_database_backend() == DbBackend::Postgres;
    let primary = if is_postgres { "users_pkey" } else { "sqlite_autoindex_users_1" };
    let newest = |time| Time(time, TimeMatch::From, Timestamp::from_micros(19_950));
    let suspended = || Status(UserStatus::Suspended);
    check_each(&store, "users", async || {
        check(&store, of_login(&org, "l777"), &["users_login"]).await;
        for after in [None, Some(&after)] {
            check_ordered(&store, walked_page(&org, None, (after, None), 100), &[primary]).await;
        }
        let id: UserId = "00u10000100000000000".parse().unwrap();
        // Each of these is found by an index.
        let mut found = vec![
            (Id(id), vec![primary]),
            (suspended(), vec!["users_status"]),
            (newest(UserTime::Created), vec!["users_created"]),
            (newest(UserTime::Activated), vec!["users_activated"]),
            (newest(UserTime::StatusChanged), vec!["users_status_changed"]),
            (newest(UserTime::LastUpdated), vec!["users_last_updated"]),
            (
                UserCondition::AnyBegins(text("e777")),
                vec!["users_login", "users_email", "users_first_name", "users_last_name"],
            ),
            (All(vec![Is(LastName, text("g777")), Begins(FirstName, text("f"))]), vec!["users_last_name"]),
            (
                Any(vec![
                    Is(LastName, text("g777")),
                    All(vec![Is(Email, text("e5")), suspended()]),
                    newest(UserTime::Created),
                ]),
                vec!["users_last_name", "users_email", "users_created"],
            ),
        ];
        for (attribute, index, value) in [
            (Login, "users_login", "l777"),
            (Email, "users_email", "e777"),
            (FirstName, "users_first_name", "f77x"),
            (LastName, "users_last_name", "g777"),
            (ExternalId, "users_external_id", "x777"),
        ] {
            found.push((Is(attribute, text(value)), vec![index]));
            found.push((Begins(attribute, text(value)), vec![index]));
        }
        for (condition, indexes) in &found {
            for after in [None, Some(&after)] {
                let (is_found, page) = searched(&org, condition, &[false; 4], after);
                assert!(is_found, "{condition:?}");
                check(&store, page, indexes).await;
            }
        }
        // What many have in common is looked at in the rows that something else finds.
        let both = All(vec![Is(LastName, text("g777")), Begins(FirstName, text("f"))]);
        let (is_found, page) = searched(&org, &both, &[false, true], None);
        assert!(is_found);
        check(&store, page, &["users_last_name"]).await;
        // Or else in all rows, in their order.
        for condition in [
            UserCondition::AnyBegins(text("f")),
            Begins(Email, text("e")),
            Time(UserTime::Created, TimeMatch::From, Timestamp::from_micros(0)),
            Status(UserStatus::Active),
            Any(vec![Status(UserStatus::Active), Begins(Email, text("e"))]),
            All(vec![Status(UserStatus::Active), Begins(Email, text("e"))]),
        ] {
            for after in [None, Some(&after)] {
                let (is_found, page) = searched(&org, &condition, &[true, true], after);
                assert!(!is_found, "{condition:?}");
                check_ordered(&store, page, &[primary]).await;
            }
        }
        let transaction = store.connections.reader.begin_ordered().await.unwrap();
        let step = transaction.get_database_backend().build(&last_of_step(&org, Some(&after), 50));
        let plan = explained(&transaction, step).await;
        transaction.commit().await.unwrap();
        assert!(plan.contains(primary) && !plan.contains("Seq Scan") && !plan.contains("SCAN"), "{plan}");
        let unkeyed = store.connections.reader.get_database_backend().build(&unkeyed());
        let plan = explained(&store.connections.reader, unkeyed).await;
        assert!(plan.contains("users_unkeyed"), "{plan}");
    })
    .await;
    what_more_users_meet_is_common(&store, &org, columns).await;
}

/// At the bound and past it.
async fn what_more_users_meet_is_common(store: &Store, org: &OrgId, columns: &str) {
    use SearchedAttribute::{Email, LastName, Login};
    use UserCondition::{Begins, Is, Time};
    let text = |text: &str| SearchText::new(text).unwrap();
    let reader = &store.connections.reader;
    let asked = [
        UserCondition::AnyBegins(text("e")),
        Is(Login, text("l777")),
        Begins(Email, text("e")),
        Is(LastName, text("g777")),
        Time(UserTime::Created, TimeMatch::From, Timestamp::from_micros(0)),
    ];
    let common = async || {
        let leaves: Vec<_> = asked.iter().collect();
        are_common(reader, org, &leaves, BOUNDS.ids).await.unwrap()
    };
    assert!(are_common(reader, org, &[], BOUNDS.ids).await.unwrap().is_empty());
    assert_eq!(common().await, [false; 5]);
    let one_more = format!(
        "INSERT INTO {columns} VALUES ('{org}', '00u1', 'other', '{{}}', 0, 'e', 'f', 'g', 'x', 'ACTIVE', 0, 0, 0, 0, 0)"
    );
    store.connections.writer.execute_unprepared(&one_more).await.unwrap();
    assert_eq!(common().await, [true, false, true, false, true]);
}

async fn orgs_are_found_by_an_index_of_hosts(config: &StoreConfig) {
    let store = open(config).await;
    let columns = "orgs (id, host, name, created_us, configuration_version, configuration_mark, status)";
    let values = "org || CAST(n AS VARCHAR), 'Host' || CAST(n AS VARCHAR) || '.' || org, 'Org', n, 0, 0, 'ACTIVE'";
    fill(&store, columns, values).await;
    check_each(&store, "orgs", async || {
        check(&store, of_host("host7.example.com"), &["orgs_lower_host"]).await;
    })
    .await;
}

async fn signing_keys_are_found_by_an_index(config: &StoreConfig) {
    let store = open(config).await;
    let values = "org, 'id' || CAST(100000 + n AS VARCHAR), CASE WHEN n % 100 = 0 THEN 'signing_key' ELSE 'client' END, n, '{}', '{}'";
    fill(&store, "configuration_objects (org_id, id, kind, position, document, secrets)", values).await;
    let after = (org().to_string(), "id110000".to_owned());
    check_each(&store, "configuration_objects", async || {
        check(&store, signing_keys(None), &["configuration_objects_signing_keys"]).await;
        check(&store, signing_keys(Some(&after)), &["configuration_objects_signing_keys"]).await;
    })
    .await;
}

async fn groups_and_assignments_are_found_by_indexes(config: &StoreConfig) {
    let store = open(config).await;
    let org = org();
    let (user, group, app) = ("00u10001000000000000", "00g10001000000000000", "0oa10001000000000000");
    // A group and an app with every user as a member, and a user who is a member of every group.
    let id = |prefix: &str| format!("'{prefix}' || CAST(10000 + n AS VARCHAR) || '000000000000'");
    let (users, groups, apps) = (id("00u"), id("00g"), id("0oa"));
    let rows = [
        (
            "users (org_id, id, login_key, document, version)",
            format!("org, {users}, 'l' || CAST(n AS VARCHAR), '{{}}', 0"),
        ),
        (
            "user_groups (org_id, id, name_key, name, created_us, updated_us, members_changed_us)",
            format!("org, {groups}, 'g' || CAST(n AS VARCHAR), 'G' || CAST(n AS VARCHAR), 0, 0, 0"),
        ),
        (
            "configuration_objects (org_id, id, kind, position, document, secrets)",
            format!("org, {apps}, 'client', n, '{{}}', '{{}}'"),
        ),
        ("group_members (org_id, group_id, user_id)", format!("org, '{group}', {users}")),
        ("app_users (org_id, app_id, user_id, document)", format!("org, '{app}', {users}, '{{}}'")),
        (
            "app_groups (org_id, app_id, group_id, own_group_id, document)",
            format!("org, {apps}, '{group}', '{group}', '{{}}'"),
        ),
    ];
    for (table, values) in &rows {
        fill(&store, table, values).await;
    }
    let (user, group): (UserId, GroupId) = (user.parse().unwrap(), group.parse().unwrap());
    let app: AppId = app.parse().unwrap();
    let is_postgres = store.connections.reader.get_database_backend() == DbBackend::Postgres;
    let primary = |table: &str| {
        if is_postgres { format!("{table}_pkey") } else { format!("sqlite_autoindex_{table}_1") }
    };
    let checks = async || {
        for after in [None, Some(&user)] {
            // With every user in one group and app, the two indexes of a table cost the same.
            let reader = &store.connections.reader;
            let transaction = reader.begin_ordered().await.unwrap();
            let next = transaction.get_database_backend().build(&member_ids(&org, &group, after, 100));
            check_statement(&transaction, next, &["group_members"]).await;
            transaction.commit().await.unwrap();
            let next = next_of_app(reader.get_database_backend(), (&org, &app), after, 100);
            let plan = explained(reader, next).await;
            for index in ["app_users", "group_members", "app_groups"] {
                assert!(plan.contains(index), "{index} is not used:\n{plan}");
            }
            // The page itself and what follows a user are no tables.
            let walks = ["SCAN own", "SCAN members", "SCAN of_app", "Seq Scan"];
            assert!(!walks.iter().any(|walk| plan.contains(walk)) && read_in_vain(&plan) <= IN_VAIN_MAX, "{plan}");
        }
        let page: Vec<_> = (10_100..10_200).map(|number| format!("00u{number}000000000000")).collect();
        for (of_page, indexes) in [
            (of_ids(&org, &page), &[primary("users").as_str()][..]),
            (own(&org, &app, &page), &["app_users"]),
            (memberships(&org, &app, &page), &["group_members", "app_groups"]),
        ] {
            let reader = &store.connections.reader;
            let of_page = reader.get_database_backend().build(&of_page.unwrap());
            check_statement(reader, of_page, indexes).await;
        }
        check(&store, apps_of_user(&org, &user), &["app_users_user"]).await;
        check_ordered(&store, apps_of_group(&org, &group, Some(&app), 100), &["app_groups"]).await;
        check(&store, groups_of_assignment(&org, &app, &user), &[]).await;
        let by_name = Narrowed::Name("g777".to_owned());
        check(&store, group_rows(&org, Some(&by_name), None, 100), &["user_groups_name"]).await;
        let by_beginning = Narrowed::NameBegins("g777".to_owned());
        check(&store, group_rows(&org, Some(&by_beginning), None, 100), &["user_groups_name"]).await;
        let reader = &store.connections.reader;
        let plan = explained(reader, of_user(reader.get_database_backend(), &org, &user)).await;
        assert!(plan.contains("group_members_user") && !plan.contains("Seq Scan on user_groups"), "{plan}");
        assert!(!plan.contains("SCAN m") && !plan.contains("SCAN g"), "{plan}");
    };
    checks().await;
    if is_postgres {
        store.connections.writer.execute_unprepared("ANALYZE").await.unwrap();
        checks().await;
    }
}

/// Tokens are found by their text, by their user, and once they have expired.
async fn tokens_are_found_by_indexes(config: &StoreConfig) {
    let store = open(config).await;
    let (org, user) = (org(), "00u10001000000000000".parse().unwrap());
    let of_user = "'00u' || CAST(10000 + n AS VARCHAR) || '000000000000'";
    let text = "'t' || CAST(n AS VARCHAR)";
    // Everybody has a token of each kind, and nearly all last.
    let values = format!("org, {text}, 'SESSION', {of_user}, n");
    fill(&store, "authn_tokens (org_id, token_sha256, purpose, user_id, expires_us)", &values).await;
    let values = format!("org, {text}, FALSE, {of_user}, n");
    fill(&store, "access_tokens (org_id, jti, revoked, user_id, expires_us)", &values).await;
    let is_postgres = store.connections.reader.get_database_backend() == DbBackend::Postgres;
    let primary = if is_postgres { "authn_tokens_pkey" } else { "sqlite_autoindex_authn_tokens_1" };
    let find = |condition: SimpleExpr| authn_token::Entity::find().filter(condition);
    let checks = async || {
        let working = authn_tokens::working(&org, "t777", AuthnPurpose::Session, Timestamp::from_micros(0));
        check(&store, find(working), &[primary]).await;
        check(&store, find(authn_tokens::of_user(&org, &user)), &["authn_tokens_user"]).await;
        let access = access_token::Entity::find().filter(valid_access_of(&org, &user, Timestamp::from_micros(0)));
        check(&store, access, &["access_tokens_user"]).await;
    };
    for table in ["authn_tokens", "access_tokens"] {
        check_each(&store, table, checks).await;
    }
    let values = format!("org, {text}, 'PASSWORD', 'SMS', 'CHALLENGED', {text}, NULL, 0, n, n");
    let columns = "org_id, token_sha256, purpose, method, stage, login_key, user_id, attempts, sent_us, expires_us";
    fill(&store, &format!("recovery_tokens ({columns})"), &values).await;
    let primary = if is_postgres { "recovery_tokens_pkey" } else { "sqlite_autoindex_recovery_tokens_1" };
    let find = |condition: SimpleExpr| recovery_tokens::Entity::find().filter(condition);
    check_each(&store, "recovery_tokens", async || {
        let working = recovery_tokens::working(&org, "t777", Timestamp::from_micros(0));
        check(&store, find(working), &[primary]).await;
        check(&store, find(recovery_tokens::of_user(&org, &user)), &["recovery_tokens_user"]).await;
        let of_login = recovery_tokens::of_login(&org, "t777", Timestamp::from_micros(0));
        check(&store, find(of_login), &["recovery_tokens_login"]).await;
    })
    .await;
    check(&store, find(recovery_tokens::expired(100)).limit(100), &["recovery_tokens_expiry"]).await;
    let find = |condition: SimpleExpr| authn_token::Entity::find().filter(condition);
    // Without statistics PostgreSQL takes a third of all tokens for expired ones, and reads the table until it has a batch.
    check(&store, find(authn_tokens::expired(100)).limit(100), &["authn_tokens_expiry"]).await;
}

async fn factors_are_found_by_their_user(config: &StoreConfig) {
    let store = open(config).await;
    let user = "'00u' || CAST(10000 + n AS VARCHAR) || '000000000000'";
    let users = "users (org_id, id, login_key, document, version, keyed_version)";
    fill(&store, users, &format!("org, {user}, CAST(n AS VARCHAR), '{{}}', 0, 0")).await;
    let columns =
        "factors (org_id, id, user_id, factor_type, status, created_us, last_updated_us, attempts, attempted_us)";
    let values = format!("org, 'uft' || CAST(n AS VARCHAR), {user}, 'sms', 'ACTIVE', 0, 0, 0, 0");
    fill(&store, columns, &values).await;
    let found = factors_of_user(&org(), &"00u10777000000000000".parse().unwrap());
    check_each(&store, "factors", async || check(&store, found.clone(), &["factors_user"]).await).await;
}

/// Runs a test body on each database.
macro_rules! on_both_databases {
    ($($name:ident $sqlite:ident $postgres:ident)*) => {$(
        #[tokio::test]
        async fn $sqlite() {
            $name(&crate::StoreConfig::Ephemeral).await;
        }

        #[tokio::test]
        #[ignore = "needs PostgreSQL: `cargo xtask postgres`"]
        async fn $postgres() {
            let url = tenterhook_testkit::postgres::new_database().await.unwrap();
            let url = tenterhook_contract::Secret::new(url);
            $name(&crate::StoreConfig::Postgres { url, max_connections: 4 }).await;
        }
    )*};
}
pub(crate) use on_both_databases;

on_both_databases! {
    users_are_found_by_indexes users_are_found_by_indexes_on_sqlite users_are_found_by_indexes_on_postgres
    groups_and_assignments_are_found_by_indexes groups_and_assignments_are_found_by_indexes_on_sqlite groups_and_assignments_are_found_by_indexes_on_postgres
    orgs_are_found_by_an_index_of_hosts orgs_are_found_by_an_index_of_hosts_on_sqlite orgs_are_found_by_an_index_of_hosts_on_postgres
    tokens_are_found_by_indexes tokens_are_found_by_indexes_on_sqlite tokens_are_found_by_indexes_on_postgres
    factors_are_found_by_their_user factors_are_found_by_their_user_on_sqlite factors_are_found_by_their_user_on_postgres
    signing_keys_are_found_by_an_index signing_keys_are_found_by_an_index_on_sqlite signing_keys_are_found_by_an_index_on_postgres
}
